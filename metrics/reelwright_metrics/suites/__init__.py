"""Prompt suites: what a bench films, each prompt with the scene that it says, kept as data."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

from reelwright_core.errors import InputError
from reelwright_core.records import Record
from reelwright_generators.builtin import attributes
from reelwright_generators.builtin.words import Scene

Attribute = Literal["noun", "colour", "motion", "count", "relation", "place"]
KINDS: tuple[Attribute, ...] = get_args(Attribute)
PhysicalEvent = Literal["fall", "bounce", "roll", "collision", "topple", "swing"]
EVENTS: tuple[PhysicalEvent, ...] = get_args(PhysicalEvent)
Kind = Attribute | PhysicalEvent
"""What a prompt is there to try: an attribute that is to be shown, or an event of physics."""

_HOME = Path(__file__).parent


class Prompt(Record):
    """One prompt, and what it says as data: so a layout and a real clip of it exist."""

    id: str
    """Its kind and its number among them, such as `noun-001`."""
    kind: Kind
    text: str
    held_out: bool
    """Whether training leaves out this noun with this colour, motion (or relation) and place."""
    scene: Scene

    def states(self) -> dict[Kind, str]:
        """What the text says of each attribute, in the words of the learned critic's classes.

        A relation's two nouns and colours are not asked for, as a clip has one answer for each.
        The article's one counts only in prompts about counts: it would outweigh two and three.
        A motion that the critic has no class for is said as it is.
        """
        scene = self.scene
        if scene.relation is not None:
            return {"relation": scene.relation, "place": scene.place}
        (actor,) = scene.actors
        said: dict[Kind, str] = {"noun": actor.noun, "place": scene.place}
        if actor.colour is not None:
            said["colour"] = actor.colour
        if actor.action != "stays":
            said["motion"] = attributes.motion(actor)
        if self.kind == "count" or (self.kind in EVENTS and actor.count > 1):
            said["count"] = str(actor.count)
        return said


def names() -> list[str]:
    """The suites that there are."""
    return sorted(path.stem for path in _HOME.glob("*.jsonl"))


def load(name: str) -> list[Prompt]:
    """The prompts of a suite in order; `InputError` with the nearest name for an unknown one."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.3)
        hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(names())}"
        raise InputError(f"there is no suite `{name}`; {hint}")
    lines = (_HOME / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [Prompt.model_validate_json(line) for line in lines]


def written(prompts: Iterable[Prompt]) -> str:
    """A suite as its file holds it: one prompt a line."""
    return "".join(json.dumps(prompt.data()) + "\n" for prompt in prompts)


def first(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """The first prompts of each kind, `count` in all, in the proportions of `prompts`."""
    of: dict[Kind, list[Prompt]] = {}
    for prompt in prompts:
        of.setdefault(prompt.kind, []).append(prompt)
    due = {kind: len(of[kind]) * count / len(prompts) for kind in of}
    # What whole numbers leave over goes to the largest remainders.
    takes = {kind: int(due[kind]) for kind in of}
    for kind in sorted(of, key=lambda kind: takes[kind] - due[kind])[: count - sum(takes.values())]:
        takes[kind] += 1
    return [prompt for kind in of for prompt in of[kind][: takes[kind]]]
