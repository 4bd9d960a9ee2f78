"""What settings ask for and nothing would do is refused, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reelwright_core.errors import ModelError
from reelwright_core.settings import load_settings
from reelwright_generators import loras
from reelwright_generators.caches import plan_of
from reelwright_generators.families import family_of
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import load
from reelwright_generators.hub import look


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cache_threshold": 0.1}, "`generator.cache_threshold` says how a cache works and none"),
        ({"cache_interval": 2}, "`generator.cache_interval` says how a cache works and none"),
        ({"cache_fit": "1,1"}, "`generator.cache_fit` says how a cache works and none"),
        ({"cache": "first-block", "cache_fit": "1,1"}, "'first-block' takes no fitted numbers"),
        ({"cache": "pyramid", "cache_fit": "1,1"}, "'pyramid' takes no fitted numbers"),
    ],
)
def test_numbers_of_a_cache_that_would_be_ignored(
    tiny: Callable[..., Path], given: dict[str, object], said: str
) -> None:
    told = load_settings({f"generator.{name}": value for name, value in given.items()}).generator
    with pytest.raises(ModelError, match=said):
        plan_of(told, family_of(open_folder(tiny(), name="tiny")))


def test_the_offer_that_opens_folders_is_no_model() -> None:
    with pytest.raises(ModelError, match=r"'diffusers': it is no installed one") as refused:
        load(load_settings({"generator.model": "diffusers"}).generator)
    assert "builtin" in str(refused.value)
    assert "diffusers," not in str(refused.value)


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf"])
def test_a_lora_of_a_weight_that_is_no_number(weight: str) -> None:
    with pytest.raises(ModelError, match=rf"the weight of a LoRA is a number.*'{weight}'"):
        loras.of_settings([f"a.safetensors@{weight}"])


def test_an_estimate_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    told = load_settings({"generator.model": str(tmp_path / "not-here")}).generator
    with pytest.raises(ModelError, match="not-here' is no folder, and no hub id"):
        look(told)
