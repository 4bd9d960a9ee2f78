"""Makes the suites of scripts: `python -m reelwright_metrics.suites.scripts.make`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, get_args

import numpy as np

from reelwright_core.files import write_text
from reelwright_core.story import (
    Action,
    Colour,
    Direction,
    Entity,
    Event,
    FrameSpan,
    Place,
    Relation,
    RelationKind,
    SceneGraph,
)
from reelwright_generators.builtin.staging import picture_of
from reelwright_generators.builtin.words import NOUNS, PLACES, plural
from reelwright_metrics.suites.scripts import SCRIPTED, Scripted, ScriptedKind
from reelwright_simulators.places import GROUND

SEED = 61
EACH = 12
_DRAWS = 800

Some = TypeVar("Some")
Doing = tuple[Action, Direction | None]
Draw = Callable[[np.random.Generator], tuple[str, Place, SceneGraph]]

_SAID: Mapping[Doing, tuple[str, str]] = MappingProxyType(
    {
        ("moves", "right"): ("moves from left to right", "move from left to right"),
        ("moves", "left"): ("moves from right to left", "move from right to left"),
        ("rolls", "right"): ("rolls from left to right", "roll from left to right"),
        ("rolls", "left"): ("rolls from right to left", "roll from right to left"),
        ("falls", None): ("falls", "fall"),
        ("bounces", None): ("bounces", "bounce"),
        ("rises", None): ("rises", "rise"),
        ("jumps", None): ("jumps", "jump"),
        ("approaches", None): ("comes closer", "come closer"),
        ("leaves", None): ("goes away", "go away"),
        ("circles", None): ("circles", "circle"),
        ("stays", None): ("stands still", "stand still"),
    }
)
_RELATIONS: Mapping[RelationKind, str] = MappingProxyType(
    {
        "left of": "is to the left of",
        "right of": "is to the right of",
        "above": "is above",
        "below": "is below",
        "on": "is on",
        "near": "is near",
        "follows": "follows",
        "meets": "meets",
    }
)
_COUNTS = ("", "a", "two", "three")
_ASIDE: tuple[Doing, ...] = (("moves", "left"), ("moves", "right"))
_FREE: tuple[Doing, ...] = (
    *_ASIDE, ("falls", None), ("jumps", None), ("approaches", None), ("leaves", None),
)  # fmt: skip
_ROUND: tuple[Doing, ...] = (("rolls", "left"), ("rolls", "right"), ("bounces", None))
_LIGHT: tuple[Doing, ...] = (("rises", None), ("circles", None))
_STANDING: tuple[Doing, ...] = (*_ASIDE, ("stays", None), ("jumps", None))
_PLACES: tuple[Place, ...] = get_args(Place)
_COLOURS: tuple[Colour, ...] = get_args(Colour)


def scripts() -> list[Scripted]:
    """The suite `story`: always the same."""
    made: list[Scripted] = []
    for kind in SCRIPTED:
        rng = np.random.default_rng([SEED, SCRIPTED.index(kind)])
        drawn: dict[str, tuple[str, Place, SceneGraph]] = {}
        for _ in range(_DRAWS):
            one = _DRAWN[kind](rng)
            drawn[one[0]] = one
        left, used = list(drawn.values()), Counter[str]()
        for number in range(EACH):
            text, place, graph = min(
                left, key=lambda one: tuple(used[word] for word in _words(one[1], one[2]))
            )
            left.remove((text, place, graph))
            used.update(_words(place, graph))
            made.append(
                Scripted(
                    id=f"{kind}-{number + 1:02}", kind=kind, text=text, place=place, graph=graph
                )
            )
    return made


def _words(place: Place, graph: SceneGraph) -> list[str]:
    """What is to be used evenly, the most important first."""
    relations = [relation.kind for relation in graph.relations]
    doing = [(event.action, event.direction) for event in graph.events]
    twins = len({entity.noun for entity in graph.entities})
    return [
        f"{relations} {len(graph.entities)} {twins}",
        f"{doing[:1]}",
        *(f"noun {entity.noun}" for entity in graph.entities),
        f"place {place}",
        f"{doing[1:]}",
        *(f"colour {entity.colour}" for entity in graph.entities),
    ]


def _motion(rng: np.random.Generator) -> tuple[str, Place, SceneGraph]:
    place = _choice(_PLACES, rng)
    one = _entity("e0", _mover(rng), rng)
    doing = _choice(_doings(one.noun, place), rng)
    text = f"{_a(one)} {_SAID[doing][0]} {PLACES[place][0]}."
    return text, place, SceneGraph(entities=[one], events=[_event("e0", doing, 0)])


def _relation(rng: np.random.Generator) -> tuple[str, Place, SceneGraph]:
    place, kind = _choice(_solid(), rng), _choice(list(_RELATIONS), rng)
    going = kind in ("follows", "meets")
    one = _entity("e0", _mover(rng) if going else _any(rng), rng)
    two = _entity("e1", _mover(rng, but=one.noun) if going else _any(rng, but=one.noun), rng)
    graph = SceneGraph(
        entities=[one, two], relations=[Relation(subject="e0", kind=kind, object="e1")]
    )
    return f"{_a(one)} {_RELATIONS[kind]} {_a(two).lower()} {PLACES[place][0]}.", place, graph


def _count(rng: np.random.Generator) -> tuple[str, Place, SceneGraph]:
    place, count = _choice(_solid(), rng), int(rng.integers(2, 4))
    one = _entity("e0", _mover(rng), rng).model_copy(update={"count": count})
    doing = _choice(_STANDING, rng)
    text = f"{_COUNTS[count].capitalize()} {_named(one)} {_SAID[doing][1]} {PLACES[place][0]}."
    return text, place, SceneGraph(entities=[one], events=[_event("e0", doing, 0)])


def _order(rng: np.random.Generator) -> tuple[str, Place, SceneGraph]:
    place = _choice(_solid(), rng)
    one = _entity("e0", _mover(rng), rng)
    able = [doing for doing in _doings(one.noun, place) if doing[0] in ("moves", "rolls", "jumps")]
    first = _choice(able, rng)
    if rng.integers(2):
        then = _choice(
            [doing for doing in able if doing[0] != first[0] and doing[1] != first[1]], rng
        )
        text = f"{_a(one)} {_SAID[first][0]} {PLACES[place][0]}. Then it {_SAID[then][0]}."
        return text, place, SceneGraph(
            entities=[one], events=[_event("e0", first, 0), _event("e0", then, 1)]
        )  # fmt: skip
    two = _entity("e1", _mover(rng, but=one.noun), rng)
    then = _choice([doing for doing in _doings(two.noun, place)
                    if doing[0] in ("moves", "rolls", "jumps", "falls")], rng)  # fmt: skip
    text = (
        f"{_a(one)} {_SAID[first][0]} {PLACES[place][0]}. Then {_a(two).lower()} {_SAID[then][0]}."
    )
    return text, place, SceneGraph(
        entities=[one, two], events=[_event("e0", first, 0), _event("e1", then, 1)]
    )  # fmt: skip


def _binding(rng: np.random.Generator) -> tuple[str, Place, SceneGraph]:
    place = _choice(_solid(), rng)
    able = [noun for noun in NOUNS if picture_of(noun).recolours]
    noun = _choice(able, rng)
    other = noun if rng.integers(2) else _choice([one for one in able if one != noun], rng)
    colours: list[Colour] = [_COLOURS[int(i)] for i in rng.choice(len(_COLOURS), 2, replace=False)]
    one, two = (
        Entity(id=f"e{i}", noun=each, colour=colour)
        for i, (each, colour) in enumerate(zip((noun, other), colours, strict=True))
    )
    side: RelationKind = _choice(("left of", "right of"), rng)
    text = f"{_a(one)} is to the {side.split()[0]} of {_a(two).lower()} {PLACES[place][0]}."
    return text, place, SceneGraph(
        entities=[one, two], relations=[Relation(subject="e0", kind=side, object="e1")]
    )  # fmt: skip


_DRAWN: Mapping[ScriptedKind, Draw] = MappingProxyType(
    {"motion": _motion, "relation": _relation, "count": _count, "order": _order,
     "binding": _binding}
)  # fmt: skip


def _doings(noun: str, place: Place) -> list[Doing]:
    cut = picture_of(noun)
    found = list(_FREE)
    if cut.rolls:
        found += _ROUND
    if cut.flies or noun == "balloon" or GROUND[place] is None:
        found += _LIGHT
    return found


def _event(actor: str, doing: Doing, number: int) -> Event:
    # Nominal frames: the first half or the second; only their order counts.
    span = FrameSpan(first=0, last=7) if number == 0 else FrameSpan(first=8, last=16)
    return Event(actor=actor, action=doing[0], direction=doing[1], frames=span)


def _entity(id: str, noun: str, rng: np.random.Generator) -> Entity:
    colour = _COLOURS[int(rng.integers(len(_COLOURS)))]
    return Entity(id=id, noun=noun, colour=colour if picture_of(noun).recolours else None)


def _named(entity: Entity) -> str:
    noun = plural(entity.noun) if entity.count > 1 else entity.noun
    return f"{entity.colour} {noun}" if entity.colour else noun


def _a(entity: Entity) -> str:
    said = _named(entity)
    return f"{'An' if said[0] in 'aeiou' else 'A'} {said}"


def _mover(rng: np.random.Generator, *, but: str = "") -> str:
    able = [noun for noun in NOUNS if not picture_of(noun).fixed and noun not in ("house", but)]
    return _choice(able, rng)


def _any(rng: np.random.Generator, *, but: str = "") -> str:
    return _choice([noun for noun in NOUNS if noun != but], rng)


def _solid() -> list[Place]:
    return [place for place in _PLACES if GROUND[place] is not None and place != "sea"]


def _choice(several: Sequence[Some], rng: np.random.Generator) -> Some:
    return several[int(rng.integers(len(several)))]


if __name__ == "__main__":
    made = scripts()
    lines = "".join(json.dumps(one.data()) + "\n" for one in made)
    write_text(Path(__file__).parent / "story.jsonl", lines)
    print(f"story: {len(made)} scripts")
