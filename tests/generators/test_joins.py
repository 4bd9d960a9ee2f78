"""Clips that are denoised together agree where they overlap, and one turns into the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from reelwright_core.errors import GeneratorError, ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.settings import Long
from reelwright_core.story import Beat
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators import builtin
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.generator import Request, load
from reelwright_generators.joins import Seat, Together
from reelwright_generators.long import LongFilm

ASKED = Request(
    prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8), noise=NoisePlan(level=1, seed=1)
)
OTHER = replace(ASKED, prompt="the beach from right", noise=NoisePlan(level=1, seed=2))


def _generator(folder: Path, **told: object) -> DiffusionGenerator:
    generator = load(Told.model_validate({"model": str(folder), **told}))
    assert isinstance(generator, DiffusionGenerator)
    return generator


@pytest.mark.parametrize("layout", ["whole", "frames first", "tokens"])
def test_the_overlap_is_one_and_its_answers_are_mixed(layout: str) -> None:
    def packing(latents: torch.Tensor) -> torch.Tensor:
        if layout == "whole":
            return latents
        moved = latents.permute(0, 2, 1, 3, 4)
        return moved if layout == "frames first" else moved.permute(0, 1, 3, 4, 2).flatten(1, 3)

    def clip(value: float) -> Callable[[Seat], tuple[torch.Tensor, list[torch.Tensor]]]:
        def film(seat: Seat) -> tuple[torch.Tensor, list[torch.Tensor]]:
            begun = seat.begin(torch.full((1, 2, 5, 2, 2), value), packing)
            answers = [seat.meet(packing(torch.full_like(begun, value + step))) for step in (0, 9)]
            return begun, answers

        return film

    made = Together([2, 2]).run([clip(0.0), clip(1.0), clip(3.0)])

    assert [begun[0, 0, :, 0, 0].tolist() for begun, _ in made] == [
        [0, 0, 0, 0, 0], [0, 0, 1, 1, 1], [1, 1, 3, 3, 3],
    ]  # fmt: skip
    for step, added in enumerate((0, 9)):
        expected = ([0, 0, 0, 0.25, 0.75], [0.25, 0.75, 1, 1.5, 2.5], [1.5, 2.5, 3, 3, 3])
        for (_, answers), values in zip(made, expected, strict=True):
            wanted = torch.tensor(values)[None, None, :, None, None] + added
            assert torch.allclose(answers[step], packing(wanted.expand(1, 2, 5, 2, 2)))


def test_a_clip_that_fails_ends_the_others() -> None:
    def good(seat: Seat) -> None:
        seat.begin(torch.zeros(1, 1, 3, 1, 1), lambda latents: latents)
        seat.meet(torch.zeros(1, 1, 3, 1, 1))

    def bad(seat: Seat) -> None:
        raise InterruptedError

    before = threading.active_count()
    with pytest.raises(InterruptedError):
        Together([1, 1]).run([good, bad, good])
    assert threading.active_count() == before


def test_clips_of_unequal_steps_are_an_error_not_a_deadlock() -> None:
    def clip(steps: int) -> Callable[[Seat], None]:
        def film(seat: Seat) -> None:
            seat.begin(torch.zeros(1, 1, 3, 1, 1), lambda latents: latents)
            for _ in range(steps):
                seat.meet(torch.zeros(1, 1, 3, 1, 1))

        return film

    for steps in ((1, 2), (2, 1)):
        with pytest.raises(GeneratorError, match="unequal numbers of steps"):
            Together([1]).run([clip(count) for count in steps])


@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
def test_a_flat_models_clips_are_the_same_in_their_overlap(
    tiny: Callable[..., Path], scheduler: str
) -> None:
    generator = _generator(tiny("flat", scheduler))
    told: list[tuple[int, int]] = []
    one, two = generator.generate_joined(
        [ASKED, OTHER], [4], lambda done, of: told.append((done, of))
    )
    # Its decoder sees each frame alone; what differs is the rounding of another batch.
    assert np.abs(one.frames[-4:].astype(int) - two.frames[:4]).max() <= 1
    alone = generator.generate(ASKED).frames
    assert np.abs(one.frames.astype(int) - alone).max() > 1
    assert told == [(step, 16) for step in range(1, 17)]
    again = generator.generate_joined([ASKED, OTHER], [4])
    assert np.array_equal(two.frames, again[1].frames)
    assert one.provenance["seed"], two.provenance["seed"] == (1, 2)


def test_the_pipeline_is_as_before_afterwards(tiny: Callable[..., Path]) -> None:
    generator = _generator(tiny("flat"))
    before = generator.generate(ASKED)
    generator.generate_joined([ASKED, OTHER], [4])

    def stop(done: int, of: int) -> None:
        if done == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        generator.generate_joined([ASKED, OTHER], [4], stop)
    assert np.array_equal(generator.generate(ASKED).frames, before.frames)


def test_a_causal_models_clips_share_whole_latents(tiny: Callable[..., Path]) -> None:
    generator = _generator(tiny("real"))
    one, two = generator.generate_joined([ASKED, OTHER], [5])
    assert one.frames.shape == two.frames.shape == (9, 32, 64, 3)
    with pytest.raises(ModelError, match=r"share 4: ask for fewer, 1 more than a multiple of 4"):
        generator.generate_joined([ASKED, OTHER], [4])


def test_clips_that_cannot_be_joined_are_refused(tiny: Callable[..., Path]) -> None:
    generator = _generator(tiny("real"))
    with pytest.raises(ModelError, match=r"cannot share 9"):
        generator.generate_joined([ASKED, OTHER], [9])
    with pytest.raises(ModelError, match=r"films 9 frames, not 7"):
        generator.generate_joined([replace(ASKED, frames=7), OTHER], [5])
    cached = _generator(tiny("real"), cache="first-block")
    with pytest.raises(ModelError, match=r"`generator\.cache=first-block`.*blend=false"):
        cached.generate_joined([ASKED, OTHER], [5])


def test_a_shot_of_two_prompts_is_filmed_around_its_change(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    generator = _generator(tiny("flat"))
    beats = [Beat(first=12, prompt="the beach from right")]
    asked = replace(
        ASKED, frames=24, sketch=scene(seed=3, frames=24), noise=NoisePlan(level=0.7, seed=1)
    )
    film = LongFilm(generator, asked, Long(overlap=4), beats=beats)
    assert film.check()[-1] == "24 frames are filmed in 4 windows of 9 frames"
    clip = np.stack(list(film.frames()))
    assert clip.shape == (24, 32, 64, 3)
    windows = film.provenance()["windows"]["each"]
    assert [(w["first"], w.get("kept"), w.get("joined"), w.get("prompt")) for w in windows] == [
        (0, None, None, None),
        (5, 4, None, None),
        (10, None, 4, "the beach from right"),
        (15, 4, None, "the beach from right"),
    ]
    hard = LongFilm(generator, asked, Long(overlap=4, blend=False), beats=beats)
    assert not any(window.joined for window in hard.windows)


@pytest.mark.skipif(not builtin.folder().is_dir(), reason="the built-in weights are not there")
def test_the_jump_at_a_join_is_at_most_half_of_a_hard_cut() -> None:
    generator = load(Told(model="builtin", steps=6))
    assert isinstance(generator, DiffusionGenerator)
    first = replace(ASKED, prompt="a red ball lies in a meadow", size=(160, 96), frames=17)
    second = replace(first, prompt="a yellow ball lies in a meadow", noise=OTHER.noise)
    apart = [generator.generate(request).frames.astype(int) for request in (first, second)]
    cut = np.abs(apart[1][0] - apart[0][-1]).mean()
    one, two = (made.frames for made in generator.generate_joined([first, second], [9]))
    clip = np.concatenate([one, two[9:]]).astype(int)
    jumps = np.abs(np.diff(clip, axis=0)).mean((1, 2, 3))
    assert jumps[8:17].max() <= cut / 2
