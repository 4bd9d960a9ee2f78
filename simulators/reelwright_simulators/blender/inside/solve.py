"""Moves everything of a built scene, and freezes it: nothing is simulated when it is rendered."""

from __future__ import annotations

import bpy
import cloth
import fluids
import numpy as np
import rigid


def solve(built, *, substeps=None, on_frame=None):
    """Simulates rigid bodies, then cloth and soft bodies, then liquids and smoke.

    `substeps` are Bullet's steps a frame; `on_frame(frame)` is told of frames that are done.
    Returns `trajectories` by thing id (`positions` [frames][3] in metres, `turns` [frames][4], unit
    quaternions w, x, y, z; of cloth, soft bodies and fluids the way of their middle), `contacts` as
    the data of `Contact`, and `notes`. Raises `RuntimeError` where a solver fails or runs away.
    """
    on_frame = on_frame or (lambda frame: None)
    poses, contacts = rigid.solve(built, substeps=substeps, on_frame=on_frame)
    rigid.show_ties(built, poses)
    trajectories = {
        name: {"positions": positions.tolist(), "turns": turns.tolist()}
        for name, (positions, turns) in poses.items()
    }
    trajectories.update(_sheets(built, on_frame))
    trajectories.update(_fluids(built))
    bpy.context.scene.frame_set(1)
    return {
        "trajectories": {name: trajectories[name] for name in built.pass_index},
        "contacts": contacts,
        "notes": built.notes,
    }


def _sheets(built, on_frame):
    """Cloth and soft bodies, frame by frame, and then kept."""
    soft = [made for made in built.bodies if made.body["soft"]]
    if not soft and not built.scene["cloths"]:
        return {}
    scene = bpy.context.scene
    cloth.collide(built)
    starts = [cloth.hang(built, each) for each in built.scene["cloths"]]
    starts += [cloth.soften(built, made) for made in soft]
    things = {each["id"]: built.objects[each["id"]] for each in built.scene["cloths"]}
    things.update({made.id: made.object for made in soft})
    middles = {name: [] for name in things}
    scene.frame_start = min(starts)
    for frame in range(min(starts), built.frames + 1):
        scene.frame_set(frame)
        if frame < 1:
            continue
        for name, thing in things.items():
            points = cloth.points(thing)
            if not np.isfinite(points).all() or np.abs(points).max() > 1e5:
                raise RuntimeError(f"{name!r} flew apart in frame {frame - 1}: its solver ran away")
            middles[name].append(points.mean(0))
        on_frame(frame - 1)
    for thing in things.values():
        cloth.keep(thing)
    scene.frame_start = 1
    return {name: _middle(way) for name, way in middles.items()}


def _fluids(built):
    flowing = [(each, "liquid") for each in built.scene["liquids"]]
    flowing += [(each, "smoke") for each in built.scene["smokes"]]
    for each, kind in flowing:
        fluids.bake(built, each, kind)
    ways = {}
    for each, kind in flowing:
        thing, way, last = built.objects[each["id"]], [], np.array(each["source"])
        for frame in range(1, built.frames + 1):
            bpy.context.scene.frame_set(frame)
            found = fluids.middle(thing, kind)
            last = last if found is None else found
            way.append(last)
        if not np.isfinite(way).all():
            raise RuntimeError(f"{each['id']!r} left the numbers that Blender can count with")
        ways[each["id"]] = _middle(way)
    return ways


def _middle(way):
    positions = np.asarray(way, float)
    return {"positions": positions.tolist(), "turns": [[1.0, 0.0, 0.0, 0.0]] * len(positions)}
