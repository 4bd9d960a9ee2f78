"""Physics scenes in few words, for tests and benchmarks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import PhysicsScene, Trajectory

G = 9.81
CAMERA = {"id": "main", "views": [{"position": (0, -6, 1.2), "look_at": (0, 0, 0.6)}]}

Array = NDArray[np.floating]


def scene(*bodies: dict[str, Any], **more: Any) -> PhysicsScene:
    """A scene of these bodies, seen by one camera."""
    return PhysicsScene.model_validate({"bodies": bodies, "cameras": [CAMERA], **more})


def ball(id: str = "ball", radius: float = 0.12, **more: Any) -> dict[str, Any]:
    """A ball as plain data."""
    return {"id": id, "shape": {"kind": "ball", "radius": radius}, **more}


def block(
    id: str = "block", size: tuple[float, ...] = (0.3, 0.3, 0.3), **more: Any
) -> dict[str, Any]:
    """A block as plain data."""
    return {"id": id, "shape": {"kind": "block", "size": size}, **more}


def places(trajectories: list[Trajectory], thing: str) -> Array:
    """The way of one thing, [frames, 3]."""
    way = next(way for way in trajectories if way.thing == thing)
    return np.array([pose.position for pose in way.poses])


def ramp(degrees: float, length: float = 2.0, thick: float = 0.1, **more: Any) -> dict[str, Any]:
    """A ramp that goes down to the right and ends on the ground at x = length / 2 cos."""
    a = math.radians(degrees)
    high = math.sin(a) * length / 2 - math.cos(a) * thick / 2
    return block(
        "ramp",
        (length, 1.0, thick),
        position=(0, 0, high),
        rotation=(0, degrees, 0),
        moves="fixed",
        **more,
    )


def on_ramp(
    degrees: float, up: float, above: float, length: float = 2.0, thick: float = 0.1
) -> Array:
    """A point `up` metres above the middle of `ramp` along it, and `above` its top face."""
    a = math.radians(degrees)
    along, normal = (
        np.array([math.cos(a), 0, -math.sin(a)]),
        np.array([math.sin(a), 0, math.cos(a)]),
    )
    middle = np.array([math.sin(a) * thick / 2, 0, math.sin(a) * length / 2])
    return middle - along * up + normal * above
