"""Parts of the tiny models that descend from Stable Diffusion: CLIP, its autoencoder, schedulers.

Schedulers are those of the published models: their betas, and what they predict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_lcm import LCMScheduler
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from reelwright_generators.tiny.parts import TEXT, seeded, tokenizer

TOKENS = 16
"""How many tokens of a prompt are read."""

STEPS = 16
"""Whole steps that lie within .02 of the levels .3, .4, .8 and .9, with `LINEAR` betas and with
`SCALED` ones."""

LINEAR: dict[str, Any] = {
    "beta_schedule": "linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}
SCALED: dict[str, Any] = {**LINEAR, "beta_schedule": "scaled_linear"}


def words() -> Any:
    """The tokenizer, of prompts as long as `clip` reads them."""
    made = tokenizer()
    made.model_max_length = TOKENS
    return made


def clip(words: Any) -> Any:
    """A CLIP text encoder for `words`."""
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=TEXT,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    return seeded(2, CLIPTextModel, config=config)


def clip_vision(pixels: int = 32) -> tuple[Any, Any]:
    """A CLIP picture encoder and the processor before it, of pictures of so many pixels."""
    config = CLIPVisionConfig(
        hidden_size=TEXT,
        intermediate_size=32,
        projection_dim=TEXT,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=pixels,
        patch_size=pixels // 4,
    )
    size: Any = {"height": pixels, "width": pixels}
    return (
        seeded(3, CLIPVisionModelWithProjection, config=config),
        CLIPImageProcessor(size={"shortest_edge": pixels}, crop_size=size),
    )


def autoencoder(make: Any = AutoencoderKL, **config: Any) -> Any:
    """Stable Diffusion's own shape: 8x8 pixels to one latent of four channels."""
    told: dict[str, Any] = {
        "block_out_channels": (8, 8, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "latent_channels": 4,
        **config,
    }
    if make is AutoencoderKL:
        told |= {"up_block_types": ("UpDecoderBlock2D",) * 4, "norm_num_groups": 4}
    return seeded(0, make, **told)


UNET: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "cross_attention_dim": TEXT,
    "attention_head_dim": 4,
    "norm_num_groups": 4,
}
"""One halving, attention in both halves."""


def unet() -> Any:
    """A U-Net of pictures, as Stable Diffusion has."""
    return seeded(
        1,
        UNet2DConditionModel,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        sample_size=8,
        **UNET,
    )


def controlnet() -> Any:
    """A ControlNet for `unet`; it answers something, as an untrained one does not."""
    return answering(
        seeded(
            4,
            ControlNetModel,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            conditioning_embedding_out_channels=(4, 4, 8, 8),
            **UNET,
        )
    )


def answering(net: Any) -> Any:
    """With random numbers where a ControlNet begins at zero."""
    import torch

    torch.manual_seed(5)
    for name, parameter in net.named_parameters():
        if "controlnet_" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return net


def ddim(**config: Any) -> Any:
    """The scheduler that AnimateDiff is used with."""
    told: dict[str, Any] = {**LINEAR, "clip_sample": False, **config}
    return DDIMScheduler(**told)


DIFFUSION: dict[str, Callable[..., Any]] = {
    "ddim": ddim,
    "dpm": lambda: DPMSolverMultistepScheduler(**LINEAR),
    "euler": lambda: EulerDiscreteScheduler(**LINEAR),
    "lcm": lambda: LCMScheduler(**LINEAR, clip_sample=False),
    "pndm": lambda: PNDMScheduler(**LINEAR, skip_prk_steps=True),
}
"""The schedulers of such models by name."""
