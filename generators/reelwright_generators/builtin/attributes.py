"""What can be asked of a drawn scene, and the scenes that differ from it in one answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from reelwright_generators.builtin.words import COLOURS, NOUNS, PLACES, RELATIONS, Actor, Scene

Attribute = Literal["noun", "colour", "count", "place", "motion"]
ATTRIBUTES: Sequence[Attribute] = get_args(Attribute)

MOTIONS = (
    "moves left", "moves right", "moves down", "falls", "bounces", "rolls left", "rolls right",
    "rises", "approaches", "leaves", "circles", "jumps", "stays",
)  # fmt: skip
"""Motions that look different: what rises moves up, and who leaves to a side moves there."""

CLASSES: Mapping[Attribute, Sequence[str]] = {
    "noun": list(NOUNS),
    "colour": list(COLOURS),
    "count": ["1", "2", "3"],
    "place": list(PLACES),
    "motion": MOTIONS,
}
_MIRRORED = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def answers(scene: Scene) -> dict[Attribute, list[str]]:
    """The right answers about `scene`, for the attributes that can be asked about it.

    A noun is one of those in the picture; the rest is asked only where there is one answer.
    """
    right: dict[Attribute, list[str]] = {"place": [scene.place]}
    right["noun"] = [actor.noun for actor in scene.actors if actor.noun in NOUNS]
    first = scene.actors[0]
    if len(scene.actors) == 1:
        right["count"] = [str(first.count)]
        if first.colour is not None:
            right["colour"] = [first.colour]
        if scene.camera == "static":
            right["motion"] = [motion(first)]
    return {name: said for name, said in right.items() if said}


def motion(actor: Actor) -> str:
    """The one of `MOTIONS` that `actor` shows."""
    if actor.action == "moves" and actor.direction == "up":
        return "rises"
    if actor.action in ("moves", "rolls"):
        return f"{actor.action} {actor.direction}"
    if actor.action == "leaves" and actor.direction is not None:
        return f"moves {actor.direction}"
    return actor.action


def changed(scene: Scene, attribute: str, *, rng: np.random.Generator) -> Scene | None:
    """`scene` with another answer for `attribute`, or None where that cannot be asked of it.

    `attribute` is one of `ATTRIBUTES` or "relation".
    """
    found = list(_others(scene, attribute))
    return found[int(rng.integers(len(found)))] if found else None


def _others(scene: Scene, attribute: str) -> Iterator[Scene]:
    first, *rest = scene.actors

    def with_first(**changes: object) -> Scene:
        actor = dataclasses.replace(first, **changes)
        return dataclasses.replace(scene, actors=(actor, *rest))

    match attribute:
        case "noun":
            for noun in NOUNS:
                if all(noun != actor.noun for actor in scene.actors):
                    yield with_first(noun=noun)
        case "colour" if first.colour is not None:
            for colour in COLOURS:
                if all(colour != actor.colour for actor in scene.actors):
                    yield with_first(colour=colour)
        case "count" if len(scene.actors) == 1:
            for count in (first.count - 1, first.count + 1):
                if 1 <= count <= 3:
                    yield with_first(count=count)
        case "place":
            for place in PLACES:
                if place != scene.place:
                    yield dataclasses.replace(scene, place=place)
        case "motion" if scene.relation is None:
            if first.direction in ("left", "right"):
                other = "left" if first.direction == "right" else "right"
                yield with_first(direction=other)
            for action in ("falls", "bounces", "rises", "approaches", "circles", "jumps", "stays"):
                changed_to = dataclasses.replace(first, action=action, direction=None)
                if motion(changed_to) != motion(first):
                    yield dataclasses.replace(scene, actors=(changed_to, *rest))
        case "relation" if scene.relation is not None:
            other = _MIRRORED.get(scene.relation)
            for relation in RELATIONS:
                if relation == other or (
                    relation != scene.relation and "near" not in (relation, scene.relation)
                ):
                    yield dataclasses.replace(scene, relation=relation)
        case _:
            return
