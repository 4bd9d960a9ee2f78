"""The procedural models that come with Reelwright: meshes made of boxes, tubes and lathed outlines.

Every model is 1 m high, as wide and deep as `sizes.MODELS` says, and then scaled about the middle
of its bounding box.
"""

from __future__ import annotations

import math
from itertools import pairwise

import bmesh
import bpy
import looks
from mathutils import Matrix, Vector


class Sculpt:
    """A mesh that grows by simple forms; each has a material of its own."""

    def __init__(self):
        self.mesh = bmesh.new()
        self.looks = []

    def _paint(self, faces, look, smooth):
        if look not in self.looks:
            self.looks.append(look)
        for face in faces:
            face.material_index = self.looks.index(look)
            face.smooth = smooth

    def box(self, centre, size, look, bevel=0.0, turn=None, squeeze=None):
        """A box with rounded edges; `squeeze` (x, y) narrows its top."""
        matrix = Matrix.Translation(centre) @ (turn or Matrix()) @ Matrix.Diagonal((*size, 1.0))
        made = bmesh.ops.create_cube(self.mesh, size=1.0)["verts"]
        if squeeze:
            for vertex in made:
                if vertex.co.z > 0:
                    vertex.co.x *= squeeze[0]
                    vertex.co.y *= squeeze[1]
        bmesh.ops.transform(self.mesh, matrix=matrix, verts=made)
        faces = {face for vertex in made for face in vertex.link_faces}
        self._paint(faces, look, False)
        if bevel:
            edges = {edge for vertex in made for edge in vertex.link_edges}
            # Only the bevels are smooth: the large faces stay flat.
            after = bmesh.ops.bevel(
                self.mesh, geom=list(edges), offset=bevel, segments=3, profile=0.5,
                affect="EDGES", clamp_overlap=True, material=self.looks.index(look),
            )  # fmt: skip
            for face in after["faces"]:
                face.smooth = True

    def lathe(self, outline, look, steps=40, centre=(0, 0, 0), turn=None, smooth=True):
        """A round body from (radius, z) points, from the foot up; a radius of 0 closes it."""
        matrix = Matrix.Translation(centre) @ (turn or Matrix())
        rings = []
        for radius, z in outline:
            if radius <= 1e-9:
                rings.append([self.mesh.verts.new(matrix @ Vector((0, 0, z)))])
                continue
            angles = (2 * math.pi * i / steps for i in range(steps))
            rings.append(
                [
                    self.mesh.verts.new(
                        matrix @ Vector((radius * math.cos(a), radius * math.sin(a), z))
                    )
                    for a in angles
                ]
            )
        faces = []
        for low, high in pairwise(rings):
            for i in range(steps):
                j = (i + 1) % steps
                corners = [low[i % len(low)], low[j % len(low)], high[j % len(high)]]
                corners.append(high[i % len(high)])
                unique = list(dict.fromkeys(corners))
                if len(unique) > 2:
                    faces.append(self.mesh.faces.new(unique))
        self._paint(faces, look, smooth)

    def ball(self, centre, radius, look, scale=(1, 1, 1), detail=3):
        """An icosphere, stretched by `scale`."""
        matrix = Matrix.Translation(centre) @ Matrix.Diagonal((*scale, 1.0))
        made = bmesh.ops.create_icosphere(
            self.mesh, subdivisions=detail, radius=radius, matrix=matrix
        )["verts"]
        self._paint({face for vertex in made for face in vertex.link_faces}, look, True)

    def tube(self, points, radius, look, steps=12):
        """A bent pipe along points of the x-z plane."""
        rings = []
        for i, point in enumerate(points):
            ahead = Vector(points[min(i + 1, len(points) - 1)])
            along = (ahead - Vector(points[max(i - 1, 0)])).normalized()
            side = Vector((0, 1, 0))
            up = along.cross(side)
            rings.append(
                [
                    self.mesh.verts.new(
                        Vector(point)
                        + radius
                        * (side * math.cos(2 * math.pi * k / steps)
                           + up * math.sin(2 * math.pi * k / steps))
                    )
                    for k in range(steps)
                ]
            )  # fmt: skip
        faces = [
            self.mesh.faces.new((low[k], low[(k + 1) % steps], high[(k + 1) % steps], high[k]))
            for low, high in pairwise(rings)
            for k in range(steps)
        ]
        self._paint(faces, look, True)

    def plate(self, outline, near, far, look):
        """A flat plate from (x, z) points, between two values of y."""
        sides = [[self.mesh.verts.new((x, y, z)) for x, z in outline] for y in (near, far)]
        faces = [self.mesh.faces.new(side) for side in sides]
        for i in range(len(outline)):
            j = (i + 1) % len(outline)
            faces.append(self.mesh.faces.new((sides[0][i], sides[0][j], sides[1][j], sides[1][i])))
        self._paint(faces, look, False)

    def done(self, name, height, centre=(0.0, 0.0, 0.5)):
        """The mesh, `height` times as large about its middle."""
        bmesh.ops.recalc_face_normals(self.mesh, faces=self.mesh.faces)
        for vertex in self.mesh.verts:
            vertex.co = (vertex.co - Vector(centre)) * height
        data = bpy.data.meshes.new(name)
        self.mesh.to_mesh(data)
        self.mesh.free()
        for look in self.looks:
            data.materials.append(look)
        return data


def make(name, *, height, material, colour):
    """The model's mesh; `material` and `colour` are those of its body."""
    sculpt = Sculpt()
    _MAKERS[name](sculpt, height, material, colour)
    return sculpt.done(name, height, MIDDLE.get(name, (0.0, 0.0, 0.5)))


def _basketball(sculpt, height, _material, colour):
    sculpt.ball((0, 0, 0), 0.5, looks.basketball(colour, height / 2), detail=5)


MIDDLE = {"mug": (0.17, 0.0, 0.5), "basketball": (0.0, 0.0, 0.0)}
"""Of a model's box, where that is not above its foot."""
WHEELS = tuple((x, y) for x in (-0.8, 0.8) for y in (-0.47, 0.47))
"""Where a car of height 1 has its wheels, in x and y."""
WHEEL = 0.27
"""Their radius."""


def wheel(height):
    """A car's wheel: its axle is y, its origin its middle."""
    sculpt = Sculpt()
    tyre = looks.plain("tyre", looks.linear((38, 38, 42)), rough=0.8)
    rim = looks.plain("rim", looks.linear((200, 202, 208)), rough=0.3, metallic=0.9)
    hub = looks.plain("hub", looks.linear((84, 86, 92)), rough=0.4, metallic=0.6)
    turn = Matrix.Rotation(math.pi / 2, 4, "X")
    r, w = WHEEL, 0.095
    outline = [(0.62 * r, -w), (0.9 * r, -w), (r, -0.6 * w), (r, 0.6 * w), (0.9 * r, w)]
    outline.append((0.62 * r, w))
    sculpt.lathe(outline, tyre, turn=turn, steps=36)
    sculpt.lathe(
        [(0, -0.7 * w), (0.62 * r, -0.7 * w), (0.64 * r, -w), (0.64 * r, w), (0.62 * r, 0.7 * w),
         (0, 0.7 * w)],
        hub, turn=turn, steps=36, smooth=False,
    )  # fmt: skip
    for i in range(5):
        spoke = Matrix.Rotation(2 * math.pi * i / 5, 4, "Y")
        sculpt.box(
            spoke @ Vector((0, 0, 0.31 * r)), (0.2 * r, 1.8 * w, 0.62 * r), rim, 0.01, turn=spoke
        )
    sculpt.ball((0, 0, 0), 0.16 * r, rim, (1, 1.05 * w / (0.16 * r), 1), detail=2)
    return sculpt.done("wheel", height, (0.0, 0.0, 0.0))


def _angles(first, last, steps):
    return [first + (last - first) * i / steps for i in range(steps + 1)]


def _car(sculpt, _height, _material, colour):
    tone = looks.colour_of(colour, looks.COLOURS["red"])
    paint = looks.plain("paint", tone, rough=0.22, coat=0.8)
    pane = looks.plain("pane", looks.linear((46, 60, 76)), rough=0.06, coat=0.6)
    trim = looks.plain("trim", looks.linear((44, 44, 48)), rough=0.6)
    lamp = looks.plain("lamp", looks.linear((250, 244, 214)), rough=0.15, coat=0.6)
    rear = looks.plain("rear lamp", looks.linear((150, 24, 28)), rough=0.2, coat=0.6)
    sculpt.box((0, 0, 0.36), (2.56, 1.06, 0.3), paint, 0.1)
    sculpt.box((-0.02, 0, 0.5), (2.42, 1.02, 0.16), paint, 0.07)
    # The cabin: a dark block of windows, with roof and pillars in paint around it.
    sculpt.box((-0.16, 0, 0.74), (1.36, 0.93, 0.36), pane, 0.05, squeeze=(0.68, 0.84))
    sculpt.box((-0.16, 0, 0.955), (0.92, 0.79, 0.09), paint, 0.04)
    for y in (-0.43, 0.43):
        lean = Matrix.Rotation(math.copysign(0.2, y), 4, "X")
        sculpt.box((-0.16, y, 0.75), (0.07, 0.035, 0.4), paint, turn=lean)
    for x, look in ((1.262, lamp), (-1.262, rear)):
        for y in (-0.36, 0.36):
            sculpt.box((x, y, 0.43), (0.06, 0.2, 0.1), look, 0.02)
        sculpt.box((x, 0, 0.24), (0.075, 1.02, 0.09), trim, 0.03)
    sculpt.box((1.275, 0, 0.4), (0.04, 0.42, 0.09), trim, 0.01)
    turn = Matrix.Rotation(math.pi / 2, 4, "X")
    arch = [(0.315 * math.cos(t), 0.315 * math.sin(t)) for t in _angles(-0.1, math.pi + 0.1, 20)]
    for x, y in WHEELS:
        side = math.copysign(1.0, y)
        outline = [(x + across, WHEEL + up) for across, up in arch]
        sculpt.plate(outline, side * 0.5, side * 0.534, trim)
        # Between the wheels: with it the car's hull reaches down to the road.
        sculpt.lathe(
            [(0, -0.08), (WHEEL, -0.08), (WHEEL, 0.08), (0, 0.08)], trim, turn=turn,
            centre=(x, y - side * 0.12, WHEEL), smooth=False,
        )  # fmt: skip
    sculpt.box((0, 0, 0.2), (2.3, 0.9, 0.1), trim, 0.02)
    for y in (-0.53, 0.53):
        sculpt.box((0.28, math.copysign(0.545, y), 0.62), (0.09, 0.06, 0.07), paint, 0.02)
        sculpt.box((-0.28, y, 0.47), (0.14, 0.012, 0.025), trim)


def _domino(sculpt, _height, material, colour):
    body = looks.material(material, colour) if colour or material != "wood" else None
    body = body or looks.plain("ivory", looks.linear((238, 230, 210)), rough=0.3, coat=0.4)
    dark = colour in ("black", "blue", "purple", "brown", "red", "green")
    dots = looks.plain("dots", looks.linear((240, 238, 230) if dark else (36, 36, 40)), rough=0.4)
    sculpt.box((0, 0, 0.5), (0.18, 0.5, 1.0), body, 0.02)
    for x in (-0.0895, 0.0895):
        turn = Matrix.Rotation(math.copysign(math.pi / 2, x), 4, "Y")
        disc = [(0, -0.002), (0.05, -0.002), (0.05, 0.001), (0, 0.001)]
        for y, z in ((-0.12, 0.85), (0.12, 0.65), (0, 0.75), (-0.12, 0.32), (0.12, 0.32),
                     (-0.12, 0.16), (0.12, 0.16)):  # fmt: skip
            sculpt.lathe(disc, dots, centre=(x, y, z), turn=turn, steps=16, smooth=False)
        sculpt.box((x, 0, 0.5), (0.003, 0.4, 0.018), dots)


def _house(sculpt, _height, _material, colour):
    tone = looks.colour_of(colour, (232, 216, 186))
    wall = looks.plain("wall", tone, rough=0.85)
    roof = looks.plain("roof", looks.linear((158, 72, 56)), rough=0.8)
    wood = looks.plain("door", looks.linear((112, 74, 48)), rough=0.6)
    pane = looks.plain("pane", looks.linear((96, 136, 168)), rough=0.08, coat=0.5)
    white = looks.plain("frame", looks.linear((240, 238, 232)), rough=0.6)
    sculpt.box((0, 0, 0.28), (0.94, 0.78, 0.56), wall, 0.006)
    # The gable: a wedge on the walls.
    sculpt.box((0, 0, 0.735), (0.94, 0.78, 0.37), wall, squeeze=(0.001, 1.0))
    tilt = math.atan2(0.37, 0.47)
    for side in (-1, 1):
        turn = Matrix.Rotation(side * tilt, 4, "Y")
        sculpt.box((side * 0.262, 0, 0.728), (0.68, 0.95, 0.045), roof, 0.008, turn=turn)
        for i in range(1, 7):
            at = turn @ Vector((side * (0.34 - 0.095 * i), 0, 0.024))
            sculpt.box(Vector((side * 0.262, 0, 0.728)) + at, (0.014, 0.95, 0.012), roof, turn=turn)
    sculpt.box((0.27, 0.12, 0.86), (0.11, 0.11, 0.27), roof, 0.008)
    sculpt.box((-0.05, -0.392, 0.17), (0.19, 0.02, 0.34), wood, 0.006)
    sculpt.ball((0.015, -0.406, 0.17), 0.012, white, detail=2)
    sculpt.box((-0.05, -0.44, 0.012), (0.28, 0.1, 0.024), white, 0.004)
    for x in (-0.31, 0.27):
        _window(sculpt, (x, -0.39, 0.31), white, pane, 0.17, 0.18)
    _window(sculpt, (0, -0.39, 0.68), white, pane, 0.13, 0.13)
    for y in (-0.18, 0.18):
        for x in (-0.47, 0.47):
            sculpt.box((x, y, 0.31), (0.02, 0.19, 0.2), white, 0.004)
            sculpt.box((x * 1.01, y, 0.31), (0.02, 0.15, 0.16), pane)


def _window(sculpt, at, frame, pane, wide, high):
    x, y, z = at
    sculpt.box(at, (wide + 0.035, 0.02, high + 0.035), frame, 0.004)
    sculpt.box((x, y - 0.006, z), (wide, 0.018, high), pane)
    sculpt.box((x, y - 0.01, z), (0.014, 0.016, high), frame)
    sculpt.box((x, y - 0.01, z), (wide, 0.016, 0.014), frame)


def _tree(sculpt, _height, _material, colour):
    bark = looks.material("wood", "brown", size=0.15)
    tone = looks.colour_of(colour, (86, 140, 62))
    leaves = [looks.leaves(looks.shade(tone, part)) for part in (0.72, 0.95, 1.2)]
    sculpt.lathe(
        [(0, 0), (0.075, 0.0), (0.048, 0.05), (0.036, 0.2), (0.03, 0.42), (0.0, 0.6)], bark,
        steps=14,
    )  # fmt: skip
    for side, z in ((-1, 0.34), (1, 0.39)):
        turn = Matrix.Rotation(side * 0.8, 4, "Y")
        sculpt.lathe(
            [(0, 0), (0.02, 0), (0.012, 0.2), (0, 0.22)],
            bark,
            steps=10,
            centre=(0, 0, z),
            turn=turn,
        )
    # Where the clumps of leaves are: the golden angle spreads them evenly.
    for i in range(22):
        rise = (i + 0.5) / 22
        angle = i * 2.39996
        reach = 0.24 * math.sin(math.pi * (0.12 + 0.83 * rise)) ** 0.7
        z = 0.42 + 0.48 * rise
        at = (reach * math.cos(angle), reach * math.sin(angle), z)
        radius = 0.13 - 0.035 * abs(rise - 0.4) - 0.004 * (i % 3)
        _clump(sculpt, at, radius, leaves[i % 3], i)


def _clump(sculpt, centre, radius, look, seed):
    """A ball of leaves: every point of it moved out or in a little."""
    made = bmesh.ops.create_icosphere(sculpt.mesh, subdivisions=3, radius=radius)["verts"]
    for i, vertex in enumerate(made):
        wild = math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)) * 43758.5453
        vertex.co *= 0.86 + 0.3 * (wild - math.floor(wild))
        vertex.co += Vector(centre)
    sculpt._paint({face for vertex in made for face in vertex.link_faces}, look, False)


def _cup(outer, inner):
    """The outline of a hollow round thing: down its outside, up again inside."""
    return [*outer, *reversed(inner)]


def _mug(sculpt, height, material, colour):
    glaze = _body(material, colour, (74, 124, 168), height)
    outer = [(0, 0), (0.36, 0), (0.39, 0.015), (0.415, 0.06), (0.42, 0.94), (0.415, 0.985)]
    inner = [(0, 0.07), (0.34, 0.07), (0.37, 0.11), (0.372, 0.94), (0.385, 0.99), (0.4, 1.0)]
    sculpt.lathe(_cup(outer, inner), glaze, steps=56)
    bow = [
        (0.40 + 0.31 * math.sin(t) ** 0.8, 0.0, 0.52 + 0.3 * math.cos(t))
        for t in (math.pi * i / 16 for i in range(17))
    ]
    sculpt.tube(bow, 0.05, glaze, 16)


def _glass(sculpt, height, material, colour):
    material = "glass" if material == "wood" else material
    look = _body(material, colour, (236, 246, 246), height)
    sculpt.lathe(_cup(*outlines("glass")), look, steps=64)


def _bowl(sculpt, height, material, colour):
    look = _body(material, colour, (214, 220, 224), height)
    sculpt.lathe(_cup(*outlines("bowl")), look, steps=64)


def outlines(name, wall=None):
    """The outer and the inner outline, (radius, z) from foot and floor up, of a hollow model.

    `wall` makes its wall and its floor at least so thick, outwards; of height 1.
    """
    if name == "glass":
        outer = [(0, 0), (0.23, 0.0), (0.25, 0.02), (0.32, 0.97), (0.316, 1.0)]
        inner = [(0, 0.07), (0.2, 0.075), (0.222, 0.11), (0.296, 0.97), (0.3, 0.995)]
    elif name == "mug":
        outer = [(0, 0), (0.36, 0), (0.42, 0.06), (0.42, 0.98), (0.4, 1.0)]
        inner = [(0, 0.07), (0.34, 0.07), (0.37, 0.11), (0.372, 0.94), (0.38, 0.99)]
    elif name == "bowl":
        inner = [(0.0, 0.13), (0.2, 0.135)] + [
            (0.2 + 0.82 * math.sin(t), 0.135 + 0.85 * (1 - math.cos(t)))
            for t in (math.pi / 2 * i / 12 for i in range(1, 13))
        ]
        outer = [(0, 0), (0.42, 0.0), (0.44, 0.03), (0.42, 0.07)] + [
            (0.24 + 0.86 * math.sin(t), 0.06 + 0.92 * (1 - math.cos(t)))
            for t in (math.pi / 2 * i / 12 for i in range(3, 13))
        ]
        outer.append((1.07, 1.0))
        inner.append((1.035, 1.0))
    else:
        return None
    if wall:
        foot = min(0.0, inner[0][1] - wall)
        outer = [(0, foot), (inner[1][0] + wall, foot)]
        outer += [(radius + wall, z) for radius, z in inner[2:]]
    return outer, inner


def vessel(name, height, wall):
    """A hollow model's mesh with a wall at least so thick in metres, for liquids to stay in."""
    outer, inner = outlines(name, wall / height)
    sculpt = Sculpt()
    sculpt.lathe(_cup(outer, inner), looks.plain("vessel", (1, 1, 1, 1)), steps=40)
    return sculpt.done("vessel", height, MIDDLE.get(name, (0.0, 0.0, 0.5)))


def _body(material, colour, otherwise, size):
    """The look of a model's body: glazed unless a material was named that shows."""
    if material == "glass":
        return looks.material("glass", colour, size=size, thin=True)
    if material in ("wood", "plastic") and not (material == "wood" and colour is None):
        return looks.plain("glaze", looks.colour_of(colour, otherwise), rough=0.2, coat=0.6)
    if material == "wood":
        return looks.plain("glaze", looks.linear(otherwise), rough=0.2, coat=0.6)
    return looks.material(material, colour, size=size)


TABLE_TOP = 0.055
"""How thick a table's top is, of height 1."""


def _table(sculpt, height, material, colour):
    look = looks.material(material, colour, size=height)
    sculpt.box((0, 0, 1 - TABLE_TOP / 2), (1.6, 1.0, TABLE_TOP), look, 0.012)
    for y in (-0.4, 0.4):
        sculpt.box((0, y, 0.895), (1.36, 0.035, 0.1), look)
    for x in (-0.7, 0.7):
        sculpt.box((x, 0, 0.895), (0.035, 0.8, 0.1), look)
        for y in (-0.4, 0.4):
            sculpt.box(
                (x, y, 0.4725), (0.085, 0.085, 0.945), look, 0.012,
                turn=Matrix.Rotation(math.pi, 4, "X"), squeeze=(0.65, 0.65),
            )  # fmt: skip


def _flagpole(sculpt, _height, _material, colour):
    steel = looks.plain("pole", looks.colour_of(colour, (214, 216, 220)), rough=0.3, metallic=0.6)
    gold = looks.plain("knob", looks.linear((222, 176, 70)), rough=0.25, metallic=0.9)
    stone = looks.plain("foot", looks.linear((130, 128, 124)), rough=0.8)
    sculpt.lathe([(0, 0), (0.05, 0), (0.05, 0.012), (0.02, 0.022), (0, 0.022)], stone)
    sculpt.lathe([(0, 0.01), (0.0085, 0.01), (0.0065, 0.972), (0, 0.972)], steel, steps=20)
    sculpt.ball((0, 0, 0.985), 0.015, gold, detail=3)


def _pin(sculpt, _height, material, colour):
    body = looks.plain("pin", looks.colour_of(colour, (244, 242, 236)), rough=0.2, coat=0.7)
    band = looks.plain("band", looks.linear((198, 40, 44)), rough=0.25, coat=0.6)
    points = [(0.0, 0.0), (0.075, 0.0), (0.088, 0.01), (0.118, 0.11), (0.148, 0.22), (0.16, 0.31),
              (0.152, 0.4), (0.125, 0.5), (0.095, 0.58), (0.075, 0.65)]  # fmt: skip
    neck = [(0.075, 0.65), (0.066, 0.7), (0.064, 0.73)]
    top = [(0.064, 0.73), (0.068, 0.8), (0.082, 0.86), (0.085, 0.91), (0.074, 0.955), (0.05, 0.985),
           (0.02, 0.998), (0.0, 1.0)]  # fmt: skip
    sculpt.lathe(points, body)
    sculpt.lathe(neck, band)
    sculpt.lathe(top, body)
    bmesh.ops.remove_doubles(sculpt.mesh, verts=sculpt.mesh.verts, dist=1e-6)


def _bottle(sculpt, height, material, colour):
    look = looks.material("glass", colour or "green", size=height, thin=True)
    if material not in ("wood", "glass"):
        look = looks.material(material, colour, size=height)
    paper = looks.plain("label", looks.linear((240, 232, 210)), rough=0.9)
    cork = looks.plain("cork", looks.linear((184, 140, 94)), rough=0.9)
    sculpt.lathe(
        [(0, 0.015), (0.11, 0), (0.14, 0.008), (0.149, 0.03), (0.149, 0.56), (0.135, 0.63),
         (0.085, 0.71), (0.054, 0.76), (0.048, 0.93), (0.058, 0.935), (0.058, 0.965),
         (0.048, 0.97)],
        look, steps=48,
    )  # fmt: skip
    sculpt.lathe([(0.15, 0.16), (0.15, 0.48)], paper, steps=48)
    sculpt.lathe([(0, 0.9), (0.045, 0.9), (0.047, 1.0), (0, 1.0)], cork, steps=24, smooth=False)


_MAKERS = {
    "basketball": _basketball,
    "car": _car,
    "domino": _domino,
    "house": _house,
    "tree": _tree,
    "mug": _mug,
    "glass": _glass,
    "bowl": _bowl,
    "table": _table,
    "flagpole": _flagpole,
    "pin": _pin,
    "bottle": _bottle,
}
