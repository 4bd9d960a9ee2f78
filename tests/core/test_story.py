from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reelwright_core.story import (
    Entity,
    Event,
    FrameSpan,
    Keyframe,
    Layout,
    LeftOut,
    Relation,
    SceneGraph,
    Shot,
    Storyboard,
    Track,
)

CAR = Entity(id="red-car", noun="car", colour="red")
BALL = Entity(id="ball", noun="ball")


def track(*keys: tuple[int, tuple[float, float, float, float], float]) -> Track:
    return Track(
        entity="ball",
        keyframes=[Keyframe(frame=frame, box=box, angle=angle) for frame, box, angle in keys],
    )


def test_between_keyframes_a_track_is_a_straight_line() -> None:
    way = track((4, (0.0, 0.0, 0.2, 0.2), 0.0), (8, (0.8, 0.4, 1.0, 0.8), 90.0))
    middle = way.at(6)
    assert middle.frame == 6
    assert middle.box == pytest.approx((0.4, 0.2, 0.6, 0.5))
    assert middle.angle == 45.0
    assert way.at(5).angle == 22.5


def test_before_and_after_its_keyframes_a_track_is_held() -> None:
    way = track((4, (0.0, 0.0, 0.2, 0.2), 1.0), (8, (0.8, 0.4, 1.0, 0.8), 2.0))
    assert way.at(0) == Keyframe(frame=0, box=(0.0, 0.0, 0.2, 0.2), angle=1.0)
    assert way.at(4).box == (0.0, 0.0, 0.2, 0.2)
    assert way.at(100) == Keyframe(frame=100, box=(0.8, 0.4, 1.0, 0.8), angle=2.0)
    alone = track((3, (0.0, 0.0, 1.0, 1.0), 5.0))
    assert {alone.at(frame).angle for frame in range(8)} == {5.0}


def test_a_track_may_turn_at_a_keyframe() -> None:
    way = track(
        (0, (0.0, 0.0, 0.1, 0.1), 0.0), (2, (0.4, 0.0, 0.5, 0.1), 0.0), (4, (0.0, 0.0, 0.1, 0.1), 0)
    )
    assert [round(way.at(frame).box[0], 9) for frame in range(5)] == [0.0, 0.2, 0.4, 0.2, 0.0]


sides = st.tuples(st.floats(-3, 4), st.floats(-3, 4)).filter(lambda pair: pair[0] < pair[1])
boxes = st.tuples(sides, sides).map(lambda s: (s[0][0], s[1][0], s[0][1], s[1][1]))


@given(boxes, boxes, st.integers(1, 50), st.data())
def test_every_sound_track_has_a_place_in_every_frame(
    first: tuple[float, float, float, float],
    last: tuple[float, float, float, float],
    frames: int,
    data: st.DataObject,
) -> None:
    way = track((0, first, 0.0), (frames, last, 10.0))
    place = way.at(data.draw(st.integers(0, frames)))
    for a, b, at in zip(first, last, place.box, strict=True):
        assert min(a, b) - 1e-9 <= at <= max(a, b) + 1e-9


@pytest.mark.parametrize("frames", [[3, 3], [5, 2], [0, 4, 4]])
def test_keyframes_that_do_not_rise_are_refused(frames: list[int]) -> None:
    with pytest.raises(ValidationError, match="rising order"):
        track(*((frame, (0.0, 0.0, 1.0, 1.0), 0.0) for frame in frames))


def test_a_track_has_a_keyframe() -> None:
    with pytest.raises(ValidationError, match="keyframes"):
        Track(entity="ball", keyframes=[])


@pytest.mark.parametrize(
    "box",
    [(0.5, 0.0, 0.5, 1.0), (0.0, 1.0, 1.0, 0.0), (-3.1, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 4.1),
     (float("nan"), 0.0, 1.0, 1.0), (0.0, 0.0, float("inf"), 1.0), (0.0, 0.0, 1.0)],
)  # fmt: skip
def test_what_is_no_box_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="box"):
        Keyframe.model_validate({"frame": 0, "box": box})


def test_a_span_includes_both_ends_and_is_in_order() -> None:
    assert FrameSpan(first=3, last=3)
    with pytest.raises(ValidationError, match="`last` must be at least `first`"):
        FrameSpan(first=3, last=2)


def test_triples_hold_relations_always_and_events_in_their_frames() -> None:
    drive = Event(
        actor="red-car", action="moves", direction="right", frames=FrameSpan(first=2, last=4)
    )
    graph = SceneGraph(
        entities=[CAR, BALL],
        relations=[Relation(subject="ball", kind="on", object="red-car")],
        events=[drive],
    )
    on, moves = ("ball", "on", "red-car"), ("red-car", "moves", "right")
    assert [graph.triples(frame) for frame in (1, 2, 4, 5)] == [
        [on], [on, moves], [on, moves], [on]
    ]  # fmt: skip
    assert graph.entity("ball") is graph.entities[1]
    with pytest.raises(KeyError, match="dog"):
        graph.entity("dog")


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"entities": [CAR, CAR]}, "share an `id`"),
        ({"relations": [Relation(subject="a", kind="on", object="ball")]}, "no entity has .* 'a'"),
        ({"relations": [Relation(subject="ball", kind="on", object="b")]}, "no entity has .* 'b'"),
        (
            {"events": [Event(actor="c", action="falls", frames=FrameSpan(first=0, last=1))]},
            "no entity has .* 'c'",
        ),
    ],
)
def test_a_scene_graph_names_only_who_is_there(graph: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SceneGraph.model_validate({"entities": [BALL], **graph})


@pytest.mark.parametrize(
    "id", ["", "S01", "s 1", "../s01", "s01\n", "s/1", "-s", "é", "s" * 41, ".", "s01\0", "s_1"]
)
def test_an_id_that_is_not_safe_as_a_folder_is_refused(id: str) -> None:
    with pytest.raises(ValidationError, match="id"):
        Shot(id=id, prompt="a ball")


def test_seconds_are_derived_exactly() -> None:
    shot = Shot(id="s01", prompt="a ball", frames=49, fps=Fraction(24000, 1001))
    assert shot.seconds == Fraction(49 * 1001, 24000)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": (15, 96)}, "between 16 and 8192"),
        ({"size": (160, 8193)}, "between 16 and 8192"),
        ({"size": (161, 95)}, r"even both ways.*use \[162, 96\]"),
        ({"frames": 0}, "frames"),
        ({"noise_level": 0.0}, "noise_level"),
        ({"noise_level": float("nan")}, "noise_level"),
        ({"layout": Layout(frames=9)}, "the layout has 9 frames, the shot 17"),
        (
            {
                "scene_graph": SceneGraph(
                    entities=[BALL],
                    events=[
                        Event(actor="ball", action="falls", frames=FrameSpan(first=0, last=17))
                    ],
                )
            },
            "ends at frame 17, but the shot's last frame is 16",
        ),
    ],
)
def test_a_shot_that_cannot_be_filmed_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Shot.model_validate({"id": "s01", "prompt": "a ball", **wrong})


def test_shots_do_not_share_a_default() -> None:
    first, second = Shot(id="s01", prompt="a"), Shot(id="s02", prompt="b")
    assert first.scene_graph.entities is not second.scene_graph.entities
    assert first.dialogue is not second.dialogue


def test_a_layout_finds_its_tracks() -> None:
    ball = track((0, (0.0, 0.0, 1.0, 1.0), 0.0))
    layout = Layout(frames=2, tracks=[ball])
    assert layout.track("ball") == ball
    with pytest.raises(KeyError, match="ball"):
        layout.track("ball", 1)


def test_a_storyboard_has_shots_with_ids_of_their_own() -> None:
    shot = Shot(id="s01", prompt="a", left_out=[LeftOut(word="xyz", why="unknown")])
    assert [left.word for left in Storyboard(shots=[shot]).left_out()] == ["xyz"]
    with pytest.raises(ValidationError, match="two shots share the id 's01'"):
        Storyboard(shots=[shot, shot])
    with pytest.raises(ValidationError, match="shots"):
        Storyboard(shots=[])


def test_a_storyboard_comes_back_from_its_data() -> None:
    graph = SceneGraph(entities=[CAR], relations=[], events=[])
    shot = Shot(id="s01", prompt="名前", fps=Fraction(24000, 1001), scene_graph=graph)
    board = Storyboard(shots=[shot])
    assert Storyboard.from_data(board.data()) == board
    assert Storyboard.from_data(board.data()).digest() == board.digest()
