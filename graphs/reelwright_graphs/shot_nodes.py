"""The nodes of a shot's graph: layout, sketch, noise, film, watch, repair, choose."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from reelwright_core.errors import ModelError
from reelwright_core.files import write_json, write_text
from reelwright_core.records import Record, digest
from reelwright_core.settings import Watcher
from reelwright_core.story import Identity, Layout, Shot
from reelwright_core.takes import (
    Artifact,
    Clip,
    Critique,
    NoiseKind,
    NoisePlan,
    Part,
    Region,
    Repair,
    ShotResult,
    Sketch,
    Start,
    Take,
)  # fmt: skip
from reelwright_core.video import Frames, read_video, write_video
from reelwright_graphs import identities
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Node, Stopped

if TYPE_CHECKING:
    from reelwright_generators.generator import Control, Facts, Request

SketchControl = Literal["edges", "masks", "rgb", "depth"]
"""What of a sketch a model can be shown that follows control videos."""


class ShotNode(Node):
    """A step of a shot, with the means to keep a file of its take."""

    level = "shot"

    def path(self, inputs: Any, name: str) -> str:
        """Where a file of this take is shown in the run folder."""
        return f"shots/{inputs.shot.id}/take-{inputs.take}/{name}"

    def keep(self, inputs: Any, name: str, make: Callable[[Path], object]) -> Artifact:
        """Lets `make` write the file `name` of this take, and takes it into the store."""
        aside = self.context.store.aside(f"{inputs.shot.id}-{inputs.take}-{name}")
        make(aside)
        return self.context.store.add(aside, self.path(inputs, name))


def told(shot: Shot, *without: str) -> dict[str, Any]:
    """A shot for `depends`; one without beats or physics as it was before there were any."""
    unused = [name for name in ("beats", "physics", "films", "view") if not getattr(shot, name)]
    left = {*without, "continues", *unused}
    return shot.model_dump(mode="json", exclude=left)


class LayoutNode(ShotNode):
    """Decides where everything is in each frame: the shot's own layout, or the planner's."""

    resource = "call"

    class Inputs(Record):
        shot: Shot

    class Outputs(Record):
        layout: Layout

    def depends(self, inputs: Inputs) -> object:
        shot = inputs.shot
        return {
            "shot": told(shot, "dialogue", "left_out", "scene", "seed", "noise_level"),
            "planner": self.context.crew.planner_identity(),
        }  # fmt: skip

    def run(self, inputs: Inputs) -> Outputs:
        shot = inputs.shot
        return self.Outputs(layout=shot.layout or self.context.crew.planner().layout(shot))


class SketchNode(ShotNode):
    """Paints the draft frames of a shot from its layout."""

    class Inputs(Record):
        shot: Shot
        take: int
        layout: Layout
        simulation: Artifact | None = None
        """What the layout follows."""
        rendered: Sketch | None = None
        """A sketch that is there already."""

    class Outputs(Record):
        sketch: Sketch

    def _seed(self, inputs: Inputs) -> int:
        # One place of one scene looks the same in all its shots.
        return self.context.derived_seed("place", inputs.shot.scene, inputs.shot.place)

    def depends(self, inputs: Inputs) -> object:
        shot = inputs.shot
        if inputs.rendered is not None:
            return {"rendered": inputs.rendered.data(), "path": self.path(inputs, "")}
        simulated = {"simulation": inputs.simulation.sha256} if inputs.simulation else {}
        return {
            **simulated,
            "layout": inputs.layout.data(),
            "entities": [entity.data() for entity in shot.scene_graph.entities],
            "place": shot.place,
            "size": shot.size,
            "fps": str(shot.fps),
            "seed": self._seed(inputs),
            "path": self.path(inputs, ""),
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_graphs.simulate_node import again
        from reelwright_simulators.painter import paint

        shot = inputs.shot
        if inputs.rendered is not None:
            return self.Outputs(sketch=again(self, inputs, inputs.rendered))
        painted = paint(
            inputs.layout,
            entities=shot.scene_graph.entities,
            place=shot.place,
            size=shot.size,
            seed=self._seed(inputs),
        )
        return self.Outputs(
            sketch=Sketch(
                video=self.keep(
                    inputs, "sketch.mp4",
                    lambda path: write_video(path, painted.frames, fps=shot.fps, lossless=True),
                ),
                masks=self.keep(
                    inputs,
                    "masks.npz",
                    lambda path: np.savez_compressed(path, labels=painted.labels),
                ),
                things=list(painted.things),
                background=self.keep(
                    inputs, "background.png", lambda path: _write_png(path, painted.background)
                ),
                simulation=inputs.simulation,
            )
        )  # fmt: skip


def _write_png(path: Path, picture: Frames) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path)


class NoiseNode(ShotNode):
    """Says from which noise the model starts: which level where, which seed, which kind."""

    class Options(Record):
        level: float | None = Field(default=None, gt=0, le=1)
        """σ for every shot; a shot's own level and a repair's go before it."""
        regions: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
        """Levels of their own, up to the shot's: of `all`, the `background`, the `entities`, or an
        entity's id; the later of these goes before the earlier."""
        start: Start = "respaced"
        noise: NoiseKind = "plain"
        window: int | None = Field(default=None, ge=1)
        drift: tuple[Part, Part] | None = None
        """None takes the motion of the layout's background; where it stands still, noise is plain.
        """
        low_frequencies: float | None = Field(default=None, gt=0, le=1)
        """Unless another level is asked, for pure noise."""

        @model_validator(mode="after")
        def _fit(self) -> NoiseNode.Options:
            if self.low_frequencies is not None and (self.level or 1) < 1:
                raise ValueError("`low_frequencies` starts from pure noise: `level` must be 1")
            if self.window is not None and self.noise != "windows":
                raise ValueError("`window` is for `noise: windows`")
            if self.drift is not None and self.noise != "drift":
                raise ValueError("`drift` is for `noise: drift`")
            return self

    class Inputs(Record):
        shot: Shot
        layout: Layout | None = None
        repair: Repair | None = None
        noise: NoisePlan | None = None
        """The plan of the take before; level and seed stay if a repair does not change them."""

    class Outputs(Record):
        noise: NoisePlan

    def depends(self, inputs: Inputs) -> None:
        return None

    def run(self, inputs: Inputs) -> Outputs:
        shot, repair, before, options = inputs.shot, inputs.repair, inputs.noise, self.options
        levels = [
            repair.noise_level if repair else None,
            before.level if before else None,
            shot.noise_level,
            1.0 if options.low_frequencies else options.level,
            self.context.settings.generator.noise.level,
            self.context.crew.generator().facts().noise_level,
        ]
        seeds = [
            repair.seed if repair else None,
            before.seed if before else None,
            shot.seed,
            self.context.derived_seed("shot", shot.id),
        ]
        level = next(level for level in levels if level is not None)
        drift = options.drift or _background_drift(inputs.layout)
        still = options.noise == "drift" and drift is None
        return self.Outputs(
            noise=NoisePlan(
                level=level,
                seed=next(seed for seed in seeds if seed is not None),
                regions=self._regions(inputs),
                start=options.start,
                noise="plain" if still else options.noise,
                window=options.window,
                drift=drift if options.noise == "drift" else None,
                low_frequencies=options.low_frequencies if level == 1 else None,
            )
        )

    def _regions(self, inputs: Inputs) -> list[Region]:
        if inputs.layout is None:
            ids = [entity.id for entity in inputs.shot.scene_graph.entities]
        else:
            ids = list(dict.fromkeys(track.entity for track in inputs.layout.tracks))
        asked: dict[str, float] = dict(self.options.regions)
        every = asked.pop("entities", None)
        levels = {name: asked[name] for name in ("all", "background") if name in asked}
        if every is not None:
            levels |= dict.fromkeys(ids, every)
        # A graph is for many shots: what is not in this one has no place in its plan.
        levels |= {name: asked[name] for name in ids if name in asked}
        return [Region(of=name, level=level) for name, level in levels.items()]


def _background_drift(layout: Layout | None) -> tuple[float, float] | None:
    """How far the background moves each frame; none where it stands still."""
    if layout is None or layout.frames < 2 or layout.background_shift == (0, 0):
        return None
    across, down = (
        min(max(shift / (layout.frames - 1), -1.0), 1.0) for shift in layout.background_shift
    )
    return across, down


@dataclass(frozen=True, kw_only=True, slots=True)
class _Means:
    """By what a shot is filmed."""

    noise: NoisePlan
    control: SketchControl | None
    why: str | None
    """Why no control video is used, though one was asked for."""
    sketch: bool
    labels: bool


FILES = dict.fromkeys(("revision", "variant", "pickle", "parts"), True)
"""Settings that name a model's files, whose content its digest stands for."""


class FilmNode(ShotNode):
    """Films the shot with the video model, from the noise plan and the sketch."""

    resource = "gpu"
    version = 2

    class Options(Record):
        model: str | None = None
        """Another model than the setting `generator.model`."""
        control: SketchControl | Literal["none"] = "none"
        """What of the sketch a model is shown that follows control videos. One that does not is
        started from the sketch instead, at its own noise level if the plan uses no sketch."""

        def data(self) -> dict[str, Any]:
            """As it was before there were control videos, if there is none."""
            unused = {"control"} if self.control == "none" else None
            return self.model_dump(mode="json", exclude=unused)

    class Inputs(Record):
        shot: Shot
        take: int
        prompt: str
        noise: NoisePlan
        sketch: Sketch | None = None
        layout: Layout | None = None
        identities: list[Identity] = []
        before: Artifact | None = None
        """The clip that this shot continues."""

    class Outputs(Record):
        clip: Clip
        provenance: dict[str, Any]

    def depends(self, inputs: Inputs) -> object:
        shot, sketch, means = inputs.shot, inputs.sketch, self._means(inputs)
        noise = inputs.noise.model_dump(mode="json", exclude_defaults=True)
        depends: dict[str, Any] = {
            "prompt": inputs.prompt,
            "noise": {"schema": NoisePlan.SCHEMA, **noise},
            "sketch": sketch.video.sha256 if sketch and means.sketch else None,
            "size": shot.size,
            "frames": shot.frames,
            "fps": str(shot.fps),
            "model": self._facts().sha256,
            "settings": self._settings(inputs),
            "path": self.path(inputs, ""),
        }
        # From here on only what is used: what was filmed before there was such a thing is found.
        if shot.beats:
            depends["beats"] = [beat.data() for beat in shot.beats]
        if inputs.before is not None:
            depends["before"] = inputs.before.sha256
        if sketch and means.labels:
            depends |= {"masks": sketch.masks.sha256, "things": sketch.things}
        if means.control == "edges" and sketch and sketch.edges:
            depends["edges"] = sketch.edges.sha256
        if means.control == "depth":
            rendered = sketch.depth if sketch else None
            depends |= {"depth": rendered.sha256} if rendered else {"nearness": _nearness(inputs)}
        if shown := self._identities(inputs)[0]:
            depends["identities"] = identities.digests(shown, self.context.run)
        return depends

    def _identities(self, inputs: Inputs) -> tuple[list[Identity], list[str]]:
        facts = self._facts()
        return identities.usable(inputs.identities, facts)

    def _settings(self, inputs: Inputs) -> dict[str, Any]:
        told = self.context.settings.generator
        unused: dict[str, Any] = {"model": True, "noise": True, "outside": {"timeout"}}
        # Where parts wait changes no pixel; LoRA files are in the generator's own digest.
        unused |= {"offload": True, "loras": True}
        if not self._in_windows(inputs.shot):
            unused["long"] = True
        first = {"revision", "device", "dtype", "steps", "guidance"}
        set_to = told.model_dump(mode="json", exclude=unused, exclude_defaults=True)
        return told.model_dump(mode="json", include=first) | {
            k: v for k, v in set_to.items() if v != {}
        }

    def _means(self, inputs: Inputs) -> _Means:
        facts = self._facts()
        asked, noise, why = self.options.control, inputs.noise, None
        control: SketchControl | None = None if asked == "none" else asked
        if control is not None and inputs.sketch is None:
            raise ModelError(
                f"`control: {asked}` shows a sketch and this graph makes none; "
                "add a node `sketch` before the film"
            )
        followed: list[str] = list(facts.controls)
        if control is not None and control not in followed:
            takes = f"those of {', '.join(followed)}" if followed else "none"
            why = f"of control videos, {facts.name} ({facts.family}) takes {takes}"
            control = None
            if not noise.shows_sketch and "sketch" in facts.can:
                noise = noise.model_copy(update={"level": facts.noise_level})
        named = any(region.of != "all" for region in noise.regions)
        return _Means(
            noise=noise,
            control=control,
            why=why,
            sketch=noise.shows_sketch
            or noise.noise == "flow"
            or control is not None
            or "first_frame" in facts.needs,
            # A picture is shown where its entity is, by models that can do that.
            labels=named
            or control in ("edges", "masks", "depth")
            or any(each.references for each in self._identities(inputs)[0]),
        )

    def _in_windows(self, shot: Shot) -> bool:
        from reelwright_generators.long import in_windows

        facts = self._facts()
        told = self.context.settings.generator.long
        return in_windows(facts, told, frames=shot.frames, beats=shot.beats)

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_generators.generator import Request

        shot, sketch, means = inputs.shot, inputs.sketch, self._means(inputs)
        for event in self.context.crew.introductions():
            self.context.say(event)
        request = Request(
            prompt=inputs.prompt, size=shot.size, frames=shot.frames, fps=shot.fps,
            noise=means.noise,
        )  # fmt: skip
        shown, left_out = self._identities(inputs)
        self._warned(inputs, left_out)
        if shown:
            request = replace(
                request,
                references=identities.references(shown, self.context.run),
                loras=identities.loras(shown, self.context.run),
            )
        if sketch is not None and means.labels:
            with np.load(self.context.store.path(sketch.masks)) as masks:
                request = replace(request, labels=masks["labels"], things=tuple(sketch.things))
        if means.control is not None:
            request = replace(request, control=self._control(inputs, means.control, request.labels))
        told = self._control_told(inputs, means)
        if inputs.before is not None:
            told["continues"] = {"shot": shot.continues, "clip": inputs.before.sha256}
        start = time.monotonic()
        film = self._windows if self._in_windows(shot) else self._at_once
        seen = self.context.store.path(sketch.video) if sketch and means.sketch else None
        video, provenance = film(inputs, request, seen)
        clip = Clip(video=video, frames=shot.frames, fps=shot.fps, size=shot.size)
        seconds = round(time.monotonic() - start, 3)
        return self.Outputs(clip=clip, provenance={**provenance, **told, "seconds": seconds})

    def _control(self, inputs: Inputs, kind: SketchControl, labels: Frames | None) -> Control:
        from reelwright_generators.controls import of_sketch
        from reelwright_generators.generator import Control

        sketch, store = inputs.sketch, self.context.store
        assert sketch is not None
        if kind == "edges" and sketch.edges is not None:
            return Control(kind="edges", frames=read_video(store.path(sketch.edges)))
        frames = read_video(store.path(sketch.video))
        if kind == "depth" and sketch.depth is not None:
            with np.load(store.path(sketch.depth)) as file:
                return of_sketch(kind, frames, distance=file["depth"])
        return of_sketch(kind, frames, labels=labels, nearness=_nearness(inputs))

    def _control_told(self, inputs: Inputs, means: _Means) -> dict[str, Any]:
        """What the provenance says of the control that was asked for, if any was."""
        asked = self.options.control
        if asked == "none":
            return {}
        if means.control is not None:
            layered = asked == "depth" and not (inputs.sketch and inputs.sketch.depth)
            used = "layered depth" if layered else asked
            return {"control": {"asked": asked, "used": used}}
        noise = means.noise
        used, instead = "nothing", "the shot is filmed by its prompt alone"
        if noise.shows_sketch:
            used = "structured noise"
            instead = f"the shot starts from its sketch, at noise level {noise.level:g}"
        self._warned(inputs, [f"`control: {asked}` is not used: {means.why}; {instead}"])
        return {"control": {"asked": asked, "used": used, "why": means.why, "level": noise.level}}

    def _facts(self) -> Facts:
        return self.context.crew.generator(self.options.model).facts()

    def _end(self, clip: Artifact) -> Frames:
        """The last frame of a clip, [1, height, width, 3]."""
        return read_video(self.context.store.path(clip))[-1:]

    def _at_once(
        self, inputs: Inputs, request: Request, sketch: Path | None
    ) -> tuple[Artifact, dict[str, Any]]:
        from reelwright_generators.long import continued

        generator = self.context.crew.generator(self.options.model)
        if sketch is not None:
            request = replace(request, sketch=read_video(sketch))
        if inputs.before is not None:
            told = self.context.settings.generator.long
            request = continued(request, self._end(inputs.before), generator.facts(), told)
        warnings = self._warned(inputs, generator.check(request))
        made = generator.generate(request, self._on_step(inputs))
        video = self.keep(
            inputs, "clip.mp4", lambda path: write_video(path, made.frames, fps=request.fps)
        )
        for warning in made.warnings:
            self.context.say(
                Event(kind="warning", text=warning, shot=inputs.shot.id, take=inputs.take)
            )
        return video, {**made.provenance, "warnings": [*warnings, *made.warnings]}

    def _windows(
        self, inputs: Inputs, request: Request, sketch: Path | None
    ) -> tuple[Artifact, dict[str, Any]]:
        """Longer than the model's clips, or of several prompts: frame by frame to the file."""
        from reelwright_generators.long import LongFilm, Reel, WindowFolder

        context = self.context
        if inputs.before is not None:
            raise ModelError(
                f"it continues {inputs.shot.continues}, which a shot that is filmed in windows "
                f"cannot: give it at most {self._facts().frames} frames and no beats, or leave "
                "`continues` out, and it goes on within itself"
            )
        finished = WindowFolder(context.run / "store" / "windows" / digest(self.depends(inputs)))
        film = LongFilm(
            context.crew.generator(self.options.model),
            request,
            context.settings.generator.long,
            beats=inputs.shot.beats,
            sketch=Reel(sketch) if sketch is not None else None,
            folder=finished,
        )
        warnings = self._warned(inputs, film.check())
        frames = film.frames(self._on_step(inputs))
        video = self.keep(
            inputs, "clip.mp4", lambda path: write_video(path, frames, fps=request.fps)
        )
        finished.remove()
        return video, {**film.provenance(), "warnings": warnings}

    def _warned(self, inputs: Inputs, warnings: list[str]) -> list[str]:
        # A later take of the same prompt would only say it again.
        new = inputs.take == 1 or inputs.prompt != inputs.shot.prompt
        for warning in warnings if new else []:
            self.context.say(
                Event(kind="warning", text=warning, shot=inputs.shot.id, take=inputs.take)
            )
        return warnings

    def _on_step(self, inputs: Inputs) -> Callable[[int, int], None]:
        told = 0

        def on_step(step: int, steps: int) -> None:
            nonlocal told
            if self.context.stopping.is_set():
                raise Stopped
            if step == told:  # said again by those who wait, to ask whether to stop
                return
            told = step
            self.context.say(
                Event(
                    kind="step",
                    shot=inputs.shot.id,
                    take=inputs.take,
                    details={"step": step, "steps": steps},
                )
            )

        return on_step


def _nearness(inputs: FilmNode.Inputs) -> list[float]:
    """Of each thing in the sketch, by its layout; all alike without one."""
    assert inputs.sketch is not None
    layout = inputs.layout
    return [layout.track(*thing).depth if layout else 0.0 for thing in inputs.sketch.things]


class WatchNode(ShotNode):
    """Lets the critic watch the clip; the sketch is watched too, to tell what is to blame."""

    resource = "call"

    class Options(Record):
        threshold: float | None = Field(default=None, ge=0, le=1)
        """A take with at least this score passes; none takes the setting `critic.threshold`."""
        critic: Watcher | None = None
        """`offline` measures the pixels, `openai` shows frames to a vision model, `logic` decides a
        temporal formula on what was measured, `logic-openai` on what a vision model saw."""

    class Inputs(Record):
        shot: Shot
        take: int
        layout: Layout
        clip: Clip
        sketch: Sketch | None = None

    class Outputs(Record):
        critique: Critique
        score: float
        passed: bool

    def _threshold(self) -> float:
        asked = self.options.threshold
        return self.context.settings.critic.threshold if asked is None else asked

    def depends(self, inputs: Inputs) -> object:
        return {
            "clip": inputs.clip.video.sha256,
            "sketch": inputs.sketch.video.sha256 if inputs.sketch else None,
            "layout": inputs.layout.data(),
            "shot": told(inputs.shot, "dialogue", "left_out", "scene"),
            "critic": self.context.crew.critic_identity(),
            "threshold": self._threshold(),
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_metrics.measure import with_blame

        store, shot, sketch = self.context.store, inputs.shot, inputs.sketch
        critic = self.context.crew.critic(self.options.critic)
        frames = read_video(store.path(inputs.clip.video))
        background = _read_png(store.path(sketch.background)) if sketch else None
        critique = critic.watch(shot, inputs.layout, frames, background=background)
        if sketch is not None and not critique.passed(self._threshold()):
            # The same questions must be asked of the sketch, and no model is needed to see it.
            logical = critique.critic == "logic"
            measuring = self.context.crew.critic("logic" if logical else "offline")
            draft = read_video(store.path(sketch.video))
            seen = measuring.watch(shot, inputs.layout, draft, background=background)
            critique = with_blame(critique, seen)
            if sketch.simulation is not None and critique.blame == "layout":
                critique = critique.model_copy(update={"blame": "simulation"})
        return self.Outputs(
            critique=critique, score=critique.score, passed=critique.passed(self._threshold())
        )


def _read_png(path: Path) -> Frames:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


class _Closing(Record):
    """What a take is made of, and the takes before it."""

    shot: Shot
    take: int
    prompt: str
    takes: list[Take]
    layout: Layout
    noise: NoisePlan
    clip: Clip
    provenance: dict[str, Any] = {}
    sketch: Sketch | None = None
    critique: Critique | None = None
    repair: Repair | None = None
    simulation_notes: list[str] = []


class _ClosingNode(ShotNode):
    """A node that ends a take: it joins the others, and its folder is made whole."""

    def depends(self, inputs: Any) -> None:
        return None

    def closed(self, inputs: _Closing) -> list[Take]:
        """All takes, this one included."""
        if any(take.number == inputs.take for take in inputs.takes):
            return inputs.takes
        take = Take(
            shot=inputs.shot.id,
            number=inputs.take,
            prompt=inputs.prompt,
            layout=inputs.layout,
            noise=inputs.noise,
            sketch=inputs.sketch,
            clip=inputs.clip,
            critique=inputs.critique,
            repair=inputs.repair,
            provenance=_with_notes(inputs.provenance, inputs.simulation_notes),
        )
        folder = self.context.run / self.path(inputs, "")
        write_text(folder / "prompt.txt", take.prompt + "\n")
        write_json(folder / "scene.json", inputs.shot.scene_graph.data())
        write_json(folder / "layout.json", take.layout.data())
        write_json(folder / "noise.json", take.noise.data())
        write_json(folder / "provenance.json", take.provenance)
        if take.critique is not None:
            write_json(folder / "critique.json", take.critique.data())
        return [*inputs.takes, take]


def _with_notes(provenance: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """The provenance with what a simulation warned of among its warnings."""
    if not notes:
        return provenance
    return {**provenance, "warnings": [*provenance.get("warnings", []), *notes]}


class RepairNode(_ClosingNode):
    """Decides what the next take does otherwise, or that there is none."""

    resource = "call"

    class Options(Record):
        takes: int | None = Field(default=None, ge=1, le=20)
        """How many takes at most; none takes the setting `takes.max`."""
        threshold: float | None = Field(default=None, ge=0, le=1)
        """The score to reach; none takes the setting `critic.threshold`."""

    class Inputs(_Closing):
        pass

    class Outputs(Record):
        takes: list[Take]
        again: bool
        take: int
        prompt: str
        layout: Layout
        repair: Repair | None

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.refiner import refine

        settings, options = self.context.settings, self.options
        takes = self.closed(inputs)
        repair = refine(
            inputs.shot,
            takes,
            threshold=settings.critic.threshold if options.threshold is None else options.threshold,
            max_takes=options.takes or settings.takes.max,
            default_level=inputs.noise.level,
            make_layout=lambda shot, faults: self.context.crew.planner().layout(
                shot, faults=faults
            ),
        )
        if repair is None:
            return self.Outputs(
                takes=takes, again=False, take=inputs.take, prompt=inputs.prompt,
                layout=inputs.layout, repair=inputs.repair,
            )  # fmt: skip
        self.context.say(
            Event(kind="repaired", text=repair.why, shot=inputs.shot.id, take=inputs.take + 1)
        )
        return self.Outputs(
            takes=takes,
            again=True,
            take=inputs.take + 1,
            prompt=repair.prompt or inputs.prompt,
            layout=repair.layout or inputs.layout,
            repair=repair,
        )


class ChooseNode(_ClosingNode):
    """Chooses the best take."""

    class Inputs(_Closing):
        pass

    class Outputs(Record):
        takes: list[Take]
        result: ShotResult

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.refiner import choose

        takes = self.closed(inputs)
        number, why = choose(takes)
        result = ShotResult(shot=inputs.shot.id, takes=takes, chosen=number, why=why)
        return self.Outputs(takes=takes, result=result)
