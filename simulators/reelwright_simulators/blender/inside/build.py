"""A physics scene, as its plain data, becomes objects in Blender; `solve` then moves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import bmesh
import bodies
import bpy
import cameras
import cloth
import fluids
import looks
import order

REACH = 300.0
"""Metres from the middle to the edge of the ground."""


@dataclass
class Built:
    """What stands in Blender for a scene."""

    scene: dict
    """The data of the scene."""
    folder: str
    """Where baked fluids go, and where `cards/` and meshes are."""
    motion: dict
    """Given ways by the id of a body: `positions` and `turns` for every frame."""
    objects: dict = field(default_factory=dict)
    """The object of each thing by its id; of liquids and smoke their domain."""
    cameras: dict = field(default_factory=dict)
    pass_index: dict = field(default_factory=dict)
    """By thing id: 1 + its place among bodies, cloths, liquids and smokes."""
    bodies: list = field(default_factory=list)
    """`bodies.Made` of each body, in the scene's order."""
    ground: object = None
    notes: list = field(default_factory=list)

    @property
    def frames(self):
        """How many."""
        return self.scene["frames"]

    @property
    def fps(self):
        """Frames a second."""
        return float(Fraction(str(self.scene["fps"])))


def build(scene, *, motion=None, folder):
    """Puts everything of the scene at its place at frame 0, ready to be solved.

    Replaces what was open in Blender. Raises `ValueError` for files that are missing or empty.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    built = Built(scene, str(Path(folder).resolve()), motion or {})
    _time(built)
    bpy.context.scene.gravity = scene["gravity"]
    if scene["ground"]:
        built.ground = _ground(built)
    for body in scene["bodies"]:
        made = bodies.make(body, built.folder)
        built.bodies.append(made)
        _known(built, made.id, *made.objects)
    for sheet in scene["cloths"]:
        _known(built, sheet["id"], cloth.sheet(sheet))
    for liquid in scene["liquids"]:
        _known(built, liquid["id"], fluids.domain(liquid, scene, "liquid"))
    for smoke in scene["smokes"]:
        _known(built, smoke["id"], fluids.domain(smoke, scene, "smoke"))
    for camera in scene["cameras"]:
        built.cameras[camera["id"]] = cameras.make(camera, built.frames)
    bpy.context.scene.camera = built.cameras[scene["cameras"][0]["id"]]
    looks.light_up(scene, built.folder)
    for mesh in bpy.data.meshes:
        order.settle(mesh)
    bpy.context.view_layer.update()
    return built


def _known(built, name, *objects):
    number = len(built.pass_index) + 1
    built.objects[name], built.pass_index[name] = objects[0], number
    for each in objects:
        each.pass_index = number


def _time(built):
    scene, rate = bpy.context.scene, Fraction(str(built.scene["fps"]))
    whole = max(1, round(rate))
    scene.render.fps, scene.render.fps_base = whole, float(whole / rate)
    scene.frame_start, scene.frame_end = 1, built.frames
    scene.render.resolution_x, scene.render.resolution_y = built.scene["size"]


def _ground(built):
    """A slab whose top is the floor: a thin plane would let fast things through."""
    ground, sky = built.scene["ground"], built.scene["sky"]
    mesh = bmesh.new()
    bmesh.ops.create_cube(mesh, size=1.0)
    for vertex in mesh.verts:
        vertex.co.x *= 2 * REACH
        vertex.co.y *= 2 * REACH
        vertex.co.z -= 0.5
    data = bpy.data.meshes.new("ground")
    mesh.to_mesh(data)
    mesh.free()
    place = looks.place_of(built.scene, built.folder)
    data.materials.append(looks.ground(ground["look"], ground["colour"], sky, place))
    made = bpy.data.objects.new("ground", data)
    made.location.z = ground["height"]
    bpy.context.scene.collection.objects.link(made)
    return made
