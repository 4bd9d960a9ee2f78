"""LTX-Video: tokens in one row, a schedule shifted by their number, the frame rate told."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from reelwright_generators.families.family import Family, Grid, Published, picture_of
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, Facts, Request

if TYPE_CHECKING:
    import torch

_MULTIPLE = (32, 32)
"""The pipelines take only multiples of this."""

DECODE_AT, DECODE_NOISE = 0.05, 0.025
"""Where the decoders that denoise a last time begin, and the noise added before (LTX-Video's own
advice); the pipeline's defaults of 0 leave that step out."""


class Ltx(Family):
    """LTX-Video 0.9 (2B and 13B), text to video."""

    name: ClassVar[str] = "ltx"
    kinds: ClassVar[tuple[str, ...]] = ("flow",)
    told_rate: ClassVar[bool] = True
    shares_attention: ClassVar[bool] = True

    def published(self) -> Published:
        # Lightricks/LTX-Video
        return Published(size=(704, 480), frames=161, fps=Fraction(25), steps=50, guidance=3.0)

    def make_grid(self) -> Grid:
        vae, model = self.folder.config("vae"), self.folder.config("transformer")
        temporal, spatial = compression(vae)
        patch, over_time = int(model.get("patch_size", 1)), int(model.get("patch_size_t", 1))
        return Grid(
            spatial=spatial,
            temporal=temporal,
            patch=(over_time, patch, patch),
            multiple=_MULTIPLE,
        )

    def packed(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        patch, over_time = pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size
        return pipe._pack_latents(latents, patch, over_time)

    def latent_channels(self, pipe: Any) -> int:
        return int(pipe.vae.config.latent_channels)

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        passed: dict[str, Any] = {"frame_rate": float(request.fps)}
        if pipe.vae.config.timestep_conditioning:
            passed |= {"decode_timestep": DECODE_AT, "decode_noise_scale": DECODE_NOISE}
        return passed


class LtxCondition(Ltx):
    """LTX-Video 0.9.5 and later with pictures for its first and last frame.

    Pictures are tokens of their own, which the schedule leaves as they are; so what is kept of a
    sketch cannot be told from them, and regions are refused.
    """

    name: ClassVar[str] = "ltx-condition"

    def published(self) -> Published:
        # Lightricks/LTX-Video-0.9.5
        return Published(size=(768, 512), frames=97, fps=Fraction(25), steps=40, guidance=3.0)

    def can(self) -> list[Capability]:
        return ["text", "negative_prompt", "sketch", "first_frame", "last_frame", "seeds"]

    def alone(self, request: Request) -> str | None:
        given = request.last_frame is not None
        return "its last frame stands before its others, as tokens of its own" if given else None

    def pipeline_class(self) -> Any:
        return _noised_already()

    def packed(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        return latents

    def at_scheduler(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        return super().packed(pipe, latents)

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        from diffusers.pipelines.ltx.pipeline_ltx_condition import (
            LTXVideoCondition,
            linear_quadratic_schedule,
        )

        pictures = ((request.first_frame, 0), (request.last_frame, request.frames - 1))
        conditions = [
            LTXVideoCondition(image=picture_of(picture), frame_index=frame)
            for picture, frame in pictures
            if picture is not None
        ]
        return {
            **super().arguments(pipe, request, facts),
            "conditions": conditions or None,
            # What the pipeline makes by itself, as a list: its tensor makes numpy complain.
            "timesteps": (linear_quadratic_schedule(facts.steps) * 1000).tolist(),
        }


def _noised_already() -> Any:
    """`LTXConditionPipeline`, for latents that begin as they are given.

    Its own start takes clean ones, draws the noise itself, and reaches no level between the steps
    of its schedule; at `denoise_strength` 1 it does not look at them at all.
    """
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXConditionPipeline

    class NoisedAlready(LTXConditionPipeline):
        def prepare_latents(self, *args: Any, latents: Any = None, **told: Any) -> Any:
            if latents is not None:
                told["sigma"] = latents.new_zeros(1)
            return super().prepare_latents(*args, latents=latents, **told)

    return NoisedAlready


def compression(vae: Mapping[str, Any]) -> tuple[int, int]:
    """Frames and pixels to one latent, of the config of LTX's autoencoders."""
    halvings = sum(vae.get("spatio_temporal_scaling", (True, True, True, False)))
    temporal = vae.get("temporal_compression_ratio")
    spatial = vae.get("spatial_compression_ratio")
    return (
        int(temporal or int(vae.get("patch_size_t", 1)) * 2**halvings),
        int(spatial or int(vae.get("patch_size", 4)) * 2**halvings),
    )


def make(folder: ModelFolder) -> Ltx:
    """The family of an LTX-Video folder."""
    return LtxCondition(folder) if folder.pipeline == "LTXConditionPipeline" else Ltx(folder)
