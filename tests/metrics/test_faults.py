"""Planted faults are found, told apart, dated and laid to the right account."""

from __future__ import annotations

import numpy as np
import pytest

from reelwright_core.story import Entity, Keyframe, Layout, Relation, SceneGraph, Shot, Track
from reelwright_core.takes import Question
from reelwright_metrics.blaming import mentions
from reelwright_metrics.fault_rates import Judged, confusion, hull, judged, main_fault, rates
from reelwright_metrics.faults import FAULTS, FRAMES, SIZE, FaultKind, case, cases
from reelwright_metrics.measure import MeasuringCritic
from reelwright_simulators.painter import paint
from reelwright_simulators.places import GROUND

HELD_OUT = 2
"""The seed of the set that nothing was tuned on."""


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_of_fault_is_found_dated_and_blamed(kind: FaultKind) -> None:
    said = judged(case(kind, seed=HELD_OUT, number=0), MeasuringCritic())
    assert said.found == kind, said.failed
    assert said.span_right or kind == "look", (said.span, said.said)
    assert said.blame_right, (said.blame, said.origin)


@pytest.mark.parametrize("number", [0, 2, 7])
def test_a_clean_case_raises_no_alarm(number: int) -> None:
    said = judged(case(None, seed=HELD_OUT, number=number), MeasuringCritic())
    assert (said.found, said.alarmed, said.failed) == (None, False, [])


def test_the_same_seed_plants_the_same_fault() -> None:
    one, other = (case("jump", seed=5, number=3) for _ in range(2))
    assert (one.id, one.origin, one.span) == (other.id, other.origin, other.span)
    assert (one.shots[0].clip == other.shots[0].clip).all()
    assert one.shots[0].shot == other.shots[0].shot
    elsewhere = case("jump", seed=6, number=3)
    assert (elsewhere.shots[0].clip != one.shots[0].clip).any()


def test_every_kind_comes_as_often_and_from_each_origin() -> None:
    found = cases(24, clean=2, seed=7)
    assert [sum(each.kind == kind for each in found) for kind in (*FAULTS, None)] == [3] * 8 + [2]
    assert {each.origin for each in found} == {"none", "layout", "prompt", "generator"}


def test_rates_count_what_was_said() -> None:
    right = Judged(
        id="a", kind="jump", way="painted", origin="layout", found="jump", alarmed=True,
        blame="layout", span={"first": 4, "last": 4}, said={"first": 4, "last": 5},  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    late = right.model_copy(
        update={"said": right.said and right.said.model_copy(update={"last": 9})}
    )
    clean = right.model_copy(update={"kind": None, "found": None, "alarmed": False})
    missed = right.model_copy(update={"found": None, "alarmed": False, "blame": "none"})
    told = rates([right, late, clean, missed])
    assert (told.detected.value, told.detected.n) == (pytest.approx(2 / 3, abs=1e-4), 3)
    assert (told.spans.value, told.spans.n) == (0.5, 2)
    assert told.blamed.value == pytest.approx(2 / 3, abs=1e-4)
    assert told.false_alarms.value == 0
    table = confusion([right, late, clean, missed])
    jumps = next(row for row in table if row[0] == "jump")
    assert (jumps[table[0].index("jump")], jumps[-1]) == ("2", "1")


def test_what_vanished_is_not_told_as_missing() -> None:
    def failed(kind: str, **more: str) -> Question:
        return Question.model_validate(
            {"kind": kind, "text": "?", "score": 0.1, "passed": False, **more}
        )

    gone = [
        failed("presence", seen="seen in 30% of the frames"),
        failed("smoothness", expected="in sight throughout"),
        failed("direction"),
    ]
    critique = MeasuringCritic().watch(Shot(id="s", prompt="x"), Layout(frames=2), _grey(2))
    assert main_fault(critique) == (None, None)
    assert main_fault(critique.model_copy(update={"questions": gone}))[0] == "vanishing"
    never = [failed("presence", seen="not seen"), *gone[1:]]
    assert main_fault(critique.model_copy(update={"questions": never}))[0] == "missing"
    assert hull([]) is None


def _grey(frames: int) -> np.ndarray:
    return np.full((frames, 96, 160, 3), 120, np.uint8)


def test_a_prompt_is_read_for_what_it_names() -> None:
    told = mentions("Two crimson cars go to the left, then a dog falls, 3 big balls, at a beach")
    assert [(each.noun, each.number, each.colour) for each in told] == [
        ("car", 2, "red"),
        ("dog", 1, None),
        ("ball", 3, None),
    ]
    assert told[0].clause == "go to the left , then a"


def _standing(entities: list[Entity], places: list[tuple[float, float]], high: float) -> Layout:
    foot = GROUND["meadow"] or 0.8
    wide = high * SIZE[1] / SIZE[0]
    tracks: list[Track] = []
    at = iter(places)
    for entity in entities:
        for instance in range(entity.count):
            x, up = next(at)
            box = (x - wide / 2, foot - up - high, x + wide / 2, foot - up)
            tracks.append(
                Track(
                    entity=entity.id, instance=instance,
                    keyframes=[Keyframe(frame=0, box=box)],
                )
            )  # fmt: skip
    return Layout(frames=FRAMES, tracks=tracks)


def test_swapped_colours_of_a_red_cube_and_a_blue_sphere_are_found_on_all_sketches() -> None:
    critic = MeasuringCritic()
    cube = Entity(id="cube", noun="cube", colour="red", known=False)
    sphere = Entity(id="sphere", noun="sphere", colour="blue", known=False)
    swapped = [
        cube.model_copy(update={"colour": "blue"}),
        sphere.model_copy(update={"colour": "red"}),
    ]
    graph = SceneGraph(entities=[cube, sphere])
    shot = Shot(id="s01", prompt="a red cube and a blue sphere", place="meadow", scene_graph=graph)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sides = [float(rng.uniform(0.15, 0.4)), float(rng.uniform(0.6, 0.85))]
        places = [(x, float(rng.uniform(0, 0.3))) for x in rng.permutation(sides).tolist()]
        layout = _standing([cube, sphere], places, float(rng.uniform(0.25, 0.38)))
        for painted, found in (([cube, sphere], None), (swapped, "swapped")):
            sketch = paint(layout, entities=painted, place="meadow", size=SIZE, seed=seed)
            critique = critic.watch(shot, layout, sketch.frames, background=sketch.background)
            assert main_fault(critique)[0] == found, (seed, critique.questions)


@pytest.mark.parametrize("number", range(1, 10))
def test_one_to_nine_things_are_counted_on_sketches(number: int) -> None:
    ball = Entity(id="ball", noun="ball", colour="red", count=number)
    columns = min(number, 5)
    places = [((i % 5 + 0.5) / columns, 0.36 * (i // 5)) for i in range(number)]
    layout = _standing([ball], places, 0.24)
    shot = Shot(id="s01", prompt="x", place="meadow", scene_graph=SceneGraph(entities=[ball]))
    for seed in range(2):
        sketch = paint(layout, entities=[ball], place="meadow", size=SIZE, seed=seed)
        critique = MeasuringCritic().watch(
            shot, layout, sketch.frames, background=sketch.background
        )
        (count,) = [q for q in critique.questions if q.kind == "count"]
        assert (count.passed, count.seen.split()[0]) == (True, str(number))


def test_relations_hold_on_the_sketches_of_plans_that_have_them() -> None:
    one = Entity(id="dog", noun="dog", colour=None)
    other = Entity(id="house", noun="house", colour="red")
    for kind, first, second in (
        ("left of", (0.25, 0.0), (0.75, 0.0)),
        ("right of", (0.75, 0.0), (0.25, 0.0)),
        ("above", (0.5, 0.45), (0.5, 0.0)),
        ("near", (0.4, 0.0), (0.62, 0.0)),
    ):
        relation = Relation.model_validate({"subject": "dog", "kind": kind, "object": "house"})
        graph = SceneGraph(entities=[one, other], relations=[relation])
        shot = Shot(id="s01", prompt="x", place="meadow", scene_graph=graph)
        layout = _standing([one, other], [first, second], 0.3)
        sketch = paint(layout, entities=[one, other], place="meadow", size=SIZE, seed=1)
        critique = MeasuringCritic().watch(
            shot, layout, sketch.frames, background=sketch.background
        )
        assert [q.passed for q in critique.questions if q.kind == "relation"] == [True], kind


@pytest.mark.long
def test_seeded_faults_of_the_held_out_set() -> None:
    critic = MeasuringCritic()
    told = rates([judged(each, critic) for each in cases(200, clean=200, seed=HELD_OUT)])
    assert told.detected.value >= 0.95
    assert told.spans.value >= 0.95
    assert told.blamed.value >= 0.90
    assert told.false_alarms.value <= 0.05


@pytest.mark.long
@pytest.mark.parametrize(("kind", "least"), [("jump", 0.95), ("vanishing", 0.93), ("extra", 0.95)])
def test_two_hundred_breaks_of_motion_and_of_presence(kind: FaultKind, least: float) -> None:
    critic = MeasuringCritic()
    found = [judged(case(kind, seed=HELD_OUT + 1, number=n), critic) for n in range(200)]
    assert np.mean([each.found == kind for each in found]) >= least
    dated = [each.span_right for each in found if each.found == kind]
    assert np.mean(dated) >= 0.95
