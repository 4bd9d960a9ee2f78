"""Wan VACE: along a control video, between given frames, with reference pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reelwright_generators.families.family import picture_of
from reelwright_generators.families.wan import Wan
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, ControlKind, Facts, Request

if TYPE_CHECKING:
    import torch

_NOTHING = 128
"""Grey of the frames that show nothing."""

_FILM, _KEEP = 255, 0
"""White in the mask is filmed, black is kept as the video shows it."""


class Vace(Wan):
    """Wan 2.1 VACE 1.3B and 14B, and Wan 2.2 VACE with two experts.

    Each reference picture is a latent frame of its own before the clip's. It is denoised with them,
    so a start from a sketch puts the picture itself, noised as much, in its place.
    """

    name: ClassVar[str] = "wan-vace"
    shares_attention: ClassVar[bool] = False  # its blocks for the control video come last

    def can(self) -> list[Capability]:
        return [*super().can(), "control", "first_frame", "last_frame", "references"]

    def controls(self) -> list[ControlKind]:
        return ["rgb", "depth", "edges", "masks", "pose"]

    def shape(self, pipe: Any, request: Request) -> tuple[int, int, int, int, int]:
        batch, channels, frames, height, width = super().shape(pipe, request)
        return batch, channels, frames + len(request.references), height, width

    def latent_channels(self, pipe: Any) -> int:
        return int(pipe.vae.config.z_dim)

    def alone(self, request: Request) -> str | None:
        return "reference pictures stand before its frames" if request.references else None

    def encoded(self, pipe: Any, request: Request) -> torch.Tensor:
        import torch

        return torch.cat([*_references(pipe, request), super().encoded(pipe, request)], dim=2)

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        video, mask = _shown(request)
        return {
            **super().arguments(pipe, request, facts),
            "video": video,
            "mask": mask,
            "reference_images": _pictures(request) or None,
            "conditioning_scale": 1.0 if request.control is None else request.control.scale,
        }

    def provenance(self, pipe: Any, request: Request) -> dict[str, Any]:
        told = super().provenance(pipe, request)
        if request.control is not None:
            told["control"] = {"kind": request.control.kind, "scale": request.control.scale}
        if request.references:
            told["references"] = [reference.entity for reference in request.references]
        return told


def _shown(request: Request) -> tuple[Any, Any]:
    """What the clip is filmed along, and a mask of what is filmed; None if there is nothing."""
    given = {0: request.first_frame, request.frames - 1: request.last_frame}
    kept = {frame: picture[0] for frame, picture in given.items() if picture is not None}
    if request.control is None and not kept:
        return None, None
    width, height = request.size
    video = np.full((request.frames, height, width, 3), _NOTHING, np.uint8)
    mask = np.full((request.frames, height, width, 3), _FILM, np.uint8)
    if request.control is not None:
        video[:] = request.control.frames
    for frame, picture in kept.items():
        video[frame], mask[frame] = picture, _KEEP
    return [picture_of(f[None]) for f in video], [picture_of(f[None]) for f in mask]


def _pictures(request: Request) -> list[Any]:
    return [picture_of(reference.picture) for reference in request.references]


def _references(pipe: Any, request: Request) -> list[torch.Tensor]:
    """Each reference as the pipeline shows it to the model: centred on white; the last one first.

    [1, channels, 1, height, width], normalised, float32 on the CPU.
    """
    import torch
    from diffusers.utils.torch_utils import get_module_execution_device

    from reelwright_generators.latents import normalise

    if not request.references:
        return []
    width, height = request.size
    vae = pipe.vae
    _, _, shown = pipe.preprocess_conditions(
        reference_images=_pictures(request), height=height, width=width, num_frames=1,
        dtype=vae.dtype, device=get_module_execution_device(vae),
    )  # fmt: skip
    with torch.no_grad():
        found = [
            vae.encode(picture[None, :, None]).latent_dist.mode().float()
            for picture in reversed(shown[0])
        ]
    return [normalise(vae, latents).cpu() for latents in found]


def make(folder: ModelFolder) -> Vace:
    """The family of a Wan VACE folder."""
    return Vace(folder)
