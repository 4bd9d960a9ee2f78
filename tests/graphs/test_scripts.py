"""A film whose shot is staged by a script of a language model; that one is a scripted server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture
from reelwright_agents.reading import read_script
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.errors import SimulationError
from reelwright_core.takes import Film
from reelwright_graphs import run
from reelwright_graphs.events import Event
from reelwright_simulators import sandbox

PICTURE = Picture(size=(96, 64), fps=8, frames=9)  # pyright: ignore[reportArgumentType]
BOARD = OfflinePlanner().storyboard(read_script("A ball falls."), picture=PICTURE)
ENTITY = BOARD.shots[0].scene_graph.entities[0].id
WRONG = f"{ENTITY} = ball('{ENTITY}', (0, 0, high))\nhigh = 2.0\nrun()\n"
RIGHT = (
    f"ball('{ENTITY}', (0, 0, 1.4), radius=0.15, material='rubber')\n"
    "camera((0, -5, 1), (0, 0, 0.7))\nrun()\n"
)
TRACK = {
    "entity": ENTITY, "instance": 0, "depth": 1.0, "faces": "right",
    "keyframes": [
        {"frame": frame, "left": 0.4, "right": 0.6, "top": 0.05 * frame + 0.1,
         "bottom": 0.05 * frame + 0.4, "angle": 0.0} for frame in (0, 2, 4, 5, 6, 8)
    ],
}  # fmt: skip


def filmed(out: Path, *scripts: str, **settings: Any) -> tuple[Film, list[Request], list[Event]]:
    left = list(scripts)

    def play(request: Request) -> Scripted:
        if "Write the script." in request.text or "Write the whole script" in request.text:
            return scripted.answer({"script": left.pop(0)})
        if "Draw the layout" in request.text:
            return scripted.answer({"tracks": [TRACK]})
        return scripted.refusal()  # of a declarative scene, which is then staged offline

    events: list[Event] = []
    with ScriptedEndpoint(play) as server:
        done = run.film(
            BOARD,
            out=out,
            on_event=events.append,
            settings={
                "generator.model": "still", "critic.threshold": 0.0, "planner.brain": "openai",
                "endpoint.base_url": server.base_url, "endpoint.retries": 0, "endpoint.repairs": 0,
                "physics.engine": "planar", "physics.scripts": True, **settings,
            },
        )  # fmt: skip
        assert isinstance(done, Film)
        return done, server.requests, events


def test_a_shot_is_staged_by_a_script_that_was_mended_once(tmp_path: Path) -> None:
    try:
        jail = sandbox.strongest()
    except SimulationError as error:
        pytest.skip(str(error))
    out = tmp_path / "run"
    filmed(out, WRONG, RIGHT)
    take = out / "shots/s01/take-1"
    assert (take / "script-1.py").read_text() == WRONG
    assert "NameError" in (take / "error-1.txt").read_text()
    assert (take / "script.py").read_text() == (take / "script-2.py").read_text() == RIGHT
    simulation = json.loads((take / "simulation.json").read_text())
    (way,) = simulation["trajectories"]
    assert way["thing"] == ENTITY
    assert way["poses"][0]["position"] == pytest.approx([0, 0, 1.4])
    heights = [pose["position"][2] for pose in way["poses"]]
    assert min(heights) < 0.5, "it falls"
    assert jail.says in (out / "report.html").read_text()


def test_without_a_script_that_works_the_declarative_scene_is_filmed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    _, _, events = filmed(out, WRONG, WRONG + "\n", "import os\n" + RIGHT, WRONG)
    take = out / "shots/s01/take-1"
    assert not (take / "script.py").exists()
    assert (take / "error-4.txt").exists()
    assert (take / "simulation.json").exists()
    said = [event.text for event in events if event.kind == "warning"]
    assert any("the declarative scene is used" in (text or "") for text in said), said


def test_scripts_need_a_language_model_and_say_so(tmp_path: Path) -> None:
    _, requests, events = filmed(tmp_path / "run", **{"planner.brain": "offline"})
    assert requests == []
    said = [event.text for event in events if event.kind == "warning"]
    assert any("set planner.brain=openai" in (text or "") for text in said), said
