"""Sheets of cloth, and soft bodies: a skin of cloth that is kept up by pressure and springs."""

from __future__ import annotations

import math

import bmesh
import bpy
import forces
import looks
import numpy as np
from mathutils import Matrix

LEAD = 60
"""Frames before frame 0 in which hung cloth comes to rest, without wind."""
# Of a sheet: mass of a point in kg, and how it resists stretch, shear and bending, in Blender's
# unit; its mass decides how the wind moves it.
FABRICS = {
    "cotton": (0.12, 18.0, 6.0, 0.15),
    "silk": (0.06, 12.0, 3.0, 0.02),
    "denim": (0.25, 45.0, 20.0, 3.0),
    "leather": (0.45, 60.0, 40.0, 12.0),
    "rubber": (0.4, 8.0, 4.0, 0.8),
}
WIND = 11.0
"""m/s² that cotton gains, times the wind's (m/s) ** 1.5, where it faces the wind."""
_POINT_FORCE = 0.02
"""Blender's own factor from a wind's strength, times m², to a force."""
_PACE = 0.001
"""Blender's cloth moves by so much of every acceleration in a frame, whatever the rate: one of its
frames is the square root of it long, in seconds."""
RIPPLE = 0.012
"""Of its width, a hung sheet waves at first: a flat one would stand in its plane."""
FLUTTER = 0.5
"""Of a wind's strength is in its eddies."""


def sheet(cloth):
    """A sheet as an object: a grid, not yet cloth."""
    wide, high = cloth["size"]
    across = max(2, round(cloth["detail"] * min(1.0, wide / high)))
    down = max(2, round(cloth["detail"] * min(1.0, high / wide)))
    mesh = bmesh.new()
    layer = mesh.loops.layers.uv.new("UVMap")
    rows = []
    for j in range(down + 1):
        row = []
        for i in range(across + 1):
            x, y = (i / across - 0.5) * wide, (j / down - 0.5) * high
            off = _ripple(cloth, i / across, j / down) if cloth["pins"] != "none" else 0.0
            row.append(mesh.verts.new((x, y, off) if cloth["lies"] else (x, off, y)))
        rows.append(row)
    for j in range(down):
        for i in range(across):
            face = mesh.faces.new((rows[j][i], rows[j][i + 1], rows[j + 1][i + 1], rows[j + 1][i]))
            face.smooth = True
            at = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
            for loop, (u, v) in zip(face.loops, at, strict=True):
                loop[layer].uv = (u / across * wide, v / down * high)
    data = bpy.data.meshes.new(cloth["id"])
    mesh.to_mesh(data)
    mesh.free()
    data.materials.append(looks.fabric(cloth["fabric"], cloth["colour"]))
    made = bpy.data.objects.new(cloth["id"], data)
    made.location = cloth["position"]
    bpy.context.scene.collection.objects.link(made)
    pinned = [
        j * (across + 1) + i
        for j in range(down + 1)
        for i in range(across + 1)
        if _is_pinned(cloth["pins"], i, j, across, down)
    ]
    if pinned:
        made.vertex_groups.new(name="pins").add(pinned, 1.0, "REPLACE")
    return made


def _ripple(cloth, u, v):
    """How far a point of a hung sheet, at 0..1 from left and from below, is out of its plane."""
    free = {"left": u, "right": 1 - u, "top": 1 - v, "top corners": 1 - v}.get(
        cloth["pins"], 16 * u * (1 - u) * v * (1 - v)
    )
    wave = math.sin(9.0 * u + 5.0 * v) + 0.5 * math.sin(17.0 * u - 11.0 * v + 1.0)
    return RIPPLE * max(cloth["size"]) * free * wave


def _is_pinned(pins, i, j, across, down):
    side, end = i in (0, across), j in (0, down)
    return {
        "none": False,
        "left": i == 0,
        "right": i == across,
        "top": j == down,
        "top corners": j == down and side,
        "corners": side and end,
    }[pins]


def collide(built):
    """Makes the ground and all solid bodies things that cloth cannot pass."""
    solid = [made.object for made in built.bodies if not made.body["soft"]]
    for thing in [*solid, *([built.ground] if built.ground else [])]:
        thing.modifiers.new("collision", "COLLISION")
        settings = thing.collision
        settings.thickness_outer = 0.004
        settings.thickness_inner = 0.1
        settings.cloth_friction = 12.0
        settings.damping = 0.3
        settings.use_culling = False


def hang(built, cloth):
    """Makes a sheet of the scene cloth; the frame of Blender in which its simulation starts."""
    made = built.objects[cloth["id"]]
    modifier = made.modifiers.new("cloth", "CLOTH")
    settings, touch = modifier.settings, modifier.collision_settings
    mass, stretch, shear, bend = FABRICS[cloth["fabric"]]
    _pace(settings, built.fps, 8)
    settings.mass = mass
    settings.tension_stiffness = settings.compression_stiffness = stretch
    settings.shear_stiffness, settings.bending_stiffness = shear, bend
    settings.tension_damping = settings.compression_damping = 2.0
    settings.shear_damping, settings.bending_damping = 2.0, 0.2
    windy = any(force["kind"] == "wind" for force in built.scene["forces"])
    settings.air_damping = 1.0 if windy else 0.3
    if "pins" in made.vertex_groups:
        settings.vertex_group_mass = "pins"
    edge = max(cloth["size"]) / cloth["detail"]
    touch.collision_quality = 4
    touch.distance_min = min(0.012, 0.3 * edge)
    touch.use_self_collision = True
    touch.self_distance_min = min(0.008, 0.25 * edge)
    touch.self_friction = 2.0
    area = cloth["size"][0] * cloth["size"][1] / len(made.data.vertices)
    strength = _PACE * WIND * FABRICS["cotton"][0] / (_POINT_FORCE * area)
    settings.effector_weights.collection = forces.collection(
        cloth["id"], built, wind=strength, flutter=FLUTTER
    )
    hung = cloth["pins"] != "none"
    first = 1 - LEAD if hung else 1
    modifier.point_cache.frame_start, modifier.point_cache.frame_end = first, built.frames
    smooth = made.modifiers.new("smooth", "SUBSURF")
    smooth.levels = smooth.render_levels = 1
    return first


def _pace(settings, fps, least):
    """Sets the pace of real time, in at least so many steps a frame.

    Blender adds up the steps in single precision; for some numbers it takes one more than asked.
    """
    settings.time_scale = pace = 1 / (fps * math.sqrt(_PACE))
    for steps in range(least, 2 * least):
        step, whole = np.float32(pace) / np.float32(steps), np.float32(pace)
        done, count = np.float32(0), 0
        while done < whole:
            done, count = done + step, count + 1
        if count == steps:
            break
    settings.quality = steps


def soften(built, made):
    """Makes a body of the scene soft; the frame of Blender in which its simulation starts."""
    thing, soft = made.object, made.body["soft"]
    _skin(made)
    modifier = thing.modifiers.new("soft", "CLOTH")
    settings, touch = modifier.settings, modifier.collision_settings
    _pace(settings, built.fps, 16)
    settings.mass = 0.1
    # In Blender's unit, against a weight of 0.001: rubber is hardly dented by it, jelly is.
    stiff = 2.0 * soft**1.8
    settings.tension_stiffness = settings.compression_stiffness = stiff
    settings.shear_stiffness, settings.bending_stiffness = 0.5 * stiff, 0.06 * stiff
    damping = 0.05 + 0.5 * soft
    settings.tension_damping = settings.compression_damping = settings.shear_damping = damping
    settings.bending_damping = 0.1
    settings.air_damping = 0.0
    settings.use_internal_springs = True
    settings.internal_spring_max_length = 0.0
    settings.internal_spring_max_diversion = 0.8
    settings.internal_tension_stiffness = settings.internal_compression_stiffness = 0.5 * stiff
    settings.use_pressure = True
    settings.uniform_pressure_force = 0.0
    settings.use_pressure_volume = False
    settings.pressure_factor = 0.3 * stiff
    touch.collision_quality = 5
    touch.distance_min = 0.006
    touch.use_self_collision = False
    area = sum(face.area for face in thing.data.polygons) / len(thing.data.vertices)
    strength = 0.1 * _PACE * WIND * settings.mass / (_POINT_FORCE * area)
    settings.effector_weights.collection = forces.collection(made.id, built, wind=strength)
    modifier.point_cache.frame_start, modifier.point_cache.frame_end = 1, built.frames
    smooth = thing.modifiers.new("smooth", "SUBSURF")
    smooth.levels = smooth.render_levels = 1
    return 1


def _skin(made):
    """Divides a body's surface into even small squares, as a skin needs them."""
    thing = made.object
    fine = bmesh.new()
    if made.shape == "SPHERE":
        bmesh.ops.create_icosphere(fine, subdivisions=3, radius=made.size[2] / 2)
    elif made.shape == "BOX":
        bmesh.ops.create_cube(fine, size=1.0, matrix=Matrix.Diagonal((*made.size, 1.0)))
        bmesh.ops.subdivide_edges(fine, edges=fine.edges, cuts=9, use_grid_fill=True)
    else:
        fine.from_mesh(thing.data)
        longest = max(made.size) / 10
        for _ in range(4):
            long = [edge for edge in fine.edges if edge.calc_length() > longest]
            if not long or len(fine.verts) > 1500:
                break
            bmesh.ops.subdivide_edges(fine, edges=long, cuts=1)
        bmesh.ops.triangulate(fine, faces=fine.faces)
    for face in fine.faces:
        face.smooth = True
    fine.to_mesh(thing.data)
    fine.free()


def points(thing):
    """The corners of an object as it is in the current frame, [n, 3] in the world."""
    seen = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = seen.data
    local = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", local)
    world = np.array(seen.matrix_world)
    return local.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]


def keep(thing, kind="CLOTH"):
    """Marks what was simulated as baked: no later edit can change it."""
    modifier = next(each for each in thing.modifiers if each.type == kind)
    with bpy.context.temp_override(
        object=thing, active_object=thing, point_cache=modifier.point_cache
    ):
        bpy.ops.ptcache.bake_from_cache()
