"""Checks a layout against its shot: does it show what the scene graph says?

A verifier by rules, the same for the same input: it measures boxes and asks nobody. What it finds
goes back to who made the layout, as FlowZero (arXiv 2311.15813) and GenMAC (arXiv 2412.04440) do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from reelwright_core.story import (
    Box,
    Event,
    FrameSpan,
    Layout,
    LayoutFault,
    LayoutFaultKind,
    Relation,
    Shot,
    Track,
)

STEP = 0.12
"""How far a thing may always go from one frame to the next, as a part of the picture."""
SLOWEST = 0.12
"""How far what goes sideways must get at least; what is alone and only goes must get `FARTHEST`."""
FARTHEST = 0.5
EARLY = 0.1
"""How far a thing may get while nothing happens to it."""
_COVERING = ("on", "behind", "in front of", "above", "below")
_SLACK = 0.025
_LEAST = (0.02, 0.05)
"""How wide and high a thing must be to be seen."""
_MOST = 0.97
"""How wide and high it may be: more, and the picture holds nothing else."""
_SWELL = 1.3
"""How much a size or a shape may change by itself."""


def check_layout(layout: Layout, shot: Shot) -> list[LayoutFault]:
    """What in `layout` contradicts `shot`; none is well.

    Wrong frames or tracks are told alone, as the rest would only follow from them.
    """
    if layout.frames != shot.frames:
        text = f"the layout has {layout.frames} frames, the shot {shot.frames}"
        return [LayoutFault(kind="time", text=text)]
    if faults := list(_counts(layout, shot)):
        return faults
    check = _Check(layout, shot)
    return [
        *check.places(),
        *check.sizes(),
        *check.jumps(),
        *check.overlaps(),
        *check.motions(),
        *check.times(),
        *check.relations(),
    ]


def layout_faults(layout: Layout, shot: Shot) -> list[str]:
    """What `check_layout` finds, each as one sentence."""
    return [fault.text for fault in check_layout(layout, shot)]


def _counts(layout: Layout, shot: Shot) -> Iterator[LayoutFault]:
    wanted = {(e.id, i) for e in shot.scene_graph.entities for i in range(e.count)}
    got = [(track.entity, track.instance) for track in layout.tracks]
    for entity, instance in sorted({one for one in got if got.count(one) > 1}):
        yield _fault("count", f"{entity} {instance} has two tracks: leave one out", entity)
    for entity, instance in sorted(wanted - set(got)):
        yield _fault("count", f"no track for {entity} {instance}: it must be in it", entity)
    for entity, instance in sorted(set(got) - wanted):
        text = f"a track for {entity} {instance}, which is not in the shot: leave it out"
        yield _fault("count", text, entity)


def _fault(
    kind: LayoutFaultKind, text: str, entity: str, frames: tuple[int, int] | None = None
) -> LayoutFault:
    span = FrameSpan(first=frames[0], last=frames[1]) if frames else None
    return LayoutFault(kind=kind, text=text, entity=entity, frames=span)


def _first_run(frames: Sequence[int]) -> tuple[int, int]:
    """The first frames without a gap."""
    _, run = next(groupby(enumerate(frames), key=lambda each: each[1] - each[0]))
    members = [frame for _, frame in run]
    return members[0], members[-1]


class _Check:
    def __init__(self, layout: Layout, shot: Shot) -> None:
        self.layout, self.shot = layout, shot
        self.frames = layout.frames
        self.boxes = [
            [track.at(frame).box for frame in range(layout.frames)] for track in layout.tracks
        ]
        self.ground = [_with_background(boxes[0], layout) for boxes in self.boxes]
        """Where each thing would be if it rested on the background."""

    def events(self, entity: str) -> list[Event]:
        return [event for event in self.shot.scene_graph.events if event.actor == entity]

    def each(self) -> Iterator[tuple[Track, list[Box]]]:
        yield from zip(self.layout.tracks, self.boxes, strict=True)

    def alone(self) -> bool:
        return len(self.layout.tracks) == 1

    def sliding(self) -> bool:
        return self.layout.background_shift != (0, 0) or self.layout.background_zoom != 1

    # where -------------------------------------------------------------------

    def places(self) -> Iterator[LayoutFault]:
        aspect = self.shot.size[0] / self.shot.size[1]
        for track, boxes in self.each():
            events = self.events(track.entity)
            gone = min(
                (e.frames.first for e in events if e.action == "leaves" and e.direction),
                default=self.frames,
            )
            topples = any(e.action == "topples" for e in events)
            shown = [_turned(track, f, aspect) for f in range(self.frames)] if topples else boxes
            out = [f for f, box in enumerate(shown[:gone]) if _is_outside(box)]
            if out:
                first, last = _first_run(out)
                text = f"{track.entity} is out of the picture in frame {first}: keep it inside"
                yield _fault("off-screen", text, track.entity, (first, last))

    def sizes(self) -> Iterator[LayoutFault]:
        seen: dict[str, list[Box]] = {}
        for track, boxes in self.each():
            entity = track.entity
            inside = [
                f for f, box in enumerate(boxes)
                if box[2] > 0 and box[0] < 1 and box[3] > 0 and box[1] < 1
            ]  # fmt: skip
            small = [
                f for f in inside if _wide(boxes[f]) < _LEAST[0] or _high(boxes[f]) < _LEAST[1]
            ]
            large = [f for f in inside if max(_wide(boxes[f]), _high(boxes[f])) > _MOST]
            if small:
                text = f"{entity} is too small to be seen: make it larger"
                yield _fault("size", text, entity, _first_run(small))
            elif large:
                text = f"{entity} is too large for the picture: make it smaller"
                yield _fault("size", text, entity, _first_run(large))
            else:
                yield from self._swelling(track, boxes)
            mate = seen.setdefault(entity, boxes)
            ratio = _high(boxes[0]) / _high(mate[0])
            if not 1 / _SWELL <= ratio <= _SWELL:
                text = f"the {entity} differ in size by {ratio:.2f}: make them alike"
                yield _fault("size", text, entity, (0, 0))

    def _swelling(self, track: Track, boxes: Sequence[Box]) -> Iterator[LayoutFault]:
        """Sizes change only as a thing comes nearer or goes away, shapes only as it turns."""
        events = self.events(track.entity)
        if any(e.action in ("approaches", "topples") for e in events) or any(
            e.action == "leaves" and e.direction is None for e in events
        ):
            return
        zoom = self.layout.background_zoom
        most = _SWELL * max(zoom, 1 / zoom)
        highs = [_high(box) for box in boxes]
        off = [f for f, high in enumerate(highs) if not 1 / most <= high / highs[0] <= most]
        if off:
            change = max((highs[f] / highs[0] for f in off), key=lambda c: abs(math.log(c)))
            text = f"the size of {track.entity} changes by {change:.2f}: keep it the same"
            yield _fault("size", text, track.entity, _first_run(off))
            return
        shapes = [_wide(box) / high for box, high in zip(boxes, highs, strict=True)]
        off = [f for f, s in enumerate(shapes) if not 1 / _SWELL <= s / shapes[0] <= _SWELL]
        if off:
            text = f"{track.entity} is stretched in frame {off[0]}: keep its shape"
            yield _fault("size", text, track.entity, _first_run(off))

    def jumps(self) -> Iterator[LayoutFault]:
        for track, boxes in self.each():
            events = self.events(track.entity)
            for frame, (one, two) in enumerate(pairwise(boxes), 1):
                (x1, y1), (x2, y2) = middle(one), middle(two)
                active = [e for e in events if max(e.frames.first - 1, 0) < frame <= e.frames.last]
                across = max(STEP, sum(_pace(e, sideways=True) for e in active))
                down = max(STEP, sum(_pace(e, sideways=False) for e in active))
                if abs(x2 - x1) > across or abs(y2 - y1) > down:
                    text = f"{track.entity} leaps in frame {frame}: let it go there slowly"
                    yield _fault("jump", text, track.entity, (frame, frame))
                    break

    def overlaps(self) -> Iterator[LayoutFault]:
        graph, tracks = self.shot.scene_graph, self.layout.tracks
        related = {frozenset((r.subject, r.object)) for r in graph.relations if r.kind in _COVERING}
        topple = {e.actor for e in graph.events if e.action == "topples"}
        # What is knocked over falls onto what it stood beside.
        related |= {
            frozenset((r.subject, r.object))
            for r in graph.relations
            if r.kind == "meets" and topple & {r.subject, r.object}
        }
        moving = {e.actor for e in graph.events if e.action != "stays"}
        for i, one in enumerate(tracks):
            for j in range(i + 1, len(tracks)):
                two = tracks[j]
                pair = frozenset((one.entity, two.entity))
                most = 0.4 if pair in related else 0.1
                passing = bool(pair & moving) and one.entity != two.entity
                passing = passing and one.depth != two.depth
                ends = passing or pair in related
                frames = (0, self.frames - 1) if ends else range(self.frames)
                over = [f for f in frames if shared(self.boxes[i][f], self.boxes[j][f]) > most]
                if over:
                    first, last = _first_run(over)
                    text = (
                        f"{one.entity} and {two.entity} overlap in frame {first}: "
                        "place them further apart"
                    )
                    yield _fault("overlap", text, one.entity, (first, last))

    # what happens ------------------------------------------------------------

    def motions(self) -> Iterator[LayoutFault]:
        for event in self.shot.scene_graph.events:
            if event.frames.last - event.frames.first < 2 or self._spent(event):
                continue
            first, last = max(event.frames.first - 1, 0), event.frames.last
            only = len(self.events(event.actor)) == 1
            for track, boxes, rested in zip(
                self.layout.tracks, self.boxes, self.ground, strict=True
            ):
                if track.entity != event.actor:
                    continue
                span = boxes[first : last + 1]
                wrong = _motion(event, span, alone=self.alone(), only=only)
                if wrong == "moves" and self.sliding() and _near(boxes[-1], rested):
                    continue  # it rests on a background that moves
                if wrong:
                    kind: LayoutFaultKind = "size" if "size" in wrong else "direction"
                    text = f"{event.actor} {event.action}, but {wrong}"
                    yield _fault(kind, text, event.actor, (event.frames.first, last))
                    break

    def _spent(self, event: Event) -> bool:
        """Whether what the actor did before leaves it no way: out of the picture, or down."""
        for other in self.events(event.actor):
            if other.frames.last >= event.frames.first:
                continue
            if other.action == "leaves" and other.direction:
                return True
            down = event.action == "falls" or event.direction == "down"
            if down and other.action in ("jumps", "bounces", "falls"):
                return True
        return False

    def times(self) -> Iterator[LayoutFault]:
        """What moves does so within its events."""
        for track, boxes in self.each():
            events = [e for e in self.events(track.entity) if e.action != "stays"]
            if not events:
                continue
            busy = {
                frame
                for event in events
                for frame in range(max(event.frames.first, 1), event.frames.last + 1)
            }
            idle = [frame for frame in range(1, self.frames) if frame not in busy]
            while idle:
                first, last = _first_run(idle)
                idle = [frame for frame in idle if frame > last]
                (x1, y1), (x2, y2) = middle(boxes[first - 1]), middle(boxes[last])
                way = math.hypot(x2 - x1, y2 - y1)
                if way > EARLY + self._slid(first - 1, last):
                    when = _when(events, first)
                    text = f"{track.entity} moves {when}, in frames {first} to {last}: let it rest"
                    yield _fault("time", text, track.entity, (first, last))
                    break

    def _slid(self, first: int, last: int) -> float:
        """How far the background takes things at most between two frames."""
        part = (last - first) / max(self.frames - 1, 1)
        zoom = abs(math.log(self.layout.background_zoom)) * 0.7
        return (math.hypot(*self.layout.background_shift) + zoom) * part

    def relations(self) -> Iterator[LayoutFault]:
        """Relations are looked at in the last frame, where all have arrived."""
        shot, last = self.shot, self.frames - 1
        still = not any(event.action != "stays" for event in shot.scene_graph.events)
        for relation in shot.scene_graph.relations:
            if self._upset(relation):
                continue
            for frame in (0, last) if still else (last,):
                ones, twos = self._of(relation.subject, frame), self._of(relation.object, frame)
                if ones and twos and not _holds(relation, ones, twos, shot=shot):
                    said = f"{relation.subject} is not {relation.kind} {relation.object}"
                    text = f"{said} in frame {frame}: place them so"
                    yield _fault("relation", text, relation.subject, (frame, frame))
                    break

    def _upset(self, relation: Relation) -> bool:
        """Whether one of the two goes where the relation cannot hold any more."""
        apart = (
            "leaves", "falls", "rises", "jumps", "bounces", "approaches", "circles", "topples",
            "swings",
        )  # fmt: skip
        both = [*self.events(relation.subject), *self.events(relation.object)]
        return any(e.action in apart or e.direction in ("up", "down") for e in both)

    def _of(self, entity: str, frame: int) -> list[tuple[Box, float]]:
        return [(t.at(frame).box, t.depth) for t in self.layout.tracks if t.entity == entity]


def _when(events: Sequence[Event], frame: int) -> str:
    before = any(event.frames.last < frame for event in events)
    after = any(event.frames.first > frame for event in events)
    return "between its times" if before and after else "after its time" if before else "too early"


def _pace(event: Event, *, sideways: bool) -> float:
    """How far an event may take a thing in a frame: half as much again as its fastest step."""
    frames = event.frames.last - max(event.frames.first - 1, 0)
    if event.action in ("bounces", "jumps", "topples", "swings", "circles"):
        return (1.6 if sideways else 6.0) / max(frames, 1)
    fast = event.action in ("falls", "rises") or event.action == "leaves"
    return (3.0 if fast else 1.6) / max(frames, 1)


def _with_background(box: Box, layout: Layout) -> Box:
    """Where a thing that rests on the background is in the last frame; `box` in the first."""
    zoom, (across, down) = layout.background_zoom, layout.background_shift
    left, right = (0.5 + (x - 0.5) * zoom + across for x in (box[0], box[2]))
    top, bottom = (0.5 + (y - 0.5) * zoom + down for y in (box[1], box[3]))
    return left, top, right, bottom


def _near(one: Box, two: Box) -> bool:
    (x1, y1), (x2, y2) = middle(one), middle(two)
    return math.hypot(x2 - x1, y2 - y1) <= EARLY


def _wide(box: Box) -> float:
    return box[2] - box[0]


def _high(box: Box) -> float:
    return box[3] - box[1]


def _is_outside(box: Box) -> bool:
    return min(box) < -_SLACK or max(box) > 1 + _SLACK


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
    areas = (_wide(box) * _high(box) for box in (one, two))
    return wide * high / min(areas)


def _inside(box: Box) -> Box:
    left, top, right, bottom = (min(max(corner, 0.0), 1.0) for corner in box)
    return left, top, right, bottom


def _motion(event: Event, boxes: Sequence[Box], *, alone: bool, only: bool) -> str:
    (x1, _), (x2, _) = middle(boxes[0]), middle(boxes[-1])
    feet = [box[3] for box in boxes]
    grown = _high(boxes[-1]) / _high(boxes[0])
    way_said = event.direction
    if event.direction is None and event.action in ("moves", "rolls"):
        way_said = "right"
    sign = {"left": -1, "right": 1}.get(way_said or "", 0)
    way = (x2 - x1) * sign
    match event.action:
        case "moves" | "rolls" | "leaves" if sign:
            least = FARTHEST if alone and only and event.action != "leaves" else SLOWEST
            if way < least - 1e-6:
                return f"goes only {way:.2f} to the {way_said}: make the way longer"
            if event.action == "leaves" and only and boxes[-1][2] > 0.01 and boxes[-1][0] < 0.99:
                return "is still in the picture at the end: take it out"
        case "moves" | "falls" | "rises":
            up = event.action == "rises" or event.direction == "up"
            if ((feet[0] - feet[-1]) if up else (feet[-1] - feet[0])) < 0.08:
                wanted = "up" if up else "down"
                return (
                    f"goes only from {feet[0]:.2f} to {feet[-1]:.2f}: make the way {wanted} longer"
                )
        case "approaches" | "leaves":
            enough = 1.5 if only else 1.2
            if not (grown >= enough if event.action == "approaches" else grown <= 1 / enough):
                return f"its size changes by {grown:.2f}: change it more"
        case "circles" if len(boxes) > 4:
            xs = [middle(box)[0] for box in boxes]
            if max(xs) - min(xs) < 0.1 or max(feet) - min(feet) < 0.05:
                return "hardly moves: make the movement larger"
        case "jumps" | "bounces":
            if max(feet) - min(feet) < 0.06:
                return "hardly leaves the ground: make the movement larger"
            if sign and way < 0.1:
                return f"goes only {way:.2f} to the {way_said}: make the way longer"
        case "topples" | "collides" | "waves" | "swings" | "pours":
            return ""
        case _:
            if only and shared(boxes[0], boxes[-1]) < 0.99:
                return "moves"
    return ""


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
            events = [
                e for e in shot.scene_graph.events
                if e.actor in (relation.subject, relation.object)
            ]  # fmt: skip
            passes = any(event.direction for event in events)
            return well and (
                passes or _apart(ones, twos) <= 0.15 or len(shot.scene_graph.entities) > 2
            )
        case "follows":
            going = {e.direction for e in shot.scene_graph.events if e.actor == relation.object}
            going &= {"left", "right"}
            if len(going) != 1:
                return True
            return max(xs1) < min(xs2) if "right" in going else min(xs1) > max(xs2)
        case _:
            limit = 0.2 if len(shot.scene_graph.entities) == 2 else 0.6
            return _apart(ones, twos) <= limit


def _apart(ones: Sequence[tuple[Box, float]], twos: Sequence[tuple[Box, float]]) -> float:
    """The smallest sideways gap between any two of them, below 0 where they overlap."""
    return min(max(b[0] - a[2], a[0] - b[2]) for a, _ in ones for b, _ in twos)
