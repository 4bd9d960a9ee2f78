"""A physics scene becomes a folder of files, whole and the same each time, or a clear refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reelwright_core.errors import InputError, SimulationError
from reelwright_core.physics import (
    Ball,
    Block,
    Body,
    Camera,
    Card,
    Check,
    Liquid,
    Mesh,
    PhysicsScene,
    Simulation,
    Sky,
    Smoke,
    View,
)
from reelwright_core.records import file_digest
from reelwright_core.scene_files import read_scene, write_scene
from reelwright_core.video import read_video
from reelwright_simulators import nerf
from reelwright_simulators import simulate as simulating
from reelwright_simulators.blender.find import Blender
from reelwright_simulators.simulate import Laws, simulate

FRONT = Camera(id="front", views=[View(position=(0, -3.5, 1.1), look_at=(0, 0, 0.5))])
SIDE = Camera(id="side", views=[View(position=(3, -2, 1.1), look_at=(0, 0, 0.5))])


def _scene(**more: Any) -> PhysicsScene:
    """A ball that falls beside a crate."""
    ball = Body(
        id="ball", entity="ball", shape=Ball(radius=0.2), material="rubber", position=(-0.4, 0, 0.9)
    )
    crate = Body(
        id="crate", entity="crate", shape=Block(size=(0.4, 0.4, 0.4)), position=(0.5, 0, 0.2)
    )
    told: dict[str, Any] = {
        "frames": 3, "size": (48, 32), "bodies": [ball, crate], "cameras": [FRONT], **more,
    }  # fmt: skip
    return PhysicsScene(**told)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def _array(path: Path) -> NDArray[Any]:
    with np.load(path) as file:
        return file[file.files[0]]


def _reelwright(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reelwright", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


# what comes out


def test_the_same_scene_gives_the_same_bytes(blender: Blender, tmp_path: Path) -> None:
    scene = _scene(cameras=[FRONT, SIDE])
    first = simulate(scene, tmp_path / "a", quality="preview")
    again = simulate(scene, tmp_path / "b", quality="preview")
    assert _digests(first.folder) == _digests(again.folder)
    assert sorted(_digests(first.folder)) == sorted(
        ["checks.md", "scene.yaml", "simulation.json"]
        + [
            f"{camera}/{name}"
            for camera in ("front", "side")
            for name in (
                "background.png", "depth.npz", "edges.mp4", "flow.npz", "masks.npz", "normals.npz",
                "sketch.mp4", "tracks.json",
            )
        ]
    )  # fmt: skip


def test_the_record_holds_the_laws_that_were_kept(blender: Blender, tmp_path: Path) -> None:
    scene = _scene(frames=9)
    made = simulate(scene, tmp_path / "out", quality="draft")
    assert Simulation.from_data(json.loads(made.record.read_bytes())) == made.simulation
    assert read_scene(made.scene) == scene
    assert made.simulation.scene == scene.digest()
    assert made.simulation.engine == "exact"
    fall = next(check for check in made.simulation.checks if check.name == "free fall")
    assert fall.passed
    assert "free fall" in made.checks.read_text()
    assert [len(way.poses) for way in made.simulation.trajectories] == [9, 9]
    height = made.simulation.trajectory("ball").poses[8].position[2]
    assert height == pytest.approx(0.9 - 9.81 * (8 / 24) ** 2 / 2, abs=1e-5)


def test_one_camera_of_several_sees_the_same_motion(blender: Blender, tmp_path: Path) -> None:
    scene = _scene(cameras=[FRONT, SIDE])
    both = simulate(scene, tmp_path / "both", quality="draft")
    one = simulate(scene, tmp_path / "one", quality="draft", cameras=["side"])
    assert list(one.sketches) == ["side"]
    assert one.simulation.trajectories == both.simulation.trajectories
    assert _digests(one.folder / "side") == _digests(both.folder / "side")
    with pytest.raises(InputError, match="no camera 'top'; there are: front, side"):
        simulate(scene, tmp_path / "none", cameras=["top"])


def test_blenders_own_solver_is_held_to_the_laws(blender: Blender, tmp_path: Path) -> None:
    scene = _scene(frames=25, size=(32, 32))
    made = simulate(scene, tmp_path / "out", quality="draft", engine="blender")
    assert made.simulation.engine == "blender"
    laws = {check.name: check for check in made.simulation.checks if check.thing == "ball"}
    assert laws["free fall"].passed
    bounce = laws["bounce height"]
    # Which substeps come nearest is found by trying; what is still missed is said.
    said = [note for note in made.simulation.notes if note.startswith("bounce height of ball")]
    assert bounce.passed == (not said)
    assert abs(bounce.got / bounce.expected - 1) < 0.2
    assert any(contact.a == "ball" for contact in made.simulation.contacts)


def test_of_several_tries_that_with_the_fewest_broken_laws_is_nearest() -> None:
    def laws(*misses: float) -> Laws:
        checks = [
            Check(
                name="bounce height", thing="ball", law="", expected=1.0, got=1 + miss, unit="m",
                tolerance=0.05, passed=miss <= 0.05,
            )
            for miss in misses
        ]  # fmt: skip
        return Laws(trajectories=[], contacts=[], checks=checks, notes=[])

    tries = [laws(0.5, 0.0), laws(0.1, 0.1), laws(0.1, 0.0)]
    assert min(tries, key=lambda each: each.miss) is tries[2]
    assert laws(0.01).miss < laws(0.04).miss < laws(0.06).miss


def test_a_broken_law_is_an_error_if_that_is_asked(
    blender: Blender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Alone on the coarsest choice of substeps a bounce of Bullet's comes out wrong.
    monkeypatch.setattr(simulating, "SUBSTEPS", (1,))
    scene = _scene(frames=25, size=(32, 32))
    with pytest.raises(SimulationError, match=r"breaks laws of physics: .*ball"):
        simulate(scene, tmp_path / "out", quality="draft", engine="blender", strict=True)
    assert list(tmp_path.iterdir()) == []


def test_cards_meshes_and_the_shots_place_are_seen(blender: Blender, tmp_path: Path) -> None:
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
    (tmp_path / "cone.obj").write_text(corners + "f 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n")
    bodies = [
        Body(
            id="dog", entity="dog", shape=Card(noun="dog", height=0.8), position=(-0.5, 0, 0.4),
            colour="red",
        ),
        Body(
            id="cone", entity="cone", shape=Mesh(path="cone.obj", height=0.6), moves="fixed",
            position=(0.6, 0, 0.3),
        ),
    ]  # fmt: skip
    scene = _scene(bodies=bodies, size=(96, 64), sky=Sky(picture=True), frames=1)
    place = np.zeros((64, 96, 3), np.uint8)
    place[..., 1] = 180
    made = simulate(scene, tmp_path / "out", base=tmp_path, place=place, quality="preview")
    sketch = made.sketches["front"]
    labels = _array(sketch.masks)[0]
    assert sketch.things == [("dog", 0), ("cone", 0)]
    assert (labels == 1).sum() > 60
    assert (labels == 2).sum() > 60
    picture = read_video(sketch.video)[0].astype(int)
    top = picture[:6].reshape(-1, 3).mean(0)
    assert top[1] - top[[0, 2]].max() > 100
    # The holes of a card are no part of it: its mask has a dog's shape.
    rows, columns = np.nonzero(labels == 1)
    box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert (labels == 1).sum() < 0.8 * box


def test_liquids_and_smoke_have_masks_and_no_flow(blender: Blender, tmp_path: Path) -> None:
    water = Liquid(
        id="water",
        entity="water",
        centre=(-0.6, 0, 0.7),
        size=(0.8, 0.8, 1.4),
        detail=16,
        source=(-0.6, 0, 1),
        radius=0.2,
    )
    smoke = Smoke(
        id="smoke", entity="smoke", centre=(0.6, 0, 0.8), size=(0.8, 0.8, 1.6), detail=16,
        source=(0.6, 0, 0.3), radius=0.2, colour="black",
    )  # fmt: skip
    scene = _scene(bodies=[], liquids=[water], smokes=[smoke], size=(96, 64), frames=4)
    made = simulate(scene, tmp_path / "out", quality="preview")
    sketch = made.sketches["front"]
    labels, flow = _array(sketch.masks), _array(sketch.flow)
    depth = _array(sketch.depth)
    for label in (1, 2):
        assert (labels[2] == label).sum() > 50
        assert np.isnan(flow[2][labels[2] == label]).all()
    assert not np.isnan(flow[2][labels[2] == 0]).any()
    # Smoke leaves the depth of what is behind it; water has its own.
    assert depth[2][labels[2] == 1] == pytest.approx(3.5, abs=0.5)
    rows = np.nonzero(labels[2] == 2)[0]
    assert depth[2][labels[2] == 2].min() > 3.2
    assert np.isfinite(depth[2][rows.max()]).all()


def test_transforms_put_the_world_where_the_cameras_see_it(
    blender: Blender, tmp_path: Path
) -> None:
    scene = _scene(cameras=[FRONT, SIDE])
    made = simulate(scene, tmp_path / "out", quality="draft")
    told = json.loads(nerf.write_transforms(made, scene, tmp_path / "nerf").read_bytes())
    assert len(told["frames"]) == 2 * scene.frames
    for picture in told["frames"]:
        with Image.open(tmp_path / "nerf" / picture["file_path"]) as image:
            assert image.size == scene.size
        to_world = np.array(picture["transform_matrix"])
        camera = scene.camera(picture["file_path"].split("/")[1].split("-")[0])
        assert to_world[:3, 3] == pytest.approx(camera.views[0].position, abs=1e-4)
        ahead = np.array(camera.views[0].look_at) - camera.views[0].position
        assert -to_world[:3, 2] == pytest.approx(ahead / np.linalg.norm(ahead), abs=1e-4)
        assert picture["fl_x"] == pytest.approx(35 / 36 * scene.size[0], rel=1e-4)
    assert {picture["time"] for picture in told["frames"]} == {0, 0.5, 1}


# whole or not at all


KILLED = """
import sys
from pathlib import Path
from reelwright_core.scene_files import read_scene
from reelwright_simulators.simulate import simulate

def on_progress(stage, done, total):
    print(stage, done, flush=True)

simulate(read_scene(Path("scene.yaml")), Path("out"), quality="draft", on_progress=on_progress)
"""


def test_a_kill_leaves_no_folder_and_the_next_run_makes_it(
    blender: Blender, tmp_path: Path
) -> None:
    scene = _scene(frames=40)
    write_scene(tmp_path / "scene.yaml", scene)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("render") and int(line.split()[1]) >= 3:
                process.kill()
                break
    assert process.returncode == -9
    assert not (tmp_path / "out").exists()
    left = [path for path in tmp_path.iterdir() if path.name.startswith(".out.tmp-")]
    assert len(left) == 1
    end = time.monotonic() + 20
    while _writers(left[0]) and time.monotonic() < end:
        time.sleep(0.05)
    made = simulate(scene.model_copy(update={"frames": 2}), tmp_path / "out", quality="draft")
    assert made.record.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "scene.yaml"]


def _writers(folder: Path) -> list[str]:
    """Processes that run in the folder: Blender's, which dies with the one that started it."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (process / "cmdline").read_text():
                found.append(process.name)
        except OSError:
            continue
    return found


def test_what_stops_it_leaves_nothing(blender: Blender, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage == "render" and done >= 1:
            raise StopError

    with pytest.raises(StopError):
        simulate(_scene(), tmp_path / "out", quality="draft", on_progress=on_progress)
    assert list(tmp_path.iterdir()) == []


def test_an_older_simulation_is_replaced_and_other_things_are_not(
    blender: Blender, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other things"):
        simulate(_scene(), other, quality="draft")
    assert (other / "letter.txt").read_text() == "mine"
    out = tmp_path / "out"
    simulate(_scene(cameras=[FRONT, SIDE]), out, quality="draft")
    simulate(_scene(), out, quality="draft")
    assert not (out / "side").exists()


# refusals, which need no Blender


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bodies": [Body(id="a", shape=Ball(), position=(0, 0, 0.05))]}, "a"),
        ({"sky": Sky(picture=True)}, r"`sky\.picture`"),
        (
            {"bodies": [Body(id="a", shape=Mesh(path="no.obj"), position=(0, 0, 1))]},
            r"'no\.obj'.* is not there",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_reasons(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=f"cannot be simulated:\n- .*{said}"):
        simulate(_scene(**change), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_the_exact_integrator_cannot_move_is_said(blender: Blender, tmp_path: Path) -> None:
    tilted = Body(id="brick", shape=Block(), rotation=(0, 30, 0), position=(0, 0, 1))
    with pytest.raises(InputError, match="exact integrator cannot move this scene: "):
        simulate(_scene(bodies=[tilted], frames=25), tmp_path / "out", engine="exact")


# the command


def test_the_command_prints_the_table_and_where_the_files_are(
    blender: Blender, tmp_path: Path
) -> None:
    write_scene(tmp_path / "scene.yaml", _scene(about="A ball falls", cameras=[FRONT, SIDE]))
    told = _reelwright(
        "simulate", "scene.yaml", "--out", "out", "--quality", "draft", "--camera", "side"
    )
    assert told.returncode == 0, told.stderr
    assert "free fall" in told.stdout or "resting" in told.stdout
    assert told.stdout.rstrip().endswith("out/simulation.json\nout/preview.mp4\nout/sheet.png")
    assert read_video(tmp_path / "out/preview.mp4").shape == (3, 32, 48, 3)
    with Image.open(tmp_path / "out/sheet.png") as sheet:
        assert sheet.width > 3 * 48
        assert sheet.height > 7 * 32
    again = _reelwright(
        "simulate", "scene.yaml", "--out", "out", "--quality", "draft", "--json", "--nerf"
    )
    assert again.returncode == 0, again.stderr
    data = json.loads(again.stdout)
    assert set(data["cameras"]) == {"front", "side"}
    assert all(Path(path).is_file() for path in data["cameras"].values())
    assert Path(data["transforms"]).is_file()
    assert all(check["passed"] for check in data["checks"])


def test_a_wrong_scene_ends_with_2_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "scene.yaml"
    write_scene(path, _scene())
    path.write_text(path.read_text().replace("radius:", "radus:"))
    told = _reelwright("simulate", "scene.yaml", "--out", "out")
    assert told.returncode == 2
    assert "scene.yaml:" in told.stderr
    assert "did you mean `radius`?" in told.stderr
    write_scene(path, _scene())
    told = _reelwright("simulate", "scene.yaml", "--out", "out", "--quality", "best")
    assert told.returncode == 2
    assert "draft, preview, final" in told.stderr
    assert not (tmp_path / "out").exists()


def test_without_blender_the_command_says_how_to_get_it(tmp_path: Path) -> None:
    write_scene(tmp_path / "scene.yaml", _scene())
    told = _reelwright(
        "simulate", "scene.yaml", "--out", "out", XDG_DATA_HOME=str(tmp_path), PATH=str(tmp_path)
    )
    assert told.returncode == 2
    assert "reelwright doctor --install blender" in told.stderr
    assert not (tmp_path / "out").exists()
