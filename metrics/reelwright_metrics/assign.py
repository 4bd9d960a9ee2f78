"""Which of the things that were found is which of the planned ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Entity, Layout, Shot, Track
from reelwright_metrics.colours import Shares, alike, looks
from reelwright_metrics.motion import Trace, matching

Path = NDArray[np.float64]
"""[pictures, 3]: x and y of the centre and the square root of the area, as parts of the picture;
NaN where it is not to be seen."""

FILL = 0.6  # a thing covers about this much of its box
STRANGER = 1.35  # what costs more than this is somebody else


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Thing:
    """One planned thing, and what was found of it."""

    entity: Entity
    instance: int
    planned: Path
    trace: Trace | None

    @property
    def seen(self) -> Path:
        """Where it was found, with what it shares with others left out if there is enough else."""
        path = np.full_like(self.planned, np.nan)
        if self.trace is None:
            return path
        free = [blob for blob in self.trace.blobs if not blob.shared]
        chosen = free if len(free) >= 0.4 * len(self.trace.blobs) else self.trace.blobs
        for blob in chosen:
            path[blob.at] = blob.x, blob.y, blob.area**0.5
        return path


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Watched:
    """Everything that was found in a clip, by what it was meant to be."""

    shot: Shot
    layout: Layout
    frames: NDArray[np.int64]
    """Which frame of the clip each picture is."""
    things: list[Thing]
    extras: Mapping[str, list[Trace]]
    """What else was found that looks like an entity."""
    spare: Sequence[Trace] = ()
    """All that was found and is no planned thing."""

    def of(self, entity: str) -> list[Thing]:
        """The planned things of one entity."""
        return [thing for thing in self.things if thing.entity.id == entity]


def assign(
    shot: Shot, layout: Layout, traces: Sequence[Trace], *, frames: NDArray[np.int64]
) -> Watched:
    """Matches traces to planned things, each at most once, at the least sum of costs.

    A cost is 0.7 * distance from the planned track + 1.0 * difference of colour + 0.4 *
    difference of size + 0.5 * share of its time unseen, each 0..1. Distance counts little, so
    that a thing that goes the wrong way is still known by its looks.
    """
    slots = [
        (entity, instance)
        for entity in shot.scene_graph.entities
        for instance in range(entity.count)
    ]
    plans = [_planned(layout, entity.id, instance, frames) for entity, instance in slots]
    costs = np.array(
        [
            [cost(entity, plan, trace) for trace in traces] + [STRANGER] * len(slots)
            for (entity, _), plan in zip(slots, plans, strict=True)
        ]
    )
    given: dict[int, int] = dict(matching(costs)) if slots else {}
    things = [
        Thing(
            entity=entity,
            instance=instance,
            planned=plans[i],
            trace=traces[given[i]] if given[i] < len(traces) else None,
        )
        for i, (entity, instance) in enumerate(slots)
    ]
    used = set(given.values())
    spare = [trace for j, trace in enumerate(traces) if j not in used]
    return Watched(
        shot=shot,
        layout=layout,
        frames=frames,
        things=things,
        extras=_extras(things, spare),
        spare=spare,
    )


def cost(entity: Entity, planned: Path, trace: Trace) -> float:
    """How unlikely it is that `trace` is the planned thing."""
    at = np.array([blob.at for blob in trace.blobs])
    where = np.array([(blob.x, blob.y) for blob in trace.blobs])
    apart = np.hypot(*(planned[at, :2] - where).T)
    near = np.isfinite(apart)
    far = float(np.minimum(apart[near] / 0.6, 1).mean()) if near.any() else 1.0
    due = np.isfinite(planned[:, 0])
    unseen = 1 - near.sum() / due.sum() if due.any() else 1.0
    hue = 1 - alike(trace.colours, _expected(entity))
    return 0.7 * far + hue + 0.4 * _size_apart(planned, trace) + 0.5 * float(unseen)


def _expected(entity: Entity) -> Shares:
    return looks(entity.noun, known=entity.known, colour=entity.colour)


def _size_apart(planned: Path, trace: Trace) -> float:
    sides = planned[:, 2][np.isfinite(planned[:, 2])]
    if not len(sides):
        return 1.0
    return min(1.0, abs(float(np.log(trace.area / np.median(sides) ** 2))) / 3)


def _extras(things: Sequence[Thing], spare: Sequence[Trace]) -> dict[str, list[Trace]]:
    """For every entity the leftover traces that look like what was found of it.

    One looks like it with 0.6 of its colours in common, 0.4 to 2.5 times its size, and seen in at
    least half of the pictures.
    """
    extras: dict[str, list[Trace]] = {thing.entity.id: [] for thing in things}
    for trace in spare:
        best: tuple[float, str] = (0.6, "")
        for thing in things:
            if thing.trace is None or len(trace.blobs) < 0.5 * len(thing.planned):
                continue
            same = alike(thing.trace.colours, trace.colours)
            if 0.4 <= trace.area / thing.trace.area <= 2.5:
                best = max(best, (same, thing.entity.id))
        if best[1]:
            extras[best[1]].append(trace)
    return extras


def _planned(layout: Layout, entity: str, instance: int, frames: NDArray[np.int64]) -> Path:
    """Where the layout has a thing in each picture: the part of its box inside the picture."""
    path = np.full((len(frames), 3), np.nan)
    track = next((t for t in layout.tracks if (t.entity, t.instance) == (entity, instance)), None)
    if track is None:
        return path
    for index, frame in enumerate(frames):
        path[index] = _visible(track, int(frame))
    return path


def _visible(track: Track, frame: int) -> tuple[float, float, float]:
    left, top, right, bottom = track.at(frame).box
    whole = (right - left) * (bottom - top)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, 1), min(bottom, 1)
    part = max(right - left, 0) * max(bottom - top, 0)
    if part < 0.25 * whole:
        return np.nan, np.nan, np.nan
    return (left + right) / 2, (top + bottom) / 2, (FILL * part) ** 0.5


def extents(layout: Layout) -> tuple[float, float, float]:
    """Of a layout's boxes: the least area, the greatest width and the greatest height, 0..1."""
    boxes = np.array([key.box for track in layout.tracks for key in track.keyframes])
    if not len(boxes):
        return 0.02, 1.0, 1.0
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return float((wide * high).min()), float(wide.max()), float(high.max())
