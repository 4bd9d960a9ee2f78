from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from reelwright_core.errors import InputError
from reelwright_core.story import Entity, Layout, SceneGraph, Shot
from reelwright_generators.builtin import attributes, codec, scenes, staging, words
from reelwright_generators.builtin.recipe import PRESETS
from reelwright_generators.builtin.train import fit_codec
from reelwright_metrics.learned import REPORTS, STEERS
from reelwright_metrics.learned.critic import LearnedCritic
from reelwright_metrics.learned.network import FRAMES, Network, Shape, evenly
from reelwright_metrics.learned.train import HARD, Recipe, School, lesson
from reelwright_metrics.measure import MeasuringCritic
from reelwright_simulators.painter import paint


@pytest.fixture(scope="module")
def coding() -> codec.Codec:
    return fit_codec(dataclasses.replace(PRESETS["cpu"], codec_clips=12))


def clip(noun: str, *, seed: int = 3) -> tuple[Shot, Layout, np.ndarray]:
    """A painted clip of `noun` going right, and its plan."""
    scene = words.Scene(
        actors=(words.Actor(noun=noun, action="moves", direction="right"),), place="meadow",
        seed=seed,
    )  # fmt: skip
    layout = staging.layout_of(scene, frames=17, rng=np.random.default_rng(seed))
    shot = Shot(
        id="s01", prompt=f"a {noun}", place="meadow", size=(160, 96), frames=17, fps=Fraction(8),
        scene_graph=SceneGraph(entities=scenes.entities_of(scene)),
    )  # fmt: skip
    return shot, layout, scenes.draw(scene, layout, size=(160, 96)).frames


def test_a_lesson_is_the_same_each_time_and_its_wrong_captions_are_wrong() -> None:
    one, again = (lesson(seed=0, step=5, batch=6, stills=False) for _ in range(2))
    assert np.array_equal(one.frames, again.frames)
    assert one.captions == again.captions
    assert one.frames.shape == (6, FRAMES, 96, 160, 3)
    for several in one.captions:
        assert len(several) == 1 + HARD
        assert several[0] not in several[1:]
    for shares in one.right.values():
        assert set(np.round(shares.sum(1), 5)) <= {0.0, 1.0}
    other = lesson(seed=1, step=5, batch=6, stills=False)
    assert not np.array_equal(one.frames, other.frames)


@pytest.mark.parametrize("attribute", attributes.ATTRIBUTES)
def test_a_changed_scene_differs_in_that_attribute_alone(attribute: attributes.Attribute) -> None:
    rng = np.random.default_rng(4)
    changes = 0
    for _ in range(60):
        scene = scenes.random_scene(rng)
        if scene.relation is not None or len(scene.actors) > 1 or scene.camera != "static":
            continue
        other = attributes.changed(scene, attribute, rng=rng)
        if other is None:
            continue
        changes += 1
        before, after = attributes.answers(scene), attributes.answers(other)
        assert before.pop(attribute, None) != after.pop(attribute, None)
        assert before == after
    assert changes > 5


def test_a_critic_learns_and_goes_on_where_it_was_cut_off(
    coding: codec.Codec, tmp_path: Path
) -> None:
    recipe = Recipe(seed=3, minutes=1e-6, stills_batch=8, clips_batch=4)
    first = School(recipe, coding, out=tmp_path)
    first.teach()
    assert first.step == 1
    longer = dataclasses.replace(recipe, minutes=(first.seconds + 1) / 60)
    school = School(longer, coding, out=tmp_path)
    assert (school.step, school.clips) == (1, first.clips)
    school.teach()
    assert school.step > 1
    school.export(tmp_path)
    assert (tmp_path / "critic-3.safetensors").stat().st_size < 4.5e6


def test_the_network_takes_stills_and_clips() -> None:
    net = Network(Shape(heads={"noun": 4}), vocabulary=20)
    for frames in (1, FRAMES):
        seen, logits = net.watch(torch.zeros(2, frames, 3, 96, 160))
        assert seen.shape == (2, Shape().joint)
        assert logits["noun"].shape == (2, 4)
    assert list(evenly(17)) == [0, 2, 4, 6, 8, 10, 12, 14, 16]


@pytest.mark.parametrize("seed", [STEERS, REPORTS])
def test_the_shipped_critics_know_painted_things_from_each_other(seed: int) -> None:
    critic = LearnedCritic.load(seed)
    nouns = ["car", "bus", "horse", "tree", "balloon", "elephant", "house", "apple"]
    frames = np.stack([clip(noun, seed=i)[2] for i, noun in enumerate(nouns)])
    seen = critic.attributes(frames)
    best = [critic.classes["noun"][i] for i in seen["noun"].argmax(1)]
    assert sum(a == b for a, b in zip(best, nouns, strict=True)) >= 7
    assert [critic.classes["place"][i] for i in seen["place"].argmax(1)] == ["meadow"] * 8
    assert np.exp(seen["motion"]).sum(1) == pytest.approx(1, abs=1e-4)
    captions = [
        [f"a {noun} in a meadow", f"a {other} in a meadow"]
        for noun, other in zip(nouns, [*nouns[1:], nouns[0]], strict=True)
    ]
    fits = critic.match(frames, captions)
    assert (fits[:, 0] > fits[:, 1]).sum() >= 6


def test_a_thing_that_looks_like_another_is_not_present() -> None:
    learned = LearnedCritic.load(STEERS)
    shot, layout, frames = clip("elephant")
    asked_for_bus = shot.model_copy(
        update={"scene_graph": SceneGraph(entities=[Entity(id="e0", noun="bus")])}
    )
    for critic, passes in ((MeasuringCritic(), True), (MeasuringCritic(learned=learned), False)):
        told = critic.watch(asked_for_bus, layout, frames)
        presence = next(q for q in told.questions if q.kind == "presence")
        assert presence.passed is passes
    assert "more like" in presence.seen
    right = MeasuringCritic(learned=learned).watch(shot, layout, frames)
    assert next(q for q in right.questions if q.kind == "presence").passed


def test_a_thing_the_critic_was_not_taught_is_only_measured() -> None:
    learned = LearnedCritic.load(STEERS)
    entity = Entity(id="e0", noun="zebra")
    _, layout, _ = clip("horse")
    frames = paint(layout, entities=[entity], place="meadow", size=(160, 96), seed=1).frames
    shot = Shot(
        id="s01", prompt="a zebra", place="meadow", size=(160, 96), frames=17, fps=Fraction(8),
        scene_graph=SceneGraph(entities=[entity]),
    )  # fmt: skip
    plain = MeasuringCritic().watch(shot, layout, frames)
    assert MeasuringCritic(learned=learned).watch(shot, layout, frames).questions == plain.questions


def test_clips_of_another_size_and_length_are_brought_to_what_it_knows() -> None:
    critic = LearnedCritic.load(STEERS)
    frames = clip("car")[2]
    large = frames.repeat(2, 1).repeat(2, 2)[None]
    assert (
        np.abs(
            np.exp(critic.attributes(large)["noun"])
            - np.exp(critic.attributes(frames[None])["noun"])
        ).max()
        < 0.2
    )
    with pytest.raises(ValueError, match="uint8"):
        critic.attributes(frames)
    with pytest.raises(InputError, match="seed 9"):
        LearnedCritic.load(9)
