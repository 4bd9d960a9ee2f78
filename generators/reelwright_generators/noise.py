"""Structured noise for flow models: a start between the sketch and pure noise, at an exact level.

The level σ is the share of noise in the first latents, so it means the same signal-to-noise
ratio on every flow model, whatever its schedule is shifted by. Three things must agree, or the
result is grey or grainy: the mix handed over, the first σ of the schedule, and the latents'
normalisation. (The formulas follow the flow-matching convention of Wan and LTX in diffusers.)
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch

from reelwright_core.errors import ModelError
from reelwright_core.video import Frames

STEPS_AT_LEAST = 4
"""Steps that a tail has, unless the whole run has fewer."""

_CHUNK = 4
"""`AutoencoderKLWan.encode` reads one frame, then groups of this many, and drops the rest."""


def mix(clean: torch.Tensor, noise: torch.Tensor, level: float) -> torch.Tensor:
    """`(1 - σ) clean + σ noise`, both normalised latents of one shape."""
    return (1 - level) * clean + level * noise


def draw(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Gaussian noise, float32 on the CPU: the same for a seed whatever device films it."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float32)


def normalise(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """What the VAE encodes, [batch, channels, frames, height, width], as the model sees it."""
    mean, std = _statistics(vae, latents)
    return (latents - mean) / std


def denormalise(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """What the model makes, as the VAE decodes it."""
    mean, std = _statistics(vae, latents)
    return latents * std + mean


def _statistics(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (1, -1, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean, device=like.device, dtype=like.dtype)
    std = torch.tensor(vae.config.latents_std, device=like.device, dtype=like.dtype)
    return mean.view(shape), std.view(shape)


@torch.no_grad()
def encode(vae: Any, frames: Frames) -> torch.Tensor:
    """A sketch, uint8 [frames, height, width, 3], as normalised float32 latents on the CPU.

    Takes the mode of the VAE's distribution, so nothing is drawn here. Frames beyond the
    groups that the VAE reads at once are padded with the last one and cut off again.
    """
    count = len(frames)
    padding = -(count - 1) % _CHUNK
    padded = np.concatenate([frames, np.repeat(frames[-1:], padding, axis=0)])
    pixels = torch.from_numpy(padded).permute(3, 0, 1, 2)[None]
    video = pixels.to(device=vae.device, dtype=vae.dtype) / 127.5 - 1
    latents = vae.encode(video).latent_dist.mode().float()
    kept = (count - 1) // vae.config.scale_factor_temporal + 1
    return normalise(vae, latents[:, :, :kept]).cpu()


def flow_shift(scheduler: Any) -> float:
    """By how much a flow scheduler shifts its schedule; `ModelError` if it is no such scheduler."""
    config = scheduler.config
    kind = type(scheduler).__name__
    if config.get("use_dynamic_shifting"):
        raise ModelError(f"the scheduler {kind} shifts by clip length; this is not supported yet")
    if kind == "FlowMatchEulerDiscreteScheduler" and not config.get("invert_sigmas"):
        return float(scheduler.shift)
    if config.get("use_flow_sigmas") and config.get("prediction_type") == "flow_prediction":
        return float(config.flow_shift)
    raise ModelError(
        f"the scheduler {kind} is not one of flow matching; "
        "use FlowMatchEulerDiscreteScheduler or UniPCMultistepScheduler with `use_flow_sigmas`"
    )


def stock_sigmas(scheduler: Any, steps: int) -> list[float]:
    """σ before each step of a whole run; the scheduler given is left alone."""
    whole = copy.deepcopy(scheduler)
    whole.set_timesteps(steps)
    return [float(sigma) for sigma in whole.sigmas[: len(whole.timesteps)]]


def tail(scheduler: Any, *, level: float, steps: int) -> list[float]:
    """σ before each step of a run that starts at `level` instead of at pure noise.

    As many steps as a whole run of `steps` would spend at or below `level`, but at least 4
    (a whole run of fewer is not made longer). They are spaced as the scheduler would space
    them: evenly in `u`, where `σ = s u / (1 + (s - 1) u)` for the shift `s`, from the
    `u` of `level` down to 0, which is not in the list. So the first σ is `level` itself,
    not the nearest one of the stock schedule.
    """
    shift = flow_shift(scheduler)
    below = sum(sigma <= level + 1e-6 for sigma in stock_sigmas(scheduler, steps))
    count = min(steps, max(STEPS_AT_LEAST, below))
    first = level / (shift - (shift - 1) * level)
    even = (first * (1 - step / count) for step in range(count))
    return [shift * u / (1 + (shift - 1) * u) for u in even]


@contextlib.contextmanager
def starting_from(pipe: Any, sigmas: Sequence[float]) -> Generator[None]:
    """Lets a pipeline run over `sigmas`; its own scheduler is back when the block ends.

    The scheduler is exchanged for a copy of a subclass, not patched: a patched method would go
    on driving the original from any copy that the pipeline makes. The subclass keeps the
    signature of `set_timesteps`, from which pipelines read what they may pass.
    """
    own = pipe.scheduler
    pipe.scheduler = _over(own, sigmas)
    try:
        yield
    finally:
        pipe.scheduler = own


def _over(scheduler: Any, sigmas: Sequence[float]) -> Any:
    base: Any = type(scheduler)

    @functools.wraps(base.set_timesteps)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> None:
        base.set_timesteps(self, *args, **kwargs)
        like = self.timesteps
        exact = torch.tensor([*sigmas, 0.0], dtype=torch.float32)
        times = exact[:-1] * self.config.num_train_timesteps
        if not like.is_floating_point():
            times = times.round()
        self.sigmas = exact.to(self.sigmas.device)
        self.timesteps = times.to(device=like.device, dtype=like.dtype)
        self.num_inference_steps = len(sigmas)

    kind = type(
        base.__name__, (base,), {"set_timesteps": set_timesteps, "__module__": base.__module__}
    )
    exchanged = copy.deepcopy(scheduler)
    exchanged.__class__ = kind
    return exchanged
