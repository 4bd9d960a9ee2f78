"""Which of the things that were found is which of the planned ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Entity, Layout, Shot, Track
from reelwright_metrics.colours import Shares, alike, looks
from reelwright_metrics.finding import Blob
from reelwright_metrics.motion import Trace, matching
from reelwright_metrics.outlines import resembles

Path = NDArray[np.float64]
"""[pictures, 3]: x and y of the centre and the square root of the area, as parts of the picture;
NaN where it is not to be seen."""

FILL = 0.6  # a thing covers about this much of its box
STRANGER = 1.35  # what costs more than this is somebody else
EXCHANGED = 0.08  # two things fit better exchanged by at least this,
SCRAP = 0.35  # less than this of its usual area is no sight of a thing
TOUCH = 0.02  # things at most this far apart touch
OUTLINED = 0.03  # and their outlines alone by at least this


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Thing:
    """One planned thing, and what was found of it."""

    entity: Entity
    instance: int
    planned: Path
    trace: Trace | None
    extent: tuple[float, float] = (1.0, 1.0)
    """Its planned width and height at their largest, as parts of the picture."""
    hidden: NDArray[np.bool_] | None = None
    """[pictures]: where it is not found, but something stands where it must be; none is nowhere."""

    @property
    def there(self) -> NDArray[np.bool_]:
        """[pictures]: where it was found."""
        found = np.zeros(len(self.planned), bool)
        if self.trace is not None:
            found[[blob.at for blob in self.trace.blobs]] = True
        return found

    @property
    def excused(self) -> NDArray[np.bool_]:
        """[pictures]: where it was found, or is hidden."""
        return self.there if self.hidden is None else self.there | self.hidden

    @property
    def seen(self) -> Path:
        """Where it was found, with what it shares with others left out if there is enough else."""
        path = np.full_like(self.planned, np.nan)
        if self.trace is None:
            return path
        free = [blob for blob in self.trace.blobs if not blob.shared]
        chosen = free if len(free) >= 0.25 * len(self.trace.blobs) else self.trace.blobs
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
            extent=_extent(layout, entity.id, instance),
        )
        for i, (entity, instance) in enumerate(slots)
    ]
    used = set(given.values())
    spare = [trace for j, trace in enumerate(traces) if j not in used]
    things, spare = found_again(owned(bound(things)), spare)
    things = partly_covered(things, spare)
    return Watched(
        shot=shot,
        layout=layout,
        frames=frames,
        things=things,
        extras=_extras(things, spare),
        spare=spare,
    )


def owned(things: Sequence[Thing]) -> list[Thing]:
    """Things that share a blob with nothing that is planned have it for themselves.

    So it is where what was followed as something else at first turns out to be the thing.
    """
    found: list[Thing] = []
    for thing in things:
        trace = thing.trace
        if trace is not None:
            others = [t.trace for t in things if t is not thing and t.trace is not None]
            blobs = [
                replace(blob, shared=False)
                if blob.shared and not _another(blob, others) and _like(blob, trace)
                else blob
                for blob in trace.blobs
            ]
            thing = replace(thing, trace=Trace(blobs=blobs))
        found.append(thing)
    return found


def _another(blob: Blob, others: Sequence[Trace]) -> bool:
    """Whether another thing has this blob too."""
    there = [other.at(blob.at) for other in others]
    return any(each is not None and each.box == blob.box for each in there)


def _like(blob: Blob, trace: Trace) -> bool:
    """Whether it is as large as what was followed, and of the same colours."""
    return 0.4 <= blob.area / trace.area <= 2.0 and alike(blob.colours, trace.colours) >= 0.6


def found_again(things: Sequence[Thing], spare: Sequence[Trace]) -> tuple[list[Thing], list[Trace]]:
    """Things with the traces of lookalikes in pictures in which they are not seen; what is left.

    What is followed is lost where it skips a way or is covered; then it is known by its looks. Of
    several things that a trace may be, it is that which is nearest to it at the ends.
    """
    found, left = list(things), list(spare)
    for trace in spare:
        able = [
            (_leap(thing.trace, trace), index)
            for index, thing in enumerate(found)
            if thing.trace is not None and (_again(thing.trace, trace) or _part_of(thing, trace))
        ]
        if not able:
            continue
        index = min(able)[1]
        own = found[index].trace
        assert own is not None
        left.remove(trace)
        both = {blob.at: blob for blob in own.blobs if not blob.shared}
        for blob in trace.blobs:
            one = both.get(blob.at)
            both[blob.at] = blob if one is None else _one(one, blob)
        both |= {blob.at: blob for blob in own.blobs if blob.at not in both}
        whole = Trace(blobs=[both[at] for at in sorted(both)])
        found[index] = replace(found[index], trace=whole)
    return found, left


def _again(one: Trace, other: Trace) -> bool:
    """Whether `other` may be the same thing at other times: as large, and of the same colours."""
    seen = {blob.at for blob in one.blobs if not blob.shared}
    if seen & {blob.at for blob in other.blobs}:
        return False
    return alike(one.colours, other.colours) >= 0.6 and 0.4 <= other.area / one.area <= 2.5


def partly_covered(things: Sequence[Thing], spare: Sequence[Trace]) -> list[Thing]:
    """Things with what is smaller or larger than usual beside another marked as shared.

    It is partly covered, or has a part of the other one: its centre is not its own.
    """
    every = [thing.trace for thing in things if thing.trace is not None] + list(spare)
    found: list[Thing] = []
    for thing in things:
        trace = thing.trace
        if trace is None:
            found.append(thing)
            continue
        usual = trace.area
        blobs = [
            replace(blob, shared=True)
            if not 0.85 <= blob.area / usual <= 1.3 and _beside(blob, trace, every)
            else blob
            for blob in trace.blobs
        ]
        found.append(replace(thing, trace=Trace(blobs=_without_scraps(blobs, thing.planned))))
    return found


def _without_scraps(blobs: Sequence[Blob], planned: Path) -> list[Blob]:
    """What is far smaller than the thing usually is, against its plan, is no sight of it.

    It may be hidden then; that is found out apart.
    """
    sides = planned[[blob.at for blob in blobs], 2]
    known = np.nan_to_num(sides, nan=float(np.nanmedian(sides)) if np.isfinite(sides).any() else 1)
    ratios = np.array([blob.area for blob in blobs]) / np.maximum(known, 1e-3) ** 2
    free = [r for r, blob in zip(ratios, blobs, strict=True) if not blob.shared]
    least = SCRAP * float(np.median(free or ratios))
    whole = [blob for blob, ratio in zip(blobs, ratios, strict=True) if ratio >= least]
    return whole if len(whole) >= 3 else list(blobs)


def _beside(blob: Blob, own: Trace, every: Sequence[Trace]) -> bool:
    """Whether anything else is in touch with it."""
    for trace in every:
        other = None if trace is own else trace.at(blob.at)
        if other is not None and gap(blob, other) <= TOUCH:
            return True
    return False


def gap(one: Blob, other: Blob) -> float:
    """The room between two boxes, as a part of the picture; negative where they overlap."""
    a, b = one.box, other.box
    return max(max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3]))


def _part_of(thing: Thing, other: Trace) -> bool:
    """Whether `other` is another part of the thing: together they are no larger than planned."""
    assert thing.trace is not None
    common = 0
    for blob in other.blobs:
        own = thing.trace.at(blob.at)
        if own is None or own.shared or own.box == blob.box:
            continue
        whole = _one(own, blob).box
        wide, high = whole[2] - whole[0], whole[3] - whole[1]
        if wide > 1.2 * thing.extent[0] or high > 1.2 * thing.extent[1]:
            return False
        common += 1
    return common > 0


def _one(one: Blob, other: Blob) -> Blob:
    """Two parts as one blob."""
    if one.box == other.box:
        return one
    area = one.area + other.area
    a, b = one.box, other.box
    return replace(
        one,
        x=(one.x * one.area + other.x * other.area) / area,
        y=(one.y * one.area + other.y * other.area) / area,
        area=area,
        box=(min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])),
        colours=(one.colours * one.area + other.colours * other.area) / area,
        cut=one.cut or other.cut,
        mask=one.mask | other.mask,
        shared=one.shared or other.shared,
    )


def _leap(one: Trace, other: Trace) -> float:
    """How far apart two traces are where they are nearest in time."""
    a, b = min(
        ((a, b) for a in one.blobs for b in other.blobs), key=lambda ab: abs(ab[0].at - ab[1].at)
    )
    return float(np.hypot(a.x - b.x, a.y - b.y))


def bound(things: Sequence[Thing]) -> list[Thing]:
    """Things with their traces exchanged where two of them have each other's colours.

    By colours alone a blue cube and a red ball are a red ball and a blue cube that changed places.
    They are told by their outlines, and by these and their planned places together: both must fit
    better exchanged. On 200 clean and 175 faulty seeded clips (`faults`) with two coloured entities
    every exchanged pair was above these bounds but one, and no other pair was above 0.
    """
    found = list(things)
    for i, j in combinations(range(len(found)), 2):
        one, other = found[i], found[j]
        if one.trace is None or other.trace is None or one.entity.id == other.entity.id:
            continue
        if one.entity.colour is None or other.entity.colour is None:
            continue
        outline, place = exchanged(one, other)
        if outline > OUTLINED and 2 * outline + place > EXCHANGED:
            found[i] = replace(one, trace=other.trace)
            found[j] = replace(other, trace=one.trace)
    return found


def exchanged(one: Thing, other: Thing) -> tuple[float, float]:
    """How much better two things fit with their traces exchanged, by outline and by place."""
    assert one.trace is not None
    assert other.trace is not None
    outline = (
        resembles(other.trace, one.entity) + resembles(one.trace, other.entity)
        - resembles(one.trace, one.entity) - resembles(other.trace, other.entity)
    )  # fmt: skip
    place = (
        _off(one.planned, one.trace) + _off(other.planned, other.trace)
        - _off(one.planned, other.trace) - _off(other.planned, one.trace)
    )  # fmt: skip
    return outline, float(np.clip(place, -0.6, 0.6))


def _off(planned: Path, trace: Trace) -> float:
    """The mean distance of a trace from a planned path."""
    at = [blob.at for blob in trace.blobs]
    apart = np.hypot(*(planned[at, :2] - [(blob.x, blob.y) for blob in trace.blobs]).T)
    return float(np.nanmean(apart)) if np.isfinite(apart).any() else 0.5


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


def _extent(layout: Layout, entity: str, instance: int) -> tuple[float, float]:
    """The greatest width and height of a thing's boxes; the whole picture where it has none."""
    boxes = [
        key.box
        for track in layout.tracks
        if (track.entity, track.instance) == (entity, instance)
        for key in track.keyframes
    ]
    if not boxes:
        return 1.0, 1.0
    return max(b[2] - b[0] for b in boxes), max(b[3] - b[1] for b in boxes)


def extents(layout: Layout) -> tuple[float, float, float]:
    """Of a layout's boxes: the least area, the greatest width and the greatest height, 0..1."""
    boxes = np.array([key.box for track in layout.tracks for key in track.keyframes])
    if not len(boxes):
        return 0.02, 1.0, 1.0
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return float((wide * high).min()), float(wide.max()), float(high.max())
