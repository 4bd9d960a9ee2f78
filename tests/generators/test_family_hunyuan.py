"""HunyuanVideo, SkyReels-V1 and HunyuanVideo-1.5 are proved; each is guided in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators import conformance
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Generator, Request, load
from reelwright_generators.tiny import hunyuan
from reelwright_generators.tiny.parts import scene

SKETCH, _ = scene(seed=3)
REQUEST = Request(
    prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8), sketch=SKETCH,
    noise=NoisePlan(level=0.6, seed=5),
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    done: dict[str, Path] = {}

    def folder(version: str) -> Path:
        if version not in done:
            done[version] = hunyuan.build(tmp_path_factory.mktemp(version), version=version)
        return done[version]

    return folder


def _told(folder: Path, **settings: Any) -> Told:
    return Told.model_validate(
        {"model": str(folder), "device": "cpu", "dtype": "float32"} | settings
    )


def _load(folder: Path, **settings: Any) -> Generator:
    return load(_told(folder, **settings))


@pytest.mark.parametrize("version", ["1.0", "skyreels", "skyreels-i2v", "1.5"])
def test_each_version_is_proved(built: Callable[..., Path], version: str) -> None:
    assert prove(built(version)) == []


@pytest.mark.parametrize("version", ["1.0", "skyreels-i2v", "1.5"])
def test_each_version_conforms(built: Callable[..., Path], version: str) -> None:
    assert conformance.check(_load(built(version))) == []


def _calls(folder: Path, request: Request, **settings: Any) -> tuple[int, int, Any]:
    """Model calls, steps, and the pipeline of one clip."""
    family = family_of(open_folder(folder, name="tiny"))
    film = DiffusionFilm(family, _told(folder, **settings))
    calls: list[Any] = []

    def count(module: Any, args: Any) -> None:
        calls.append(module)

    film.pipe.transformer.register_forward_pre_hook(count)
    made = film.film(request, facts=_load(folder, **settings).facts(), on_step=None)
    return len(calls), made.provenance["steps"], film.pipe


def test_a_distilled_model_takes_no_negative_prompt_and_is_called_once_a_step(
    built: Callable[..., Path],
) -> None:
    with pytest.raises(ModelError, match="cannot take a negative prompt"):
        _load(built("1.0")).check(replace(REQUEST, negative_prompt="blue"))
    calls, steps, _ = _calls(built("1.0"), REQUEST)
    assert calls == steps


def test_a_model_without_distilled_guidance_is_guided_also_without_a_negative_prompt(
    built: Callable[..., Path],
) -> None:
    folder = built("skyreels")
    calls, steps, _ = _calls(folder, REQUEST)
    assert calls == 2 * steps
    plain = _load(folder).generate(REQUEST)
    against = _load(folder).generate(replace(REQUEST, negative_prompt="the beach"))
    assert not np.array_equal(plain.frames, against.frames)


def test_the_guider_is_told_the_guidance(built: Callable[..., Path]) -> None:
    calls, steps, pipe = _calls(built("1.5"), REQUEST, guidance=3.0)
    assert pipe.guider.guidance_scale == 3.0
    assert calls == 2 * steps
    calls, steps, _ = _calls(built("1.5"), REQUEST, guidance=1.0)
    assert calls == steps


@pytest.mark.parametrize(
    "pipeline",
    [
        "HunyuanVideoImageToVideoPipeline",
        "HunyuanVideoFramepackPipeline",
        "HunyuanVideo15ImageToVideoPipeline",
    ],
)
def test_what_films_from_a_picture_is_refused_with_the_reason(
    tmp_path: Path, pipeline: str
) -> None:
    hunyuan.build(tmp_path)
    index = tmp_path / "model_index.json"
    index.write_text(index.read_text().replace('"HunyuanVideoPipeline"', f'"{pipeline}"'))
    with pytest.raises(ModelError, match=f"a {pipeline} cannot be filmed with: it"):
        _load(tmp_path)


@pytest.mark.parametrize(
    ("version", "size", "frames", "guidance"),
    [
        ("1.0", (1280, 720), 129, 6.0),
        ("skyreels", (960, 544), 97, 6.0),
        ("1.5", (848, 480), 121, 6.0),
    ],
)
def test_without_a_profile_it_is_what_was_published(
    tmp_path: Path, version: str, size: tuple[int, int], frames: int, guidance: float
) -> None:
    hunyuan.build(tmp_path, version=version)
    (tmp_path / "reelwright.json").unlink()
    facts = _load(tmp_path).facts()
    assert (facts.size, facts.frames, facts.fps) == (size, frames, 24)
    assert (facts.steps, facts.guidance) == (50, guidance)
