"""A model behind a scripted endpoint writes scripts, good and bad; they really run, in a jail."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.llm import LanguageModel
from reelwright_agents.physics.scripter import Written, write_script
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.errors import SimulationError
from reelwright_core.physics import Ball, Body, Camera, PhysicsScene, View
from reelwright_core.settings import Endpoint
from reelwright_core.story import Entity, Event, FrameSpan, SceneGraph, Shot
from reelwright_simulators import sandbox
from reelwright_simulators.blender import find
from reelwright_simulators.sandbox import Jail

GOOD = """
from math import sqrt

ground(look="wood")
high = 1.2
falls = sqrt(2 * (high - 0.14) / 9.81)
ball("ball", (-0.5, 0, high), radius=0.14, material="rubber", velocity=(0.4 / falls, 0, 0))
camera((0, -5, 1), (0, 0, 0.7))
run()
"""
USED_TOO_EARLY = "ball('ball', (0, 0, high))\nhigh = 1.0\nrun()\n"
READS = "text = open('/etc/passwd').read()\n" + GOOD
WITH_BLENDER = (
    GOOD.replace("\nrun()", "\nthings = run()").replace("from math", "import bpy\nfrom math")
    + "bpy.ops.mesh.primitive_cone_add(radius1=0.2, depth=0.4, location=(0.8, 0.5, 0.2))\n"
)
SHOT = Shot(
    id="s01", scene="1", text="A ball falls and bounces.", prompt="A ball falls and bounces",
    place="room", size=(48, 32), frames=5, fps=Fraction(8),
    scene_graph=SceneGraph(
        entities=[Entity(id="ball", noun="ball", size="small")],
        events=[Event(actor="ball", action="bounces", frames=FrameSpan(first=0, last=4))],
    ),
)  # fmt: skip
BASE = PhysicsScene(
    frames=5, fps=Fraction(8), size=(48, 32),
    bodies=[Body(id="ball", entity="ball", shape=Ball(), position=(0, 0, 1))],
    cameras=[Camera(id="front", views=[View(position=(0, -5, 1), look_at=(0, 0, 0.7))])],
)  # fmt: skip


@pytest.fixture(scope="module")
def jail() -> Jail:
    try:
        return sandbox.strongest()
    except SimulationError as error:
        pytest.skip(str(error))


def written(
    server: ScriptedEndpoint, folder: Path, jail: Jail, *, cache: Path | None = None
) -> Written:
    endpoint = Endpoint(base_url=server.base_url, timeout=10, retries=0, repairs=0)
    model = LanguageModel(endpoint, model="tiny", cache=cache)
    return write_script(SHOT, BASE, model=model, jail=jail, folder=folder)


def answers(*scripts: str) -> list[Scripted]:
    return [scripted.answer({"script": script}) for script in scripts]


def test_a_good_script_is_the_scene(tmp_path: Path, jail: Jail) -> None:
    with ScriptedEndpoint(answers(f"```python{GOOD}```")) as server:
        made = written(server, tmp_path / "take", jail)
    assert made.scene is not None
    (ball,) = made.scene.bodies
    assert (ball.entity, ball.material, made.tries) == ("ball", "rubber", 1)
    assert made.scene.cameras[0].id == "front"
    assert (made.scene.frames, made.scene.size) == (5, (48, 32))
    assert made.script is None, "it describes a scene, so no script has to run for the film"
    assert "tiny" in made.notes[0]
    assert "tiny" not in (tmp_path / "take" / "script.py").read_text()
    assert PhysicsScene.from_data(made.scene.data()) == made.scene


def test_a_script_that_fails_is_mended(tmp_path: Path, jail: Jail) -> None:
    """The first is wrong when it runs, the second by how it is written, the third is good."""
    folder = tmp_path / "take"
    with ScriptedEndpoint(answers(USED_TOO_EARLY, READS, GOOD)) as server:
        made = written(server, folder, jail)
        first, second, third = [request.text for request in server.requests]
    assert made.scene is not None
    assert made.tries == 3
    assert "mended 2 times" in made.notes[0]
    assert "def ball(id, position, *, radius=0.12, **more)" in first
    assert "did not work" not in first
    assert "NameError: name 'high' is not defined" in second
    assert 'Traceback:\n  File "the-script.py", line 1, in <module>' in second
    assert str(Path(sandbox.__file__).parents[3]) not in second, "no paths of the machine are told"
    assert "line 1: `open` is not there for scripts" in third
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "error-1.txt", "error-2.txt", "script-1.py", "script-2.py", "script-3.py", "script.py",
    ]  # fmt: skip
    assert (folder / "script.py").read_text() == (folder / "script-3.py").read_text()


def test_after_three_repairs_the_declarative_scene_is_used(tmp_path: Path, jail: Jail) -> None:
    floating = "block('rock', (0, 0, 0.15), material='stone')\nrun()\n"
    deep = "ball('ball', (0, 0, -3))\nrun()\n"
    with ScriptedEndpoint(answers(USED_TOO_EARLY, floating, deep, READS)) as server:
        made = written(server, tmp_path / "take", jail)
        assert len(server.requests) == 4
    assert made.scene is None
    assert made.script is None
    assert "declarative scene is used: none of 4 scripts worked" in made.notes[0]
    assert "ball is there 0 of 1 times" in (tmp_path / "take" / "error-2.txt").read_text()
    assert "cannot be simulated" in (tmp_path / "take" / "error-3.txt").read_text()
    assert (tmp_path / "take" / "error-4.txt").is_file()
    assert not (tmp_path / "take" / "script.py").exists()


def test_a_model_that_gives_no_script_is_told_of(tmp_path: Path, jail: Jail) -> None:
    with ScriptedEndpoint([scripted.refusal()]) as server:
        made = written(server, tmp_path / "take", jail)
    assert made.scene is None
    assert "no script was written" in made.notes[0]


def test_the_same_question_is_answered_from_the_cache(tmp_path: Path, jail: Jail) -> None:
    def play(request: Request) -> Scripted:
        return answers(GOOD if "did not work" in request.text else USED_TOO_EARLY)[0]

    with ScriptedEndpoint(play) as server:
        for name in ("one", "two"):
            made = written(server, tmp_path / name, jail, cache=tmp_path / "cache")
            assert made.tries == 2
        assert len(server.requests) == 2


def test_a_script_that_goes_on_in_blender_also_runs_there(tmp_path: Path, jail: Jail) -> None:
    if find.find() is None:
        pytest.skip("Blender is not installed")
    wrong = WITH_BLENDER.replace("primitive_cone_add", "primitive_cone_made")
    with ScriptedEndpoint(answers(wrong, WITH_BLENDER)) as server:
        made = written(server, tmp_path / "take", jail)
        assert "primitive_cone_made" in server.requests[1].text
        assert "did not work" in server.requests[1].text
    assert made.tries == 2
    assert made.script is not None
    assert made.scene is not None
