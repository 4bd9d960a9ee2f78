"""What a learned critic sees cell by cell and in time, as answers to what a scene graph asks.

It shares no measurement with the critic that finds things by colour and shape against the known
background and layout: it is asked of every cell of the picture which noun, which colour and which
motion covers it, and is told nothing of the plan. One network steers, another one reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Direction, Entity, Event, Relation, SceneGraph
from reelwright_core.takes import Question, QuestionKind
from reelwright_metrics.learned.critic import LearnedCritic
from reelwright_metrics.learned.network import FRAMES

Floats = NDArray[np.float64]

SEEN = 0.15
"""How sure a cell must be that it shows a thing."""
FAR = 0.12
"""A way at least so long, as a part of the picture, is a way in its direction."""
APART = 0.04
"""How much further to one side the middle of a thing must be."""
GROWS = 1.25
"""How many times more cells a thing must cover at its end than at its beginning."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Seen:
    """Where the network sees one entity."""

    entity: Entity
    heat: Floats
    """How sure each cell is, [times, rows, columns]: `FRAMES` times of each shot."""
    colours: Floats
    """How likely each colour is on its cells."""
    motions: Floats
    """How likely each motion is on its cells in each shot, [shots, motions]."""

    @property
    def there(self) -> NDArray[np.bool_]:
        """At which times it is seen."""
        return self.heat.max((1, 2)) >= SEEN

    @property
    def middles(self) -> Floats:
        """Its middle at each time, (x, y) as parts of the picture; NaN where it is not seen."""
        _, rows, columns = self.heat.shape
        sure = np.where(self.heat >= SEEN / 2, self.heat, 0.0)
        mass = sure.sum((1, 2))
        x = (sure.sum(1) * ((np.arange(columns) + 0.5) / columns)).sum(1)
        y = (sure.sum(2) * ((np.arange(rows) + 0.5) / rows)).sum(1)
        both = np.stack([x, y], -1) / np.maximum(mass, 1e-9)[:, None]
        return np.where(self.there[:, None], both, np.nan)

    @property
    def cells(self) -> Floats:
        """How many cells it covers at each time."""
        return np.where(self.heat >= SEEN / 2, self.heat, 0.0).sum((1, 2))


class CellCritic:
    """Answers the questions that a scene graph asks of a clip, by what `LearnedCritic` sees."""

    def __init__(self, critic: LearnedCritic) -> None:
        self.critic = critic

    def watch(self, graph: SceneGraph, shots: Sequence[NDArray[np.uint8]]) -> list[Question]:
        """The answers, each right or wrong; every shot is uint8 RGB [frames, height, width, 3].

        Only nouns, colours and motions that the network was taught are asked for; what an event's
        span says counts only for the order of events. A motion is looked for within a shot: what
        is elsewhere after a cut did not move there.
        """
        watched = [self.critic.cells(frames[None]) for frames in shots]
        cells = {
            name: np.concatenate([one[name][0] for one in watched]).astype(float)
            for name in watched[0]
        }
        seen = {entity.id: self._seen(entity, graph, cells) for entity in graph.entities
                if entity.noun in self.critic.classes["noun"]}  # fmt: skip
        alone = len(graph.entities) == 1
        counted = self._counted(shots[0]) if alone and graph.entities[0].count > 1 else None
        return [*self._of_entities(seen, counted), *self._of_events(graph, seen),
                *_of_order(graph, seen), *_of_relations(graph, seen)]  # fmt: skip

    def _seen(self, entity: Entity, graph: SceneGraph, cells: dict[str, Floats]) -> _Seen:
        nouns, colours = self.critic.classes["noun"], self.critic.classes["colour"]
        noun = cells["noun"][..., 1 + nouns.index(entity.noun)]
        heat = noun
        twins = [one for one in graph.entities if one.noun == entity.noun and one is not entity]
        if twins and entity.colour in colours:
            # Of things of one noun, each cell shows the one whose colour it more likely has.
            own = cells["colour"][..., 1 + colours.index(entity.colour)]
            rest = [cells["colour"][..., 1 + colours.index(one.colour)]
                    for one in twins if one.colour in colours]  # fmt: skip
            heat = noun * own / np.maximum(own + sum(rest), 1e-9)
        sure = np.where(heat >= SEEN / 2, heat, 0.0)
        weight = sure / max(sure.sum(), 1e-9)
        moved = (cells["motion"][..., 1:] * sure[..., None]).sum((1, 2))
        return _Seen(
            entity=entity,
            heat=heat,
            colours=(cells["colour"][..., 1:] * weight[..., None]).sum((0, 1, 2)),
            motions=moved.reshape(-1, FRAMES, moved.shape[-1]).sum(1),
        )

    def _counted(self, frames: NDArray[np.uint8]) -> str:
        heads = self.critic.attributes(frames[None])["count"][0]
        return self.critic.classes["count"][int(heads.argmax())]

    def _of_entities(self, seen: dict[str, _Seen], counted: str | None) -> Iterator[Question]:
        for id, one in seen.items():
            share = float(one.there.mean())
            # What leaves or comes is there for a part of the clip only.
            yield _answer("presence", id, share >= 1 / 3, f"in {share:.0%} of the clip")
            if one.entity.colour is not None:
                colours = self.critic.classes["colour"]
                likest = colours[int(one.colours.argmax())] if one.there.any() else "nothing"
                yield _answer("colour", id, likest == one.entity.colour, likest)
            if counted is not None:
                yield _answer("count", id, counted == str(one.entity.count), counted)

    def _of_events(self, graph: SceneGraph, seen: dict[str, _Seen]) -> Iterator[Question]:
        for event in graph.events:
            one = seen.get(event.actor)
            if one is None:
                continue
            names = self.critic.classes["motion"]
            likest = [names[int(i)] for i in one.motions[one.motions.max(1) > 0].argmax(1)]
            alone = sum(other.actor == event.actor for other in graph.events) == 1
            # The network tells one motion for a whole shot, so of several it can know none.
            told = alone and event.direction is None and event.action in likest
            kind: QuestionKind = "direction" if event.direction else "path"
            if event.action == "stays":
                kind = "stillness"
            right = told or when(event, one) is not None
            yield _answer(kind, event.actor, right, ", ".join(likest) or "nothing")


def when(event: Event, one: _Seen) -> float | None:
    """At which part of the film, 0..1, `event` is seen to happen; None if it is not.

    Its middle: the mean time of the motion along its axis, weighted by the speed, in the shot that
    shows it most.
    """
    shots = len(one.heat) // FRAMES
    found: list[tuple[float, float]] = []
    for shot in range(shots):
        part = slice(shot * FRAMES, (shot + 1) * FRAMES)
        within = _within(event, one.middles[part], one.cells[part])
        if within is not None:
            far, at = within
            found.append((far, (shot + at) / shots))
    # Of equal shots the first.
    return max(found, key=lambda each: each[0])[1] if found else None


def _within(event: Event, way: Floats, cells: Floats) -> tuple[float, float] | None:
    """How much of it one shot shows, and when."""
    both = np.isfinite(way[:, 0])
    if both.sum() < 3:
        return None
    times = np.flatnonzero(both) / (len(way) - 1)
    middle = float(times.mean())
    x, y = way[both].T
    if event.direction is not None:
        along = {"right": x, "left": -x, "down": y, "up": -y}[event.direction]
        return _climb(along, times)
    if event.action in ("falls", "rises"):
        return _climb(y if event.action == "falls" else -y, times)
    if event.action in ("bounces", "jumps"):
        first, then = (-y, y) if event.action == "jumps" else (y, -y)
        turn = int(first.argmax())
        there = _climb(first[: turn + 1], times[: turn + 1], least=FAR / 2)
        back = _climb(then[turn:], times[turn:], least=FAR / 2)
        if there is None or back is None:
            return None
        return min(there[0], back[0]), (there[1] + back[1]) / 2
    if event.action in ("approaches", "leaves"):
        covers = cells[both]
        first, last = (
            covers[: len(covers) // 3 + 1].mean(),
            covers[-(len(covers) // 3 + 1) :].mean(),
        )
        grown = last / max(first, 1e-9) if event.action == "approaches" else first / max(last, 1e-9)
        return (float(grown), middle) if grown >= GROWS else None
    if event.action == "stays":
        far = float(max(np.ptp(x), np.ptp(y)))
        return (FAR - far, middle) if far < FAR else None
    if event.action == "circles":
        far = float(min(np.ptp(x), np.ptp(y)))
        return (far, middle) if far >= FAR / 2 else None
    return None


def _climb(along: Floats, times: Floats, *, least: float = FAR) -> tuple[float, float] | None:
    """How far `along` rises from a low to a later high, by `least` or more, and its middle."""
    lowest = np.minimum.accumulate(along)
    end = int((along - lowest).argmax())
    far = float(along[end] - lowest[end])
    if far < least:
        return None
    start = int(np.flatnonzero(along[: end + 1] == lowest[end])[-1])
    steps = np.maximum(np.diff(along[start : end + 1]), 0)
    middles = (times[start:end] + times[start + 1 : end + 1]) / 2
    return far, float((steps * middles).sum() / steps.sum())


def _of_order(graph: SceneGraph, seen: dict[str, _Seen]) -> Iterator[Question]:
    ordered = sorted(graph.events, key=lambda event: event.frames.first)
    for before, after in pairwise(ordered):
        if before.frames.last >= after.frames.first:
            continue
        if before.actor not in seen or after.actor not in seen:
            continue
        first, then = when(before, seen[before.actor]), when(after, seen[after.actor])
        right = first is not None and then is not None and first < then
        told = "not both" if first is None or then is None else f"at {first:.2f}, then {then:.2f}"
        yield _answer("order", after.actor, right, told)


def _of_relations(graph: SceneGraph, seen: dict[str, _Seen]) -> Iterator[Question]:
    for relation in graph.relations:
        if relation.subject in seen and relation.object in seen:
            right, told = _holds(relation, seen[relation.subject], seen[relation.object])
            if told:
                yield _answer("relation", relation.subject, right, told)


def _holds(relation: Relation, one: _Seen, other: _Seen) -> tuple[bool, str]:
    """Whether it holds at most times at which both are seen, and what is seen instead."""
    apart = one.middles - other.middles
    apart = apart[np.isfinite(apart[:, 0])]
    if len(apart) < 3:
        return False, "not both are there"
    x, y = np.median(apart, axis=0)
    side, height = "left" if x < 0 else "right", "above" if y < 0 else "below"
    told = f"{abs(x):.2f} to the {side}, {abs(y):.2f} {height}"
    sides: dict[str, bool] = {
        "left of": x <= -APART,
        "right of": x >= APART,
        "above": y <= -APART,
        "below": y >= APART,
        "on": y <= -APART and abs(x) <= 0.2,
        "near": float(np.hypot(x, y)) <= 0.45,
    }
    if relation.kind in sides:
        return sides[relation.kind], told
    if relation.kind == "meets":
        distance = np.hypot(*apart.T)
        closer = float(distance[0] - distance.min())
        return closer >= FAR, f"{closer:.2f} closer"
    if relation.kind == "follows":
        way = _towards(one, other)
        if way is None:
            return False, "they do not go the same way"
        return (x <= -APART) == (way == "right") and abs(x) >= APART, told
    return False, ""  # behind and in front of: cells do not tell which covers which


def _towards(one: _Seen, other: _Seen) -> Direction | None:
    """To which side both go."""
    ways: list[float] = []
    for each in (one, other):
        x = each.middles[:, 0]
        x = x[np.isfinite(x)]
        ways.append(float(x[-1] - x[0]) if len(x) > 1 else 0.0)
    if min(map(abs, ways)) < FAR / 2 or ways[0] * ways[1] < 0:
        return None
    return "right" if ways[0] > 0 else "left"


def _answer(kind: QuestionKind, entity: str, right: bool, told: str) -> Question:
    return Question(
        kind=kind, text=f"{kind} of {entity}", entity=entity, score=float(right), passed=right,
        seen=told,
    )  # fmt: skip
