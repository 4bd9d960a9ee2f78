"""The law of the offline planner: no word is lost.

Each noun, number, colour and verb of the script is followed by exactly one shot, or stands in the
`left_out` list of exactly one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from reelwright_agents.account import FILMED, letters, missing
from reelwright_agents.offline import words
from reelwright_agents.offline.lexicon import Item, items
from reelwright_agents.planner import Script
from reelwright_agents.screenplay import ScriptLine, read_screenplay, sentences
from reelwright_core.story import Shot, Storyboard
from reelwright_simulators import cutouts

_LOUD = ("noun", "number", "colour", "verb", "place")


def coverage(script: Script, storyboard: Storyboard) -> list[str]:
    """What of the script is in no shot, in several, or not accounted for; none is well."""
    play = read_screenplay(script)
    blocks = play.blocks
    said = Counter(
        w for b in blocks if b.kind in ("text", "prompt", "heading") for w in _words(b.text)
    )
    told = Counter(w for shot in storyboard.shots for w in _words(shot.text))
    faults = [f"`{word}` of the script is in no shot" for word in sorted((said - told).keys())]
    faults += [f"`{word}` is in more shots than the script has it" for word in sorted(told - said)]
    heard = letters(" ".join(line.text for shot in storyboard.shots for line in shot.dialogue))
    faults += [
        f"the line {block.text!r} is in no shot"
        for block in blocks
        if block.kind == "dialogue" and letters(block.text) not in heard
    ]
    faults += _lines(play.lines, storyboard)
    for shot in storyboard.shots:
        faults += _unaccounted(shot)
    return faults


def _lines(lines: Sequence[ScriptLine], storyboard: Storyboard) -> Iterator[str]:
    """What the coverage table gets wrong: lines that it has not, or claims that are not so."""
    coverage = storyboard.story.coverage
    if [(each.line, each.text) for each in coverage] != [(one.number, one.text) for one in lines]:
        yield "the coverage has not exactly the lines of the script"
    for lost in missing(coverage):
        yield f"line {lost.line} is in no shot, and nothing says why: {lost.text!r}"
    shots = {shot.id: shot for shot in storyboard.shots}
    for line in coverage:
        if line.kind not in FILMED or not line.shots:
            continue
        told = [shots[id] for id in line.shots]
        told_words = {w for shot in told for w in _words(shot.text)}
        told_words |= {w for shot in told for spoken in shot.dialogue for w in _words(spoken.text)}
        loud = [word for word in _words(line.text) if word not in words.FUNCTION_WORDS]
        if loud and not told_words.intersection(loud):
            yield f"line {line.line} is said to be in {', '.join(line.shots)}, and no word of it is"


def _words(text: str) -> list[str]:
    return [item.low for item in items(text) if "pause" not in item]


def _unaccounted(shot: Shot) -> Iterator[str]:
    left = {word for out in shot.left_out for word in (out.word.lower(), *_words(out.word))}
    every = [item for sentence in sentences(shot.text) for item in items(sentence)]
    counts = Counter(item.low for item in every)
    for item in every:
        if item.unknown and item.low not in left and not _named(item, shot):
            yield f"shot {shot.id}: `{item.text}` is neither understood nor left out"
        kinds = [kind for kind in _LOUD if kind in item]
        if not kinds or item.low in words.FUNCTION_WORDS or "first" in item:
            continue
        followed = _followed(item, shot)
        if not followed and item.low not in left:
            yield f"shot {shot.id}: `{item.text}` is neither followed nor left out"
        # Colours, numbers and places may be left out of one thing and be followed in another.
        certain = (
            kinds == ["noun"]
            and cutouts.find(item["noun"][0])
            and counts[item.low] == 1
            and not _repeated(item, every)
        )
        if followed and item.low in left and certain:
            yield f"shot {shot.id}: `{item.text}` is both followed and left out"


def _repeated(item: Item, every: list[Item]) -> bool:
    """Whether another word of the shot means the same thing."""
    return any(
        "noun" in other and other["noun"] == item["noun"] for other in every if other is not item
    )


def _named(item: Item, shot: Shot) -> bool:
    graph = shot.scene_graph
    return any(
        item.low in (entity.id, entity.noun) or f"named {item.low}" in _lower(entity.attributes)
        for entity in graph.entities
    ) or any(item.low in line.text.lower() for line in shot.dialogue)


def _lower(several: list[str]) -> list[str]:
    return [one.lower() for one in several]


def _followed(item: Item, shot: Shot) -> bool:
    """Whether something in the shot stands for the word, in any of its meanings."""
    graph = shot.scene_graph
    if "noun" in item and any(entity.noun == item["noun"][0] for entity in graph.entities):
        return True
    if "colour" in item and any(entity.colour == item["colour"] for entity in graph.entities):
        return True
    if "number" in item and any(entity.count == item["number"] for entity in graph.entities):
        return True
    if "place" in item and shot.place == item["place"]:
        return True
    if "direction" in item and any(e.direction == item["direction"] for e in graph.events):
        return True
    if "size" in item and any(entity.size == item["size"] for entity in graph.entities):
        return True
    if any(
        kind in item for kind in ("article", "pronoun", "neutral", "relation", "together", "then")
    ):
        return True
    return "verb" in item and _done(item["verb"], shot)


def _done(base: str, shot: Shot) -> bool:
    """Whether the shot has an event or relation that the verb can have said."""
    graph = shot.scene_graph
    if base in words.SPEECH_VERBS:
        return bool(shot.dialogue)
    if base in words.RELATION_VERBS:
        return any(r.kind == words.RELATION_VERBS[base] for r in graph.relations)
    if base in words.TURNED_VERBS:
        return any(r.kind == "follows" for r in graph.relations)
    could = {words.ACTIONS.get(base)}
    could |= {action for (verb, _), action in words.TURN_PHRASES.items() if verb == base}
    if base in words.TRANSITIVE:
        could |= {*words.TRANSITIVE[base][:2]}
    if base in words.OVER_VERBS:
        could.add("topples")
    if "waves" in could:
        could.add("moves")  # of what has wings
    if could & {"moves", "approaches"}:
        could |= {*words.TURNS.values()}
    return any(event.action in could for event in graph.events)
