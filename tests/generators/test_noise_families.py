"""Regions and kinds of noise mean the same in every family: packed, transposed, inverted or not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reelwright_core.settings import Generator as Told
from reelwright_core.story import FrameSpan
from reelwright_core.takes import NoisePlan, Region
from reelwright_generators import latents, noise
from reelwright_generators.controls import of_sketch
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.family import TRANSFORMERS
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request
from reelwright_generators.schedules import kind_of
from reelwright_generators.tiny.parts import scene

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "wan euler": ("wan", {"scheduler": "euler"}),
    "wan unipc": ("wan", {"scheduler": "unipc"}),
    "vace": ("vace", {}),
    "cogvideox ddim": ("cogvideox", {"version": "2B"}),
    "cogvideox 1.5": ("cogvideox", {"version": "1.5", "scheduler": "ddim"}),
    "ltx": ("ltx", {}),
    "ltx-2": ("ltx2", {}),
    "mochi": ("mochi", {}),
    "hunyuan": ("hunyuan", {}),
    "animatediff ddim": ("animatediff", {"scheduler": "ddim"}),
    "animatediff euler": ("animatediff", {"scheduler": "euler"}),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The film and the facts of a tiny model, each made once."""

    @functools.cache
    def made(name: str) -> tuple[DiffusionFilm, Any]:
        module, which = MODELS[name]
        builder: Any = import_module(f"reelwright_generators.tiny.{module}")
        folder: Path = builder.build(tmp_path_factory.mktemp(module), **which)
        told = Told(device="cpu", dtype="float32", steps=10)
        family = family_of(open_folder(folder, name=module))
        return DiffusionFilm(family, told), DiffusionGenerator(family, told).facts()

    return made


def _request(film: DiffusionFilm, facts: Any, plan: NoisePlan, *, latent_frames: int) -> Request:
    """A dog in the left upper quarter and, from the second latent on, a car right below."""
    grid = film.family.grid
    wide, high = (max(4 * grid.spatial, side) for side in facts.size)
    size = grid.size((wide, high))
    frames = grid.frames((latent_frames - 1) * grid.temporal + 1)
    sketch, _ = scene(seed=3, frames=frames, size=size)
    labels = np.zeros(sketch.shape[:3], np.uint8)
    labels[:, : size[1] // 2, : size[0] // 2] = 1
    labels[1:, size[1] // 2 :, size[0] // 2 :] = 2
    request = Request(
        prompt="a red car", size=size, frames=frames, fps=facts.fps, noise=plan, sketch=sketch,
        labels=labels, things=(("dog", 0), ("car", 0)),
    )  # fmt: skip
    if facts.needs == ["control"]:
        request = replace(request, control=of_sketch("rgb", sketch))
    return request


def _decoded(film: DiffusionFilm, request: Request, facts: Any) -> tuple[torch.Tensor, Any]:
    """The latents that the clip ends in, normalised, [1, channels, frames, height, width]."""
    vae, found = film.pipe.vae, list[torch.Tensor]()
    decode = vae.decode

    @functools.wraps(decode)
    def told(z: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        found.append(z.float().clone())
        return decode(z, *args, **kwargs)

    vae.decode = told
    try:
        made = film.film(request, facts=facts, on_step=None)
    finally:
        del vae.decode
    whole = torch.cat(found)
    if whole.ndim == 4:
        whole = whole.permute(1, 0, 2, 3)[None]
    return latents.normalise(vae, whole), made


@pytest.mark.parametrize("name", MODELS)
def test_several_things_spans_and_overlaps_each_keep_what_they_should(
    model: Callable[[str], Any], name: str
) -> None:
    film, facts = model(name)
    grid = film.family.grid
    regions = [
        Region(of="background", level=0.0),
        Region(of="dog", level=0.5),
        Region(of="car", level=1.0),  # above the plan's own: free from the start
        Region(of="dog", level=0.0, frames=FrameSpan(first=grid.temporal + 1, last=10_000)),
    ]
    plan = NoisePlan(level=0.9, seed=5, regions=regions)
    request = _request(film, facts, plan, latent_frames=3)
    with torch.no_grad():
        clean = film.family.encoded(film.pipe, request)
    levels = noise.level_map(plan, request, grid, clean.shape)

    found, made = _decoded(film, request, facts)

    lead = clean.shape[2] - found.shape[2]
    clean = clean[:, :, lead:]
    levels = levels[:, :, lead:].expand(clean.shape)
    assert {round(float(level), 3) for level in levels.unique()} == {0.0, 0.5, 0.9}
    off = (found - clean).abs()
    exact = 1e-5 if "flow" in kind_of(film.pipe.scheduler) else 2e-4
    assert off[levels == 0].max() <= exact
    assert (levels[:, :, 2:, : levels.shape[3] // 2, : levels.shape[4] // 2] == 0).all()
    dog, car = off[levels == 0.5].mean(), off[levels > 0.6].mean()
    assert 1e-3 < dog < car
    told = made.provenance["noise"]["regions"]
    assert [each["reached"] for each in (told[0], told[3])] == [0.0, 0.0]
    assert told[0]["reached"] < told[1]["reached"] < told[2]["reached"] <= 0.9 + 0.05


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["windows", "drift", "flow"])
def test_shared_noise_reaches_the_model_in_its_own_layout(
    model: Callable[[str], Any], name: str, kind: Any
) -> None:
    film, facts = model(name)
    drift = (0.25 / film.family.grid.temporal, 0.0) if kind == "drift" else None
    plan = NoisePlan(level=1.0, seed=5, noise=kind, window=2, drift=drift)
    request = _request(film, facts, plan, latent_frames=3)
    seen: list[torch.Tensor] = []

    def see(module: Any, args: tuple[Any, ...], told: dict[str, Any]) -> None:
        given = told.get("hidden_states", told.get("sample"))
        seen.append((args[0] if given is None else given).clone())

    part = next(p for name in TRANSFORMERS if (p := getattr(film.pipe, name, None)) is not None)
    hook = part.register_forward_pre_hook(see, with_kwargs=True)
    try:
        film.film(request, facts=facts, on_step=None)
    finally:
        hook.remove()
    shape = film.family.shape(film.pipe, request)
    shared = noise.of_plan(plan, shape, request=request, family=film.family)
    assert not torch.equal(shared, noise.draw(shape, 5))
    expected = film.family.at_model(film.pipe, shared)
    given = seen[0][:1]
    for axis in range(1, expected.ndim):
        given = given.narrow(axis, 0, expected.shape[axis])
    scheduler = film.pipe.scheduler
    if kind_of(scheduler) == "variance exploding":  # scaled to what the model was taught
        given = given * (given.square().mean().rsqrt() * expected.square().mean().sqrt())
    assert (given - expected).abs().max() <= 1e-4
