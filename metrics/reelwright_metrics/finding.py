"""Finds the things in each picture of a clip: what stands out from the backdrop."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Box
from reelwright_metrics.backdrop import Lab, Mask, distance, opened
from reelwright_metrics.colours import Shares, shares

THINGS = 24  # of all that is found in a picture, the largest so many are looked at


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Blob:
    """One thing found in one picture; places are parts of the picture, 0..1."""

    at: int
    """Which picture."""
    x: float
    y: float
    """The centre of its pixels."""
    area: float
    """Its pixels as a share of the picture."""
    box: Box
    colours: Shares
    cut: bool
    """Whether it touches the picture's border, so that part of it may be outside."""
    mask: Mask
    """[height, width]"""
    contrast: float = 0.0
    """Its mean CIELAB distance from what is behind it."""
    shared: bool = False
    """Whether another thing covers or touches it, so that its centre is not its own."""


def find(
    clip: Lab, behind: Lab, *, smallest: float, largest: tuple[float, float]
) -> list[list[Blob]]:
    """The things in each picture of `clip` that stand out from what is `behind` them.

    A thing is a connected patch of at least `smallest` and at most 0.7 of the picture. Flat
    shadows do not count. Parts that nearly touch are one thing if together they are no larger
    than `largest` (width, height); what is much larger is cut at its necks, if it has any.
    """
    return [
        _in_picture(picture, empty, at=index, smallest=smallest, largest=largest)
        for index, (picture, empty) in enumerate(zip(clip, behind, strict=True))
    ]


def _in_picture(
    picture: Lab, empty: Lab, *, at: int, smallest: float, largest: tuple[float, float]
) -> list[Blob]:
    apart = distance(picture, empty)
    limit = _limit(apart)
    mask = _whole((apart > limit) & ~_shadow(picture, empty, limit=limit))
    parts = [
        part
        for whole in _connected(mask)
        for part in _cut(whole, apart, limit=limit, largest=largest)
    ]
    blobs: list[Blob] = []
    for own in _joined(parts[:THINGS], largest=largest):
        if smallest <= own.mean() <= 0.7 and (apart[own] > 1.5 * limit).mean() >= 0.15:
            blob = blob_of(picture, own, at=at, firm=apart > 2 * limit)
            blobs.append(replace(blob, contrast=float(apart[own].mean())))
    return blobs


def stands_out(picture: Lab, empty: Lab) -> Mask:
    """Where `picture` surely differs from the empty place, shadows and all: [height, width]."""
    apart = distance(picture, empty)
    return apart > _limit(apart)


def _limit(apart: NDArray[np.float32]) -> float:
    """From which distance on something stands out: more in a clip that differs everywhere."""
    return float(np.clip(4 + 2.5 * np.median(apart), 7.5, 18))


def _connected(mask: Mask) -> list[Mask]:
    """The connected patches of `mask`, largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    order = sorted(range(1, count), key=lambda i: (-int(stats[i, cv2.CC_STAT_AREA]), i))
    return [labels == label for label in order]


def _sides(mask: Mask) -> tuple[int, int, int, int]:
    """[left, top, right, bottom] of a mask in pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _cut(
    whole: Mask, apart: NDArray[np.float32], *, limit: float, largest: tuple[float, float]
) -> list[Mask]:
    """A patch that is much larger than any thing, cut into what it is made of, if it falls apart.

    First only what stands out more is kept (a generator leaves a haze around things), then the
    patch is worn off at its border. Each part must hold a fifth of what is left; when it falls
    apart, every pixel goes to the nearest part.
    """
    if not _too_large(whole, largest=largest):
        return [whole]
    for rise in (1.4, 2.0, 2.8):
        clear = _whole(whole & (apart > rise * limit))
        seeds = _main_parts(clear)
        if len(seeds) > 1:
            return _nearest(clear, seeds)
        if seeds and not _too_large(seeds[0], largest=largest):
            return seeds
    worn = whole.astype(np.uint8)
    for _ in range(max(2, len(whole) // 24)):
        worn = cv2.erode(worn, np.ones((3, 3), np.uint8))
        seeds = _main_parts(worn > 0)
        if len(seeds) > 1:
            return _nearest(whole, seeds)
    return [whole]


def _too_large(mask: Mask, *, largest: tuple[float, float]) -> bool:
    height, width = mask.shape
    left, top, right, bottom = _sides(mask)
    return right - left >= 1.4 * largest[0] * width or bottom - top >= 1.4 * largest[1] * height


def _main_parts(mask: Mask) -> list[Mask]:
    return [part for part in _connected(mask) if part.sum() >= 0.2 * mask.sum()]


def _nearest(whole: Mask, seeds: list[Mask]) -> list[Mask]:
    """The pixels of `whole` by which of the seeds is nearest."""
    far = [cv2.distanceTransform((~seed).astype(np.uint8), cv2.DIST_L2, 3) for seed in seeds]
    nearest = np.argmin(np.stack(far), axis=0)
    return [whole & (nearest == index) for index in range(len(seeds))]


def _joined(parts: list[Mask], *, largest: tuple[float, float]) -> list[Mask]:
    """Parts that nearly touch, joined where the whole is still no larger than a thing.

    A part beside another is taken in only if it has less than half of the other's size: two alike
    that stand side by side stay two.
    """
    done: list[Mask] = []
    for part in sorted(parts, key=lambda part: -int(part.sum())):
        for index, whole in enumerate(done):
            if _one_thing(whole, part, largest=largest):
                done[index] = whole | part
                break
        else:
            done.append(part)
    return done


def _one_thing(one: Mask, other: Mask, *, largest: tuple[float, float]) -> bool:
    height, width = one.shape
    a, b = _sides(one), _sides(other)
    gap = max(max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3]))
    wide = (max(a[2], b[2]) - min(a[0], b[0])) / width
    high = (max(a[3], b[3]) - min(a[1], b[1])) / height
    common = min(a[2], b[2]) - max(a[0], b[0])
    stacked = common >= 0.6 * min(a[2] - a[0], b[2] - b[0])
    fits = gap <= 0.06 * height and wide <= 1.1 * largest[0] and high <= 1.1 * largest[1]
    return fits and (stacked or other.sum() < 0.5 * one.sum())


def blob_of(picture: Lab, own: Mask, *, at: int, firm: Mask) -> Blob:
    """The blob of the pixels `own` [height, width]; its `firm` ones tell its colours."""
    height, width = own.shape
    left, top, right, bottom = _sides(own)
    rows, columns = np.nonzero(own)
    core = cv2.erode(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    # Soft edges and gaps show the backdrop's colours.
    sure = next((m for m in (core & firm, own & firm, core) if m.sum() >= 0.25 * own.sum()), own)
    return Blob(
        at=at,
        x=(float(columns.mean()) + 0.5) / width,
        y=(float(rows.mean()) + 0.5) / height,
        area=float(own.mean()),
        box=(left / width, top / height, right / width, bottom / height),
        colours=shares(picture[sure]),
        cut=bool(left <= 1 or top <= 1 or right >= width - 1 or bottom >= height - 1),
        mask=own,
    )


def _shadow(picture: Lab, empty: Lab, *, limit: float) -> Mask:
    """Flat patches that are darker than the backdrop and of its hue."""
    dark = empty[..., 0] - picture[..., 0]
    tint = np.hypot(picture[..., 1] - empty[..., 1], picture[..., 2] - empty[..., 2])
    soft = (dark > 0) & (dark < 0.45 * empty[..., 0]) & (tint < limit)
    shade = (soft & (distance(picture, empty) > limit)).astype(np.uint8)
    height = shade.shape[0]
    # What survives an opening by an upright line is too tall to be a shadow on the ground.
    tall = cv2.morphologyEx(
        shade, cv2.MORPH_OPEN, np.ones((max(3, round(0.09 * height)), 1), np.uint8)
    )
    count, labels, stats, _ = cv2.connectedComponentsWithStats(shade & (1 - tall))
    flat = np.zeros(count, bool)
    for label in range(1, count):
        wide, high = stats[label, cv2.CC_STAT_WIDTH], stats[label, cv2.CC_STAT_HEIGHT]
        flat[label] = wide > 1.6 * high and high < 0.13 * height
    return flat[np.asarray(labels, np.int64)]


def _whole(mask: Mask) -> Mask:
    """`mask` without specks, with gaps and holes closed."""
    height = mask.shape[0]
    bridge = max(3, round(0.03 * height)) | 1
    closed = cv2.morphologyEx(
        opened(mask).astype(np.uint8),
        cv2.MORPH_CLOSE,
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (bridge, bridge)),
    )
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(closed, outlines, -1, 1, cv2.FILLED) > 0
