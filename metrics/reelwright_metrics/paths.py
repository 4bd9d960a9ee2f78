"""What a path does: how far it goes, whether it bounces, circles, grows, and when.

A path is float64 [pictures, 3]: x, y and the square root of the area as parts of the picture, NaN
where the thing is not seen; y grows downwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Direction

Path = NDArray[np.float64]
Series = NDArray[np.float64]

STEP = 0.006  # movement per picture that is no more than trembling
STARTED = 0.15  # a movement has begun when this share of it is done


def going(path: Path) -> tuple[float, float]:
    """How far it goes (x, y) by the slope of the regression of its centre over time."""
    at = np.flatnonzero(np.isfinite(path[:, 0]))
    if len(at) < 2:
        return 0.0, 0.0
    time = at - at.mean()
    steps = (time[:, None] * path[at, :2]).sum(0) / (time**2).sum() * (at[-1] - at[0])
    return float(steps[0]), float(steps[1])


def along(move: tuple[float, float], direction: Direction) -> tuple[float, float]:
    """The part of `move` in a direction, and the absolute part across it."""
    x, y = move
    return {
        "right": (x, abs(y)), "left": (-x, abs(y)), "down": (y, abs(x)), "up": (-y, abs(x)),
    }[direction]  # fmt: skip


def rebound(path: Path) -> float:
    """The largest fall that is followed by as large a rise: the lesser of both."""
    return _turn(_seen(path, 1))


def hop(path: Path) -> float:
    """The largest rise that is followed by as large a fall: the lesser of both."""
    return _turn(-_seen(path, 1))


def sway(path: Path) -> float:
    """The largest way to one side that is followed by as large a way back: the lesser of both."""
    x = _seen(path, 0)
    return max(_turn(x), _turn(-x))


def _turn(y: Series) -> float:
    if len(y) < 3:
        return 0.0
    before = y - np.minimum.accumulate(y)
    after = y - np.minimum.accumulate(y[::-1])[::-1]
    return float(np.minimum(before, after).max())


def swept(path: Path, *, stretch: float) -> float:
    """The angle in radians that it goes round the middle of its own extent, less if it is flat.

    `stretch` is width / height. Flat means less than a third as high as wide, or the reverse.
    """
    seen = path[np.isfinite(path[:, 0]), :2] * (stretch, 1)
    if len(seen) < 4:
        return 0.0
    low, high = seen.min(0), seen.max(0)
    extent = high - low
    if extent.max() < 0.05:
        return 0.0
    around = seen - (low + high) / 2
    angles = np.unwrap(np.arctan2(around[:, 1], around[:, 0]))
    flat = min(1.0, 3 * float(extent.min() / extent.max()))
    return abs(float(angles[-1] - angles[0])) * flat


def growth(path: Path) -> float:
    """The logarithm of how many times larger its side is at the end, by regression."""
    at = np.flatnonzero(np.isfinite(path[:, 2]))
    if len(at) < 3:
        return 0.0
    time = at - at.mean()
    slope = (time * np.log(path[at, 2])).sum() / (time**2).sum()
    return float(slope * (at[-1] - at[0]))


def range_of(path: Path) -> float:
    """The diagonal of the box that its centre keeps to."""
    seen = path[np.isfinite(path[:, 0]), :2]
    return float(np.hypot(*np.ptp(seen, axis=0))) if len(seen) else 0.0


def trembling(path: Path, *, around: Path | None = None) -> float:
    """How far its centre gets from its middle place, the farthest tenth of the pictures left out.

    With `around` the distance from that path is what must not change.
    """
    places = path[:, :2] if around is None else path[:, :2] - around[:, :2]
    places = places[np.isfinite(places[:, 0])]
    if not len(places):
        return np.inf
    return float(np.quantile(np.hypot(*(places - np.median(places, axis=0)).T), 0.9))


def when(path: Path, *, grows: bool = False) -> float | None:
    """The picture by which its movement has begun; none if it rests.

    It has begun when 15 % of it is done. Steps of less than 0.006 of the picture are left out, and
    so is a movement that adds up to less than 0.05. With `grows` it is the change of size that
    counts.
    """
    at = np.flatnonzero(np.isfinite(path[:, 0]))
    if len(at) < 3:
        return None
    smooth = path[at].copy()
    smooth[1:-1] = (path[at[:-2]] + 2 * path[at[1:-1]] + path[at[2:]]) / 4
    x, y, side = np.diff(smooth, axis=0).T
    pace = np.abs(side) if grows else np.hypot(x, y)
    pace = np.where(pace > STEP * np.diff(at), pace, 0)
    total = float(pace.sum())
    if total < 0.05:
        return None
    done = np.cumsum(pace) / total
    return float(np.interp(STARTED, np.concatenate([[0], done]), at))


def _seen(path: Path, column: int) -> Series:
    return path[np.isfinite(path[:, column]), column]
