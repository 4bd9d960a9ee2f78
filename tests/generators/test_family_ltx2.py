"""LTX-2 starts picture and sound at one level, and its clips are heard."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators import conformance
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.ltx2 import silence
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Facts, Request, load
from reelwright_generators.tiny import ltx2
from reelwright_generators.tiny.parts import scene

SIZE, FRAMES = (96, 64), 17


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ltx2.build(tmp_path_factory.mktemp("ltx2"))


@pytest.fixture
def told(folder: Path) -> Told:
    return Told(model=str(folder), device="cpu", dtype="float32")


@pytest.fixture
def film(folder: Path, told: Told) -> DiffusionFilm:
    return DiffusionFilm(family_of(open_folder(folder, name="tiny")), told)


@pytest.fixture
def facts(told: Told) -> Facts:
    return load(told).facts()


def _request(level: float, *, seed: int = 5) -> Request:
    return Request(
        prompt="a red car", size=SIZE, frames=FRAMES, fps=Fraction(8),
        noise=NoisePlan(level=level, seed=seed),
        sketch=scene(seed=3, frames=FRAMES, size=SIZE)[0],
    )  # fmt: skip


class _Heard:
    """What the transformer is given to hear; it may answer that silence is all there is."""

    def __init__(self, film: DiffusionFilm, clean: torch.Tensor | None = None) -> None:
        self.given: list[torch.Tensor] = []
        self.calls = 0
        self._film, self._clean = film, clean
        self._done = 0
        self.hook = film.pipe.transformer.register_forward_hook(self._answer, with_kwargs=True)

    def on_step(self, done: int, of: int) -> None:
        self._done = done

    def _answer(self, module: Any, args: Any, told: dict[str, Any], output: Any) -> Any:
        self.calls += 1
        heard = told["audio_hidden_states"]
        if len(self.given) == self._done:
            self.given.append(heard[:1].clone())
        if self._clean is None:
            return None
        return output[0], (heard - self._clean) / self._film.pipe.scheduler.sigmas[self._done]


def _silence(film: DiffusionFilm) -> torch.Tensor:
    """Silence as the model hears it: what is begun with, without its noise."""
    ears, pipe = film.pipe.audio_vae, film.pipe
    frames = (round(FRAMES / 8 * 25) - 1) * 4 + 1
    with torch.no_grad():
        told = ears.encode(torch.full((1, 2, frames, ltx2.MEL), float(np.log(1e-5))))
    packed = told.latent_dist.mode().transpose(1, 2).flatten(2, 3)
    assert torch.equal(pipe._pack_audio_latents(told.latent_dist.mode()), packed)
    return (packed - ears.latents_mean) / ears.latents_std


def test_it_conforms_and_is_proved(folder: Path, told: Told) -> None:
    assert conformance.check(load(told)) == []
    assert prove(folder) == []


@pytest.mark.parametrize("level", [0.3, 0.8])
def test_sound_begins_at_the_level_of_the_pictures(
    film: DiffusionFilm, facts: Facts, level: float
) -> None:
    heard = _Heard(film)
    film.film(_request(level), facts=facts, on_step=heard.on_step)
    clean = _silence(film)
    assert heard.given[0].shape == clean.shape
    noise = (heard.given[0] - (1 - level) * clean) / level
    assert noise.mean().abs() < 0.2
    assert noise.std() == pytest.approx(1, abs=0.1)
    again = silence(film.pipe, _request(level))
    assert torch.equal(again, silence(film.pipe, _request(level)))


@pytest.mark.parametrize("level", [0.3, 0.8])
def test_with_exact_answers_the_sound_is_silence_again(
    film: DiffusionFilm, facts: Facts, level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = _silence(film)
    heard = _Heard(film, clean)
    decoded: list[torch.Tensor] = []
    ears = film.pipe.audio_vae
    decode = ears.decode

    def watched(latents: torch.Tensor, **rest: Any) -> Any:
        decoded.append(latents.clone())
        return decode(latents, **rest)

    monkeypatch.setattr(ears, "decode", watched)
    made = film.film(_request(level), facts=facts, on_step=heard.on_step)
    found = decoded[0].transpose(1, 2).flatten(2, 3)
    found = (found - ears.latents_mean) / ears.latents_std
    assert (found - clean).abs().max() <= 1e-5
    assert made.provenance["sound"] == "from noised silence"


def test_at_level_one_the_sound_begins_as_noise(film: DiffusionFilm, facts: Facts) -> None:
    heard = _Heard(film)
    made = film.film(_request(1.0), facts=facts, on_step=heard.on_step)
    assert heard.given[0].std() == pytest.approx(1, abs=0.1)
    assert made.provenance["sound"] == "from noise"


def test_a_guidance_that_the_weights_were_not_taught_costs_no_calls(
    film: DiffusionFilm, facts: Facts
) -> None:
    heard = _Heard(film)
    film.film(_request(1.0), facts=facts, on_step=heard.on_step)
    assert heard.calls == 2 * facts.steps  # with and without the prompt; and each stream alone


def test_a_clip_is_heard_as_long_as_it_is_seen(told: Told) -> None:
    generator = load(told)
    assert "audio" in generator.facts().can
    whole = generator.generate(_request(0.8)).sound
    assert whole is not None
    assert (whole.rate, whole.samples.dtype, whole.samples.shape[0]) == (16000, np.float32, 2)
    assert abs(whole.samples.shape[1] / whole.rate - FRAMES / 8) < 0.05
    assert np.abs(whole.samples).max() > 0

    request = _request(0.8)
    assert request.sketch is not None
    short = generator.generate(replace(request, frames=12, sketch=request.sketch[:12])).sound
    assert short is not None
    assert short.samples.shape[1] == 12 / 8 * 16000


def test_sound_is_that_of_its_seed(told: Told) -> None:
    generator = load(told)
    one, same, other = (generator.generate(_request(0.8, seed=seed)).sound for seed in (1, 1, 2))
    assert one is not None
    assert same is not None
    assert other is not None
    assert np.array_equal(one.samples, same.samples)
    assert not np.array_equal(one.samples, other.samples)
