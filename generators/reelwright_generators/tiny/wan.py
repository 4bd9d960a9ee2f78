"""A tiny Wan, in two geometries: Wan's own, and the built-in model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from diffusers.pipelines.wan.pipeline_wan import WanPipeline

from reelwright_generators.builtin import codec
from reelwright_generators.tiny.parts import FLOW, TEXT, finish, scene, seeded, tokenizer, umt5

REAL: dict[str, Any] = {  # Wan 2.1's own geometry: 8x8 pixels and 4 frames to one latent
    "base_dim": 8,
    "z_dim": 4,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
    "latents_mean": [0.0, 0.1, 0.2, 0.3],
    "latents_std": [0.5, 0.7, 0.9, 1.1],
}


def build(
    folder: Path,
    *,
    geometry: str = "real",
    scheduler: str = "euler",
    patch: tuple[int, int, int] = (1, 2, 2),
) -> Path:
    """A tiny Wan in `folder`; `geometry` is `real` or `flat`, `scheduler` one of `FLOW`."""
    vae = autoencoder(geometry)
    pipe = WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=umt5(),
        transformer=transformer(vae.config.z_dim, patch=patch),
        vae=vae,
        scheduler=FLOW[scheduler](),
    )
    return finish(pipe, folder, steps=8)


def autoencoder(geometry: str = "real") -> Any:
    """`flat` is a real codec of the built-in model's kind, fitted to a few drawn frames."""
    if geometry == "flat":
        frames = [scene(seed=i)[0] for i in range(8)]
        return codec.fit(frames, patch=8, channels=24, whitening=0.5).autoencoder()
    return seeded(0, AutoencoderKLWan, **REAL)


def transformer(channels: int, *, patch: tuple[int, int, int] = (1, 2, 2), **told: Any) -> Any:
    """One layer, for latents of so many channels; `told` goes before the tiny config."""
    config = {
        "patch_size": patch,
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": channels,
        "out_channels": channels,
        "text_dim": TEXT,
        "freq_dim": 16,
        "ffn_dim": 32,
        "num_layers": 1,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 32,
    }
    return seeded(1, WanTransformer3DModel, **(config | told))
