"""Tiny Wan models with random weights, in the standard folder layout, in two geometries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.video import Frames
from reelwright_generators.builtin import codec

WORDS = "a red car drives from left to right along the beach"

REAL: dict[str, Any] = {  # Wan 2.1's own geometry: 8x8 pixels and 4 frames to one latent
    "base_dim": 8,
    "z_dim": 4,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
    "latents_mean": [0.0, 0.1, 0.2, 0.3],
    "latents_std": [0.5, 0.7, 0.9, 1.1],
}
PROFILE = {
    "size": [64, 32],
    "frames": 9,
    "fps": 8,
    "steps": 8,
    "guidance": 2.0,
    "max_sequence_length": 16,
    "noise_level": 0.7,
    "licence": "Apache-2.0",
}


def _vae(geometry: str) -> Any:
    """`flat` is a real codec of the built-in model's kind, fitted to a few drawn frames."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    if geometry == "flat":
        return codec.fit(
            [scene(seed=i) for i in range(8)], patch=8, channels=24, whitening=0.5
        ).autoencoder()
    torch.manual_seed(0)
    return AutoencoderKLWan(**REAL)


def _transformer(channels: int, patch: tuple[int, int, int]) -> Any:
    import torch
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    torch.manual_seed(1)
    return WanTransformer3DModel(
        patch_size=patch,
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=channels,
        text_dim=16,
        freq_dim=16,
        ffn_dim=32,
        num_layers=1,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )


def _text() -> tuple[Any, Any]:
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

    known = {
        word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *dict.fromkeys(WORDS.split())])
    }
    words = Tokenizer(WordLevel(known, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    torch.manual_seed(2)
    config = UMT5Config(
        vocab_size=len(known), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2
    )
    return tokenizer, UMT5EncoderModel(config)


def build(
    folder: Path, geometry: str, *, scheduler: Any, patch: tuple[int, int, int] = (1, 2, 2)
) -> Path:
    """A tiny Wan of one geometry in `folder`."""
    from diffusers.pipelines.wan.pipeline_wan import WanPipeline

    tokenizer, text_encoder = _text()
    vae = _vae(geometry)
    pipe = WanPipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        transformer=_transformer(vae.config.z_dim, patch),
        vae=vae,
        scheduler=scheduler,
    )
    pipe.save_pretrained(folder)
    (folder / "reelwright.json").write_text(json.dumps(PROFILE))
    return folder


def euler(shift: float = 3.0) -> Any:
    """The scheduler of the built-in model."""
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
        FlowMatchEulerDiscreteScheduler,
    )

    return FlowMatchEulerDiscreteScheduler(shift=shift)


def unipc(shift: float = 3.0) -> Any:
    """The scheduler of Wan's own repositories."""
    from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )


SCHEDULERS: dict[str, Callable[..., Any]] = {"euler": euler, "unipc": unipc}


def scene(*, seed: int, frames: int = 9, size: tuple[int, int] = (64, 32)) -> Frames:
    """A bright square that crosses a soft background, uint8 [frames, height, width, 3]."""
    rng = np.random.default_rng(seed)
    width, height = size
    slope = np.linspace(0, 60, width)[None, :, None] + np.linspace(40, 90, height)[:, None, None]
    video = np.repeat((slope + rng.uniform(0, 60, 3))[None], frames, axis=0)
    colour, y = rng.uniform(150, 255, 3), int(rng.integers(0, height - 12))
    for f in range(frames):
        x = round(f * (width - 12) / max(frames - 1, 1))
        video[f, y : y + 12, x : x + 12] = colour
    return np.rint(video.clip(0, 255)).astype(np.uint8)


@pytest.fixture(scope="session", name="scene")
def scene_fixture() -> Callable[..., Frames]:
    """Draws a scene: see `scene`."""
    return scene


@pytest.fixture(scope="session")
def schedulers() -> dict[str, Callable[..., Any]]:
    """The flow schedulers by name; each takes its shift."""
    return SCHEDULERS


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds, once each, the tiny Wan of a geometry, a scheduler and a patch."""
    built: dict[tuple[str, str, tuple[int, int, int]], Path] = {}

    def folder(
        geometry: str = "flat", scheduler: str = "euler", patch: tuple[int, int, int] = (1, 2, 2)
    ) -> Path:
        key = (geometry, scheduler, patch)
        if key not in built:
            built[key] = build(
                tmp_path_factory.mktemp(f"{geometry}-{scheduler}"),
                geometry,
                scheduler=SCHEDULERS[scheduler](),
                patch=patch,
            )
        return built[key]

    return folder
