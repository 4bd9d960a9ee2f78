"""Between frames and the latents that a model denoises: encoding, and their normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers.utils.torch_utils import get_module_execution_device

from reelwright_core.video import Frames

_WAN_CHUNK = 4
"""`AutoencoderKLWan.encode` reads one frame, then groups of this many, and drops the rest."""

_OF_PICTURES = ("AutoencoderKL", "AutoencoderKLTemporalDecoder", "AutoencoderTiny")
"""Autoencoders that encode each frame by itself."""


def normalise(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """What the VAE encodes, [batch, channels, frames, height, width], as the model sees it.

    `(z - mean) * scale / std`; an autoencoder that lacks one of them leaves it out.
    """
    mean, factor = _statistics(vae, latents)
    return (latents - mean) * factor


def denormalise(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """What the model makes, as the VAE decodes it."""
    mean, factor = _statistics(vae, latents)
    return latents / factor + mean


def _statistics(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    buffers: dict[str, Any] = dict(vae.named_buffers(recurse=False))

    def told(name: str, default: float) -> torch.Tensor:
        # LTX keeps them beside its weights, the others in their configs.
        value = buffers.get(name, vae.config.get(name))
        values = torch.as_tensor(default if value is None else value).to(like)
        return values.view(1, -1, 1, 1, 1)

    scale = vae.config.get("scaling_factor")
    shift = vae.config.get("shift_factor")
    mean = told("latents_mean", 0.0 if shift is None else float(shift))
    return mean, (1.0 if scale is None else float(scale)) / told("latents_std", 1.0)


@torch.no_grad()
def encode(vae: Any, frames: Frames) -> torch.Tensor:
    """Frames, uint8 [frames, height, width, 3], as normalised float32 latents on the CPU.

    Takes the mode of the VAE's distribution, so nothing is drawn here. Frames beyond the groups
    that a Wan VAE reads at once are padded with the last one and cut off again.
    """
    if type(vae).__name__ in _OF_PICTURES:
        return _encode_each(vae, frames)
    count, padding = len(frames), 0
    if type(vae).__name__ == "AutoencoderKLWan":
        padding = -(count - 1) % _WAN_CHUNK
    padded = np.concatenate([frames, np.repeat(frames[-1:], padding, axis=0)])
    video = _pixels(vae, padded).permute(1, 0, 2, 3)[None]
    latents = vae.encode(video).latent_dist.mode().float()
    if padding:
        latents = latents[:, :, : (count - 1) // vae.config.scale_factor_temporal + 1]
    return normalise(vae, latents).cpu()


def _encode_each(vae: Any, frames: Frames) -> torch.Tensor:
    latents = [vae.encode(_pixels(vae, frame[None])).latent_dist.mode().float() for frame in frames]
    return normalise(vae, torch.cat(latents).permute(1, 0, 2, 3)[None]).cpu()


def _pixels(vae: Any, frames: Frames) -> torch.Tensor:
    """[frames, 3, height, width] in -1..1, where the VAE works and as it is."""
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2)
    # While its weights wait in main memory, that is not where they are.
    return pixels.to(device=get_module_execution_device(vae), dtype=vae.dtype) / 127.5 - 1
