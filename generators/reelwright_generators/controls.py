"""Control videos out of a sketch: its edges, masks, picture, or which thing is before which.

Control videos are uint8 RGB [frames, height, width, 3], as many frames and in the size of the
sketch.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import ModelError
from reelwright_core.video import Frames
from reelwright_generators.generator import Control

Kind = Literal["edges", "masks", "rgb", "depth"]
"""What can be shown of a sketch."""

WEAK, STRONG = 100, 200
"""Canny's thresholds, as in the pictures that edge ControlNets are commonly taught with."""

_FAR = 32
"""Grey of the background in a layered depth: the farthest of all, yet not nothing."""

_GOLDEN = 0.618034
"""Hues that are this far apart never come close to each other, however many there are."""


def of_sketch(
    kind: Kind,
    sketch: Frames,
    *,
    labels: Frames | None = None,
    nearness: Sequence[float] | None = None,
    distance: NDArray[np.floating[Any]] | None = None,
) -> Control:
    """The control video of one kind.

    `labels` are uint8 [frames, height, width], 0 is background and i the thing i - 1; `nearness`
    is that of each thing, higher is nearer; `distance` is how far each pixel is from the camera,
    [frames, height, width] in any unit, and goes before `nearness`. `ModelError` says what lacks.
    """
    if kind == "rgb":
        frames = sketch
    elif kind == "edges":
        frames = edges(sketch, labels)
    elif kind == "masks":
        frames = masks(_needed(labels, kind))
    elif distance is not None:
        frames = depth(distance)
    else:
        frames = layered_depth(_needed(labels, kind), nearness or ())
    return Control(kind=kind, frames=frames)


def edges(sketch: Frames, labels: Frames | None = None) -> Frames:
    """White lines on black: Canny's edges of each frame, and the outlines of things.

    The outlines are there for things that hardly stand out from what is behind them. Source:
    Canny, IEEE PAMI 8(6), 1986.
    """
    out = np.empty_like(sketch)
    for frame, picture in enumerate(sketch):
        lines = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), WEAK, STRONG)
        if labels is not None:
            lines = np.maximum(lines, _outlines(labels[frame]))
        out[frame] = lines[..., None]
    return out


def _outlines(labels: Frames) -> Frames:
    """255 where a pixel is of another thing than the one to the right or below."""
    found = np.zeros(labels.shape, np.uint8)
    found[:, :-1][labels[:, :-1] != labels[:, 1:]] = 255
    found[:-1][labels[:-1] != labels[1:]] = 255
    return found


def masks(labels: Frames) -> Frames:
    """Every thing in a colour of its own, the same in every frame; the background is black."""
    colours = np.zeros((256, 3), np.uint8)
    for label in range(1, 256):
        rgb = colorsys.hsv_to_rgb(label * _GOLDEN % 1, 0.85, 1.0)
        colours[label] = np.rint(np.array(rgb) * 255)
    return colours[labels]


def depth(distance: NDArray[np.floating[Any]]) -> Frames:
    """Near is bright: grey over 1 / distance, its nearest in the clip white, its farthest black.

    Distances are positive, infinite for the sky. One scale for all frames, so that what stands
    still does not flicker.
    """
    with np.errstate(divide="ignore"):
        near = 1 / np.asarray(distance, np.float64)
    if not (np.isfinite(near).all() and (near >= 0).all()):
        raise ModelError("a depth is a positive distance from the camera, or infinite, per pixel")
    low, high = near.min(), near.max()
    grey = np.rint((near - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def layered_depth(labels: Frames, nearness: Sequence[float]) -> Frames:
    """Near is bright: what is known of the depth of a painted sketch, the order of its things.

    The background is darkest, and every layer of things brighter by the same step, up to white;
    things as near as each other share one. It shows no slope and no roundness.
    """
    things = int(labels.max())
    if len(nearness) < things:
        raise ModelError(
            f"{things} things have labels, and a nearness was given of {len(nearness)}"
        )
    layers = sorted(set(nearness))
    grey = np.full(256, _FAR, np.uint8)
    for label, near in enumerate(nearness, start=1):
        step = (layers.index(near) + 1) / len(layers)
        grey[label] = round(_FAR + (255 - _FAR) * step)
    return np.repeat(grey[labels][..., None], 3, axis=-1)


def _needed(labels: Frames | None, kind: str) -> Frames:
    if labels is None:
        raise ModelError(
            f"a control video of {kind} needs the sketch's label map and none was given"
        )
    return labels
