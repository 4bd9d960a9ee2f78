"""The graphs `multishot` and `gpt4motion`: what a user must see before they count as working."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reelwright import run_story
from reelwright_agents import testing as scripted
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture
from reelwright_agents.reading import read_script
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.errors import SimulationError
from reelwright_core.physics import Simulation
from reelwright_core.story import Storyboard
from reelwright_core.storyboards import read_storyboard
from reelwright_core.takes import Film
from reelwright_generators.tiny import animatediff
from reelwright_graphs.events import Event
from reelwright_graphs.run import resume
from reelwright_simulators import sandbox
from reelwright_simulators.blender.find import find

QUICK: dict[str, Any] = {
    "generator.model": "still", "film.size": (96, 64), "film.frames": 9,
    "physics.engine": "planar",
}  # fmt: skip
blender = pytest.mark.skipif(find() is None, reason="Blender is not installed")
PICTURE = Picture(size=(96, 64), fps=8, frames=9)  # pyright: ignore[reportArgumentType]


def planned(text: str) -> Storyboard:
    return OfflinePlanner().storyboard(read_script(text), picture=PICTURE)


def film(script: Any, out: Path, graph: str, **settings: Any) -> tuple[Film, list[Event]]:
    told: list[Event] = []
    given = {**QUICK, **{name.replace("__", "."): value for name, value in settings.items()}}
    return run_story(script, graph=graph, out=out, settings=given, on_event=told.append), told


def warnings(told: list[Event]) -> str:
    return "\n".join(event.text for event in told if event.kind == "warning")


def simulation(out: Path, shot: str) -> Simulation:
    file = out / "shots" / shot / "take-1" / "simulation.json"
    return Simulation.from_data(json.loads(file.read_bytes()))


# multishot ---------------------------------------------------------------------------


def test_multishot_films_one_action_by_three_cameras_from_the_same_scene_state(
    tmp_path: Path,
) -> None:
    made, told = film("A red ball falls.", tmp_path, "multishot")
    first, *others = made.storyboard.shots
    assert [shot.id for shot in made.storyboard.shots] == ["s01", "s01-left", "s01-right"]
    found = [simulation(tmp_path, shot.id) for shot in made.storyboard.shots]
    assert all(each.trajectories == found[0].trajectories for each in found), "positions in 3-D"
    assert all(each.scene == found[0].scene for each in found)
    assert {(shot.frames, shot.fps) for shot in others} == {(first.frames, first.fps)}, "timecodes"
    assert {len(way.poses) for each in found for way in each.trajectories} == {first.frames}
    own = {tuple(entity.id for entity in shot.scene_graph.entities) for shot in [first, *others]}
    assert len(own) == 1, "the same references"
    cameras = [simulation(tmp_path, "s01").cameras[name] for name in ("front", "left", "right")]
    assert len({str(camera) for camera in cameras}) == 3
    layouts = [(tmp_path / f"shots/{shot.id}/take-1/layout.json") for shot in [first, *others]]
    assert layouts[0].read_bytes() != layouts[1].read_bytes()
    begun = [event.shot for event in told if event.kind == "stage started" and event.shot]
    done = next(n for n, event in enumerate(told) if event.kind == "shot finished")
    before = {event.shot for event in told[:done] if event.kind == "stage started" and event.shot}
    assert before == set(begun), "on branches of their own, side by side"


def test_multishot_shows_its_cameras_side_by_side(tmp_path: Path) -> None:
    made, _ = film("A red ball falls.", tmp_path, "multishot")
    with Image.open(tmp_path / "cameras-s01.png") as sheet:
        wide, high = sheet.size
        pixels = np.asarray(sheet.convert("RGB"))
    assert wide > 3 * 240
    assert high > 5 * 160
    columns = [pixels[40:, 78 + n * 248 : 78 + n * 248 + 240] for n in range(3)]
    assert not np.array_equal(columns[0], columns[1])
    assert made.contact_sheet is not None


def test_multishot_films_what_only_moves_along_too_and_what_stands_once(tmp_path: Path) -> None:
    made, told = film("A dog runs to the right. A tree.", tmp_path, "multishot")
    films = [shot.films for shot in made.storyboard.shots]
    assert films[:3] == [None, "s01", "s01"]
    assert made.storyboard.shots[-1].films is None
    assert len(made.storyboard.shots) == 4
    found = [simulation(tmp_path, shot.id) for shot in made.storyboard.shots[:3]]
    assert all(each.trajectories == found[0].trajectories for each in found)
    way = found[0].trajectories[0].poses
    assert way[-1].position[0] > way[0].position[0]
    assert "not simulated" not in warnings(told)


def test_multishot_says_what_it_cannot_stage(tmp_path: Path) -> None:
    made, told = film("A red ball falls in space.", tmp_path, "multishot")
    assert len(made.storyboard.shots) == 1
    assert "filmed by one camera alone" in warnings(told)


def test_multishot_keeps_what_the_user_makes_of_its_cameras(tmp_path: Path) -> None:
    film("A red ball falls.", tmp_path, "multishot")
    file = tmp_path / "storyboard.yaml"
    file.write_text(file.read_text().replace("view: right", "view: high"))
    told: list[Event] = []
    made = resume(tmp_path, on_event=told.append)
    assert [shot.view for shot in made.storyboard.shots] == ["front", "left", "high"]
    assert read_storyboard(file) == made.storyboard


@blender
@pytest.mark.long
def test_multishot_renders_its_cameras_in_one_simulation(tmp_path: Path) -> None:
    film("A red ball falls.", tmp_path, "multishot", physics__engine="auto",
         physics__quality="draft")  # fmt: skip
    found = [simulation(tmp_path, shot) for shot in ("s01", "s01-left", "s01-right")]
    assert all(each.trajectories == found[0].trajectories for each in found)
    assert len(list((tmp_path / "store/simulations").iterdir())) == 1


# gpt4motion --------------------------------------------------------------------------

BALL = "A basketball falls and bounces."


def test_gpt4motion_starts_every_frame_from_one_noise_and_its_sketch_without_control_videos(
    tmp_path: Path,
) -> None:
    made, told = film(BALL, tmp_path, "gpt4motion")
    take = made.shots[0].take
    assert take.noise.noise == "drift"
    assert take.noise.drift == (0, 0)
    assert take.provenance["control"]["asked"] == "depth"
    assert take.provenance["control"]["used"] == "structured noise"
    assert "set planner.brain=openai" in warnings(told), "no language model, no script: it is said"
    folder = tmp_path / "shots/s01/take-1"
    assert (folder / "physics.yaml").exists()
    assert "free fall" in (folder / "checks.md").read_text(encoding="utf-8")
    assert all(check.passed for check in simulation(tmp_path, "s01").checks)


def test_gpt4motion_shows_a_model_that_follows_them_the_depth(tmp_path: Path) -> None:
    model = animatediff.build(tmp_path / "model", control="controlnet")
    settings: dict[str, Any] = {
        "generator.model": str(model), "generator.device": "cpu", "generator.steps": 2,
    }  # fmt: skip
    made = run_story(
        planned("A ball falls."), graph="gpt4motion", out=tmp_path / "run",
        settings={**QUICK, **settings},
    )  # fmt: skip
    take = made.shots[0].take
    assert take.provenance["control"]["used"] in ("depth", "layered depth")
    assert take.noise.level == 1.0


def scripts(board: Storyboard) -> tuple[str, str]:
    """A script with a fault, and it mended."""
    entity = board.shots[0].scene_graph.entities[0].id
    wrong = f"{entity} = ball('{entity}', (0, 0, high))\nhigh = 2.0\nrun()\n"
    right = (
        f"ball('{entity}', (0, 0, 1.4), radius=0.15, material='rubber')\n"
        "camera((0, -5, 1), (0, 0, 0.7))\nrun()\n"
    )
    return wrong, right


def test_gpt4motion_mends_a_script_by_its_traceback_and_keeps_it_readable(tmp_path: Path) -> None:
    try:
        sandbox.strongest()
    except SimulationError as error:
        pytest.skip(str(error))
    board = planned("A ball falls.")
    wrong, right = scripts(board)
    made, told = by_script(board, tmp_path, wrong, right)
    take = tmp_path / "shots/s01/take-1"
    assert (take / "script-1.py").read_text() == wrong
    assert "NameError" in (take / "error-1.txt").read_text()
    assert (take / "script.py").read_text() == right
    assert made.shots[0].take.noise.drift == (0, 0)
    assert "declarative scene" not in warnings(told)


def test_gpt4motion_takes_a_scene_of_ours_where_no_script_works(tmp_path: Path) -> None:
    board = planned("A ball falls.")
    wrong, right = scripts(board)
    _, told = by_script(board, tmp_path, wrong, wrong + "\n", "import os\n" + right, wrong)
    assert "the declarative scene is used" in warnings(told)
    assert (tmp_path / "shots/s01/take-1/simulation.json").exists()


def by_script(board: Storyboard, out: Path, *texts: str) -> tuple[Film, list[Event]]:
    left = list(texts)
    entity = board.shots[0].scene_graph.entities[0].id
    frames = board.shots[0].frames
    keys = [round(n * (frames - 1) / 5) for n in range(6)]
    track = {
        "entity": entity, "instance": 0, "depth": 1.0, "faces": "right",
        "keyframes": [
            {"frame": frame, "left": 0.4, "right": 0.6, "top": 0.1 + 0.4 * frame / frames,
             "bottom": 0.4 + 0.4 * frame / frames, "angle": 0.0} for frame in keys
        ],
    }  # fmt: skip

    def play(request: Request) -> Scripted:
        if "Write the script." in request.text or "Write the whole script" in request.text:
            return scripted.answer({"script": left.pop(0)})
        if "Draw the layout" in request.text:
            return scripted.answer({"tracks": [track]})
        return scripted.refusal()  # of a declarative scene, which is then staged offline

    with ScriptedEndpoint(play) as server:
        return film(
            board, out, "gpt4motion", planner__brain="openai", endpoint__retries=0,
            endpoint__base_url=server.base_url, endpoint__repairs=0,
        )  # fmt: skip


@blender
@pytest.mark.long
def test_gpt4motion_leaves_depth_edges_and_masks_of_blender(tmp_path: Path) -> None:
    made, _ = film(BALL, tmp_path, "gpt4motion", physics__engine="auto", physics__quality="draft")
    sketch = made.shots[0].take.sketch
    assert sketch is not None
    assert sketch.depth is not None
    assert sketch.edges is not None
    with np.load(tmp_path / sketch.depth.path) as file:
        assert file["depth"].shape == (made.shots[0].take.clip.frames, 64, 96)
    assert len(list((tmp_path / "store/simulations").iterdir())) == 1
