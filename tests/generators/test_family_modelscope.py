"""ModelScope and I2VGen-XL, whose pipelines step their schedulers frame by frame."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
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
from reelwright_generators.tiny import i2vgen, modelscope
from reelwright_generators.tiny.parts import scene

SKETCH, _ = scene(seed=3, frames=6)
REQUEST = Request(
    prompt="a red car", size=(64, 32), frames=6, fps=Fraction(8), sketch=SKETCH,
    noise=NoisePlan(level=0.8, seed=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny ModelScope."""
    return modelscope.build(tmp_path_factory.mktemp("modelscope"))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny I2VGen-XL."""
    return i2vgen.build(tmp_path_factory.mktemp("i2vgen"))


def _told(folder: Path) -> Told:
    return Told(model=str(folder), device="cpu", dtype="float32")


def test_modelscope_is_proved_and_conforms(text: Path) -> None:
    # Also with the noise that its published schedule leaves at the end: see `Course.set`.
    assert prove(text) == []
    assert conformance.check(load(_told(text))) == []


def test_i2vgen_is_proved_and_conforms(picture: Path) -> None:
    assert prove(picture, levels=(0.6,)) == []
    assert conformance.check(load(_told(picture))) == []


def test_a_run_from_pure_noise_ends_as_published(text: Path) -> None:
    film = DiffusionFilm(family_of(open_folder(text, name="tiny")), _told(text))
    ends: list[float] = []

    def stepping(module: Any, args: Any) -> None:
        ends.append(float(film.pipe.scheduler.final_alpha_cumprod))

    film.pipe.unet.register_forward_pre_hook(stepping)
    facts = load(_told(text)).facts()
    for level in (1.0, 0.8):
        plan = NoisePlan(level=level, seed=1)
        film.film(replace(REQUEST, noise=plan), facts=facts, on_step=None)
    assert ends[0] == pytest.approx(1 - 0.00085, abs=1e-6)
    assert ends[-1] == 1.0


def test_a_zeroscope_is_known_by_its_name(text: Path) -> None:
    published = {
        name: family_of(open_folder(text, name=name)).published()
        for name in ("damo-vilab/text-to-video-ms-1.7b", "cerspense/zeroscope_v2_576w")
    }
    assert [(told.size, told.frames) for told in published.values()] == [
        ((256, 256), 16),
        ((576, 320), 24),
    ]


def test_i2vgen_films_on_from_a_picture_or_else_from_the_sketch(picture: Path) -> None:
    generator = load(_told(picture))
    none = replace(REQUEST, sketch=None, noise=NoisePlan(level=1, seed=1))
    with pytest.raises(ModelError, match="films on from a picture and none was given"):
        generator.check(none)
    torch.manual_seed(1)
    sketched = generator.generate(REQUEST)
    torch.manual_seed(2)  # it draws the picture's latents from torch's own generator
    given = generator.generate(replace(REQUEST, first_frame=SKETCH[:1]))
    assert sketched.provenance["first_frame"] == "of the sketch"
    assert "first_frame" not in given.provenance
    assert np.array_equal(sketched.frames, given.frames)

    other = generator.generate(replace(REQUEST, first_frame=255 - SKETCH[:1]))
    said = generator.generate(replace(REQUEST, prompt="a blue ball falls"))
    slow = generator.generate(replace(REQUEST, fps=Fraction(4)))
    for clip in (other, said, slow):
        assert not np.array_equal(sketched.frames, clip.frames)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("model", ["text", "picture"])
def test_they_film_in_half_precision(
    request: pytest.FixtureRequest, model: str, dtype: str
) -> None:
    told = _told(request.getfixturevalue(model)).model_copy(update={"dtype": dtype})
    sketch, _ = scene(seed=3, frames=6, size=(72, 40))
    made = load(told).generate(replace(REQUEST, size=(72, 40), sketch=sketch))
    assert made.provenance["dtype"] == dtype
