"""Any scheduler starts at a level, keeps to a sketch where it is told, and is left as it was."""

from __future__ import annotations

import copy
import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import diffusers as library
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reelwright_core.errors import ModelError
from reelwright_generators.schedules import Course, Kept, levels_of, respaced

SHAPE = (1, 4, 3, 4, 4)
diffusers: Any = library


def _zero_snr(kind: Any) -> Any:
    return kind(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing",
        set_alpha_to_one=True, snr_shift_scale=3.0, clip_sample=False,
    )  # fmt: skip


LINEAR: dict[str, Any] = {"beta_schedule": "linear", "beta_start": 0.00085, "beta_end": 0.012}
SCHEDULERS: dict[str, Callable[[], Any]] = {
    "flow euler": lambda: diffusers.FlowMatchEulerDiscreteScheduler(shift=5.0),
    "rising flow": lambda: diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
    "flow unipc": lambda: diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    ),
    "cogvideox ddim": lambda: _zero_snr(diffusers.CogVideoXDDIMScheduler),
    "ddim": lambda: diffusers.DDIMScheduler(**LINEAR, clip_sample=False, set_alpha_to_one=True),
    "dpm": lambda: diffusers.DPMSolverMultistepScheduler(**LINEAR, final_sigmas_type="zero"),
    "euler": lambda: diffusers.EulerDiscreteScheduler(**LINEAR),
    "euler v": lambda: diffusers.EulerDiscreteScheduler(
        **LINEAR, prediction_type="v_prediction", timestep_spacing="trailing"
    ),
    "euler of svd": lambda: diffusers.EulerDiscreteScheduler(
        **LINEAR, prediction_type="v_prediction", timestep_type="continuous",
        timestep_spacing="leading",
        use_karras_sigmas=True, sigma_min=0.002, sigma_max=700.0,
    ),
    "ddim with a noisy end": lambda: diffusers.DDIMScheduler(
        **LINEAR, clip_sample=False, set_alpha_to_one=False, steps_offset=1
    ),
    "pndm": lambda: diffusers.PNDMScheduler(**LINEAR, skip_prk_steps=True, steps_offset=1),
    "unipc": lambda: diffusers.UniPCMultistepScheduler(**LINEAR),
}  # fmt: skip
NOISY: dict[str, Callable[[], Any]] = {
    "ddpm": lambda: diffusers.DDPMScheduler(**LINEAR, clip_sample=False),
    "lcm": lambda: diffusers.LCMScheduler(**LINEAR, clip_sample=False),
    "euler ancestral": lambda: diffusers.EulerAncestralDiscreteScheduler(**LINEAR),
}
"""Those that add new noise at every step."""


def _ran(scheduler: Any, course: Course, latents: torch.Tensor, steps: int) -> list[torch.Tensor]:
    """What a pipeline does, with a model that answers noise; the samples before every step."""

    class Pipe:
        pass

    pipe: Any = Pipe()
    pipe.scheduler = scheduler
    seen: list[torch.Tensor] = []
    with course.followed_by(pipe):
        pipe.scheduler.set_timesteps(steps)
        scale = 1.0
        if course.kind.startswith("variance"):
            scale = float(pipe.scheduler.init_noise_sigma)
        sample = latents * scale
        for n, timestep in enumerate(pipe.scheduler.timesteps):
            seen.append(sample)
            if hasattr(pipe.scheduler, "scale_model_input"):
                pipe.scheduler.scale_model_input(sample, timestep)
            answer = torch.randn(SHAPE, generator=torch.Generator().manual_seed(n))
            sample = pipe.scheduler.step(answer, timestep, sample, return_dict=False)[0]
    return [*seen, sample]


@pytest.mark.parametrize("name", [*SCHEDULERS, *NOISY])
@pytest.mark.parametrize("level", [0.4, 0.8])
def test_what_is_kept_to_the_end_is_the_sketch(name: str, level: float) -> None:
    scheduler = (SCHEDULERS | NOISY)[name]()
    clean, noise = torch.randn(SHAPE), torch.randn(SHAPE)
    told: list[tuple[int, int]] = []
    course = Course(
        scheduler, level=level, steps=25, on_step=lambda done, of: told.append((done, of))
    )
    where = torch.zeros(1, 1, 1, 4, 4)
    where[..., 2:] = 1.0  # free
    course.kept = Kept(clean=clean, level=where)
    *_, last = _ran(scheduler, course, course.mix(clean, noise), 25)

    assert abs(course.level - level) <= 0.02
    assert (last - clean)[..., :2].abs().max() <= 1e-4
    assert (last - clean)[..., 2:].abs().max() > 0.1
    assert told == [(n, len(course.levels)) for n in range(1, len(course.levels) + 1)]
    falls = [level for level, _ in itertools.groupby(course.levels)]
    assert len(falls) == len(course.levels) - (name == "pndm")  # which takes a step twice
    assert all(before > after for before, after in itertools.pairwise(falls))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_what_is_let_go_is_the_noised_sketch_until_then(name: str) -> None:
    scheduler = SCHEDULERS[name]()
    clean, noise = torch.randn(SHAPE), torch.randn(SHAPE)
    course = Course(scheduler, level=0.9, steps=25)
    course.kept = Kept(clean=clean, level=torch.full((1, 1, 1, 1, 1), 0.5))
    seen = _ran(scheduler, course, course.mix(clean, noise), 25)

    released = course.released(0.5)
    assert abs(released - 0.5) <= 0.04
    at = course.levels.index(released)
    expected = Course(scheduler, level=released, steps=25)
    mixed = expected.mix(clean, noise)
    if course.kind == "variance exploding":
        mixed = clean + released / (1 - released) * noise
    assert (seen[at] - mixed).abs().max() <= 2e-4
    assert (seen[-1] - clean).abs().max() > 0.1


def test_a_sketch_in_another_layout_is_not_broadcast() -> None:
    scheduler = SCHEDULERS["ddim"]()
    course = Course(scheduler, level=0.6, steps=10)
    course.kept = Kept(clean=torch.zeros(3, 4, 4, 4), level=torch.zeros(1, 1, 1, 1))
    with pytest.raises(ValueError, match="leave out the noise plan's `regions`"):
        _ran(scheduler, course, torch.randn(SHAPE), 10)


@pytest.mark.parametrize("name", ["euler", "euler v", "euler of svd"])
@pytest.mark.parametrize("level", [0.3, 0.65, 0.9])
def test_euler_starts_at_its_level_exactly_at_the_time_that_it_was_trained_for(
    name: str, level: float
) -> None:
    scheduler = SCHEDULERS[name]()
    course = Course(scheduler, level=level, steps=25)
    _ran(scheduler, course, course.mix(torch.zeros(SHAPE), torch.zeros(SHAPE)), 25)
    assert course.level == pytest.approx(level, abs=1e-6)
    begun: Any = course._owner  # pyright: ignore[reportPrivateUsage]
    scale, time = float(begun.sigmas[0]), float(begun.timesteps[0])
    assert scale / (1 + scale) == pytest.approx(level, abs=1e-6)
    if name == "euler of svd":
        assert time == pytest.approx(0.25 * math.log(scale), abs=1e-5)
    else:
        low, high = (
            float(((1 - kept) / kept) ** 0.5)
            for kept in scheduler.alphas_cumprod[[int(time), int(time) + 1]]
        )
        assert low <= scale <= high
    assert float(begun.sigmas[-1]) == 0


def test_a_level_above_the_highest_of_euler_is_that_one() -> None:
    scheduler = SCHEDULERS["euler"]()
    course = Course(scheduler, level=0.999, steps=25)
    scheduler.set_timesteps(25)
    assert course.level == pytest.approx(levels_of(scheduler)[0], abs=1e-6)


@pytest.mark.parametrize("kept", [False, True])
def test_without_a_sketch_a_noisy_end_stays(kept: bool) -> None:
    scheduler = SCHEDULERS["ddim with a noisy end"]()
    course = Course(scheduler, level=1.0, steps=10)
    if kept:
        course.kept = Kept(clean=torch.zeros(SHAPE), level=torch.zeros(1, 1, 1, 1, 1))
    _ran(scheduler, course, torch.randn(SHAPE), 10)
    begun: Any = course._owner  # pyright: ignore[reportPrivateUsage]
    assert (float(begun.final_alpha_cumprod) == 1.0) == kept
    assert float(scheduler.final_alpha_cumprod) < 1


@given(
    level=st.floats(0.02, 0.999),
    steps=st.integers(1, 60),
    shift=st.sampled_from([1.0, 3.0, 8.0]),
    name=st.sampled_from(["euler", "unipc"]),
)
def test_a_respaced_schedule_starts_at_its_level_and_falls(
    schedulers: dict[str, Callable[..., Any]], level: float, steps: int, shift: float, name: str
) -> None:
    stock = _stock(schedulers[name](shift), steps)
    sigmas = respaced(stock, level)
    assert sigmas[0] == pytest.approx(level, abs=1e-9)
    assert all(before > after > 0 for before, after in itertools.pairwise(sigmas))
    below = sum(sigma <= level + 1e-6 for sigma in stock)
    assert len(sigmas) == min(steps, max(4, below))


@pytest.mark.parametrize("name", ["euler", "unipc"])
@pytest.mark.parametrize("shift", [1.0, 3.0, 8.0])
def test_a_respaced_schedule_is_that_of_the_shift(
    schedulers: dict[str, Callable[..., Any]], name: str, shift: float
) -> None:
    sigmas = respaced(_stock(schedulers[name](shift), 40), 0.7)
    first = 0.7 / (shift - (shift - 1) * 0.7)
    even = [first * (1 - step / len(sigmas)) for step in range(len(sigmas))]
    exact = [shift * u / (1 + (shift - 1) * u) for u in even]
    assert max(abs(a - b) for a, b in zip(sigmas, exact, strict=True)) <= 0.04


def _stock(scheduler: Any, steps: int) -> list[float]:
    whole = copy.deepcopy(scheduler)
    whole.set_timesteps(steps)
    return levels_of(whole)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_exchanged_scheduler_survives_a_copy_and_keeps_its_signatures(name: str) -> None:
    class Pipe:
        pass

    own = SCHEDULERS[name]()
    pipe: Any = Pipe()
    pipe.scheduler = own
    course = Course(own, level=0.6, steps=10)
    with course.followed_by(pipe):
        assert pipe.scheduler is not own
        assert isinstance(pipe.scheduler, type(own))
        for method in ("set_timesteps", "step"):
            assert inspect.signature(getattr(pipe.scheduler, method)) == inspect.signature(
                getattr(own, method)
            )
        pipe.scheduler.set_timesteps(10)
        copied = copy.deepcopy(pipe.scheduler)
        copied.set_timesteps(10)
        assert levels_of(copied) == course.levels
        copied.step(torch.zeros(SHAPE), copied.timesteps[0], torch.zeros(SHAPE))
        assert course.done == 0
    assert pipe.scheduler is own


def test_a_scheduler_whose_levels_are_not_known_is_refused() -> None:
    for unknown in (
        diffusers.VQDiffusionScheduler(num_vec_classes=8),
        diffusers.HeunDiscreteScheduler(),
        diffusers.DPMSolverSinglestepScheduler(),
        diffusers.PNDMScheduler(),  # with the Runge-Kutta steps that no published model takes
    ):
        with pytest.raises(ModelError, match=f"{type(unknown).__name__} cannot start"):
            Course(unknown, level=0.5, steps=4)
