"""Stable Video Diffusion: its picture, its own schedule, and no text."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators import conformance
from reelwright_generators.families import family_of
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request, load
from reelwright_generators.tiny import svd
from reelwright_generators.tiny.parts import scene

SKETCH, _ = scene(seed=3, frames=6)
REQUEST = Request(
    prompt="", size=(64, 32), frames=6, fps=Fraction(8), sketch=SKETCH,
    noise=NoisePlan(level=0.8, seed=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SVD."""
    return svd.build(tmp_path_factory.mktemp("svd"))


def _told(folder: Path) -> Told:
    return Told(model=str(folder), device="cpu", dtype="float32")


def test_it_is_proved_and_conforms(folder: Path) -> None:
    assert prove(folder) == []
    assert conformance.check(load(_told(folder))) == []


def test_its_few_steps_begin_at_exactly_the_level_asked(folder: Path) -> None:
    # Its own 12 steps are up to .1 apart there.
    made = load(_told(folder)).generate(REQUEST)
    assert made.provenance["noise"]["reached"] == 0.8


def test_it_reads_no_prompt_and_says_so(folder: Path) -> None:
    generator = load(_told(folder))
    assert "text" not in generator.facts().can
    assert generator.check(REQUEST) == []
    spoken = replace(REQUEST, prompt="a red car")
    assert any("the prompt is not read" in warning for warning in generator.check(spoken))
    assert np.array_equal(generator.generate(REQUEST).frames, generator.generate(spoken).frames)


def test_it_needs_a_picture_and_heeds_it_and_the_rate(folder: Path) -> None:
    generator = load(_told(folder))
    with pytest.raises(ModelError, match="films on from a picture and none was given"):
        generator.check(replace(REQUEST, sketch=None, noise=NoisePlan(level=1, seed=1)))
    sketched = generator.generate(REQUEST)
    assert sketched.provenance["first_frame"] == "of the sketch"
    for other in (
        replace(REQUEST, first_frame=255 - SKETCH[:1]),
        replace(REQUEST, fps=Fraction(16)),
    ):
        assert not np.array_equal(sketched.frames, generator.generate(other).frames)


def test_the_clip_is_as_long_as_its_model_was_made_for(folder: Path) -> None:
    published = family_of(open_folder(folder, name="tiny")).published()
    assert (published.size, published.frames, published.guidance) == ((1024, 576), 6, 3.0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_it_films_in_half_precision(folder: Path, dtype: str) -> None:
    told = _told(folder).model_copy(update={"dtype": dtype})
    made = load(told).generate(
        replace(REQUEST, size=(72, 40), sketch=scene(seed=3, frames=6, size=(72, 40))[0])
    )
    assert made.provenance["dtype"] == dtype
    assert made.frames.shape == (6, 40, 72, 3)
