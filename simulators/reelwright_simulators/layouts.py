"""A simulation becomes a layout: where everything is in the pictures of one camera."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import Body, CameraPose, PhysicsScene, Pose, Simulation
from reelwright_core.story import Box, Keyframe, Layout, Shot, Track
from reelwright_simulators.solids import solid_of
from reelwright_simulators.turns import matrix_of_turn

Array = NDArray[np.float64]
Thing = tuple[str, int]
"""Entity and instance."""

FARTHEST = 1.5
"""So many pictures away from the middle a thing's middle is at most told."""
SMALLEST = 0.004
"""Width and height that a box has at least, as a part of the picture."""
GOES = 0.1
"""What goes so far sideways, as a part of the picture, faces that way."""
SHIFTS = {"pan left": 0.3, "pan right": -0.3}


def to_layout(
    simulation: Simulation,
    scene: PhysicsScene,
    shot: Shot,
    camera: str | None = None,
    *,
    boxes: Mapping[Thing, Sequence[Box | None]] | None = None,
    otherwise: Layout | None = None,
) -> Layout:
    """Tracks with a keyframe per frame, seen by `camera`, or by the scene's first.

    Of a solid thing a box is its own extent across and up, not turned, around its projected middle,
    and the angle its turn about the view axis, as painted layouts have it. `boxes` are measured
    boxes of a rendered sketch, per frame, for what has no shape of its own: cloth, liquid, smoke;
    those not seen in a frame keep the last. `otherwise` gives the tracks of the shot's entities
    that are not in the scene.
    """
    seen_by = scene.camera(camera)
    poses = simulation.cameras[seen_by.id]
    tracks: list[Track] = []
    for thing in _things(scene):
        bodies = [b for b in scene.bodies if (b.entity, b.instance) == thing]
        if bodies:
            ways = [
                _way(body, simulation.trajectory(body.id).poses, poses, scene.size)
                for body in bodies
            ]
            tracks.append(_track(thing, ways))
        elif boxes is not None and thing in boxes:
            keys = _measured(boxes[thing])
            if keys:
                tracks.append(Track(entity=thing[0], instance=thing[1], keyframes=keys))
    have = {(track.entity, track.instance) for track in tracks}
    for track in otherwise.tracks if otherwise else []:
        if (track.entity, track.instance) not in have:
            tracks.append(track)
    order = [entity.id for entity in shot.scene_graph.entities]
    tracks.sort(key=lambda t: (order.index(t.entity) if t.entity in order else 99, t.instance))
    return Layout(
        frames=shot.frames,
        tracks=tracks,
        background_shift=(SHIFTS.get(shot.camera, 0.0), 0.0) if len(seen_by.views) > 1 else (0, 0),
    )


def _things(scene: PhysicsScene) -> list[Thing]:
    return list(
        dict.fromkeys(
            (thing.entity, thing.instance) for thing in scene.things() if thing.entity is not None
        )
    )


class _Way:
    """One body in the picture: middles [frames, 2] and sizes [frames, 2] in parts of it."""

    def __init__(self, middles: Array, sizes: Array, angles: Array, depths: Array):
        self.middles, self.sizes, self.angles, self.depths = middles, sizes, angles, depths


def _way(
    body: Body, poses: Sequence[Pose], cameras: Sequence[CameraPose], size: tuple[int, int]
) -> _Way:
    solid = solid_of(body)
    across, _, up = solid.size.tolist()
    middles, sizes, angles, depths = [], [], [], []
    angle = 0.0
    for pose, camera in zip(poses, cameras, strict=True):
        outer, inner = np.array(camera.extrinsic), np.array(camera.intrinsic)
        at = outer[:, :3] @ np.array(pose.position) + outer[:, 3]
        depth = max(float(at[2]), 1e-3)
        spot = np.array([inner[0, 0] * at[0] / depth + inner[0, 2],
                         inner[1, 1] * at[1] / depth + inner[1, 2]])  # fmt: skip
        high = outer[:, :3] @ matrix_of_turn(np.array(pose.turn)) @ np.array([0.0, 0.0, 1.0])
        if math.hypot(high[0], high[1]) > 0.2:  # else it points at the viewer
            told = math.degrees(math.atan2(high[0], -high[1]))
            angle += (told - angle + 180) % 360 - 180
        middles.append(spot / size)
        sizes.append((inner[0, 0] * across / depth / size[0], inner[1, 1] * up / depth / size[1]))
        angles.append(angle)
        depths.append(depth)
    return _Way(np.array(middles), np.array(sizes), np.array(angles), np.array(depths))


def _track(thing: Thing, ways: Sequence[_Way]) -> Track:
    if len(ways) == 1:
        (way,) = ways
        low, high = way.middles - way.sizes / 2, way.middles + way.sizes / 2
        angles = way.angles
    else:  # of several parts: around all of them
        turned = [np.abs(_turned(way)) for way in ways]
        low = np.min([w.middles - t / 2 for w, t in zip(ways, turned, strict=True)], axis=0)
        high = np.max([w.middles + t / 2 for w, t in zip(ways, turned, strict=True)], axis=0)
        angles = np.zeros(len(low))
    went = float((low + high)[-1, 0] - (low + high)[0, 0]) / 2
    faces: Literal["left", "right"] | None = None
    if abs(went) > GOES:
        faces = "right" if went > 0 else "left"
    depth = -float(np.mean([way.depths.mean() for way in ways]))
    keys = [
        Keyframe(frame=f, box=_box(low[f], high[f]), angle=round(float(angles[f]), 3))
        for f in range(len(low))
    ]
    return Track(
        entity=thing[0], instance=thing[1], depth=round(depth, 4), faces=faces, keyframes=keys
    )


def _turned(way: _Way) -> Array:
    """The extents of the boxes as they are turned, [frames, 2]; pictures are taken as square."""
    turn = np.radians(way.angles)
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    wide, high = way.sizes.T
    return np.stack([wide * cos + high * sin, wide * sin + high * cos], axis=1)


def _box(low: Array, high: Array) -> Box:
    middle = np.clip((low + high) / 2, 0.5 - FARTHEST, 0.5 + FARTHEST)
    half = np.clip((high - low) / 2, SMALLEST / 2, FARTHEST - 0.1)
    left, top = (middle - half).tolist()
    right, bottom = (middle + half).tolist()
    return round(left, 5), round(top, 5), round(right, 5), round(bottom, 5)


def _measured(boxes: Sequence[Box | None]) -> list[Keyframe]:
    keys: list[Keyframe] = []
    for frame, box in enumerate(boxes):
        if box is not None:
            low, high = np.array(box[:2]), np.array(box[2:])
            keys.append(Keyframe(frame=frame, box=_box(low, high)))
    return keys
