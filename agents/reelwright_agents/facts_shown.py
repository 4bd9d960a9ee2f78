"""Whether what was imagined of a shot is shown: said in its prompt, or so in its layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from reelwright_agents.enrichment import Fact
from reelwright_agents.imagination import SCENERY, SOIL
from reelwright_core.records import Record
from reelwright_core.story import PLACE, FrameSpan, Keyframe, Layout, Shot, Track, Triple
from reelwright_simulators.places import GROUND, SHADOWS

Where = Literal["prompt", "layout", "place"]
"""Said in the words; so in the boxes; or drawn with the place that the sketch is painted on."""

NEAR = 0.06
"""How far from the ground's line, in parts of the picture's height, a thing stands on it."""
STILL = 0.02
"""How far a thing that is still may move against the background, in parts of the picture."""


class Shown(Record):
    """Where one imagined fact is shown."""

    fact: Fact
    frames: FrameSpan
    where: Where | None
    """None is nowhere."""


def said(fact: Fact, shot: Shot) -> str:
    """The fact in plain English, as prompts say it: `the red car faces left`."""
    subject, predicate, object = fact
    ids = {entity.id for entity in shot.scene_graph.entities}
    many = subject in ids and shot.scene_graph.entity(subject).count > 1
    verb = f"are{predicate[2:]}" if many and predicate.split()[:1] == ["is"] else predicate
    if many and verb.split()[0] in ("faces", "casts", "lies"):
        first, *rest = verb.split()
        verb = " ".join([first.removesuffix("s"), *rest])
    whom = called(object, shot) if object in ids else object
    return " ".join(filter(None, (called(subject, shot), verb, whom)))


def called(id: str, shot: Shot) -> str:
    """`the red car`, `the two dogs`, `the place`."""
    from reelwright_agents.offline.prompts import named

    if id == PLACE:
        return "the place"
    name = named(shot.scene_graph.entity(id))
    for article in ("a ", "an "):
        name = name.removeprefix(article)
    return name if name[:1].isupper() else f"the {name}"


def shown(shot: Shot, *, prompt: str, layout: Layout | None) -> list[Shown]:
    """Where each of the facts that were imagined is shown, in their order."""
    return [
        Shown(
            fact=(triple.subject, triple.predicate, triple.object),
            frames=triple.frames,
            where=_where(triple, shot, prompt=prompt, layout=layout),
        )
        for triple in shot.scene_graph.enriched
    ]


def _where(triple: Triple, shot: Shot, *, prompt: str, layout: Layout | None) -> Where | None:
    fact = (triple.subject, triple.predicate, triple.object)
    if _in_words(fact, shot, prompt):
        return "prompt"
    if layout is not None and in_layout(triple, shot, layout):
        return "layout"
    drawn = triple.subject == PLACE and triple.object in SCENERY[shot.place]
    return "place" if drawn and layout is not None else None


def _in_words(fact: Fact, shot: Shot, prompt: str) -> bool:
    """Whether a prompt says the fact: what it says of its subject, word for word."""
    subject, predicate, object = fact
    words = _plain(prompt)
    if subject == PLACE:
        return _plain(object or predicate) in words
    told = said(fact, shot)
    rest = told.removeprefix(called(subject, shot)).strip()
    return _plain(rest) in words and _plain(called(subject, shot).removeprefix("the ")) in words


def _plain(text: str) -> str:
    return f" {' '.join(''.join(c if c.isalnum() else ' ' for c in text.lower()).split())} "


def in_layout(triple: Triple, shot: Shot, layout: Layout) -> bool:
    """Whether the boxes of the fact's frames bear it out; False for what no box can say."""
    tracks = [track for track in layout.tracks if track.entity == triple.subject]
    predicate, object = triple.predicate, triple.object
    if not tracks:
        return False
    if predicate == "faces":
        return all(track.faces == object for track in tracks)
    on_ground = predicate in ("is on", "stands on", "rests on", "casts a shadow on")
    if on_ground and object == SOIL.get(shot.place):
        lit = predicate != "casts a shadow on" or shot.place in SHADOWS
        return lit and all(_foot(track, triple.frames, shot) for track in tracks)
    if (predicate, object) == ("is", "still"):
        return all(_is_still(track, triple.frames, layout) for track in tracks)
    if (predicate, object) == ("is", "out of the picture"):
        return all(
            box[0] >= 0.97 or box[2] <= 0.03
            for track in tracks
            for box in _boxes(track, triple.frames)
        )
    if (predicate, object) == ("lies", "on its side"):
        return all(abs(track.at(triple.frames.last).angle) >= 45 for track in tracks)
    return False


def _keys(track: Track, frames: FrameSpan) -> Iterator[Keyframe]:
    return (track.at(frame) for frame in range(frames.first, frames.last + 1))


def _boxes(track: Track, frames: FrameSpan) -> Iterator[tuple[float, float, float, float]]:
    return (key.box for key in _keys(track, frames))


def _foot(track: Track, frames: FrameSpan, shot: Shot) -> bool:
    line = GROUND[shot.place]
    return line is not None and all(box[3] >= line - NEAR for box in _boxes(track, frames))


def _is_still(track: Track, frames: FrameSpan, layout: Layout) -> bool:
    first, last = track.at(frames.first).box, track.at(frames.last).box
    part = (frames.last - frames.first) / max(layout.frames - 1, 1)
    across, down = (shift * part for shift in layout.background_shift)
    if layout.background_zoom != 1.0:  # what rests grows with the background
        return True
    moved_x = (last[0] + last[2] - first[0] - first[2]) / 2 - across
    moved_y = (last[1] + last[3] - first[1] - first[3]) / 2 - down
    return abs(moved_x) <= STILL and abs(moved_y) <= STILL
