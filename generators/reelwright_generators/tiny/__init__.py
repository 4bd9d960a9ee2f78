"""Tiny diffusers models with random weights: to try families and graphs without gigabytes.

Each module's `build` writes a real model in the standard folder layout; what it films is noise in
motion, but every part is of the published classes and runs the published code.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.families import family_of
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request


def opened(folder: Path, **told: Any) -> DiffusionGenerator:
    """The model in `folder` as a generator on the CPU; `told` are settings of the generator."""
    settings = Told.model_validate({"device": "cpu", **told})
    return DiffusionGenerator(family_of(open_folder(folder, name="tiny")), settings)


def request_for(generator: DiffusionGenerator, **what: Any) -> Request:
    """A clip from pure noise in the model's own size and length; `what` is asked else."""
    facts = generator.facts()
    request = Request(
        prompt="a red car", size=facts.size, frames=facts.frames, fps=facts.fps,
        noise=NoisePlan(level=1, seed=1),
    )  # fmt: skip
    return replace(request, **what)
