"""Wan 2.2's experts and tokens, and Wan from pictures: each is called as it was made to be."""

from __future__ import annotations

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
from reelwright_core.takes import NoisePlan
from reelwright_generators import conformance, latents, noise
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Facts, Request, load
from reelwright_generators.tiny import wan
from reelwright_generators.tiny.parts import scene

MODELS: dict[str, Callable[[Path], Path]] = {
    "experts": wan.build_experts,
    "experts from pictures": lambda folder: wan.build_experts(folder, pictures=True),
    "tokens": wan.build_tokens,
    "tokens from pictures": lambda folder: wan.build_tokens(folder, pictures=True),
    "pictures": wan.build_pictures,
    "first and last": lambda folder: wan.build_pictures(folder, last=True),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds, once each, the tiny Wans of `MODELS`."""
    built: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in built:
            built[name] = MODELS[name](tmp_path_factory.mktemp("wan"))
        return built[name]

    return folder


Film = Callable[[str], tuple[DiffusionFilm, Facts]]


@pytest.fixture
def film(folders: Callable[[str], Path]) -> Film:
    def loaded(name: str) -> tuple[DiffusionFilm, Facts]:
        told = _told(folders(name))
        family = family_of(open_folder(folders(name), name="tiny"))
        return DiffusionFilm(family, told), load(told).facts()

    return loaded


def _told(folder: Path) -> Told:
    return Told(model=str(folder), device="cpu", dtype="float32")


def _request(facts: Facts, level: float = 1.0, **asked: Any) -> Request:
    sketch = scene(seed=3, frames=facts.frames, size=facts.size)[0]
    first = sketch[:1] if "first_frame" in facts.needs else None
    last = sketch[-1:] if "last_frame" in facts.needs else None
    request = Request(
        prompt="a red car", size=facts.size, frames=facts.frames, fps=Fraction(8),
        noise=NoisePlan(level=level, seed=5), sketch=sketch, first_frame=first, last_frame=last,
    )  # fmt: skip
    return replace(request, **asked)


def _calls(part: Any) -> list[dict[str, Any]]:
    """What a part is called with, from now on."""
    calls: list[dict[str, Any]] = []

    def keep(module: Any, args: Any, told: dict[str, Any]) -> None:
        calls.append(dict(told))

    part.register_forward_pre_hook(keep, with_kwargs=True)
    return calls


@pytest.mark.parametrize("name", MODELS)
def test_it_conforms(folders: Callable[[str], Path], name: str) -> None:
    assert conformance.check(load(_told(folders(name)))) == []


@pytest.mark.parametrize("name", [name for name in MODELS if name != "tokens from pictures"])
def test_it_is_proved(folders: Callable[[str], Path], name: str) -> None:
    assert prove(folders(name)) == []


@pytest.mark.parametrize(("level", "both"), [(1.0, True), (0.9, True), (0.87, False)])
def test_a_start_below_the_boundary_never_calls_the_expert_for_high_noise(
    film: Film, level: float, both: bool
) -> None:
    one, facts = film("experts")
    high, low = _calls(one.pipe.transformer), _calls(one.pipe.transformer_2)
    made = one.film(_request(facts, level), facts=facts, on_step=None)
    sigmas = made.provenance["noise"]["sigmas"]
    above = sum(sigma >= 0.875 for sigma in sigmas)
    assert (len(high), len(low)) == (2 * above, 2 * (len(sigmas) - above))
    assert (above > 0) == both
    experts = ["high noise", "low noise"] if both else ["low noise"]
    assert made.provenance["experts"] == experts


def test_below_the_boundary_the_expert_for_high_noise_can_be_left_out(film: Film) -> None:
    one, facts = film("experts")
    whole = one.film(_request(facts, 0.8), facts=facts, on_step=None)
    one.pipe.register_modules(transformer=None)
    assert np.array_equal(
        one.film(_request(facts, 0.8), facts=facts, on_step=None).frames, whole.frames
    )


def test_the_expert_for_low_noise_is_guided_less(film: Film) -> None:
    one, facts = film("experts")
    request = _request(facts, 1.0)
    assert one.family.arguments(one.pipe, request, facts)["guidance_scale_2"] == 1.5
    pictures, facts = film("experts from pictures")
    request = _request(facts, 1.0)
    assert pictures.family.arguments(pictures.pipe, request, facts)["guidance_scale_2"] == 2
    single, facts = film("tokens")
    request = _request(facts, 1.0)
    assert "guidance_scale_2" not in single.family.arguments(single.pipe, request, facts)


def test_tokens_are_told_their_timesteps_one_by_one(film: Film) -> None:
    one, facts = film("tokens")
    grid = one.family.grid
    assert (grid.spatial, grid.steps) == (16, (32, 32))
    calls = _calls(one.pipe.transformer)
    one.film(_request(facts, 0.6), facts=facts, on_step=None)
    frames, high, wide = grid.latent_frames(facts.frames), 64 // 32, 128 // 32
    assert calls[0]["hidden_states"].shape == (1, 6, frames, 2 * high, 2 * wide)
    assert calls[0]["timestep"].shape == (1, frames * high * wide)
    assert calls[0]["timestep"].unique().tolist() == [600]


@pytest.mark.parametrize("level", [0.4, 0.8])
def test_where_a_token_is_a_picture_the_rest_starts_from_the_sketch(
    film: Film, level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, facts = film("tokens from pictures")
    picture = scene(seed=8, frames=1, size=facts.size)[0]
    request = _request(facts, level, first_frame=picture)
    assert request.sketch is not None
    clean = latents.encode(one.pipe.vae, request.sketch)
    shown = latents.encode(one.pipe.vae, picture)
    inputs: list[torch.Tensor] = []
    times: list[torch.Tensor] = []
    steps: list[int] = [0]

    def exact(module: Any, args: Any, told: dict[str, Any], output: Any) -> Any:
        given = told["hidden_states"]
        sigma = one.pipe.scheduler.sigmas[steps[-1]]
        inputs.append(given.clone())
        times.append(told["timestep"][0])
        return ((given - clean) / sigma,)

    one.pipe.transformer.register_forward_hook(exact, with_kwargs=True)
    decoded: list[torch.Tensor] = []
    decode = one.pipe.vae.decode

    def watched(z: torch.Tensor, **rest: Any) -> Any:
        decoded.append(latents.normalise(one.pipe.vae, z))
        return decode(z, **rest)

    monkeypatch.setattr(one.pipe.vae, "decode", watched)
    one.film(request, facts=facts, on_step=lambda done, of: steps.append(done))

    begun = (1 - level) * clean + level * noise.draw(clean.shape, 5)
    assert (inputs[0][:, :, 1:] - begun[:, :, 1:]).abs().max() <= 1e-6
    assert (inputs[0][:, :, :1] - shown).abs().max() <= 1e-5
    cells = (facts.size[0] // 32) * (facts.size[1] // 32)
    assert times[0][:cells].eq(0).all()
    assert times[0][cells:].eq(1000 * level).all()
    assert (decoded[0][:, :, :1] - shown).abs().max() <= 1e-5
    assert (decoded[0][:, :, 1:] - clean[:, :, 1:]).abs().max() <= 1e-5


def test_who_takes_a_last_frame_says_so(folders: Callable[[str], Path]) -> None:
    ends = {name: load(_told(folders(name))).facts() for name in MODELS}
    taken = {name for name, facts in ends.items() if "last_frame" in facts.can}
    assert taken == {"experts from pictures", "first and last"}
    assert {name for name, facts in ends.items() if "last_frame" in facts.needs} == {
        "first and last"
    }


@pytest.mark.parametrize("name", ["experts from pictures", "first and last"])
def test_another_last_frame_gives_another_clip(folders: Callable[[str], Path], name: str) -> None:
    generator = load(_told(folders(name)))
    facts = generator.facts()
    other = scene(seed=9, frames=1, size=facts.size)[0]
    one = generator.generate(_request(facts))
    two = generator.generate(_request(facts, last_frame=other))
    assert not np.array_equal(one.frames, two.frames)


def test_missing_pictures_are_taken_from_the_sketch_or_refused(
    folders: Callable[[str], Path],
) -> None:
    generator = load(_told(folders("first and last")))
    facts = generator.facts()
    given = generator.generate(_request(facts))
    taken = generator.generate(_request(facts, first_frame=None, last_frame=None))
    assert np.array_equal(given.frames, taken.frames)
    assert taken.provenance["first_frame"] == "of the sketch"
    assert taken.provenance["last_frame"] == "of the sketch"
    with pytest.raises(ModelError, match="give a first frame or a sketch"):
        generator.check(_request(facts, first_frame=None, sketch=None))
    with pytest.raises(ModelError, match="give a last frame or a sketch"):
        generator.check(_request(facts, last_frame=None, sketch=None))


def test_a_last_frame_must_end_a_clip_of_the_models_own_length(
    folders: Callable[[str], Path],
) -> None:
    generator = load(_told(folders("experts from pictures")))
    facts = generator.facts()
    request = _request(facts)
    assert request.sketch is not None
    short = replace(request, frames=7, sketch=request.sketch[:7], last_frame=request.sketch[-1:])
    with pytest.raises(ModelError, match="ask for 9, or leave it out"):
        generator.check(short)
    with pytest.raises(ModelError, match="cannot end with a given frame"):
        load(_told(folders("tokens from pictures"))).check(
            replace(
                request,
                size=(128, 64),
                sketch=None,
                first_frame=np.zeros((1, 64, 128, 3), np.uint8),
                last_frame=np.zeros((1, 64, 128, 3), np.uint8),
            )
        )
