"""AnimateDiff on tiny models: one folder or several, ControlNet, SparseCtrl, IP-Adapter."""

from __future__ import annotations

import math
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
from reelwright_generators import conformance, noise
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.proof import prove
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Control, Generator, Reference, Request, load
from reelwright_generators.tiny import animatediff
from reelwright_generators.tiny.parts import scene

SKETCH, LABELS = scene(seed=3, frames=8)
REQUEST = Request(
    prompt="a red car", size=(64, 32), frames=8, fps=Fraction(8), sketch=SKETCH, labels=LABELS,
    things=(("car", 0),), noise=NoisePlan(level=0.8, seed=1),
)  # fmt: skip

Build = Callable[..., Path]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds, once each, the tiny AnimateDiff of a scheduler and a control."""
    there: dict[tuple[str, ...], Path] = {}

    def folder(**which: str) -> Path:
        key = tuple(which.values())
        if key not in there:
            there[key] = animatediff.build(tmp_path_factory.mktemp("animatediff"), **which)
        return there[key]

    return folder


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion, a motion adapter, a ControlNet and an IP-Adapter, in a folder each."""
    folder = tmp_path_factory.mktemp("parts")
    animatediff.still(folder / "still")
    animatediff.motion_adapter().save_pretrained(folder / "motion")
    animatediff.unet.controlnet().save_pretrained(folder / "control_sd15_depth")
    animatediff.ip_adapter(folder / "ip")
    return folder


def _load(folder: Path, *parts: str) -> Generator:
    return load(Told(model=str(folder), parts=parts, device="cpu", dtype="float32"))


def test_it_is_proved_and_conforms(built: Build) -> None:
    folder = built(scheduler="ddim")
    assert prove(folder) == []
    assert conformance.check(_load(folder)) == []


def test_it_is_proved_with_euler(built: Build) -> None:
    assert prove(built(scheduler="euler"), levels=(0.6,)) == []


def test_pndm_only_takes_a_step_twice(built: Build) -> None:
    faults = prove(built(scheduler="pndm"), levels=(0.6,))
    assert len(faults) == 2
    assert "level 1: 17 steps, not 16" in faults
    assert all("steps" in fault for fault in faults)


def test_euler_gets_pure_noise_as_large_as_its_first_level(built: Build) -> None:
    family = family_of(open_folder(built(scheduler="euler"), name="tiny"))
    film = DiffusionFilm(family, Told(device="cpu", dtype="float32"))
    seen: list[torch.Tensor] = []

    def given(module: Any, args: Any) -> None:
        seen.append(args[0].clone())

    film.pipe.unet.register_forward_pre_hook(given)
    plan = NoisePlan(level=1.0, seed=5)
    facts = _load(built(scheduler="euler")).facts()
    film.film(replace(REQUEST, noise=plan), facts=facts, on_step=None)

    film.pipe.scheduler.set_timesteps(facts.steps)
    scale = float(film.pipe.scheduler.sigmas[0])
    begun = noise.draw((1, 4, 8, 4, 8), 5) * film.pipe.scheduler.init_noise_sigma
    assert scale > 10
    assert torch.allclose(seen[0][:1], begun / math.sqrt(scale**2 + 1), atol=1e-5)


def test_sizes_go_in_steps_of_eight_and_clips_end_where_the_adapter_does(built: Build) -> None:
    generator = _load(built(scheduler="ddim"))
    odd = replace(
        REQUEST, size=(70, 38), frames=3, sketch=None, labels=None, noise=NoisePlan(level=1, seed=1)
    )
    assert any("steps of 8x8" in warning for warning in generator.check(odd))
    assert generator.generate(odd).frames.shape == (3, 38, 70, 3)
    with pytest.raises(ModelError, match="16 frames at most"):
        generator.check(replace(odd, frames=17))


def test_a_control_video_is_followed_as_much_as_told(built: Build) -> None:
    folder = built(control="controlnet")
    generator = _load(folder)
    assert set(generator.facts().controls) == {"rgb", "depth", "edges", "masks", "pose"}
    plain = generator.generate(REQUEST)
    control = Control(kind="depth", frames=SKETCH)
    warned = generator.check(replace(REQUEST, control=control))
    assert any("does not say what it was trained on" in warning for warning in warned)

    made = generator.generate(replace(REQUEST, control=control))
    other = generator.generate(replace(REQUEST, control=replace(control, frames=255 - SKETCH)))
    nothing = generator.generate(replace(REQUEST, control=replace(control, scale=0.0)))
    without = _load(built(scheduler="ddim")).generate(REQUEST)

    assert made.provenance["control"] == {"kind": "depth", "scale": 1.0}
    assert "control" not in plain.provenance
    assert not np.array_equal(made.frames, plain.frames)
    assert not np.array_equal(made.frames, other.frames)
    assert np.array_equal(nothing.frames, plain.frames)
    assert np.array_equal(without.frames, plain.frames)


def test_sparse_control_takes_a_first_and_a_last_frame(built: Build) -> None:
    generator = _load(built(control="sparse"))
    assert {"first_frame", "last_frame"} <= set(generator.facts().can)
    assert generator.facts().controls == []
    first, last = SKETCH[:1], 255 - SKETCH[-1:]
    made = [
        generator.generate(replace(REQUEST, first_frame=one, last_frame=other)).frames
        for one, other in ((None, None), (first, None), (None, last), (first, last), (first, first))
    ]
    assert all(not np.array_equal(a, b) for n, a in enumerate(made) for b in made[n + 1 :])


def test_sparse_control_is_the_same_whatever_was_drawn_before(built: Build) -> None:
    generator = _load(built(control="sparse"))
    request = replace(REQUEST, first_frame=SKETCH[:1])
    clips: list[Any] = []
    for seed in (1, 2):
        torch.manual_seed(seed)  # it draws the picture's latents from torch's own generator
        clips.append(generator.generate(request).frames)
    assert np.array_equal(clips[0], clips[1])
    drawn = torch.rand(3)
    torch.manual_seed(2)
    assert torch.equal(drawn, torch.rand(3))  # that generator was left as it was


def test_sparse_control_of_drawings_follows_a_whole_video(built: Build) -> None:
    generator = _load(built(control="drawings"))
    assert generator.facts().controls == ["edges"]
    assert "first_frame" not in generator.facts().can
    control = Control(kind="edges", frames=SKETCH)
    clips = [generator.generate(replace(REQUEST, control=each)).frames for each in (None, control)]
    assert not np.array_equal(clips[0], clips[1])


def test_a_picture_model_films_with_a_motion_adapter_and_a_controlnet(parts: Path) -> None:
    with pytest.raises(ModelError, match="parts=motion_adapter="):
        _load(parts / "still")
    motion = f"motion_adapter={parts / 'motion'}"
    generator = _load(parts / "still", motion, f"controlnet={parts / 'control_sd15_depth'}")
    facts = generator.facts()
    assert facts.family == "animatediff"
    assert facts.controls == ["depth"]
    control = Control(kind="depth", frames=SKETCH)
    assert all(
        "trained on" not in said for said in generator.check(replace(REQUEST, control=control))
    )

    made = generator.generate(replace(REQUEST, control=control))

    # Motion adapters want other betas than a Stable Diffusion's own PNDM has.
    assert made.provenance["scheduler"] == "DDIMScheduler"
    assert set(made.provenance["parts"]) == {"motion_adapter", "controlnet"}
    family = family_of(
        open_folder(parts / "still", name="tiny", extras={"motion_adapter": (parts / "motion", "")})
    )
    scheduler = DiffusionFilm(family, Told(device="cpu", dtype="float32")).pipe.scheduler
    assert scheduler.config.beta_schedule == "linear"
    assert not scheduler.config.clip_sample


def test_a_scheduler_that_is_named_is_the_one_that_films(parts: Path, tmp_path: Path) -> None:
    animatediff.unet.DIFFUSION["euler"]().save_pretrained(tmp_path)
    motion = f"motion_adapter={parts / 'motion'}"
    made = _load(parts / "still", motion, f"scheduler={tmp_path}").generate(REQUEST)
    assert made.provenance["scheduler"] == "EulerDiscreteScheduler"
    assert made.provenance["noise"]["reached"] == 0.8


def test_references_are_seen_where_their_entity_is(parts: Path) -> None:
    motion = f"motion_adapter={parts / 'motion'}"
    plain = _load(parts / "still", motion)
    seeing = _load(
        parts / "still", motion, f"ip_adapter={parts / 'ip'}", f"image_encoder={parts / 'ip'}"
    )
    assert "references" not in plain.facts().can
    assert "references" in seeing.facts().can
    assert plain.facts().sha256 != seeing.facts().sha256

    def shown(entity: str, seed: int) -> Reference:
        rng = np.random.default_rng(seed)
        picture = rng.integers(0, 255, (1, 48, 40, 3), np.uint8)
        return Reference(entity=entity, picture=picture)

    clips = [
        seeing.generate(replace(REQUEST, references=references))
        for references in (
            (),
            (shown("car", 1),),
            (shown("car", 2),),
            (shown("car", 1), shown("beach", 2)),
        )
    ]
    assert clips[3].provenance["references"] == ["car", "beach"]
    assert np.array_equal(clips[0].frames, plain.generate(REQUEST).frames)
    frames = [clip.frames for clip in clips]
    assert all(not np.array_equal(a, b) for n, a in enumerate(frames) for b in frames[n + 1 :])

    family = family_of(
        open_folder(
            parts / "still", name="tiny",
            extras={
                "motion_adapter": (parts / "motion", ""),
                "ip_adapter": (parts / "ip", ""),
                "image_encoder": (parts / "ip" / "image_encoder", ""),
            },
        )
    )  # fmt: skip
    pipe = DiffusionFilm(family, Told(device="cpu", dtype="float32")).pipe
    both = replace(REQUEST, references=(shown("car", 1), shown("beach", 2)))
    passed = family.arguments(pipe, both, seeing.facts())
    where = passed["cross_attention_kwargs"]["ip_adapter_masks"][0]
    assert where.shape == (1, 2, 32, 64)
    assert np.array_equal(where[0, 0].bool(), LABELS.any(0))
    assert where[0, 1].all()


def test_an_ip_adapter_without_an_encoder_or_of_two_files_is_refused(
    parts: Path, tmp_path: Path
) -> None:
    motion = f"motion_adapter={parts / 'motion'}"
    with pytest.raises(ModelError, match="no `image_encoder` that sees its pictures"):
        _load(parts / "still", motion, f"ip_adapter={parts / 'ip'}")
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"one .safetensors file.*a.safetensors, b.safetensors"):
        _load(parts / "still", motion, f"ip_adapter={tmp_path}")


def test_a_control_net_of_another_kind_is_refused(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_class_name": "FluxControlNetModel"}')
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="follows one ControlNetModel or SparseControlNetModel"):
        _load(parts / "still", f"motion_adapter={parts / 'motion'}", f"controlnet={tmp_path}")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("control", ["controlnet", "sparse"])
def test_it_films_in_half_precision(built: Build, control: str, dtype: str) -> None:
    generator = load(Told(model=str(built(control=control)), device="cpu", dtype=dtype))  # pyright: ignore[reportArgumentType]
    shown = Control(kind="depth", frames=SKETCH) if control == "controlnet" else None
    first = SKETCH[:1] if control == "sparse" else None
    made = generator.generate(replace(REQUEST, control=shown, first_frame=first))
    assert made.provenance["dtype"] == dtype
