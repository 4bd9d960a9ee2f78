"""Graphs compared on one suite of scripts at an equal budget of takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from reelwright_core.records import Record, Stored
from reelwright_core.takes import Question
from reelwright_metrics.bench.results import Figure, share
from reelwright_metrics.suites.scripts import SCRIPTED, Scripted

_RESAMPLES = 4000


class FilmSeen(Record):
    """What the reporting critic saw in one graph's film of one script."""

    script: str
    questions: list[Question]
    """Of the take that the graph chose."""
    first: list[Question]
    """Of the first take alone."""
    takes: int
    """How many were made; of several shots the most of one."""
    steered: float | None = None
    """The score by the critic that steered; it does not count here."""
    seconds: float

    @property
    def score(self) -> float:
        """The share of questions answered right."""
        return _right(self.questions)


class GraphSeen(Record):
    """One graph's films of a suite."""

    graph: str
    loops: bool
    """Whether it repairs by itself; if not, it was run with other seeds until the takes were used,
    and the film that its own critic liked best counts."""
    films: list[FilmSeen]
    failed: dict[str, str] = {}
    """Scripts that it could not film, and why; each counts as nothing right."""


class Comparison(Stored):
    """A finished comparison of graphs."""

    SCHEMA: ClassVar[str] = "Comparison.1"

    suite: str
    takes: int
    """The budget of each shot."""
    seed: int
    scripts: list[Scripted]
    graphs: list[GraphSeen]
    settings: dict[str, object] = {}


class Standing(Record):
    """How good a graph was, and how much better than another."""

    graph: str
    score: Figure
    """The mean over scripts of the share of questions answered right."""
    first: Figure
    """The same of first takes."""
    takes: float
    """How many takes a script took in the mean."""
    behind: Figure | None = None
    """How much less than the best graph, script by script; None for that itself."""


def standings(found: Comparison) -> list[Standing]:
    """The graphs, the best first, with bootstrap intervals over scripts (percentiles, 95 %)."""
    scores = {each.graph: _scores(found, each, "questions") for each in found.graphs}
    best = max(scores, key=lambda name: float(scores[name].mean()))
    rows = [
        Standing(
            graph=each.graph,
            score=bootstrap(scores[each.graph]),
            first=bootstrap(_scores(found, each, "first")),
            takes=round(float(np.mean([film.takes for film in each.films] or [0])), 2),
            behind=None if each.graph == best
            else bootstrap(scores[best] - scores[each.graph]),
        )
        for each in found.graphs
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row.score.value, reverse=True)


def bootstrap(values: NDArray[np.float64]) -> Figure:
    """The mean of `values` with its percentile bootstrap interval (Efron 1979), always the same."""
    rng = np.random.default_rng(0)
    drawn = values[rng.integers(len(values), size=(_RESAMPLES, len(values)))].mean(1)
    low, high = (float(each) for each in np.percentile(drawn, (2.5, 97.5)))
    return Figure(
        value=round(float(values.mean()), 4), low=round(low, 4), high=round(high, 4), n=len(values)
    )


def by_question(each: GraphSeen) -> dict[str, Figure]:
    """How often each kind of question is answered right, with Wilson's interval."""
    found: dict[str, list[bool]] = {}
    for film in each.films:
        for question in film.questions:
            found.setdefault(question.kind, []).append(question.passed)
    return {kind: share(right) for kind, right in sorted(found.items())}


def by_kind(found: Comparison, each: GraphSeen) -> dict[str, float]:
    """The mean score of each kind of script."""
    scores = _scores(found, each, "questions")
    kinds = [script.kind for script in found.scripts]
    return {
        kind: round(float(scores[[one == kind for one in kinds]].mean()), 4)
        for kind in SCRIPTED
        if kind in kinds
    }


def comparison_page(found: Comparison) -> str:
    """The comparison in Markdown: standings, kinds of script, kinds of question."""
    rows = standings(found)
    seen = {each.graph: each for each in found.graphs}
    lines = [
        f"{len(found.scripts)} scripts of the suite `{found.suite}`, at most {found.takes} "
        f"{'take' if found.takes == 1 else 'takes'} a shot, seed {found.seed}; shares answered "
        "right by the critic that reports, with 95 % intervals over scripts.",
        "",
        "| graph | right | of first takes | takes | behind the best |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        behind = "" if row.behind is None else _figure(row.behind)
        cells = (row.graph, _figure(row.score), _figure(row.first), f"{row.takes:.1f}", behind)
        lines.append(f"| {' | '.join(cells)} |")
    kinds = list(by_kind(found, found.graphs[0]))
    lines += ["", f"| graph | {' | '.join(kinds)} |", f"| --- |{' --- |' * len(kinds)}"]
    for row in rows:
        told = by_kind(found, seen[row.graph])
        lines.append(f"| {row.graph} | {' | '.join(f'{told[kind]:.2f}' for kind in kinds)} |")
    asked = sorted({kind for each in found.graphs for kind in by_question(each)})
    lines += ["", f"| graph | {' | '.join(asked)} |", f"| --- |{' --- |' * len(asked)}"]
    for row in rows:
        told_of = by_question(seen[row.graph])
        cells = [
            f"{told_of[k].value:.2f} (n {told_of[k].n})" if k in told_of else "" for k in asked
        ]
        lines.append(f"| {row.graph} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figure(figure: Figure) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _scores(found: Comparison, each: GraphSeen, of: str) -> NDArray[np.float64]:
    films: Mapping[str, FilmSeen] = {film.script: film for film in each.films}
    return np.array(
        [_right(getattr(films[one.id], of)) if one.id in films else 0.0 for one in found.scripts]
    )


def _right(questions: Sequence[Question]) -> float:
    return float(np.mean([one.passed for one in questions])) if questions else 0.0
