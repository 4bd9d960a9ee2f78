"""Motion as keyframes: one a frame, straight between them."""

from __future__ import annotations

import numpy as np


def put(thing, frames, positions, turns=None, scales=None):
    """Keyframes of an object: `frames` [n], metres [n, 3], unit quaternions [n, 4], scales [n, 3].

    Their signs are set so that neighbours go the shorter way.
    """
    thing.rotation_mode = "QUATERNION"
    thing.animation_data_clear()
    ways = {"location": np.asarray(positions, float)}
    if turns is not None:
        ways["rotation_quaternion"] = steady(turns)
    if scales is not None:
        ways["scale"] = np.asarray(scales, float)
    for name, values in ways.items():
        setattr(thing, name, values[0])
        thing.keyframe_insert(name, frame=frames[0])
    for curve in thing.animation_data.action.fcurves:
        values = ways[curve.data_path][:, curve.array_index]
        points = curve.keyframe_points
        points.add(len(frames) - len(points))
        flat = np.stack([np.asarray(frames, float), values], 1).astype(np.float32)
        points.foreach_set("co", flat.ravel())
        points.foreach_set("interpolation", np.ones(len(frames), np.int32))  # 1 is linear
        curve.update()


def steady(turns):
    """The same turns [n, 4], each with the sign nearer to that of the one before."""
    turns = np.array(turns, float)
    flips = np.where((turns[1:] * turns[:-1]).sum(1) < 0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips)[:, None]
    return turns
