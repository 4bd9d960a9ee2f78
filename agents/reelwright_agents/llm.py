"""Asks a language model typed questions: one template in, one validated answer out."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import Field, ValidationError

from reelwright_agents import llm_chances
from reelwright_agents.llm_answers import (
    Answer,
    Check,
    UnfitAnswer,
    json_part,
    read_answer,
    strict_schema,
)
from reelwright_agents.llm_prompts import Message, messages, prompt, sound_text, without_images
from reelwright_agents.llm_wire import Failure, Reply, Wire
from reelwright_core.errors import EndpointError
from reelwright_core.files import write_bytes, write_json
from reelwright_core.records import Record, digest
from reelwright_core.settings import Endpoint

STEPS = ("json_schema", "json_object", "tool", "plain")
"""The ways to ask for JSON, strictest first: a strict schema; any JSON object, with the schema for
servers that take it there; the arguments of a function; words."""

_BACKOFF_AT_FIRST = 0.5
_BACKOFF_AT_MOST = 8.0
_SHOWN_AGAIN_AT_MOST = 8_000
_ABOUT_STEP = re.compile(
    r"response[_ ]?format|json[_ ]?(schema|object|mode)|structured output|guided|grammar"
    r"|\btool[_ s]?|function[_ ]?call",
    re.I,
)
_ABOUT_CHANCES = re.compile(
    r"log[_ ]?prob"
    r"|(unknown|unrecogni[sz]ed|unsupported|unexpected|extra)\b.{0,40}"
    r"(argument|field|input|param|propert)",
    re.I | re.DOTALL,
)
_writing = threading.Lock()


class Call(Record):
    """What one question cost, its retries and repairs included; holds no text."""

    role: str
    model: str
    seconds: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    """None when the tokens or the prices (`endpoint.price_in`, `price_out`) are not known."""
    cached: bool = False
    tries: int
    """How many requests were sent."""
    answered: bool = True
    template: str
    """The sha256 of the prompt template, in hex."""


class UnfitAnswers(EndpointError):
    """A model answered, and none of its answers fits; `faults` are those of the last."""

    def __init__(self, message: str, *, faults: Sequence[str]):
        super().__init__(message)
        self.faults = list(faults)


class LanguageModel:
    """A model behind an OpenAI-compatible endpoint.

    It may be shared by threads. One question takes at most `endpoint.timeout * (retries + 1)`
    seconds, and as much again for each repair.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        model: str,
        temperature: float | None = None,
        cache: Path | None = None,
        on_call: Callable[[Call], None] | None = None,
    ):
        """`cache` keeps answers and, under `replies/`, those that did not fit.

        `on_call` is told of every question, in the thread that asked it. Raises `SettingsError`
        for a missing key or an address that is none.
        """
        self.model = model
        self.endpoint = endpoint
        self._wire = Wire(endpoint)
        self._temperature = temperature
        self._cache = cache
        self._on_call = on_call
        self._step = 0
        self._proven = False
        self._tells_chances = True

    def __repr__(self) -> str:
        """Names the model and where it is."""
        return f"LanguageModel(model={self.model!r}, address={self._wire.address!r})"

    def ask(
        self,
        *,
        role: str,
        template: str,
        inputs: Mapping[str, Any],
        answer: type[Answer],
        images: Sequence[bytes] = (),
        check: Check[Answer] | None = None,
    ) -> Answer:
        """The model's `answer` to the template `prompts/TEMPLATE.j2` filled with `inputs`.

        `images` are PNG or JPEG files. What `check` says against an answer goes back to the
        model just as a wrong field does. Raises `EndpointError` when no answer comes, its
        `UnfitAnswers` when none fits within `endpoint.repairs` repairs.
        """
        return self._ask(role, template, inputs, answer, images, check, chances=False)[0]

    def ask_with_chances(
        self,
        *,
        role: str,
        template: str,
        inputs: Mapping[str, Any],
        answer: type[Answer],
        images: Sequence[bytes] = (),
        check: Check[Answer] | None = None,
    ) -> tuple[Answer, list[float | None]]:
        """The same with the probability of yes of each field `answer` in it, in order, 0..1.

        It is that of the model's tokens (`llm_chances`), None where the server tells none. The
        list is empty where nothing is told at all. One call, as without.
        """
        return self._ask(role, template, inputs, answer, images, check, chances=True)

    def _ask(
        self,
        role: str,
        template: str,
        inputs: Mapping[str, Any],
        answer: type[Answer],
        images: Sequence[bytes],
        check: Check[Answer] | None,
        *,
        chances: bool,
    ) -> tuple[Answer, list[float | None]]:
        asked = prompt(template)
        talk = messages(asked.fill(inputs), images)
        schema = strict_schema(answer)
        key = self._digest(talk, schema, asked.sha256, chances=chances)
        tally = _Tally(chances=chances)
        kept = self._kept(key, answer, check)
        try:
            if kept is not None:
                return kept, self._kept_chances(key) if chances else []
            self._wire.load()
            found = self._until_fit(role, key, talk, schema, answer, check, tally)
            tally.answered = True
        finally:
            self._tell(role, asked.sha256, tally, cached=kept is not None)
        if self._cache is not None:
            with _writing:
                if tally.chances:
                    told = _Chances(answers=tally.chances).model_dump(mode="json")
                    write_json(self._cache / f"{key}.chances.json", told)
                write_json(self._cache / f"{key}.json", found.model_dump(mode="json"))
        return found, tally.chances

    def _until_fit(
        self,
        role: str,
        key: str,
        question: list[Message],
        schema: dict[str, Any],
        answer: type[Answer],
        check: Check[Answer] | None,
        tally: _Tally,
    ) -> Answer:
        talk = question
        for repair in range(self.endpoint.repairs + 1):
            reply = self._reply(role, talk, schema, answer.__name__, tally)
            if reply.refusal or reply.finish == "content_filter":
                why = reply.refusal or "its content filter ended the answer"
                raise EndpointError(f"{role}: {self.model} declines to answer: {why[:400]}")
            try:
                if reply.finish == "length":
                    raise UnfitAnswer([_cut_off(reply)])
                found = read_answer(reply.text, answer, check)
            except UnfitAnswer as unfit:
                faults = unfit.faults
            else:
                self._proven = True
                tally.chances = llm_chances.chances(reply.tokens, json_part(reply.text))
                return found
            if repair == self.endpoint.repairs:
                self._give_up(role, key, reply, faults)
            talk = [*question, *_sent_back(reply, faults, schema)]
        raise AssertionError("a question has at least one round")

    def _reply(
        self, role: str, talk: list[Message], schema: dict[str, Any], name: str, tally: _Tally
    ) -> Reply:
        """One whole reply: tried again, and asked for in a looser way, where that may help."""
        endpoint = self.endpoint
        deadline = time.monotonic() + endpoint.timeout * (endpoint.retries + 1)
        failures = server_errors = 0
        while True:
            step = self._step
            within = min(endpoint.timeout, deadline - time.monotonic())
            tally.tries += 1
            body = self._body(talk, schema, name, step)
            # What a function is called with has no token probabilities anywhere.
            wanted = tally.wants_chances and self._tells_chances and STEPS[step] != "tool"
            if wanted:
                body |= {"logprobs": True, "top_logprobs": llm_chances.TOP}
            got = self._wire.post(body, within=max(within, 0.001))
            looser = step + 1 < len(STEPS)
            if isinstance(got, Reply):
                tally.add(got)
                if got.text.strip() or got.refusal or got.finish != "stop" or not looser:
                    return got
                if self._proven:
                    return got
                self._step = step + 1
                continue
            if wanted and _about_chances(got):
                self._tells_chances = False
                continue
            if looser and _about_step(got):
                self._step = step + 1
                continue
            if not got.again or failures == endpoint.retries:
                raise EndpointError(f"{role}: {got.why}{_tried(failures + 1)}")
            failures += 1
            server_errors += 1 if (got.status or 0) >= 500 else 0
            if looser and not self._proven and server_errors == 2:
                # Some servers answer 500 to a `response_format` that they do not know.
                self._step, server_errors = step + 1, 0
                self._tells_chances = self._tells_chances and not wanted
            pause = min(_BACKOFF_AT_FIRST * 2 ** (failures - 1), _BACKOFF_AT_MOST)
            pause = pause if got.wait is None else got.wait
            if time.monotonic() + pause >= deadline:
                asked = "" if got.wait is None else f"; it asks to wait {got.wait:g} s"
                raise EndpointError(
                    f"{role}: {got.why}{asked}, and the time for one question "
                    f"(`endpoint.timeout` x tries) is over{_tried(failures)}"
                )
            time.sleep(pause)

    def _body(
        self, talk: list[Message], schema: dict[str, Any], name: str, step: int
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "messages": talk}
        if self._temperature is not None:
            body["temperature"] = self._temperature
        if self.endpoint.max_tokens is not None:
            limit = "max_completion_tokens" if self._wire.is_openai else "max_tokens"
            body[limit] = self.endpoint.max_tokens
        if STEPS[step] == "json_schema":
            form = {"name": name.strip("_"), "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
            return body
        if STEPS[step] == "json_object":
            # llama.cpp's servers hold an answer to a schema only where it stands here.
            known = {} if self._wire.is_openai else {"schema": schema}
            body["response_format"] = {"type": "json_object", **known}
        if STEPS[step] == "tool":
            function = {"name": name.strip("_"), "parameters": schema}
            body["tools"] = [{"type": "function", "function": function}]
            body["tool_choice"] = {"type": "function", "function": {"name": function["name"]}}
        first = talk[0]
        asked = f"{first['content']}\n\n{_said_schema(schema)}"
        body["messages"] = [{**first, "content": asked}, *talk[1:]]
        return body

    def _digest(self, talk: list[Message], schema: object, template: str, *, chances: bool) -> str:
        return digest(
            {
                "model": self.model,
                "messages": [without_images(message) for message in talk],
                "schema": schema,
                "temperature": self._temperature,
                "template": template,
                **({"chances": llm_chances.TOP} if chances else {}),
            }
        )

    def _kept_chances(self, key: str) -> list[float | None]:
        """Those kept with an answer; none where none were told, or the file is broken."""
        assert self._cache is not None
        try:
            text = (self._cache / f"{key}.chances.json").read_text(encoding="utf-8")
            return _Chances.model_validate_json(text).answers
        except (OSError, UnicodeDecodeError, ValidationError):
            return []

    def _kept(self, key: str, answer: type[Answer], check: Check[Answer] | None) -> Answer | None:
        """The answer in the cache, read as strictly as a reply; a broken one is none."""
        if self._cache is None:
            return None
        try:
            text = (self._cache / f"{key}.json").read_text(encoding="utf-8")
            return read_answer(text, answer, check)
        except (OSError, UnicodeDecodeError, UnfitAnswer):
            return None

    def _give_up(self, role: str, key: str, reply: Reply, faults: list[str]) -> NoReturn:
        if self._cache is None:
            where = f"it says: {reply.text[:200]!r}"
        else:
            path = self._cache / "replies" / f"{key}.txt"
            with _writing:
                write_bytes(path, reply.text.encode("utf-8", "backslashreplace"))
            where = f"the last answer is in {path}"
        rounds = self.endpoint.repairs + 1
        told = "; ".join(faults[:3]) + (f" (and {len(faults) - 3} more)" if faults[3:] else "")
        raise UnfitAnswers(
            f"{role}: {self.model} gave no answer that fits in {rounds} "
            f"round{'s' if rounds > 1 else ''}: {told}; {where}",
            faults=faults,
        )

    def _tell(self, role: str, template: str, tally: _Tally, *, cached: bool) -> None:
        if self._on_call is None:
            return
        prices = self.endpoint.price_in, self.endpoint.price_out
        cost = 0.0 if cached else _cost(tally, *prices)
        self._on_call(
            Call(
                role=role,
                model=self.model,
                seconds=round(time.monotonic() - tally.began, 3),
                prompt_tokens=0 if cached else tally.prompt_tokens,
                completion_tokens=0 if cached else tally.completion_tokens,
                cost_usd=cost,
                cached=cached,
                tries=tally.tries,
                answered=cached or tally.answered,
                template=template,
            )
        )


class _Chances(Record):
    """The probabilities of yes in an answer."""

    answers: list[Annotated[float, Field(ge=0, le=1)] | None]


class _Tally:
    """What a question has cost so far."""

    def __init__(self, *, chances: bool) -> None:
        self.wants_chances = chances
        self.chances: list[float | None] = []
        self.began = time.monotonic()
        self.tries = 0
        self.answered = False
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    def add(self, reply: Reply) -> None:
        if reply.prompt_tokens is not None:
            self.prompt_tokens = (self.prompt_tokens or 0) + reply.prompt_tokens
        if reply.completion_tokens is not None:
            self.completion_tokens = (self.completion_tokens or 0) + reply.completion_tokens


def _cost(tally: _Tally, price_in: float | None, price_out: float | None) -> float | None:
    """US dollars; prices are per million tokens."""
    if None in (price_in, price_out, tally.prompt_tokens, tally.completion_tokens):
        return None
    spent = (tally.prompt_tokens or 0) * (price_in or 0)
    spent += (tally.completion_tokens or 0) * (price_out or 0)
    return spent / 1_000_000


def _about_step(failure: Failure) -> bool:
    """Whether a server refuses the way it was asked for JSON, not the question."""
    status = failure.status or 0
    return (status in (400, 415, 422) or status >= 500) and bool(_ABOUT_STEP.search(failure.words))


def _about_chances(failure: Failure) -> bool:
    """Whether a server refuses to tell token probabilities, not the question."""
    status = failure.status or 0
    refuses = status in (400, 403, 415, 422) or status >= 500
    return refuses and bool(_ABOUT_CHANCES.search(failure.words))


def _said_schema(schema: dict[str, Any]) -> str:
    return (
        "Answer with one JSON object and nothing else, with exactly the keys of this JSON schema:\n"
        + json.dumps(schema, ensure_ascii=False)
    )


def _sent_back(reply: Reply, faults: list[str], schema: dict[str, Any]) -> list[Message]:
    listed = "\n".join(f"- {fault}" for fault in faults)
    asked = f"That answer does not fit:\n{listed}\n\nAnswer again, whole. {_said_schema(schema)}"
    shown = sound_text(reply.text)
    if not shown.strip() or reply.finish == "length" or len(shown) > _SHOWN_AGAIN_AT_MOST:
        shown = "(an answer that did not fit)"
    return [{"role": "assistant", "content": shown}, {"role": "user", "content": sound_text(asked)}]


def _cut_off(reply: Reply) -> str:
    count = "" if reply.completion_tokens is None else f" after {reply.completion_tokens} tokens"
    return (
        f"the answer was cut off{count} because it was too long (finish_reason `length`); "
        "answer more briefly, or raise `endpoint.max_tokens`"
    )


def _tried(tries: int) -> str:
    return "" if tries == 1 else f" ({tries} tries)"
