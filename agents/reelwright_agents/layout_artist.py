"""Stages a shot by rules: where every thing is in every frame, the same for the same shot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from reelwright_agents.keyframes import needed
from reelwright_agents.layout_check import check_layout, layout_faults
from reelwright_agents.mending import STRENGTHS, Changes, changes, granted, wishes
from reelwright_agents.motions import CIRCLE, Pose, Room, poses
from reelwright_core.story import (
    Direction,
    Entity,
    Event,
    Keyframe,
    Layout,
    Lens,
    RelationKind,
    SceneGraph,
    Shot,
    Track,
)
from reelwright_simulators import cutouts
from reelwright_simulators.places import GROUND

__all__ = ["layout_faults", "make_layout"]

MARGIN = 0.04
GAP = 0.04
_OVERLAP = 0.3
"""How much of the narrower of two things is covered when one is behind the other."""
_SIZES = {"small": 0.7, "medium": 1.0, "large": 1.35}
_LENSES: Mapping[Lens, Sequence[float]] = MappingProxyType(
    {"wide": (0.72,), "normal": (1.0,), "long": (1.3, 1.15, 1.0)}
)
"""How large things are through a lens; the later where there is no room for the earlier."""
_CROWD = (1.0, 1.0, 0.88, 0.78, 0.7)
_LEAST = 0.001
"""A box is at least this wide and high, of the picture."""
_PANS = {"pan left": 0.3, "pan right": -0.3}
_ZOOMS = {"zoom in": 1.35, "zoom out": 0.75}
_STACKS = ("on", "above", "below")
_GOING = ("moves", "rolls", "bounces", "jumps", "leaves")


def make_layout(shot: Shot, *, faults: Sequence[str] = (), earlier: Layout | None = None) -> Layout:
    """Where everything in `shot` is in each frame.

    `faults` are what a critic or a verifier found in `earlier`, or in the layout that this makes
    without faults: the answer is larger, further apart, on a longer way, slower, earlier or with
    more time between, as they ask, and never has more faults of the verifier than without. Where
    none of it can be had, nothing is changed.
    """
    usual = _sound(shot, Changes())
    wanted = wishes(shot, faults)
    if not wanted:
        return usual
    most = len(check_layout(usual, shot))
    best, granting = usual, 0
    for strength in STRENGTHS:
        layout = _sound(shot, changes(shot, wanted, strength))
        if len(check_layout(layout, shot)) > most:
            continue
        grants = granted(layout, earlier or usual, wanted)
        if grants > granting:
            best, granting = layout, grants
        if granting == len(wanted):
            break
    return best


def _sound(shot: Shot, change: Changes) -> Layout:
    """The layout with as few faults as there can be: things are made smaller until it has none."""
    best: tuple[int, Layout] | None = None
    lenses = _LENSES[shot.lens]
    tried = [(lens, 1.0) for lens in lenses[:-1]]
    tried += [(lenses[-1], shrink) for shrink in (1.0, 0.85, 0.7, 0.55)]
    for lens, shrink in tried:
        layout = _Staging(shot=shot, scale=shrink, lens=lens, change=change).layout()
        wrong = len(check_layout(layout, shot))
        if best is None or wrong < best[0]:
            best = (wrong, layout)
        if not wrong:
            break
    assert best is not None
    return best[1]


@dataclass(kw_only=True, slots=True)
class _Thing:
    """An entity with its size, and how it starts."""

    entity: Entity
    events: list[Event]
    going: Direction | None
    """Which way it goes first, if it goes to a side."""
    wide: float
    high: float
    gap: float
    lively: float = 1.0
    margin: float = MARGIN
    """How near to the picture's edges its way leads."""
    x: float = 0.5
    foot: float = 0.8
    depth: float = 0.0
    parent: str = ""
    """What it stands on, or is above or below of."""
    left: float = MARGIN
    right: float = 1 - MARGIN

    @property
    def pad(self) -> float:
        circles = any(event.action == "circles" for event in self.events)
        return CIRCLE[0] * self.lively if circles else 0.0

    @property
    def span(self) -> float:
        """The width of all its instances together."""
        return self.entity.count * (self.wide + self.gap) - self.gap

    def resize(self, factor: float) -> None:
        self.wide *= factor
        self.high *= factor
        self.gap *= factor


@dataclass(kw_only=True)
class _Staging:
    shot: Shot
    scale: float
    lens: float
    change: Changes
    gap: float = GAP
    things: dict[str, _Thing] = field(init=False)

    def __post_init__(self) -> None:
        graph = _painted(self.shot.scene_graph)
        graph = graph.model_copy(update={"events": self.change.timed(graph.events)})
        self.scale *= self.lens
        self.shot = self.shot.model_copy(update={"scene_graph": graph})
        self.aspect = self.shot.size[0] / self.shot.size[1]
        line = GROUND[self.shot.place]
        self.ground = 0.88 if line is None else min(line + 0.04, 0.95)
        self.floats = line is None
        crowd = (
            _CROWD[min(sum(e.count for e in graph.entities), len(_CROWD)) - 1]
            if graph.entities
            else 1.0
        )
        self.things = {
            entity.id: self._thing(entity, crowd * self.scale) for entity in graph.entities
        }

    def _thing(self, entity: Entity, scale: float) -> _Thing:
        cut = cutouts.find(entity.noun) if entity.known else None
        shape = 1.0
        if cut is not None:
            picture = cutouts.picture(cut.noun)
            shape = picture.shape[1] / picture.shape[0]
        events = [e for e in self.shot.scene_graph.events if e.actor == entity.id]
        events.sort(key=lambda e: e.frames.first)
        more = self.change.scale.get(entity.id, 1.0)
        size = _SIZES[entity.size] * more
        high = min((0.3 + 0.2 * min(cut.height if cut else 0.6, 1.5)) * size * scale, 0.72)
        wide = high * shape / self.aspect
        widest = (0.42 if entity.count == 1 else 0.36) * more * self.lens
        if wide > widest:
            high, wide = high * widest / wide, widest
        return _Thing(
            entity=entity, events=events, going=_going(events), wide=wide, high=high,
            gap=min(0.3 * wide, self.gap) * self.change.gap.get(entity.id, 1.0),
            lively=self.change.lively.get(entity.id, 1.0),
            margin=MARGIN / self.change.lively.get(entity.id, 1.0) ** 2,
        )  # fmt: skip

    def layout(self) -> Layout:
        self._stack()
        bases = [thing for thing in self.things.values() if not thing.parent]
        movers = [thing for thing in bases if thing.going]
        still = self._ordered([thing for thing in bases if not thing.going])
        self._set_heights()
        self._place_movers(movers, still)
        self._place_still(still, movers)
        self._meet(movers)
        self._slow_down(movers)
        self._set_depths()
        self._set_on_top()
        tracks = [track for thing in self.things.values() for track in self._tracks(thing)]
        camera = self.shot.camera
        return Layout(
            frames=self.shot.frames, tracks=tracks,
            background_shift=(_PANS.get(camera, 0.0), 0.0),
            background_zoom=_ZOOMS.get(camera, 1.0),
        )  # fmt: skip

    # who stands where --------------------------------------------------------

    def _relations(self, *kinds: RelationKind) -> Iterable[tuple[_Thing, RelationKind, _Thing]]:
        for r in self.shot.scene_graph.relations:
            if r.kind in kinds and r.subject != r.object:
                yield self.things[r.subject], r.kind, self.things[r.object]

    def _stack(self) -> None:
        """Finds for each thing that is on, above or below another the one that carries it."""
        for subject, kind, other in self._relations("on", "above", "below"):
            upper, lower = (other, subject) if kind == "below" else (subject, other)
            if upper.parent or self._carries(upper, lower):
                continue
            if _upright(lower.events) and not _upright(upper.events):
                continue  # it would run into the other
            if upper.going != lower.going and kind != "on" and upper.going:
                continue  # it goes its own way above the other
            upper.parent = lower.entity.id
            fits = max(lower.span * 1.2, 0.3)
            if upper.span > fits:
                upper.resize(fits / upper.span)
            if upper.going and not lower.going:
                upper.going = None
        for thing in self.things.values():
            tower = self._tower(thing)
            high = sum(t.high for t in tower) + sum(self._clear(t) for t in tower[1:])
            climbs = any(_upright(part.events) for part in tower) and len(tower) > 1
            most = (self.ground - MARGIN) * (0.65 if climbs else 1.0)
            if high > most:
                for part in tower:
                    part.resize(most / high * 0.98)

    def _clear(self, thing: _Thing) -> float:
        """How much air is under a thing that is above another."""
        gap = max(self.change.gap.get(id, 1.0) for id in (thing.entity.id, thing.parent))
        return 0.03 + 0.05 * (gap - 1)

    def _carries(self, lower: _Thing, upper: _Thing) -> bool:
        """Whether `upper` stands, at last, on `lower`."""
        at = upper
        while at.parent:
            at = self.things[at.parent]
        return at is lower

    def _tower(self, base: _Thing) -> list[_Thing]:
        tower = [base]
        for thing in self.things.values():
            if thing.parent == base.entity.id:
                tower += self._tower(thing)
        return tower

    def _span(self, thing: _Thing) -> float:
        """The width of a thing with all that it carries."""
        return max(part.span + 2 * part.pad for part in self._tower(thing))

    def _ordered(self, things: Sequence[_Thing]) -> list[_Thing]:
        """From left to right, as the relations want it, else as they are named."""
        order: list[_Thing] = []
        for thing in things:
            at = len(order)
            for subject, kind, other in self._relations(
                "left of", "right of", "near", "behind", "in front of"
            ):
                base, mate = self._base(subject), self._base(other)
                if thing is base and mate in order:
                    at = order.index(mate) + (kind != "left of")
                elif thing is mate and base in order:
                    at = order.index(base) + (kind != "right of")
            order.insert(at, thing)
        for _ in order:
            for subject, kind, other in self._relations("left of", "right of"):
                one, two = (subject, other) if kind == "left of" else (other, subject)
                one, two = self._base(one), self._base(two)
                if one in order and two in order and order.index(one) > order.index(two):
                    order.remove(one)
                    order.insert(order.index(two), one)
        return order

    def _base(self, thing: _Thing) -> _Thing:
        while thing.parent:
            thing = self.things[thing.parent]
        return thing

    def _gap_between(self, one: _Thing, two: _Thing) -> float:
        pair = {one.entity.id, two.entity.id}
        for subject, _, other in self._relations("behind", "in front of"):
            if {subject.entity.id, other.entity.id} == pair:
                return -_OVERLAP * min(one.wide, two.wide)
        return self.gap * max(self.change.gap.get(id, 1.0) for id in pair)

    def _row(self, things: Sequence[_Thing]) -> float:
        """The width of things side by side."""
        pairs = pairwise(things)
        return sum(self._span(t) for t in things) + sum(self._gap_between(a, b) for a, b in pairs)

    def _set_row(self, things: Sequence[_Thing], left: float) -> None:
        for i, thing in enumerate(things):
            thing.x = left + self._span(thing) / 2
            left += self._span(thing)
            if i + 1 < len(things):
                left += self._gap_between(thing, things[i + 1])

    def _shrink(self, things: Sequence[_Thing], to: float) -> None:
        """Makes things smaller until their row is at most `to` wide."""
        for _ in range(6):
            width = self._row(things)
            if width <= to:
                return
            padded = sum(2 * max(p.pad for p in self._tower(t)) for t in things)
            factor = max((to - padded) / max(width - padded, 1e-6), 0.3) * 0.99
            for thing in things:
                for part in self._tower(thing):
                    part.resize(factor)

    def _place_movers(self, movers: Sequence[_Thing], still: Sequence[_Thing]) -> None:
        """Things that go the same way first go in one convoy, from the side they come from."""
        for way in ("right", "left"):
            convoy = self._convoy([m for m in movers if m.going == way], way)
            if not convoy:
                continue
            several = sum(t.entity.count for t in convoy) > 1
            more = self._more_room(convoy)
            self._shrink(convoy, (0.5 if several else 0.4) * more)
            if still:
                self._shrink(convoy, (0.36 if several else 0.3) * more)
            if self._mates(convoy):
                self._shrink(convoy, 0.24 * more)
            width = self._row(convoy)
            margin = min(thing.margin for thing in convoy)
            self._set_row(convoy, margin if way == "right" else 1 - margin - width)
            for i, thing in enumerate(convoy):
                before, after = self._row(convoy[: i + 1]), self._row(convoy[i:])
                span = self._span(thing)
                thing.left = margin + before - span
                thing.right = 1 - margin - after + span
                thing.depth = 1.0 + (way == "left") * 0.5 + i * 0.05

    def _more_room(self, things: Sequence[_Thing]) -> float:
        """By how much a row may be wider than usual, as its things are to be larger or apart."""
        ids = [part.entity.id for thing in things for part in self._tower(thing)]
        scale = max(self.change.scale.get(id, 1.0) for id in ids)
        gap = max(self.change.gap.get(id, 1.0) for id in ids)
        return scale * (1.15 if gap > 1 else 1.0) * self.lens

    def _convoy(self, things: Sequence[_Thing], way: str) -> list[_Thing]:
        order = self._ordered(things)
        for _ in order:
            for behind, _, ahead in self._relations("follows"):
                one, two = (behind, ahead) if way == "right" else (ahead, behind)
                if one in order and two in order and order.index(one) > order.index(two):
                    order.remove(one)
                    order.insert(order.index(two), one)
        return order

    def _mates(self, movers: Sequence[_Thing]) -> list[tuple[_Thing, str, _Thing]]:
        """Still things that a mover must stay beside: (mover, side that it keeps to, the other)."""
        found: list[tuple[_Thing, str, _Thing]] = []
        for s, kind, o in self._relations("left of", "right of", "near", "meets", "follows"):
            subject, other = self._base(s), self._base(o)
            for mover, mate, side in ((subject, other, kind), (other, subject, _turned(kind))):
                if mover in movers and not mate.going:
                    if side not in ("left of", "right of"):
                        side = "left of" if mover.going == "right" else "right of"
                    found.append((mover, side, mate))
        return found

    def _place_still(self, still: Sequence[_Thing], movers: Sequence[_Thing]) -> None:
        if not still:
            return
        mates = self._mates(movers)
        left, right = MARGIN, 1 - MARGIN
        for way in ("right", "left"):
            width = self._row([m for m in movers if m.going == way])
            if not width:
                continue
            width += self.gap
            on_way_in = [m for m in mates if m[0].going == way]
            if any(side == "left of" for _, side, _ in on_way_in):
                left = max(left, MARGIN + width + 0.3)
            elif any(side == "right of" for _, side, _ in on_way_in):
                right = min(right, 1 - MARGIN - width - 0.3)
            else:
                left, right = max(left, MARGIN + width), min(right, 1 - MARGIN - width)
        over = [(_topples(t.events), t) for t in still]
        left += max((t.high / self.aspect for way, t in over if way == "left"), default=0.0)
        right -= max((t.high / self.aspect for way, t in over if way == "right"), default=0.0)
        self._shrink(still, max(right - left, 0.12))
        width = self._row(still)
        if any(side == "left of" for _, side, _ in mates):
            self._set_row(still, right - width)
        elif mates:
            self._set_row(still, left)
        else:
            self._set_row(still, (left + right - width) / 2)
        for mover, side, mate in mates:
            if side == "left of":
                mover.right = min(mover.right, mate.x - self._span(mate) / 2 - 0.02)
            else:
                mover.left = max(mover.left, mate.x + self._span(mate) / 2 + 0.02)
            half = self._span(mover) / 2
            mover.x = min(max(mover.x, mover.left + half), mover.right - half)

    def _meet(self, movers: Sequence[_Thing]) -> None:
        """Those who come from both sides to meet stop beside each other near the middle."""
        for one, _, two in self._relations("meets"):
            if one in movers and two in movers and one.going != two.going:
                rightward, leftward = (one, two) if one.going == "right" else (two, one)
                middle = 0.5 + (self._span(rightward) - self._span(leftward)) / 2
                rightward.right = min(rightward.right, middle - 0.01)
                leftward.left = max(leftward.left, middle + 0.01)

    def _slow_down(self, movers: Sequence[_Thing]) -> None:
        """Those who are to go slower do not go as far."""
        for thing in movers:
            part, half = self.change.slow.get(thing.entity.id, 1.0), self._span(thing) / 2
            if part < 1 and thing.going == "right":
                thing.right = thing.x + half + (thing.right - half - thing.x) * part
            elif part < 1 and thing.going == "left":
                thing.left = thing.x - half - (thing.x - half - thing.left) * part

    # how high ----------------------------------------------------------------

    def _set_heights(self) -> None:
        for thing in self.things.values():
            thing.foot = self._standing(thing)
        for upper, kind, lower in self._relations("above", "below"):
            top, low = (upper, lower) if kind == "above" else (lower, upper)
            if top.parent or low.parent == top.entity.id:
                continue
            room = self.ground - MARGIN
            clear = max(self._clear(top), self._clear(low))
            if top.high + low.high + clear > room:
                factor = (room - clear) / (top.high + low.high) * 0.98
                top.resize(factor)
                low.resize(factor)
            low.foot = self.ground
            top.foot = low.foot - low.high - clear

    def _set_depths(self) -> None:
        for subject, kind, other in self._relations("behind", "in front of"):
            back, front = (subject, other) if kind == "behind" else (other, subject)
            front.depth = max(front.depth, back.depth + 0.4)
            if not self.floats:
                front.foot = min(front.foot + 0.03, 0.97)
                back.foot -= 0.01

    def _standing(self, thing: _Thing) -> float:
        """The height of a thing's lower edge before anything happens, 0 top to 1 bottom."""
        cut = cutouts.find(thing.entity.noun) if thing.entity.known else None
        actions = {event.action for event in thing.events}
        if "swings" in actions:
            return max(min(0.5 + thing.high / 2, self.ground - 0.08), MARGIN + thing.high)
        if self.floats:
            tower = self._tower(thing)
            if any(_upright(part.events) for part in tower) or len(tower) > 1:
                return self.ground
            return min(0.5 + thing.high / 2, 0.95)
        if cut is None:
            return self.ground
        always = cut.kind not in ("aircraft", "bird")
        aloft = cut.flies and (always or bool(actions - {"stays", "rises", "jumps"}))
        if aloft and "rises" not in actions:
            return max(min(0.4 + thing.high / 2, self.ground - 0.12), MARGIN + thing.high)
        if cut.swims and self.shot.place == "sea":
            return min(self.ground + (0.12 if cut.kind == "fish" else 0.02), 0.96)
        return self.ground

    def _set_on_top(self) -> None:
        """Carried things are put over those that carry them, from the ground up."""
        on = {(s.entity.id, o.entity.id) for s, _, o in self._relations("on")}
        for base in [thing for thing in self.things.values() if not thing.parent]:
            for thing in self._tower(base)[1:]:
                lower = self.things[thing.parent]
                touches = (thing.entity.id, lower.entity.id) in on
                thing.x = lower.x
                self._set_way_on(thing, lower)
                thing.foot = (
                    lower.foot - lower.high + (0.01 if touches else 0.01 - self._clear(thing))
                )
                thing.depth = lower.depth + 0.1

    def _set_way_on(self, thing: _Thing, lower: _Thing) -> None:
        """What a carried thing may use: its carrier's way, or the top of one that stands still."""
        thing.left, thing.right = lower.left, lower.right
        way = _going(thing.events)
        if lower.going or not way:
            return
        over = lower.span / 2 + thing.span / 2
        thing.left = max(lower.x - over, MARGIN)
        thing.right = min(lower.x + over, 1 - MARGIN)
        thing.x = thing.left + thing.span / 2 if way == "right" else thing.right - thing.span / 2

    # ways --------------------------------------------------------------------

    def _tracks(self, thing: _Thing) -> Iterable[Track]:
        count = thing.entity.count
        for i in range(count):
            aside = (i - (count - 1) / 2) * (thing.wide + thing.gap)
            around = thing.span / 2
            room = Room(
                left=thing.left + around + aside, right=thing.right - around + aside,
                top=min(thing.margin + self._tall(thing), thing.foot),
                ground=self._floor(thing),
                out_left=-0.03 - thing.wide / 2 - (around - aside - thing.wide / 2),
                out_right=1.03 + thing.wide / 2 + (around + aside - thing.wide / 2),
                wide=thing.wide, high=thing.high, aspect=self.aspect,
                lively=thing.lively,
            )  # fmt: skip
            comes = any(e.action == "approaches" for e in thing.events)
            start = Pose(
                x=thing.x + aside,
                foot=room.top if _starts_high(thing.events) else thing.foot,
                scale=0.5 / room.lively if comes else 1.0,
            )
            way = poses(start, thing.events, room=room, frames=self.shot.frames)
            yield Track(
                entity=thing.entity.id, instance=i, depth=round(thing.depth + 0.01 * i, 3),
                faces=_faces(thing.events), keyframes=needed(
                    [_keyframe(frame, pose, thing) for frame, pose in enumerate(way)]
                ),
            )  # fmt: skip

    def _tall(self, thing: _Thing) -> float:
        """The height of a thing with what it carries, so that both find room when they rise."""
        carried = [t for t in self.things.values() if t.parent == thing.entity.id]
        return thing.high + max((self._tall(t) + 0.02 for t in carried), default=0.0)

    def _floor(self, thing: _Thing) -> float:
        """Where the thing lands."""
        if thing.parent:
            return thing.foot
        return self.ground if self.floats else max(self.ground, thing.foot)


def _painted(graph: SceneGraph) -> SceneGraph:
    """The graph in actions that a painting shows: who hits another moves there, the rest stays."""
    hit = {r.object for r in graph.relations if r.kind == "meets"}
    hitting = {r.subject for r in graph.relations if r.kind == "meets"} - hit
    ways: dict[str, Direction] = {
        e.actor: e.direction or "right"
        for e in graph.events
        if e.action == "collides" and e.actor in hitting
    }
    events: list[Event] = []
    for event in graph.events:
        changed: dict[str, object] = {}
        if event.actor in ways and event.action == "collides":
            changed = {"action": "moves", "direction": ways[event.actor]}
        elif event.action in ("collides", "waves", "pours"):
            changed = {"action": "stays", "direction": None}
        elif event.action == "topples" and event.direction is None:
            # What is knocked over falls away from what hits it.
            came = [
                ways[r.subject]
                for r in graph.relations
                if r.kind == "meets" and r.object == event.actor and r.subject in ways
            ]
            changed = {"direction": came[0]} if came else {}
        events.append(event.model_copy(update=changed))
    return graph.model_copy(update={"events": events})


def _going(events: Sequence[Event]) -> Direction | None:
    for event in events:
        if event.action in _GOING and event.direction in ("left", "right"):
            return event.direction
        if event.action in ("moves", "rolls") and event.direction is None:
            return "right"
    return None


def _faces(events: Sequence[Event]) -> Literal["left", "right"] | None:
    way = _going(events)
    return way if way in ("left", "right") else None


def _topples(events: Sequence[Event]) -> Direction | None:
    """To which side a thing is known to topple."""
    return next((e.direction for e in events if e.action == "topples"), None)


def _turned(kind: RelationKind) -> RelationKind:
    turned: dict[RelationKind, RelationKind] = {"left of": "right of", "right of": "left of"}
    return turned.get(kind, kind)


def _upright(events: Sequence[Event]) -> bool:
    """Whether a thing goes up or down as a whole."""
    return any(e.action in ("rises", "falls") or e.direction in ("up", "down") for e in events)


def _starts_high(events: Sequence[Event]) -> bool:
    """Whether the first that moves it up or down lets it come down."""
    for event in events:
        if event.action in ("falls", "bounces") or event.direction == "down":
            return True
        if event.action in ("rises", "jumps") or event.direction == "up":
            return False
    return False


def _keyframe(frame: int, pose: Pose, thing: _Thing) -> Keyframe:
    # In a crowd that no row can hold things shrink to nothing, and nothing has no box.
    half = max(thing.wide * pose.scale, _LEAST) / 2
    high = max(thing.high * pose.scale, _LEAST)
    corners = (pose.x - half, pose.foot - high, pose.x + half, pose.foot)
    left, top, right, bottom = (round(corner, 4) for corner in corners)
    return Keyframe(frame=frame, box=(left, top, right, bottom), angle=round(pose.angle, 2))
