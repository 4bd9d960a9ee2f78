"""Bodies as Blender objects: their mesh about its middle, their looks and their collision shape."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import bmesh
import bpy
import looks
import materials
import models
import sizes
from mathutils import Euler, Matrix, Vector


@dataclass
class Made:
    """A body of the scene and its objects."""

    body: dict
    object: bpy.types.Object
    shape: str
    """Bullet's: SPHERE, BOX, CYLINDER, CONE, CONVEX_HULL, or MESH, which only stands."""
    size: tuple
    """Of its bounding box at rest, in metres."""
    wheels: list = field(default_factory=list)

    @property
    def id(self):
        """The id that the scene calls it by."""
        return self.body["id"]

    @property
    def mass(self):
        """Kilograms."""
        return materials.mass(self.body, self.size)

    @property
    def objects(self):
        """All that is seen of it."""
        return [self.object, *self.wheels]

    @property
    def moves(self):
        """Whether the laws of physics, or its path, ever move it."""
        return self.body["moves"] != "fixed"


HOLLOW = ("mug", "glass", "bowl")


def make(body, folder):
    """The body at its place at frame 0; raises `ValueError` for files that are not as said."""
    shape = body["shape"]
    data, kind = _MAKERS[shape["kind"]](body, shape, folder)
    made = bpy.data.objects.new(body["id"], data)
    bpy.context.scene.collection.objects.link(made)
    position, turn = start(body)
    made.rotation_mode = "QUATERNION"
    made.location, made.rotation_quaternion = position, turn
    aspect = 1.0
    if shape["kind"] in ("card", "mesh"):
        aspect = made.dimensions.x / max(made.dimensions.z, 1e-9)
    extent = sizes.size(shape, aspect)
    if shape["kind"] == "mesh":
        extent = tuple(made.dimensions)
    result = Made(body, made, kind, extent)
    if shape["kind"] == "model" and shape["name"] == "car":
        result.wheels = _wheels(made, shape["height"])
    return result


def start(body):
    """Where the body is at frame 0: a location and a quaternion."""
    if body["moves"] == "driven":
        return way(body["path"], 0)
    return Vector(body["position"]), turn_of(body["rotation"])


def way(path, frame):
    """Where a driven body is in a frame: straight on between its waypoints."""
    before = [point for point in path if point["frame"] <= frame]
    after = [point for point in path if point["frame"] > frame]
    if not before or not after:
        point = before[-1] if before else after[0]
        return Vector(point["position"]), turn_of(point["rotation"])
    a, b = before[-1], after[0]
    part = (frame - a["frame"]) / (b["frame"] - a["frame"])
    position = Vector(a["position"]).lerp(Vector(b["position"]), part)
    degrees = Vector(a["rotation"]).lerp(Vector(b["rotation"]), part)
    return position, turn_of(degrees)


def turn_of(degrees):
    """The quaternion of turns about x, then y, then z."""
    return Euler([math.radians(value) for value in degrees], "XYZ").to_quaternion()


def _mesh(mesh, name, *shown):
    data = bpy.data.meshes.new(name)
    bmesh.ops.recalc_face_normals(mesh, faces=mesh.faces)
    mesh.to_mesh(data)
    mesh.free()
    for look in shown:
        data.materials.append(look)
    return data


def _ball(body, shape, _folder):
    mesh = bmesh.new()
    bmesh.ops.create_uvsphere(mesh, u_segments=48, v_segments=24, radius=shape["radius"])
    for face in mesh.faces:
        face.smooth = True
    look = looks.material(body["material"], body["colour"], size=2 * shape["radius"])
    return _mesh(mesh, body["id"], look), "SPHERE"


def _block(body, shape, _folder):
    mesh = bmesh.new()
    size = shape["size"]
    bmesh.ops.create_cube(mesh, size=1.0, matrix=Matrix.Diagonal((*size, 1.0)))
    round_edges(mesh, min(0.015, 0.04 * min(size)))
    look = looks.material(body["material"], body["colour"], size=max(size))
    return _mesh(mesh, body["id"], look), "BOX"


def round_edges(mesh, by, edges=None):
    """Takes the sharpness off the edges; the bounding box stays."""
    made = bmesh.ops.bevel(
        mesh, geom=list(edges or mesh.edges), offset=by, segments=2, profile=0.6, affect="EDGES",
        clamp_overlap=True,
    )  # fmt: skip
    for face in made["faces"]:
        face.smooth = True


def _cylinder(body, shape, _folder):
    mesh = bmesh.new()
    foot, high = shape["radius"], shape["height"]
    top = foot if shape["top"] is None else shape["top"]
    bmesh.ops.create_cone(
        mesh, cap_ends=True, segments=48, radius1=foot, radius2=top, depth=high
    )  # fmt: skip
    rims = [edge for edge in mesh.edges if abs(edge.verts[0].co.z - edge.verts[1].co.z) < 1e-6]
    by = min(0.012, 0.08 * min(foot, high))
    if top > 0:
        round_edges(mesh, min(by, 0.5 * top), rims)
    for face in mesh.faces:
        face.smooth = face.smooth or len(face.verts) <= 4
    look = looks.material(body["material"], body["colour"], size=max(2 * foot, high))
    kind = "CYLINDER" if top == foot else "CONE" if top == 0 else "CONVEX_HULL"
    return _mesh(mesh, body["id"], look), kind


def slug(noun):
    """The noun as it stands in a file's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in noun)


def card_file(shape, colour):
    """Where in the request's folder the host puts a card's picture."""
    return (
        f"cards/{slug(shape['noun'])}-{colour}.png"
        if colour
        else f"cards/{slug(shape['noun'])}.png"
    )


def _card(body, shape, folder):
    path = Path(folder) / card_file(shape, body["colour"])
    if not path.is_file():
        raise ValueError(f"the card {body['id']!r} has no picture: there is no {path}")
    look = looks.picture(str(path))
    image = next(node.image for node in look.node_tree.nodes if node.type == "TEX_IMAGE")
    left, bottom, right, top = _seen(image)
    width, height = image.size
    aspect = (right - left) * width / ((top - bottom) * height)
    high = shape["height"]
    wide = high * aspect
    if shape["round"]:
        # As wide or as high as the ball that it rolls as.
        wide, high = (high, high / aspect) if aspect > 1 else (wide, high)
    mesh = bmesh.new()
    thick = 0.5 * sizes.CARD * shape["height"]
    corners = [
        mesh.verts.new((x * wide, 0, z * high))
        for x, z in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    ]
    face = mesh.faces.new(corners)
    layer = mesh.loops.layers.uv.new("UVMap")
    at = ((left, bottom), (right, bottom), (right, top), (left, top))
    for loop, uv in zip(face.loops, at, strict=True):
        loop[layer].uv = uv
    # Points without a face: they give the flat picture the thickness that Bullet needs.
    for y in (-thick, thick):
        mesh.verts.new((0, y, 0))
    data = bpy.data.meshes.new(body["id"])
    mesh.to_mesh(data)
    mesh.free()
    data.materials.append(look)
    return data, "SPHERE" if shape["round"] else "BOX"


def _seen(image):
    """What part of a picture is not transparent: left, bottom, right, top in 0..1."""
    import numpy as np

    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    alpha = pixels.reshape(height, width, 4)[..., 3] > 0.1
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not len(rows):
        raise ValueError(f"the picture {image.filepath} is transparent all over")
    return (
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )


_IMPORTS = {
    ".obj": lambda path: bpy.ops.wm.obj_import(filepath=path),
    ".ply": lambda path: bpy.ops.wm.ply_import(filepath=path),
    ".stl": lambda path: bpy.ops.wm.stl_import(filepath=path),
    ".glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
}


def _file(body, shape, folder):
    path = Path(folder) / shape["path"]
    if not path.is_file():
        raise ValueError(f"the body {body['id']!r} has no mesh: there is no {path}")
    before = set(bpy.data.objects)
    _IMPORTS[path.suffix.lower()](str(path))
    new = [thing for thing in bpy.data.objects if thing not in before]
    mesh = bmesh.new()
    shown = []
    bpy.context.view_layer.update()
    for thing in new:
        if thing.type != "MESH":
            continue
        first = len(mesh.verts)
        faces = len(mesh.faces)
        mesh.from_mesh(thing.data)
        mesh.verts.ensure_lookup_table()
        mesh.faces.ensure_lookup_table()
        bmesh.ops.transform(mesh, matrix=thing.matrix_world, verts=mesh.verts[first:])
        for face in mesh.faces[faces:]:
            face.material_index += len(shown)
        shown += [slot.material for slot in thing.material_slots] or [None]
    for thing in new:
        bpy.data.objects.remove(thing)
    if not mesh.faces:
        raise ValueError(f"the mesh {shape['path']} of the body {body['id']!r} has no faces")
    low = Vector(min(vertex.co[i] for vertex in mesh.verts) for i in range(3))
    high = Vector(max(vertex.co[i] for vertex in mesh.verts) for i in range(3))
    if high.z - low.z < 1e-9:
        raise ValueError(f"the mesh {shape['path']} of the body {body['id']!r} is flat: no height")
    scale = shape["height"] / (high.z - low.z)
    for vertex in mesh.verts:
        vertex.co = (vertex.co - (low + high) / 2) * scale
    own = looks.material(body["material"], body["colour"], size=shape["height"])
    if body["colour"]:
        shown = [own] * len(shown)
    kind = "MESH" if body["moves"] == "fixed" else "CONVEX_HULL"
    return _mesh(mesh, body["id"], *(look or own for look in shown)), kind


def _model(body, shape, _folder):
    name, high = shape["name"], shape["height"]
    data = models.make(name, height=high, material=body["material"], colour=body["colour"])
    if name == "basketball":
        return data, "SPHERE"
    if name == "domino":
        return data, "BOX"
    return data, "MESH" if body["moves"] == "fixed" else "CONVEX_HULL"


def _wheels(car, height):
    """Four wheels that hang on the car; `roll` turns them."""
    data = models.wheel(height)
    made = []
    for number, (x, y) in enumerate(models.WHEELS):
        wheel = bpy.data.objects.new(f"{car.name} wheel {number + 1}", data)
        bpy.context.scene.collection.objects.link(wheel)
        wheel.parent = car
        wheel.rotation_mode = "XYZ"
        wheel.location = (x * height, y * height, (models.WHEEL - 0.5) * height)
        made.append(wheel)
    return made


def roll(made, matrices):
    """Turns a car's wheels by the way that it has gone along its own x, frame by frame."""
    radius = models.WHEEL * made.size[2]
    angle, last = 0.0, matrices[0]
    for frame, matrix in enumerate(matrices):
        ahead = (last.to_3x3().col[0] + matrix.to_3x3().col[0]) / 2
        angle += (matrix.translation - last.translation).dot(ahead) / radius
        last = matrix
        for wheel in made.wheels:
            wheel.rotation_euler = (0.0, angle, 0.0)
            wheel.keyframe_insert("rotation_euler", index=1, frame=frame + 1)


_MAKERS = {
    "ball": _ball,
    "block": _block,
    "cylinder": _cylinder,
    "card": _card,
    "mesh": _file,
    "model": _model,
}
