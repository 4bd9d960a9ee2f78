"""The critic behind a vision model, over real HTTP to a scripted server."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reelwright_agents import testing as scripted
from reelwright_agents.llm import LanguageModel
from reelwright_agents.llm_chances import Token, chances
from reelwright_agents.testing import ScriptedEndpoint
from reelwright_agents.vision_critic import VisionCritic, png, spread
from reelwright_core.errors import EndpointError
from reelwright_core.settings import Endpoint, load_settings
from reelwright_core.story import Entity, Event, FrameSpan, Layout, SceneGraph, Shot
from reelwright_core.takes import Critique
from reelwright_core.video import Frames
from reelwright_graphs.crew import Crew
from reelwright_metrics.questions import questions

SHOT = Shot(
    id="s01",
    prompt="A red car drives from left to right.",
    scene_graph=SceneGraph(
        entities=[Entity(id="red-car", noun="car", colour="red")],
        events=[
            Event(
                actor="red-car",
                action="moves",
                direction="right",
                frames=FrameSpan(first=0, last=16),
            )
        ],
    ),
)
LAYOUT = Layout(frames=17)
COUNT = len(questions(SHOT, LAYOUT))


def clip(frames: int = 17, height: int = 96, width: int = 160) -> Frames:
    made = np.zeros((frames, height, width, 3), np.uint8)
    made[..., 0] = np.arange(frames, dtype=np.uint8)[:, None, None] * 10
    return made


def seen(number: int, **more: Any) -> dict[str, Any]:
    good = {
        "number": number, "answer": "yes", "score": 1.0, "seen": "a red car",
        "first_failing": None, "last_failing": None,
    }  # fmt: skip
    return {**good, **more}


def review(*answers: dict[str, Any], blame: str = "none", advice: Any = ()) -> dict[str, Any]:
    return {"answers": list(answers), "blame": blame, "advice": list(advice)}


ALL_WELL = review(*[seen(n) for n in range(1, COUNT + 1)])


def critic_at(server: ScriptedEndpoint, frames: int = 6) -> VisionCritic:
    endpoint = Endpoint(base_url=server.base_url, timeout=10, retries=0, repairs=1)
    return VisionCritic(LanguageModel(endpoint, model="tiny-eye"), frames=frames)


def pictures(urls: list[str]) -> list[Image.Image]:
    found: list[Image.Image] = []
    for url in urls:
        kind, _, code = url.partition(",")
        assert kind == "data:image/png;base64"
        found.append(Image.open(io.BytesIO(base64.b64decode(code))))
    return found


def test_a_good_take_is_seen_in_evenly_spread_enlarged_frames() -> None:
    with ScriptedEndpoint([scripted.answer(ALL_WELL)]) as server:
        settings = load_settings(
            {
                "endpoint.base_url": server.base_url,
                "critic.brain": "openai",
                "critic.frames": 5,
                "critic.model": "eye",
            }
        )
        critique = Crew(settings).critic().watch(SHOT, LAYOUT, clip())
        (request,) = server.requests
    assert request.body["model"] == "eye"
    shown = pictures(request.images)
    assert [picture.size for picture in shown] == [(427, 256)] * 5
    assert [picture.getpixel((0, 0)) for picture in shown] == [
        (frame * 10, 0, 0) for frame in (0, 4, 8, 12, 16)
    ]
    assert "frames 0, 4, 8, 12, 16 of a clip with frames 0 to 16" in request.text
    for number, asked in enumerate(questions(SHOT, LAYOUT), 1):
        assert f"{number}. {asked.text}" in request.text
    assert Critique.from_data(critique.data()) == critique
    assert (critique.critic, critique.score, critique.blame) == ("vision", 1.0, "none")
    assert [q.text for q in critique.questions] == [q.text for q in questions(SHOT, LAYOUT)]
    assert critique.passed(0.8)


def test_a_bad_take_says_what_when_and_why() -> None:
    failing = seen(
        COUNT, answer="no", score=0.2, seen="it goes left", first_failing=3, last_failing=9
    )
    unsure = seen(1, answer="unsure", score=0.4, seen="")
    others = [seen(n) for n in range(2, COUNT)]
    answer = review(failing, *others, unsure, blame="layout", advice=["turn it round", " "])
    with ScriptedEndpoint([scripted.answer(answer)]) as server:
        critique = critic_at(server).watch(SHOT, LAYOUT, clip())
    first, last = critique.questions[0], critique.questions[-1]
    assert (last.passed, last.score, last.seen) == (False, 0.2, "it goes left")
    assert last.spans == [FrameSpan(first=3, last=9)]
    assert (first.passed, first.score, first.seen) == (False, 0.4, "unsure")
    assert critique.score == pytest.approx((COUNT - 2 + 0.6) / COUNT)
    assert critique.blame == "layout"
    assert critique.advice == ["turn it round"]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (review(*[seen(n) for n in range(1, COUNT)]), f"question {COUNT} is not answered"),
        (review(*ALL_WELL["answers"], seen(1)), "question 1 is answered more than once"),
        (review(*ALL_WELL["answers"], seen(99)), "there is no question 99"),
        (review(*ALL_WELL["answers"][:-1], seen(COUNT, score=0.1)), "does not go with the score"),
        (review(*ALL_WELL["answers"][:-1], seen(COUNT, answer="no", score=0)), "`blame` is `none`"),
        (review(*ALL_WELL["answers"][:-1], seen(COUNT, first_failing=2)), "both frames or both"),
        (
            review(*ALL_WELL["answers"][:-1], seen(COUNT, first_failing=2, last_failing=17)),
            "within 0 to 16",
        ),
        (review(*ALL_WELL["answers"][:-1], seen(COUNT, score=1.5)), "less than or equal to 1"),
        ({**ALL_WELL, "blame": "simulation"}, "Input should be 'none', 'prompt'"),
    ],
)
def test_a_review_that_does_not_fit_goes_back(answer: dict[str, Any], fault: str) -> None:
    with ScriptedEndpoint([scripted.answer(answer), scripted.answer(ALL_WELL)]) as server:
        assert critic_at(server).watch(SHOT, LAYOUT, clip()).score == 1.0
        assert fault in server.requests[1].text
    with ScriptedEndpoint([scripted.answer(answer)], repeat=True) as server:
        with pytest.raises(EndpointError, match="vision critic: tiny-eye gave no answer that fits"):
            critic_at(server).watch(SHOT, LAYOUT, clip())
        assert len(server.requests) == 2


def test_nothing_to_ask_is_nothing_wrong() -> None:
    with ScriptedEndpoint([]) as server:
        critique = critic_at(server).watch(Shot(id="s01", prompt="The sea."), LAYOUT, clip())
        assert server.requests == []
    assert (critique.score, critique.questions) == (1.0, [])


@pytest.mark.parametrize(
    "frames",
    [np.zeros((0, 96, 160, 3), np.uint8), np.zeros((4, 96, 160), np.uint8), clip() / 255],
)
def test_frames_of_another_form_are_refused(frames: Any) -> None:
    with ScriptedEndpoint([]) as server, pytest.raises(ValueError, match="`frames` is uint8"):
        critic_at(server).watch(SHOT, LAYOUT, frames)


def test_a_model_that_cannot_see_is_an_error_of_one_call() -> None:
    problem = scripted.problem(400, "this model does not take image_url")
    with ScriptedEndpoint([problem], repeat=True) as server:
        with pytest.raises(EndpointError, match="does not take image_url"):
            critic_at(server).watch(SHOT, LAYOUT, clip())
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("count", "at_most", "chosen"),
    [
        (17, 6, [0, 3, 6, 10, 13, 16]),
        (3, 6, [0, 1, 2]),
        (1, 6, [0]),
        (17, 1, [8]),
        (17, 2, [0, 16]),
    ],
)
def test_frames_are_spread_from_the_first_to_the_last(
    count: int, at_most: int, chosen: list[int]
) -> None:
    assert spread(count, at_most) == chosen


def test_big_frames_are_made_smaller() -> None:
    made = Image.open(io.BytesIO(png(np.zeros((1080, 1920, 3), np.uint8))))
    assert made.size == (910, 512)


# token probabilities


ODDS = [round(0.97 - 0.05 * n, 2) for n in range(COUNT)]


def test_scores_are_the_token_probabilities_of_yes_where_the_server_tells_them() -> None:
    with ScriptedEndpoint([scripted.surely(ALL_WELL, ODDS)]) as server:
        critique = critic_at(server).watch(SHOT, LAYOUT, clip())
        (request,) = server.requests
    assert (request.body["logprobs"], request.body["top_logprobs"]) == (True, 5)
    assert [question.score for question in critique.questions] == pytest.approx(ODDS)
    assert critique.score == pytest.approx(sum(ODDS) / COUNT)
    assert critique.scores_from == "tokens"


def test_a_yes_that_is_less_likely_than_no_does_not_pass() -> None:
    with ScriptedEndpoint([scripted.surely(ALL_WELL, [0.2, *ODDS[1:]])]) as server:
        critique = critic_at(server).watch(SHOT, LAYOUT, clip())
    assert [q.passed for q in critique.questions] == [False] + [True] * (COUNT - 1)
    assert critique.blame == "generator"  # the model named nobody, since it had said yes


def test_where_neither_word_is_likely_or_the_model_is_unsure_the_stated_score_stays() -> None:
    unsure = seen(2, answer="unsure", score=0.4)
    told = review(seen(1, score=0.9), unsure, *[seen(n) for n in range(3, COUNT + 1)])
    with ScriptedEndpoint([scripted.surely(told, [None, 0.99, *ODDS[2:]])]) as server:
        critique = critic_at(server).watch(SHOT, LAYOUT, clip())
    assert [q.score for q in critique.questions] == pytest.approx([0.9, 0.4, *ODDS[2:]])
    assert not critique.questions[1].passed
    assert critique.scores_from == f"tokens ({COUNT - 2} of {COUNT}, else words)"


@pytest.mark.parametrize("status", [400, 403, 422, 500])
def test_a_server_that_refuses_logprobs_is_asked_without_and_that_is_remembered(
    status: int,
) -> None:
    def play(request: scripted.Request) -> scripted.Scripted:
        if "logprobs" in request.body:
            return scripted.problem(status, "You are not allowed to request logprobs")
        return scripted.answer(ALL_WELL)

    with ScriptedEndpoint(play) as server:
        critic = critic_at(server)
        critiques = [critic.watch(SHOT, LAYOUT, clip()) for _ in range(3)]
        asked = [("logprobs" in r.body, r.step) for r in server.requests]
    assert asked == [(True, "json_schema")] + [(False, "json_schema")] * 3
    assert [each.scores_from for each in critiques] == ["words"] * 3
    assert critiques[0].score == 1.0


@pytest.mark.parametrize("told", [None, {}, {"content": [{"token": 3}]}, "none", [1], {"content": [
    {"token": "{", "logprob": "NaN", "top_logprobs": None}]}])  # fmt: skip
def test_logprobs_of_another_form_do_not_spoil_an_answer(told: Any) -> None:
    reply = scripted.said(json.dumps(ALL_WELL), logprobs=told)
    with ScriptedEndpoint([reply]) as server:
        critique = critic_at(server).watch(SHOT, LAYOUT, clip())
    assert (critique.score, critique.scores_from) == (1.0, "words")


def test_a_function_call_has_no_token_probabilities_and_none_are_asked_for() -> None:
    def play(request: scripted.Request) -> scripted.Scripted:
        if request.step == "tool":
            assert "logprobs" not in request.body
            return scripted.called(ALL_WELL)
        return scripted.no_format()

    with ScriptedEndpoint(play) as server:
        assert critic_at(server).watch(SHOT, LAYOUT, clip()).scores_from == "words"


def test_a_repaired_answer_has_the_probabilities_of_its_own_tokens() -> None:
    wrong = review(*[seen(n) for n in range(1, COUNT)])
    replies = [scripted.surely(wrong, [0.6] * (COUNT - 1)), scripted.surely(ALL_WELL, ODDS)]
    with ScriptedEndpoint(replies) as server:
        critique = critic_at(server).watch(SHOT, LAYOUT, clip())
    assert [question.score for question in critique.questions] == pytest.approx(ODDS)


def test_token_probabilities_are_kept_with_the_answer(tmp_path: Path) -> None:
    with ScriptedEndpoint([scripted.surely(ALL_WELL, ODDS)]) as server:
        endpoint = Endpoint(base_url=server.base_url, timeout=10, retries=0, repairs=1)
        found = [
            VisionCritic(LanguageModel(endpoint, model="eye", cache=tmp_path)).watch(
                SHOT, LAYOUT, clip()
            )
            for _ in range(2)
        ]
        assert len(server.requests) == 1
    assert found[0] == found[1]
    assert found[1].scores_from == "tokens"


def test_tokens_may_be_half_a_sign_and_begin_with_thoughts_or_a_quote() -> None:
    part = '{"seen": "é", "answer": "no"}'
    tops: dict[bytes, dict[str, float]] = {
        b"<think>maybe</think>": {}, b'{"seen": "\xc3': {}, b'\xa9", "answer":': {},
        b' "no': {' "no': -0.5, ' "Yes': -1.5, ' "n': -3.0, "perhaps": -2.0}, b'"}<|end|>': {},
    }  # fmt: skip
    reply = [Token(text=text, top=top) for text, top in tops.items()]
    no = math.exp(-0.5) + math.exp(-3.0)
    # The word itself begins within a token that has the space and the quote before it.
    assert chances(reply, part) == pytest.approx([math.exp(-1.5) / (math.exp(-1.5) + no)])
    assert chances(reply, '{"answer": "yes"}') == []
