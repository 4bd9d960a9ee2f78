"""Which words of a shot a prompt must keep, and which of them it has lost.

Every noun, number, colour and attribute of the scene graph, and of the user's own words; plurals,
numbers in figures and other words for the same thing count as kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from reelwright_agents.offline import lexicon, words
from reelwright_core.records import Record
from reelwright_core.story import Entity, Shot
from reelwright_simulators import cutouts
from reelwright_simulators.cutouts import plurals
from reelwright_simulators.cutouts.colours import COLOUR_WORDS

KeptKind = Literal["noun", "number", "colour", "attribute", "place", "word"]

_TOKEN = re.compile(r"[^\W_]+")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»")
_BEFORE_NOUN = 4
"""A number or colour this many words before a noun belongs to it, if no other noun is nearer."""
_AFTER_NOUN = 6
"""A colour so far after it does, if no noun follows: `a car, painted a bright red`."""
_UNDERSTOOD = 0.5
"""Of a sentence in another language, less than this part of its words is in our tables."""
_COLLECTIVES = {"pair": 2, "couple": 2, "both": 2, "trio": 3, "dozen": 12}


class Kept(Record):
    """A word that a prompt must keep."""

    said: str
    """As a person would name it: `red`, `two`, `the car`."""
    kind: KeptKind
    any_of: list[str]
    """Words and phrases that keep it, in the plain form of `_plain`."""
    of: list[str] = []
    """The nouns that it must belong to, likewise; none lets it stand anywhere."""
    begins: str = ""
    """A word that begins so keeps it as well: `explod` for `explodes`."""


def kept(shot: Shot, *, prompt: str = "") -> list[Kept]:
    """What any prompt of `shot` must keep; `prompt` is the one it is made from."""
    found = [each for entity in shot.scene_graph.entities for each in _of_entity(entity)]
    if shot.place != "plain":
        same = {_phrase(word) for word, place in words.PLACES.items() if place == shot.place}
        found.append(Kept(said=shot.place, kind="place", any_of=sorted(same)))
    speech = {line.text for line in shot.dialogue}
    text = "" if shot.text in speech else _QUOTED.sub(" ", shot.text)
    for spoken in speech:
        text = text.replace(spoken, " ")
    nouns = {phrase for each in found if each.kind == "noun" for phrase in each.any_of}
    for said in (text, prompt):
        found += [each for each in _of_words(said) if not set(each.any_of) & nouns]
    unique: dict[tuple[str, ...], Kept] = {}
    for each in found:
        unique.setdefault((each.kind, *each.any_of, *each.of), each)
    return list(unique.values())


def lost(text: str, needed: Sequence[Kept]) -> list[str]:
    """What of `needed` is not in `text`, each as a person would name it."""
    tokens = plain(text)
    nouns = _noun_places(tokens, needed)
    return [each.said for each in needed if not _is_there(each, tokens, nouns)]


def plain(text: str) -> list[str]:
    """The words of `text` in lower case and singular, numbers in figures."""
    return [_plain(token) for token in _TOKEN.findall(text.lower())]


def _plain(word: str) -> str:
    if word in _COLLECTIVES:
        return str(_COLLECTIVES[word])
    if word in words.NUMBERS and word not in ("few", "many", "several"):
        return str(words.NUMBERS[word])
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _phrase(text: str) -> str:
    return " ".join(plain(text))


def _of_entity(entity: Entity) -> Iterator[Kept]:
    names = [word.removeprefix("named ") for word in entity.attributes if word[:6] == "named "]
    nouns = sorted({_phrase(word) for word in (*_called(entity.noun), *names)})
    yield Kept(said=entity.noun, kind="noun", any_of=nouns)
    if entity.count > 1:
        many = f"{entity.count} {plurals.plural(entity.noun)}"
        yield Kept(said=many, kind="number", any_of=[str(entity.count)], of=nouns)
    if entity.colour is not None:
        shades = sorted({_phrase(w) for w, c in COLOUR_WORDS.items() if c == entity.colour})
        yield Kept(
            said=f"{entity.colour} {entity.noun}", kind="colour", any_of=shades, of=nouns
        )  # fmt: skip
    if entity.size != "medium":
        sizes = [_phrase(word) for word, size in words.SIZES.items() if size == entity.size]
        yield Kept(said=entity.size, kind="attribute", any_of=sorted(set(sizes)))
    for word in entity.attributes:
        if word[:6] != "named " and plain(word):
            yield Kept(said=word, kind="attribute", any_of=[_phrase(word)])


def _called(noun: str) -> Iterator[str]:
    """All words for the noun that the cut-out set knows."""
    yield noun
    cut = cutouts.find(noun)
    if cut is not None:
        for word, (meant, _) in cutouts.words().items():
            if meant == cut.noun:
                yield word


def _of_words(text: str) -> Iterator[Kept]:
    items = [item for item in lexicon.items(text) if not {"quote", "pause"} & set(item.means)]
    carrying = [item for item in items if item.low not in words.FUNCTION_WORDS]
    if sum(item.unknown for item in carrying) > (1 - _UNDERSTOOD) * len(carrying):
        return  # another language: its words would not be those of an English prompt
    for item in carrying:
        if item.unknown:
            stem = item.low[: max(4, len(item.low) - 3)]
            yield Kept(said=item.text, kind="word", any_of=[_phrase(item.low)], begins=stem)
        elif "verb" in item or "adverb" in item:
            continue
        elif "noun" in item:
            noun = str(item["noun"][0])
            yield Kept(
                said=item.low, kind="noun",
                any_of=sorted({_phrase(word) for word in (item.low, *_called(noun))}),
            )  # fmt: skip
        elif "colour" in item:
            same = {_phrase(w) for w, c in COLOUR_WORDS.items() if c == item["colour"]}
            yield Kept(said=item.low, kind="colour", any_of=sorted({_phrase(item.low), *same}))
        elif "number" in item and int(item["number"]) > 1:
            vague = {_phrase(item.low)} if not item.low.isdigit() else set[str]()
            yield Kept(
                said=item.low, kind="number", any_of=sorted({str(item["number"]), *vague})
            )  # fmt: skip
        elif "size" in item:
            same = {_phrase(w) for w, size in words.SIZES.items() if size == item["size"]}
            yield Kept(said=item.low, kind="attribute", any_of=sorted({_phrase(item.low), *same}))
        elif "place" in item:
            same = {_phrase(w) for w, place in words.PLACES.items() if place == item["place"]}
            yield Kept(said=item.low, kind="place", any_of=sorted({_phrase(item.low), *same}))
        elif "adjective" in item:
            yield Kept(said=item.low, kind="attribute", any_of=[_phrase(item.low)])


def _noun_places(tokens: Sequence[str], needed: Sequence[Kept]) -> dict[int, str]:
    """Where the last word of each needed noun stands, and which noun it is."""
    places: dict[int, str] = {}
    for each in needed:
        if each.kind == "noun":
            for phrase in each.any_of:
                places |= dict.fromkeys(_ends(tokens, phrase), phrase)
    return places


def _ends(tokens: Sequence[str], phrase: str) -> Iterator[int]:
    parts = phrase.split()
    for at in range(len(tokens) - len(parts) + 1):
        if parts and list(tokens[at : at + len(parts)]) == parts:
            yield at + len(parts) - 1


def _is_there(each: Kept, tokens: Sequence[str], nouns: dict[int, str]) -> bool:
    ends = [at for phrase in each.any_of for at in _ends(tokens, phrase)]
    if not each.of:
        return bool(ends) or (
            bool(each.begins) and any(token.startswith(each.begins) for token in tokens)
        )
    return any(_owner(at, each, tokens, nouns) in each.of for at in ends)


def _owner(at: int, each: Kept, tokens: Sequence[str], nouns: dict[int, str]) -> str | None:
    """The noun that a number or colour belongs to: the next one, or for a colour the last."""
    for place in range(at + 1, min(at + 1 + _BEFORE_NOUN, len(tokens))):
        if place in nouns:
            return nouns[place]
    if each.kind == "colour":
        for place in range(at - 1, max(at - 1 - _AFTER_NOUN, -1), -1):
            if place in nouns:
                return nouns[place]
    return None
