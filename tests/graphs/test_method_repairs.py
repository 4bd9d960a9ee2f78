"""The methods that repair: PhyT2V, NeuS-E and GenMAC, filmed by the built-in model in few steps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from reelwright_agents import testing as scripted
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.settings import load_settings
from reelwright_core.store import Store
from reelwright_core.story import FrameSpan, Storyboard
from reelwright_core.takes import (
    Artifact,
    Clip,
    Critique,
    Film,
    NoisePlan,
    Question,
    Take,
)
from reelwright_core.video import read_video
from reelwright_graphs import run
from reelwright_graphs.crew import Crew
from reelwright_graphs.events import Event
from reelwright_graphs.graph_file import load_graph
from reelwright_graphs.nodes import Context
from reelwright_graphs.repair_nodes import CorrectNode
from reelwright_metrics.logic.critic import LogicCritic
from reelwright_simulators.painter import paint

FEW = {"generator.steps": 2}


def board(text: str) -> Storyboard:
    """A storyboard whose layouts are there, so that no planner is asked."""
    planner = OfflinePlanner()
    told = Picture(size=(160, 96), frames=17)
    made = planner.storyboard(Script(kind="prose", text=text), picture=told)
    shots = [
        shot.model_copy(update={"layout": planner.layout(shot), "physics": None})
        for shot in made.shots
    ]
    return made.model_copy(update={"shots": shots})


def film(source: Any, out: Path, graph: Any, **settings: Any) -> Film:
    told: Mapping[str, Any] = {**FEW, **settings}
    done = run.film(source, out=out, graph=graph, settings=told, seed=3)
    assert isinstance(done, Film)
    return done


def paper(out: Path, take: int, name: str) -> Any:
    return json.loads((out / f"shots/s01/take-{take}" / name).read_bytes())


# PhyT2V

RULES = {"rules": [{"object": "the red ball", "rule": "it goes down faster and faster"}]}
BETTER = "A red ball drops from high up, ever faster, and lies still on the green meadow."
FLOATS = {
    "mismatches": ["it floats instead of falling"], "adherence": 0.4, "physics": 0.1,
}  # fmt: skip
WELL: dict[str, Any] = {"mismatches": [], "adherence": 1.0, "physics": 0.9}


def physicist(captions: list[str]) -> Any:
    """Everyone of PhyT2V behind one endpoint; what the captioner says comes in turn."""
    said = iter(captions)

    def answer(request: Request) -> Scripted:
        text = request.text
        if "You are the physicist" in text:
            return scripted.answer(RULES)
        if "You describe what a short clip shows" in text:
            return scripted.answer({"caption": next(said)})
        if "You compare what a clip shows" in text:
            return scripted.answer(FLOATS if "floats" in text else WELL)
        if "You are the verifier" in text:
            return scripted.answer({"faults": ["the ball floats"]})
        if "which one specialist" in text:
            return scripted.answer({"specialist": "prompt", "advice": "say that it drops"})
        assert "You are the prompt writer" in text
        return scripted.answer({"prompt": BETTER})

    return answer


def test_a_captioner_that_sees_it_float_and_then_fall_takes_exactly_two_rounds(
    tmp_path: Path,
) -> None:
    with ScriptedEndpoint(physicist(["The ball floats.", "The ball falls."])) as server:
        done = film(
            board("A red ball falls on a meadow."), tmp_path / "run", "phyt2v",
            **{
                "critic.brain": "captions-openai", "planner.brain": "openai",
                "endpoint.base_url": server.base_url, "endpoint.api_key": "none-needed",
            },
        )  # fmt: skip
    takes = done.shots[0].takes
    assert len(takes) == 2
    critiques = [take.critique for take in takes]
    assert [c.caption for c in critiques if c] == ["The ball floats.", "The ball falls."]
    assert [c.score for c in critiques if c] == [0.25, 0.95]
    assert critiques[0] is not None
    assert critiques[0].mismatches == ["it floats instead of falling"]
    assert critiques[0].rules == ["the red ball: it goes down faster and faster"]
    assert takes[1].prompt == BETTER
    assert takes[0].noise == takes[1].noise  # the seed stays, so that the words alone differ
    assert done.shots[0].chosen == 2
    report = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    for shown in ("The ball floats.", "it floats instead of falling", "goes down faster", BETTER):
        assert shown in report


def test_a_clip_that_never_falls_ends_the_rounds_at_their_number_and_the_first_is_kept(
    tmp_path: Path,
) -> None:
    prompts = iter([BETTER, f"{BETTER} It is heavy.", f"{BETTER} Nothing holds it."])
    plain = physicist(["The ball floats."] * 9)

    def play(request: Request) -> Scripted:
        if "You are the prompt writer" in request.text:
            return scripted.answer({"prompt": next(prompts)})
        return plain(request)

    with ScriptedEndpoint(play) as server:
        done = film(
            board("A red ball falls on a meadow."), tmp_path / "run", "phyt2v",
            **{
                "critic.brain": "captions-openai", "planner.brain": "openai", "takes.max": 3,
                "generator.model": "still",
                "endpoint.base_url": server.base_url, "endpoint.api_key": "none-needed",
            },
        )  # fmt: skip
    (shot,) = done.shots
    assert [take.number for take in shot.takes] == [1, 2, 3]
    assert len({take.prompt for take in shot.takes}) == 3
    assert shot.chosen == 1, "of equals the earliest"


# a vision model as the critic


def reviewer(spans: dict[str, tuple[int, int]]) -> Any:
    """A vision model: in the first take no to the questions with these words, in these frames."""
    number = count()

    def answer(request: Request) -> Scripted:
        first = next(number) == 0
        asked = re.findall(r"^(\d+)\. (.*)$", request.text, re.MULTILINE)
        answers: list[dict[str, Any]] = []
        chances: list[float] = []
        for n, text in asked:
            span = next((s for words, s in spans.items() if first and words in text), None)
            answers.append(
                {
                    "number": int(n), "answer": "no" if span else "yes",
                    "score": 0.0 if span else 1.0,
                    "seen": "it goes left" if span else "as planned",
                    "first_failing": span[0] if span else None,
                    "last_failing": span[1] if span else None,
                }
            )  # fmt: skip
            chances.append(0.1 if span else 0.9)
        blame = "generator" if first else "none"
        advice = ["let it go to the right"] if first else []
        return scripted.surely({"answers": answers, "blame": blame, "advice": advice}, chances)

    return answer


def test_a_vision_models_critique_says_what_when_and_what_to_do_and_the_loop_uses_it(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    with ScriptedEndpoint(reviewer({"left to right": (8, 16)})) as server:
        done = film(
            board("A red ball moves to the right on a meadow."), out, "story",
            **{
                "critic.brain": "openai", "critic.model": "tiny-eye",
                "endpoint.base_url": server.base_url, "endpoint.api_key": "none-needed",
            },
        )  # fmt: skip
        assert len(server.requests) == 2, "one call for each take"
        assert all(len(request.images) == 6 for request in server.requests)
    (shot,) = done.shots
    assert [take.number for take in shot.takes] == [1, 2]
    told = paper(out, 1, "critique.json")
    assert (told["critic"], told["scores_from"]) == ("vision", "tokens")
    assert told["advice"] == ["let it go to the right"]
    (wrong,) = [question for question in told["questions"] if not question["passed"]]
    assert (wrong["kind"], wrong["entity"], wrong["score"]) == ("direction", "red-ball", 0.1)
    assert wrong["spans"] == [{"first": 8, "last": 16}]
    repair = shot.takes[1].repair
    assert repair is not None
    assert repair.span == FrameSpan(first=8, last=16), "the failing frames alone"
    assert shot.chosen == 2
    assert "Does the red ball" in (out / "report.html").read_text(encoding="utf-8")


def test_phyt2v_runs_without_a_key_and_keeps_the_best_round(tmp_path: Path) -> None:
    done = film("A red ball falls on a meadow.", tmp_path / "run", "phyt2v")
    (shot,) = done.shots
    assert 1 <= len(shot.takes) <= 3
    scores = [take.critique.score for take in shot.takes if take.critique]
    assert shot.take.critique is not None
    assert shot.take.critique.score == max(scores)
    assert len({take.noise.seed for take in shot.takes}) == 1
    assert len({take.prompt for take in shot.takes}) == len(shot.takes)
    assert all(take.critique and take.critique.caption for take in shot.takes)
    assert all(len(take.prompt.split()) <= 120 for take in shot.takes)


# NeuS-E


def windows_by_words(wrong: str, *, within: tuple[int, int]) -> Any:
    """Sees all in order but in the first clip, where `wrong` fails in windows `within`."""
    number = count()

    def answer(request: Request) -> Scripted:
        at = next(number)
        sentences = re.findall(r"^(\d+)\. (.*)$", request.text, re.MULTILINE)
        told: list[dict[str, Any]] = []
        for n, said in sentences:
            true = "skips" not in said
            if at < 6 and wrong in said and within[0] <= at <= within[1]:
                true = False
            told.append(
                {"number": int(n), "answer": "yes" if true else "no",
                 "probability": 0.97 if true else 0.02}
            )  # fmt: skip
        return scripted.answer({"answers": told})

    return answer


def test_only_the_weakest_propositions_span_is_filmed_anew(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with ScriptedEndpoint(windows_by_words("only one", within=(3, 4))) as server:
        done = film(
            board("A red ball rolls to the right on a meadow."), out, "neus-e",
            **{
                "critic.brain": "logic-openai", "endpoint.base_url": server.base_url,
                "endpoint.api_key": "none-needed",
            },
        )  # fmt: skip
    (shot,) = done.shots
    first, second = shot.takes
    assert first.critique is not None
    assert second.critique is not None
    assert first.critique.score < 0.1
    assert second.critique.score >= 0.9
    assert second.repair is not None
    assert second.repair.specialist == "span"
    span = second.repair.span
    assert span is not None
    before, after = (
        read_video(out / f"shots/s01/take-{number}/clip.mp4") for number in (1, 2)
    )  # fmt: skip
    changed = [i for i in range(17) if (before[i] != after[i]).any()]
    assert changed == list(range(span.first, span.last + 1))
    # What is shown: formula, table, automaton, probability and the weakest span.
    found = paper(out, 1, "logic.json")
    assert found["weakest"] == "only one red ball"
    (weakest,) = found["weakest_frames"]
    assert FrameSpan(first=weakest[0], last=weakest[1]).first >= span.first
    assert weakest[1] <= span.last
    assert 'G "only one red ball"' in found["formula"]
    rows = {each["name"]: each["probabilities"] for each in found["propositions"]}
    assert [round(p) for p in rows["only one red ball"]] == [1, 1, 1, 0, 0, 1]
    words = (out / "shots/s01/take-1/logic.txt").read_text(encoding="utf-8")
    assert "weakest: only one red ball" in words
    assert (out / "shots/s01/take-1/automaton.dot").read_text().startswith("digraph")


def test_neus_e_runs_without_a_key(tmp_path: Path) -> None:
    done = film("A red ball rolls to the right on a meadow.", tmp_path / "run", "neus-e")
    take = done.shots[0].takes[0]
    assert take.critique is not None
    assert take.critique.critic == "logic"
    assert (tmp_path / "run/shots/s01/take-1/logic.txt").is_file()


def test_a_right_clip_is_probable_and_the_same_with_exchanged_order_is_not() -> None:
    """NeuS-E's line of acceptance, on propositions read from painted (synthetic) clips."""
    right = "A dog runs to the left, then a blue ball falls."
    wrong = "A blue ball falls, then a dog runs to the left."
    (shot,), (other,) = board(right).shots, board(wrong).shots
    assert shot.layout is not None
    assert other.layout is not None
    probable: list[float] = []
    for shown in (shot, other):
        assert shown.layout is not None
        painted = paint(
            shown.layout, entities=shown.scene_graph.entities, place=shown.place,
            size=shown.size, seed=1,
        )  # fmt: skip
        found = LogicCritic().examine(
            shot, shot.layout, painted.frames, background=painted.background
        )
        probable.append(found.verdict.probability)
    assert probable[0] >= 0.9
    assert probable[1] <= 0.2


def test_a_model_that_keeps_no_frames_gets_no_span_and_that_is_said(tmp_path: Path) -> None:
    said: list[Event] = []
    shot = board("A red ball rolls to the right on a meadow.").shots[0]
    told = load_settings({"generator.model": "still"})
    at_work = Context(
        run=tmp_path, store=Store(tmp_path), settings=told, seed=0, crew=Crew(told),
        say=said.append,
    )  # fmt: skip
    failed = Question(
        kind="path", text="?", score=0.0, passed=False, spans=[FrameSpan(first=3, last=6)]
    )
    assert shot.layout is not None
    take = Take(
        shot=shot.id, number=1, prompt=shot.prompt, layout=shot.layout,
        noise=NoisePlan(level=0.5, seed=1),
        clip=Clip(
            video=Artifact(path="clip.mp4", sha256="0" * 64, bytes=1), frames=shot.frames,
            fps=shot.fps, size=shot.size,
        ),
        critique=Critique(critic="measure", questions=[failed], score=0.1, blame="generator"),
    )  # fmt: skip
    node = CorrectNode(CorrectNode.Options(specialist="span"), at_work)
    made = node.run(CorrectNode.Inputs(shot=shot, take=1, takes=[take]))
    assert made.corrections == []
    assert made.tried == ["span"]
    assert [event.text for event in said] == [
        "no span is filmed anew: still cannot keep the other frames"
    ]


# GenMAC


def test_genmac_routes_and_emphasises_within_nine_rounds(tmp_path: Path) -> None:
    done = film(
        "Three red cars and a blue ball. The ball rolls to the left on a road.",
        tmp_path / "run", "genmac", **{"critic.threshold": 1.0, "takes.max": 5},
    )  # fmt: skip
    for shot in done.shots:
        repairs = [take.repair for take in shot.takes[1:]]
        assert 1 <= len(shot.takes) <= 5
        assert all(repair and repair.specialist in ("layout", "noise", "prompt")
                   for repair in repairs)  # fmt: skip
        assert all(repair and repair.verified for repair in repairs)
        assert all(repair.seed is None for repair in repairs if repair)
        emphasised = [repair.regions for repair in repairs if repair and repair.regions]
        ids = {entity.id for entity in done.storyboard.shots[0].scene_graph.entities}
        for regions in emphasised:
            assert {region.of for region in regions} <= ids
    assert any(len(shot.takes) > 1 for shot in done.shots)


# a specialist more or less


def test_taking_a_specialist_away_is_an_edit_of_the_yaml(tmp_path: Path) -> None:
    text = load_graph("shot").text.replace("layout, span, noise, prompt, seed]", "seed]")
    for name in ("relayout", "refilm-span", "less-noise", "reword"):
        text = "\n".join(line for line in text.splitlines() if name not in line)
    (tmp_path / "shot.yaml").write_text(text + "\n", encoding="utf-8")
    story = tmp_path / "story.yaml"
    story.write_text(load_graph("story").text, encoding="utf-8")
    told = {"critic.threshold": 1.0, "takes.max": 3, "generator.model": "still"}
    said: list[Event] = []
    done = run.film(
        "Two dogs jump.", out=tmp_path / "run", graph=story, settings=told, on_event=said.append
    )
    assert isinstance(done, Film)
    repairs = [take.repair for take in done.shots[0].takes[1:]]
    assert all(repair and repair.specialist == "seed" for repair in repairs)
    stages = {event.stage for event in said if event.kind == "stage started"}
    assert "relayout" not in stages
    if repairs:
        assert {"verify", "route", "reseed", "structure"} <= stages


def test_a_model_that_gives_no_answer_leaves_it_to_the_rules_and_that_is_said(
    tmp_path: Path,
) -> None:
    said: list[Event] = []
    with ScriptedEndpoint([scripted.denied()], repeat=True) as server:
        settings = {
            "generator.model": "still", "critic.threshold": 1.0, "planner.brain": "openai",
            "endpoint.base_url": server.base_url, "endpoint.api_key": "wrong", "takes.max": 2,
        }  # fmt: skip
        graph = load_graph("shot").text.replace("layout, span, noise, prompt, seed]", "seed]")
        (tmp_path / "shot.yaml").write_text(graph, encoding="utf-8")
        story = tmp_path / "story.yaml"
        story.write_text(load_graph("story").text, encoding="utf-8")
        source = board("A red ball on a meadow. The ball jumps.")
        done = run.film(
            source, out=tmp_path / "run", graph=story, settings=settings, on_event=said.append
        )
    assert isinstance(done, Film)
    told = [event.text for event in said if event.kind == "warning"]
    if any(len(shot.takes) > 1 for shot in done.shots):
        assert any("the rules decide instead" in text for text in told)
