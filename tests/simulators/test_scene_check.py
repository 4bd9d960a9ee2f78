"""What is wrong with a scene is told in one sentence each; what is right passes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.physics import PhysicsScene
from reelwright_simulators.cameras import extrinsic, intrinsic, poses, project, sees, view
from reelwright_simulators.scene_check import faults
from reelwright_simulators.testing import ball, block, on_ramp, ramp, scene

GLASS = {"id": "glass", "shape": {"kind": "model", "name": "glass"}, "position": (0, 0, 0.15)}
WATER = {"id": "water", "centre": (0, 0, 0.5), "size": (1, 1, 1), "source": (0, 0, 0.8)}


@pytest.mark.parametrize(
    "told",
    [
        scene(ball(position=(0, 0, 1), entity="ball")),
        scene(*(block(f"b{i}", position=(0, 0, 0.15 + 0.3 * i), entity="b") for i in range(4))),
        scene(ramp(20), ball(position=tuple(on_ramp(20, 0.5, 0.12)))),
        scene(
            ball(position=(1, 0, 1)),
            constraints=[{"kind": "rod", "body": "ball", "at": (0, 0, 1)}],
        ),
        scene(GLASS | {"moves": "fixed"}, liquids=[WATER]),
        scene(cloths=[{"id": "flag", "position": (0, 0, 1), "pins": "left"}]),
        scene(block("sky", position=(0, 0, 2)), ball(position=(0, 0, 1.2))),
    ],
)
def test_sound_scenes_have_no_faults(told: PhysicsScene) -> None:
    assert faults(told) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (scene(ball(position=(0, 0, 0.05))), "'ball' starts 70 mm below the ground"),
        (scene(block(position=(0, 0, -1), moves="fixed")), "wholly below the ground"),
        (
            scene(ball("a", position=(0, 0, 1)), ball("b", position=(0.1, 0, 1))),
            "'a' and 'b' overlap at frame 0",
        ),
        (
            scene(block(position=(0, 0, 0.15), moves="fixed"), ball(position=(0.2, 0, 0.25))),
            "'block' and 'ball' overlap",
        ),
        (
            scene(block("a", position=(0, 0, 0.15)), block("b", position=(0.2, 0, 0.15))),
            "'a' and 'b' overlap",
        ),
        (
            scene(block("low", position=(0, 0, 0.15)), block("high", position=(0, 0, 0.46))),
            "'high' is not supported: it hovers 10 mm above 'low'",
        ),
        (scene(block(size=(200, 1, 1), position=(0, 0, 0.5))), "between 1 mm and 100 m"),
        (scene(ball(radius=0.0002, position=(0, 0, 0.5))), "between 1 mm and 100 m"),
        (
            scene(ball("a", position=(0, 0, 1), mass=900), ball(position=(1, 0, 1), mass=0.01)),
            "at most 10000 times as heavy",
        ),
        (scene(ball(position=(30, 0, 1), entity="ball")), "no camera sees 'ball' in any frame"),
        (
            scene(
                ball(position=(0, 0, 1)),
                constraints=[{"kind": "rod", "body": "ball", "at": (0, 0, 1)}],
            ),
            "has no length",
        ),
        (
            scene(
                ball(position=(0, 0, 1)),
                constraints=[
                    {"kind": "hinge", "body": "ball", "at": (0, 0, 1), "axis": (0, 0, 0)}
                ],
            ),
            "has no `axis`",
        ),
        (scene(liquids=[WATER | {"source": (0, 0, 1.2)}]), "reaches out of its box"),
        (scene(liquids=[WATER | {"size": (1, 1, 0.05), "radius": 0.01}]), "too small"),
        (
            scene(cloths=[{"id": "sheet", "position": (0, 0, 1)}], ground=None),
            "no pins and nothing beneath it",
        ),
        (
            scene(cloths=[{"id": "sheet", "position": (0, 0, 0.2), "pins": "top"}]),
            "'sheet' starts 300 mm below the ground",
        ),
        (
            scene(
                {"id": "x", "shape": {"kind": "card", "noun": "bicicle"}, "position": (0, 0, 1)}
            ),
            "no cut-out; the nearest is 'bicycle'",
        ),
        (
            scene(*(ball(f"b{i}", 0.02, position=(0.1 * i, 0, 1)) for i in range(201))),
            "leave at most 200",
        ),
        (
            scene(
                cameras=[{"id": "eye", "views": [{"position": (0, 0, 1), "look_at": (0, 0, 1)}]}]
            ),
            "'eye' stands where it looks at in frame 0",
        ),
    ],
)  # fmt: skip
def test_each_fault_is_told_in_one_sentence(told: PhysicsScene, said: str) -> None:
    found = faults(told)
    assert len([each for each in found if said in each]) == 1, found
    assert all("\n" not in each for each in found)


def test_what_moves_into_the_picture_is_seen() -> None:
    thrown = ball(position=(-4, 0, 0.12), velocity=(6, 0, 0), entity="ball", friction=0)
    assert faults(scene(thrown)) == []
    away = thrown | {"velocity": (-6, 0, 0), "position": (-5, 0, 0.12)}
    assert "no camera sees 'ball'" in faults(scene(away))[0]


def test_meshes_are_looked_for_beside_the_scene(tmp_path: Path) -> None:
    shape = {"kind": "mesh", "path": "thing.obj"}
    told = scene({"id": "thing", "shape": shape, "position": (0, 0, 0.25)})
    assert faults(told) == []
    assert "is not there" in faults(told, base=tmp_path)[0]
    with (tmp_path / "thing.obj").open("wb") as file:
        file.truncate(21_000_000)
    assert "has 21 MB" in faults(told, base=tmp_path)[0]
    (tmp_path / "thing.obj").write_text("v 0 0 0\n")
    assert faults(told, base=tmp_path) == []


CAMERA: dict[str, Any] = {
    "id": "eye",
    "lens": 36,
    "views": [
        {"frame": 10, "position": (0, -4, 1), "look_at": (0, 0, 1)},
        {"frame": 30, "position": (2, -4, 1), "look_at": (2, 0, 1)},
    ],
}
FILMED = scene(cameras=[CAMERA], frames=41, size=(400, 300))


def test_a_camera_goes_smoothly_from_view_to_view_and_waits_outside() -> None:
    camera = FILMED.camera()
    assert view(camera, 0)[0] == pytest.approx((0, -4, 1))
    assert view(camera, 40)[0] == pytest.approx((2, -4, 1))
    assert view(camera, 15)[0][0] == pytest.approx(2 * (3 * 0.25**2 - 2 * 0.25**3))
    assert view(camera, 20)[1] == pytest.approx((1, 0, 1))


def test_points_are_where_a_pinhole_shows_them() -> None:
    camera = FILMED.camera()
    # A 36 mm lens draws 1 m in 1 m as wide as the picture.
    assert project(camera, FILMED, 0, (0, 0, 1)) == pytest.approx((200, 150, 4))
    assert project(camera, FILMED, 0, (1, 0, 1)) == pytest.approx((300, 150, 4))
    assert project(camera, FILMED, 0, (0, 0, 1.5)) == pytest.approx((200, 100, 4))
    x, y, depth = project(camera, FILMED, 0, (0, -5, 1))
    assert math.isnan(x)
    assert math.isnan(y)
    assert depth == pytest.approx(-1)


def test_poses_are_rotations_with_y_down() -> None:
    found = poses(FILMED, FILMED.camera())
    assert len(found) == 41
    for pose in (found[0], found[20]):
        turn = np.array(pose.extrinsic)[:, :3]
        assert turn @ turn.T == pytest.approx(np.eye(3))
        assert np.linalg.det(turn) == pytest.approx(1)
    assert (np.array(found[0].extrinsic)[:, :3] @ (0, 0, 1)).tolist() == pytest.approx([0, -1, 0])
    assert np.array(found[0].intrinsic) == pytest.approx(intrinsic(FILMED.camera(), (400, 300)))


def test_straight_down_x_stays_on_the_right() -> None:
    down = scene(cameras=[{"id": "top", "views": [{"position": (0, 0, 5), "look_at": (0, 0, 0)}]}])
    turn = extrinsic(down.camera(), 0)
    assert turn[:, :3] @ (1, 0, 0) == pytest.approx((1, 0, 0))
    assert turn[:, :3] @ (0, 1, 0) == pytest.approx((0, -1, 0))


def test_a_large_thing_is_seen_while_its_middle_is_outside() -> None:
    camera, at = FILMED.camera(), np.array([2.2, 0, 1])
    assert not sees(camera, FILMED, 0, at)
    assert sees(camera, FILMED, 0, at, radius=0.5)
    assert not sees(camera, FILMED, 0, np.array([0, -9, 1]), radius=0.5)
