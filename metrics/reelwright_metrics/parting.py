"""Parts what was found as one patch but is two things of different looks, touching or covering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Layout, Shot
from reelwright_metrics.backdrop import Lab, opened
from reelwright_metrics.colours import NAMES, Shares, alike, looks, memberships
from reelwright_metrics.finding import Blob, blob_of

SURE = 0.25
"""Mean logarithm of the ratio of likelihoods from which a place is surely one of two things."""
NEAR = 0.03
"""Boxes at most this far apart are drawn as one patch."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Look:
    """What an entity looks like, and how large it is in the plan."""

    colours: Shares
    size: tuple[float, float]
    """Width and height as parts of the picture: the middle of its visible boxes."""


def pairs(shot: Shot, layout: Layout) -> list[tuple[Look, Look]]:
    """The pairs of entities of different looks whose boxes touch in the plan, smaller one first."""
    found: list[tuple[Look, Look]] = []
    for one, other in combinations(shot.scene_graph.entities, 2):
        boxes = [_boxes(layout, entity.id) for entity in (one, other)]
        if not all(len(box) for box in boxes) or not _touch(boxes[0], boxes[1]):
            continue
        both = [
            Look(
                colours=looks(entity.noun, known=entity.known, colour=entity.colour),
                size=_size(box),
            )
            for entity, box in zip((one, other), boxes, strict=True)
        ]
        if alike(both[0].colours, both[1].colours) < 0.75:
            small, large = sorted(both, key=lambda look: look.size[0] * look.size[1])
            found.append((small, large))
    return found


def parted(
    pictures: Sequence[Sequence[Blob]], clip: Lab, *, pairs: Sequence[tuple[Look, Look]]
) -> list[list[Blob]]:
    """The blobs of all pictures, those parted that show both looks of a pair.

    The window of the smaller thing's size is looked for in which its colours are likeliest. If
    they are surely its own there, and the other's outside of it, the pixels in and around the
    window go to whom their surroundings resemble more. Only the size comes from the plan, not
    the place. Nothing is parted where both things are already found apart.
    """
    done: list[list[Blob]] = []
    for blobs, picture in zip(pictures, clip, strict=True):
        now = list(blobs)
        for small, large in pairs:
            if not _both_there(now, small, large):
                now = [
                    part for blob in now for part in _part(blob, picture, small=small, large=large)
                ]
        done.append(now)
    return done


def _both_there(blobs: Sequence[Blob], small: Look, large: Look) -> bool:
    """Whether two blobs already are the two things by their colours and sizes."""
    found = [{i for i, blob in enumerate(blobs) if _is(blob, look)} for look in (small, large)]
    return bool(found[0]) and bool(found[1]) and len(found[0] | found[1]) > 1


def _is(blob: Blob, look: Look) -> bool:
    """Whether it has 0.6 of a look's colours, and 0.4 to 1.4 of its width and height."""
    wide, high = blob.box[2] - blob.box[0], blob.box[3] - blob.box[1]
    fits = all(
        0.4 * due <= own <= 1.4 * due for own, due in zip((wide, high), look.size, strict=True)
    )
    return fits and alike(blob.colours, look.colours) >= 0.6


def _part(blob: Blob, picture: Lab, *, small: Look, large: Look) -> list[Blob]:
    height, width = blob.mask.shape
    ratio = np.zeros(blob.mask.shape, np.float32)
    ratio[blob.mask] = _ratios(memberships(picture[blob.mask]), small.colours, large.colours)
    weight = blob.mask.astype(np.float32)
    window = max(3, round(small.size[0] * width)), max(3, round(small.size[1] * height))
    sums = cv2.boxFilter(ratio, -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(int(sums.argmax()), sums.shape)
    inside = np.zeros(blob.mask.shape, bool)
    left, top = int(x) - window[0] // 2, int(y) - window[1] // 2
    inside[max(0, top) : top + window[1], max(0, left) : left + window[0]] = True
    smooth = cv2.GaussianBlur(ratio, (0, 0), 1.5) / (cv2.GaussianBlur(weight, (0, 0), 1.5) + 1e-3)
    own = opened(blob.mask & inside & (smooth > 0))
    rest = opened(blob.mask & ~own)
    least = 0.2 * min(small.size[0] * small.size[1] * height * width, float(blob.mask.sum()))
    if own.sum() < least or rest.sum() < least:
        return [blob]
    if ratio[own].mean() < SURE or ratio[rest].mean() > -SURE:
        return [blob]
    firm = np.ones_like(blob.mask)
    parts = [blob_of(picture, part, at=blob.at, firm=firm) for part in (own, rest)]
    return [replace(part, contrast=blob.contrast) for part in parts]


def _ratios(shares: NDArray[np.float64], one: Shares, other: Shares) -> NDArray[np.float64]:
    """Per pixel [n, 11] the logarithm of how much likelier it is part of `one` than of `other`."""
    floor = 0.2 / len(NAMES)
    return np.log((shares @ one + floor) / (shares @ other + floor))


def _boxes(layout: Layout, entity: str) -> list[list[tuple[float, float, float, float] | None]]:
    """Per track of an entity, its box in each frame, or none where it is out of view."""
    return [
        [_inside(track.at(frame).box) for frame in range(layout.frames)]
        for track in layout.tracks
        if track.entity == entity
    ]


def _inside(
    box: tuple[float, float, float, float],
) -> tuple[float, float, float, float] | None:
    left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], 1), min(box[3], 1)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _touch(
    ones: list[list[tuple[float, float, float, float] | None]],
    others: list[list[tuple[float, float, float, float] | None]],
) -> bool:
    for one in ones:
        for other in others:
            for a, b in zip(one, other, strict=True):
                if a is None or b is None:
                    continue
                across = max(a[0], b[0]) - min(a[2], b[2])
                down = max(a[1], b[1]) - min(a[3], b[3])
                if max(across, down) <= NEAR:
                    return True
    return False


def _size(boxes: list[list[tuple[float, float, float, float] | None]]) -> tuple[float, float]:
    seen = np.array([box for track in boxes for box in track if box is not None])
    if not len(seen):
        return 0.1, 0.1
    wide, high = np.median(seen[:, 2] - seen[:, 0]), np.median(seen[:, 3] - seen[:, 1])
    return float(wide), float(high)
