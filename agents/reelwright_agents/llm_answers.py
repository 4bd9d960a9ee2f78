"""What a language model may answer: the schema it is given, and the strict reading of its reply."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

Answer = TypeVar("Answer", bound=BaseModel)

Check = Callable[[Answer], Sequence[str]]
"""Says what is wrong with an answer that has the right shape; nothing if it is good."""

_CHARACTERS_AT_MOST = 1_000_000
_DEPTH_AT_MOST = 32
_DIGITS_AT_MOST = 18
_FAULTS_AT_MOST = 20

_TOKEN = re.compile(r'[{}\[\]]|"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)

_KEPT_KEYWORDS = {
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "items",
    "properties", "required", "type",
}  # fmt: skip
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
}


class UnfitAnswer(Exception):
    """A reply that does not fit; `faults` is what to tell the model."""

    def __init__(self, faults: Sequence[str]):
        super().__init__("; ".join(faults))
        self.faults = list(faults)


def strict_schema(answer: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of `answer` in the narrow form that strict structured outputs accept.

    Every key is required, no other is allowed, and limits are said in words, because servers
    differ in which of them they know; pydantic checks them afterwards. Raises `TypeError` for a
    field with free keys, which no strict schema can say.
    """
    return cast(dict[str, Any], _narrow(answer.model_json_schema(), answer.__name__))


def _narrow(node: object, where: str) -> object:
    if isinstance(node, list):
        return [_narrow(part, where) for part in cast(list[object], node)]
    if not isinstance(node, dict):
        return node
    given = cast(dict[str, Any], node)
    if "prefixItems" in given or "allOf" in given:
        raise TypeError(f"`{where}` has a tuple or a mix of types, which no strict schema can say")
    if given.get("type") == "object" and "properties" not in given:
        raise TypeError(f"`{where}` has free keys, which no strict schema can say")
    if "oneOf" in given:
        given = {**given, "anyOf": given["oneOf"]}
    if "$ref" in given:
        return {"$ref": given["$ref"]}
    kept: dict[str, Any] = {}
    for keyword, value in given.items():
        if keyword in ("properties", "$defs"):
            named = cast(dict[str, object], value)
            kept[keyword] = {name: _narrow(part, f"{where}.{name}") for name, part in named.items()}
        elif keyword in _KEPT_KEYWORDS:
            kept[keyword] = _narrow(value, where)
    if "properties" in kept:
        kept["required"] = list(kept["properties"])
        kept["additionalProperties"] = False
    limits = [words.format(given[name]) for name, words in _LIMITS.items() if name in given]
    if limits:
        kept["description"] = f"{kept.get('description', '')} ({', '.join(limits)})".strip()
    return kept


def read_answer(text: str, answer: type[Answer], check: Check[Answer] | None = None) -> Answer:
    """The `answer` in a model's reply, which may stand between fences or prose.

    Raises `UnfitAnswer` with every fault found: what is no JSON object, has keys twice, NaN,
    overlong numbers, lone surrogates or deep nesting; what has other keys or types than `answer`;
    and what `check` says.
    """
    data = _plain_data(json_part(text))
    try:
        sound = json.dumps(data, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise UnfitAnswer(["a text holds half a character (a lone surrogate)"]) from None
    try:
        found = answer.model_validate_json(sound, strict=True, extra="forbid")
    except ValidationError as error:
        raise UnfitAnswer(_told(error)) from None
    faults = [] if check is None else list(check(found))
    if faults:
        raise UnfitAnswer(_first_of(faults))
    return found


def json_part(text: str) -> str:
    """The longest whole `{...}` in `text`; raises `UnfitAnswer` where there is none."""
    text = _THOUGHTS.sub("", text)
    if len(text) > _CHARACTERS_AT_MOST:
        raise UnfitAnswer([f"the answer is longer than {_CHARACTERS_AT_MOST} characters"])
    best = ""
    start = text.find("{")
    while start >= 0:
        end = _closing(text, start)
        if end is None:
            break
        if end - start > len(best):
            best = text[start:end]
        start = text.find("{", end)
    if best:
        return best
    if start >= 0:
        raise UnfitAnswer(["the JSON object is not closed: the answer stops in the middle"])
    raise UnfitAnswer(["the answer holds no JSON object; answer with one JSON object alone"])


def _closing(text: str, start: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] in ("{", "["):
            depth += 1
            if depth > _DEPTH_AT_MOST:
                raise UnfitAnswer([f"the JSON is nested more than {_DEPTH_AT_MOST} deep"])
        elif token[0] in ("}", "]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _plain_data(text: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_short_int,
            parse_float=_finite,
        )
    except ValueError as error:
        raise UnfitAnswer([f"the answer is not sound JSON: {error}"]) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})[0]
        raise ValueError(f"the key {twice[:60]!r} comes twice in one object")
    return found


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is no JSON number")


def _short_int(digits: str) -> int:
    if len(digits) > _DIGITS_AT_MOST:
        raise ValueError(f"a whole number has {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too big")
    return number


def _told(error: ValidationError) -> list[str]:
    faults: list[str] = []
    for fault in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in fault["loc"]) or "the answer"
        got = repr(fault["input"])
        got = got if len(got) <= 80 else got[:77] + "..."
        faults.append(f"`{place}`: {fault['msg']}, got {got}")
    return _first_of(faults)


def _first_of(faults: list[str]) -> list[str]:
    if len(faults) <= _FAULTS_AT_MOST:
        return faults
    return [*faults[:_FAULTS_AT_MOST], f"and {len(faults) - _FAULTS_AT_MOST} more faults"]
