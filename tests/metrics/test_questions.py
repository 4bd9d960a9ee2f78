"""Questions say what a person would ask of a clip."""

from __future__ import annotations

import pytest

from reelwright_core.story import Entity, Event, FrameSpan, Layout, Relation, SceneGraph, Shot
from reelwright_metrics.questions import plural, questions


def asked(graph: SceneGraph) -> dict[str, str]:
    shot = Shot(id="s01", prompt="x", scene_graph=graph)
    return {q.text: q.kind for q in questions(shot, Layout(frames=17))}


def span(first: int, last: int) -> FrameSpan:
    return FrameSpan(first=first, last=last)


def test_every_part_of_the_plan_is_asked_about_in_plain_words() -> None:
    graph = SceneGraph(
        entities=[
            Entity(id="car", noun="car", colour="red"),
            Entity(id="ball", noun="ball"),
            Entity(id="dog", noun="dog", count=2),
            Entity(id="tree", noun="tree"),
        ],
        relations=[
            Relation(subject="car", kind="left of", object="tree"),
            Relation(subject="dog", kind="follows", object="car"),
        ],
        events=[
            Event(actor="car", action="moves", direction="right", frames=span(0, 16)),
            Event(actor="ball", action="falls", frames=span(0, 6)),
            Event(actor="ball", action="bounces", frames=span(3, 16)),
            Event(actor="dog", action="jumps", frames=span(9, 16)),
            Event(actor="tree", action="stays", frames=span(0, 16)),
        ],
    )
    assert asked(graph) == {
        "Is there a red car?": "presence",
        "Is there only one red car?": "count",
        "Is the car red?": "colour",
        "Is there a ball?": "presence",
        "Is there only one ball?": "count",
        "Are there dogs?": "presence",
        "Are there two dogs?": "count",
        "Is there a tree?": "presence",
        "Is there only one tree?": "count",
        "Does the red car go from left to right?": "direction",
        "Does the ball fall?": "direction",
        "Does the ball bounce?": "path",
        "Do the two dogs jump?": "path",
        "Does the tree stand still?": "stillness",
        "Does the ball fall before the ball bounces?": "order",
        "Does the ball bounce before the two dogs jump?": "order",
        "Is the red car left of the tree?": "relation",
        "Do the two dogs follow the red car?": "relation",
    }


def test_things_of_the_same_name_are_told_apart() -> None:
    graph = SceneGraph(entities=[Entity(id="dog-1", noun="dog"), Entity(id="dog-2", noun="dog")])
    assert list(asked(graph)) == [
        "Is there a first dog?",
        "Is there a second dog?",
    ]


def test_no_question_stands_twice() -> None:
    event = Event(actor="car", action="moves", direction="left", frames=span(0, 16))
    graph = SceneGraph(entities=[Entity(id="car", noun="car")], events=[event, event])
    texts = [
        q.text for q in questions(Shot(id="s", prompt="x", scene_graph=graph), Layout(frames=17))
    ]
    assert len(texts) == len(set(texts))


def test_a_shot_without_anything_has_no_questions() -> None:
    assert asked(SceneGraph()) == {}


@pytest.mark.parametrize(
    ("noun", "many"),
    [("bus", "buses"), ("butterfly", "butterflies"), ("boy", "boys"), ("xylo", "xylos")],
)
def test_plurals(noun: str, many: str) -> None:
    assert plural(noun) == many
