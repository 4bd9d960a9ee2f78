"""The scene's cameras: keyframed in every frame, smoothly from view to view."""

from __future__ import annotations

import bpy
import keys
import numpy as np
from mathutils import Matrix, Vector

SENSOR = 36.0
"""Millimetres: the width of the picture that a lens draws."""


def make(camera, frames):
    """A camera of the scene as an object; raises `ValueError` where it stands in its target."""
    data = bpy.data.cameras.new(camera["id"])
    data.lens, data.sensor_width, data.sensor_fit = camera["lens"], SENSOR, "HORIZONTAL"
    data.clip_start, data.clip_end = 0.01, 2000.0
    made = bpy.data.objects.new(camera["id"], data)
    bpy.context.scene.collection.objects.link(made)
    poses = [_pose(camera, frame) for frame in range(frames)]
    keys.put(
        made,
        np.arange(1, frames + 1),
        [position for position, _ in poses],
        [turn for _, turn in poses],
    )
    return made


def _pose(camera, frame):
    position, target = _view(camera["views"], frame)
    ahead = target - position
    if ahead.length < 1e-6:
        raise ValueError(f"camera {camera['id']!r} stands where it looks at in frame {frame}")
    ahead.normalize()
    right = ahead.cross(Vector((0, 0, 1)))
    right = right.normalized() if right.length > 1e-6 else Vector((1, 0, 0))
    turn = Matrix((right, right.cross(ahead), -ahead)).transposed()
    return position, turn.to_quaternion()


def _view(views, frame):
    """Where a camera is and looks: by smoothstep, s = t² (3 - 2t), between two views."""
    last = max((i for i, view in enumerate(views) if view["frame"] <= frame), default=0)
    following = min(last + 1, len(views) - 1)
    a, b = views[last], views[following]
    span = b["frame"] - a["frame"]
    t = min(max((frame - a["frame"]) / span, 0.0), 1.0) if span else 0.0
    s = t * t * (3 - 2 * t)
    return (
        Vector(a["position"]).lerp(Vector(b["position"]), s),
        Vector(a["look_at"]).lerp(Vector(b["look_at"]), s),
    )
