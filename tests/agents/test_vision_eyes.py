"""Propositions judged by a vision model, window by window, over real HTTP to a scripted server."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.llm import LanguageModel
from reelwright_agents.testing import ScriptedEndpoint
from reelwright_agents.vision_eyes import VisionEyes
from reelwright_core.errors import EndpointError
from reelwright_core.settings import Endpoint, load_settings
from reelwright_core.story import Entity, Event, FrameSpan, Layout, SceneGraph, Shot
from reelwright_graphs.crew import Crew
from reelwright_metrics.logic.critic import LogicCritic
from reelwright_metrics.logic.critic import critique as logic_critique
from reelwright_metrics.logic.propositions import specification

SHOT = Shot(
    id="s01",
    prompt="A dog runs to the left, then jumps.",
    scene_graph=SceneGraph(
        entities=[Entity(id="dog", noun="dog")],
        events=[
            Event(actor="dog", action="moves", direction="left", frames=FrameSpan(first=0, last=7)),
            Event(actor="dog", action="jumps", frames=FrameSpan(first=8, last=16)),
        ],
    ),
)
LAYOUT = Layout(frames=17)
NAMES = [each.name for each in specification(SHOT, LAYOUT).propositions]
CLIP = np.zeros((17, 64, 96, 3), np.uint8)


def window(*true: str, sure: float = 1.0) -> dict[str, Any]:
    """The answers of one window in which the sentences `true` are."""
    return {
        "answers": [
            {
                "number": n,
                "answer": "yes" if name in true else "no",
                "probability": sure if name in true else 1 - sure,
            }
            for n, name in enumerate(NAMES, 1)
        ]
    }


def endpoint(server: ScriptedEndpoint) -> Endpoint:
    return Endpoint(base_url=server.base_url, timeout=10, retries=0, repairs=1)


ALWAYS = ("the dog", "only one dog")
LEFT = window(*ALWAYS, "the dog goes to the left")
JUMP = window(*ALWAYS, "the dog jumps")


def test_every_window_is_asked_with_its_own_pictures() -> None:
    with ScriptedEndpoint([scripted.answer(each) for each in [LEFT] * 3 + [JUMP] * 3]) as server:
        eyes = VisionEyes(LanguageModel(endpoint(server), model="eye"))
        critique = LogicCritic(eyes=eyes).watch(SHOT, LAYOUT, CLIP)
        requests = list(server.requests)
    assert [len(request.images) for request in requests] == [3, 3, 3, 3, 3, 2]
    assert "frames 3, 4, 5 of a clip with frames 0 to 16" in requests[1].text
    for number, name in enumerate(NAMES, 1):
        assert f"{number}. {name}" in requests[0].text
    assert critique.score > 0.9
    assert (critique.critic, critique.blame) == ("logic", "none")


def test_the_wrong_order_is_improbable() -> None:
    with ScriptedEndpoint([scripted.answer(each) for each in [JUMP] * 3 + [LEFT] * 3]) as server:
        eyes = VisionEyes(LanguageModel(endpoint(server), model="eye"))
        critique = LogicCritic(eyes=eyes).watch(SHOT, LAYOUT, CLIP)
    assert critique.score < 0.1
    assert critique.blame == "generator"


def test_a_critic_of_this_kind_comes_from_the_settings_and_looks_at_no_more_windows() -> None:
    with ScriptedEndpoint([scripted.answer(LEFT), scripted.answer(JUMP)]) as server:
        settings = load_settings(
            {
                "endpoint.base_url": server.base_url,
                "critic.brain": "logic-openai",
                "critic.frames": 2,
            }
        )
        critique = Crew(settings).critic().watch(SHOT, LAYOUT, CLIP)
        assert len(server.requests) == 2
    assert critique.score > 0.9


def test_probabilities_are_those_of_tokens_made_surer_and_the_critique_says_so() -> None:
    odds = [0.7 if name in (*ALWAYS, "the dog jumps") else 0.1 for name in NAMES]
    replies = [scripted.surely(LEFT, [0.5] * len(NAMES)), scripted.surely(JUMP, odds)]
    with ScriptedEndpoint(replies) as server:
        eyes = VisionEyes(LanguageModel(endpoint(server), model="eye"), most=2)
        found = LogicCritic(eyes=eyes).examine(SHOT, LAYOUT, CLIP)
        assert len(server.requests) == 2
    for name, chance in zip(NAMES, odds, strict=True):
        sure = 1 / (1 + math.exp(-14 * (chance - 0.5)))
        assert found.observed.table[name] == pytest.approx([0.5, sure], abs=1e-5)
    assert logic_critique(found).scores_from == "tokens"


def test_probabilities_are_those_the_model_states_where_the_server_tells_no_tokens() -> None:
    replies = [scripted.no_logprobs(), *[scripted.answer(each) for each in (LEFT, JUMP)]]
    with ScriptedEndpoint(replies) as server:
        eyes = VisionEyes(LanguageModel(endpoint(server), model="eye"), most=2)
        critique = LogicCritic(eyes=eyes).watch(SHOT, LAYOUT, CLIP)
        assert ["logprobs" in request.body for request in server.requests] == [True, False, False]
    assert critique.score > 0.9
    assert critique.scores_from == "words"


def test_answers_that_do_not_fit_are_sent_back_and_then_refused() -> None:
    wrong = window(*ALWAYS)
    wrong["answers"] = wrong["answers"][1:]
    with ScriptedEndpoint([scripted.answer(wrong)] * 2) as server:
        eyes = VisionEyes(LanguageModel(endpoint(server), model="eye"), most=1)
        with pytest.raises(EndpointError, match="sentence 1 is to be answered once, got 0"):
            LogicCritic(eyes=eyes).watch(SHOT, LAYOUT, CLIP)
        assert len(server.requests) == 2
