"""Whether a motion keeps to the laws of physics, measured on its frames alone.

Nothing here knows how the motion came about: positions and turns per frame, and in which frames
things met, are compared with closed forms. So the same checks judge the exact integrator, Blender's
solvers and any other motion.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import Check, Constraint, Contact, PhysicsScene, Trajectory
from reelwright_simulators.cameras import extrinsic, intrinsic
from reelwright_simulators.solids import Solid, solid_of
from reelwright_simulators.surfaces import Box, Form, Round, overlap
from reelwright_simulators.turns import matrix_of_turn, rotation_vectors

Array = NDArray[np.floating]

FALL, BOUNCE, MOMENTUM, PERIOD, RANGE, ROLL = 0.02, 0.05, 0.02, 0.03, 0.02, 0.03
"""How far each law may be missed, as a part of what is expected."""
ENERGY, OVERLAP, LENGTH, SEEN = 0.03, 0.05, 0.01, 0.5
STILL = 0.01
"""Metres that a resting thing may move."""
TOUCHES = 2e-3
"""Metres below which a body counts as lying on something."""
LOWEST = 0.03
"""Metres: lower bounces are not measured."""
AT_MOST = {"energy"}
AT_LEAST = {"no overlap", "in view"}
ALONE = {"resting", "finite"}
"""What is expected to be 0; the tolerance is in its unit."""


def check(
    scene: PhysicsScene, trajectories: Sequence[Trajectory], contacts: Sequence[Contact]
) -> list[Check]:
    """The laws that apply to a motion, and whether it keeps to each.

    Without `contacts` those with the ground are found from the trajectories.
    """
    motion = _Motion(scene, trajectories, contacts)
    found: list[Check] = [*motion.finite()]
    if any(not each.passed for each in found):
        return found
    for way in motion.ways.values():
        found += motion.falls(way)
        found += motion.bounces(way)
        found += motion.rolls(way)
        found += motion.slides_down(way)
        found += motion.rests(way)
        found += motion.overlaps(way)
    found += motion.collisions()
    for held in scene.constraints:
        found += motion.swings(held)
    found += motion.energy()
    found += motion.seen()
    return found


def unmeasured(scene: PhysicsScene) -> list[str]:
    """What of a scene no law here speaks about; one sentence each."""
    notes: list[str] = []
    if scene.liquids and any(body.moves == "free" for body in scene.bodies):
        notes.append("floating is not checked: the level of the liquid is not known")
    if scene.forces and any(body.moves == "free" for body in scene.bodies):
        notes.append("falls, bounces and energy are not checked: a force of the scene pushes")
    return notes


def miss(checks: Sequence[Check]) -> float:
    """The worst miss in tolerances: at most 1 if all passed, 0 if nothing was missed."""
    return max((_miss(each) for each in checks), default=0.0)


def table(checks: Sequence[Check]) -> str:
    """The checks as a Markdown table, which is also readable on a terminal."""
    rows = [("law", "thing", "frame", "expected", "got", "off by", "at most", "passed")]
    for each in checks:
        alone = each.name in ALONE
        off = abs(each.got - each.expected)
        share = "" if alone else f"{100 * off / max(abs(each.expected), 1e-12):.2f} %"
        rows.append(
            (
                each.name,
                each.thing,
                "" if each.frame is None else str(each.frame),
                f"{each.expected:.4g} {each.unit}".strip(),
                f"{each.got:.4g} {each.unit}".strip(),
                share or f"{off:.4g} {each.unit}".strip(),
                f"{each.tolerance:g} {each.unit}".strip()
                if alone
                else f"{100 * each.tolerance:.3g} %",
                "yes" if each.passed else "NO",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _miss(each: Check) -> float:
    off = each.got - each.expected
    if each.name in AT_MOST:
        off = max(off, 0.0)
    elif each.name in AT_LEAST:
        off = min(off, 0.0)
    size = 1.0 if each.name in ALONE else max(abs(each.expected), 1e-12)
    return abs(off) / size / each.tolerance if math.isfinite(off) else math.inf


def _check(
    name: str,
    thing: str,
    law: str,
    *,
    expected: float,
    got: float,
    unit: str,
    tolerance: float,
    frame: int | None = None,
) -> Check:
    made = Check(
        name=name,
        thing=thing,
        law=law,
        expected=float(expected),
        got=float(got),
        unit=unit,
        tolerance=tolerance,
        frame=frame,
        passed=False,
    )
    return made.model_copy(update={"passed": _miss(made) <= 1})


@dataclass(frozen=True, kw_only=True)
class _Flight:
    """A curve through frames in which only gravity and drag act."""

    first: int
    last: int
    curve: Array
    """[3, 3]: for x, y and z the place and velocity at time 0, and the acceleration."""
    fade: float

    def place(self, time: float) -> Array:
        return self.curve @ _basis(np.array([time]), self.fade)[0]

    def velocity(self, time: float) -> Array:
        if self.fade == 0:
            return self.curve @ np.array([0.0, 1.0, time])
        still = math.exp(-self.fade * time)
        return self.curve @ np.array([0.0, still, (1 - still) / self.fade])


def _basis(time: Array, fade: float) -> Array:
    """What a place is made of at each time: 1, ∫ of a unit velocity, ∫∫ of a unit acceleration."""
    if fade == 0:
        return np.stack([np.ones_like(time), time, time * time / 2], axis=1)
    gone = -np.expm1(-fade * time) / fade
    return np.stack([np.ones_like(time), gone, (time - gone) / fade], axis=1)


@dataclass(frozen=True, kw_only=True)
class _Way:
    """A free body and its motion."""

    solid: Solid
    places: Array
    turns: Array
    met: list[tuple[int, str]]
    """(frame, with what), in order of frames."""
    tied: bool

    @property
    def id(self) -> str:
        return self.solid.id

    @property
    def fade(self) -> float:
        drag = self.solid.body.drag
        return -math.log(1 - drag) if drag < 1 else 50.0

    @cached_property
    def foot(self) -> Array:
        """How far below its middle its lowest point is, in every frame."""
        roll = self.solid.roll
        if roll is not None:
            return np.full(len(self.places), roll[0])
        upright, shape = np.abs(matrix_of_turn(self.turns)[:, 2]), self.solid.body.shape
        if shape.kind == "model" and shape.name == "car":
            # Its ends are in the air: where a slope changes they may lean below its wheels.
            return upright[:, 2] * self.solid.size[2] / 2
        return upright @ self.solid.size / 2

    def meetings(self, first: int, last: int) -> list[tuple[int, str]]:
        return [each for each in self.met if first <= each[0] <= last]


class _Motion:
    """A scene and what moved in it."""

    def __init__(
        self, scene: PhysicsScene, trajectories: Sequence[Trajectory], contacts: Sequence[Contact]
    ) -> None:
        self.scene = scene
        self.step = 1 / float(scene.fps)
        self.gravity = np.array(scene.gravity, float)
        self.g = float(np.linalg.norm(self.gravity))
        self.upright = self.g > 0 and abs(self.gravity[2] + self.g) < 1e-9
        self.trajectories = trajectories
        self.contacts = list(contacts)
        solids = {body.id: solid_of(body) for body in scene.bodies if body.soft is None}
        held = {c.body: c for c in scene.constraints}
        tied = {name for c in scene.constraints for name in (c.body, c.to) if name}
        self.still = [s for s in solids.values() if s.body.moves == "fixed"]
        self.driven = {s.id for s in solids.values() if s.body.moves == "driven"}
        self.ways: dict[str, _Way] = {}
        for way in trajectories:
            solid = solids.get(way.thing)
            if solid is None or solid.body.moves != "free" or len(way.poses) < 3:
                continue
            if way.thing in held and held[way.thing].kind == "fixed":
                continue
            places = np.array([pose.position for pose in way.poses])
            met = sorted(
                {
                    (c.frame, c.b if c.a == way.thing else c.a)
                    for c in contacts
                    if way.thing in (c.a, c.b)
                }
            )
            made = _Way(
                solid=solid,
                places=places,
                turns=np.array([pose.turn for pose in way.poses]),
                met=met,
                tied=way.thing in tied,
            )
            if not contacts and scene.ground is not None:
                made.met.extend((frame, "ground") for frame in self._turns_up(made))
            self.ways[way.thing] = made

    def _turns_up(self, way: _Way) -> list[int]:
        """Frames in which it has just hit the ground: it was stopped by more than gravity."""
        z = way.places[:, 2]
        gap = z - way.foot - self._floor
        bend = np.diff(z, 2) / self.step**2 + self.g
        found: list[int] = []
        for f in range(1, len(z) - 1):
            near = min(gap[f - 1 : f + 2]) < max(0.01, 0.6 * abs(z[f] - z[f - 1]))
            sharp = bend[f - 1] > 0.5 * self.g
            falls = z[f] - z[f - 1] < -self.g * self.step**2
            if near and sharp and falls and (not found or f - found[-1] > 1):
                # Two bends stand beside a hit between two frames: it is before the sharper one.
                later = f < len(bend) and bend[min(f, len(bend) - 1)] > bend[f - 1]
                found.append(f + 1 if later else f)
        return found

    @property
    def _floor(self) -> float:
        return float(self.scene.ground.height) if self.scene.ground is not None else -math.inf

    # Laws

    def finite(self) -> Iterator[Check]:
        """Whether every number is one."""
        for way in self.trajectories:
            values = np.array([(*pose.position, *pose.turn) for pose in way.poses], float)
            bad = int((~np.isfinite(values) | (np.abs(values) > 1e4)).any(axis=1).sum())
            if bad or len(way.poses) != self.scene.frames:
                lacking = max(bad, abs(len(way.poses) - self.scene.frames))
                yield _check(
                    "finite",
                    way.thing,
                    "every frame has a place",
                    expected=0,
                    got=lacking,
                    unit="frames",
                    tolerance=0.5,
                )

    def _flights(self, way: _Way) -> list[tuple[int, int]]:
        """First and last frames of the times in which nothing touches a body."""
        edges = [0, *(frame for frame, _ in way.met), len(way.places)]
        gap = self._gaps(way)
        found: list[tuple[int, int]] = []
        for a, b in itertools.pairwise(edges):
            if a >= b:
                continue
            inside = gap[a:b] > TOUCHES / 4
            # What lies on something does not fly; the frame of a touch itself may be at the gap 0.
            if b - a >= 2 and inside[1:].all():
                found.append((a, b - 1))
        return found

    def _gaps(self, way: _Way) -> Array:
        """The gap to the nearest thing that stands, in every frame; of a block only to tops."""
        gap = way.places[:, 2] - way.foot - self._floor
        roll = way.solid.roll
        if roll is not None:
            for solid in self.still:
                form = _form(solid)
                if form is not None:
                    far = np.array([_far(solid, form, place) for place in way.places])
                    gap = np.minimum(gap, far - roll[0])
        else:
            axes = matrix_of_turn(way.turns)
            for solid in self.still:
                normal, axis = _top(solid)
                local = (way.places - np.array(solid.body.position)) @ solid.turned
                beside = (np.abs(np.delete(local, axis, 1)) > np.delete(solid.size, axis) / 2).any(
                    1
                )
                reach = np.abs(normal @ axes) @ way.solid.size / 2
                top = np.abs(local @ solid.turned.T @ normal - solid.size[axis] / 2 - reach)
                gap = np.minimum(gap, np.where(beside, math.inf, top))
        return gap

    def _fit(self, way: _Way, first: int, last: int, *, free: bool = True) -> _Flight | None:
        """The curve of a flight; its acceleration is the scene's unless it is `free`."""
        frames = np.arange(first, last + 1)
        if len(frames) < (3 if free else 2):
            return None
        basis = _basis(frames * self.step, way.fade)
        if free:
            curve = np.linalg.lstsq(basis, way.places[frames], rcond=None)[0].T
        else:
            rest = way.places[frames] - basis[:, 2:] * self.gravity
            part = np.linalg.lstsq(basis[:, :2], rest, rcond=None)[0].T
            curve = np.concatenate([part, self.gravity[:, None]], axis=1)
        return _Flight(first=first, last=last, curve=curve, fade=way.fade)

    def falls(self, way: _Way) -> Iterator[Check]:
        """The acceleration of the first free flight, and where a throw comes down."""
        flights = self._flights(way)
        if way.tied or self.scene.forces or not flights or flights[0][0] != 0 or self.g == 0:
            return
        first, last = flights[0]
        if last - first < 3 or self._gaps(way)[0] < TOUCHES or not self._free(way):
            return
        # Without drag a straight line in the time squared: nothing but g is left to fit.
        fit = self._fit(way, first, last)
        if fit is None:
            return
        down = self.gravity / self.g
        yield _check(
            "free fall",
            way.id,
            "z = z0 + v0 t - g t²/2",
            expected=self.g,
            got=float(fit.curve[:, 2] @ down),
            unit="m/s²",
            tolerance=FALL,
            frame=last,
        )
        yield from self._lands(way, fit)

    def _free(self, way: _Way) -> bool:
        """Whether it touches nothing at frame 0: told by contacts, and by all bounding boxes."""
        if way.met and way.met[0][0] == 0:
            return False
        half = way.solid.size / 2 + TOUCHES
        place, axes = way.places[0], matrix_of_turn(way.turns[0])
        for body in self.scene.bodies:
            if body.id == way.id or body.soft is not None:
                continue
            solid = solid_of(body)
            simple = _form(solid) is not None
            if (body.moves == "fixed" and simple) or (solid.is_ball and way.solid.is_ball):
                continue
            if overlap(
                place, axes, half, np.array(body.position, float), solid.turned, solid.size / 2
            ):
                return False
        return True

    def _lands(self, way: _Way, fit: _Flight) -> Iterator[Check]:
        begin, velocity = np.array(way.solid.body.position), np.array(way.solid.body.velocity)
        across = float(np.linalg.norm(velocity[:2]))
        low = self._floor + float(way.foot[min(fit.last, len(way.foot) - 1)])
        if across < 0.1 or not self.upright or math.isinf(low) or begin[2] < low:
            return
        curve = np.stack([begin, velocity, self.gravity], axis=1)
        told = _Flight(first=0, last=0, curve=curve, fade=fit.fade)
        ends = [_lands_at(each, low, self.step * self.scene.frames * 4) for each in (told, fit)]
        if ends[0] is None or ends[1] is None:
            return
        expected = float(np.linalg.norm(told.place(ends[0])[:2] - begin[:2]))
        got = float(np.linalg.norm(fit.place(ends[1])[:2] - way.places[0][:2]))
        yield _check(
            "projectile range",
            way.id,
            "x = v0x t at z0 + v0z t - g t²/2 = r",
            expected=expected,
            got=got,
            unit="m",
            tolerance=RANGE,
            frame=fit.last,
        )

    def bounces(self, way: _Way) -> Iterator[Check]:
        """How high it rises after it hit the ground, against how high it came from."""
        ground = self.scene.ground
        if way.tied or self.scene.forces or ground is None or not self.upright:
            return
        e = way.solid.restitution * ground.restitution
        if way.solid.roll is None and not way.solid.flat:
            return
        frames = [frame for frame, _ in way.met]
        for k, (frame, other) in enumerate(way.met):
            before = frames[k - 1] if k else 0
            after = frames[k + 1] if k + 1 < len(frames) else len(way.places)
            if other != "ground" or frames.count(frame) > 1 or frame - before < 2:
                continue
            came = self._fit(way, before, frame - 1, free=frame - before >= 4)
            low = self._floor + float(way.foot[frame - 1])
            if came is None or not self._smooth(way, came):
                continue
            at = _lands_at(came, low, frame * self.step + self.step)
            if at is None:
                continue
            speed = -float(came.velocity(at)[2])
            fell = speed * speed / (2 * self.g)
            expected = e * e * fell
            if expected < LOWEST or speed <= 0:
                continue
            lasts = 2 * e * speed / self.g
            until = min(after - 1, int((at + 0.9 * lasts) / self.step), len(way.places) - 1)
            if until - frame < 1:
                continue
            got = self._rise(way, frame, until, low)
            yield _check(
                "bounce height",
                way.id,
                "h' = e² h",
                expected=expected,
                got=got,
                unit="m",
                tolerance=BOUNCE,
                frame=frame,
            )

    def _rise(self, way: _Way, frame: int, until: int, low: float) -> float:
        left = self._fit(way, frame, until, free=until - frame >= 4)
        if left is not None and self._smooth(way, left):
            # The speed with which that curve leaves the ground, shortly before or after `frame`.
            z, v, a = left.curve[2]
            if left.fade == 0:
                return float(z - v * v / (2 * a) - low) if a < 0 else 0.0
            times = np.linspace(max(frame - 1, 0) * self.step, until * self.step, 2001)
            heights = _basis(times, left.fade) @ left.curve[2] - low
            starts = int(np.argmax(heights > 0))
            speed = float(left.velocity(float(times[starts]))[2])
            return speed * speed / (2 * self.g)
        return float((way.places[frame : until + 1, 2] - low).max())

    def _smooth(self, way: _Way, fit: _Flight) -> bool:
        """Whether a curve goes through its frames."""
        frames = np.arange(fit.first, fit.last + 1)
        drawn = _basis(frames * self.step, fit.fade) @ fit.curve.T
        size = float(np.ptp(way.places[frames], axis=0).max())
        return float(np.abs(drawn - way.places[frames]).max()) < 0.02 * size + 1e-3

    def _lies(self, way: _Way) -> Iterator[tuple[int, int, Array, float, str]]:
        """Times in which it stays on one surface: first and last frame, normal, its friction, id.

        A time on a face ends where the body leaves that face.
        """
        roll = way.solid.roll
        low = TOUCHES if roll is not None else 5 * TOUCHES
        ground = self.scene.ground
        count = len(way.places)
        on: list[tuple[NDArray[np.bool_], Array, float, str]] = []
        if ground is not None:
            gap = way.places[:, 2] - way.foot - self._floor
            on.append((np.abs(gap) < low, np.array([0.0, 0, 1]), ground.friction, "ground"))
        for solid in self.still:
            if solid.body.shape.kind != "block":
                continue
            normal, axis = _top(solid)
            local = (way.places - np.array(solid.body.position)) @ solid.turned
            inside = (np.abs(np.delete(local, axis, 1)) < np.delete(solid.size, axis) / 2).all(1)
            half = roll[0] if roll else self._half_towards(way, normal)
            gap = (
                (way.places - np.array(solid.body.position)) @ normal - solid.size[axis] / 2 - half
            )
            on.append((inside & (np.abs(gap) < low), normal, solid.friction, solid.id))
        for lies, normal, friction, other in on:
            breaks = {frame for frame, name in way.met if name != other}
            first = None
            for f in range(count + 1):
                stays = f < count and bool(lies[f]) and (f not in breaks or first is None)
                if stays and first is None:
                    first = f
                elif not stays and first is not None:
                    yield first, f - 1, normal, friction, other
                    first = f if f < count and bool(lies[f]) else None

    @staticmethod
    def _half_towards(way: _Way, normal: Array) -> float:
        turned = matrix_of_turn(way.turns[0])
        return float(np.abs(normal @ turned) @ way.solid.size) / 2

    def rolls(self, way: _Way) -> Iterator[Check]:
        """Whether a ball that has rolled long enough turns as fast as it goes."""
        roll = way.solid.roll
        if roll is None or way.tied or self.g == 0:
            return
        radius, inertia = roll
        spins = rotation_vectors(way.turns) / self.step
        speeds = np.diff(way.places, axis=0) / self.step
        best: tuple[int, int, Array] | None = None
        for first, last, normal, friction, _ in self._lies(way):
            mu = friction * way.solid.friction
            press = -float(self.gravity @ normal)
            steep = float(np.linalg.norm(self.gravity + press * normal))
            grips = mu * press - steep * inertia / (1 + inertia)
            if last - first < 5 or grips <= 0:
                continue
            slip = speeds[first] - radius * np.cross(spins[first], normal)
            slip = slip - normal * (normal @ slip)
            ends = first + 2 + float(np.linalg.norm(slip)) / (grips * (1 + 1 / inertia)) / self.step
            start = math.ceil(ends)
            if last - start >= 3 and (best is None or last - start > best[1] - best[0]):
                best = (start, last, normal)
        if best is None:
            return
        frames = slice(best[0], best[1])
        expected = np.linalg.norm(speeds[frames], axis=1)
        got = radius * np.cross(spins[frames], best[2])
        if expected.mean() < 0.1 or expected.max() * self.step / radius > 2.5:
            return
        along = (got * speeds[frames]).sum(axis=1) / np.maximum(expected, 1e-9)
        yield _check(
            "rolling",
            way.id,
            "v = ω r",
            expected=float(expected.mean()),
            got=float(along.mean()),
            unit="m/s",
            tolerance=ROLL,
            frame=best[1],
        )

    def slides_down(self, way: _Way) -> Iterator[Check]:
        """How fast something gains speed on a ramp."""
        if way.tied or self.scene.forces:
            return
        for first, last, normal, friction, other in self._lies(way):
            press = -float(self.gravity @ normal)
            fall = self.gravity + press * normal
            steep = float(np.linalg.norm(fall))
            if other == "ground" or steep < 0.05 * self.g or last - first < 6:
                continue
            along = fall / steep
            # The first frame may be that of the touch, and the last that of the edge.
            frames = np.arange(first + 1, last)
            basis = _basis(frames * self.step, way.fade)
            curve = np.linalg.lstsq(basis, way.places[frames] @ along, rcond=None)[0]
            expected, law = self._pulls(way, press, steep, friction)
            went = float(np.ptp(way.places[frames] @ along))
            if expected < 0.02 * self.g or went < 0.05:
                continue
            yield _check(
                "acceleration on a ramp",
                way.id,
                law,
                expected=expected,
                got=float(curve[2]),
                unit="m/s²",
                tolerance=ROLL,
                frame=int(frames[-1]),
            )

    def _pulls(self, way: _Way, press: float, steep: float, friction: float) -> tuple[float, str]:
        shape, mu = way.solid.body.shape, friction * way.solid.friction
        if shape.kind == "model" and shape.name == "car":
            return steep, "a = g sin α"
        roll = way.solid.roll
        if roll is not None and mu * press >= steep * roll[1] / (1 + roll[1]):
            return steep / (1 + roll[1]), "a = g sin α / (1 + I/mr²)"
        return steep - mu * press, "a = g sin α - μ g cos α"

    def rests(self, way: _Way) -> Iterator[Check]:
        """Whether what lies still at the start, and is met by nothing, stays."""
        body = way.solid.body
        if any(body.velocity) or any(body.spin) or way.tied or not self.upright:
            return
        if self.scene.forces or (not way.solid.flat and way.solid.roll is None):
            return
        gap = float(way.places[0, 2] - way.foot[0] - self._floor)
        if abs(gap) > TOUCHES or any(other != "ground" for _, other in way.met):
            return
        moved = float(np.linalg.norm(way.places - way.places[0], axis=1).max())
        yield _check(
            "resting",
            way.id,
            "x(t) = x(0)",
            expected=0,
            got=moved,
            unit="m",
            tolerance=STILL,
        )

    def overlaps(self, way: _Way) -> Iterator[Check]:
        """Whether its middle keeps its distance from ground, walls and other balls."""
        worst: tuple[float, float, float, int, str] | None = None
        for expected, far, other in self._distances(way):
            frame = int(np.argmin(far / expected))
            share = float(far[frame] / expected[frame])
            if worst is None or share < worst[0]:
                worst = (share, float(expected[frame]), float(far[frame]), frame, other)
        if worst is None:
            return
        yield _check(
            "no overlap",
            way.id,
            f"distance from {worst[4]!r} ≥ half its size",
            expected=worst[1],
            got=min(worst[2], worst[1]),
            unit="m",
            tolerance=OVERLAP,
            frame=worst[3],
        )

    def _distances(self, way: _Way) -> Iterator[tuple[Array, Array, str]]:
        if self.scene.ground is not None:
            yield way.foot, way.places[:, 2] - self._floor, "ground"
        roll = way.solid.roll
        if roll is None:
            return
        for solid in self.still:
            form = _form(solid)
            if form is not None:
                far = np.array([_far(solid, form, place) for place in way.places])
                yield np.full(len(far), roll[0]), far, solid.id
        for other in self.ways.values():
            if other.solid.is_ball and way.solid.is_ball and other.id > way.id:
                far = np.linalg.norm(way.places - other.places, axis=1)
                reach = roll[0] + float(other.foot[0])
                yield np.full(len(far), reach), far, other.id

    def collisions(self) -> Iterator[Check]:
        """Whether what one body loses the other gains, and how fast they part."""
        for met in self.contacts:
            a, b = self.ways.get(met.a), self.ways.get(met.b)
            if a is None or b is None or a.tied or b.tied or self.scene.forces:
                continue
            yield from self._collision(a, b, met)

    def _collision(self, a: _Way, b: _Way, met: Contact) -> Iterator[Check]:
        frame = met.frame
        lies = [abs(float(self._gaps(way)[frame - 1])) < 2 * TOUCHES for way in (a, b)]
        window = self._window(a, b, frame, lies)
        if window is None:
            return
        before, after = window
        time = self._touch_time(a, b, before, frame)
        come = [self._velocity(way, before, time) for way in (a, b)]
        gone = [self._velocity(way, after, time) for way in (a, b)]
        place = [self._extrapolated(way, before, time) for way in (a, b)]
        balls = a.solid.is_ball and b.solid.is_ball
        away = place[0] - place[1] if balls else (gone[0] - come[0]) * a.solid.mass
        if any(lies):
            # The ground takes what is upright.
            away = away * (1, 1, 0)
        size = float(np.linalg.norm(away))
        if size < 1e-9:
            return
        normal = away / size
        lost = a.solid.mass * float(normal @ (gone[0] - come[0]))
        gained = -b.solid.mass * float(normal @ (gone[1] - come[1]))
        met_at = -float(normal @ (come[0] - come[1]))
        rubbed = self._rubbed(a, b, frame, lies, lost)
        if met_at < 0.2 or rubbed > 0.5 * abs(lost):
            return
        yield _check(
            "momentum",
            f"{a.id}, {b.id}",
            "m₁ Δv₁ = -m₂ Δv₂",
            expected=lost,
            got=gained,
            unit="kg m/s",
            tolerance=MOMENTUM + rubbed / abs(lost),
            frame=frame,
        )
        level = abs(place[0][2] - place[1][2]) < 0.05 * float(np.linalg.norm(place[0] - place[1]))
        e = a.solid.restitution * b.solid.restitution
        lightest = min(a.solid.mass, b.solid.mass)
        told = e * met_at > max(0.1, 4 * rubbed / lightest)
        if balls and (level or not any(lies)) and told:
            yield _check(
                "restitution",
                f"{a.id}, {b.id}",
                "Δv' = e Δv",
                expected=e * met_at,
                got=float(normal @ (gone[0] - gone[1])),
                unit="m/s",
                tolerance=BOUNCE + rubbed / lightest / (e * met_at),
                frame=frame,
            )

    def _window(
        self, a: _Way, b: _Way, frame: int, lies: list[bool]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Frames before and after two bodies met in which nothing else meets either."""
        if not 2 <= frame < self.scene.frames - 1:
            return None
        # What lies on the ground hops a little when it is hit; sideways that is nothing.
        apart = (a.id, b.id, "ground") if all(lies) else (a.id, b.id)
        first, last = frame - 5, min(frame + (1 if any(lies) else 4), self.scene.frames - 1)
        for way in (a, b):
            for f, name in way.met:
                if name not in apart and f > 0 and abs(f - frame) <= 1:
                    return None
                if name not in apart or (name != "ground" and f != frame):
                    first, last = (f, last) if first < f < frame else (first, last)
                    last = f - 1 if frame < f <= last else last
        first = max(first, 0)
        if frame - first < 2 or last - frame < 1:
            return None
        return np.arange(first, frame), np.arange(frame, last + 1)

    def _rubbed(self, a: _Way, b: _Way, frame: int, lies: list[bool], push: float) -> float:
        """What the ground may take or give in the frames that are measured, kg m/s at most.

        Sliding friction for a frame and a half; and that of the instant in which a spinning ball
        presses the other down.
        """
        if self.scene.ground is None or not any(lies):
            return 0.0
        ground = self.scene.ground.friction
        taken = 0.0
        for way, lay in zip((a, b), lies, strict=True):
            if lay:
                mu = ground * way.solid.friction
                taken += mu * way.solid.mass * self.g * 1.5 * self.step
                spin = rotation_vectors(way.turns[frame - 2 : frame])[0] / self.step
                if np.linalg.norm(spin[:2]) > 0.1:
                    taken += 2 * mu * a.solid.friction * b.solid.friction * abs(push)
        return taken

    def _touch_time(self, a: _Way, b: _Way, before: NDArray[np.int64], frame: int) -> float:
        """When two bodies met, between the frame before and that of the contact."""
        low, high = (frame - 1) * self.step, frame * self.step
        if not (a.solid.is_ball and b.solid.is_ball):
            return (low + high) / 2
        reach = float(a.foot[0] + b.foot[0])
        for time in np.linspace(low, high, 201):
            apart = self._extrapolated(a, before, time) - self._extrapolated(b, before, time)
            if np.linalg.norm(apart) <= reach:
                return float(time)
        return high

    def _course(self, way: _Way, frames: NDArray[np.int64]) -> Array:
        """Place, velocity and acceleration at time 0 of a curve through frames, [3, 3]."""
        basis = _basis(frames * self.step, 0.0)
        if len(frames) >= 4:
            return np.linalg.lstsq(basis, way.places[frames], rcond=None)[0]
        pull = np.zeros(3) if self._gaps(way)[frames].min() < TOUCHES else self.gravity
        rest = way.places[frames] - basis[:, 2:] * pull
        return np.concatenate([np.linalg.lstsq(basis[:, :2], rest, rcond=None)[0], pull[None]])

    def _velocity(self, way: _Way, frames: NDArray[np.int64], time: float) -> Array:
        return np.array([0.0, 1.0, time]) @ self._course(way, frames)

    def _extrapolated(self, way: _Way, frames: NDArray[np.int64], time: float) -> Array:
        return _basis(np.array([time]), 0.0)[0] @ self._course(way, frames)

    def swings(self, held: Constraint) -> Iterator[Check]:
        """The period of a pendulum or of a weight on a spring."""
        way = self.ways.get(held.body)
        others = [c for c in self.scene.constraints if held.body in (c.body, c.to)]
        if way is None or len(others) > 1 or held.to is not None or way.met:
            return
        away = way.places - np.array(held.at)
        if held.kind == "rod":
            yield from self._pendulum(way, away)
        elif held.kind == "spring":
            yield from self._spring(way, away, held)

    def _pendulum(self, way: _Way, away: Array) -> Iterator[Check]:
        lengths = np.linalg.norm(away, axis=1)
        length = float(np.linalg.norm(away[0]))
        yield _check(
            "length of the rod",
            way.id,
            "|x - x0| = L",
            expected=length,
            got=float(lengths[np.argmax(np.abs(lengths - length))]),
            unit="m",
            tolerance=LENGTH,
        )
        velocity = np.array(way.solid.body.velocity)
        if self.g == 0 or way.fade or self.scene.forces:
            return
        down = self.gravity / self.g
        side = np.cross(
            down, np.cross(away[0] if np.linalg.norm(velocity) < 1e-9 else velocity, down)
        )
        if np.linalg.norm(side) < 1e-9 or length < 1e-6:
            return
        side /= np.linalg.norm(side)
        if abs(float(np.cross(down, side) @ velocity)) > 0.01 * float(np.linalg.norm(velocity)):
            return
        if abs(float(np.cross(down, side) @ away[0])) > 0.01 * length:
            return
        height = float(1 - down @ away[0] / length) + float(velocity @ velocity) / (
            2 * self.g * length
        )
        if not 1e-4 < height < 1.98:
            return
        amplitude = math.acos(1 - height)
        angles = np.unwrap(np.arctan2(away @ side, away @ down))
        expected = pendulum_period(length, self.g, amplitude)
        got = self._period(angles, starts_still=not np.any(velocity))
        if got is not None:
            yield _check(
                "pendulum period",
                way.id,
                "T = 2π √(L/g) / agm(1, cos(θ/2))",
                expected=expected,
                got=got,
                unit="s",
                tolerance=PERIOD,
            )

    def _spring(self, way: _Way, away: Array, held: Constraint) -> Iterator[Check]:
        length = float(np.linalg.norm(away[0]))
        if length < 1e-6 or self.scene.forces:
            return
        axis = away[0] / length
        velocity = np.array(way.solid.body.velocity)
        if np.linalg.norm(np.cross(axis, velocity)) > 1e-6 or (
            np.linalg.norm(np.cross(axis, self.gravity)) > 1e-6
        ):
            return
        mass = way.solid.mass
        rest = (held.length or length) + mass * float(self.gravity @ axis) / held.stiffness
        fade = held.damping / mass / 2 + way.fade / 2
        square = held.stiffness / mass - fade * fade
        if square <= 0 or math.sqrt(square) * self.step > 2:
            return
        expected = 2 * math.pi / math.sqrt(square)
        if np.abs(away @ axis - rest).max() < 1e-3:
            return
        got = self._period(away @ axis - rest, starts_still=not np.any(velocity) and not fade)
        if got is not None:
            yield _check(
                "spring period",
                way.id,
                "T = 2π / √(k/m - (c/2m)²)",
                expected=expected,
                got=got,
                unit="s",
                tolerance=PERIOD,
            )

    def _period(self, values: Array, *, starts_still: bool) -> float | None:
        """Seconds of a swing, from where it passes the middle."""
        times: list[float] = []
        for f in np.flatnonzero(values[:-1] * values[1:] < 0):
            low, high = max(int(f) - 1, 0), min(int(f) + 3, len(values))
            line = np.polynomial.Polynomial.fit(
                np.arange(low, high), values[low:high], high - low - 1
            )
            roots = [r.real for r in line.roots() if abs(r.imag) < 1e-9 and f <= r.real <= f + 1]
            if roots:
                times.append(float(roots[0]) * self.step)
        if len(times) >= 2:
            return 2 * (times[-1] - times[0]) / (len(times) - 1)
        return 4 * times[0] if times and starts_still else None

    def energy(self) -> Iterator[Check]:
        """Whether all bodies together ever have more energy than at the start."""
        scene = self.scene
        pushed = scene.forces or self.driven & {name for c in self.contacts for name in (c.a, c.b)}
        tied = any(c.to in self.driven for c in scene.constraints)
        if pushed or tied or not self.ways or scene.frames < 4:
            return
        total, floor = np.zeros(scene.frames), 0.0
        for way in self.ways.values():
            speed = np.gradient(way.places, self.step, axis=0)
            speed[0] = way.solid.body.velocity
            up = -way.places @ self.gravity
            spin = np.zeros_like(way.places)
            spin[1:] = rotation_vectors(way.turns) / self.step
            spin[0] = np.radians(way.solid.body.spin)
            roll = way.solid.roll
            turning = np.zeros(scene.frames)
            if roll is not None and not way.tied:
                turning = roll[0] ** 2 * roll[1] * (spin * spin).sum(1) / 2
            elif not way.tied:
                # What it was given counts; how a block turns later is left out of what it has.
                size, own_axes = way.solid.size, way.solid.turned.T @ spin[0]
                turning[0] = (own_axes**2 @ ((size * size).sum() - size * size)) / 24
            own = way.solid.mass * ((speed * speed).sum(1) / 2 + up - up.min() + turning)
            total[: len(own)] += own
            floor += way.solid.mass * self.g * 0.01
        total += self._stored()
        # At the last frame there is no frame after it, and its speed is that of the frame before.
        frame = int(np.argmax(total[:-1]))
        yield _check(
            "energy",
            "all bodies",
            "E(t) ≤ E(0)",
            expected=max(float(total[0]), floor),
            got=float(total[frame]),
            unit="J",
            tolerance=ENERGY,
            frame=frame,
        )

    def _stored(self) -> Array:
        stored = np.zeros(self.scene.frames)
        for held in self.scene.constraints:
            if held.kind != "spring" or held.body not in self.ways:
                continue
            far_end: Array | float = np.array(held.at)
            if held.to in self.ways:
                far_end = self.ways[held.to].places
            stretched = np.linalg.norm(self.ways[held.body].places - far_end, axis=1)
            rest = held.length or float(stretched[0])
            stored += held.stiffness * (stretched - rest) ** 2 / 2
        return stored

    def seen(self) -> Iterator[Check]:
        """In how many frames a thing of the shot is in some camera's picture."""
        things = {thing.id: thing for thing in self.scene.things()}
        for way in self.trajectories:
            thing = things.get(way.thing)
            if thing is None or thing.entity is None:
                continue
            places = np.array([pose.position for pose in way.poses])
            share = max(float(np.mean(seen)) for seen in in_view(self.scene, places).values())
            yield _check(
                "in view",
                way.thing,
                "a camera sees it",
                expected=1,
                got=share,
                unit="",
                tolerance=SEEN,
            )


def in_view(scene: PhysicsScene, places: Array) -> Mapping[str, NDArray[np.bool_]]:
    """For each camera, in which frames a point [frames, 3] is in its picture."""
    found: dict[str, NDArray[np.bool_]] = {}
    for camera in scene.cameras:
        inner = intrinsic(camera, scene.size)
        seen: list[bool] = []
        for frame, place in enumerate(places):
            outer = extrinsic(camera, frame)
            x, y, depth = (inner @ (outer[:, :3] @ place + outer[:, 3])).tolist()
            wide, high = (x / depth, y / depth) if depth > 0 else (-1.0, -1.0)
            seen.append(0 <= wide <= scene.size[0] and 0 <= high <= scene.size[1])
        found[camera.id] = np.array(seen)
    return found


def pendulum_period(length: float, gravity: float, amplitude: float) -> float:
    """Seconds of a full swing of a point on a rod; `amplitude` in radians.

    By the arithmetic-geometric mean: T = 2π √(L/g) / agm(1, cos(θ/2)) (Gauss; Borwein and Borwein,
    Pi and the AGM, 1987).
    """
    a, b = 1.0, math.cos(amplitude / 2)
    while a - b > 1e-14:
        a, b = (a + b) / 2, math.sqrt(a * b)
    return 2 * math.pi * math.sqrt(length / gravity) / a


def _lands_at(flight: _Flight, low: float, until: float) -> float | None:
    """When a flight comes down to the height `low`, in seconds; None if not before `until`."""
    begin = flight.first * 0.0
    times = np.linspace(begin, until, 4001)
    heights = _basis(times, flight.fade) @ flight.curve[2] - low
    falls = np.flatnonzero((heights[:-1] > 0) & (heights[1:] <= 0))
    if not len(falls):
        return None
    a, b = times[falls[-1]], times[falls[-1] + 1]
    for _ in range(60):
        middle = (a + b) / 2
        above = float(flight.place(float(middle))[2]) > low
        a, b = (middle, b) if above else (a, middle)
    return float((a + b) / 2)


def _top(solid: Solid) -> tuple[Array, int]:
    """The normal of the side of a box that looks up most, and which of its own axes that is."""
    axis = int(np.argmax(np.abs(solid.turned[2])))
    return solid.turned[:, axis] * np.sign(solid.turned[2, axis]), axis


def _form(solid: Solid) -> Form | None:
    if solid.is_ball:
        return Round(float(solid.size[2]) / 2)
    return Box(solid.size / 2) if solid.body.shape.kind == "block" else None


def _far(solid: Solid, form: Form, place: Array) -> float:
    return form.nearest(solid.turned.T @ (place - np.array(solid.body.position)))[0]
