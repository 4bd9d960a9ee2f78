"""Where the cameras of a physics scene are, and where a point of the world is in their pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import Camera, CameraPose, PhysicsScene

Array = NDArray[np.floating]

SENSOR = 36.0
"""Millimetres: the width of the picture that a lens draws."""


def view(camera: Camera, frame: float) -> tuple[Array, Array]:
    """The camera's position and what it looks at in a frame, both [3], in metres.

    Between two neighbouring views both go by smoothstep, s = t² (3 - 2t); before the first and
    after the last they stay.
    """
    views = camera.views
    at = np.array([each.frame for each in views], float)
    last = int(np.clip(np.searchsorted(at, frame, "right") - 1, 0, len(views) - 1))
    following = min(last + 1, len(views) - 1)
    span = at[following] - at[last]
    t = float(np.clip((frame - at[last]) / span, 0, 1)) if span else 0.0
    s = t * t * (3 - 2 * t)
    a, b = views[last], views[following]
    position = np.array(a.position) * (1 - s) + np.array(b.position) * s
    look_at = np.array(a.look_at) * (1 - s) + np.array(b.look_at) * s
    return position, look_at


def intrinsic(camera: Camera, size: tuple[int, int]) -> Array:
    """The camera matrix, [3, 3]: square pixels, the middle at (width / 2, height / 2)."""
    width, height = size
    focal = camera.lens / SENSOR * width
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


def extrinsic(camera: Camera, frame: float) -> Array:
    """World to camera, [3, 4]: x right, y down, z forward; +z of the world is up in the picture.

    Straight up and straight down +x of the world stays on the right. Raises `ValueError` for a
    camera that stands where it looks at.
    """
    position, look_at = view(camera, frame)
    forward = look_at - position
    far = float(np.linalg.norm(forward))
    if far < 1e-6:
        raise ValueError(
            f"camera {camera.id!r} stands where it looks at in frame {frame:g}, at "
            f"{tuple(position.tolist())}; move its `position` or its `look_at`"
        )
    forward = forward / far
    right = np.cross(forward, (0.0, 0.0, 1.0))
    across = float(np.linalg.norm(right))
    right = right / across if across > 1e-6 else np.array([1.0, 0.0, 0.0])
    turn = np.stack([right, np.cross(forward, right), forward])
    return np.concatenate([turn, (-turn @ position)[:, None]], axis=1)


def poses(scene: PhysicsScene, camera: Camera) -> list[CameraPose]:
    """The camera's pose in every frame of the scene."""
    inner = intrinsic(camera, scene.size).tolist()
    return [
        CameraPose(extrinsic=extrinsic(camera, frame).tolist(), intrinsic=inner)
        for frame in range(scene.frames)
    ]


def project(
    camera: Camera, scene: PhysicsScene, frame: float, point: Array | tuple[float, float, float]
) -> tuple[float, float, float]:
    """Where a point of the world is in the picture: x, y in pixels, and its depth in metres.

    The depth is along the camera's axis; at 0 or below the point is behind the camera and x and y
    are not finite.
    """
    outer = extrinsic(camera, frame)
    across, down, depth = (outer[:, :3] @ np.asarray(point, float) + outer[:, 3]).tolist()
    if depth <= 0:
        return float("nan"), float("nan"), depth
    inner = intrinsic(camera, scene.size)
    return (
        inner[0, 0] * across / depth + inner[0, 2],
        inner[1, 1] * down / depth + inner[1, 2],
        depth,
    )


def sees(
    camera: Camera, scene: PhysicsScene, frame: float, point: Array, *, radius: float = 0.0
) -> bool:
    """Whether any of a ball around `point` may be in the picture."""
    x, y, depth = project(camera, scene, frame, point)
    if depth <= 0:
        return False
    reach = radius * float(intrinsic(camera, scene.size)[0, 0]) / depth
    width, height = scene.size
    return -reach <= x <= width + reach and -reach <= y <= height + reach
