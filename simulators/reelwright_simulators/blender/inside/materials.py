"""What bodies are made of, how large and heavy they are, and the colours that they can have.

Plain Python: both sides of the process border read it, so that the exact integrator and Blender
move the same masses, and the painter and Blender show the same colours. A body is the dict that
`Body.data()` gives.
"""

from __future__ import annotations

import math

# sRGB of the colours that a thing can have.
COLOURS = {
    "red": (206, 52, 52),
    "orange": (236, 138, 40),
    "yellow": (240, 204, 60),
    "green": (76, 158, 74),
    "blue": (58, 110, 206),
    "purple": (134, 82, 178),
    "pink": (236, 138, 176),
    "brown": (134, 92, 60),
    "black": (42, 42, 46),
    "white": (240, 240, 240),
    "grey": (146, 148, 154),
}
# kg/m³ of the whole thing: a rubber ball is hollow, a metal car mostly air.
DENSITY = {
    "wood": 600.0,
    "rubber": 300.0,
    "metal": 2700.0,
    "stone": 2400.0,
    "plastic": 500.0,
    "glass": 2500.0,
    "ice": 917.0,
    "paper": 250.0,
    "leather": 85.0,
    "mirror": 2500.0,
}
# A pair has the product of both values, as in Bullet; the ground's are its own.
FRICTION = {
    "wood": 0.7,
    "rubber": 1.1,
    "metal": 0.5,
    "stone": 0.8,
    "plastic": 0.6,
    "glass": 0.4,
    "ice": 0.08,
    "paper": 0.7,
    "leather": 0.8,
    "mirror": 0.4,
}
RESTITUTION = {
    "wood": 0.5,
    "rubber": 0.8,
    "metal": 0.6,
    "stone": 0.4,
    "plastic": 0.6,
    "glass": 0.65,
    "ice": 0.3,
    "paper": 0.15,
    "leather": 0.75,
    "mirror": 0.4,
}


def friction(body):
    """The body's own share of a pair's coefficient of friction."""
    given = body["friction"]
    return FRICTION[body["material"]] if given is None else given


def restitution(body):
    """The body's own share of a pair's restitution."""
    given = body["restitution"]
    return RESTITUTION[body["material"]] if given is None else given


def mass(body, size):
    """Kilograms; `size` is the body's extent along its own x, y and z in metres."""
    if body["mass"] is not None:
        return body["mass"]
    return DENSITY[body["material"]] * volume(body["shape"], size)


def volume(shape, size):
    """m³ of a shape; of meshes, models and flat cards half of their bounding box."""
    box = size[0] * size[1] * size[2]
    kind = shape["kind"]
    if kind == "ball" or (kind == "card" and shape["round"]):
        return math.pi / 6 * size[2] ** 3
    if kind == "block":
        return box
    if kind == "cylinder":
        foot = shape["radius"]
        top = foot if shape["top"] is None else shape["top"]
        return math.pi * shape["height"] * (foot * foot + foot * top + top * top) / 3
    if kind == "model" and shape["name"] == "basketball":
        return math.pi / 6 * size[2] ** 3
    return box / 2
