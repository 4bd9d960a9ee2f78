"""The measurable words of a style bible, and what a clip measures.

The figures are means over a clip in CIELAB: `lightness` 0 (black) to 100 (white), `chroma` 0 (grey)
to about 100 (full colour), `warmth` -100 (blue) to 100 (yellow and red).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal

import numpy as np

from reelwright_core.video import Frames
from reelwright_metrics.backdrop import to_lab


@dataclass(frozen=True, kw_only=True, slots=True)
class Tones:
    """How light, how colourful and how warm a clip is."""

    lightness: float
    chroma: float
    warmth: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """What a style's word asks of a figure."""

    of: Literal["lightness", "chroma", "warmth"]
    least: float = -inf
    most: float = inf

    def range(self) -> str:
        """`at most 45`, `at least 60`."""
        return f"at most {self.most:g}" if self.least == -inf else f"at least {self.least:g}"


_DARK = Measure(of="lightness", most=45)
_BRIGHT = Measure(of="lightness", least=55)
_GREY = Measure(of="chroma", most=8)
_MUTED = Measure(of="chroma", most=28)
_VIVID = Measure(of="chroma", least=20)
_WARM = Measure(of="warmth", least=0)
_COLD = Measure(of="warmth", most=0)

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "dark": _DARK, "low-key": _DARK, "noir": _DARK, "gloomy": _DARK, "dim": _DARK,
        "bright": _BRIGHT, "high-key": _BRIGHT, "sunny": _BRIGHT, "airy": _BRIGHT,
        "black and white": _GREY, "black-and-white": _GREY, "monochrome": _GREY,
        "greyscale": _GREY, "grayscale": _GREY,
        "muted": _MUTED, "desaturated": _MUTED, "pastel": _MUTED, "washed-out": _MUTED,
        "vivid": _VIVID, "saturated": _VIVID, "colourful": _VIVID, "colorful": _VIVID,
        "warm": _WARM, "golden": _WARM, "sepia": _WARM,
        "cold": _COLD, "cool": _COLD, "blueish": _COLD, "bluish": _COLD, "moonlit": _COLD,
    }
)  # fmt: skip
"""Words that can be measured."""


def stated(style: str) -> list[str]:
    """The measurable words of a style bible, in order, longest first where one holds another.

    A word with `not`, `no`, `never` or `without` before it is left out.
    """
    words = sorted(MEASURES, key=len, reverse=True)
    pattern = r"(?<![\w-])(?:(not|no|never|without|less) )?(" + "|".join(words) + r")(?![\w-])"
    found = re.findall(pattern, style.lower().replace("  ", " "))
    return list(dict.fromkeys(word for negated, word in found if not negated))


def tones(frames: Frames) -> Tones:
    """The figures of a clip, uint8 RGB [frames, height, width, 3]; nine frames are looked at."""
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), 9)).round().astype(int)
    lab = to_lab(frames[chosen]).reshape(-1, 3)
    red, yellow = lab[:, 1].mean(), lab[:, 2].mean()
    return Tones(
        lightness=float(lab[:, 0].mean()),
        chroma=float(np.hypot(lab[:, 1], lab[:, 2]).mean()),
        warmth=float((red + yellow) / 2),
    )
