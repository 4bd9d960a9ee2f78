"""Tiny Wan models with random weights, in the standard folder layout, in two geometries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reelwright_core.video import Frames
from reelwright_generators.tiny import parts, wan


@pytest.fixture(scope="session")
def scene() -> Callable[..., Frames]:
    """Draws a scene: see `parts.scene`."""

    def draw(**which: Any) -> Frames:
        return parts.scene(**which)[0]

    return draw


@pytest.fixture(scope="session")
def schedulers() -> dict[str, Callable[..., Any]]:
    """The flow schedulers by name; each takes its shift."""
    return parts.FLOW


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds, once each, the tiny Wan of a geometry, a scheduler and a patch."""
    built: dict[tuple[str, str, tuple[int, int, int]], Path] = {}

    def folder(
        geometry: str = "flat", scheduler: str = "euler", patch: tuple[int, int, int] = (1, 2, 2)
    ) -> Path:
        key = (geometry, scheduler, patch)
        if key not in built:
            built[key] = wan.build(
                tmp_path_factory.mktemp(f"{geometry}-{scheduler}"),
                geometry=geometry,
                scheduler=scheduler,
                patch=patch,
            )
        return built[key]

    return folder
