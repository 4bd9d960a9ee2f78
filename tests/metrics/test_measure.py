"""The measuring critic sees what is there: right clips pass, wrong ones fail the right question."""

from __future__ import annotations

import time

import numpy as np
import pytest

from reelwright_core.story import Direction, Layout, Relation, SceneGraph, Shot
from reelwright_metrics.measure import MeasuringCritic, with_blame
from reelwright_metrics.testing import (
    Doing,
    Way,
    across,
    clip,
    down,
    empty,
    event,
    one,
    plan,
    still,
    thing,
    watch,
)

BALL = thing()


@pytest.fixture(params=[False, True], ids=["clean", "spoiled"])
def spoiled(request: pytest.FixtureRequest) -> bool:
    """Whether the clip is as a generator would leave it, or just as it was painted."""
    return bool(request.param)


def shot_of(
    ways: list[Way], action: str, direction: str | None = None, *, colour: str = "red"
) -> tuple[Shot, Layout]:
    entity = thing(count=len(ways), colour=colour)
    graph = SceneGraph(entities=[entity], events=[event("ball", action, direction)])
    return plan([Doing(entity=entity, ways=ways)], graph)


def bounce(part: float) -> tuple[float, float, float]:
    return 0.5, 0.75 - 0.5 * abs(np.cos(2 * np.pi * part)) * (1 - 0.5 * part), 0.25


def hop(part: float) -> tuple[float, float, float]:
    return 0.5, 0.7 - 0.35 * float(np.sin(np.pi * part)), 0.25


def ring(part: float) -> tuple[float, float, float]:
    turn = 2 * np.pi * part
    return 0.5 + 0.18 * float(np.sin(turn)), 0.5 - 0.25 * float(np.cos(turn)), 0.25


def nearer(part: float) -> tuple[float, float, float]:
    return 0.5, 0.55, 0.2 + 0.35 * part


@pytest.mark.parametrize(
    ("direction", "way"),
    [
        ("right", across(0.2, 0.8)),
        ("left", across(0.8, 0.2)),
        ("up", down(0.75, 0.2)),
        ("down", down(0.2, 0.75)),
    ],
)
def test_the_way_that_a_thing_goes_is_read_from_the_pixels(
    direction: Direction, way: Way, spoiled: bool
) -> None:
    shot, layout = shot_of([way], "moves", direction)
    frames = clip([Doing(entity=BALL, ways=[way])], spoiled=spoiled)
    assert one(watch(shot, layout, frames), "direction").score > 0.9
    back = one(watch(shot, layout, frames[::-1]), "direction")
    assert back.score < 0.1
    assert [(s.first, s.last) for s in back.spans] == [(0, 16)]
    opposite = {"left": "right", "right": "left", "up": "down", "down": "up"}[direction]
    assert back.seen.endswith(opposite)


def test_a_right_clip_passes_every_question(spoiled: bool) -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    critique = watch(
        shot, layout, clip([Doing(entity=BALL, ways=[across(0.2, 0.8)])], spoiled=spoiled)
    )
    assert all(q.passed for q in critique.questions)
    assert critique.score > 0.9
    assert (critique.blame, critique.advice) == ("none", [])


def test_a_frozen_clip_fails_the_direction_and_nothing_else() -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    frames = clip([Doing(entity=BALL, ways=[across(0.2, 0.8)])])
    critique = watch(shot, layout, np.repeat(frames[8:9], 17, 0))
    assert [q.kind for q in critique.questions if not q.passed] == ["direction"]
    assert one(critique, "direction").seen == "hardly moved"


def test_an_empty_clip_fails_everything() -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    critique = watch(shot, layout, clip([]))
    assert [q.kind for q in critique.questions if q.passed] == ["extra"]
    assert critique.score < 0.1
    assert one(critique, "presence").seen == "not seen"


def test_shuffled_frames_fail_the_direction() -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    frames = clip([Doing(entity=BALL, ways=[across(0.2, 0.8)])])
    mixed = frames[np.random.default_rng(1).permutation(17)]
    assert not one(watch(shot, layout, mixed), "direction").passed


@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
@pytest.mark.parametrize("shown", [1, 2, 3, 4])
def test_things_are_counted(wanted: int, shown: int) -> None:
    def places(count: int) -> list[Way]:
        return [across(0.1 + i * 0.2, 0.3 + i * 0.2, high=0.22) for i in range(count)]

    shot, layout = shot_of(places(wanted), "moves", "right")
    count = one(watch(shot, layout, clip([Doing(entity=BALL, ways=places(shown))])), "count")
    assert count.passed == (wanted == shown)
    assert count.seen == ("1 thing" if shown == 1 else f"{shown} things")


@pytest.mark.parametrize(
    "shown", ["red", "yellow", "green", "blue", "purple", "black", "white", "orange", "pink"]
)
@pytest.mark.parametrize("wanted", ["red", "blue", "green"])
def test_colours_are_told_apart(wanted: str, shown: str, spoiled: bool) -> None:
    shot, layout = shot_of([across(0.3, 0.7)], "moves", "right", colour=wanted)
    painted = thing(colour=shown)
    frames = clip([Doing(entity=painted, ways=[across(0.3, 0.7)])], spoiled=spoiled)
    colour = one(watch(shot, layout, frames), "colour")
    assert colour.passed == (wanted == shown)
    assert colour.seen == shown


@pytest.mark.parametrize(
    ("action", "way"),
    [("bounces", bounce), ("jumps", hop), ("circles", ring), ("approaches", nearer)],
)
def test_the_shape_of_a_path_is_seen(action: str, way: Way, spoiled: bool) -> None:
    shot, layout = shot_of([way], action)
    right = watch(shot, layout, clip([Doing(entity=BALL, ways=[way])], spoiled=spoiled))
    assert one(right, "path").score > 0.8
    for wrong in (still(0.5), across(0.3, 0.7)):
        frames = clip([Doing(entity=BALL, ways=[wrong])], spoiled=spoiled)
        assert not one(watch(shot, layout, frames), "path").passed


def test_what_leaves_gets_smaller_or_goes_out_of_sight(spoiled: bool) -> None:
    def away(part: float) -> tuple[float, float, float]:
        return 0.5, 0.55, 0.5 - 0.35 * part

    shot, layout = shot_of([away], "leaves")
    assert one(
        watch(shot, layout, clip([Doing(entity=BALL, ways=[away])], spoiled=spoiled)), "path"
    ).passed
    out = clip([Doing(entity=BALL, ways=[across(0.5, 1.4)])], spoiled=spoiled)
    assert one(watch(shot, layout, out), "path").passed
    stays = clip([Doing(entity=BALL, ways=[still(0.5)])], spoiled=spoiled)
    assert not one(watch(shot, layout, stays), "path").passed


def test_who_moves_first_is_seen(spoiled: bool) -> None:
    def early(part: float) -> tuple[float, float, float]:
        return 0.25, 0.2 + 0.5 * min(1, part * 2.2), 0.25

    def late(part: float) -> tuple[float, float, float]:
        return 0.75, 0.7 - 0.5 * max(0, part * 2 - 1), 0.25

    ball, cube = BALL, thing("cube", colour="blue")
    graph = SceneGraph(
        entities=[ball, cube],
        events=[event("ball", "falls", last=8), event("cube", "rises", first=9)],
    )
    doings = [Doing(entity=ball, ways=[early]), Doing(entity=cube, ways=[late])]
    shot, layout = plan(doings, graph)
    assert one(watch(shot, layout, clip(doings, spoiled=spoiled)), "order").passed

    def at_once(part: float) -> tuple[float, float, float]:
        return 0.75, 0.7 - 0.5 * min(1, part * 2.2), 0.25

    def later(part: float) -> tuple[float, float, float]:
        return 0.25, 0.2 + 0.5 * max(0, part * 2 - 1), 0.25

    swapped = [Doing(entity=ball, ways=[later]), Doing(entity=cube, ways=[at_once])]
    assert not one(watch(shot, layout, clip(swapped, spoiled=spoiled)), "order").passed


RELATIONS: list[tuple[str, Way, Way, Way]] = [
    ("left of", still(0.3), still(0.7), still(0.9)),
    ("right of", still(0.7), still(0.3), still(0.1)),
    ("above", still(0.5, 0.25), still(0.5, 0.75), still(0.8, 0.8)),
    ("below", still(0.5, 0.75), still(0.5, 0.25), still(0.2, 0.2)),
    ("near", still(0.4), still(0.6), still(0.1)),
    ("on", still(0.5, 0.32), still(0.5, 0.65, 0.36), still(0.15, 0.65)),
    ("follows", across(0.1, 0.6), across(0.35, 0.85), across(0.9, 0.4)),
    ("meets", across(0.15, 0.4), across(0.85, 0.6), across(0.4, 0.1)),
]


@pytest.mark.parametrize(
    ("kind", "way", "other", "wrong"), RELATIONS, ids=[r[0] for r in RELATIONS]
)
def test_relations_are_seen(kind: str, way: Way, other: Way, wrong: Way, spoiled: bool) -> None:
    ball, cube = BALL, thing("cube", colour="blue")
    relation = Relation.model_validate({"subject": "ball", "kind": kind, "object": "cube"})
    graph = SceneGraph(entities=[ball, cube], relations=[relation])
    cubes = Doing(entity=cube, ways=[other])
    shot, layout = plan([Doing(entity=ball, ways=[way]), cubes], graph)
    right = watch(shot, layout, clip([Doing(entity=ball, ways=[way]), cubes], spoiled=spoiled))
    assert one(right, "relation").passed
    frames = clip([Doing(entity=ball, ways=[wrong]), cubes], spoiled=spoiled)
    assert not one(watch(shot, layout, frames), "relation").passed


def test_what_should_stand_still_and_moves_fails(spoiled: bool) -> None:
    shot, layout = shot_of([still(0.5)], "stays")
    stays = clip([Doing(entity=BALL, ways=[still(0.5)])], spoiled=spoiled)
    assert one(watch(shot, layout, stays), "stillness").score > 0.8
    moves = clip([Doing(entity=BALL, ways=[across(0.3, 0.7)])], spoiled=spoiled)
    assert not one(watch(shot, layout, moves), "stillness").passed


def test_without_the_painted_place_things_are_found_too() -> None:
    for way, action, direction in (
        (across(0.2, 0.8), "moves", "right"),
        (still(0.5), "stays", None),
    ):
        shot, layout = shot_of([way], action, direction)
        frames = clip([Doing(entity=BALL, ways=[way])])
        assert all(q.passed for q in watch(shot, layout, frames, knows_place=False).questions)


def test_two_things_that_cross_keep_their_ways(spoiled: bool) -> None:
    ball, cube = BALL, thing("cube", colour="blue")
    events = [event("ball", "moves", "right"), event("cube", "moves", "left")]
    doings = [
        Doing(entity=ball, ways=[across(0.2, 0.8)]),
        Doing(entity=cube, ways=[across(0.8, 0.2)]),
    ]
    shot, layout = plan(doings, SceneGraph(entities=[ball, cube], events=events))
    frames = clip(doings, spoiled=spoiled)
    right, wrong = watch(shot, layout, frames), watch(shot, layout, frames[::-1])
    assert all(q.passed for q in right.questions)
    assert [q.passed for q in wrong.questions if q.kind == "direction"] == [False, False]


def test_a_sliding_camera_does_not_hide_things() -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    layout = layout.model_copy(update={"background_shift": (-0.3, 0.0)})
    wide = np.concatenate([empty(), empty()], axis=1)
    wide[40:70, 60:66] = (90, 60, 40)
    wide[30:70, 170:180] = (90, 60, 40)
    frames = np.stack([wide[:, round(48 * f / 16) : round(48 * f / 16) + 160] for f in range(17)])
    balls = clip([Doing(entity=BALL, ways=[across(0.2, 0.8)])], spoiled=False)
    seen = (np.abs(balls.astype(int) - empty()) > 8).any(-1)
    frames[seen] = balls[seen]
    critic = MeasuringCritic()
    place = wide[:, :160]
    assert one(critic.watch(shot, layout, frames, background=place), "direction").passed
    back = critic.watch(shot, layout, frames[::-1], background=place)
    assert not one(back, "direction").passed


def test_advice_names_whom_it_is_about() -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    frames = clip([Doing(entity=BALL, ways=[across(0.8, 0.2)])])
    assert watch(shot, layout, frames).advice == [
        "The red ball moved 60 % to the left; it should go from left to right: "
        "keep more of the sketch"
    ]


def test_the_blame_is_the_layouts_when_the_sketch_fails_too() -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    right = watch(shot, layout, clip([Doing(entity=BALL, ways=[across(0.2, 0.8)])]))
    wrong = watch(shot, layout, clip([Doing(entity=BALL, ways=[across(0.8, 0.2)])]))
    green = thing(colour="green")
    coloured = watch(shot, layout, clip([Doing(entity=green, ways=[across(0.2, 0.8)])]))
    assert with_blame(right, right).blame == "none"
    assert with_blame(wrong, right).blame == "generator"
    assert with_blame(wrong, wrong).blame == "layout"
    assert with_blame(coloured, right).blame == "generator"
    # A prompt that does not say the colour is to blame where it is not to be seen.
    assert with_blame(coloured, right, shot=shot).blame == "prompt"
    said = shot.model_copy(update={"prompt": "A red ball goes to the right."})
    assert with_blame(coloured, right, shot=said).blame == "generator"
    turned = said.model_copy(update={"prompt": "A red ball goes to the left."})
    assert with_blame(wrong, right, shot=turned).blame == "prompt"


def test_the_same_clip_gets_the_same_critique_quickly() -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    frames = clip([Doing(entity=BALL, ways=[across(0.2, 0.8)])])
    first = watch(shot, layout, frames)
    start = time.process_time()
    assert watch(shot, layout, frames) == first
    assert time.process_time() - start < 0.6


@pytest.mark.parametrize("shape", [(1, 96, 160, 3), (40, 64, 64, 3), (5, 480, 832, 3)])
def test_clips_of_other_sizes_and_lengths_are_watched(shape: tuple[int, int, int, int]) -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    critique = watch(shot, layout, np.full(shape, 128, np.uint8))
    assert not one(critique, "presence").passed
    assert all(span.last <= 16 for q in critique.questions for span in q.spans)


def test_frames_that_are_no_pictures_are_refused() -> None:
    shot, layout = shot_of([across(0.2, 0.8)], "moves", "right")
    with pytest.raises(ValueError, match="uint8"):
        MeasuringCritic().watch(shot, layout, np.zeros((3, 8, 8), np.uint8))


def test_a_shot_without_plans_has_nothing_to_fail() -> None:
    critique = watch(Shot(id="s", prompt="x"), Layout(frames=17), clip([]))
    assert (critique.score, critique.questions, critique.blame) == (1.0, [], "none")
