"""A tiny Wan VACE: a Wan whose every layer is told what a control video shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from diffusers.models.transformers.transformer_wan_vace import WanVACETransformer3DModel
from diffusers.pipelines.wan.pipeline_wan_vace import WanVACEPipeline

from reelwright_generators.tiny.parts import FLOW, TEXT, finish, seeded, tokenizer, umt5
from reelwright_generators.tiny.wan import autoencoder


def build(folder: Path, *, experts: bool = False, scheduler: str = "unipc") -> Path:
    """A tiny Wan VACE in `folder`, of one transformer or of two."""
    vae, make = autoencoder(), cast(Any, WanVACEPipeline)
    pipe = make(
        tokenizer=tokenizer(),
        text_encoder=umt5(),
        transformer=transformer(vae.config.z_dim),
        transformer_2=transformer(vae.config.z_dim, seed=6) if experts else None,
        vae=vae,
        scheduler=FLOW[scheduler](),
        boundary_ratio=0.875 if experts else None,
    )
    return finish(pipe, folder, steps=8)


def transformer(channels: int, *, seed: int = 4) -> Any:
    """Two layers; beside the latents of what is kept and filmed it is given the mask's 8x8.

    A random decoder need not show nearer latents nearer; with this seed it does.
    """
    return seeded(
        seed,
        WanVACETransformer3DModel,
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=channels,
        text_dim=TEXT,
        freq_dim=16,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
        vace_layers=[0, 1],
        vace_in_channels=2 * channels + 64,
    )
