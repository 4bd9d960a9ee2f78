"""The exact integrator against closed forms, and against brute force where there is none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright_core.physics import PhysicsScene
from reelwright_simulators.exact import Exact, solve
from reelwright_simulators.solids import solid_of
from reelwright_simulators.testing import Array, G, ball, block, on_ramp, places, ramp, scene

FPS = 24


def solved(told: PhysicsScene) -> Exact:
    found = solve(told)
    assert found.why is None
    return found


def way(told: PhysicsScene, thing: str = "ball") -> Array:
    return places(solved(told).trajectories, thing)


def seconds(told: PhysicsScene) -> Array:
    return np.arange(told.frames) / float(told.fps)


def test_a_dropped_ball_bounces_as_the_formula_says() -> None:
    e, r, high = 0.8, 0.12, 1.5
    told = scene(ball(position=(0, 0, high), restitution=e))
    expected: list[float] = []
    for t in seconds(told).tolist():
        begin, speed, height = 0.0, 0.0, high - r
        while True:
            lands = (speed + math.sqrt(speed**2 + 2 * G * height)) / G
            if t - begin < lands:
                break
            begin, speed, height = begin + lands, e * (G * lands - speed), 0.0
        t -= begin
        expected.append(r + height + speed * t - G * t * t / 2)
    assert np.abs(way(told)[:, 2] - expected).max() < 1e-9


def test_drag_slows_a_flight_exponentially() -> None:
    told = scene(ball(position=(0, 0, 40), velocity=(3, 0, 1), drag=0.4), ground=None)
    k, t = -math.log(0.6), seconds(told)
    gone = (1 - np.exp(-k * t)) / k
    found = way(told)
    assert np.abs(found[:, 0] - 3 * gone).max() < 1e-9
    assert np.abs(found[:, 2] - (40 + gone - G * (t - gone) / k)).max() < 1e-9


def test_contacts_are_told_in_the_first_frame_after_them() -> None:
    found = solved(scene(ball(position=(0, 0, 1.12), restitution=0.5), frames=24))
    falls = math.sqrt(2 / G)
    speed = G * falls
    assert [c.frame for c in found.contacts[:2]] == [
        math.ceil(falls * FPS),
        math.ceil((falls + 2 * 0.5 * speed / G) * FPS),
    ]
    assert [c.speed for c in found.contacts[:2]] == pytest.approx([speed, 0.5 * speed])
    assert {(c.a, c.b) for c in found.contacts} == {("ball", "ground")}
    assert found.contacts[0].position == pytest.approx((0, 0, 0), abs=1e-9)


def test_bounces_die_out_and_the_ball_lies_still() -> None:
    found = way(scene(ball(position=(0, 0, 0.5), restitution=0.5), frames=72))
    assert np.abs(found[60:, 2] - 0.12).max() < 1e-9
    assert np.ptp(found[60:], axis=0).max() < 1e-9


def test_a_ball_without_loss_bounces_for_ever() -> None:
    found = solved(scene(ball(position=(0, 0, 1), restitution=1), frames=120))
    speed = np.linalg.norm(found.velocities["ball"], axis=1)
    energy = speed**2 / 2 + G * places(found.trajectories, "ball")[:, 2]
    assert energy == pytest.approx(np.full(120, G), rel=1e-9)


@pytest.mark.parametrize("spin", [0.0, -3000.0, 2000.0])
def test_friction_of_a_bounce_is_coulombs(spin: float) -> None:
    e, mu, r = 0.7, 0.3, 0.12
    told = scene(
        ball(
            position=(-1, 0, 1), velocity=(2, 0, 0), spin=(0, spin, 0), restitution=e, friction=mu
        ),
        ground={"friction": 1.0},
        frames=14,
    )
    found = solved(told)
    down, w = math.sqrt(2 * G * (1 - r)), math.radians(spin)
    slip = 2 - r * w
    push = min(mu * (1 + e) * down, abs(slip) / 3.5) * math.copysign(1, slip)
    assert found.contacts[0].frame <= 13
    assert found.velocities["ball"][13][0] == pytest.approx(2 - push, abs=1e-9)


def test_a_sliding_ball_comes_to_roll_at_five_sevenths() -> None:
    told = scene(ball(position=(-1, 0, 0.12), velocity=(2, 0, 0), friction=0.5), frames=48)
    found = solved(told)
    mu, t = 0.5 * 0.6, seconds(told)
    until = 2 * 2 / (7 * mu * G)
    x = np.where(
        t < until,
        2 * t - mu * G * t * t / 2,
        2 * until - mu * G * until**2 / 2 + 10 / 7 * (t - until),
    )
    assert np.abs(places(found.trajectories, "ball")[:, 0] + 1 - x).max() < 1e-9
    assert found.velocities["ball"][-1] == pytest.approx((10 / 7, 0, 0), abs=1e-9)


@pytest.mark.parametrize(
    ("body", "above", "share"),
    [
        (ball(friction=1), 0.12, 5 / 7),
        (
            {
                "id": "ball",
                "shape": {"kind": "cylinder", "radius": 0.1, "height": 0.3},
                "rotation": (90, 0, 0),
                "friction": 1,
            },
            0.1,
            2 / 3,
        ),
        (ball(friction=0), 0.12, 1.0),
    ],
)
def test_balls_and_cylinders_roll_down_a_ramp(body: Any, above: float, share: float) -> None:
    start = on_ramp(20, 0.7, above)
    told = scene(ramp(20, friction=0.9), body | {"position": tuple(start)}, frames=14)
    found = way(told)
    along = np.array([math.cos(math.radians(20)), 0, -math.sin(math.radians(20))])
    expected = share * G * math.sin(math.radians(20)) * seconds(told) ** 2 / 2
    assert np.abs(found - start - expected[:, None] * along).max() < 1e-9


def test_a_block_slides_down_a_slippery_table_top_and_stops_by_friction() -> None:
    told = scene(block(position=(0, 0, 0.15), velocity=(2, 0, 0), friction=0.5))
    t = np.minimum(seconds(told), 2 / (0.3 * G))
    assert np.abs(way(told, "block")[:, 0] - (2 * t - 0.3 * G * t * t / 2)).max() < 1e-9


def test_a_ball_that_slides_aslant_on_a_ramp_agrees_with_brute_force() -> None:
    mu, r, degrees = 0.2, 0.12, 25
    start = on_ramp(degrees, 0.9, r)
    told = scene(
        ramp(degrees, friction=mu / 0.5),
        ball(position=tuple(start), velocity=(0, 0.9, 0), friction=0.5),
        frames=12,
    )
    a = math.radians(degrees)
    # In the plane of the ramp: x down along it, y across.
    place, velocity, spun = np.zeros(2), np.array([0.0, 0.9]), np.zeros(2)
    pull, press = np.array([G * math.sin(a), 0]), G * math.cos(a)
    step = 1e-5
    for _ in range(round(11 / FPS / step)):
        slip = velocity - spun
        size = float(np.linalg.norm(slip))
        friction = -mu * press * slip / size if size > 1e-4 else -2 / 7 * pull
        velocity = velocity + step * (pull + friction)
        spun = spun - step * 2.5 * friction
        place = place + step * velocity
    moved = way(told)[-1] - start
    assert moved[1] == pytest.approx(place[1], abs=2e-5)
    assert math.hypot(moved[0], moved[2]) == pytest.approx(place[0], abs=2e-5)


def test_balls_meet_without_friction_as_billiards_tells() -> None:
    told = scene(
        ball("a", position=(-1, 0, 0), velocity=(3, 0, 0), mass=1, friction=0, restitution=0.9),
        ball("b", position=(0, 0.1, 0), mass=2.5, friction=0, restitution=1),
        ground=None,
        gravity=(0, 0, 0),
        frames=20,
    )
    found = solved(told)
    normal = np.array([-math.sqrt(0.24**2 - 0.1**2), -0.1, 0]) / 0.24
    push = 1.9 * -3 * normal[0] / (1 + 1 / 2.5)
    assert found.velocities["a"][-1] == pytest.approx(np.array([3, 0, 0]) + push * normal)
    assert found.velocities["b"][-1] == pytest.approx(-push / 2.5 * normal)
    assert found.contacts[0].speed == pytest.approx(-3 * normal[0])


def test_a_driven_block_knocks_a_ball_away() -> None:
    path = [
        {"frame": 0, "position": (-1, 0, 0.2)},
        {"frame": 12, "position": (0, 0, 0.2)},
    ]
    told = scene(
        block("hand", (0.1, 0.4, 0.4), position=(-1, 0, 0.2), moves="driven", path=path),
        ball(position=(-0.2, 0, 0.2), friction=0, restitution=0.8),
        gravity=(0, 0, 0),
        frames=20,
    )
    found = solved(told)
    e = 0.8 * 0.5
    assert found.velocities["ball"][-1] == pytest.approx((2 * (1 + e), 0, 0), abs=1e-5)
    assert ("ball", "hand") in {(c.a, c.b) for c in found.contacts}


def pendulum(degrees: float, length: float, **more: Any) -> PhysicsScene:
    a = math.radians(degrees)
    start = (length * math.sin(a), 0, 3 - length * math.cos(a))
    return scene(
        ball(position=start),
        constraints=[{"kind": "rod", "body": "ball", "at": (0, 0, 3)}],
        **more,
    )


@pytest.mark.parametrize(("degrees", "length"), [(10, 1.0), (80, 1.3), (150, 0.4)])
def test_a_pendulum_agrees_with_brute_force(degrees: float, length: float) -> None:
    told = pendulum(degrees, length)
    angle, rate, step = math.radians(degrees), 0.0, 1 / FPS / 2000
    expected: list[float] = [angle]
    for _ in range(told.frames - 1):
        for _ in range(2000):
            # Velocity Verlet.
            rate -= G / length * math.sin(angle) * step / 2
            angle += rate * step
            rate -= G / length * math.sin(angle) * step / 2
        expected.append(angle)
    found = way(told) - (0, 0, 3)
    assert np.abs(found[:, 0] - length * np.sin(expected)).max() < 1e-6
    assert np.abs(found[:, 2] + length * np.cos(expected)).max() < 1e-6


def test_a_weight_on_a_damped_spring_oscillates_as_the_formula_says() -> None:
    k, c, m = 40.0, 1.2, 1.5
    told = scene(
        ball(position=(0, 0, 2), mass=m),
        constraints=[
            {"kind": "spring", "body": "ball", "at": (0, 0, 3), "length": 0.7, "stiffness": k,
             "damping": c}
        ],
    )  # fmt: skip
    t, fade = seconds(told), c / m / 2
    rate = math.sqrt(k / m - fade**2)
    rest = 3 - 0.7 - m * G / k
    away = (2 - rest) * np.exp(-fade * t) * (np.cos(rate * t) + fade / rate * np.sin(rate * t))
    assert np.abs(way(told)[:, 2] - rest - away).max() < 1e-7


def test_two_balls_on_a_spring_swing_about_their_common_middle() -> None:
    told = scene(
        ball("a", position=(-0.6, 0, 1), mass=1),
        ball("b", position=(0.6, 0, 1), mass=3),
        constraints=[
            {"kind": "spring", "body": "a", "to": "b", "at": (0.6, 0, 1), "length": 0.9,
             "stiffness": 60}
        ],
        gravity=(0, 0, 0),
        ground=None,
    )  # fmt: skip
    found = solved(told)
    a, b = (places(found.trajectories, name)[:, 0] for name in "ab")
    assert (a + 3 * b) / 4 == pytest.approx(np.full(told.frames, 0.3))
    rate = math.sqrt(60 * (1 + 1 / 3))
    assert np.abs(b - a - 0.9 - 0.3 * np.cos(rate * seconds(told))).max() < 1e-7


def test_newtons_cradle_hands_the_speed_on() -> None:
    high = 1 - math.cos(0.7)
    told = scene(
        *(
            ball(
                f"b{i}",
                0.1,
                position=(0.2 * i, 0, 1) if i else (-math.sin(0.7), 0, 1 + high),
                restitution=1,
            )
            for i in range(4)
        ),
        constraints=[{"kind": "rod", "body": f"b{i}", "at": (0.2 * i, 0, 2)} for i in range(4)],
        frames=30,
    )
    found = solved(told)
    last = places(found.trajectories, "b3")
    assert last[:, 2].max() == pytest.approx(1 + high, abs=0.02)
    assert np.abs(places(found.trajectories, "b1")[:, 0] - 0.2).max() < 1e-6
    assert [(c.a, c.b) for c in found.contacts] == [("b0", "b1"), ("b1", "b2"), ("b2", "b3")]


def test_a_car_rides_down_a_ramp_and_on() -> None:
    car = {"id": "car", "shape": {"kind": "model", "name": "car", "height": 0.2}}
    start = on_ramp(20, 0.6, 0.1)
    told = scene(ramp(20), car | {"position": tuple(start), "rotation": (0, 20, 0)})
    found = solved(told)
    went = np.linalg.norm(places(found.trajectories, "car") - start, axis=1)
    pull = G * math.sin(math.radians(20))
    assert np.abs(went[:12] - pull * seconds(told)[:12] ** 2 / 2).max() < 1e-9
    final = found.velocities["car"][-1]
    assert final == pytest.approx((math.sqrt(2 * G * (start[2] - 0.1)), 0, 0), rel=1e-6, abs=1e-9)
    turn = found.trajectories[1].poses[-1].turn
    assert turn == pytest.approx((1, 0, 0, 0), abs=1e-9)


def test_a_car_rolls_over_the_lip_of_a_plank_and_falls_from_a_higher_one() -> None:
    car = {"id": "car", "shape": {"kind": "model", "name": "car", "height": 0.2}}
    for lip, why in ((0.0, None), (0.025, None), (0.08, "drives over an edge")):
        plank = ramp(20)
        plank["position"] = (0, 0, plank["position"][2] + lip)
        start = on_ramp(20, 0.6, 0.1) + np.array([0, 0, lip])
        found = solve(scene(plank, car | {"position": tuple(start), "rotation": (0, 20, 0)}))
        assert (found.why and why in found.why) if why else found.why is None
        if why is None:
            speed = math.sqrt(2 * G * (start[2] - 0.1))
            assert found.velocities["car"][-1] == pytest.approx((speed, 0, 0), rel=1e-6, abs=1e-9)


def test_a_car_faces_where_it_drives() -> None:
    car = {"id": "car", "shape": {"kind": "model", "name": "car", "height": 0.3}}
    told = scene(car | {"position": (1, 0, 0.15), "rotation": (0, 0, 180), "velocity": (-1, 0, 0)})
    found = solved(told)
    assert places(found.trajectories, "car")[24] == pytest.approx((0, 0, 0.15), abs=1e-9)
    assert np.abs(found.trajectories[0].poses[24].turn) == pytest.approx((0, 0, 0, 1), abs=1e-9)


def test_a_ball_rolls_over_the_edge_of_a_table_without_gaining_energy() -> None:
    top = block("table", (1, 0.6, 0.1), position=(0, 0, 0.75), moves="fixed", friction=2)
    r, speed = 0.12, 0.6
    told = scene(
        top,
        ball(
            position=(0.3, 0, 0.8 + r),
            velocity=(speed, 0, 0),
            spin=(0, math.degrees(speed / r), 0),
            friction=2,
        ),
        frames=60,
        fps=120,
    )
    found = solved(told)
    moved, velocity = places(found.trajectories, "ball"), found.velocities["ball"]
    over = np.flatnonzero(moved[:, 0] > 0.5)
    assert len(over)
    # It rolls about the edge, 7/10 v² + g z stays, until the edge can press no more:
    # v²/r = g cos θ there, so cos θ = (1 + 7 v²/10 g r) / 1.7.
    cosine = (1 + 0.7 * speed**2 / (G * r)) / 1.7
    rolling = [f for f in over if (moved[f, 2] - 0.8) / r > cosine + 0.05]
    energy = 0.7 * (velocity[rolling] ** 2).sum(1) + G * moved[rolling, 2]
    assert len(rolling) > 1
    assert energy == pytest.approx(np.full(len(rolling), 0.7 * speed**2 + G * (0.8 + r)), rel=1e-6)


def test_a_ball_comes_to_rest_between_ground_and_wall() -> None:
    wall = block("wall", (0.1, 1, 1), position=(1.2, 0, 0.5), moves="fixed", restitution=0)
    start = on_ramp(20, -0.5, 0.1)
    told = scene(
        ramp(20, friction=1, restitution=0),
        wall,
        ball(radius=0.1, position=tuple(start), friction=1, drag=0.6),
        ground={"restitution": 0.0},
        frames=96,
    )
    found = places(solved(told).trajectories, "ball")
    assert found[-1] == pytest.approx((1.05, 0, 0.1), abs=1e-9)
    assert np.ptp(found[-40:], axis=0).max() == 0


@pytest.mark.parametrize("e", [0.0, 0.3, 0.9])
def test_a_rolling_ball_comes_back_from_a_wall_with_less_speed(e: float) -> None:
    wall = block("wall", (0.1, 1, 1), position=(0.67, 0, 0.5), moves="fixed", restitution=e)
    rolling = ball(
        position=(0, 0, 0.12),
        velocity=(2, 0, 0),
        spin=(0, math.degrees(2 / 0.12), 0),
        restitution=1,
        friction=0,
    )
    found = solved(scene(wall, rolling))
    assert found.velocities["ball"][-1] == pytest.approx((-2 * e, 0, 0), abs=1e-9)
    meeting = next(c for c in found.contacts if c.b == "wall")
    assert meeting.frame == math.ceil((0.62 - 0.12) / 2 * FPS)
    assert meeting.speed == pytest.approx(2)


def test_things_that_nothing_touches_stand_where_they_stand() -> None:
    told = scene(
        block("a", position=(-1, 0, 0.15)),
        {"id": "tree", "shape": {"kind": "model", "name": "tree", "height": 1},
         "position": (1, 1, 0.5), "moves": "fixed"},
        ball(position=(0, 0, 1)),
        frames=24,
    )  # fmt: skip
    found = solved(told)
    for name in ("a", "tree"):
        assert np.ptp(places(found.trajectories, name), axis=0).max() == 0


DOMINO = {"id": "d", "shape": {"kind": "model", "name": "domino", "height": 0.5}}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (scene(block("low", position=(0, 0, 0.15)), block("high", position=(0, 0, 0.45))), "high"),
        (
            scene(
                DOMINO | {"position": (0.4, 0, 0.25)},
                ball(position=(0, 0, 0.2), velocity=(3, 0, 0)),
            ),
            "'ball' meets 'd', which may turn over",
        ),
        (scene(block(position=(0, 0, 1), rotation=(30, 0, 0))), "does not fall flat"),
        (scene(block(position=(0, 0, 1), spin=(90, 0, 0))), "turns as it meets"),
        (
            scene(
                block(size=(0.1, 0.1, 0.6), position=(0, 0, 0.3), velocity=(2, 0, 0), friction=1),
            ),
            "would topple",
        ),
        (
            scene(ball(position=(0, 0, 1)), forces=[{"kind": "wind", "strength": 3}]),
            "a wind may push 'ball'",
        ),
        (
            scene(
                ball(position=(0, 0, 1)),
                constraints=[{"kind": "hinge", "body": "ball", "at": (0, 0, 2)}],
            ),
            "'hinge'",
        ),
        (scene(ball("a", position=(0, 0, 0.12)), ball("b", position=(0, 0, 0.36))), "pressed"),
        (scene(ball("a", position=(0, 0, 1)), ball("b", position=(0, 0, 1.1))), "starts inside"),
        (scene(ball(position=(0, 0, 0.05))), "starts inside 'ground'"),
        (
            scene(
                {"id": "mug", "shape": {"kind": "model", "name": "mug"}, "position": (0, 0, 0.15),
                 "moves": "fixed"},
                ball(position=(0, 0, 1)),
            ),
            "'ball' reaches 'mug'",
        ),
    ],
)  # fmt: skip
def test_what_is_not_covered_is_told_with_its_name(told: PhysicsScene, why: str) -> None:
    found = solve(told)
    assert not found.covered
    assert found.trajectories == []
    assert why in (found.why or "")


def test_cloth_and_soft_bodies_are_left_to_blender_and_the_rest_is_exact() -> None:
    told = scene(
        ball(position=(0, 0, 1)),
        ball("jelly", position=(1, 0, 1), soft=0.2),
        cloths=[{"id": "flag", "position": (0, 2, 1), "pins": "left"}],
        frames=8,
    )
    found = solved(told)
    assert [each.thing for each in found.trajectories] == ["ball"]
    assert any("jelly" in note for note in found.notes)
    assert any("flag" in note for note in found.notes)


SPEED = st.floats(-4, 4)


@st.composite
def throws(draw: st.DrawFn) -> PhysicsScene:
    bodies: list[dict[str, Any]] = []
    for i in range(draw(st.integers(1, 2))):
        bodies.append(
            ball(
                f"b{i}",
                draw(st.floats(0.08, 0.2)),
                position=(1.2 * i - 0.6, draw(st.floats(-0.1, 0.1)), draw(st.floats(0.3, 1.5))),
                velocity=(draw(SPEED), draw(st.floats(-0.5, 0.5)), draw(SPEED)),
                spin=(draw(st.floats(-900, 900)), draw(st.floats(-900, 900)), 0),
                restitution=draw(st.floats(0, 1)),
                friction=draw(st.floats(0, 1)),
                mass=draw(st.floats(0.2, 5)),
            )
        )
    return scene(*bodies, frames=17)


def energies(told: PhysicsScene, found: Exact) -> Array:
    total = np.zeros(told.frames)
    for body in told.bodies:
        assert body.mass is not None
        speed = (found.velocities[body.id] ** 2).sum(1) / 2
        total += body.mass * (speed + G * places(found.trajectories, body.id)[:, 2])
    return total


@given(throws())
@settings(max_examples=15)
def test_energy_never_grows(told: PhysicsScene) -> None:
    found = solve(told)
    if not found.covered:
        return
    spun = sum(
        0.2
        * (body.mass or 0)
        * (solid_of(body).size[2] / 2) ** 2
        * (np.radians(body.spin) ** 2).sum()
        for body in told.bodies
    )
    total = energies(told, found)
    assert total.max() <= total[0] + spun + 1e-6


@given(throws())
@settings(max_examples=10)
def test_a_mirrored_scene_moves_mirrored(told: PhysicsScene) -> None:
    data = told.data()
    for body in data["bodies"]:
        for key in ("position", "velocity"):
            body[key][0] *= -1
        # A spin is an axial vector: mirrored in x it keeps its x.
        body["spin"][1] *= -1
        body["spin"][2] *= -1
    one, other = solve(told), solve(PhysicsScene.from_data(data))
    assert one.covered == other.covered
    for a, b in zip(one.trajectories, other.trajectories, strict=True):
        mirrored = places(other.trajectories, b.thing) * (-1, 1, 1)
        assert np.abs(places(one.trajectories, a.thing) - mirrored).max() < 1e-8


@given(throws())
@settings(max_examples=10)
def test_twice_the_frame_rate_is_the_same_motion(told: PhysicsScene) -> None:
    finer = told.model_copy(update={"fps": told.fps * 2, "frames": 2 * told.frames - 1})
    one, other = solve(told), solve(finer)
    assert one.covered == other.covered
    for a in one.trajectories:
        fine = places(other.trajectories, a.thing)[::2]
        assert np.abs(places(one.trajectories, a.thing) - fine).max() < 1e-6


@given(
    velocity=st.tuples(SPEED, SPEED, SPEED),
    masses=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
    aside=st.floats(-0.2, 0.2),
)
@settings(max_examples=20)
def test_an_elastic_collision_keeps_momentum_and_energy(
    velocity: tuple[float, float, float], masses: tuple[float, float], aside: float
) -> None:
    told = scene(
        ball("a", position=(-0.5, aside, 1), velocity=(5, 0, 0), mass=masses[0], restitution=1,
             friction=0),
        ball("b", position=(0.5, 0, 1), velocity=velocity, mass=masses[1], restitution=1,
             friction=0),
        ground=None,
        gravity=(0, 0, 0),
        frames=25,
    )  # fmt: skip
    found = solved(told)
    a, b = found.velocities["a"], found.velocities["b"]
    momentum = masses[0] * a + masses[1] * b
    energy = masses[0] * (a * a).sum(1) + masses[1] * (b * b).sum(1)
    assert np.abs(momentum - momentum[0]).max() < 1e-9
    assert energy == pytest.approx(np.full(25, energy[0]), rel=1e-9)


def test_the_same_scene_gives_the_same_bytes() -> None:
    told = scene(
        ball("a", position=(-0.6, 0, 1), velocity=(2, 0, 0)), ball("b", position=(0.6, 0.05, 0.9))
    )
    assert repr(solve(told).trajectories) == repr(solve(told).trajectories)
