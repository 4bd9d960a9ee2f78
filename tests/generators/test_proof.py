"""The proof of an adapter passes a sound one, and finds what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reelwright_core.settings import Generator as Told
from reelwright_generators import conformance, latents
from reelwright_generators.families.proof import prove
from reelwright_generators.families.wan import Wan
from reelwright_generators.generator import load


@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
@pytest.mark.parametrize("geometry", ["real", "flat"])
def test_a_sound_adapter_is_proved(
    tiny: Callable[..., Path], geometry: str, scheduler: str
) -> None:
    assert prove(tiny(geometry, scheduler)) == []


def test_a_sound_adapter_conforms(tiny: Callable[..., Path]) -> None:
    told = Told(model=str(tiny("real")), device="cpu", dtype="float32")
    assert conformance.check(load(told)) == []


def _mirrored(self: Wan, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
    return latents.flip(-1)


def _half(self: Wan, pipe: Any, request: Any) -> torch.Tensor:
    return latents.encode(pipe.vae, request.sketch) / 2


@pytest.mark.parametrize(
    ("method", "broken", "fault"),
    [
        ("packed", _mirrored, "with exact answers the latents end"),
        ("at_scheduler", _mirrored, "a background"),
        ("encoded", _half, "the sketch's latents are"),
    ],
)
def test_what_is_wrong_is_found(
    tiny: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    broken: Any,
    fault: str,
) -> None:
    monkeypatch.setattr(Wan, method, broken)
    assert any(fault in found for found in prove(tiny("real"), levels=(0.6,)))
