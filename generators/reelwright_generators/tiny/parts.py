"""Parts that several tiny models share: words, text encoders, autoencoders, schedulers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from reelwright_core.video import Frames

WORDS = "a red car blue ball drives falls from left to right along the beach"
"""What the tiny models can read; the rest is unknown to them."""

TEXT = 16
"""Width of the tiny text encoders."""


def seeded(seed: int, make: Any, /, **config: Any) -> Any:
    """A part with random weights, the same for a seed."""
    torch.manual_seed(seed)
    return make(**config).eval()


def tokenizer() -> Any:
    """One token for each word of `WORDS`."""
    known = ["<pad>", "</s>", "<unk>", *dict.fromkeys(WORDS.split())]
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(known)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def t5() -> Any:
    """A T5 encoder for `tokenizer`."""
    return seeded(2, T5EncoderModel, config=T5Config(**_T5))


def umt5() -> Any:
    """A UMT5 encoder for `tokenizer`, as Wan has."""
    return seeded(2, UMT5EncoderModel, config=UMT5Config(**_T5))


_T5: dict[str, Any] = {
    "vocab_size": 3 + len(dict.fromkeys(WORDS.split())),
    "d_model": TEXT,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 1,
    "num_heads": 2,
}


def euler(shift: float = 3.0, **config: Any) -> Any:
    """The flow scheduler of most families."""
    return FlowMatchEulerDiscreteScheduler(shift=shift, **config)


def unipc(shift: float = 3.0) -> Any:
    """The scheduler of Wan's own repositories."""
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )


FLOW: dict[str, Callable[..., Any]] = {"euler": euler, "unipc": unipc}
"""The flow schedulers by name; each takes its shift."""


def scene(*, seed: int, frames: int = 9, size: tuple[int, int] = (64, 32)) -> tuple[Frames, Frames]:
    """A bright square that crosses a soft background, and a label map: 1 where it is, else 0.

    uint8 [frames, height, width, 3] and [frames, height, width]; the square is 12 pixels wide.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    slope = np.linspace(0, 60, width)[None, :, None] + np.linspace(40, 90, height)[:, None, None]
    video = np.repeat((slope + rng.uniform(0, 60, 3))[None], frames, axis=0)
    labels = np.zeros(video.shape[:3], np.uint8)
    colour, y = rng.uniform(150, 255, 3), int(rng.integers(0, height - 12))
    for f in range(frames):
        x = round(f * (width - 12) / max(frames - 1, 1))
        video[f, y : y + 12, x : x + 12] = colour
        labels[f, y : y + 12, x : x + 12] = 1
    return np.rint(video.clip(0, 255)).astype(np.uint8), labels


def finish(
    pipe: Any,
    folder: Path,
    *,
    size: Sequence[int] = (64, 32),
    frames: int = 9,
    steps: int = 4,
    guidance: float = 2.0,
    noise_level: float = 0.7,
) -> Path:
    """Saves a pipeline with a profile that says what it films."""
    pipe.save_pretrained(folder)
    profile = {
        "size": list(size),
        "frames": frames,
        "fps": 8,
        "steps": steps,
        "guidance": guidance,
        "max_sequence_length": 16,
        "noise_level": noise_level,
        "licence": "Apache-2.0",
    }
    (folder / "reelwright.json").write_text(json.dumps(profile), encoding="utf-8")
    return folder
