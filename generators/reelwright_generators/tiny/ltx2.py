"""A tiny LTX-2: pictures and sound out of one transformer, read by a Gemma of one layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_ltx2_audio import AutoencoderKLLTX2Audio
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.pipeline_ltx2 import LTX2Pipeline
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

from reelwright_generators.tiny.ltx import SHIFT
from reelwright_generators.tiny.parts import TEXT, euler, finish, seeded, tokenizer

MEL = 8
"""Bands of the tiny spectrograms."""


def build(folder: Path) -> Path:
    """A tiny LTX-2 in `folder`."""
    words = tokenizer()
    pipe = LTX2Pipeline(
        scheduler=euler(**SHIFT),
        vae=autoencoder(),
        audio_vae=ears(),
        text_encoder=gemma(len(words)),
        tokenizer=words,
        connectors=connectors(),
        transformer=transformer(),
        vocoder=vocoder(),
    )
    return finish(pipe, folder, size=(96, 64), frames=17, steps=8)


def autoencoder() -> Any:
    """8 frames and 32x32 pixels to one latent, four channels."""
    import torch

    vae = seeded(
        10,  # a random decoder need not show nearer latents nearer; with this seed it does
        AutoencoderKLLTX2Video,
        latent_channels=4,
        block_out_channels=(4, 8, 16, 32),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    vae.latents_mean.copy_(torch.tensor([0.0, 0.1, 0.2, 0.3]))
    vae.latents_std.copy_(torch.tensor([0.5, 0.7, 0.9, 1.1]))
    return vae


def ears() -> Any:
    """The autoencoder of sound: stereo, 4 frames of the spectrogram and 4 bands to one latent."""
    import torch

    vae = seeded(
        3,
        AutoencoderKLLTX2Audio,
        base_channels=4,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        resolution=32,
        latent_channels=2,
        mel_bins=MEL,
    )
    vae.latents_mean.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    vae.latents_std.copy_(torch.tensor([0.8, 0.9, 1.1, 1.2]))
    return vae


def gemma(words: int) -> Any:
    """The language part of a Gemma 3; what it sees with is as small as may be."""
    text = {
        "vocab_size": words,
        "hidden_size": TEXT,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }
    vision = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": 8,
        "patch_size": 4,
    }
    return seeded(
        2,
        Gemma3ForConditionalGeneration,
        config=Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=1),
    )


def connectors() -> Any:
    """From what Gemma says in all its layers to what the transformer reads."""
    return seeded(
        4,
        LTX2TextConnectors,
        caption_channels=TEXT,
        text_proj_in_factor=2,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=32,
        rope_double_precision=False,
        rope_type="split",
    )


def transformer() -> Any:
    """One layer."""
    return seeded(
        1,
        LTX2VideoTransformer3DModel,
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=1,
        caption_channels=TEXT,
        rope_double_precision=False,
        rope_type="split",
    )


def vocoder() -> Any:
    """Makes 160 samples of each frame of a spectrogram."""
    return seeded(
        5,
        LTX2Vocoder,
        in_channels=2 * MEL,
        hidden_channels=16,
        upsample_kernel_sizes=[16, 20],
        upsample_factors=[10, 16],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1]],
        output_sampling_rate=16000,
    )
