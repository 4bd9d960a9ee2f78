"""Whom a failed critique blames: the layout, the prompt's words, or the generator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

from reelwright_core.story import Colour, Direction, Entity, Shot
from reelwright_core.takes import Blame, Question
from reelwright_metrics.questions import NUMBERS, direction_of, plural
from reelwright_simulators import cutouts

COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        **{name: name for name in get_args(Colour)},
        "crimson": "red", "scarlet": "red", "golden": "yellow", "violet": "purple",
        "gray": "grey",
    }
)  # fmt: skip
_ONE = ("a", "an", "one", "the", "another")
_LEADS: tuple[tuple[str, Direction], ...] = (
    (r"\bfrom left to right\b|\bto the right\b|\brightwards?\b", "right"),
    (r"\bfrom right to left\b|\bto the left\b|\bleftwards?\b", "left"),
    (r"\b(rises?|rising|upwards?|ascends?|climbs?)\b", "up"),
    (r"\b(falls?|falling|downwards?|drops?|sinks?)\b", "down"),
)
"""Words that say where something goes, as the planner and the built-in model say it."""


@dataclass(kw_only=True, slots=True)
class Mention:
    """A thing that a prompt names, and what it says of it."""

    noun: str
    at: int
    """The place of the noun among the prompt's words."""
    number: int
    colour: Colour | None
    clause: str
    """What follows, up to the next thing."""


def blame(questions: Sequence[Question], *, unsound: frozenset[str], shot: Shot | None) -> Blame:
    """Whom to blame for the failed ones of `questions`.

    Nothing failed: none. What failed is in `unsound`, the texts of what fails in the sketch too:
    the layout, as no generator can mend it. What failed is told otherwise by the words of the
    shot's prompt: the prompt. Else the generator, which followed neither a sound plan nor its
    words. Of several faults the first in `_RANK` decides: what is not there cannot go anywhere.
    """
    failed = sorted(
        (question for question in questions if not question.passed), key=lambda q: _RANK[q.kind]
    )
    if not failed:
        return "none"
    first = [question for question in failed if _RANK[question.kind] == _RANK[failed[0].kind]]
    if any(question.text in unsound for question in first):
        return "layout"
    if shot is not None and any(misled(question, shot) for question in failed):
        return "prompt"
    return "generator"


_RANK = MappingProxyType(
    {
        "presence": 0, "count": 0, "extra": 0, "smoothness": 1, "colour": 2, "look": 2,
        "order": 3, "relation": 4, "direction": 5, "path": 5, "stillness": 5, "physics": 5,
        "other": 6,
    }
)  # fmt: skip


def misled(question: Question, shot: Shot) -> bool:
    """Whether the words of the shot's prompt ask for something else than `question` expects."""
    graph = shot.scene_graph
    told = mentions(shot.prompt)
    if question.kind == "extra":
        own = {_noun(entity.noun) for entity in graph.entities}
        more = any(
            sum(each.number for each in told if each.noun == _noun(entity.noun))
            > _due(shot, entity)
            for entity in graph.entities
        )
        return more or any(each.noun not in own for each in told)
    if question.entity is None or question.entity not in {e.id for e in graph.entities}:
        return False
    entity = graph.entity(question.entity)
    mine = [each for each in told if each.noun == _noun(entity.noun)]
    if question.kind in ("presence", "count", "colour") and not mine:
        return not _named(entity.noun, shot.prompt)
    if question.kind in ("presence", "count"):
        return sum(each.number for each in mine) != _due(shot, entity)
    if question.kind == "colour":
        return all(each.colour != entity.colour for each in mine)
    if question.kind in ("direction", "path"):
        return _turned(entity, mine, shot)
    if question.kind == "order":
        return _reversed(question, shot, told)
    return False


def _due(shot: Shot, entity: Entity) -> int:
    """How many things of the entity's noun the shot has."""
    noun = _noun(entity.noun)
    return sum(e.count for e in shot.scene_graph.entities if _noun(e.noun) == noun)


def _turned(entity: Entity, mine: Sequence[Mention], shot: Shot) -> bool:
    """Whether the prompt leads an entity elsewhere than its events do."""
    ways = {
        direction_of(event) for event in shot.scene_graph.events if event.actor == entity.id
    } - {None}
    said = {way for each in mine for way in _ways(each.clause)}
    return bool(ways and said) and not ways & said


def _ways(clause: str) -> Iterator[Direction]:
    for pattern, way in _LEADS:
        if re.search(pattern, clause):
            yield way


def _reversed(question: Question, shot: Shot, told: Sequence[Mention]) -> bool:
    """Whether the prompt names the later one first."""
    graph = shot.scene_graph
    places = {each.noun: each.at for each in reversed(told)}
    order = sorted(graph.events, key=lambda event: event.frames.first)
    nouns = list(dict.fromkeys(_noun(graph.entity(event.actor).noun) for event in order))
    at = [places[noun] for noun in nouns if noun in places]
    return len(at) > 1 and at != sorted(at)


def _noun(noun: str) -> str:
    cut = cutouts.find(noun)
    return cut.noun if cut is not None else noun.lower()


def _named(noun: str, prompt: str) -> bool:
    """Whether a noun that no list knows is in the prompt, as one or as many."""
    return any(
        re.search(rf"\b{re.escape(form.lower())}\b", prompt.lower())
        for form in (noun, plural(noun))
    )


def mentions(prompt: str) -> list[Mention]:
    """The things that a prompt names with an article, a number or a colour, in order."""
    words = re.findall(r"[a-z0-9]+|[,.;]", prompt.lower())
    known = cutouts.words()
    found: list[Mention] = []
    starts: list[int] = []
    at = 0
    while at < len(words):
        long = next((n for n in (3, 2, 1) if " ".join(words[at : at + n]) in known), 0)
        if not long:
            at += 1
            continue
        noun, many = known[" ".join(words[at : at + long])]
        before = words[max(0, at - 4) : at]
        told = _told(before)
        if told is not None or many:
            number, colour = told or (2, None)
            if many and number == 1:
                number = 2
            found.append(Mention(noun=noun, at=at, number=number, colour=colour, clause=""))
            starts.append(at + long)
        at += long
    for index, mention in enumerate(found):
        end = found[index + 1].at if index + 1 < len(found) else len(words)
        mention.clause = " ".join(words[starts[index] : end])
    return found


def _told(before: Sequence[str]) -> tuple[int, Colour | None] | None:
    """The number and colour that the words before a noun give it; none if they give neither."""
    colour: Colour | None = None
    for word in reversed(before):
        if word in COLOURS:
            colour = colour or COLOURS[word]
        elif word in _ONE:
            return 1, colour
        elif word in NUMBERS:
            return NUMBERS.index(word), colour
        elif word.isdigit():
            return int(word), colour
        elif not word.isalpha():
            break
    return (1, colour) if colour else None
