"""A loaded diffusers pipeline of any family: noise plan in, frames out; what needs torch."""

from __future__ import annotations

import contextlib
import copy
import functools
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from reelwright_core.errors import GeneratorError
from reelwright_core.settings import Generator as Told
from reelwright_core.settings import KvSharing
from reelwright_core.video import Frames
from reelwright_generators import cache_hooks, loras, noise
from reelwright_generators.caches import plan_of
from reelwright_generators.families.family import TRANSFORMERS, Family
from reelwright_generators.generator import Facts, Made, OnStep, Request
from reelwright_generators.guidance import Guidance
from reelwright_generators.joins import Seat, Together
from reelwright_generators.loading import (
    device_of,
    dtype_of,
    filming_told,
    loaded,
    pinned,
    quiet,
    threads_for,
)
from reelwright_generators.saving import At, OutOfMemory, Saving, attending, freed, refuse_attention
from reelwright_generators.schedules import Course, Kept
from reelwright_generators.sharing import Sharing


class DiffusionFilm:
    """One pipeline on one device; not for two threads at a time."""

    def __init__(self, family: Family, told: Told) -> None:
        self.family, self.told = family, told
        self.device = device_of(told.device)
        self.dtype = dtype_of(told.dtype, self.device)
        self.saving = Saving(told, self.device)
        self.cache = plan_of(told, family)
        refuse_attention(told.attention)
        if self.cache is not None:
            cache_hooks.refuse_unnamed(family.pipeline_class(), self.cache)
        self.pipe = loaded(family, self.saving, self.dtype)
        model = next(
            part for name in TRANSFORMERS if (part := getattr(self.pipe, name, None)) is not None
        )
        self.threads = threads_for(model)
        """CPU threads of every clip: sums in another order could change its last bits."""

    def film(self, request: Request, *, facts: Facts, on_step: OnStep | None) -> Made:
        """Films a request that has been checked and fits the family's grid.

        When memory runs out it is filmed again with the next saving measure, while there is one.
        """
        started = time.monotonic()
        warnings: list[str] = []
        while True:
            try:
                with pinned(self.threads), quiet(), filming_told(), self._at_work(request):
                    made = self._filmed(self.pipe, request, facts=facts, on_step=on_step)
            except OutOfMemory:
                tried = self.saving.next(self.pipe, request, self._at)
                if tried is None:
                    raise self._no_memory(request) from None
            else:
                return replace(
                    made,
                    seconds=time.monotonic() - started,
                    warnings=(*warnings, *made.warnings),
                )
            # Out of the handler, so that nothing holds on to what the failed clip had.
            warnings.append(f"the memory did not suffice: the clip was filmed again with {tried}")

    def film_joined(
        self, requests: Sequence[Request], overlaps: Sequence[int], *, facts: Facts,
        on_step: OnStep | None, told: KvSharing | None = None,
    ) -> list[Made]:  # fmt: skip
        """Films clips in lockstep: neighbours share `overlaps[i]` latent frames; see `joins`."""
        sharing = told and Sharing(
            told, clips=len(requests), text=self.family.text_tokens(self.pipe)
        )
        started = time.monotonic()
        done = 0

        def stepped(_: int, steps: int) -> None:
            nonlocal done
            done += 1
            if on_step is not None:
                on_step(done, steps * len(requests))

        def clip(request: Request) -> Callable[[Seat], Made]:
            def film(seat: Seat) -> Made:
                torch.set_num_threads(self.threads)  # each thread has a number of its own
                # A pipeline of its own holds a scheduler of its own; the parts are the same.
                return self._filmed(
                    copy.copy(self.pipe), request, facts=facts, on_step=stepped, seat=seat
                )

            return film

        try:
            with (
                pinned(self.threads), quiet(), filming_told(), self._at_work(requests[0]),
                sharing.worn(self.pipe) if sharing else contextlib.nullcontext(),
            ):  # fmt: skip
                made = Together(overlaps, sharing).run([clip(request) for request in requests])
        except OutOfMemory:
            self.saving.free(self.pipe)
            raise self._no_memory(requests[0]) from None
        each = (time.monotonic() - started) / len(made)
        also = {"kv_sharing": sharing.data()} if sharing else {}
        return [replace(one, seconds=each, provenance={**one.provenance, **also}) for one in made]

    def _no_memory(self, request: Request) -> OutOfMemory:
        tried = self.saving.in_force(request)
        despite = f" with {' and '.join(tried)}" if tried else ""
        return OutOfMemory(
            f"the memory did not suffice for this clip{despite}; {self.saving.cure()}"
        )

    def _filmed(
        self, pipe: Any, request: Request, *, facts: Facts, on_step: OnStep | None,
        seat: Seat | None = None,
    ) -> Made:  # fmt: skip
        family, plan = self.family, request.noise

        def stepped(done: int, steps: int) -> None:
            self._at = "model" if done < steps else "autoencoder"
            if on_step is not None:
                on_step(done, steps)

        self._at: At = "autoencoder"
        course = Course(
            pipe.scheduler, level=plan.level, steps=facts.steps, start=plan.start, on_step=stepped
        )
        course.by_frame = family.by_frame(request)
        drawn = noise.of_plan(plan, family.shape(pipe, request), request=request, family=family)
        latents = drawn
        guidance = None
        if request.guide is not None and request.guide.things:
            guidance = Guidance(request, family=family, pipe=pipe)
            request = guidance.request
        if plan.shows_sketch:
            clean = family.encoded(pipe, request)
            latents = noise.started(plan, clean=clean, drawn=drawn, course=course)
            if plan.regions:
                levels = noise.level_map(plan, request, family.grid, drawn.shape)
                course.kept = Kept(
                    clean=family.at_scheduler(pipe, clean),
                    level=family.at_scheduler(pipe, levels.expand(clean.shape)),
                )
        if seat is not None:
            latents = seat.begin(latents, functools.partial(family.at_scheduler, pipe))
            course.meet = seat.meet
            seat.share(course)
        packed = family.packed(pipe, latents)
        self._at = "model"
        with (
            course.followed_by(pipe),
            cache_hooks.cached(self.cache, pipe, course) as calls,
            guidance.worn(course) if guidance else contextlib.nullcontext(),
        ):
            made = pipe(**family.call(pipe, request, facts=facts, latents=packed))
        guided = {"guide": guidance.data()} if guidance else {}
        return Made(
            frames=_pixels(family.frames_of(made), request),
            provenance=self._provenance(request, facts, course)
            | self._means(request, calls)
            | guided,
            seconds=0.0,
            sound=family.sound_of(made),
            warnings=tuple(guidance.warnings) if guidance else (),
        )

    @contextlib.contextmanager
    def _at_work(self, request: Request) -> Generator[None]:
        """Sets the pipeline up for one clip, and back."""
        with (
            self.saving.at_work(self.pipe, request),
            attending(self.pipe, self.told.attention),
            freed(self.pipe, self.told.freeu),
            loras.worn(self.pipe, request.loras),
        ):
            yield

    def _means(self, request: Request, calls: cache_hooks.Calls | None) -> dict[str, Any]:
        """What of the settings for speed and memory this clip was filmed with."""
        told: dict[str, Any] = self.saving.data(request)
        if self.told.attention:
            told["attention"] = self.told.attention
        if self.told.freeu:
            told["freeu"] = list(self.told.freeu)
        if self.cache is not None and calls is not None:
            told["cache"] = {**self.cache.data(), "calls": calls.data()}
        if request.loras:
            told["loras"] = loras.record(request.loras)
        return told

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
