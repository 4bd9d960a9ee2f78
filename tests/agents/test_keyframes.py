"""Keyframes: fewer of them where they tell most, and ways between them with and without corners."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from reelwright_agents.keyframes import EXACT, interpolated, monotone, thinned
from reelwright_core.story import Keyframe, Layout, Track


def layout(*keys: tuple[int, float, float], frames: int = 33, size: float = 0.2) -> Layout:
    """A thing whose middle is at (x, y) at each frame of `keys`."""
    half = size / 2
    track = Track(
        entity="ball",
        keyframes=[
            Keyframe(frame=f, box=(x - half, y - half, x + half, y + half)) for f, x, y in keys
        ],
    )
    return Layout(frames=frames, tracks=[track])


def middles(made: Layout) -> list[tuple[float, float]]:
    boxes = [made.tracks[0].at(frame).box for frame in range(made.frames)]
    return [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes]


CORNER = ((0, 0.1, 0.5), (8, 0.2, 0.5), (16, 0.6, 0.3), (24, 0.8, 0.3), (32, 0.9, 0.6))


def test_linear_keeps_the_lines_between_keyframes() -> None:
    given = layout(*CORNER)
    assert interpolated(given, "linear") == given
    assert middles(given)[12] == pytest.approx((0.4, 0.4))


def test_monotone_goes_through_all_keyframes_without_corners() -> None:
    given = layout(*CORNER)
    made = interpolated(given, "monotone")
    for frame, x, y in CORNER:
        assert middles(made)[frame] == pytest.approx((x, y), abs=1e-9)
    xs = [x for x, _ in middles(made)]
    turns = [abs((c - b) - (b - a)) for a, b, c in zip(xs, xs[1:], xs[2:], strict=False)]
    lines = [x for x, _ in middles(given)]
    corners = [abs((c - b) - (b - a)) for a, b, c in zip(lines, lines[1:], lines[2:], strict=False)]
    assert max(turns) < 0.5 * max(corners)


@pytest.mark.parametrize("seed", range(20))
def test_monotone_never_goes_past_a_keyframe(seed: int) -> None:
    draw = random.Random(seed)
    at = sorted(draw.sample(range(65), 9))
    values = [draw.uniform(-1, 1) for _ in at]
    curve = monotone(at, values)
    for (a, b), (low, high) in zip(pairwise(at), pairwise(values), strict=True):
        inside = [curve(a + (b - a) * part / 50) for part in range(51)]
        assert min(low, high) - 1e-12 <= min(inside)
        assert max(inside) <= max(low, high) + 1e-12
        steps = [y - x for x, y in pairwise(inside)]
        assert all(step * (high - low) >= -1e-12 for step in steps), "it turns between keyframes"


def test_monotone_sizes_stay_above_nothing_and_grow_by_factors() -> None:
    keys = [
        Keyframe(frame=f, box=(0.5 - s / 2, 0.5 - s / 2, 0.5 + s / 2, 0.5 + s / 2))
        for f, s in ((0, 0.02), (16, 0.02), (20, 0.8), (32, 0.8))
    ]
    given = Layout(frames=33, tracks=[Track(entity="ball", keyframes=keys)])
    made = interpolated(given, "monotone").tracks[0]
    sizes = [made.at(f).box[2] - made.at(f).box[0] for f in range(33)]
    assert min(sizes) >= 0.02 - 1e-4
    assert max(sizes) <= 0.8 + 1e-4
    assert sizes[18] == pytest.approx((0.02 * 0.8) ** 0.5, rel=0.02)


def test_a_curve_gets_so_many_keyframes_that_lines_between_them_follow_it() -> None:
    given = layout(*CORNER, frames=33)
    made = interpolated(given, "monotone")
    curve = monotone([f for f, _, _ in CORNER], [x for _, x, _ in CORNER])
    for frame, (x, _) in enumerate(middles(made)):
        assert x == pytest.approx(curve(frame), abs=2 * EXACT)
    assert len(CORNER) < len(made.tracks[0].keyframes) <= 33


def test_few_keyframes_stand_where_they_tell_most() -> None:
    way = [(f, 0.1 + 0.8 * min(f, 12) / 32, 0.5 if f < 12 else 0.5 + 0.3 * (f - 12) / 20)
           for f in range(33)]  # fmt: skip
    thin = thinned(layout(*way), 3)
    assert [key.frame for key in thin.tracks[0].keyframes] == [0, 12, 32]
    assert middles(thin) == [pytest.approx((x, y)) for _, x, y in way]


@pytest.mark.parametrize(("asked", "frames", "got"), [(6, 33, 6), (13, 5, 5), (2, 33, 2)])
def test_as_many_keyframes_as_asked_and_no_more_than_frames(
    asked: int, frames: int, got: int
) -> None:
    way = [(f, 0.2 + 0.6 * (f / (frames - 1)) ** 2, 0.5) for f in range(frames)]
    thin = thinned(layout(*way, frames=frames), asked)
    assert len(thin.tracks[0].keyframes) == got


def test_one_keyframe_is_too_few() -> None:
    with pytest.raises(ValueError, match="`keyframes` must be at least 2, got 1"):
        thinned(layout(*CORNER), 1)
