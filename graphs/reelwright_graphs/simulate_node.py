"""The node that simulates a shot whose events need physics, before it is sketched."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from reelwright_core.errors import InputError, SimulationError
from reelwright_core.files import write_json, write_text
from reelwright_core.physics import PhysicsScene, Simulation
from reelwright_core.records import Record, digest
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import Artifact, Sketch
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Stopped
from reelwright_graphs.shot_node import ShotNode, told

if TYPE_CHECKING:
    from reelwright_simulators.blender.find import Blender
    from reelwright_simulators.passes import SketchFiles
    from reelwright_simulators.sandbox.scripts import Script

Look = Literal["painted", "rendered", "auto"]
Quality = Literal["draft", "preview", "final"]

_FILES = ("video", "masks", "background", "depth", "flow", "normals", "edges", "tracks")
"""The files of a rendered sketch."""


class SimulateNode(ShotNode):
    """Simulates what falls, bounces, collides, topples, waves or pours; the rest passes by."""

    class Options(Record):
        when: Literal["auto", "always", "never"] = "auto"
        """`auto`: shots that have a physics scene, or whose events need one; `always` warns of
        every shot that cannot be simulated."""
        quality: Quality | None = None
        """Of rendered sketches; none takes the setting `physics.quality`."""
        look: Look = "auto"
        """`painted`: cut-outs along the simulated ways; `rendered`: Blender's pictures; `auto`
        paints solid things for models whose art that is, and renders the rest."""

    class Inputs(Record):
        shot: Shot
        take: int
        layout: Layout

    class Outputs(Record):
        shot: Shot
        """Its events in the frames in which the simulation has them."""
        layout: Layout
        simulation: Artifact | None = None
        rendered: Sketch | None = None
        """The sketch, where it was rendered."""
        simulation_notes: list[str] = []
        """What the report is to say: what stood in for what, and why."""

    def depends(self, inputs: Inputs) -> object:
        shot, settings = inputs.shot, self.context.settings
        plain = {"shot": told(shot, "dialogue", "left_out"), "layout": inputs.layout.data()}
        if not self._wanted(shot):
            return plain
        blender = self._blender()
        return {
            **plain,
            "physics": settings.physics.model_dump(mode="json"),
            "planner": self.context.crew.planner_identity(),
            "seed": self._seed(shot),
            "model": settings.generator.model,
            "blender": blender.version if blender else None,
            "path": self.path(inputs, ""),
        }

    def run(self, inputs: Inputs) -> Outputs:
        shot = inputs.shot
        plain = self.Outputs(shot=shot, layout=inputs.layout)
        if not self._wanted(shot):
            return plain
        work = _Work(self, inputs)
        try:
            scene = work.scene()
            return self._plain(plain, work.notes) if scene is None else work.outputs(scene)
        except (SimulationError, InputError) as error:
            work.warn(f"not simulated, its sketch is painted by the plain plan: {error}")
            return self._plain(plain, work.notes)

    def _plain(self, plain: Outputs, notes: list[str]) -> Outputs:
        return plain.model_copy(update={"simulation_notes": notes})

    def _wanted(self, shot: Shot) -> bool:
        from reelwright_agents.physics import is_physical

        if self.options.when == "never" or self.context.settings.physics.engine == "off":
            return False
        return self.options.when == "always" or shot.physics is not None or is_physical(shot)

    def _seed(self, shot: Shot) -> int:
        return physics_seed(self.context, shot)

    def _blender(self) -> Blender | None:
        """The Blender that may be used, if there is one."""
        from reelwright_simulators.blender.find import find

        return None if self.context.settings.physics.engine == "planar" else find()

    def paints(self) -> bool:
        """Whether solid things are painted, as far as the shot allows."""
        look = self.options.look
        return self.context.crew.paints if look == "auto" else look == "painted"

    @property
    def quality(self) -> Quality:
        """Of what is rendered."""
        return self.options.quality or self.context.settings.physics.quality


def physics_seed(context: Any, shot: Shot) -> int:
    """The seed of a shot's physics scene, below 2**31."""
    return context.derived_seed("physics", shot.id) % 2**31


class _Work:
    """One shot on its way from scene to simulation."""

    _locks: ClassVar[dict[str, threading.Lock]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, node: SimulateNode, inputs: SimulateNode.Inputs):
        self.node, self.inputs, self.shot = node, inputs, inputs.shot
        self.context = node.context
        self.engine = node.context.settings.physics.engine
        self.blender = node._blender()  # pyright: ignore[reportPrivateUsage]
        self.notes: list[str] = []
        self.script: Script | None = None
        """What made the scene, where it has to run again for the film."""

    def warn(self, text: str) -> None:
        self.notes.append(text)
        self.context.say(Event(kind="warning", text=text, shot=self.shot.id, take=self.inputs.take))

    def scene(self) -> PhysicsScene | None:
        """The shot's own scene, or the physics agent's."""
        if self.shot.physics is not None:
            return self.shot.physics
        seed = self.node._seed(self.shot)  # pyright: ignore[reportPrivateUsage]
        painted = self.node.paints() and self.shot.view is None
        planned = self.context.crew.physics(self.shot, seed=seed, painted=painted)
        for note in planned.notes:
            self.warn(note)
        if planned.scene is None:
            self.warn(f"not simulated: {planned.why or 'nothing physical happens in it'}")
            return None
        scene = seen_by(planned.scene, self.shot.view)
        return self._scripted(scene) if self.context.settings.physics.scripts else scene

    def _scripted(self, plain: PhysicsScene) -> PhysicsScene:
        """The scene of a script that the language model writes; `plain` where none works."""
        from reelwright_agents.physics.scripter import write_script
        from reelwright_simulators.sandbox import strongest

        settings, node = self.context.settings, self.node
        if settings.planner.brain == "offline":
            self.warn("`physics.scripts` needs a language model: set planner.brain=openai")
            return plain
        folder = self.context.store.aside(f"{self.shot.id}-{self.inputs.take}-scripts")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made = write_script(
                self.shot, plain, model=self.context.crew.scripter(),
                jail=strongest(allow=settings.physics.sandbox), folder=folder,
                stopping=self.context.stopping,
            )  # fmt: skip
            for file in sorted(path for path in folder.iterdir() if path.is_file()):
                node.keep(
                    self.inputs, file.name, lambda path, file=file: shutil.copyfile(file, path)
                )
        except SimulationError as error:
            self.warn(f"no script was written for it: {error}")
            return plain
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if made.scene is None:
            self.warn("; ".join(made.notes))
            return plain
        self.notes += made.notes
        self.script = made.script
        return made.scene

    def outputs(self, scene: PhysicsScene) -> SimulateNode.Outputs:
        """What comes of `scene`, by the best means that are there."""
        from reelwright_simulators import exact

        rigid = is_rigid(scene)
        rendered = self._rendered(scene, rigid=rigid)
        if self.blender is None and not rigid:
            raise SimulationError(f"{_soft(scene)} needs Blender, {self._no_blender()}")
        simple = not rendered and self.engine == "auto" and self.script is None
        if self.blender is None or (simple and _covered(scene)):
            if rendered or (self.blender is None and not exact.solve(scene).covered):
                self.warn(f"simulated by the built-in integrator: {self._no_blender()}")
            return self._without_blender(scene)
        try:
            return self._with_blender(scene, rendered=rendered)
        except SimulationError as error:
            if not rigid:
                raise
            self.warn(f"simulated by the built-in integrator, since Blender failed: {error}")
            return self._without_blender(scene)

    def _rendered(self, scene: PhysicsScene, *, rigid: bool) -> bool:
        """Whether Blender's pictures are the sketch."""
        if self.node.options.look != "auto":
            return not self.node.paints()
        front = self.shot.view in (None, scene.cameras[0].id)
        return not (rigid and front and self.node.paints())

    def _no_blender(self) -> str:
        if self.engine == "planar":
            return "which the setting `physics.engine` rules out"
        return "and there is none; `reelwright doctor --install blender` installs it"

    def _without_blender(self, scene: PhysicsScene) -> SimulateNode.Outputs:
        from reelwright_simulators import planar, scene_check

        faults = scene_check.faults(scene)
        if faults:
            raise SimulationError(f"its scene does not fit: {'; '.join(faults)}")
        found = planar.simulate(scene, digest=scene.digest())
        if isinstance(found, str):
            raise SimulationError(found)
        return self._finished(scene, found, rendered=None)

    def _with_blender(self, scene: PhysicsScene, *, rendered: bool) -> SimulateNode.Outputs:
        # One simulation for all cameras, though some shots only need its ways.
        pictures = rendered or len(scene.cameras) > 1
        kept = self._simulated(scene, self.node.quality if pictures else "draft")
        simulation = Simulation.from_data(
            _json(self.context.store.path(Artifact.model_validate(kept["simulation"])))
        )
        sketch = None
        if rendered:
            name = scene.camera(self.shot.view).id
            sketch = Sketch.model_validate(kept["sketches"][name])
        return self._finished(scene, simulation, rendered=sketch)

    def _simulated(self, scene: PhysicsScene, quality: Quality) -> Mapping[str, Any]:
        """The simulation and its sketches, made once for all shots that film this scene."""
        assert self.blender is not None
        key = digest(
            {
                "simulation": scene.digest(),
                "quality": quality,
                "engine": self.engine,
                "blender": self.blender.version,
                "version": SimulateNode.version,
                **({"script": self.script.text} if self.script else {}),
            }
        )
        store = self.context.store
        with self._alone(key):
            kept = store.find(key)
            if kept is None:
                kept = self._make(scene, quality, key)
                store.keep(key, "simulation", kept)
        return kept

    @contextmanager
    def _alone(self, key: str) -> Generator[None]:
        name = f"{self.context.run}:{key}"
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            yield

    def _make(self, scene: PhysicsScene, quality: Quality, key: str) -> dict[str, Any]:
        from reelwright_simulators.simulate import simulate

        folder = self.context.store.aside(f"simulation-{key[:16]}")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made = simulate(
                scene, folder, quality=quality, base=self.context.run, place=self._place(scene),
                script=self.script, stopping=self.context.stopping, on_progress=self._on_progress,
            )  # fmt: skip
            simulation = self._kept(made.record, f"store/simulations/{key[:16]}/simulation.json")
            return {
                "simulation": simulation.data(),
                "sketches": {
                    name: self._sketch(files, f"store/simulations/{key[:16]}/{name}").data()
                    for name, files in made.sketches.items()
                },
            }
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _place(self, scene: PhysicsScene) -> Any:
        if not scene.sky.picture:
            return None
        from reelwright_simulators.places import background

        seed = self.context.derived_seed("place", self.shot.scene, self.shot.place)
        return background(self.shot.place, size=scene.size, seed=seed)

    def _on_progress(self, stage: str, done: int, of: int) -> None:
        if self.context.stopping.is_set():
            raise Stopped
        self.context.say(
            Event(kind="step", shot=self.shot.id, take=self.inputs.take, stage="simulate",
                  details={"step": done, "steps": of, "what": stage})
        )  # fmt: skip

    def _sketch(self, files: SketchFiles, path: str) -> Sketch:
        told: dict[str, Any] = {
            name: self._kept(getattr(files, name), f"{path}/{getattr(files, name).name}").data()
            for name in _FILES
        }
        return Sketch.model_validate({**told, "things": files.things})

    def _kept(self, file: Path, path: str) -> Artifact:
        aside = self.context.store.aside(path.replace("/", "-"))
        shutil.copyfile(file, aside)
        return self.context.store.add(aside, path)

    # what the take gets --------------------------------------------------------

    def _finished(
        self, scene: PhysicsScene, simulation: Simulation, *, rendered: Sketch | None
    ) -> SimulateNode.Outputs:
        from reelwright_agents.physics import retimed
        from reelwright_core.scene_files import write_scene
        from reelwright_simulators.layouts import to_layout
        from reelwright_simulators.simulate import checks_table

        node, inputs = self.node, self.inputs
        broken = [check for check in simulation.checks if not check.passed]
        if broken:
            laws = ", ".join(dict.fromkeys(f"{check.name} of {check.thing}" for check in broken))
            self.warn(f"its simulation misses {laws} by more than is allowed")
        node.keep(inputs, "physics.yaml", lambda path: write_scene(path, scene))
        node.keep(inputs, "checks.md", lambda path: write_text(path, checks_table(simulation)))
        record = node.keep(
            inputs, "simulation.json", lambda path: write_json(path, simulation.data())
        )
        if rendered is not None:
            rendered = again(node, inputs, rendered.model_copy(update={"simulation": record}))
        layout = to_layout(
            simulation, scene, self.shot, self.shot.view,
            boxes=self._boxes(rendered), otherwise=inputs.layout,
        )  # fmt: skip
        return SimulateNode.Outputs(
            shot=retimed(self.shot, scene, simulation),
            layout=layout,
            simulation=record,
            rendered=rendered,
            simulation_notes=self.notes,
        )

    def _boxes(self, rendered: Sketch | None) -> dict[tuple[str, int], list[Any]] | None:
        if rendered is None or rendered.tracks is None:
            return None
        from reelwright_simulators.passes import Tracks

        tracks = Tracks.from_data(_json(self.context.store.path(rendered.tracks)))
        return {
            (thing.entity, thing.instance): [
                whole or seen for whole, seen in zip(thing.whole, thing.visible, strict=True)
            ]
            for thing in tracks.things
            if thing.entity is not None
        }


def again(node: ShotNode, inputs: Any, sketch: Sketch) -> Sketch:
    """A finished sketch as that of this take: its files are shown in the take's folder too."""
    shown: dict[str, Artifact] = {}
    for name in (*_FILES, "simulation"):
        artifact: Artifact | None = getattr(sketch, name)
        if artifact is None:
            continue
        file = Path(artifact.path).name
        if artifact.path != node.path(inputs, file):
            kept = node.context.store.path(artifact)
            artifact = node.keep(inputs, file, lambda path, kept=kept: shutil.copyfile(kept, path))
        shown[name] = artifact
    return sketch.model_copy(update=dict(shown))


def seen_by(scene: PhysicsScene, view: str | None) -> PhysicsScene:
    """The scene with that camera alone, or its first; `InputError` if there is none."""
    try:
        camera = scene.camera(view)
    except KeyError:
        there = ", ".join(camera.id for camera in scene.cameras)
        raise InputError(f"`view` is a camera of its scene: {there}; got {view!r}") from None
    return scene.model_copy(update={"cameras": [camera]})


def is_rigid(scene: PhysicsScene) -> bool:
    """Whether all that is in it keeps its shape."""
    soft = scene.cloths or scene.liquids or scene.smokes
    return not soft and all(body.soft is None for body in scene.bodies)


def _soft(scene: PhysicsScene) -> str:
    kinds = (("cloth", scene.cloths), ("a liquid", scene.liquids), ("smoke", scene.smokes))
    return next((kind for kind, there in kinds if there), "what is soft")


def _covered(scene: PhysicsScene) -> bool:
    from reelwright_simulators import exact

    return exact.solve(scene).covered


def _json(path: Path) -> Any:
    import json

    return json.loads(path.read_bytes())
