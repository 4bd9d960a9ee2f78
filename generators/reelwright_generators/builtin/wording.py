"""Puts a prompt into the built-in model's words, and says what it has no words for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from reelwright_core.verbs import third_person
from reelwright_generators import builtin
from reelwright_generators.builtin import english, words
from reelwright_generators.generator import Wording
from reelwright_simulators import cutouts
from reelwright_simulators.cutouts.colours import COLOUR_WORDS

_TOKEN = re.compile(r"[^\W_]+|[^\w\s-]")
_LONGEST = 3
"""Words of the longest phrase that is looked up as one."""

_AUXILIARIES = frozenset({"is", "are", "was", "were", "be", "been", "being", "has", "have", "had"})
_MANY = frozenset({"are", "were", "have", "two", "three"})
_BEFORE_NOUNS = frozenset(
    {
        "a",
        "an",
        "the",
        "two",
        "three",
        "this",
        "that",
        "these",
        "those",
        "his",
        "her",
        "its",
        "their",
    }
)


def wording(prompt: str) -> Wording:
    """`prompt` in words of the model's vocabulary, as far as it has any for it.

    What needs no other words is left as it is, to the letter. A word that nothing stands for stays
    in its place: the model was taught to pass over such words.
    """
    return _Reader(prompt).read()


class _Reader:
    """Reads a prompt once from left to right."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._tokens: list[str] = _TOKEN.findall(prompt.lower())
        self._told: list[str] = []
        self._mapped: dict[str, str] = {}
        self._unknown: dict[str, bool] = {}
        self._many = False
        """Whether the last thing named was more than one."""

    def read(self) -> Wording:
        at = 0
        while at < len(self._tokens):
            at += self._take(at)
        told = re.sub(r" (?=[,.;:!?])", "", " ".join(self._told))
        return Wording(
            told=told if self._mapped else self._prompt,
            mapped=tuple(self._mapped.items()),
            unknown=tuple(self._unknown),
            pictured=tuple(word for word, pictured in self._unknown.items() if pictured),
            weakened=tuple(pair for pair in self._mapped.items() if pair[0] in _weakened()),
        )

    def _take(self, at: int) -> int:
        """Reads the longest phrase at `at` that means something; how many tokens that were."""
        for length in range(min(_LONGEST, len(self._tokens) - at), 0, -1):
            tokens = self._tokens[at : at + length]
            if all(token in builtin.vocabulary() for token in tokens):
                if length == 1:
                    self._say(tokens[0])
                    return 1
                continue  # said in words that the model knows, each on its own
            phrase = " ".join(tokens)
            meant = self._meant(phrase)
            if meant is not None:
                self._map(phrase, meant)
                return length
            if cutouts.find(phrase) is not None:
                self._leave(phrase, pictured=True)
                return length
        token = self._tokens[at]
        if token.isalnum() and token not in english.FUNCTION_WORDS:
            self._leave(token, pictured=False)
        else:
            self._say(token)
        return 1

    def _meant(self, phrase: str) -> str | None:
        """A word of the model for `phrase`."""
        noun = bool(self._told) and self._told[-1] in _BEFORE_NOUNS | words.COLOURS.keys()
        if noun and cutouts.find(phrase) is not None:  # `the rose`
            return _other(phrase) or _noun(phrase)
        return _other(phrase) or self._verb(phrase) or _noun(phrase)

    def _verb(self, phrase: str) -> str | None:
        base = _verbs().get(phrase)
        if base is None:
            return None
        many = self._told[-1] in _MANY if self._helped() else self._many
        told = (base, third_person(base)) if many else (third_person(base), base)
        return next((form for form in told if form in builtin.vocabulary()), None)

    def _helped(self) -> bool:
        return bool(self._told) and self._told[-1] in _AUXILIARIES

    def _map(self, phrase: str, meant: str) -> None:
        if phrase in _verbs():
            while self._helped():  # `is driving` becomes `drives`
                self._told.pop()
        self._mapped[phrase] = meant
        if meant in words.COLOURS and meant in self._told[-1:]:
            return  # `navy blue` is one colour
        if self._told and self._told[-1] in ("a", "an"):
            self._told[-1] = "an" if meant[0] in "aeiou" else "a"
        self._say(meant)

    def _leave(self, phrase: str, *, pictured: bool) -> None:
        self._unknown.setdefault(phrase, pictured)
        self._say(phrase)

    def _say(self, phrase: str) -> None:
        if phrase in words.COLOURS and self._told[-1:] == [phrase]:
            return
        found = cutouts.words().get(phrase)
        if found is not None:
            self._many = found[1] or (bool(self._told) and self._told[-1] in _MANY)
        self._told.append(phrase)


def _other(phrase: str) -> str | None:
    """A colour, place, count or direction in other words, or one of them in the plural."""
    for table in (COLOUR_WORDS, english.PLACES, english.WORDS):
        if table.get(phrase) in builtin.vocabulary():
            return table[phrase]
    return next((one for one in _singulars(phrase) if one in _placed()), None)


def _singulars(phrase: str) -> Iterator[str]:
    for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
        if phrase.endswith(ending):
            yield phrase.removesuffix(ending) + instead


def _noun(phrase: str) -> str | None:
    """The trained noun that shows the same cut-out, or one much like it."""
    found = cutouts.words().get(phrase)
    if found is None:
        return None
    noun, many = found
    taught = builtin.profile()["nouns"]
    for near in (noun, english.RELATIVES.get(noun)):
        if near is not None and near in taught:
            told = words.plural(near) if many else near
            return told if told in builtin.vocabulary() else near
    return None


@cache
def _verbs() -> dict[str, str]:
    """From every form of a verb to the base of one that the model knows."""
    known = builtin.vocabulary()
    bases = {
        base: base
        for base in {*english.VERBS.values(), "go", "travel", "sail", "drift", "float", "drop",
                     "roll", "hop", "stand", "wait", "come", "chase"}
    } | dict(english.VERBS)  # fmt: skip
    return {
        form: told
        for base, told in bases.items()
        if told in known or third_person(told) in known
        for form in english.forms(base)
    }


@cache
def _weakened() -> frozenset[str]:
    """Every form of the verbs for which the model has no word of their own."""
    return frozenset(form for base in english.WEAKENED for form in english.forms(base))


@cache
def _placed() -> frozenset[str]:
    """The model's words for places."""
    said = " ".join(phrase for phrases in words.PLACES.values() for phrase in phrases).split()
    return builtin.vocabulary() & frozenset(said) - {"a", "in", "on", "at", "the"}
