"""A planner whose decisions are a language model's; what it decides is checked before it counts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any, Self

from reelwright_agents import llm_forms as forms
from reelwright_agents.layout_llm import ask_layout
from reelwright_agents.llm import Call, LanguageModel
from reelwright_agents.planner import Picture, Script
from reelwright_core.errors import ScriptError
from reelwright_core.settings import Settings
from reelwright_core.story import (
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

SCRIPT_AT_MOST = 60_000
"""Characters of a script; more does not fit into one question."""


class LlmPlanner:
    """Screenwriter, scene-graph agent and layout artist, each a question to one language model.

    What the model answers is only ever content: sizes, frame counts, ids, paths and models are
    ours. Raises `EndpointError` when it gives no usable answer; nothing else steps in for it.
    """

    def __init__(self, model: LanguageModel):
        self._model = model

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        cache: Path | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> Self:
        """The planner that `settings.planner` and `settings.endpoint` ask for."""
        return cls(
            LanguageModel(
                settings.endpoint,
                model=settings.planner.model,
                temperature=settings.planner.temperature,
                cache=cache,
                on_call=on_call,
            )
        )

    def storyboard(self, script: Script, *, picture: Picture) -> Storyboard:
        """The shots that film `script`, `endpoint.calls_at_once` of them planned at a time."""
        if len(script.text) > SCRIPT_AT_MOST:
            raise ScriptError(
                f"{script.name} has {len(script.text)} characters; a language model is given "
                f"{SCRIPT_AT_MOST} at most: film it in parts"
            )
        play = self._screenplay(script, picture)
        cast = _cast(play.cast)
        style = _plain(play.style)
        blank = [_shot(form, index, picture, style) for index, form in enumerate(play.shots)]
        shots = self._with_scenes(blank, cast)
        story = Story(
            title=_plain(play.title) or "Untitled",
            style=style,
            cast=cast,
            places=list(dict.fromkeys(shot.place for shot in shots)),
            script=script.text,
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

    def _screenplay(self, script: Script, picture: Picture) -> forms.ScreenplayForm:
        text, fixed = script.text, None
        if script.kind == "prompts":
            lines = [line.strip() for line in text.splitlines()]
            lines = [line for line in lines if line and not line.startswith("#")]
            text, fixed = "\n".join(lines), len(lines)
        if not text.strip():
            raise ScriptError(f"{script.name} is empty: there is nothing to film")
        if fixed is not None and fixed > forms.SHOTS_AT_MOST:
            raise ScriptError(
                f"{script.name} has {fixed} prompts; {forms.SHOTS_AT_MOST} at most make one film"
            )
        return self._model.ask(
            role="screenwriter",
            template="screenwriter",
            inputs={
                "script": text,
                "kind": script.kind,
                "lines": fixed,
                "seconds": f"{float(picture.frames / picture.fps):.1f}",
                "shots_at_most": forms.SHOTS_AT_MOST,
            },
            answer=forms.ScreenplayForm,
            check=lambda form: forms.screenplay_faults(form, shots=fixed),
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


def _cast(members: Sequence[forms.CastForm]) -> list[Entity]:
    found: list[Entity] = []
    for member in members:
        noun, known, rest = _noun(_plain(member.noun).lower() or "thing")
        found.append(
            Entity(
                id=_fresh_id(member.name, [entity.id for entity in found]),
                noun=noun,
                colour=member.colour,
                size=member.size,
                known=known,
                attributes=_words([*rest, *member.attributes]),
            )
        )
    return found


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


def _shot(form: forms.ShotForm, index: int, picture: Picture, style: str) -> Shot:
    prompt = _plain(form.picture)
    return Shot(
        id=f"s{index + 1:02d}",
        scene=_plain(form.scene) or "1",
        text=_plain(form.text),
        prompt=f"{prompt.rstrip('.')}, {style}" if style else prompt,
        place=form.place,
        size=picture.size,
        frames=picture.frames,
        fps=picture.fps,
        camera=form.camera,
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
