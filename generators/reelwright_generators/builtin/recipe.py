"""How the built-in model is trained and what its callers are told: the numbers of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from reelwright_core.story import Action
from reelwright_generators.builtin import words
from reelwright_generators.builtin.model import Shape

VERSION = "0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A part of a run, up to where, and the clips of its batches."""

    until: float
    frames: int
    batch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How to train: `steps` fixes the length of a run, else `minutes` of the clock do."""

    name: str
    shape: Shape = field(default_factory=Shape)
    minutes: float = 70.0
    steps: int | None = None
    phases: tuple[Phase, ...] = (
        Phase(until=0.4, frames=5, batch=40),
        Phase(until=0.68, frames=9, batch=40),
        Phase(until=1.0, frames=17, batch=24),
    )
    """Short clips come first: they cost less, and teach things and places as well."""
    half: bool = True
    """Whether most is computed in bfloat16, which is half as fast again where a CPU has it."""
    codec_clips: int = 300
    whitening: float = 0.5
    sketched: float = 0.25
    """How many clips start from a noised sketch instead of pure noise and truth."""
    muon_rate: float = 2e-3
    adam_rate: float = 1.5e-3
    warm_up: float = 0.02
    decay: float = 0.45
    ema: float = 0.998
    save_seconds: float = 180.0
    save_steps: int | None = None
    seed: int = 0


PRESETS: Mapping[str, Recipe] = {
    "cpu": Recipe(name="cpu"),
    "tiny": Recipe(
        name="tiny",
        shape=Shape(
            frames=5, channels=16, width=64, layers=2, heads=1, text_layers=1
        ),
        steps=60, phases=(Phase(until=0.5, frames=3, batch=8), Phase(until=1.0, frames=5, batch=8)),
        codec_clips=24, save_steps=20,
    ),
}  # fmt: skip


def rate_at(progress: float, recipe: Recipe) -> float:
    """Rising at first, then full, then falling to nearly nothing at the end."""
    rise = min(1.0, progress / recipe.warm_up)
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
        "nouns": list(words.NOUNS),
        "colours": list(words.COLOURS),
        "places": list(words.PLACES),
        "actions": list(get_args(Action)),
        "relations": list(words.RELATIONS),
        "counts": [1, 2, 3],
    }
