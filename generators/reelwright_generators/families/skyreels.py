"""SkyReels-V2: a Wan, and its kin that denoises every latent frame by a schedule of its own."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from reelwright_core.errors import ModelError
from reelwright_generators.families.family import Published
from reelwright_generators.families.wan import Wan
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Facts, Request

if TYPE_CHECKING:
    import torch

_OVERLAP = 17
"""Frames that a later part of a long clip sees of the one before: SkyReels' own advice."""

_SOFTENED = 20
"""Timestep to which these are noised for the model, which smooths the seam: the same."""


class SkyReels(Wan):
    """SkyReels-V2 T2V 14B, 540P and 720P."""

    name: ClassVar[str] = "skyreels"

    def published(self) -> Published:
        # Skywork/SkyReels-V2-T2V-14B-540P-Diffusers
        return Published(size=(960, 544), frames=97, fps=Fraction(24), steps=50, guidance=6.0)


class SkyReelsForcing(SkyReels):
    """SkyReels-V2 DF 1.3B and 14B (diffusion forcing).

    All frames are denoised together. A clip longer than the model's is made of parts, each
    beginning with the end of the one before, which is clean already.
    """

    name: ClassVar[str] = "skyreels-forcing"

    def check(self, request: Request) -> list[str]:
        parts = self.by_frame(request)
        if parts > 1 and request.noise.regions:
            raise ModelError(
                f"{self.folder.name} films {request.frames} frames in {parts} parts, which see "
                f"each other's ends clean: film at most {self._base} frames, or leave out the "
                "plan's `regions`"
            )
        return super().check(request)

    @property
    def _base(self) -> int:
        """Frames that the model films at once."""
        return self.grid.frames(self.folder.profile.frames or self.published().frames)

    @property
    def _overlap(self) -> int:
        half = (self._base - 1) // 2 // self.grid.temporal * self.grid.temporal + 1
        return min(_OVERLAP, half)

    def alone(self, request: Request) -> str | None:
        return "each of its latent frames has a schedule of its own"

    def by_frame(self, request: Request) -> int:
        whole, base, overlap = (
            self.grid.latent_frames(frames)
            for frames in (self.grid.frames(request.frames), self._base, self._overlap)
        )
        return 1 + -(-max(0, whole - base) // (base - overlap))

    def pipeline_class(self) -> Any:
        return _noised_already()

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        passed = {
            **super().arguments(pipe, request, facts),
            "fps": round(request.fps),
            "base_num_frames": self._base,
        }
        if request.frames > self._base:
            passed |= {"overlap_history": self._overlap, "addnoise_condition": _SOFTENED}
        return passed

    def provenance(self, pipe: Any, request: Request) -> dict[str, Any]:
        parts = self.by_frame(request)
        if parts == 1:
            return {}
        return {"parts": {"count": parts, "frames": self._base, "overlap": self._overlap}}


def _noised_already() -> Any:
    """The diffusion forcing pipeline, for latents of the whole clip that begin as they are given.

    Its own `prepare_latents` cannot be given any (it returns them without the three values that
    it is to return beside them), and would draw those of later parts itself.
    """
    from diffusers.pipelines.skyreels_v2.pipeline_skyreels_v2_diffusion_forcing import (
        SkyReelsV2DiffusionForcingPipeline,
    )

    class NoisedAlready(SkyReelsV2DiffusionForcingPipeline):
        def prepare_latents(self, *args: Any, **told: Any) -> Any:
            *shape, given = args
            if given is not None:
                self._given: torch.Tensor = given
            prepare: Any = super().prepare_latents
            drawn, frames, prefix, prefixed = prepare(*shape, None, **told)
            begin = 0
            if told["long_video_iter"]:
                step = told["base_latent_num_frames"] - told["overlap_history_latent_frames"]
                begin = told["long_video_iter"] * step
            own = self._given[:, :, begin : begin + frames].to(drawn, copy=True)
            return own, frames, prefix, prefixed

    return NoisedAlready


def make(folder: ModelFolder) -> SkyReels:
    """The family of a SkyReels-V2 folder."""
    if folder.pipeline == "SkyReelsV2Pipeline":
        return SkyReels(folder)
    scheduler = folder.parts.get("scheduler", "")
    if scheduler.startswith("FlowMatch"):
        raise ModelError(
            f"{folder.name} denoises by whole timesteps, which the scheduler {scheduler} does not "
            "take; give it a UniPCMultistepScheduler, as SkyReels-V2 has"
        )
    return SkyReelsForcing(folder)
