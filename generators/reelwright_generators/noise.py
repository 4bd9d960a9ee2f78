"""The first latents of a clip, from its noise plan: which noise, how much of the sketch, where.

Latents are normalised float32, `[1, channels, frames, height, width]`, on the CPU: the same for a
seed whatever device films them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from reelwright_core.takes import NoisePlan, Region
from reelwright_generators.families.family import Family, Grid
from reelwright_generators.generator import Request
from reelwright_generators.schedules import Course


def draw(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Gaussian noise of one seed."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float32)


def needs_sketch(plan: NoisePlan) -> bool:
    """Whether anything of the sketch is in the first latents, or followed on the way."""
    return plan.level < 1 or bool(plan.regions) or plan.low_frequencies is not None


def of_plan(
    plan: NoisePlan, shape: Sequence[int], *, request: Request, family: Family
) -> torch.Tensor:
    """The noise that the plan asks for."""
    return draw(shape, plan.seed)


def started(
    plan: NoisePlan, *, clean: torch.Tensor, drawn: torch.Tensor, course: Course
) -> torch.Tensor:
    """The first latents: the sketch's and noise, mixed to the level of the course."""
    return course.mix(clean, drawn)


def level_map(plan: NoisePlan, request: Request, grid: Grid, shape: Sequence[int]) -> torch.Tensor:
    """σ from which each latent is filmed freely, [1, 1, frames, height, width].

    A latent belongs to a region if any of its pixels does in any of its frames.
    """
    levels = torch.full((1, 1, *shape[2:]), plan.level)
    for region in plan.regions:
        mask = torch.from_numpy(_pooled(_pixels(region, request), grid))
        levels[0, 0][mask] = min(region.level, plan.level)
    return levels


def _pixels(region: Region, request: Request) -> NDArray[np.bool_]:
    """Where a region is, [frames, height, width]."""
    width, height = request.size
    where = np.ones((request.frames, height, width), bool)
    if region.of != "all":
        assert request.labels is not None
        if region.of == "background":
            where = request.labels == 0
        else:
            own = [i + 1 for i, (entity, _) in enumerate(request.things) if entity == region.of]
            where = np.isin(request.labels, own)
    if region.frames is not None:
        where[: region.frames.first] = False
        where[region.frames.last + 1 :] = False
    return where


def _pooled(pixels: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Whether any pixel of each latent is set."""
    frames, height, width = pixels.shape
    cell = grid.spatial
    cells = pixels.reshape(frames, height // cell, cell, width // cell, cell).any((2, 4))
    starts = [0, *range(1, frames, grid.temporal)]
    return np.logical_or.reduceat(cells, starts, axis=0)
