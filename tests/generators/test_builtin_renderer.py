from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from reelwright_core.errors import SettingsError
from reelwright_core.story import Layout
from reelwright_generators.builtin import scenes, staging, styles, words
from reelwright_generators.builtin.learning import (
    Film,
    batch,
    drawn,
    flow_loss,
    planned,
    rendered,
    shots,
)
from reelwright_generators.builtin.recipe import PRESETS, Phase, Recipe
from reelwright_generators.builtin.renderer import Renderer, plan
from reelwright_generators.builtin.train import Run, fit_codec
from reelwright_generators.builtin.words import Actor, Scene
from reelwright_simulators import cutouts

SIZE = (160, 96)
SMALL = replace(
    PRESETS["gpu"],
    device="cpu",
    shape=replace(
        PRESETS["gpu"].shape, frames=5, channels=16, width=64, inner=128, layers=2, heads=1,
        text_width=64, text_layers=1,
    ),
    phases=(
        Phase(until=0.4, frames=3, batch=8, stills=2),
        Phase(until=0.7, frames=3, batch=4),
        Phase(until=1.0, frames=5, batch=2),
    ),
    steps=12, codec_clips=24, workers=1, ahead=3,
)  # fmt: skip
"""The recipe for a GPU, but for its size."""


def _scenes(count: int, *, frames: int, seed: int) -> list[tuple[Scene, Layout]]:
    rng = np.random.default_rng(seed)
    made: list[tuple[Scene, Layout]] = []
    for n in range(count):
        scene = scenes.random_scene(rng, strange=n % 4 == 3)
        if n % 5 == 4:
            scene = replace(scene, camera=("pan left", "zoom in", "zoom out")[n // 5 % 3])
        made.append((scene, staging.layout_of(scene, frames=frames, rng=rng)))
    return made


def test_the_renderer_paints_what_the_painter_paints() -> None:
    clips = _scenes(24, frames=5, seed=1)
    renderer = Renderer(size=SIZE)
    rendering = renderer.render([plan(*clip, size=SIZE) for clip in clips])
    for n, (scene, layout) in enumerate(clips):
        painting = scenes.draw(scene, layout, size=SIZE)
        off = np.abs(rendering.frames[n].numpy().astype(int) - painting.frames)
        assert off.mean() < 1, scene
        covered = painting.labels > 0
        assert off[covered].mean() < 4, scene
        assert (rendering.labels[n].numpy() == painting.labels).mean() > 0.995, scene


def test_a_thing_looks_as_in_the_style_that_was_asked_for() -> None:
    scene = Scene(actors=(Actor(noun="car", colour="red", action="stays"),), place="plain")
    layout = staging.layout_of(scene, frames=2, rng=np.random.default_rng(0))
    plans = [plan(scene, layout, size=SIZE, style=style) for style in styles.STYLES]
    frames = Renderer(size=SIZE).render(plans).frames.numpy().astype(int)
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(frames[one] - frames[two]).max() > 60


def test_every_noun_has_its_picture_in_every_style() -> None:
    assert 100 <= len(words.MANY_NOUNS) <= 126
    for noun in words.MANY_NOUNS:
        assert noun in cutouts.all_cutouts()
        for style in styles.STYLES[1:]:
            assert (style, noun) in styles.index()
            picture = styles.picture(noun, style=style)
            assert max(picture.shape[:2]) == 128
            assert (picture[..., 3] > 127).mean() > 0.1, (noun, style)
    assert styles.SHEET.stat().st_size < 4e6


def test_every_caption_of_many_nouns_is_made_of_their_vocabulary() -> None:
    rng, known = np.random.default_rng(1), set(words.vocabulary(words.MANY_NOUNS))
    for _ in range(300):
        scene = scenes.random_scene(rng, nouns=words.MANY_NOUNS)
        said = words.caption(scene, rng=rng, nouns=words.MANY_NOUNS)
        assert set(said.replace(",", " , ").split()) <= known, said


@pytest.mark.parametrize("stills", [0, 2])
def test_the_renderer_gives_the_same_batch_as_the_painter(stills: int) -> None:
    recipe = replace(SMALL, styles=(styles.OWN,), sketched=0.5, strange=0.5)
    phase = Phase(until=1.0, frames=3, batch=8, stills=stills)
    coding = fit_codec(replace(recipe, codec_clips=8))
    one = drawn(coding, recipe, step=3, phase=phase)
    two = rendered(Renderer(size=SIZE), coding, planned(recipe, step=3, phase=phase))
    assert one.captions == two.captions
    assert one.sketched == two.sketched
    assert 0 < sum(one.sketched) < len(one.sketched)
    for name in ("clean", "sketch", "covered"):
        off = np.abs(np.asarray(getattr(one, name)) - np.asarray(getattr(two, name)))
        assert off.mean() < 0.005, name


def test_cuda_that_is_not_there_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("CUDA is there")
    with pytest.raises(SettingsError, match="--device cpu"):
        Run(PRESETS["gpu"], out=tmp_path, resume=False)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_recipe_for_a_gpu_runs_in_parts_and_leaves_a_pipeline(tmp_path: Path) -> None:
    Run(SMALL, out=tmp_path, resume=False).train(until=7)
    second = Run(SMALL, out=tmp_path, resume=True)
    assert second.step == 7
    second.train()
    assert second.progress == 1
    second.export(tmp_path / "model")
    pipe: Any = DiffusionPipeline.from_pretrained(tmp_path / "model")
    pipe.set_progress_bar_config(disable=True)
    assert pipe.tokenizer.tokenize("a motorbike") == ["a", "motorbike"]
    clip = pipe(
        "a red zebra on a beach", width=160, height=96, num_frames=4, num_inference_steps=2,
        max_sequence_length=SMALL.shape.words, output_type="np",
    ).frames[0]  # fmt: skip
    assert clip.shape == (5, 96, 160, 3)
    assert np.isfinite(clip).all()


def test_a_seed_always_gives_the_same_first_losses() -> None:
    recipe = replace(PRESETS["tiny"], codec_clips=6)
    assert _losses(recipe) == _losses(recipe)


def _losses(recipe: Recipe) -> list[float]:
    coding, film, losses = fit_codec(recipe), Film(recipe), list[float]()
    for step in range(4):
        clips = drawn(coding, recipe, step=step, phase=recipe.phases[0])
        loss = flow_loss(
            film,
            batch(film, clips, words=recipe.shape.words),
            generator=torch.Generator().manual_seed(step),
        )
        film.step(loss, rate=1.0, ema=0.9)
        losses.append(float(loss.detach()))
    return losses


def test_the_small_recipe_goes_on_learning_from_the_scenes_it_always_had() -> None:
    recipe = replace(PRESETS["cpu"], sketched=0.0)
    phases = (
        Phase(until=1.0, frames=5, batch=40, stills=2),
        Phase(until=1.0, frames=17, batch=16),
    )
    said = [
        caption
        for phase in phases
        for shot in shots(recipe, step=7, phase=phase)
        for caption in shot.captions
    ]
    assert zlib.crc32("\n".join(said).encode()) == 2976013758
