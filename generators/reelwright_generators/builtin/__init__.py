"""The built-in model: small weights trained on drawn scenes, as an ordinary diffusers folder.

Nothing heavy is imported here. `python -m reelwright_generators.builtin.train` makes the weights.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["folder", "profile", "unknown_words", "vocabulary"]


def folder() -> Path:
    """Where the weights lie: a folder for `DiffusionPipeline.from_pretrained`."""
    return Path(__file__).parent / "model"


def profile() -> dict[str, Any]:
    """How the model wants to be called, and what it was trained on; see `reelwright.json` there."""
    return json.loads((folder() / "reelwright.json").read_text("utf-8"))


def unknown_words(prompt: str) -> list[str]:
    """The words of `prompt` that the model never saw, each once, in order."""
    spoken = re.findall(r"[a-z0-9]+", prompt.lower())
    return [word for word in dict.fromkeys(spoken) if word not in vocabulary()]


@cache
def vocabulary() -> frozenset[str]:
    """Every word that the model was taught."""
    tokenizer = json.loads((folder() / "tokenizer" / "tokenizer.json").read_text("utf-8"))
    return frozenset(tokenizer["model"]["vocab"])
