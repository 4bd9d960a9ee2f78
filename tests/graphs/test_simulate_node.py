"""Shots with physical events are simulated on their way to the film, with and without Blender."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright import run_story
from reelwright_core.errors import ReelwrightError
from reelwright_core.physics import Simulation
from reelwright_core.scene_files import read_scene
from reelwright_core.story import Layout, SceneGraph, Shot, Storyboard
from reelwright_core.storyboards import read_storyboard, storyboard_from_text
from reelwright_core.takes import Film
from reelwright_core.video import read_video
from reelwright_graphs.events import Event
from reelwright_graphs.run import resume
from reelwright_simulators.blender.find import VARIABLE, find

FALL = "A basketball falls and bounces next to a red cube."
FLAG = "A flag waves in a strong wind."
QUICK = {"generator.model": "still", "takes.max": 1, "film.size": (96, 64), "film.frames": 9}


blender = pytest.mark.skipif(find() is None, reason="Blender is not installed")


@pytest.fixture
def no_blender(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nowhere to look at has a Blender."""
    for name in ("PATH", "HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    monkeypatch.delenv(VARIABLE, raising=False)
    if find() is not None:
        pytest.skip("bpy is importable beside us")


def film(script: Any, out: Path, **settings: Any) -> tuple[Film, list[Event]]:
    told: list[Event] = []
    given = {**QUICK, **{name.replace("__", "."): value for name, value in settings.items()}}
    return run_story(script, out=out, settings=given, on_event=told.append), told


def warnings(told: list[Event]) -> str:
    return "\n".join(event.text for event in told if event.kind == "warning")


def folder(out: Path, shot: str = "s01", take: int = 1) -> Path:
    return out / "shots" / shot / f"take-{take}"


def simulation(out: Path, shot: str = "s01") -> Simulation:
    return Simulation.from_data(json.loads((folder(out, shot) / "simulation.json").read_bytes()))


def layout(out: Path, shot: str = "s01") -> Layout:
    return Layout.from_data(json.loads((folder(out, shot) / "layout.json").read_bytes()))


def test_a_fall_is_simulated_and_painted_along_its_way(tmp_path: Path) -> None:
    made, told = film(FALL, tmp_path, film__frames=17)
    found = simulation(tmp_path)
    assert found.engine == "exact", "what needs no Blender is not left to it"
    scene = read_scene(folder(tmp_path) / "physics.yaml")
    assert scene.digest() == found.scene
    assert all(check.passed for check in found.checks)
    assert "free fall" in (folder(tmp_path) / "checks.md").read_text()
    # The plan, the labels of the sketch and the simulation agree on where the ball is.
    plan = layout(tmp_path)
    with np.load(folder(tmp_path) / "masks.npz") as masks:
        labels = masks["labels"]
    (take,) = made.shots[0].takes
    assert take.sketch is not None
    assert take.sketch.simulation is not None
    label = take.sketch.things.index(("basketball", 0)) + 1
    for frame in (0, 4, 16):
        left, top, right, bottom = plan.track("basketball").at(frame).box
        rows, columns = np.nonzero(labels[frame] == label)
        assert columns.mean() / 96 == pytest.approx((left + right) / 2, abs=0.03)
        assert rows.mean() / 64 == pytest.approx((top + bottom) / 2, abs=0.03)
    # Its events are told when they happen.
    first = next(c.frame for c in found.contacts if "basketball" in (c.a, c.b) and c.frame)
    graph = SceneGraph.from_data(json.loads((folder(tmp_path) / "scene.json").read_bytes()))
    assert graph.events[0].frames.last == first
    report = (tmp_path / "report.html").read_text()
    assert "the exact integrator of rigid bodies" in report
    assert "Mean track error" in report
    assert "not simulated" not in warnings(told)


def test_a_painted_car_is_as_long_as_its_cut_out(tmp_path: Path) -> None:
    film("A red car hits a blue car.", tmp_path, film__frames=17)
    scene = read_scene(folder(tmp_path) / "physics.yaml")
    assert [body.shape.kind for body in scene.bodies] == ["card", "card"]
    left, top, right, bottom = layout(tmp_path).track("red-car").at(0).box
    assert 1.3 < (right - left) * 96 / (64 * (bottom - top)) < 1.6


def test_what_is_simulated_and_painted_is_held_more_firmly(tmp_path: Path) -> None:
    film("A ball falls.\n\nA dog runs to the left.", tmp_path)
    levels = {
        shot: json.loads((folder(tmp_path, shot) / "noise.json").read_text())["level"]
        for shot in ("s01", "s02")
    }
    assert levels["s01"] == pytest.approx(0.6 * levels["s02"])
    film(FALL, tmp_path / "asked", generator__noise__level=0.7)
    asked = json.loads((folder(tmp_path / "asked") / "noise.json").read_text())
    assert asked["level"] == 0.7, "what is asked goes before it"


def test_shots_without_physics_are_filmed_as_before(tmp_path: Path) -> None:
    film("A dog runs to the left.", tmp_path)
    assert not (folder(tmp_path) / "simulation.json").exists()
    assert not (folder(tmp_path) / "physics.yaml").exists()


def test_simulation_can_be_left_out(tmp_path: Path) -> None:
    film(FALL, tmp_path, physics__engine="off")
    assert not (folder(tmp_path) / "simulation.json").exists()


def test_without_blender_toppling_goes_to_the_plane_and_is_told(
    tmp_path: Path, no_blender: None
) -> None:
    _, told = film("A tower falls over.", tmp_path)
    assert simulation(tmp_path).engine == "planar"
    assert "built-in integrator" in warnings(told)
    assert "doctor --install blender" in warnings(told)
    assert "built-in integrator" in (tmp_path / "report.html").read_text()
    assert abs(layout(tmp_path).track("tower").at(8).angle) > 60


def test_without_blender_a_flag_has_its_plain_sketch_and_a_warning(
    tmp_path: Path, no_blender: None
) -> None:
    made, told = film(FLAG, tmp_path)
    assert "cloth needs Blender" in warnings(told)
    assert "cloth needs Blender" in (tmp_path / "report.html").read_text()
    (take,) = made.shots[0].takes
    assert take.sketch is not None
    assert take.sketch.simulation is None
    assert not (folder(tmp_path) / "simulation.json").exists()


def test_what_cannot_be_staged_is_filmed_and_says_why(tmp_path: Path) -> None:
    _, told = film("A ball falls in space.", tmp_path)
    assert "no firm ground" in warnings(told)
    assert "no firm ground" in (tmp_path / "report.html").read_text()
    assert not (folder(tmp_path) / "simulation.json").exists()


def test_a_finished_simulation_is_found_again(tmp_path: Path) -> None:
    film(FALL, tmp_path)
    before = (folder(tmp_path) / "simulation.json").read_bytes()
    board = tmp_path / "storyboard.yaml"
    board.write_text(board.read_text().replace("prompt: a basketball", "prompt: an orange ball"))
    told: list[Event] = []
    resume(tmp_path, on_event=told.append)
    started = [event.stage for event in told if event.kind == "stage started"]
    found = [event.stage for event in told if event.kind == "stage found"]
    assert "film" in started, "another prompt is filmed"
    assert "sketch" in found, "from the same sketch"
    assert (folder(tmp_path) / "simulation.json").read_bytes() == before


HAND = """\
schema: Storyboard.1
shots:
  - id: s01
    prompt: a red ball rolls off a box
    size: [96, 64]
    frames: 9
    fps: 8
    scene_graph:
      entities:
        - {id: red-ball, noun: ball, colour: red}
      events:
        - {actor: red-ball, action: rolls, direction: right, frames: {first: 0, last: 8}}
    physics:
      bodies:
        - id: red-ball
          entity: red-ball
          shape: {kind: ball, radius: 0.1}
          colour: red
          material: rubber
          position: [-0.4, 0, 0.5]
          velocity: [1.4, 0, 0]
          spin: [0, 802.141, 0]
        - id: stand
          shape: {kind: block, size: [0.8, 0.5, 0.4]}
          position: [-0.4, 0, 0.2]
          moves: fixed
      cameras:
        - id: front
          lens: 50
          views: [{position: [0, -3.5, 0.5], look_at: [0, 0, 0.5]}]
        - id: side
          lens: 50
          views: [{position: [-2, -3.5, 1.2], look_at: [0, 0, 0.4]}]
  - id: s02
    prompt: the same, from the side
    size: [96, 64]
    frames: 9
    fps: 8
    films: s01
    view: side
    scene_graph:
      entities:
        - {id: red-ball, noun: ball, colour: red}
      events:
        - {actor: red-ball, action: rolls, direction: right, frames: {first: 0, last: 8}}
"""


def test_a_scene_written_by_hand_is_what_is_simulated(tmp_path: Path) -> None:
    board = storyboard_from_text(HAND)
    film(Storyboard(shots=board.shots[:1]), tmp_path, physics__engine="planar")
    way = simulation(tmp_path).trajectory("red-ball").poses
    assert way[-1].position[0] > 0.1
    assert way[-1].position[2] < 0.3, "it has rolled off"


def test_two_cameras_show_one_action_at_the_same_time(tmp_path: Path) -> None:
    film(storyboard_from_text(HAND), tmp_path, physics__engine="planar")
    one, two = simulation(tmp_path, "s01"), simulation(tmp_path, "s02")
    assert one.trajectories == two.trajectories
    assert one.scene == two.scene
    assert set(one.cameras) == {"front", "side"}
    assert layout(tmp_path, "s01").tracks != layout(tmp_path, "s02").tracks


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("films: s01", "films: s07", "`films` of the shot 's02' is the id of an earlier shot"),
        ("view: side", "view: top", "`view` of the shot 's02' is a camera of 's01': front, side"),
        ("radius: 0.1", "radios: 0.1", ":17: `radios` is not a key of a ball; did you mean `rad"),
        ("material: rubber", "material: ruber", ":19: `material` cannot be 'ruber'; did you mean"),
        ("kind: block", "kind: bloc", "did you mean `block`?"),
    ],
)
def test_faults_of_a_scene_in_a_storyboard_are_told(old: str, new: str, told: str) -> None:
    with pytest.raises(ReelwrightError) as error:
        storyboard_from_text(HAND.replace(old, new))
    assert told in str(error.value)


def test_a_storyboard_keeps_its_scenes(tmp_path: Path) -> None:
    from reelwright_core.storyboards import write_storyboard

    board = storyboard_from_text(HAND)
    write_storyboard(tmp_path / "board.yaml", board)
    assert read_storyboard(tmp_path / "board.yaml") == board


def test_a_repair_keeps_the_simulated_layout(tmp_path: Path) -> None:
    # A threshold that nothing reaches asks for repairs of what `still` films.
    made, _ = film(FALL, tmp_path, takes__max=3, critic__threshold=1.0, film__frames=17)
    takes = made.shots[0].takes
    assert len({take.layout.digest() for take in takes}) == 1
    assert all(take.sketch and take.sketch.simulation for take in takes)
    assert all(take.critique is None or take.critique.blame != "layout" for take in takes)


@blender
def test_a_flag_is_rendered_from_its_simulation(tmp_path: Path) -> None:
    made, _ = film(FLAG, tmp_path, physics__quality="draft")
    (take,) = made.shots[0].takes
    sketch = take.sketch
    assert sketch is not None
    assert sketch.depth is not None
    assert sketch.simulation is not None
    assert ("flag", 0) in sketch.things
    assert simulation(tmp_path).engine in ("blender", "exact")
    frames = read_video(folder(tmp_path) / "sketch.mp4")
    assert frames.shape == (9, 64, 96, 3)
    label = sketch.things.index(("flag", 0)) + 1
    with np.load(folder(tmp_path) / "masks.npz") as masks:
        flag = masks["labels"] == label
    assert flag.any(axis=(1, 2)).all(), "it is seen in every frame"
    assert (flag[0] != flag[-1]).sum() > 10, "it moves"
    left, top, right, bottom = layout(tmp_path).track("flag").at(4).box
    rows, columns = np.nonzero(flag[4])
    assert left - 0.03 <= columns.min() / 96
    assert columns.max() / 96 <= right + 0.03
    assert top - 0.03 <= rows.min() / 64
    assert rows.max() / 64 <= bottom + 0.03


@blender
def test_one_simulation_in_blender_serves_all_its_cameras(tmp_path: Path) -> None:
    board = storyboard_from_text(HAND)
    made, _ = film(board, tmp_path, physics__engine="blender", physics__quality="draft",
                   generator__model="still")  # fmt: skip
    simulated = list((tmp_path / "store" / "simulations").glob("*/simulation.json"))
    assert len(simulated) == 1
    assert simulation(tmp_path, "s01") == simulation(tmp_path, "s02")
    one, two = (result.take.sketch for result in made.shots)
    assert one is not None
    assert two is not None
    assert one.video.sha256 != two.video.sha256


@pytest.mark.long
def test_the_film_of_the_basketball_and_the_flag(tmp_path: Path) -> None:
    script = f"{FALL} Then a flag waves in a strong wind."
    told: list[Event] = []
    made = run_story(script, out=tmp_path, settings={"takes.max": 2}, on_event=told.append)
    assert made.frames == sum(shot.frames for shot in made.storyboard.shots)
    fall = simulation(tmp_path, "s01")
    assert fall.engine == "exact"
    report = (tmp_path / "report.html").read_text()
    assert "Mean track error" in report
    if find() is not None:
        assert made.shots[1].take.sketch is not None
        assert made.shots[1].take.sketch.simulation is not None
    else:
        assert "cloth needs Blender" in report


def test_shots_told_apart_by_their_physics_alone() -> None:
    board = storyboard_from_text(HAND)
    scene = board.shots[0].physics
    assert scene is not None
    assert (scene.frames, scene.fps, scene.size) == (9, 8, (96, 64)), "those of the shot"
    with pytest.raises(ValueError, match="has the frames, fps and size of its shot"):
        Shot(id="s", prompt="x", frames=8, size=(96, 64), physics=scene)
