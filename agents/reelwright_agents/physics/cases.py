"""What falls, bounces, rolls, collides, topples, waves, swings or pours, staged case by case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reelwright_agents.physics import things
from reelwright_agents.physics.parts import Part, Unstaged
from reelwright_agents.physics.things import Solid
from reelwright_core.physics import (
    Block,
    Body,
    Cloth,
    Constraint,
    Force,
    Liquid,
    Model,
    Vector,
    Waypoint,
)
from reelwright_core.story import Entity, Event
from reelwright_simulators.solids import solid_of

G = 9.81
HIGHEST_DROP = 1.4
"""A thing falls at most so many times its own height, so that it can be seen well."""
FALLING = 8
"""Frames that a fall takes at least, where the things can be as large as that."""
BOUNCING = 5
"""Frames of the first fall of what bounces: several have to fit into the shot."""
TOPPLING = 7
"""The same of what topples: it takes about three times as long."""
SWING = 35.0
"""Degrees from which a pendulum starts."""
THROW = 4
"""Frames that a thrown thing is in the air before it hits."""
RUN = 1.5
"""What hits another comes from so far, in lengths of its own, see `Solid.looks`."""
BOUNCY = 0.8
"""What collides is painted as at least so elastic, else two cut-outs would stay side by side and be
hard to tell apart."""
HEAVIER = 1.5
"""What is hit is at most so many times as heavy, or as light, as what hits it."""
HEAVIEST = 1000.0
"""Kilograms that a body may have."""
WINDS = {"light": 3.0, "": 8.0, "strong": 15.0}
"""m/s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cast:
    """One entity with what it does, and how high it is here."""

    entity: Entity
    events: Sequence[Event]
    high: float
    seconds: float
    """From the first to the last frame of the shot."""
    frames: int
    wind: str = ""
    """`light`, `strong` or neither."""
    painted: bool = False
    """Whether its cut-out is what will be seen of it."""

    @property
    def solid(self) -> Solid:
        return things.solid(self.entity, self.high, painted=self.painted)

    @property
    def actions(self) -> list[str]:
        return [event.action for event in self.events]

    @property
    def side(self) -> int:
        """-1 to the left, 1 to the right, 0 if neither was said."""
        for event in self.events:
            if event.direction in ("left", "right"):
                return -1 if event.direction == "left" else 1
        return 0

    def id(self, instance: int) -> str:
        return self.entity.id if instance == 0 else f"{self.entity.id[:55]}-n{instance + 1}"

    def body(self, instance: int = 0, *, position: Vector, **told: object) -> Body:
        solid = self.solid
        return Body.model_validate(
            {
                "id": self.id(instance),
                "entity": self.entity.id,
                "instance": instance,
                "shape": solid.shape,
                "material": solid.material,
                "colour": self.entity.colour,
                "position": position,
                "rotation": (0, 0, 180 if self.side < 0 and solid.shape.kind == "model" else 0),
                **told,
            }
        )


def least_height(frames: float, fps: float) -> float:
    """How high a thing must be, in metres, for its fall to take so many frames.

    At few frames a second the fall of a small thing would be over in two pictures. No law tells
    how large things are in a picture, so they are staged large, as in slow motion.
    """
    return G * (frames / fps) ** 2 / 2 / HIGHEST_DROP


def still(cast: Cast, *, floor: float = 0.0) -> Part:
    """What stands there."""
    solid, count = cast.solid, cast.entity.count
    step = solid.wide * 1.2
    first = -step * (count - 1) / 2
    bodies = [
        cast.body(i, position=(first + i * step, 0, floor + solid.high / 2), moves="fixed")
        for i in range(count)
    ]
    reach = step * (count - 1) / 2 + solid.wide / 2
    return Part(ids=[cast.entity.id], bodies=bodies, left=-reach, right=reach,
                top=floor + solid.high)  # fmt: skip


def drop(cast: Cast, *, floor: float = 0.0) -> Part:
    """What falls, and bounces if it does."""
    solid, count = cast.solid, cast.entity.count
    bounces = "bounces" in cast.actions
    kept = solid.restitution if solid.rolls or not bounces else max(solid.restitution, 0.6)
    if not bounces:
        kept = min(kept, 0.5 if solid.rolls else 0.2)
    arcs = 1 + 2 * kept + 2 * kept**2 if bounces else 1.6
    falls = 0.9 * cast.seconds / arcs
    most = HIGHEST_DROP * solid.high
    high = max(min(G * falls**2 / 2, most), 0.5 * solid.high)
    speed = cast.side * 2.2 * solid.high / cast.seconds
    if not cast.side and "rolls" in cast.actions:
        speed = 2.2 * solid.high / cast.seconds
    step = solid.wide * 1.5
    first = -step * (count - 1) / 2
    bodies = [
        cast.body(
            i,
            position=(first + i * step, 0, floor + solid.high / 2 + high * (1 - 0.12 * i)),
            velocity=(speed, 0, 0),
            restitution=None if kept == solid.restitution else kept,
        )
        for i in range(count)
    ]
    reach, way = step * (count - 1) / 2 + solid.wide / 2, speed * cast.seconds
    return Part(
        ids=[cast.entity.id], bodies=bodies, left=-reach + min(way, 0), right=reach + max(way, 0),
        top=floor + high + solid.high,
    )  # fmt: skip


def roll(cast: Cast, *, floor: float = 0.0, way: float | None = None) -> Part:
    """What rolls along, without slipping if it is round, else it slides."""
    solid, count, side = cast.solid, cast.entity.count, cast.side or 1
    way = (3.2 if solid.rolls else 2.2) * max(solid.high, solid.wide) if way is None else way
    speed = side * way / cast.seconds
    step = solid.wide * 1.5
    bodies = [
        cast.body(
            i,
            position=(-side * i * step, 0, floor + solid.high / 2),
            velocity=(speed, 0, 0),
            spin=(0, _rolling(speed, solid), 0),
            friction=None if solid.rolls else 0.0,
        )
        for i in range(count)
    ]
    far, back = way + solid.wide / 2, (count - 1) * step + solid.wide / 2
    return Part(
        ids=[cast.entity.id], bodies=bodies, left=-far if side < 0 else -back,
        right=far if side > 0 else back, top=floor + solid.high,
    )  # fmt: skip


def _rolling(speed: float, solid: Solid) -> float:
    """Degrees per second about y at which a round thing rolls without slipping."""
    return math.degrees(speed / (solid.high / 2)) if solid.rolls else 0.0


def driven(cast: Cast, *, floor: float = 0.0) -> Part:
    """What moves by itself."""
    events = [e for e in cast.events if e.action == "moves"]
    if any(e.direction in ("up", "down") for e in events):
        raise Unstaged(f"{cast.entity.noun} moves {events[0].direction} by itself")
    solid, count, side = cast.solid, cast.entity.count, cast.side or 1
    way = side * 2.2 * max(solid.high, solid.wide)
    first, last = events[0].frames.first, max(events[-1].frames.last, events[0].frames.first + 1)
    high, step = floor + solid.high / 2, solid.wide * 1.2
    bodies: list[Body] = []
    for i in range(count):
        start = -side * i * step
        path = [Waypoint(frame=first, position=(start, 0, high)),
                Waypoint(frame=last, position=(start + way, 0, high))]  # fmt: skip
        bodies.append(cast.body(i, position=(start, 0, high), moves="driven", path=path))
    back = (count - 1) * step + solid.wide / 2
    ends = sorted([-side * back, way + side * solid.wide / 2])
    return Part(ids=[cast.entity.id], bodies=bodies, left=ends[0], right=ends[1],
                top=floor + solid.high)  # fmt: skip


def topple(cast: Cast, *, floor: float = 0.0) -> Part:
    """What falls over; several in a row push each other."""
    solid, count, side = cast.solid, cast.entity.count, cast.side or 1
    wide, high = solid.wide, solid.high
    if solid.rolls:
        raise Unstaged(f"a {cast.entity.noun} is round and cannot topple")
    across = math.hypot(wide, high)
    # From rest at its edge it needs the energy that lifts its middle over that edge.
    least = math.sqrt(6 * G * (across - high) / 2) / across
    spin = 1.1 * least + 0.05
    step = max(0.55 * high, wide * 1.6)
    bodies: list[Body] = []
    for i in range(count):
        pushed: dict[str, object] = {}
        if i == 0:
            pushed = {
                "velocity": (side * spin * high / 2, 0, spin * wide / 2),
                "spin": (0, side * math.degrees(spin), 0),
            }
        bodies.append(
            cast.body(
                i,
                position=(side * i * step, 0, floor + high / 2),
                friction=1.0,
                restitution=0.1,
                **pushed,
            )
        )
    far, back = (count - 1) * step + wide / 2 + 1.1 * high, wide / 2 + 0.1 * high
    return Part(
        ids=[cast.entity.id], bodies=bodies, left=-far if side < 0 else -back,
        right=far if side > 0 else back, top=floor + across,
    )  # fmt: skip


def stack(cast: Cast) -> Part:
    """A tower of blocks that a thrown ball knocks over."""
    count = 5
    edge = cast.high / count
    blocks = [
        Body(
            id=f"{cast.entity.id[:50]}-block-{i + 1}", entity=cast.entity.id, instance=0,
            shape=Block(size=(edge * 1.2, edge * 1.2, edge)), material="wood",
            colour=cast.entity.colour or ("red", "yellow", "blue", "green", "orange")[i % 5],
            position=(0.0, 0.0, edge * (i + 0.5)),
        )
        for i in range(count)
    ]  # fmt: skip
    side = cast.side or 1
    radius = 0.8 * edge
    thrown = _thrown(cast, high=0.75 * cast.high, gap=1.4 * cast.high)
    ball = Body.model_validate(
        {"id": "thrown-ball", "shape": {"kind": "ball", "radius": radius}, "material": "stone",
         "colour": "grey", **thrown}
    )  # fmt: skip
    near, far = 1.5 * cast.high + radius, 1.6 * cast.high
    return Part(
        ids=[cast.entity.id], bodies=[*blocks, ball], left=-near if side > 0 else -far,
        right=far if side > 0 else near, top=cast.high * 1.15,
    )  # fmt: skip


def _thrown(cast: Cast, *, high: float, gap: float) -> dict[str, object]:
    """Position and velocity of what comes from `gap` metres away and hits at `high`, on an arc."""
    side, flies = cast.side or 1, _flight(cast)
    return {
        "position": (-side * gap, 0, high),
        "velocity": (side * gap / flies, 0, G * flies / 2),
    }


def _flight(cast: Cast) -> float:
    """Seconds in the air: `THROW` frames, less where the arc would be higher than the thing."""
    return min(THROW * cast.seconds / (cast.frames - 1), math.sqrt(4 * cast.high / G))


def collide(hitting: Cast, hit: Cast) -> Part:
    """One runs into another that rests: rolling, gliding, or thrown at what is to topple."""
    topples = "topples" in hit.actions
    rooted = things.is_rooted(hit.entity) and not topples
    if rooted:  # else what hits it would tip over it
        hit = replace(hit, high=max(hit.high, 1.15 * hitting.high))
    own, other, side = hitting.solid, hit.solid, hitting.side or 1
    bouncy = BOUNCY if hitting.painted else 0.0
    meets = 0.5 * hitting.seconds
    gap = RUN * own.looks + (own.wide + other.wide) / 2
    speed = side * (gap - (own.wide + other.wide) / 2) / meets
    start: dict[str, object]
    if topples and not other.rolls:
        gap = max(gap, other.high)
        start = _thrown(hitting, high=max(0.75 * other.high, own.high / 2), gap=gap)
        start["mass"] = 2.0
    else:
        start = {
            "position": (-side * gap, 0, own.high / 2),
            "velocity": (speed, 0, 0),
            "spin": (0, _rolling(speed, own), 0),
            "friction": None if own.rolls else 0.0,
            "restitution": max(own.restitution, bouncy),
        }
    one = Body.model_validate({**hitting.body(position=(0, 0, 0)).data(), **start})
    told: dict[str, Any] = {"moves": "fixed"} if rooted else {}
    if not rooted:
        # Not so much heavier that it would not be seen to move, nor so light that it is gone.
        least, most = _mass(one) / HEAVIER, _mass(one) * HEAVIER
        mass = min(max(_mass(hit.body(position=(0, 0, 0))), least), most, HEAVIEST)
        told = {"mass": 2.0 if topples else mass}
        if not topples:
            told["restitution"] = max(other.restitution, bouncy)
        if not other.rolls:
            told["friction"] = 0.9 if topples else 0.02
    two = hit.body(position=(0, 0, other.high / 2), **told)
    bodies = [one, two]
    for i in range(1, hit.entity.count):
        x = side * i * (other.wide + 0.4 * other.high)
        bodies.append(hit.body(i, position=(x, 0, other.high / 2)))
    after = abs(speed) * (hitting.seconds - meets) if not rooted else 0.0
    row = (hit.entity.count - 1) * (other.wide + 0.4 * other.high)
    far = row + other.wide / 2 + (1.2 * other.high if topples else after)
    near = gap + own.wide / 2
    tall = max(own.high, other.high)
    if topples:
        tall = max(tall, 0.75 * other.high + G * _flight(hitting) ** 2 / 8 + own.high / 2)
    return Part(
        ids=[hitting.entity.id, hit.entity.id], bodies=bodies,
        left=-near if side > 0 else -far, right=far if side > 0 else near, top=tall,
    )  # fmt: skip


def _mass(body: Body) -> float:
    return round(solid_of(body).mass, 4)


def head_on(one: Cast, two: Cast | None = None) -> Part:
    """Two run into each other from both sides: two entities, or two of one."""
    casts = [(one, 0), (one, 1)] if two is None else [(one, 0), (two, 0)]
    solids = [cast.solid for cast, _ in casts]
    meets = 0.4 * one.seconds
    gap = 1.6 * max(solid.wide for solid in solids)
    bodies: list[Body] = []
    for (cast, instance), solid, side in zip(casts, solids, (1, -1), strict=True):
        speed = side * gap / meets
        x = -side * (gap + solid.wide / 2)
        bodies.append(
            cast.body(
                instance,
                position=(x, 0, solid.high / 2),
                velocity=(speed, 0, 0),
                spin=(0, _rolling(speed, solid), 0),
                friction=None if solid.rolls else 0.0,
            )
        )
    if two is None:
        for i in range(2, one.entity.count):
            x = gap + solids[0].wide * (0.5 + 1.5 * (i - 1))
            bodies.append(one.body(i, position=(x, 0, solids[0].high / 2), moves="fixed"))
    reach = gap + max(solid.wide for solid in solids)
    more = max(one.entity.count - 2, 0) * solids[0].wide * 1.5 if two is None else 0.0
    return Part(
        ids=list(dict.fromkeys(cast.entity.id for cast, _ in casts)), bodies=bodies, left=-reach,
        right=reach + more, top=max(solid.high for solid in solids),
    )  # fmt: skip


def swing(cast: Cast, *, floor: float = 0.0) -> Part:
    """A pendulum on a rod."""
    solid = cast.solid
    # About one and a third swings in the shot.
    period = cast.seconds / 1.3
    long = min(max(G * (period / (2 * math.pi)) ** 2, 1.5 * solid.high), 3.5 * solid.high)
    turn = math.radians(SWING)
    lowest = floor + 0.5 * solid.high
    pivot = lowest + solid.high / 2 + long
    side = cast.side or 1
    bodies: list[Body] = []
    held: list[Constraint] = []
    step = 2 * long * math.sin(turn) + 1.4 * solid.wide
    for i in range(cast.entity.count):
        x = i * step
        bodies.append(
            cast.body(
                i,
                position=(x - side * long * math.sin(turn), 0, pivot - long * math.cos(turn)),
                # Its upper end to what holds it.
                rotation=(0, side * SWING, 0),
            )
        )
        held.append(Constraint(kind="rod", body=cast.id(i), at=(x, 0, pivot)))
    reach = long * math.sin(turn) + solid.wide / 2
    return Part(
        ids=[cast.entity.id], bodies=bodies, constraints=held, left=-reach,
        right=reach + step * (cast.entity.count - 1), top=pivot + 0.1 * solid.high,
    )  # fmt: skip


def wave(cast: Cast) -> Part:
    """A flag on its pole, or another cloth that hangs, in the wind."""
    noun = things.noun_of(cast.entity)
    if noun not in things.CLOTHS:
        raise Unstaged(f"a {cast.entity.noun} waves, and only cloth does so in the wind")
    speed = WINDS[cast.wind]
    hangs = noun in ("curtain", "sheet", "towel", "blanket", "cloth", "tablecloth", "scarf")
    wide, high, pole = 1.2, 0.8, 2.1
    bodies: list[Body] = []
    cloths: list[Cloth] = []
    for i in range(cast.entity.count):
        x = i * (wide + 0.6)
        if not hangs:
            bodies.append(
                Body(id=f"{cast.entity.id[:50]}-pole-{i + 1}", moves="fixed", material="metal",
                     shape=Model(name="flagpole", height=pole), position=(x, 0, pole / 2))
            )  # fmt: skip
        middle = x if hangs else x + wide / 2 + 0.03
        cloths.append(
            Cloth(
                id=cast.id(i),
                entity=cast.entity.id,
                instance=i,
                size=(wide, high),
                position=(middle, 0.0, pole - 0.1 - high / 2),
                pins="top" if hangs else "left",
                fabric="silk" if not hangs else "cotton",
                colour=cast.entity.colour or "red",
            )
        )
    # A little across, else a flat sheet in a straight wind would never begin to wave.
    direction: Vector = (0.2, 1.0, 0.0) if hangs else (1.0, 0.25, 0.0)
    return Part(
        ids=[cast.entity.id], bodies=bodies, cloths=cloths,
        forces=[Force(kind="wind", strength=speed, direction=direction, gusts=0.3)],
        left=-wide / 2 if hangs else -0.15, top=pole + 0.05,
        right=(cast.entity.count - 1) * (wide + 0.6) + (wide / 2 if hangs else wide + 0.1),
    )  # fmt: skip


def drape(cast: Cast, under: Part) -> Part:
    """A cloth that falls over what stands there."""
    wide = 1.5 * max(under.right - under.left, 0.4)
    cloth = Cloth(
        id=cast.id(0), entity=cast.entity.id, size=(wide, wide), lies=True,
        position=(0.0, 0.0, under.top + 0.25), colour=cast.entity.colour or "red",
    )  # fmt: skip
    return Part(ids=[cast.entity.id], cloths=[cloth], left=-wide / 2, right=wide / 2,
                top=under.top + 0.35)  # fmt: skip


def pour(cast: Cast, vessel: Cast | None) -> Part:
    """A liquid that runs into a vessel, or onto the ground."""
    noun = things.noun_of(cast.entity)
    colour, viscosity = things.LIQUIDS.get(noun, (None, 1e-6))
    if noun not in things.LIQUIDS:
        raise Unstaged(f"{cast.entity.noun} pours, which is no liquid that is known here")
    high = vessel.solid.high if vessel else 0.3
    wide = vessel.solid.wide if vessel else 0.5
    size = max(2.0 * wide, 1.6 * high)
    tall = 2.2 * high
    liquid = Liquid(
        id=cast.id(0), entity=cast.entity.id, centre=(0.0, 0.0, tall / 2), size=(size, size, tall),
        source=(0.0, 0.0, tall * 0.86), radius=0.17 * wide, velocity=(0.0, 0.0, -0.6),
        until=max(1, round(0.8 * cast.frames)), colour=cast.entity.colour or colour,
        viscosity=viscosity, detail=48,
    )  # fmt: skip
    bodies = [vessel.body(position=(0, 0, high / 2), moves="fixed")] if vessel else []
    ids = [cast.entity.id, *([vessel.entity.id] if vessel else [])]
    return Part(ids=ids, bodies=bodies, liquids=[liquid], left=-size / 2, right=size / 2, top=tall)


def ramp(cast: Cast, slope: Cast) -> Part:
    """What rolls or slides down a ramp, and on."""
    solid, side = cast.solid, cast.side or 1
    turn = math.radians(20)
    long = max(5.0 * solid.high, 2.2 * solid.wide)
    thick = 0.048 * long
    sin, cos = math.sin(turn), math.cos(turn)
    # Its upper side ends on the ground: what comes down goes on without a step.
    middle = long / 2 * sin - thick / 2 * cos
    plank = Body(
        id=slope.id(0), entity=slope.entity.id, moves="fixed", material="wood",
        colour=slope.entity.colour,
        shape=Block(size=(long, max(solid.deep * 1.6, 0.3 * long), thick)),
        position=(0.0, 0.0, middle), rotation=(0.0, side * 20.0, 0.0),
    )  # fmt: skip
    along = -(long / 2 - solid.wide * 0.75)
    off = thick / 2 + solid.high / 2 + 0.001
    x, z = side * (along * cos + off * sin), middle - along * sin + off * cos
    rider = cast.body(
        position=(x, 0, z),
        rotation=(0, side * 20 if not solid.rolls else 0, 0),
        friction=None if solid.rolls else 0.02,
    )
    back, far = long / 2 * cos + 0.2 * solid.wide, long / 2 * cos + 1.6 * solid.wide
    return Part(
        ids=[cast.entity.id, slope.entity.id], bodies=[plank, rider],
        left=-back if side > 0 else -far, right=far if side > 0 else back, top=z + solid.high,
    )  # fmt: skip
