"""Wind and force fields: each kind of thing feels them through fields of its own.

Blender's wind is no speed but a force whose effect depends on how finely a cloth is divided, and
on what it blows. So a wind of so many m/s gets another strength for each thing that it blows.
"""

from __future__ import annotations

import math
import random

import bpy
from mathutils import Quaternion, Vector


def collection(name, built, *, wind, flutter=0.0):
    """A collection of the scene's fields for one solver; `wind` is strength per (m/s) ** 1.5.

    `flutter` adds eddies that drift with the wind, and gusts swell and fade by the scene's seed.
    """
    made = bpy.data.collections.new(f"fields for {name}")
    bpy.context.scene.collection.children.link(made)
    for number, force in enumerate(built.scene["forces"]):
        if force["kind"] == "wind":
            _wind(made, built, force, number, wind, flutter)
        else:
            _field(made, built, force, number)
    return made


def _empty(where, name):
    made = bpy.data.objects.new(name, None)
    where.objects.link(made)
    # A new object has no field yet; its type makes one.
    bpy.context.view_layer.objects.active = made
    with bpy.context.temp_override(object=made, active_object=made):
        bpy.ops.object.forcefield_toggle()
    return made


def _wind(where, built, force, number, strength, flutter):
    speed = force["strength"]
    direction = Vector(force["direction"])
    if not speed or direction.length < 1e-9:
        return
    made = _empty(where, f"wind {number + 1}")
    made.rotation_mode = "QUATERNION"
    made.rotation_quaternion = ahead = direction.to_track_quat("Z", "Y")
    made.location = force["position"]
    field = made.field
    field.type, field.flow = "WIND", 0.0
    # By measure, not by the law of drag, which has it grow with the square: so both 3 and 15 m/s
    # look as they should.
    full = math.copysign(strength * abs(speed) ** 1.5, speed)
    field.strength = full
    chance = random.Random(f"{built.scene['seed']} wind {number}")
    if flutter:
        gusts = force["gusts"]
        swells = [(rate, chance.uniform(0, 2 * math.pi)) for rate in (0.45, 1.1, 2.3)]
        for frame in range(1, built.frames + 1):
            t = (frame - 1) / built.fps
            swell = sum(math.sin(2 * math.pi * rate * t + phase) for rate, phase in swells) / 3
            field.strength = full * (1 + 1.2 * gusts * swell)
            made.keyframe_insert("field.strength", frame=frame)
            # It swings to and fro as it does behind a pole, the faster the stronger it is.
            swing = math.radians(7 + 14 * gusts)
            pulse = 2 * math.pi * (0.3 + 0.13 * abs(speed)) * t
            turn = math.sin(pulse + swells[0][1]) + 0.5 * math.sin(1.7 * pulse + swells[1][1])
            made.rotation_quaternion = Quaternion((0, 0, 1), swing * turn) @ ahead
            made.keyframe_insert("rotation_quaternion", frame=frame)
        calm(made)
        _eddies(where, built, force, number, abs(full) * flutter * (1 + 2 * gusts), chance)


def calm(made):
    """No wind before frame 0, in which time hung cloth comes to rest."""
    made.field.strength = 0.0
    made.keyframe_insert("field.strength", frame=0)
    for curve in made.animation_data.action.fcurves:
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def _eddies(where, built, force, number, strength, chance):
    made = _empty(where, f"eddies {number + 1}")
    field = made.field
    field.type, field.size, field.flow = "TURBULENCE", 0.9, 0.0
    field.seed = chance.randrange(1, 128)
    field.use_global_coords = False
    for frame, part in ((0, 0.0), (1, 1.0)):
        field.strength = strength * part
        made.keyframe_insert("field.strength", frame=frame)
    drift = Vector(force["direction"]).normalized() * abs(force["strength"]) * 0.6
    for frame in (1, built.frames + 1):
        made.location = drift * ((frame - 1) / built.fps)
        made.keyframe_insert("location", frame=frame)
    for curve in made.animation_data.action.fcurves:
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


_KINDS = {"vortex": "VORTEX", "turbulence": "TURBULENCE", "attraction": "FORCE"}


def _field(where, built, force, number):
    made = _empty(where, f"{force['kind']} {number + 1}")
    made.location = force["position"]
    made.rotation_mode = "QUATERNION"
    direction = Vector(force["direction"])
    if direction.length > 1e-9:
        made.rotation_quaternion = direction.to_track_quat("Z", "Y")
    field = made.field
    field.type = _KINDS[force["kind"]]
    field.strength = -force["strength"] if force["kind"] == "attraction" else force["strength"]
    field.noise = 2.0 * force["gusts"]
    field.flow = 0.0
    field.seed = 1 + (built.scene["seed"] + number) % 127
