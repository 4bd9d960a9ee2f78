"""A shot becomes a temporal formula, and a clip the probability of each of its propositions.

What is to be seen all the time is asked for with `G`, what comes and goes or happens with `F`, and
events in turn as `(!b U a) & F(a & F b)`: b follows a, and is not seen before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from reelwright_core.records import Record
from reelwright_core.story import Entity, FrameSpan, Layout, Relation, Shot, Track
from reelwright_core.takes import QuestionKind
from reelwright_core.video import Frames
from reelwright_metrics.logic.formula import Formula, always, both, eventually, no, prop, until
from reelwright_metrics.questions import Asked, does, name, questions
from reelwright_metrics.relations import Boxes, holds

WINDOW = 3
"""Frames that are looked at together, as in NeuS-V."""
IN_VIEW = 0.5
"""A thing is planned to be seen while at least this share of its box is inside the picture."""
COVERED = 0.3
"""A thing may not be seen, or taken for another, where more of its box than this is another's."""
SURELY = 0.7
"""A relation is planned for all the time if it holds so surely in every frame of the plan."""


class Proposition(Record):
    """Something that is true or false of each window of a clip."""

    name: str
    """In plain words, as it stands in the formula: `the dog goes to the left`."""
    kind: QuestionKind
    entity: str
    """Whom it is about."""
    event: int | None = None
    """Place in the scene graph's `events`; a `path` of no event is a skip, and wrong."""
    relation: int | None = None
    """Place in the scene graph's `relations`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Specification:
    """What a clip must satisfy: a formula, and what its propositions mean."""

    formula: Formula
    propositions: list[Proposition]

    def named(self, name: str) -> Proposition | None:
        """The proposition of that name."""
        return next((each for each in self.propositions if each.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Observed:
    """How probable each proposition is in each window of a clip."""

    windows: list[FrameSpan]
    """In frames of the layout, without gaps."""
    table: Mapping[str, list[float]]
    scores_from: str = ""
    """As `Critique` has it."""


class Eyes(Protocol):
    """Looks at a clip and says how probably each proposition is true in each window."""

    def look(
        self,
        shot: Shot,
        layout: Layout,
        frames: Frames,
        *,
        propositions: Sequence[Proposition],
        background: Frames | None = None,
    ) -> Observed:
        """`frames` is uint8 RGB [frames, height, width, 3]; every name gets a series."""
        ...


def specification(shot: Shot, layout: Layout) -> Specification:
    """The formula that a clip of `shot` must satisfy; `true` where the plan says nothing.

    `layout` says what is to be seen all the time and which events come one after the other.
    """
    asked = questions(shot, layout)
    events = shot.scene_graph.events
    known: dict[str, Proposition] = {}
    parts: list[Formula] = []
    happening: dict[int, Formula] = {}
    pairs: list[tuple[int, int]] = []
    for question in asked:
        if question.kind == "order":
            pairs.append((question.events[0], question.events[1]))
            continue
        if question.kind == "presence" and shot.scene_graph.entity(_who(question)).count > 1:
            continue  # how many there are says that they are there
        made = _proposition(shot, question)
        if made.name in known and made.kind not in ("direction", "path"):
            continue
        known.setdefault(made.name, made)
        if question.kind in ("direction", "path"):
            # A jump to the right is asked for its shape and its direction: both are the event.
            happening[question.events[0]] = prop(made.name)
        else:
            lasting = _lasts(question, shot, layout)
            parts.append((always if lasting else eventually)(prop(made.name)))
    for entity in shot.scene_graph.entities:
        if any(each.entity == entity.id for each in known.values()):
            skips = _skips(shot, entity)
            known[skips.name] = skips
            parts.append(always(no(prop(skips.name))))
    parts += _in_turn(
        happening,
        pairs,
        events_in_order=sorted(happening, key=lambda i: (events[i].frames.first, i)),
    )
    return Specification(formula=both(*dict.fromkeys(parts)), propositions=list(known.values()))


def _who(question: Asked) -> str:
    assert question.entity is not None
    return question.entity


def _proposition(shot: Shot, question: Asked) -> Proposition:
    graph = shot.scene_graph
    entity = graph.entity(_who(question))
    called, many = name(shot, entity), entity.count > 1
    event = question.events[0] if question.events else None
    if question.kind == "presence":
        words = called
    elif question.kind == "count":
        words = called if many else f"only one {called.removeprefix('the ')}"
    elif question.kind == "colour":
        bare = called.replace(f"{entity.colour} ", "", 1)
        words = f"{bare} {'are' if many else 'is'} {entity.colour}"
    elif question.kind == "relation":
        assert question.relation is not None
        words = _related(shot, graph.relations[question.relation], called, many=many)
    else:
        assert event is not None
        words = f"{called} {does(graph.events[event], many=many)}"
    return Proposition(
        name=words, kind=question.kind, entity=entity.id, event=event, relation=question.relation
    )


def _skips(shot: Shot, entity: Entity) -> Proposition:
    words = f"{name(shot, entity)} {'skip' if entity.count > 1 else 'skips'} a way"
    return Proposition(name=words, kind="path", entity=entity.id)


def _related(shot: Shot, relation: Relation, called: str, *, many: bool) -> str:
    other = name(shot, shot.scene_graph.entity(relation.object))
    if relation.kind in ("follows", "meets"):
        return f"{called} {relation.kind.removesuffix('s') if many else relation.kind} {other}"
    return f"{called} {'are' if many else 'is'} {relation.kind} {other}"


def _in_turn(
    happening: Mapping[int, Formula],
    pairs: Sequence[tuple[int, int]],
    *,
    events_in_order: Sequence[int],
) -> Iterator[Formula]:
    """The formulas of the events: those that come in turn together, the others alone."""
    pairs = [(a, b) for a, b in pairs if a in happening and b in happening]
    chained = {event for pair in pairs for event in pair}
    for event in events_in_order:
        if event not in chained:
            yield eventually(happening[event])
    for chain in _chains(pairs):
        said = [happening[event] for event in chain]
        for index, (a, b) in enumerate(pairwise(said)):
            if b not in said[: index + 1]:
                yield until(no(b), a)
        nested = eventually(said[-1])
        for each in reversed(said[:-1]):
            # What is done twice is seen twice only in different windows.
            again = Formula("X", (nested,)) if each in nested.walk() else nested
            nested = eventually(both(each, again))
        yield nested


def _chains(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    chains: list[list[int]] = []
    for a, b in pairs:
        if chains and chains[-1][-1] == a:
            chains[-1].append(b)
        else:
            chains.append([a, b])
    return chains


def _lasts(question: Asked, shot: Shot, layout: Layout) -> bool:
    """Whether the plan has it so in every frame."""
    if question.kind == "stillness":
        span = shot.scene_graph.events[question.events[0]].frames
        return span.first == 0 and span.last >= layout.frames - 1
    if question.kind == "relation":
        assert question.relation is not None
        return _holds_throughout(shot.scene_graph.relations[question.relation], layout)
    tracks = [track for track in layout.tracks if track.entity == question.entity]
    if question.kind == "colour":
        return True
    if question.kind == "count" and shot.scene_graph.entity(_who(question)).count == 1:
        return True
    needed = all if question.kind == "count" else any
    return bool(tracks) and all(
        needed(in_view(track, frame) and not hidden(track, frame, layout) for track in tracks)
        for frame in range(layout.frames)
    )


def in_view(track: Track, frame: int) -> bool:
    """Whether enough of a thing's box is inside the picture."""
    left, top, right, bottom = track.at(frame).box
    whole = (right - left) * (bottom - top)
    wide, high = min(right, 1) - max(left, 0), min(bottom, 1) - max(top, 0)
    return max(wide, 0) * max(high, 0) >= IN_VIEW * whole


def hidden(track: Track, frame: int, layout: Layout) -> bool:
    """Whether the plan has so much of a thing behind another one that it may not be seen."""
    left, top, right, bottom = track.at(frame).box
    for other in layout.tracks:
        if other is track:
            continue
        box = other.at(frame).box
        wide, high = min(right, box[2]) - max(left, box[0]), min(bottom, box[3]) - max(top, box[1])
        if max(wide, 0) * max(high, 0) > COVERED * (right - left) * (bottom - top):
            return True
    return False


def _holds_throughout(relation: Relation, layout: Layout) -> bool:
    one, other = (
        [_boxes(track, layout) for track in layout.tracks if track.entity == id]
        for id in (relation.subject, relation.object)
    )
    surely = [holds(relation.kind, a, b) for a in one for b in other]
    # One of many is beside one of many others: the nearest counts.
    return bool(surely) and bool((np.max(surely, axis=0) >= SURELY).all())


def _boxes(track: Track, layout: Layout) -> Boxes:
    return np.array([track.at(frame).box for frame in range(layout.frames)])


def windows(pictures: int) -> list[tuple[int, int]]:
    """The windows of a clip: first and last picture of each; the last may have one more or less."""
    if pictures < 1:
        raise ValueError(f"a clip has at least 1 picture, got {pictures}")
    starts = list(range(0, pictures, WINDOW))
    if len(starts) > 1 and pictures - starts[-1] == 1:
        starts.pop()
    return [(a, b - 1) for a, b in pairwise([*starts, pictures])]


def window_spans(frames: Sequence[int], last: int) -> list[FrameSpan]:
    """The windows of pictures that are the frames `frames` of a shot whose last frame is `last`."""
    ends = [*frames[1:], last + 1]
    return [
        FrameSpan(first=int(frames[a]), last=max(int(frames[a]), int(ends[b]) - 1))
        for a, b in windows(len(frames))
    ]
