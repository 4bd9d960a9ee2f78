"""CogVideoX: 2B, 5B and 1.5, from text, from a first picture, or along a control video (Fun)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from reelwright_core.errors import ModelError
from reelwright_generators.families.family import Family, FromPicture, Grid, Published, picture_of
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, ControlKind, Facts, Request

if TYPE_CHECKING:
    import torch

_CONTROLS: list[ControlKind] = ["depth", "edges", "pose"]
"""What the published Fun control models were taught to follow; a picture in colour is none."""


class CogVideoX(Family):
    """CogVideoX-2B, CogVideoX-5B and CogVideoX1.5-5B, from text.

    Dynamic guidance stays off: diffusers reckons it from whole timesteps as if they were steps,
    so it swings up and down, and swings otherwise in a run that starts late.
    """

    name: ClassVar[str] = "cogvideox"
    kinds: ClassVar[tuple[str, ...]] = ("variance preserving",)
    shares_attention: ClassVar[bool] = True

    def published(self) -> Published:
        if self._taller_patches:  # CogVideoX1.5-5B
            return Published(size=(1360, 768), frames=81, fps=Fraction(16), steps=50, guidance=6.0)
        return Published(size=(720, 480), frames=49, fps=Fraction(8), steps=50, guidance=6.0)

    def make_grid(self) -> Grid:
        vae, model = self.folder.config("vae"), self.folder.config(self.denoiser())
        patch, only = int(model.get("patch_size", 2)), None
        if model.get("use_learned_positional_embeddings"):
            only = int(model.get("sample_frames", 49))
        return Grid(
            spatial=2 ** (len(vae.get("block_out_channels", [1] * 4)) - 1),
            temporal=int(vae.get("temporal_compression_ratio", 4)),
            patch=(int(model.get("patch_size_t") or 1), patch, patch),
            front=True,
            group=2,  # an even count of latents comes out of the decoder with frames too many
            only=only,
        )

    @property
    def _taller_patches(self) -> bool:
        return bool(self.folder.config(self.denoiser()).get("patch_size_t"))

    def check(self, request: Request) -> list[str]:
        model, cell = self.folder.config(self.denoiser()), self.grid.spatial
        taught = (int(model["sample_width"]) * cell, int(model["sample_height"]) * cell)
        size = self.grid.size(request.size)
        if model.get("use_learned_positional_embeddings") and size != taught:
            raise ModelError(
                f"{self.folder.name} learned its positions for {taught[0]}x{taught[1]} alone, "
                f"got {request.size[0]}x{request.size[1]}; ask for that size"
            )
        if self._taller_patches and (size[0] > taught[0] or size[1] > taught[1]):
            raise ModelError(
                f"{self.folder.name} reaches {taught[0]}x{taught[1]} pixels at most, "
                f"got {request.size[0]}x{request.size[1]}; ask for a smaller size"
            )
        return []

    def encoded(self, pipe: Any, request: Request) -> torch.Tensor:
        # 1.5 takes frames in pairs: where one is missing, the first stands before itself.
        clean = super().encoded(pipe, request)
        lead = self.grid.lead(request.frames)
        return clean[:, :, [0] * lead + list(range(clean.shape[2]))]

    def packed(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        return self.at_scheduler(pipe, latents).to(pipe.transformer.dtype)

    def text_tokens(self, pipe: Any) -> int:
        return int(pipe.transformer.config.max_text_seq_length)

    def at_scheduler(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        return latents.transpose(1, 2)

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        return {
            "use_dynamic_cfg": False,
            "max_sequence_length": pipe.transformer.config.max_text_seq_length,
        }


class CogVideoXFromPicture(FromPicture, CogVideoX):
    """CogVideoX-5B-I2V and CogVideoX1.5-5B-I2V: how the clip begins is given."""


class Fun(CogVideoX):
    """CogVideoX-Fun control models: along a video of depth, edges or poses.

    The control video is what they go by, so a request without one is refused; a sketch may come
    beside it, as structured noise.
    """

    def __init__(self, folder: ModelFolder) -> None:
        super().__init__(folder)
        if folder.parts.get("scheduler") == "CogVideoXDPMScheduler":
            raise ModelError(
                f"{folder.name}: a CogVideoXFunControlPipeline cannot step a "
                "CogVideoXDPMScheduler; give it a CogVideoXDDIMScheduler"
            )
        if self._taller_patches:
            raise ModelError(
                f"{folder.name}: a CogVideoXFunControlPipeline takes latents of two frames by the "
                "pair, and their autoencoder decodes odd counts only; use a Fun model of "
                "CogVideoX 1.0"
            )

    def can(self) -> list[Capability]:
        return [*super().can(), "control"]

    def needs(self) -> list[Capability]:
        return ["control"]

    def controls(self) -> list[ControlKind]:
        # CogVideoX-Fun-V1.1-5b-Pose and its like; nothing but their name tells them apart.
        return ["pose"] if self.folder.name.lower().endswith("-pose") else _CONTROLS

    def check(self, request: Request) -> list[str]:
        if request.control is not None and request.control.scale != 1:
            raise ModelError(
                f"{self.folder.name} follows its control video as it was taught: "
                f"the control's `scale` must be 1, got {request.control.scale}"
            )
        return super().check(request)

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        assert request.control is not None
        video = [picture_of(frame[None]) for frame in request.control.frames]
        return {**super().arguments(pipe, request, facts), "control_video": video}

    def provenance(self, pipe: Any, request: Request) -> dict[str, Any]:
        assert request.control is not None
        return {"control": {"kind": request.control.kind, "scale": request.control.scale}}


_CLASSES: Mapping[str, type[CogVideoX]] = {
    "CogVideoXImageToVideoPipeline": CogVideoXFromPicture,
    "CogVideoXFunControlPipeline": Fun,
}


def make(folder: ModelFolder) -> CogVideoX:
    """The family of a CogVideoX folder."""
    return _CLASSES.get(folder.pipeline, CogVideoX)(folder)
