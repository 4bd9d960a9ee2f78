from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from reelwright_core.story import Action, Place
from reelwright_generators import builtin
from reelwright_generators.builtin import words
from reelwright_generators.builtin.recipe import PRESETS
from reelwright_generators.builtin.scenes import draw, random_scene
from reelwright_generators.builtin.staging import layout_of
from reelwright_generators.builtin.train import Run, fit_codec, round_trip
from reelwright_simulators.places import background

RECIPE = replace(PRESETS["tiny"], steps=40, save_steps=20)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(RECIPE, out=tmp_path_factory.mktemp("whole"), resume=False)
    made.train()
    made.export(made.out / "model")
    return made


def test_the_loss_falls(run: Run) -> None:
    losses = [row[3] for row in run.log]
    assert losses[-1] < 0.9 * losses[0]


def test_a_run_that_was_cut_off_ends_with_the_same_weights(run: Run, tmp_path: Path) -> None:
    Run(RECIPE, out=tmp_path, resume=False).train(until=20)
    resumed = Run(RECIPE, out=tmp_path, resume=True)
    assert resumed.step == 20
    resumed.train()
    assert resumed.clips == run.clips
    for name, weights in run.film.mean.items():
        assert torch.allclose(weights, resumed.film.mean[name], atol=1e-6), name


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_folder_is_a_pipeline_that_films_a_prompt(run: Run) -> None:
    folder = run.out / "model"
    profile = json.loads((folder / "reelwright.json").read_text())
    pipe: Any = DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    width, height = profile["size"]
    clip = pipe(
        "a red zebra on a beach", width=width, height=height, num_frames=profile["frames"] - 1,
        num_inference_steps=2, max_sequence_length=profile["max_sequence_length"],
        output_type="np",
    ).frames[0]  # fmt: skip
    assert clip.shape == (profile["frames"], height, width, 3)
    assert np.isfinite(clip).all()
    assert {file.name for file in folder.iterdir()} >= {"README.md", "loss.csv", "loss.png"}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_closed_form_autoencoder_is_the_linear_map_it_was_set_to() -> None:
    recipe = replace(PRESETS["cpu"], codec_clips=40)
    codec = fit_codec(recipe)
    vae: Any = codec.autoencoder()
    figures = round_trip(vae, recipe, clips=3)
    assert figures["all"] > 27
    assert figures["moving"] > 22
    frames = background("city", size=(160, 96), seed=5)[None]
    video = torch.from_numpy(frames.copy()).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.no_grad():
        latents = vae.encode(video).latent_dist.mode()[0].permute(1, 2, 3, 0).numpy()
    expected = codec.encode(frames)
    assert latents / codec.latents_std == pytest.approx(expected, abs=0.06)


def test_every_caption_is_made_of_the_vocabulary() -> None:
    rng = np.random.default_rng(1)
    known = set(words.vocabulary())
    places: set[Place] = set()
    actions: set[Action] = set()
    for _ in range(800):
        scene = random_scene(rng)
        said = words.caption(scene, rng=rng)
        assert set(said.replace(",", " , ").split()) <= known, said
        places.add(scene.place)
        actions |= {actor.action for actor in scene.actors}
    assert len(places) == 13
    assert len(actions) == 10


def test_every_scene_can_be_drawn_and_shows_its_things() -> None:
    rng = np.random.default_rng(2)
    unseen = 0
    for _ in range(60):
        scene = random_scene(rng)
        painting = draw(scene, layout_of(scene, frames=5, rng=rng), size=(160, 96))
        shown = {label for label in np.unique(painting.labels) if label}
        unseen += len(shown) < len(painting.things)
    assert unseen < 6


@pytest.mark.skipif(not builtin.folder().is_dir(), reason="the built-in weights are not there")
def test_the_built_in_model_tells_what_it_knows_without_loading_it() -> None:
    assert builtin.unknown_words("A red car on a zyx beach, zyx") == ["zyx"]
    profile = builtin.profile()
    assert profile["frames"] == 17
    assert set(profile["nouns"]) <= set(words.NOUNS)
    size = sum(file.stat().st_size for file in builtin.folder().rglob("*") if file.is_file())
    assert size < 26e6


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_cpu_preset_begins_with_the_same_losses_however_long_it_is_to_run(
    tmp_path: Path,
) -> None:
    logs: list[list[tuple[int, float]]] = []
    for minutes in (60.0, 600.0):
        recipe = replace(PRESETS["cpu"], minutes=minutes, codec_clips=40)
        run = Run(recipe, out=tmp_path / f"{minutes:.0f}", resume=False)
        run.train(until=20)
        logs.append([(step, loss) for step, _, _, loss, _ in run.log])
    assert logs[0] == logs[1]
    assert len(logs[0]) == 2
