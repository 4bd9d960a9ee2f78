"""What a bench finds out: figures with their intervals, and what was right in every clip."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from reelwright_core.records import Record, Stored
from reelwright_metrics.suites import Prompt

JUDGED: Mapping[str, str] = MappingProxyType(
    {
        "noun": "noun",
        "colour": "colour",
        "count": "count",
        "place": "place",
        "motion": "motion",
        "relation": "relation",
        "retrieval": "retrieval",
    }
)
"""What the learned critic says, by name, and its title."""
MEASURED: Mapping[str, str] = MappingProxyType(
    {
        "measured direction": "direction",
        "measured path": "path",
        "measured count": "count",
        "measured relation": "relation",
    }
)
"""What the measuring critic says."""
TRACKS: Mapping[str, str] = MappingProxyType(
    {"off track": "off the track, pixels", "follows track": "correlation with the track"}
)
"""Means, not shares: how the things' ways through the clip differ from the planned ones."""

_Z = 1.959964


class Figure(Record):
    """A share of `n` answers that are right, or a mean of `n` values, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


class Mark(Record):
    """Whether one thing is as it should be in one clip, and what was seen instead."""

    right: bool
    seen: str = ""


class Seen(Record):
    """What the critics say of one clip against one prompt."""

    marks: dict[str, Mark]
    """By measure; only what the prompt states."""
    off_track: float | None = None
    """Mean distance from the planned track in pixels, where anything was found."""
    follows_track: float | None = None
    """Correlation with the planned track along the way it mostly goes, -1..1."""


class ClipSet(Record):
    """One row: all prompts' clips that were made in one way."""

    name: str
    folder: str
    """Where the clips lie, in the bench's folder."""
    level: float | None = None
    """σ that the model started from; none for clips that no model made."""
    figures: dict[str, Figure]
    chance: dict[str, Figure]
    """The same clips, each against another prompt of its kind."""
    seconds: float | None = None
    """The median time that a clip took."""
    clips: dict[str, Seen]
    """By the prompt's id."""


class Results(Stored):
    """A finished bench."""

    SCHEMA: ClassVar[str] = "Bench.1"

    suite: str
    seed: int
    model: dict[str, Any]
    """What filmed: the generator's facts."""
    prompts: list[Prompt]
    autoencoder: dict[str, Figure] = {}
    """Decibels that the model's autoencoder keeps: `frame`, and `moving` where anything moves."""
    sets: list[ClipSet]


def share(right: Sequence[bool]) -> Figure:
    """The share of answers that are right, with the Wilson score interval (Wilson 1927)."""
    n, part = len(right), sum(right) / len(right)
    middle = part + _Z**2 / (2 * n)
    reach = _Z * (part * (1 - part) / n + _Z**2 / (4 * n**2)) ** 0.5
    whole = 1 + _Z**2 / n
    low, high = max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole)
    return Figure(value=round(part, 4), low=round(low, 4), high=round(high, 4), n=n)


def mean(values: Sequence[float], *, most: float = math.inf) -> Figure:
    """The mean, with the normal interval of a mean, which ends at `most`; of one value, itself."""
    middle = float(np.mean(values))
    reach = _Z * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    low, high = middle - reach, min(middle + reach, most)
    return Figure(value=round(middle, 4), low=round(low, 4), high=round(high, 4), n=len(values))


def figures(seen: Sequence[Seen]) -> dict[str, Figure]:
    """All figures of a set of clips; a measure that nothing was asked of is left out."""
    found: dict[str, Figure] = {}
    for name in (*JUDGED, *MEASURED):
        right = [each.marks[name].right for each in seen if name in each.marks]
        if right:
            found[name] = share(right)
    for name, values in {
        "off track": [each.off_track for each in seen],
        "follows track": [each.follows_track for each in seen],
    }.items():
        told = [value for value in values if value is not None]
        if told:
            found[name] = mean(told, most=1.0 if name == "follows track" else math.inf)
    return found
