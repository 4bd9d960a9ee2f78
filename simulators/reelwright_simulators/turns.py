"""Rotations: Euler angles in degrees, unit quaternions (w, x, y, z) and matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def matrix_of_angles(angles: Sequence[float]) -> Array:
    """The [3, 3] matrix that turns about x, then y, then z, by degrees (Blender's XYZ)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def turn_of_angles(angles: Sequence[float]) -> Array:
    """The same as a unit quaternion, [4]."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(angles) / 2), np.sin(np.radians(angles) / 2)
    about_x, about_y, about_z = ([cx, sx, 0, 0], [cy, 0, sy, 0], [cz, 0, 0, sz])
    return product(np.array(about_z), product(np.array(about_y), np.array(about_x)))


def cross(a: Array, b: Array) -> Array:
    """The cross product of two [3]; numpy's own takes ten times as long for so few numbers."""
    p, q, r = a.tolist()
    x, y, z = b.tolist()
    return np.array([q * z - r * y, r * x - p * z, p * y - q * x])


def product(a: Array, b: Array) -> Array:
    """The turn `b`, then the turn `a`; quaternions [..., 4]."""
    w, x, y, z = (a[..., i] for i in range(4))
    p, q, r, s = (b[..., i] for i in range(4))
    return np.stack(
        [
            w * p - x * q - y * r - z * s,
            w * q + x * p + y * s - z * r,
            w * r - x * s + y * p + z * q,
            w * s + x * r - y * q + z * p,
        ],
        axis=-1,
    )


def matrix_of_turn(turn: Array) -> Array:
    """The [..., 3, 3] matrices of unit quaternions [..., 4]."""
    w, x, y, z = np.moveaxis(turn, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def turn_between(a: Array, b: Array) -> Array:
    """The shortest turn that takes the direction `a` [3] to `b` [3]."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    part = 1 + float(a @ b)
    if part < 1e-12:
        across = np.cross(a, (1.0, 0.0, 0.0) if abs(a[0]) < 0.9 else (0.0, 1.0, 0.0))
        return np.array([0.0, *(across / np.linalg.norm(across))])
    turn = np.array([part, *np.cross(a, b)])
    return turn / np.linalg.norm(turn)


def rotation_vectors(turns: Array) -> Array:
    """How far each turn goes on to the next, [n - 1, 3]: axis times radians, in the world."""
    back = turns[:-1] * (1, -1, -1, -1)
    step = product(turns[1:], back)
    step = np.where(step[:, :1] < 0, -step, step)
    size = np.linalg.norm(step[:, 1:], axis=1, keepdims=True)
    angle = 2 * np.arctan2(size, step[:, :1])
    return step[:, 1:] * np.where(size > 1e-12, angle / np.maximum(size, 1e-12), 2.0)
