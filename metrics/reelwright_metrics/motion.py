"""Finds the things of a clip against its backdrop and follows them from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Box
from reelwright_metrics.backdrop import Lab, Mask, distance
from reelwright_metrics.colours import Shares, alike, shares

THINGS = 24  # of all that is found in a frame, the largest so many are looked at
LEAP = 0.3  # how far a thing may get from one picture to the next, in picture heights
LOST = 4  # pictures that a thing may be hidden before it counts as another one


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Blob:
    """One thing found in one picture; places are parts of the picture, 0..1."""

    at: int
    """Which picture."""
    x: float
    y: float
    """The centre of its pixels."""
    area: float
    """Its pixels as a share of the picture."""
    box: Box
    colours: Shares
    cut: bool
    """Whether it touches the picture's border, so that part of it may be outside."""
    mask: Mask
    """[height, width]"""
    shared: bool = False
    """Whether another thing covers or touches it, so that its centre is not its own."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trace:
    """One thing followed through the clip, picture by picture; it may be hidden in between."""

    blobs: list[Blob]

    def at(self, picture: int) -> Blob | None:
        """Where it is in a picture, if it is seen there."""
        return next((blob for blob in self.blobs if blob.at == picture), None)

    @property
    def colours(self) -> Shares:
        """Its colours over all pictures in which it stands free."""
        free = [blob for blob in self.blobs if not blob.shared] or self.blobs
        weights = np.array([blob.area for blob in free])
        return np.average([blob.colours for blob in free], axis=0, weights=weights)

    @property
    def area(self) -> float:
        """Its middle size as a share of the picture."""
        free = [blob.area for blob in self.blobs if not blob.shared]
        return float(np.median(free or [blob.area for blob in self.blobs]))


def find(
    clip: Lab, behind: Lab, *, smallest: float, largest: tuple[float, float]
) -> list[list[Blob]]:
    """The things in each picture of `clip` that stand out from what is `behind` them.

    A thing is a connected patch of at least `smallest` and at most 0.7 of the picture. Flat
    shadows do not count. Parts that nearly touch are one thing if together they are no larger
    than `largest` (width, height); what is much larger is cut at its necks, if it has any.
    """
    return [
        _in_picture(picture, empty, at=index, smallest=smallest, largest=largest)
        for index, (picture, empty) in enumerate(zip(clip, behind, strict=True))
    ]


def _in_picture(
    picture: Lab, empty: Lab, *, at: int, smallest: float, largest: tuple[float, float]
) -> list[Blob]:
    apart = distance(picture, empty)
    limit = float(np.clip(4 + 2.5 * np.median(apart), 7.5, 18))
    mask = _whole((apart > limit) & ~_shadow(picture, empty, limit=limit))
    parts = [part for whole in _connected(mask) for part in _cut(whole, largest=largest)]
    blobs: list[Blob] = []
    for own in _joined(parts[:THINGS], largest=largest):
        if smallest <= own.mean() <= 0.7 and (apart[own] > 1.5 * limit).mean() >= 0.15:
            blobs.append(blob_of(picture, own, at=at, firm=apart > 2 * limit))
    return blobs


def _connected(mask: Mask) -> list[Mask]:
    """The connected patches of `mask`, largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    order = sorted(range(1, count), key=lambda i: (-int(stats[i, cv2.CC_STAT_AREA]), i))
    return [labels == label for label in order]


def _sides(mask: Mask) -> tuple[int, int, int, int]:
    """[left, top, right, bottom] of a mask in pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _cut(whole: Mask, *, largest: tuple[float, float]) -> list[Mask]:
    """A patch that is much larger than any thing, cut at its necks: worn off until it falls apart.

    Each part must hold a fifth of what is left; every pixel goes to the nearest part.
    """
    height, width = whole.shape
    left, top, right, bottom = _sides(whole)
    if right - left < 1.4 * largest[0] * width and bottom - top < 1.4 * largest[1] * height:
        return [whole]
    worn = whole.astype(np.uint8)
    for _ in range(max(2, height // 24)):
        worn = cv2.erode(worn, np.ones((3, 3), np.uint8))
        seeds = [seed for seed in _connected(worn > 0) if seed.sum() >= 0.2 * worn.sum()]
        if len(seeds) > 1:
            far = [
                cv2.distanceTransform((~seed).astype(np.uint8), cv2.DIST_L2, 3) for seed in seeds
            ]
            nearest = np.argmin(np.stack(far), axis=0)
            return [whole & (nearest == index) for index in range(len(seeds))]
    return [whole]


def _joined(parts: list[Mask], *, largest: tuple[float, float]) -> list[Mask]:
    """Parts that nearly touch, joined where the whole is still no larger than a thing.

    A part beside another is taken in only if it has less than half of the other's size: two alike
    that stand side by side stay two.
    """
    done: list[Mask] = []
    for part in sorted(parts, key=lambda part: -int(part.sum())):
        for index, whole in enumerate(done):
            if _one_thing(whole, part, largest=largest):
                done[index] = whole | part
                break
        else:
            done.append(part)
    return done


def _one_thing(one: Mask, other: Mask, *, largest: tuple[float, float]) -> bool:
    height, width = one.shape
    a, b = _sides(one), _sides(other)
    gap = max(max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3]))
    wide = (max(a[2], b[2]) - min(a[0], b[0])) / width
    high = (max(a[3], b[3]) - min(a[1], b[1])) / height
    common = min(a[2], b[2]) - max(a[0], b[0])
    stacked = common >= 0.6 * min(a[2] - a[0], b[2] - b[0])
    fits = gap <= 0.06 * height and wide <= 1.1 * largest[0] and high <= 1.1 * largest[1]
    return fits and (stacked or other.sum() < 0.5 * one.sum())


def blob_of(picture: Lab, own: Mask, *, at: int, firm: Mask) -> Blob:
    """The blob of the pixels `own` [height, width]; its `firm` ones tell its colours."""
    height, width = own.shape
    left, top, right, bottom = _sides(own)
    rows, columns = np.nonzero(own)
    core = cv2.erode(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    # Soft edges and gaps show the backdrop's colours.
    sure = next((m for m in (core & firm, own & firm, core) if m.sum() >= 0.25 * own.sum()), own)
    return Blob(
        at=at,
        x=(float(columns.mean()) + 0.5) / width,
        y=(float(rows.mean()) + 0.5) / height,
        area=float(own.mean()),
        box=(left / width, top / height, right / width, bottom / height),
        colours=shares(picture[sure]),
        cut=bool(left <= 1 or top <= 1 or right >= width - 1 or bottom >= height - 1),
        mask=own,
    )


def _shadow(picture: Lab, empty: Lab, *, limit: float) -> Mask:
    """Flat patches that are darker than the backdrop and of its hue."""
    dark = empty[..., 0] - picture[..., 0]
    tint = np.hypot(picture[..., 1] - empty[..., 1], picture[..., 2] - empty[..., 2])
    soft = (dark > 0) & (dark < 0.45 * empty[..., 0]) & (tint < limit)
    shade = (soft & (distance(picture, empty) > limit)).astype(np.uint8)
    height = shade.shape[0]
    # What survives an opening by an upright line is too tall to be a shadow on the ground.
    tall = cv2.morphologyEx(
        shade, cv2.MORPH_OPEN, np.ones((max(3, round(0.09 * height)), 1), np.uint8)
    )
    count, labels, stats, _ = cv2.connectedComponentsWithStats(shade & (1 - tall))
    flat = np.zeros(count, bool)
    for label in range(1, count):
        wide, high = stats[label, cv2.CC_STAT_WIDTH], stats[label, cv2.CC_STAT_HEIGHT]
        flat[label] = wide > 1.6 * high and high < 0.13 * height
    return flat[np.asarray(labels, np.int64)]


def _whole(mask: Mask) -> Mask:
    """`mask` without specks, with gaps and holes closed."""
    height = mask.shape[0]
    bridge = max(3, round(0.03 * height)) | 1
    speckless = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    closed = cv2.morphologyEx(
        speckless,
        cv2.MORPH_CLOSE,
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (bridge, bridge)),
    )
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(closed, outlines, -1, 1, cv2.FILLED) > 0


def link(pictures: Sequence[Sequence[Blob]]) -> list[Trace]:
    """The blobs of all pictures joined into traces, longest first.

    From picture to picture the cheapest one-to-one matching, by distance from where the thing
    is expected (going on as before), difference of colour and of size. A thing that finds no
    blob of its own but is expected inside another's shares that blob for a while.
    """
    open_: list[list[Blob]] = []
    done: list[list[Blob]] = []
    for at, blobs in enumerate(pictures):
        done += [trace for trace in open_ if at - _last_own(trace).at > LOST]
        open_ = [trace for trace in open_ if at - _last_own(trace).at <= LOST]
        costs = np.array([[_cost(trace, blob) for blob in blobs] for trace in open_])
        taken: dict[int, int] = {}
        if costs.size:
            taken = {i: j for i, j in matching(costs) if costs[i, j] < 1}
        owners = {j: i for i, j in taken.items()}
        for i, j in taken.items():
            open_[i].append(blobs[j])
        for i, trace in enumerate(open_):
            j = None if i in taken else _inside(trace, at, blobs)
            if j in owners:
                both = replace(blobs[j], shared=True)
                open_[owners[j]][-1] = both
                trace.append(both)
        open_ += [[blob] for j, blob in enumerate(blobs) if j not in owners]
    traces = [Trace(blobs=_trimmed(blobs)) for blobs in [*done, *open_]]
    return sorted(traces, key=lambda trace: -len(trace.blobs))


def _trimmed(blobs: list[Blob]) -> list[Blob]:
    """Without what was only shared at the end: nothing says that the thing was still there."""
    end = len(blobs)
    while end > 1 and blobs[end - 1].shared:
        end -= 1
    return blobs[: max(end, 1)] if end < len(blobs) - LOST else blobs


def _last_own(trace: list[Blob]) -> Blob:
    return next((blob for blob in reversed(trace) if not blob.shared), trace[-1])


def _expected(trace: list[Blob], at: int) -> tuple[float, float]:
    """Where a thing is expected: it goes on as it went over its last free pictures."""
    own = [blob for blob in trace if not blob.shared][-3:] or trace[-1:]
    last = own[-1]
    if len(own) < 2:
        return last.x, last.y
    steps = own[-1].at - own[0].at
    go = min(at - last.at, LOST)
    return (
        last.x + (last.x - own[0].x) / steps * go,
        last.y + (last.y - own[0].y) / steps * go,
    )


def _cost(trace: list[Blob], blob: Blob) -> float:
    """0 for the same thing in the same place; 1 and more is too unlike to be the same."""
    last = _last_own(trace)
    x, y = _expected(trace, blob.at)
    height, width = blob.mask.shape
    stretch = width / height
    ahead = np.hypot((blob.x - x) * stretch, blob.y - y)
    stayed = np.hypot((blob.x - last.x) * stretch, blob.y - last.y)
    far = min(ahead, stayed + 0.02) / (LEAP * (1 + 0.25 * (blob.at - last.at - 1)))
    hue = 1 - alike(last.colours, blob.colours)
    size = abs(np.log(blob.area / last.area)) / 3
    return float(far * 0.7 + hue * 0.7 + min(size, 1) * 0.5)


def _inside(trace: list[Blob], at: int, blobs: Sequence[Blob]) -> int | None:
    """The blob that covers the place where a thing is expected."""
    x, y = _expected(trace, at)
    for index, blob in enumerate(blobs):
        left, top, right, bottom = blob.box
        if left <= x <= right and top <= y <= bottom and blob.area > _last_own(trace).area:
            return index
    return None


def matching(costs: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The one-to-one matching of rows and columns with the least sum of costs (Kuhn-Munkres).

    Every row is matched, or every column if there are fewer of them; pairs in rising order.
    """
    rows, columns = costs.shape
    if rows > columns:
        return sorted((i, j) for j, i in matching(costs.T))
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, int)  # the row of each column, from 1; 0 is free
    for row in range(1, rows + 1):
        owner[0] = row
        column = 0
        slack = np.full(columns + 1, np.inf)
        came = np.zeros(columns + 1, int)
        seen = np.zeros(columns + 1, bool)
        while owner[column]:
            seen[column] = True
            open_ = ~seen
            open_[0] = False
            left = costs[owner[column] - 1] - row_price[owner[column]] - column_price[1:]
            better = open_[1:] & (left < slack[1:])
            slack[1:][better] = left[better]
            came[1:][better] = column
            step = slack[open_].min()
            row_price[owner[seen]] += step
            column_price[seen] -= step
            slack[open_] -= step
            column = int(np.flatnonzero(open_)[np.argmin(slack[open_])])
        while column:
            owner[column] = owner[came[column]]
            column = int(came[column])
    return sorted((int(owner[j]) - 1, j - 1) for j in range(1, columns + 1) if owner[j])
