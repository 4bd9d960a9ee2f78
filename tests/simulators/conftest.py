"""A real Blender, for the tests that need one."""

from __future__ import annotations

import pytest

from reelwright_simulators.blender import find


@pytest.fixture(scope="session")
def blender() -> find.Blender:
    """The Blender that Reelwright finds here; the test is skipped where there is none."""
    search = find.search()
    if search.blender is None:
        pytest.skip(" ".join(["there is no Blender that works here.", *search.passed]))
    return search.blender
