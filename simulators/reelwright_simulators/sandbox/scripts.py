"""A script becomes a physics scene: it runs in a jail, and what it made is checked out here."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reelwright_core.errors import InputError, SimulationError
from reelwright_core.files import write_text
from reelwright_core.physics import PhysicsScene
from reelwright_simulators import scene_check
from reelwright_simulators.blender import find, worker
from reelwright_simulators.blender.find import Blender
from reelwright_simulators.blender.worker import BlenderError, Limits, OnProgress
from reelwright_simulators.sandbox import Jail, strongest
from reelwright_simulators.sandbox.lint import needs_blender

NAME = "script.py"
_IN_ERRORS = '"the-script.py"'
LIMITS = Limits(seconds=60, cpu=60, memory=6 << 30, file=64 << 20, folder=256 << 20, files=1000)
"""Of a script that only describes a scene."""
_TRACE_AT_MOST = 3000


class ScriptFault(SimulationError):
    """A script that failed, or made a scene that cannot be simulated; `told` is for its writer."""

    def __init__(self, message: str, told: str):
        super().__init__(message)
        self.told = told


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """A script, and what it runs with."""

    text: str
    base: PhysicsScene
    """Gives frames, rate, size, seed, sky and cameras; the script makes all else."""
    entities: tuple[str, ...] = ()
    """The ids of the shot's entities, which things can be."""
    jail: Jail

    @property
    def needs_blender(self) -> bool:
        """Whether it does more than describe a scene."""
        return needs_blender(self.text)

    def request(self, folder: Path, job: str, **more: Any) -> dict[str, Any]:
        """What Blender's worker is asked, once the script stands in `folder`."""
        write_text(folder / NAME, self.text)
        return {
            "job": job,
            "script": str(folder.resolve() / NAME),
            "scene": self.base.data(),
            "entities": list(self.entities),
            "sealed": self.jail.name != "none",
            **more,
        }

    def run(
        self,
        request: Mapping[str, Any],
        folder: Path,
        *,
        limits: Limits,
        blender: Blender | None = None,
        on_progress: OnProgress | None = None,
        stopping: threading.Event | None = None,
    ) -> dict[str, Any]:
        """The answer; `ScriptFault` for what the script did wrong, or used too much of."""
        try:
            return worker.run(
                request, folder=folder, limits=limits, blender=blender, sandbox=self.jail,
                on_progress=on_progress, stopping=stopping,
            )  # fmt: skip
        except BlenderError as error:
            if error.cause == "stopped":
                raise
            raise ScriptFault(str(error), _told(error)) from None


def script_of(
    text: str, base: PhysicsScene, *, entities: tuple[str, ...] = (), allow: str | None = None
) -> Script:
    """The script in the strictest jail that works here, or in that which `allow` names."""
    return Script(text=text, base=base, entities=entities, jail=strongest(allow=allow))


def scene_of(
    script: Script,
    folder: Path,
    *,
    limits: Limits = LIMITS,
    stopping: threading.Event | None = None,
) -> PhysicsScene:
    """The scene that `script` describes, run in `folder`; nothing is simulated yet.

    A script that imports bpy also runs to its end in Blender. Raises `ScriptFault` with all that
    is to be mended.
    """
    blender = find.find() if script.needs_blender else _python()
    if blender is None:
        told = "`bpy` is not there, and neither is what belongs to it; use the helpers alone"
        raise ScriptFault(f"the script cannot run here: {told}", told)
    request = script.request(folder, "declare")
    answer = script.run(request, folder, limits=limits, blender=blender, stopping=stopping)
    scene = _scene(answer)
    if faults := scene_check.faults(scene):
        listed = "\n".join(f"- {fault}" for fault in faults)
        raise ScriptFault(
            f"the scene of the script cannot be simulated: {faults[0]}",
            f"The script ran, but its scene cannot be simulated:\n{listed}",
        )
    if script.needs_blender:
        # Pictures of cards are made out here, for scenes that were found sound.
        from reelwright_simulators.simulate import put_files

        put_files(scene, folder)
        request = script.request(folder, "script", solve=False)
        _scene(script.run(request, folder, limits=limits, blender=blender, stopping=stopping))
    return scene


def scene_in(answer: Mapping[str, Any]) -> PhysicsScene:
    """The scene in the answer of a job that nobody vouches for; `ScriptFault` if it is none."""
    return _scene(answer)


def _scene(answer: Mapping[str, Any]) -> PhysicsScene:
    try:
        return PhysicsScene.from_data(answer["scene"])
    except (KeyError, TypeError, InputError, ValidationError) as error:
        words = str(error)
        if isinstance(error, ValidationError):
            words = "; ".join(
                f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)[:5]
            )
        raise ScriptFault(
            f"the script made no scene that fits: {words}",
            f"The script ran, but what it made is no scene: {words}",
        ) from None


def _python() -> Blender:
    """The interpreter under this one, without the packages that are installed for Reelwright."""
    plain: str = getattr(sys, "_base_executable", None) or sys.executable
    return Blender(Path(plain), "module", "Python itself", sys.version.split()[0])


def _told(error: BlenderError) -> str:
    """What the writer of a script needs to mend it: the traceback of its own lines."""
    if error.cause != "error":
        return str(error)
    lines = error.trace.strip().splitlines()
    first = next((i for i, line in enumerate(lines) if _IN_ERRORS in line), len(lines) - 1)
    return "\n".join(["Traceback:", *lines[max(first, 0) :]])[-_TRACE_AT_MOST:]
