"""Plain against structured noise, next to what was published of structured noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from reelwright_core.records import Record
from reelwright_metrics.bench.results import ClipSet, Figure, Results

TOPICS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "direction": ("measured direction", "motion"),
        "spatial relation": ("measured relation", "relation"),
        "count": ("measured count", "count"),
    }
)
"""What is compared, and the measures that tell of it: the measuring and the learned critic's."""

PUBLISHED: Mapping[str, float] = MappingProxyType(
    {"direction": 0.52, "spatial relation": 0.11, "count": 0.40}
)
"""Video-MSG's gains over its plain backbone on T2V-CompBench: motion binding, spatial
relationships, numeracy (Li et al. 2025, arXiv 2504.08641)."""

_RESAMPLES = 2000


class Gain(Record):
    """How much more often something is right than from pure noise, relative to that."""

    value: float
    """0.5 is half as often again."""
    low: float
    high: float | None
    """None where pure noise may well be never right."""


class Compared(Record):
    """One noise level: by measure how often it is right, and the gain over pure noise."""

    level: float
    shares: dict[str, Figure]
    gains: dict[str, Gain]
    """None for pure noise itself, and where pure noise is never right."""


def compare(results: Results) -> list[Compared]:
    """Every level's gains over level 1, the noisiest first; empty if there is nothing to compare.

    A gain's interval is the bootstrap's over prompts, each with its clips of both levels.
    """
    rows = sorted(
        (row for row in results.sets if row.level is not None),
        key=lambda row: row.level or 0,
        reverse=True,
    )
    if len(rows) < 2 or rows[0].level != 1:
        return []
    compared = [_compared(row, rows[0]) for row in rows]
    return compared if compared[0].shares else []


def _compared(row: ClipSet, plain: ClipSet) -> Compared:
    names = [name for pair in TOPICS.values() for name in pair if name in row.figures]
    gains = {} if row is plain else {name: _gain(name, row, plain) for name in names}
    return Compared(
        level=row.level or 0,
        shares={name: row.figures[name] for name in names},
        gains={name: gain for name, gain in gains.items() if gain is not None},
    )


def _gain(name: str, row: ClipSet, plain: ClipSet) -> Gain | None:
    both = [id for id, seen in row.clips.items() if name in seen.marks]
    right = np.array([row.clips[id].marks[name].right for id in both], float)
    before = np.array([plain.clips[id].marks[name].right for id in both], float)
    if not before.any():
        return None
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(both), size=(_RESAMPLES, len(both)))
    ratios = np.sort(_ratio(right[drawn].mean(1), before[drawn].mean(1)))
    low, high = (float(ratios[round(part * (_RESAMPLES - 1))]) for part in (0.025, 0.975))
    return Gain(
        value=round(float(right.mean() / before.mean()) - 1, 4),
        low=round(low, 4),
        high=round(high, 4) if np.isfinite(high) else None,
    )


def _ratio(right: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gains; without bound where nothing was right before."""
    gain = right / np.maximum(before, 1e-12) - 1
    return np.where(before > 0, gain, np.inf)


def comparison_table(rows: Sequence[Compared]) -> str:
    """The comparison in Markdown."""
    titles = [f"{topic}, {by}" for topic in TOPICS for by in ("measured", "learned")]
    names = [name for pair in TOPICS.values() for name in pair]
    lines = [
        f"| start | {' | '.join(titles)} |",
        f"| --- |{' --- |' * len(titles)}",
    ]
    for row in rows:
        said = "plain (σ 1)" if row.level == 1 else f"structured, σ {row.level:g}"
        lines.append(f"| {said} | {' | '.join(_cell(row, name) for name in names)} |")
    published = [f"{PUBLISHED[topic]:+.0%} | " for topic in TOPICS]
    lines.append(f"| Video-MSG on T2V-CompBench | {' | '.join(published)} |")
    return "\n".join(lines) + "\n"


def _cell(row: Compared, name: str) -> str:
    if name not in row.shares:
        return ""
    share = row.shares[name]
    said = f"{share.value:.2f} (n {share.n})"
    return f"{said} {said_gain(row.gains[name])}" if name in row.gains else said


def said_gain(gain: Gain) -> str:
    """`+52 % [+10 %, +90 %]`."""
    high = "∞" if gain.high is None else f"{gain.high:+.0%}"
    return f"{gain.value:+.0%} [{gain.low:+.0%}, {high}]"
