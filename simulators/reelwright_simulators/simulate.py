"""A physics scene is simulated, checked against the laws of physics, and filmed: the one entry.

What the folder of a simulation holds: `scene.yaml`, `simulation.json` (trajectories, contacts,
checks, cameras), `checks.md`, and a folder for each camera with the files of its sketch.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from reelwright_core.errors import InputError, SimulationError
from reelwright_core.files import folder_written_whole, write_json, write_text
from reelwright_core.physics import (
    Body,
    Card,
    Check,
    Contact,
    Engine,
    Mesh,
    PhysicsScene,
    Pose,
    Simulation,
    Trajectory,
)
from reelwright_core.scene_files import write_scene
from reelwright_core.video import Frames
from reelwright_simulators import checks, cutouts, exact, scene_check
from reelwright_simulators.blender import find, worker
from reelwright_simulators.blender.find import Blender
from reelwright_simulators.blender.worker import Limits, OnProgress
from reelwright_simulators.passes import MOST_LABELS, SketchFiles, labels, sketch_files
from reelwright_simulators.sandbox.scripts import Script, scene_in

Quality = Literal["draft", "preview", "final"]
"""Workbench; Cycles with 2 samples; Cycles with 4."""

SUBSTEPS = (20, 30, 40, 10, 15, 60, 8)
"""Of Bullet in each frame, in the order in which they are tried; the one nearest to the laws is
kept. Fewer let things slip into each other, more are not more right (docs/physics.md)."""

_REQUEST = "blender"


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulated:
    """A simulation that is finished, and where its files are."""

    folder: Path
    simulation: Simulation
    sketches: Mapping[str, SketchFiles]
    """By camera."""
    seconds: Mapping[str, float]
    """By the clock: `rgb` and `data` (pictures in Blender), `sketch` (its files), `all`."""

    @property
    def record(self) -> Path:
        """The file of `simulation`."""
        return self.folder / "simulation.json"

    @property
    def scene(self) -> Path:
        """The scene's file."""
        return self.folder / "scene.yaml"

    @property
    def checks(self) -> Path:
        """The table of checks."""
        return self.folder / "checks.md"


def simulate(
    scene: PhysicsScene,
    folder: Path,
    *,
    cameras: Sequence[str] | None = None,
    quality: Quality = "final",
    engine: Literal["auto", "blender", "exact"] = "auto",
    base: Path | None = None,
    place: Frames | None = None,
    strict: bool = False,
    script: Script | None = None,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
    stopping: threading.Event | None = None,
) -> Simulated:
    """Simulates `scene`, films it by `cameras` (None: all of them), and fills `folder`, whole.

    `exact` and, where it can, `auto` take the motion of solid bodies from the exact integrator,
    else Blender's solvers move them. `base` is where the scene's mesh files are. `place` is the
    picture behind a scene whose sky is one, uint8 [height, width, 3]. A law that is broken is a
    failed check and a note, or, if `strict`, a `SimulationError`. With a `script`, whose scene
    `scene` is (`sandbox.scripts.scene_of`), that one runs again in its jail and Blender solves what
    it made; it is kept as `script.py`. `on_progress` is told the stage
    (`solve`, `render`, `sketch`), how many frames are done, and of how many.

    Raises `InputError` with all that is wrong with the scene, or for a folder that holds other
    things; `NoBlender`; `SimulationError` for what Blender could not do.
    """
    start = time.monotonic()
    names = _cameras(scene, cameras)
    _refuse(scene, folder, place=place, base=base)
    blender = find.required()
    exactly = exact.solve(scene) if engine != "blender" and script is None else None
    if engine == "exact" and exactly is not None and not exactly.covered:
        raise InputError(
            f"the exact integrator cannot move this scene: {exactly.why}; use `engine: auto`"
        )
    uncovered = exactly.why if exactly is not None and not exactly.covered else None
    work = _Work(
        scene=scene,
        exactly=exactly if exactly is not None and exactly.covered else None,
        blender=blender,
        script=script,
        limits=limits or default_limits(scene, len(names)),
        on_progress=on_progress,
        stopping=stopping,
    )
    with folder_written_whole(folder) as aside:
        request = aside / _REQUEST
        put_files(scene, request, base=base, place=place)
        substeps = work.substeps(request.with_name("tries"))
        answer = work.rendered(request, names, quality, substeps)
        scene = work.scene
        found = work.laws(answer)
        if strict:
            _strict(found.checks)
        told = answer["render"]
        begun = time.monotonic()
        sketches: dict[str, SketchFiles] = {}
        for done, name in enumerate(names):
            if on_progress:
                on_progress("sketch", done, len(names))
            sketches[name] = sketch_files(
                request / name,
                aside / name,
                scene=scene,
                camera=name,
                told=told["cameras"][name],
                trajectories=found.trajectories,
            )
        shutil.rmtree(request)
        said = [f"Blender's solvers moved it, not the exact integrator: {uncovered}"]
        simulation = Simulation(
            scene=scene.digest(),
            engine=work.engine,
            trajectories=found.trajectories,
            contacts=found.contacts,
            checks=found.checks,
            cameras={name: sketch.poses for name, sketch in sketches.items()},
            notes=[
                *(said if uncovered else []),
                *work.notes,
                *found.notes,
                *checks.unmeasured(scene),
                *told["notes"],
            ],
        )
        write_json(aside / "simulation.json", simulation.data())
        write_scene(aside / "scene.yaml", scene)
        write_text(aside / "checks.md", checks_table(simulation))
        if script is not None:
            write_text(aside / "script.py", script.text)
    end = time.monotonic()
    return Simulated(
        folder=folder,
        simulation=simulation,
        sketches={name: sketch.moved(folder / name) for name, sketch in sketches.items()},
        seconds={
            **{what: round(spent["wall"], 3) for what, spent in told["spent"].items()},
            "sketch": round(end - begun, 3),
            "all": round(end - start, 3),
        },
    )


def default_limits(scene: PhysicsScene, cameras: int) -> Limits:
    """What one request for this scene may use: room for ten times what was measured."""
    pixels = scene.size[0] * scene.size[1] * scene.frames
    cells = sum(scene.frames * thing.detail**3 / 32**3 for thing in (*scene.liquids, *scene.smokes))
    return Limits(
        seconds=300 + 15 * pixels * cameras / (480 * 320) + 3 * cells,
        file=max(1 << 30, 8 * pixels),
        folder=(4 << 30) + 32 * pixels * cameras,
        files=20_000 + 4 * scene.frames * cameras,
    )


def put_files(
    scene: PhysicsScene, request: Path, *, base: Path | None = None, place: Frames | None = None
) -> None:
    """Puts what the scene needs besides its own data into a request's folder."""
    request.mkdir(parents=True, exist_ok=True)
    for body in scene.bodies:
        if isinstance(body.shape, Card):
            mark = f"-{body.colour}" if body.colour else ""
            file = request / "cards" / f"{cutouts.slug(body.shape.noun)}{mark}.png"
            file.parent.mkdir(exist_ok=True)
            picture = cutouts.picture(body.shape.noun, colour=body.colour)
            Image.fromarray(picture).save(file)
        if isinstance(body.shape, Mesh):
            file = request / body.shape.path
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile((base or Path()) / body.shape.path, file)
    if place is not None and scene.sky.picture:
        Image.fromarray(place).save(request / "place.png")


def checks_table(simulation: Simulation) -> str:
    """The checks as a table in Markdown, then what is to be noted."""
    table = checks.table(simulation.checks) if simulation.checks else "No law was checked."
    notes = [f"- {note}" for note in simulation.notes]
    return "\n".join([table, "", *notes]).rstrip() + "\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Laws:
    """What moved how, and which laws it keeps to."""

    trajectories: list[Trajectory]
    contacts: list[Contact]
    checks: list[Check]
    notes: list[str]

    @property
    def miss(self) -> tuple[int, float]:
        """How wrong it is: broken laws, and the worst miss in parts of what is allowed."""
        return sum(not check.passed for check in self.checks), checks.miss(self.checks)


def laws(scene: PhysicsScene, answer: Mapping[str, Any]) -> Laws:
    """What a request's answer says, checked against the laws of physics."""
    trajectories = [
        Trajectory(
            thing=thing,
            poses=[
                Pose(position=tuple(position), turn=tuple(turn))
                for position, turn in zip(way["positions"], way["turns"], strict=True)
            ],
        )
        for thing, way in answer["trajectories"].items()
    ]
    contacts = [Contact.model_validate(each) for each in answer["contacts"]]
    return Laws(
        trajectories=trajectories,
        contacts=contacts,
        checks=checks.check(scene, trajectories, contacts),
        notes=list(answer.get("notes", [])),
    )


class _Work:
    """One simulation on its way."""

    def __init__(
        self,
        *,
        scene: PhysicsScene,
        exactly: exact.Exact | None,
        blender: Blender,
        script: Script | None,
        limits: Limits,
        on_progress: OnProgress | None,
        stopping: threading.Event | None,
    ):
        self.scene, self.exactly = scene, exactly
        self.blender, self.script, self.limits = blender, script, limits
        self.on_progress, self.stopping = on_progress, stopping
        self.notes: list[str] = list(exactly.notes) if exactly else []
        if exactly and self.engine == "blender" and self._solids():
            self.notes.append("solid bodies are moved by the exact integrator")

    @property
    def engine(self) -> Engine:
        """Blender's also moves what is not solid, beside an exact motion of what is."""
        scene = self.scene
        soft = any(body.soft for body in scene.bodies)
        others = soft or scene.cloths or scene.liquids or scene.smokes
        return "exact" if self.exactly and not others else "blender"

    def _solids(self) -> list[Body]:
        """The solid bodies that the laws of physics move."""
        return [body for body in self.scene.bodies if body.moves == "free" and not body.soft]

    def substeps(self, folder: Path) -> int | None:
        """The substeps of Bullet that come nearest to the laws; None if it moves nothing."""
        if self.exactly is not None or not self._solids():
            return None
        # Bullet moves solid bodies alone: cloth, liquids and smoke change nothing of its motion.
        alone = self.scene.model_copy(update={"cloths": [], "liquids": [], "smokes": []})
        tried: dict[int, Laws] = {}
        for substeps in SUBSTEPS:
            request = {"job": "simulate", "scene": alone.data(), "substeps": substeps}
            shutil.copytree(folder.with_name(_REQUEST), folder)
            answer = self._run(request, folder)
            shutil.rmtree(folder)
            tried[substeps] = laws(alone, answer)
            if not tried[substeps].miss[0]:
                break
        best = min(tried, key=lambda each: tried[each].miss)
        if len(tried) > 1:
            broken, _ = tried[best].miss
            kept = "which keeps to all laws" if not broken else "which comes nearest to the laws"
            self.notes.append(
                f"tried {', '.join(str(each) for each in tried)} substeps a frame and took {best}, "
                + kept
            )
        return best

    def rendered(
        self, folder: Path, cameras: Sequence[str], quality: Quality, substeps: int | None
    ) -> dict[str, Any]:
        """The answer of the request that films it; its pictures are in `folder`."""
        if self.script is not None:
            answer = self.script.run(
                self.script.request(
                    folder, "script", substeps=substeps, quality=quality, cameras=list(cameras)
                ),
                folder,
                limits=self.limits,
                blender=self.blender,
                on_progress=self.on_progress,
                stopping=self.stopping,
            )
            self.scene = scene_in(answer)
            return answer
        request = {
            "job": "render",
            "scene": self.scene.data(),
            "motion": self.exactly.motion() if self.exactly else None,
            "substeps": substeps,
            "quality": quality,
            "cameras": list(cameras),
        }
        return self._run(request, folder)

    def laws(self, answer: Mapping[str, Any]) -> Laws:
        """Of the finished motion; that of the exact integrator is not taken from Blender."""
        found = laws(self.scene, answer)
        if self.exactly is not None:
            ways = {way.thing: way for way in self.exactly.trajectories}
            trajectories = [ways.get(way.thing, way) for way in found.trajectories]
            solid = {*ways, "ground"}
            contacts = [each for each in found.contacts if not {each.a, each.b} <= solid]
            contacts = sorted([*self.exactly.contacts, *contacts], key=lambda each: each.frame)
            found = Laws(
                trajectories=trajectories,
                contacts=contacts,
                checks=checks.check(self.scene, trajectories, contacts),
                notes=found.notes,
            )
        broken = [check for check in found.checks if not check.passed]
        said = [
            f"{check.name} of {check.thing}: {check.law} gives {check.expected:.4g} {check.unit}, "
            f"the simulation {check.got:.4g} {check.unit}"
            for check in broken
        ]
        return Laws(
            trajectories=found.trajectories,
            contacts=found.contacts,
            checks=found.checks,
            notes=[*found.notes, *said],
        )

    def _run(self, request: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        return worker.run(
            request,
            folder=folder,
            limits=self.limits,
            on_progress=self.on_progress,
            stopping=self.stopping,
            blender=self.blender,
        )


def _cameras(scene: PhysicsScene, asked: Sequence[str] | None) -> list[str]:
    there = [camera.id for camera in scene.cameras]
    for name in asked or []:
        if name not in there:
            raise InputError(f"the scene has no camera {name!r}; there are: {', '.join(there)}")
    return list(dict.fromkeys(asked)) if asked else there


def _refuse(scene: PhysicsScene, folder: Path, *, place: Frames | None, base: Path | None) -> None:
    """Raises `InputError` for what cannot be simulated, and where it may not be written."""
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (folder / "simulation.json").is_file()
    ):
        raise InputError(f"{folder} holds other things; name a folder that is new or empty")
    faults = scene_check.faults(scene, base=base or Path())
    if scene.sky.picture and place is None:
        faults.append(
            "`sky.picture` shows the place of a shot behind the scene, and this scene is simulated "
            "alone; leave it out"
        )
    if len(labels(scene)[1]) > MOST_LABELS:
        faults.append(f"more than {MOST_LABELS} things are entities; masks tell no more apart")
    if faults:
        raise InputError("this scene cannot be simulated:\n" + "\n".join(f"- {f}" for f in faults))


def _strict(found: Sequence[Check]) -> None:
    broken = [check for check in found if not check.passed]
    if broken:
        said = "; ".join(
            f"{check.name} of {check.thing} is {check.got:.4g} {check.unit} instead of "
            f"{check.expected:.4g} ({check.law}), allowed are {check.tolerance:.0%}"
            for check in broken
        )
        raise SimulationError(f"the simulation breaks laws of physics: {said}")
