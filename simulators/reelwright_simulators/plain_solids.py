"""Pictures of plain solids, which no cut-out set has: cubes, dominoes, ramps, tables, glasses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Images
from PIL import ImageDraw

Image = NDArray[np.uint8]
RGB = tuple[int, int, int]

_FINER = 4
"""Drawn this much larger, then shrunk, so that edges are smooth."""
_WOOD: RGB = (190, 140, 92)
_METAL: RGB = (132, 138, 148)
_IVORY: RGB = (236, 230, 214)
_GLASS: RGB = (176, 208, 224)


def picture(noun: str, colour: RGB | None) -> Image | None:
    """uint8 RGBA [height, width, 4] of `noun` in `colour` or its own; None if it is no solid."""
    told = _SOLIDS.get(noun.lower())
    if told is None:
        return None
    (width, height), own, draw = told
    canvas = Images.new("RGBA", (width * _FINER, height * _FINER), (0, 0, 0, 0))
    draw(ImageDraw.Draw(canvas), width * _FINER - 1, height * _FINER - 1, colour or own)
    return np.asarray(canvas.resize((width, height), Images.Resampling.LANCZOS))


def _shade(colour: RGB, part: float) -> tuple[int, int, int, int]:
    """Lighter above 1, darker below."""
    red, green, blue = (min(255, round(value * part)) for value in colour)
    return red, green, blue, 255


def _box(on: ImageDraw.ImageDraw, right: int, bottom: int, colour: RGB) -> None:
    edge = max(_FINER, round(0.07 * min(right, bottom)))
    on.rectangle((0, 0, right, bottom), fill=_shade(colour, 0.78))
    on.rectangle((edge, edge, right - edge, bottom - edge), fill=_shade(colour, 1.0))
    on.rectangle((edge, edge, right - edge, 2 * edge), fill=_shade(colour, 1.18))


def _disc(on: ImageDraw.ImageDraw, right: int, bottom: int, colour: RGB) -> None:
    on.ellipse((0, 0, right, bottom), fill=_shade(colour, 0.8))
    on.ellipse((0.05 * right, 0.04 * bottom, 0.93 * right, 0.92 * bottom), fill=_shade(colour, 1.0))
    on.ellipse((0.22 * right, 0.16 * bottom, 0.5 * right, 0.42 * bottom), fill=_shade(colour, 1.25))


def _table(on: ImageDraw.ImageDraw, right: int, bottom: int, colour: RGB) -> None:
    top, leg = 0.16 * bottom, 0.08 * right
    for left in (0.06 * right, 0.94 * right - leg):
        on.rectangle((left, top, left + leg, bottom), fill=_shade(colour, 0.72))
    on.rectangle((0, 0, right, top), fill=_shade(colour, 1.0))
    on.rectangle((0, 0, right, 0.4 * top), fill=_shade(colour, 1.15))


def _glass(on: ImageDraw.ImageDraw, right: int, bottom: int, colour: RGB) -> None:
    def cup(inset: float, low: float) -> list[tuple[float, float]]:
        foot = 0.16 * right
        return [(inset, 0), (right - inset, 0), (right - foot - inset, low), (foot + inset, low)]

    on.polygon(cup(0, bottom), fill=_shade(colour, 0.85))
    on.polygon(cup(0.08 * right, 0.92 * bottom), fill=_shade(colour, 1.08))
    on.rectangle((0.24 * right, 0.1 * bottom, 0.32 * right, 0.75 * bottom),
                 fill=_shade(colour, 1.35))  # fmt: skip


def _mug(on: ImageDraw.ImageDraw, right: int, bottom: int, colour: RGB) -> None:
    wide = 0.78 * right
    on.ellipse((0.52 * right, 0.2 * bottom, right, 0.8 * bottom), outline=_shade(colour, 0.85),
               width=round(0.09 * right))  # fmt: skip
    on.rectangle((0, 0, wide, bottom), fill=_shade(colour, 1.0))
    on.rectangle((0, 0, wide, 0.12 * bottom), fill=_shade(colour, 0.72))
    on.rectangle((0.1 * wide, 0.2 * bottom, 0.22 * wide, 0.9 * bottom), fill=_shade(colour, 1.18))


_Draw = Callable[[ImageDraw.ImageDraw, int, int, RGB], None]
_SOLIDS: Mapping[str, tuple[tuple[int, int], RGB, _Draw]] = MappingProxyType(
    {
        "cube": ((120, 120), _WOOD, _box),
        "block": ((120, 120), _WOOD, _box),
        "crate": ((120, 120), _WOOD, _box),
        "brick": ((128, 60), (178, 84, 62), _box),
        "domino": ((24, 128), _IVORY, _box),
        "dominoes": ((24, 128), _IVORY, _box),
        "pole": ((31, 128), _WOOD, _box),
        "pillar": ((31, 128), (200, 196, 188), _box),
        "ramp": ((250, 12), _WOOD, _box),
        "slope": ((250, 12), _WOOD, _box),
        "incline": ((250, 12), _WOOD, _box),
        "plank": ((250, 12), _WOOD, _box),
        "pendulum": ((120, 120), _METAL, _disc),
        "marble": ((120, 120), _GLASS, _disc),
        "table": ((128, 80), _WOOD, _table),
        "glass": ((82, 128), _GLASS, _glass),
        "mug": ((128, 111), _IVORY, _mug),
        "cup": ((128, 111), _IVORY, _mug),
    }
)
"""Size in pixels, colour and how it is drawn."""
