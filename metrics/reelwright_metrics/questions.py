"""A shot becomes questions that can be answered by looking at the clip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType

from reelwright_core.records import Record
from reelwright_core.story import (
    Action,
    Direction,
    Entity,
    Event,
    Layout,
    Relation,
    Shot,
    Track,
)
from reelwright_core.takes import QuestionKind
from reelwright_simulators import cutouts
from reelwright_simulators.cutouts import plurals

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")

WAYS: Mapping[Direction, str] = MappingProxyType(
    {
        "right": "from left to right",
        "left": "from right to left",
        "up": "upwards",
        "down": "downwards",
    }
)
"""How a direction is said of something that goes there."""

_VERBS: Mapping[Action, tuple[str, str]] = MappingProxyType(
    {
        "moves": ("go", "goes"),
        "falls": ("fall", "falls"),
        "bounces": ("bounce", "bounces"),
        "rolls": ("roll", "rolls"),
        "rises": ("rise", "rises"),
        "approaches": ("come closer", "comes closer"),
        "leaves": ("leave", "leaves"),
        "circles": ("go round in a circle", "goes round in a circle"),
        "jumps": ("jump", "jumps"),
        "stays": ("stand still", "stands still"),
        "topples": ("topple over", "topples over"),
        "collides": ("collide", "collides"),
        "waves": ("wave", "waves"),
        "swings": ("swing", "swings"),
        "pours": ("pour", "pours"),
    }
)
"""What many do, and what one does."""


TURNS = ("bounces", "jumps", "circles", "approaches", "topples", "collides", "swings")
"""What is asked for the shape of its path, also where it has a direction."""
LEAST = 0.06
"""How far a thing that topples, swings or collides must go to be asked for it."""


class Asked(Record):
    """One question about a clip, and the part of the plan that it asks about."""

    kind: QuestionKind
    text: str
    """As a person would ask it: `Does the red car go from left to right?`"""
    entity: str | None = None
    """Whom it is about."""
    expected: str
    """The right answer in a few words: `from left to right`."""
    events: list[int] = []
    """Places in the scene graph's `events`: one, or for `order` the earlier and the later."""
    relation: int | None = None
    """Place in the scene graph's `relations`."""


def questions(shot: Shot, layout: Layout) -> list[Asked]:
    """What to look for in a clip of `shot`, no question twice.

    Things without a track are asked too. `layout` says how long the clip is: events that start
    within an eighth of it of each other are simultaneous, and not asked for their order.
    """
    asked: dict[tuple[str, str], Asked] = {}
    for question in _all(shot, layout):
        asked.setdefault((question.kind, question.text), question)
    return list(asked.values())


IN_SIGHT = "in sight throughout"
NO_JUMPS = "without jumps"
"""What is expected by the questions of `steadiness`."""


def steadiness(shot: Shot) -> list[Asked]:
    """What nobody says and everybody expects: that things stay, do not jump, and are all there is.

    They are asked apart from the plan's own questions, since a still picture passes them all.
    """
    asked: list[Asked] = []
    for entity in shot.scene_graph.entities:
        called, do = name(shot, entity), "Do" if entity.count > 1 else "Does"
        asked += [
            Asked(
                kind="smoothness", text=f"{do} {called} stay in sight?", entity=entity.id,
                expected=IN_SIGHT,
            ),
            Asked(
                kind="smoothness", text=f"{do} {called} keep from jumping about?",
                entity=entity.id, expected=NO_JUMPS,
            ),
        ]  # fmt: skip
    if asked:
        asked.append(Asked(kind="extra", text="Is there nothing else?", expected="nothing else"))
    return asked


def _all(shot: Shot, layout: Layout) -> Iterator[Asked]:
    graph = shot.scene_graph
    names = {entity.id: name(shot, entity) for entity in graph.entities}
    for entity in graph.entities:
        yield from _of_entity(entity, names[entity.id])
    for index, event in enumerate(graph.events):
        if seen_to(event, layout):
            yield from _of_event(event, index, graph.entity(event.actor), names[event.actor])
    yield from _of_order(shot, layout, names)
    for index, relation in enumerate(graph.relations):
        yield _of_relation(relation, index, graph.entity(relation.subject), names)


def _of_entity(entity: Entity, called: str) -> Iterator[Asked]:
    many = entity.count > 1
    is_ = "Are" if many else "Is"
    what = called.removeprefix("the ").removeprefix(f"{NUMBERS[entity.count]} ")
    alone = what == _bare(entity).removeprefix(f"{NUMBERS[entity.count]} ")
    article = "" if many else "an " if what[0] in "aeiou" else "a "
    yield Asked(
        kind="presence",
        text=f"{is_} there {article}{what}?",
        entity=entity.id,
        expected="to be seen",
    )
    if alone:
        # Of several of the same name nobody could say which of them is one too many.
        number = NUMBERS[entity.count] if many else "only one"
        yield Asked(
            kind="count",
            text=f"{is_} there {number} {what}?",
            entity=entity.id,
            expected=things(entity.count),
        )
    if entity.colour is not None:
        bare = called.replace(f"{entity.colour} ", "", 1)
        yield Asked(
            kind="colour",
            text=f"{is_} {bare} {entity.colour}?",
            entity=entity.id,
            expected=entity.colour,
        )


def _of_event(event: Event, index: int, entity: Entity, called: str) -> Iterator[Asked]:
    does = "Do" if entity.count > 1 else "Does"
    verb = _VERBS[event.action][0]
    subject = f"{does} {called} {verb}"
    about = {"entity": entity.id, "events": [index]}
    if event.action == "stays":
        yield Asked(kind="stillness", text=f"{subject}?", expected="still", **about)  # pyright: ignore[reportArgumentType]
        return
    direction = direction_of(event)
    if direction is None or event.action in TURNS:
        plain = "move" if event.action == "moves" else verb
        text = f"{does} {called} {plain}?"
        yield Asked(kind="path", text=text, expected=f"to {plain}", **about)  # pyright: ignore[reportArgumentType]
    if direction is None or event.action in ("topples", "collides", "swings"):
        return
    if event.action in ("falls", "rises") and direction in ("up", "down"):
        text = f"{subject}?"
    elif event.action in ("leaves", "bounces", "jumps"):
        text = f"{subject} {_side(direction)}?"
    else:
        text = f"{subject} {WAYS[direction]}?"
    yield Asked(kind="direction", text=text, expected=WAYS[direction], **about)  # pyright: ignore[reportArgumentType]


def _of_order(shot: Shot, layout: Layout, names: Mapping[str, str]) -> Iterator[Asked]:
    graph = shot.scene_graph
    timed = [
        (e.frames.first, i)
        for i, e in enumerate(graph.events)
        if e.action != "stays" and seen_to(e, layout)
    ]
    for (first, a), (second, b) in pairwise(sorted(timed)):
        if second - first < max(2, layout.frames / 8):
            continue
        one, other = graph.events[a], graph.events[b]
        many = graph.entity(one.actor).count > 1
        earlier = f"{names[one.actor]} {does(one, many=True)}"
        after = f"{names[other.actor]} {does(other, many=graph.entity(other.actor).count > 1)}"
        yield Asked(
            kind="order",
            text=f"{'Do' if many else 'Does'} {earlier} before {after}?",
            entity=one.actor,
            expected=f"before {after}",
            events=[a, b],
        )


def _of_relation(
    relation: Relation, index: int, subject: Entity, names: Mapping[str, str]
) -> Asked:
    one, other = names[relation.subject], names[relation.object]
    if relation.kind in ("follows", "meets"):
        does = "Do" if subject.count > 1 else "Does"
        text = f"{does} {one} {relation.kind.removesuffix('s')} {other}?"
    else:
        text = f"{'Are' if subject.count > 1 else 'Is'} {one} {relation.kind} {other}?"
    return Asked(
        kind="relation",
        text=text,
        entity=relation.subject,
        expected=f"{relation.kind} {other}",
        relation=index,
    )


def seen_to(event: Event, layout: Layout) -> bool:
    """Whether the event can be seen.

    Waving and pouring move no thing as a whole; toppling, swinging and colliding do so only where
    the plan has it.
    """
    if event.action in ("waves", "pours"):
        return False
    if event.action not in ("topples", "collides", "swings"):
        return True
    return any(_way(track) >= LEAST for track in layout.tracks if track.entity == event.actor)


def _way(track: Track) -> float:
    """How far its middle gets from where it was, as a part of the picture."""
    middles = [
        ((left + right) / 2, (top + bottom) / 2)
        for left, top, right, bottom in (key.box for key in track.keyframes)
    ]
    return max(math.dist(middles[0], middle) for middle in middles)


def direction_of(event: Event) -> Direction | None:
    """Where an event leads: falling is down and rising up, unless it says otherwise."""
    if event.direction is None and event.action == "falls":
        return "down"
    if event.direction is None and event.action == "rises":
        return "up"
    return event.direction


def name(shot: Shot, entity: Entity) -> str:
    """What a person would call `entity`: `the red car`, `the two dogs`, `the second dog`."""
    bare = _bare(entity)
    alike = [e.id for e in shot.scene_graph.entities if _bare(e) == bare]
    if len(alike) > 1:
        return f"the {ORDINALS[min(alike.index(entity.id), 8)]} {bare}"
    return f"the {bare}"


def things(count: int) -> str:
    """`1 thing`, `2 things`."""
    return f"{count} thing" if count == 1 else f"{count} things"


def plural(noun: str) -> str:
    """`dog` becomes `dogs`; a word that the cut-out set knows as it has it."""
    cut = cutouts.find(noun)
    return cut.plural if cut is not None and cut.noun == noun else plurals.plural(noun)


def _bare(entity: Entity) -> str:
    noun = plural(entity.noun) if entity.count > 1 else entity.noun
    number = f"{NUMBERS[entity.count]} " if entity.count > 1 else ""
    colour = f"{entity.colour} " if entity.colour else ""
    return f"{number}{colour}{noun}"


def does(event: Event, *, many: bool) -> str:
    """What an event is said to be: `goes to the right`, of many `go to the right`."""
    verb = _VERBS[event.action][0 if many else 1]
    direction = direction_of(event)
    if direction is None or event.action in ("falls", "rises"):
        return verb
    return f"{verb} {_side(direction)}"


def _side(direction: Direction) -> str:
    return f"to the {direction}" if direction in ("left", "right") else WAYS[direction]
