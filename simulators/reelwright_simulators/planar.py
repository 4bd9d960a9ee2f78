"""The stand-in where there is no Blender: rigid bodies in the upright plane that a camera faces.

Balls and boxes fall, bounce, roll, slide, topple and hit each other in x and z by sequential
impulses (E. Catto, Iterative Dynamics with Temporal Coherence, 2005) with Newton's restitution and
Coulomb's friction; rods keep their length. Flight is exact; the rest is right to a few percent.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from reelwright_core.physics import Body, Contact, PhysicsScene, Pose, Simulation, Trajectory
from reelwright_simulators import cameras, checks, exact
from reelwright_simulators.solids import Solid, solid_of, way_of
from reelwright_simulators.turns import product

STEP = 1 / 1200
"""Seconds at most."""
ROUNDS = 12
"""How often the impulses of all contacts are gone through in one step."""
SLOP = 2e-4
"""Metres that bodies may overlap without being pushed apart."""
PUSH = 0.3
"""The part of an overlap that is undone in one step."""
QUIET = 0.05
"""m/s: contacts that meet more slowly do not bounce."""
APART = 0.03
"""Seconds for which two bodies must be apart to meet anew."""

Two = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Planar:
    """The motion of a scene's bodies in the plane, or the reason why there is none."""

    trajectories: list[Trajectory] = field(default_factory=list[Trajectory])
    contacts: list[Contact] = field(default_factory=list[Contact])
    why: str | None = None


class _NotCoveredError(Exception):
    """Something in the scene is nothing for the plane."""


def solve(scene: PhysicsScene) -> Planar:
    """The motion of the scene's solid bodies, frame f at f / fps seconds.

    Covered are balls, round cards, and what is taken as its upright box; free, fixed or driven;
    rods to a point. What turns or moves out of the plane, cloth, liquid, smoke, soft bodies, wind
    and other constraints are not: `why` names them.
    """
    try:
        return _World(scene).run()
    except _NotCoveredError as error:
        return Planar(why=str(error))


def simulate(scene: PhysicsScene, *, digest: str) -> Simulation | str:
    """What comes of the scene without Blender, or the reason why nothing does.

    The exact integrator goes first; what it does not cover is moved in the plane.
    """
    kinds = (("cloth", scene.cloths), ("a liquid", scene.liquids), ("smoke", scene.smokes))
    for what, several in kinds:
        if several:
            return f"{what} ({several[0].id!r}) is only simulated by Blender"
    solved = exact.solve(scene)
    notes: list[str] = []
    if solved.covered:
        engine, trajectories, contacts = "exact", solved.trajectories, solved.contacts
        notes = solved.notes
    else:
        moved = solve(scene)
        if moved.why is not None:
            return f"{moved.why}, which is only simulated by Blender"
        engine, trajectories, contacts = "planar", moved.trajectories, moved.contacts
        notes = [
            "moved by the built-in integrator of the plane, right to a few percent, "
            f"because {solved.why}"
        ]
    return Simulation(
        scene=digest,
        engine=engine,
        trajectories=trajectories,
        contacts=contacts,
        checks=checks.check(scene, trajectories, contacts),
        cameras={camera.id: cameras.poses(scene, camera) for camera in scene.cameras},
        notes=notes,
    )


@dataclass(kw_only=True)
class _Mover:
    """A body in the plane: x to the right, z up, its angle counter-clockwise."""

    solid: Solid
    radius: float
    """0 for a box."""
    half: Two
    x: float
    z: float
    angle: float = 0.0
    vx: float = 0.0
    vz: float = 0.0
    spin: float = 0.0
    light: float = 0.0
    """1 / mass; 0 for what nothing moves."""
    loose: float = 0.0
    """1 / moment of inertia."""

    @property
    def id(self) -> str:
        return self.solid.id

    def corners(self) -> list[Two]:
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        wide, high = self.half
        return [
            (self.x + a * wide * cos - b * high * sin, self.z + a * wide * sin + b * high * cos)
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]

    @property
    def reach(self) -> float:
        return self.radius or math.hypot(*self.half)

    def velocity_at(self, x: float, z: float) -> Two:
        return self.vx - self.spin * (z - self.z), self.vz + self.spin * (x - self.x)

    def push(self, jx: float, jz: float, x: float, z: float) -> None:
        """Takes an impulse (kg m/s) at a point."""
        self.vx += jx * self.light
        self.vz += jz * self.light
        self.spin += ((x - self.x) * jz - (z - self.z) * jx) * self.loose


@dataclass(kw_only=True)
class _Touch:
    """A point where two touch; `a` is None for the ground. The normal leads from `a` to `b`."""

    a: _Mover | None
    b: _Mover
    x: float
    z: float
    normal: Two
    depth: float
    friction: float
    bounce: float
    """m/s at which they are to part."""
    along: float = 0.0
    across: float = 0.0
    """Impulses so far."""


class _World:
    def __init__(self, scene: PhysicsScene):
        self.scene = scene
        self.gravity = _level(scene.gravity, "gravity")
        if scene.forces:
            raise _NotCoveredError("there is wind or another field")
        self.fps = float(scene.fps)
        self.steps = max(1, math.ceil(1 / (self.fps * STEP)))
        self.step = 1 / (self.fps * self.steps)
        self.movers = [_mover(body) for body in scene.bodies]
        self.by_id = {mover.id: mover for mover in self.movers}
        self.rods = list(self._rods())
        self.pairs = [
            (a, b)
            for a, b in itertools.combinations(self.movers, 2)
            if (a.light or b.light) and _same_depth(a, b)
        ]
        self.last_touch: dict[tuple[str, str], int] = {}
        self.contacts: list[Contact] = []
        self.now = 0

    def _rods(self) -> Iterator[tuple[_Mover, Two, float]]:
        for held in self.scene.constraints:
            mover = self.by_id[held.body]
            if held.kind != "rod" or held.to is not None:
                raise _NotCoveredError(f"{held.body!r} is held by a {held.kind}")
            at = (held.at[0], held.at[2])
            yield mover, at, math.hypot(mover.x - at[0], mover.z - at[1])

    def run(self) -> Planar:
        frames = [self._poses()]
        for _ in range(self.scene.frames - 1):
            for _ in range(self.steps):
                self._advance()
            frames.append(self._poses())
        return Planar(
            trajectories=[
                Trajectory(thing=mover.id, poses=[poses[i] for poses in frames])
                for i, mover in enumerate(self.movers)
            ],
            contacts=self.contacts,
        )

    def _poses(self) -> list[Pose]:
        return [self._pose(mover) for mover in self.movers]

    def _pose(self, mover: _Mover) -> Pose:
        body = mover.solid.body
        if body.moves != "free":
            position, turn = way_of(body, self.scene, self.now * self.step)
            x, y, z = position.tolist()
        else:
            # Counter-clockwise for the viewer is backwards about y, which leads away from them.
            half = -mover.angle / 2
            about_y = np.array([math.cos(half), 0.0, math.sin(half), 0.0])
            turn = product(about_y, way_of(body, self.scene, 0.0)[1])
            x, y, z = mover.x, body.position[1], mover.z
        w, i, j, k = turn.tolist()
        return Pose(position=(x, y, z), turn=(w, i, j, k))

    def _advance(self) -> None:
        h, (gx, gz) = self.step, self.gravity
        self.now += 1
        for mover in self.movers:
            if mover.light:
                # Exact on parabolas.
                mover.x += (mover.vx + gx * h / 2) * h
                mover.z += (mover.vz + gz * h / 2) * h
                mover.angle += mover.spin * h
                fade = (1 - mover.solid.body.drag) ** h
                mover.vx, mover.vz = (mover.vx + gx * h) * fade, (mover.vz + gz * h) * fade
            elif mover.solid.body.moves == "driven":
                position, _ = way_of(mover.solid.body, self.scene, self.now * h)
                mover.vx, mover.vz = (position[0] - mover.x) / h, (position[2] - mover.z) / h
                mover.x, mover.z = float(position[0]), float(position[2])
        touches = list(self._touches())
        for _ in range(ROUNDS):
            for touch in touches:
                _resolve(touch)
            for rod in self.rods:
                _hold(*rod)
        for touch in touches:
            _part(touch)
        for mover, at, long in self.rods:
            _keep_length(mover, at, long)

    def _touches(self) -> Iterator[_Touch]:
        ground = self.scene.ground
        quiet = QUIET + 2 * abs(self.gravity[1]) * self.step
        if ground is not None:
            for mover in self.movers:
                if not mover.light or mover.z - mover.reach > ground.height:
                    continue
                points = [(mover.x, mover.z - mover.radius)] if mover.radius else mover.corners()
                for x, z in points:
                    if z < ground.height:
                        yield self._touch(
                            None, mover, (x, z), (0.0, 1.0), ground.height - z, quiet=quiet,
                            friction=ground.friction * mover.solid.friction,
                            restitution=ground.restitution * mover.solid.restitution,
                        )  # fmt: skip
        for a, b in self.pairs:
            if math.hypot(a.x - b.x, a.z - b.z) > a.reach + b.reach:
                continue
            for point, normal, depth in _meeting(a, b):
                yield self._touch(
                    a, b, point, normal, depth, quiet=quiet,
                    friction=a.solid.friction * b.solid.friction,
                    restitution=a.solid.restitution * b.solid.restitution,
                )  # fmt: skip

    def _touch(
        self, a: _Mover | None, b: _Mover, at: Two, normal: Two, depth: float, *,
        friction: float, restitution: float, quiet: float,
    ) -> _Touch:  # fmt: skip
        x, z = at
        vx, vz = _relative(a, b, x, z)
        speed = -(vx * normal[0] + vz * normal[1])
        bounce = restitution * speed if speed > quiet else 0.0
        self._tell(a, b, at, speed)
        return _Touch(a=a, b=b, x=x, z=z, normal=normal, depth=depth, friction=friction,
                      bounce=bounce)  # fmt: skip

    def _tell(self, a: _Mover | None, b: _Mover, at: Two, speed: float) -> None:
        """Notes a contact that is new."""
        names = (a.id if a else "ground", b.id)
        last = self.last_touch.get(names)
        self.last_touch[names] = self.now
        if last is not None and (self.now - last) * self.step < APART:
            return
        y = b.solid.body.position[1]
        first, second = (b.id, "ground") if a is None else names
        self.contacts.append(
            Contact(
                # What touches in the first step did so from the start.
                frame=math.ceil(self.now / self.steps) if self.now > 1 else 0,
                a=first,
                b=second,
                position=(at[0], y, at[1]),
                speed=round(max(speed, 0.0), 6),
            )
        )


def _level(vector: Sequence[float], what: str) -> Two:
    if abs(vector[1]) > 1e-9:
        raise _NotCoveredError(f"{what} leads out of the plane")
    return float(vector[0]), float(vector[2])


def _mover(body: Body) -> _Mover:
    solid = solid_of(body)
    if body.shape.kind == "mesh" or body.soft is not None:
        raise _NotCoveredError(f"{body.id!r} is {'soft' if body.soft else 'a mesh'}")
    _level(body.velocity, f"the velocity of {body.id!r}")
    about_x, about_y, about_z = body.rotation
    if about_x % 360 or about_z % 180 or body.spin[0] or body.spin[2]:
        raise _NotCoveredError(f"{body.id!r} turns out of the plane")
    if about_z % 360:  # turned to the other side, so that y points at the viewer
        about_y = -about_y
    wide, _, high = solid.size.tolist()
    mover = _Mover(
        solid=solid, radius=high / 2 if solid.is_ball else 0.0, half=(wide / 2, high / 2),
        x=body.position[0], z=body.position[2], angle=-math.radians(about_y),
    )  # fmt: skip
    if body.moves == "free":
        inertia = 0.4 * (high / 2) ** 2 if solid.is_ball else (wide**2 + high**2) / 12
        mover.light = 1 / solid.mass
        mover.loose = mover.light / inertia
        mover.vx, mover.vz = body.velocity[0], body.velocity[2]
        mover.spin = -math.radians(body.spin[1])
    return mover


def _same_depth(a: _Mover, b: _Mover) -> bool:
    apart = abs(a.solid.body.position[1] - b.solid.body.position[1])
    return apart < (a.solid.size[1] + b.solid.size[1]) / 2


def _relative(a: _Mover | None, b: _Mover, x: float, z: float) -> Two:
    bx, bz = b.velocity_at(x, z)
    ax, az = a.velocity_at(x, z) if a else (0.0, 0.0)
    return bx - ax, bz - az


def _resolve(touch: _Touch) -> None:
    """Brings the two to the wanted speed along the normal, then rubs."""
    nx, nz = touch.normal
    for ux, uz, rubs in ((nx, nz, False), (-nz, nx, True)):
        vx, vz = _relative(touch.a, touch.b, touch.x, touch.z)
        speed = vx * ux + vz * uz
        give = _give(touch.b, touch, ux, uz) + (_give(touch.a, touch, ux, uz) if touch.a else 0)
        if rubs:
            most = touch.friction * touch.along
            whole = min(max(touch.across - speed / give, -most), most)
            change, touch.across = whole - touch.across, whole
        else:
            whole = max(touch.along + (touch.bounce - speed) / give, 0.0)
            change, touch.along = whole - touch.along, whole
        touch.b.push(change * ux, change * uz, touch.x, touch.z)
        if touch.a:
            touch.a.push(-change * ux, -change * uz, touch.x, touch.z)


def _give(mover: _Mover, touch: _Touch, ux: float, uz: float) -> float:
    """By how much an impulse of 1 changes the speed of the point, along the impulse."""
    arm = (touch.x - mover.x) * uz - (touch.z - mover.z) * ux
    return mover.light + mover.loose * arm * arm


def _part(touch: _Touch) -> None:
    """Pushes two that overlap apart, which gives them no speed."""
    deep = PUSH * (touch.depth - SLOP)
    if deep <= 0:
        return
    light_a, light_b = touch.a.light if touch.a else 0.0, touch.b.light
    nx, nz = touch.normal
    for mover, share in ((touch.a, -light_a), (touch.b, light_b)):
        if mover is not None and share:
            mover.x += nx * deep * share / (light_a + light_b)
            mover.z += nz * deep * share / (light_a + light_b)


def _hold(mover: _Mover, at: Two, long: float) -> None:
    dx, dz = mover.x - at[0], mover.z - at[1]
    far = math.hypot(dx, dz) or long
    speed = (mover.vx * dx + mover.vz * dz) / far
    mover.vx -= speed * dx / far
    mover.vz -= speed * dz / far


def _keep_length(mover: _Mover, at: Two, long: float) -> None:
    """Back onto its circle, at the speed that belongs to its height."""
    dx, dz = mover.x - at[0], mover.z - at[1]
    far = math.hypot(dx, dz) or long
    # It turns with the rod, to which it is fast.
    mover.spin = (dx * mover.vz - dz * mover.vx) / (long * long)
    mover.x, mover.z = at[0] + dx * long / far, at[1] + dz * long / far
    _hold(mover, at, long)


Point = tuple[Two, Two, float]
"""Where two overlap, the normal from the first to the second, and how deep."""


def _meeting(a: _Mover, b: _Mover) -> Iterator[Point]:
    if a.radius and b.radius:
        dx, dz = b.x - a.x, b.z - a.z
        far = math.hypot(dx, dz)
        depth = a.radius + b.radius - far
        if depth > 0 and far > 0:
            normal = (dx / far, dz / far)
            yield (a.x + normal[0] * a.radius, a.z + normal[1] * a.radius), normal, depth
    elif a.radius:
        yield from _ball_and_box(a, b, back=False)
    elif b.radius:
        yield from _ball_and_box(b, a, back=True)
    else:
        yield from _boxes(a, b)


def _ball_and_box(ball: _Mover, box: _Mover, *, back: bool) -> Iterator[Point]:
    cos, sin = math.cos(box.angle), math.sin(box.angle)
    dx, dz = ball.x - box.x, ball.z - box.z
    x, z = dx * cos + dz * sin, -dx * sin + dz * cos
    wide, high = box.half
    near_x, near_z = min(max(x, -wide), wide), min(max(z, -high), high)
    off_x, off_z = x - near_x, z - near_z
    far = math.hypot(off_x, off_z)
    if far > ball.radius:
        return
    if far > 0:
        own, depth = (off_x / far, off_z / far), ball.radius - far
    else:  # its middle is inside: out by the nearest side
        out_x, out_z = wide - abs(x), high - abs(z)
        own = (math.copysign(1, x), 0.0) if out_x < out_z else (0.0, math.copysign(1, z))
        depth = ball.radius + min(out_x, out_z)
    # From the box to the ball, in the world.
    nx, nz = own[0] * cos - own[1] * sin, own[0] * sin + own[1] * cos
    at = (ball.x - nx * ball.radius, ball.z - nz * ball.radius)
    yield at, (nx, nz) if back else (-nx, -nz), depth


def _boxes(a: _Mover, b: _Mover) -> Iterator[Point]:
    """By separating axes; the corners of each that lie in the other are where they touch."""
    ours, theirs = a.corners(), b.corners()
    best: tuple[float, Two] | None = None
    for mover in (a, b):
        cos, sin = math.cos(mover.angle), math.sin(mover.angle)
        for axis in ((cos, sin), (-sin, cos)):
            low_a, high_a = _span(ours, axis)
            low_b, high_b = _span(theirs, axis)
            depth = min(high_a - low_b, high_b - low_a)
            if depth <= 0:
                return
            if best is None or depth < best[0] - 1e-9:
                forward = high_a - low_b <= high_b - low_a
                best = depth, axis if forward else (-axis[0], -axis[1])
    assert best is not None
    depth, normal = best
    edge_a = max(x * normal[0] + z * normal[1] for x, z in ours)
    edge_b = min(x * normal[0] + z * normal[1] for x, z in theirs)
    for corners, other in ((ours, b), (theirs, a)):
        for x, z in corners:
            if _inside(other, x, z):
                along = x * normal[0] + z * normal[1]
                deep = along - edge_b if other is b else edge_a - along
                if deep > 0:
                    yield (x, z), normal, min(deep, depth)


def _span(corners: Sequence[Two], axis: Two) -> Two:
    along = [x * axis[0] + z * axis[1] for x, z in corners]
    return min(along), max(along)


def _inside(box: _Mover, x: float, z: float) -> bool:
    cos, sin = math.cos(box.angle), math.sin(box.angle)
    dx, dz = x - box.x, z - box.z
    return (
        abs(dx * cos + dz * sin) <= box.half[0] + 1e-6
        and abs(-dx * sin + dz * cos) <= box.half[1] + 1e-6
    )
