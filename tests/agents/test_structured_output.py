"""Servers that know one way of structured output each: a whole plan validates, or ends clearly."""

from __future__ import annotations

import json
import os
from typing import Any, Literal
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.llm import Call, LanguageModel, UnfitAnswers
from reelwright_agents.llm_planner import LlmPlanner
from reelwright_agents.planner import Picture, Script
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.errors import EndpointError
from reelwright_core.settings import Endpoint
from reelwright_editing.calls import spent

Style = Literal["json_schema", "json_object", "tool", "plain"]
STYLES: tuple[Style, ...] = ("json_schema", "json_object", "tool", "plain")
SCRIPT = Script(kind="prose", text="A red car drives along a beach. Then two dogs jump.")
PICTURE = Picture()


KNOWN: dict[str, Any] = {
    "cast": [
        {"name": "car", "noun": "car", "colour": "red", "size": "large", "attributes": []},
        {"name": "dog", "noun": "dog", "colour": None, "size": "small", "attributes": []},
    ],
    "language": "en", "text": SCRIPT.text, "relations": [], "left_out": [], "dialogue": [],
    "direction": "right", "action": "moves",
    "things": [{"id": "car", "count": 1, "attributes": []}],
    "first": 0, "last": 16, "actor": "car", "attributes": [], "place": "beach",
}  # fmt: skip


def told(request: Request) -> Any:
    """A good answer to whatever the planner asks."""
    return scripted.fitting(request.schema, KNOWN)


def server_of(style: Style, answers: Any = told) -> Any:
    """A server that knows `style` alone; others it refuses as such servers do."""

    def play(request: Request) -> Scripted:
        if request.step != style and request.step != "plain":
            refusals: dict[str, Scripted] = {
                "json_schema": scripted.problem(
                    400, "response_format json_schema is not supported"
                ),
                "json_object": scripted.problem(422, "response_format: unknown type json_object"),
                "tool": scripted.problem(400, "this server does not support tools"),
            }
            return refusals[request.step]
        data = answers(request)
        if isinstance(data, Scripted):
            return data
        if style == "tool":
            return scripted.called(data, function=request.body["tools"][0]["function"]["name"])
        return scripted.fenced(data) if style == "plain" else scripted.answer(data)

    return play


def model_at(server: ScriptedEndpoint, *, calls: list[Call] | None = None, **more: Any) -> Any:
    given: dict[str, Any] = {"timeout": 20, "retries": 1, "repairs": 2, "calls_at_once": 1, **more}
    return LanguageModel(
        Endpoint(base_url=server.base_url, **given), model="tiny",
        on_call=None if calls is None else calls.append,
    )  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_full_plan_of_a_story_validates_in_each_style(style: Style) -> None:
    calls: list[Call] = []
    with ScriptedEndpoint(server_of(style)) as server:
        model = model_at(server, calls=calls, price_in=2.0, price_out=8.0)
        board = LlmPlanner(model).storyboard(SCRIPT, picture=PICTURE)
        used = [request.step for request in server.requests]
    assert board.shots
    assert board.shots[0].scene_graph.entities[0].colour == "red"
    # The ladder is walked down once; what works is remembered.
    tried = STYLES[: STYLES.index(style) + 1]
    assert used[: len(tried)] == list(tried)
    assert set(used[len(tried) :]) == {style}
    refused = len(tried) - 1
    answered = len(used) - refused
    assert sum(call.tries for call in calls) == len(used)
    assert sum(call.prompt_tokens or 0 for call in calls) == 100 * answered
    assert sum(call.completion_tokens or 0 for call in calls) == 20 * answered
    *rows, total = spent(call.data() for call in calls)
    assert total.requests == len(used)
    assert total.prompt_tokens == sum(row.prompt_tokens for row in rows) == 100 * answered
    assert total.cost_usd == pytest.approx((100 * 2.0 + 20 * 8.0) * answered / 1e6)


def half(request: Request) -> Scripted:
    return scripted.said(json.dumps(told(request))[:25])


def wrong(request: Request) -> Any:
    return {"shots": "none", "surprise": len(request.body["messages"])}


def babble(request: Request) -> Scripted:
    return scripted.said("and then and then " * 2000, finish="length")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (half, "not closed|no JSON object"),
        (wrong, "surprise|shots"),
        (babble, "cut off"),
    ],
)
def test_what_never_fits_ends_in_a_clear_error_after_bounded_tries(
    style: Style, answers: Any, words: str
) -> None:
    calls: list[Call] = []
    with ScriptedEndpoint(server_of(style, answers)) as server:
        with pytest.raises(UnfitAnswers, match=words) as caught:
            LlmPlanner(model_at(server, calls=calls)).storyboard(SCRIPT, picture=PICTURE)
        asked = len(server.requests)
    assert "in 3 rounds" in str(caught.value)
    assert asked == STYLES.index(style) + 3
    assert len(calls) == 1
    assert not calls[0].answered
    # What was wasted is paid for, and so it is counted.
    assert calls[0].prompt_tokens == 300


def test_an_endless_babbler_is_ended_by_the_deadline_or_the_cap() -> None:
    drip = scripted.said("and then " * 100_000, drip=0.01)
    with ScriptedEndpoint([drip], repeat=True) as server:
        model = model_at(server, timeout=0.6, retries=1)
        with pytest.raises(EndpointError, match="no whole answer"):
            LlmPlanner(model).storyboard(SCRIPT, picture=PICTURE)
        assert len(server.requests) == 2
    with ScriptedEndpoint([scripted.huge(64 << 20)], repeat=True) as server:
        with pytest.raises(EndpointError, match="more than 8 MB"):
            LlmPlanner(model_at(server)).storyboard(SCRIPT, picture=PICTURE)
        assert len(server.requests) == 1


def test_a_server_that_ignores_the_schema_is_told_it_in_words() -> None:
    """As some versions of llama.cpp do: status 200, and JSON of their own making."""

    def play(request: Request) -> Scripted:
        if "Answer again, whole" in request.text:
            return scripted.answer(told(request))
        return scripted.answer({"result": "ok"})

    with ScriptedEndpoint(play) as server:
        board = LlmPlanner(model_at(server)).storyboard(SCRIPT, picture=PICTURE)
        assert {request.step for request in server.requests} == {"json_schema"}
    assert board.shots


def test_a_server_that_sends_an_object_as_arguments_is_understood() -> None:
    def play(request: Request) -> Scripted:
        if request.step != "tool":
            return scripted.no_format()
        reply = json.loads(scripted.called(told(request)).body)
        call = reply["choices"][0]["message"]["tool_calls"][0]["function"]
        call["arguments"] = json.loads(call["arguments"])
        return Scripted(body=json.dumps(reply).encode())

    with ScriptedEndpoint(play) as server:
        assert LlmPlanner(model_at(server)).storyboard(SCRIPT, picture=PICTURE).shots


LOCAL = ("http://127.0.0.1:11434/v1", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8000/v1",
         "http://127.0.0.1:1234/v1")  # fmt: skip
"""Ollama, llama.cpp, vLLM and LM Studio, where they listen unless told otherwise."""


def local_model() -> tuple[str, str]:
    """The address and a model of a language-model server on this machine; skips without one."""
    asked = os.environ.get("REELWRIGHT_TEST_LLM")
    for address in [asked] if asked else LOCAL:
        try:
            with urlopen(f"{address}/models", timeout=2) as reply:
                return address, json.load(reply)["data"][0]["id"]
        except (URLError, OSError, ValueError, KeyError, IndexError, TypeError):
            continue
    pytest.skip(f"no local language model answers at {asked or ', '.join(LOCAL)}")


@pytest.mark.long
def test_a_real_local_model_plans_or_says_clearly_why_not() -> None:
    address, name = local_model()
    endpoint = Endpoint(base_url=address, timeout=300, retries=0, repairs=2, calls_at_once=1,
                        max_tokens=1500)  # fmt: skip
    calls: list[Call] = []
    model = LanguageModel(endpoint, model=name, temperature=0.0, on_call=calls.append)
    said, shots = "", 0
    try:
        shots = len(LlmPlanner(model).storyboard(SCRIPT, picture=PICTURE).shots)
    except EndpointError as error:
        said = str(error)
    assert shots or name in said or address in said
    assert calls
    assert all(1 <= call.tries <= 3 + len(STYLES) for call in calls)
