"""The forms that the planning agents fill in, and what makes a filled form sensible."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TypeVar

from pydantic import Field

from reelwright_agents import pacing
from reelwright_agents.language import NAMES, language_of
from reelwright_core.records import Record
from reelwright_core.story import (
    Action,
    CameraMove,
    Colour,
    Direction,
    Lens,
    Place,
    RelationKind,
    Size,
)

T = TypeVar("T")

SHOTS_AT_MOST = 200
LANGUAGE = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"


class CastForm(Record):
    """Someone or something that is seen."""

    name: str = Field(min_length=1, max_length=60, description="unique, such as `red car`")
    noun: str = Field(min_length=1, max_length=40, description="one common noun, singular")
    colour: Colour | None = None
    size: Size = "medium"
    attributes: list[str] = Field(default=[], max_length=12, description="other words for its look")


class SpokenForm(Record):
    """A line of dialogue."""

    speaker: str = Field(min_length=1, max_length=60)
    text: str = Field(min_length=1, max_length=2000)


class ShotForm(Record):
    """One continuous picture."""

    scene: str = Field(max_length=120, description="the scene's heading or number")
    lines: list[int] = Field(
        default=[], max_length=400, description="numbers of the lines that it films or speaks"
    )
    text: str = Field(
        max_length=4000, description="the script's words that it films, exactly as they stand there"
    )
    picture: str = Field(min_length=1, max_length=1200, description="what the video model reads")
    place: Place
    camera: CameraMove = "static"
    lens: Lens = "normal"
    seconds: int = Field(default=0, ge=0, le=10, description="how long; 0 is as long as usual")
    dialogue: list[SpokenForm] = Field(default=[], max_length=40)

    @property
    def spoken(self) -> list[str]:
        """What is said in it."""
        return [line.text for line in self.dialogue]


class ScreenplayForm(Record):
    """The script as shots."""

    language: str = Field(
        default="en", max_length=35, description="the script's language as BCP 47 says it: `de`"
    )
    title: str = Field(max_length=200)
    style: str = Field(max_length=600, description="the look of all pictures, a few words")
    cast: list[CastForm] = Field(max_length=100)
    shots: list[ShotForm] = Field(max_length=SHOTS_AT_MOST)


class ThingForm(Record):
    """A cast member in a shot."""

    id: str = Field(max_length=60, description="from the cast list")
    count: int = Field(default=1, ge=1, le=9)
    attributes: list[str] = Field(default=[], max_length=12)


class RelationForm(Record):
    """How one thing stands to another."""

    subject: str = Field(max_length=60)
    kind: RelationKind
    object: str = Field(max_length=60)


class EventForm(Record):
    """What a thing does in which frames."""

    actor: str = Field(max_length=60)
    action: Action
    direction: Direction | None = None
    first: int = Field(ge=0, description="first frame")
    last: int = Field(ge=0, description="last frame")


class LeftOutForm(Record):
    """What the words on offer cannot say."""

    word: str = Field(min_length=1, max_length=80)
    why: str = Field(max_length=300)


class SceneForm(Record):
    """Who is in a shot and what happens."""

    things: list[ThingForm] = Field(max_length=12)
    relations: list[RelationForm] = Field(default=[], max_length=40)
    events: list[EventForm] = Field(default=[], max_length=40)
    left_out: list[LeftOutForm] = Field(default=[], max_length=40)


def screenplay_faults(
    form: ScreenplayForm, *, shots: int | None, speech: float | None = None
) -> list[str]:
    """What is wrong with a screenplay.

    `shots` is how many it must have, if that is fixed; `speech` how many seconds may be spoken in
    one shot, if that is: a quarter more is let pass, spoken a little faster.
    """
    faults: list[str] = []
    if not form.shots:
        faults.append("`shots` is empty: a film has at least one shot")
    if shots is not None and form.shots and len(form.shots) != shots:
        faults.append(f"there must be exactly {shots} shots, got {len(form.shots)}")
    if not re.fullmatch(LANGUAGE, form.language):
        faults.append(f"`language` is a code such as `en` or `pt-BR`, got {form.language!r}")
    names = [member.name.strip().casefold() for member in form.cast]
    faults += [f"two of the cast are called {name!r}" for name in _twice(names)]
    for index, member in enumerate(form.cast):
        if not member.name.strip() or not member.noun.strip():
            faults.append(f"`cast.{index}` has a blank name or noun")
        if not _latin(member.noun):
            faults.append(f"`cast.{index}.noun` is an English noun, got {member.noun!r}")
    for index, shot in enumerate(form.shots):
        if not shot.picture.strip():
            faults.append(f"`shots.{index}.picture` is blank")
        elif (language := language_of(shot.picture)) != "en":
            faults.append(
                f"`shots.{index}.picture` seems to be in {NAMES[language]}; the video model reads "
                "English: only title, text and dialogue stay in the script's language"
            )
        took = float(pacing.speech(shot.spoken))
        if speech is not None and took > 1.25 * speech and len(shot.dialogue) > 1:
            faults.append(
                f"`shots.{index}` takes {took:.0f} seconds to speak, and a shot has at most "
                f"{speech:.0f}: give some of its dialogue to a shot of its own"
            )
    return faults


def _latin(text: str) -> bool:
    """Whether all letters are those that English is written in."""
    return all(unicodedata.name(c, "").startswith("LATIN") for c in text if c.isalpha())


def scene_faults(form: SceneForm, *, cast: Sequence[str], frames: int) -> list[str]:
    """What is wrong with a scene graph of a shot of `frames` frames; `cast` are the known ids."""
    ids = [thing.id for thing in form.things]
    known = ", ".join(cast) or "none"
    faults = [
        f"no cast member has the id {id!r}; there are: {known}" for id in ids if id not in cast
    ]
    faults += [f"{id!r} is listed twice in `things`; use `count`" for id in _twice(ids)]
    for index, relation in enumerate(form.relations):
        for id in (relation.subject, relation.object):
            if id not in ids:
                faults.append(f"`relations.{index}` names {id!r}, which is not in `things`")
        if relation.subject == relation.object:
            faults.append(f"`relations.{index}` relates {relation.subject!r} to itself")
    for index, event in enumerate(form.events):
        faults += [f"`events.{index}` {fault}" for fault in _event_faults(event, ids, frames)]
    return faults


def _event_faults(event: EventForm, ids: Sequence[str], frames: int) -> Iterator[str]:
    if event.actor not in ids:
        yield f"names {event.actor!r}, which is not in `things`"
    if event.last < event.first:
        yield f"ends (frame {event.last}) before it begins (frame {event.first})"
    if event.last >= frames:
        yield f"ends at frame {event.last}, but the shot's last frame is {frames - 1}"
    if event.action in ("moves", "rolls") and event.direction is None:
        yield f"has no direction, which `{event.action}` needs"


def _twice(of: Sequence[T]) -> list[T]:
    return [one for index, one in enumerate(of) if one in of[:index]]
