"""The forms of English verbs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


def forms(base: str, *, irregular: Mapping[str, str], doubled: Collection[str]) -> Iterator[str]:
    """Every form of a verb: `drive`, `drives`, `driving`, `drove`, ...

    `irregular` holds forms that no rule makes, separated by spaces; `doubled` the verbs that double
    their last letter, as in `running`.
    """
    yield base
    yield from irregular.get(base, "").split()
    if _ends_in_y(base):
        yield from (third_person(base), f"{base[:-1]}ied", f"{base}ing")
    elif base.endswith("e"):
        yield from (third_person(base), f"{base}d", f"{base[:-1]}ing")
    else:
        stem = base + base[-1] if base in doubled else base
        yield from (third_person(base), f"{stem}ed", f"{stem}ing")


def third_person(base: str) -> str:
    """What one of them does: `drives`, `flies`, `goes`."""
    if _ends_in_y(base):
        return f"{base[:-1]}ies"
    return f"{base}es" if base.endswith(("s", "sh", "ch", "x", "z", "o")) else f"{base}s"


def _ends_in_y(base: str) -> bool:
    return base.endswith("y") and base[-2] not in "aeiou"
