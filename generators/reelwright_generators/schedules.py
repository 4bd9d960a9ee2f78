"""Runs of any diffusers scheduler that start between a sketch and pure noise, and keep parts of it.

The level σ is the share of noise in the latents, so it means the same signal-to-noise ratio in
every family: flow models have it as it is, `z = (1 - σ) x0 + σ ε`; for the others
`z = √ᾱ x0 + √(1 - ᾱ) ε`, and σ is `√(1 - ᾱ) / (√ᾱ + √(1 - ᾱ))`. Three things must agree, or the
result is grey or grainy: the mix handed over, the first step of the schedule, and the latents'
normalisation.

A pipeline is given a copy of its scheduler, of a subclass, for one clip. It cuts the schedule,
counts the steps, and lets parts of the latents follow the sketch: there the model's answer is
exchanged for the one that leads straight to the sketch, so any solver, of one step or of many,
keeps to the noised sketch exactly.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from reelwright_core.errors import ModelError
from reelwright_generators.families.family import Kind

STEPS_AT_LEAST = 4
"""Steps that a start below level 1 has, unless the whole run has fewer."""

_NOTHING = 0.45
"""A last step that begins below this part of the one before does next to nothing: in an even
schedule it begins at half of it."""

_PRESERVING = (
    "DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LCMScheduler", "CogVideoXDDIMScheduler",
    "CogVideoXDPMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler",
)  # fmt: skip
_EXPLODING = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
"""Those whose schedule can begin later. Solvers that take each step in halves (Heun, KDPM2, DPM
singlestep), or end at noise of their own (DEIS, SA), cannot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What follows the sketch, and until when, in the layout in which the scheduler steps."""

    clean: torch.Tensor
    """The sketch's latents, normalised."""
    level: torch.Tensor
    """Where it is let go: σ per value, of a shape that broadcasts to `clean`'s."""


def kind_of(scheduler: Any) -> Kind:
    """`ModelError` for a scheduler whose numbers are not known."""
    name, config = type(scheduler).__name__, scheduler.config
    if name.startswith("FlowMatch"):
        return "rising flow" if config.get("invert_sigmas") else "flow"
    if config.get("prediction_type") == "flow_prediction":
        return "flow"
    if name in _EXPLODING:
        return "variance exploding"
    if name in _PRESERVING and config.get("skip_prk_steps", True):
        return "variance preserving"
    raise ModelError(
        f"the scheduler {name} cannot start from a sketch: its noise levels are not known; use "
        "FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler or DDIMScheduler, as the part "
        "`scheduler` of the model or of another: `generator.parts=scheduler=FOLDER`"
    )


def levels_of(scheduler: Any) -> list[float]:
    """σ before each step of the schedule that was set."""
    kind = kind_of(scheduler)
    if kind in ("flow", "rising flow"):
        sigmas = [float(sigma) for sigma in scheduler.sigmas[: len(scheduler.timesteps)]]
        return sigmas if kind == "flow" else [1 - sigma for sigma in sigmas]
    if kind == "variance exploding":
        scales = [float(scale) for scale in scheduler.sigmas[: len(scheduler.timesteps)]]
        return [scale / (1 + scale) for scale in scales]
    return [_share(_kept_signal(scheduler, timestep)) for timestep in scheduler.timesteps]


def _kept_signal(scheduler: Any, timestep: Any) -> float:
    return float(scheduler.alphas_cumprod[int(timestep)])


def _share(kept: float) -> float:
    signal, noise = math.sqrt(kept), math.sqrt(1 - kept)
    return noise / (signal + noise)


def respaced(stock: Sequence[float], level: float) -> list[float]:
    """σ before each step of a run that starts at `level` exactly.

    As many steps as the stock schedule spends at or below `level`, but at least 4 (never more
    than it has), evenly spaced along its own curve, from where that passes `level` down to its
    end. So the spacing is the scheduler's own whatever its shift, even one by clip length.
    """
    # FlowMatchEuler shifts its own lowest σ a second time, and spends its last step on next to
    # nothing: that point is none of the curve.
    rest = stock[:-1] if len(stock) > 1 and stock[-1] < _NOTHING * stock[-2] else stock
    curve = [*([1.0] if stock[0] < 1 else []), *rest, 0.0]
    count = min(len(stock), max(STEPS_AT_LEAST, sum(sigma <= level + 1e-6 for sigma in stock)))
    at = next(i for i in range(len(curve) - 1) if curve[i + 1] < level)
    begin = at + (curve[at] - level) / (curve[at] - curve[at + 1])
    places = [begin + (len(curve) - 1 - begin) * step / count for step in range(count)]
    low = [min(int(place), len(curve) - 2) for place in places]
    spaced = [curve[i] + (place - i) * (curve[i + 1] - curve[i])
              for i, place in zip(low, places, strict=True)]  # fmt: skip
    return [level, *spaced[1:]]


def truncated(stock: Sequence[float], level: float) -> list[float]:
    """σ before each step: `level`, then what the stock schedule has below it."""
    return [level, *(sigma for sigma in stock if sigma < level - 1e-3)]


class Course:
    """One clip's way through a scheduler's levels: made before it, read during and after it."""

    def __init__(
        self,
        scheduler: Any,
        *,
        level: float,
        steps: int,
        start: Literal["respaced", "truncated"] = "respaced",
        on_step: Callable[[int, int], None] | None = None,
    ) -> None:
        self.kind = kind_of(scheduler)
        self.levels: list[float] = []
        """σ before each step; known once the pipeline has set its schedule."""
        self.stock: list[float] = []
        """σ before each step of a whole run, from pure noise; known at the same time."""
        self.when_set: Callable[[], None] | None = None
        """Called once the schedule is known, before the model is."""
        self.done = 0
        """Steps taken."""
        self.kept: Kept | None = None
        """Set before the pipeline is called, if parts are to follow the sketch."""
        self.meet: Callable[[torch.Tensor], torch.Tensor] | None = None
        """What exchanges the model's answers, if clips are denoised together."""
        self.lead: Callable[[torch.Tensor], torch.Tensor] | None = None
        """What moves the latents that a step starts from, if the clip is guided."""
        self.by_frame = 0
        """Parts of a clip whose latent frames are each stepped by a copy of the scheduler, as by
        diffusion forcing; 0 where one steps them all, and its copies are of something else."""
        self._frames: list[Any] = []
        self._taken: list[int] = []
        self._own, self._asked, self._start, self._on_step = scheduler, level, start, on_step
        self.level = level
        """σ of the first latents: as asked in flow models and, below their highest, in Euler ones;
        else the nearest of the schedule."""
        if self.kind in ("flow", "rising flow"):
            self.clean, self.noise = 1 - level, level
        else:
            self._begin(steps)

    def _begin(self, steps: int) -> None:
        stock = copy.deepcopy(self._own)
        stock.set_timesteps(steps)
        if self._asked < 1:
            self._shorten(stock)
            self.level = levels_of(stock)[0]
        if self.kind == "variance preserving":
            kept = _kept_signal(stock, stock.timesteps[0])
            self.clean, self.noise = math.sqrt(kept), math.sqrt(1 - kept)
        else:
            # The pipeline multiplies what it is given by `init_noise_sigma`.
            scale = float(stock.init_noise_sigma)
            self.clean, self.noise = 1 / scale, float(stock.sigmas[0]) / scale
        if self._asked >= 1:
            self.clean, self.noise = 0.0, 1.0

    def mix(self, clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The first latents, of normalised ones and noise of one shape."""
        return self.clean * clean + self.noise * noise

    def released(self, level: float) -> float:
        """σ at which what is kept to `level` is let go: the nearest that a step begins at."""
        ends = [*self.levels[1:], 0.0]
        middles = [(a + b) / 2 for a, b in zip(self.levels, ends, strict=True)]
        free = (
            sigma for sigma, middle in zip(self.levels, middles, strict=True) if level >= middle
        )
        return next(free, 0.0)

    @contextlib.contextmanager
    def followed_by(self, pipe: Any) -> Generator[None]:
        """Lets `pipe` film this way; its own scheduler is back when the block ends.

        The scheduler is exchanged, not patched: a patched method would go on driving the original
        from any copy that the pipeline makes. Its methods keep their signatures, from which
        pipelines read what they may pass. Copies of it, such as LTX-2 makes for sound, take the
        same schedule, and are neither counted nor held.
        """
        exchanged = copy.deepcopy(self._own)
        exchanged.__class__ = _subclass(type(self._own), self)
        self._owner = exchanged
        pipe.scheduler = exchanged
        try:
            yield
        finally:
            pipe.scheduler = self._own

    def set(self, scheduler: Any) -> None:
        """What the subclass does once the schedule is set."""
        if scheduler is self._owner:
            self.stock = levels_of(scheduler)
        elif self.by_frame:
            if any(self._taken):  # another part begins
                self._frames, self._taken = [], []
            self._frames.append(scheduler)
            self._taken.append(0)
        if self._asked < 1:
            self._shorten(scheduler)
        if (self._asked < 1 or self.kept is not None) and hasattr(scheduler, "final_alpha_cumprod"):
            # Stable Diffusion's schedulers end at the noise of timestep 0, which would stay on
            # the sketch; without it the last step ends at the clean sample.
            scheduler.final_alpha_cumprod = torch.tensor(1.0)
        if scheduler is self._owner:
            self.levels = levels_of(scheduler)
            if self.when_set is not None:
                self.when_set()

    def _shorten(self, scheduler: Any) -> None:
        if self.kind == "variance preserving":
            self._cut(scheduler)
            return
        stock = levels_of(scheduler)
        level = self._asked if self.kind != "variance exploding" else min(self._asked, stock[0])
        spaced = respaced if self._start == "respaced" else truncated
        falling = spaced(stock, level)
        if self.kind == "variance exploding":
            self._respace_scales(scheduler, falling)
        else:
            self._respace(scheduler, [*falling, 0.0])

    def _respace(self, scheduler: Any, falling: list[float]) -> None:
        like = scheduler.timesteps
        sigmas = torch.tensor(falling, dtype=torch.float32)
        if self.kind == "rising flow":
            sigmas = 1 - sigmas
        times = sigmas[:-1] * scheduler.config.num_train_timesteps
        if not like.is_floating_point():
            times = times.round()
        scheduler.sigmas = sigmas.to(scheduler.sigmas.device)
        scheduler.timesteps = times.to(device=like.device, dtype=like.dtype)
        scheduler.num_inference_steps = len(times)

    def _respace_scales(self, scheduler: Any, falling: list[float]) -> None:
        scales = torch.tensor([level / (1 - level) for level in falling])
        like = scheduler.timesteps
        if scheduler.config.get("timestep_type") == "continuous":
            times = 0.25 * scales.log()
        else:
            # Between the whole timesteps that the model was trained on, by the logarithm of σ.
            trained = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt().log()
            whole = np.arange(len(trained))
            times = torch.from_numpy(np.interp(scales.log().numpy(), trained.numpy(), whole))
        last = scheduler.sigmas[-1:]
        scheduler.sigmas = torch.cat([scales.to(last), last])
        scheduler.timesteps = times.to(device=like.device, dtype=like.dtype)
        scheduler.num_inference_steps = len(times)

    def _cut(self, scheduler: Any) -> None:
        levels = levels_of(scheduler)
        skipped = min(range(len(levels)), key=lambda step: abs(levels[step] - self._asked))
        # `num_inference_steps` stays: DDIM and its like have their step's width from it.
        name, times = type(scheduler).__name__, scheduler.timesteps[skipped:]
        if name == "PNDMScheduler" and len(times) > 1:
            # It takes its first step twice, the second time from where that ended.
            times = torch.unique_consecutive(times)
            times = torch.cat([times[:2], times[1:]])
        if name == "LCMScheduler":
            scheduler.num_inference_steps = len(times)  # only adds noise before the last of them
        scheduler.timesteps = times
        if hasattr(scheduler, "sigmas"):
            scheduler.sigmas = scheduler.sigmas[skipped:]

    def step(self, scheduler: Any, take: Callable[..., Any], told: inspect.BoundArguments) -> Any:
        """What the subclass does instead of a step."""
        if scheduler is not self._owner:
            if self.by_frame:
                return self._step_frame(scheduler, take, told)
            return take(*told.args, **told.kwargs)
        values = told.arguments
        if self.lead is not None:
            values["sample"] = self.lead(values["sample"])
        if self.meet is not None:
            values["model_output"] = self.meet(values["model_output"])
        if self.kept is not None:
            values["model_output"] = self._held(scheduler, values, self.kept, self.done)
        out = take(*told.args, **told.kwargs)
        self._count()
        return out

    def _step_frame(
        self, scheduler: Any, take: Callable[..., Any], told: inspect.BoundArguments
    ) -> Any:
        frame = next(i for i, own in enumerate(self._frames) if own is scheduler)
        values, done = told.arguments, self._taken[frame]
        # Diffusers passes a view and writes the result into it, under a solver that remembers it.
        values["sample"] = values["sample"].clone()
        if self.kept is not None:
            kept = Kept(clean=self.kept.clean[:, :, frame], level=self.kept.level[:, :, frame])
            values["model_output"] = self._held(scheduler, values, kept, done)
        out = take(*told.args, **told.kwargs)
        self._taken[frame] += 1
        # Those that a part begins with are clean already and take no steps; the last one does.
        if frame == len(self._frames) - 1:
            self._count()
        return out

    def _count(self) -> None:
        self.done += 1
        if self._on_step is not None:
            self._on_step(self.done, len(self.levels) * max(1, self.by_frame))

    def _held(self, scheduler: Any, values: dict[str, Any], kept: Kept, done: int) -> torch.Tensor:
        answer, sample, timestep = (values[name] for name in ("model_output", "sample", "timestep"))
        if sample.shape != kept.clean.shape:  # it would be broadcast, silently
            raise ValueError(
                f"the pipeline steps latents of {list(sample.shape)}, where the sketch's are "
                f"{list(kept.clean.shape)}: leave out the noise plan's `regions`"
            )
        now, then = [*self.levels, 0.0][done : done + 2]
        if now == then:  # a step that is taken twice
            now = self.levels[done - 1]
        places = (kept.level.to(answer.device) < (now + then) / 2).expand(answer.shape)
        if not places.any():
            return answer
        at, clean = sample.float(), kept.clean.to(answer.device)
        exact = self._leading_to(clean, at, now, scheduler, timestep)
        return torch.where(places, exact.to(answer.dtype), answer)

    def _leading_to(
        self, clean: torch.Tensor, at: torch.Tensor, level: float, scheduler: Any, timestep: Any
    ) -> torch.Tensor:
        """The answer of a model that knows where `at` leads to."""
        if self.kind == "flow":
            return (at - clean) / level
        if self.kind == "rising flow":
            return (clean - at) / level
        predicts = scheduler.config.prediction_type
        if predicts == "sample":
            return clean
        if self.kind == "variance exploding":
            scale = level / (1 - level)
            if predicts == "epsilon":
                return (at - clean) / scale
            wide = math.sqrt(1 + scale**2)
            return (at / wide**2 - clean) * wide / scale
        kept = _kept_signal(scheduler, timestep)
        signal, noise = math.sqrt(kept), math.sqrt(1 - kept)
        found = (at - signal * clean) / noise
        return found if predicts == "epsilon" else signal * found - noise * clean


def _subclass(base: Any, course: Course) -> Any:
    @functools.wraps(base.set_timesteps)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> None:
        base.set_timesteps(self, *args, **kwargs)
        course.set(self)

    steps = inspect.signature(base.step)

    @functools.wraps(base.step)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        return course.step(self, base.step, steps.bind(self, *args, **kwargs))

    added = {"set_timesteps": set_timesteps, "step": step, "__module__": base.__module__}
    return type(base.__name__, (base,), added)
