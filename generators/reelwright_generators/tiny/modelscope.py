"""A tiny ModelScope: a U-Net with convolutions over time, a noisy last step as published."""

from __future__ import annotations

from pathlib import Path

from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
from diffusers.pipelines.deprecated.text_to_video_synthesis.pipeline_text_to_video_synth import (
    TextToVideoSDPipeline,
)

from reelwright_generators.tiny import unet
from reelwright_generators.tiny.parts import finish, seeded

BLOCKS = {
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
}


def build(folder: Path) -> Path:
    """A tiny ModelScope in `folder`."""
    words = unet.words()
    pipe = TextToVideoSDPipeline(
        vae=unet.autoencoder(),
        text_encoder=unet.clip(words),
        tokenizer=words,
        unet=seeded(1, UNet3DConditionModel, sample_size=8, **BLOCKS, **unet.UNET),
        scheduler=unet.ddim(**unet.SCALED, set_alpha_to_one=False),
    )
    return finish(pipe, folder, frames=6, steps=unet.STEPS)
