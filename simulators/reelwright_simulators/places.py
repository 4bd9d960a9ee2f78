"""A place becomes a background: a flat, calm picture that is the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Place

Image = NDArray[np.uint8]
RGB = tuple[float, float, float]

GROUND: Mapping[Place, float | None] = MappingProxyType(
    {
        "plain": 0.85,
        "beach": 0.84,
        "meadow": 0.84,
        "city": 0.88,
        "road": 0.86,
        "forest": 0.86,
        "snow": 0.84,
        "desert": 0.84,
        "sea": 0.74,
        "night": 0.86,
        "space": None,
        "room": 0.86,
        "sky": None,
    }
)
"""The height (0 top, 1 bottom) of the line that things stand on; none where they float."""

SHADOWS: frozenset[Place] = frozenset(GROUND) - {"sea", "space", "sky"}
"""Where things throw a shadow on the ground."""

SOFT = 0.0115  # blur, as a part of the height: a little out of focus, so that things stand out
FINER = 2  # drawn this much larger, then shrunk, so that edges are smooth


def background(place: Place, *, size: tuple[int, int], seed: int) -> Image:
    """The picture of `place`, [height, width, 3]; read-only, as it is kept for the next caller."""
    return _background(place, size[0], size[1], seed)


@lru_cache(maxsize=1024)
def _background(place: Place, width: int, height: int, seed: int) -> Image:
    canvas = _Canvas((width * FINER, height * FINER), np.random.default_rng([seed, 7]))
    _DRAWN[place](canvas)
    picture = cv2.resize(canvas.pixels, (width, height), interpolation=cv2.INTER_AREA)
    picture = cv2.GaussianBlur(picture, (0, 0), max(height * SOFT, 0.3))
    done = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    done.setflags(write=False)
    return done


class _Canvas:
    """Something to draw shapes on, in parts of the picture."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        self.width, self.height = size
        self.rng = rng
        self.pixels = np.zeros((self.height, self.width, 3), np.float32)

    def colour(self, *rgb: float, spread: float = 7.0) -> RGB:
        """A colour near `rgb`: all of it lighter or darker, and each part a little."""
        jittered = np.asarray(rgb) + self.rng.normal(0, spread) + self.rng.normal(0, spread / 2, 3)
        red, green, blue = np.clip(jittered, 4, 251)
        return float(red), float(green), float(blue)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def fade(self, top: RGB, bottom: RGB, *, first: float = 0.0, last: float = 1.0) -> None:
        """A band from `first` to `last` whose colour runs from `top` to `bottom`."""
        a, b = round(first * self.height), round(last * self.height)
        if b > a:
            part = np.linspace(0, 1, b - a, dtype=np.float32)[:, None, None]
            self.pixels[a:b] = np.asarray(top) * (1 - part) + np.asarray(bottom) * part

    def polygon(self, points: Sequence[tuple[float, float]], colour: RGB) -> None:
        scaled = np.asarray(points) * (self.width, self.height) * 16
        cv2.fillPoly(self.pixels, [scaled.astype(np.int32)], colour, shift=4)

    def box(self, left: float, top: float, right: float, bottom: float, colour: RGB) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def disc(self, x: float, y: float, radius: float, colour: RGB, *, wide: float = 1.0) -> None:
        """A disc whose radius is a part of the picture's height; `wide` makes it an ellipse."""
        centre = (int(x * self.width * 16), int(y * self.height * 16))
        axes = (int(radius * self.height * wide * 16), int(radius * self.height * 16))
        cv2.ellipse(self.pixels, centre, axes, 0, 0, 360, colour, -1, shift=4)

    def hills(self, y: float, swing: float, colour: RGB, *, waves: float = 1.5) -> None:
        """Everything below a wavy line."""
        x = np.linspace(0, 1, 48)
        one, two = self.rng.uniform(0, 6.28, 2)
        line = y + swing * (
            0.7 * np.sin(6.28 * waves * x + one) + 0.3 * np.sin(6.28 * waves * 2.3 * x + two)
        )
        self.polygon([*zip(x.tolist(), line.tolist(), strict=True), (1.0, 1.1), (0.0, 1.1)], colour)

    def cloud(self, x: float, y: float, radius: float, colour: RGB) -> None:
        for part in (-1.1, 0.0, 1.1):
            bump = radius * (1.0 if part == 0 else 0.7)
            across = x + part * radius * self.height / self.width
            self.disc(across, y + (radius - bump) * 0.6, bump, colour, wide=1.25)

    def sky(self, *, last: float) -> None:
        top, bottom = self.colour(120, 190, 240), self.colour(205, 232, 248)
        self.fade(top, bottom, first=0, last=last)

    def sun(self, *rgb: float) -> None:
        self.disc(self.between(0.08, 0.92), self.between(0.1, 0.2), 0.09, self.colour(*rgb))


def _plain(c: _Canvas) -> None:
    hue = np.array([[[c.rng.integers(0, 180), 40, 225]]], np.uint8)
    base = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].astype(float)
    c.fade(c.colour(*(base + 8), spread=3), c.colour(*(base - 8), spread=3))
    c.fade(c.colour(*(base - 26), spread=3), c.colour(*(base - 34), spread=3), first=0.74)


def _beach(c: _Canvas) -> None:
    c.sky(last=0.48)
    c.sun(255, 236, 150)
    c.fade(c.colour(50, 150, 200), c.colour(110, 205, 215), first=0.46, last=0.72)
    c.hills(0.65, 0.02, c.colour(235, 245, 240), waves=1.0)
    c.hills(0.68, 0.02, c.colour(240, 217, 160), waves=1.0)


def _meadow(c: _Canvas) -> None:
    c.sky(last=0.65)
    c.cloud(c.between(0.1, 0.9), c.between(0.12, 0.25), 0.08, c.colour(250, 252, 252, spread=2))
    c.hills(0.54, 0.05, c.colour(140, 200, 120))
    c.hills(0.68, 0.03, c.colour(104, 178, 84), waves=1.0)


def _city(c: _Canvas) -> None:
    c.fade(c.colour(190, 205, 225), c.colour(228, 226, 224))
    x = -0.04
    while x < 1.0:
        wide = c.between(0.12, 0.2)
        top = c.between(0.14, 0.48)
        shade = c.colour(*[(128, 140, 162), (158, 132, 122), (112, 124, 142)][c.rng.integers(3)])
        c.box(x, top, x + wide, 0.8, shade)
        lit = (min(shade[0] + 55, 250), min(shade[1] + 55, 245), min(shade[2] + 40, 235))
        for row in np.arange(top + 0.07, 0.66, 0.16):
            for part in (0.16, 0.58):
                left = x + wide * part
                c.box(left, float(row), left + wide * 0.26, float(row) + 0.08, lit)
        x += wide + 0.015
    c.fade(c.colour(176, 174, 172), c.colour(150, 148, 148), first=0.78)


def _road(c: _Canvas) -> None:
    c.sky(last=0.5)
    c.hills(0.46, 0.03, c.colour(150, 196, 130))
    c.fade(c.colour(118, 122, 128), c.colour(92, 96, 102), first=0.66)
    c.box(0, 0.64, 1, 0.68, c.colour(205, 200, 190))
    start = c.between(-0.2, 0.0)
    for left in np.arange(start, 1.0, 0.25):
        c.box(float(left), 0.91, float(left) + 0.13, 0.945, c.colour(240, 238, 225, spread=3))


def _forest(c: _Canvas) -> None:
    c.fade(c.colour(170, 205, 150), c.colour(128, 175, 110))
    for i in range(6):
        x = (i + c.between(0.2, 0.8)) / 6
        wide = c.between(0.03, 0.05)
        c.box(x - wide / 2, 0.1, x + wide / 2, 0.8, c.colour(104, 76, 52))
    for i in range(7):
        dark = c.colour(44, 108, 56) if i % 2 else c.colour(58, 126, 62)
        c.disc((i + c.between(0.0, 1.0)) / 7, c.between(0.02, 0.16), 0.2, dark, wide=1.2)
    c.hills(0.74, 0.02, c.colour(74, 116, 58))


def _snow(c: _Canvas) -> None:
    c.fade(c.colour(150, 190, 225), c.colour(214, 228, 240))
    c.hills(0.56, 0.05, c.colour(208, 220, 234, spread=4))
    for _ in range(3):
        x, y = c.between(0.05, 0.95), c.between(0.62, 0.68)
        for step in (0.0, 0.1):
            points = [(x, y - 0.3 + step), (x - 0.06, y - 0.08 + step), (x + 0.06, y - 0.08 + step)]
            c.polygon(points, c.colour(92, 140, 130))
    c.hills(0.7, 0.02, c.colour(244, 248, 252, spread=3), waves=1.0)


def _desert(c: _Canvas) -> None:
    c.fade(c.colour(250, 176, 100), c.colour(252, 226, 170))
    c.sun(255, 246, 200)
    c.hills(0.52, 0.06, c.colour(222, 150, 86))
    c.hills(0.66, 0.05, c.colour(206, 128, 66), waves=1.0)
    c.hills(0.78, 0.03, c.colour(224, 154, 84), waves=0.7)


def _sea(c: _Canvas) -> None:
    c.sky(last=0.5)
    c.cloud(c.between(0.1, 0.9), c.between(0.12, 0.25), 0.08, c.colour(250, 252, 252, spread=2))
    c.fade(c.colour(40, 120, 190), c.colour(24, 90, 160), first=0.48)
    c.hills(0.66, 0.015, c.colour(34, 106, 178), waves=2.5)
    c.hills(0.84, 0.02, c.colour(20, 82, 150), waves=2.0)


def _night(c: _Canvas) -> None:
    c.fade(c.colour(14, 18, 52, spread=4), c.colour(48, 54, 110, spread=4))
    for _ in range(7):
        c.disc(c.between(0, 1), c.between(0.02, 0.5), 0.014, c.colour(225, 225, 200))
    c.disc(c.between(0.1, 0.9), c.between(0.14, 0.22), 0.1, c.colour(246, 240, 205, spread=4))
    c.hills(0.64, 0.04, c.colour(28, 38, 66, spread=4))
    c.hills(0.74, 0.02, c.colour(34, 56, 58, spread=4), waves=1.0)


def _space(c: _Canvas) -> None:
    c.fade(c.colour(10, 8, 28, spread=3), c.colour(34, 18, 58, spread=4))
    for _ in range(9):
        c.disc(c.between(0, 1), c.between(0, 1), c.between(0.01, 0.016), c.colour(215, 215, 235))
    x, y = c.between(0.08, 0.92), c.between(0.1, 0.9)
    tint = [(190, 120, 90), (100, 130, 200), (150, 110, 180), (210, 180, 120)][c.rng.integers(4)]
    c.disc(x, y, 0.18, c.colour(*tint))
    c.disc(x - 0.02, y - 0.03, 0.12, c.colour(*(part + 22 for part in tint), spread=4))


def _room(c: _Canvas) -> None:
    wall = [(226, 206, 180), (190, 214, 214), (216, 196, 214), (212, 216, 186)][c.rng.integers(4)]
    c.fade(c.colour(*wall), c.colour(*(part - 10 for part in wall)))
    x = c.between(0.08, 0.68)
    c.box(x, 0.12, x + 0.24, 0.5, c.colour(250, 248, 240, spread=3))
    c.box(x + 0.02, 0.155, x + 0.22, 0.465, c.colour(165, 210, 240))
    c.fade(c.colour(176, 126, 84), c.colour(150, 102, 66), first=0.72)
    c.box(0, 0.7, 1, 0.735, c.colour(240, 232, 220, spread=3))
    rug = [(178, 84, 84), (84, 108, 160), (110, 140, 90)][c.rng.integers(3)]
    c.disc(c.between(0.35, 0.65), 0.89, 0.08, c.colour(*rug), wide=6.0)


def _sky(c: _Canvas) -> None:
    c.fade(c.colour(84, 160, 232), c.colour(178, 218, 246))
    white = c.colour(248, 250, 252, spread=3)
    for low, high in ((0.1, 0.3), (0.4, 0.6), (0.7, 0.92)):
        c.cloud(c.between(0.0, 1.0), c.between(low, high), c.between(0.07, 0.11), white)


_DRAWN: Mapping[Place, Callable[[_Canvas], None]] = {
    "plain": _plain,
    "beach": _beach,
    "meadow": _meadow,
    "city": _city,
    "road": _road,
    "forest": _forest,
    "snow": _snow,
    "desert": _desert,
    "sea": _sea,
    "night": _night,
    "space": _space,
    "room": _room,
    "sky": _sky,
}
