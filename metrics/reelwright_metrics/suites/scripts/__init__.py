"""Suites of scripts: what graphs are compared on, each script with what it asks for as data."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from reelwright_core.errors import InputError
from reelwright_core.records import Record
from reelwright_core.story import Place, SceneGraph

ScriptedKind = Literal["motion", "relation", "count", "order", "binding"]
SCRIPTED: tuple[ScriptedKind, ...] = get_args(ScriptedKind)

_HOME = Path(__file__).parent


class Scripted(Record):
    """A script and what a film of it must show, written down apart from any planner."""

    id: str
    """Its kind and its number among them, such as `order-03`."""
    kind: ScriptedKind
    text: str
    place: Place
    graph: SceneGraph
    """Of its events' frames only the order counts: those of one time overlap."""


def names() -> list[str]:
    """The suites of scripts that there are."""
    return sorted(path.stem for path in _HOME.glob("*.jsonl"))


def load(name: str) -> list[Scripted]:
    """The scripts of a suite in order; `InputError` with the nearest name for an unknown one."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.3)
        hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(names())}"
        raise InputError(f"there is no suite of scripts `{name}`; {hint}")
    lines = (_HOME / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [Scripted.model_validate_json(line) for line in lines]


def first(scripts: Sequence[Scripted], count: int) -> list[Scripted]:
    """`count` scripts, the kinds in turn, each kind's in its own order."""
    of = {kind: [one for one in scripts if one.kind == kind] for kind in SCRIPTED}
    rank = {one.id: (place, SCRIPTED.index(kind)) for kind, several in of.items()
            for place, one in enumerate(several)}  # fmt: skip
    chosen = sorted(rank, key=lambda id: rank[id])[:count]
    return [one for one in scripts if one.id in chosen]
