"""Whether a clip's things move as the laws of physics have it, from the pixels alone.

Lengths are parts of the picture's height, times are frames; x grows to the right, y downwards.
Nothing is known of metres: what is checked are shapes and ratios that hold at any scale, such as
that a fall gets faster and a bounce gets lower. Every score is 0..1 and passes from 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import Contact
from reelwright_core.records import Record
from reelwright_core.story import Action, Event, FrameSpan, SceneGraph
from reelwright_metrics.assign import Thing, Watched
from reelwright_metrics.finding import Blob

Series = NDArray[np.float64]

TREMBLE = 0.02
"""What a place found in a generated picture may be off."""
TURN = 0.05
"""A movement back by less than this is trembling, not a turn."""
MASSES = 6.0
"""How many times heavier or lighter than it looks a thing may be."""
NEEDED = 4
"""Pictures of a movement that must be seen before anything is said of it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Way:
    """Where one thing was found, in those pictures only in which it was."""

    entity: str
    instance: int
    frames: NDArray[np.int64]
    """Which frame of the shot each place is of, rising."""
    x: Series
    y: Series
    """The centre of its pixels."""
    side: Series
    """The square root of its area."""
    reach: Series
    """Half of its width."""
    tilt: Series
    """The angle of its longest axis from upright in degrees, clockwise, -90..90."""
    seen: int
    """In how many pictures anything of it was seen."""
    due: int
    """In how many pictures it was to be seen."""

    def during(self, event: Event) -> Way:
        """Its part within an event, with the frames next to it."""
        first, last = event.frames.first - 1, event.frames.last + 1
        return self.of((self.frames >= first) & (self.frames <= last))

    def of(self, chosen: NDArray[np.bool_]) -> Way:
        """Its places that are `chosen`."""
        names = ("frames", "x", "y", "side", "reach", "tilt")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


class Finding(Record):
    """One law that a clip's thing keeps or breaks."""

    name: str
    thing: str
    """The entity, and its number if there are several: `ball`, `ball 2`."""
    score: float
    passed: bool
    expected: str
    seen: str


class Followed(Record):
    """How well a thing keeps to the way that was planned or simulated."""

    error: float | None
    """Mean distance of its centre from the due one, in parts of the picture's height; none where
    it was not found."""
    errors: list[float | None]
    """The same of each frame."""
    contacts: list[int]
    """The frames in which it was found to bounce or land."""
    due: list[int]
    """The frames in which it should."""
    met: int
    """How many of those were found, at most one frame off."""
    extra: int
    """How many were found that should not be there."""


# What is seen


def ways(watched: Watched) -> list[Way]:
    """Where every planned thing was found."""
    return [_way(thing, watched) for thing in watched.things]


def _way(thing: Thing, watched: Watched) -> Way:
    blobs = every = [] if thing.trace is None else list(thing.trace.blobs)
    # What another thing covers, or the picture's border cuts, has a centre that is not its own.
    for spoiled in (_shared, _cut):
        free = [blob for blob in blobs if not spoiled(blob)]
        blobs = free if len(free) >= 0.5 * len(blobs) else blobs
    stretch = watched.shot.size[0] / watched.shot.size[1]
    left, right = ([blob.box[i] for blob in blobs] for i in (0, 2))
    return Way(
        entity=thing.entity.id,
        instance=thing.instance,
        frames=watched.frames[[blob.at for blob in blobs]],
        x=np.array([blob.x for blob in blobs]) * stretch,
        y=np.array([blob.y for blob in blobs]),
        side=np.array([(blob.area * stretch) ** 0.5 for blob in blobs]),
        reach=(np.array(right) - np.array(left)) / 2 * stretch,
        tilt=np.array([_tilt(blob) for blob in blobs]),
        seen=len(every),
        due=int(np.isfinite(thing.planned[:, 0]).sum()),
    )


def _shared(blob: Blob) -> bool:
    return blob.shared


def _cut(blob: Blob) -> bool:
    return blob.cut


def _tilt(blob: Blob) -> float:
    """The main axis of its pixels by their second moments."""
    rows, columns = np.nonzero(blob.mask)
    if len(rows) < 3:
        return 0.0
    down, right = rows - rows.mean(), columns - columns.mean()
    # The axis turned so that upright is 0 and clockwise is positive.
    return float(np.degrees(-0.5 * np.arctan2(2 * (down * right).mean(),
                                              (down**2).mean() - (right**2).mean())))  # fmt: skip


def contacts(way: Way) -> list[int]:
    """The frames in which it turns from falling to rising."""
    return [int(way.frames[at]) for at, low in turns(way.y) if low]


def landing(way: Way) -> int | None:
    """The frame in which it first reaches the lowest place that it comes to; none if it stays."""
    if len(way.y) < 2 or np.ptp(way.y) < TURN:
        return None
    return int(way.frames[_down(way.y)[1]])


def turns(values: Series, *, least: float = TURN) -> list[tuple[int, bool]]:
    """Where `values` turn round, and whether from growing to shrinking; not at their ends.

    A turn counts when what is before and after it goes at least `least` the other way.
    """
    found: list[tuple[int, bool]] = []
    if not len(values):
        return found
    high = low = 0
    grows: bool | None = None
    for at in range(1, len(values)):
        high = at if values[at] > values[high] else high
        low = at if values[at] < values[low] else low
        if grows is not False and values[high] - values[at] >= least:
            if grows:
                found.append((high, True))
            grows, low = False, at
            high = at
        elif grows is not True and values[at] - values[low] >= least:
            if grows is False:
                found.append((low, False))
            grows, high = True, at
            low = at
    return found


# How well it follows


def followed(way: Way, due: NDArray[np.float64], touches: Sequence[int]) -> Followed:
    """How well `way` keeps to `due`, the centre in each frame of the shot.

    `due` is float64 [frames, 2], parts of the picture's height, NaN where it is out of sight;
    `touches` are the frames in which it should bounce or land.
    """
    errors: list[float | None] = [None] * len(due)
    for frame, x, y in zip(way.frames.tolist(), way.x, way.y, strict=True):
        if frame < len(due) and np.isfinite(due[frame]).all():
            errors[frame] = round(float(np.hypot(x - due[frame, 0], y - due[frame, 1])), 4)
    known = [error for error in errors if error is not None]
    found = contacts(way)
    first = landing(way)
    if not found and first is not None:
        found = [first]
    left = list(found)
    met = 0
    for touch in touches:
        near = [frame for frame in left if abs(frame - touch) <= 1]
        if near:
            left.remove(min(near, key=lambda frame: abs(frame - touch)))
            met += 1
    return Followed(
        error=round(float(np.mean(known)), 4) if known else None,
        errors=errors,
        contacts=found,
        due=list(touches),
        met=met,
        extra=len(left),
    )


def touches(contacts: Sequence[Contact], thing: str, *, frames: int) -> list[int]:
    """The frames of a simulation in which `thing` hits the ground or something else."""
    return sorted({c.frame for c in contacts if thing in (c.a, c.b) and 0 < c.frame < frames})


# The laws


def whole(way: Way) -> Finding:
    """It is seen, in one piece and without leaps.

    The score is 0.5 where it is seen in two thirds of its pictures. It fails if it leaps by 0.6
    of the picture's height, or by 0.2 that is also three times what it goes in the pictures
    before and after, or if its area is more than twofold or less than half in most of them.
    """
    often = way.seen / max(way.due, 1)
    said = f"seen in {way.seen} of {way.due} pictures"
    if len(way.x) < NEEDED or often < 2 / 3:
        share = 0.0 if len(way.x) < NEEDED else 0.75 * often
        return _finding("whole", way, share, "seen all the time", said)
    steps = np.hypot(np.diff(way.x), np.diff(way.y)) / np.diff(way.frames)
    near = [[*steps[max(i - 2, 0) : i], *steps[i + 1 : i + 3]] for i in range(len(steps))]
    around = np.array([max(several, default=0.0) for several in near])
    leaps = (steps > 0.6) | ((steps > 0.2) & (steps > 3 * around))
    if leaps.any():
        at = int(np.argmax(leaps))
        return _finding(
            "whole", way, 0.0, "no leaps",
            f"leapt by {steps[at]:.2f} of the height at frame {way.frames[at + 1]}",
        )  # fmt: skip
    middle = np.median(way.side)
    odd = float(((way.side > 1.41 * middle) | (way.side < middle / 1.41)).mean())
    return _finding("whole", way, min(0.75 * often + 0.25, 1 - odd), "one piece", said)


def acceleration(way: Way) -> Finding:
    """Its fall gets faster and faster, as `y = y0 + v0 t + a t²/2` with a > 0.

    The score is the part of the way down that is owed to acceleration, `a T²/2` of the fitted
    parabola: 1 from rest, 0 at an even speed, less if it slows down. It is lowered by how far the
    places are off the parabola, over 4 % of the fall, and by the share of the shorter parabolas,
    over five pictures each, that bend the other way.
    """
    due = "a fall that gets faster"
    if len(way.y) < NEEDED:
        return _finding("acceleration", way, 0.0, due, "not seen to fall")
    top, low = _down(way.y)
    fallen = float(way.y[low] - way.y[top])
    if fallen < 0.1:
        return _finding("acceleration", way, 0.0, due, f"fell by {max(fallen, 0):.2f} at most")
    # It lands between two pictures: the last one may show it already stopped or thrown back.
    last = low if low - top < 3 else low - 1
    # It may have landed, and come back up, while it was not seen.
    lost = np.flatnonzero(np.diff(way.frames[top : last + 1]) > 2)
    last = top + int(lost[0]) if len(lost) and lost[0] >= 2 else last
    time, y = way.frames[top : last + 1] - way.frames[top], way.y[top : last + 1]
    if len(time) < 3:
        return _finding("acceleration", way, 0.0, due, f"fell within {len(time) - 1} pictures")
    bend, slope, _ = _parabola(time, y)
    gained = bend * float(time[-1]) ** 2
    owed = gained / max(gained + slope * float(time[-1]), 1e-6)
    off = _misfit(time, y) / fallen
    even = _bending(time, y)
    score = min(owed, 1.0) * float(np.clip(1 - (off - 0.04) / 0.08, 0, 1)) * even
    seen = f"acceleration makes {owed:.0%} of its way, {off:.0%} off a parabola"
    return _finding("acceleration", way, score, due, seen)


def bounce_heights(way: Way) -> Finding:
    """It comes back up, and each time less high than before.

    Heights are of the highest places over the lowest one. The score falls from 1 where the worst
    bounce comes to 0.87 of the height before to 0 at 1.07; a rise that the clip's end cuts counts
    only if it is already too high.
    """
    due = "bounces, each less high than before"
    heights, cut = _heights(way)
    if len(heights) < 2:
        return _finding("bounce heights", way, 0.0, due, "did not come back up")
    known = heights[:-1] if cut and len(heights) > 2 else heights
    ratios = [b / a for a, b in pairwise(known)]
    if cut:
        ratios.append(heights[-1] / heights[-2])
    score = float(np.clip((1.07 - max(ratios)) / 0.2, 0, 1))
    return _finding("bounce heights", way, score, due, ", ".join(f"{h:.2f}" for h in heights))


def one_gravity(way: Way) -> Finding | None:
    """All its flights bend as one gravity would have it; none if fewer than two are seen.

    Of each flight between two contacts, of the fall before the first and of the rise after the
    last, the fitted `a` counts. The score is 1 where they agree, 0.5 where the largest is three
    times the smallest, and 0 where one bends upwards.
    """
    if len(way.y) < NEEDED:
        return None
    lows = [at for at, low in turns(way.y) if low]
    ends = [_down(way.y)[0] if lows else 0, *lows, _landed(way.y, lows[-1] if lows else 0)]
    bends: list[float] = []
    for first, last in pairwise(ends):
        # The pictures of the contacts themselves belong to both flights, or to none.
        inner = slice(first + (first in lows), last + 1 - (last in lows))
        time, y = way.frames[inner], way.y[inner]
        if len(y) >= NEEDED and np.ptp(y) >= TURN:
            bends.append(2 * _parabola(time - time[0], y)[0])
    if len(bends) < 2:
        return None
    said = ", ".join(f"{bend:.3f}" for bend in bends)
    due = "the same gravity in every flight"
    if min(bends) <= 0:
        return _finding("one gravity", way, 0.0, due, said)
    ratio = max(bends) / min(bends)
    return _finding("one gravity", way, 1 - 0.5 * np.log(ratio) / np.log(3), due, said)


def rolling(way: Way, direction: str | None = None) -> Finding:
    """It goes one way on level ground, keeping its speed or losing it little by little.

    The score is the least of: how far it goes, 0.5 at 0.15 of the height; that it never turns
    back; that its speed at the end is at most that at the beginning, 0.5 at 1.3 times it; that its
    places are on a parabola over time, 0.5 at 6 % off; that it stays at one height, 0.5 at 0.1.
    """
    due = "rolls on, no faster than before"
    if len(way.x) < NEEDED:
        return _finding("rolling", way, 0.0, due, "not seen to roll")
    gone = float(way.x[-1] - way.x[0])
    sign = {"left": -1.0, "right": 1.0}.get(direction or "", float(np.sign(gone)) or 1.0)
    far = sign * gone
    if far < 0.05:
        return _finding("rolling", way, max(far, 0.0), due, f"went {far:.2f} of the height")
    back = float(np.max(np.maximum.accumulate(sign * way.x) - sign * way.x))
    # What reaches its place and rests has rolled out: how it came there is what counts.
    stopped = int(np.argmax(sign * way.x >= sign * way.x[-1] - TREMBLE))
    end = max(stopped + 1, NEEDED)
    time, x = (way.frames - way.frames[0])[:end], sign * way.x[:end]
    third = max(len(x) // 3, 2)
    early, late = (
        _speed(time[part], x[part]) for part in (slice(third + 1), slice(-third - 1, None))
    )
    scores = {
        f"went {far:.2f} of the height": 0.5 * far / 0.15,
        f"turned back by {back:.2f}": 1 - 0.5 * back / 0.06,
        f"speed {early:.3f}, then {late:.3f}": 1 - 0.5 * (late / max(early, 1e-3) - 1) / 0.3,
        f"{_misfit(time, x) / far:.0%} off an even run": 1 - 0.5 * _misfit(time, x) / far / 0.06,
        f"up and down by {np.ptp(way.y):.2f}": 1 - 0.5 * float(np.ptp(way.y)) / 0.1,
    }
    worst = min(scores, key=lambda said: scores[said])
    seen = worst if scores[worst] < 0.5 else next(iter(scores))
    return _finding("rolling", way, scores[worst], due, seen)


def momentum(hitter: Way, other: Way, *, free: bool = True) -> Finding:
    """What is hit starts when it is touched, the right way, and the hitter loses by it.

    The other is at rest before. With the hitter's speed before as 1, its speed after as u and the
    other's as w, the laws of impact ask for w - u = e, 0 <= e <= 1, 1 - u = (1 + e) r / (1 + r) and
    w = (1 + e) / (1 + r). Nobody sees the ratio r of the masses: it is taken to be within
    `MASSES` times, or one such part, of the areas' ratio to the power of 3/2; so much heavier a
    thing need not move. The score is the least of those three, of how early the other starts, 0.5
    at a gap of 0.12, and of how near they come, 0.5 where their centres are 0.6 of both half
    widths apart. What is not `free` to go, as it topples over its foot, only has to start when
    touched, the right way.
    """
    due = "the hit thing moves on and the hitter slows"
    common = np.intersect1d(hitter.frames, other.frames)
    if len(common) < 2 * NEEDED:
        return _finding("momentum", hitter, 0.0, due, "not both seen for long enough")
    one, two = (way.of(np.isin(way.frames, common)) for way in (hitter, other))
    ratio = float(np.median(two.side[:NEEDED]) / np.median(one.side[:NEEDED])) ** 3
    light, heavy = ratio / MASSES, ratio * MASSES
    least, most = 1 / (1 + heavy), 2 / (1 + light)
    away = np.abs(two.x - np.median(two.x[:3]))
    apart = np.abs(two.x - one.x)
    size = float(np.median(one.reach[:NEEDED]) + np.median(two.reach[:NEEDED]))
    near = np.flatnonzero(apart - size <= 2 * TREMBLE)
    touch = int(near[0]) if len(near) else int(np.argmin(apart))
    # It has started where it is gone for good.
    gone = [i for i in range(len(away)) if (away[i:] > 1.5 * TREMBLE).all()]
    if not gone and least > 0.05:
        return _finding("momentum", hitter, 0.0, due, "the other was not seen to start")
    at = max(min(touch, gone[0] - 1) if gone else touch, 2)
    before, after = slice(max(at - 4, 0), at + 1), slice(at + 1, at + 5)
    speed = _speed(common[before], one.x[before])
    if abs(speed) < 0.01 or len(common[after]) < 2:
        return _finding("momentum", hitter, 0.0, due, "they were not seen to meet")
    hit = _speed(common[after], two.x[after]) / speed
    left = _speed(common[after], one.x[after]) / speed
    gap = float(apart[at]) - size - abs(speed)
    closest = float(apart[at:].min()) / size
    scores = {
        f"apart by {gap:.2f} when the other started": 1 - 0.5 * max(gap, 0.0) / 0.12,
        f"the other moved on with {hit:.2f} of the speed":
            _within(hit, (least, most if free else np.inf), slack=0.05),
        f"as near as {closest:.2f} of their sizes": 0.5 + (closest - 0.6) / 0.4,
    }  # fmt: skip
    if free:
        lost = light / (1 + light), 2 * heavy / (1 + heavy)
        scores |= {
            f"the hitter kept {left:.2f} of its speed": _within(1 - left, lost, slack=0.1),
            f"they part with {hit - left:.2f} of the speed": _within(hit - left, (0, 1), slack=0.2),
        }
    worst = min(scores, key=lambda said: scores[said])
    said = next(iter(scores)) if scores[worst] == 1 else worst
    return _finding("momentum", hitter, scores[worst], due, said)


def _within(value: float, ends: tuple[float, float], *, slack: float) -> float:
    """1 between the ends, 0.5 where it is `slack` outside of them."""
    outside = max(ends[0] - value, value - ends[1], 0.0)
    return 1 - 0.5 * outside / slack


def toppling(way: Way, *, pushed: bool = False) -> Finding:
    """It falls over: from upright to lying, the faster the farther it leans.

    Read from its main axis, so of longish things only. The score is the least of: how far it
    turns, 0.5 at 50 degrees; that it does not turn back, 0.5 at 25 degrees; and, unless another
    thing `pushed` it, that it gets faster: from 0.6 to 0.9 of the turn in less time than
    from 0.3 to 0.6, 0.5 at a tenth less.
    """
    due = "falls over" if pushed else "falls over, faster and faster"
    if len(way.tilt) < NEEDED:
        return _finding("toppling", way, 0.0, due, "not seen to fall over")
    # An axis has no head: it is followed along the nearer turn.
    lean = np.degrees(np.unwrap(np.radians(2 * way.tilt))) / 2
    lean -= np.median(lean[:2])
    far = float(lean[np.argmax(np.abs(lean))])
    turned = lean * np.sign(far)
    whole = float(turned.max())
    if whole < 20:
        return _finding("toppling", way, whole / 100, due, f"leant by {whole:.0f} degrees at most")
    end = int(np.argmax(turned >= 0.9 * whole))
    turn = np.maximum.accumulate(turned[: end + 1])
    marks = np.interp([0.3 * whole, 0.6 * whole, 0.9 * whole], turn, way.frames[: end + 1])
    early, late = np.diff(marks).tolist()
    back = whole - float(np.min(turned[end:]))
    scores = {
        f"turned by {whole:.0f} degrees": 0.5 * whole / 50,
        f"turned back by {back:.0f} degrees": 1 - 0.5 * back / 25,
    }
    if not pushed:
        said = f"the middle of the turn in {early:.1f}, its end in {late:.1f} frames"
        scores[said] = 0.45 + (early - late) / max(early + late, 1e-6)
    worst = min(scores, key=lambda said: scores[said])
    return _finding("toppling", way, scores[worst], due, worst)


def swinging(way: Way) -> Finding:
    """It swings: back and forth, through its lowest place fastest, and no farther than before.

    The score is the least of: the turns seen, 0.5 for one; that the middle of the way is the
    lowest, 0.5 where it is as high as the ends; that it is faster there, 0.5 where it is as fast
    as at the ends; that no swing is longer than the one before, 0.5 at 1.15 times it.
    """
    due = "swings back and forth, lowest and fastest in the middle"
    if len(way.x) < 2 * NEEDED or np.ptp(way.x) < 0.1:
        return _finding("swinging", way, 0.0, due, f"swung by {_span(way.x):.2f} of the height")
    ends = turns(way.x, least=0.25 * float(np.ptp(way.x)))
    if not ends:
        return _finding("swinging", way, 0.2, due, "never turned back")
    middle = (float(way.x.max()) + float(way.x.min())) / 2
    out = np.abs(way.x - middle) / (np.ptp(way.x) / 2)
    rise = float(way.y[out < 0.5].mean() - way.y[out >= 0.75].mean()) if (out < 0.5).any() else 0.0
    pace = np.hypot(np.diff(way.x), np.diff(way.y)) / np.diff(way.frames)
    between = (out[1:] + out[:-1]) / 2
    slow, fast = pace[between >= 0.75], pace[between < 0.5]
    faster = float(fast.mean() / max(slow.mean(), 1e-6)) if len(slow) and len(fast) else 2.0
    # A first stretch that does not begin at rest is no whole swing, nor is the last one.
    whole_first = pace[0] < 0.5 * pace.max()
    marks = [*way.x[[0]][: int(whole_first)], *(way.x[at] for at, _ in ends), way.x[-1]]
    swings = [abs(b - a) for a, b in pairwise(marks)]
    growth = max((b / max(a, 1e-6) for a, b in pairwise(swings)), default=1.0)
    scores = {
        f"turned back {len(ends)} times": 0.5 + 0.25 * (len(ends) - 1),
        f"the middle is {rise:.2f} lower than the ends": 0.5 + 0.5 * rise / 0.04,
        f"{faster:.1f} times as fast in the middle": 0.5 + 0.5 * (faster - 1),
        f"a swing {growth:.2f} times the one before": 1 - 0.5 * (growth - 1) / 0.15,
    }
    worst = min(scores, key=lambda said: scores[said])
    return _finding("swinging", way, scores[worst], due, worst)


def findings(watched: Watched) -> list[Finding]:
    """Every law that the events of a shot ask for, thing by thing; each thing must stay whole.

    A fall must accelerate, a bounce must lose height under one gravity, a roll must keep or lose
    its speed, a collision must pass momentum on, what topples must fall over faster and faster,
    what swings must do so like a pendulum.
    """
    found = ways(watched)
    told = [whole(way) for way in found]
    graph = watched.shot.scene_graph
    hits = _hits(graph)
    for event in _joined(graph.events):
        for way in (way for way in found if way.entity == event.actor):
            during = way.during(event)
            pushed = event.action == "topples" and any(event.actor == hit for _, hit in hits)
            laws = (_pushed,) if pushed else _LAWS.get(event.action, ())
            several = [law(during, event) for law in laws]
            told += [finding for finding in several if finding is not None]
    for hitter, other in hits:
        falls = any(e.actor == other and e.action == "topples" for e in graph.events)
        ones, others = ([w for w in found if w.entity == name] for name in (hitter, other))
        met = [momentum(one, two, free=not falls) for one in ones for two in others]
        told.append(max(met, key=lambda finding: finding.score))
    return told


def _joined(events: Sequence[Event]) -> list[Event]:
    """The events, with a fall and the bounces that follow it as one: they are one motion."""
    told: list[Event] = []
    for event in events:
        before = next(
            (e for e in told if e.actor == event.actor and e.action in ("falls", "bounces")), None
        )
        if before is None or event.action not in ("falls", "bounces"):
            told.append(event)
            continue
        spans = (before.frames, event.frames)
        whole = FrameSpan(first=min(s.first for s in spans), last=max(s.last for s in spans))
        action = "bounces" if "bounces" in (before.action, event.action) else "falls"
        both = before.model_copy(update={"frames": whole, "action": action})
        told[told.index(before)] = both
    return told


def _hits(graph: SceneGraph) -> list[tuple[str, str]]:
    """Who hits whom: what collides and what it meets, or all else if nothing is said."""
    hitting = list(dict.fromkeys(e.actor for e in graph.events if e.action == "collides"))
    meets = [(r.subject, r.object) for r in graph.relations if r.kind == "meets"]
    said = [pair for pair in meets if pair[0] in hitting]
    if said or not hitting:
        return said
    rest = [entity.id for entity in graph.entities if entity.id != hitting[0]]
    return [(hitting[0], other) for other in rest]


def plausible(told: Sequence[Finding]) -> bool:
    """Whether every law is kept."""
    return all(finding.passed for finding in told)


def score(told: Sequence[Finding]) -> float:
    """The mean of the scores, 0 if nothing was asked."""
    return float(np.mean([finding.score for finding in told])) if told else 0.0


_Law = Callable[[Way, Event], Finding | None]


def _fall(way: Way, event: Event) -> Finding:
    return acceleration(way)


def _drop(way: Way, event: Event) -> Finding | None:
    """The fall before the first bounce, if it does not spring up, and is seen for long enough."""
    lows = [at for at, low in turns(way.y) if low]
    if lows and (way.y[lows[0]] - way.y[0] < 0.1 or lows[0] - _down(way.y)[0] < NEEDED):
        return None
    return acceleration(way)


def _bounce(way: Way, event: Event) -> Finding:
    return bounce_heights(way)


def _gravity(way: Way, event: Event) -> Finding | None:
    return one_gravity(way)


def _roll(way: Way, event: Event) -> Finding:
    return rolling(way, event.direction)


def _topple(way: Way, event: Event) -> Finding:
    return toppling(way)


def _pushed(way: Way, event: Event) -> Finding:
    return toppling(way, pushed=True)


def _swing(way: Way, event: Event) -> Finding:
    return swinging(way)


_LAWS: Mapping[Action, Sequence[_Law]] = MappingProxyType(
    {
        "falls": (_fall,),
        "bounces": (_drop, _bounce, _gravity),
        "rolls": (_roll,),
        "topples": (_topple,),
        "swings": (_swing,),
    }
)


# Curves


def _down(y: Series) -> tuple[int, int]:
    """Where its first fall begins, and where it ends."""
    lows = [at for at, low in turns(y) if low]
    low = lows[0] if lows else int(np.argmax(y >= y.max() - TREMBLE))
    before = y[: low + 1]
    return int(np.flatnonzero(before <= before.min() + TREMBLE / 2)[-1]), low


def _landed(y: Series, low: int) -> int:
    """The last picture of the flight that begins at `low`, before it is down again."""
    top = low + int(np.argmin(y[low:]))
    down = np.flatnonzero(y[top:] >= y[low] - TURN)
    return top + int(down[0]) - 1 if len(down) else len(y) - 1


def _heights(way: Way) -> tuple[list[float], bool]:
    """How high it gets over its lowest place before, between and after its contacts.

    And whether the clip ends before the last rise does.
    """
    if not len(way.y):
        return [], False
    ground = float(way.y.max())
    lows = [at for at, low in turns(way.y) if low]
    tops = [ground - float(part.min()) for part in np.split(way.y, lows)]
    if len(tops) > 1 and tops[0] < TURN:
        tops = tops[1:]  # it springs up from the ground
    after = way.y[lows[-1] :] if lows else way.y
    return tops, bool(lows) and int(np.argmin(after)) == len(after) - 1


def _parabola(time: NDArray[np.int64], y: Series) -> tuple[float, float, float]:
    """[bend, slope, start] of the least squares `y = bend t² + slope t + start`."""
    bend, slope, start = np.polynomial.polynomial.polyfit(time, y, 2)[::-1]
    return float(bend), float(slope), float(start)


def _misfit(time: NDArray[np.int64], y: Series) -> float:
    """Root of the mean square distance from the best parabola."""
    bend, slope, start = _parabola(time, y)
    return float(np.sqrt(np.mean((bend * time**2 + slope * time + start - y) ** 2)))


def _bending(time: NDArray[np.int64], y: Series) -> float:
    """The share of the parabolas over five pictures each that bend downwards; 1 if too short."""
    if len(y) < 7:
        return 1.0
    bends = [
        _parabola(time[i : i + 5] - time[i], y[i : i + 5])[0] for i in range(len(y) - 4)
    ]  # fmt: skip
    # What bends by less than trembling does over five pictures is straight.
    return float(np.mean([bend > -TREMBLE / 16 for bend in bends]))


def _speed(time: NDArray[np.int64], x: Series) -> float:
    """The slope of the regression, per frame."""
    if len(x) < 2:
        return 0.0
    off = time - time.mean()
    return float((off * x).sum() / (off**2).sum())


def _span(values: Series) -> float:
    return float(np.ptp(values)) if len(values) else 0.0


def _finding(name: str, way: Way, score: float, expected: str, seen: str) -> Finding:
    score = round(float(np.clip(score, 0, 1)), 4)
    who = f"{way.entity} {way.instance + 1}" if way.instance else way.entity
    return Finding(
        name=name, thing=who, score=score, passed=score >= 0.5, expected=expected, seen=seen
    )
