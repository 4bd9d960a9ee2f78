"""Wan 2.1 and 2.2, text to video: one transformer, or two that share the noise levels."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from reelwright_generators.families.family import Family, Grid, Published
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Facts, Request

_MULTIPLE = (16, 16)
"""`WanPipeline` takes only multiples of this, whatever the model's own patches are."""


class Wan(Family):
    """Wan 2.1 T2V, Wan 2.2 T2V-A14B (two experts) and TI2V-5B, and the built-in model."""

    name: ClassVar[str] = "wan"
    kinds: ClassVar[tuple[str, ...]] = ("flow",)
    vae_float32: ClassVar[bool] = True  # Wan's own advice

    def published(self) -> Published:
        return Published(size=(832, 480), frames=81, fps=Fraction(16), steps=50, guidance=5.0)

    def make_grid(self) -> Grid:
        vae, model = self.folder.config("vae"), self.folder.config(self.denoiser())
        patch = [int(n) for n in model.get("patch_size", (1, 2, 2))]
        spatial = int(vae.get("scale_factor_spatial", 8))
        temporal = int(vae.get("scale_factor_temporal", 4))
        rope = int(model.get("rope_max_seq_len", 1024))
        return Grid(
            spatial=spatial,
            temporal=temporal,
            patch=(patch[0], patch[1], patch[2]),
            multiple=_MULTIPLE,
            longest=((rope * patch[0] - 1) * temporal + 1, rope * spatial * min(patch[1:])),
        )

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        # With a VAE that does not shorten time the pipeline takes every count as unfit, adds one.
        frames = request.frames - (pipe.vae_scale_factor_temporal == 1)
        return {"num_frames": frames}


def make(folder: ModelFolder) -> Wan:
    """The family of a Wan folder."""
    return Wan(folder)
