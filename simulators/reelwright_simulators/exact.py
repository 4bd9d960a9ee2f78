"""The motion of simple rigid bodies, exact to 1e-6 m: what Blender only draws, if it is covered.

Free flight, bounces, sliding and rolling friction, rods and springs are stepped by Runge-Kutta of
fourth order, which is exact on parabolas; every contact, release and change from sliding to rolling
is found as a root in time, and the laws of impact are applied there (Newton's restitution,
Coulomb's friction). Scenes with anything else are told apart, with the reason.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import (
    Body,
    Constraint,
    Contact,
    Cylinder,
    PhysicsScene,
    Pose,
    Trajectory,
)
from reelwright_simulators.profile import Ride, RideError
from reelwright_simulators.solids import Solid, solid_of, way_of
from reelwright_simulators.surfaces import Box, Drum, Level, Region, Round, Surface, overlap
from reelwright_simulators.turns import cross, matrix_of_turn, product, turn_between

Array = NDArray[np.floating]

STEP, CURVED = 1 / 120, 1 / 480
"""Seconds at most, of what is exact in any step, and of slides and edges; rods and springs take
shorter ones."""
REST = 3e-3
"""m/s: a bounce that leaves more slowly is no bounce any more; it would rise half a micrometre."""
TOUCH = 1e-9
DEEP = 1e-3
"""Metres by which bodies may overlap at frame 0; they are set apart."""
APART = 1e-3
"""Metres that two bodies part before they can meet anew."""
EVENTS = 2_000


@dataclass(frozen=True, kw_only=True)
class Exact:
    """The exact motion of a scene's solid bodies, or the reason why there is none."""

    trajectories: list[Trajectory] = field(default_factory=list[Trajectory])
    contacts: list[Contact] = field(default_factory=list[Contact])
    velocities: dict[str, Array] = field(default_factory=dict[str, Array])
    """Of each free body, [frames, 3], m/s; at the very moment of a bounce that after it."""
    notes: list[str] = field(default_factory=list[str])
    why: str | None = None
    """What keeps this scene from being a case for the exact integrator; None if it is covered."""

    @property
    def covered(self) -> bool:
        """Whether there is a motion."""
        return self.why is None

    def motion(self) -> dict[str, Any]:
        """The motion as plain data for Blender: positions and turns of each body, per frame."""
        return {
            way.thing: {
                "positions": [list(pose.position) for pose in way.poses],
                "turns": [list(pose.turn) for pose in way.poses],
            }
            for way in self.trajectories
        }


class NotCoveredError(Exception):
    """Something in the scene is none of the cases that are solved exactly."""


def solve(scene: PhysicsScene) -> Exact:
    """The motion of the scene's solid bodies, frame f at f / fps seconds.

    Covered are balls, round cards and lying cylinders that fly, bounce, slide, roll and meet each
    other, fixed blocks, ramps, cylinders and driven bodies; what falls flat or slides without
    toppling; cars along ramps; rods and springs. Else `why` names what is not.
    """
    try:
        return _World(scene).run()
    except (NotCoveredError, RideError) as error:
        return Exact(why=str(error))


@dataclass(frozen=True, kw_only=True)
class _Mover:
    """A body that is free."""

    solid: Solid
    mass: float
    radius: float
    """0 if it does not roll."""
    inertia: float
    """Over m r²; infinite if it does not turn."""
    axis: Array | None
    """Of a lying cylinder."""
    fade: float
    """1/s: its speed and its spin fade as exp(-fade t)."""
    tied: bool
    """A rod holds it."""

    @property
    def id(self) -> str:
        return self.solid.id

    @property
    def rolls(self) -> bool:
        return self.radius > 0

    @property
    def give(self) -> float:
        """The tangential velocity that a unit of friction impulse gives its point of contact."""
        return (1 + 1 / self.inertia) / self.mass


@dataclass(frozen=True, kw_only=True)
class _Hold:
    """A surface that a body stays on."""

    surface: Surface
    region: Region
    slide: Array | None
    """The direction of its slip when the step began; None if it rolls or stands."""

    @property
    def slides(self) -> bool:
        return self.slide is not None


@dataclass(frozen=True, kw_only=True)
class _Tie:
    """A rod or spring between a body and another, or a point that is still or driven."""

    held: Constraint
    body: int
    to: int | None
    anchor: Callable[[float], Array]
    length: float


@dataclass(frozen=True)
class _State:
    """Of all free bodies: [bodies, 3] and turns [bodies, 4]."""

    position: Array
    velocity: Array
    spin: Array
    """Radians per second."""
    turn: Array

    def plus(self, slope: _State, step: float) -> _State:
        return _State(
            self.position + step * slope.position,
            self.velocity + step * slope.velocity,
            self.spin + step * slope.spin,
            self.turn + step * slope.turn,
        )


class _World:
    """A scene on its way through time."""

    def __init__(self, scene: PhysicsScene) -> None:
        self.scene = scene
        self.fps = float(scene.fps)
        self.gravity = np.array(scene.gravity, float)
        self.notes: list[str] = []
        solids = [solid_of(body) for body in scene.bodies if body.soft is None]
        held = {c.body for c in scene.constraints if c.kind == "fixed" and c.to is None}
        self.still = [s for s in solids if s.body.moves != "free" or s.id in held]
        free = [s for s in solids if s not in self.still]
        self._tell_what_is_left_out(free)
        self.rides = {
            s.id: Ride(s, self.still, scene) for s in free if Ride.is_one(s, self.still, scene)
        }
        free = [s for s in free if s.id not in self.rides]
        tied = {n for c in scene.constraints if c.kind == "rod" for n in (c.body, c.to)}
        self.movers = [self._mover(solid, tied=solid.id in tied) for solid in free]
        self.fades = np.array([[mover.fade] for mover in self.movers]).reshape(-1, 1)
        self.index = {mover.id: i for i, mover in enumerate(self.movers)}
        self.blocks = [i for i, mover in enumerate(self.movers) if not mover.rolls]
        self.surfaces = self._surfaces()
        self.no_go = [s for s in self.still if self._form(s) is None]
        self.ties = [self._tie(c) for c in scene.constraints if c.kind in ("rod", "spring")]
        self.ties = [tie for tie in self.ties if tie.body >= 0]
        self.rods = [tie for tie in self.ties if tie.held.kind == "rod"]
        self.holds: dict[int, _Hold] = {}
        self.asleep: dict[int, Array] = {}
        # Bodies that stay in a corner, and how fast friction slows their spin there.
        self.leaving = math.inf
        self.contacts: dict[tuple[str, str, int], Contact] = {}
        self.apart: dict[tuple[str, str], float] = {}
        self.time = 0.0
        self.longest = self._longest_step()

    # What is covered

    def _tell_what_is_left_out(self, free: list[Solid]) -> None:
        scene = self.scene
        names = {solid.id for solid in free}
        for body in scene.bodies:
            if body.soft is not None:
                self.notes.append(f"the soft body {body.id!r} is left to Blender")
        for thing in [*scene.cloths, *scene.liquids, *scene.smokes]:
            self.notes.append(
                f"{thing.id!r} is left to Blender: solid bodies push it, it does not push them"
            )
        if scene.forces and names:
            raise NotCoveredError(
                f"a {scene.forces[0].kind} may push {sorted(names)[0]!r}, which is free"
            )
        for held in scene.constraints:
            if held.kind == "hinge" or (held.kind == "fixed" and held.to is not None):
                raise NotCoveredError(
                    f"{held.body!r} is held by a constraint of kind {held.kind!r}"
                )

    def _mover(self, solid: Solid, *, tied: bool) -> _Mover:
        body, roll = solid.body, solid.roll
        if body.shape.kind == "mesh":
            raise NotCoveredError(f"{body.id!r} is a mesh from a file that moves")
        if body.drag >= 1:
            raise NotCoveredError(f"{body.id!r} has `drag` 1, which stops it at once")
        axis = None
        if roll and roll[1] == 0.5:
            axis = solid.turned[:, 2]
            if (
                abs(axis @ np.array(body.velocity)) > 1e-9
                or np.linalg.norm(cross(axis, np.array(body.spin))) > 1e-9
            ):
                raise NotCoveredError(f"the cylinder {body.id!r} does not move straight across")
        return _Mover(
            solid=solid,
            mass=solid.mass,
            radius=0.0 if roll is None else roll[0],
            inertia=math.inf if roll is None else roll[1],
            axis=axis,
            fade=-math.log(1 - body.drag),
            tied=tied,
        )

    def _form(self, solid: Solid) -> Box | Drum | Round | None:
        shape = solid.body.shape
        if solid.is_ball:
            return Round(float(solid.size[2]) / 2)
        if shape.kind in ("block", "card"):
            return Box(solid.size / 2)
        if isinstance(shape, Cylinder) and shape.top in (None, shape.radius):
            return Drum(shape.radius, shape.height / 2)
        return None

    def _surfaces(self) -> list[Surface]:
        found: list[Surface] = []
        ground = self.scene.ground
        if ground is not None:
            place = (np.array([0.0, 0.0, float(ground.height)]), np.eye(3))
            found.append(
                Surface(
                    id="ground",
                    form=Level(),
                    way=lambda _: place,
                    reach=math.inf,
                    friction=ground.friction,
                    restitution=ground.restitution,
                )
            )
        for solid in self.still:
            form = self._form(solid)
            if form is not None:
                found.append(self._surface(solid, form))
        return found

    def _surface(self, solid: Solid, form: Box | Drum | Round) -> Surface:
        position, turn = way_of(solid.body, self.scene, 0.0)
        place = (position, matrix_of_turn(turn))

        def driven(time: float) -> tuple[Array, Array]:
            position, turn = way_of(solid.body, self.scene, time)
            return position, matrix_of_turn(turn)

        moves = len({(p.position, p.rotation) for p in solid.body.path}) > 1
        return Surface(
            id=solid.id,
            form=form,
            way=driven if moves else lambda _: place,
            reach=solid.reach,
            friction=solid.friction,
            restitution=solid.restitution,
            moves=moves,
        )

    def _tie(self, held: Constraint) -> _Tie:
        ends = [held.body] if held.to is None else [held.body, held.to]
        moving = [name for name in ends if name in self.index]
        for name in ends:
            if name in self.rides or self._body(name).soft is not None:
                raise NotCoveredError(f"a {held.kind} holds {name!r}, which is no plain body")
        at = np.array(held.at, float)
        if not moving:
            return _Tie(held=held, body=-1, to=None, anchor=lambda _: at, length=0.0)
        if held.body not in self.index:
            # Turned round, so that its first body is the one that is free.
            at = np.array(self._body(held.body).position, float)
            ends = [held.to or "", held.body]
        start = np.array(self._body(ends[0]).position, float)
        length = float(np.linalg.norm(start - at))
        if length < 1e-6:
            raise NotCoveredError(f"the {held.kind} of {held.body!r} has no length")
        rest = held.length if held.kind == "spring" and held.length is not None else length
        to = self.index.get(ends[1]) if len(ends) > 1 else None
        if to is not None and np.linalg.norm(at - self._body(ends[1]).position) > 1e-6:
            raise NotCoveredError(
                f"the {held.kind} of {held.body!r} holds {ends[1]!r} beside its middle"
            )
        anchor: Callable[[float], Array] = lambda _: at  # noqa: E731
        if to is None and len(ends) > 1 and self._body(ends[1]).path:
            driver = self._body(ends[1])
            position, turn = way_of(driver, self.scene, 0.0)
            own = matrix_of_turn(turn).T @ (at - position)

            def carried(time: float) -> Array:
                position, turn = way_of(driver, self.scene, time)
                return position + matrix_of_turn(turn) @ own

            anchor = carried
        return _Tie(held=held, body=self.index[ends[0]], to=to, anchor=anchor, length=rest)

    def _body(self, name: str) -> Body:
        return next(body for body in self.scene.bodies if body.id == name)

    def _longest_step(self) -> float:
        fastest = 0.0
        for tie in self.ties:
            if tie.held.kind == "spring":
                mass = self.movers[tie.body].mass
                if tie.to is not None:
                    mass = 1 / (1 / mass + 1 / self.movers[tie.to].mass)
                fastest = max(
                    fastest, math.sqrt(tie.held.stiffness / mass), tie.held.damping / mass
                )
            else:
                far = float(np.linalg.norm(self.gravity))
                fastest = max(fastest, 2 * math.sqrt(far / tie.length), 8.0)
        return min(STEP, 0.02 / fastest) if fastest else STEP

    # Time

    def run(self) -> Exact:
        """Every frame, one after the other."""
        state = self._start()
        states = [state]
        for frame in range(1, self.scene.frames):
            if not self.movers:
                states.append(state)
                continue
            state = self._advance(state, float(frame / self.scene.fps))
            states.append(state)
        return self._told(states)

    def _start(self) -> _State:
        count = len(self.movers)
        state = _State(*(np.zeros((count, n)) for n in (3, 3, 3, 4)))
        for i, mover in enumerate(self.movers):
            body = mover.solid.body
            state.position[i] = body.position
            state.velocity[i] = body.velocity
            state.spin[i] = np.radians(body.spin)
            _, state.turn[i] = way_of(body, self.scene, 0.0)
            if not mover.rolls:
                self._principal(mover, state.spin[i])
        for i, surface in self._pairs():
            gap, normal, _ = self._gap(state, i, surface, 0.0)
            if gap < -DEEP:
                raise NotCoveredError(f"{self.movers[i].id!r} starts inside {surface.id!r}")
            if gap < 0:
                state.position[i] -= gap * normal
        for a, b in self._couples():
            if self._between(state, a, b)[0] < -DEEP:
                raise NotCoveredError(f"{self.movers[a].id!r} starts inside {self.movers[b].id!r}")
        self._look_out(state, 0.0)
        if count:
            state = self._collide(state, 0.0)
        for i, hold in self.holds.items():
            self._touched(self.movers[i].id, hold.surface.id, state.position[i], 0.0)
        return state

    def _principal(self, mover: _Mover, spin: Array) -> None:
        if np.linalg.norm(spin) < 1e-12:
            return
        along = np.abs(mover.solid.turned.T @ spin)
        if along.max() < (1 - 1e-9) * np.linalg.norm(spin):
            raise NotCoveredError(f"{mover.id!r} tumbles about none of its own axes")

    def _advance(self, state: _State, until: float) -> _State:
        """The state at `until`, with everything that happens on the way."""
        events = 0
        while until - self.time > 1e-12:
            left = until - self.time
            step = left / math.ceil(left / self._bound(state) - 1e-9)
            self.leaving = math.inf
            following = self._step(state, step)
            first = self._first_event(state, following, step)
            if first is None:
                state = following
                self.time += step
            else:
                state = self._step(state, first)
                self.time += first
                events += 1
            state = self._settled(state)
            self._look_out(state, self.time)
            if first is not None:
                state = self._collide(state, self.time)
            if events > EVENTS:
                raise NotCoveredError("bodies meet more often than can be followed")
        self.time = until
        return state

    def _bound(self, state: _State) -> float:
        speed = float(np.abs(state.velocity).max(initial=0.0))
        for surface in self.surfaces:
            if surface.moves:
                position, _ = surface.way(self.time)
                speed = max(speed, float(np.abs(surface.velocity(position, self.time)).max()))
        small = min((m.radius or m.solid.size.min() / 2 for m in self.movers), default=1.0)
        bent = any(hold.slides or sum(map(abs, hold.region)) > 1 for hold in self.holds.values())
        step = min(self.longest, self.leaving, CURVED if bent else STEP)
        return max(min(step, 0.25 * small / speed if speed > 0 else step), 1e-6)

    def _step(self, state: _State, step: float) -> _State:
        """One step of the classical Runge-Kutta method."""
        t = self.time
        a = self._slope(state, t)
        b = self._slope(state.plus(a, step / 2), t + step / 2)
        c = self._slope(state.plus(b, step / 2), t + step / 2)
        d = self._slope(state.plus(c, step), t + step)
        following = state.plus(a, step / 6).plus(b, step / 3).plus(c, step / 3).plus(d, step / 6)
        turn = following.turn / np.linalg.norm(following.turn, axis=1, keepdims=True)
        return replace(following, turn=turn)

    # Forces

    def _slope(self, state: _State, time: float) -> _State:
        pull, spin = self._pull(state, time), -self.fades * state.spin
        for i, hold in self.holds.items():
            if i not in self.asleep:
                pull[i], spin[i] = self._held(state, i, hold, pull[i], time)
        velocity = state.velocity
        if self.asleep:
            resting = list(self.asleep)
            velocity = velocity.copy()
            velocity[resting] = pull[resting] = 0.0
            spin[resting] = list(self.asleep.values())
        if self.rods:
            pull = self._rods(state, pull, time)
        whirl = np.concatenate([np.zeros((len(self.movers), 1)), state.spin], axis=1)
        return _State(velocity, pull, spin, 0.5 * product(whirl, state.turn))

    def _pull(self, state: _State, time: float) -> Array:
        """The acceleration of every body but for contacts and rods, [bodies, 3]."""
        pull = self.gravity - self.fades * state.velocity
        for tie in self.ties:
            if tie.held.kind != "spring":
                continue
            away, velocity = self._along(state, tie, time)
            far = float(np.linalg.norm(away))
            if far < 1e-9:
                continue
            direction = away / far
            force = -direction * (
                tie.held.stiffness * (far - tie.length)
                + tie.held.damping * float(velocity @ direction)
            )
            pull[tie.body] += force / self.movers[tie.body].mass
            if tie.to is not None:
                pull[tie.to] -= force / self.movers[tie.to].mass
        return pull

    def _along(self, state: _State, tie: _Tie, time: float) -> tuple[Array, Array]:
        """From the far end of a tie to its body, and how fast that changes."""
        if tie.to is not None:
            return (
                state.position[tie.body] - state.position[tie.to],
                state.velocity[tie.body] - state.velocity[tie.to],
            )
        anchor, tiny = tie.anchor(time), 1e-5
        moving = (tie.anchor(time + tiny) - tie.anchor(time - tiny)) / (2 * tiny)
        return state.position[tie.body] - anchor, state.velocity[tie.body] - moving

    def _contact(
        self, state: _State, i: int, hold: _Hold, pull: Array, time: float
    ) -> tuple[float, Array, Array, Array, Array]:
        """How a body and the surface that it stays on press and rub.

        Normal force over mass, the normal, how fast that turns, the slip (m/s), and the friction
        over mass that would keep it rolling.
        """
        mover = self.movers[i]
        position, velocity, spin = state.position[i], state.velocity[i], state.spin[i]
        if mover.rolls:
            _, normal, _ = hold.surface.nearest(position, time)
            bend = hold.surface.bend(position, velocity, time)
            slip = velocity - mover.radius * cross(spin, normal)
        else:
            normal, bend, slip = np.array([0.0, 0.0, 1.0]), np.zeros(3), velocity
        press = -float(normal @ pull) - float(bend @ velocity)
        slip = slip - normal * (normal @ slip)
        along = pull - normal * (normal @ pull)
        turning = mover.radius * cross(spin, bend - mover.fade * normal)
        turning = turning - normal * (normal @ turning)
        share = 1.0 if math.isinf(mover.inertia) else mover.inertia / (1 + mover.inertia)
        return press, normal, bend, slip, -share * (along - turning)

    def _held(
        self, state: _State, i: int, hold: _Hold, pull: Array, time: float
    ) -> tuple[Array, Array]:
        """The accelerations of a body that slides or rolls on a surface."""
        mover = self.movers[i]
        press, normal, _, slip, grip = self._contact(state, i, hold, pull, time)
        if hold.slide is not None:
            size = float(np.linalg.norm(slip))
            # Past the end of its slide friction goes on as it was, so that the end can be found.
            way = slip / size if size > 1e-12 and slip @ hold.slide > 0 else hold.slide
            friction = -self._mu(i, hold.surface) * press * way
        else:
            friction = grip
        spin = np.zeros(3)
        if mover.rolls:
            spin = -cross(normal, friction) / (mover.inertia * mover.radius)
            spin -= mover.fade * state.spin[i]
        return pull + normal * press + friction, spin

    def _mu(self, i: int, surface: Surface) -> float:
        return self.movers[i].solid.friction * surface.friction

    def _rods(self, state: _State, pull: Array, time: float) -> Array:
        """`pull`, with what the rods take from it."""
        directions, wanted = [], np.zeros(len(self.rods))
        for j, rod in enumerate(self.rods):
            away, velocity = self._along(state, rod, time)
            direction = away / np.linalg.norm(away)
            directions.append(direction)
            sideways = velocity - direction * (direction @ velocity)
            apart = pull[rod.body] - (0.0 if rod.to is None else pull[rod.to])
            wanted[j] = -direction @ apart - sideways @ sideways / rod.length
        return pull + self._through_rods(directions, wanted)

    def _through_rods(self, directions: list[Array], wanted: Array) -> Array:
        """What must be added to every body, so that the rods' ends part by `wanted` more."""
        count = len(self.rods)
        matrix, moved = np.zeros((count, count)), np.zeros((count, len(self.movers), 3))
        for j, rod in enumerate(self.rods):
            moved[j, rod.body] = directions[j] / self.movers[rod.body].mass
            if rod.to is not None:
                moved[j, rod.to] = -directions[j] / self.movers[rod.to].mass
        for k, rod in enumerate(self.rods):
            apart = moved[:, rod.body] - (0.0 if rod.to is None else moved[:, rod.to])
            matrix[k] = apart @ directions[k]
        tension = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
        return np.tensordot(tension, moved, 1)

    # Events

    def _pairs(self) -> list[tuple[int, Surface]]:
        """Bodies and surfaces that may touch."""
        return list(itertools.product(range(len(self.movers)), self.surfaces))

    def _couples(self) -> list[tuple[int, int]]:
        return list(itertools.combinations(range(len(self.movers)), 2))

    def _gap(
        self, state: _State, i: int, surface: Surface, time: float
    ) -> tuple[float, Array, Region]:
        mover, position = self.movers[i], state.position[i]
        if mover.rolls:
            far, normal, region = surface.nearest(position, time)
            return far - mover.radius, normal, region
        if isinstance(surface.form, Level):
            foot = float(position[2]) - self._foot(state, i)
            return foot - float(surface.way(time)[0][2]), np.array([0.0, 0.0, 1.0]), ()
        return self._gap_of_block(state, i, surface, time)

    def _foot(self, state: _State, i: int) -> float:
        """How far below its middle the lowest point of a block is."""
        size = self.movers[i].solid.size
        return float(np.abs(matrix_of_turn(state.turn[i])[2]) @ size) / 2

    def _gap_of_block(
        self, state: _State, i: int, surface: Surface, time: float
    ) -> tuple[float, Array, Region]:
        """Between a block and the level top of another that it is above; elsewhere far."""
        up = np.array([0.0, 0.0, 1.0])
        place, turn = surface.way(time)
        if not isinstance(surface.form, Box) or surface.moves or abs(turn[2]).max() < 1 - 1e-9:
            return math.inf, up, ()
        half = surface.form.half
        top = float(place[2]) + float(np.abs(turn[2]) @ half)
        local = turn.T @ (state.position[i] - place)
        level = np.abs(turn[2]) < 0.5
        if (np.abs(local) > half)[level].any():
            return math.inf, up, ()
        gap = float(state.position[i][2]) - self._foot(state, i) - top
        return (gap, up, ()) if gap > -0.01 else (math.inf, up, ())

    def _between(self, state: _State, a: int, b: int) -> tuple[float, Array]:
        """The gap of two free balls, and the direction from `b` to `a`; elsewhere far."""
        one, other = self.movers[a], self.movers[b]
        away = state.position[a] - state.position[b]
        far = float(np.linalg.norm(away))
        if not one.solid.is_ball or not other.solid.is_ball or far < 1e-12:
            return math.inf, np.array([1.0, 0.0, 0.0])
        return far - one.radius - other.radius, away / far

    def _first_event(self, state: _State, following: _State, step: float) -> float | None:
        """Seconds into the step at which something happens first; None if nothing does."""
        tests = self._tests(state, following, step)
        if not tests:
            return None
        return min(self._root(state, test, step) for test in tests)

    def _tests(
        self, state: _State, following: _State, step: float
    ) -> list[Callable[[_State, float], float]]:
        """Functions of the state that became negative in the step."""
        found: list[Callable[[_State, float], float]] = []
        end = self.time + step

        def gap(i: int, surface: Surface) -> Callable[[_State, float], float]:
            return lambda s, t: self._gap(s, i, surface, t)[0]

        def between(a: int, b: int) -> Callable[[_State, float], float]:
            return lambda s, _: self._between(s, a, b)[0]

        def same(i: int, hold: _Hold) -> Callable[[_State, float], float]:
            return lambda s, t: (
                1.0 if hold.surface.nearest(s.position[i], t)[2] == hold.region else -1.0
            )

        def slip(i: int, hold: _Hold, before: Array) -> Callable[[_State, float], float]:
            return lambda s, t: float(before @ self._contact(s, i, hold, self._pull(s, t)[i], t)[3])

        for i, surface in self._pairs():
            on = self.holds.get(i)
            if (on is not None and on.surface is surface) or (
                i in self.asleep and not surface.moves
            ):
                continue
            far = float(np.linalg.norm(following.position[i] - surface.way(end)[0]))
            if far > surface.reach + self.movers[i].solid.reach + 0.5:
                continue
            if self._gap(following, i, surface, end)[0] < -TOUCH / 10:
                found.append(gap(i, surface))
        for a, b in self._couples():
            if self._between(following, a, b)[0] < -TOUCH / 10:
                found.append(between(a, b))
        for i, rate in self.asleep.items():
            if float(following.spin[i] @ rate) > 0:
                found.append(lambda s, _, i=i, rate=rate: -float(s.spin[i] @ rate))
        for i, hold in self.holds.items():
            if i in self.asleep:
                continue
            near = hold.surface.nearest(following.position[i], end)
            if self.movers[i].rolls and near[2] != hold.region:
                found.append(same(i, hold))
            if hold.slide is not None:
                test = slip(i, hold, hold.slide)
                if test(following, end) < 0:
                    found.append(test)
        return found

    def _root(self, state: _State, test: Callable[[_State, float], float], step: float) -> float:
        """Where `test` turns negative, by Brent-like bisection and secants (Illinois)."""
        low, high = 0.0, step
        at_low, at_high = test(state, self.time), test(self._step(state, step), self.time + step)
        at_low = max(at_low, 0.0)
        side = 0
        for turn in range(80):
            if high - low < 1e-14:
                break
            width = high - low
            part = at_low / (at_low - at_high) if turn % 4 != 3 else 0.5
            middle = (
                low + width * min(max(part, 1e-3), 1 - 1e-3)
                if width > 1e-9
                else (low + width * min(max(part, 0.0), 1.0))
            )
            value = test(self._step(state, middle), self.time + middle)
            if abs(value) < 1e-13:
                return middle
            if value < 0:
                high, at_high = middle, value
                if side == -1:
                    at_low /= 2
                side = -1
            else:
                low, at_low = middle, value
                if side == 1:
                    at_high /= 2
                side = 1
        return high

    def _settled(self, state: _State) -> _State:
        """The state with what rounding did to contacts and rods taken out, and new modes."""
        position, velocity, spin = state.position.copy(), state.velocity.copy(), state.spin.copy()
        state = _State(position, velocity, spin, state.turn)
        for i, hold in list(self.holds.items()):
            mover = self.movers[i]
            if i in self.asleep:
                continue
            gap, normal, region = self._gap(state, i, hold.surface, self.time)
            if math.isinf(gap):
                raise NotCoveredError(f"{mover.id!r} slides off {hold.surface.id!r}")
            position[i] -= gap * normal
            velocity[i] -= normal * (normal @ velocity[i])
            hold = replace(hold, region=region)
            pull = self._pull(state, self.time)[i]
            press, _, _, slip, grip = self._contact(state, i, hold, pull, self.time)
            if press <= 0:
                del self.holds[i]
                continue
            mu = self._mu(i, hold.surface)
            holds = np.linalg.norm(grip) <= mu * press * (1 + (1e-12 if hold.slides else 1e-9))
            size = float(np.linalg.norm(slip))
            if hold.slides and not (holds and size < max(1e-9, 1e-5 * self._speed(state, i))):
                hold = replace(hold, slide=_direction(slip, -grip))
            else:
                hold = replace(hold, slide=None if holds else _direction(slip, -grip))
            if not hold.slides:
                self._roll(state, i, normal)
            rub = mu if hold.slides else float(np.linalg.norm(grip)) / press
            self._stands(i, state, rub, slip)
            self.holds[i] = hold
        if self.rods:
            self._straighten(state)
        return state

    def _speed(self, state: _State, i: int) -> float:
        return float(np.linalg.norm(state.velocity[i])) + self.movers[i].radius * float(
            np.linalg.norm(state.spin[i])
        )

    def _roll(self, state: _State, i: int, normal: Array) -> None:
        """Sets the spin to that of rolling; what does not roll stands still."""
        mover = self.movers[i]
        if not mover.rolls:
            state.velocity[i] = 0.0
            return
        about = normal * (normal @ state.spin[i])
        state.spin[i] = cross(normal, state.velocity[i]) / mover.radius + about

    def _stands(self, i: int, state: _State, rub: float, slip: Array) -> None:
        """Refuses a block that friction would topple: its foot must hold the push."""
        mover = self.movers[i]
        if mover.rolls or rub <= 0:
            return
        local = np.abs(matrix_of_turn(state.turn[i]).T @ np.array([0.0, 0.0, 1.0]))
        upright = int(np.argmax(local))
        size = mover.solid.size
        narrow = float(np.delete(size, upright).min())
        way = np.abs(matrix_of_turn(state.turn[i]).T @ slip)
        if np.linalg.norm(way) > 1e-12:
            way = way / np.linalg.norm(way)
            narrow = float(min(size[k] / max(way[k], 1e-12) for k in range(3) if k != upright))
        if rub * size[upright] > narrow:
            raise NotCoveredError(f"friction would topple {mover.id!r}")

    def _straighten(self, state: _State) -> None:
        for _ in range(2):
            short, directions, drift = np.zeros(len(self.rods)), [], np.zeros(len(self.rods))
            for j, rod in enumerate(self.rods):
                away, velocity = self._along(state, rod, self.time)
                far = float(np.linalg.norm(away))
                directions.append(away / far)
                short[j] = rod.length - far
                drift[j] = -float(directions[j] @ velocity)
            state.position[:] += self._through_rods(directions, short)
            state.velocity[:] += self._through_rods(directions, drift)

    # Impacts

    def _respond(self, state: _State, impulses: dict[int, Array]) -> Array:
        """The velocities that impulses give all bodies, through rods as well, [bodies, 3]."""
        gained = np.zeros((len(self.movers), 3))
        for i, impulse in impulses.items():
            gained[i] = impulse / self.movers[i].mass
        if not self.rods:
            return gained
        directions, wanted = [], np.zeros(len(self.rods))
        for j, rod in enumerate(self.rods):
            away, _ = self._along(state, rod, self.time)
            directions.append(away / np.linalg.norm(away))
            apart = gained[rod.body] - (0.0 if rod.to is None else gained[rod.to])
            wanted[j] = -float(directions[j] @ apart)
        return gained + self._through_rods(directions, wanted)

    def _collide(self, state: _State, time: float) -> _State:
        """Everything that touches and comes nearer gets its impulse; then who stays on what."""
        state = _State(state.position.copy(), state.velocity.copy(), state.spin.copy(), state.turn)
        pairs = [
            (i, s, *self._gap(state, i, s, time)[:2])
            for i, s in self._pairs()
            if abs(self._gap(state, i, s, time)[0]) <= TOUCH
        ]
        couples = [
            (a, b, self._between(state, a, b)[1])
            for a, b in self._couples()
            if abs(self._between(state, a, b)[0]) <= TOUCH
        ]
        for _ in range(200):
            nearing: list[tuple[float, Callable[[], None]]] = []
            for i, surface, _, normal in pairs:
                self._allowed(i, surface, normal)
                speed = self._nearing(state, i, surface, normal, time)
                if speed > 1e-10:
                    nearing.append((speed, self._bounce_of(state, i, surface, normal, time)))
            for a, b, normal in couples:
                speed = -float(normal @ (state.velocity[a] - state.velocity[b]))
                if speed > 1e-10:
                    nearing.append((speed, self._knock_of(state, a, b, normal, time)))
            if not nearing:
                break
            max(nearing, key=lambda each: each[0])[1]()
        else:
            raise NotCoveredError("several bodies meet at once and push each other")
        self._stay(state, pairs, time)
        self._press(state, couples, time)
        return state

    def _allowed(self, i: int, surface: Surface, normal: Array) -> None:
        mover = self.movers[i]
        if mover.axis is not None and abs(mover.axis @ normal) > 1e-6:
            raise NotCoveredError(f"the cylinder {mover.id!r} meets {surface.id!r} askew")
        if not mover.rolls:
            if not mover.solid.flat:
                raise NotCoveredError(f"{mover.id!r} does not fall flat onto {surface.id!r}")
            if np.linalg.norm(mover.solid.body.spin) > 0:
                raise NotCoveredError(f"{mover.id!r} turns as it meets {surface.id!r}")

    def _nearing(
        self, state: _State, i: int, surface: Surface, normal: Array, time: float
    ) -> float:
        point = state.position[i] - self.movers[i].radius * normal
        return -float(normal @ (state.velocity[i] - surface.velocity(point, time)))

    def _bounce_of(
        self, state: _State, i: int, surface: Surface, normal: Array, time: float
    ) -> Callable[[], None]:
        return lambda: self._bounce(state, i, surface, normal, time)

    def _knock_of(
        self, state: _State, a: int, b: int, normal: Array, time: float
    ) -> Callable[[], None]:
        return lambda: self._knock(state, a, b, normal, time)

    def _bounce(self, state: _State, i: int, surface: Surface, normal: Array, time: float) -> None:
        """The impulse of a body against a surface: Newton's restitution, Coulomb's friction."""
        mover = self.movers[i]
        self._wake(i)
        point = state.position[i] - (
            mover.radius * normal if mover.rolls else np.array([0, 0, self._foot(state, i)])
        )
        speed = self._nearing(state, i, surface, normal, time)
        self._touched(mover.id, surface.id, point, speed)
        bounce = mover.solid.restitution * surface.restitution
        if speed * bounce < REST:
            bounce = 0.0
        give = float(normal @ self._respond(state, {i: normal})[i])
        if give < 1e-9 / mover.mass:
            return
        push = (1 + bounce) * speed / give
        state.velocity[:] += self._respond(state, {i: normal * push})
        if mover.tied:
            return
        slip = state.velocity[i] - surface.velocity(point, time)
        if mover.rolls:
            slip = slip - mover.radius * cross(state.spin[i], normal)
        slip = slip - normal * (normal @ slip)
        size = float(np.linalg.norm(slip))
        if size < 1e-12:
            return
        rub = min(size / mover.give, self._mu(i, surface) * push)
        self._stands(i, state, rub / push, slip)
        self._rub(state, i, normal, -slip / size * rub)

    def _rub(self, state: _State, i: int, normal: Array, impulse: Array) -> None:
        """A friction impulse at the point of contact that lies against `normal`."""
        mover = self.movers[i]
        state.velocity[i] += impulse / mover.mass
        if mover.rolls:
            lever = mover.mass * mover.inertia * mover.radius
            state.spin[i] -= cross(normal, impulse) / lever

    def _knock(self, state: _State, a: int, b: int, normal: Array, time: float) -> None:
        """The impulse of two free balls."""
        one, other = self.movers[a], self.movers[b]
        self._wake(a)
        self._wake(b)
        speed = -float(normal @ (state.velocity[a] - state.velocity[b]))
        self._touched(one.id, other.id, state.position[a] - one.radius * normal, speed)
        bounce = one.solid.restitution * other.solid.restitution
        if speed * bounce < REST:
            bounce = 0.0
        answer = self._respond(state, {a: normal, b: -normal})
        push = (1 + bounce) * speed / float(normal @ (answer[a] - answer[b]))
        state.velocity[:] += push * answer
        if one.tied or other.tied:
            return
        slip = (
            state.velocity[a]
            - state.velocity[b]
            - one.radius * cross(state.spin[a], normal)
            - other.radius * cross(state.spin[b], normal)
        )
        slip = slip - normal * (normal @ slip)
        size = float(np.linalg.norm(slip))
        if size < 1e-12:
            return
        mu = one.solid.friction * other.solid.friction
        impulse = -slip / size * min(size / (one.give + other.give), mu * push)
        self._rub(state, a, normal, impulse)
        self._rub(state, b, -normal, -impulse)

    def _wake(self, i: int) -> None:
        if i in self.asleep:
            del self.asleep[i]
            self.holds.pop(i, None)

    def _stay(
        self, state: _State, pairs: list[tuple[int, Surface, float, Array]], time: float
    ) -> None:
        """Who neither leaves the surface that it touches nor is pulled from it stays on it."""
        pull = self._pull(state, time)
        staying: dict[int, list[tuple[Surface, Array]]] = {}
        leaving = [math.inf]
        for i, surface, _, normal in pairs:
            away = -self._nearing(state, i, surface, normal, time)
            bend = (
                surface.bend(state.position[i], state.velocity[i], time)
                if self.movers[i].rolls
                else np.zeros(3)
            )
            into = -float(normal @ pull[i]) - float(bend @ state.velocity[i])
            if away > REST / 10:
                leaving.append(away / (float(np.linalg.norm(pull[i])) + 1e-9))
            if self.movers[i].tied:
                if into > 1e-9 and abs(away) < REST and self._slack(state, i, normal, time):
                    raise NotCoveredError(
                        f"{self.movers[i].id!r} hangs on a rod and lies on {surface.id!r}"
                    )
                continue
            if away > REST / 10:
                hold = self.holds.get(i)
                if hold is not None and hold.surface is surface:
                    del self.holds[i]
            elif into > 1e-9:
                staying.setdefault(i, []).append((surface, normal))
        for i, found in staying.items():
            self.asleep.pop(i, None)
            self._hold(state, i, found, pull[i], time)
        self._cornered(state, pairs, time)
        self.leaving = min(leaving)

    def _slack(self, state: _State, i: int, normal: Array, time: float) -> bool:
        """Whether a tied body would sink into what it touches, rods and all."""
        pull = self._rods(state, self._pull(state, time), time)
        return float(normal @ pull[i]) < -1e-6

    def _hold(
        self,
        state: _State,
        i: int,
        found: list[tuple[Surface, Array]],
        pull: Array,
        time: float,
    ) -> None:
        mover = self.movers[i]
        if len(found) > 1:
            self._pin(state, i, found, pull)
            return
        surface, normal = found[0]
        if surface.moves:
            raise NotCoveredError(f"{mover.id!r} rides on {surface.id!r}, which moves")
        state.velocity[i] -= normal * (normal @ state.velocity[i])
        _, _, region = self._gap(state, i, surface, time)
        hold = _Hold(surface=surface, slide=None, region=region)
        press, _, _, slip, grip = self._contact(state, i, hold, pull, time)
        grips = np.linalg.norm(grip) <= self._mu(i, surface) * press * (1 + 1e-12)
        if np.linalg.norm(slip) < 1e-9 and grips:
            self._roll(state, i, normal)
        else:
            hold = replace(hold, slide=_direction(slip, -grip))
        self.holds[i] = hold

    def _cornered(
        self, state: _State, pairs: list[tuple[int, Surface, float, Array]], time: float
    ) -> None:
        """Pins what the friction of one surface presses against another."""
        for i, surface, _, normal in pairs:
            hold = self.holds.get(i)
            if hold is None or hold.surface is surface or i in self.asleep:
                continue
            if abs(self._nearing(state, i, surface, normal, time)) > REST / 10:
                continue
            pull = self._slope(state, time).velocity[i]
            into = -float(normal @ pull)
            if self.movers[i].rolls:
                bend = surface.bend(state.position[i], state.velocity[i], time)
                into -= float(bend @ state.velocity[i])
            if into > 1e-6:
                _, held, _ = self._gap(state, i, hold.surface, time)
                found = [(hold.surface, held), (surface, normal)]
                self._pin(state, i, found, self._pull(state, time)[i])

    def _pin(self, state: _State, i: int, found: list[tuple[Surface, Array]], pull: Array) -> None:
        """A body that two surfaces hold at once stays there; friction takes its spin."""
        mover = self.movers[i]
        names = " and ".join(repr(surface.id) for surface, _ in found)
        moving = any(surface.moves for surface, _ in found)
        if moving or float(np.linalg.norm(state.velocity[i])) > 0.02 or not mover.rolls:
            raise NotCoveredError(f"{mover.id!r} is pressed against {names} at once")
        state.velocity[i] = 0.0
        forces: list[Array] = []
        rubs: list[Array] = []
        for surface, normal in found:
            slip = -mover.radius * cross(state.spin[i], normal)
            size = float(np.linalg.norm(slip))
            rub = -self._mu(i, surface) * slip / size if size > 1e-9 else np.zeros(3)
            forces.append(normal + rub)
            rubs.append(cross(normal, rub))
        presses = np.linalg.lstsq(np.stack(forces, axis=1), -pull, rcond=None)[0]
        left = np.stack(forces, axis=1) @ presses + pull
        if (presses < -1e-9).any() or np.linalg.norm(left) > 1e-6 * np.linalg.norm(pull):
            raise NotCoveredError(f"{mover.id!r} is pressed against {names} at once")
        turning = sum((p * r for p, r in zip(presses, rubs, strict=True)), np.zeros(3))
        rate = -turning / (mover.inertia * mover.radius)
        if float(np.linalg.norm(state.spin[i])) * mover.radius < 1e-9:
            state.spin[i] = rate = np.zeros(3)
        self.asleep[i] = rate
        self.holds[i] = _Hold(surface=found[0][0], slide=None, region=())

    def _press(self, state: _State, couples: list[tuple[int, int, Array]], time: float) -> None:
        """Refuses balls that stay pressed against each other."""
        if not couples:
            return
        pull = self._slope(state, time).velocity
        for a, b, normal in couples:
            away = float(normal @ (state.velocity[a] - state.velocity[b]))
            across = state.velocity[a] - state.velocity[b] - away * normal
            reach = self.movers[a].radius + self.movers[b].radius
            into = -float(normal @ (pull[a] - pull[b])) - float(across @ across) / reach
            if abs(away) < REST / 10 and into > 1e-4:
                raise NotCoveredError(
                    f"{self.movers[a].id!r} and {self.movers[b].id!r} stay pressed together"
                )

    def _touched(self, a: str, b: str, point: Array, speed: float) -> None:
        """Writes a contact down, unless both have hardly parted since the last."""
        parted = self.apart.get((a, b), math.inf)
        self.apart[a, b] = 0.0
        if parted < APART:
            return
        frame = math.ceil(self.time * self.fps - 1e-9)
        if frame >= self.scene.frames or (a, b, frame) in self.contacts:
            return
        x, y, z = point.tolist()
        self.contacts[a, b, frame] = Contact(
            frame=frame, a=a, b=b, position=(x, y, z), speed=abs(speed)
        )

    def _look_out(self, state: _State, time: float) -> None:
        """Refuses what would touch a body that cannot be followed; keeps who has parted."""
        for a, b in self.apart:
            i = self.index[a]
            if b in self.index:
                gap = self._between(state, i, self.index[b])[0]
            else:
                surface = next(s for s in self.surfaces if s.id == b)
                gap = self._gap(state, i, surface, time)[0]
            self.apart[a, b] = max(self.apart[a, b], gap)
        for i, mover in enumerate(self.movers):
            place = state.position[i]
            for solid in self.no_go:
                position, turn = way_of(solid.body, self.scene, time)
                if self._near_box(state, i, position, turn, solid):
                    raise NotCoveredError(
                        f"{mover.id!r} reaches {solid.id!r}, whose shape is not simple"
                    )
            for j in self.blocks:
                if j == i or (not mover.rolls and j < i):
                    continue
                other = self.movers[j]
                if self._near_box(state, i, state.position[j], state.turn[j], other.solid):
                    raise NotCoveredError(f"{mover.id!r} meets {other.id!r}, which may turn over")
            if not mover.rolls:
                self._clear_of_surfaces(state, i, place, time)
            elif mover.axis is not None:
                for j, other in enumerate(self.movers):
                    far = float(np.linalg.norm(place - state.position[j]))
                    if j != i and far < mover.solid.reach + other.solid.reach:
                        raise NotCoveredError(f"the cylinder {mover.id!r} meets {other.id!r}")

    def _near_box(self, state: _State, i: int, position: Array, turn: Array, solid: Solid) -> bool:
        """Whether a body touches another's bounding box, or stands on it."""
        mover = self.movers[i]
        half = solid.size / 2
        far = np.linalg.norm(state.position[i] - position)
        if far > (mover.solid.reach + solid.reach) * (3 if solid.body.shape.kind == "mesh" else 1):
            return False
        if solid.body.shape.kind == "mesh":
            half = np.full(3, 1.5 * solid.size[2])
        axes = matrix_of_turn(turn)
        if mover.rolls:
            reach = mover.solid.reach if mover.axis is not None else mover.radius
            local = axes.T @ (state.position[i] - position)
            return Box(half).nearest(local)[0] < reach - 1e-9
        own = matrix_of_turn(state.turn[i])
        return overlap(state.position[i], own, mover.solid.size / 2, position, axes, half)

    def _clear_of_surfaces(self, state: _State, i: int, place: Array, time: float) -> None:
        """Refuses a block that comes to anything but the level top of another, or the ground."""
        mover = self.movers[i]
        own = matrix_of_turn(state.turn[i])
        for surface in self.surfaces:
            position, axes = surface.way(time)
            if isinstance(surface.form, Level):
                continue
            half = (
                surface.form.half
                if isinstance(surface.form, Box)
                else np.full(3, surface.form.radius)
                if isinstance(surface.form, Round)
                else np.array([surface.form.radius] * 2 + [surface.form.half])
                if isinstance(surface.form, Drum)
                else np.zeros(3)
            )
            gap = self._gap(state, i, surface, time)[0]
            if not math.isinf(gap) and gap > -1e-6:
                continue
            if overlap(place, own, mover.solid.size / 2, position, axes, half):
                raise NotCoveredError(f"{mover.id!r} meets {surface.id!r} and may turn over")

    # What came of it

    def _told(self, states: list[_State]) -> Exact:
        trajectories: list[Trajectory] = []
        velocities: dict[str, Array] = {}
        times = [float(frame / self.scene.fps) for frame in range(self.scene.frames)]
        for body in self.scene.bodies:
            if body.soft is not None:
                continue
            if body.id in self.index:
                i = self.index[body.id]
                places = np.stack([state.position[i] for state in states])
                turns = np.stack([state.turn[i] for state in states])
                turns = self._hung(i, states, times, turns)
                velocities[body.id] = np.stack([state.velocity[i] for state in states])
            elif body.id in self.rides:
                ride = self.rides[body.id].run()
                places, turns, velocities[body.id] = ride.positions, ride.turns, ride.velocities
                for met in ride.contacts:
                    self.contacts[met.a, met.b, met.frame] = met
            else:
                ways = [way_of(body, self.scene, time) for time in times]
                places, turns = (np.stack(each) for each in zip(*ways, strict=True))
            trajectories.append(
                Trajectory(
                    thing=body.id,
                    poses=[
                        Pose(position=tuple(place.tolist()), turn=tuple(turn.tolist()))
                        for place, turn in zip(places, turns, strict=True)
                    ],
                )
            )
        if self.rides:
            self._rides_alone(trajectories)
        contacts = sorted(self.contacts.values(), key=lambda c: (c.frame, c.a, c.b))
        return Exact(
            trajectories=trajectories,
            contacts=contacts,
            velocities=velocities,
            notes=self.notes,
        )

    def _hung(self, i: int, states: list[_State], times: list[float], turns: Array) -> Array:
        """The turns of a body on a rod: it turns as the rod does."""
        rod = next((rod for rod in self.rods if i in (rod.body, rod.to)), None)
        if rod is None:
            return turns
        time, self.time = self.time, 0.0
        ways = []
        for state, at in zip(states, times, strict=True):
            ways.append(self._along(state, rod, at)[0])
        self.time = time
        first = turns[0]
        return np.stack([product(turn_between(ways[0], way), first) for way in ways])

    def _rides_alone(self, trajectories: list[Trajectory]) -> None:
        """Refuses a car that comes near anything that moves."""
        solids = {body.id: solid_of(body) for body in self.scene.bodies}
        ways = {way.thing: np.array([pose.position for pose in way.poses]) for way in trajectories}
        for ride in self.rides:
            for other in [*self.index, *(r for r in self.rides if r != ride)]:
                far = np.linalg.norm(ways[ride] - ways[other], axis=1).min()
                if far < solids[ride].reach + solids[other].reach:
                    raise NotCoveredError(f"{other!r} comes near the car {ride!r}")


def _direction(slip: Array, pending: Array) -> Array:
    """Where something slips to, or begins to."""
    way = slip if np.linalg.norm(slip) > 1e-9 else pending
    return way / max(float(np.linalg.norm(way)), 1e-300)
