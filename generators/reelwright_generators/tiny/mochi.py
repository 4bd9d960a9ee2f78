"""A tiny Mochi."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl_mochi import AutoencoderKLMochi
from diffusers.models.transformers.transformer_mochi import MochiTransformer3DModel
from diffusers.pipelines.mochi.pipeline_mochi import MochiPipeline
from tokenizers.processors import TemplateProcessing

from reelwright_generators.tiny.parts import TEXT, euler, finish, seeded, t5, tokenizer

_CHANNELS = 12  # `MochiPipeline` denormalises no other number of them


def build(folder: Path) -> Path:
    """A tiny Mochi in `folder`."""
    pipe = MochiPipeline(
        tokenizer=_tokenizer(),
        text_encoder=t5(),
        vae=seeded(
            0,
            AutoencoderKLMochi,
            encoder_block_out_channels=(32, 32, 32, 32),
            decoder_block_out_channels=(32, 32, 32, 32),
            layers_per_block=(1, 1, 1, 1, 1),
            latent_channels=_CHANNELS,
        ),
        transformer=seeded(
            1,
            MochiTransformer3DModel,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=2,
            pooled_projection_dim=16,
            in_channels=_CHANNELS,
            text_embed_dim=TEXT,
            time_embed_dim=8,
            max_sequence_length=16,
        ),
        scheduler=euler(shift=1.0, invert_sigmas=True),
    )
    return finish(pipe, folder, frames=13, steps=8)


def _tokenizer() -> Any:
    """Ends every text, also an empty one, as T5's own does: Mochi pools over what there is."""
    words = tokenizer()
    words.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", words.eos_token_id)]
    )
    return words
