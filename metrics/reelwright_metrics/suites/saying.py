"""How a prompt says its scene, and the same with one attribute changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from reelwright_core.story import Action, Direction, RelationKind
from reelwright_generators.builtin.staging import picture_of
from reelwright_generators.builtin.words import COLOURS, NOUNS, PLACES, RELATIONS, Actor, Scene
from reelwright_generators.builtin.words import plural as plural_of
from reelwright_metrics.suites import Kind

Some = TypeVar("Some")

_MANY: Mapping[Action, str] = {
    "moves": "move", "falls": "fall", "bounces": "bounce", "rolls": "roll", "rises": "rise",
    "approaches": "approach", "leaves": "leave", "circles": "circle", "jumps": "jump",
    "stays": "stand", "topples": "topple", "collides": "collide", "waves": "wave",
    "swings": "swing", "pours": "pour",
}  # fmt: skip
_WAYS: Mapping[Direction, str] = {
    "right": "from left to right",
    "left": "from right to left",
    "up": "up",
    "down": "down",
}
_COUNTS = ("", "", "two", "three")

_BACK: Mapping[Direction, Direction] = {
    "left": "right", "right": "left", "up": "down", "down": "up",
}  # fmt: skip
_CONTRARY: Mapping[Action, Action] = {
    "falls": "rises", "rises": "falls", "approaches": "leaves", "leaves": "approaches",
}  # fmt: skip
_OPPOSITE: Mapping[RelationKind, RelationKind] = {
    "left of": "right of", "right of": "left of", "above": "below", "below": "above",
    "on": "below", "behind": "in front of", "in front of": "behind", "follows": "meets",
    "meets": "follows",
}  # fmt: skip
"""`near` has none: what is beside, above or behind is near as well."""


def sentence(scene: Scene) -> str:
    """The plainest way to say `scene`, all of it; each word is one that training knows."""
    place = PLACES[scene.place][0]
    if scene.relation is not None:
        one, other = scene.actors
        how = RELATIONS[scene.relation][0]
        if one.action == "collides" and scene.relation == "meets":
            how = "knocks over" if other.action == "topples" else "hits"
        return f"{_named(one)} {how} {_named(other)} {place}"
    (actor,) = scene.actors
    return f"{_named(actor)} {_does(actor)} {place}"


def _named(actor: Actor) -> str:
    words = [actor.colour or "", plural_of(actor.noun) if actor.count > 1 else actor.noun]
    said = " ".join(filter(None, words))
    if actor.count > 1:
        return f"{_COUNTS[actor.count]} {said}"
    return f"{'an' if said[0] in 'aeiou' else 'a'} {said}"


def _does(actor: Actor) -> str:
    many = _MANY[actor.action]
    verb = many if actor.count > 1 else f"{many}{'es' if many.endswith('ch') else 's'}"
    if actor.direction is None:
        return verb
    if actor.action == "leaves":
        return f"{verb} to the {actor.direction}"
    return f"{verb} {_WAYS[actor.direction]}"


def wrong(scene: Scene, *, count: int, rng: np.random.Generator) -> list[tuple[Kind, Scene]]:
    """`count` scenes that differ from `scene` in one attribute each, and in which.

    The attributes take turns, the nearest change first (a direction reversed, one more thing),
    until one of them has no changes left.
    """
    left = _changes(scene, rng)
    found: list[tuple[Kind, Scene]] = []
    while len(found) < count and any(left.values()):
        for kind, changes in left.items():
            if changes and len(found) < count:
                found.append((kind, changes.pop(0)))
    return found


def _changes(scene: Scene, rng: np.random.Generator) -> dict[Kind, list[Scene]]:
    shown = [actor.noun for actor in scene.actors]
    nouns = _mixed([noun for noun in NOUNS if noun not in shown], rng)
    colours = _mixed(list(COLOURS), rng)
    by: dict[Kind, list[Scene]] = {
        "colour": [
            _with(scene, i, replace(actor, colour=colour))
            for colour in colours
            for i, actor in enumerate(scene.actors)
            if actor.colour is not None and colour not in {a.colour for a in scene.actors}
        ],
        "motion": [],
        "count": [],
        "relation": [],
        "noun": [
            _with(scene, i, replace(actor, noun=noun))
            for noun in nouns
            for i, actor in enumerate(scene.actors)
        ],
        "place": [replace(scene, place=place) for place in _mixed(list(PLACES), rng)
                  if place != scene.place],
    }  # fmt: skip
    if scene.relation is not None:
        if scene.relation in _OPPOSITE:
            by["relation"] = [replace(scene, relation=_OPPOSITE[scene.relation])]
        return by
    (actor,) = scene.actors
    by["motion"] = [_with(scene, 0, other) for other in _otherwise(actor)]
    near = sorted({1, 2, 3} - {actor.count}, key=lambda n: abs(n - actor.count))
    by["count"] = [_with(scene, 0, replace(actor, count=n)) for n in near]
    return by


def _otherwise(actor: Actor) -> Iterator[Actor]:
    """What `actor` could do instead, the contrary first; nothing that looks alike."""
    if actor.direction is not None:
        yield replace(actor, direction=_BACK[actor.direction])
    elif actor.action in _CONTRARY:
        yield replace(actor, action=_CONTRARY[actor.action])
    if actor.action != "stays":
        yield replace(actor, action="stays", direction=None)
    elif not picture_of(actor.noun).fixed:
        for side in ("left", "right"):
            yield replace(actor, action="moves", direction=side)


def _with(scene: Scene, place: int, actor: Actor) -> Scene:
    actors = list(scene.actors)
    actors[place] = actor
    return replace(scene, actors=tuple(actors))


def _mixed(several: Sequence[Some], rng: np.random.Generator) -> list[Some]:
    return [several[int(i)] for i in rng.permutation(len(several))]
