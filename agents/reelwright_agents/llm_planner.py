"""A planner whose decisions are a language model's; what it decides is checked before it counts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import repeat
from typing import Any

from reelwright_agents import llm_forms as forms
from reelwright_agents import pacing
from reelwright_agents.account import FILMED, account, letters, scenes_of
from reelwright_agents.layout_llm import ask_layout
from reelwright_agents.llm import LanguageModel
from reelwright_agents.offline.prompts import LENS_WORDS
from reelwright_agents.parts import Part, parts
from reelwright_agents.planner import Picture, Script
from reelwright_agents.proof import proof
from reelwright_agents.screenplay import Screenplay, read_screenplay
from reelwright_core.errors import ScriptError
from reelwright_core.story import (
    Covered,
    Entity,
    Event,
    FrameSpan,
    Layout,
    LeftOut,
    Line,
    Relation,
    SceneGraph,
    Shot,
    Story,
    Storyboard,
)
from reelwright_simulators import cutouts

SCRIPT_AT_MOST = 24_000
"""Characters of a script in one question, some five pages; more is planned scene by scene."""


FILM_AT_MOST = 2_000
"""Shots of a film."""


class LlmPlanner:
    """Screenwriter, scene-graph agent and layout artist, each a question to one language model.

    What the model answers is only ever content: sizes, frame counts, ids, paths and models are
    ours. Raises `EndpointError` when it gives no usable answer; nothing else steps in for it.
    """

    def __init__(self, model: LanguageModel, *, condense: bool = False):
        """With `condense`, prose may be shortened; else every line of a script is filmed."""
        self._model = model
        self._condense = condense

    def storyboard(self, script: Script, *, picture: Picture) -> Storyboard:
        """The shots that film `script`, `endpoint.calls_at_once` of them planned at a time.

        Raises `EndpointError` if the model goes on leaving out a line of the script.
        """
        play = read_screenplay(script)
        if not play.blocks:
            raise ScriptError(f"{script.name} is empty: there is nothing to film")
        plan = _Plan()
        for part in parts(play, at_most=SCRIPT_AT_MOST, name=script.name):
            plan.add(self._screenplay(script, part, plan, picture), part)
            if len(plan.shots) > FILM_AT_MOST:
                raise ScriptError(
                    f"{script.name} makes more than {FILM_AT_MOST} shots: split it into several "
                    "films"
                )
        cast = list(plan.cast.values())
        style = play.style or plan.style
        scenes, headings = _scenes(play, plan)
        blank = [
            _shot(form, index, picture, style, scene=scene)
            for index, (form, scene) in enumerate(zip(plan.shots, scenes, strict=True))
        ]
        shots = self._with_scenes(blank, cast)
        story = Story(
            title=plan.title or play.title or "Untitled",
            style=style,
            cast=cast,
            places=list(dict.fromkeys(shot.place for shot in shots)),
            script=script.text,
            language=plan.language,
            scenes=scenes_of(shots, headings),
            coverage=_coverage(play, plan, shots),
        )
        return Storyboard(story=story, shots=shots)

    def layout(
        self,
        shot: Shot,
        *,
        faults: Sequence[str] = (),
        earlier: Layout | None = None,
        keyframes: int | None = None,
    ) -> Layout:
        """Where everything in `shot` is in each frame: see `layout_llm.ask_layout`."""
        return ask_layout(
            self._model, shot, facts=_shot_facts(shot), faults=faults, earlier=earlier,
            keyframes=keyframes,
        )  # fmt: skip

    def _screenplay(
        self, script: Script, part: Part, plan: _Plan, picture: Picture
    ) -> forms.ScreenplayForm:
        fixed = len(part.blocks) if script.kind == "prompts" else None
        most = picture.frames_for(Fraction(pacing.LONGEST)) / picture.fps
        speech = None if picture.step is None else max(float(most), 2.0)

        def faults(form: forms.ScreenplayForm) -> list[str]:
            found = forms.screenplay_faults(form, shots=fixed, speech=speech)
            if fixed is None:
                found += proof(part.blocks, form.shots).faults(condensed=self._condense)
            return found

        return self._model.ask(
            role="screenwriter",
            template="screenwriter",
            inputs={
                "script": part.told(),
                "kind": script.kind,
                "lines": fixed,
                "condense": self._condense,
                "seconds": f"{float(picture.frames / picture.fps):.1f}",
                "longest": None if speech is None else f"{float(most):.0f}",
                "words": None if speech is None else int(speech * pacing.WORDS_A_SECOND),
                "shots_at_most": forms.SHOTS_AT_MOST,
                "before": plan.told(),
            },
            answer=forms.ScreenplayForm,
            check=faults,
        )

    def _with_scenes(self, shots: Sequence[Shot], cast: Sequence[Entity]) -> list[Shot]:
        pool = ThreadPoolExecutor(min(self._model.endpoint.calls_at_once, len(shots)))
        try:
            return list(pool.map(self._with_scene, shots, repeat(cast)))
        finally:
            pool.shutdown(cancel_futures=True)

    def _with_scene(self, shot: Shot, cast: Sequence[Entity]) -> Shot:
        ids = [entity.id for entity in cast]
        form = self._model.ask(
            role="scene graph",
            template="scene_graph",
            inputs={
                "cast": _told([_cast_facts(entity) for entity in cast]),
                "shot": _told(
                    {
                        "script": shot.text,
                        "picture": shot.prompt,
                        "place": shot.place,
                        "camera": shot.camera,
                    }
                ),
                "last_frame": shot.frames - 1,
                "fps": f"{float(shot.fps):g}",
            },
            answer=forms.SceneForm,
            check=lambda form: forms.scene_faults(form, cast=ids, frames=shot.frames),
        )
        return shot.model_copy(
            update={
                "scene_graph": _scene_graph(form, cast),
                "left_out": [
                    LeftOut(word=_plain(left.word), why=_plain(left.why)) for left in form.left_out
                ],
            }
        )


class _Plan:
    """What the screenwriter has written so far."""

    def __init__(self) -> None:
        self.title = self.style = ""
        self.language = "en"
        self.cast: dict[str, Entity] = {}
        """By name, in small letters."""
        self.shots: list[forms.ShotForm] = []
        self.filmed: dict[int, list[int]] = {}
        """From the number of a line to the indices of its shots."""

    def add(self, form: forms.ScreenplayForm, part: Part) -> None:
        """One more part; who is known keeps id and look."""
        if not self.shots:
            self.title, self.style = _plain(form.title), _plain(form.style)
            self.language = form.language
        for member in form.cast:
            name = member.name.strip().casefold()
            if name not in self.cast:
                self.cast[name] = _member(member, [entity.id for entity in self.cast.values()])
        first = len(self.shots)
        if part.blocks[0].kind == "prompt":
            found = {block.piece.line(0): [i] for i, block in enumerate(part.blocks)}
        else:
            found = proof(part.blocks, form.shots).shots
        for number, shots in found.items():
            self.filmed[number] = [first + shot for shot in shots]
        self.shots += form.shots

    def told(self) -> str:
        """What a later part must keep to; nothing for the first."""
        if not self.shots:
            return ""
        cast = [{"name": name, **_cast_facts(entity)} for name, entity in self.cast.items()]
        return _told({"title": self.title, "style": self.style, "cast": cast})


def _scenes(play: Screenplay, plan: _Plan) -> tuple[list[str], dict[str, str]]:
    """The scene of each shot, and the headings of scenes.

    The script's own where it has headings; else scenes are counted by what the model calls them.
    """
    headings = play.headings()
    if headings or any(block.kind == "prompt" for block in play.blocks):
        scene_of = {line.number: line.scene for line in play.lines}
        own: dict[int, str] = {}
        for number, shots in sorted(plan.filmed.items()):
            for shot in shots:
                own.setdefault(shot, scene_of[number])
        found: list[str] = []
        for index in range(len(plan.shots)):
            found.append(own.get(index) or (found[-1] if found else play.lines[0].scene))
        return found, headings
    named: dict[str, str] = {}
    for form in plan.shots:
        name = _plain(form.scene)
        named.setdefault(name, str(len(named) + 1))
    told = {id: name for name, id in named.items() if not name.isdigit()}
    return [named[_plain(form.scene)] for form in plan.shots], told


def _coverage(play: Screenplay, plan: _Plan, shots: Sequence[Shot]) -> list[Covered]:
    filmed = {number: [shots[i].id for i in found] for number, found in plan.filmed.items()}
    why: dict[int, str] = {}
    for line in play.lines:
        if line.kind not in FILMED:
            continue
        if line.number not in filmed:
            why[line.number] = "condensed: left out"
            continue
        left = [
            out.word
            for index in plan.filmed[line.number]
            for out in shots[index].left_out
            if letters(out.word) in letters(line.text)
        ]
        why[line.number] = f"without: {', '.join(dict.fromkeys(left))}" if left else ""
    return account(play, shots, filmed, why=why)


def _member(member: forms.CastForm, taken: Sequence[str]) -> Entity:
    noun, known, rest = _noun(_plain(member.noun).lower() or "thing")
    return Entity(
        id=_fresh_id(member.name, taken),
        noun=noun,
        colour=member.colour,
        size=member.size,
        known=known,
        attributes=_words([*rest, *member.attributes]),
    )


def _noun(given: str) -> tuple[str, bool, list[str]]:
    """The noun as the cut-out set names it, whether it has it, and words that are left over."""
    cut = cutouts.find(given)
    if cut is not None:
        return cut.noun, True, []
    *rest, last = given.split()
    cut = cutouts.find(last) if rest else None
    return (given, False, []) if cut is None else (cut.noun, True, rest)


def _fresh_id(name: str, taken: Sequence[str]) -> str:
    """`Red Car` becomes `red-car`; a name without any letter a-z becomes `thing`."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:50].strip("-") or "thing"
    number, id = 1, base
    while id in taken:
        number += 1
        id = f"{base}-{number}"
    return id


def _shot(form: forms.ShotForm, index: int, picture: Picture, style: str, *, scene: str) -> Shot:
    prompt, lens = _plain(form.picture).rstrip("."), LENS_WORDS[form.lens]
    lens = "" if lens in prompt.lower() else lens
    seconds = max(Fraction(form.seconds), pacing.speech(form.spoken))
    return Shot(
        id=f"s{index + 1:02d}",
        scene=scene,
        text=_plain(form.text),
        prompt=", ".join(filter(None, (prompt, lens, style))),
        place=form.place,
        size=picture.size,
        frames=picture.frames_for(seconds),
        fps=picture.fps,
        camera=form.camera,
        lens=form.lens,
        dialogue=[Line(speaker=_plain(s.speaker), text=_plain(s.text)) for s in form.dialogue],
    )


def _scene_graph(form: forms.SceneForm, cast: Sequence[Entity]) -> SceneGraph:
    members = {entity.id: entity for entity in cast}
    entities = [
        members[thing.id].model_copy(
            update={
                "count": thing.count,
                "attributes": _words([*members[thing.id].attributes, *thing.attributes]),
            }
        )
        for thing in form.things
    ]
    events = [
        Event(
            actor=event.actor,
            action=event.action,
            direction=event.direction,
            frames=FrameSpan(first=event.first, last=event.last),
        )
        for event in form.events
    ]
    relations = [Relation(subject=r.subject, kind=r.kind, object=r.object) for r in form.relations]
    return SceneGraph(entities=entities, relations=relations, events=events)


def _cast_facts(entity: Entity) -> dict[str, Any]:
    kept = ("id", "noun", "colour", "size", "attributes")
    return {name: value for name, value in entity.data().items() if name in kept and value}


def _shot_facts(shot: Shot) -> dict[str, Any]:
    graph = shot.scene_graph
    return {
        "picture": shot.prompt,
        "place": shot.place,
        "entities": [{**_cast_facts(e), "count": e.count} for e in graph.entities],
        "relations": [f"{r.subject} {r.kind} {r.object}" for r in graph.relations],
        "events": [event.data() for event in graph.events],
    }


def _told(facts: object) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=1)


def _words(given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(word for word in (_plain(one)[:60] for one in given) if word))


def _plain(text: str) -> str:
    """`text` in one line, without control signs."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return " ".join(kept.split())
