"""`reelwright bench`: how often a model films what a suite's prompts say."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reelwright_core.errors import InputError
from reelwright_core.files import write_text
from reelwright_core.settings import load_settings
from reelwright_metrics.bench import run
from reelwright_metrics.bench.comparing import compare
from reelwright_metrics.bench.scoring import Judge
from reelwright_metrics.bench.table import table


def bench(
    suite: str,
    *,
    levels: str,
    prompts: int | None,
    out: Path | None,
    settings: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Runs the bench into `out` (runs/bench-SUITE if none) and returns what it found as data."""
    from reelwright_editing.bench_page import write_page, write_plot

    folder = out or Path("runs") / f"bench-{suite}"
    results = run(
        suite,
        out=folder,
        told=load_settings(settings).generator,
        levels=_levels(levels),
        judge=_judge,
        prompts=prompts,
        seed=seed,
        on_line=_say,
    )
    write_text(folder / "table.md", table(results))
    page = write_page(folder, results)
    compared = compare(results)
    if compared:
        write_plot(folder / "compare.png", compared)
    return {
        "out": str(folder),
        "results": str(folder / "results.json"),
        "table": str(folder / "table.md"),
        "page": str(page),
        "suite": suite,
        "prompts": len(results.prompts),
        "autoencoder": {part: figure.data() for part, figure in results.autoencoder.items()},
        "sets": [row.model_dump(mode="json", exclude={"clips"}) for row in results.sets],
        "compared": [row.data() for row in compared],
    }


def _levels(told: str) -> list[float]:
    try:
        return [float(level) for level in told.split(",")]
    except ValueError:
        raise InputError(
            f"--levels is numbers with commas between, such as 1.0,0.5, got {told!r}"
        ) from None


def _judge() -> Judge | None:
    """The critic that never steers a loop; bent to please, a loop's own would report too much."""
    from reelwright_metrics.learned import REPORTS
    from reelwright_metrics.learned.critic import LearnedCritic

    try:
        return LearnedCritic.load(REPORTS)
    except InputError as error:
        _say(f"{error}; only geometry is measured")
        return None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
