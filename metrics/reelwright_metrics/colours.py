"""How the colours of a thing are named, from its pixels."""

from __future__ import annotations

from functools import lru_cache
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Colour
from reelwright_simulators import cutouts
from reelwright_simulators.cutouts.colours import COLOURS
from reelwright_simulators.painter import SHAPE_COLOURS

NAMES: tuple[Colour, ...] = get_args(Colour)
Shares = NDArray[np.float64]
"""Share of each of the eleven colours, [11], adding up to 1."""

SOFT = 14.0
"""CIELAB distance at which a pixel still belongs to two colours."""


PALE = 18.0
"""Chroma at which a colour is told by its hue about as much as a full one."""


def _told(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """CIELAB [n, 3] as names go: hue counts, how full it is counts little, lightness by 0.6."""
    chroma = np.hypot(lab[:, 1], lab[:, 2]) + 1e-6
    fuller = 60 * (1 - np.exp(-chroma / PALE)) / chroma
    told = np.stack([0.6 * lab[:, 0], lab[:, 1] * fuller, lab[:, 2] * fuller], axis=1)
    return told.astype(np.float32)


@lru_cache(maxsize=1)
def _anchors() -> NDArray[np.float32]:
    rgb = np.array([[COLOURS[name] for name in NAMES]], np.float32) / 255
    return _told(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)[0])


def memberships(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much each of CIELAB `pixels` [n, 3] belongs to each colour: [n, 11], rows add up to 1."""
    apart = _told(pixels)[:, None] - _anchors()[None]
    near = -((apart**2).sum(-1)) / (2 * SOFT**2)
    weights = np.exp(near - near.max(1, keepdims=True)).astype(np.float64)
    return weights / weights.sum(1, keepdims=True)


def shares(pixels: NDArray[np.float32]) -> Shares:
    """How much of each colour CIELAB `pixels` [n, 3] hold."""
    if not len(pixels):
        return np.full(len(NAMES), 1 / len(NAMES))
    return memberships(pixels).mean(0)


@lru_cache(maxsize=4096)
def _looks(noun: str, known: bool, colour: Colour | None) -> bytes:
    cut = cutouts.find(noun) if known else None
    if cut is not None:
        picture = cutouts.picture(cut.noun, colour=colour)
        rgb = picture[picture[..., 3] > 127][:, :3]
        rgb = rgb[:: max(1, len(rgb) // 2000)]
    else:
        rgb = np.array([SHAPE_COLOURS[colour or "grey"]], np.uint8)
    lab = cv2.cvtColor(rgb[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
    return shares(lab).tobytes()


def looks(noun: str, *, known: bool, colour: Colour | None) -> Shares:
    """The colours of what `noun` looks like in the cut-out set when it is `colour`."""
    return np.frombuffer(_looks(noun, known, colour), np.float64)


def alike(one: Shares, other: Shares) -> float:
    """How much two mixtures of colours have in common: 0 nothing, 1 the same."""
    return float(np.minimum(one, other).sum())


def colour_scores(seen: Shares, noun: str, *, known: bool) -> dict[Colour, float]:
    """How well `seen` fits `noun` in each of the eleven colours, 0..1."""
    return {name: alike(seen, looks(noun, known=known, colour=name)) for name in NAMES}
