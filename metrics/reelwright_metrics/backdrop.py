"""What lies behind the things of a clip: from the clip itself and from the painted empty place.

Pictures here are float32 CIELAB, [height, width, 3]: L in 0..100, a and b in about -100..100, so
that distances are what a person sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Layout

Lab = NDArray[np.float32]
"""CIELAB, [..., height, width, 3]."""
Mask = NDArray[np.bool_]

SURE = 6.0
"""CIELAB distance under which a repainted place is taken for the painted one."""
TRUSTED = 0.35
"""Share of the picture that must agree with the painted place for it to be used at all."""


def to_lab(pictures: NDArray[np.uint8]) -> Lab:
    """uint8 RGB [frames, height, width, 3] as CIELAB, lightly smoothed against noise."""
    lab = np.empty(pictures.shape, np.float32)
    for index, picture in enumerate(pictures):
        smooth = cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), 0.7)
        lab[index] = cv2.cvtColor(smooth, cv2.COLOR_RGB2Lab)
    return lab


def backdrops(
    clip: Lab,
    *,
    painted: Lab | None,
    layout: Layout,
    frames: NDArray[np.int64],
    smallest: float,
) -> Lab:
    """The empty place behind each picture of `clip`: [pictures, height, width, 3].

    `frames` tells which frame of the layout each picture is, `smallest` how much of the picture
    the smallest thing covers: what is much thinner is no thing that stands still. With a still
    camera it is the median over time where that agrees with `painted` (its colours aligned to the
    clip), else, in patches that differ, `painted`: what stands still there is a thing. Without a
    painted place, or where the clip shows another one, a smooth picture fitted to the borders
    stands in for it. With a moving camera all of this is done in the first frame's view, by the
    layout's movement; what it shows later than that is its median over time.
    """
    height, width = clip.shape[1:3]
    moves = [_movement(layout, int(frame), width, height) for frame in frames]
    if _still(layout):
        middle = np.median(clip, axis=0).astype(np.float32)
        return np.repeat(_behind(middle, painted, smallest=smallest)[None], len(clip), 0)
    view = _view(moves, width, height)
    whole = _median(clip, moves, view)
    left, top = round(-view.left), round(-view.top)
    first = (slice(top, top + height), slice(left, left + width))
    # What the camera finds later is not painted: there the clip alone says what is behind.
    whole[first] = _behind(whole[first], painted, smallest=smallest)
    moved = [
        cv2.warpAffine(
            whole, view.of(move), (width, height), borderMode=cv2.BORDER_REFLECT,
        )
        for move in moves
    ]  # fmt: skip
    return np.stack(moved).astype(np.float32)


def _behind(middle: Lab, painted: Lab | None, *, smallest: float) -> Lab:
    """`middle`, the median over time, with what stands still in it replaced by the empty place."""
    empty = None if painted is None else aligned(painted, to=middle)
    if empty is None:
        empty = _from_borders(middle)
    standing = _patches(middle, empty, smallest=smallest)
    return np.where(standing[..., None], empty, middle).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _View:
    """All that a moving camera shows, in pixels of the first frame, in whole pixels."""

    left: float
    top: float
    width: int
    height: int

    def of(self, move: NDArray[np.float64]) -> NDArray[np.float64]:
        """From this view to a frame's, where `move` leads there from the first frame's."""
        shifted = move.copy()
        shifted[:, 2] += move[:, :2] @ (self.left, self.top)
        return shifted


def _view(moves: list[NDArray[np.float64]], width: int, height: int) -> _View:
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], float)
    seen = np.concatenate(
        [(corners - move[:, 2]) @ np.linalg.inv(move[:, :2]).T for move in moves] + [corners]
    )
    left, top = np.floor(seen.min(0))
    right, bottom = np.ceil(seen.max(0))
    return _View(float(left), float(top), int(right - left) + 1, int(bottom - top) + 1)


def aligned(painted: Lab, *, to: Lab) -> Lab | None:
    """`painted` in the colours of `to`; none if too little of the two pictures agrees.

    One affine map of the colours, held near to none, fitted to the 70 % of the pixels that agree
    best, then a slow drift over the picture (the smoothed difference where they agree).
    """
    flat, wanted = painted.reshape(-1, 3), to.reshape(-1, 3)
    keep = np.ones(len(flat), bool)
    fitted = flat
    for _ in range(5):
        fitted = _recoloured(flat, flat[keep], wanted[keep])
        error = np.linalg.norm(fitted - wanted, axis=1)
        keep = error <= np.quantile(error, 0.7)
    fit = fitted.reshape(painted.shape)
    agree = distance(fit, to) < 2 * SURE
    if agree.mean() < TRUSTED:
        return None
    weight = agree.astype(np.float32)
    spread = painted.shape[0] / 8
    thick = cv2.GaussianBlur(weight, (0, 0), spread) + 1e-3
    drift = cv2.GaussianBlur((to - fit) * weight[..., None], (0, 0), spread) / thick[..., None]
    return (fit + drift * np.minimum(1, 4 * thick)[..., None]).astype(np.float32)


def tinge(clip: Lab, *, painted: Lab) -> Lab:
    """How the colours of the clip are off those of the painted place: [3], each at most 15.

    Medians over the picture of the difference to the clip's median over time: what a generator
    does to all colours alike.
    """
    off = np.median((np.median(clip, axis=0) - painted).reshape(-1, 3), axis=0)
    return np.clip(off, -15, 15).astype(np.float32)


def distance(one: Lab, other: Lab) -> NDArray[np.float32]:
    """How different two pictures look, per pixel; lightness counts a little less than hue."""
    apart = one - other
    return np.sqrt(0.7 * apart[..., 0] ** 2 + apart[..., 1] ** 2 + apart[..., 2] ** 2)


def opened(mask: Mask) -> Mask:
    """`mask` without what is thinner than two pixels; what is left stays where it is.

    OpenCV's own opening by an even square moves everything by a pixel to the right and down.
    """
    square = np.ones((2, 2), np.uint8)
    worn = cv2.erode(mask.astype(np.uint8), square, anchor=(1, 1))
    return cv2.dilate(worn, square, anchor=(0, 0)) > 0


def _recoloured(every: Lab, chosen: Lab, wanted: Lab) -> Lab:
    """`every` [n, 3] by the affine map from `chosen` to `wanted`, held near to none by a ridge."""
    middle, aim = chosen.mean(0), wanted.mean(0)
    x, y = chosen - middle, wanted - aim
    ridge = 40 * np.eye(3)
    turn = np.linalg.solve(x.T @ x / len(x) + ridge, x.T @ y / len(x) + ridge)
    return ((every - middle) @ turn + aim).astype(np.float32)


def _still(layout: Layout) -> bool:
    return layout.background_shift == (0.0, 0.0) and layout.background_zoom == 1.0


def _movement(layout: Layout, frame: int, width: int, height: int) -> NDArray[np.float64]:
    """The affine matrix from the first frame's background to that of `frame`."""
    part = frame / max(layout.frames - 1, 1)
    scale = layout.background_zoom**part
    x = width / 2 * (1 - scale) + layout.background_shift[0] * part * width
    y = height / 2 * (1 - scale) + layout.background_shift[1] * part * height
    return np.array([[scale, 0, x + (scale - 1) / 2], [0, scale, y + (scale - 1) / 2]])


def _median(clip: Lab, moves: list[NDArray[np.float64]], view: _View) -> Lab:
    """The median over time, as far as the camera saw: [view height, view width, 3]."""
    back = np.stack(
        [
            cv2.warpAffine(
                picture,
                view.of(move),
                (view.width, view.height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=(np.nan, np.nan, np.nan),
            )
            for picture, move in zip(clip, moves, strict=True)
        ]
    )
    unseen = np.isnan(back[..., 0]).all(0)
    back[0][unseen] = clip[0].reshape(-1, 3).mean(0)
    return np.nanmedian(back, axis=0).astype(np.float32)


def _from_borders(picture: Lab) -> Lab:
    """A smooth picture from the left and right borders: places are made of level bands."""
    height, width = picture.shape[:2]
    edge = max(2, width // 16)
    left = np.median(picture[:, :edge], axis=1)
    right = np.median(picture[:, -edge:], axis=1)
    sides = np.stack([left, right], axis=1).astype(np.float32)
    sides = cv2.GaussianBlur(sides, (1, 0), sigmaX=0.01, sigmaY=height / 48)
    part = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    return (sides[:, :1] * (1 - part) + sides[:, 1:] * part).astype(np.float32)


def _patches(middle: Lab, empty: Lab, *, smallest: float) -> Mask:
    """Where `middle` shows something that `empty` has not: patches, a little widened.

    A patch has a core as thick as a seventh of the smallest thing, that differs from `empty`
    even where that is moved by two pixels: so lines that were only repainted do not count. A part
    of the place in another tint, with the same edges, does not count either.
    """
    height, width = middle.shape[:2]
    thick = int(np.clip(round(0.15 * (smallest * height * width) ** 0.5), 3, 7))
    firm = _firmly(middle, empty) > SURE
    core = cv2.morphologyEx(
        firm.astype(np.uint8),
        cv2.MORPH_OPEN,
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thick, thick)),
    )
    near = cv2.dilate(core, np.ones((7, 7), np.uint8))
    whole = ((near > 0) & (distance(middle, empty) > SURE)).astype(np.uint8)
    return cv2.dilate(_outlined(whole, middle, empty), np.ones((3, 3), np.uint8)) > 0


def _outlined(patches: NDArray[np.uint8], middle: Lab, empty: Lab) -> NDArray[np.uint8]:
    """The patches that have not the edges of `empty`, or differ from it by more than a tint."""
    here, there = _edges(middle), _edges(empty)
    wide = np.ones((5, 5), np.uint8)
    known, kept_up = cv2.dilate(there, wide) > 0.5 * here, cv2.dilate(here, wide) > 0.5 * there
    count, labels = cv2.connectedComponents(patches)
    kept = np.zeros(patches.shape, np.uint8)
    for label in range(1, count):
        own = cv2.dilate((labels == label).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        sharp = own & (here > np.quantile(here[own], 0.6))
        before = own & (there > np.quantile(there[own], 0.6))
        change = (middle - empty)[labels == label]
        even = change.std(0).sum() < 0.7 * np.abs(change.mean(0)).sum()
        if not even or min(_share(known, sharp), _share(kept_up, before)) < 0.7:
            kept[labels == label] = 1
    return kept


def _share(holds: NDArray[np.bool_], where: NDArray[np.bool_]) -> float:
    """In which part of `where` it holds; 1.0 of nothing, as a flat patch has no edges."""
    return float(holds[where].mean()) if where.any() else 1.0


def _edges(picture: Lab) -> NDArray[np.float32]:
    """How steeply the colour changes, per pixel."""
    right = cv2.Sobel(picture, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    return np.sqrt((right**2 + down**2).sum(2)).astype(np.float32)


def _firmly(middle: Lab, empty: Lab, *, reach: int = 2) -> NDArray[np.float32]:
    """The least distance of each pixel to those of `empty` at most `reach` pixels away."""
    least = np.full(middle.shape[:2], np.inf, np.float32)
    size = middle.shape[1], middle.shape[0]
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            moved = cv2.warpAffine(
                empty,
                np.array([[1.0, 0, right], [0, 1.0, down]]),
                size,
                flags=cv2.INTER_NEAREST,
                borderMode=cv2.BORDER_REPLICATE,
            )
            least = np.minimum(least, distance(middle, moved.astype(np.float32)))
    return least
