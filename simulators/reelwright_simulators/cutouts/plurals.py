"""English plurals."""

from __future__ import annotations

_VOWELS = "aeiou"


def plural(noun: str) -> str:
    """The regular plural of an English noun; the last word of several is changed."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return f"{noun[:-1]}ies"
    if noun.endswith("man") and noun != "human":
        return f"{noun[:-3]}men"
    return f"{noun}s"
