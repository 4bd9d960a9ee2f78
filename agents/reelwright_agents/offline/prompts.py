"""Says a shot in the plain words that the built-in model's captions use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reelwright_core.story import (
    Action,
    CameraMove,
    Direction,
    Entity,
    Event,
    Lens,
    Place,
    Relation,
    RelationKind,
    SceneGraph,
)
from reelwright_simulators import cutouts

PLACE_PHRASES: Mapping[Place, str] = {
    "plain": "on a plain background", "beach": "on a beach", "meadow": "in a meadow",
    "city": "in a city", "road": "on a road", "forest": "in a forest", "snow": "in the snow",
    "desert": "in a desert", "sea": "on the sea", "night": "at night", "space": "in space",
    "room": "in a room", "sky": "in the sky",
}  # fmt: skip
_COUNTS = ("", "", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SIDES: Mapping[Direction, str] = {
    "right": "from left to right", "left": "from right to left", "up": "up", "down": "down",
}  # fmt: skip
_VERBS: Mapping[Action, tuple[str, str]] = {
    "moves": ("moves", "move"), "falls": ("falls", "fall"), "bounces": ("bounces", "bounce"),
    "rolls": ("rolls", "roll"), "rises": ("rises", "rise"),
    "approaches": ("approaches", "approach"),
    "leaves": ("leaves", "leave"), "circles": ("circles", "circle"), "jumps": ("jumps", "jump"),
    "stays": ("stands", "stand"),
    "topples": ("topples", "topple"), "collides": ("collides", "collide"),
    "waves": ("waves", "wave"), "swings": ("swings", "swing"), "pours": ("pours", "pour"),
}  # fmt: skip
_RELATIONS: Mapping[RelationKind, str] = {
    "left of": "to the left of", "right of": "to the right of", "above": "above", "below": "below",
    "on": "on", "behind": "behind", "in front of": "in front of", "near": "next to",
    "follows": "follows", "meets": "meets",
}  # fmt: skip
LIQUIDS = ("water", "milk", "juice", "honey", "tea", "coffee", "lemonade", "wine", "oil", "paint")
"""What has no article: `water pours into a glass`."""
_CAMERA: Mapping[CameraMove, str] = {
    "static": "", "pan left": "the camera pans left", "pan right": "the camera pans right",
    "zoom in": "the camera zooms in", "zoom out": "the camera zooms out",
}  # fmt: skip
LENS_WORDS: Mapping[Lens, str] = {"wide": "wide shot", "normal": "", "long": "close-up"}
"""How a prompt says the lens."""


def prompt_of(
    graph: SceneGraph, *, place: Place, camera: CameraMove = "static", style: str = "",
    wind: str = "", lens: Lens = "normal",
) -> str:  # fmt: skip
    """What a video model is asked for: `a red car moves from left to right on a beach`."""
    said: list[str] = []
    told: set[str] = set()
    for relation in graph.relations:
        said.append(_related(graph, relation, told))
        told |= {relation.subject, relation.object}
    said += [_acting(graph, entity) for entity in graph.entities if entity.id not in told]
    where = PLACE_PHRASES[place]
    if not said:
        sentence = {"plain": "a plain background"}.get(place, where.split(" ", 1)[1])
        sentence = where if place == "night" else sentence
    else:
        blowing = f"in {'a ' if ' ' in wind else 'the '}{wind}" if wind else ""
        sentence = " ".join(filter(None, (" and ".join(said), blowing, where)))
    return ", ".join(filter(None, (sentence, LENS_WORDS[lens], _CAMERA[camera], style)))


def named(entity: Entity) -> str:
    """`a red car`, `two dogs`."""
    cut = cutouts.find(entity.noun) if entity.known else None
    noun = entity.noun
    names = [word.removeprefix("named ") for word in entity.attributes if word[:6] == "named "]
    if names and not entity.known:
        return names[0]
    if entity.count > 1:
        noun = cut.plural if cut else _plural(noun)
    words = [entity.colour or "", noun]
    phrase = " ".join(filter(None, words))
    if entity.count > 1:
        return f"{_COUNTS[entity.count]} {phrase}"
    if noun in LIQUIDS:
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _plural(noun: str) -> str:
    return noun if noun.endswith("s") else f"{noun}s"


def _related(graph: SceneGraph, relation: Relation, told: set[str]) -> str:
    subject, other = graph.entity(relation.subject), graph.entity(relation.object)
    does = ""
    if relation.kind not in ("follows", "meets"):
        does = _does(_events(graph, subject.id), subject)
    if relation.kind == "meets" and _hit(graph, subject, other):
        return _colliding(graph, subject, other, told)
    verb = _RELATIONS[relation.kind]
    if relation.kind == "near" and does.endswith(("pours", "pour")):
        verb = "into"
    if relation.kind in ("follows", "meets") and subject.count > 1:
        verb = verb.removesuffix("s")
    first = "" if subject.id in told else named(subject)
    return " ".join(filter(None, (first, does, verb, named(other))))


def _hit(graph: SceneGraph, subject: Entity, other: Entity) -> bool:
    """Whether they meet because one hits the other."""
    actions = [event.action for entity in (subject, other) for event in _events(graph, entity.id)]
    return "collides" in actions


def _colliding(graph: SceneGraph, subject: Entity, other: Entity, told: set[str]) -> str:
    """`a ball rolls from left to right and hits a red cube`."""
    own, its = (
        [event for event in _events(graph, entity.id) if event.action != "collides"]
        for entity in (subject, other)
    )
    hits = "hit" if subject.count > 1 else "hits"
    first = "" if subject.id in told else named(subject)
    parts = [first, f"{_does(own, subject)} and" if own else "", hits, named(other)]
    parts.append(f"and it {_does(its, other)}" if its else "")
    return " ".join(filter(None, parts))


def _events(graph: SceneGraph, id: str) -> Sequence[Event]:
    mine = [event for event in graph.events if event.actor == id and event.action != "stays"]
    return sorted(mine, key=lambda event: event.frames.first)


def _acting(graph: SceneGraph, entity: Entity) -> str:
    does = _does(_events(graph, entity.id), entity) or _VERBS["stays"][entity.count > 1]
    return f"{named(entity)} {does}"


def _does(events: Sequence[Event], entity: Entity) -> str:
    said: list[str] = []
    for event in events:
        verb = _VERBS[event.action][entity.count > 1]
        if event.action in ("moves", "rolls"):
            verb += f" {_SIDES[event.direction or 'right']}"
        elif event.action == "leaves" and event.direction:
            verb += f" to the {event.direction}"
        if verb not in said:
            said.append(verb)
    return " and ".join(said)
