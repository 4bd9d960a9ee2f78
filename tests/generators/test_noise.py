"""Structured noise agrees in its three parts: mix, schedule, normalisation."""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from hypothesis import given
from hypothesis import strategies as st

from reelwright_core.errors import ModelError
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators import noise
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Facts, Request
from reelwright_generators.wan_film import WanFilm

FACTS = Facts(
    name="tiny", family="wan", sha256="0" * 64, size=(64, 32), frames=9, fps=Fraction(8), steps=12,
    guidance=1.0, noise_level=0.7, can=["text", "sketch"],
)  # fmt: skip


def _film(folder: Path) -> WanFilm:
    return WanFilm(open_folder(folder, name="tiny"), device="cpu", dtype="float32")


def _request(level: float, sketch: Frames) -> Request:
    return Request(
        prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8),
        noise=NoisePlan(level=level, seed=5), sketch=sketch,
    )  # fmt: skip


class Oracle:
    """Answers for the transformer with the exact velocity `(x - z0) / σ`, and keeps what it saw."""

    def __init__(self, film: WanFilm, clean: torch.Tensor) -> None:
        self.inputs: list[torch.Tensor] = []
        self.times: list[float] = []
        self.decoded: list[torch.Tensor] = []
        self._film, self._clean = film, clean
        film.pipe.transformer.register_forward_hook(self._answer, with_kwargs=True)
        film.pipe.vae.post_quant_conv.register_forward_pre_hook(self._decoding)

    def _answer(self, module: Any, args: Any, told: dict[str, Any], output: Any) -> Any:
        sigma = float(self._film.pipe.scheduler.sigmas[len(self.inputs)])
        self.inputs.append(told["hidden_states"].clone())
        self.times.append(float(told["timestep"][0]))
        return ((told["hidden_states"] - self._clean) / sigma,)

    def _decoding(self, module: Any, args: Any) -> None:
        self.decoded.append(args[0].clone())


@pytest.mark.parametrize("geometry", ["real", "flat"])
@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
@pytest.mark.parametrize("level", [0.3, 0.65, 0.95])
def test_an_oracle_finds_the_sketch_again(
    tiny: Callable[..., Path],
    scene: Callable[..., Frames],
    geometry: str,
    scheduler: str,
    level: float,
) -> None:
    film = _film(tiny(geometry, scheduler))
    sketch = scene(seed=3)
    clean = noise.encode(film.pipe.vae, sketch)
    oracle = Oracle(film, clean)

    made = film.film(_request(level, sketch), facts=FACTS, max_sequence_length=16, on_step=None)

    start = noise.mix(clean, noise.draw(clean.shape, 5), level)
    assert (oracle.inputs[0] - start).abs().max() <= 1e-6
    assert abs(oracle.times[0] / 1000 - level) <= 0.001
    assert len(oracle.inputs) == made.provenance["steps"]
    assert abs(made.provenance["noise"]["reached"] - level) <= 0.02
    found = noise.normalise(film.pipe.vae, oracle.decoded[0])
    assert (found - clean).abs().max() <= 1e-5


@pytest.mark.parametrize("geometry", ["real", "flat"])
@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
def test_level_one_is_the_stock_schedule_from_pure_noise(
    tiny: Callable[..., Path], scene: Callable[..., Frames], geometry: str, scheduler: str
) -> None:
    film = _film(tiny(geometry, scheduler))
    clean = noise.encode(film.pipe.vae, scene(seed=3))
    oracle = Oracle(film, clean)
    stock = noise.stock_sigmas(film.pipe.scheduler, FACTS.steps)

    made = film.film(
        _request(1.0, scene(seed=3)), facts=FACTS, max_sequence_length=16, on_step=None
    )

    assert torch.equal(oracle.inputs[0], noise.draw(clean.shape, 5))
    assert made.provenance["steps"] == FACTS.steps
    assert made.provenance["noise"]["sigmas"] == [round(sigma, 6) for sigma in stock]


@pytest.mark.parametrize("geometry", ["real", "flat"])
def test_normalising_and_back_changes_nothing(tiny: Callable[..., Path], geometry: str) -> None:
    vae = _film(tiny(geometry)).pipe.vae
    latents = noise.draw((1, vae.config.z_dim, 3, 4, 8), 1)
    back = noise.denormalise(vae, noise.normalise(vae, latents))
    assert (back - latents).abs().max() <= 1e-6


@pytest.mark.parametrize("frames", [1, 2, 4, 5, 8])
def test_a_flat_codec_keeps_every_frame_of_a_sketch(
    tiny: Callable[..., Path], scene: Callable[..., Frames], frames: int
) -> None:
    vae = _film(tiny("flat")).pipe.vae
    whole = noise.encode(vae, scene(seed=1))
    part = noise.encode(vae, scene(seed=1)[:frames])
    assert part.shape[2] == frames
    assert torch.allclose(part, whole[:, :, :frames], atol=1e-5)


@given(
    level=st.floats(0.02, 0.999),
    steps=st.integers(1, 60),
    shift=st.sampled_from([1.0, 3.0, 8.0]),
    name=st.sampled_from(["euler", "unipc"]),
)
def test_a_tail_starts_at_its_level_and_falls(
    schedulers: dict[str, Callable[..., Any]], level: float, steps: int, shift: float, name: str
) -> None:
    scheduler = schedulers[name](shift)
    sigmas = noise.tail(scheduler, level=level, steps=steps)
    assert sigmas[0] == pytest.approx(level, abs=1e-9)
    assert all(before > after > 0 for before, after in itertools.pairwise(sigmas))
    below = sum(sigma <= level + 1e-6 for sigma in noise.stock_sigmas(scheduler, steps))
    assert len(sigmas) == min(steps, max(4, below))


@pytest.mark.parametrize("name", ["euler", "unipc"])
def test_the_exchanged_scheduler_survives_a_copy_and_keeps_its_signature(
    schedulers: dict[str, Callable[..., Any]], name: str
) -> None:
    class Pipe:
        scheduler = schedulers[name]()

    own = Pipe.scheduler
    sigmas = noise.tail(own, level=0.6, steps=10)
    pipe = Pipe()
    with noise.starting_from(pipe, sigmas):
        assert pipe.scheduler is not own
        assert inspect.signature(pipe.scheduler.set_timesteps) == inspect.signature(
            own.set_timesteps
        )
        copied = copy.deepcopy(pipe.scheduler)
        copied.set_timesteps(10)
        assert copied.sigmas.tolist() == pytest.approx([*sigmas, 0.0])
        assert copied.timesteps.dtype == _stock(own).timesteps.dtype
        assert len(copied.timesteps) == copied.num_inference_steps == len(sigmas)
    assert pipe.scheduler is own


def _stock(scheduler: Any) -> Any:
    whole = copy.deepcopy(scheduler)
    whole.set_timesteps(10)
    return whole


def test_the_own_scheduler_is_back_after_a_failure(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    film = _film(tiny())
    own = film.pipe.scheduler

    def stop(done: int, of: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        film.film(_request(0.6, scene(seed=1)), facts=FACTS, max_sequence_length=16, on_step=stop)
    assert film.pipe.scheduler is own
    assert len(own.timesteps) == own.config.num_train_timesteps


@pytest.mark.parametrize(
    "scheduler",
    [DDIMScheduler(), FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)],
    ids=["no flow", "dynamic shift"],
)
def test_other_schedulers_are_refused(scheduler: Any) -> None:
    with pytest.raises(ModelError, match="scheduler"):
        noise.flow_shift(scheduler)


def test_noise_is_that_of_its_seed() -> None:
    assert torch.equal(noise.draw((2, 3), 7), noise.draw((2, 3), 7))
    assert not np.array_equal(noise.draw((2, 3), 7), noise.draw((2, 3), 8))
