"""A tiny Latte: a transformer that films one number of frames, and its noise's variance as well."""

from __future__ import annotations

from pathlib import Path

from diffusers.models.transformers.latte_transformer_3d import LatteTransformer3DModel
from diffusers.pipelines.latte.pipeline_latte import LattePipeline

from reelwright_generators.tiny import unet
from reelwright_generators.tiny.parts import TEXT, finish, seeded, t5, tokenizer


def build(folder: Path) -> Path:
    """A tiny Latte in `folder`."""
    pipe = LattePipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=unet.autoencoder(),
        transformer=seeded(
            1,
            LatteTransformer3DModel,
            sample_size=8,
            num_layers=1,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_channels=TEXT,
            in_channels=4,
            cross_attention_dim=16,
            out_channels=8,
            attention_bias=True,
            activation_fn="gelu-approximate",
            num_embeds_ada_norm=1000,
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            video_length=4,
        ),
        scheduler=unet.ddim(),
    )
    return finish(pipe, folder, frames=4, steps=unet.STEPS)
