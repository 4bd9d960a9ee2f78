"""A tiny Sana-Video: linear attention, Wan's autoencoder, a language model for text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.transformers.transformer_sana_video import SanaVideoTransformer3DModel
from diffusers.pipelines.sana_video.pipeline_sana_video import SanaVideoPipeline
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from transformers import Gemma2Config, Gemma2Model

from reelwright_generators.tiny import wan
from reelwright_generators.tiny.parts import TEXT, finish, seeded, tokenizer


def build(folder: Path) -> Path:
    """A tiny Sana-Video in `folder`."""
    words = tokenizer()
    gemma: Any = Gemma2Config(
        vocab_size=len(words),
        hidden_size=TEXT,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=0,
    )
    vae = wan.autoencoder()
    pipe = SanaVideoPipeline(
        tokenizer=words,
        text_encoder=seeded(2, Gemma2Model, config=gemma),
        vae=vae,
        transformer=seeded(
            1,
            SanaVideoTransformer3DModel,
            in_channels=vae.config.z_dim,
            out_channels=vae.config.z_dim,
            num_attention_heads=2,
            attention_head_dim=12,
            num_layers=1,
            num_cross_attention_heads=2,
            cross_attention_head_dim=12,
            cross_attention_dim=24,
            caption_channels=TEXT,
            sample_size=8,
            patch_size=(1, 2, 2),
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        ),
        scheduler=DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    )
    return finish(pipe, folder, steps=8)
