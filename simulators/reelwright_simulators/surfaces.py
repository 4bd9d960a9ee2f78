"""What a ball can touch: ground, boxes, balls and cylinders that stand or move as they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Region = tuple[int, ...]
Way = Callable[[float], tuple[Array, Array]]
"""Time to a position [3] and a rotation matrix [3, 3]."""


class Form(Protocol):
    """A solid in a frame of its own."""

    def nearest(self, point: Array) -> tuple[float, Array, Region]:
        """The signed distance of a point, the normal there, and which part is nearest."""
        ...

    def bend(self, point: Array, velocity: Array) -> Array:
        """How fast the normal at a point turns if the point moves so: [3], 1/s."""
        ...


class Level:
    """All that is below z = 0."""

    def nearest(self, point: Array) -> tuple[float, Array, Region]:
        return float(point[2]), np.array([0.0, 0.0, 1.0]), ()

    def bend(self, point: Array, velocity: Array) -> Array:
        return np.zeros(3)


@dataclass(frozen=True)
class Round:
    """A ball."""

    radius: float

    def nearest(self, point: Array) -> tuple[float, Array, Region]:
        far = float(np.linalg.norm(point))
        return far - self.radius, point / far if far else np.array([0.0, 0.0, 1.0]), ()

    def bend(self, point: Array, velocity: Array) -> Array:
        far = float(np.linalg.norm(point))
        normal = point / far
        return (velocity - normal * (normal @ velocity)) / far


@dataclass(frozen=True)
class Box:
    """A box with half the extents `half` [3]."""

    half: Array

    def nearest(self, point: Array) -> tuple[float, Array, Region]:
        out = np.abs(point) - self.half
        beyond = out > 0
        if not beyond.any():
            axis = int(np.argmax(out))
            normal = np.zeros(3)
            normal[axis] = 1.0 if point[axis] >= 0 else -1.0
            return float(out[axis]), normal, (axis, int(normal[axis]))
        away = np.where(beyond, np.sign(point) * out, 0.0)
        far = float(np.linalg.norm(away))
        return far, away / far, tuple(int(each) for each in np.sign(away))

    def bend(self, point: Array, velocity: Array) -> Array:
        away = np.where(np.abs(point) > self.half, point - np.sign(point) * self.half, 0.0)
        far = float(np.linalg.norm(away))
        if not far:
            return np.zeros(3)
        normal, part = away / far, np.where(away != 0, velocity, 0.0)
        return (part - normal * (normal @ part)) / far


@dataclass(frozen=True)
class Drum:
    """A cylinder about its z axis."""

    radius: float
    half: float

    def nearest(self, point: Array) -> tuple[float, Array, Region]:
        across = float(np.hypot(point[0], point[1]))
        outward = np.array([*(point[:2] / across), 0.0]) if across else np.array([1.0, 0.0, 0.0])
        side, end = across - self.radius, abs(float(point[2])) - self.half
        cap = np.array([0.0, 0.0, 1.0 if point[2] >= 0 else -1.0])
        if side > 0 and end > 0:
            far = float(np.hypot(side, end))
            return far, (outward * side + cap * end) / far, (2,)
        if side > end:
            return side, outward, (1,)
        return end, cap, (0,)

    def bend(self, point: Array, velocity: Array) -> Array:
        # By a small difference: rims are rarely rolled over.
        tiny = 1e-6 / max(1.0, float(np.linalg.norm(velocity)))
        return (self.nearest(point + velocity * tiny)[1] - self.nearest(point)[1]) / tiny


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A solid that free bodies touch and do not move."""

    id: str
    form: Form
    way: Way
    reach: float
    """Metres from its position to its farthest point."""
    friction: float
    restitution: float
    moves: bool = False

    def nearest(self, point: Array, time: float) -> tuple[float, Array, Region]:
        """The signed distance of a point of the world, the normal, and which part is nearest."""
        position, turn = self.way(time)
        far, normal, region = self.form.nearest(turn.T @ (point - position))
        return far, turn @ normal, region

    def bend(self, point: Array, velocity: Array, time: float) -> Array:
        """How fast the normal turns for a point that moves so."""
        position, turn = self.way(time)
        return turn @ self.form.bend(turn.T @ (point - position), turn.T @ velocity)

    def velocity(self, point: Array, time: float) -> Array:
        """How fast its own point at `point` moves, m/s."""
        if not self.moves:
            return np.zeros(3)
        tiny = 1e-6
        position, turn = self.way(time)
        # Backwards: what meets at a waypoint meets what came there.
        before, turn_before = self.way(time - tiny)
        return (position - before + (turn - turn_before) @ turn.T @ (point - position)) / tiny


def overlap(a: Array, axes_a: Array, half_a: Array, b: Array, axes_b: Array, half_b: Array) -> bool:
    """Whether two boxes share more than a surface (separating axes)."""
    apart = b - a
    edges = [np.cross(p, q) for p in axes_a.T for q in axes_b.T]
    for axis in [*axes_a.T, *axes_b.T, *edges]:
        size = float(np.linalg.norm(axis))
        if size < 1e-9:
            continue
        axis = axis / size
        reach = np.abs(axis @ axes_a) @ half_a + np.abs(axis @ axes_b) @ half_b
        if abs(float(axis @ apart)) > reach - 1e-6:
            return False
    return True
