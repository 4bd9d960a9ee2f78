"""The nodes of a shot's graph: layout, sketch, noise, film, watch, repair, choose."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from reelwright_core.files import write_json, write_text
from reelwright_core.records import Record
from reelwright_core.settings import Brain
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import (
    Artifact,
    Clip,
    Critique,
    NoisePlan,
    Repair,
    ShotResult,
    Sketch,
    Take,
)  # fmt: skip
from reelwright_core.video import Frames, read_video, write_video
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Node, Stopped


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
            "shot": shot.model_dump(mode="json", exclude={"dialogue", "left_out", "scene", "seed",
                                                          "noise_level"}),
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

    class Outputs(Record):
        sketch: Sketch

    def _seed(self, inputs: Inputs) -> int:
        # One place of one scene looks the same in all its shots.
        return self.context.derived_seed("place", inputs.shot.scene, inputs.shot.place)

    def depends(self, inputs: Inputs) -> object:
        shot = inputs.shot
        return {
            "layout": inputs.layout.data(),
            "entities": [entity.data() for entity in shot.scene_graph.entities],
            "place": shot.place,
            "size": shot.size,
            "fps": str(shot.fps),
            "seed": self._seed(inputs),
            "path": self.path(inputs, ""),
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_simulators.painter import paint

        shot = inputs.shot
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
            )
        )  # fmt: skip


def _write_png(path: Path, picture: Frames) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path)


class NoiseNode(ShotNode):
    """Says from which noise level the model starts, and from which seed."""

    class Options(Record):
        level: float | None = Field(default=None, gt=0, le=1)
        """σ for every shot; a shot's own level and a repair's go before it."""

    class Inputs(Record):
        shot: Shot
        repair: Repair | None = None
        noise: NoisePlan | None = None
        """The plan of the take before; what a repair does not change stays."""

    class Outputs(Record):
        noise: NoisePlan

    def depends(self, inputs: Inputs) -> None:
        return None

    def run(self, inputs: Inputs) -> Outputs:
        shot, repair, before = inputs.shot, inputs.repair, inputs.noise
        levels = [
            repair.noise_level if repair else None,
            before.level if before else None,
            shot.noise_level,
            self.options.level,
            self.context.settings.generator.noise.level,
            self.context.crew.generator().facts().noise_level,
        ]
        seeds = [
            repair.seed if repair else None,
            before.seed if before else None,
            shot.seed,
            self.context.derived_seed("shot", shot.id),
        ]
        return self.Outputs(
            noise=NoisePlan(
                level=next(level for level in levels if level is not None),
                seed=next(seed for seed in seeds if seed is not None),
            )
        )


class FilmNode(ShotNode):
    """Films the shot with the video model, from the noise plan and the sketch."""

    resource = "gpu"
    version = 2

    class Options(Record):
        model: str | None = None
        """Another model than the setting `generator.model`."""

    class Inputs(Record):
        shot: Shot
        take: int
        prompt: str
        noise: NoisePlan
        sketch: Sketch | None = None

    class Outputs(Record):
        clip: Clip
        provenance: dict[str, Any]

    def depends(self, inputs: Inputs) -> object:
        shot, sketch = inputs.shot, inputs.sketch
        guided = sketch is not None and inputs.noise.level < 1
        settings = self.context.settings.generator.model_dump(
            mode="json", exclude={"model": True, "noise": True, "outside": {"timeout"}}
        )
        return {
            "prompt": inputs.prompt,
            "noise": inputs.noise.data(),
            "sketch": sketch.video.sha256 if sketch and guided else None,
            "size": shot.size,
            "frames": shot.frames,
            "fps": str(shot.fps),
            "model": self.context.crew.generator(self.options.model).facts().sha256,
            "settings": settings,
            "path": self.path(inputs, ""),
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_generators.generator import Request

        shot, noise = inputs.shot, inputs.noise
        generator = self.context.crew.generator(self.options.model)
        for event in self.context.crew.introductions():
            self.context.say(event)
        sketch = None
        if inputs.sketch is not None and noise.level < 1:
            sketch = read_video(self.context.store.path(inputs.sketch.video))
        request = Request(
            prompt=inputs.prompt, size=shot.size, frames=shot.frames, fps=shot.fps,
            noise=noise, sketch=sketch,
        )  # fmt: skip
        warnings = generator.check(request)
        # A later take of the same prompt would only say it again.
        new = inputs.take == 1 or inputs.prompt != shot.prompt
        for warning in warnings if new else []:
            self.context.say(Event(kind="warning", text=warning, shot=shot.id, take=inputs.take))

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
                    shot=shot.id,
                    take=inputs.take,
                    details={"step": step, "steps": steps},
                )
            )

        start = time.monotonic()
        made = generator.generate(request, on_step)
        clip = Clip(
            video=self.keep(
                inputs, "clip.mp4", lambda path: write_video(path, made.frames, fps=shot.fps)
            ),
            frames=len(made.frames),
            fps=shot.fps,
            size=shot.size,
        )
        seconds = round(time.monotonic() - start, 3)
        return self.Outputs(
            clip=clip,
            provenance={**made.provenance, "warnings": warnings, "seconds": seconds},
        )


class WatchNode(ShotNode):
    """Lets the critic watch the clip; the sketch is watched too, to tell what is to blame."""

    resource = "call"

    class Options(Record):
        threshold: float | None = Field(default=None, ge=0, le=1)
        """A take with at least this score passes; none takes the setting `critic.threshold`."""
        critic: Brain | None = None
        """`offline` measures the pixels, `openai` shows frames to a vision model."""

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
            "shot": inputs.shot.model_dump(mode="json", exclude={"dialogue", "left_out", "scene"}),
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
            measuring = self.context.crew.critic("offline")
            draft = read_video(store.path(sketch.video))
            seen = measuring.watch(shot, inputs.layout, draft, background=background)
            critique = with_blame(critique, seen)
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
            provenance=inputs.provenance,
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
