"""What Blender rendered becomes a sketch: video, masks, depth, flow, normals, edges, tracks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from reelwright_core.files import write_json
from reelwright_core.kinds import EntityId
from reelwright_core.physics import CameraPose, PhysicsScene, Trajectory
from reelwright_core.records import Record, Stored
from reelwright_core.video import Frames, write_video

Box = tuple[float, float, float, float]
Point = tuple[float, float]

MOST_LABELS = 255
"""Things that a label map of uint8 can tell apart, beside the background."""

CREASE = 25.0
"""Degrees between the normals of neighbouring pixels from which on there is an edge."""
STEP = 0.02
"""Part of its nearness by which a surface leaves its own slope where there is an edge."""

_DEPTH_BITS = 10  # of 23 that are left out: an error of at most 2^-14, and half as large a file
_FLOW_STEPS = 256  # per pixel; what stands still is then 0, not a millionth


class ThingTrack(Record):
    """Where one thing is in the picture: lists with an item for each frame.

    Boxes and points are parts of the picture's width and height: 0..1 inside it.
    """

    thing: str
    entity: EntityId | None = None
    instance: int = 0
    label: int | None = None
    """In the masks; None for what is no entity of the shot."""
    visible: list[Box | None]
    """[left, top, right, bottom] of what is seen of it; None while it is hidden or outside."""
    whole: list[Box | None]
    """Of all of it, also what is hidden or outside the picture; None behind the camera, and where
    that is unknown, as of smoke."""
    position: list[Point | None]
    """Of its middle."""
    depth: list[float | None]
    """Metres from the camera to its middle, along the camera's axis."""
    area: list[float]
    """The part of the picture's pixels that show it."""


class Tracks(Stored):
    """Where everything is in the pictures of one camera."""

    SCHEMA: ClassVar[str] = "Tracks.1"

    camera: EntityId
    frames: int = Field(ge=1)
    size: tuple[int, int]
    things: list[ThingTrack]


@dataclass(frozen=True, kw_only=True, slots=True)
class SketchFiles:
    """The finished files of one camera's sketch; `reelwright_core.takes.Sketch` says what is in."""

    folder: Path
    things: list[tuple[str, int]]
    """(entity id, instance) of each label."""
    poses: list[CameraPose]
    """Of the camera, for each frame."""

    def moved(self, folder: Path) -> SketchFiles:
        """The same files in another folder."""
        return replace(self, folder=folder)

    @property
    def video(self) -> Path:
        """As all that follow, what the field of `Sketch` says."""
        return self.folder / "sketch.mp4"

    @property
    def masks(self) -> Path:
        return self.folder / "masks.npz"

    @property
    def background(self) -> Path:
        return self.folder / "background.png"

    @property
    def depth(self) -> Path:
        return self.folder / "depth.npz"

    @property
    def flow(self) -> Path:
        return self.folder / "flow.npz"

    @property
    def normals(self) -> Path:
        return self.folder / "normals.npz"

    @property
    def edges(self) -> Path:
        return self.folder / "edges.mp4"

    @property
    def tracks(self) -> Path:
        return self.folder / "tracks.json"


def sketch_files(
    rendered: Path,
    folder: Path,
    *,
    scene: PhysicsScene,
    camera: str,
    told: Mapping[str, Any],
    trajectories: Sequence[Trajectory],
) -> SketchFiles:
    """Makes the sketch of one camera in `folder` from what was rendered into `rendered`.

    `told` is what the renderer said of that camera: `poses` and whole `boxes` in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    poses = [CameraPose.model_validate(pose) for pose in told["poses"]]
    ids = _mapped(rendered / "ids.npy")
    depth, normals = _mapped(rendered / "depth.npy"), _mapped(rendered / "normals.npy")
    labels_of, things = labels(scene)
    files = SketchFiles(folder=folder, things=things, poses=poses)
    pictures = (_picture(rendered / f"rgb-{f:04d}.png") for f in range(scene.frames))
    write_video(files.video, pictures, fps=scene.fps, lossless=True)
    Image.fromarray(_picture(rendered / "empty.png")).save(files.background, optimize=True)
    np.savez_compressed(files.masks, labels=labels_of[ids])
    np.savez_compressed(files.depth, depth=_shortened(depth))
    flow = _flow(_mapped(rendered / "flow.npy"), depth, poses)
    np.savez_compressed(files.flow, flow=flow)
    np.savez_compressed(files.normals, normals=np.asarray(normals))
    write_video(files.edges, _edge_frames(depth, normals, ids), fps=scene.fps, lossless=True)
    tracks = tracks_of(
        scene, camera, ids=ids, boxes=told["boxes"], poses=poses, trajectories=trajectories
    )
    write_json(files.tracks, tracks.data())
    return files


def _flow(
    rendered: NDArray[np.float16], depth: NDArray[Any], poses: Sequence[CameraPose]
) -> NDArray[np.float16]:
    """The flow in whole steps, and that of the sky, which Blender leaves out."""
    flow = np.empty(rendered.shape, np.float16)
    for frame, seen in enumerate(rendered):
        moved = seen.astype(np.float32)
        sky = np.isinf(depth[frame]) & ~np.isnan(moved[..., 0])
        moved[sky] = _turned(poses[frame], poses[frame + 1], sky)
        # Adding 0 makes -0 the same as 0.
        flow[frame] = np.rint(moved * _FLOW_STEPS) / _FLOW_STEPS + 0.0
    return flow


def _turned(now: CameraPose, then: CameraPose, sky: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How far what is infinitely far goes in the picture as the camera turns, [pixels, 2]."""
    rows, columns = np.nonzero(sky)
    seen = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    inner, outer = np.array(now.intrinsic), np.array(now.extrinsic)[:, :3]
    later, turned = np.array(then.intrinsic), np.array(then.extrinsic)[:, :3]
    ahead = later @ turned @ outer.T @ np.linalg.inv(inner) @ seen
    # What turns out of view altogether has no place there.
    with np.errstate(divide="ignore", invalid="ignore"):
        placed = np.where(ahead[2] > 0, ahead[:2] / ahead[2], np.nan)
    return (placed - seen[:2]).T.astype(np.float32)


def labels(scene: PhysicsScene) -> tuple[NDArray[np.uint8], list[tuple[str, int]]]:
    """The label of each number that Blender knows a thing by, and what the labels mean.

    A thing of several parts, two bodies of one entity and instance, has one label.
    """
    table = np.zeros(2**16, np.uint8)
    things: list[tuple[str, int]] = []
    for number, thing in enumerate(scene.things(), start=1):
        if thing.entity is None:
            continue
        seen = (thing.entity, thing.instance)
        if seen not in things:
            things.append(seen)
        table[number] = things.index(seen) + 1
    return table, things


def edges(depth: NDArray[Any], normals: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the surface steps back, is creased, or is another thing's: [height, width], one frame.

    `depth` is metres along the camera's axis, `normals` unit vectors of any length. 1 / depth is
    linear over a plane in perspective, so a slope alone is no edge. Of two pixels that an edge
    runs between, the nearer one has it.
    """
    near = (1 / depth).astype(np.float32)
    unit = normals.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=-1, keepdims=True), 1e-6)
    across = _between(near, unit, ids)
    down = _between(near.T, unit.transpose(1, 0, 2), ids.T)
    found = np.zeros(ids.shape, bool)
    for marked, seen, picture in ((across, near, found), (down, near.T, found.T)):
        later = seen[:, 1:] > seen[:, :-1]
        picture[:, 1:] |= marked & later
        picture[:, :-1] |= marked & ~later
    return found


def _between(near: NDArray[Any], unit: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether an edge runs between each pixel and the next one of its row."""
    slope = np.diff(near, axis=1)
    ends = np.pad(slope, ((0, 0), (1, 1)), mode="edge")
    # Only where it is unlike the slopes on both sides: beside a step one of them is the step.
    bend = np.minimum(np.abs(slope - ends[:, :-2]), np.abs(slope - ends[:, 2:]))
    step = bend > STEP * np.maximum(near[:, 1:], near[:, :-1])
    sky = np.linalg.norm(unit, axis=-1) == 0
    alike = np.where(sky[:, 1:] & sky[:, :-1], 1.0, (unit[:, 1:] * unit[:, :-1]).sum(-1))
    return step | (alike < np.cos(np.deg2rad(CREASE))) | (ids[:, 1:] != ids[:, :-1])


def _edge_frames(
    depth: NDArray[Any], normals: NDArray[Any], ids: NDArray[Any]
) -> Iterator[NDArray[np.uint8]]:
    for frame in range(len(ids)):
        lines = np.where(edges(depth[frame], normals[frame], ids[frame]), 255, 0).astype(np.uint8)
        yield np.repeat(lines[..., None], 3, axis=-1)


def tracks_of(
    scene: PhysicsScene,
    camera: str,
    *,
    ids: NDArray[Any],
    boxes: Mapping[str, Sequence[Sequence[float] | None]],
    poses: Sequence[CameraPose],
    trajectories: Sequence[Trajectory],
) -> Tracks:
    """Where everything is: seen by its pixels in `ids`, whole by its vertices' `boxes`."""
    table, _ = labels(scene)
    ways = {way.thing: way for way in trajectories}
    tracks: list[ThingTrack] = []
    for number, thing in enumerate(scene.things(), start=1):
        visible = [_seen(frame == number) for frame in ids]
        middles = [
            _projected(way.poses[f].position, pose, scene.size)
            if (way := ways.get(thing.id))
            else (None, None)
            for f, pose in enumerate(poses)
        ]
        tracks.append(
            ThingTrack(
                thing=thing.id,
                entity=thing.entity,
                instance=thing.instance,
                label=int(table[number]) or None,
                visible=[box for box, _ in visible],
                whole=[_parts(box, scene.size) for box in boxes[thing.id]],
                position=[point for point, _ in middles],
                depth=[far for _, far in middles],
                area=[area for _, area in visible],
            )
        )
    return Tracks(camera=camera, frames=scene.frames, size=scene.size, things=tracks)


def _seen(mask: NDArray[np.bool_]) -> tuple[Box | None, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None, 0.0
    height, width = mask.shape
    box = (
        columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height,
    )  # fmt: skip
    left, top, right, bottom = (round(float(edge), 5) for edge in box)
    return (left, top, right, bottom), round(float(mask.mean()), 6)


def _parts(box: Sequence[float] | None, size: tuple[int, int]) -> Box | None:
    if box is None:
        return None
    left, top, right, bottom = (round(edge / size[i % 2], 6) for i, edge in enumerate(box))
    return left, top, right, bottom


def _projected(
    point: Sequence[float], pose: CameraPose, size: tuple[int, int]
) -> tuple[Point | None, float | None]:
    """Where a point of the world is in the picture, and its depth in metres."""
    extrinsic, intrinsic = np.array(pose.extrinsic), np.array(pose.intrinsic)
    seen = extrinsic[:, :3] @ np.asarray(point) + extrinsic[:, 3]
    if seen[2] <= 0:
        return None, None
    x, y, _ = intrinsic @ (seen / seen[2])
    place = (round(float(x) / size[0], 6), round(float(y) / size[1], 6))
    return place, round(float(seen[2]), 5)


def _shortened(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth without the last bits, which are noise to a zip; rounded, with infinity kept."""
    bits = np.array(depth, np.float32).view(np.uint32)
    seen = np.isfinite(depth)
    bits[seen] = (bits[seen] + (1 << (_DEPTH_BITS - 1))) >> _DEPTH_BITS << _DEPTH_BITS
    return bits.view(np.float32)


def _picture(path: Path) -> Frames:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _mapped(path: Path) -> NDArray[Any]:
    """A rendered .npy, read piece by piece as it is used."""
    # A file of no frames has a header alone, which cannot be mapped.
    return np.load(path, mmap_mode="r") if path.stat().st_size > 128 else np.load(path)
