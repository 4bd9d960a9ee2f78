"""A tiny AnimateDiff: Stable Diffusion's parts with a motion adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.controlnets.controlnet_sparsectrl import SparseControlNetModel
from diffusers.models.unets.unet_motion_model import MotionAdapter
from diffusers.pipelines.animatediff.pipeline_animatediff import AnimateDiffPipeline
from diffusers.pipelines.animatediff.pipeline_animatediff_controlnet import (
    AnimateDiffControlNetPipeline,
)
from diffusers.pipelines.animatediff.pipeline_animatediff_sparsectrl import (
    AnimateDiffSparseControlNetPipeline,
)

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
