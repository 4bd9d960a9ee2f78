"""Mochi 1: a flow model whose scheduler counts upwards, from noise at 0 to the clip at 1."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from reelwright_generators.families.family import Family, Grid, Published
from reelwright_generators.folder import ModelFolder

_SPATIAL, _TEMPORAL = 8, 6
"""What `MochiPipeline` has for pixels and frames to one latent, whatever the configs say."""


class Mochi(Family):
    """Mochi 1 preview, from text.

    Its scheduler's numbers are those of the signal, `z = (1 - s) ε + s x0` with s rising, and its
    `scale_noise` has them the other way round, so the start is mixed by hand, at σ = 1 - s.
    """

    name: ClassVar[str] = "mochi"
    kinds: ClassVar[tuple[str, ...]] = ("rising flow",)

    def published(self) -> Published:
        # genmo/mochi-1-preview
        return Published(size=(848, 480), frames=163, fps=Fraction(30), steps=64, guidance=4.5)

    def make_grid(self) -> Grid:
        patch = int(self.folder.config(self.denoiser()).get("patch_size", 2))
        return Grid(spatial=_SPATIAL, temporal=_TEMPORAL, patch=(1, patch, patch))


def make(folder: ModelFolder) -> Mochi:
    """The family of a Mochi folder."""
    return Mochi(folder)
