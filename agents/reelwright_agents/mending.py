"""What faults of a layout ask for, and whether another layout grants it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from reelwright_core.story import Box, Event, FrameSpan, Layout, Shot, Track
from reelwright_metrics.questions import name

Want = Literal["larger", "smaller", "apart", "farther", "slower", "pause", "earlier", "still"]

_SAID: Mapping[Want, str] = MappingProxyType(
    {
        "farther": r"way (\w+ )?longer|movement larger|farther|it more|goes only|hardly",
        "larger": r"too small|larger|bigger",
        "smaller": r"too large|too big|smaller",
        "apart": r"apart|too close|overlap",
        "slower": r"slow|leaps",
        "pause": r"more time",
        "earlier": r"earlier|too late",
        "still": r"still|let it rest",
    }
)
"""Words of a fault that ask for it."""

STRENGTHS = (1.0, 0.7, 1.5, 0.45, 2.2, 0.25)
"""How much of a change is tried, in this order; 1 is a change that is seen at once."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing to change, of some entities; of none is of all."""

    want: Want
    of: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """How a staging differs from the usual one, per entity; 1 is as usual."""

    scale: Mapping[str, float] = field(default_factory=dict[str, float])
    gap: Mapping[str, float] = field(default_factory=dict[str, float])
    lively: Mapping[str, float] = field(default_factory=dict[str, float])
    """How much larger movements are: nearer to the edges, higher, wider."""
    slow: Mapping[str, float] = field(default_factory=dict[str, float])
    """The part of its way that is used."""
    pause: float = 0.0
    """The part of events' frames that is left still towards the next and the last one."""
    early: Mapping[str, float] = field(default_factory=dict[str, float])
    """The part of its events' frames at the end of which it is done."""

    def timed(self, events: Sequence[Event]) -> list[Event]:
        """`events` in the frames in which they are to be seen."""
        return [self._timed(event, events) for event in events]

    def _timed(self, event: Event, events: Sequence[Event]) -> Event:
        if event.action == "stays":
            return event
        first, last = event.frames.first, event.frames.last
        cut = int(self.pause * (last - first + 1))
        moving = [other for other in events if other.action != "stays"]
        if any(other.frames.first > first for other in moving):
            last -= cut
        if any(other.frames.first < first for other in moving):
            first += cut
        part = self.early.get(event.actor, 1.0)
        last = min(last, first + max(2, math.ceil((last - first) * part)))
        if last - first < 2:
            return event
        return event.model_copy(update={"frames": FrameSpan(first=first, last=last)})


def wishes(shot: Shot, faults: Sequence[str]) -> list[Wish]:
    """What `faults` ask for, in their words: `the red car cannot be seen: make it larger`.

    Entities are known by their id or by what the critics call them; a fault that names none is
    about all. What is not understood asks for nothing.
    """
    found: list[Wish] = []
    for fault in faults:
        said = fault.lower()
        of = tuple(_named(shot, said))
        # What to do stands behind the last colon; what was seen before it may say the contrary.
        advice = said.rsplit(":", 1)[-1]
        want = _wanted(advice) or _wanted(said)
        if want is not None and (wish := _fit(Wish(want, of), shot)) not in found:
            found.append(wish)
    return found


def _wanted(said: str) -> Want | None:
    return next((want for want, words in _SAID.items() if re.search(words, said)), None)


def _fit(wish: Wish, shot: Shot) -> Wish:
    """What is alone, or must touch the others, cannot be further from them: it is made larger."""
    if wish.want not in ("apart", "still"):
        return wish
    graph = shot.scene_graph
    touching = [{r.subject, r.object} for r in graph.relations if r.kind in ("on", "meets")]
    for id in wish.of or [entity.id for entity in graph.entities]:
        others = {entity.id for entity in graph.entities} - {id}
        if graph.entity(id).count > 1 or any({id, other} not in touching for other in others):
            return wish
    return Wish("larger", wish.of)


def _named(shot: Shot, said: str) -> Iterator[str]:
    for entity in shot.scene_graph.entities:
        called = (entity.id, name(shot, entity).removeprefix("the "))
        if any(re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", said) for one in called):
            yield entity.id


def changes(shot: Shot, wanted: Sequence[Wish], strength: float) -> Changes:
    """The changes that grant `wanted`; `strength` 1 is a quarter larger, twice as far apart."""
    made = Changes()
    every = tuple(entity.id for entity in shot.scene_graph.entities)
    for wish in wanted:
        of = wish.of or every
        match wish.want:
            case "larger":
                made = replace(made, scale=_times(made.scale, of, 1 + 0.25 * strength))
            case "smaller":
                made = replace(made, scale=_times(made.scale, of, 1 / (1 + 0.2 * strength)))
            case "apart" | "still":
                # Room comes from size: neighbours have what is between them from both.
                made = replace(
                    made,
                    gap=_times(made.gap, of, 1 + strength),
                    scale=_times(made.scale, of, 1 / (1 + 0.1 * strength)),
                )
            case "farther":
                made = replace(
                    made,
                    lively=_times(made.lively, of, 1 + 0.5 * strength),
                    scale=_times(made.scale, of, 1 / (1 + 0.15 * strength)),
                )
            case "slower":
                made = replace(made, slow=_times(made.slow, of, 1 / (1 + 0.25 * strength)))
            case "pause":
                made = replace(made, pause=min(0.2 * strength, 0.4))
            case "earlier":
                made = replace(made, early=_times(made.early, of, 1 / (1 + 0.4 * strength)))
    return made


def _times(values: Mapping[str, float], of: Sequence[str], factor: float) -> dict[str, float]:
    return {**values, **{id: values.get(id, 1.0) * factor for id in of}}


def granted(layout: Layout, before: Layout, wanted: Sequence[Wish]) -> int:
    """How many of `wanted` hold in `layout` as compared with `before`."""
    return sum(_granted(layout, before, wish) for wish in wanted)


def _granted(layout: Layout, before: Layout, wish: Wish) -> bool:
    now, then = _Measured(layout, wish.of), _Measured(before, wish.of)
    match wish.want:
        case "larger":
            return now.size() > 1.05 * then.size()
        case "smaller":
            return now.size() < 0.95 * then.size()
        case "apart" | "still":
            return now.gap() > then.gap() + 0.01
        case "farther":
            return now.way() > 1.04 * then.way()
        case "slower":
            return now.fastest() < 0.95 * then.fastest()
        case "pause":
            return now.rests() > then.rests()
        case "earlier":
            return now.moved_at() < then.moved_at() - 0.4


class _Measured:
    """What can be measured of some entities' tracks; of none is of all."""

    def __init__(self, layout: Layout, of: Sequence[str]) -> None:
        def boxes(track: Track) -> list[Box]:
            return [track.at(frame).box for frame in range(layout.frames)]

        tracks = layout.tracks
        self.own = [boxes(track) for track in tracks if track.entity in of or not of]
        self.all = [boxes(track) for track in tracks]

    def size(self) -> float:
        """The mean height."""
        highs = [box[3] - box[1] for boxes in self.own for box in boxes]
        return sum(highs) / max(len(highs), 1)

    def gap(self) -> float:
        """How far they are from the nearest other thing, mean over time."""
        gaps = [
            min((_between(one, boxes[f]) for boxes in self.all if boxes is not own), default=1.0)
            for own in ([b for b in self.all if b in self.own])
            for f, one in enumerate(own)
        ]
        return sum(gaps) / max(len(gaps), 1)

    def way(self) -> float:
        """How much of the picture their ways span, across and down, and in size."""
        spans = [
            _range([(b[0] + b[2]) / 2 for b in boxes])
            + _range([b[3] for b in boxes])
            + _range([b[3] - b[1] for b in boxes])
            for boxes in self.own
        ]
        return sum(spans)

    def steps(self) -> list[float]:
        """How far they go from each frame to the next, all together."""
        count = len(self.own[0]) if self.own else 1
        return [
            sum(_step(boxes[frame - 1], boxes[frame]) for boxes in self.own)
            for frame in range(1, count)
        ]

    def fastest(self) -> float:
        return max(self.steps(), default=0.0)

    def rests(self) -> int:
        """In how many steps nothing moves."""
        return sum(step < 0.004 for step in self.steps())

    def moved_at(self) -> float:
        """The mean frame of all movement."""
        steps = self.steps()
        return sum(f * step for f, step in enumerate(steps, 1)) / max(sum(steps), 1e-9)


def _between(one: Box, two: Box) -> float:
    across = max(one[0] - two[2], two[0] - one[2])
    down = max(one[1] - two[3], two[1] - one[3])
    if across > 0 and down > 0:
        return math.hypot(across, down)
    return max(across, down)


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _step(one: Box, two: Box) -> float:
    return math.dist(
        ((one[0] + one[2]) / 2, (one[1] + one[3]) / 2),
        ((two[0] + two[2]) / 2, (two[1] + two[3]) / 2),
    )
