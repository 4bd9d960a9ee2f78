"""From a sentence to its words and phrases with every meaning that the tables give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from reelwright_agents.offline import words
from reelwright_simulators import cutouts
from reelwright_simulators.cutouts.colours import COLOUR_WORDS

Meanings = Mapping[str, Any]
"""From the kind of a word (`noun`, `verb`, `place`, ...) to what it stands for."""

_TOKEN = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|[^\W_]+(?:[-'’][^\W_]+)*|[,;:()—–]|\s-\s")
_QUOTES = '"“«'
_CLITICS = re.compile(r"(?<=.)(n['’]t|['’](?:s|re|ll|ve|m|d))$", re.IGNORECASE)
_PAUSES = frozenset(",;:()—–-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A word or phrase of a sentence."""

    text: str
    low: str
    means: Meanings
    first: bool = False
    """Whether it opens the sentence."""
    start: int = 0
    """Where it starts in the sentence, in characters."""

    def __contains__(self, kind: str) -> bool:
        return kind in self.means

    def __getitem__(self, kind: str) -> Any:
        return self.means[kind]

    @property
    def unknown(self) -> bool:
        """Whether no table knows it."""
        return not self.means and self.low not in words.FUNCTION_WORDS

    @property
    def is_name(self) -> bool:
        """Whether it is written like a name."""
        return self.text[:1].isupper() and (not self.first or self.text.isupper())


def tokens(text: str) -> Iterator[tuple[str, int]]:
    """The words, quotations and pauses of `text`, each with where it starts."""
    table = _table()
    for found in _TOKEN.finditer(text):
        token, at = found[0].strip(), found.start()
        if token[0] in _QUOTES or token in _PAUSES or token.lower() in table:
            yield token, at
            continue
        clitic = _CLITICS.search(token)
        stem = token[: clitic.start()] if clitic else token
        parts = [stem] if stem.lower() in table else re.split(r"[-'’]", stem)
        yield from ((part, at) for part in parts if part)
        if clitic:
            yield clitic[0].replace("’", "'"), at


def items(text: str) -> list[Item]:
    """The words of a sentence, each phrase that a table knows as one item."""
    table, longest = _table(), _longest()
    pairs = list(tokens(text))
    all_tokens = [token for token, _ in pairs]
    found: list[Item] = []
    at = 0
    while at < len(all_tokens):
        length = next(
            (
                length
                for length in range(min(longest, len(all_tokens) - at), 1, -1)
                if " ".join(all_tokens[at : at + length]).lower() in table
            ),
            1,
        )
        phrase = " ".join(all_tokens[at : at + length])
        low = phrase.lower()
        found.append(_item(phrase, table.get(low), first=not found, start=pairs[at][1]))
        at += length
    pours = any(item.means.get("verb") == "pour" for item in found)
    return [_in_sentence(found, i, pours=pours) for i in range(len(found))]


_DESCRIBERS = ("article", "number", "colour", "size", "adjective")


def _in_sentence(found: list[Item], at: int, *, pours: bool) -> Item:
    """The item as this sentence means it.

    Water that is poured is a thing, not a place; glass is one after an article, not a material.
    """
    item = found[at]
    if pours and item.low in words.POURED:
        return replace(item, means={"noun": words.POURED[item.low]})
    if item.low in words.THINGS:
        before = found[at - 1] if at else item
        if before.low != "into" and not any(kind in before for kind in _DESCRIBERS):
            means = {kind: value for kind, value in item.means.items() if kind != "noun"}
            return replace(item, means=means)
    return item


def _item(phrase: str, means: Meanings | None, *, first: bool, start: int) -> Item:
    low = phrase.lower()
    if phrase[0] in _QUOTES and len(phrase) > 1:
        means = {"quote": phrase[1:-1].strip()}
    elif phrase in _PAUSES:
        means = {"pause": phrase}
    elif means is None and low.isdecimal():
        means = {"number": int(low[:9])}
    elif means is None and low.endswith("ly") and len(low) > 4:
        means = {"adverb": low}
    return Item(text=phrase, low=low, means=means or {}, first=first, start=start)


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}

    def put(kind: str, pairs: Iterable[tuple[str, Any]]) -> None:
        for phrase, value in pairs:
            table.setdefault(phrase.lower(), {})[kind] = value

    put("noun", words.THINGS.items())
    put("noun", cutouts.words().items())
    put("colour", COLOUR_WORDS.items())
    for kind, mapping in _MAPPINGS.items():
        put(kind, mapping.items())
    for kind, several in _LISTS.items():
        put(kind, ((word, word) for word in several))
    return table


_MAPPINGS: Mapping[str, Mapping[str, Any]] = {
    "number": words.NUMBERS, "size": words.SIZES, "place": words.PLACES, "verb": words.VERB_FORMS,
    "direction": words.DIRECTIONS, "position": words.POSITIONS, "turn": words.TURNS,
    "relation": words.RELATIONS, "loose": words.LOOSE, "camera": words.CAMERA,
    "pronoun": words.PRONOUNS, "lens": words.LENSES, "article": words.ARTICLES, "wind": words.WINDS,
}  # fmt: skip
_LISTS: Mapping[str, Iterable[str]] = {
    "together": words.TOGETHER, "then": words.THEN, "first": words.FIRST, "after": words.AFTER,
    "before": words.BEFORE, "relative": words.RELATIVES, "copula": words.COPULAS,
    "there": words.THERE, "negation": words.NEGATIONS, "neutral": words.NEUTRAL,
    "adjective": words.ADJECTIVES, "adverb": words.ADVERBS, "named": ("named", "called"),
    "and": ("and", "but", "or", "&", "plus"), "one": ("one", "ones"), "'s": ("'s",),
}  # fmt: skip


@lru_cache(maxsize=1)
def _longest() -> int:
    return max(len(phrase.split()) for phrase in _table())
