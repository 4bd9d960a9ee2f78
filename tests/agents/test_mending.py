"""The offline artist answers what critics find in a take by a layout that differs in that."""

from __future__ import annotations

from collections import Counter

import pytest

from reelwright_agents.layout_check import check_layout
from reelwright_agents.mending import Want, granted, wishes
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_agents.specialists import faults
from reelwright_core.story import Layout, Lens, Shot
from reelwright_core.takes import Question, QuestionKind
from reelwright_metrics.questions import questions
from reelwright_metrics.suites import scripts

PLANNER = OfflinePlanner()

SCENES = (
    "A small ball rolls from left to right on a road.",
    "A red ball falls in a meadow while a dog stands.",
    "Two small cats stand in a room.",
    "A balloon rises in a meadow while a car drives left.",
    "A red cat sits left of a blue dog.",
    "Three apples jump in a desert.",
    "A butterfly circles in a meadow.",
    "A boat comes closer on the sea.",
)


def shots(text: str, frames: int = 17) -> list[Shot]:
    script = Script(kind="prompts", text=text)
    return PLANNER.storyboard(script, picture=Picture(frames=frames)).shots


def no(kind: QuestionKind, shot: Shot, layout: Layout) -> list[list[str]]:
    """What the refiner tells of each question of a kind that fails, one at a time."""
    asked = [each for each in questions(shot, layout) if each.kind == kind]
    return [
        faults(
            shot,
            [
                Question(
                    kind=each.kind, text=each.text, entity=each.entity, score=0.0, passed=False,
                    expected=each.expected, seen="nothing",
                )
            ],
        )
        for each in asked
    ]  # fmt: skip


ANSWERED: dict[QuestionKind, float] = {
    "presence": 0.9, "count": 0.85, "colour": 0.9, "direction": 0.95, "path": 0.95,
    "relation": 0.9, "stillness": 0.8,
}  # fmt: skip
"""In what part of the suite's shots a fault must lead to a real change: a car that fills half of
the picture and must cross it cannot be larger."""


@pytest.mark.parametrize("kind", ANSWERED)
def test_faults_of_a_take_change_the_layout_as_asked_without_new_faults(kind: QuestionKind) -> None:
    told: Counter[str] = Counter()
    for script in scripts.load("story"):
        for shot in shots(script.text):
            usual = PLANNER.layout(shot)
            for wrong in no(kind, shot, usual):
                mended = PLANNER.layout(shot, faults=wrong, earlier=usual)
                told["all"] += 1
                told["answered"] += granted(mended, usual, wishes(shot, wrong)) == 1
                assert len(check_layout(mended, shot)) <= len(check_layout(usual, shot)), wrong
    assert told["all"] >= 5
    assert told["answered"] / told["all"] >= ANSWERED[kind], told


@pytest.mark.parametrize(
    ("text", "fault", "want"),
    [
        (SCENES[0], "the ball cannot be seen: make it larger", "larger"),
        (SCENES[1], "the dog is too large for the picture: make it smaller", "smaller"),
        (SCENES[2], "the two cats: expected 2 things, saw 1 thing: further apart", "apart"),
        (SCENES[0], "the ball must move from left to right: make the way longer", "farther"),
        (SCENES[5], "the three apples must be seen to jump: make the movement larger", "farther"),
        (SCENES[6], "the butterfly must be seen to go round: make the movement larger", "farther"),
        (SCENES[7], "boat approaches, but its size changes by 1.20: change it more", "farther"),
        (SCENES[3], "the balloon: before the car goes: leave more time between", "pause"),
        (SCENES[3], "the car leaps in frame 8: let it go there slowly", "slower"),
        (SCENES[0], "the ball moves too late: let it move earlier", "earlier"),
        (SCENES[1], "the dog must stand still", "still"),
    ],
)
def test_each_kind_of_fault_is_understood_and_what_it_asks_is_measured(
    text: str, fault: str, want: Want
) -> None:
    (shot,) = shots(text)
    (wish,) = wishes(shot, [fault])
    assert wish.want == want
    usual = PLANNER.layout(shot)
    if want in ("pause", "slower"):
        return
    mended = PLANNER.layout(shot, faults=[fault], earlier=usual)
    assert granted(mended, usual, [wish]) == 1


def test_things_that_follow_each_other_get_more_time_between() -> None:
    (shot,) = shots("A red ball rolls from left to right in a meadow. Then a dog jumps.", frames=33)
    assert len({event.frames.first for event in shot.scene_graph.events}) > 1
    usual = PLANNER.layout(shot)
    fault = "the red ball: before the dog jumps: leave more time between"
    mended = PLANNER.layout(shot, faults=[fault], earlier=usual)
    assert granted(mended, usual, wishes(shot, [fault])) == 1
    assert check_layout(mended, shot) == []


def test_what_goes_too_fast_goes_slower_and_not_as_far() -> None:
    (shot,) = shots("A red ball rolls from left to right in a meadow while a dog stands.")
    usual = PLANNER.layout(shot)
    fault = "the red ball moves too fast: slower"
    mended = PLANNER.layout(shot, faults=[fault], earlier=usual)
    assert granted(mended, usual, wishes(shot, [fault])) == 1


def test_the_same_fault_of_a_mended_layout_is_mended_further() -> None:
    (shot,) = shots("A small red ball rolls from left to right in a meadow.")
    fault = ["the red ball cannot be seen: make it larger"]
    first = PLANNER.layout(shot)
    second = PLANNER.layout(shot, faults=fault, earlier=first)
    third = PLANNER.layout(shot, faults=fault, earlier=second)
    highs = [each.tracks[0].at(0).box[3] - each.tracks[0].at(0).box[1]
             for each in (first, second, third)]  # fmt: skip
    assert highs == sorted(set(highs))
    assert check_layout(third, shot) == []


def test_only_those_who_are_named_change() -> None:
    (shot,) = shots("A small ball stands in a meadow while a dog stands.")
    usual = PLANNER.layout(shot)
    mended = PLANNER.layout(shot, faults=["the ball cannot be seen: make it larger"])
    ball, dog = (shot.scene_graph.entities[i].id for i in (0, 1))

    def high(layout: Layout, entity: str) -> float:
        box = layout.track(entity).at(0).box
        return box[3] - box[1]

    assert high(mended, ball) > 1.05 * high(usual, ball)
    assert high(mended, dog) == pytest.approx(high(usual, dog), rel=0.02)


def test_words_that_ask_for_nothing_change_nothing() -> None:
    (shot,) = shots(SCENES[0])
    assert PLANNER.layout(shot, faults=["hm", "the colours are dull"]) == PLANNER.layout(shot)


@pytest.mark.parametrize("text", SCENES)
def test_a_lens_sizes_things_and_leaves_no_fault(text: str) -> None:
    def mean_height(lens: Lens) -> float:
        (shot,) = shots(text)
        shot = shot.model_copy(update={"lens": lens})
        layout = PLANNER.layout(shot)
        assert check_layout(layout, shot) == [], lens
        boxes = [track.at(f).box for track in layout.tracks for f in range(layout.frames)]
        return sum(box[3] - box[1] for box in boxes) / len(boxes)

    wide, normal, long = mean_height("wide"), mean_height("normal"), mean_height("long")
    assert wide < 0.85 * normal
    assert long >= 0.9 * normal, "one that is larger may leave less room for another"


def test_a_long_lens_shows_things_larger_where_there_is_room() -> None:
    (shot,) = shots("A small cat stands in a room.")
    highs: dict[str, float] = {}
    for lens in ("wide", "normal", "long"):
        layout = PLANNER.layout(shot.model_copy(update={"lens": lens}))
        box = layout.tracks[0].at(0).box
        highs[lens] = box[3] - box[1]
    assert highs["wide"] == pytest.approx(0.72 * highs["normal"], rel=0.01)
    assert highs["long"] == pytest.approx(1.3 * highs["normal"], rel=0.01)
