"""A tiny HunyuanVideo, SkyReels-V1 and HunyuanVideo-1.5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.guiders.classifier_free_guidance import ClassifierFreeGuidance
from diffusers.models.autoencoders.autoencoder_kl_hunyuan_video import AutoencoderKLHunyuanVideo
from diffusers.models.autoencoders.autoencoder_kl_hunyuanvideo15 import (
    AutoencoderKLHunyuanVideo15,
)
from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoTransformer3DModel
from diffusers.models.transformers.transformer_hunyuan_video15 import (
    HunyuanVideo15Transformer3DModel,
)
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_skyreels_image2video import (
    HunyuanSkyreelsImageToVideoPipeline,
)
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import HunyuanVideoPipeline
from diffusers.pipelines.hunyuan_video1_5.pipeline_hunyuan_video1_5 import HunyuanVideo15Pipeline
from transformers import (
    ByT5Tokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    LlamaConfig,
    LlamaModel,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    T5Config,
    T5EncoderModel,
)

from reelwright_generators.tiny.parts import TEXT, euler, finish, seeded, tokenizer

_CHANNELS = 4
_LAYERS = 3  # the pipelines take the text as the last layer but two has it
_SKIPPED = 108
"""Tokens that `HunyuanVideo15Pipeline` takes for those of its system message."""


def build(folder: Path, *, version: str = "1.0") -> Path:
    """A tiny HunyuanVideo in `folder`.

    `version` is `1.0` or `1.5`, or `skyreels` or `skyreels-i2v`, which lack distilled guidance.
    """
    pipe = _later() if version == "1.5" else _first(version)
    return finish(pipe, folder, steps=4 if version == "1.5" else 8)


def _first(version: str) -> Any:
    picture = version == "skyreels-i2v"
    words = tokenizer()
    read: dict[str, Any] = {"vocab_size": len(words), "hidden_size": TEXT, "intermediate_size": 32}
    kind: Any = HunyuanSkyreelsImageToVideoPipeline if picture else HunyuanVideoPipeline
    return kind(
        tokenizer=words,
        text_encoder=seeded(
            2, LlamaModel,
            config=LlamaConfig(**read, num_hidden_layers=_LAYERS, num_attention_heads=2),
        ),
        tokenizer_2=tokenizer(),
        text_encoder_2=seeded(
            3, CLIPTextModel,
            config=CLIPTextConfig(
                **read, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=77,
                pad_token_id=0, bos_token_id=1, eos_token_id=1,
            ),
        ),
        vae=seeded(
            0, AutoencoderKLHunyuanVideo,
            block_out_channels=(8, 8, 8, 8), latent_channels=_CHANNELS, layers_per_block=1,
            norm_num_groups=4,
        ),
        transformer=seeded(
            1, HunyuanVideoTransformer3DModel,
            in_channels=_CHANNELS * (2 if picture else 1), out_channels=_CHANNELS,
            num_attention_heads=2, attention_head_dim=10, num_layers=1, num_single_layers=1,
            num_refiner_layers=1, guidance_embeds=version == "1.0", text_embed_dim=TEXT,
            pooled_projection_dim=TEXT, rope_axes_dim=(2, 4, 4),
        ),
        scheduler=euler(shift=7.0),
    )  # fmt: skip


def _later() -> Any:
    words = tokenizer()
    rope: dict[str, Any] = {"rope_scaling": {"type": "default", "mrope_section": [1, 1, 2]}}
    words.chat_template = "{{ '. ' * " + str(_SKIPPED) + " }}{{ messages[-1]['content'] }}"
    return HunyuanVideo15Pipeline(
        tokenizer=words,
        text_encoder=seeded(
            2, Qwen2_5_VLTextModel,
            config=Qwen2_5_VLTextConfig(
                vocab_size=len(words), hidden_size=TEXT, intermediate_size=32,
                num_hidden_layers=_LAYERS, num_attention_heads=2, num_key_value_heads=2,
                bos_token_id=1, eos_token_id=1, pad_token_id=0, **rope,
            ),
        ),
        tokenizer_2=ByT5Tokenizer(),
        text_encoder_2=seeded(
            3, T5EncoderModel,
            config=T5Config(
                vocab_size=384, d_model=TEXT, d_kv=8, d_ff=32, num_layers=1, num_heads=2
            ),
        ),
        vae=seeded(
            0, AutoencoderKLHunyuanVideo15,
            latent_channels=_CHANNELS, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1,
        ),
        transformer=seeded(
            1, HunyuanVideo15Transformer3DModel,
            in_channels=2 * _CHANNELS + 1, out_channels=_CHANNELS, num_attention_heads=2,
            attention_head_dim=10, num_layers=1, num_refiner_layers=1, text_embed_dim=TEXT,
            text_embed_2_dim=TEXT, image_embed_dim=TEXT, rope_axes_dim=(2, 4, 4),
        ),
        scheduler=euler(shift=5.0),
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
    )  # fmt: skip
