"""HunyuanVideo, SkyReels-V1 and HunyuanVideo-1.5: two text encoders each, guided in three ways."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from reelwright_core.errors import ModelError
from reelwright_generators.families.family import Family, FromPicture, Grid, Published
from reelwright_generators.folder import ModelFolder, read_json
from reelwright_generators.generator import Capability, Facts, Request

_MULTIPLE = (16, 16)
"""`HunyuanVideoPipeline` takes only multiples of this."""

_REFUSED: Mapping[str, str] = {
    "HunyuanVideoImageToVideoPipeline": "it mixes the picture into the first latents by itself, "
    "which undoes a start from a sketch",
    "HunyuanVideoFramepackPipeline": "it films piece by piece from latents of its own",
    "HunyuanVideo15ImageToVideoPipeline": "it films in the size that it takes from the picture's "
    "shape, not in the one asked",
}


class HunyuanVideo(Family):
    """HunyuanVideo, from text; guidance is distilled into it, so a negative prompt says nothing.

    A model without such guidance, as SkyReels-V1 is, is guided by true classifier-free guidance.
    """

    name: ClassVar[str] = "hunyuan"
    kinds: ClassVar[tuple[str, ...]] = ("flow",)

    def published(self) -> Published:
        if not self._distilled:  # SkyReels-V1
            return Published(size=(960, 544), frames=97, fps=Fraction(24), steps=50, guidance=6.0)
        return Published(size=(1280, 720), frames=129, fps=Fraction(24), steps=50, guidance=6.0)

    def can(self) -> list[Capability]:
        return [one for one in super().can() if one != "negative_prompt" or not self._distilled]

    @property
    def _distilled(self) -> bool:
        return bool(self.folder.config(self.denoiser()).get("guidance_embeds", True))

    def make_grid(self) -> Grid:
        vae, model = self.folder.config("vae"), self.folder.config(self.denoiser())
        patch = int(model.get("patch_size", 2))
        return Grid(
            spatial=int(vae.get("spatial_compression_ratio", 8)),
            temporal=int(vae.get("temporal_compression_ratio", 4)),
            patch=(int(model.get("patch_size_t", 1)), patch, patch),
            multiple=_MULTIPLE,
        )

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        if self._distilled:
            return {}
        # Even an empty negative prompt has to be given: without one it would not be guided.
        return {"true_cfg_scale": facts.guidance, "negative_prompt": request.negative_prompt}


class SkyReels(FromPicture, HunyuanVideo):
    """SkyReels-V1-Hunyuan-I2V: how the clip begins is given."""


class HunyuanVideo15(HunyuanVideo):
    """HunyuanVideo-1.5, from text: what guides it is a part of the model, its guider."""

    name: ClassVar[str] = "hunyuan15"

    def published(self) -> Published:
        # The 480p and 720p models differ in `target_size`; distilled ones in their guider.
        large = int(self.folder.config(self.denoiser()).get("target_size", 640)) > 640
        guider = self.folder.folder("guider") / "guider_config.json"
        guidance = read_json(guider).get("guidance_scale", 6.0) if guider.is_file() else 6.0
        return Published(
            size=(1280, 720) if large else (848, 480),
            frames=121,
            fps=Fraction(24),
            steps=50,
            guidance=float(guidance),
        )

    @property
    def _distilled(self) -> bool:
        return False

    def make_grid(self) -> Grid:
        vae, model = self.folder.config("vae"), self.folder.config(self.denoiser())
        patch = int(model.get("patch_size", 1))
        return Grid(
            spatial=int(vae.get("spatial_compression_ratio", 16)),
            temporal=int(vae.get("temporal_compression_ratio", 4)),
            patch=(int(model.get("patch_size_t", 1)), patch, patch),
        )

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        pipe.guider.guidance_scale = facts.guidance
        return {}


_CLASSES: Mapping[str, type[HunyuanVideo]] = {
    "HunyuanSkyreelsImageToVideoPipeline": SkyReels,
    "HunyuanVideo15Pipeline": HunyuanVideo15,
}


def make(folder: ModelFolder) -> HunyuanVideo:
    """The family of a HunyuanVideo folder; `ModelError` for a pipeline that cannot be steered."""
    if folder.pipeline in _REFUSED:
        raise ModelError(
            f"{folder.name}: a {folder.pipeline} cannot be filmed with: "
            f"{_REFUSED[folder.pipeline]}; use the text-to-video model, with the picture as the "
            "first frame of a sketch"
        )
    return _CLASSES.get(folder.pipeline, HunyuanVideo)(folder)
