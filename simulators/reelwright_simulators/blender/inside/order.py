"""The same mesh every time: Blender's mesh operators leave faces in an order that changes by run.

They go by addresses in memory. Another order, or another first corner of a face, rounds normals
otherwise and cuts quads along their other diagonal, and pictures then differ in a few pixels.
"""

from __future__ import annotations

import numpy as np


def settle(mesh) -> None:
    """Puts the faces of a mesh in the order of their vertices, each from its first vertex on.

    Vertices and edges stay; what faces and corners carry (materials, smoothness, UVs) goes along.
    """
    faces, corners = len(mesh.polygons), len(mesh.loops)
    if not faces:
        return
    starts, counts = (
        _got(mesh.polygons, "loop_start", faces),
        _got(mesh.polygons, "loop_total", faces),
    )
    vertices = _got(mesh.loops, "vertex_index", corners)
    turned = []
    for start, count in zip(starts, counts, strict=True):
        own = np.arange(start, start + count)
        turned.append(np.roll(own, -int(np.argmin(vertices[own]))))
    order = sorted(range(faces), key=lambda face: vertices[turned[face]].tolist())
    moved = np.concatenate([turned[face] for face in order])
    layers = [(mesh.loops, name, 1, np.int32) for name in ("vertex_index", "edge_index")]
    layers += [(layer.uv, "vector", 2, np.float32) for layer in mesh.uv_layers]
    kept = [
        (items, name, _got(items, name, corners * size, dtype))
        for items, name, size, dtype in layers
    ]
    for items, name, values in kept:
        items.foreach_set(name, values.reshape(corners, -1)[moved].ravel())
    for name, dtype in (("material_index", np.int32), ("use_smooth", bool)):
        values = _got(mesh.polygons, name, faces, dtype)[order]
        mesh.polygons.foreach_set(name, values)
    mesh.polygons.foreach_set(
        "loop_start", np.concatenate([[0], np.cumsum(counts[order])[:-1]]).astype(np.int32)
    )
    mesh.update()


def _got(items, name: str, count: int, dtype=np.int32) -> np.ndarray:
    values = np.empty(count, dtype)
    items.foreach_get(name, values)
    return values
