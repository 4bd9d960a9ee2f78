"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from reelwright_metrics.bench.comparing import compare, comparison_table
from reelwright_metrics.bench.results import JUDGED, MEASURED, TRACKS, ClipSet, Figure, Results


def table(results: Results) -> str:
    """All figures, with their intervals and numbers."""
    rows = results.sets
    parts = [
        f"# Bench of {results.model['name']} on {results.suite}\n",
        f"{len(results.prompts)} prompts, {sum(p.held_out for p in results.prompts)} of them "
        "of combinations left out of training since version 0.2 of the model. Each cell: the "
        "share that is right "
        "(right/asked) and its 95 % Wilson interval, or a mean, its interval and its number. "
        "Rows in brackets are chance: the same clips against other prompts of their kind.\n",
    ]
    if any(name in row.figures for row in rows for name in JUDGED):
        parts += ["## What the learned critic sees\n", _table(rows, JUDGED)]
    parts += ["## What is measured against the plan\n", _table(rows, {**MEASURED, **TRACKS})]
    if results.autoencoder:
        kept = ", ".join(
            f"{said_decibels(figure)} {'of the frame' if part == 'frame' else 'where it moves'}"
            for part, figure in results.autoencoder.items()
        )
        parts.append(f"The autoencoder keeps {kept}.\n")
    compared = compare(results)
    if compared:
        parts += ["## Plain against structured noise\n", comparison_table(compared)]
        parts.append(
            "Each cell: the share, and its gain over plain noise with the bootstrap's 95 % "
            "interval. The published gains are of another model, on other prompts, by other "
            "judges: what compares is their direction and their order.\n"
        )
    model = results.model
    parts.append(
        f"Model {model['name']} ({model['sha256'][:12]}), {model['steps']} steps, guidance "
        f"{model['guidance']:g}, {model['size'][0]}x{model['size'][1]}, {model['frames']} frames, "
        f"seed {results.seed}.\n"
    )
    return "\n".join(parts)


def said_decibels(figure: Figure) -> str:
    """`29.9 dB [28.3, 31.5]`."""
    return f"{figure.value:.1f} dB [{figure.low:.1f}, {figure.high:.1f}]"


def _table(rows: list[ClipSet], titles: Mapping[str, str]) -> str:
    names = [name for name in titles if any(name in row.figures for row in rows)]
    lines = [
        f"| clips | {' | '.join(titles[name] for name in names)} | seconds a clip |",
        f"| --- |{' --- |' * (len(names) + 1)}",
    ]
    for row in rows:
        took = "" if row.seconds is None else f"{row.seconds:.1f}"
        for said, figures, last in (
            (row.name, row.figures, took),
            (f"({row.name}, chance)", row.chance, ""),
        ):
            cells = [_cell(name, figures) for name in names]
            lines.append(f"| {said} | {' | '.join(cells)} | {last} |")
    return "\n".join(lines) + "\n"


def _cell(name: str, figures: Mapping[str, Figure]) -> str:
    figure = figures.get(name)
    if figure is None:
        return ""
    between = f"[{figure.low:.2f}, {figure.high:.2f}]"
    if name in TRACKS:
        return f"{figure.value:.2f} {between}, n {figure.n}"
    return f"{figure.value:.2f} ({right_of(figure)}) {between}"


def right_of(share: Figure) -> str:
    """`3/4`: right answers of all."""
    return f"{round(share.value * share.n)}/{share.n}"
