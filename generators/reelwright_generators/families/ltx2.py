"""LTX-2: pictures and sound that are denoised together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from reelwright_generators.families.family import Published
from reelwright_generators.families.ltx import DECODE_AT, DECODE_NOISE, Ltx
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, Facts, Request, Sound

if TYPE_CHECKING:
    import torch

_SILENCE = math.log(1e-5)
"""Silence in the logarithmic spectrograms that the model's ears were taught with."""


class Ltx2(Ltx):
    """LTX-2 and its successors, text to video with sound.

    Both streams are denoised by one schedule, so both must begin at its first level. A sketch is
    silent: with it the sound begins as noised silence, where the pipeline by itself would begin
    with pure noise and tell the model that it were less.
    """

    name: ClassVar[str] = "ltx2"
    shares_attention: ClassVar[bool] = False  # what its sound would attend to is not tried

    def published(self) -> Published:
        # Lightricks/LTX-2
        return Published(size=(768, 512), frames=121, fps=Fraction(24), steps=30, guidance=3.0)

    def can(self) -> list[Capability]:
        return [*super().can(), "audio"]

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        passed: dict[str, Any] = {
            "frame_rate": float(request.fps),
            "noise_scale": 0.0,  # the latents are noised already
        }
        if not pipe.transformer.config.get("perturbed_attn"):
            # Weights before 2.3 were not taught it: it would cost a third call in each step and
            # change nothing.
            passed |= {"stg_scale": 0.0, "audio_stg_scale": 0.0}
        if request.noise.level < 1:
            passed["audio_latents"] = silence(pipe, request)
        if pipe.vae.config.timestep_conditioning:
            passed |= {"decode_timestep": DECODE_AT, "decode_noise_scale": DECODE_NOISE}
        return passed

    def sound_of(self, made: Any) -> Sound:
        rate = int(self.folder.config("vocoder").get("output_sampling_rate", 24000))
        return Sound(samples=made.audio[0].float().cpu().numpy(), rate=rate)

    def provenance(self, pipe: Any, request: Request) -> dict[str, Any]:
        return {"sound": "from noised silence" if request.noise.level < 1 else "from noise"}


def silence(pipe: Any, request: Request) -> torch.Tensor:
    """Noised silence as long as the clip, [1, channels, length, bands], as the pipeline takes it.

    It normalises what it is given, so what is to be `(1 - σ) x0 + σ ε` then is given without.
    """
    import torch
    from diffusers.utils.torch_utils import get_module_execution_device

    ears, level = pipe.audio_vae, request.noise.level
    per_second = pipe.audio_sampling_rate / pipe.audio_hop_length / ears.temporal_compression_ratio
    length = round(request.frames / float(request.fps) * per_second)
    frames = (length - 1) * ears.temporal_compression_ratio + 1
    bands = ears.config.mel_bins
    spectrogram = torch.full((1, ears.config.in_channels, frames, bands), _SILENCE)
    heard = spectrogram.to(get_module_execution_device(ears), ears.dtype)
    with torch.no_grad():
        told = ears.encode(heard).latent_dist.mode().float().cpu()
    mean, std = (value.float().cpu() for value in (ears.latents_mean, ears.latents_std))
    clean = pipe._normalize_audio_latents(pipe._pack_audio_latents(told), mean, std)
    # Another seed than that of the pictures, or sound and picture would share their noise.
    draw = torch.Generator("cpu").manual_seed(request.noise.seed + 2)
    noise = torch.randn(clean.shape, generator=draw, dtype=torch.float32)
    begun = pipe._denormalize_audio_latents((1 - level) * clean + level * noise, mean, std)
    bands = bands // pipe.audio_vae_mel_compression_ratio
    return pipe._unpack_audio_latents(begun, length, num_mel_bins=bands)


def make(folder: ModelFolder) -> Ltx2:
    """The family of an LTX-2 folder."""
    return Ltx2(folder)
