"""A physics scene's file says the same as the scene, and where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwright_core.errors import SceneError, StorageError
from reelwright_core.files import folder_written_whole
from reelwright_core.physics import (
    Ball,
    Block,
    Body,
    Camera,
    Card,
    Cloth,
    Constraint,
    Force,
    Ground,
    Liquid,
    PhysicsScene,
    Smoke,
    View,
    Waypoint,
)
from reelwright_core.scene_files import read_scene, write_scene

CAMERA = Camera(id="front", views=[View(position=(0, -4, 1.5), look_at=(0, 0, 0.5))])


def _all_kinds() -> PhysicsScene:
    return PhysicsScene(
        about="Everything at once: a test.",
        bodies=[
            Body(id="ball", entity="ball", shape=Ball(), position=(0, 0, 1.3333333333)),
            Body(id="cut", shape=Card(noun="fire engine", round=True), position=(1, 0, 0.25)),
            Body(
                id="pusher", shape=Block(), position=(2, 0, 0.15), moves="driven",
                path=[Waypoint(frame=0, position=(2, 0, 0.15)),
                      Waypoint(frame=9, position=(1, 0, 0.15))],
            ),
        ],
        cloths=[Cloth(id="flag", position=(0, 2, 1), pins="left")],
        liquids=[Liquid(id="water", centre=(0, 0, 1), size=(1, 1, 1), source=(0, 0, 1.2))],
        smokes=[Smoke(id="smoke", centre=(0, 0, 1), size=(1, 1, 1), source=(0, 0, 0.2))],
        constraints=[Constraint(kind="rod", body="ball", at=(0, 0, 3))],
        forces=[Force(kind="wind", strength=3, gusts=0.2)],
        ground=None,
        cameras=[CAMERA],
    )  # fmt: skip


@pytest.mark.parametrize(
    "scene", [_all_kinds(), PhysicsScene(cameras=[CAMERA], ground=Ground(look="grass"))]
)
def test_a_scene_is_read_as_it_was_written(tmp_path: Path, scene: PhysicsScene) -> None:
    write_scene(tmp_path / "scene.yaml", scene)
    assert read_scene(tmp_path / "scene.yaml") == scene


HEAD = """\
schema: PhysicsScene.1
cameras:
  - id: front
    views: [{position: [0, -4, 1], look_at: [0, 0, 0]}]
bodies:
  - id: ball
    position: [0, 0, 1]
"""


@pytest.mark.parametrize(
    ("rest", "line", "said"),
    [
        ("    shape: {kind: ball, radus: 1}\n", 8, "did you mean `radius`"),
        ("    shape:\n      kind: bal\n", 8, "cannot be 'bal'; did you mean `ball`"),
        ("    shape: {kind: ball, radius: -1}\n", 8, "greater than 0, got -1"),
        ("    shape: {kind: ball}\n    material: wod\n", 9, "did you mean `wood`"),
        ("", 6, "lacks the key `shape`"),
        ("    shape: {kind: ball}\n    moves: driven\n", 6, "if, and only if, it has a `path`"),
        ("    shape: {kind: ball}\nframes: many\n", 9, "valid integer"),
        ("    shape: {kind: ball}\n  - 3\n", 9, "got 3"),
        ("    shape: {kind: ball}\nframes: 4\nframes: 5\n", 10, "twice"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, rest: str, line: int, said: str) -> None:
    path = tmp_path / "scene.yaml"
    path.write_text(HEAD + rest, encoding="utf-8")
    with pytest.raises(SceneError, match=said) as told:
        read_scene(path)
    assert told.value.line == line
    assert told.value.exit_code == 2


def test_a_file_of_another_version_or_none_says_so(tmp_path: Path) -> None:
    path = tmp_path / "scene.yaml"
    with pytest.raises(SceneError, match="cannot be read"):
        read_scene(path)
    path.write_text(HEAD.replace("PhysicsScene.1", "PhysicsScene.9"), encoding="utf-8")
    with pytest.raises(SceneError, match="made by another version"):
        read_scene(path)
    path.write_text("- 3\n", encoding="utf-8")
    with pytest.raises(SceneError, match="must be a mapping"):
        read_scene(path)


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with folder_written_whole(folder) as aside:
        (aside / "a").write_text("1")
        assert not folder.exists()
    assert (folder / "a").read_text() == "1"
    with pytest.raises(StorageError), folder_written_whole(folder) as aside:
        (aside / "a").write_bytes(folder.read_bytes())
    assert (folder / "a").read_text() == "1"
    dead = tmp_path / ".out.tmp-999999999-1"
    dead.mkdir()
    with folder_written_whole(folder) as aside:
        (aside / "b").write_text("3")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in folder.iterdir()] == ["b"]
