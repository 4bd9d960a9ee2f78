"""A tiny CogVideoX: 2B, 5B, 1.5, their image-to-video models, and Fun control ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel
from diffusers.pipelines.cogvideo.pipeline_cogvideox import CogVideoXPipeline
from diffusers.pipelines.cogvideo.pipeline_cogvideox_fun_control import CogVideoXFunControlPipeline
from diffusers.pipelines.cogvideo.pipeline_cogvideox_image2video import (
    CogVideoXImageToVideoPipeline,
)
from diffusers.schedulers.scheduling_ddim_cogvideox import CogVideoXDDIMScheduler
from diffusers.schedulers.scheduling_dpm_cogvideox import CogVideoXDPMScheduler

from reelwright_generators.tiny.parts import TEXT, finish, seeded, t5, tokenizer

_CHANNELS = 4
_PIPELINES: dict[str, Any] = {
    "text": CogVideoXPipeline,
    "picture": CogVideoXImageToVideoPipeline,
    "control": CogVideoXFunControlPipeline,
}


def build(
    folder: Path, *, version: str = "5B", by: str = "text", scheduler: str | None = None
) -> Path:
    """A tiny CogVideoX in `folder`.

    `version` is `2B`, `5B` or `1.5`; `by` is `text`, `picture` or `control`; `scheduler` is `ddim`
    or `dpm`, by default that of the published model.
    """
    kind = {"ddim": CogVideoXDDIMScheduler, "dpm": CogVideoXDPMScheduler}
    stock = "ddim" if version == "2B" or by == "control" else "dpm"
    pipe = _PIPELINES[by](
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=_vae(version, inverted=version == "1.5" and by == "picture"),
        transformer=_transformer(version, by),
        scheduler=kind[scheduler or stock](
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            set_alpha_to_one=True,
            snr_shift_scale=3.0 if version == "2B" else 1.0,
            clip_sample=False,
        ),
    )
    # Steps that have the levels .3 and .9, and that 1000 timesteps are whole multiples of.
    return finish(pipe, folder, steps=20 if version == "2B" else 25)


def _vae(version: str, *, inverted: bool) -> Any:
    return seeded(
        0,
        AutoencoderKLCogVideoX,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=_CHANNELS,
        layers_per_block=1,
        norm_num_groups=2,
        scaling_factor=1.15258426 if version == "2B" else 0.7,
        invert_scale_latents=inverted,
    )


def _transformer(version: str, by: str) -> Any:
    pairs = version == "1.5"
    return seeded(
        1,
        CogVideoXTransformer3DModel,
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=_CHANNELS * (1 if by == "text" else 2),
        out_channels=_CHANNELS,
        time_embed_dim=8,
        text_embed_dim=TEXT,
        num_layers=1,
        sample_width=8,
        sample_height=4,
        sample_frames=9,
        patch_size_t=2 if pairs else None,
        patch_bias=not pairs,
        max_text_seq_length=16,
        use_rotary_positional_embeddings=version != "2B",
        use_learned_positional_embeddings=version == "5B" and by == "picture",
        ofs_embed_dim=8 if pairs and by == "picture" else None,
    )
