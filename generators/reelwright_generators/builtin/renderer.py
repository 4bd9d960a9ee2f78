"""Many drawn clips at once, in torch: the painter's picture on a CPU or a GPU.

A clip is first planned in numbers (`plan`, cheap enough for processes beside), then painted with
all others of its batch (`Renderer.render`). What is painted agrees with `painter.paint` but for
what OpenCV rounds: positions to a 32nd of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from reelwright_core.story import Colour, Layout, Place, Track
from reelwright_generators.builtin import styles
from reelwright_generators.builtin.staging import picture_of
from reelwright_generators.builtin.words import Actor, Scene
from reelwright_simulators.painter import MARGIN, NEAR_GROUND, SHADOW_REACH, STEP
from reelwright_simulators.places import GROUND, SHADOWS, background

Curves = NDArray[np.float32]
RGB = tuple[int, int, int]
SMALLEST = 14  # the painter's last level
ATLAS_WIDTH = 2048


@dataclass(frozen=True, slots=True)
class Sprite:
    """Which picture: what its place in the atlas is found by."""

    noun: str
    colour: Colour | None
    style: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """One thing of a clip, in pixels and radians."""

    sprite: Sprite
    mirrored: bool
    label: int
    """What marks it in the labels: its number in the layout, from 1."""
    at: Curves
    """[frames, 5]: centre x and y, width, height, angle."""
    shadow: Curves
    """[frames, 4]: centre x and y, radius, strength; strength 0 where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One clip in numbers."""

    place: Place
    seed: int
    plain: RGB | None
    """A colour instead of the place's background."""
    window: Curves
    """[frames, 3]: how much the background is enlarged, and where its corner lies, in pixels."""
    things: Sequence[Thing]
    """The furthest first."""

    def of(self, frames: Sequence[int]) -> Plan:
        """The same clip with these frames only."""
        chosen = list(frames)
        things = [replace(t, at=t.at[chosen], shadow=t.shadow[chosen]) for t in self.things]
        return replace(self, window=self.window[chosen], things=things)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendering:
    """The clips of a batch."""

    frames: torch.Tensor
    """uint8 [clips, frames, height, width, 3]"""
    labels: torch.Tensor
    """uint8 [clips, frames, height, width]: 0 is background, i the layout's i-th track."""


def plan(
    scene: Scene, layout: Layout, *, size: tuple[int, int], style: str = styles.OWN,
    plain: RGB | None = None,
) -> Plan:  # fmt: skip
    """The clip of `scene` as numbers; `plain` is a colour instead of the place's background."""
    actors = {f"e{i}": actor for i, actor in enumerate(scene.actors)}
    order = sorted(range(len(layout.tracks)), key=lambda i: (layout.tracks[i].depth, i))
    ground = GROUND[scene.place] if scene.place in SHADOWS else None
    return Plan(
        place=scene.place,
        seed=scene.seed,
        plain=plain,
        window=_window(layout, size),
        things=[
            _thing(
                layout, layout.tracks[i], actor=actors[layout.tracks[i].entity], label=i + 1,
                ground=ground, size=size, style=style,
            )
            for i in order
        ],
    )  # fmt: skip


def _window(layout: Layout, size: tuple[int, int]) -> Curves:
    """The painter's sliding and growing window; of a still background all is (1, 0, 0)."""
    (across, down), zoom = layout.background_shift, layout.background_zoom
    part = np.arange(layout.frames) / max(layout.frames - 1, 1)
    moves = across != 0 or down != 0 or zoom != 1
    least = (1 + max(abs(across), abs(down))) / min(1.0, zoom) if moves else 1.0
    scale = least * zoom**part
    x = size[0] / 2 * (1 - scale) + across * (part - 0.5) * size[0]
    y = size[1] / 2 * (1 - scale) + down * (part - 0.5) * size[1]
    return np.stack([scale, x, y], 1).astype(np.float32)


def _thing(
    layout: Layout, track: Track, *, actor: Actor, label: int, ground: float | None,
    size: tuple[int, int], style: str,
) -> Thing:  # fmt: skip
    cut, keys = picture_of(actor.noun), track.keyframes
    frames, at = np.arange(layout.frames), [key.frame for key in keys]
    values = np.array([(*key.box, key.angle) for key in keys])
    left, top, right, bottom, angle = (np.interp(frames, at, column) for column in values.T)
    left, right, top, foot = left * size[0], right * size[0], top * size[1], bottom * size[1]
    rows, columns = _trimmed(actor.noun, style).shape[:2]
    scale = np.minimum((right - left) / columns, (foot - top) / rows)
    x, wide, high = (left + right) / 2, columns * scale, rows * scale
    shadow = np.zeros((layout.frames, 4))
    if ground is not None:
        line, grows = ground * size[1], np.ptp(high) > 0.2 * high.max()
        lowest = foot if grows else np.full_like(foot, foot.max())
        near = lowest >= line - NEAR_GROUND * size[1]
        floor = np.where(near, np.minimum(lowest, size[1] * 1.1), line)
        above = np.maximum(0.0, floor - foot) / size[1]
        strength = 0.34 * (1 - above / SHADOW_REACH)
        strength[(strength <= 0.02) | ~(near | (not cut.flies))] = 0
        shadow[:] = np.stack([x, floor, np.maximum(2, wide * 0.45 * (1 - above / 2)), strength], 1)
    return Thing(
        sprite=Sprite(actor.noun, actor.colour, style),
        mirrored=track.faces is not None and cut.faces not in ("front", track.faces),
        label=label,
        at=np.stack([x, foot - high / 2, wide, high, np.deg2rad(angle)], 1).astype(np.float32),
        shadow=shadow.astype(np.float32),
    )


@lru_cache(maxsize=4096)
def _trimmed(noun: str, style: str) -> NDArray[np.uint8]:
    return _seen(styles.picture(noun, style=style))


def _seen(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    seen = picture[..., 3] > 8
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


class Renderer:
    """Paints planned clips on `device`; pictures and backgrounds are kept there once used.

    At 160 x 96 pixels a sprite takes about 0.3 MB, a background 0.05 MB.
    """

    def __init__(self, *, size: tuple[int, int], device: torch.device | str = "cpu") -> None:
        self.size, self.device = size, torch.device(device)
        self._atlas = _Atlas(largest=size[1], device=self.device)
        self._backdrops = _Backdrops(size=size, device=self.device)

    def render(self, plans: Sequence[Plan]) -> Rendering:
        """The clips of `plans`, which have equally many frames."""
        (width, height), count = self.size, len(plans[0].window)
        if any(len(clip.window) != count for clip in plans):
            raise ValueError("the clips of a batch have equally many frames")
        canvas = self._backgrounds(plans)
        labels = torch.zeros(
            len(plans) * count * height * width, dtype=torch.uint8, device=self.device
        )
        pixels = canvas.view(-1, 3)
        # Of several things in a clip the further are painted first, each of them for all clips.
        layers = range(max((len(clip.things) for clip in plans), default=0))
        shown = [
            [(i * count, clip.things[n]) for i, clip in enumerate(plans) if n < len(clip.things)]
            for n in layers
        ]
        for layer in shown:
            self._shade(pixels, layer)
        for layer in shown:
            self._paste(pixels, labels, layer)
        lead = (len(plans), count, height, width)
        return Rendering(frames=canvas.view(*lead, 3), labels=labels.view(lead))

    def _backgrounds(self, plans: Sequence[Plan]) -> torch.Tensor:
        """uint8 [clips * frames, height, width, 3]."""
        (width, height), count = self.size, len(plans[0].window)
        bank = self._backdrops.of(plans)
        canvas = bank[:, None].expand(-1, count, -1, -1, -1).clone()
        window = np.stack([clip.window for clip in plans])
        moving = np.flatnonzero((window != (1, 0, 0)).any((1, 2)))
        if len(moving):
            where = torch.from_numpy(window[moving]).to(self.device)[..., None, None]
            rows = torch.arange(height, device=self.device) + 0.5
            columns = torch.arange(width, device=self.device) + 0.5
            y = (rows[:, None] - where[:, :, 2]) / where[:, :, 0] * (2 / height) - 1
            x = (columns - where[:, :, 1]) / where[:, :, 0] * (2 / width) - 1
            grid = torch.stack(torch.broadcast_tensors(x, y), -1)
            chosen = torch.from_numpy(moving).to(self.device)
            slid = functional.grid_sample(
                bank[chosen].permute(0, 3, 1, 2).float(), grid.flatten(1, 2),
                padding_mode="border", align_corners=False,
            )  # fmt: skip
            slid = slid.round_().to(torch.uint8)
            canvas[chosen] = slid.view(-1, 3, count, height, width).permute(0, 2, 3, 4, 1)
        return canvas.view(-1, height, width, 3)

    def _shade(self, pixels: torch.Tensor, layer: Sequence[tuple[int, Thing]]) -> None:
        shadow = np.concatenate([thing.shadow for _, thing in layer])
        x, y, radius, strength = shadow.T
        low = np.maximum(1.5, radius * 0.22)
        boxes = np.stack([x - radius * 1.2, y - low * 1.2, x + radius * 1.2, y + low * 1.2], 1)
        boxes[strength == 0] = 0
        spots = self._spots(boxes, layer, reach=(0, 2))
        x, y, radius, strength = self._each(shadow, spots.which).T
        low = (radius * 0.22).clamp_min(1.5)
        off = ((spots.x - x) / radius) ** 2 + ((spots.y - y) / low) ** 2
        dark = strength * (1.25 - off).clamp(0, 1)
        under = pixels[spots.index]
        pixels[spots.index] = (under * (1 - dark[:, None])).to(torch.uint8)

    def _paste(
        self, pixels: torch.Tensor, labels: torch.Tensor, layer: Sequence[tuple[int, Thing]]
    ) -> None:
        at = np.concatenate([thing.at for _, thing in layer])
        x, y, wide, high, angle = at.T
        cos, sin = np.abs(np.cos(angle)) / 2, np.abs(np.sin(angle)) / 2
        half_x, half_y = wide * cos + high * sin, wide * sin + high * cos
        boxes = np.stack([x - half_x, y - half_y, x + half_x, y + half_y], 1)
        spots = self._spots(boxes, layer, reach=(1, 2))
        cells = np.concatenate(
            [self._atlas.cells(thing.sprite, thing.at[:, 3]) for _, thing in layer]
        )
        left, top, columns, rows = cells.T
        zoom = (rows - 2 * MARGIN) / high
        flip = np.concatenate([np.full(len(t.at), -1 if t.mirrored else 1) for _, t in layer])
        across, down = np.cos(angle) * zoom, np.sin(angle) * zoom
        label = np.concatenate([np.full(len(thing.at), thing.label) for _, thing in layer])
        facts = np.stack([x, y, across, down, flip, left, top, columns, rows, label], 1)
        x, y, across, down, flip, left, top, columns, rows, label = self._each(facts, spots.which).T
        x, y = spots.x - x, spots.y - y
        # Half a pixel inside the cell's clear margin: what lies outside a sprite is clear.
        u = (columns / 2 + flip * (across * x + down * y)).clamp(min=0.5).minimum(columns - 0.5)
        v = (rows / 2 + across * y - down * x).clamp(min=0.5).minimum(rows - 0.5)
        colour = self._atlas.sampled(left + u, top + v)
        under = pixels[spots.index] * (1 - colour[:, 3:] / 255)
        pixels[spots.index] = (under + colour[:, :3]).round_().to(torch.uint8)
        covers = colour[:, 3] > 127
        labels[spots.index[covers]] = label[covers].to(torch.uint8)

    def _each(self, facts: NDArray[np.floating], which: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(facts.astype(np.float32)).to(self.device)[which]

    def _spots(
        self, boxes: Curves, layer: Sequence[tuple[int, Thing]], *, reach: tuple[int, int]
    ) -> _Spots:
        """The pixels in `boxes` [boxes, 4]; `reach` is how many more there are on either side."""
        width, height = self.size
        whole = np.trunc(np.clip(boxes, -4 * width, 4 * width)).astype(np.int64)
        x0, y0 = np.maximum(whole[:, :2] - reach[0], 0).T
        x1, y1 = np.minimum(whole[:, 2:] + reach[1], (width, height)).T
        empty = (boxes == 0).all(1)
        across = np.where(empty, 0, np.maximum(x1 - x0, 0))
        area = across * np.maximum(y1 - y0, 0)
        frame = np.concatenate([start + np.arange(len(thing.at)) for start, thing in layer])
        first = np.cumsum(area) - area
        facts = np.stack([area, first, np.maximum(across, 1), x0, y0, frame], 1)
        _, first, across, x0, y0, frame = (sent := torch.from_numpy(facts).to(self.device)).T
        total = int(area.sum())
        which = torch.repeat_interleave(
            torch.arange(len(area), device=self.device), sent[:, 0], output_size=total
        )
        place = torch.arange(total, device=self.device) - first[which]
        x = x0[which] + place % across[which]
        y = y0[which] + place // across[which]
        return _Spots(
            which=which, x=x + 0.5, y=y + 0.5, index=(frame[which] * height + y) * width + x
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Spots:
    """Pixels to paint, all [pixels]: of a layer no two are the same one."""

    which: torch.Tensor
    """The number of the box that each lies in."""
    x: torch.Tensor
    y: torch.Tensor
    index: torch.Tensor
    """Where each is in all frames of all clips."""


class _Atlas:
    """Sprites in one picture, each in all its sizes; grows as sprites are asked for."""

    def __init__(self, *, largest: int, device: torch.device) -> None:
        self._largest = largest
        self._texels = torch.zeros(4, 256, ATLAS_WIDTH, device=device)
        self._used = 0
        self._shelves: dict[int, tuple[int, int]] = {}
        self._cells: dict[Sprite, NDArray[np.int64]] = {}

    def cells(self, sprite: Sprite, heights: Curves) -> NDArray[np.int64]:
        """[frames, 4]: left, top, width and height in texels of what is best for `heights`."""
        kept = self._cells.get(sprite)
        if kept is None:
            kept = self._cells[sprite] = self._added(sprite)
        full = _trimmed(sprite.noun, sprite.style).shape[0]
        level = np.log(full / np.clip(heights, 2.0, full)) / math.log(STEP)
        return kept[np.minimum(level.astype(np.int64), SMALLEST)]

    def sampled(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Float [points, 4] in 0..255, its transparency multiplied in."""
        _, high, wide = self._texels.shape
        grid = torch.stack([x * (2 / wide) - 1, y * (2 / high) - 1], -1)[None, None]
        taken = functional.grid_sample(self._texels[None], grid, align_corners=False)
        return taken[0, :, 0].T

    def _added(self, sprite: Sprite) -> NDArray[np.int64]:
        picture = styles.picture(sprite.noun, style=sprite.style, colour=sprite.colour)
        cut = _seen(picture).astype(np.float32)
        cut[..., :3] *= cut[..., 3:] / 255
        cells = np.zeros((SMALLEST + 1, 4), np.int64)
        first = 0
        for level in range(SMALLEST + 1):
            high, wide = (max(2, round(side * STEP**-level)) for side in cut.shape[:2])
            if high > self._largest or wide > self._largest * 2:
                first = level + 1
                continue
            small = cv2.resize(cut, (wide, high), interpolation=cv2.INTER_AREA) if level else cut
            whole = np.pad(np.floor(small), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
            cells[level] = self._placed(whole)
        cells[:first] = cells[first]
        return cells

    def _placed(self, whole: Curves) -> tuple[int, int, int, int]:
        rows, columns = whole.shape[:2]
        deep = -(-rows // 8) * 8
        top, left = self._shelves.get(deep, (0, ATLAS_WIDTH))
        if left + columns > ATLAS_WIDTH:
            top, left, self._used = self._used, 0, self._used + deep
            while self._used > self._texels.shape[1]:
                self._texels = torch.cat([self._texels, torch.zeros_like(self._texels)], 1)
        self._shelves[deep] = (top, left + columns)
        texels = torch.from_numpy(whole).permute(2, 0, 1)
        self._texels[:, top : top + rows, left : left + columns] = texels
        return left, top, columns, rows


class _Backdrops:
    """Backgrounds as they are asked for, each kept once."""

    def __init__(self, *, size: tuple[int, int], device: torch.device) -> None:
        self._size, self._device = size, device
        self._bank = torch.zeros(16, size[1], size[0], 3, dtype=torch.uint8, device=device)
        self._known: dict[tuple[Place, int], int] = {}

    def of(self, plans: Sequence[Plan]) -> torch.Tensor:
        """uint8 [clips, height, width, 3]."""
        chosen = torch.tensor([self._number(clip.place, clip.seed) for clip in plans])
        pictures = self._bank[chosen.to(self._device)]
        for i, clip in enumerate(plans):
            if clip.plain is not None:
                pictures[i] = torch.tensor(clip.plain, dtype=torch.uint8, device=self._device)
        return pictures

    def _number(self, place: Place, seed: int) -> int:
        number = self._known.get((place, seed))
        if number is None:
            number = self._known[place, seed] = len(self._known)
            if number == len(self._bank):
                self._bank = torch.cat([self._bank, torch.zeros_like(self._bank)])
            picture = background(place, size=self._size, seed=seed)
            self._bank[number] = torch.from_numpy(picture.copy()).to(self._device)
        return number
