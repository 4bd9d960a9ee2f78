"""Scenes become moving things in a real Blender, and move as they should."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright_core.physics import (
    Ball,
    Block,
    Body,
    Camera,
    Cloth,
    Constraint,
    Force,
    Liquid,
    Mesh,
    Model,
    PhysicsScene,
    Smoke,
    View,
    Waypoint,
)
from reelwright_simulators.blender import worker

G = 9.81
FPS = 24
CAMERA = Camera(id="main", views=[View(position=(0, -6, 1.5), look_at=(0, 0, 0.8))])

Array = NDArray[np.float64]


def _scene(**fields: Any) -> PhysicsScene:
    return PhysicsScene(cameras=[CAMERA], size=(96, 64), **fields)


def _solve(
    scene: PhysicsScene, folder: Path, *, substeps: int | None = None
) -> tuple[dict[str, Array], dict[str, Any]]:
    """The ways of all things, [frames, 3], and the whole answer."""
    request = {"job": "simulate", "scene": scene.data(), "substeps": substeps}
    answer = worker.run(request, folder=folder)
    ways = {name: np.array(way["positions"], float) for name, way in answer["trajectories"].items()}
    for way in ways.values():
        assert way.shape == (scene.frames, 3)
    return ways, answer


def _turns(answer: dict[str, Any], thing: str) -> Array:
    return np.array(answer["trajectories"][thing]["turns"], float)


def _times(frames: int) -> Array:
    return np.arange(frames) / FPS


@pytest.mark.usefixtures("blender")
def test_a_thrown_ball_flies_its_parabola_from_exactly_where_it_was(tmp_path: Path) -> None:
    velocity, spin = np.array([1.5, 0.4, 2.0]), 270.0
    ball = Body(
        id="ball", shape=Ball(radius=0.1), position=(-1, 0, 2), velocity=(1.5, 0.4, 2.0),
        spin=(0, 0, spin),
    )  # fmt: skip
    ways, answer = _solve(_scene(frames=14, bodies=[ball]), tmp_path)
    time = _times(14)[:, None]
    expected = np.array([-1, 0, 2]) + velocity * time + np.array([0, 0, -G / 2]) * time**2
    assert np.abs(ways["ball"][0] - expected[0]).max() < 1e-6
    assert np.abs(ways["ball"] - expected).max() < 2e-3
    start = (ways["ball"][1] - ways["ball"][0]) * FPS
    assert start == pytest.approx(velocity - [0, 0, G / 2 / FPS], rel=0.01)
    turned = 2 * np.degrees(np.arctan2(_turns(answer, "ball")[:, 3], _turns(answer, "ball")[:, 0]))
    assert np.unwrap(turned, period=360) == pytest.approx(spin * _times(14), abs=1.0)


@pytest.mark.usefixtures("blender")
def test_a_ball_falls_by_the_law_and_bounces_as_its_restitution_says(tmp_path: Path) -> None:
    ball = Body(id="ball", shape=Ball(radius=0.12), position=(0, 0, 1.12), restitution=0.75)
    ways, answer = _solve(_scene(frames=30, bodies=[ball]), tmp_path)
    height = ways["ball"][:, 2] - 0.12
    fall = _times(10)[1:]
    assert 1 - height[1:10] == pytest.approx(G / 2 * fall**2, rel=0.02)
    assert height[12:].max() == pytest.approx(0.75**2, rel=0.02)
    met = [each for each in answer["contacts"] if {each["a"], each["b"]} == {"ball", "ground"}]
    assert met[0]["frame"] == math.ceil(math.sqrt(2 / G) * FPS)
    assert met[0]["speed"] == pytest.approx(math.sqrt(2 * G), rel=0.05)
    assert met[0]["position"] == pytest.approx([0, 0, 0], abs=0.03)


@pytest.mark.usefixtures("blender")
def test_dominoes_fall_one_after_another_and_the_same_in_every_process(tmp_path: Path) -> None:
    row = [
        Body(
            id=f"domino-{i}", shape=Model(name="domino", height=0.4), position=(0.2 * i, 0, 0.2),
            material="plastic",
        )
        for i in range(5)
    ]  # fmt: skip
    ball = Body(
        id="ball", shape=Ball(radius=0.1), material="rubber", position=(-0.4, 0, 0.28),
        velocity=(2.2, 0, 0),
    )  # fmt: skip
    scene = _scene(frames=40, bodies=[ball, *row])
    ways, answer = _solve(scene, tmp_path / "a", substeps=40)
    assert all(ways[each.id][-1, 2] < 0.16 for each in row)
    fell = [int(np.argmax(ways[each.id][:, 2] < 0.18)) for each in row]
    assert fell == sorted(fell)
    met = {(each["a"], each["b"]): each["frame"] for each in reversed(answer["contacts"])}
    first = met["domino-3", "domino-4"]
    assert 5 < first < 40
    again, _ = _solve(scene, tmp_path / "b", substeps=40)
    for name, way in ways.items():
        assert np.array_equal(way, again[name])


@pytest.mark.usefixtures("blender")
def test_a_rod_keeps_its_length_and_swings_in_its_period(tmp_path: Path) -> None:
    bob = Body(
        id="bob", shape=Ball(radius=0.05), material="metal",
        position=(math.sin(0.2), 0, 2 - math.cos(0.2)),
    )  # fmt: skip
    rod = Constraint(kind="rod", body="bob", at=(0, 0, 2))
    ways, _ = _solve(_scene(frames=49, bodies=[bob], constraints=[rod]), tmp_path)
    away = ways["bob"] - [0, 0, 2]
    assert np.linalg.norm(away, axis=1) == pytest.approx(np.ones(49), abs=2e-3)
    period = 2 * math.pi * math.sqrt(1 / G) * (1 + 0.2**2 / 16)
    back = 40 + int(np.argmax(ways["bob"][40:, 0]))
    assert back / FPS == pytest.approx(period, abs=0.5 / FPS + 0.03 * period)


@pytest.mark.usefixtures("blender")
def test_a_spring_swings_about_where_it_rests(tmp_path: Path) -> None:
    load = Body(id="load", shape=Block(size=(0.2, 0.2, 0.2)), position=(0, 0, 1), mass=0.5)
    spring = Constraint(kind="spring", body="load", at=(0, 0, 2.2), length=1.0, stiffness=40.0)
    ways, _ = _solve(_scene(frames=45, bodies=[load], constraints=[spring]), tmp_path)
    z = ways["load"][:, 2]
    rest, rate = 1.2 - 0.5 * G / 40, math.sqrt(40 / 0.5)
    assert z == pytest.approx(rest + (1 - rest) * np.cos(rate * _times(45)), abs=0.02)


@pytest.mark.usefixtures("blender")
def test_a_driven_body_keeps_to_its_path_and_pushes(tmp_path: Path) -> None:
    pusher = Body(
        id="pusher", shape=Block(size=(0.2, 0.6, 0.4)), position=(-0.6, 0, 0.2), moves="driven",
        path=[Waypoint(frame=0, position=(-0.6, 0, 0.2)),
              Waypoint(frame=24, position=(0.6, 0, 0.2))],
    )  # fmt: skip
    pushed = Body(id="pushed", shape=Block(size=(0.3, 0.3, 0.3)), position=(0, 0, 0.15))
    ways, _ = _solve(_scene(frames=25, bodies=[pusher, pushed]), tmp_path)
    assert ways["pusher"][:, 0] == pytest.approx(np.linspace(-0.6, 0.6, 25), abs=1e-4)
    assert ways["pushed"][-1, 0] > 0.8


@pytest.mark.usefixtures("blender")
def test_a_given_motion_is_taken_as_it_is(tmp_path: Path) -> None:
    ball = Body(id="ball", shape=Ball(radius=0.1), position=(0, 0, 1))
    scene = _scene(frames=6, bodies=[ball])
    positions = [[0.1 * f, 0.0, 1.0 + 0.05 * f * f] for f in range(6)]
    turns = [[math.cos(0.1 * f), 0.0, math.sin(0.1 * f), 0.0] for f in range(6)]
    motion = {"ball": {"positions": positions, "turns": turns}}
    request = {"job": "simulate", "scene": scene.data(), "motion": motion}
    answer = worker.run(request, folder=tmp_path)
    assert answer["trajectories"]["ball"]["positions"] == pytest.approx(np.array(positions))
    assert answer["contacts"] == []


@pytest.mark.usefixtures("blender")
def test_cloth_comes_to_rest_over_a_table(tmp_path: Path) -> None:
    table = Body(
        id="table", shape=Model(name="table", height=0.6), position=(0, 0, 0.3), moves="fixed"
    )
    cloth = Cloth(id="cloth", size=(1.2, 0.9), position=(0, 0, 0.75), lies=True, detail=14)
    ways, _ = _solve(_scene(frames=30, bodies=[table], cloths=[cloth]), tmp_path)
    z = ways["cloth"][:, 2]
    assert 0.45 < z[-1] < 0.65
    assert np.ptp(z[-4:]) < 0.01


def _flag(speed: float, folder: Path) -> Array:
    flag = Cloth(id="flag", size=(1.2, 0.8), position=(0.6, 0, 1.6), pins="left", detail=14)
    wind = Force(kind="wind", strength=speed, direction=(1, 0.15, 0), gusts=0.2)
    scene = _scene(frames=30, cloths=[flag], forces=[wind])
    return _solve(scene, folder)[0]["flag"]


@pytest.mark.usefixtures("blender")
def test_a_strong_wind_moves_a_flag_more_than_a_light_one(tmp_path: Path) -> None:
    ways = {speed: _flag(speed, tmp_path / str(speed)) for speed in (0, 3, 15)}
    moved = {s: float(np.linalg.norm(way - way[0], axis=1).max()) for s, way in ways.items()}
    assert moved[0] < 0.05 < moved[3] < moved[15] / 2
    # It hangs at first, and then streams: its middle is half its width away from the pole.
    assert ways[15][0, 0] < 0.3
    assert ways[15][-1, 0] == pytest.approx(0.6, abs=0.1)


@pytest.mark.usefixtures("blender")
def test_a_soft_ball_falls_freely_and_stays_above_the_ground(tmp_path: Path) -> None:
    ball = Body(id="ball", shape=Ball(radius=0.25), position=(0, 0, 1), soft=0.3)
    ways, _ = _solve(_scene(frames=24, bodies=[ball]), tmp_path)
    z = ways["ball"][:, 2]
    assert 1 - z[5:9] == pytest.approx(G / 2 * _times(24)[5:9] ** 2, rel=0.03)
    assert 0.1 < z.min() < 0.25


@pytest.mark.usefixtures("blender")
def test_water_is_caught_by_a_glass(tmp_path: Path) -> None:
    glass = Body(
        id="glass", shape=Model(name="glass", height=0.6), material="glass", position=(0, 0, 0.3),
        moves="fixed",
    )  # fmt: skip
    water = Liquid(
        id="water", centre=(0, 0, 0.5), size=(0.6, 0.6, 1.0), source=(0, 0, 0.85), radius=0.06,
        velocity=(0, 0, -1), until=8, detail=24,
    )  # fmt: skip
    ways, _ = _solve(_scene(frames=18, bodies=[glass], liquids=[water]), tmp_path)
    x, y, z = ways["water"][-1]
    assert math.hypot(x, y) < 0.1
    assert 0.05 < z < 0.3


@pytest.mark.usefixtures("blender")
def test_smoke_rises(tmp_path: Path) -> None:
    smoke = Smoke(
        id="smoke", centre=(0, 0, 0.9), size=(0.9, 0.9, 1.6), source=(0, 0, 0.3), detail=20
    )
    ways, _ = _solve(_scene(frames=8, smokes=[smoke]), tmp_path)
    z = ways["smoke"][:, 2]
    assert z[-1] > z[1] + 0.02
    assert np.abs(ways["smoke"][-1, :2]).max() < 0.1


_MODELS = (
    "car",
    "house",
    "tree",
    "mug",
    "bowl",
    "table",
    "flagpole",
    "pin",
    "bottle",
    "basketball",
)


@pytest.mark.usefixtures("blender")
def test_models_and_meshes_stand_on_the_ground_as_high_as_said(tmp_path: Path) -> None:
    (tmp_path / "block.obj").write_text(
        "".join(f"v {x} {y} {z}\n" for x in (0, 2) for y in (0, 1) for z in (0, 1))
        + "f 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nf 1 3 7 5\nf 2 6 8 4\n"
    )
    bodies = [
        Body(id=name, shape=Model(name=name, height=0.6), position=(2.0 * i, 0, 0.3), friction=0.9)
        for i, name in enumerate(_MODELS)
    ]
    mesh = Mesh(path="block.obj", height=0.6)
    bodies.append(Body(id="mesh", shape=mesh, position=(-2, 0, 0.3)))
    ways, _ = _solve(_scene(frames=6, bodies=bodies), tmp_path)
    for body in bodies:
        assert np.abs(ways[body.id] - ways[body.id][0]).max() < 0.01, body.id
