"""Tiny Wans, from text and from pictures.

2.1 in its own geometry and in the built-in model's, 2.2 with two experts, and TI2V-5B.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from diffusers.pipelines.wan.pipeline_wan import WanPipeline
from diffusers.pipelines.wan.pipeline_wan_i2v import WanImageToVideoPipeline
from transformers import CLIPVisionConfig, CLIPVisionModel

from reelwright_generators.builtin import codec
from reelwright_generators.tiny.parts import FLOW, TEXT, finish, scene, seeded, tokenizer, umt5

REAL: dict[str, Any] = {  # Wan 2.1's own geometry: 8x8 pixels and 4 frames to one latent
    "base_dim": 8,
    "z_dim": 4,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
    "latents_mean": [0.0, 0.1, 0.2, 0.3],
    "latents_std": [0.5, 0.7, 0.9, 1.1],
}


TOKENS: dict[str, Any] = REAL | {  # TI2V-5B's: pixels in fours, then as above
    "z_dim": 6,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "is_residual": True,
    "scale_factor_spatial": 16,
    "latents_mean": [0.0, 0.1, 0.2, 0.3, 0.1, 0.2],
    "latents_std": [0.5, 0.7, 0.9, 1.1, 0.8, 1.2],
}


def build(
    folder: Path,
    *,
    geometry: str = "real",
    scheduler: str = "euler",
    patch: tuple[int, int, int] = (1, 2, 2),
) -> Path:
    """A tiny Wan in `folder`; `geometry` is `real` or `flat`, `scheduler` one of `FLOW`."""
    vae = autoencoder(geometry)
    pipe = WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=umt5(),
        transformer=transformer(vae.config.z_dim, patch=patch),
        vae=vae,
        scheduler=FLOW[scheduler](),
    )
    return finish(pipe, folder, steps=8)


def build_experts(folder: Path, *, pictures: bool = False, boundary: float = 0.875) -> Path:
    """A tiny Wan 2.2 A14B: two transformers, of which one takes over below σ = `boundary`."""
    vae = autoencoder()
    channels = vae.config.z_dim
    told = _seen(channels) if pictures else {}
    make: Any = WanImageToVideoPipeline if pictures else WanPipeline
    pipe = make(
        tokenizer=tokenizer(),
        text_encoder=umt5(),
        transformer=transformer(channels, **told),
        transformer_2=transformer(channels, seed=6, **told),
        vae=vae,
        scheduler=FLOW["unipc"](),
        boundary_ratio=boundary,
    )
    return finish(pipe, folder, steps=8)


def build_tokens(folder: Path, *, pictures: bool = False) -> Path:
    """A tiny Wan 2.2 TI2V-5B: 16x16 pixels to one latent, a timestep for each token."""
    # A random decoder need not show nearer latents nearer; with this seed it does.
    vae = seeded(2, AutoencoderKLWan, **TOKENS)
    make: Any = WanImageToVideoPipeline if pictures else WanPipeline
    pipe = make(
        tokenizer=tokenizer(),
        text_encoder=umt5(),
        transformer=transformer(vae.config.z_dim),
        vae=vae,
        scheduler=FLOW["unipc"](),
        expand_timesteps=True,
    )
    return finish(pipe, folder, size=(128, 64), steps=8)


def build_pictures(folder: Path, *, last: bool = False) -> Path:
    """A tiny Wan 2.1 I2V, which sees its first frame; with `last` FLF2V, which sees two."""
    from transformers import CLIPImageProcessor  # says so when it misses torchvision

    vae = autoencoder()
    side, patch = 8, 4
    clip = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=1,
        image_size=side,
        patch_size=patch,
    )
    seen = (side // patch) ** 2 + 1
    size = {"height": side, "width": side}
    pipe = WanImageToVideoPipeline(
        tokenizer=tokenizer(),
        text_encoder=umt5(),
        image_encoder=seeded(7, CLIPVisionModel, config=clip),
        image_processor=CLIPImageProcessor(size=size, crop_size=size),
        transformer=transformer(
            vae.config.z_dim,
            **_seen(vae.config.z_dim),
            image_dim=clip.hidden_size,
            added_kv_proj_dim=24,
            pos_embed_seq_len=2 * seen if last else None,
        ),
        vae=vae,
        scheduler=FLOW["unipc"](),
    )
    return finish(pipe, folder, steps=8)


def _seen(channels: int) -> dict[str, Any]:
    """Beside its own the model is given the pictures' latents, and 4 that say where they are."""
    return {"in_channels": 2 * channels + 4, "out_channels": channels}


def autoencoder(geometry: str = "real") -> Any:
    """`flat` is a real codec of the built-in model's kind, fitted to a few drawn frames."""
    if geometry == "flat":
        frames = [scene(seed=i)[0] for i in range(8)]
        return codec.fit(frames, patch=8, channels=24, whitening=0.5).autoencoder()
    return seeded(0, AutoencoderKLWan, **REAL)


def transformer(
    channels: int, *, patch: tuple[int, int, int] = (1, 2, 2), seed: int = 1, **told: Any
) -> Any:
    """One layer, for latents of so many channels; `told` goes before the tiny config."""
    config = {
        "patch_size": patch,
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": channels,
        "out_channels": channels,
        "text_dim": TEXT,
        "freq_dim": 16,
        "ffn_dim": 32,
        "num_layers": 1,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 32,
    }
    return seeded(seed, WanTransformer3DModel, **(config | told))
