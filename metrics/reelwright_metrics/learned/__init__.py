"""A small learned critic of the built-in model's world: `critic.LearnedCritic`.

Nothing heavy is imported here.
"""

from __future__ import annotations

from pathlib import Path

from reelwright_core.records import file_digest

WEIGHTS = Path(__file__).parent / "weights"
STEERS, REPORTS = 0, 1
"""The seed that may steer a loop, and the one that only reports on what was steered."""


def weights_digest(seed: int) -> str | None:
    """The sha256 of the weights of `seed`, or None where there are none."""
    weights = WEIGHTS / f"critic-{seed}.safetensors"
    return file_digest(weights) if weights.exists() else None
