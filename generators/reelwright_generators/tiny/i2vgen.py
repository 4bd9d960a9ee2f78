"""A tiny I2VGen-XL: films on from a picture, as a text says."""

from __future__ import annotations

from pathlib import Path

from diffusers.models.unets.unet_i2vgen_xl import I2VGenXLUNet
from diffusers.pipelines.deprecated.i2vgen_xl.pipeline_i2vgen_xl import I2VGenXLPipeline

from reelwright_generators.tiny import unet
from reelwright_generators.tiny.modelscope import BLOCKS
from reelwright_generators.tiny.parts import finish, seeded


def build(folder: Path) -> Path:
    """A tiny I2VGen-XL in `folder`."""
    words = unet.words()
    encoder, extractor = unet.clip_vision()
    pipe = I2VGenXLPipeline(
        vae=unet.autoencoder(),
        text_encoder=unet.clip(words),
        tokenizer=words,
        image_encoder=encoder,
        feature_extractor=extractor,
        unet=seeded(1, I2VGenXLUNet, sample_size=8, **BLOCKS, **unet.UNET),
        scheduler=unet.ddim(**unet.SCALED),
    )
    return finish(pipe, folder, frames=6, steps=unet.STEPS)
