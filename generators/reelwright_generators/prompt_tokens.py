"""How much of a prompt a model reads, in the tokens of its own tokenizer."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from reelwright_generators.families.source import source_of
from reelwright_generators.folder import ModelFolder, read_json

UNLIMITED = 100_000
"""A tokenizer without a limit of its own says some huge number."""

_WORD = re.compile(r"[^\W_]+|[^\w\s]")
_LETTERS_OF_A_TOKEN = 6


@runtime_checkable
class CountsTokens(Protocol):
    """A generator that knows its own tokenizer."""

    def count_tokens(self, prompt: str) -> int | None:
        """Tokens of `prompt`, those that end it included; None where no tokenizer is at hand."""
        ...


def limit(folder: ModelFolder) -> int | None:
    """How many tokens of a prompt the model is given; None where nothing says so.

    The model's profile goes before the pipeline's default of `max_sequence_length`, and that before
    the limit of its tokenizer, which is CLIP's 77.
    """
    if folder.profile.max_sequence_length is not None:
        return folder.profile.max_sequence_length
    source = source_of(folder.pipeline)
    asked = source.defaults.get("max_sequence_length") if source else None
    if isinstance(asked, int):
        return asked
    config = folder.folder("tokenizer") / "tokenizer_config.json"
    told = read_json(config).get("model_max_length") if config.is_file() else None
    return int(told) if isinstance(told, int | float) and told < UNLIMITED else None


def count(folder: ModelFolder, prompt: str) -> int | None:
    """Tokens of `prompt` by the tokenizer in `folder`; None if there is none that loads."""
    tokenizer = _tokenizer(folder.folder("tokenizer"))
    return None if tokenizer is None else len(tokenizer(prompt)["input_ids"])


@lru_cache(maxsize=8)
def _tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`; no weights are loaded."""
    if not (folder / "tokenizer_config.json").is_file():
        return None
    from transformers import AutoTokenizer

    try:
        return cast(Any, AutoTokenizer).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError):
        return None


def estimate(prompt: str) -> int:
    """About how many tokens `prompt` has, rather too many: a sign each, a word one for six letters.

    Measured on English prompts, CLIP's and T5's tokenizers give fewer.
    """
    pieces = cast(list[str], _WORD.findall(prompt))
    return 2 + sum(math.ceil(len(piece) / _LETTERS_OF_A_TOKEN) for piece in pieces)
