"""Trajectory checks read the laws of motion from pixels: right clips keep them, wrong ones not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import pytest

from reelwright_core.physics import Contact
from reelwright_core.story import Event, SceneGraph
from reelwright_metrics.assign import Watched
from reelwright_metrics.measure import watch_pixels
from reelwright_metrics.testing import (
    FRAMES,
    HEIGHT,
    WIDTH,
    Doing,
    Frames,
    Way,
    clip,
    degrade,
    empty,
    event,
    plan,
    still,
    thing,
)
from reelwright_metrics.trajectories import (
    Finding,
    findings,
    followed,
    momentum,
    plausible,
    touches,
    turns,
    ways,
)

Seconds = Callable[[float], float]
BALL, OTHER = thing(), thing("cube", colour="blue")
E = 0.75


@pytest.fixture(params=[False, True], ids=["clean", "spoiled"])
def spoiled(request: pytest.FixtureRequest) -> bool:
    """Whether the clip is as a generator would leave it, or just as it was painted."""
    return bool(request.param)


def watched(
    doings: Sequence[Doing], events: Sequence[Event], *, spoiled: bool, frames: Frames | None = None
) -> Watched:
    graph = SceneGraph(entities=[doing.entity for doing in doings], events=list(events))
    shot, layout = plan(doings, graph)
    if frames is None:
        frames = clip(doings, spoiled=spoiled)
    return watch_pixels(shot, layout, frames, background=empty())


def seen(way: Way, action: str, direction: str | None = None, *, spoiled: bool) -> list[Finding]:
    """What is found of a ball that goes `way` though it is to do `action`."""
    doing = Doing(entity=BALL, ways=[way])
    return findings(watched([doing], [event("ball", action, direction)], spoiled=spoiled))


def law(found: Sequence[Finding], name: str) -> Finding:
    (one,) = [finding for finding in found if finding.name == name]
    return one


def upright(height: Seconds, *, x: float = 0.5, high: float = 0.22) -> Way:
    """Goes up and down: `height` over the ground as a part of the picture."""
    return lambda part: (x, 0.75 - height(part), high)


def along(place: Seconds, *, y: float = 0.62, high: float = 0.22) -> Way:
    return lambda part: (place(part), y, high)


def fall(part: float) -> float:
    return 0.6 * (1 - min(part / 0.8, 1) ** 2)


def linear_fall(part: float) -> float:
    return 0.6 * (1 - min(part / 0.8, 1))


def slowing_fall(part: float) -> float:
    return 0.6 * (1 - min(part / 0.8, 1)) ** 2


def eased_fall(part: float) -> float:
    return 0.3 * (1 + float(np.cos(np.pi * min(part / 0.9, 1))))


def bounce(part: float, *, keeps: float = E, gravity: float = 12.0) -> float:
    """A ball that falls from 0.6 and keeps `keeps` of its speed at every bounce."""
    time, top = part, 0.6
    drop = (2 * top / gravity) ** 0.5
    if time < drop:
        return top - gravity * time**2 / 2
    time, speed = time - drop, keeps * gravity * drop
    while time > 2 * speed / gravity and speed > 0.2:
        time, speed = time - 2 * speed / gravity, keeps * speed
    return max(speed * time - gravity * time**2 / 2, 0.0)


def gaining_bounce(part: float) -> float:
    """From 0.25, then up to 0.35, then to 0.5."""
    for first, last, top in ((-0.2, 0.2, 0.25), (0.2, 0.55, 0.37), (0.55, 1.0, 0.55)):
        if part < last:
            share = (part - first) / (last - first)
            return top * 4 * share * (1 - share)
    return 0.0


def two_gravities(part: float) -> float:
    """Falls from 0.6 in a fifth of the time, and takes the rest to bounce up to 0.3."""
    if part < 0.2:
        return 0.6 * (1 - (part / 0.2) ** 2)
    share = (part - 0.2) / 0.8
    return 0.3 * 4 * share * (1 - share)


# Falls and bounces


FALLS: list[tuple[Seconds, bool]] = [
    (fall, True),
    (linear_fall, False),
    (slowing_fall, False),
    (eased_fall, False),
]


@pytest.mark.parametrize(
    ("height", "right"),
    FALLS,
)
def test_a_fall_gets_faster(height: Seconds, right: bool, spoiled: bool) -> None:
    found = seen(upright(height), "falls", spoiled=spoiled)
    assert law(found, "acceleration").passed is right, found
    assert law(found, "whole").passed
    assert plausible(found) is right


def test_what_does_not_fall_is_no_fall(spoiled: bool) -> None:
    for way in (still(0.5), upright(lambda part: 0.6 * part**2)):
        assert law(seen(way, "falls", spoiled=spoiled), "acceleration").score == 0


def test_a_bounce_loses_height_and_has_one_gravity(spoiled: bool) -> None:
    found = seen(upright(bounce), "bounces", spoiled=spoiled)
    assert plausible(found), found
    heights = [float(said) for said in law(found, "bounce heights").seen.split(", ")]
    assert heights[0] == pytest.approx(0.6, abs=0.05)
    assert heights[1] / heights[0] == pytest.approx(E**2, abs=0.09)


WRONG_BOUNCES: list[tuple[Seconds, str]] = [
    (gaining_bounce, "bounce heights"),
    (lambda part: bounce(part, keeps=1.0), "bounce heights"),
    (two_gravities, "one gravity"),
    (fall, "bounce heights"),
    (lambda part: 0.6 - abs(float(np.sin(2 * np.pi * part))) * 0.6, "one gravity"),
]


@pytest.mark.parametrize(
    ("height", "broken"),
    WRONG_BOUNCES,
    ids=["gains height", "keeps its height", "two gravities", "lies still", "hangs on top"],
)
def test_a_wrong_bounce_breaks_its_law(height: Seconds, broken: str, spoiled: bool) -> None:
    found = seen(upright(height), "bounces", spoiled=spoiled)
    assert not law(found, broken).passed, found


def test_a_fall_and_the_bounces_after_it_are_one_motion(spoiled: bool) -> None:
    events = [event("ball", "falls", last=5), event("ball", "bounces", first=6)]
    doing = Doing(entity=BALL, ways=[upright(bounce)])
    found = findings(watched([doing], events, spoiled=spoiled))
    names = [finding.name for finding in found]
    assert names == ["whole", "acceleration", "bounce heights", "one gravity"]
    assert plausible(found), found


def test_contacts_are_found_in_their_frames(spoiled: bool) -> None:
    due = np.array([bounce(f / (FRAMES - 1)) for f in range(FRAMES)])
    lows = [at for at, low in turns(-due, least=0.05) if low]
    way = upright(bounce)
    (one,) = ways(watched([Doing(entity=BALL, ways=[way])], [event("ball", "bounces")],
                          spoiled=spoiled))  # fmt: skip
    centres = np.array([[0.5 * WIDTH / HEIGHT, 0.75 - height] for height in due])
    told = followed(one, centres, lows)
    assert (told.met, told.extra) == (len(lows), 0), told
    assert told.error is not None
    assert told.error < 0.03
    assert len(told.errors) == FRAMES
    late = followed(one, np.roll(centres, 3, axis=0), [low + 4 for low in lows])
    assert late.met < len(lows)
    assert late.error is not None
    assert late.error > 0.1


def test_a_fall_is_met_where_it_lands(spoiled: bool) -> None:
    doing = Doing(entity=BALL, ways=[upright(fall)])
    (one,) = ways(watched([doing], [event("ball", "falls")], spoiled=spoiled))
    told = followed(one, np.full((FRAMES, 2), np.nan), [13])
    assert (told.error, told.met, told.extra) == (None, 1, 0)


def test_touches_are_those_of_the_thing_after_the_first_frame() -> None:
    several = [
        Contact(frame=frame, a=a, b=b, position=(0, 0, 0))
        for frame, a, b in ((0, "ball", "ground"), (7, "ball", "ground"), (4, "cube", "ball"),
                            (9, "cube", "ground"), (30, "ball", "ground"))
    ]  # fmt: skip
    assert touches(several, "ball", frames=17) == [4, 7]


# Rolls and collisions


ROLLS: list[tuple[Seconds, bool]] = [
    (lambda part: 0.2 + 0.6 * part, True),
    (lambda part: 0.2 + 0.6 * (1 - (1 - part) ** 2), True),
    (lambda part: 0.2 + 0.6 * part**2, False),
    (lambda part: 0.8 - 0.6 * part, False),
    (lambda part: 0.2 + 0.5 * float(np.sin(3 * part)), False),
    (lambda part: 0.2 + 0.6 * round(part * 3) / 3, False),
]


@pytest.mark.parametrize(
    ("place", "right"),
    ROLLS,
    ids=["evenly", "slowing", "faster and faster", "the wrong way", "back again", "in jerks"],
)
def test_a_roll_keeps_or_loses_its_speed(place: Seconds, right: bool, spoiled: bool) -> None:
    found = seen(along(place), "rolls", "right", spoiled=spoiled)
    assert law(found, "rolling").passed is right, found


def test_a_roll_stays_on_the_ground(spoiled: bool) -> None:
    way: Way = lambda part: (0.2 + 0.6 * part, 0.62 - 0.4 * part, 0.22)  # noqa: E731
    assert not law(seen(way, "rolls", "right", spoiled=spoiled), "rolling").passed


def collision(one: Seconds, two: Seconds, *, spoiled: bool) -> Finding:
    doings = [
        Doing(entity=BALL, ways=[along(one)]),
        Doing(entity=OTHER, ways=[along(two)]),
    ]
    found = findings(watched(doings, [event("ball", "collides", "right")], spoiled=spoiled))
    return law(found, "momentum")


def comes(part: float, *, on: float = 0.0) -> float:
    """Touches what stands at 0.53 at half of the time, and goes on at the speed `on`."""
    return 0.1 + 0.6 * min(part, 0.5) + on * max(part - 0.5, 0)


def goes(part: float, *, speed: float, start: float = 0.5) -> float:
    """Stands at 0.53 and goes from `start` on."""
    return 0.53 + speed * max(part - start, 0)


@pytest.mark.parametrize(("on", "speed"), [(0.0, 0.6), (0.06, 0.54), (0.3, 0.3), (-0.05, 0.5)])
def test_a_collision_passes_momentum_on(on: float, speed: float, spoiled: bool) -> None:
    one, two = partial(comes, on=on), partial(goes, speed=speed)
    told = collision(one, two, spoiled=spoiled)
    assert told.passed, told
    back = collision(lambda part: 1 - one(part), lambda part: 1 - two(part), spoiled=spoiled)
    assert back.passed, back


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        (comes, partial(goes, speed=0.0), "not seen to start"),
        (partial(comes, on=-0.3), partial(goes, speed=-0.4), "moved on with -"),
        (comes, partial(goes, speed=0.3, start=0.1), ""),
        (comes, partial(goes, speed=0.04), ""),
        (partial(comes, on=0.6), partial(goes, speed=0.6), "the hitter kept"),
        (partial(comes, on=0.6), partial(goes, speed=0.12), ""),
        (partial(comes, on=-0.4), partial(goes, speed=0.6), "they part"),
    ],
    ids=["nothing happens", "comes towards it", "starts untouched", "momentum lost",
         "momentum won", "goes through", "energy won"],
)  # fmt: skip
def test_a_wrong_collision_fails(one: Seconds, two: Seconds, said: str, spoiled: bool) -> None:
    told = collision(one, two, spoiled=spoiled)
    assert not told.passed, told
    assert said in told.seen, told


def test_what_is_much_heavier_need_not_move(spoiled: bool) -> None:
    def heavy(part: float) -> tuple[float, float, float]:
        return 0.6, 0.5, 0.5

    def light(on: float) -> Way:
        return along(lambda part: 0.08 + 0.6 * min(part, 0.5) + on * max(part - 0.5, 0), high=0.12)

    for on, right in ((-0.4, True), (0.5, False)):
        doings = [Doing(entity=BALL, ways=[light(on)]), Doing(entity=OTHER, ways=[heavy])]
        found = findings(watched(doings, [event("ball", "collides")], spoiled=spoiled))
        assert law(found, "momentum").passed is right, found


def test_momentum_needs_both_to_be_seen() -> None:
    one, other = ways(
        watched(
            [Doing(entity=BALL, ways=[still(0.3)]), Doing(entity=OTHER, ways=[still(0.7)])],
            [event("ball", "collides")],
            spoiled=False,
        )
    )
    nothing = other.of(np.zeros(len(other.x), bool))
    assert momentum(one, nothing).seen == "not both seen for long enough"


# Toppling and swinging


def falling_post(angle: Seconds) -> tuple[Doing, Frames]:
    """A post that turns about its foot by `angle` degrees, clockwise."""
    frames = np.repeat(empty()[None], FRAMES, 0)
    foot, high, wide = np.array([60.0, 80.0]), 55.0, 13.0
    places: list[tuple[float, float, float]] = []
    for f, frame in enumerate(frames):
        turn = np.radians(angle(f / (FRAMES - 1)))
        up = np.array([np.sin(turn), -np.cos(turn)])
        side = np.array([up[1], -up[0]]) * wide / 2
        corners = np.array([foot - side, foot + side, foot + side + up * high,
                            foot - side + up * high])  # fmt: skip
        cv2.fillPoly(frame, [np.rint(corners * 16).astype(np.int32)], (200, 60, 50),
                     cv2.LINE_AA, shift=4)  # fmt: skip
        x, y = foot + up * high / 2
        places.append((x / WIDTH, y / HEIGHT, 0.6))
    return Doing(entity=BALL, ways=[lambda part: places[round(part * (FRAMES - 1))]]), frames


TOPPLES: list[tuple[Seconds, bool]] = [
    (lambda part: 90 * min(part / 0.8, 1) ** 2.5, True),
    (lambda part: -90 * min(part / 0.8, 1) ** 2.5, True),
    (lambda part: 90 * (1 - (1 - min(part / 0.8, 1)) ** 2.5), False),
    (lambda part: 90 * min(part / 0.8, 1), False),
    (lambda part: 12 * part, False),
    (lambda part: 80 * float(np.sin(np.pi * part)), False),
]


@pytest.mark.parametrize(
    ("angle", "right"),
    TOPPLES,
    ids=["right", "to the left", "slower and slower", "evenly", "stands", "gets up again"],
)
def test_what_topples_falls_over_faster_and_faster(
    angle: Seconds, right: bool, spoiled: bool
) -> None:
    doing, frames = falling_post(angle)
    if spoiled:
        frames = degrade(frames, seed=3)
    found = findings(watched([doing], [event("ball", "topples")], spoiled=False, frames=frames))
    assert law(found, "toppling").passed is right, found


def pendulum(part: float, *, growth: float = 0.0) -> tuple[float, float, float]:
    turn = (0.7 + growth * part) * float(np.cos(2 * np.pi * 1.3 * part))
    return 0.5 + 0.6 * np.sin(turn) * HEIGHT / WIDTH, 0.1 + 0.6 * np.cos(turn), 0.2


def test_a_pendulum_swings(spoiled: bool) -> None:
    found = seen(pendulum, "swings", spoiled=spoiled)
    assert plausible(found), found


NO_SWINGS: list[tuple[Way, str]] = [
    (still(0.5), "swung by"),
    (along(lambda part: 0.2 + 0.6 * part), "never turned back"),
    (
        lambda part: (
            0.5 + 0.25 * float(np.cos(8 * part)),
            0.5 - 0.2 * float(np.sin(8 * part)) ** 2,
            0.2,
        ),
        "the middle is -",
    ),
    (lambda part: pendulum(part, growth=1.0), "the one before"),
]


@pytest.mark.parametrize(
    ("way", "said"),
    NO_SWINGS,
    ids=["hangs still", "goes through", "the middle is highest", "swings farther"],
)  # fmt: skip
def test_what_is_no_pendulum_does_not_swing(way: Way, said: str, spoiled: bool) -> None:
    told = law(seen(way, "swings", spoiled=spoiled), "swinging")
    assert not told.passed, told
    assert said in told.seen, told


# Staying whole


def test_a_leap_is_no_motion(spoiled: bool) -> None:
    def leaps(part: float) -> float:
        return 0.3 if part < 0.5 else 0.58

    found = seen(along(leaps), "stays", spoiled=spoiled)
    assert not law(found, "whole").passed, found


@pytest.mark.parametrize(
    ("action", "law"),
    [
        ("falls", "acceleration"), ("bounces", "bounce heights"), ("rolls", "rolling"),
        ("topples", "toppling"), ("swings", "swinging"),
    ],
)  # fmt: skip
def test_what_is_not_seen_keeps_no_law(action: str, law: str) -> None:
    doing = Doing(entity=BALL, ways=[still(0.5)])
    nothing = np.repeat(empty()[None], FRAMES, 0)
    found = findings(watched([doing], [event("ball", action)], spoiled=False, frames=nothing))
    scores = {finding.name: finding.score for finding in found}
    assert scores["whole"] == scores[law] == 0
    assert set(scores.values()) == {0.0}
    assert not plausible(found)
