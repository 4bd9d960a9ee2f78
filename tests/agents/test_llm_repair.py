"""The agents of the repair behind a language model, over real HTTP to a scripted server."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.llm import LanguageModel
from reelwright_agents.llm_repair import RepairAgents
from reelwright_agents.physical_prompt import physical_prompt, unfit_prompt
from reelwright_agents.routing import Case
from reelwright_agents.specialists import Means
from reelwright_agents.testing import ScriptedEndpoint
from reelwright_core.errors import EndpointError
from reelwright_core.settings import Endpoint
from reelwright_core.story import Entity, Event, FrameSpan, Layout, SceneGraph, Shot
from reelwright_core.takes import (
    Artifact,
    Clip,
    Critique,
    NoisePlan,
    Question,
    Region,
    Repair,
    Take,
)

BALL = Entity(id="ball", noun="ball", colour="red")
FALLS = Event(actor="ball", action="falls", frames=FrameSpan(first=0, last=16))
SHOT = Shot(
    id="s01",
    prompt="A red ball falls.",
    scene_graph=SceneGraph(entities=[BALL], events=[FALLS]),
)
MEANS = Means(
    make_layout=lambda shot, faults, earlier: Layout(frames=17), keeps_frames=True,
    frames_per_latent=4,
)  # fmt: skip


def case(*, prompts: tuple[str, ...] = (SHOT.prompt,), score: float = 0.3) -> Case:
    failed = Question(
        kind="path", text="Does the red ball fall?", entity="ball", score=0.1, passed=False,
        expected="downwards", seen="stays in the air", spans=[FrameSpan(first=9, last=16)],
    )  # fmt: skip
    takes = [
        Take(
            shot="s01", number=number, prompt=prompt, layout=Layout(frames=17),
            noise=NoisePlan(level=0.6, seed=1),
            clip=Clip(
                video=Artifact(path="clip.mp4", sha256="0" * 64, bytes=1), frames=17,
                fps=Fraction(8), size=(160, 96),
            ),
            critique=Critique(critic="measure", questions=[failed], score=score, blame="generator"),
            repair=None if number == 1 else Repair(why="said otherwise", prompt=prompt),
        )
        for number, prompt in enumerate(prompts, 1)
    ]  # fmt: skip
    return Case(shot=SHOT, takes=takes, default_level=0.6, verified=["the ball floats"])


def agents(server: ScriptedEndpoint, repairs: int = 1) -> RepairAgents:
    endpoint = Endpoint(base_url=server.base_url, timeout=10, retries=0, repairs=repairs)
    return RepairAgents(LanguageModel(endpoint, model="tiny"))


def test_the_verifier_is_shown_the_answers_and_names_the_faults() -> None:
    with ScriptedEndpoint([scripted.answer({"faults": [" The ball floats. ", ""]})]) as server:
        assert agents(server).verify(case()) == ["The ball floats."]
        (request,) = server.requests
    assert "Does the red ball fall? score 0.10; expected: downwards; seen: stays in the air; " in (
        request.text
    )
    assert "fails in frames 9-16" in request.text


def test_the_router_picks_one_of_those_that_the_graph_has() -> None:
    wrong = {"specialist": "magician", "advice": ""}
    right = {"specialist": "layout", "advice": "start higher"}
    with ScriptedEndpoint([scripted.answer(wrong), scripted.answer(right)]) as server:
        named = agents(server).route(case(), specialists=["layout", "prompt"], corrections=[])
        assert named == ("layout", "start higher")
        assert "`specialist` is one of layout, prompt, got 'magician'" in server.requests[1].text
        assert "noise:" not in server.requests[0].text
        assert "the ball floats" in server.requests[0].text


def test_nobody_is_a_choice_only_when_something_is_offered() -> None:
    nobody = scripted.answer({"specialist": "nobody", "advice": ""})
    offered = Repair(why="another prompt", specialist="prompt", prompt="x")
    with ScriptedEndpoint([nobody], repeat=True) as server:
        asked = agents(server)
        assert asked.route(case(), specialists=["noise"], corrections=[offered])[0] is None
        with pytest.raises(EndpointError, match="router: tiny gave no answer that fits"):
            asked.route(case(), specialists=["noise"], corrections=[])
        assert len(server.requests) == 1 + 2  # bounded: one repair


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("A red ball obeys gravity.", "it names 'gravity'"),
        ("A ball falls down.", "does not say that the ball is red"),
        ("A red thing falls down.", "does not name the ball"),
        ("A red ball " + "falls " * 120, "at most 120 are allowed"),
    ],
)
def test_a_prompt_that_does_not_fit_is_sent_back(wrong: str, said: str) -> None:
    good = "A red ball drops from high up and lies on the ground."
    play = [scripted.answer({"prompt": wrong}), scripted.answer({"prompt": good})]
    with ScriptedEndpoint(play) as server:
        made = agents(server).correct("prompt", case(), MEANS)
        assert said in server.requests[1].text
    assert made is not None
    assert (made.specialist, made.prompt) == ("prompt", good)


def test_a_prompt_that_was_tried_is_no_offer() -> None:
    with ScriptedEndpoint([scripted.answer({"prompt": SHOT.prompt})]) as server:
        assert agents(server).correct("prompt", case(), MEANS) is None


def test_the_writer_is_told_which_prompts_did_no_better_and_noise_what_was_changed() -> None:
    worse = "A red ball hangs in the air."
    replies = [{"prompt": "A red ball drops."}, {"level": 0.5, "things": []}]
    with ScriptedEndpoint([scripted.answer(reply) for reply in replies]) as server:
        found = case(prompts=(SHOT.prompt, worse))
        assert agents(server).correct("prompt", found, MEANS) is not None
        assert agents(server).correct("noise", found, MEANS) is not None
        prompt, noise = (request.text for request in server.requests)
    assert "did no better" in prompt
    assert worse in prompt
    assert "take 2: said otherwise; score 0.30" in noise


def test_noise_is_given_to_things_that_are_there() -> None:
    cat = {"level": None, "things": [{"of": "cat", "level": 0.4}]}
    ball = {"level": None, "things": [{"of": "ball", "level": 0.4}]}
    with ScriptedEndpoint([scripted.answer(cat), scripted.answer(ball)]) as server:
        made = agents(server).correct("noise", case(), MEANS)
        assert "got 'cat'" in server.requests[1].text
    assert made is not None
    assert made.regions == [Region(of="ball", level=0.4)]


def test_a_span_lies_in_the_clip_and_is_widened_to_latents() -> None:
    wrong = {"first": 10, "last": 40, "prompt": None}
    right = {"first": 10, "last": 11, "prompt": "The red ball is low down."}
    with ScriptedEndpoint([scripted.answer(wrong), scripted.answer(right)]) as server:
        made = agents(server).correct("span", case(), MEANS)
        assert "in order within 0 to 16" in server.requests[1].text
    assert made is not None
    assert (made.span, made.of) == (FrameSpan(first=9, last=12), 1)
    assert made.prompt == "The red ball is low down."


def test_after_a_bad_score_another_way_of_putting_it_is_asked_for() -> None:
    def shown(score: float) -> str:
        answer: dict[str, Any] = {"prompt": "A red ball drops."}
        with ScriptedEndpoint([scripted.answer(answer)]) as server:
            means = Means(make_layout=MEANS.make_layout, physical=True)
            agents(server).correct("prompt", case(score=score), means)
            return server.requests[0].text

    assert "Take another one" in shown(0.3)
    assert "Take another one" not in shown(0.6)
    assert "Never name a law" in shown(0.6)


def test_offline_prompts_say_what_is_seen_and_name_no_law() -> None:
    first = physical_prompt(case())
    assert first is not None
    assert first.startswith("A red ball falls. The red ball drops straight down, slowly at first")
    second = physical_prompt(case(prompts=(SHOT.prompt, first)))
    assert second is not None
    assert second != first
    assert physical_prompt(case(prompts=(SHOT.prompt, first, second))) is None
    for said in (first, second):
        assert unfit_prompt(case(), said) == []
