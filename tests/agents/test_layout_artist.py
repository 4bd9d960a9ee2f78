"""Layouts show what the scene graph says, for every motion, count, relation and place."""

from __future__ import annotations

from typing import get_args

import pytest

from reelwright_agents.layout_artist import layout_faults, make_layout
from reelwright_core.story import (
    Action,
    Direction,
    Entity,
    Event,
    FrameSpan,
    Place,
    Relation,
    RelationKind,
    SceneGraph,
    Shot,
)

PLACES = get_args(Place)
RELATIONS = get_args(RelationKind)
MOTIONS: list[tuple[Action, Direction | None]] = [
    ("moves", "left"), ("moves", "right"), ("moves", "up"), ("moves", "down"), ("falls", None),
    ("bounces", None), ("bounces", "right"), ("rolls", "left"), ("rolls", "right"), ("rises", None),
    ("approaches", None), ("leaves", None), ("leaves", "left"), ("leaves", "right"),
    ("circles", None), ("jumps", None), ("jumps", "left"), ("stays", None),
]  # fmt: skip
NOUNS = ("car", "ball", "dog", "house", "bird", "fish", "airplane", "woman")


def span(first: int = 0, last: int = 16) -> FrameSpan:
    return FrameSpan(first=first, last=last)


def shot(
    entities: list[Entity],
    events: list[Event],
    relations: list[Relation] | None = None,
    *,
    place: Place = "meadow",
    frames: int = 17,
) -> Shot:
    graph = SceneGraph(entities=entities, relations=relations or [], events=events)
    return Shot(id="s01", prompt="x", place=place, frames=frames, scene_graph=graph)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("action", "direction"), MOTIONS)
def test_one_motion_is_shown_for_any_count_and_thing(
    place: Place, action: Action, direction: Direction | None
) -> None:
    for count in (1, 2, 3, 4):
        for noun in NOUNS:
            made = shot(
                [Entity(id="a", noun=noun, count=count)],
                [Event(actor="a", action=action, direction=direction, frames=span())],
                place=place,
            )
            layout = make_layout(made)
            assert layout_faults(layout, made) == [], (noun, count)
            assert len(layout.tracks) == count


@pytest.mark.parametrize("kind", RELATIONS)
def test_relations_of_still_things_hold(kind: RelationKind) -> None:
    for place in PLACES:
        for counts in ((1, 1), (2, 1), (1, 3), (2, 2)):
            for nouns in (("cat", "house"), ("ball", "car"), ("bird", "tree"), ("zonk", "dog")):
                things = [
                    Entity(id="a", noun=nouns[0], count=counts[0], known=nouns[0] != "zonk"),
                    Entity(id="b", noun=nouns[1], count=counts[1]),
                ]
                events = [Event(actor=id, action="stays", frames=span()) for id in "ab"]
                relation = Relation(subject="a", kind=kind, object="b")
                made = shot(things, events, [relation], place=place)
                assert layout_faults(make_layout(made), made) == [], (place, counts, nouns)


@pytest.mark.parametrize("kind", RELATIONS)
@pytest.mark.parametrize(("action", "direction"), MOTIONS)
def test_relations_hold_while_one_or_both_move(
    kind: RelationKind, action: Action, direction: Direction | None
) -> None:
    for both in (True, False):
        for place in ("meadow", "sky", "sea"):
            event = Event(actor="a", action=action, direction=direction, frames=span())
            other = event.model_copy(update={"actor": "b"}) if both else None
            events = [event, other or Event(actor="b", action="stays", frames=span())]
            if kind == "meets" and both and direction in ("left", "right"):
                turned = "left" if direction == "right" else "right"
                events[1] = events[1].model_copy(update={"direction": turned})
            things = [Entity(id="a", noun="dog"), Entity(id="b", noun="car")]
            made = shot(things, events, [Relation(subject="a", kind=kind, object="b")], place=place)
            assert layout_faults(make_layout(made), made) == [], (both, place)


@pytest.mark.parametrize(("action", "direction"), MOTIONS)
def test_events_go_on_where_the_last_one_ended(action: Action, direction: Direction | None) -> None:
    for second, way in MOTIONS:
        if (action, direction) == (second, way):
            continue
        events = [
            Event(actor="a", action=action, direction=direction, frames=span(0, 7)),
            Event(actor="a", action=second, direction=way, frames=span(8, 16)),
        ]
        made = shot([Entity(id="a", noun="ball")], events)
        faults = layout_faults(make_layout(made), made)
        assert not [fault for fault in faults if "leaps" in fault], (second, way)


@pytest.mark.parametrize(("action", "direction"), MOTIONS)
def test_two_things_without_a_relation_keep_apart(
    action: Action, direction: Direction | None
) -> None:
    for other, way in MOTIONS:
        for place in ("road", "space"):
            events = [
                Event(actor="a", action=action, direction=direction, frames=span()),
                Event(actor="b", action=other, direction=way, frames=span()),
            ]
            made = shot(
                [Entity(id="a", noun="car"), Entity(id="b", noun="dog")], events, place=place
            )
            assert layout_faults(make_layout(made), made) == [], (other, way, place)


def test_the_same_shot_gets_the_same_layout() -> None:
    made = shot(
        [Entity(id="a", noun="car", count=2)],
        [Event(actor="a", action="moves", direction="right", frames=span())],
    )
    assert make_layout(made) == make_layout(made)


def test_a_fall_obeys_gravity_and_a_roll_turns_as_far_as_it_goes() -> None:
    falls = shot([Entity(id="a", noun="ball")], [Event(actor="a", action="falls", frames=span())])
    track = make_layout(falls).track("a")
    feet = [track.at(frame).box[3] for frame in range(17)]
    assert (feet[8] - feet[0]) / (feet[16] - feet[0]) == pytest.approx(0.25, abs=0.01)
    rolls = shot(
        [Entity(id="a", noun="ball")],
        [Event(actor="a", action="rolls", direction="right", frames=span())],
    )
    track = make_layout(rolls).track("a")
    first, last = track.at(0), track.at(16)
    way = (last.box[0] - first.box[0]) * 160
    radius = (first.box[3] - first.box[1]) * 96 / 2
    assert last.angle == pytest.approx(way / radius * 180 / 3.14159, rel=0.01)


def test_faults_of_a_critic_change_the_layout() -> None:
    things = [Entity(id="a", noun="dog"), Entity(id="b", noun="cat")]
    events = [Event(actor=id, action="stays", frames=span()) for id in "ab"]
    made = shot(things, events)

    def gap(*faults: str) -> float:
        layout = make_layout(made, faults=faults)
        return layout.track("b").at(0).box[0] - layout.track("a").at(0).box[2]

    def height(*faults: str) -> float:
        box = make_layout(made, faults=faults).track("a").at(0).box
        return box[3] - box[1]

    assert gap("layout: too close") > gap()
    assert height("layout: too small") > height()


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 49])
def test_shots_of_any_length_have_a_layout(frames: int) -> None:
    for action, direction in MOTIONS:
        event = Event(actor="a", action=action, direction=direction, frames=span(0, frames - 1))
        made = shot([Entity(id="a", noun="dog")], [event], frames=frames)
        layout = make_layout(made)
        assert layout.frames == frames
        assert layout_faults(layout, made) == []


def test_an_empty_shot_has_an_empty_layout() -> None:
    assert make_layout(shot([], [])).tracks == []


@pytest.mark.long
def test_a_crowd_too_large_for_any_row_still_has_a_layout_and_may_be_mended() -> None:
    crowd = [Entity(id=f"t{i}", noun="frame", count=9, known=False) for i in range(60)]
    made = shot(crowd, [], frames=3)
    for faults in ([], ["t0 and t1 overlap: further apart"]):
        assert len(make_layout(made, faults=faults).tracks) == 540
