"""Any other diffusers text-to-video pipeline: filmed by what its source and its configs tell.

What they do not tell, it does not do: a pipeline that takes no `latents`, or whose latents cannot
be read from them, films from pure noise alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

from reelwright_core.errors import ModelError
from reelwright_generators.families.family import Family, Grid, Kind, Published
from reelwright_generators.families.source import Axis, Source, source_of
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, Facts, Request

if TYPE_CHECKING:
    import torch

_FRAMES = ("num_frames", "frames", "video_length")
"""What the argument for the number of frames is called."""

_OURS: tuple[Axis, ...] = ("channels", "frames", "height", "width")

_OF_PICTURES = ("AutoencoderKL", "AutoencoderDC", "AutoencoderKLTemporalDecoder", "AutoencoderTiny")


class Other(Family):
    """A pipeline without an adapter of its own."""

    name: ClassVar[str] = "other"
    kinds: ClassVar[tuple[str, ...]] = ("flow", "rising flow", "variance preserving")

    def __init__(self, folder: ModelFolder, source: Source) -> None:
        self.source = source
        self._ratios = _ratios(folder)
        super().__init__(folder)
        read = self._ratios is not None and source.layout is not None
        self.told = read and "latents" in source.defaults
        """Whether its latents can be made here."""

    def published(self) -> Published:
        said, plain = self.source.defaults, super().published()
        return Published(
            size=(said.get("width") or plain.size[0], said.get("height") or plain.size[1]),
            frames=self.grid.only or said.get(self._frames()) or plain.frames,
            fps=plain.fps,
            steps=said.get("num_inference_steps") or plain.steps,
            guidance=float(said.get("guidance_scale") or plain.guidance),
        )

    def can(self) -> list[Capability]:
        able: list[Capability] = ["text"]
        if "negative_prompt" in self.source.defaults:
            able.append("negative_prompt")
        if self.told:
            able.extend(("sketch", "regions"))
        if self.told or "generator" in self.source.defaults:
            able.append("seeds")
        return able

    def check(self, request: Request) -> list[str]:
        return [
            f"{self.folder.pipeline} has no adapter of its own: "
            "it is filmed by what its source and configs tell"
        ]

    def make_grid(self) -> Grid:
        model = self.folder.config(self.denoiser())
        patch: Any = model.get("patch_size") or 1
        over_time = int(model.get("patch_size_t") or 1)
        if isinstance(patch, list):
            sides = [int(n) for n in cast(list[Any], patch)]
            over_time, patch = (sides[0] if len(sides) == 3 else over_time), sides[-1]
        spatial, temporal = self._ratios or (8, 1)
        only = model.get("video_length")
        return Grid(
            spatial=spatial,
            temporal=temporal,
            patch=(over_time, int(patch), int(patch)),
            multiple=(self.source.multiple, self.source.multiple),
            only=None if only is None else int(only),
        )

    def shape(self, pipe: Any, request: Request) -> tuple[int, int, int, int, int]:
        return super().shape(pipe, request) if self.told else (1, 1, 1, 1, 1)

    def encoded(self, pipe: Any, request: Request) -> torch.Tensor:
        latents, shape = super().encoded(pipe, request), self.shape(pipe, request)
        if tuple(latents.shape) != shape:
            raise ModelError(
                f"the autoencoder of {self.folder.name} makes latents of {list(latents.shape)} of "
                f"the sketch, and its configs tell {list(shape)}: it needs an adapter of its own; "
                "film at noise level 1.0"
            )
        return latents

    def packed(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        if not self.told:
            return latents
        return latents.permute(0, *(_OURS.index(axis) + 1 for axis in self.source.layout or _OURS))

    def call(
        self, pipe: Any, request: Request, *, facts: Facts, latents: torch.Tensor
    ) -> dict[str, Any]:
        # Whether a pipeline casts what it is given is not known.
        given = latents.to(getattr(pipe, self.denoiser()).dtype)
        passed = super().call(pipe, request, facts=facts, latents=given)
        if not self.told:
            passed.pop("latents", None)
        if passed.get("negative_prompt", "") is None:
            passed.pop("negative_prompt")
        return passed

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        # Sizes stay as asked, and a prompt as it was written.
        as_is = {"use_resolution_binning": False, "clean_caption": False}
        return {self._frames(): request.frames} | {
            name: value for name, value in as_is.items() if name in self.source.defaults
        }

    def _frames(self) -> str:
        return next(name for name in _FRAMES if name in self.source.defaults)


class Scaled(Other):
    """One that multiplies the latents that it is given, as Euler's schedulers want it."""

    kinds: ClassVar[tuple[str, ...]] = get_args(Kind)


def _ratios(folder: ModelFolder) -> tuple[int, int] | None:
    """Pixels and frames to one latent, if the autoencoder's config tells."""
    vae = folder.config("vae")
    blocks: Any = vae.get("block_out_channels") or vae.get("encoder_block_out_channels")
    spatial = vae.get("scale_factor_spatial") or vae.get("spatial_compression_ratio")
    temporal = vae.get("scale_factor_temporal") or vae.get("temporal_compression_ratio")
    if folder.parts.get("vae") in _OF_PICTURES:
        temporal = 1
        spatial = spatial or (2 ** (len(blocks) - 1) if blocks else None)
    return None if spatial is None or temporal is None else (int(spatial), int(temporal))


def make(folder: ModelFolder) -> Family:
    """The family of any other pipeline; `ModelError` for one that does not film from text."""
    source = source_of(folder.pipeline)
    if source is None:
        raise ModelError(
            f"{folder.name} is a {folder.pipeline}, which the installed diffusers does not have; "
            "take a version that has it"
        )
    told = [*source.required, *source.defaults]
    more = [name for name in told if _is_picture(name)]
    extra = [name for name in source.required if name != "prompt" and name not in more]
    why = None
    if not source.frames:
        why = "what it returns has no `frames`, so it makes no video"
    elif "prompt" not in told:
        why = "it takes no `prompt`"
    elif more or extra:
        why = f"it takes {', '.join(f'`{name}`' for name in [*more, *extra])} besides a prompt"
    elif not any(name in source.defaults for name in _FRAMES):
        why = "it takes no number of frames"
    if why is not None:
        raise ModelError(
            f"{folder.name} is a {folder.pipeline}, which cannot be filmed with: {why}; "
            "use a text-to-video model, or one of a family in docs/families.md"
        )
    found = replace(source, defaults=_all(source))
    return Scaled(folder, found) if source.scales else Other(folder, found)


def _all(source: Source) -> dict[str, Any]:
    return {**dict.fromkeys(source.required), **source.defaults}


def _is_picture(name: str) -> bool:
    """Whether an argument is a picture or a video to go by; IP-Adapter's may be left out."""
    ends = ("image", "images", "video", "mask", "conditioning_frames", "controls")
    return name.endswith(ends) and not name.startswith("ip_adapter") and "attention" not in name
