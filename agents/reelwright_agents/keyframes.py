"""Keyframes of a layout: fewer of them, and how a way goes on between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from reelwright_core.story import Keyframe, Layout, Track

Interpolation = Literal["linear", "monotone"]
"""`linear`: straight lines, corners at keyframes; `monotone`: a curve without corners that never
goes past a keyframe."""

EXACT = 0.0004
"""How far a box may be from the curve that its keyframes stand for, in parts of the picture."""


def thinned(layout: Layout, keyframes: int) -> Layout:
    """`layout` with at most `keyframes` per track, the first and the last frame among them.

    They stand where they tell most: each next one where the straight way between those so far is
    farthest off. What is off then is lost. Raises `ValueError` for fewer than two.
    """
    if keyframes < 2:
        raise ValueError(f"`keyframes` must be at least 2, got {keyframes}")
    tracks = [_thinned(track, keyframes, frames=layout.frames) for track in layout.tracks]
    return layout.model_copy(update={"tracks": tracks})


def _thinned(track: Track, keyframes: int, *, frames: int) -> Track:
    whole = [track.at(frame) for frame in range(frames)]
    at = sorted({0, frames - 1})
    while len(at) < min(keyframes, frames):
        thin = track.model_copy(update={"keyframes": [whole[frame] for frame in at]})
        off = [_off(thin.at(frame), whole[frame]) for frame in range(frames)]
        farthest = max(range(frames), key=lambda frame: (off[frame], -frame))
        if off[farthest] == 0:
            break
        at = sorted({*at, farthest})
    return track.model_copy(update={"keyframes": [whole[frame] for frame in at]})


def _off(one: Keyframe, other: Keyframe) -> float:
    """How far two keyframes are apart: the farthest corner, and 90 degrees as a whole picture."""
    corners = (abs(a - b) for a, b in zip(one.box, other.box, strict=True))
    return max(*corners, abs(one.angle - other.angle) / 90)


def interpolated(layout: Layout, by: Interpolation) -> Layout:
    """`layout` with its tracks going `by` from keyframe to keyframe.

    The painter draws straight lines between keyframes, so a curve gets as many of them as it
    needs to be followed to `EXACT`.
    """
    if by == "linear":
        return layout
    tracks = [_curved(track) for track in layout.tracks]
    return layout.model_copy(update={"tracks": tracks})


def _curved(track: Track) -> Track:
    keys = track.keyframes
    if len(keys) < 3:
        return track
    at = [key.frame for key in keys]
    # Boxes grow by factors: a curve through log-sizes never makes one empty.
    curves = [
        monotone(at, values)
        for values in zip(
            *(
                (
                    (left + right) / 2, (top + bottom) / 2,
                    math.log(right - left), math.log(bottom - top), key.angle,
                )
                for key in keys
                for left, top, right, bottom in [key.box]
            ),
            strict=True,
        )
    ]  # fmt: skip
    given = {key.frame: key for key in keys}
    sampled = [
        given.get(frame) or _keyframe(frame, [curve(frame) for curve in curves])
        for frame in range(at[0], at[-1] + 1)
    ]
    return track.model_copy(update={"keyframes": needed(sampled)})


def _keyframe(frame: int, values: Sequence[float]) -> Keyframe:
    x, y, wide, high, angle = values
    half, rise = math.exp(wide) / 2, math.exp(high) / 2
    box = tuple(round(corner, 5) for corner in (x - half, y - rise, x + half, y + rise))
    return Keyframe.model_validate({"frame": frame, "box": box, "angle": round(angle, 2)})


def monotone(at: Sequence[float], values: Sequence[float]) -> Callable[[float], float]:
    """The curve through `values` at the rising places `at` that has no extremes but theirs.

    A cubic Hermite spline whose slopes are limited by Fritsch and Carlson (SIAM J. Numer. Anal.
    17, 1980): the weighted harmonic mean of the slopes on both sides, 0 where they differ in sign.
    """
    steps = [b - a for a, b in pairwise(at)]
    rises = [(b - a) / h for (a, b), h in zip(pairwise(values), steps, strict=True)]
    slopes = [rises[0] if rises else 0.0]
    for i in range(1, len(rises)):
        before, after = rises[i - 1], rises[i]
        if before * after <= 0:
            slopes.append(0.0)
            continue
        one, two = 2 * steps[i] + steps[i - 1], steps[i] + 2 * steps[i - 1]
        slopes.append((one + two) / (one / before + two / after))
    slopes.append(rises[-1] if rises else 0.0)

    def curve(x: float) -> float:
        if x <= at[0]:
            return values[0]
        if x >= at[-1]:
            return values[-1]
        i = max(j for j in range(len(steps)) if at[j] <= x)
        h, t = steps[i], (x - at[i]) / steps[i]
        return (
            values[i] * (1 + 2 * t) * (1 - t) ** 2
            + h * slopes[i] * t * (1 - t) ** 2
            + values[i + 1] * t * t * (3 - 2 * t)
            + h * slopes[i + 1] * t * t * (t - 1)
        )

    return curve


def needed(keys: Sequence[Keyframe]) -> list[Keyframe]:
    """As few of `keys` as tell the same way: those on a line between others are left out."""
    kept = [keys[0]]
    for i in range(1, len(keys) - 1):
        if not _on_line(kept[-1], keys[kept[-1].frame - keys[0].frame + 1 : i + 1], keys[i + 1]):
            kept.append(keys[i])
    if len(keys) > 1 and (len(kept) > 1 or keys[-1].box != keys[0].box):
        kept.append(keys[-1])
    return kept


def _on_line(first: Keyframe, between: Sequence[Keyframe], last: Keyframe) -> bool:
    for key in between:
        part = (key.frame - first.frame) / (last.frame - first.frame)
        for a, b, c in zip(
            (*first.box, first.angle), (*key.box, key.angle), (*last.box, last.angle), strict=True
        ):
            if abs(a + (c - a) * part - b) > (EXACT if abs(b) < 4 else 0.2):
                return False
    return True
