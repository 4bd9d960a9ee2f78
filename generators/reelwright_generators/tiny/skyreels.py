"""Tiny SkyReels-V2: text to video, and diffusion forcing with a timestep for each frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.transformers.transformer_skyreels_v2 import SkyReelsV2Transformer3DModel
from diffusers.pipelines.skyreels_v2.pipeline_skyreels_v2 import SkyReelsV2Pipeline
from diffusers.pipelines.skyreels_v2.pipeline_skyreels_v2_diffusion_forcing import (
    SkyReelsV2DiffusionForcingPipeline,
)

from reelwright_generators.tiny.parts import FLOW, TEXT, finish, seeded, tokenizer, umt5
from reelwright_generators.tiny.wan import autoencoder


def build(folder: Path, *, forcing: bool = False, scheduler: str = "unipc") -> Path:
    """A tiny SkyReels-V2 in `folder`; with `forcing` one of diffusion forcing."""
    make: Any = SkyReelsV2DiffusionForcingPipeline if forcing else SkyReelsV2Pipeline
    vae = autoencoder()
    pipe = make(
        tokenizer=tokenizer(),
        text_encoder=umt5(),
        transformer=transformer(vae.config.z_dim, forcing=forcing),
        vae=vae,
        scheduler=FLOW[scheduler](8.0),
    )
    return finish(pipe, folder, frames=17, steps=8)


def transformer(channels: int, *, forcing: bool) -> Any:
    """One layer."""
    return seeded(
        1,
        SkyReelsV2Transformer3DModel,
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=channels,
        text_dim=TEXT,
        freq_dim=16,
        ffn_dim=32,
        num_layers=1,
        rope_max_seq_len=32,
        inject_sample_info=forcing,
    )
