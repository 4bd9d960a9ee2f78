"""A layout becomes a sketch: cut-outs pasted along their tracks, with labels and boxes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Images
from PIL import ImageDraw, ImageFont

from reelwright_core.story import Colour, Entity, Layout, Place, Track
from reelwright_simulators import cutouts
from reelwright_simulators import plain_solids as solids
from reelwright_simulators.blender.inside import materials
from reelwright_simulators.places import GROUND, SHADOWS, Image, background

SHAPE_COLOURS: Mapping[str, tuple[int, int, int]] = MappingProxyType(materials.COLOURS)
"""What the labelled shape of a thing without a picture is filled with."""

NEAR_GROUND = 0.08  # a thing that comes this close to the ground stands on it
SHADOW_REACH = 0.45  # above this height a thing throws no shadow
MARGIN = 2  # clear pixels around a cut-out, so that turning it keeps its edge soft

Sprite = NDArray[np.uint8]
"""A cut-out with its transparency multiplied in, [height, width, 4]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Painting:
    """The frames of a sketch and what is where in them."""

    frames: Image
    """[frames, height, width, 3]"""
    labels: Image
    """[frames, height, width]: 0 is background, i is `things[i - 1]`, seen on top."""
    things: list[tuple[str, int]]
    """The entity id and the instance of every track, in the layout's order."""
    boxes: NDArray[np.float64]
    """[frames, things, 4]: the part of each thing's extent inside the picture, as [left, top,
    right, bottom] in 0..1; all zero while it is out of view."""
    extents: NDArray[np.float64]
    """The same, not cut at the picture's edge."""
    background: Image
    """[height, width, 3]: the first frame without things."""


def paint(
    layout: Layout,
    *,
    entities: Sequence[Entity],
    place: Place,
    size: tuple[int, int],
    seed: int,
    scenery: Image | None = None,
    pictures: Mapping[str, Image] = MappingProxyType({}),
) -> Painting:
    """The sketch of `layout` in `place`; `scenery` stands in for the place's own background.

    `pictures` stand in for the cut-outs of the entities with these ids, uint8 RGBA [height, width,
    4], each looking where the cut-out of its noun does.
    """
    width, height = size
    named = {entity.id: entity for entity in entities}
    still = background(place, size=size, seed=seed) if scenery is None else scenery
    frames = _backgrounds(layout, still)
    first = frames[0].copy()
    labels = np.zeros((layout.frames, height, width), np.uint8)
    extents = np.zeros((layout.frames, len(layout.tracks), 4))
    order = sorted(range(len(layout.tracks)), key=lambda i: (layout.tracks[i].depth, i))
    own = {
        id: _Own(digest=hashlib.sha256(p.tobytes()).hexdigest(), pixels=p)
        for id, p in pictures.items()
    }
    tracks = [
        _Way(layout, track, entity=named[track.entity], size=size, own=own.get(track.entity))
        for track in layout.tracks
    ]
    ground = GROUND[place] if place in SHADOWS else None
    for f in range(layout.frames):
        if ground is not None:
            for i in order:
                tracks[i].shade(frames[f], f, ground)
        for i in order:
            tracks[i].paste(frames[f], labels[f], f, label=i + 1)
            extents[f, i] = tracks[i].extent(f)
    extents /= (width, height, width, height)
    boxes = np.clip(extents, 0, 1)
    boxes[(boxes[..., 2] <= boxes[..., 0]) | (boxes[..., 3] <= boxes[..., 1])] = 0
    return Painting(
        frames=frames,
        labels=labels,
        things=[(track.entity, track.instance) for track in layout.tracks],
        boxes=boxes,
        extents=extents,
        background=first,
    )


def _backgrounds(layout: Layout, still: Image) -> Image:
    """The background of every frame: a window that slides and shrinks or grows within it."""
    height, width = still.shape[:2]
    count, (across, down), zoom = layout.frames, layout.background_shift, layout.background_zoom
    if across == down == 0 and zoom == 1:
        return np.repeat(still[None], count, 0)
    frames = np.empty((count, height, width, 3), np.uint8)
    # Enlarged just so far that the window never leaves it.
    least = (1 + max(abs(across), abs(down))) / min(1.0, zoom)
    for f in range(count):
        part = f / max(count - 1, 1)
        scale = least * zoom**part
        x = width / 2 * (1 - scale) + across * (part - 0.5) * width
        y = height / 2 * (1 - scale) + down * (part - 0.5) * height
        matrix = np.array([[scale, 0, x + (scale - 1) / 2], [0, scale, y + (scale - 1) / 2]])
        frames[f] = cv2.warpAffine(
            still, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
    return frames


class _Way:
    """One thing's picture, and where it is in every frame, in pixels."""

    def __init__(
        self,
        layout: Layout,
        track: Track,
        *,
        entity: Entity,
        size: tuple[int, int],
        own: _Own | None = None,
    ) -> None:
        self.size = size
        cut = cutouts.find(entity.noun) if entity.known else None
        self.sheds = cut is None or not cut.flies
        self.key = _Key(
            noun=entity.noun,
            colour=entity.colour,
            known=cut is not None,
            mirrored=cut is not None
            and track.faces is not None
            and cut.faces not in ("front", track.faces),
            own=own,
        )
        keys = track.keyframes
        at, frames = [key.frame for key in keys], np.arange(layout.frames)
        corners = [np.interp(frames, at, [key.box[i] for key in keys]) for i in range(4)]
        left, top, right, bottom = (corner * size[i % 2] for i, corner in enumerate(corners))
        self.angle = np.interp(frames, at, [key.angle for key in keys])
        high, wide = _sprite(self.key, 0).shape[:2]
        high, wide = high - 2 * MARGIN, wide - 2 * MARGIN
        scale = np.minimum((right - left) / wide, (bottom - top) / high)
        self.wide, self.high = wide * scale, high * scale
        self.x, self.foot = (left + right) / 2, bottom
        # What toppled lies on its side; what rolls stays on its foot however it is turned.
        turned = np.array([self.extent(f)[3] for f in range(layout.frames)])
        self.low = np.minimum(self.foot, turned)
        self.grows = bool(np.ptp(self.high) > 0.2 * self.high.max())

    def extent(self, f: int) -> tuple[float, float, float, float]:
        """[left, top, right, bottom] of what is drawn, turned as it is."""
        turn = np.deg2rad(self.angle[f])
        cos, sin = abs(np.cos(turn)), abs(np.sin(turn))
        half_x = (self.wide[f] * cos + self.high[f] * sin) / 2
        half_y = (self.wide[f] * sin + self.high[f] * cos) / 2
        x, y = self.x[f], self.foot[f] - self.high[f] / 2
        return x - half_x, y - half_y, x + half_x, y + half_y

    def shade(self, frame: Image, f: int, ground: float) -> None:
        """Lays the thing's shadow on the ground, fainter the higher it is."""
        height = self.size[1]
        line = ground * height
        lowest = float(self.low[f] if self.grows else self.low.max())
        near = lowest >= line - NEAR_GROUND * height
        if not near and not self.sheds:
            return
        floor = min(lowest, height * 1.1) if near else line
        above = max(0.0, floor - float(self.low[f])) / height
        strength = 0.34 * (1 - above / SHADOW_REACH)
        if strength <= 0.02:
            return
        across = max(2.0, float(self.wide[f]) * 0.45 * (1 - 0.5 * above))
        _darken(frame, x=float(self.x[f]), y=floor, radius=across, strength=strength)

    def paste(self, frame: Image, labels: Image, f: int, *, label: int) -> None:
        """Puts the thing over `frame`, and its number where it covers it."""
        width, height = self.size
        left, top, right, bottom = self.extent(f)
        x0, y0 = max(0, int(left) - 1), max(0, int(top) - 1)
        x1, y1 = min(width, int(right) + 2), min(height, int(bottom) + 2)
        if x0 >= x1 or y0 >= y1:
            return
        sprite = _sprite(self.key, _level(self.key, float(self.high[f])))
        rows, columns = sprite.shape[:2]
        scale = float(self.high[f]) / (rows - 2 * MARGIN)
        turn = np.deg2rad(self.angle[f])
        cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
        # OpenCV places pixel centres at whole numbers: half a pixel comes off on both sides.
        centre_x, centre_y = (columns - 1) / 2, (rows - 1) / 2
        to_x = self.x[f] - 0.5 - x0
        to_y = self.foot[f] - self.high[f] / 2 - 0.5 - y0
        matrix = np.array(
            [
                [cos, -sin, to_x - cos * centre_x + sin * centre_y],
                [sin, cos, to_y - sin * centre_x - cos * centre_y],
            ]
        )
        patch = cv2.warpAffine(sprite, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        clear = 255 - patch[..., 3:].astype(np.uint16)
        under = frame[y0:y1, x0:x1]
        frame[y0:y1, x0:x1] = patch[..., :3] + ((under * clear + 127) // 255).astype(np.uint8)
        labels[y0:y1, x0:x1][patch[..., 3] > 127] = label


def _darken(frame: Image, *, x: float, y: float, radius: float, strength: float) -> None:
    height, width = frame.shape[:2]
    low = max(1.5, radius * 0.22)
    x0, x1 = max(0, int(x - radius * 1.2)), min(width, int(x + radius * 1.2) + 2)
    y0, y1 = max(0, int(y - low * 1.2)), min(height, int(y + low * 1.2) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    across = ((np.arange(x0, x1) + 0.5 - x) / radius) ** 2
    down = ((np.arange(y0, y1) + 0.5 - y) / low) ** 2
    dark = strength * np.clip(1.25 - (down[:, None] + across[None]), 0, 1)
    under = frame[y0:y1, x0:x1]
    frame[y0:y1, x0:x1] = (under * (1 - dark[..., None])).astype(np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Own:
    """A picture from outside the cut-out set."""

    digest: str
    pixels: Image = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Key:
    """Which picture: what a kept sprite is found by."""

    noun: str
    colour: Colour | None
    known: bool
    mirrored: bool
    own: _Own | None = None


STEP = 1.25  # each level of a sprite is this much smaller than the one before


def _level(key: _Key, height: float) -> int:
    """The smallest kept size that is still at least as large as wanted."""
    full = _sprite(key, 0).shape[0] - 2 * MARGIN
    if height >= full:
        return 0
    return min(int(np.log(full / max(height, 2.0)) / np.log(STEP)), 14)


@lru_cache(maxsize=8192)
def _sprite(key: _Key, level: int) -> Sprite:
    picture = _unturned(key)
    if key.mirrored:
        picture = picture[:, ::-1]
    seen = picture[..., 3] > 8
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    cut = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    cut[..., :3] *= cut[..., 3:] / 255
    if level:
        scale = STEP**-level
        high, wide = (max(2, round(side * scale)) for side in cut.shape[:2])
        cut = cv2.resize(cut, (wide, high), interpolation=cv2.INTER_AREA)
    whole = np.floor(cut).astype(np.uint8)  # rounded down: the colour never exceeds its own alpha
    return np.pad(whole, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))


def likeness(entity: Entity) -> Image:
    """What `entity` is painted as, uint8 RGBA [height, width, 4]: its cut-out or a shape."""
    cut = cutouts.find(entity.noun) if entity.known else None
    noun = cut.noun if cut is not None else entity.noun
    return _unturned(_Key(noun=noun, colour=entity.colour, known=cut is not None, mirrored=False))


def _unturned(key: _Key) -> Image:
    if key.own is not None:
        return key.own.pixels
    return cutouts.picture(key.noun, colour=key.colour) if key.known else _shape(key)


def outline(noun: str, *, known: bool) -> NDArray[np.bool_]:
    """Where the picture of `noun` is opaque, [height, width], as it is painted unturned."""
    cut = cutouts.find(noun) if known else None
    key = _Key(noun=noun, colour=None, known=cut is not None, mirrored=False)
    return _sprite(key, 0)[..., 3] > 127


def _shape(key: _Key) -> Image:
    """What stands in for a thing without a picture: a plain solid, or its noun on a shape."""
    solid = solids.picture(key.noun, SHAPE_COLOURS[key.colour] if key.colour else None)
    return _labelled(key) if solid is None else solid


def _labelled(key: _Key) -> Image:
    """A rounded shape with the noun written on it."""
    fill = SHAPE_COLOURS[key.colour or "grey"]
    dark = 0.3 * fill[0] + 0.59 * fill[1] + 0.11 * fill[2] < 135
    picture = Images.new("RGBA", (128, 96), (0, 0, 0, 0))
    drawing = ImageDraw.Draw(picture)
    drawing.rounded_rectangle((2, 2, 125, 93), radius=22, fill=(*fill, 255))
    ink = (255, 255, 255, 255) if dark else (24, 24, 28, 255)
    points = 34
    while points > 12 and drawing.textlength(key.noun, ImageFont.load_default(points)) > 108:
        points -= 2
    drawing.text((64, 48), key.noun, fill=ink, anchor="mm", font=ImageFont.load_default(points))
    return np.asarray(picture)
