"""The refiner changes one thing at a time, for a reason, and stops."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest

from reelwright_agents.refiner import choose, clearer_prompt, new_seed, refine
from reelwright_agents.specialists import Means
from reelwright_core.story import Entity, Keyframe, Layout, SceneGraph, Shot, Track
from reelwright_core.takes import (
    Artifact,
    Blame,
    Clip,
    Critique,
    NoisePlan,
    Question,
    QuestionKind,
    Repair,
    Take,
)

CAR = Entity(id="car", noun="car", colour="red", count=2)
SHOT = Shot(id="s01", prompt="two red cars drive.", scene_graph=SceneGraph(entities=[CAR]))
LAYOUT = Layout(frames=17)
OTHER = Layout(
    frames=17,
    tracks=[Track(entity="car", keyframes=[Keyframe(frame=0, box=(0.1, 0.1, 0.5, 0.5))])],
)
CLIP = Clip(
    video=Artifact(path="clip.mp4", sha256="0" * 64, bytes=1),
    frames=17,
    fps=Fraction(8),
    size=(160, 96),
)


def take(
    number: int,
    score: float | None,
    *failed: QuestionKind,
    blame: Blame = "generator",
    level: float = 0.65,
    seed: int = 7,
    prompt: str = SHOT.prompt,
    layout: Layout = LAYOUT,
) -> Take:
    questions = [
        Question(kind=kind, text=f"{kind}?", entity="car", score=0, passed=False, seen="nothing")
        for kind in failed
    ]
    critique = (
        None
        if score is None
        else Critique(critic="measure", questions=questions, score=score, blame=blame)
    )
    return Take(
        shot="s01",
        number=number,
        prompt=prompt,
        layout=layout,
        noise=NoisePlan(level=level, seed=seed),
        clip=CLIP,
        critique=critique,
    )


def repair(*takes: Take, max_takes: int = 10, layout: Layout = OTHER) -> Repair | None:
    return refine(
        SHOT,
        takes,
        threshold=0.8,
        max_takes=max_takes,
        default_level=0.65,
        means=Means(make_layout=lambda shot, faults, earlier: layout),
    )


def change(*takes: Take, layout: Layout = OTHER) -> Repair:
    made = repair(*takes, layout=layout)
    assert made is not None
    return made


def test_nothing_is_changed_when_the_last_take_passes() -> None:
    assert repair(take(1, 0.8)) is None
    assert repair(take(1, 0.2, "path"), take(2, 0.9)) is None


def test_nothing_is_changed_when_the_budget_is_spent() -> None:
    assert repair(take(1, 0.2, "path"), max_takes=1) is None
    assert repair(take(1, 0.2, "path"), take(2, 0.3, "path"), max_takes=2) is None


def test_a_take_that_nobody_watched_is_left_alone() -> None:
    assert repair(take(1, None)) is None
    assert repair() is None


def test_two_repairs_without_a_gain_end_the_search() -> None:
    assert repair(take(1, 0.5, "path"), take(2, 0.5, "path"), take(3, 0.4, "path")) is None
    assert repair(take(1, 0.5, "path"), take(2, 0.5, "path"), take(3, 0.6, "path")) is not None
    assert repair(take(1, 0.5, "path"), take(2, 0.4, "path")) is not None


@pytest.mark.parametrize("kind", ["direction", "path", "count", "relation", "order", "stillness"])
def test_what_structure_mends_gets_less_noise(kind: QuestionKind) -> None:
    made = change(take(1, 0.3, kind), layout=LAYOUT)
    assert made.noise_level == pytest.approx(0.52)
    assert (made.seed, made.prompt, made.layout) == (None, None, None)
    assert f"{kind}?" in made.why


def test_the_noise_level_has_a_floor_and_then_comes_a_new_seed() -> None:
    assert change(take(1, 0.3, "path", level=0.33)).noise_level == pytest.approx(0.3)
    at_floor = change(take(1, 0.3, "path", level=0.3))
    assert at_floor.noise_level is None
    assert at_floor.seed == new_seed([take(1, 0.3)])


@pytest.mark.parametrize("kind", ["presence", "colour"])
def test_what_the_prompt_mends_is_said_more_clearly(kind: QuestionKind) -> None:
    made = change(take(1, 0.3, kind, blame="prompt"))
    assert made.prompt == "two red cars drive. Clearly seen: two (2) red cars."
    assert made.noise_level is None


def test_a_prompt_that_was_clear_already_gets_a_new_seed() -> None:
    clear = clearer_prompt(SHOT, ["car"])
    made = change(take(1, 0.3, "colour", blame="prompt", prompt=clear))
    assert made.prompt is None
    assert made.seed is not None


def test_structure_and_prompt_are_mended_together() -> None:
    made = change(take(1, 0.3, "direction", "colour"))
    assert made.noise_level is not None
    assert made.prompt is not None


def test_the_layout_comes_first_and_is_told_the_faults() -> None:
    told: list[Sequence[str]] = []

    def make(shot: Shot, faults: Sequence[str], earlier: Layout) -> Layout:
        told.append(faults)
        return OTHER

    made = refine(
        SHOT,
        [take(1, 0.3, "count", "colour", blame="layout")],
        threshold=0.8,
        max_takes=3,
        default_level=0.65,
        means=Means(make_layout=make),
    )
    assert made is not None
    assert made.layout == OTHER
    assert (made.noise_level, made.prompt) == (None, None)
    assert all("the two red cars" in fault for fault in told[0])
    assert len(told[0]) == 2


def test_a_layout_that_does_not_change_is_no_repair() -> None:
    made = change(take(1, 0.3, "count", blame="layout"), layout=LAYOUT)
    assert made.layout is None
    assert made.noise_level == pytest.approx(0.52)


def test_a_repair_starts_from_the_best_take() -> None:
    made = change(take(1, 0.6, "path"), take(2, 0.3, "path", level=0.52, prompt="other", seed=9))
    assert made.noise_level == pytest.approx(0.416)
    assert made.prompt == SHOT.prompt
    assert made.seed == 7
    assert made.why.endswith("from take 1")


def test_the_search_is_bounded_and_the_same_each_time() -> None:
    def search() -> list[Repair]:
        takes, repairs = [take(1, 0.1, "path", "colour")], list[Repair]()
        while (made := repair(*takes, max_takes=8)) is not None:
            repairs.append(made)
            last = takes[-1]
            takes.append(
                take(
                    last.number + 1,
                    0.1 + 0.05 * last.number,
                    "path",
                    "colour",
                    level=made.noise_level or last.noise.level,
                    seed=last.noise.seed if made.seed is None else made.seed,
                    prompt=made.prompt or last.prompt,
                )
            )
        return repairs

    first = search()
    assert search() == first
    assert len(first) == 7
    assert len({repr(made) for made in first}) == 7


def test_the_best_take_is_chosen_and_of_equals_the_earliest() -> None:
    assert choose([take(1, 0.3), take(2, 0.9), take(3, 0.5)])[0] == 2
    assert choose([take(1, 0.5), take(2, 0.5)]) == (
        1,
        "it scored 0.50, the best of 2 takes; the earliest of equals",
    )
    assert choose([take(1, 0.4)]) == (1, "the only take; it scored 0.40")
    assert choose([take(1, None), take(2, None)])[0] == 1
    assert choose([take(1, None), take(2, 0.1)])[0] == 2
    with pytest.raises(ValueError, match="at least one take"):
        choose([])
