"""How smoothly one part of a clip goes over into the next: the jump, and CSCV.

CSCV is the measure of DiTCtrl (arXiv 2412.18597): how evenly neighbouring frames resemble each
other. The paper takes CLIP's features and did not publish its mapping to a score; here it is
`1 / (1 + 10·σ/μ)` of the similarities, and unless other features are given they are hand-made
ones of colours and shapes. So its numbers compare clips here, not with the paper's.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

LAMBDA = 10.0
"""How fast the score falls with the variation: the λ of `1 / (1 + λ·σ/μ)`."""

_SMALL = (20, 12)
_BINS = 8

Features = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""Of frames, uint8 RGB [frames, height, width, 3], a vector each: [frames, length]."""


def jumps(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[frames - 1]: the mean absolute difference of each two neighbours, in 1/255."""
    return np.abs(np.diff(frames.astype(np.int16), axis=0)).mean((1, 2, 3))


def looks(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Hand-made features: a small picture less its mean, and the colours' histogram, alike long."""
    found: list[NDArray[np.float64]] = []
    for frame in frames:
        small = cv2.resize(frame, _SMALL, interpolation=cv2.INTER_AREA).astype(np.float64)
        shape = (small - small.mean((0, 1))).ravel()
        counts, _ = np.histogramdd(
            frame.reshape(-1, 3).astype(np.float64), bins=_BINS, range=[(0, 256)] * 3
        )
        found.append(np.concatenate([_long(shape), _long(np.sqrt(counts).ravel())]))
    return np.stack(found)


def similarities(frames: NDArray[np.uint8], features: Features = looks) -> NDArray[np.float64]:
    """[frames - 1]: the cosine of each two neighbours' features."""
    each = np.array([_long(vector) for vector in features(frames)])
    return (each[1:] * each[:-1]).sum(1)


def cscv(frames: NDArray[np.uint8], features: Features = looks) -> float:
    """How evenly neighbours resemble each other, 0 to 1; a clip without a jump is near 1.

    A still scores 1: read it beside what moves. `ValueError` below three frames.
    """
    if len(frames) < 3:
        raise ValueError(f"CSCV compares pairs of neighbours: 3 frames or more, got {len(frames)}")
    return evenness(similarities(frames, features))


def evenness(alike: NDArray[np.float64]) -> float:
    """The score of two or more similarities of neighbours: `1 / (1 + λ·σ/μ)`."""
    return float(1 / (1 + LAMBDA * alike.std() / abs(alike.mean())))


def _long(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of length 1; nothing stays nothing."""
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
