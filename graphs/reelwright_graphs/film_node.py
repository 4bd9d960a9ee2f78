"""The node `film`: the video model films the shot."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reelwright_core.errors import ModelError
from reelwright_core.records import Record, digest
from reelwright_core.story import FrameSpan, Identity, Layout, Shot
from reelwright_core.takes import Artifact, Clip, Guide, NoisePlan, Repair, Sketch, Take
from reelwright_core.video import Frames, read_video, write_video
from reelwright_graphs import guided, identities
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Stopped
from reelwright_graphs.shot_node import ShotNode

if TYPE_CHECKING:
    from reelwright_generators.generator import Boxes, Control, Facts, Request


SketchControl = Literal["edges", "masks", "rgb", "depth"]
"""What of a sketch a model can be shown that follows control videos."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Means:
    """By what a shot is filmed."""

    noise: NoisePlan
    control: SketchControl | None
    why: str | None
    """Why no control video is used, though one was asked for."""
    boxes: Boxes | None
    unguided: str | None
    """Why nothing is held in its boxes, though that was asked for."""
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

        guide: Guide = Guide()
        """How things are held in the boxes of their layout while the clip is filmed. A model that
        cannot be guided so is started from the sketch instead, as with `control`."""

        def data(self) -> dict[str, Any]:
            """As it was before there were control videos and guidance, if there is none."""
            unused = {"control"} if self.control == "none" else set[str]()
            unused |= {"guide"} if self.guide.by == "none" else set()
            return self.model_dump(mode="json", exclude=unused)

    class Inputs(Record):
        shot: Shot
        take: int
        prompt: str
        noise: NoisePlan
        sketch: Sketch | None = None
        layout: Layout | None = None
        identities: list[Identity] = []
        looks: dict[str, str] = {}
        """Of which of them the sketch has the picture: its sha256, by whose it is."""
        before: Artifact | None = None
        """The clip that this shot continues."""
        repair: Repair | None = None
        """May say that only a span of an earlier take is filmed anew."""
        takes: list[Take] = []
        """The takes before this one."""

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
        if (anew := _anew(inputs)) is not None:
            depends["span"] = {**anew.span.data(), "of": anew.take.clip.video.sha256}
        if means.boxes is not None:
            depends["boxes"] = [asdict(thing) for thing in means.boxes.things]
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
        sketched = inputs.looks if inputs.noise.shows_sketch else ()
        return identities.usable(inputs.identities, facts, sketched=sketched)

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
        guide = self.options.guide
        unguided = guided.why_not(guide, facts)
        if unguided is not None and not noise.shows_sketch and "sketch" in facts.can:
            if inputs.sketch is None:
                raise ModelError(
                    f"`guide: {{by: boxes}}` cannot be used: {unguided}; and this graph makes no "
                    "sketch to start from instead: add a node `sketch`, or use another model"
                )
            noise = noise.model_copy(update={"level": facts.noise_level})
        boxes = None
        if unguided is None:
            boxes = guided.boxes(guide, inputs.shot, inputs.layout, inputs.repair)
        named = any(region.of != "all" for region in noise.regions)
        return _Means(
            noise=noise,
            control=control,
            why=why,
            boxes=boxes,
            unguided=unguided,
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
        for prompt in (inputs.prompt, *(beat.prompt for beat in shot.beats)):
            self.context.crew.gate().prompt(shot.id, prompt)
        for event in self.context.crew.introductions():
            self.context.say(event)
        request = Request(
            prompt=inputs.prompt, size=shot.size, frames=shot.frames, fps=shot.fps,
            noise=means.noise,
        )  # fmt: skip
        shown, left_out = self._identities(inputs)
        notes = self._warned(inputs, [*left_out, *self._unused(means)])
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
        if means.boxes is not None:
            request = replace(request, guide=means.boxes)
        told = self._control_told(inputs, means) | _guide_told(means)
        if inputs.before is not None:
            told["continues"] = {"shot": shot.continues, "clip": inputs.before.sha256}
        if inputs.looks or shown:
            told["looks"] = {
                "sketched": inputs.looks,
                "shown": identities.digests(shown, self.context.run),
            }
        start = time.monotonic()
        film = self._windows if self._in_windows(shot) else self._at_once
        film = self._span if _anew(inputs) is not None else film
        seen = self.context.store.path(sketch.video) if sketch and means.sketch else None
        video, provenance = film(inputs, request, seen)
        clip = Clip(video=video, frames=shot.frames, fps=shot.fps, size=shot.size)
        seconds = round(time.monotonic() - start, 3)
        told["warnings"] = [*notes, *provenance.get("warnings", [])]
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
        return {"control": {"asked": asked, "why": means.why, **_used(means.noise)}}

    def _unused(self, means: _Means) -> list[str]:
        """What this graph asks for and the model cannot do, and what is done instead."""
        asked = {
            f"control: {self.options.control}": means.why,
            "guide: {by: boxes}": means.unguided,
        }
        return [
            f"`{what}` is not used: {why}; {_instead(means.noise)}"
            for what, why in asked.items()
            if why is not None
        ]

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

    def _span(
        self, inputs: Inputs, request: Request, sketch: Path | None
    ) -> tuple[Artifact, dict[str, Any]]:
        """Only some frames of an earlier take, anew; the others stay, and the file keeps them."""
        from reelwright_graphs import span_film

        anew = _anew(inputs)
        assert anew is not None
        earlier = anew.take.clip.video
        generator = self.context.crew.generator(self.options.model)
        film = span_film.span_film(
            anew.span, frames=inputs.shot.frames, facts=generator.facts(),
            continues=inputs.before is not None,
        )  # fmt: skip
        begun = [beat for beat in inputs.shot.beats if beat.first <= film.span.first]
        if begun:
            request = replace(request, prompt=begun[-1].prompt)
        if sketch is not None:
            request = replace(request, sketch=read_video(sketch))
        old = read_video(self.context.store.path(earlier))
        request = span_film.span_request(request, film, earlier=old)
        warnings = self._warned(inputs, generator.check(request))
        made = generator.generate(request, self._on_step(inputs))
        frames = span_film.put_in(old, made.frames, film)
        video = self.keep(
            inputs, "clip.mp4",
            lambda path: write_video(path, frames, fps=inputs.shot.fps, lossless=True),
        )  # fmt: skip
        told = span_film.told(film, frames, of=anew.take.number, sha256=earlier.sha256)
        return video, {**made.provenance, **told, "warnings": [*warnings, *made.warnings]}

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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Anew:
    """What of an earlier take is filmed anew."""

    span: FrameSpan
    take: Take


def _anew(inputs: FilmNode.Inputs) -> _Anew | None:
    """The span that the repair asks for; None where the whole clip is filmed."""
    repair = inputs.repair
    if repair is None or repair.span is None:
        return None
    take = next(take for take in inputs.takes if take.number == repair.of)
    return _Anew(span=repair.span, take=take)


def _guide_told(means: _Means) -> dict[str, Any]:
    """What the provenance says of guidance that was asked for and is not there."""
    if means.unguided is None:
        return {}
    return {"guide": {"asked": "boxes", "why": means.unguided, **_used(means.noise)}}


def _used(noise: NoisePlan) -> dict[str, Any]:
    """What shows the model its sketch instead."""
    used = "structured noise" if noise.shows_sketch else "nothing"
    return {"used": used, "level": noise.level}


def _instead(noise: NoisePlan) -> str:
    """How a shot is filmed when what was to show the model its sketch cannot be used."""
    if noise.shows_sketch:
        return f"the shot starts from its sketch, at noise level {noise.level:g}"
    return "the shot is filmed by its prompt alone"


def _nearness(inputs: FilmNode.Inputs) -> list[float]:
    """Of each thing in the sketch, by its layout; all alike without one."""
    assert inputs.sketch is not None
    layout = inputs.layout
    return [layout.track(*thing).depth if layout else 0.0 for thing in inputs.sketch.things]
