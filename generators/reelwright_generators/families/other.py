"""Any other diffusers text-to-video pipeline: filmed by what its signature and configs tell."""

from __future__ import annotations

from reelwright_generators.families.family import Family
from reelwright_generators.folder import ModelFolder


def make(folder: ModelFolder) -> Family:
    """The family of any other pipeline."""
    return Family(folder)
