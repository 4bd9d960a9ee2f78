"""Liquids and smoke: Mantaflow's domains, what flows, and the bodies in its way."""

from __future__ import annotations

from pathlib import Path

import bmesh
import bpy
import forces
import looks
import models
import numpy as np
from mathutils import Matrix, Vector

WALL = 2.2
"""Cells that a vessel's wall is thick for the liquid, at least: thinner ones leak."""


def domain(fluid, scene, kind):
    """The box in which a liquid or smoke is computed, as an object; not yet a domain.

    It ends at the ground, which is its floor.
    """
    low, high = _bounds(fluid, scene)
    mesh = bmesh.new()
    size = [b - a for a, b in zip(low, high, strict=True)]
    bmesh.ops.create_cube(mesh, size=1.0, matrix=Matrix.Diagonal((*size, 1.0)))
    data = bpy.data.meshes.new(fluid["id"])
    mesh.to_mesh(data)
    mesh.free()
    if kind == "liquid":
        look = looks.liquid(fluid["colour"], fluid["viscosity"])
    else:
        look = looks.smoke(fluid["colour"], fluid["fire"])
    data.materials.append(look)
    made = bpy.data.objects.new(fluid["id"], data)
    made.location = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    bpy.context.scene.collection.objects.link(made)
    return made


def _bounds(fluid, scene):
    low = [c - s / 2 for c, s in zip(fluid["centre"], fluid["size"], strict=True)]
    high = [c + s / 2 for c, s in zip(fluid["centre"], fluid["size"], strict=True)]
    if scene["ground"]:
        low[2] = max(low[2], scene["ground"]["height"])
    if low[2] >= high[2]:
        raise ValueError(f"the box of {fluid['id']!r} lies under the ground")
    return low, high


def bake(built, fluid, kind):
    """Computes one liquid or smoke for all frames, into a folder of its own."""
    thing = built.objects[fluid["id"]]
    modifier = thing.modifiers.new("fluid", "FLUID")
    modifier.fluid_type = "DOMAIN"
    settings = modifier.domain_settings
    settings.domain_type = "LIQUID" if kind == "liquid" else "GAS"
    folder = Path(built.folder) / f"fluid-{fluid['id']}"
    folder.mkdir(parents=True, exist_ok=True)
    settings.cache_directory = str(folder)
    settings.cache_type = "MODULAR"
    settings.cache_frame_start, settings.cache_frame_end = 1, built.frames
    settings.resolution_max = fluid["detail"]
    settings.use_adaptive_timesteps = True
    settings.cfl_condition = 3.0 if kind == "liquid" else 4.0
    settings.timesteps_min, settings.timesteps_max = 1, 4
    sides = ("front", "back", "left", "right", "top", "bottom")
    for side in sides:
        setattr(settings, f"use_collision_border_{side}", False)
    grounded = built.ground is not None and _stands(fluid, built.scene)
    settings.use_collision_border_bottom = grounded
    cell = max(thing.dimensions) / fluid["detail"]
    helpers = [_source(built, fluid, kind)]
    helpers += _obstacles(built, thing, cell)
    settings.effector_weights.collection = forces.collection(
        fluid["id"], built, wind=0.004 if kind == "smoke" else 0.0
    )
    if kind == "liquid":
        _liquid(settings, fluid)
    else:
        _gas(settings, fluid)
    bpy.context.view_layer.update()
    with bpy.context.temp_override(object=thing, active_object=thing, selected_objects=[thing]):
        bpy.context.view_layer.objects.active = thing
        bpy.ops.fluid.bake_data()
        if kind == "liquid":
            bpy.ops.fluid.bake_mesh()
    if not settings.has_cache_baked_data:
        raise RuntimeError(f"Mantaflow could not compute {fluid['id']!r}; see its output")
    for helper in helpers:
        helper.hide_render = True


def _stands(fluid, scene):
    return _bounds(fluid, scene)[0][2] <= scene["ground"]["height"] + 1e-6


def _liquid(settings, fluid):
    settings.use_mesh = True
    settings.mesh_scale = 2
    settings.mesh_particle_radius = 2.0
    settings.mesh_smoothen_pos, settings.mesh_smoothen_neg = 2, 2
    settings.particle_radius = 1.2
    settings.particle_number = 2
    settings.flip_ratio = 0.95
    settings.surface_tension = 0.02
    if fluid["viscosity"] > 1e-5:
        settings.use_viscosity = True
        settings.viscosity_value = min(1.0, fluid["viscosity"] * 20)


def _gas(settings, fluid):
    settings.alpha = 0.5
    settings.beta = 1.0
    settings.vorticity = 0.12
    settings.use_dissolve_smoke = True
    settings.dissolve_speed = 60
    if fluid["fire"]:
        settings.burning_rate = 0.7
        settings.flame_smoke = 0.6
        settings.flame_vorticity = 0.5
        settings.flame_max_temp = 2.2


def _source(built, fluid, kind):
    """The ball from which it flows."""
    mesh = bmesh.new()
    bmesh.ops.create_icosphere(mesh, subdivisions=3, radius=fluid["radius"])
    data = bpy.data.meshes.new("source")
    mesh.to_mesh(data)
    mesh.free()
    made = bpy.data.objects.new(f"source of {fluid['id']}", data)
    made.location = fluid["source"]
    made.hide_render = True
    bpy.context.scene.collection.objects.link(made)
    modifier = made.modifiers.new("fluid", "FLUID")
    modifier.fluid_type = "FLOW"
    flow = modifier.flow_settings
    if kind == "smoke":
        flow.flow_type = "BOTH" if fluid["fire"] else "SMOKE"
        flow.flow_behavior = "INFLOW"
        flow.density, flow.temperature = 1.0, 1.2
        flow.fuel_amount = 1.1
        flow.surface_distance = 0.8
        return made
    flow.flow_type = "LIQUID"
    flow.flow_behavior = "INFLOW" if fluid["flows"] else "GEOMETRY"
    flow.use_initial_velocity = True
    flow.velocity_coord = fluid["velocity"]
    if fluid["flows"] and fluid["until"] is not None:
        for frame, on in ((1, True), (fluid["until"] + 1, True), (fluid["until"] + 2, False)):
            flow.use_inflow = on
            flow.keyframe_insert("use_inflow", frame=frame)
    return made


def _obstacles(built, box, cell):
    """What the fluid cannot pass: the bodies, and of vessels thicker ones that are not seen."""
    made = []
    for each in built.bodies:
        shape = each.body["shape"]
        thing = each.object
        name = shape.get("name")
        if name in ("glass", "mug", "bowl"):
            data = models.vessel(name, shape["height"], WALL * cell)
            thing = bpy.data.objects.new(f"vessel {each.id}", data)
            bpy.context.scene.collection.objects.link(thing)
            thing.parent = each.object
            thing.hide_render = True
            made.append(thing)
        if any(modifier.type == "FLUID" for modifier in thing.modifiers):
            continue
        modifier = thing.modifiers.new("fluid", "FLUID")
        modifier.fluid_type = "EFFECTOR"
        modifier.effector_settings.effector_type = "COLLISION"
        modifier.effector_settings.use_plane_init = False
        modifier.effector_settings.surface_distance = 0.0
    return made


def middle(thing, kind):
    """The middle of a liquid's surface, or of smoke by its density; None while there is none."""
    graph = bpy.context.evaluated_depsgraph_get()
    seen = thing.evaluated_get(graph)
    if kind == "liquid":
        mesh = seen.data
        count = len(mesh.vertices)
        if not count:
            return None
        local = np.empty(count * 3, np.float32)
        mesh.vertices.foreach_get("co", local)
        place = local.reshape(-1, 3).mean(0)
        return np.array(seen.matrix_world @ Vector(place))
    settings = next(m for m in seen.modifiers if m.type == "FLUID").domain_settings
    across, deep, high = settings.domain_resolution
    density = np.array(settings.density_grid, np.float32)
    if density.size != across * deep * high or not density.any():
        return None
    grid = density.reshape(high, deep, across).astype(float)
    total = grid.sum()
    cells = [
        (grid.sum(axes) * (np.arange(count) + 0.5)).sum() / total / count - 0.5
        for axes, count in (((0, 1), across), ((0, 2), deep), ((1, 2), high))
    ]
    return np.array(thing.location) + np.array(cells) * np.array(thing.dimensions)
