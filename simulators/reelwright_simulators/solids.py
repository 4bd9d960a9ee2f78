"""The bodies of a physics scene as the exact integrator and the checks see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import Body, Card, Cylinder, PhysicsScene
from reelwright_simulators import cutouts
from reelwright_simulators.blender.inside import materials, sizes
from reelwright_simulators.turns import matrix_of_angles, turn_of_angles

Array = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A body with what its scene leaves unsaid filled in."""

    body: Body
    size: Array
    """Metres along its own x, y and z; of a mesh from a file only the height is known."""

    @property
    def id(self) -> str:
        """As the scene calls it."""
        return self.body.id

    @cached_property
    def mass(self) -> float:
        """Kilograms."""
        return float(materials.mass(self.body.data(), self.size.tolist()))

    @cached_property
    def friction(self) -> float:
        """Its share of a pair's coefficient."""
        return float(materials.friction(self.body.data()))

    @cached_property
    def restitution(self) -> float:
        """Its share of a pair's e."""
        return float(materials.restitution(self.body.data()))

    @cached_property
    def turned(self) -> Array:
        """Its rotation matrix at frame 0, [3, 3]."""
        return matrix_of_angles(self.body.rotation)

    @cached_property
    def extent(self) -> Array:
        """Metres along x, y and z of the world at frame 0, [3]."""
        return self.size if self.is_ball else np.abs(self.turned) @ self.size

    @property
    def reach(self) -> float:
        """Metres from its middle to its farthest point."""
        return self.size[2] / 2 if self.is_ball else float(np.linalg.norm(self.size)) / 2

    @property
    def is_ball(self) -> bool:
        """Whether it bounces and rolls as a ball does."""
        shape = self.body.shape
        return (
            shape.kind == "ball"
            or (isinstance(shape, Card) and shape.round)
            or (shape.kind == "model" and shape.name == "basketball")
        )

    @property
    def roll(self) -> tuple[float, float] | None:
        """Radius, and moment of inertia over m r², of a ball or a cylinder that lies; else None."""
        if self.is_ball:
            return float(self.size[2]) / 2, 0.4
        shape = self.body.shape
        lies = isinstance(shape, Cylinder) and abs(self.turned[2, 2]) < 1e-6
        if lies and isinstance(shape, Cylinder) and shape.top in (None, shape.radius):
            return shape.radius, 0.5
        return None

    @property
    def flat(self) -> bool:
        """Whether one of its own axes is upright, so that it can land flat."""
        return bool(np.abs(self.turned[2]).max() > 1 - 1e-9)


def solid_of(body: Body) -> Solid:
    """`body` with its size in metres."""
    shape, aspect = body.shape, 1.0
    if isinstance(shape, Card) and not shape.round:
        known = cutouts.find(shape.noun)
        if known is not None:
            high, wide = cutouts.picture(known.noun).shape[:2]
            aspect = wide / high
    size = sizes.size(shape.model_dump(), aspect)
    return Solid(body=body, size=np.array(size, float))


def way_of(body: Body, scene: PhysicsScene, time: float) -> tuple[Array, Array]:
    """Position [3] and turn [4] of a fixed or driven body at `time` seconds.

    A driven body goes evenly from waypoint to waypoint, its angles too, and stays before the first
    and after the last.
    """
    if not body.path:
        return np.array(body.position, float), turn_of_angles(body.rotation)
    at = [point.frame for point in body.path]
    frame = time * float(scene.fps)
    position = [np.interp(frame, at, [p.position[i] for p in body.path]) for i in range(3)]
    angles = [float(np.interp(frame, at, [p.rotation[i] for p in body.path])) for i in range(3)]
    return np.array(position), turn_of_angles(angles)
