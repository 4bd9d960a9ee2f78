"""Who touches whom, where and when: found from the solved motion of rigid bodies.

A body is a ball, or the convex hull of its points; one that only stands may be hollow, and is asked
point by point. The gap of two hulls is the largest over the normals of their faces; it is 0 when
and where they touch.
"""

from __future__ import annotations

import bmesh
import numpy as np
from mathutils import Matrix, Quaternion, Vector
from mathutils.bvhtree import BVHTree

TOUCH = 4e-3
"""Metres: what is nearer touches."""
APART = 12e-3
"""Metres that two must part before they can meet anew."""
_MOST = 160
"""Points and face normals of a hull at most."""


class _Solid:
    def __init__(self, made):
        self.made, self.id = made, made.id
        self.radius = made.size[2] / 2 if made.shape == "SPHERE" else 0.0
        self.hollow = made.shape == "MESH" and not self.radius
        mesh = made.object.data
        if self.radius:
            self.points, self.normals = np.zeros((1, 3)), np.zeros((0, 3))
        elif made.shape == "BOX":
            half = np.array(made.size) / 2
            signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
            self.points, self.normals = signs * half, np.eye(3)
        else:
            self.points, self.normals = _hull(mesh)
        self.reach = self.radius or float(np.linalg.norm(self.points, axis=1).max())
        if self.hollow:
            whole = bmesh.new()
            whole.from_mesh(mesh)
            self.tree = BVHTree.FromBMesh(whole)
            whole.free()

    def place(self, way):
        self.positions, self.turns = way
        self.matrices = matrices(self.turns)


def matrices(turns):
    """Rotation matrices [n, 3, 3] of unit quaternions [n, 4]."""
    w, x, y, z = np.asarray(turns).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def _hull(mesh):
    """The corners of a mesh's convex hull, and the directions of its faces."""
    hull = bmesh.new()
    hull.from_mesh(mesh)
    result = bmesh.ops.convex_hull(hull, input=hull.verts)
    outside = [each for each in result["geom"] if isinstance(each, bmesh.types.BMVert)]
    faces = [each for each in result["geom"] if isinstance(each, bmesh.types.BMFace)]
    points = np.array([vertex.co for vertex in outside])
    areas = np.array([face.calc_area() for face in faces])
    normals = np.array([face.normal for face in faces])[np.argsort(-areas)]
    hull.free()
    kept = []
    for normal in normals:
        if all(abs(normal @ other) < 0.9995 for other in kept):
            kept.append(normal)
    if len(points) > 4 * _MOST:
        points = points[:: len(points) // (4 * _MOST) + 1]
    return points, np.array(kept[:_MOST])


def find(built, rigid, ways, free, cuts):
    """All contacts of free bodies, as the data of `Contact`; `ways` has `cuts` steps a frame."""
    solids = [_Solid(made) for made in rigid]
    moving = {made.id for made in free}
    for solid in solids:
        solid.place(ways[solid.id])
    rate = built.fps * cuts
    found = []
    for i, a in enumerate(solids):
        if a.id in moving and built.ground is not None:
            gaps, spots = _ground(a, built.scene["ground"]["height"])
            found += _meetings(a.id, "ground", gaps, spots, rate, cuts)
        for b in solids[:i]:
            if moving & {a.id, b.id} and not _held(built, a.id, b.id):
                pair = _gaps(b, a)
                if pair is not None:
                    found += _meetings(b.id, a.id, *pair, rate, cuts)
    return sorted(found, key=lambda contact: (contact["frame"], contact["a"], contact["b"]))


def touches(built, rigid, made):
    """Whether a body touches the ground or another at frame 0."""
    first = _Solid(made)
    first.place(_start(made))
    if built.ground is not None and _ground(first, built.scene["ground"]["height"])[0][0] < TOUCH:
        return True
    for other in rigid:
        if other is not made:
            second = _Solid(other)
            second.place(_start(other))
            pair = _gaps(first, second)
            if pair is not None and pair[0][0] < TOUCH:
                return True
    return False


def _start(made):
    import bodies

    position, turn = bodies.start(made.body)
    return np.array([position]), np.array([turn])


def _held(built, a, b):
    return any({a, b} == {c["body"], c["to"]} for c in built.scene["constraints"])


def _ground(solid, height):
    """The gap to the ground at every step, and the place that is nearest to it."""
    if solid.radius:
        spots = solid.positions - (0, 0, solid.radius)
        return spots[:, 2] - height, spots
    heights = np.einsum("tj,pj->tp", solid.matrices[:, 2], solid.points)
    low = heights.min(1, keepdims=True)
    spots = _mean(solid, heights < low + TOUCH)
    return solid.positions[:, 2] + low[:, 0] - height, spots


def _mean(solid, chosen):
    """The middle, in the world, of the chosen [steps, points] of a solid's points."""
    part = chosen / chosen.sum(1, keepdims=True)
    local = part @ solid.points
    return solid.positions + np.einsum("tij,tj->ti", solid.matrices, local)


def _gaps(a, b):
    """The gap of two solids at every step, and where it is; None if they are never near."""
    between = b.positions - a.positions
    apart = np.linalg.norm(between, axis=1) - a.reach - b.reach
    speed = np.abs(np.diff(apart, prepend=apart[:1]))
    near = np.flatnonzero(apart < 0.05 + speed)
    if not len(near):
        return None
    gaps, spots = np.full(len(apart), np.inf), a.positions + between / 2
    if a.radius and b.radius:
        along = between / np.maximum(np.linalg.norm(between, axis=1, keepdims=True), 1e-9)
        return apart, a.positions + along * a.radius
    if a.hollow or b.hollow:
        hollow, other = (a, b) if a.hollow else (b, a)
        for t in near:
            gaps[t], spots[t] = _from_surface(hollow, other, t)
        return gaps, spots
    gaps[near], spots[near] = _between_hulls(a, b, near)
    return gaps, spots


def _from_surface(hollow, other, t):
    world = Matrix.LocRotScale(Vector(hollow.positions[t]), Quaternion(hollow.turns[t]), None)
    back = world.inverted()
    points = other.positions[t] + other.points @ other.matrices[t].T
    best = (np.inf, points[0])
    for point in points:
        place, _, _, far = hollow.tree.find_nearest(back @ Vector(point))
        if far is not None and far - other.radius < best[0]:
            best = (far - other.radius, np.array(world @ place))
    return best


def _between_hulls(a, b, near):
    """The largest gap over the normals of both hulls, and for balls over the way to them."""
    places = [
        solid.positions[near, None] + np.einsum("tij,pj->tpi", solid.matrices[near], solid.points)
        for solid in (a, b)
    ]  # [steps, points, 3]
    axes = [np.einsum("tij,nj->tni", solid.matrices[near], solid.normals) for solid in (a, b)]
    axes.append((b.positions - a.positions)[near, None])
    for ball, other in ((a, b), (b, a)):
        if ball.radius:
            axes.append(_towards(ball, other, near)[:, None])
    axes = np.concatenate(axes, 1)
    axes /= np.maximum(np.linalg.norm(axes, axis=2, keepdims=True), 1e-12)
    low, high = [], []
    for solid, points in zip((a, b), places, strict=True):
        along = np.einsum("tni,tpi->tnp", axes, points)
        low.append(along.min(2) - solid.radius)
        high.append(along.max(2) + solid.radius)
    ahead, behind = low[1] - high[0], low[0] - high[1]
    gap = np.maximum(ahead, behind)
    best = gap.argmax(1)
    steps = np.arange(len(near))
    axis = axes[steps, best] * np.where(ahead > behind, 1.0, -1.0)[steps, best][:, None]
    spots = []
    for solid, points, sign in ((a, places[0], 1.0), (b, places[1], -1.0)):
        along = np.einsum("ti,tpi->tp", sign * axis, points)
        chosen = along > along.max(1, keepdims=True) - TOUCH
        part = chosen / chosen.sum(1, keepdims=True)
        middle = np.einsum("tp,tpi->ti", part, points) + sign * solid.radius * axis
        spots.append((chosen.sum(1), middle))
    # The corner says where two meet, not the face that it strikes.
    spot = np.where((spots[0][0] <= spots[1][0])[:, None], spots[0][1], spots[1][1])
    return gap[steps, best], spot


def _towards(ball, other, near):
    """From a ball's middle to the nearest of a box or of a hull's corners."""
    local = np.einsum(
        "tji,tj->ti", other.matrices[near], ball.positions[near] - other.positions[near]
    )
    if other.made.shape == "BOX":
        half = np.array(other.made.size) / 2
        nearest = np.clip(local, -half, half)
    else:
        far = np.linalg.norm(local[:, None] - other.points[None], axis=2)
        nearest = other.points[far.argmin(1)]
    return np.einsum("tij,tj->ti", other.matrices[near], nearest - local)


def _meetings(a, b, gaps, spots, rate, cuts):
    """Contacts of one pair: where its gap closes, also between two steps."""
    before = np.concatenate([gaps[:1], gaps[:-1]])
    after = np.concatenate([gaps[1:], gaps[-1:]])
    near = np.isfinite(before) & np.isfinite(gaps) & np.isfinite(after)
    step = np.zeros_like(gaps)
    step[near] = np.maximum(before[near] - gaps[near], after[near] - gaps[near])
    dips = (gaps <= before) & (gaps < after) & (gaps < 0.6 * step + TOUCH)
    met = (gaps < TOUCH) | dips
    found, touching = [], False
    for t in np.flatnonzero(met | (gaps > APART)):
        if met[t] and not touching:
            known = t > 1 and np.isfinite(gaps[t - 2 : t]).all()
            speed = float((gaps[t - 2] - gaps[t - 1]) * rate) if known else 0.0
            found.append(
                {
                    "frame": int(-(-t // cuts)),
                    "a": a,
                    "b": b,
                    "position": [float(value) for value in spots[t]],
                    "speed": max(0.0, speed),
                }
            )
        touching = bool(met[t])
    return found
