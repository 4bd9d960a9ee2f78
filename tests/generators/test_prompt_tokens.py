"""How many tokens of a prompt models read, by their own tokenizers and configs."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from reelwright_core.settings import load_settings
from reelwright_generators import prompt_tokens
from reelwright_generators.generator import load
from reelwright_generators.prompt_tokens import CountsTokens, estimate


def generator(model: str | Path) -> Any:
    return load(load_settings({"generator.model": str(model)}).generator)


def test_the_built_in_model_reads_32_of_its_own_words_and_counts_them() -> None:
    model = generator("builtin")
    facts = model.facts()
    assert (facts.prompt_tokens, facts.own_words) == (32, True)
    assert isinstance(model, CountsTokens)
    assert model.count_tokens("a red car") == 4  # with the one that ends it
    assert model.count_tokens("a red car " * 100) == 301


def test_a_model_without_a_tokenizer_says_so() -> None:
    model = generator("still")
    assert model.facts().prompt_tokens is None
    assert not isinstance(model, CountsTokens)


def test_limits_come_from_the_profile_then_the_pipeline_then_the_tokenizer(tmp_path: Path) -> None:
    from reelwright_generators.folder import ModelFolder, Profile

    def folder(pipeline: str, **profile: Any) -> ModelFolder:
        return ModelFolder(
            path=tmp_path, name="tiny", revision=None, pipeline=pipeline, parts={}, options={},
            profile=Profile(**profile),
        )  # fmt: skip

    (tmp_path / "tokenizer").mkdir()
    told = tmp_path / "tokenizer" / "tokenizer_config.json"
    told.write_text(json.dumps({"model_max_length": 77}), encoding="utf-8")
    assert prompt_tokens.limit(folder("LTXPipeline", max_sequence_length=16)) == 16
    assert prompt_tokens.limit(folder("LTXPipeline")) == 128
    assert prompt_tokens.limit(folder("AnimateDiffPipeline")) == 77
    told.write_text(json.dumps({"model_max_length": 10**30}), encoding="utf-8")
    assert prompt_tokens.limit(folder("AnimateDiffPipeline")) is None
    assert prompt_tokens.count(folder("AnimateDiffPipeline"), "a") is None


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 2), ("a car", 4), ("a red car, 42", 8), ("photorealistic", 5), ("Ein Bär!", 5)],
)
def test_the_estimate_counts_signs_digits_and_five_letters_each(text: str, count: int) -> None:
    assert estimate(text) == count


def test_the_estimate_is_never_less_than_words_on_any_prompt_of_the_suites() -> None:
    suite = files("reelwright_metrics") / "suites" / "builtin.jsonl"
    model = generator("builtin")
    for line in suite.read_text("utf-8").splitlines():
        text = json.loads(line)["text"]
        assert estimate(text) >= model.count_tokens(text)
