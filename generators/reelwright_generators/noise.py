"""The first latents of a clip, from its noise plan: which noise, how much of the sketch, where.

Latents are normalised float32, `[1, channels, frames, height, width]`, on the CPU: the same for a
seed whatever device films them. Every kind of noise is made of independent Gaussian numbers moved
about, never of mixed ones, so each frame of it is white noise of unit variance by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from reelwright_core.takes import NoisePlan, Region
from reelwright_generators.families.family import Family, Grid
from reelwright_generators.generator import Request
from reelwright_generators.schedules import Course

LEFT_AT_LAST = 0.0047
"""ᾱ of the last step that Stable Diffusion learned. FreeInit's low frequencies come from a clip
noised to there; models keep the little that is left, since it is large in these frequencies."""


def draw(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Gaussian noise of one seed."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float32)


def of_plan(
    plan: NoisePlan, shape: Sequence[int], *, request: Request, family: Family
) -> torch.Tensor:
    """The noise that the plan asks for.

    Frames that are counted or measured in the plan are those of the clip; a latent frame that
    holds several of them takes the place of its last one.
    """
    drawn, grid = draw(shape, plan.seed), family.grid
    lead = _lead(shape, request, grid)
    own = drawn[:, :, lead:]
    if plan.noise == "windows":
        window = plan.window or family.folder.profile.frames or family.published().frames
        own = windowed(own, grid.latent_frames(window), seed=plan.seed)
    if plan.noise == "drift":
        assert plan.drift is not None
        across, down = (part * grid.temporal for part in plan.drift)
        own = drifting(own, (across * shape[4], down * shape[3]))
    if plan.noise == "flow":
        # Only here: OpenCV is of no use to the others.
        from reelwright_generators.noise_flow import carried

        assert request.sketch is not None
        own = carried(own, request.sketch, grid)
    return torch.cat([drawn[:, :, :lead], own], dim=2)


def _lead(shape: Sequence[int], request: Request, grid: Grid) -> int:
    """Latent frames before the clip's own: of reference pictures, or to fill a patch."""
    return shape[2] - grid.latent_frames(request.frames)


def windowed(drawn: torch.Tensor, window: int, *, seed: int) -> torch.Tensor:
    """The first `window` frames of `drawn`, then these again and again, each time in another order.

    Frames far apart then start alike, which keeps a clip longer than the model was taught in one
    piece. Source: FreeNoise, arXiv 2310.15169, its noise rescheduling.
    """
    frames = drawn.shape[2]
    shuffle = torch.Generator("cpu").manual_seed(seed)
    order = torch.arange(window)
    while len(order) < frames:
        order = torch.cat([order, torch.randperm(window, generator=shuffle)])
    return drawn[:, :, order[:frames]]


def drifting(drawn: torch.Tensor, step: tuple[float, float]) -> torch.Tensor:
    """The first frame of `drawn`, shifted by `step` latents (x, y) more in every later frame.

    What the shift uncovers is fresh, the frame's own in `drawn`: noise that came in again on the
    other side would give two places the same one. A frame's whole shift is rounded, so the
    roundings do not add up. Source: FlowZero, arXiv 2311.15813, which shifts by phases instead and
    so wraps around.
    """
    out, before = drawn.clone(), (0, 0)
    for frame in range(1, drawn.shape[2]):
        now = (_rounded(frame * step[0]), _rounded(frame * step[1]))
        _shift_into(out[:, :, frame], out[:, :, frame - 1], now[0] - before[0], now[1] - before[1])
        before = now
    return out


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


def _shift_into(target: torch.Tensor, source: torch.Tensor, across: int, down: int) -> None:
    """Overwrites what `source`, moved to the right and down, covers of `target`."""
    height, width = source.shape[-2:]
    if abs(across) >= width or abs(down) >= height:
        return
    rows, columns = height - abs(down), width - abs(across)
    top, left = max(down, 0), max(across, 0)
    from_top, from_left = max(-down, 0), max(-across, 0)
    target[..., top : top + rows, left : left + columns] = source[
        ..., from_top : from_top + rows, from_left : from_left + columns
    ]


def started(
    plan: NoisePlan, *, clean: torch.Tensor, drawn: torch.Tensor, course: Course
) -> torch.Tensor:
    """The first latents: the sketch's and noise, mixed to the level of the course."""
    if plan.low_frequencies is not None:
        return with_low_frequencies(drawn, clean, plan.low_frequencies)
    return course.mix(clean, drawn)


def with_low_frequencies(drawn: torch.Tensor, clean: torch.Tensor, stop: float) -> torch.Tensor:
    """`drawn`, its low frequencies in space and time those of `clean` noised by it.

    `stop` is where half is let through, as a part of the highest frequency of each axis; the
    filter is a Butterworth one of order 4, `1 / (1 + (d / stop)^8)`. The sketch is noised by
    `drawn` itself to `LEFT_AT_LAST`, so the sum stays as loud as noise at every frequency.
    Source: FreeInit, arXiv 2312.07537.
    """
    noised = math.sqrt(LEFT_AT_LAST) * clean + math.sqrt(1 - LEFT_AT_LAST) * drawn
    axes, size = (2, 3, 4), drawn.shape[2:]
    passed = low_pass(size, stop)[..., : size[2] // 2 + 1]
    low = torch.fft.rfftn(noised - drawn, dim=axes) * passed
    return drawn + torch.fft.irfftn(low, s=size, dim=axes)


def low_pass(size: Sequence[int], stop: float) -> torch.Tensor:
    """How much of each frequency is let through, [frames, height, width], zero frequency first."""
    away = torch.zeros(tuple(size))
    for axis, length in enumerate(size):
        parts = torch.fft.fftfreq(length) * 2  # in parts of the highest
        away = away + parts.view([-1 if i == axis else 1 for i in range(3)]) ** 2
    return 1 / (1 + (away / stop**2) ** 4)


def level_map(plan: NoisePlan, request: Request, grid: Grid, shape: Sequence[int]) -> torch.Tensor:
    """σ from which each latent is filmed freely, [1, 1, frames, height, width].

    A latent belongs to a region if any of its pixels does in any of its frames.
    """
    levels = torch.full((1, 1, *shape[2:]), plan.level)
    own = levels[0, 0, _lead(shape, request, grid) :]
    for region in plan.regions:
        mask = torch.from_numpy(_pooled(_pixels(region, request), grid))
        own[mask] = min(region.level, plan.level)
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
    latents = np.logical_or.reduceat(cells, starts, axis=0)
    return np.concatenate([latents[:1]] * grid.lead(frames) + [latents])
