"""Who mends a take: by what failed, by what is to blame, and by what was tried."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from reelwright_agents.routing import Case, confined, route, verify
from reelwright_agents.specialists import Means, correct, structured, whole_latents
from reelwright_core.physics import PhysicsScene
from reelwright_core.story import Entity, FrameSpan, Keyframe, Layout, SceneGraph, Shot, Track
from reelwright_core.takes import (
    Artifact,
    Clip,
    Critique,
    NoisePlan,
    Question,
    Region,
    Repair,
    Specialist,
    Take,
)

THINGS = [Entity(id="car", noun="car", colour="red"), Entity(id="dog", noun="dog", count=2)]
SHOT = Shot(id="s01", prompt="a red car and a dog.", scene_graph=SceneGraph(entities=THINGS))
KEY = Keyframe(frame=0, box=(0.1, 0.1, 0.4, 0.4))
LAYOUT = Layout(frames=17, tracks=[Track(entity="car", keyframes=[KEY])])
OTHER = Layout(frames=17, tracks=[Track(entity="dog", keyframes=[KEY])])
ALL: Sequence[Specialist] = ("simulation", "layout", "span", "noise", "prompt", "seed")
MEANS = Means(
    make_layout=lambda shot, faults, earlier: OTHER, keeps_frames=True, frames_per_latent=4
)


def no(kind: Any, *spans: tuple[int, int], entity: str = "car", score: float = 0.1) -> Question:
    return Question(
        kind=kind, text=f"{kind}?", entity=entity, score=score, passed=False, seen="nothing",
        spans=[FrameSpan(first=a, last=b) for a, b in spans],
    )  # fmt: skip


def take(number: int, score: float, *failed: Question, **more: Any) -> Take:
    critique: dict[str, Any] = {"critic": "measure", "blame": "generator"}
    critique |= {name: more.pop(name) for name in ("critic", "blame", "mismatches") if name in more}
    noise = {"level": more.pop("level", 0.6), "seed": 7, "regions": more.pop("regions", [])}
    given: dict[str, Any] = {"prompt": SHOT.prompt, "layout": LAYOUT, **more}
    return Take(
        shot="s01",
        number=number,
        noise=NoisePlan.model_validate(noise),
        clip=Clip(
            video=Artifact(path="clip.mp4", sha256="0" * 64, bytes=1),
            frames=17, fps=Fraction(8), size=(160, 96),
        ),
        critique=Critique(questions=list(failed), score=score, **critique),
        **given,
    )  # fmt: skip


def case(*takes: Take, shot: Shot = SHOT) -> Case:
    return Case(shot=shot, takes=takes, default_level=0.6)


def asked(found: Case, specialists: Sequence[Specialist] = ALL) -> list[Specialist]:
    """Who is asked in one round if nobody offers anything."""
    tried: list[Specialist] = []
    while (one := route(found, specialists=specialists, tried=tried)) is not None:
        tried.append(one)
    return tried


# routing


@pytest.mark.parametrize(
    ("failed", "blame", "expected"),
    [
        (no("direction"), "simulation", ["simulation", "noise", "seed"]),
        (no("direction"), "layout", ["layout", "noise", "seed"]),
        (no("count"), "generator", ["noise", "seed"]),
        (no("count", entity="dog"), "generator", ["layout", "noise", "seed"]),
        (no("relation"), "generator", ["layout", "noise", "seed"]),
        (no("path", (9, 16)), "generator", ["span", "noise", "seed"]),
        (no("colour"), "prompt", ["prompt", "seed"]),
        (no("presence"), "prompt", ["prompt", "layout", "seed"]),
    ],
)
def test_the_route_is_by_what_failed_and_what_is_to_blame(
    failed: Question, blame: str, expected: list[Specialist]
) -> None:
    assert asked(case(take(1, 0.3, failed, blame=blame))) == expected


def test_the_layout_is_asked_before_the_prompt() -> None:
    found = case(take(1, 0.3, no("relation"), no("colour")))
    order = asked(found)
    assert order.index("layout") < order.index("prompt")


def test_a_specialist_that_the_graph_does_not_have_is_not_asked() -> None:
    found = case(take(1, 0.3, no("count"), no("colour")))
    assert asked(found, ["prompt", "seed"]) == ["prompt", "seed"]


@pytest.mark.parametrize(("question", "level"), [(no("colour"), 0.3), (no("presence"), 0.15)])
def test_what_is_not_seen_at_all_is_filmed_from_much_less_noise(
    question: Question, level: float
) -> None:
    made = correct("noise", case(take(1, 0.3, question)), MEANS)
    assert made is not None
    assert made.regions == [Region(of="car", level=level)]


def test_less_noise_that_was_not_enough_is_not_tried_again() -> None:
    tried = [Region(of="car", level=0.15)]
    found = case(take(1, 0.0, no("presence")), take(2, 0.0, no("presence"), regions=tried))
    assert found.best.number == 1, "the best take need not be the one of less noise"
    made = correct("noise", found, MEANS)
    assert made is not None
    assert made.regions == [Region(of="car", level=0.1)]


def test_one_specialist_a_round_but_noise_and_prompt_go_together() -> None:
    found = case(take(1, 0.3, no("direction"), no("colour")))
    less = correct("noise", found, MEANS)
    assert less is not None
    assert less.specialist == "noise"
    assert route(found, specialists=ALL, tried=["noise"], corrections=[less]) == "prompt"
    layout = correct("layout", found, MEANS)
    assert layout is not None
    assert route(found, specialists=ALL, tried=["layout"], corrections=[layout]) is None
    both = route(found, specialists=ALL, tried=["layout"], corrections=[layout], together=True)
    assert both == "noise", "what is not seen in its colour is also filmed from less noise"


# verification


def test_verification_names_the_worst_first_and_when() -> None:
    bad = take(1, 0.3, no("colour", score=0.4), no("path", (3, 9)))
    found = verify(SHOT, [bad], threshold=0.8, max_takes=3)
    assert found.again
    assert found.faults == ["path? nothing (frames 3-9)", "colour? nothing"]


def test_patience_is_a_setting_of_the_rule_that_stops() -> None:
    takes = [take(1, 0.5, no("path")), take(2, 0.5, no("path")), take(3, 0.5, no("path"))]
    stop = verify(SHOT, takes, threshold=0.8, max_takes=9)
    assert not stop.again
    assert stop.why == "2 repairs in a row brought no gain"
    assert verify(SHOT, takes, threshold=0.8, max_takes=9, patience=3).again


# the specialists


def test_a_span_is_widened_to_whole_latents() -> None:
    def wide(first: int, last: int) -> tuple[int, int]:
        span = whole_latents(FrameSpan(first=first, last=last), step=4, frames=17)
        return span.first, span.last

    assert wide(9, 10) == (9, 12)
    assert wide(8, 9) == (5, 12)
    assert wide(0, 0) == (0, 0)
    assert wide(0, 1) == (0, 4)
    assert wide(14, 16) == (13, 16)


def test_faults_all_over_the_clip_are_no_span() -> None:
    assert confined(case(take(1, 0.3, no("path", (2, 14))))) is None
    assert confined(case(take(1, 0.3, no("path", (9, 12)), no("colour")))) is None
    assert confined(case(take(1, 0.3, no("path", (9, 12)), blame="layout"))) is None
    both = confined(case(take(1, 0.3, no("path", (9, 10)), no("count", (12, 13)))))
    assert both == FrameSpan(first=9, last=13)


def test_of_a_temporal_critic_the_formulas_own_span_counts() -> None:
    whole, part = no("other", (9, 12)), no("presence", (0, 16))
    assert confined(case(take(1, 0.3, whole, part, critic="logic"))) == FrameSpan(first=9, last=12)


def test_a_span_is_filmed_anew_once_from_each_take() -> None:
    first = take(1, 0.3, no("path", (9, 10)))
    made = correct("span", case(first), MEANS)
    assert made is not None
    assert (made.span, made.of) == (FrameSpan(first=9, last=12), 1)
    assert made.noise_level == pytest.approx(0.48)  # with more of the sketch, as structure failed
    unclear = correct("span", case(take(1, 0.3, no("presence", (9, 10)))), MEANS)
    assert unclear is not None
    assert unclear.noise_level is None
    assert unclear.seed is not None
    second = take(2, 0.2, no("path", (9, 10)), repair=made)
    assert correct("span", case(first, second), MEANS) is None


def test_a_model_that_keeps_no_frames_gets_no_span() -> None:
    cannot = Means(make_layout=MEANS.make_layout)
    assert correct("span", case(take(1, 0.3, no("path", (9, 10)))), cannot) is None


def test_emphasis_lowers_the_noise_of_the_failing_thing_alone() -> None:
    means = Means(make_layout=MEANS.make_layout, emphasis=True)
    made = correct("noise", case(take(1, 0.3, no("path"))), means)
    assert made is not None
    assert made.noise_level is None
    assert made.regions == [Region(of="car", level=0.48)]
    again = correct("noise", case(take(1, 0.3, no("path"), regions=made.regions)), means)
    assert again is not None
    assert again.regions == [Region(of="car", level=0.384)]


def guided(**strengths: float) -> dict[str, Any]:
    """The provenance of a take that boxes guided."""
    things = [{"entity": id_, "strength": strength} for id_, strength in strengths.items()]
    return {"guide": {"by": "boxes", "things": things}}


def test_who_is_emphasised_is_held_more_firmly_where_boxes_guide_the_film() -> None:
    means = Means(make_layout=MEANS.make_layout, emphasis=True)
    first = take(1, 0.3, no("path"), provenance=guided(car=1.0, dog=1.0))
    repairs: list[Repair] = []
    for found in (case(first), case(first, take(2, 0.2, no("path"), provenance=guided(car=1.05)))):
        less = correct("noise", found, means)
        assert less is not None
        made = structured([less, Repair(why="say it", specialist="prompt", prompt="a")], found)
        assert made is not None
        repairs.append(made)
    # The second goes on from the first take, and further than the take that did not help.
    assert [repair.emphasis for repair in repairs] == [{"car": 1.05}, {"car": 1.1}]


def test_what_was_held_more_firmly_stays_so_when_something_else_is_mended() -> None:
    best = take(1, 0.5, no("colour"), provenance=guided(car=1.05, dog=1.0))
    made = structured([Repair(why="say it", specialist="prompt", prompt="a")], case(best))
    assert made is not None
    assert made.emphasis == {"car": 1.05}


def test_where_no_boxes_guide_the_film_nothing_is_held() -> None:
    means = Means(make_layout=MEANS.make_layout, emphasis=True)
    told = {"guide": {"asked": "boxes", "why": "no such maps", "used": "structured noise"}}
    found = case(take(1, 0.3, no("path"), provenance=told))
    less = correct("noise", found, means)
    assert less is not None
    made = structured([less], found)
    assert made is not None
    assert (made.emphasis, made.regions) == ({}, [Region(of="car", level=0.48)])


def test_another_simulation_has_another_seed() -> None:
    seeds: list[int] = []

    def make(shot: Shot, seed: int) -> PhysicsScene | None:
        seeds.append(seed)
        return None

    means = Means(make_layout=MEANS.make_layout, make_scene=make)
    assert correct("simulation", case(take(1, 0.3, no("path"))), means) is None
    correct("simulation", case(take(1, 0.3), take(2, 0.2)), means)
    assert len(set(seeds)) == 2
    assert max(seeds) < 2**31


# structuring


def test_corrections_become_one_change_from_the_best_take() -> None:
    best, last = take(1, 0.5, no("direction"), no("colour")), take(2, 0.2, level=0.4)
    found = case(best, last)
    offered = [
        Repair(why="keep more", specialist="noise", noise_level=0.5),
        Repair(why="say it", specialist="prompt", prompt="a very red car and a dog"),
    ]
    made = structured(offered, found)
    assert made is not None
    assert (made.noise_level, made.prompt) == (0.5, "a very red car and a dog")
    assert made.specialist == "prompt"
    assert made.why.endswith("keep more and say it; from take 1")
    assert structured([], found) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"regions": [Region(of="cat", level=0.4)]}, "'cat'"),
        ({"span": FrameSpan(first=3, last=17), "of": 1}, "0 to 16"),
        ({"span": FrameSpan(first=3, last=9), "of": 4}, "no take 4"),
        ({"layout": Layout(frames=9)}, "9 frames"),
        ({"noise_level": 1.5}, "at most 1"),
    ],
)
def test_what_names_something_that_is_not_there_is_no_change(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        structured([Repair(why="x", **wrong)], case(take(1, 0.3)))
