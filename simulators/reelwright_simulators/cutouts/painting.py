"""Pictures of cut-outs as pixels, in their own colours or in others."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reelwright_simulators.cutouts.colours import COLOURS


def load(path: Path) -> NDArray[np.uint8]:
    """A picture file as uint8 RGBA [height, width, 4]."""
    with Image.open(path) as picture:
        return np.array(picture.convert("RGBA"))


def recoloured(
    pixels: NDArray[np.uint8], colour: str, *, dressed: bool = False
) -> NDArray[np.uint8]:
    """`pixels` with their body in `colour`; dark outlines, wheels and eyes stay.

    The body is what is saturated; of art that is mostly grey or white, what is light. Its hue
    and saturation become the colour's, its light and shade are kept about the colour's value.
    Of someone `dressed` the yellow of skin and hair stays, and the clothes change.
    Raises `ValueError` for a colour that is none.
    """
    if colour not in COLOURS:
        raise ValueError(f"a colour is one of {', '.join(COLOURS)}, got {colour!r}")
    rgb, solid = pixels[..., :3], pixels[..., 3] > 40
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(np.float32)
    target = cv2.cvtColor(np.array([[COLOURS[colour]]], np.uint8), cv2.COLOR_RGB2HSV)
    hue, full, value = (float(channel) for channel in target[0, 0])
    saturation, light = hsv[..., 1] / 255, hsv[..., 2]
    if (saturation[solid] > 0.35).mean() < 0.3:
        # Dark art has a body too: what is light is told by the picture's own lightness.
        usual = min(1.0, float(np.median(light[solid])) / 255 / 0.6)
        body = np.clip((light / 255 - 0.45 * usual) / (0.3 * usual), 0, 1)
    else:
        body = np.clip((saturation - 0.2) / 0.25, 0, 1)
    skin = (hsv[..., 0] > 9) & (hsv[..., 0] < 30) & (saturation > 0.45)
    if dressed and (body[solid & ~skin] > 0.5).mean() > 0.2:
        body = body * ~skin
    chosen = light[(body > 0.5) & solid]
    middle = float(np.median(chosen)) if chosen.size else 200.0
    painted = np.stack(
        [
            np.full_like(light, hue),
            np.clip(full * (0.6 + 0.4 * saturation), 0, 255),
            np.clip(light / max(middle, 1.0) * value, 0, 255),
        ],
        axis=-1,
    )
    new = cv2.cvtColor(painted.astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    mixed = rgb + (new - rgb) * body[..., None]
    return np.dstack([mixed.round().astype(np.uint8), pixels[..., 3]])
