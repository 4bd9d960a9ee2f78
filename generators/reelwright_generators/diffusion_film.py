"""A loaded diffusers pipeline of any family: noise plan in, frames out; what needs torch."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

import numpy as np

from reelwright_core.errors import GeneratorError
from reelwright_core.settings import Generator as Told
from reelwright_core.video import Frames
from reelwright_generators import noise
from reelwright_generators.families.family import TRANSFORMERS, Family
from reelwright_generators.generator import Facts, Made, OnStep, Request
from reelwright_generators.loading import (
    device_of,
    dtype_of,
    filming_told,
    loaded,
    pinned,
    quiet,
    threads_for,
)
from reelwright_generators.schedules import Course, Kept


class DiffusionFilm:
    """One pipeline on one device; not for two threads at a time."""

    def __init__(self, family: Family, told: Told) -> None:
        self.family, self.told = family, told
        self.device = device_of(told.device)
        self.dtype = dtype_of(told.dtype, self.device)
        self.pipe = loaded(family, told, self.device, self.dtype)
        model = next(
            part for name in TRANSFORMERS if (part := getattr(self.pipe, name, None)) is not None
        )
        self.threads = threads_for(model)
        """CPU threads of every clip: sums in another order could change its last bits."""

    def film(self, request: Request, *, facts: Facts, on_step: OnStep | None) -> Made:
        """Films a request that has been checked and fits the family's grid."""
        started = time.monotonic()
        family, pipe, plan = self.family, self.pipe, request.noise
        with pinned(self.threads), quiet(), filming_told():
            course = Course(
                pipe.scheduler, level=plan.level, steps=facts.steps, start=plan.start,
                on_step=on_step,
            )  # fmt: skip
            drawn = noise.of_plan(plan, family.shape(pipe, request), request=request, family=family)
            latents = drawn
            if noise.needs_sketch(plan):
                clean = family.encoded(pipe, request)
                latents = noise.started(plan, clean=clean, drawn=drawn, course=course)
                if plan.regions:
                    levels = noise.level_map(plan, request, family.grid, drawn.shape)
                    course.kept = Kept(
                        clean=family.at_scheduler(pipe, clean),
                        level=family.at_scheduler(pipe, levels.expand(clean.shape)),
                    )
            packed = family.packed(pipe, latents)
            with course.followed_by(pipe):
                made = pipe(**family.call(pipe, request, facts=facts, latents=packed))
        return Made(
            frames=_pixels(family.frames_of(made), request),
            provenance=self._provenance(request, facts, course),
            seconds=time.monotonic() - started,
            sound=family.sound_of(made),
        )

    def _provenance(self, request: Request, facts: Facts, course: Course) -> dict[str, Any]:
        plan = request.noise
        told: dict[str, Any] = {
            "asked": plan.level,
            "reached": round(course.level, 6),
            "sigmas": [round(sigma, 6) for sigma in course.levels],
        }
        shared = {"noise", "window", "drift", "low_frequencies"}
        told |= plan.model_dump(mode="json", include=shared, exclude_defaults=True)
        if plan.regions:
            told["regions"] = [
                {**region.data(), "reached": round(course.released(region.level), 6)}
                for region in plan.regions
            ]
        return {
            "model": facts.name,
            "family": facts.family,
            "sha256": facts.sha256,
            "revision": facts.revision,
            "scheduler": type(self.pipe.scheduler).__name__,
            "steps": len(course.levels),
            "guidance": facts.guidance,
            "seed": plan.seed,
            "noise": told,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            "threads": self.threads,
            "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
            **self.family.folder.record(),
            **self.family.provenance(self.pipe, request),
        }


def _pixels(made: Any, request: Request) -> Frames:
    """Frames of 0..1 as uint8, rounded; `GeneratorError` if they are not what was asked."""
    width, height = request.size
    video = np.asarray(made, np.float32)
    if video.shape != (request.frames, height, width, 3):
        raise GeneratorError(
            f"the model made {list(video.shape)} instead of "
            f"{[request.frames, height, width, 3]} (frames, height, width, colours)"
        )
    if not np.isfinite(video).all():
        raise GeneratorError(
            "the model made values that are no numbers; try `generator.dtype=float32`"
        )
    return np.rint(video.clip(0, 1) * 255).astype(np.uint8)
