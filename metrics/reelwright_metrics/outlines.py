"""The outlines of things, compared with those of the cut-out set."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Entity
from reelwright_metrics.backdrop import Mask
from reelwright_metrics.motion import Trace
from reelwright_simulators.painter import outline

SIDE = 24
"""Outlines are compared at so many pixels in square; the height over the width is kept."""
LOOKED_AT = 5


def resembles(trace: Trace, entity: Entity) -> float:
    """How much the outline of what was followed is that of `entity` as it is drawn: 0..1.

    The median overlap (intersection over union) of free, whole blobs with the entity's picture,
    centred, at equal area, whichever way it looks.
    """
    free = [blob for blob in trace.blobs if not blob.shared and not blob.cut] or trace.blobs
    chosen = free[:: max(1, len(free) // LOOKED_AT)][:LOOKED_AT]
    due = _outline(entity.noun, entity.known)
    overlaps: list[float] = []
    for blob in chosen:
        own = _centred(blob.mask)
        overlaps.append(max(_overlap(own, due), _overlap(own, due[:, ::-1])))
    return float(np.median(overlaps))


@lru_cache(maxsize=1024)
def _outline(noun: str, known: bool) -> NDArray[np.float32]:
    return _centred(outline(noun, known=known))


def _centred(mask: Mask) -> NDArray[np.float32]:
    """A mask moved to the middle and enlarged so that it covers a third of the square."""
    rows, columns = np.nonzero(mask)
    scale = (SIDE * SIDE / 3 / max(len(rows), 1)) ** 0.5
    middle = (SIDE - 1) / 2
    matrix = np.array(
        [
            [scale, 0, middle - scale * columns.mean()],
            [0, scale, middle - scale * rows.mean()],
        ]
    )
    moved = cv2.warpAffine(mask.astype(np.float32), matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)
    return moved.astype(np.float32)


def _overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.minimum(one, other).sum() / max(float(np.maximum(one, other).sum()), 1e-6))
