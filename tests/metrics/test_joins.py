"""Jumps and CSCV say how smoothly one part of a clip goes over into the next."""

from __future__ import annotations

import numpy as np
import pytest

from reelwright_generators.tiny.parts import scene
from reelwright_metrics import joins


def test_a_hard_cut_jumps_and_lowers_cscv() -> None:
    one, two = (scene(seed=seed, frames=12)[0] for seed in (3, 8))
    cut = np.concatenate([one[:6], two[6:]])
    weight = ((np.arange(12) + 0.5) / 12)[:, None, None, None]
    faded = np.rint(one * (1 - weight) + two * weight).astype(np.uint8)
    assert joins.jumps(cut).argmax() == 5
    assert joins.jumps(faded).max() < 0.5 * joins.jumps(cut)[5]
    assert joins.cscv(cut) < joins.cscv(faded) < 1
    assert joins.cscv(cut) < joins.cscv(one)


def test_cscv_by_hand() -> None:
    still = np.full((4, 8, 8, 3), 90, np.uint8)
    assert joins.cscv(still) == 1.0
    vectors = np.array([[1, 0], [1, 0], [0.6, 0.8], [0.6, 0.8]], float)  # cosines 1, 0.6, 1
    alike = np.array([1, 0.6, 1])
    expected = 1 / (1 + 10 * alike.std() / alike.mean())
    assert joins.cscv(still, lambda frames: vectors) == pytest.approx(expected)
    with pytest.raises(ValueError, match="3 frames or more, got 2"):
        joins.cscv(still[:2])
