"""Whether things go on as things do: they neither jump nor appear or vanish, and none comes along.

Seen from the pixels alone: a plan in which a thing jumps or vanishes is as wrong as a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_metrics.assign import Thing, Watched, gap
from reelwright_metrics.backdrop import Mask
from reelwright_metrics.finding import Blob
from reelwright_metrics.motion import Trace

LEAP = 0.09
"""So far (in parts of the picture) a thing may get ahead of how it went before and goes after."""
OWN = 0.3
"""And so much of its own size (the square root of its area)."""
GONE = 3
"""So many pictures of 17 a thing may not be missing in a row; of more, a sixth of them."""
EDGE = 0.02
"""What comes so near to the picture's border may have gone out of it."""
COVERED = 0.5
"""A thing is hidden where so much of its outline is not the backdrop."""
APART = 0.03
"""What is no further than this from a thing may be a part of it, its shadow or its haze."""
PART = 0.6
"""Its size against that of a thing, from which on it is no part of it unless they overlap."""
STAYS = 0.3
"""What nobody asked for is a thing if it is there in so many of the pictures."""
STEADY = 0.75
"""And in so many between its first and its last: what flickers is haze."""
CLEAR = 13.0
"""And if its mean CIELAB distance from the backdrop is at least this,"""
STANDING = 16.5
"""or this, if it stands still: less is a part of the place that a generator painted anew."""

Found = tuple[float, str, NDArray[np.bool_]]
"""Score, measured words, and the pictures in which it fails."""


def hidden(thing: Thing, something: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a thing is not found though something stands where it must be: [pictures].

    `something` [pictures, height, width] is what differs from the backdrop. The thing is expected
    where it was seen last or is seen next, gone on as planned.
    """
    covered = np.zeros(len(thing.planned), bool)
    own = _own(thing.trace)
    if not own:
        return covered
    height, width = something.shape[1:]
    for at in np.flatnonzero(~thing.there).tolist():
        place, blob = _expected(thing, own, at)
        shift = (place - (blob.x, blob.y)) * (width, height)
        mask = cv2.warpAffine(
            blob.mask.astype(np.uint8), np.array([[1, 0, shift[0]], [0, 1, shift[1]]]),
            (width, height), flags=cv2.INTER_NEAREST,
        ) > 0  # fmt: skip
        covered[at] = mask.any() and float(something[at][mask].mean()) >= COVERED
    return covered


def _own(trace: Trace | None) -> list[Blob]:
    """Where it stands free; all of it if it never does."""
    if trace is None:
        return []
    return [blob for blob in trace.blobs if not blob.shared] or trace.blobs


def _expected(thing: Thing, own: Sequence[Blob], at: int) -> tuple[NDArray[np.float64], Blob]:
    """Where a thing must be in picture `at`, and its blob that is nearest in time."""
    before = max((blob for blob in own if blob.at < at), key=lambda b: b.at, default=None)
    after = min((blob for blob in own if blob.at > at), key=lambda b: b.at, default=None)
    ends = [blob for blob in (before, after) if blob is not None]
    places = [np.array([blob.x, blob.y]) + _planned_step(thing, blob.at, at) for blob in ends]
    if before is None or after is None:
        return places[0], ends[0]
    part = (at - before.at) / (after.at - before.at)
    return places[0] * (1 - part) + places[1] * part, before if part <= 0.5 else after


def _planned_step(thing: Thing, one: int, other: int) -> NDArray[np.float64]:
    step = thing.planned[other, :2] - thing.planned[one, :2]
    return step if np.isfinite(step).all() else np.zeros(2)


def in_sight(them: Sequence[Thing], watched: Watched) -> Found:
    """Whether what is seen at all stays in sight, but for what leaves the picture at its border."""
    count = len(watched.frames)
    least = max(GONE, round(count / 6)) if count > 3 else count + 1
    wrong = np.zeros(count, bool)
    worst, words = 0.0, "in sight throughout"
    for thing in them:
        missing = _missing(thing, watched)
        for first, last in _runs(missing):
            if last - first + 1 >= least:
                wrong[first : last + 1] = True
            if last - first + 1 > worst:
                worst = last - first + 1
                words = _gone(watched, first, last)
    return 1 - 0.5 * worst / (least - 0.5), words, wrong


def _gone(watched: Watched, first: int, last: int) -> str:
    a, b = int(watched.frames[first]), int(watched.frames[last])
    if first == 0:
        return f"appears only in frame {b + 1}"
    if last == len(watched.frames) - 1:
        return f"is gone from frame {a} on"
    return f"is gone from frame {a} to {b}"


def _missing(thing: Thing, watched: Watched) -> NDArray[np.bool_]:
    """The pictures in which it is neither seen nor hidden nor beyond the border."""
    missing = np.zeros(len(watched.frames), bool)
    own = _own(thing.trace)
    if not own or any(
        event.actor == thing.entity.id and event.action == "leaves"
        for event in watched.shot.scene_graph.events
    ):
        return missing
    due = np.isfinite(thing.planned[:, 0])
    away = ~thing.excused
    for first, last in _runs(away):
        before = max((b for b in own if b.at < first), key=lambda b: b.at, default=None)
        after = min((b for b in own if b.at > last), key=lambda b: b.at, default=None)
        if before is None:
            # What the plan lets enter later is not missed before.
            gone = due[first : last + 1] & (
                after is not None and not _at_edge(after, own, back=True)
            )
            missing[first : last + 1] = gone
        else:
            missing[first : last + 1] = not _at_edge(before, own)
    return missing


def _at_edge(blob: Blob, own: Sequence[Blob], *, back: bool = False) -> bool:
    """Whether it touches the picture's border, or its next step leads there; `back` is the last."""
    x, y = _pace(own, blob.at) * (-1.5 if back else 1.5)
    left, top, right, bottom = blob.box
    return blob.cut or min(left + x, top + y, 1 - right - x, 1 - bottom - y) <= EDGE


def _pace(own: Sequence[Blob], at: int) -> NDArray[np.float64]:
    """How far it goes in a picture about `at`, (x, y): the middle of up to six steps."""
    steps = [
        np.array([b.x - a.x, b.y - a.y]) / (b.at - a.at)
        for a, b in pairwise(own)
        if abs(a.at - at) <= 3 and abs(b.at - at) <= 3
    ]
    return np.median(steps, axis=0) if steps else np.zeros(2)


def without_jumps(them: Sequence[Thing], watched: Watched) -> Found:
    """Whether no step is much longer than those around it.

    Two jumps, the second of which leads back, are one that lasts until then.
    """
    count = len(watched.frames)
    wrong = np.zeros(count, bool)
    worst, words = 0.0, "without jumps"
    for thing in them:
        jumps = _jumps(thing)
        worst = max([worst, *(amount for _, _, amount, _ in jumps)])
        landed = [jump for jump in jumps if jump[2] > 1]
        if not landed:
            continue
        at = int(watched.frames[landed[0][1]])
        words = f"jumps by {np.hypot(*landed[0][3]):.0%} at frame {at}".replace("%", " %")
        if len(landed) == 2 and _returns(landed[0][3], landed[1][3]):
            wrong[landed[0][1] : landed[1][0] + 1] = True
        else:
            for _, after, *_ in landed:
                wrong[after] = True
    return 1 - 0.5 * worst, words, wrong


Jump = tuple[int, int, float, NDArray[np.float64]]
"""The pictures before and after, how many times it is too far, and the way (x, y)."""


def _jumps(thing: Thing) -> list[Jump]:
    own = _own(thing.trace)
    found: list[Jump] = []
    steps = [np.array([b.x - a.x, b.y - a.y]) for a, b in pairwise(own)]
    paces = [s / (b.at - a.at) for s, (a, b) in zip(steps, pairwise(own), strict=True)]
    for i, (a, b) in enumerate(pairwise(own)):
        around = [*paces[max(0, i - 2) : i], *paces[i + 1 : i + 3]]
        usual = max((float(np.hypot(*pace)) for pace in around), default=0.0)
        before = paces[i - 1] if i else np.zeros(2)
        ahead = steps[i] - before * (b.at - a.at)
        far = min(float(np.hypot(*ahead)), float(np.hypot(*steps[i])))
        # Two jumps beside each other must not excuse each other.
        usual = min(usual, float(np.median([np.hypot(*pace) for pace in paces])) * 2 + 0.04)
        excess = far - 1.2 * usual * (b.at - a.at)
        side = min(a.area, b.area) ** 0.5
        limit = max(LEAP, OWN * side) + (0.03 if a.cut or b.cut else 0.0)
        found.append((a.at, b.at, excess / limit, steps[i]))
    return found


def _returns(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return float(one @ other) < -0.5 * float(np.hypot(*one) * np.hypot(*other))


def nothing_else(watched: Watched) -> Found:
    """Whether nothing is there that nobody asked for."""
    count = len(watched.frames)
    there = np.zeros(count, bool)
    number = np.zeros(count, int)
    for trace in watched.spare:
        free = [blob.at for blob in trace.blobs if not _beside(blob, watched)]
        steady = len(free) >= STEADY * (free[-1] - free[0] + 1) if free else False
        least = CLEAR if _moves(trace) else STANDING
        clear = float(np.median([blob.contrast for blob in trace.blobs])) >= least
        if len(free) < max(3, STAYS * count) or not steady or not clear:
            continue
        there[free] = True
        number[free] += 1
    share = float(there.mean())
    if not share:
        return 1.0, "nothing else", there
    most = int(np.bincount(number[there]).argmax())
    words = f"{most} more {'thing' if most == 1 else 'things'} from frame {_first(watched, there)}"
    return 1 - 0.5 * share / STAYS, words, there


def _moves(trace: Trace) -> bool:
    """Whether its middle place in the first and in the last third differ."""
    places = np.array([(blob.x, blob.y) for blob in trace.blobs])
    third = max(1, len(places) // 3)
    went = np.median(places[-third:], axis=0) - np.median(places[:third], axis=0)
    return float(np.hypot(*went)) > 0.05


def _first(watched: Watched, there: NDArray[np.bool_]) -> int:
    return int(watched.frames[int(there.argmax())])


def _beside(blob: Blob, watched: Watched) -> bool:
    """Whether it is a part of a planned thing, its shadow or its haze."""
    for thing in watched.things:
        own = None if thing.trace is None else thing.trace.at(blob.at)
        if own is None or thing.trace is None:
            continue
        room = gap(blob, own)
        # What only stands close by is a part of it if it is much smaller.
        if room < 0 or (room <= APART and blob.area < PART * thing.trace.area):
            return True
    return False


def _runs(mask: Mask) -> list[tuple[int, int]]:
    """The first and last index of each row of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
