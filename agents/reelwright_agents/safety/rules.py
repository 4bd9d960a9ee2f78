"""The built-in rules: lists of words, and what they mean together or one after another.

`words.yaml` says how they are written. A rule is refuted by `no`, `never` and their like just
before it, by its own `unless`, and by the idioms (`shoot a film`), whose words count for nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, cast

from ruamel.yaml import YAML

from reelwright_agents.safety.reading import ONE_BY_ONE, Sentence, Word, folded, sentences
from reelwright_core.safety import Aspect, Finding

WITHIN = 5
"""How many words may stand between two that belong together."""
SPAN = 8
"""How many sentences a sequence of actions may take."""
_NEGATED_WITHIN = 3
_SHOWN_AT_MOST = 60

_SEEN_AT_MOST = 20_000

Hit = tuple[int, ...]
"""The numbers of the words, in one sentence, that a pattern found."""


_Seen = tuple[bool, "tuple[tuple[_Terms, ...], ...]"]
"""Whether a word is one of some terms, and which of their phrases it begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Terms:
    """Words by how they are looked up: whole, by their beginning, as a phrase, by their digest."""

    whole: frozenset[str]
    stems: frozenset[str]
    phrases: tuple[tuple[_Terms, ...], ...] = ()
    digests: frozenset[str] = frozenset()
    any: bool = False

    seen: dict[frozenset[str], _Seen] = field(default_factory=dict[frozenset[str], "_Seen"])
    """What was found of a word: a script says most of its words often."""

    def at(self, words: Sequence[Word], index: int) -> int:
        """How many words, from `index` on, are one of these; 0 is none."""
        if index >= len(words):
            return 0
        alone, phrases = self.of(words[index])
        for phrase in phrases:
            if all(each.at(words, index + step) for step, each in enumerate(phrase)):
                return len(phrase)
        return 1 if alone else 0

    def of(self, word: Word) -> _Seen:
        """Whether `word` is one of these, and the phrases that it begins."""
        known = self.seen.get(word.readings)
        if known is None:
            begun = tuple(phrase for phrase in self.phrases if phrase[0].at((word,), 0))
            known = (self.any or any(self._has(each) for each in word.readings), begun)
            if len(self.seen) < _SEEN_AT_MOST:
                self.seen[word.readings] = known
        return known

    def _has(self, reading: str) -> bool:
        if reading in self.whole:
            return True
        if any(reading[:end] in self.stems for end in range(2, len(reading) + 1)):
            return True
        return bool(self.digests) and any(
            hashlib.sha256(f"reelwright {one}".encode()).hexdigest()[:16] in self.digests
            for one in (reading, reading.removesuffix("s"))
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pattern:
    """Parts that all stand in one sentence; the elements of a part come in order, not far apart."""

    parts: tuple[tuple[_Terms, ...], ...]
    within: int

    def may_hit(self, words: Sequence[Word]) -> bool:
        """Whether each of its elements is among `words`, in whatever order."""
        elements = [terms for part in self.parts for terms in part]
        return all(any(any(terms.of(word)) for word in words) for terms in elements)

    def hits(self, words: Sequence[Word], masked: frozenset[int]) -> Iterator[Hit]:
        """One hit for each place where the first part is found and the others are there."""
        rest: list[Hit] = []
        for part in self.parts[1:]:
            hit = next(self._part(part, words, masked), None)
            if hit is None:
                return
            rest.append(hit)
        for first in self._part(self.parts[0], words, masked):
            yield tuple(sorted({*first, *(index for hit in rest for index in hit)}))

    def _part(
        self, part: tuple[_Terms, ...], words: Sequence[Word], masked: frozenset[int]
    ) -> Iterator[Hit]:
        for start in range(len(words)):
            hit = self._from(part, words, masked, start, start)
            if hit is not None:
                yield hit

    def _from(
        self, part: tuple[_Terms, ...], words: Sequence[Word], masked: frozenset[int],
        first: int, last: int,
    ) -> Hit | None:  # fmt: skip
        for index in range(first, min(last, len(words) - 1) + 1):
            length = part[0].at(words, index)
            taken = tuple(range(index, index + length))
            if not length or masked.intersection(taken):
                continue
            if len(part) == 1:
                return taken
            after = index + length
            rest = self._from(part[1:], words, masked, after, after + self.within)
            if rest is not None:
                return (*taken, *rest)
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    aspect: Aspect
    why: str
    find: tuple[_Pattern, ...] = ()
    then: tuple[tuple[_Pattern, ...], ...] = ()
    unless: _Terms | None = None
    negation: bool = True
    """Whether `no` before it refutes it."""
    always: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Book:
    rules: tuple[_Rule, ...]
    harmless: _Terms
    negations: _Terms


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """A sentence with what its idioms cover, and where it is."""

    words: tuple[Word, ...]
    masked: frozenset[int]
    line: int | None = None
    shot: str | None = field(default=None)


def look(text: str) -> list[Finding]:
    """Why `text` would be refused, by line; empty for most texts."""
    return _found([_masked(each, line=each.line) for each in sentences(text)])


def look_at_shots(texts: Sequence[tuple[str, str]]) -> list[Finding]:
    """Why (shot id, its words) would be refused, each alone or all in their order."""
    return _found([_masked(one, shot=shot) for shot, text in texts for one in sentences(text)])


def _found(read: Sequence[_Read]) -> list[Finding]:
    found: list[Finding] = []
    words = list({word.readings: word for one in read for word in one.words}.values())

    def likely(patterns: Sequence[_Pattern]) -> tuple[_Pattern, ...]:
        return tuple(pattern for pattern in patterns if pattern.may_hit(words))

    for rule in _book().rules:
        if rule.then:
            steps = [likely(step) for step in rule.then]
            found += _sequence(rule, steps, read) if all(steps) else []
            continue
        patterns = likely(rule.find)
        for one in read if patterns else []:
            hit = _hit(rule, patterns, one)
            if hit is not None:
                found.append(_finding(rule, [(one, hit)]))
    return found


def _hit(rule: _Rule, patterns: Sequence[_Pattern], one: _Read, after: int = -1) -> Hit | None:
    if rule.unless is not None and any(
        rule.unless.at(one.words, index) for index in range(len(one.words))
    ):
        return None
    for pattern in patterns:
        for hit in pattern.hits(one.words, one.masked):
            if hit[0] > after and not (rule.negation and _negated(one, hit[0])):
                return hit
    return None


def _negated(one: _Read, index: int) -> bool:
    negations = _book().negations
    return any(
        negations.at(one.words, before) for before in range(max(0, index - _NEGATED_WITHIN), index)
    )


def _sequence(
    rule: _Rule, steps: Sequence[tuple[_Pattern, ...]], read: Sequence[_Read]
) -> list[Finding]:
    """A sequence that is found, once: its steps in order, all within `SPAN` sentences."""
    for begin in range(len(read)):
        taken: list[tuple[_Read, Hit]] = []
        at, after = begin, -1
        for step in steps:
            hit = None
            while at < min(begin + SPAN, len(read)):
                hit = _hit(rule, step, read[at], after)
                if hit is not None or not taken:  # it begins with its first step
                    break
                at, after = at + 1, -1
            if hit is None:
                break
            taken.append((read[at], hit))
            after = hit[-1]
        if len(taken) == len(steps):
            return [_finding(rule, taken)]
    return []


def _finding(rule: _Rule, taken: Sequence[tuple[_Read, Hit]]) -> Finding:
    said = " … ".join(_said(one.words, hit) for one, hit in taken)
    first = taken[0][0]
    return Finding(
        aspect=rule.aspect, why=rule.why, words=said[:_SHOWN_AT_MOST], line=first.line,
        shot=first.shot, always=rule.always,
    )  # fmt: skip


def _said(words: Sequence[Word], hit: Hit) -> str:
    """The words that were found, with a mark where others stand between."""
    said = words[hit[0]].text
    for before, index in pairwise(hit):
        said += f"{' ' if index == before + 1 else ' … '}{words[index].text}"
    return said


def _masked(sentence: Sentence, *, line: int | None = None, shot: str | None = None) -> _Read:
    covered: set[int] = set()
    for index in range(len(sentence.words)):
        covered.update(range(index, index + _book().harmless.at(sentence.words, index)))
    return _Read(words=sentence.words, masked=frozenset(covered), line=line, shot=shot)


# the book of rules -----------------------------------------------------------------


def _source() -> bytes:
    return (files("reelwright_agents.safety") / "words.yaml").read_bytes()


@cache
def _book() -> _Book:
    data = cast(dict[str, Any], YAML(typ="safe", pure=True).load(_source()))
    made: dict[str, _Terms] = {}
    for name, listed in cast(dict[str, list[str]], data["words"]).items():
        made[name] = _terms(listed, made)
    rules = tuple(_rule(each, made) for each in cast(list[dict[str, Any]], data["rules"]))
    return _Book(
        rules=rules,
        harmless=_terms(data["harmless"], made),
        negations=_terms(data["negations"], made),
    )


def _rule(told: Mapping[str, Any], known: Mapping[str, _Terms]) -> _Rule:
    within = int(told.get("within", WITHIN))

    def patterns(texts: str | list[str]) -> tuple[_Pattern, ...]:
        each = [texts] if isinstance(texts, str) else texts
        return tuple(_pattern(text, known, within) for text in each)

    unless = told.get("unless")
    return _Rule(
        aspect=Aspect(told["aspect"]),
        why=told["why"],
        find=patterns(told.get("find", [])),
        then=tuple(patterns(step) for step in told.get("then", [])),
        unless=None if unless is None else _terms(unless, known),
        negation=told.get("negation", True),
        always=told.get("always", False),
    )


def _pattern(text: str, known: Mapping[str, _Terms], within: int) -> _Pattern:
    parts = tuple(
        tuple(_terms([each.replace("_", " ") for each in one.split("|")], known)
              for one in part.split())
        for part in text.split("&")
    )  # fmt: skip
    return _Pattern(parts=parts, within=within)


def _terms(listed: Sequence[str], known: Mapping[str, _Terms]) -> _Terms:
    whole: set[str] = set()
    stems: set[str] = set()
    phrases: list[tuple[_Terms, ...]] = []
    digests: set[str] = set()
    anything = False
    for term in listed:
        words = re.sub(r"[-/]", " ", term).split()
        if len(words) == 1 and not _signs(term):
            word = words[0]
            if word == "...":
                anything = True
            elif word.startswith("#"):
                digests.add(word[1:])
            elif word.startswith("+"):
                of = known[word[1:]]
                whole |= of.whole
                stems |= of.stems
                phrases += of.phrases
                digests |= of.digests
            elif word.endswith("*"):
                stems.add(folded(word[:-1]))
            elif word.endswith("~"):
                whole |= _forms(folded(word[:-1]))
            else:
                whole.add(folded(word))
        else:
            apart = _signs(term) or words
            phrases.append(tuple(_terms([word], known) for word in apart))
    return _Terms(
        whole=frozenset(whole), stems=frozenset(stems), digests=frozenset(digests), any=anything,
        phrases=tuple(sorted(phrases, key=len, reverse=True)),
    )  # fmt: skip


def _signs(term: str) -> list[str]:
    """The signs of a term of a language without spaces; none of another's."""
    return list(term) if len(term) > 1 and all(ONE_BY_ONE.match(sign) for sign in term) else []


def _forms(base: str) -> set[str]:
    """The regular forms of an English verb or noun: stab, stabs, stabbed, stabbing, stabber."""
    roots = {base, base + base[-1]}
    if base.endswith("e"):
        roots.add(base[:-1])
    if base.endswith("y"):
        roots.add(f"{base[:-1]}i")
    ends = ("ed", "ing", "er", "ers", "es")
    forms = {base, f"{base}s", *(f"{root}{end}" for root in roots for end in ends)}
    return forms | ({f"{base}d", f"{base}r", f"{base}rs"} if base.endswith("e") else set())
