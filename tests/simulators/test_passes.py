"""What a rendered simulation's pictures say agrees with geometry, to parts of a pixel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reelwright_core.physics import (
    Ball,
    Block,
    Body,
    Camera,
    CameraPose,
    Ground,
    Light,
    PhysicsScene,
    View,
    Waypoint,
)
from reelwright_core.video import read_video
from reelwright_simulators import cameras, passes
from reelwright_simulators.blender.find import Blender
from reelwright_simulators.simulate import Simulated, simulate

SIZE, FRAMES = (120, 80), 4
SPEED = 0.05
"""Metres a frame of the block that slides to the right."""
BALL, BLOCK, POST = 1, 2, 3
"""Their numbers in the scene; the first two are entities."""

Array = NDArray[np.floating[Any]]


def _scene() -> PhysicsScene:
    last = FRAMES - 1
    return PhysicsScene(
        frames=FRAMES,
        size=SIZE,
        ground=Ground(),
        bodies=[
            Body(id="ball", entity="ball", shape=Ball(radius=0.3), position=(0.8, 0.3, 0.3)),
            Body(
                id="block", entity="crate", shape=Block(size=(0.6, 0.6, 0.6)), moves="driven",
                position=(-0.8, 0, 0.3),
                path=[
                    Waypoint(frame=0, position=(-0.8, 0, 0.3)),
                    Waypoint(frame=last, position=(-0.8 + SPEED * last, 0, 0.3)),
                ],
            ),
            Body(
                id="post", shape=Block(size=(0.2, 0.2, 1)), position=(0, 1.2, 0.5), moves="fixed"
            ),
        ],
        cameras=[
            Camera(id="front", views=[View(position=(0, -4, 1.4), look_at=(0, 0, 0.4))]),
            Camera(
                id="side", lens=28,
                views=[View(position=(3, -2.5, 1.5), look_at=(0, 0, 0.3)),
                       View(frame=last, position=(3.2, -2.2, 1.6), look_at=(0, 0, 0.5))],
            ),
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(blender: Blender, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulate(_scene(), tmp_path_factory.mktemp("passes") / "out", quality="preview")


def _array(path: Path) -> NDArray[Any]:
    with np.load(path) as file:
        return file[file.files[0]]


def _matrices(pose: CameraPose) -> tuple[Array, Array]:
    return np.array(pose.extrinsic), np.array(pose.intrinsic)


def _pixels(points: Array, pose: CameraPose) -> Array:
    """Where points of the world, [n, 3], are in the picture: [n, 2]."""
    extrinsic, intrinsic = _matrices(pose)
    seen = (points @ extrinsic[:, :3].T + extrinsic[:, 3]) @ intrinsic.T
    return seen[:, :2] / seen[:, 2:]


def _points(depth: Array, mask: NDArray[np.bool_], pose: CameraPose) -> Array:
    """The points of the world that the masked pixels show, [n, 3]."""
    extrinsic, intrinsic = _matrices(pose)
    rows, columns = np.nonzero(mask)
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], 1) @ np.linalg.inv(intrinsic).T
    return (rays * depth[mask][:, None] - extrinsic[:, 3]) @ extrinsic[:, :3]


def _tracks(made: Simulated, camera: str) -> dict[str, passes.ThingTrack]:
    told = json.loads(made.sketches[camera].tracks.read_bytes())
    return {thing.thing: thing for thing in passes.Tracks.from_data(told).things}


def _overlap(a: Array, b: Array) -> float:
    wide = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(wide, 0)))
    return shared / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared)


def test_every_camera_has_all_files_in_the_scenes_size(made: Simulated) -> None:
    width, height = SIZE
    for sketch in made.sketches.values():
        assert read_video(sketch.video).shape == (FRAMES, height, width, 3)
        assert read_video(sketch.edges).shape == (FRAMES, height, width, 3)
        for path, dtype, shape in (
            (sketch.masks, "uint8", (FRAMES, height, width)),
            (sketch.depth, "float32", (FRAMES, height, width)),
            (sketch.flow, "float16", (FRAMES - 1, height, width, 2)),
            (sketch.normals, "int8", (FRAMES, height, width, 3)),
        ):
            array = _array(path)
            assert (array.dtype, array.shape) == (dtype, shape)
        with Image.open(sketch.background) as picture:
            assert picture.size == SIZE


def test_labels_are_of_the_shots_entities_alone(made: Simulated) -> None:
    for name, sketch in made.sketches.items():
        assert sketch.things == [("ball", 0), ("crate", 0)]
        assert set(np.unique(_array(sketch.masks))) == {0, BALL, BLOCK}
        tracks = _tracks(made, name)
        assert [tracks[thing].label for thing in ("ball", "block", "post")] == [1, 2, None]
        assert all(tracks["post"].visible)


@pytest.mark.parametrize("camera", ["front", "side"])
def test_the_box_of_a_mask_is_the_projected_one(made: Simulated, camera: str) -> None:
    labels, tracks = _array(made.sketches[camera].masks), _tracks(made, camera)
    for thing, label in (("ball", BALL), ("block", BLOCK)):
        for frame in range(FRAMES):
            rows, columns = np.nonzero(labels[frame] == label)
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            seen, whole = (
                np.array(boxes[frame]) * (*SIZE, *SIZE)
                for boxes in (tracks[thing].visible, tracks[thing].whole)
            )
            assert seen == pytest.approx(box, abs=1e-2)
            assert _overlap(seen, whole) >= 0.9
            assert np.abs(seen - whole).max() <= 1  # a pixel is seen if its middle is
            assert tracks[thing].area[frame] == pytest.approx(
                len(rows) / labels[frame].size, abs=1e-6
            )


@pytest.mark.parametrize("camera", ["front", "side"])
def test_cameras_are_where_the_scene_says(made: Simulated, camera: str) -> None:
    scene = _scene()
    for frame, pose in enumerate(made.simulation.cameras[camera]):
        extrinsic, intrinsic = _matrices(pose)
        assert intrinsic == pytest.approx(cameras.intrinsic(scene.camera(camera), SIZE), abs=1e-3)
        assert extrinsic == pytest.approx(cameras.extrinsic(scene.camera(camera), frame), abs=1e-5)


@pytest.mark.parametrize("camera", ["front", "side"])
def test_middles_and_corners_are_projected_to_a_hundredth_of_a_pixel(
    made: Simulated, camera: str
) -> None:
    tracks, scene = _tracks(made, camera), _scene()
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    for frame, pose in enumerate(cameras.poses(scene, scene.camera(camera))):
        middle = np.array([[-0.8 + SPEED * frame, 0, 0.3]])
        position = np.array(tracks["block"].position[frame]) * SIZE
        assert position == pytest.approx(_pixels(middle, pose)[0], abs=0.01)
        assert tracks["block"].depth[frame] == pytest.approx(
            float((np.array(pose.extrinsic) @ [*middle[0], 1])[2]), abs=1e-4
        )
        sharp = _pixels(middle + 0.3 * corners, pose)
        whole = np.array(tracks["block"].whole[frame]) * (*SIZE, *SIZE)
        # The edges of a block are a little rounded, so its corners are inside the sharp ones.
        inset = whole - [*sharp.min(0), *sharp.max(0)]
        assert np.abs(inset).max() < 0.5
        assert (inset * [1, 1, -1, -1] > -0.01).all()


@pytest.mark.parametrize("camera", ["front", "side"])
def test_depth_and_normals_are_those_of_the_ground(made: Simulated, camera: str) -> None:
    sketch = made.sketches[camera]
    depth, labels, normals = (_array(p) for p in (sketch.depth, sketch.masks, sketch.normals))
    post = _tracks(made, camera)["post"]
    for frame, pose in enumerate(sketch.poses):
        ground = (labels[frame] == 0) & (depth[frame] < 8)
        left, top, right, bottom = np.array(post.visible[frame]) * (*SIZE, *SIZE)
        ground[int(top) - 1 : int(bottom) + 1, int(left) - 1 : int(right) + 1] = False
        assert ground.sum() > 1000
        assert np.abs(_points(depth[frame], ground, pose)[:, 2]).max() < 1e-3
        up = normals[frame][ground] / 127 @ np.array(pose.extrinsic)[:, :3]
        assert np.abs(up - (0, 0, 1)).max() < 0.02
    assert np.isinf(depth[0, 0]).all()
    assert not normals[0, 0].any()


def test_a_ball_is_round_in_depth_and_normals(made: Simulated) -> None:
    sketch = made.sketches["front"]
    mask = _array(sketch.masks)[0] == BALL
    points = _points(_array(sketch.depth)[0], mask, sketch.poses[0])
    out = points - (0.8, 0.3, 0.3)
    assert np.linalg.norm(out, axis=1) == pytest.approx(0.3, abs=3e-3)
    turned = out / 0.3 @ np.array(sketch.poses[0].extrinsic)[:, :3].T
    assert np.abs(_array(sketch.normals)[0][mask] / 127 - turned).max() < 0.1


@pytest.mark.parametrize("camera", ["front", "side"])
def test_flow_is_that_of_a_block_that_slides_before_a_moving_camera(
    made: Simulated, camera: str
) -> None:
    sketch = made.sketches[camera]
    depth, labels, flow = (_array(p) for p in (sketch.depth, sketch.masks, sketch.flow))
    for frame in range(FRAMES - 1):
        now, then = sketch.poses[frame : frame + 2]
        for label, moved in ((BLOCK, (SPEED, 0, 0)), (BALL, (0, 0, 0))):
            mask = labels[frame] == label
            points = _points(depth[frame], mask, now)
            expected = _pixels(points + moved, then) - _pixels(points, now)
            assert np.abs(flow[frame][mask] - expected).max() < 0.1
        sky = np.isinf(depth[frame])
        far = _points(np.full(sky.shape, 1e7), sky, now)
        assert np.abs(flow[frame][sky] - _pixels(far, then) + _pixels(far, now)).max() < 0.01
    assert np.abs(flow[:, labels[0] == BLOCK]).max() > 0.5


def test_the_background_is_the_first_frame_without_the_entities(made: Simulated) -> None:
    for sketch in made.sketches.values():
        with Image.open(sketch.background) as picture:
            empty = np.asarray(picture.convert("RGB")).astype(int)
        first = read_video(sketch.video)[0].astype(int)
        apart = np.abs(first - empty).max(-1)
        labels = _array(sketch.masks)[0]
        near = np.zeros(labels.shape, bool)
        rows, columns = np.nonzero(labels)
        # Round the things are their shadows.
        near[
            max(rows.min() - 4, 0) : rows.max() + 20,
            max(columns.min() - 30, 0) : columns.max() + 30,
        ] = True
        assert np.median(apart[labels > 0]) > 25
        assert (apart[~near] <= 6).mean() > 0.98


def test_cameras_see_the_same_motion(made: Simulated) -> None:
    """What both see of a thing is at the same place in the world, in every frame."""
    for frame in range(FRAMES):
        tops = []
        for sketch in made.sketches.values():
            mask = _array(sketch.masks)[frame] == BLOCK
            points = _points(_array(sketch.depth)[frame], mask, sketch.poses[frame])
            tops.append(points.max(0)[2])
            assert points[:, 0].min() >= -0.8 + SPEED * frame - 0.302
            assert points[:, 0].max() <= -0.8 + SPEED * frame + 0.302
        assert tops[0] == pytest.approx(tops[1], abs=2e-3)


def test_edges_run_along_outlines_and_creases_not_over_planes() -> None:
    rows = np.mgrid[0:40, 0:60][0].astype(float)
    depth = 1 / (0.02 + 0.004 * rows)  # a floor
    normals = np.zeros((40, 60, 3), np.int8)
    normals[...] = (0, -120, -40)
    ids = np.zeros((40, 60), np.uint16)
    assert not passes.edges(depth, normals, ids).any()
    depth[10:20, 10:20] = 4.0  # nearer than the floor
    found = passes.edges(depth, normals, ids)
    assert found[10, 10:20].all()
    assert found[12:18, 10].all()
    assert not found[12:18, 12:18].any()
    assert not found[12:18, 8].any()
    normals[30:, 30:] = (127, 0, 0)  # creased
    ids[25:35, 50:55] = 7  # painted on
    found = passes.edges(depth, normals, ids)
    assert found[36, 29:31].sum() == 1
    assert found[27, [49, 50, 54, 55]].sum() == 2
    depth[:5], normals[:5] = np.inf, 0
    assert not passes.edges(depth, normals, ids)[:4].any()


def test_parts_of_one_entity_share_a_label() -> None:
    scene = _scene()
    bodies = [
        body.model_copy(update={"entity": entity, "instance": instance})
        for body, entity, instance in zip(
            scene.bodies, ("tower", "tower", "tower"), (0, 1, 0), strict=True
        )
    ]
    table, things = passes.labels(scene.model_copy(update={"bodies": bodies}))
    assert things == [("tower", 0), ("tower", 1)]
    assert list(table[:5]) == [0, 1, 2, 1, 0]


def _mirror(angle: float) -> PhysicsScene:
    """A ball, and behind it a mirror that is turned about the upright axis."""
    return PhysicsScene(
        frames=1,
        size=(240, 160),
        bodies=[
            Body(
                id="mirror", shape=Block(size=(2.4, 0.05, 1.6)), material="mirror", moves="fixed",
                position=(0, 1.5, 0.8), rotation=(0, 0, angle),
            ),
            Body(
                id="marker", entity="marker", shape=Ball(radius=0.15), colour="red",
                material="plastic", position=(0.5, 0.2, 0.8), moves="fixed",
            ),
        ],
        # From beside the mirror, so that the side of the ball that it shows is lit.
        lights=[Light(position=(4, 2, 3))],
        cameras=[Camera(id="front", views=[View(position=(-0.6, -2.5, 0.8), look_at=(0, 1, 0.8))])],
    )  # fmt: skip


@pytest.mark.parametrize("angle", [0.0, 8.0])
def test_a_mirror_reflects_at_the_angle_at_which_it_is_met(
    blender: Blender, tmp_path: Path, angle: float
) -> None:
    scene = _mirror(angle)
    made = simulate(scene, tmp_path / "out", quality="final")
    sketch = made.sketches["front"]
    picture = read_video(sketch.video)[0].astype(int)
    with Image.open(sketch.background) as empty:
        apart = np.abs(picture - np.asarray(empty.convert("RGB"))).max(-1)
    pose, turn = sketch.poses[0], np.deg2rad(angle)
    normal = np.array([np.sin(turn), -np.cos(turn), 0])
    depth = np.minimum(_array(sketch.depth)[0], 1e3)
    places = _points(depth, np.ones_like(depth, bool), pose).reshape(*depth.shape, 3)
    glass = np.abs((places - (0, 1.5, 0.8)) @ normal - 0.025) < 1e-3
    seen = glass & (apart > 60)
    seen[100:] = False  # the mirrored shadow on the ground
    columns = np.nonzero(_array(sketch.masks)[0])[1]
    seen[:, columns.min() - 3 : columns.max() + 4] = False  # the marker's own soft rim
    assert seen.sum() > 12

    hits = _points(depth, seen, pose).mean(0)
    extrinsic = np.array(pose.extrinsic)
    eye = -extrinsic[:, :3].T @ extrinsic[:, 3]
    came = (hits - eye) / np.linalg.norm(hits - eye)
    left_as = came - 2 * (came @ normal) * normal
    to_ball = np.array([0.5, 0.2, 0.8]) - hits
    cosine = left_as @ to_ball / np.linalg.norm(to_ball)
    assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))) < 1
