"""Pipelines without an adapter of their own: filmed by their source, or refused with the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators import conformance
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.families import family_of
from reelwright_generators.families.other import Other
from reelwright_generators.families.proof import prove
from reelwright_generators.families.source import source_of
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request, load
from reelwright_generators.tiny import latte, sana
from reelwright_generators.tiny.parts import scene


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Latte, which films four frames and no other number."""
    return latte.build(tmp_path_factory.mktemp("latte"))


@pytest.fixture(scope="module")
def flowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Sana-Video, a flow model with Wan's autoencoder."""
    return sana.build(tmp_path_factory.mktemp("sana"))


def _told(folder: Path) -> Told:
    return Told(model=str(folder), device="cpu", dtype="float32")


def test_latte_is_proved_and_conforms(fixed: Path) -> None:
    assert prove(fixed) == []
    assert conformance.check(load(_told(fixed))) == []


def test_sana_video_is_proved_and_conforms(flowing: Path) -> None:
    assert prove(flowing) == []
    assert conformance.check(load(_told(flowing))) == []


def test_grids_are_those_of_the_configs(fixed: Path, flowing: Path) -> None:
    one = family_of(open_folder(fixed, name="latte"))
    assert (one.grid.steps, one.grid.frames(2)) == ((16, 16), 4)
    with pytest.raises(ModelError, match="films 4 frames at most, got 5"):
        one.grid.refuse_beyond((64, 32), 5)
    other = family_of(open_folder(flowing, name="sana"))
    assert (other.grid.steps, other.grid.frames(6)) == ((32, 32), 9)


def test_defaults_are_those_of_the_signature(flowing: Path) -> None:
    told = family_of(open_folder(flowing, name="sana")).published()
    assert (told.size, told.frames, told.steps, told.guidance) == ((832, 480), 81, 50, 6.0)


def test_the_lack_of_an_adapter_is_told(flowing: Path) -> None:
    request = Request(
        prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8),
        noise=NoisePlan(level=1, seed=1),
    )  # fmt: skip
    (warning,) = load(_told(flowing)).check(request)
    assert "SanaVideoPipeline has no adapter of its own" in warning


def test_what_cannot_be_given_latents_films_from_pure_noise_alone(fixed: Path) -> None:
    source = source_of("LattePipeline")
    assert source is not None
    unread = Other(open_folder(fixed, name="latte"), replace(source, layout=None))
    generator = DiffusionGenerator(unread, _told(fixed))
    facts = generator.facts()
    assert facts.can == ["text", "negative_prompt", "seeds"]
    assert conformance.check(generator) == []
    request = Request(
        prompt="a red car", size=(64, 32), frames=4, fps=Fraction(8),
        noise=NoisePlan(level=0.5, seed=1), sketch=scene(seed=3, frames=4)[0],
    )  # fmt: skip
    with pytest.raises(ModelError, match="cannot start from a sketch"):
        generator.check(request)
    one, other = (
        generator.generate(replace(request, noise=NoisePlan(level=1, seed=seed))).frames
        for seed in (1, 2)
    )
    assert not np.array_equal(one, other)


def test_latents_are_given_in_the_order_of_the_source(fixed: Path) -> None:
    source = source_of("Kandinsky5T2VPipeline")
    assert source is not None
    assert source.layout == ("frames", "height", "width", "channels")
    family = Other(open_folder(fixed, name="latte"), source)
    assert family.packed(None, torch.zeros(1, 4, 9, 6, 8)).shape == (1, 9, 6, 8, 4)


@pytest.mark.parametrize(
    ("pipeline", "why"),
    [
        ("FluxPipeline", "has no `frames`, so it makes no video"),
        ("StableDiffusionXLPipeline", "has no `frames`, so it makes no video"),
        ("AudioLDM2Pipeline", "has no `frames`, so it makes no video"),
        ("WanVideoToVideoPipeline", "it takes `video` besides a prompt"),
        ("LucyEditPipeline", "it takes `video` besides a prompt"),
        ("LTXLatentUpsamplePipeline", "it takes no `prompt`"),
        ("PyramidFlowPipeline", "which the installed diffusers does not have"),
        ("not a name", "which the installed diffusers does not have"),
    ],
)
def test_what_films_from_no_text_alone_is_refused(tmp_path: Path, pipeline: str, why: str) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    with pytest.raises(ModelError, match=why):
        load(Told(model=str(tmp_path)))


def test_a_picture_model_is_told_how_it_films(tmp_path: Path) -> None:
    index = {"_class_name": "StableDiffusionPipeline"}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="it films with a motion adapter"):
        load(Told(model=str(tmp_path)))
