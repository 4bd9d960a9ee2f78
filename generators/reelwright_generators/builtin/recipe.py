"""How the built-in model is trained and what its callers are told: the numbers of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reelwright_generators.builtin import styles, words
from reelwright_generators.builtin.model import Shape

VERSION = "0.2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A part of a run, up to where, and the clips of its batches."""

    until: float
    frames: int
    batch: int
    stills: int = 0
    """How many single frames are taken of each clip instead of the clip; 0 takes the clip."""
    sketched: float | None = None
    """Instead of the recipe's own share of clips that start from a sketch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How to train: `steps` fixes the length of a run, else `minutes` of the clock do."""

    name: str
    shape: Shape = field(default_factory=Shape)
    minutes: float = 96.0
    steps: int | None = None
    phases: tuple[Phase, ...] = (
        Phase(until=0.42, frames=5, batch=192, stills=2),
        Phase(until=0.54, frames=5, batch=48),
        Phase(until=1.0, frames=17, batch=48, sketched=0.5),
    )
    """Single frames come first, then short clips: they cost less, and teach things and places.

    Sketches count most at the end: what little a CPU can teach shows most where they help.
    """
    nouns: Literal["few", "many"] = "few"
    """Which of `words.NOUN_SETS`."""
    styles: tuple[str, ...] = ()
    """The styles of art that the renderer draws in; with none of them the painter draws."""
    device: Literal["cpu", "cuda"] = "cpu"
    workers: int = 1
    """How many processes draw, or plan what is drawn, for the steps to come."""
    ahead: int = 1
    """How many steps are drawn or planned ahead."""
    half: bool = True
    """Whether most is computed in bfloat16, which is half as fast again where a CPU has it."""
    codec_clips: int = 400
    whitening: float = 0.5
    sketched: float = 0.25
    """How many clips start from a noised sketch instead of pure noise and truth."""
    strange: float = 0.4
    """How many of those show any of the cut-outs, so that unknown things survive as well."""
    naming: float = 0.2
    """How much it counts that the transformer knows half-way what covers each patch."""
    muon_rate: float = 2e-3
    adam_rate: float = 1.5e-3
    warm_up: int = 40
    """Steps over which the rate rises: steps, not time, so that a run begins the same anywhere."""
    decay: float = 0.35
    ema: float = 0.998
    save_seconds: float = 180.0
    save_steps: int | None = None
    seed: int = 0


# What the recipe for a GPU asks of it: a clip of 17 frames holds 0.41 GB for the step back, a
# single frame 34 MB, so a batch 27 GB; on a smaller GPU the batches have to be smaller.
PRESETS: Mapping[str, Recipe] = {
    # Fine tokens, of 16 by 32 pixels: with wider networks of coarser tokens things come out as
    # blocks, and the loss is higher after as many clips.
    "cpu": Recipe(name="cpu", shape=Shape(patch=(1, 1, 2), width=320, inner=960, heads=5)),
    "gpu": Recipe(
        name="gpu",
        shape=Shape(
            codec_patch=8, channels=24, patch=(1, 2, 2), width=384, inner=1152, layers=12, heads=6,
        ),
        minutes=18.0,
        phases=(
            Phase(until=0.2, frames=5, batch=768, stills=2),
            Phase(until=0.4, frames=5, batch=192),
            Phase(until=1.0, frames=17, batch=64),
        ),
        nouns="many", styles=styles.STYLES, device="cuda", workers=10, ahead=20, decay=0.3,
        ema=0.999,
    ),
    "tiny": Recipe(
        name="tiny",
        shape=Shape(
            frames=5, channels=16, width=64, inner=128, layers=2, heads=1, text_width=64,
            text_layers=1,
        ),
        steps=60, phases=(Phase(until=0.5, frames=3, batch=8), Phase(until=1.0, frames=5, batch=8)),
        codec_clips=24, save_steps=20, warm_up=2,
    ),
}  # fmt: skip


def rate_at(progress: float, recipe: Recipe, *, step: int) -> float:
    """Rising at first, then full, then falling to nearly nothing at the end."""
    rise = min(1.0, (1 + step) / recipe.warm_up)
    fall = min(1.0, (1 - progress) / recipe.decay)
    return max(0.01, min(rise, fall))


def profile_of(recipe: Recipe) -> dict[str, Any]:
    """What a caller has to know; written beside the weights as `reelwright.json`."""
    shape = recipe.shape
    return {
        "schema": "ModelProfile.1",
        "name": "reelwright-builtin",
        "version": VERSION,
        "frames": shape.frames,
        "fps": shape.fps,
        "size": list(shape.size),
        "multiple_of": [
            shape.codec_patch * shape.patch[2],
            shape.codec_patch * shape.patch[1],
        ],
        "steps": 12,
        "guidance": 2.0,
        "noise_level": 0.5,
        "shift": shape.shift,
        "max_sequence_length": shape.words,
        "pipeline_frames": {
            "offset": -1,
            "why": "WanPipeline makes num_frames + 1 frames where the autoencoder does not "
            "shorten time: ask for one fewer than wanted.",
        },
        "dtype": "float32",
        "licence": "Apache-2.0",
        "vocabulary": "tokenizer/tokenizer.json: one token a word, lower case; other words are "
        "<unk>, which the model saw in training and passes over.",
        "nouns": list(words.NOUN_SETS[recipe.nouns]),
        "colours": list(words.COLOURS),
        "places": list(words.PLACES),
        "actions": list(words.ACTIONS),
        "relations": list(words.RELATIONS),
        "counts": [1, 2, 3],
    }
