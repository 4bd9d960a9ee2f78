"""SkyReels-V2 and its diffusion forcing: each frame has a schedule, all begin at one level."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan, Region
from reelwright_generators import conformance, latents, noise
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request, load
from reelwright_generators.long import Joins
from reelwright_generators.tiny import skyreels
from reelwright_generators.tiny.parts import scene

SIZE, BASE, LONG = (64, 32), 17, 33
"""The tiny model films 17 frames at once, 5 latent ones; 33 are 9, in parts of 5, 5 and 3."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Builds, once each, the tiny SkyReels: with diffusion forcing or not."""
    built: dict[bool, Path] = {}

    def folder(forcing: bool) -> Path:
        if forcing not in built:
            built[forcing] = skyreels.build(tmp_path_factory.mktemp("sky"), forcing=forcing)
        return built[forcing]

    return folder


@pytest.fixture
def film(folders: Callable[[bool], Path]) -> DiffusionFilm:
    folder = folders(True)
    return DiffusionFilm(family_of(open_folder(folder, name="tiny")), _told(folder))


def _told(folder: Path) -> Told:
    return Told(model=str(folder), device="cpu", dtype="float32")


def _request(level: float = 1.0, frames: int = BASE, **asked: Any) -> Request:
    request = Request(
        prompt="a red car", size=SIZE, frames=frames, fps=Fraction(8),
        noise=NoisePlan(level=level, seed=5),
        sketch=scene(seed=3, frames=frames, size=SIZE)[0],
    )  # fmt: skip
    return replace(request, **asked)


@pytest.mark.parametrize("forcing", [False, True])
def test_it_conforms_and_is_proved(folders: Callable[[bool], Path], forcing: bool) -> None:
    assert conformance.check(load(_told(folders(forcing)))) == []
    assert prove(folders(forcing)) == []


def test_every_frame_is_told_its_timestep(film: DiffusionFilm) -> None:
    calls: list[dict[str, Any]] = []

    def keep(module: Any, args: Any, told: dict[str, Any]) -> None:
        calls.append(dict(told))

    film.pipe.transformer.register_forward_pre_hook(keep, with_kwargs=True)
    film.film(_request(0.6), facts=load(film.told).facts(), on_step=None)
    assert calls[0]["timestep"].tolist() == [[600] * 5]
    assert calls[0]["fps"] == [1]


@pytest.mark.parametrize("level", [0.4, 0.8])
def test_a_long_clip_starts_from_the_sketch_in_every_part(
    film: DiffusionFilm, level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = _request(level, LONG)
    assert request.sketch is not None
    clean = latents.encode(film.pipe.vae, request.sketch)
    drawn = noise.draw(clean.shape, 5)
    steps: list[tuple[int, int]] = []
    begun: list[tuple[torch.Tensor, list[int]]] = []

    def exact(module: Any, args: Any, told: dict[str, Any], output: Any) -> Any:
        given, times = told["hidden_states"], told["timestep"]
        each = len(film.pipe.scheduler.timesteps)
        part, step = divmod(len(steps), each)
        if step == 0 and len(begun) == part:
            begun.append((given.clone(), times[0].tolist()))
        first = part * (5 - 3)
        own = clean[:, :, first : first + given.shape[2]]
        return ((given - own) / film.pipe.scheduler.sigmas[step],)

    film.pipe.transformer.register_forward_hook(exact, with_kwargs=True)
    decoded: list[torch.Tensor] = []
    decode = film.pipe.vae.decode

    def watched(z: torch.Tensor, **rest: Any) -> Any:
        decoded.append(latents.normalise(film.pipe.vae, z))
        return decode(z, **rest)

    monkeypatch.setattr(film.pipe.vae, "decode", watched)
    made = film.film(
        request,
        facts=load(film.told).facts(),
        on_step=lambda done, of: steps.append((done, of)),
    )

    whole = 3 * made.provenance["steps"]
    assert steps == [(done, whole) for done in range(1, whole + 1)]
    assert made.provenance["parts"] == {"count": 3, "frames": BASE, "overlap": 9}
    mixed = (1 - level) * clean + level * drawn
    for part, (given, times) in enumerate(begun):
        seen, first = (3 if part else 0), 2 * part
        own = mixed[:, :, first : first + 5]
        assert (given[:, :, seen:] - own[:, :, seen:]).abs().max() <= 1e-5
        assert times == [20] * seen + [1000 * level] * (5 - seen)
    assert (decoded[0] - clean).abs().max() <= 1e-5


def test_a_long_clip_is_that_of_its_seed(folders: Callable[[bool], Path]) -> None:
    generator = load(_told(folders(True)))
    one, same = (generator.generate(_request(0.8, LONG)) for _ in range(2))
    assert one.frames.shape == (LONG, 32, 64, 3)
    assert np.array_equal(one.frames, same.frames)


def test_regions_of_a_long_clip_are_refused(folders: Callable[[bool], Path]) -> None:
    generator = load(_told(folders(True)))
    plan = NoisePlan(level=0.8, seed=5, regions=[Region(of="all", level=0.2)])
    generator.check(_request(noise=plan))
    with pytest.raises(ModelError, match="film at most 17 frames, or leave out"):
        generator.check(_request(frames=LONG, noise=plan))


def test_a_scheduler_that_takes_no_whole_timesteps_is_refused(
    folders: Callable[[bool], Path], tmp_path: Path
) -> None:
    folder = skyreels.build(tmp_path / "euler", forcing=True, scheduler="euler")
    index = json.loads((folder / "model_index.json").read_text())
    assert index["scheduler"][1] == "FlowMatchEulerDiscreteScheduler"
    with pytest.raises(ModelError, match="UniPCMultistepScheduler"):
        load(_told(folder))
    plain = skyreels.build(tmp_path / "plain", scheduler="euler")
    assert load(_told(plain)).facts().family == "skyreels"


def test_clips_with_schedules_by_frame_are_not_denoised_together(
    folders: Callable[[bool], Path],
) -> None:
    clips = [_request(), _request()]
    plain, forcing = (load(_told(folders(forcing))) for forcing in (False, True))
    assert isinstance(plain, Joins)
    assert isinstance(forcing, Joins)
    plain.refuse_joined(clips, [5])
    with pytest.raises(ModelError, match="a schedule of its own"):
        forcing.refuse_joined(clips, [5])
