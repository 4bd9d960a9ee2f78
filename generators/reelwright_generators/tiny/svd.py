"""A tiny Stable Video Diffusion: films on from a picture, with the published schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import (
    AutoencoderKLTemporalDecoder,
)
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
    StableVideoDiffusionPipeline,
)
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

from reelwright_generators.tiny import unet
from reelwright_generators.tiny.parts import TEXT, finish, seeded

SCHEDULE: dict[str, Any] = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "steps_offset": 1,
}


def build(folder: Path) -> Path:
    """A tiny Stable Video Diffusion in `folder`."""
    encoder, extractor = unet.clip_vision(224)  # the pipeline itself makes pictures of that size
    pipe = StableVideoDiffusionPipeline(
        vae=unet.autoencoder(AutoencoderKLTemporalDecoder, block_out_channels=(32, 32, 32, 32)),
        image_encoder=encoder,
        unet=seeded(
            1,
            UNetSpatioTemporalConditionModel,
            sample_size=8,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            block_out_channels=(32, 32),
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=24,
            layers_per_block=1,
            cross_attention_dim=TEXT,
            num_attention_heads=2,
            num_frames=6,
        ),
        scheduler=EulerDiscreteScheduler(**SCHEDULE),
        feature_extractor=extractor,
    )
    return finish(pipe, folder, frames=6, steps=12)
