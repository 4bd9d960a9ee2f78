"""A clip attends to the keys and values of the one before it, where and when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.settings import KvSharing, Long
from reelwright_core.story import Beat
from reelwright_core.takes import NoisePlan
from reelwright_generators import builtin
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.generator import Request, load
from reelwright_generators.long import LongFilm
from reelwright_generators.tiny import cogvideox, ltx, mochi, skyreels

ASKED = Request(
    prompt="a red car", size=(64, 32), frames=9, fps=Fraction(8), noise=NoisePlan(level=1, seed=1)
)
OTHER = replace(ASKED, prompt="the beach from right", noise=NoisePlan(level=1, seed=2))
EVERYWHERE = KvSharing(layers=1, steps=(0, 1))


def _generator(folder: Path | str, **told: object) -> DiffusionGenerator:
    generator = load(Told.model_validate({"model": str(folder), **told}))
    assert isinstance(generator, DiffusionGenerator)
    return generator


@contextmanager
def _keys(generator: DiffusionGenerator, block: int = -1) -> Generator[list[torch.Tensor]]:
    """What the last block's self-attention normalises as keys, call by call."""
    pipe: Any = generator.loaded().pipe
    transformer = pipe.transformer
    name = next(n for n in ("blocks", "transformer_blocks") if hasattr(transformer, n))
    seen: list[torch.Tensor] = []

    def see(module: Any, args: Any) -> None:
        seen.append(args[0].clone())

    handle = getattr(transformer, name)[block].attn1.norm_k.register_forward_pre_hook(see)
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize("family", ["wan", "skyreels", "ltx"])
def test_the_later_clips_keys_are_the_earlier_ones_in_the_steps_asked(
    tiny: Callable[..., Path], tmp_path: Path, family: str
) -> None:
    make: dict[str, Callable[[], Path]] = {
        "wan": lambda: tiny("real"),
        "skyreels": lambda: skyreels.build(tmp_path / "m"),
        "ltx": lambda: ltx.build(tmp_path / "m"),
    }
    generator = _generator(make[family]())
    steps, clip = generator.facts().steps, replace(ASKED, frames=generator.facts().frames)
    pair = [clip, replace(OTHER, frames=clip.frames)]
    temporal = generator.facts().frames_per_latent
    overlap = 1 + temporal * ((clip.frames - 1) // temporal // 2)
    with _keys(generator) as seen:
        generator.generate_joined(pair, [overlap], sharing=KvSharing(layers=1, steps=(0.25, 0.5)))
    calls = len(seen) // (2 * steps)  # guidance by two calls, or by one of both
    for step in range(steps):
        turn = seen[2 * calls * step : 2 * calls * (step + 1)]
        same = [torch.equal(turn[c], turn[calls + c]) for c in range(calls)]
        assert same == [0.25 <= step / steps <= 0.5] * calls


@pytest.mark.parametrize("version", ["2B", "1.5"])
def test_joint_attention_shares_the_clip_and_keeps_the_prompts(
    tmp_path: Path, version: str
) -> None:
    generator = _generator(cogvideox.build(tmp_path / "m", version=version), steps=3)
    pair = [replace(ASKED, size=generator.facts().size, frames=generator.facts().frames)]
    pair.append(replace(pair[0], prompt=OTHER.prompt, noise=OTHER.noise))
    with _keys(generator, block=0) as seen:
        generator.generate_joined(pair, [1], sharing=EVERYWHERE)
    text = generator.loaded().pipe.transformer.config.max_text_seq_length
    for one, two in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(one[..., text:, :], two[..., text:, :])
        assert not torch.equal(one[..., :text, :], two[..., :text, :])


@pytest.mark.parametrize(("first", "second"), [(13, 9), (9, 13)])
def test_clips_of_unequal_length_share_what_both_have(
    tiny: Callable[..., Path], first: int, second: int
) -> None:
    generator = _generator(tiny("flat"))
    pair = [replace(ASKED, frames=first), replace(OTHER, frames=second)]
    with _keys(generator) as seen:
        made = generator.generate_joined(pair, [4], sharing=EVERYWHERE)
    one, two = seen[0], seen[2]
    both = min(one.shape[1], two.shape[1])
    assert torch.equal(one[:, -both:], two[:, :both])
    assert [len(each.frames) for each in made] == [first, second]


def test_without_sharing_nothing_is_otherwise_and_afterwards_neither(
    tiny: Callable[..., Path],
) -> None:
    generator = _generator(tiny("flat"))
    plain = generator.generate_joined([ASKED, OTHER], [4])
    shared = generator.generate_joined([ASKED, OTHER], [4], sharing=EVERYWHERE)
    again = generator.generate_joined([ASKED, OTHER], [4])
    assert not np.array_equal(plain[1].frames, shared[1].frames)
    assert np.array_equal(plain[1].frames, again[1].frames)
    assert shared[1].provenance["kv_sharing"] == {"layers": [0], "of": 1, "steps": [0, 1]}
    assert "kv_sharing" not in again[1].provenance


def test_a_model_whose_attention_is_not_known_refuses_before_any_work(tmp_path: Path) -> None:
    generator = _generator(mochi.build(tmp_path / "m"))
    facts = generator.facts()
    film = LongFilm(
        generator,
        replace(ASKED, size=facts.size, frames=2 * facts.frames),
        Long(kv_sharing=KvSharing(layers=0.2)),
        beats=[Beat(first=facts.frames, prompt="the beach")],
    )
    with pytest.raises(ModelError, match=r"cannot share keys and values.*kv_sharing\.layers=0"):
        film.check()


def test_sharing_without_blending_is_refused(tiny: Callable[..., Path]) -> None:
    told = Long(overlap=4, blend=False, kv_sharing=KvSharing(layers=0.2))
    beats = [Beat(first=9, prompt="the beach from right")]
    film = LongFilm(_generator(tiny("flat")), replace(ASKED, frames=18), told, beats=beats)
    with pytest.raises(ModelError, match=r"not denoised together: set `generator\.long\.blend"):
        film.check()


def _jumps(clip: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.abs(np.diff(clip.astype(int), axis=0)).mean((1, 2, 3))


@pytest.mark.parametrize("layers", [0, 1])
def test_the_join_of_a_tiny_model_jumps_at_most_half_as_far_as_a_hard_cut(
    tiny: Callable[..., Path], layers: float
) -> None:
    # A random model leaves most of the noise, in which any neighbours jump: from one noise for all
    # frames, the prompts alone make the two clips differ.
    generator = _generator(tiny("flat"), guidance=20.0)
    still = NoisePlan(level=1, seed=1, noise="drift", drift=(0, 0))
    one, two = (replace(asked, frames=13, noise=still) for asked in (ASKED, OTHER))
    apart = [generator.generate(request).frames for request in (one, two)]
    cut = _jumps(np.concatenate([apart[0][-1:], apart[1][:1]]))[0]
    sharing = KvSharing(layers=layers, steps=(0, 0.5)) if layers else None
    made = generator.generate_joined([one, two], [9], sharing=sharing)
    clip = np.concatenate([made[0].frames, made[1].frames[9:]])
    assert _jumps(clip)[3:14].max() <= cut / 2


@pytest.mark.skipif(not builtin.folder().is_dir(), reason="the built-in weights are not there")
def test_sharing_makes_the_built_in_models_join_no_larger() -> None:
    generator = _generator("builtin", steps=6)
    first = replace(ASKED, prompt="a red ball lies in a meadow", size=(160, 96), frames=17)
    second = replace(first, prompt="a yellow ball lies in a meadow", noise=OTHER.noise)
    apart = [generator.generate(request).frames for request in (first, second)]
    cut = _jumps(np.concatenate([apart[0][-1:], apart[1][:1]]))[0]
    joins: list[float] = []
    for sharing in (None, KvSharing(layers=0.5)):
        made = generator.generate_joined([first, second], [9], sharing=sharing)
        clip = np.concatenate([made[0].frames, made[1].frames[9:]])
        joins.append(float(_jumps(clip)[8:17].max()))
    assert joins[1] <= joins[0] <= cut / 2
