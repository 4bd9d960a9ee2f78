"""A language model stages a shot by writing a script, which runs nowhere but in a sandbox."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from reelwright_agents.llm import LanguageModel
from reelwright_core.errors import EndpointError
from reelwright_core.files import write_text
from reelwright_core.physics import PhysicsScene
from reelwright_core.story import Shot
from reelwright_simulators.sandbox import Jail
from reelwright_simulators.sandbox.helper_library import documentation
from reelwright_simulators.sandbox.lint import CHARACTERS_AT_MOST, lint
from reelwright_simulators.sandbox.scripts import Script, ScriptFault, scene_of

REPAIRS_AT_MOST = 3

_EXAMPLE = """\
ground(look="wood")
height, radius = 1.3, 0.14
fall = (2 * (height - radius) / 9.81) ** 0.5
ball("ball", (-1.0, 0, height), radius=radius, material="rubber", velocity=(0.45 / fall, 0, 0))
block("cube", (0.9, 0.35, 0.2), size=(0.4, 0.4, 0.4), colour="red", fixed=True)
camera((0, -4.6, 1.1), (0, 0, 0.7), lens=55)
run()
"""


class ScriptForm(BaseModel):
    """A script that stages a shot."""

    model_config = ConfigDict(frozen=True)

    script: str = Field(min_length=1, max_length=CHARACTERS_AT_MOST)
    """The whole Python script, without any fence around it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What came of asking for a script."""

    scene: PhysicsScene | None
    """What it describes; None where no script worked, and the declarative scene is to be used."""
    script: Script | None
    """The script, where it does more than describe a scene and so has to run for the film."""
    notes: tuple[str, ...]
    """What a user should know."""
    tries: int


def write_script(
    shot: Shot,
    base: PhysicsScene,
    *,
    model: LanguageModel,
    jail: Jail,
    folder: Path,
    stopping: threading.Event | None = None,
) -> Written:
    """Has `model` write a script for `shot`, and mend it at most three times.

    `base` is the declarative scene: it gives frames, rate, size, seed and cameras, and is shown to
    the model. Faults that the linter finds, the traceback of a failed run, and what is wrong with
    the scene that came out go back to it. `folder` keeps every try: `script-1.py`, `error-1.txt`
    and so on, with `script.py` for the one that is used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entities = tuple(entity.id for entity in shot.scene_graph.entities)
    earlier = faults = ""
    for number in range(1, REPAIRS_AT_MOST + 2):
        try:
            text = _asked(model, shot, base, earlier=earlier, faults=faults)
        except EndpointError as error:
            return _none(number, f"no script was written ({error})")
        write_text(folder / f"script-{number}.py", text)
        script = Script(text=text, base=base, entities=entities, jail=jail)
        try:
            _refuse_faults(text)
            scene = scene_of(script, folder / f"run-{number}", stopping=stopping)
            _refuse_missing(scene, shot)
        except ScriptFault as fault:
            write_text(folder / f"error-{number}.txt", fault.told + "\n")
            earlier, faults = text, fault.told
            continue
        write_text(folder / "script.py", text)
        mended = f", mended {number - 1} time{'s' if number > 2 else ''}" if number > 1 else ""
        return Written(
            scene=scene,
            script=script if script.needs_blender else None,
            notes=(f"staged by a script that {model.model} wrote{mended}; it ran in {jail.says}",),
            tries=number,
        )
    tries = REPAIRS_AT_MOST + 1
    last = faults.strip().splitlines()[-1]
    return _none(tries, f"none of {tries} scripts worked; the last one: {last}")


def _none(tries: int, why: str) -> Written:
    note = f"the physics scripter failed, and the declarative scene is used: {why}"
    return Written(scene=None, script=None, notes=(note,), tries=tries)


def _asked(
    model: LanguageModel, shot: Shot, base: PhysicsScene, *, earlier: str, faults: str
) -> str:
    form = model.ask(
        role="physics scripter",
        template="physics_script",
        inputs={
            "library": documentation(),
            "example": _EXAMPLE,
            "frames": base.frames,
            "fps": f"{float(base.fps):g}",
            "width": base.size[0],
            "height": base.size[1],
            "shot": json.dumps(_facts(shot), ensure_ascii=False, indent=1),
            "scene": json.dumps(_plain(base), ensure_ascii=False),
            "earlier": earlier,
            "faults": faults,
        },
        answer=ScriptForm,
    )
    return _bare(form.script)


def _bare(script: str) -> str:
    """`script` without the fence that models like to put around code."""
    lines = script.strip("\n").splitlines()
    if lines and lines[0].startswith("```"):
        lines = lines[1:-1] if lines[-1].startswith("```") else lines[1:]
    return "\n".join(lines).rstrip() + "\n"


def _refuse_faults(text: str) -> None:
    if found := lint(text):
        listed = "\n".join(str(fault) for fault in found)
        raise ScriptFault(
            f"the script does not fit: {found[0]}", f"The script was not run:\n{listed}"
        )


def _refuse_missing(scene: PhysicsScene, shot: Shot) -> None:
    there = [thing.entity for thing in scene.things()]
    lacks = [
        f"{entity.id} is there {there.count(entity.id)} of {entity.count} times"
        for entity in shot.scene_graph.entities
        if there.count(entity.id) < entity.count
    ]
    if lacks:
        told = (
            f"The script ran, but {'; '.join(lacks)}. Give a thing the entity's id, or tell it "
            "`entity` and `instance`."
        )
        raise ScriptFault(f"in the script's scene, {'; '.join(lacks)}", told)


def _facts(shot: Shot) -> dict[str, object]:
    graph = shot.scene_graph
    kept = ("id", "noun", "colour", "size", "attributes", "count")
    return {
        "picture": shot.prompt,
        "place": shot.place,
        "entities": [
            {name: value for name, value in entity.data().items() if name in kept and value}
            for entity in graph.entities
        ],
        "relations": [f"{r.subject} {r.kind} {r.object}" for r in graph.relations],
        "events": [event.data() for event in graph.events],
    }


def _plain(scene: PhysicsScene) -> dict[str, object]:
    """A scene without what is not set: shorter to read."""
    return scene.model_dump(mode="json", exclude_defaults=True)
