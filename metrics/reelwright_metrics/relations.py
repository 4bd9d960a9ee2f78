"""Whether one thing stands to another as it should, picture by picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Box, Relation, RelationKind
from reelwright_metrics import paths
from reelwright_metrics.assign import Thing, Watched

SOFTNESS = 0.04
"""The gap, as a part of the picture, at which a relation is quite sure (0.73 by the logistic)."""
NEAR = 0.2
"""Things whose boxes are at most this far apart are near each other."""

Boxes = NDArray[np.float64]
"""[pictures, 4]: left, top, right, bottom in 0..1; NaN where a thing is not seen."""


def held(relation: Relation, watched: Watched) -> tuple[float, str, NDArray[np.bool_]]:
    """Score, measured words and the failing pictures of a relation.

    The mean over the pictures in which both are seen and in which the plan has it so; over all
    in which both are seen if the plan never has.
    """
    subjects, objects = watched.of(relation.subject), watched.of(relation.object)
    pairs = _pairs(subjects, objects)
    scores: list[float] = []
    words = "not both seen"
    wrong = np.zeros(len(watched.frames), bool)
    for one, other in pairs:
        planned = holds(relation.kind, _planned_boxes(one, watched), _planned_boxes(other, watched))
        seen = holds(relation.kind, _seen_boxes(one), _seen_boxes(other))
        seen = np.where(_merged(one, other, relation.kind), np.nan, seen)
        count = np.isfinite(seen)
        due = count & (planned >= 0.5)
        if due.sum() < 0.25 * (planned >= 0.5).sum():
            due = count
        if due.any():
            scores.append(float(seen[due].mean()))
            wrong |= due & (seen < 0.5)
            words = _words(one, other)
        elif _touching(one, other) and relation.kind not in ("left of", "right of", "follows"):
            scores.append(0.6)
            words = "seen as one"
        else:
            scores.append(0.0)
            wrong |= planned >= 0.5
    return float(np.mean(scores)) if scores else 0.0, words, wrong


def held_in(relation: Relation, watched: Watched) -> NDArray[np.float64]:
    """How surely a relation holds in each picture, 0..1: [pictures], the least over its things.

    NaN where they are not both seen apart; a pair that is seen as one throughout is near each other
    with 0.6.
    """
    least = np.full(len(watched.frames), np.nan)
    for one, other in _pairs(watched.of(relation.subject), watched.of(relation.object)):
        boxes = _seen_boxes(one), _seen_boxes(other)
        seen = holds(relation.kind, *boxes)
        if relation.kind == "meets":
            seen = np.minimum(seen, holds("near", *boxes))
        seen = np.where(_merged(one, other, relation.kind), np.nan, seen)
        sided = relation.kind in ("left of", "right of", "follows")
        if not np.isfinite(seen).any() and _touching(one, other) and not sided:
            seen = np.full(len(seen), 0.6)
        least = np.fmin(least, seen)
    return least


def holds(kind: RelationKind, one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """How surely `one` stands so to `other` in each picture, 0..1, NaN where one is not seen."""
    x, y = _centre(one, 0) - _centre(other, 0), _centre(one, 1) - _centre(other, 1)
    across, down = _gap(one, other, 0), _gap(one, other, 1)
    apart = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    close = _sure(NEAR - apart)
    foot = one[:, 3] - other[:, 3]
    if kind == "left of":
        return _sure(-x)
    if kind == "right of":
        return _sure(x)
    if kind == "above":
        return _sure(-y)
    if kind == "below":
        return _sure(y)
    if kind == "near":
        return close
    if kind == "on":
        resting = _sure(0.12 - np.abs(one[:, 3] - other[:, 1]) * (one[:, 3] < other[:, 1]))
        return np.minimum(np.minimum(_sure(-y), _sure(0.02 - across)), resting)
    if kind == "behind":
        return np.minimum(close, _sure(0.1 - foot))
    if kind == "in front of":
        return np.minimum(close, _sure(0.1 + foot))
    if kind == "follows":
        return _follows(one, other)
    return _meets(one, other, close)


def _follows(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Both go the same way along x (or y), and the first one is behind."""
    centres = [
        np.stack([_centre(box, 0), _centre(box, 1), _centre(box, 1)], axis=1)
        for box in (one, other)
    ]
    moves = [paths.going(path) for path in centres]
    axis = 0 if abs(moves[1][0]) >= abs(moves[1][1]) else 1
    sign = np.sign(moves[1][axis])
    same = float(_sure(np.array(sign * moves[0][axis] - 0.05)))
    behind = sign * (_centre(other, axis) - _centre(one, axis))
    return np.minimum(_sure(behind), same)


def _meets(one: Boxes, other: Boxes, close: NDArray[np.float64]) -> NDArray[np.float64]:
    """They end up closer than they began, and close: the same value in every picture."""
    apart = np.hypot(_centre(one, 0) - _centre(other, 0), _centre(one, 1) - _centre(other, 1))
    seen = np.flatnonzero(np.isfinite(apart))
    if len(seen) < 2:
        return close
    third = max(1, len(seen) // 3)
    came = apart[seen[:third]].mean() - np.min(apart[seen[third:]], initial=np.inf)
    nearest = np.nanmax(close)
    value = min(float(_sure(np.array(came - 0.05))), float(nearest))
    return np.where(np.isfinite(apart), value, np.nan)


def _sure(gap: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(gap / SOFTNESS, -30, 30)))


def _centre(boxes: Boxes, axis: int) -> NDArray[np.float64]:
    return (boxes[:, axis] + boxes[:, axis + 2]) / 2


def _gap(one: Boxes, other: Boxes, axis: int) -> NDArray[np.float64]:
    """The empty room between two boxes along an axis; negative where they overlap."""
    return np.maximum(one[:, axis] - other[:, axis + 2], other[:, axis] - one[:, axis + 2])


def _seen_boxes(thing: Thing) -> Boxes:
    boxes = np.full((len(thing.planned), 4), np.nan)
    if thing.trace is not None:
        for blob in thing.trace.blobs:
            boxes[blob.at] = blob.box
    return boxes


def _planned_boxes(thing: Thing, watched: Watched) -> Boxes:
    boxes = np.full((len(thing.planned), 4), np.nan)
    for track in watched.layout.tracks:
        if (track.entity, track.instance) == (thing.entity.id, thing.instance):
            for index in np.flatnonzero(np.isfinite(thing.planned[:, 0])).tolist():
                box: Box = track.at(int(watched.frames[index])).box
                boxes[index] = np.clip(box, 0, 1)
    return boxes


def _pairs(subjects: list[Thing], objects: list[Thing]) -> list[tuple[Thing, Thing]]:
    """Each subject with the object planned nearest to it."""
    return [(one, min(objects, key=lambda other: _apart(one, other))) for one in subjects]


def _apart(one: Thing, other: Thing) -> float:
    apart = np.hypot(*(one.planned[:, :2] - other.planned[:, :2]).T)
    return float(np.nanmean(apart)) if np.isfinite(apart).any() else np.inf


def _merged(one: Thing, other: Thing, kind: RelationKind) -> NDArray[np.bool_]:
    """Where both are one blob, so that nothing can be said of how they stand."""
    merged = np.zeros(len(one.planned), bool)
    if one.trace is None or other.trace is None or kind in ("near", "meets"):
        return merged
    for blob in one.trace.blobs:
        twin = other.trace.at(blob.at)
        merged[blob.at] = twin is not None and twin.box == blob.box
    return merged


def _touching(one: Thing, other: Thing) -> bool:
    return bool(_merged(one, other, "on").any())


def _words(one: Thing, other: Thing) -> str:
    if one.trace is None or other.trace is None:
        return "not both seen"
    x = np.nanmedian(_centre(_seen_boxes(one), 0) - _centre(_seen_boxes(other), 0))
    y = np.nanmedian(_centre(_seen_boxes(one), 1) - _centre(_seen_boxes(other), 1))
    side = f"{abs(x):.0%} to the {'right' if x > 0 else 'left'}".replace("%", " %")
    level = f"{abs(y):.0%} {'below' if y > 0 else 'above'}".replace("%", " %")
    return f"{side}, {level}"
