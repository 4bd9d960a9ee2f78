"""Structured noise agrees in its three parts, mix, schedule and normalisation, on a real Wan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reelwright_core.settings import Generator as Told
from reelwright_core.story import FrameSpan
from reelwright_core.takes import NoisePlan, Region
from reelwright_core.video import Frames
from reelwright_generators import latents, noise
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.family import Grid
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Facts, Request
from reelwright_generators.schedules import levels_of

FACTS = Facts(
    name="tiny", family="wan", sha256="0" * 64, size=(64, 32), frames=9, fps=Fraction(8), steps=12,
    guidance=1.0, noise_level=0.7, can=["text", "sketch"],
)  # fmt: skip


def _film(folder: Path) -> DiffusionFilm:
    family = family_of(open_folder(folder, name="tiny"))
    return DiffusionFilm(family, Told.model_validate({"device": "cpu", "dtype": "float32"}))


def _request(level: float, sketch: Frames) -> Request:
    return Request(
        prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8),
        noise=NoisePlan(level=level, seed=5), sketch=sketch,
    )  # fmt: skip


class Oracle:
    """Answers for the transformer with the exact velocity `(x - z0) / σ`, and keeps what it saw."""

    def __init__(self, film: DiffusionFilm, clean: torch.Tensor) -> None:
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
@pytest.mark.parametrize("start", ["respaced", "truncated"])
def test_an_oracle_finds_the_sketch_again(
    tiny: Callable[..., Path],
    scene: Callable[..., Frames],
    geometry: str,
    scheduler: str,
    level: float,
    start: str,
) -> None:
    film = _film(tiny(geometry, scheduler))
    sketch = scene(seed=3)
    clean = latents.encode(film.pipe.vae, sketch)
    oracle = Oracle(film, clean)
    request = _request(level, sketch)
    plan = request.noise.model_copy(update={"start": start})

    made = film.film(replace(request, noise=plan), facts=FACTS, on_step=None)

    begun = (1 - level) * clean + level * noise.draw(clean.shape, 5)
    assert (oracle.inputs[0] - begun).abs().max() <= 1e-6
    assert abs(oracle.times[0] / 1000 - level) <= 0.001
    assert len(oracle.inputs) == made.provenance["steps"]
    assert made.provenance["noise"]["reached"] == level
    found = latents.normalise(film.pipe.vae, oracle.decoded[0])
    assert (found - clean).abs().max() <= 1e-5


@pytest.mark.parametrize("geometry", ["real", "flat"])
@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
def test_level_one_is_the_stock_schedule_from_pure_noise(
    tiny: Callable[..., Path], scene: Callable[..., Frames], geometry: str, scheduler: str
) -> None:
    film = _film(tiny(geometry, scheduler))
    clean = latents.encode(film.pipe.vae, scene(seed=3))
    oracle = Oracle(film, clean)

    made = film.film(_request(1.0, scene(seed=3)), facts=FACTS, on_step=None)

    film.pipe.scheduler.set_timesteps(FACTS.steps)
    stock = levels_of(film.pipe.scheduler)
    assert torch.equal(oracle.inputs[0], noise.draw(clean.shape, 5))
    assert made.provenance["steps"] == FACTS.steps
    assert made.provenance["noise"]["sigmas"] == [round(sigma, 6) for sigma in stock]


@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
@pytest.mark.parametrize("geometry", ["real", "flat"])
def test_a_background_kept_longer_follows_the_sketch_exactly_until_it_is_let_go(
    tiny: Callable[..., Path], scene: Callable[..., Frames], scheduler: str, geometry: str
) -> None:
    film = _film(tiny(geometry, scheduler))
    seen: list[torch.Tensor] = []

    def look(module: Any, args: Any, told: dict[str, Any]) -> None:
        seen.append(told["hidden_states"].clone())

    film.pipe.transformer.register_forward_pre_hook(look, with_kwargs=True)
    sketch = scene(seed=3)
    labels = np.zeros((9, 32, 64), np.uint8)
    labels[:, :16, :16] = 1
    plan = NoisePlan(level=0.9, seed=5, regions=[Region(of="background", level=0.4)])
    request = replace(_request(0.9, sketch), noise=plan, labels=labels, things=(("car", 0),))

    made = film.film(request, facts=FACTS, on_step=None)

    told = made.provenance["noise"]
    released, sigmas = told["regions"][0]["reached"], told["sigmas"]
    assert abs(released - 0.4) < 0.08
    clean = latents.encode(film.pipe.vae, sketch)
    drawn = noise.draw(clean.shape, 5)
    cell = film.family.grid.spatial
    outside = torch.ones(clean.shape, dtype=torch.bool)
    outside[..., : 16 // cell, : 16 // cell] = False
    off = torch.zeros(())
    for sigma, given in zip(sigmas, seen, strict=True):
        off = (given - (1 - sigma) * clean - sigma * drawn).abs()
        if sigma >= released:
            assert off[outside].max() <= 1e-5
        if sigma < sigmas[0]:
            assert off[~outside].max() > 1e-3  # the thing is filmed freely from the start
    assert off[outside].max() > 1e-3  # the background is, once it is let go


def test_a_span_at_level_zero_stays_and_the_rest_moves(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    film = _film(tiny("flat", "unipc"))
    sketch = scene(seed=3)
    kept = Region(of="all", level=0.0, frames=FrameSpan(first=0, last=3))
    plan = NoisePlan(level=0.8, seed=5, regions=[kept])

    made = film.film(replace(_request(0.8, sketch), noise=plan), facts=FACTS, on_step=None)

    through = latents.denormalise(film.pipe.vae, latents.encode(film.pipe.vae, sketch))
    with torch.no_grad():
        back = film.pipe.vae.decode(through).sample[0].permute(1, 2, 3, 0).clamp(-1, 1)
    shown = np.rint((back.numpy() + 1) * 127.5)
    assert np.abs(shown[:4] - made.frames[:4]).max() <= 1
    assert np.abs(shown[4:] - made.frames[4:]).mean() > 5


def test_a_latent_belongs_to_a_region_if_any_of_its_pixels_does() -> None:
    labels = np.zeros((9, 32, 64), np.uint8)
    labels[5, 9, 17] = 2
    request = Request(
        prompt="", size=(64, 32), frames=9, fps=Fraction(8), labels=labels,
        things=(("dog", 0), ("car", 0)), sketch=np.zeros((9, 32, 64, 3), np.uint8),
        noise=NoisePlan(level=0.5, seed=0, regions=[Region(of="car", level=0.25)]),
    )  # fmt: skip
    levels = noise.level_map(request.noise, request, Grid(spatial=8, temporal=4), (1, 16, 3, 4, 8))
    assert levels.shape == (1, 1, 3, 4, 8)
    assert (levels == 0.25).nonzero().tolist() == [[0, 0, 2, 1, 2]]


@pytest.mark.parametrize("geometry", ["real", "flat"])
def test_normalising_and_back_changes_nothing(tiny: Callable[..., Path], geometry: str) -> None:
    vae = _film(tiny(geometry)).pipe.vae
    drawn = noise.draw((1, vae.config.z_dim, 3, 4, 8), 1)
    back = latents.denormalise(vae, latents.normalise(vae, drawn))
    assert (back - drawn).abs().max() <= 1e-6


@pytest.mark.parametrize("frames", [1, 2, 4, 5, 8])
def test_a_flat_codec_keeps_every_frame_of_a_sketch(
    tiny: Callable[..., Path], scene: Callable[..., Frames], frames: int
) -> None:
    vae = _film(tiny("flat")).pipe.vae
    whole = latents.encode(vae, scene(seed=1))
    part = latents.encode(vae, scene(seed=1)[:frames])
    assert part.shape[2] == frames
    assert torch.allclose(part, whole[:, :, :frames], atol=1e-5)


def test_the_own_scheduler_is_back_after_a_failure(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    film = _film(tiny())
    own = film.pipe.scheduler

    def stop(done: int, of: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        film.film(_request(0.6, scene(seed=1)), facts=FACTS, on_step=stop)
    assert film.pipe.scheduler is own
    assert len(own.timesteps) == own.config.num_train_timesteps


def test_noise_is_that_of_its_seed() -> None:
    assert torch.equal(noise.draw((2, 3), 7), noise.draw((2, 3), 7))
    assert not np.array_equal(noise.draw((2, 3), 7), noise.draw((2, 3), 8))
