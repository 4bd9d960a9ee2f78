"""Follows what was found from picture to picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reelwright_metrics.colours import Shares, alike
from reelwright_metrics.finding import Blob

LEAP = 0.3  # how far a thing may get from one picture to the next, in picture heights
LOST = 4  # pictures that a thing may be unseen before it counts as another one,
COVERED = 9  # and so many if it was last seen going into another thing


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


def link(pictures: Sequence[Sequence[Blob]]) -> list[Trace]:
    """The blobs of all pictures joined into traces, longest first.

    From picture to picture the cheapest one-to-one matching, by distance from where the thing
    is expected (going on as before), difference of colour and of size. A thing that finds no
    blob of its own but is expected inside another's shares that blob for a while.
    """
    open_: list[list[Blob]] = []
    done: list[list[Blob]] = []
    matched: dict[int, int] = {}  # by id of a trace, the last picture in which a blob was its own
    for at, blobs in enumerate(pictures):
        late = [at - matched[id(trace)] > _patience(trace) for trace in open_]
        done += [trace for trace, is_late in zip(open_, late, strict=True) if is_late]
        open_ = [trace for trace, is_late in zip(open_, late, strict=True) if not is_late]
        costs = np.array([[_cost(trace, blob) for blob in blobs] for trace in open_])
        taken: dict[int, int] = {}
        if costs.size:
            taken = {i: j for i, j in matching(costs) if costs[i, j] < 1}
        owners = {j: i for i, j in taken.items()}
        for i, j in taken.items():
            open_[i].append(blobs[j])
            matched[id(open_[i])] = at
        for i, trace in enumerate(open_):
            j = None if i in taken else _inside(trace, at, blobs)
            if j in owners:
                both = replace(blobs[j], shared=True)
                open_[owners[j]][-1] = both
                trace.append(both)
        new = [[blob] for j, blob in enumerate(blobs) if j not in owners]
        matched |= {id(trace): at for trace in new}
        open_ += new
    traces = [Trace(blobs=_trimmed(blobs)) for blobs in [*done, *open_]]
    return sorted(traces, key=lambda trace: -len(trace.blobs))


def _trimmed(blobs: list[Blob]) -> list[Blob]:
    """Without what was only shared at the end: nothing says that the thing was still there."""
    end = len(blobs)
    while end > 1 and blobs[end - 1].shared:
        end -= 1
    return blobs[: max(end, 1)] if end < len(blobs) - LOST else blobs


def _patience(trace: list[Blob]) -> int:
    """How many pictures it may go on without a blob that is matched to it."""
    return COVERED if trace[-1].shared else LOST


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
