"""LTX-Video starts from a sketch in its own layout and schedule, with pictures and rates told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from reelwright_generators import conformance, noise
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.ltx import DECODE_AT
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request, load
from reelwright_generators.long import Joins
from reelwright_generators.tiny import ltx
from reelwright_generators.tiny.parts import scene

SIZE, FRAMES = (96, 64), 17


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds, once each, the tiny LTX-Videos."""
    built: dict[str, Path] = {}

    def folder(**which: Any) -> Path:
        key = repr(which)
        if key not in built:
            built[key] = ltx.build(tmp_path_factory.mktemp("ltx"), **which)
        return built[key]

    return folder


@pytest.fixture(name="film")
def film_fixture(folders: Callable[..., Path]) -> Callable[..., tuple[DiffusionFilm, Any]]:
    def load_film(**which: Any) -> tuple[DiffusionFilm, Any]:
        path = folders(**which)
        told = Told(model=str(path), device="cpu", dtype="float32")
        film = DiffusionFilm(family_of(open_folder(path, name="tiny")), told)
        return film, load(told).facts()

    return load_film


def _request(level: float = 1.0, **asked: Any) -> Request:
    return Request(
        prompt="a red car", size=SIZE, frames=FRAMES, fps=Fraction(8),
        noise=NoisePlan(level=level, seed=5), sketch=scene(seed=3, frames=FRAMES, size=SIZE)[0],
        **asked,
    )  # fmt: skip


@pytest.fixture(name="told")
def told_fixture() -> Iterator[Callable[[Any], list[dict[str, Any]]]]:
    """Keeps what a part is called with."""
    hooks: list[Any] = []

    def watch(part: Any) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def keep(module: Any, args: Any, told: dict[str, Any]) -> None:
            calls.append(dict(told))

        hooks.append(part.register_forward_pre_hook(keep, with_kwargs=True))
        return calls

    yield watch
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("condition", [False, True])
def test_it_conforms_and_is_proved(folders: Callable[..., Path], condition: bool) -> None:
    folder = folders(condition=condition)
    assert conformance.check(load(Told(model=str(folder), device="cpu", dtype="float32"))) == []
    assert prove(folder) == []


def test_sizes_go_by_32_and_frames_by_8(folders: Callable[..., Path]) -> None:
    grid = family_of(open_folder(folders(condition=False), name="tiny")).grid
    assert grid.size((65, 64)) == (96, 64)
    assert [grid.frames(count) for count in (1, 2, 9, 10)] == [1, 9, 9, 17]
    assert grid.latent_frames(17) == 3


def test_tokens_go_frame_by_frame_row_by_row(film: Callable[..., Any]) -> None:
    pipe = film(condition=False)[0].pipe
    family = film(condition=False)[0].family
    latents = noise.draw((1, 4, 3, 2, 3), 1)
    packed = family.packed(pipe, latents)
    assert packed.shape == (1, 18, 4)
    assert torch.equal(packed[0, (1 * 2 + 1) * 3 + 2], latents[0, :, 1, 1, 2])
    assert torch.equal(pipe._unpack_latents(packed, 3, 2, 3), latents)


def test_the_stock_schedule_is_shifted_by_the_number_of_tokens_and_ends_at_a_tenth(
    film: Callable[..., Any],
) -> None:
    one, facts = film(condition=False)
    short = one.film(_request(), facts=facts, on_step=None).provenance["noise"]["sigmas"]
    asked = replace(_request(), frames=9, sketch=None)
    shorter = one.film(asked, facts=facts, on_step=None).provenance["noise"]["sigmas"]
    assert short[0] == shorter[0] == 1
    assert short[-1] == pytest.approx(0.1, abs=1e-5)
    assert short[3] > shorter[3]  # more tokens, more time at much noise


def test_the_frame_rate_scales_time_in_the_model(
    film: Callable[..., Any], told: Callable[[Any], list[dict[str, Any]]]
) -> None:
    one, facts = film(condition=False)
    calls = told(one.pipe.transformer)
    one.film(_request(), facts=facts, on_step=None)
    assert calls[0]["rope_interpolation_scale"] == (8 / 8, 32, 32)


@pytest.mark.parametrize("timestep", [False, True])
def test_a_decoder_that_denoises_is_told_from_where(
    film: Callable[..., Any], timestep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, facts = film(timestep=timestep)
    seen: list[Any] = []
    decode = one.pipe.vae.decode

    def watched(latents: Any, at: Any = None, **rest: Any) -> Any:
        seen.append(at)
        return decode(latents, at, **rest)

    monkeypatch.setattr(one.pipe.vae, "decode", watched)
    one.film(_request(0.6), facts=facts, on_step=None)
    assert [None if at is None else float(at) for at in seen] == [
        pytest.approx(DECODE_AT) if timestep else None
    ]


def test_first_and_last_pictures_are_tokens_without_noise(
    film: Callable[..., Any], told: Callable[[Any], list[dict[str, Any]]]
) -> None:
    one, facts = film(condition=True)
    calls = told(one.pipe.transformer)
    sketch = scene(seed=4, frames=1, size=SIZE)[0]
    plain = one.film(_request(0.8), facts=facts, on_step=None)
    assert calls[0]["hidden_states"].shape[1] == 18
    assert calls[0]["timestep"].unique().tolist() == pytest.approx([800])

    calls.clear()
    request = _request(0.8, first_frame=sketch, last_frame=sketch)
    made = one.film(request, facts=facts, on_step=None)
    cells = 6  # of one frame; those of the last picture come first
    times = calls[0]["timestep"][0]
    assert calls[0]["hidden_states"].shape[1] == 18 + cells
    assert times.tolist() == pytest.approx([0] * 2 * cells + [800] * 2 * cells)
    assert not np.array_equal(made.frames, plain.frames)


def test_pictures_and_regions_do_not_go_together(folders: Callable[..., Path]) -> None:
    generator = load(Told(model=str(folders(condition=True)), device="cpu"))
    plan = NoisePlan(level=0.8, seed=1, regions=[Region(of="all", level=0.2)])
    with pytest.raises(ModelError, match="leave out the plan's `regions`"):
        generator.check(replace(_request(0.8), noise=plan))


def test_a_clip_with_a_last_picture_is_not_denoised_with_others(
    folders: Callable[..., Path],
) -> None:
    generator = load(Told(model=str(folders(condition=True)), device="cpu"))
    assert isinstance(generator, Joins)
    picture = scene(seed=4, frames=1, size=SIZE)[0]
    generator.refuse_joined([_request(), _request(first_frame=picture)], [9])
    with pytest.raises(ModelError, match="as tokens of its own"):
        generator.refuse_joined([_request(), _request(last_frame=picture)], [9])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_it_films_in_half_precision_whatever_its_text_encoder_computes_in(
    folders: Callable[..., Path], dtype: str
) -> None:
    folder = str(folders(condition=False))
    whole = load(Told(model=folder, device="cpu", dtype="float32")).generate(_request(0.6))
    half = load(Told.model_validate({"model": folder, "device": "cpu", "dtype": dtype}))
    made = half.generate(_request(0.6))
    off = np.abs(made.frames.astype(float) - whole.frames)
    assert 0 < off.mean() < 3


def test_a_text_encoder_in_float32_speaks_in_the_models_type(folders: Callable[..., Path]) -> None:
    folder = folders(condition=False)
    told = Told(model=str(folder), device="cpu", dtype="float16")
    pipe = DiffusionFilm(family_of(open_folder(folder, name="tiny")), told).pipe
    words = torch.tensor([[3, 4, 5]])
    assert next(pipe.text_encoder.parameters()).dtype is torch.float32
    assert pipe.text_encoder.dtype is pipe.text_encoder(words)[0].dtype is torch.float16
