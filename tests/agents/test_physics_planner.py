"""The physics planners stage falls, bounces, rolls, collisions, toppling, wind, swings, pouring."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reelwright_agents.layout_check import layout_faults
from reelwright_agents.offline import OfflinePlanner, coverage
from reelwright_agents.physics import is_physical, physics_scene, plan_physics, retimed
from reelwright_agents.physics.llm import plan_by_model
from reelwright_agents.planner import Picture
from reelwright_agents.reading import read_script
from reelwright_agents.testing import ScriptedEndpoint, answer, broken
from reelwright_core.physics import PhysicsScene
from reelwright_core.settings import load_settings
from reelwright_core.story import Shot
from reelwright_metrics.questions import questions
from reelwright_simulators import cameras, planar, scene_check
from reelwright_simulators.layouts import to_layout
from reelwright_simulators.places import GROUND
from reelwright_simulators.solids import solid_of

PLANNER = OfflinePlanner()


def shots(text: str, *, picture: Picture | None = None) -> list[Shot]:
    script = read_script(text)
    board = PLANNER.storyboard(script, picture=picture or Picture())
    assert coverage(script, board) == []
    return list(board.shots)


def staged(text: str) -> PhysicsScene:
    planned = plan_physics(shots(text)[0], seed=7)
    assert planned.scene is not None, planned.why
    return planned.scene


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("A domino topples over.", [("domino", "topples")]),
        ("A vase tips over on a table.", [("vase", "topples"), ("table", "stays")]),
        ("A tower falls over.", [("tower", "topples")]),
        ("A ball knocks over a tower.", [("ball", "collides"), ("tower", "topples")]),
        ("The tower is knocked over by a ball.", [("tower", "topples"), ("ball", "collides")]),
        ("A ball hits a cube.", [("ball", "collides"), ("cube", "collides")]),
        ("A car crashes into a wall.", [("car", "collides"), ("wall", "collides")]),
        ("Two balls collide.", [("ball", "collides")]),
        ("A flag flaps in the wind.", [("flag", "waves")]),
        ("A butterfly flutters.", [("butterfly", "moves")]),
        ("A lamp swings.", [("light-bulb", "swings")]),
        ("Water is poured into a glass.", [("water", "pours"), ("glass", "stays")]),
        ("A boat sails on the water.", [("boat", "moves")]),
    ],
)
def test_everyday_verbs_are_physical_events(text: str, events: list[tuple[str, str]]) -> None:
    (shot,) = shots(text)
    assert [(e.actor, e.action) for e in shot.scene_graph.events] == events


def test_how_strong_the_wind_is_reaches_the_scene() -> None:
    speeds = [
        physics_scene(shot, seed=1).forces[0].strength  # pyright: ignore[reportOptionalMemberAccess]
        for shot in shots(
            "A flag waves in a light wind. Then the flag waves in the wind. "
            "Then it flutters in a strong wind."
        )[:1]
        + shots("A flag waves in the wind.")
        + shots("In a strong wind, a flag waves.")
    ]
    assert speeds == sorted(set(speeds)), "light, plain and strong wind differ, in that order"
    one, other = shots("A flag waves in a light wind. Then the flag waves in a strong wind.")
    scenes = [physics_scene(shot, seed=1) for shot in (one, other)]
    assert [scene.forces[0].strength for scene in scenes if scene] == [3.0, 15.0]


CASES = (
    "A basketball falls and bounces next to a red cube.",
    "A ball bounces to the right on a beach.",
    "A blue ball rolls from right to left.",
    "A red ball rolls and hits a blue ball.",
    "Two balls collide.",
    "A ball hits a red cube.",
    "A car crashes into a wall.",
    "A domino topples over.",
    "A tower falls over to the left.",
    "Five dominoes topple.",
    "A ball knocks over a tower.",
    "A vase tips over on a table.",
    "A pendulum swings.",
    "A ball falls on a table.",
    "A car rolls down a ramp.",
    "Three apples fall while a car drives to the right.",
)


@pytest.mark.parametrize("text", CASES)
def test_a_staged_scene_is_sound_and_seen_as_a_whole(text: str) -> None:
    (shot,) = shots(text)
    scene = staged(text)
    assert scene_check.faults(scene) == []
    assert (scene.frames, scene.fps, scene.size) == (shot.frames, shot.fps, shot.size)
    wanted = {(e.id, i) for e in shot.scene_graph.entities for i in range(e.count)}
    assert wanted == {(b.entity, b.instance) for b in scene.bodies if b.entity is not None}
    simulation = planar.simulate(scene, digest="-")
    assert not isinstance(simulation, str), simulation
    camera = scene.camera("front")
    width, height = scene.size
    for way in simulation.trajectories:
        for frame, pose in enumerate(way.poses):
            x, y, _ = cameras.project(camera, scene, frame, pose.position)
            assert -0.02 * width <= x <= 1.02 * width, (way.thing, frame)
            assert -0.02 * height <= y <= height, (way.thing, frame)


def test_the_ground_is_where_the_painted_place_has_it() -> None:
    for text in ("A ball falls on a beach.", "A ball falls in a city."):
        (shot,) = shots(text)
        scene = staged(text)
        _, y, _ = cameras.project(scene.camera(), scene, 0, (0.0, 0.0, 0.0))
        line = GROUND[shot.place]
        assert line is not None
        assert y / scene.size[1] == pytest.approx(line + 0.04, abs=1e-6)


def test_a_fall_and_its_bounces_fit_the_shot() -> None:
    for frames, fps in ((17, 8), (33, 24), (49, 12)):
        (shot,) = shots(
            "A ball falls and bounces.", picture=Picture(frames=frames, fps=Fraction(fps))
        )
        scene = physics_scene(shot, seed=1)
        assert scene is not None
        simulation = planar.simulate(scene, digest="-")
        assert not isinstance(simulation, str)
        hits = [c.frame for c in simulation.contacts if c.frame]
        assert len(hits) >= 2, "it comes down at least twice"
        assert hits[0] <= 0.6 * frames


@pytest.mark.parametrize(
    "text",
    [
        "A blue car hits an orange ball.",
        "An orange car hits a pink car.",
        "A yellow apple hits an orange car.",
        "A purple ball hits a red ball.",
    ],
)
def test_what_meets_is_large_and_is_seen_to_move_apart(text: str) -> None:
    (shot,) = shots(text, picture=Picture(size=(160, 96), frames=17, fps=Fraction(8)))
    scene = plan_physics(shot, seed=1, painted=True).scene
    assert scene is not None
    one, two = (solid_of(body) for body in scene.bodies)
    assert two.mass / 1.6 <= one.mass <= two.mass * 1.6
    simulation = planar.simulate(scene, digest="-")
    assert not isinstance(simulation, str)
    meet = next(c.frame for c in simulation.contacts if {c.a, c.b} == {b.id for b in scene.bodies})
    assert 6 <= meet <= 10
    layout = to_layout(simulation, scene, shot)
    first = [track.at(0).box for track in layout.tracks]
    looks = [((right - left) * 160 / 96 * (bottom - top)) ** 0.5
             for left, top, right, bottom in first]  # fmt: skip
    assert min(looks) > 0.25, "in parts of the picture's height"
    assert min(looks) / max(looks) > 0.75
    (_, _, right, _), (left, _, _, _) = sorted(track.at(16).box for track in layout.tracks)
    assert (left - right) * 160 / 96 > 0.05


def test_what_is_painted_has_the_outline_of_its_cut_out() -> None:
    (shot,) = shots("A red car hits a blue car.")
    for painted, kind in ((True, "card"), (False, "model")):
        scene = plan_physics(shot, seed=1, painted=painted).scene
        assert scene is not None
        assert [body.shape.kind for body in scene.bodies] == [kind, kind]
    # Cloth is rendered, and all that is in its shot.
    (shot,) = shots("A cloth falls on a table.")
    scene = plan_physics(shot, seed=1, painted=True).scene
    assert scene is not None
    assert "card" not in [body.shape.kind for body in scene.bodies]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A ball falls in space.", "no firm ground"),
        ("A man waves.", "only cloth"),
        ("A dog jumps and a ball falls.", "dog jumps"),
        ("A ball falls and then it rises.", "ball rises"),
    ],
)
def test_what_cannot_be_staged_says_why(text: str, why: str) -> None:
    (shot,) = shots(text)[:1]
    planned = plan_physics(shot, seed=1)
    assert planned.scene is None
    assert why in planned.why


def test_shots_without_physics_are_left_alone() -> None:
    (shot,) = shots("A dog runs to the left.")
    assert not is_physical(shot)
    assert plan_physics(shot, seed=1).why == ""


def test_cloth_and_water_are_staged_with_what_holds_them() -> None:
    flag = staged("A blue flag waves in a strong wind.")
    (cloth,) = flag.cloths
    assert (cloth.entity, cloth.pins, cloth.colour) == ("blue-flag", "left", "blue")
    assert [(b.moves, b.entity) for b in flag.bodies] == [("fixed", None)]
    poured = staged("Milk is poured into a glass.")
    (liquid,) = poured.liquids
    assert liquid.entity == "milk"
    assert liquid.source[2] > poured.thing("glass").position[2]  # pyright: ignore
    assert scene_check.faults(flag) == scene_check.faults(poured) == []


def test_events_are_told_when_the_simulation_has_them() -> None:
    (shot,) = shots("A basketball falls and bounces next to a red cube.")
    scene = staged(shot.text)
    simulation = planar.simulate(scene, digest="-")
    assert not isinstance(simulation, str)
    first = min(c.frame for c in simulation.contacts if c.frame and "basketball" in (c.a, c.b))
    falls, bounces, stays = retimed(shot, scene, simulation).scene_graph.events
    assert (falls.frames.first, falls.frames.last) == (0, first)
    assert (bounces.frames.first, bounces.frames.last) == (first + 1, shot.frames - 1)
    assert stays == shot.scene_graph.events[2]


@pytest.mark.parametrize(
    "text",
    ["A tower falls over.", "A ball hits a red cube.", "Two balls collide.", "A lamp swings.",
     "Water is poured into a mug.", "A flag waves in a strong wind."],
)  # fmt: skip
def test_painted_plans_and_critics_know_the_new_events(text: str) -> None:
    (shot,) = shots(text)
    layout = PLANNER.layout(shot)
    assert layout_faults(layout, shot) == []
    asked = [question.text for question in questions(shot, layout)]
    assert not any("wave" in text or "pour" in text for text in asked)
    assert any("topple" in text for text in asked) == ("falls over" in text)


def test_a_painted_tower_turns_about_its_foot() -> None:
    (shot,) = shots("A tower falls over to the right.")
    (track,) = PLANNER.layout(shot).tracks
    first, last = track.at(0), track.at(shot.frames - 1)
    assert last.angle == pytest.approx(90)
    aspect = shot.size[0] / shot.size[1]
    wide, high = (first.box[2] - first.box[0]) * aspect, first.box[3] - first.box[1]
    centre = np.add(last.box[:2], last.box[2:]) / 2
    # Lying, half its width above the ground, beside the corner that it turned about.
    assert centre[1] == pytest.approx(first.box[3] - wide / 2, abs=2e-3)
    assert centre[0] == pytest.approx(first.box[2] + high / 2 / aspect, abs=2e-3)


def vector(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> dict[str, float]:
    return {"x": x, "y": y, "z": z}


def body(id: str, *, z: float, **told: Any) -> dict[str, Any]:
    return {
        "id": id, "entity": "ball", "instance": 0, "shape": "ball", "size": vector(z=0.2),
        "model": None, "noun": None, "round": False, "material": "rubber", "colour": "red",
        "position": vector(z=z), "rotation": vector(), "moves": "free", "velocity": vector(),
        "spin": vector(), "path": [], "restitution": None, "friction": None, **told,
    }  # fmt: skip


def form(*bodies: dict[str, Any]) -> dict[str, Any]:
    return {
        "bodies": list(bodies), "cloths": [], "liquids": [], "rods": [], "wind": 0.0,
        "left": -0.5, "right": 0.5, "top": 1.1,
    }  # fmt: skip


def by_model(script: list[Any], *, repairs: int = 2) -> tuple[Any, list[str]]:
    (shot,) = shots("A ball falls and bounces.")
    with ScriptedEndpoint(script) as server:
        settings = load_settings(
            {
                "planner.brain": "openai",
                "endpoint.base_url": server.base_url,
                "endpoint.api_key": "k",
                "endpoint.repairs": repairs,
                "endpoint.retries": 0,
            }
        )
        planned = plan_by_model(shot, seed=3, settings=settings)
        return planned, [request.text for request in server.requests]


def test_a_language_model_writes_the_scene() -> None:
    planned, (asked,) = by_model([answer(form(body("ball", z=0.9)))])
    assert planned.scene.thing("ball").position == (0.0, 0.0, 0.9)
    assert (planned.scene.frames, planned.scene.seed, planned.notes) == (17, 3, ())
    assert "A ball falls and bounces." in asked


def test_what_checks_say_against_its_scene_goes_back_to_it() -> None:
    sunk = answer(form(body("ball", z=-0.5)))
    planned, asked = by_model([sunk, answer(form(body("ball", z=0.8)))])
    assert planned.scene.thing("ball").position[2] == 0.8
    assert len(asked) == 2
    assert scene_check.faults(
        planned.scene.model_copy(
            update={"bodies": [planned.scene.bodies[0].model_copy(
                update={"position": (0.0, 0.0, -0.5)})]}
        )
    )[0] in asked[1]  # fmt: skip


@pytest.mark.parametrize(
    "script",
    [[answer(form(body("ball", z=0.9, entity="dog")))] * 3, [broken()]],
    ids=["never fits", "no answer"],
)
def test_without_a_fitting_scene_the_offline_planner_steps_in_and_says_so(
    script: list[Any],
) -> None:
    planned, _ = by_model(script)
    (shot,) = shots("A ball falls and bounces.")
    assert planned.scene == physics_scene(shot, seed=3)
    assert "staged offline" in planned.notes[0]


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("A dog runs to the left, then a blue ball falls.", "ball"),
        ("A red ball falls, then a cup falls.", "cup"),
    ],
)
def test_what_falls_after_something_else_is_left_to_the_painted_plan(text: str, who: str) -> None:
    planned = plan_physics(shots(text)[0], seed=7)
    assert planned.scene is None
    assert f"the {who} begins at frame 8, after something else" in planned.why
    assert plan_physics(shots("A ball hits a box.")[0], seed=7).scene is not None
