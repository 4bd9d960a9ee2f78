"""The checks pass what is right, notice what is wrong, and know nothing of how it was made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reelwright_core.physics import Check, Contact, PhysicsScene, Pose, Trajectory
from reelwright_simulators.checks import check, miss, pendulum_period, table, unmeasured
from reelwright_simulators.exact import Exact, solve
from reelwright_simulators.testing import Array, G, ball, block, on_ramp, ramp, scene

DROP = scene(ball(position=(0, 0, 1.5), restitution=0.8), frames=60)
THROW = scene(
    ball(position=(-1, 0, 1), velocity=(2, 0, 2), restitution=0.7, friction=0.5), frames=40
)
MEETING = scene(
    ball("a", position=(-0.8, 0, 0.12), velocity=(3, 0, 0), restitution=0.9, friction=0),
    ball("b", position=(0, 0.05, 0.12), mass=3, restitution=1, friction=0),
    frames=20,
)
SWING = scene(
    ball(position=(0.8, 0, 1.4)),
    constraints=[{"kind": "rod", "body": "ball", "at": (0, 0, 2)}],
    frames=72,
)
SPRING = scene(
    ball(position=(0, 0, 1), mass=1),
    constraints=[{"kind": "spring", "body": "ball", "at": (0, 0, 2), "stiffness": 50,
                  "damping": 0.5}],
)  # fmt: skip
ROLL = scene(
    ramp(15, friction=1), ball(position=tuple(on_ramp(15, 0.8, 0.12)), friction=1), frames=25
)
CAR = scene(
    ramp(15),
    {"id": "car", "shape": {"kind": "model", "name": "car", "height": 0.2},
     "position": tuple(on_ramp(15, 0.5, 0.1)), "rotation": (0, 15, 0)},
    frames=25,
)  # fmt: skip


def judged(told: PhysicsScene, found: Exact | None = None) -> list[Check]:
    found = found or solve(told)
    assert found.why is None
    return check(told, found.trajectories, found.contacts)


def names(checks: list[Check], *, passed: bool = True) -> set[str]:
    return {each.name for each in checks if each.passed == passed}


def changed(told: PhysicsScene, thing: str, change: Callable[[Array], Array]) -> list[Check]:
    """The checks of the exact motion, with the way of one thing changed."""
    found = solve(told)
    ways: list[Trajectory] = []
    for way in found.trajectories:
        places = np.array([pose.position for pose in way.poses])
        if way.thing == thing:
            places = change(places.copy())
        ways.append(moved(way.thing, places, [pose.turn for pose in way.poses]))
    return check(told, ways, found.contacts)


def moved(thing: str, places: Array, turns: Any = None) -> Trajectory:
    turns = turns if turns is not None else [(1.0, 0.0, 0.0, 0.0)] * len(places)
    return Trajectory(
        thing=thing,
        poses=[
            Pose(position=tuple(place), turn=turn)
            for place, turn in zip(places.tolist(), turns, strict=True)
        ],
    )


@pytest.mark.parametrize(
    ("told", "laws"),
    [
        (DROP, {"free fall", "bounce height", "energy", "no overlap"}),
        (THROW, {"free fall", "projectile range", "bounce height", "energy"}),
        (MEETING, {"momentum", "restitution", "energy", "no overlap"}),
        (SWING, {"pendulum period", "length of the rod", "energy"}),
        (SPRING, {"spring period", "energy"}),
        (ROLL, {"rolling", "acceleration on a ramp", "energy"}),
        (CAR, {"acceleration on a ramp", "energy"}),
        (scene(block(position=(0, 0, 0.15))), {"resting", "no overlap"}),
    ],
)
def test_exact_motion_passes_with_nothing_to_spare(told: PhysicsScene, laws: set[str]) -> None:
    found = judged(told)
    assert laws <= names(found)
    assert names(found, passed=False) == set()
    assert miss(found) < 0.02


def test_a_fall_with_ten_percent_more_gravity_is_noticed() -> None:
    t = np.arange(12) / 24
    told = DROP.model_copy(update={"frames": 12})
    for share, passes in ((1.0, True), (1.01, True), (1.1, False)):
        places = np.zeros((12, 3))
        places[:, 2] = 1.5 - share * G * t * t / 2
        found = check(told, [moved("ball", places)], [])
        assert ("free fall" in names(found, passed=False)) != passes


def test_what_stands_on_another_thing_is_not_taken_to_fall() -> None:
    told = scene(*(block(f"b{i}", position=(0, 0, 0.15 + 0.3 * i)) for i in range(3)), frames=10)
    stays = [moved(f"b{i}", np.repeat([[0, 0, 0.15 + 0.3 * i]], 10, axis=0)) for i in range(3)]
    for contacts in ([], [Contact(frame=0, a="b1", b="b0", position=(0, 0, 0.3))]):
        assert names(check(told, stays, contacts), passed=False) == set()


def bouncing(share: float, *, frames: int = 40) -> list[Trajectory]:
    """A fall from 1.5 m whose bounce rises to `share` of e² of it."""
    falls = math.sqrt(2 * 1.38 / G)
    speed = 0.8 * math.sqrt(share) * G * falls
    t = np.arange(frames) / 24
    after = t - falls
    z = np.where(after < 0, 1.5 - G * t * t / 2, 0.12 + speed * after - G * after**2 / 2)
    return [moved("ball", np.stack([0 * z, 0 * z, np.maximum(z, 0.12)], axis=1))]


@pytest.mark.parametrize(
    ("share", "passes"), [(1.0, True), (0.97, True), (0.9, False), (1.1, False)]
)
@pytest.mark.parametrize("told_of", [True, False])
def test_a_bounce_of_the_wrong_height_is_noticed(share: float, passes: bool, told_of: bool) -> None:
    told = DROP.model_copy(update={"frames": 26})
    contact = Contact(frame=13, a="ball", b="ground", position=(0, 0, 0))
    found = check(told, bouncing(share, frames=26), [contact] if told_of else [])
    (height,) = [each for each in found if each.name == "bounce height"]
    assert height.passed == passes
    assert height.expected == pytest.approx(0.64 * 1.38, rel=1e-3)
    assert height.got == pytest.approx(share * 0.64 * 1.38, rel=1e-3)


def test_a_ball_that_does_not_bounce_at_all_is_noticed() -> None:
    t = np.arange(40) / 24
    places = np.zeros((40, 3))
    places[:, 2] = np.maximum(1.5 - G * t * t / 2, 0.12)
    contact = Contact(frame=13, a="ball", b="ground", position=(0, 0, 0))
    found = check(DROP.model_copy(update={"frames": 40}), [moved("ball", places)], [contact])
    assert names(found, passed=False) == {"bounce height"}


def test_a_throw_that_comes_down_too_far_is_noticed() -> None:
    def further(places: Array) -> Array:
        places[:, 0] = places[0, 0] + 1.05 * (places[:, 0] - places[0, 0])
        return places

    assert names(changed(THROW, "ball", further), passed=False) == {"projectile range"}


@pytest.mark.parametrize(("kept", "passes"), [(1.0, True), (0.95, False), (1.05, False)])
def test_a_collision_that_loses_momentum_is_noticed(kept: float, passes: bool) -> None:
    def slower(places: Array) -> Array:
        return places[0] + kept * (places - places[0])

    found = changed(MEETING, "b", slower)
    assert ("momentum" in names(found)) == passes


def test_a_collision_on_rough_ground_is_judged_with_what_friction_may_take() -> None:
    told = scene(
        ball("a", position=(-0.8, 0, 0.12), velocity=(3, 0, 0), restitution=0.9, friction=0.4),
        ball("b", position=(0, 0.05, 0.12), restitution=1, friction=0.4),
        frames=20,
    )
    (momentum,) = [each for each in judged(told) if each.name == "momentum"]
    assert momentum.passed
    assert 0.02 < momentum.tolerance < 0.52


def test_a_pendulum_that_swings_too_slowly_is_noticed() -> None:
    start = math.atan2(0.8, 0.6)
    t = np.arange(72) / 24
    for share, passes in ((1.0, True), (1.02, True), (1.05, False)):
        slow = SWING.model_copy(update={"fps": SWING.fps})
        angle = _swing(start, 1.0, t / share)
        places = np.stack([np.sin(angle), 0 * angle, 2 - np.cos(angle)], axis=1)
        found = check(slow, [moved("ball", places)], [])
        assert ("pendulum period" in names(found)) == passes


def _swing(start: float, length: float, times: Array) -> Array:
    """The angle of a pendulum that is let go, at rising times, in tiny steps."""
    angle, rate, now, found = start, 0.0, 0.0, list[float]()
    for time in times.tolist():
        steps = max(1, round((time - now) / 1e-4))
        for _ in range(steps):
            step = (time - now) / steps
            rate -= G / length * math.sin(angle) * step / 2
            angle += rate * step
            rate -= G / length * math.sin(angle) * step / 2
        now = time
        found.append(angle)
    return np.array(found)


def test_a_rod_that_stretches_is_noticed() -> None:
    def longer(places: Array) -> Array:
        places[30] = (0, 0, 2) + 1.03 * (places[30] - (0, 0, 2))
        return places

    assert "length of the rod" in names(changed(SWING, "ball", longer), passed=False)


def test_the_period_of_a_pendulum_agrees_with_its_series() -> None:
    for degrees in (1, 20, 60):
        a = math.radians(degrees)
        series = 1 + a**2 / 16 + 11 * a**4 / 3072 + 173 * a**6 / 737280
        expected = 2 * math.pi * math.sqrt(1.3 / G) * series
        assert pendulum_period(1.3, G, a) == pytest.approx(expected, rel=2e-4)


def test_a_weight_that_swings_too_fast_is_noticed() -> None:
    t = np.arange(49) / 24
    rest = 1 - G / 50
    for share, passes in ((1.0, True), (1.02, True), (1.06, False)):
        away = (1 - rest) * np.exp(-t / 4) * np.cos(share * math.sqrt(50 - 0.0625) * t)
        places = np.stack([0 * t, 0 * t, rest + away], axis=1)
        found = check(SPRING, [moved("ball", places)], [])
        assert ("spring period" in names(found)) == passes


def test_a_ball_that_slides_instead_of_rolling_is_noticed() -> None:
    t = np.arange(25) / 24
    places = np.stack([t, 0 * t, 0.12 + 0 * t], axis=1)
    told = scene(
        ball(position=(0, 0, 0.12), velocity=(1, 0, 0), spin=(0, math.degrees(1 / 0.12), 0)),
        frames=25,
    )
    for share, passes in ((1.0, True), (0.9, False), (0.0, False)):
        half = share * t / 0.12 / 2
        turns = [(math.cos(a), 0.0, math.sin(a), 0.0) for a in half.tolist()]
        found = check(told, [moved("ball", places, turns)], [])
        assert ("rolling" in names(found)) == passes


def test_a_ball_that_comes_down_a_ramp_too_fast_is_noticed() -> None:
    def faster(places: Array) -> Array:
        return places[0] + 1.05 * (places - places[0])

    assert "acceleration on a ramp" in names(changed(ROLL, "ball", faster), passed=False)


def test_energy_from_nowhere_is_noticed() -> None:
    def pushed(places: Array) -> Array:
        places[:, 0] += 0.8 * np.maximum(np.arange(len(places)) - 20, 0)
        return places

    assert "energy" in names(changed(DROP, "ball", pushed), passed=False)


def test_sinking_and_creeping_are_noticed() -> None:
    told = scene(block(position=(0, 0, 0.15)))
    sunk = np.repeat([[0.0, 0.0, 0.15]], 49, axis=0)
    sunk[20:, 2] -= 0.02
    assert names(check(told, [moved("block", sunk)], []), passed=False) >= {
        "no overlap",
        "resting",
    }


def test_what_is_not_there_in_every_frame_is_noticed_before_anything_else() -> None:
    found = check(DROP, bouncing(1.0, frames=12), [])
    assert [each.name for each in found] == ["finite"]
    assert not found[0].passed


def test_a_thing_that_leaves_the_picture_is_noticed() -> None:
    told = scene(ball(entity="ball", position=(0, 0, 0.12)), frames=20)
    stays = np.repeat([[0.0, 0.0, 0.12]], 20, axis=0)
    leaves = stays + np.arange(20)[:, None] * (1.0, 0, 0)
    assert "in view" in names(check(told, [moved("ball", stays)], []))
    assert "in view" in names(check(told, [moved("ball", leaves)], []), passed=False)


def test_the_miss_counts_in_tolerances() -> None:
    told = DROP.model_copy(update={"frames": 26})
    contact = Contact(frame=13, a="ball", b="ground", position=(0, 0, 0))
    assert miss(check(told, bouncing(0.9, frames=26), [contact])) == pytest.approx(2, rel=0.02)
    assert miss([]) == 0


def test_the_table_has_a_row_for_each_check() -> None:
    found = judged(THROW)
    lines = table(found).splitlines()
    assert len(lines) == len(found) + 2
    assert lines[0].startswith("| law")
    assert len({len(line) for line in lines}) == 1
    assert "9.81 m/s²" in lines[2]
    assert lines[2].rstrip(" |").endswith("yes")


def test_what_cannot_be_measured_is_said() -> None:
    told = scene(
        ball(position=(0, 0, 1)),
        liquids=[{"id": "water", "centre": (0, 0, 1), "size": (1, 1, 2), "source": (0, 0, 1.5)}],
        forces=[{"kind": "wind", "strength": 5}],
    )
    assert len(unmeasured(told)) == 2
    assert unmeasured(DROP) == []
