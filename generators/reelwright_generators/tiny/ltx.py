"""A tiny LTX-Video: 8 frames and 32x32 pixels to one latent, tokens in one row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXConditionPipeline

from reelwright_generators.tiny.parts import TEXT, euler, finish, seeded, t5, tokenizer

SHIFT: dict[str, Any] = {  # as LTX-Video's own: by the number of tokens, stretched to end at 0.1
    "shift": 1.0,
    "use_dynamic_shifting": True,
    "base_shift": 0.95,
    "max_shift": 2.05,
    "base_image_seq_len": 1024,
    "max_image_seq_len": 4096,
    "shift_terminal": 0.1,
}


def build(folder: Path, *, condition: bool = False, timestep: bool = False) -> Path:
    """A tiny LTX-Video in `folder`.

    `condition` makes it an `LTXConditionPipeline`, `timestep` one whose decoder denoises a last
    time, as from version 0.9.1 on.
    """
    make: Any = LTXConditionPipeline if condition else LTXPipeline
    pipe = make(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        transformer=transformer(),
        vae=autoencoder(timestep=timestep),
        scheduler=euler(1.0) if condition else euler(**SHIFT),
    )
    return finish(pipe, folder, size=(96, 64), frames=17, steps=8)


def autoencoder(*, timestep: bool = False) -> Any:
    """Four channels; statistics that are not 0 and 1, as the published ones are not."""
    import torch

    vae = seeded(
        0,
        AutoencoderKLLTXVideo,
        latent_channels=4,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        timestep_conditioning=timestep,
    )
    vae.latents_mean.copy_(torch.tensor([0.0, 0.1, 0.2, 0.3]))
    vae.latents_std.copy_(torch.tensor([0.5, 0.7, 0.9, 1.1]))
    return vae


def transformer() -> Any:
    """One layer."""
    return seeded(
        1,
        LTXVideoTransformer3DModel,
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=12,
        cross_attention_dim=24,
        num_layers=1,
        caption_channels=TEXT,
    )
