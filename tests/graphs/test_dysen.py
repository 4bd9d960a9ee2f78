"""The graphs `dysen` and `recaption`, from a script to a film and its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.enrichment import actions
from reelwright_agents.facts_shown import shown
from reelwright_agents.kept_words import kept, lost
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.settings import load_settings
from reelwright_core.store import Store
from reelwright_core.story import Keyframe, Layout, SceneGraph, Shot, Storyboard, Track, Triple
from reelwright_core.storyboards import read_storyboard, write_storyboard
from reelwright_core.takes import Film
from reelwright_graphs import run
from reelwright_graphs.crew import Crew
from reelwright_graphs.event_keys_node import EventKeysNode
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Context
from reelwright_graphs.prompt_node import PromptNode

STILL = {"generator.model": "still"}
SCRIPT = (
    "Two dogs run to the left in the snow, then they jump. A gleaming red ball falls on a beach."
)


def film(out: Path, graph: str, script: Any = SCRIPT, **settings: Any) -> Film:
    done = run.film(script, out=out, graph=graph, settings={**STILL, **settings})
    assert isinstance(done, Film)
    return done


def events(out: Path) -> list[dict[str, Any]]:
    lines = (out / "events.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_dysen_films_offline_and_each_triple_shows_in_prompt_or_layout(tmp_path: Path) -> None:
    done = film(tmp_path / "run", "dysen")
    board = read_storyboard(tmp_path / "run" / "storyboard.yaml")
    assert len(done.shots) == len(board.shots) == 2
    for shot, result in zip(board.shots, done.shots, strict=True):
        folder = tmp_path / "run" / "shots" / shot.id / "take-1"
        graph = SceneGraph.from_data(json.loads((folder / "scene.json").read_text()))
        assert graph.model_copy(update={"enriched": []}) == shot.scene_graph
        assert graph.enriched
        full = shot.model_copy(update={"scene_graph": graph})
        take = result.take
        where = shown(full, prompt=take.prompt, layout=take.layout)
        assert all(each.where in ("prompt", "layout") for each in where), where
        diff = (folder / "scene-graph.diff").read_text()
        assert all(str(act) in diff for act in actions(graph))
        assert sum(line.startswith("  + ") for line in diff.splitlines()) >= len(graph.enriched)
        frames = {key.frame for track in take.layout.tracks for key in track.keyframes}
        for event in graph.events:
            assert {event.frames.first, event.frames.last} <= frames
    report = (tmp_path / "run" / "report.html").read_text()
    assert "  + dog faces left" in report
    assert "Written by" in report


def test_recaption_keeps_the_short_prompt_beside_the_expanded_one(tmp_path: Path) -> None:
    done = film(tmp_path / "run", "recaption")
    board = read_storyboard(tmp_path / "run" / "storyboard.yaml")
    for shot, result in zip(board.shots, done.shots, strict=True):
        folder = tmp_path / "run" / "shots" / shot.id / "take-1"
        told = json.loads((folder / "provenance.json").read_text())["writing"]
        assert told["short"] == shot.prompt
        assert (folder / "prompt.txt").read_text().strip() == told["prompt"] == result.take.prompt
        assert len(told["prompt"]) > 1.5 * len(told["short"])
        assert lost(told["prompt"], kept(shot, prompt=shot.prompt)) == []
        assert result.take.noise.level == 1.0
        assert len(result.takes) == 1
    assert "gleaming" in done.shots[1].take.prompt


def test_an_enrichment_that_a_user_wrote_is_kept_as_it_is(tmp_path: Path) -> None:
    first = film(tmp_path / "first", "dysen", script="A red car drives to the right on a road.")
    assert first.shots
    board = read_storyboard(tmp_path / "first" / "storyboard.yaml")
    (shot,) = board.shots
    own = Triple(subject=shot.scene_graph.entities[0].id, predicate="is", object="muddy",
                 frames=shot.scene_graph.events[0].frames)  # fmt: skip
    graph = shot.scene_graph.model_copy(update={"enriched": [own]})
    edited = Storyboard(
        story=board.story, shots=[shot.model_copy(update={"scene_graph": graph})]
    )  # fmt: skip
    write_storyboard(tmp_path / "edited.yaml", edited)
    done = film(tmp_path / "second", "dysen", script=tmp_path / "edited.yaml")
    assert "is muddy" in done.shots[0].take.prompt
    scene = json.loads((tmp_path / "second/shots/s01/take-1/scene.json").read_text())
    assert [triple["object"] for triple in scene["enriched"]] == ["muddy"]


def context(folder: Path, **settings: Any) -> tuple[Context, list[Event]]:
    told = load_settings({**STILL, **settings})
    heard: list[Event] = []
    made = Context(
        run=folder, store=Store(folder), settings=told, seed=0, crew=Crew(told), say=heard.append
    )
    return made, heard


def test_event_keys_move_no_box_and_turn_only_what_looks_nowhere(tmp_path: Path) -> None:
    first, last = (
        Keyframe(frame=at, box=(0.1 + 0.4 * part, 0.2, 0.3 + 0.4 * part, 0.8))
        for at, part in ((0, 0), (16, 1))
    )
    facing = Triple.model_validate(
        {"subject": "dog", "predicate": "faces", "object": "left",
         "frames": {"first": 0, "last": 16}}
    )  # fmt: skip
    shot = Shot.model_validate(
        {
            "id": "s01", "prompt": "a dog",
            "scene_graph": {
                "entities": [{"id": "dog", "noun": "dog"}],
                "events": [{"actor": "dog", "action": "jumps", "frames": {"first": 5, "last": 9}}],
                "enriched": [facing.data()],
            },
        }
    )  # fmt: skip
    tries: list[tuple[Literal["right"] | None, str]] = [(None, "left"), ("right", "right")]
    for faces, expected in tries:
        layout = Layout(
            frames=17, tracks=[Track(entity="dog", keyframes=[first, last], faces=faces)]
        )
        made, _ = context(tmp_path)
        node = EventKeysNode(EventKeysNode.Options(), made)
        (track,) = node.run(EventKeysNode.Inputs(shot=shot, layout=layout)).layout.tracks
        assert [key.frame for key in track.keyframes] == [0, 5, 9, 16]
        assert track.faces == expected
        for frame in range(17):
            assert track.at(frame).box == pytest.approx(layout.tracks[0].at(frame).box)


def test_a_prompt_that_the_node_wrote_is_not_written_again(tmp_path: Path) -> None:
    made, _ = context(tmp_path)
    shot = Shot(id="s01", prompt="a red car stands on a road", text="A red car waits on a road.",
                place="road")  # fmt: skip
    node = PromptNode(PromptNode.Options(), made)
    once = node.run(PromptNode.Inputs(shot=shot, take=1, prompt=shot.prompt))
    twice = node.run(PromptNode.Inputs(shot=shot, take=2, prompt=once.prompt, writing=once.writing))
    assert once.prompt != shot.prompt
    assert twice == once
    repaired = node.run(
        PromptNode.Inputs(shot=shot, take=2, prompt="a red car, red", writing=once.writing)
    )
    assert "a red car, red".lower() in repaired.prompt.lower()


KNOWN: dict[str, Any] = {
    "cast": [{"name": "car", "noun": "car", "colour": "red", "size": "medium", "attributes": []}],
    "language": "en", "dialogue": [], "place": "beach", "camera": "static", "lens": "normal",
    "picture": "A red car drives from left to right along a beach.", "style": "",
    "things": [{"id": "car", "count": 1, "attributes": []}], "relations": [], "left_out": [],
    "events": [
        {"actor": "car", "action": "moves", "direction": "right", "first": 0, "last": 16}
    ],
    "triples": [{"subject": "place", "predicate": "has", "object": "long shadows"}],
}  # fmt: skip
WORDY = "Along a sunny beach with long shadows a red car drives from left to right over the sand."


def studio(script: str, prompts: list[str]) -> Any:
    """A model that answers as each agent would; its prompts come from `prompts`, then WORDY."""

    def play(request: Request) -> Scripted:
        if "Write the prompt." in request.text:
            return scripted.answer({"prompt": prompts.pop(0) if prompts else WORDY})
        known = {**KNOWN, "text": script}
        if "Draw the layout" in request.text:
            keys = [
                {"frame": frame, "left": 0.05 + 0.03 * frame, "top": 0.5,
                 "right": 0.35 + 0.03 * frame, "bottom": 0.86, "angle": 0.0}
                for frame in (0, 3, 6, 9, 12, 16)
            ]  # fmt: skip
            known |= {
                "tracks": [
                    {"entity": "car", "instance": 0, "depth": 1.0, "faces": "right",
                     "keyframes": keys}
                ],
            }  # fmt: skip
        return scripted.answer(scripted.fitting(request.schema, known))

    return play


def test_a_language_model_enriches_and_writes_and_the_reports_cost_is_the_sum(
    tmp_path: Path,
) -> None:
    script = "A red car drives along a beach."
    bad = WORDY.replace("red car", "vehicle")
    with ScriptedEndpoint(studio(script, [bad])) as server:
        told = {
            "planner.brain": "openai", "planner.model": "tiny",
            "endpoint": {"base_url": server.base_url, "timeout": 20, "price_in": 2.0,
                         "price_out": 8.0},
        }  # fmt: skip
        done = film(tmp_path / "run", "dysen", script, **told)
        asked = len(server.requests)
    take = done.shots[0].take
    assert take.prompt == WORDY
    assert take.provenance["writing"]["by"] == "the language model tiny"
    assert "+ place has long shadows" in (
        tmp_path / "run/shots/s01/take-1/scene-graph.diff"
    ).read_text()  # fmt: skip
    calls = [event["details"] for event in events(tmp_path / "run") if event["kind"] == "call"]
    assert sum(call["tries"] for call in calls) == asked
    assert sum(call["prompt_tokens"] for call in calls) == 100 * asked
    assert max(call["tries"] for call in calls) == 2  # the prompt that lost its noun
    report = (tmp_path / "run" / "report.html").read_text()
    row = report.split('id="calls"')[1].split(">all<")[1].split("</tr>")[0]
    assert f">{asked}<" in row
    assert f">{100 * asked}<" in row
    assert f">{20 * asked}<" in row
    assert f"{asked * (100 * 2.0 + 20 * 8.0) / 1e6:.4f} US dollars" in row


def test_a_model_that_never_keeps_the_noun_is_replaced_and_the_film_says_so(
    tmp_path: Path,
) -> None:
    script = "A red car drives along a beach."
    with ScriptedEndpoint(studio(script, ["A vehicle."] * 9)) as server:
        told = {
            "planner.brain": "openai", "planner.model": "tiny",
            "endpoint": {"base_url": server.base_url, "timeout": 20},
        }  # fmt: skip
        done = film(tmp_path / "run", "recaption", script, **told)
    assert "red car" in done.shots[0].take.prompt
    said = [event["text"] for event in events(tmp_path / "run") if event["kind"] == "warning"]
    assert any("wrote no prompt that fits" in text and "rules wrote" in text for text in said)


def test_steps_of_a_film_are_kept_and_found_again(tmp_path: Path) -> None:
    film(tmp_path / "run", "dysen", script="A red car drives to the right on a road.")
    before = (tmp_path / "run" / "film.mp4").read_bytes()
    again = run.resume(tmp_path / "run")
    assert again.video.read_bytes() == before
    kinds = [(event["kind"], event.get("stage")) for event in events(tmp_path / "run")]
    starts = [at for at, (kind, _) in enumerate(kinds) if kind == "run started"]
    second = kinds[starts[-1] :]
    assert not [stage for kind, stage in second if kind == "stage started" and stage == "enrich"]
    assert len(starts) == 2
