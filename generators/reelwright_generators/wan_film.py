"""A loaded Wan pipeline: latents in, frames out; the part of the family that needs torch."""

from __future__ import annotations

import contextlib
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.wan.pipeline_wan import WanPipeline

from reelwright_core.errors import GeneratorError
from reelwright_core.video import Frames
from reelwright_generators import noise
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Facts, Made, OnStep, Request
from reelwright_generators.loading import (
    device_of,
    dtype_of,
    failures_told,
    filming_told,
    pinned,
    quiet,
    refuse_unfilled,
    text_encoder,
    threads_for,
)


class WanFilm:
    """One pipeline on one device; not for two threads at a time."""

    def __init__(self, folder: ModelFolder, *, device: str, dtype: str) -> None:
        self.device = device_of(device)
        self.dtype = dtype_of(dtype, self.device)
        self.pipe = _load(folder, self.device, self.dtype)
        self.threads = threads_for(self.pipe.transformer or self.pipe.transformer_2)
        """CPU threads of every clip: sums in another order could change its last bits."""

    def film(
        self, request: Request, *, facts: Facts, max_sequence_length: int, on_step: OnStep | None
    ) -> Made:
        """Films a request that has been checked."""
        started = time.monotonic()
        with pinned(self.threads), quiet(), filming_told():
            latents, sigmas = self._start(request, facts.steps)
            steps = len(sigmas)

            def stepped(
                pipe: Any, step: int, timestep: Any, values: dict[str, Any]
            ) -> dict[str, Any]:
                if on_step is not None:
                    on_step(step + 1, steps)
                return {}

            tail = sigmas if request.noise.level < 1 else None
            with self._scheduled(tail):
                made = self.pipe(
                    prompt=request.prompt,
                    negative_prompt=request.negative_prompt or None,
                    width=request.size[0],
                    height=request.size[1],
                    num_frames=self._asked(request.frames),
                    num_inference_steps=steps,
                    guidance_scale=facts.guidance,
                    latents=latents,
                    output_type="np",
                    callback_on_step_end=stepped,
                    max_sequence_length=max_sequence_length,
                )
        return Made(
            frames=_pixels(made.frames[0], request),
            provenance=self._provenance(request, facts, sigmas),
            seconds=time.monotonic() - started,
        )

    def _start(self, request: Request, steps: int) -> tuple[torch.Tensor, list[float]]:
        """The first latents, float32 [1, channels, frames, height, width], and σ of each step."""
        vae = self.pipe.vae
        level, seed = request.noise.level, request.noise.seed
        if level < 1 and request.sketch is not None:
            clean = noise.encode(vae, request.sketch)
            sigmas = noise.tail(self.pipe.scheduler, level=level, steps=steps)
            return noise.mix(clean, noise.draw(clean.shape, seed), sigmas[0]), sigmas
        noise.flow_shift(self.pipe.scheduler)
        width, height = request.size
        spatial = vae.config.scale_factor_spatial
        shape = (
            1,
            vae.config.z_dim,
            (request.frames - 1) // vae.config.scale_factor_temporal + 1,
            height // spatial,
            width // spatial,
        )
        return noise.draw(shape, seed), noise.stock_sigmas(self.pipe.scheduler, steps)

    def _scheduled(self, sigmas: list[float] | None) -> contextlib.AbstractContextManager[None]:
        if sigmas is None:
            return contextlib.nullcontext()
        return noise.starting_from(self.pipe, sigmas)

    def _asked(self, frames: int) -> int:
        """What the pipeline must be asked for to film `frames` frames.

        With a VAE that does not shorten time, it takes every count as unfit, and adds one.
        """
        return frames - 1 if self.pipe.vae_scale_factor_temporal == 1 else frames

    def _provenance(self, request: Request, facts: Facts, sigmas: list[float]) -> dict[str, Any]:
        return {
            "model": facts.name,
            "family": facts.family,
            "sha256": facts.sha256,
            "revision": facts.revision,
            "scheduler": type(self.pipe.scheduler).__name__,
            "steps": len(sigmas),
            "guidance": facts.guidance,
            "seed": request.noise.seed,
            "noise": {
                "asked": request.noise.level,
                "reached": round(sigmas[0], 6),
                "sigmas": [round(sigma, 6) for sigma in sigmas],
            },
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            "threads": self.threads,
            "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
        }


def _load(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> Any:
    # The VAE stays in float32 (Wan's own advice); the text encoder overflows in float16.
    text = torch.float32 if dtype is torch.float16 else dtype
    dtypes: Any = {"default": dtype, "vae": torch.float32}
    with quiet(), failures_told(folder):
        pipe = WanPipeline.from_pretrained(
            folder.path,
            text_encoder=text_encoder(folder, text),
            dtype=dtypes,
            use_safetensors=True,
            local_files_only=True,
        )
        noise.flow_shift(pipe.scheduler)
        for part in folder.parts:
            refuse_unfilled(part, getattr(pipe, part))
        pipe.set_progress_bar_config(disable=True)
        return pipe.to(device)


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
