"""Wan VACE: control videos, given frames and references reach the model as VACE was taught."""

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
from reelwright_core.takes import NoisePlan, Region
from reelwright_generators import conformance, latents
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Control, Facts, Reference, Request, load
from reelwright_generators.long import Joins
from reelwright_generators.tiny import vace
from reelwright_generators.tiny.parts import scene

SIZE, FRAMES = (64, 32), 9
Z = 4
"""Channels of the tiny latents."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vace.build(tmp_path_factory.mktemp("vace"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vace.build(tmp_path_factory.mktemp("vace"), experts=True)


Film = tuple[DiffusionFilm, Facts]


@pytest.fixture
def film(folder: Path) -> Film:
    told = _told(folder)
    return DiffusionFilm(family_of(open_folder(folder, name="tiny")), told), load(told).facts()


def _told(folder: Path) -> Told:
    return Told(model=str(folder), device="cpu", dtype="float32")


def _sketch(seed: int = 3) -> Any:
    return scene(seed=seed, frames=FRAMES, size=SIZE)[0]


def _references() -> tuple[Reference, ...]:
    pictures = [scene(seed=seed, frames=1, size=(40, 24))[0] for seed in (6, 7)]
    return tuple(
        Reference(entity=entity, picture=picture)
        for entity, picture in zip(("car", "beach"), pictures, strict=True)
    )


def _request(level: float = 1.0, **asked: Any) -> Request:
    request = Request(
        prompt="a red car", size=SIZE, frames=FRAMES, fps=Fraction(8),
        noise=NoisePlan(level=level, seed=5), sketch=_sketch(),
    )  # fmt: skip
    return replace(request, **asked)


def _shown(film: Film, request: Request) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Any]:
    """What VACE's control branch is given: kept and filmed latents, mask, and their strength."""
    one, facts = film
    calls: list[dict[str, Any]] = []

    def keep(module: Any, args: Any, told: dict[str, Any]) -> None:
        calls.append(dict(told))

    hook = one.pipe.transformer.register_forward_pre_hook(keep, with_kwargs=True)
    one.film(request, facts=facts, on_step=None)
    hook.remove()
    given = calls[0]["control_hidden_states"]
    scale = calls[0]["control_hidden_states_scale"]
    return given[:, :Z], given[:, Z : 2 * Z], given[:, 2 * Z :], scale


def test_it_conforms_and_is_proved(folder: Path, two: Path) -> None:
    for model in (folder, two):
        assert conformance.check(load(_told(model))) == []
    assert prove(folder) == []


def test_with_two_experts_it_is_proved_below_the_boundary(two: Path) -> None:
    assert prove(two, levels=(0.8,)) == []


@pytest.mark.parametrize("kind", ["rgb", "depth", "edges", "masks", "pose"])
def test_a_control_video_is_all_to_be_filmed(film: Film, kind: Any) -> None:
    control = Control(kind=kind, frames=_sketch(4), scale=0.5)
    kept, filmed, mask, scale = _shown(film, _request(control=control))
    encoded = latents.encode(film[0].pipe.vae, control.frames)
    assert (filmed - encoded).abs().max() <= 1e-5
    assert not torch.allclose(kept, encoded, atol=1e-2)
    assert mask.eq(1).all()
    assert scale.tolist() == [0.5, 0.5]
    made = film[0].film(_request(control=control), facts=film[1], on_step=None)
    assert made.provenance["control"] == {"kind": kind, "scale": 0.5}


def test_without_anything_to_show_all_is_filmed(film: Film) -> None:
    _, _, mask, scale = _shown(film, _request())
    assert mask.eq(1).all()
    assert scale.tolist() == [1, 1]


def test_given_frames_are_kept_and_the_rest_is_filmed(film: Film) -> None:
    first, last = _sketch(6)[:1], _sketch(7)[-1:]
    request = _request(first_frame=first, last_frame=last)
    video, mask = (film[0].family.arguments(film[0].pipe, request, film[1])[name]
                   for name in ("video", "mask"))  # fmt: skip
    assert np.array_equal(np.asarray(video[0]), first[0])
    assert np.array_equal(np.asarray(video[-1]), last[0])
    assert {int(np.asarray(frame).mean()) for frame in video[1:-1]} == {128}
    assert [int(np.asarray(frame).mean()) for frame in mask] == [0, *[255] * 7, 0]

    kept, _, _, _ = _shown(film, request)
    alone = latents.encode(film[0].pipe.vae, first)
    assert (kept[:, :, :1] - alone).abs().max() <= 1e-5


def test_given_frames_stand_beside_a_control_video(film: Film) -> None:
    control = Control(kind="depth", frames=_sketch(4))
    request = _request(control=control, first_frame=_sketch(6)[:1])
    passed = film[0].family.arguments(film[0].pipe, request, film[1])
    assert np.array_equal(np.asarray(passed["video"][0]), _sketch(6)[0])
    assert np.array_equal(np.asarray(passed["video"][1]), control.frames[1])


def test_references_are_frames_before_the_clip_and_start_as_noised_as_it(film: Film) -> None:
    one, facts = film
    request = _request(0.6, references=_references())
    clean = one.family.encoded(one.pipe, request)
    assert one.family.shape(one.pipe, request) == tuple(clean.shape) == (1, Z, 5, 4, 8)
    kept, filmed, mask, _ = _shown(film, request)
    # The pipeline puts each before those it has put, so the last one comes first.
    assert (clean[:, :, :2] - kept[:, :, :2]).abs().max() <= 1e-5
    assert filmed[:, :, :2].eq(0).all()
    assert mask[:, :, :2].eq(0).all()
    assert mask[:, :, 2:].eq(1).all()
    made = one.film(request, facts=facts, on_step=None)
    assert made.frames.shape == (FRAMES, 32, 64, 3)
    assert made.provenance["references"] == ["car", "beach"]


def test_with_references_it_is_proved(folder: Path) -> None:
    assert prove(folder, levels=(0.6,), references=_references()) == []


def test_regions_go_by_the_clips_frames_whatever_references_come_before(film: Film) -> None:
    one, facts = film
    regions = [Region(of="all", level=0.0)]
    plan = NoisePlan(level=0.9, seed=5, regions=regions)
    kept = one.film(_request(noise=plan, references=_references()), facts=facts, on_step=None)
    with torch.no_grad():
        whole = latents.encode(one.pipe.vae, _sketch())
        z = latents.denormalise(one.pipe.vae, whole)
        back = one.pipe.vae.decode(z).sample[0].permute(1, 2, 3, 0).clamp(-1, 1)
    shown = np.rint((back.numpy() + 1) * 127.5)
    assert np.abs(kept.frames - shown).max() <= 1


def test_another_reference_gives_another_clip(folder: Path) -> None:
    generator = load(_told(folder))
    car, beach = _references()
    one = generator.generate(_request(0.8, references=(car,)))
    two = generator.generate(_request(0.8, references=(beach,)))
    assert not np.array_equal(one.frames, two.frames)


def test_below_the_boundary_the_expert_for_high_noise_is_not_called(two: Path) -> None:
    one = DiffusionFilm(family_of(open_folder(two, name="tiny")), _told(two))
    called: list[Any] = []

    def keep(module: Any, args: Any) -> None:
        called.append(module)

    one.pipe.transformer.register_forward_pre_hook(keep)
    made = one.film(_request(0.8), facts=load(_told(two)).facts(), on_step=None)
    assert not called
    assert made.provenance["experts"] == ["low noise"]


def test_clips_with_references_are_not_denoised_together(folder: Path) -> None:
    generator = load(_told(folder))
    assert isinstance(generator, Joins)
    generator.refuse_joined([_request(), _request()], [5])
    with pytest.raises(ModelError, match="reference pictures stand before"):
        generator.refuse_joined([_request(), _request(references=_references())], [5])
