"""Scene graphs over time: what is imagined only adds, and every fact is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.enrichment import (
    ADDED_AT_MOST,
    Fact,
    Step,
    actions,
    diff,
    enrich,
    enriched,
    known,
    steps,
)
from reelwright_agents.facts_shown import shown
from reelwright_agents.imagination import LlmImagination, RuleImagination
from reelwright_agents.llm import LanguageModel
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_agents.prompt_writer import Reader, write
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.settings import Endpoint
from reelwright_core.story import Entity, Event, FrameSpan, Relation, SceneGraph, Shot
from reelwright_generators.prompt_tokens import estimate

PLANNER = OfflinePlanner()


def shots_of(text: str) -> list[Shot]:
    board = PLANNER.storyboard(Script(kind="prose", text=text), picture=Picture())
    return board.shots


def suite(name: str) -> list[str]:
    file = files("reelwright_metrics") / "suites" / f"{name}.jsonl"
    return [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]


CAR = Shot(
    id="s01",
    prompt="a red car moves from left to right and jumps on a beach, two dogs stand",
    place="beach",
    scene_graph=SceneGraph(
        entities=[
            Entity(id="car", noun="car", colour="red"),
            Entity(id="dog", noun="dog", count=2),
        ],
        relations=[Relation(subject="car", kind="left of", object="dog")],
        events=[
            Event(actor="car", action="jumps", frames=FrameSpan(first=9, last=16)),
            Event(
                actor="car", action="moves", direction="right", frames=FrameSpan(first=0, last=8)
            ),
        ],
    ),
)


class Told:
    """An imagination that says what a test tells it to, of every step."""

    name = "a test"

    def __init__(self, *facts: Fact, without: Sequence[Fact] = (), last: Any = None):
        self.facts, self.without, self.last = facts, without, last
        self.seen: list[tuple[Step | None, Step, Step | None]] = []

    def imagine(
        self, shot: Shot, before: Step | None, now: Step, after: Step | None
    ) -> Sequence[Fact]:
        self.seen.append((before, now, after))
        return [*(fact for fact in now.planned if fact not in self.without), *self.facts]

    def polish(self, shot: Shot, steps: Sequence[Step]) -> Sequence[Sequence[Fact]]:
        return [step.facts for step in steps] if self.last is None else self.last


def test_actions_are_listed_in_order_with_agent_predicate_target_and_frames() -> None:
    assert [str(act) for act in actions(CAR.scene_graph)] == [
        "0-8  car moves right", "9-16  car jumps",
    ]  # fmt: skip


def test_there_is_a_graph_for_each_time_step_with_nodes_relations_and_attributes() -> None:
    first, second = steps(CAR)
    assert (first.frames.first, first.frames.last, second.frames.last) == (0, 8, 16)
    assert first.nodes == ["car", "dog"]
    assert first.planned == [
        ("car", "is", "red"), ("dog", "count", "2"), ("car", "left of", "dog"),
        ("car", "moves", "right"),
    ]  # fmt: skip
    assert ("car", "jumps", "") in second.planned
    assert ("car", "moves", "right") not in second.planned


def test_each_step_is_imagined_from_the_enriched_one_before_and_the_raw_one_after() -> None:
    told = Told(("car", "is", "wet"))
    enrich(CAR, told)
    (none, first, after), (before, second, nothing) = told.seen
    assert none is None
    assert nothing is None
    assert after is not None
    assert (after.frames, after.imagined) == (second.frames, [])
    assert before is not None
    assert before.frames == first.frames
    assert before.imagined == [("car", "is", "wet")]


def test_what_an_imagination_leaves_out_is_put_back_and_said() -> None:
    found = enrich(CAR, Told(("car", "is", "wet"), without=[("car", "is", "red")]))
    assert all(("car", "is", "red") in step.facts for step in found.steps)
    assert any("'car is red' was left out or changed: kept" in note for note in found.notes)


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        (("car", "is", "blue"), "change a colour"),
        (("dog", "count", "3"), "how many"),
        (("dog", "jumps", ""), "new event"),
        (("dog", "is", "flying away"), "new event"),
        (("cat", "is", "asleep"), "nobody in the shot is called 'cat'"),
        (("car", "right of", "dog"), "contradicts"),
        (("dog", "left of", "car"), "contradicts"),
        (("car", "is\nwet", ""), "plain words"),
        (("car", "", "wet"), "has a predicate"),
        (("car", "x" * 61, ""), "60 characters"),
    ],
)
def test_what_changes_the_plan_is_refused_and_said(fact: Fact, why: str) -> None:
    found = enrich(CAR, Told(fact))
    assert all(not step.imagined for step in found.steps)
    assert any("is not taken" in note and why in note for note in found.notes), found.notes


def test_a_state_and_more_of_the_planned_motion_are_no_new_events() -> None:
    facts: list[Fact] = [("dog", "sits on", "the sand"), ("car", "casts", "a shadow")]
    found = enrich(CAR, Told(*facts))
    assert all(set(facts) <= set(step.imagined) for step in found.steps)
    assert found.notes == []


def test_polishing_adds_and_cannot_take_away() -> None:
    given = [[("car", "is", "dusty")], [("car", "is", "dusty")]]
    found = enrich(CAR, Told(("car", "is", "wet"), last=given))
    for step, raw in zip(found.steps, steps(CAR), strict=True):
        assert step.imagined == [("car", "is", "wet"), ("car", "is", "dusty")]
        assert step.planned == raw.planned
    short = enrich(CAR, Told(("car", "is", "wet"), last=[[]]))
    assert [step.imagined for step in short.steps] == [[("car", "is", "wet")]] * 2
    assert any("1 graphs for 2 steps" in note for note in short.notes)


def test_a_flood_of_facts_is_bounded() -> None:
    many: list[Fact] = [("car", "is", f"shiny {n}") for n in range(50)]
    found = enrich(CAR, Told(*many))
    assert [len(step.imagined) for step in found.steps] == [ADDED_AT_MOST] * 2


def test_a_fact_of_neighbouring_steps_is_one_triple() -> None:
    graph = enriched(CAR, enrich(CAR, Told(("car", "is", "wet")))).scene_graph
    (triple,) = graph.enriched
    assert (triple.frames.first, triple.frames.last) == (0, 16)
    assert ("car", "is", "wet") in graph.triples(4)
    again = known(enriched(CAR, enrich(CAR, Told(("car", "is", "wet")))))
    assert [step.imagined for step in again.steps] == [[("car", "is", "wet")]] * 2


def test_the_diff_marks_what_was_added_and_nothing_is_taken_away() -> None:
    found = enrich(CAR, RuleImagination())
    lines = diff(found).splitlines()
    added = [line for line in lines if line.startswith("  + ")]
    assert "  + car faces right" in added
    assert not [line for line in lines if line.lstrip().startswith("-")]
    before = diff(found.model_copy(update={"steps": steps(CAR)})).splitlines()
    assert [line for line in lines if line not in added] == before


def test_rules_add_only_what_follows_and_nobody_new_over_two_suites() -> None:
    for text in (*suite("builtin")[::3], *suite("physics")):
        for shot in shots_of(text):
            found = enrich(shot, RuleImagination())
            assert found.notes == [], (text, found.notes)
            ids = {entity.id for entity in shot.scene_graph.entities}
            for step, raw in zip(found.steps, steps(shot), strict=True):
                assert step.planned == raw.planned
                assert {subject for subject, _, _ in step.imagined} <= ids | {"place"}


def test_every_imagined_fact_is_true_of_the_boxes_of_its_frames_or_of_the_place() -> None:
    wheres: list[str | None] = []
    for text in (*suite("builtin")[::3], *suite("physics")):
        for shot in shots_of(text):
            full = enriched(shot, enrich(shot, RuleImagination()))
            # No prompt is given, so nothing counts that is only said.
            for each in shown(full, prompt="", layout=PLANNER.layout(full)):
                wheres.append(each.where)
                assert each.where is not None, (text, each.fact)
    assert wheres.count("layout") > 200


def test_every_triple_shows_up_in_the_prompt_of_a_model_with_room_for_it() -> None:
    reader = Reader(
        family="cogvideox", own_words=False, tokens=226, count=estimate, counted_by="an estimate"
    )
    for text in suite("builtin")[::10]:
        for shot in shots_of(text):
            full = enriched(shot, enrich(shot, RuleImagination()))
            told = write(full, full.prompt, reader=reader).prompt
            missing = [s.fact for s in shown(full, prompt=told, layout=None) if s.where is None]
            assert missing == [], (text, told)


def test_a_fact_that_is_nowhere_is_found_to_be_nowhere() -> None:
    full = enriched(CAR, enrich(CAR, Told(("car", "is", "wet"), ("dog", "faces", "left"))))
    layout = PLANNER.layout(CAR)
    turned = [
        track.model_copy(update={"faces": "right"}) if track.entity == "dog" else track
        for track in layout.tracks
    ]
    layout = layout.model_copy(update={"tracks": turned})
    assert [each.where for each in shown(full, prompt="a car", layout=layout)] == [None, None]
    said = [each.where for each in shown(full, prompt="The wet red car is wet.", layout=layout)]
    assert said == ["prompt", None]


def supervisor(request: Request) -> Scripted:
    """A model that adds, changes and leaves out, in both kinds of questions."""
    if "Polish the scene graphs" in request.text:
        step = {"triples": [{"subject": "car", "predicate": "is", "object": "wet"}]}
        return scripted.answer({"steps": [step, step]})
    triples = [
        {"subject": "car", "predicate": "is", "object": "blue"},
        {"subject": "place", "predicate": "has", "object": "long shadows"},
    ]
    return scripted.answer({"triples": triples})


def test_a_language_model_that_changes_the_plan_is_held_to_adding() -> None:
    with ScriptedEndpoint(supervisor) as server:
        model = LanguageModel(
            Endpoint(base_url=server.base_url, timeout=10, retries=0), model="tiny"
        )
        found = enrich(CAR, LlmImagination(model))
        assert len(server.requests) == 3
        second = server.requests[1].text
    assert found.by == "the language model tiny"
    for step, raw in zip(found.steps, steps(CAR), strict=True):
        assert step.planned == raw.planned
        assert step.imagined == [("place", "has", "long shadows"), ("car", "is", "wet")]
    assert "long shadows" in second.split("The step before, enriched:")[1]
    assert any("'car is red' was left out or changed" in note for note in found.notes)
    assert any("'car is blue' is not taken" in note for note in found.notes)
