"""ModelScope and Zeroscope: a U-Net whose pipeline steps its scheduler frame by frame."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from reelwright_core.takes import Guide
from reelwright_generators.families.family import Published
from reelwright_generators.families.unet import LVD, UNet, frame_by_frame
from reelwright_generators.folder import ModelFolder

if TYPE_CHECKING:
    import torch


class ModelScope(UNet):
    """Text to video in any size and length; its pipeline is one that diffusers keeps as it was."""

    name: ClassVar[str] = "modelscope"

    def published(self) -> Published:
        size, frames = (256, 256), 16  # damo-vilab/text-to-video-ms-1.7b
        if "zeroscope" in self.folder.name.lower():
            # cerspense/zeroscope_v2_576w, cerspense/zeroscope_v2_XL
            size, frames = (1024, 576) if "xl" in self.folder.name.lower() else (576, 320), 24
        return Published(
            size=size, frames=frames, fps=Fraction(8), steps=25, guidance=9.0, noise_level=0.8
        )

    def guide(self) -> Guide | None:
        # LVD's presets of its demos, of 256x256 and 576x320 pixels.
        told: dict[str, Any] = {"iterations": 1, "top": (0.25, 0.25), "weights": (1.0, 2.0)}
        threshold = 350.0 if "zeroscope" in self.folder.name.lower() else 250.0
        return LVD.model_copy(update={**told, "scale": 2.5, "threshold": threshold})

    def at_scheduler(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        return frame_by_frame(latents)

    def at_model(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        return latents


def make(folder: ModelFolder) -> ModelScope:
    """The family of a ModelScope folder."""
    return ModelScope(folder)
