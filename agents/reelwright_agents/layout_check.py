"""Checks a layout against its shot: does it show what the scene graph says?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from reelwright_core.story import Box, Event, Layout, Relation, Shot, Track

FARTHEST = 0.3
"""How far a thing may go from one frame to the next, as a part of the picture."""
_COVERING = ("on", "behind", "in front of", "above", "below")
_SLACK = 0.025


def layout_faults(layout: Layout, shot: Shot) -> list[str]:
    """What in `layout` contradicts `shot`, each as one sentence; none is well."""
    if layout.frames != shot.frames:
        return [f"the layout has {layout.frames} frames, the shot {shot.frames}"]
    faults = list(_counts(layout, shot))
    if faults:
        return faults
    faults += _places(layout, shot)
    faults += _overlaps(layout, shot)
    faults += _motions(layout, shot)
    faults += _relations(layout, shot)
    return faults


def _counts(layout: Layout, shot: Shot) -> Iterator[str]:
    wanted = {(e.id, i) for e in shot.scene_graph.entities for i in range(e.count)}
    got = [(track.entity, track.instance) for track in layout.tracks]
    if len(set(got)) != len(got):
        yield "a thing has two tracks"
    if missing := sorted(wanted - set(got)):
        yield f"no track for {missing[0][0]} {missing[0][1]}"
    if spare := sorted(set(got) - wanted):
        yield f"a track for {spare[0][0]} {spare[0][1]}, who is not in the shot"


def _boxes(track: Track, frames: int) -> list[Box]:
    return [track.at(frame).box for frame in range(frames)]


def _places(layout: Layout, shot: Shot) -> Iterator[str]:
    for track in layout.tracks:
        boxes = _boxes(track, layout.frames)
        gone = min(
            (
                e.frames.first
                for e in _events(shot, track.entity)
                if e.action == "leaves" and e.direction
            ),
            default=layout.frames,
        )
        aspect = shot.size[0] / shot.size[1]
        topples = any(e.action == "topples" for e in _events(shot, track.entity))
        shown = [_turned(track, f, aspect) for f in range(layout.frames)] if topples else boxes
        for frame, (left, top, right, bottom) in enumerate(shown[:gone]):
            if left < -_SLACK or right > 1 + _SLACK or top < -_SLACK or bottom > 1 + _SLACK:
                yield f"{track.entity} is out of the picture in frame {frame}"
                break
        if min(b[3] - b[1] for b in boxes) < 0.05 or min(b[2] - b[0] for b in boxes) < 0.02:
            yield f"{track.entity} is too small to be seen"
        for frame, (one, two) in enumerate(pairwise(boxes), 1):
            (x1, y1), (x2, y2) = middle(one), middle(two)
            farthest = max(FARTHEST, 2.2 / _shortest(shot, track.entity))
            if max(abs(x2 - x1), abs(y2 - y1)) > farthest:
                yield f"{track.entity} leaps in frame {frame}"
                break


def _turned(track: Track, frame: int, aspect: float) -> Box:
    """The box around the thing as it is turned; `aspect` is the picture's width over height."""
    key = track.at(frame)
    left, top, right, bottom = key.box
    turn = math.radians(key.angle)
    sin, cos = abs(math.sin(turn)), abs(math.cos(turn))
    wide, high = (right - left) * aspect, bottom - top
    half_x, half_y = (wide * cos + high * sin) / 2 / aspect, (wide * sin + high * cos) / 2
    x, y = middle(key.box)
    return x - half_x, y - half_y, x + half_x, y + half_y


def _events(shot: Shot, id: str) -> list[Event]:
    return [event for event in shot.scene_graph.events if event.actor == id]


def _shortest(shot: Shot, id: str) -> int:
    return min((e.frames.last - e.frames.first + 1 for e in _events(shot, id)), default=9)


def middle(box: Box) -> tuple[float, float]:
    """The middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def shared(one: Box, two: Box) -> float:
    """How much of the smaller box the other covers inside the picture, 0 to 1."""
    one, two = _inside(one), _inside(two)
    wide = min(one[2], two[2]) - max(one[0], two[0])
    high = min(one[3], two[3]) - max(one[1], two[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = ((b[2] - b[0]) * (b[3] - b[1]) for b in (one, two))
    return wide * high / min(areas)


def _inside(box: Box) -> Box:
    left, top, right, bottom = (min(max(corner, 0.0), 1.0) for corner in box)
    return left, top, right, bottom


def _overlaps(layout: Layout, shot: Shot) -> Iterator[str]:
    related = {
        frozenset((r.subject, r.object)) for r in shot.scene_graph.relations if r.kind in _COVERING
    }
    moving = {e.actor for e in shot.scene_graph.events if e.action != "stays"}
    all_boxes = [_boxes(track, layout.frames) for track in layout.tracks]
    for i, one in enumerate(layout.tracks):
        for j in range(i + 1, len(layout.tracks)):
            two = layout.tracks[j]
            pair = frozenset((one.entity, two.entity))
            most = 0.4 if pair in related else 0.1
            passing = bool(pair & moving) and one.entity != two.entity and one.depth != two.depth
            frames = (0, layout.frames - 1) if passing or pair in related else range(layout.frames)
            for frame in frames:
                if shared(all_boxes[i][frame], all_boxes[j][frame]) > most:
                    yield f"{one.entity} and {two.entity} overlap in frame {frame}"
                    break


def _motions(layout: Layout, shot: Shot) -> Iterator[str]:
    alone = len(layout.tracks) == 1
    for event in shot.scene_graph.events:
        if event.frames.last - event.frames.first < 2 or _spent(shot, event):
            continue
        first = max(event.frames.first - 1, 0)
        for track in layout.tracks:
            if track.entity == event.actor:
                boxes = _boxes(track, layout.frames)[first : event.frames.last + 1]
                fault = _motion(event, boxes, alone=alone, only=_only(shot, event))
                if fault:
                    yield f"{event.actor} {event.action}, but {fault}"


def _spent(shot: Shot, event: Event) -> bool:
    """Whether what the actor did before leaves it no way: it is out of the picture, or down."""
    for other in _events(shot, event.actor):
        if other.frames.last >= event.frames.first:
            continue
        if other.action == "leaves" and other.direction:
            return True
        down = event.action == "falls" or event.direction == "down"
        if down and other.action in ("jumps", "bounces", "falls"):
            return True
    return False


def _only(shot: Shot, event: Event) -> bool:
    """Whether the actor does nothing else in the whole shot."""
    return len(_events(shot, event.actor)) == 1


def _motion(event: Event, boxes: Sequence[Box], *, alone: bool, only: bool) -> str:
    (x1, _), (x2, _) = middle(boxes[0]), middle(boxes[-1])
    feet = [box[3] for box in boxes]
    grown = (boxes[-1][3] - boxes[-1][1]) / (boxes[0][3] - boxes[0][1])
    sign = {"left": -1, "right": 1}.get(event.direction or "", 0)
    if event.direction is None and event.action in ("moves", "rolls"):
        sign = 1
    way = (x2 - x1) * sign
    match event.action:
        case "moves" | "rolls" | "leaves" if sign:
            least = 0.5 if alone and only and event.action != "leaves" else 0.12
            if way < least - 1e-6:
                return f"goes only {way:.2f} to the {event.direction}"
            if event.action == "leaves" and only and boxes[-1][2] > 0.01 and boxes[-1][0] < 0.99:
                return "is still in the picture"
        case "moves" | "falls" | "rises":
            up = event.action == "rises" or event.direction == "up"
            if ((feet[0] - feet[-1]) if up else (feet[-1] - feet[0])) < 0.08:
                return f"goes only from {feet[0]:.2f} to {feet[-1]:.2f}"
        case "approaches" | "leaves":
            enough = 1.5 if only else 1.2
            if not (grown >= enough if event.action == "approaches" else grown <= 1 / enough):
                return f"its size changes by {grown:.2f}"
        case "circles" if len(boxes) > 4:
            xs = [middle(box)[0] for box in boxes]
            if max(xs) - min(xs) < 0.1 or max(feet) - min(feet) < 0.05:
                return "hardly moves"
        case "jumps" | "bounces":
            if max(feet) - min(feet) < 0.06:
                return "hardly leaves the ground"
            if sign and way < 0.1:
                return f"goes only {way:.2f} to the {event.direction}"
        case "topples" | "collides" | "waves" | "swings" | "pours":
            return ""
        case _:
            if only and shared(boxes[0], boxes[-1]) < 0.99:
                return "moves"
    return ""


def _relations(layout: Layout, shot: Shot) -> Iterator[str]:
    """Relations are looked at in the last frame, where all have arrived."""
    still = not any(event.action != "stays" for event in shot.scene_graph.events)
    frames = (0, layout.frames - 1) if still else (layout.frames - 1,)
    for relation in shot.scene_graph.relations:
        if _upset(shot, relation):
            continue
        for frame in frames:
            ones = _of(layout, relation.subject, frame)
            twos = _of(layout, relation.object, frame)
            if ones and twos and not _holds(relation, ones, twos, shot=shot):
                said = f"{relation.subject} is not {relation.kind} {relation.object}"
                yield f"{said} in frame {frame}"
                break


def _upset(shot: Shot, relation: Relation) -> bool:
    """Whether one of the two goes where the relation cannot hold any more."""
    apart = (
        "leaves", "falls", "rises", "jumps", "bounces", "approaches", "circles", "topples", "swings"
    )  # fmt: skip
    both = [*_events(shot, relation.subject), *_events(shot, relation.object)]
    return any(e.action in apart or e.direction in ("up", "down") for e in both)


def _of(layout: Layout, entity: str, frame: int) -> list[tuple[Box, float]]:
    return [(t.at(frame).box, t.depth) for t in layout.tracks if t.entity == entity]


def _holds(
    relation: Relation,
    ones: Sequence[tuple[Box, float]],
    twos: Sequence[tuple[Box, float]],
    *,
    shot: Shot,
) -> bool:
    xs1, xs2 = ([middle(box)[0] for box, _ in several] for several in (ones, twos))
    match relation.kind:
        case "left of":
            return max(xs1) < min(xs2)
        case "right of":
            return min(xs1) > max(xs2)
        case "above":
            return max(box[3] for box, _ in ones) <= min(box[1] for box, _ in twos) + 0.02
        case "below":
            return min(box[1] for box, _ in ones) >= max(box[3] for box, _ in twos) - 0.02
        case "on":
            top = min(box[1] for box, _ in twos)
            return all(abs(box[3] - top) < 0.05 for box, _ in ones) and _apart(ones, twos) <= 0
        case "behind" | "in front of":
            signs = [d1 < d2 for _, d1 in ones for _, d2 in twos]
            well = all(signs) if relation.kind == "behind" else not any(signs)
            passes = any(
                e.direction for r in (relation.subject, relation.object) for e in _events(shot, r)
            )
            return well and (
                passes or _apart(ones, twos) <= 0.15 or len(shot.scene_graph.entities) > 2
            )
        case "follows":
            going = {e.direction for e in _events(shot, relation.object)} & {"left", "right"}
            if len(going) != 1:
                return True
            return max(xs1) < min(xs2) if "right" in going else min(xs1) > max(xs2)
        case _:
            limit = 0.2 if len(shot.scene_graph.entities) == 2 else 0.6
            return _apart(ones, twos) <= limit


def _apart(ones: Sequence[tuple[Box, float]], twos: Sequence[tuple[Box, float]]) -> float:
    """The smallest sideways gap between any two of them, below 0 where they overlap."""
    return min(max(b[0] - a[2], a[0] - b[2]) for a, _ in ones for b, _ in twos)
