"""The roles that work on a storyboard before it is filmed, each a function from board to board.

By rules alone, or by rules after a language model has spoken: what it may change, and to what, is
checked before it counts, and the rules have the last word.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from reelwright_agents import casting, director
from reelwright_agents.casting import Matter
from reelwright_agents.director import Spoken
from reelwright_agents.llm import LanguageModel
from reelwright_agents.talk import UnfitChange, changed, covers
from reelwright_core.records import Record
from reelwright_core.story import CameraMove, Event, FrameSpan, Shot, Storyboard
from reelwright_core.takes import Message

MESSAGES_AT_MOST = 40
SPOKEN_WORDS_A_SECOND = 2.5
SECONDS_OF_A_STEP = 2
"""What happens needs so long to be seen, after Vlogger's 16 frames at 8 a second."""

_MAY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "screenwriter": ("story/style", "shots/*/prompt"),
        "casting": (
            "story/cast/*/colour", "story/cast/*/size", "story/cast/*/attributes",
        ),
        "cinematographer": ("shots/*/camera", "shots/*/lens"),
        "reviewer": (),
        "director": (
            "story/style", "story/cast/*/colour", "story/cast/*/attributes", "shots/*/prompt",
            "shots/*/place", "shots/*/camera", "shots/*/lens",
            "shots/*/scene_graph/entities/*/colour", "shots/*/scene_graph/entities/*/count",
            "shots/*/scene_graph/entities/*/attributes",
        ),
    }
)  # fmt: skip
"""The places of a storyboard that a role may change, `*` for any id."""
DUTIES: Mapping[str, str] = MappingProxyType(
    {
        "screenwriter": "You see to it that every prompt says who is where and does what, so that "
        "it can be filmed from its words alone, and that the style is stated.",
        "casting": "You keep the cast sheet: who is who, and what each looks like in all shots.",
        "cinematographer": "You choose one camera move for each scene, and the lens of each shot.",
        "reviewer": "You read with care and object to what does not fit together.",
        "director": "You decide on every open objection, so that all shots fit the cast sheet and "
        "the style.",
    }
)


class ChangeForm(Record):
    """A change of one field."""

    path: str = Field(max_length=200, description="such as shots/s02/prompt")
    value: str | int | list[str] | None = None


class SaidForm(Record):
    """Something a role says."""

    to: str = Field(max_length=60, description="a role, or `all`")
    kind: Literal["proposal", "question", "objection", "decision", "note"]
    text: str = Field(min_length=1, max_length=600)
    about: list[str] = Field(default=[], max_length=20, description="ids of shots and entities")
    changes: list[ChangeForm] = Field(default=[], max_length=60)


class TalkForm(Record):
    """All that a role says in its turn; nothing if all is well."""

    messages: list[SaidForm] = Field(default=[], max_length=MESSAGES_AT_MOST)


def ask(
    model: LanguageModel,
    board: Storyboard,
    *,
    kind: str,
    author: str,
    duty: str = "",
    log: Sequence[Message] = (),
    users: Sequence[str] = (),
) -> Spoken:
    """What a language model says as the role `author` of `kind`, its changes made.

    A change counts only at a place that the role may change, that the user did not write, with a
    value that fits, and, for a look, as the cast sheet has it; else it is sent back with the
    reason. Raises `EndpointError` when no answer fits.
    """
    form = model.ask(
        role=author,
        template="role",
        inputs={
            "author": author,
            "duty": duty or DUTIES[kind],
            "may": list(_MAY[kind]),
            "board": _told(board),
            "log": "\n".join(f"{m.author} to {m.to}, {m.kind}: {m.text}" for m in log[-60:]),
            "rule": kind == "director",
        },
        answer=TalkForm,
        check=lambda form: _faults(form, board, kind=kind, users=users),
    )
    said: list[Message] = []
    for each in form.messages:
        changes = {change.path: change.value for change in each.changes}
        said.append(
            Message(
                author=author, to=_plain(each.to) or "all", kind=each.kind,
                text=_plain(each.text), about=[_plain(one) for one in each.about],
                inputs=[f"storyboard {board.digest()}"], outputs=list(changes),
            )
        )  # fmt: skip
        board = changed(board, changes)
    return Spoken(board=board, messages=tuple(said))


def _faults(form: TalkForm, board: Storyboard, *, kind: str, users: Sequence[str]) -> list[str]:
    faults: list[str] = []
    sheet = {entity.id: entity for entity in board.story.cast}
    after = board
    for message in form.messages:
        for change in message.changes:
            path = change.path
            if not any(_matches(allowed, path) for allowed in _MAY[kind]):
                may = ", ".join(_MAY[kind]) or "nothing"
                faults.append(f"a {kind} cannot change {path!r}; it may change {may}")
            elif covers(users, path):
                faults.append(f"{path!r} was written by the user, and stands")
            else:
                try:
                    after = changed(after, {path: change.value})
                except UnfitChange as error:
                    faults.append(str(error))
    if faults or kind != "director":
        return faults
    for shot in after.shots:
        for entity in shot.scene_graph.entities:
            due = sheet.get(entity.id)
            now = next((e for e in after.story.cast if e.id == entity.id), None)
            if due is None or due.colour is None or now != due:
                continue
            path = f"shots/{shot.id}/scene_graph/entities/{entity.id}/colour"
            touched = any(c.path == path for m in form.messages for c in m.changes)
            if touched and entity.colour != due.colour:
                faults.append(
                    f"{path!r}: the cast sheet says {due.colour}; decide so, or change the sheet"
                )
    return faults


def _matches(pattern: str, path: str) -> bool:
    wanted, given = pattern.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        w in ("*", g) for w, g in zip(wanted, given, strict=True)
    )


def _told(board: Storyboard) -> str:
    """The storyboard as a role reads it, without what only filming needs."""
    story = board.story
    facts = {
        "style": story.style,
        "cast": [entity.model_dump(mode="json", exclude={"known"}) for entity in story.cast],
        "scenes": [scene.data() for scene in story.scenes],
        "shots": [
            {
                "id": shot.id, "scene": shot.scene, "text": shot.text, "prompt": shot.prompt,
                "place": shot.place, "camera": shot.camera, "lens": shot.lens,
                "entities": [
                    e.model_dump(mode="json", exclude={"known"}) for e in shot.scene_graph.entities
                ],
                "dialogue": [line.data() for line in shot.dialogue],
            }
            for shot in board.shots
        ],
    }  # fmt: skip
    return json.dumps(facts, ensure_ascii=False, indent=1)


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


# What the roles do by rules.


def screenwriter(
    board: Storyboard,
    *,
    author: str,
    style: str = "",
    seconds: tuple[int, int] | None = None,
    actions: int | None = None,
    users: Sequence[str] = (),
) -> Spoken:
    """States the style where the script has none; cuts and times the shots if asked.

    `actions` is how many things may happen one after the other in a shot (Vlogger: one); what is
    more becomes shots of its own. `seconds` are the least and the most of a shot (Vlogger: whole
    seconds, at most 10), by what happens and what is spoken in it.
    """
    said: list[Message] = []
    start = board
    if style and not board.story.style and not covers(users, "story/style"):
        board = changed(board, {"story/style": style})
        said.append(_proposal(author, f"the style is: {style}.", start, ["story/style"]))
    if actions is not None:
        cut = [part for shot in board.shots for part in _cut(shot, actions, board)]
        if len(cut) > len(board.shots):
            more = [shot for shot in cut if shot.id not in {s.id for s in board.shots}]
            text = (
                f"{len(board.shots)} shots become {len(cut)}: {actions} at a time happens in each."
            )
            board = Storyboard.model_validate(
                {**board.model_dump(mode="json"), "shots": [s.model_dump(mode="json") for s in cut]}
            )
            paths = [f"shots/{shot.id}" for shot in more]
            said.append(_proposal(author, text, start, paths))
    if seconds is not None:
        least, most = seconds
        changes: dict[str, Any] = {}
        for shot in board.shots:
            paced = _paced(shot, least, most)
            if paced != shot and not covers(users, f"shots/{shot.id}/frames"):
                changes[f"shots/{shot.id}"] = paced.model_dump(mode="json")
        if changes:
            board = changed(board, changes)
            whole = sum((shot.seconds for shot in board.shots), Fraction(0))
            text = f"the shots last {least} to {most} seconds, the film {float(whole):.0f}."
            said.append(_proposal(author, text, start, [f"{path}/frames" for path in changes]))
    return Spoken(board=board, messages=tuple(said))


def _proposal(author: str, text: str, board: Storyboard, paths: list[str]) -> Message:
    about = [path.split("/")[1] for path in paths if path.startswith("shots/")]
    return Message(
        author=author, to="director", kind="proposal", text=text, about=about,
        inputs=[f"storyboard {board.digest()}"], outputs=paths,
    )  # fmt: skip


def _cut(shot: Shot, actions: int, board: Storyboard) -> list[Shot]:
    """`shot` in parts with so many steps each; itself where it cannot be cut."""
    graph = shot.scene_graph
    starts = sorted({event.frames.first for event in graph.events if event.action != "stays"})
    bound = shot.layout or shot.beats or shot.physics or shot.continues or shot.films
    held = any(shot.id in (other.continues, other.films) for other in board.shots)
    if len(starts) <= actions or bound or held:
        return [shot]
    from reelwright_agents.offline.prompts import prompt_of

    parts: list[Shot] = []
    for number, first in enumerate(starts[::actions]):
        group = starts[number * actions : (number + 1) * actions]
        events = [e for e in graph.events if e.frames.first in group or e.action == "stays"]
        spans = [e.frames for e in events if e.action != "stays"]
        last = max(span.last for span in spans)
        moved = [_scaled(e, first, last - first + 1, shot.frames) for e in events]
        part = graph.model_copy(update={"events": moved, "enriched": []})
        prompt = prompt_of(part, place=shot.place, camera=shot.camera)
        update: dict[str, Any] = {"scene_graph": part, "prompt": prompt}
        if number:
            update |= {"id": f"{shot.id}-{number + 1}", "dialogue": [], "left_out": []}
        parts.append(shot.model_copy(update=update))
    return parts


def _scaled(event: Event, first: int, length: int, frames: int) -> Event:
    """The event of a span of `length` frames from `first` on, stretched to `frames`."""
    begin = max(event.frames.first - first, 0) * frames // length
    end = (min(event.frames.last - first, length - 1) + 1) * frames // length - 1
    if event.action == "stays":
        begin, end = 0, frames - 1
    return event.model_copy(update={"frames": FrameSpan(first=begin, last=max(begin, end))})


def _paced(shot: Shot, least: int, most: int) -> Shot:
    """`shot` in whole seconds, by what happens and is spoken; itself where it is bound."""
    if shot.layout or shot.beats or shot.physics or shot.films:
        return shot
    steps = len({e.frames.first for e in shot.scene_graph.events if e.action != "stays"})
    words = sum(len(re.findall(r"\w+", line.text)) for line in shot.dialogue)
    wanted = max(SECONDS_OF_A_STEP * max(steps, 1), math.ceil(words / SPOKEN_WORDS_A_SECOND))
    frames = max(1, round(min(max(wanted, least), most) * shot.fps))
    events = [_scaled(event, 0, shot.frames, frames) for event in shot.scene_graph.events]
    graph = shot.scene_graph.model_copy(update={"events": events, "enriched": []})
    return shot.model_copy(update={"frames": frames, "scene_graph": graph})


def cast_keeper(board: Storyboard, *, author: str, users: Sequence[str] = ()) -> Spoken:
    """Completes the cast sheet, dresses the shots by it, and objects to other looks and counts."""
    said: list[Message] = []
    for change, text in (
        (casting.completed_cast(board), "the cast sheet has everyone who is seen"),
        (casting.dressed(board), "what the shots leave open of a look is as on the cast sheet"),
    ):
        change = {path: to for path, to in change.items() if not covers(users, path)}
        if change:
            digest = board.digest()
            board = changed(board, change)
            said.append(
                Message(
                    author=author, to="director", kind="proposal", text=f"{text}.",
                    inputs=[f"storyboard {digest}"], outputs=list(change),
                )
            )  # fmt: skip
    matters: tuple[Matter, ...] = ("look", "count")
    said += director.objections(board, author=author, matters=matters, users=users)
    return Spoken(board=board, messages=tuple(said))


def cinematographer(board: Storyboard, *, author: str, users: Sequence[str] = ()) -> Spoken:
    """One camera move for each scene that has none: by what happens in it.

    The camera goes nearer to who approaches, draws back from who leaves, goes along with who moves
    sideways in every shot of the scene, and else stands still.
    """
    scenes: dict[str, list[Shot]] = {}
    for shot in board.shots:
        scenes.setdefault(shot.scene, []).append(shot)
    changes: dict[str, Any] = {}
    for shots in scenes.values():
        move = next((s.camera for s in shots if s.camera != "static"), _move(shots))
        for shot in shots:
            path = f"shots/{shot.id}/camera"
            if shot.camera == move or shot.physics or covers(users, path):
                continue
            changes[path] = move
            said = f"the camera {move.replace('pan', 'pans').replace('zoom', 'zooms')}"
            if said not in shot.prompt and not covers(users, f"shots/{shot.id}/prompt"):
                changes[f"shots/{shot.id}/prompt"] = f"{shot.prompt.rstrip(' .')}, {said}"
    if not changes:
        return Spoken(board=board)
    cameras = [path for path in changes if path.endswith("/camera")]
    message = _proposal(author, "each scene has one camera move.", board, cameras)
    return Spoken(board=changed(board, changes), messages=(message,))


def _move(shots: Sequence[Shot]) -> CameraMove:
    events = [event for shot in shots for event in shot.scene_graph.events]
    actions = {event.action for event in events}
    ways = {
        event.direction
        for event in events
        if event.action in ("moves", "rolls") and event.direction in ("left", "right")
    }
    if "approaches" in actions:
        return "zoom in"
    if "leaves" in actions:
        return "zoom out"
    if len(ways) == 1 and all(
        any(e.action in ("moves", "rolls") for e in shot.scene_graph.events) for shot in shots
    ):
        return "pan right" if "right" in ways else "pan left"
    return "static"


def reviewer(
    board: Storyboard, *, author: str, matters: Sequence[Matter], users: Sequence[str] = ()
) -> Spoken:
    """Objects to contradictions about `matters`; changes nothing."""
    said = director.objections(board, author=author, matters=matters, users=users)
    return Spoken(board=board, messages=tuple(said))


def decisions(board: Storyboard, *, author: str, users: Sequence[str] = ()) -> Spoken:
    """Settles every contradiction by the director's rule, and puts the style into every prompt."""
    first = director.settled(board, author=author, users=users)
    then = director.styled(first.board, author=author, users=users)
    return Spoken(board=then.board, messages=(*first.messages, *then.messages))
