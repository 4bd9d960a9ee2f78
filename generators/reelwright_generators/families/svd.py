"""Stable Video Diffusion: films on from a picture, and knows no text."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from reelwright_generators.families.family import Published, picture_of
from reelwright_generators.families.unet import UNet
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, Facts, Request

if TYPE_CHECKING:
    import torch

_DECODED_AT_ONCE = 8
"""Frames; the pipeline would take all."""


class Svd(UNet):
    """SVD and SVD-XT; `guidance` is that of the last frame, it rises from 1 at the first."""

    name: ClassVar[str] = "svd"

    def published(self) -> Published:
        # stabilityai/stable-video-diffusion-img2vid and -xt, of 14 and 25 frames
        frames = int(self.folder.config("unet").get("num_frames", 14))
        return Published(
            size=(1024, 576), frames=frames, fps=Fraction(7), steps=25, guidance=3.0,
            noise_level=0.8,
        )  # fmt: skip

    def can(self) -> list[Capability]:
        return ["sketch", "regions", "first_frame", "seeds"]

    def needs(self) -> list[Capability]:
        return ["first_frame"]

    def check(self, request: Request) -> list[str]:
        if not request.prompt:
            return []
        return [f"{self.folder.name} films on from a picture alone: the prompt is not read"]

    def packed(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        return latents.permute(0, 2, 1, 3, 4)

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        assert request.first_frame is not None
        return {
            "image": picture_of(request.first_frame),
            "fps": max(1, round(request.fps)),
            "max_guidance_scale": facts.guidance,
            "decode_chunk_size": _DECODED_AT_ONCE,
        }


def make(folder: ModelFolder) -> Svd:
    """The family of a Stable Video Diffusion folder."""
    return Svd(folder)
