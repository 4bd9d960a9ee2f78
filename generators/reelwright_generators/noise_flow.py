"""Noise that is carried along by what moves in a sketch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reelwright_core.video import Frames
from reelwright_generators.families.family import Grid

Points = NDArray[np.float64]
"""(x, y) of each, [points, 2]."""

_LONGER, _SHORTER = 320, 64
"""Pixels of the sides between which motion is estimated: latents are coarser than the one, and
OpenCV crashes on pictures of less than about half the other."""


def carried(drawn: torch.Tensor, sketch: Frames, grid: Grid) -> torch.Tensor:
    """The first frame of `drawn`, every number of it moved as the sketch moves at its place.

    A number keeps its exact place while it moves, and stands in the latent nearest to it. It ends
    where the sketch hides it: where the flows forth and back disagree, or where another stands
    whose flows agree better. Latents that none has moved to take fresh noise, their own in `drawn`.
    No number is used twice in a frame, and which one moves where hangs on the sketch alone: each
    frame is white noise of unit variance.

    `sketch` is uint8 [frames, height, width, 3]. Source of the flow: Dense Inverse Search, arXiv
    1603.03590; of the check: Sundaram, Brox, Keutzer, ECCV 2010.
    """
    latents, height, width = drawn.shape[2:]
    out = drawn.flatten(3).clone()
    pictures, lead = _small(sketch), grid.lead(len(sketch))
    cell = np.array([pictures[0].shape[1] / width, pictures[0].shape[0] / height])
    spots = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2)
    home = np.asarray(spots + 0.5, np.float64)
    places = home  # in latents; the first reaches from 0 to 1
    # Half a pixel off, or all that moves by whole pixels would at times stand between two latents,
    # where the least error sends one to the left and the next to the right.
    between = 0.5 / grid.spatial
    for latent in range(1, latents):
        doubt = np.zeros(len(places))
        first = (latent - 1 - lead) * grid.temporal
        shown = pictures[first : first + grid.temporal + 1] if first >= 0 else []
        for before, after in pairwise(shown):
            steps, more = _steps(places * cell, before, after)
            places = np.asarray(places + steps / cell, np.float64)
            doubt = np.maximum(doubt, more)
        at = np.floor(places + between).astype(np.int64)
        kept = np.flatnonzero(((at >= 0) & (at < (width, height))).all(1) & (doubt < 1))
        kept = kept[np.argsort(doubt[kept], kind="stable")]
        target, surest = np.unique(at[kept] @ (1, width), return_index=True)
        source = kept[surest]
        out[:, :, latent, target] = out[:, :, latent - 1, source]
        arrived, places = places[source], home.copy()
        places[target] = arrived
    return out.view_as(drawn)


def _small(sketch: Frames) -> list[Frames]:
    height, width = sketch.shape[1:3]
    scale = max(min(1.0, _LONGER / max(width, height)), _SHORTER / min(width, height))
    size = (round(width * scale), round(height * scale))
    return [
        cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for frame in sketch
    ]


def _steps(places: Points, before: Frames, after: Frames) -> tuple[Points, NDArray[np.float64]]:
    """How far they move, in pixels, and how far the flows disagree there; 1 is too far."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    new: Any = None
    ahead = _at(search.calc(before, after, new), places)
    behind = _at(search.calc(after, before, new), places + ahead)
    apart = ((ahead + behind) ** 2).sum(1)
    return ahead, apart / (0.01 * ((ahead**2).sum(1) + (behind**2).sum(1)) + 0.5)


def _at(flow: NDArray[Any], places: Points) -> Points:
    height, width = flow.shape[:2]
    column, row = np.clip(np.floor(places), 0, (width - 1, height - 1)).astype(np.int64).T
    return flow[row, column].astype(np.float64)
