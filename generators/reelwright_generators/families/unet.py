"""What the families that descend from Stable Diffusion have in common: a U-Net, 8x8 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from reelwright_core.takes import Guide
from reelwright_generators.families.family import Family, Grid
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Facts, Request

if TYPE_CHECKING:
    import torch

LVD = Guide(
    by="boxes", scale=5.0, threshold=200.0, iterations=5, steps=0.25, top=(0.75, 0.75),
    weights=(1.0, 4.0),
)  # fmt: skip
"""The preset of LLM-grounded Video Diffusion (arXiv 2309.17444): 10 of 40 steps."""

_MOST_PIXELS = 8192
"""Of a side: a U-Net itself knows no end."""


class UNet(Family):
    """Pictures encoded one by one, and steps of DDIM, DPM++ or Euler."""

    kinds: ClassVar[tuple[str, ...]] = ("variance preserving", "variance exploding")

    def make_grid(self) -> Grid:
        vae = self.folder.config("vae")
        most = self.most_frames()
        return Grid(
            spatial=2 ** (len(vae["block_out_channels"]) - 1),
            multiple=(8, 8),
            longest=None if most is None else (most, _MOST_PIXELS),
        )

    def most_frames(self) -> int | None:
        """The longest clip that the U-Net's attention over time reaches, if there is an end."""
        return None

    def side(self, default: int) -> int:
        """The side in pixels of the pictures that the U-Net was trained on."""
        told = self.folder.config("unet").get("sample_size")
        vae = self.folder.config("vae")
        return (
            told * 2 ** (len(vae["block_out_channels"]) - 1) if isinstance(told, int) else default
        )

    def latent_channels(self, pipe: Any) -> int:
        return int(pipe.vae.config.latent_channels)

    def call(
        self, pipe: Any, request: Request, *, facts: Facts, latents: torch.Tensor
    ) -> dict[str, Any]:
        # These pipelines hand latents to the U-Net in the type in which they were given.
        return super().call(pipe, request, facts=facts, latents=latents.to(pipe.unet.dtype))


def frame_by_frame(latents: torch.Tensor) -> torch.Tensor:
    """[1, channels, frames, height, width] as [frames, channels, height, width]."""
    return latents.permute(0, 2, 1, 3, 4).flatten(0, 1)


def is_named(folder: ModelFolder, part: str, *signs: str) -> bool:
    """Whether one of `signs` is in the name of a part: of its source, or of what it was made of."""
    made_of = str(folder.config(part).get("_name_or_path", ""))
    name = f"{folder.sources.get(part, '')} {made_of}".lower()
    return any(sign in name for sign in signs)
