"""CogVideoX: every version is proved; padding, dtype, dynamic guidance and controls as they are."""

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
from reelwright_core.takes import NoisePlan, Region
from reelwright_generators import conformance, noise
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Control, Generator, Request, load
from reelwright_generators.tiny import cogvideox
from reelwright_generators.tiny.parts import scene

SKETCH, LABELS = scene(seed=3)
REQUEST = Request(
    prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8), sketch=SKETCH, labels=LABELS,
    things=(("car", 0),), noise=NoisePlan(level=0.6, seed=5),
)  # fmt: skip
CONTROL = Control(kind="depth", frames=SKETCH)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    done: dict[str, Path] = {}

    def folder(**which: str) -> Path:
        key = "-".join(which.values())
        if key not in done:
            done[key] = cogvideox.build(tmp_path_factory.mktemp(key), **which)
        return done[key]

    return folder


def _told(folder: Path, **settings: Any) -> Told:
    return Told.model_validate(
        {"model": str(folder), "device": "cpu", "dtype": "float32"} | settings
    )


def _load(folder: Path, **settings: Any) -> Generator:
    return load(_told(folder, **settings))


@pytest.mark.parametrize(
    "which",
    [
        {"version": "2B"},
        {"version": "5B"},
        {"version": "5B", "scheduler": "ddim"},
        {"version": "1.5"},
        {"version": "5B", "by": "picture"},
        {"version": "1.5", "by": "picture"},
        {"version": "5B", "by": "control"},
    ],
    ids=lambda which: "-".join(which.values()),
)
def test_every_version_is_proved(built: Callable[..., Path], which: dict[str, str]) -> None:
    assert prove(built(**which)) == []


@pytest.mark.parametrize(
    "which",
    [{"version": "1.5"}, {"version": "5B", "by": "picture"}, {"version": "5B", "by": "control"}],
    ids=lambda which: "-".join(which.values()),
)
def test_every_pipeline_conforms(built: Callable[..., Path], which: dict[str, str]) -> None:
    assert conformance.check(_load(built(**which))) == []


@pytest.mark.parametrize("version", ["5B", "1.5"])
@pytest.mark.parametrize(("frames", "filmed"), [(1, 1), (2, 9), (9, 9), (13, 17), (17, 17)])
def test_frames_are_filmed_in_eights_and_one(
    built: Callable[..., Path], version: str, frames: int, filmed: int
) -> None:
    generator = _load(built(version=version), steps=4)
    sketch, _ = scene(seed=1, frames=frames)
    request = replace(REQUEST, frames=frames, sketch=sketch, labels=None, things=())
    made = generator.generate(request)
    assert len(made.frames) == frames
    assert made.provenance.get("filmed", {"frames": frames})["frames"] == filmed


def test_what_evens_out_the_pairs_of_1_5_stands_before_the_first_latent(
    built: Callable[..., Path],
) -> None:
    family = family_of(open_folder(built(version="1.5"), name="tiny"))
    film = DiffusionFilm(family, _told(built(version="1.5")))
    shape = family.shape(film.pipe, REQUEST)
    assert shape == (1, 4, 4, 4, 8)  # 3 latents and one before them
    with torch.no_grad():
        clean = family.encoded(film.pipe, REQUEST)
    assert clean.shape == shape
    assert torch.equal(clean[:, :, 0], clean[:, :, 1])
    plan = NoisePlan(level=0.8, seed=5, regions=[Region(of="car", level=0.2)])
    levels = noise.level_map(plan, REQUEST, family.grid, shape)
    assert levels.shape == (1, 1, 4, 4, 8)
    assert torch.equal(levels[:, :, 0], levels[:, :, 1])
    assert (levels[:, :, 1] == 0.2).any()
    assert not torch.equal(levels[:, :, 1], levels[:, :, 2])


def test_noise_moves_with_the_sketch_from_its_own_first_latent_on(
    built: Callable[..., Path],
) -> None:
    family = family_of(open_folder(built(version="1.5"), name="tiny"))
    plan = NoisePlan(level=1.0, seed=5, noise="flow")
    drawn = noise.of_plan(plan, (1, 4, 4, 4, 8), request=REQUEST, family=family)
    assert torch.equal(drawn[:, :, 0], drawn[:, :, 1])  # nothing has moved before it
    assert not torch.equal(drawn[:, :, 1], drawn[:, :, 2])


def test_guidance_stays_what_was_asked_in_every_step(built: Callable[..., Path]) -> None:
    family = family_of(open_folder(built(version="5B"), name="tiny"))
    film = DiffusionFilm(family, _told(built(version="5B")))
    facts = _load(built(version="5B"), guidance=3.5).facts()
    seen: list[float] = []
    film.film(REQUEST, facts=facts, on_step=lambda done, of: seen.append(film.pipe.guidance_scale))
    assert set(seen) == {3.5}


@pytest.mark.parametrize("which", [{"version": "5B"}, {"version": "1.5", "by": "picture"}])
def test_it_films_in_half_precision(built: Callable[..., Path], which: dict[str, str]) -> None:
    made = _load(built(**which), dtype="bfloat16", steps=8).generate(REQUEST)
    assert made.provenance["dtype"] == "bfloat16"
    whole = _load(built(**which), steps=8).generate(REQUEST)
    assert np.abs(made.frames.astype(float) - whole.frames).mean() < 5


def test_without_a_first_frame_the_sketch_gives_it(built: Callable[..., Path]) -> None:
    generator = _load(built(version="5B", by="picture"), steps=4)
    made = generator.generate(REQUEST)
    assert made.provenance["first_frame"] == "of the sketch"
    given = generator.generate(replace(REQUEST, first_frame=SKETCH[:1]))
    assert "first_frame" not in given.provenance
    assert np.array_equal(given.frames, made.frames)
    other = generator.generate(replace(REQUEST, first_frame=255 - SKETCH[:1]))
    assert not np.array_equal(other.frames, made.frames)
    with pytest.raises(ModelError, match="films on from a picture and none was given"):
        generator.check(replace(REQUEST, sketch=None, noise=NoisePlan(level=1.0, seed=5)))


def test_a_control_video_is_followed_and_told(built: Callable[..., Path]) -> None:
    generator = _load(built(version="5B", by="control"), steps=4)
    plain = replace(REQUEST, noise=NoisePlan(level=1.0, seed=5), sketch=None)
    made = generator.generate(replace(plain, control=CONTROL))
    assert made.provenance["control"] == {"kind": "depth", "scale": 1.0}
    other = Control(kind="depth", frames=255 - SKETCH)
    assert not np.array_equal(generator.generate(replace(plain, control=other)).frames, made.frames)


@pytest.mark.parametrize(
    ("control", "message"),
    [
        (None, "films only along a control video and none was given; give one of depth, edges"),
        (replace(CONTROL, kind="rgb"), "follows control videos of depth, edges, pose, got rgb"),
        (replace(CONTROL, scale=0.5), "`scale` must be 1, got 0.5"),
    ],
)
def test_control_that_it_cannot_follow_is_refused(
    built: Callable[..., Path], control: Control | None, message: str
) -> None:
    generator = _load(built(version="5B", by="control"))
    with pytest.raises(ModelError, match=message):
        generator.check(replace(REQUEST, control=control))


def test_a_pose_model_follows_poses_alone(tmp_path: Path) -> None:
    folder = cogvideox.build(tmp_path / "CogVideoX-Fun-V1.1-5b-Pose", by="control")
    with pytest.raises(ModelError, match="follows control videos of pose, got depth"):
        _load(folder).check(replace(REQUEST, control=CONTROL))


def test_fun_models_that_cannot_be_filmed_are_refused(built: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="give it a CogVideoXDDIMScheduler"):
        _load(built(version="5B", by="control", scheduler="dpm"))
    with pytest.raises(ModelError, match="use a Fun model of CogVideoX"):
        _load(built(version="1.5", by="control"))


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ({"version": "5B", "by": "picture"}, "learned its positions for 64x32 alone, got 32x32"),
        ({"version": "1.5"}, "reaches 64x32 pixels at most, got 96x32"),
    ],
)
def test_sizes_beyond_its_positions_are_refused(
    built: Callable[..., Path], which: dict[str, str], message: str
) -> None:
    size = (96, 32) if which["version"] == "1.5" else (32, 32)
    sketch, labels = scene(seed=1, size=size)
    with pytest.raises(ModelError, match=message):
        _load(built(**which)).check(replace(REQUEST, size=size, sketch=sketch, labels=labels))


def test_more_frames_than_it_learned_positions_for_are_refused(built: Callable[..., Path]) -> None:
    sketch, labels = scene(seed=1, frames=17)
    with pytest.raises(ModelError, match="the model films 9 frames at most, got 17"):
        _load(built(version="5B", by="picture")).check(
            replace(REQUEST, frames=17, sketch=sketch, labels=labels)
        )


@pytest.mark.parametrize(
    ("version", "size", "frames", "fps"),
    [("2B", (720, 480), 49, 8), ("5B", (720, 480), 49, 8), ("1.5", (1360, 768), 81, 16)],
)
def test_without_a_profile_it_is_what_was_published(
    built: Callable[..., Path],
    tmp_path: Path,
    version: str,
    size: tuple[int, int],
    frames: int,
    fps: int,
) -> None:
    cogvideox.build(tmp_path, version=version)
    (tmp_path / "reelwright.json").unlink()
    facts = _load(tmp_path).facts()
    assert (facts.size, facts.frames, facts.fps) == (size, frames, fps)
    assert (facts.steps, facts.guidance) == (50, 6.0)
