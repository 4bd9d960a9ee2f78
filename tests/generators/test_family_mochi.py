"""Mochi is proved: its scheduler counts upwards, and the start is mixed accordingly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators import conformance
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request, load
from reelwright_generators.tiny import mochi
from reelwright_generators.tiny.parts import scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mochi.build(tmp_path_factory.mktemp("mochi"))


def _told(folder: Path) -> Told:
    return Told(model=str(folder), device="cpu", dtype="float32")


def test_it_is_proved(folder: Path) -> None:
    assert prove(folder) == []


def test_it_conforms(folder: Path) -> None:
    assert conformance.check(load(_told(folder))) == []


def test_a_start_at_a_level_is_told_as_its_signal(folder: Path) -> None:
    film = DiffusionFilm(family_of(open_folder(folder, name="tiny")), _told(folder))
    seen: list[tuple[float, torch.Tensor]] = []

    def see(module: Any, args: Any, told: dict[str, Any]) -> None:
        seen.append((float(told["timestep"][0]), told["hidden_states"][:1].clone()))

    film.pipe.transformer.register_forward_pre_hook(see, with_kwargs=True)
    sketch, _ = scene(seed=1, frames=7)
    request = Request(
        prompt="a red car", size=(64, 32), frames=7, fps=Fraction(8), sketch=sketch,
        noise=NoisePlan(level=0.7, seed=5),
    )  # fmt: skip
    made = film.film(request, facts=load(_told(folder)).facts(), on_step=None)

    times = [time for time, _ in seen]
    assert times[0] == pytest.approx(300, abs=0.01)
    assert times == sorted(times)
    assert made.provenance["noise"]["sigmas"][0] == pytest.approx(0.7)
    with torch.no_grad():
        clean = film.family.encoded(film.pipe, request)
    # The sketch in it is three parts of ten, whatever the noise is.
    begun = seen[0][1]
    other = DiffusionFilm(film.family, _told(folder))
    other.pipe.transformer.register_forward_pre_hook(see, with_kwargs=True)
    seen.clear()
    dark = Request(
        prompt="a red car", size=(64, 32), frames=7, fps=Fraction(8), sketch=sketch // 2,
        noise=NoisePlan(level=0.7, seed=5),
    )  # fmt: skip
    other.film(dark, facts=load(_told(folder)).facts(), on_step=None)
    with torch.no_grad():
        darker = film.family.encoded(film.pipe, dark)
    assert torch.allclose(begun - seen[0][1], 0.3 * (clean - darker), atol=1e-5)


def test_a_scheduler_that_counts_downwards_is_refused(tmp_path: Path) -> None:
    mochi.build(tmp_path)
    config = tmp_path / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"invert_sigmas": true', '"invert_sigmas": false'))
    sketch, _ = scene(seed=1, frames=7)
    request = Request(
        prompt="a red car", size=(64, 32), frames=7, fps=Fraction(8), sketch=sketch,
        noise=NoisePlan(level=0.7, seed=5),
    )  # fmt: skip
    with pytest.raises(ModelError, match="`mochi` models take one of rising flow"):
        load(_told(tmp_path)).generate(request)


@pytest.mark.parametrize(("frames", "filmed"), [(1, 1), (2, 7), (7, 7), (8, 13)])
def test_frames_are_filmed_in_sixes_and_one(folder: Path, frames: int, filmed: int) -> None:
    assert family_of(open_folder(folder, name="tiny")).grid.frames(frames) == filmed


def test_without_a_profile_it_is_what_was_published(tmp_path: Path) -> None:
    mochi.build(tmp_path)
    (tmp_path / "reelwright.json").unlink()
    facts = load(_told(tmp_path)).facts()
    assert (facts.size, facts.frames, facts.fps) == ((848, 480), 163, 30)
    assert (facts.steps, facts.guidance) == (64, 4.5)
