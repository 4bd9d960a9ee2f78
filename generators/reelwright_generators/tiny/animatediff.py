"""A tiny AnimateDiff: Stable Diffusion's parts with a motion adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.controlnets.controlnet_sparsectrl import SparseControlNetModel
from diffusers.models.unets.unet_motion_model import MotionAdapter, UNetMotionModel
from diffusers.pipelines.animatediff.pipeline_animatediff import AnimateDiffPipeline
from diffusers.pipelines.animatediff.pipeline_animatediff_controlnet import (
    AnimateDiffControlNetPipeline,
)
from diffusers.pipelines.animatediff.pipeline_animatediff_sparsectrl import (
    AnimateDiffSparseControlNetPipeline,
)
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from safetensors.torch import save_file

from reelwright_generators.tiny import unet
from reelwright_generators.tiny.parts import finish, seeded


def build(folder: Path, *, scheduler: str = "ddim", control: str | None = None) -> Path:
    """A tiny AnimateDiff in `folder`.

    `control` is `controlnet`, or `sparse` for SparseCtrl of pictures and `drawings` for that of
    scribbles.
    """
    words = unet.words()
    parts: dict[str, Any] = {
        "vae": unet.autoencoder(),
        "text_encoder": unet.clip(words),
        "tokenizer": words,
        "unet": unet.unet(),
        "motion_adapter": motion_adapter(),
        "scheduler": unet.DIFFUSION[scheduler](),
    }
    make: Any = AnimateDiffPipeline
    if control == "controlnet":
        make, parts["controlnet"] = AnimateDiffControlNetPipeline, unet.controlnet()
    elif control is not None:
        make, parts["controlnet"] = AnimateDiffSparseControlNetPipeline, sparse(control)
    return finish(make(**parts), folder, size=(64, 32), frames=8, steps=unet.STEPS)


def motion_adapter() -> Any:
    """For `unet.unet`, of clips up to 16 frames."""
    return seeded(
        6,
        MotionAdapter,
        block_out_channels=(8, 16),
        motion_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=4,
        motion_max_seq_length=16,
    )


def sparse(control: str = "sparse") -> Any:
    """A SparseCtrl for `unet.unet`, of pictures or of `drawings`."""
    return unet.answering(
        seeded(
            4,
            SparseControlNetModel,
            down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
            motion_num_attention_heads=2,
            motion_max_seq_length=16,
            use_simplified_condition_embedding=control == "sparse",
            conditioning_channels=4 if control == "sparse" else 3,
            **unet.UNET,
        )
    )


def ip_adapter(folder: Path) -> Path:
    """A tiny IP-Adapter for this AnimateDiff in `folder`: a file, and its `image_encoder`."""
    encoder, _ = unet.clip_vision()
    encoder.save_pretrained(folder / "image_encoder")
    model: Any = UNetMotionModel.from_unet2d(unet.unet(), motion_adapter())
    torch.manual_seed(7)
    width, tokens = unet.UNET["cross_attention_dim"], 4
    weights = {
        "image_proj.proj.weight": torch.randn(tokens * width, encoder.config.projection_dim),
        "image_proj.proj.bias": torch.zeros(tokens * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    seen = [
        name.removesuffix(".processor")
        for name in model.attn_processors
        if name.endswith("attn2.processor") and "motion_modules" not in name
    ]
    for n, name in enumerate(seen):  # counted as in the published files: every second attention
        like = model.get_submodule(name).to_k.weight
        for of in ("k", "v"):
            weights[f"ip_adapter.{2 * n + 1}.to_{of}_ip.weight"] = torch.randn_like(like)
    save_file(weights, folder / "ip-adapter_tiny.safetensors")
    return folder


def still(folder: Path) -> Path:
    """A tiny Stable Diffusion in `folder`: what a motion adapter is put into."""
    words = unet.words()
    make: Any = StableDiffusionPipeline
    return finish(
        make(
            vae=unet.autoencoder(),
            text_encoder=unet.clip(words),
            tokenizer=words,
            unet=unet.unet(),
            scheduler=unet.DIFFUSION["pndm"](),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ),
        folder,
        frames=8,
        steps=unet.STEPS,
    )
