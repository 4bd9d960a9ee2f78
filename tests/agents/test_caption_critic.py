"""Caption and compare: what a clip shows is said first, then held against prompt and rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.caption_critic import CaptionCritic, ModelDescriber, offline_rules
from reelwright_agents.llm import LanguageModel
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.errors import EndpointError
from reelwright_core.settings import Endpoint
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import Critique
from reelwright_metrics.testing import FRAMES, Doing, Way, clip, event, plan, thing
from reelwright_metrics.testing import empty as place

TEXT = "A red ball falls on a meadow."


def planned(text: str = TEXT) -> tuple[Shot, Layout]:
    planner = OfflinePlanner()
    (shot,) = planner.storyboard(Script(kind="prose", text=text), picture=Picture()).shots
    return shot, planner.layout(shot)


def falling(part: float) -> tuple[float, float, float]:
    return 0.5, 0.15 + 0.6 * part**2, 0.2


def floating(part: float) -> tuple[float, float, float]:
    return 0.5, 0.15 + 0.02 * part, 0.2


def watched(way: Way) -> Critique:
    """A clip in which a ball that is to fall goes its `way`."""
    from reelwright_core.story import SceneGraph

    ball = thing("ball")
    graph = SceneGraph(entities=[ball], events=[event("ball", "falls")])
    shot, layout = plan([Doing(entity=ball, ways=[falling])], graph)
    frames = clip([Doing(entity=ball, ways=[way])])
    return CaptionCritic().watch(shot, layout, frames, background=place())


def test_what_was_measured_is_said_in_words() -> None:
    caption = watched(falling).caption
    assert caption.startswith(f"The red ball is seen in {FRAMES} of {FRAMES} frames")
    assert "goes down by 0.6" in caption
    assert "faster and faster" in caption
    assert "stands still" in watched(floating).caption


def test_a_ball_that_falls_passes_and_one_that_floats_is_a_mismatch() -> None:
    right, wrong = watched(falling), watched(floating)
    assert right.passed(0.8)
    assert right.mismatches == []
    assert right.blame == "none"
    assert not wrong.passed(0.8)
    assert wrong.score < right.score - 0.3
    assert wrong.blame == "prompt"
    assert any("fall?" in each for each in wrong.mismatches)
    assert any("a fall that gets faster" in each for each in wrong.mismatches)


def test_rules_say_what_is_to_be_seen_of_each_thing() -> None:
    rules = offline_rules(planned("A red ball falls and bounces.")[0])
    assert "the red ball: it goes down faster and faster until something stops it" in rules
    assert all("gravity" not in rule for rule in rules)


RULES = {"rules": [{"object": "ball", "rule": "it goes down faster and faster"}]}
CAPTION = {"caption": "A red ball floats in the air."}
FLOATS = {"mismatches": ["the ball floats instead of falling"], "adherence": 0.4, "physics": 0.1}


def play(compared: dict[str, Any]) -> Any:
    def answer(request: Request) -> Scripted:
        if "You are the physicist" in request.text:
            return scripted.answer(RULES)
        if "You describe what a short clip shows" in request.text:
            return scripted.answer(CAPTION)
        return scripted.answer(compared)

    return answer


def seen_by(server: ScriptedEndpoint) -> Critique:
    endpoint = Endpoint(base_url=server.base_url, timeout=10, retries=0, repairs=1)
    critic = CaptionCritic(ModelDescriber(LanguageModel(endpoint, model="tiny-eye")))
    return critic.watch(*planned(), np.zeros((17, 96, 160, 3), np.uint8))


def test_the_captioner_sees_frames_and_is_not_told_what_they_should_show() -> None:
    with ScriptedEndpoint(play(FLOATS)) as server:
        critique = seen_by(server)
        rules, caption, compared = server.requests
    assert (len(rules.images), len(caption.images), len(compared.images)) == (0, 8, 0)
    assert "red ball" not in caption.text
    assert "A red ball floats in the air." in compared.text
    assert critique.caption == "A red ball floats in the air."
    assert critique.rules == ["ball: it goes down faster and faster"]
    assert critique.mismatches == ["the ball floats instead of falling"]
    assert critique.score == pytest.approx(0.25)
    assert [question.passed for question in critique.questions] == [False, False]
    assert Critique.from_data(critique.data()) == critique


def test_a_bad_score_needs_a_mismatch_and_the_asking_is_bounded() -> None:
    unexplained = {"mismatches": [], "adherence": 0.2, "physics": 0.9}
    with ScriptedEndpoint(play(unexplained)) as server:
        with pytest.raises(EndpointError, match="no mismatch is listed"):
            seen_by(server)
        assert len(server.requests) == 4


def test_frames_that_are_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        CaptionCritic().watch(*planned(), np.zeros((17, 96, 160), np.uint8))
