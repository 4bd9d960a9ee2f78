"""The integrator of the plane keeps to the laws, and layouts follow what it moves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reelwright_core.physics import PhysicsScene, Simulation
from reelwright_core.story import Entity, SceneGraph, Shot
from reelwright_simulators import exact, planar
from reelwright_simulators.layouts import to_layout
from reelwright_simulators.turns import matrix_of_turn

FRONT = {
    "id": "front",
    "lens": 50.0,
    "views": [{"position": (0, -4, 0.8), "look_at": (0, 0, 0.8)}],
}


def scene(*bodies: dict[str, object], **told: object) -> PhysicsScene:
    plain = {"frames": 25, "fps": 24, "size": (160, 96), "cameras": [FRONT], "bodies": bodies}
    return PhysicsScene.model_validate({**plain, **told})


def ball(id: str = "ball", **told: object) -> dict[str, object]:
    return {"id": id, "entity": id, "shape": {"kind": "ball", "radius": 0.1}, **told}


def box(id: str = "box", size: tuple[float, float, float] = (0.2, 0.2, 0.6), **told: object):
    return {"id": id, "entity": id, "shape": {"kind": "block", "size": size}, **told}


def places(found: planar.Planar, id: str) -> np.ndarray:
    assert found.why is None, found.why
    way = next(way for way in found.trajectories if way.thing == id)
    return np.array([pose.position for pose in way.poses])


@pytest.mark.parametrize(
    "told",
    [
        {"bodies": [ball(position=(0, 0, 1.2), restitution=0.8)]},
        {"bodies": [ball(position=(-1, 0, 0.6), velocity=(2, 0, 1), restitution=0.7)]},
        {"bodies": [ball(position=(-0.8, 0, 0.1), velocity=(1.5, 0, 0), spin=(0, 859.4367, 0))]},
        {
            "bodies": [
                ball(position=(-0.6, 0, 0.1), velocity=(1.2, 0, 0), spin=(0, 687.549, 0)),
                ball("other", position=(0, 0, 0.1)),
            ]
        },
        {
            "bodies": [ball(position=(0.3, 0, 0.5), material="metal")],
            "constraints": [{"kind": "rod", "body": "ball", "at": (0, 0, 1.2)}],
        },
        {"bodies": [box(size=(0.4, 0.4, 0.2), position=(-0.5, 0, 0.1), velocity=(2, 0, 0))]},
    ],
    ids=["drop", "throw", "roll", "hit", "pendulum", "slide"],
)
def test_it_agrees_with_the_exact_integrator(told: dict[str, object]) -> None:
    given = scene(*told.pop("bodies"), **told)  # pyright: ignore
    exactly, found = exact.solve(given), planar.solve(given)
    assert exactly.covered, exactly.why
    for way in exactly.trajectories:
        due = np.array([pose.position for pose in way.poses])
        off = np.abs(places(found, way.thing) - due).max()
        # What two balls rub off each other is told less exactly.
        part = 0.08 if len(given.bodies) > 1 else 0.03
        assert off < part * max(np.ptp(due, axis=0).max(), 0.1)


def test_a_bounce_has_the_height_and_frame_of_its_law() -> None:
    given = scene(ball(position=(0, 0, 1.1), restitution=0.8), frames=49, fps=48)
    found = planar.solve(given)
    first = found.contacts[0]
    fall = math.sqrt(2 * 1.0 / 9.81)
    assert first.frame == math.ceil(fall * 48)
    assert first.speed == pytest.approx(9.81 * fall, rel=0.01)
    z = places(found, "ball")[first.frame :, 2]
    assert z.max() - 0.1 == pytest.approx(0.8**2, rel=0.05)


def test_a_box_topples_about_its_edge_and_lies_there() -> None:
    pushed: dict[str, Any] = {
        "velocity": (0.9, 0, 0.3),
        "spin": (0, 171.9, 0),
        "friction": 1.0,
        "restitution": 0.0,
    }
    given = scene(box(position=(0, 0, 0.3), **pushed), frames=49)
    found = planar.solve(given)
    way = found.trajectories[0].poses
    upright = [matrix_of_turn(np.array(pose.turn))[:, 2] for pose in way]
    assert upright[0] == pytest.approx((0, 0, 1))
    assert upright[-1] == pytest.approx((1, 0, 0), abs=0.01)
    assert way[-1].position == pytest.approx((0.4, 0, 0.1), abs=0.04)


def test_a_push_too_weak_leaves_it_standing() -> None:
    weak: dict[str, Any] = {
        "velocity": (0.15, 0, 0.05),
        "spin": (0, 28.0, 0),
        "friction": 1.0,
        "restitution": 0.0,
    }
    found = planar.solve(scene(box(position=(0, 0, 0.3), **weak), frames=49))
    assert places(found, "box")[-1] == pytest.approx((0, 0, 0.3), abs=0.02)


def test_dominoes_push_each_other() -> None:
    row = [box(f"d{i}", (0.06, 0.15, 0.3), position=(0.17 * i, 0, 0.15)) for i in range(4)]
    row[0] |= {"velocity": (0.3, 0, 0.06), "spin": (0, 115.0, 0)}
    found = planar.solve(scene(*row, frames=49))
    for i in range(4):
        assert places(found, f"d{i}")[-1][2] < 0.11, f"domino {i} stands"
    met = list(dict.fromkeys((c.a, c.b) for c in found.contacts if c.a != "ground" != c.b))
    assert met[:3] == [("d0", "d1"), ("d1", "d2"), ("d2", "d3")]


def test_a_stack_at_rest_stays_at_rest() -> None:
    stack = [box(f"b{i}", (0.2, 0.2, 0.2), position=(0, 0, 0.1 + 0.2 * i)) for i in range(3)]
    found = planar.solve(scene(*stack, frames=49))
    for i in range(3):
        assert places(found, f"b{i}")[-1] == pytest.approx((0, 0, 0.1 + 0.2 * i), abs=2e-3)


def test_what_is_behind_another_passes_it() -> None:
    found = planar.solve(
        scene(
            ball(position=(-0.5, 0.4, 0.1), velocity=(2, 0, 0)),
            box(position=(0, 0, 0.3), moves="fixed"),
        )
    )
    assert places(found, "ball")[-1][0] > 0.5


def test_the_same_scene_gives_the_same_motion() -> None:
    given = scene(ball(position=(0, 0, 0.9)), box(position=(0.05, 0, 0.3)))
    assert planar.solve(given) == planar.solve(given)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"forces": [{"kind": "wind", "strength": 3}]}, "wind"),
        ({"bodies": [ball(position=(0, 0, 1), velocity=(0, 1, 0))]}, "out of the plane"),
        ({"bodies": [box(position=(0, 0, 1), rotation=(20, 0, 0))]}, "turns out of the plane"),
        ({"bodies": [ball(position=(0, 0, 1), soft=0.2)]}, "soft"),
        ({"constraints": [{"kind": "hinge", "body": "ball", "at": (0, 0, 1)}]}, "hinge"),
    ],
)
def test_what_it_does_not_cover_it_says(told: dict[str, object], why: str) -> None:
    bodies = told.pop("bodies", [ball(position=(0, 0, 1))])
    assert why in (planar.solve(scene(*bodies, **told)).why or "")  # pyright: ignore


def test_cloth_is_left_to_blender() -> None:
    given = scene(cloths=[{"id": "flag", "position": (0, 0, 1), "pins": "left"}])
    assert "Blender" in str(planar.simulate(given, digest="-"))


def test_without_blender_the_exact_integrator_goes_first() -> None:
    drop = planar.simulate(scene(ball(position=(0, 0, 1))), digest="-")
    assert isinstance(drop, Simulation)
    assert drop.engine == "exact"
    assert all(check.passed for check in drop.checks)
    assert {check.name for check in drop.checks} >= {"free fall", "bounce height"}
    pushed: dict[str, Any] = {"velocity": (0.9, 0, 0.3), "spin": (0, 171.9, 0), "friction": 1.0}
    toppled = planar.simulate(scene(box(position=(0, 0, 0.3), **pushed)), digest="-")
    assert isinstance(toppled, Simulation)
    assert toppled.engine == "planar"
    assert "few percent" in toppled.notes[0]


def shot(*ids: str) -> Shot:
    return Shot(
        id="s", prompt="x", frames=25,
        scene_graph=SceneGraph(entities=[Entity(id=id, noun="ball") for id in ids]),
    )  # fmt: skip


def test_a_layout_is_where_the_camera_sees_the_simulation() -> None:
    given = scene(ball(position=(0.5, 0, 1.3)), box(position=(-0.5, 0, 0.3), moves="fixed"))
    simulation = planar.simulate(given, digest="-")
    assert isinstance(simulation, Simulation)
    layout = to_layout(simulation, given, shot("ball", "box"))
    track = layout.track("ball")
    # 4 m away a 50 mm lens sees 2.88 m x 1.728 m.
    for frame in (0, 7, 24):
        x, _, z = simulation.trajectory("ball").poses[frame].position
        left, top, right, bottom = track.at(frame).box
        assert (left + right) / 2 == pytest.approx(0.5 + x / 2.88, abs=1e-4)
        assert (top + bottom) / 2 == pytest.approx(0.5 - (z - 0.8) / 1.728, abs=1e-4)
        assert right - left == pytest.approx(0.2 / 2.88, abs=1e-4)
        assert bottom - top == pytest.approx(0.2 / 1.728, abs=1e-4)
    assert [track.entity for track in layout.tracks] == ["ball", "box"]


def test_a_layout_turns_as_the_simulation_does() -> None:
    rolls = ball(position=(-0.8, 0, 0.1), velocity=(1.5, 0, 0), spin=(0, 859.4367, 0))
    simulation = planar.simulate(scene(rolls), digest="-")
    assert isinstance(simulation, Simulation)
    track = to_layout(simulation, scene(rolls), shot("ball")).track("ball")
    assert track.faces == "right"
    # Rolling without slipping: as many radians as metres over its radius, clockwise.
    assert track.at(24).angle == pytest.approx(math.degrees(1.5 / 0.1), rel=0.02)


def test_of_cloth_a_layout_takes_the_measured_boxes() -> None:
    given = scene(cloths=[{"id": "flag", "entity": "flag", "position": (0, 0, 1), "pins": "left"}])
    empty = planar.simulate(scene(ball(position=(0, 0, 1))), digest="-")
    assert isinstance(empty, Simulation)
    boxes = [(0.1, 0.2, 0.4, 0.5), None, *[(0.2, 0.2, 0.5, 0.5)] * 23]
    layout = to_layout(empty, given, shot("flag"), boxes={("flag", 0): boxes})
    track = layout.track("flag")
    assert track.at(1).box == pytest.approx((0.15, 0.2, 0.45, 0.5))
    assert track.at(24).box == (0.2, 0.2, 0.5, 0.5)
