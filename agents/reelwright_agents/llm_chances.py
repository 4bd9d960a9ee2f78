"""How probable a model finds its own `yes`: from the token probabilities of its answer.

An answer in JSON holds fields `"answer": "yes"` or `"no"`. At the token that begins such a word the
server lists the likeliest tokens, and the probability of yes is p(yes) / (p(yes) + p(no)), as in
NeuS-V (arXiv 2411.16718).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

TOP = 5
"""How many of the likeliest tokens are asked for at each place; some servers allow no more."""

_ANSWER = re.compile(rb'"answer"\s*:\s*"(?=[a-z])')


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token of a reply, and the natural logarithms of the probabilities at its place."""

    text: bytes
    top: Mapping[str, float]


def tokens(told: object) -> tuple[Token, ...]:
    """The tokens in a choice's `logprobs`, as OpenAI has them; none where it is of another form."""
    content = _fields(told).get("content")
    if not isinstance(content, list):
        return ()
    found: list[Token] = []
    for each in cast(list[object], content):
        fields = _fields(each)
        text, listed = fields.get("token"), fields.get("top_logprobs")
        if not isinstance(text, str):
            return ()
        pairs = (
            [fields, *map(_fields, cast(list[object], listed))] if _is_list(listed) else [fields]
        )
        top = {
            pair["token"]: float(pair["logprob"])
            for pair in pairs
            if isinstance(pair.get("token"), str)
            and isinstance(pair.get("logprob"), int | float)
            and not math.isnan(pair["logprob"])
        }
        found.append(Token(text=_bytes(fields, text), top=top))
    return tuple(found)


def chances(reply: Sequence[Token], part: str) -> list[float | None]:
    """Of each field `answer` in the JSON object `part` of a reply, in order: that of yes, 0..1.

    None where neither yes nor no is among the likeliest; empty where `part` is not in the tokens.
    """
    whole = b"".join(token.text for token in reply)
    begin = whole.rfind(part.encode())
    if begin < 0:
        return []
    end = begin + len(part.encode())
    return [_chance(reply, match.end()) for match in _ANSWER.finditer(whole, begin, end)]


def _chance(reply: Sequence[Token], place: int) -> float | None:
    """The probability of yes at the token that holds the byte at `place`."""
    begin = 0
    for token in reply:
        if begin <= place < begin + len(token.text):
            yes, no = _mass(token, "yes"), _mass(token, "no")
            return yes / (yes + no) if yes + no > 0 else None
        begin += len(token.text)
    return None


def _mass(token: Token, word: str) -> float:
    """The probability of all tokens that say `word` or begin it, with or without a quote."""
    plain = {text: text.strip("\"' :,}\n\t").lower() for text in token.top}
    return sum(
        math.exp(min(token.top[text], 0.0))
        for text, said in plain.items()
        if said and word.startswith(said)
    )


def _fields(told: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], told) if isinstance(told, dict) else {}


def _is_list(told: object) -> bool:
    return isinstance(told, list)


def _bytes(fields: Mapping[str, Any], text: str) -> bytes:
    """A token's own bytes: a token may be half a sign, which no text can hold."""
    try:
        return bytes(fields["bytes"])
    except (KeyError, TypeError, ValueError):
        return text.encode("utf-8", "replace")
