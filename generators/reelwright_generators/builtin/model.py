"""The parts of the built-in model, and how they become a folder that diffusers loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

SPECIAL = ("<pad>", "</s>", "<unk>")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How large the model is, and what it films."""

    size: tuple[int, int] = (160, 96)
    frames: int = 17
    fps: int = 8
    codec_patch: int = 16
    channels: int = 48
    patch: tuple[int, int, int] = (1, 3, 2)
    width: int = 448
    """Clearly more than the values of a token: the velocity holds the whole noise of a token, and
    what does not fit beside the picture's features stays in the clip as grain."""
    inner: int = 896
    layers: int = 6
    heads: int = 7
    text_width: int = 256
    text_layers: int = 3
    words: int = 32
    """Tokens of a prompt: more are cut off, fewer are filled up with zeros."""
    shift: float = 2.5


def tokenizer_of(vocabulary: Sequence[str], *, words: int) -> PreTrainedTokenizerFast:
    """One token a word; what is not in `vocabulary` is `<unk>`."""
    ids = {word: i for i, word in enumerate([*SPECIAL, *vocabulary])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", ids["</s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        model_max_length=words,
    )  # fmt: skip


def transformer_of(shape: Shape) -> WanTransformer3DModel:
    return WanTransformer3DModel(
        patch_size=shape.patch,
        num_attention_heads=shape.heads,
        attention_head_dim=shape.width // shape.heads,
        in_channels=shape.channels,
        out_channels=shape.channels,
        text_dim=shape.text_width,
        freq_dim=256,
        ffn_dim=shape.inner,
        num_layers=shape.layers,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=1024,
    )


def text_encoder_of(shape: Shape, *, vocabulary: int) -> UMT5EncoderModel:
    config = UMT5Config(
        vocab_size=-(-vocabulary // 8) * 8, d_model=shape.text_width, d_kv=48,
        d_ff=shape.text_width * 2,
        num_layers=shape.text_layers, num_heads=4, dropout_rate=0.0,
        feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    return UMT5EncoderModel(config)


def embed(encoder: UMT5EncoderModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The prompt as `WanPipeline` hands it on: zeros after the last token."""
    states = encoder(ids, mask).last_hidden_state
    return states * mask[..., None]


def save(
    folder: Path,
    *,
    shape: Shape,
    tokenizer: PreTrainedTokenizerFast,
    text_encoder: UMT5EncoderModel,
    transformer: WanTransformer3DModel,
    vae: AutoencoderKLWan,
    profile: Mapping[str, Any],
    files: Mapping[str, bytes],
) -> None:
    """Writes the folder beside its place in half precision, then swaps it in."""
    fresh = folder.with_name(f".{folder.name}-new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    copies: dict[str, torch.nn.Module] = {
        "text_encoder": UMT5EncoderModel(text_encoder.config),
        "transformer": transformer_of(shape),
        "vae": cast(AutoencoderKLWan, AutoencoderKLWan.from_config(vae.config)),
    }
    whole = {"text_encoder": text_encoder, "transformer": transformer, "vae": vae}
    for name, copy in copies.items():
        copy.load_state_dict(whole[name].state_dict())
        cast(Any, copy.half()).save_pretrained(fresh / name, max_shard_size="14MB")
    tokenizer.save_pretrained(fresh / "tokenizer")
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shape.shift)
    scheduler.save_pretrained(fresh / "scheduler")
    index = {
        "_class_name": "WanPipeline",
        "_diffusers_version": "0.36.0",
        "boundary_ratio": None,
        "expand_timesteps": False,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "transformer_2": [None, None],
        "vae": ["diffusers", "AutoencoderKLWan"],
    }
    _write(fresh / "model_index.json", index)
    # transformers 5 writes the name of its own backend class, which transformers 4 does not know.
    _change(
        fresh / "tokenizer" / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast"
    )
    # Half precision is for the disk: on a CPU it is slow to compute with.
    _change(fresh / "text_encoder" / "config.json", dtype="float32")
    _write(fresh / "reelwright.json", profile)
    for name, content in files.items():
        (fresh / name).write_bytes(content)
    for file in fresh.rglob("*.safetensors"):
        file.chmod(0o644)
    _swap_in(fresh, folder)


def _swap_in(fresh: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _change(path: Path, **changes: Any) -> None:
    content = cast(dict[str, Any], json.loads(path.read_text("utf-8")))
    _write(path, content | changes)
