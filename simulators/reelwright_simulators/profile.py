"""A car on its wheels: it rides without friction along ground and ramps, as a point on a wire.

Its middle follows the line that both axles leave in the vertical plane of its heading; along that
line it is pulled by gravity alone (and slowed by drag), piece by piece with constant acceleration.
Its speed is kept where the slope changes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import Contact, PhysicsScene
from reelwright_simulators.solids import Solid, way_of
from reelwright_simulators.surfaces import overlap
from reelwright_simulators.turns import matrix_of_turn, product

Array = NDArray[np.floating]

WHEELBASE = 0.6
"""Of the car's length."""
PIECE = 2e-3
"""Metres between the points of the line."""
NEAR = 0.02
"""Metres that a car may start above or below its wheels' place."""
STEEPEST = 1.5
LIP = 0.15
"""Of the car's height: a ramp that ends so little above the ground counts as going on to it."""
CREST = 0.03


class RideError(Exception):
    """A car that does more than ride along a smooth line."""


@dataclass(frozen=True, kw_only=True)
class Ridden:
    """Where a car was in every frame."""

    positions: Array
    turns: Array
    velocities: Array
    contacts: list[Contact]


class Ride:
    """One car and what it rides on."""

    def __init__(self, solid: Solid, still: Sequence[Solid], scene: PhysicsScene) -> None:
        self.solid, self.scene = solid, scene
        self.boxes = [s for s in still if s.body.shape.kind == "block" and not s.body.path]
        self.others = [s for s in still if s not in self.boxes]
        self.start = np.array(solid.body.position, float)
        heading = solid.turned[:, 0] * (1, 1, 0)
        self.heading = heading / np.linalg.norm(heading)
        self.base = WHEELBASE * float(solid.size[0])
        self.half = float(solid.size[2]) / 2

    @staticmethod
    def is_one(solid: Solid, still: Sequence[Solid], scene: PhysicsScene) -> bool:
        """Whether the body is a car that stands on its wheels."""
        shape = solid.body.shape
        if shape.kind != "model" or shape.name != "car" or abs(solid.turned[2, 1]) > 0.02:
            return False
        if scene.ground is None or abs(solid.turned[2, 0]) > 0.9 or solid.turned[2, 2] <= 0:
            return False
        ride = Ride(solid, still, scene)
        ends = ride._axles()
        heights, _ = ride.heights((ends - ride.start) @ ride.heading)
        return bool(np.abs(heights - ends[:, 2]).max() < NEAR)

    def _axles(self) -> Array:
        """Where both axles meet the ground at frame 0, rear first, [2, 3]."""
        local = np.array([[-self.base / 2, 0, -self.half], [self.base / 2, 0, -self.half]])
        return self.start + local @ self.solid.turned.T

    def heights(self, along: Array) -> tuple[Array, NDArray[np.int64]]:
        """The highest point at metres `along` the heading, and of which box (-1: ground)."""
        ground = self.scene.ground
        high = np.full(along.shape, ground.height if ground else -math.inf, float)
        which = np.full(along.shape, -1, np.int64)
        points = self.start + along[:, None] * self.heading
        for k, box in enumerate(self.boxes):
            turned, (middle, half) = box.turned, self._down_to_the_ground(box)
            local = (points - middle) @ turned
            up = turned[2]
            low, top = np.full(along.shape, -math.inf), np.full(along.shape, math.inf)
            for axis in range(3):
                if abs(up[axis]) < 1e-12:
                    outside = np.abs(local[:, axis]) > half[axis]
                    low = np.where(outside, math.inf, low)
                    continue
                a = (-half[axis] - local[:, axis]) / up[axis]
                b = (half[axis] - local[:, axis]) / up[axis]
                low, top = np.maximum(low, np.minimum(a, b)), np.minimum(top, np.maximum(a, b))
            z = np.where(low <= top, self.start[2] + top, -math.inf)
            which, high = np.where(z > high, k, which), np.maximum(high, z)
        return high, which

    def _down_to_the_ground(self, box: Solid) -> tuple[Array, Array]:
        """The middle of a box and half its size; longer at its lower end if that is a lip."""
        middle, half = np.array(box.body.position, float), box.size / 2
        axis = int(np.argmax(np.abs(box.turned.T @ self.heading)))
        up = int(np.argmax(np.abs(box.turned[2])))
        slope = float(box.turned[2, axis])
        if axis == up or abs(slope) < 1e-3 or self.scene.ground is None:
            return middle, half
        edge = middle[2] - half[axis] * abs(slope) + half[up] * abs(box.turned[2, up])
        lip = float(edge) - self.scene.ground.height
        if not 0 < lip <= LIP * 2 * self.half:
            return middle, half
        more = np.zeros(3)
        more[axis] = lip / abs(slope) / 2
        return middle - np.sign(slope) * box.turned @ more, half + more

    def run(self) -> Ridden:
        """The car in every frame."""
        line, lean, stands, begin, speed = self._line()
        times = [float(frame / self.scene.fps) for frame in range(self.scene.frames)]
        at, speeds = self._travel(line, begin, speed, times)
        far = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        low, high = np.searchsorted(far, [at.min(), at.max()])
        self._smooth(lean, max(low - 1, 0), min(high + 1, len(lean) - 1))
        flat = np.stack([np.interp(at, far, line[:, i]) for i in range(2)], axis=1)
        positions = self.start + flat[:, :1] * self.heading
        positions[:, 2] = flat[:, 1]
        pitch = np.interp(at, far, lean)
        yaw = math.atan2(self.heading[1], self.heading[0])
        zero = np.zeros_like(pitch)
        about_z = np.broadcast_to([math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)], (len(at), 4))
        about_y = np.stack([np.cos(pitch / 2), zero, -np.sin(pitch / 2), zero], axis=1)
        turns = product(about_z, about_y)
        slope = np.gradient(line, far, axis=0)
        way = np.stack([np.interp(at, far, slope[:, i]) for i in range(2)], axis=1)
        way = way / np.linalg.norm(way, axis=1, keepdims=True) * speeds[:, None]
        velocities = way[:, :1] * self.heading + way[:, 1:] * (0.0, 0.0, 1.0)
        self._clear(positions, turns)
        return Ridden(
            positions=positions,
            turns=turns,
            velocities=velocities,
            contacts=self._contacts(at, far, stands, positions),
        )

    def _line(self) -> tuple[Array, Array, NDArray[np.int64], float, float]:
        """The line of its middle, and how it starts there.

        Points [points, 2] (along, up), the pitch and what both axles stand on at each, where on
        the line it starts, and how fast it goes forwards there.
        """
        body = self.solid.body
        speed = float(np.linalg.norm(body.velocity))
        span = (self.scene.frames - 1) / float(self.scene.fps)
        drop = max((abs(float(b.body.position[2])) + b.reach for b in self.boxes), default=0.0)
        pull = float(np.linalg.norm(self.scene.gravity))
        reach = min((speed + math.sqrt(2 * pull * drop)) * span, 200.0) + 2 * self.base + 0.1
        # With a point where both slopes of a start on a straight piece are the same.
        rear = np.arange(-math.ceil(reach / PIECE), math.ceil(reach / PIECE) + 1) * PIECE
        high_rear, on_rear = self.heights(rear)
        low, top = rear + 1e-6, rear + self.base
        for _ in range(60):
            front = (low + top) / 2
            far = np.hypot(front - rear, self.heights(front)[0] - high_rear)
            low, top = np.where(far < self.base, front, low), np.where(far < self.base, top, front)
        front = (low + top) / 2
        high_front, on_front = self.heights(front)
        lean = np.arctan2(high_front - high_rear, front - rear)
        middle = np.stack([rear + front, high_rear + high_front], axis=1) / 2
        line = middle + self.half * np.stack([-np.sin(lean), np.cos(lean)], axis=1)
        far = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        nearest = int(np.argmin(np.hypot(line[:, 0], line[:, 1] - self.start[2])))
        nearest = min(max(nearest, 1), len(line) - 2)
        step = line[nearest + 1] - line[nearest - 1]
        step = step / np.linalg.norm(step)
        begin = far[nearest] + float(step @ (np.array([0.0, self.start[2]]) - line[nearest]))
        forwards = step[0] * self.heading + step[1] * np.array([0.0, 0.0, 1.0])
        own = float(forwards @ np.array(body.velocity))
        aside = np.linalg.norm(np.array(body.velocity) * (1, 1, 0) - own * forwards * (1, 1, 0))
        if aside > 0.02 + 0.2 * abs(own):
            raise RideError(f"the car {body.id!r} slides sideways")
        tilt = abs(math.asin(np.clip(self.solid.turned[2, 0], -1, 1)) - lean[nearest])
        if tilt > math.radians(3):
            raise RideError(f"the car {body.id!r} does not stand on its wheels")
        own = math.copysign(float(np.linalg.norm(body.velocity)), own) if own else 0.0
        return line, lean, np.stack([on_rear, on_front], axis=1), begin, own

    def _travel(
        self, line: Array, begin: float, speed: float, times: list[float]
    ) -> tuple[Array, Array]:
        """How far along the line it is at every time, and how fast it goes there."""
        pieces = np.linalg.norm(np.diff(line, axis=0), axis=1)
        far = np.concatenate([[0.0], np.cumsum(pieces)])
        gravity = np.array(self.scene.gravity, float)
        pull = np.array([float(gravity @ self.heading), gravity[2]])
        pulls = (np.diff(line, axis=0) @ pull / pieces).tolist()
        fade = -math.log(1 - self.solid.body.drag)
        edges: list[float] = far.tolist()
        k = int(np.clip(np.searchsorted(far, begin, "right") - 1, 0, len(pulls) - 1))
        place, now, found, speeds = begin, 0.0, [begin], [speed]
        for time in times[1:]:
            while now < time - 1e-15:
                pulled = pulls[k] - fade * speed
                if abs(speed) < 1e-12 and abs(pulled) < 1e-9:
                    now = time
                    break
                forwards = speed > 0 or (abs(speed) < 1e-12 and pulled > 0)
                room = (edges[k + 1] if forwards else edges[k]) - place
                step = min(_time_to(room, speed, pulled), time - now)
                if speed * pulled < 0:
                    step = min(step, -speed / pulled)
                place += speed * step + pulled * step * step / 2
                speed += pulled * step
                now += step
                edge = edges[k + 1] if forwards else edges[k]
                if abs(edge - place) < 1e-12:
                    place = edge
                    k += 1 if forwards else -1
                    if not 0 <= k < len(pulls):
                        raise RideError(f"the car {self.solid.id!r} drives out of the world")
            found.append(place)
            speeds.append(speed)
        return np.array(found), np.array(speeds)

    def _smooth(self, lean: Array, low: int, high: int) -> None:
        change = np.diff(lean[low : high + 1])
        if np.abs(np.tan(lean[low : high + 1])).max(initial=0.0) > STEEPEST:
            raise RideError(f"the car {self.solid.id!r} drives against something steep")
        # An axle that goes over a crest leans the car forwards (or back, if it rolls back).
        heights = self.heights((np.arange(low, high + 1) - (len(lean) - 1) // 2) * PIECE)[0]
        bends = np.diff(heights, 2) / PIECE
        if (bends < -CREST).any() or np.abs(change).max(initial=0.0) > 0.2:
            raise RideError(f"the car {self.solid.id!r} drives over an edge")

    def _clear(self, positions: Array, turns: Array) -> None:
        half = self.solid.size / 2
        for frame, other in itertools.product(range(len(positions)), self.others):
            place, turn = way_of(other.body, self.scene, frame / float(self.scene.fps))
            own = matrix_of_turn(turns[frame])
            if overlap(positions[frame], own, half, place, matrix_of_turn(turn), other.size / 2):
                raise RideError(f"the car {self.solid.id!r} drives against {other.id!r}")

    def _contacts(
        self, at: Array, far: Array, stands: NDArray[np.int64], positions: Array
    ) -> list[Contact]:
        names = ["ground", *(box.id for box in self.boxes)]
        met: dict[str, int] = {}
        for frame, place in enumerate(at):
            k = min(int(np.searchsorted(far, place)), len(stands) - 1)
            for which in stands[k]:
                met.setdefault(names[int(which) + 1], frame)
        return [
            Contact(frame=frame, a=self.solid.id, b=name, position=tuple(positions[frame].tolist()))
            for name, frame in met.items()
        ]


def _time_to(room: float, speed: float, pull: float) -> float:
    """Seconds until a thing with constant acceleration has gone `room` metres; else infinity."""
    inner = speed * speed + 2 * pull * room
    if inner < 0:
        return math.inf
    reached = math.copysign(math.sqrt(inner), room)
    return 2 * room / (speed + reached) if speed + reached else math.inf
