"""How well the measuring critic finds planted faults: the tables of docs/critics.md.

    python benchmarks/seeded_faults.py [--count 200] [--clean 200] [--workers 2]

Two sets of clips are made anew: seed 1, which the critic was tuned on, and seed 2, which was held
out. Then the suite `builtin-smoke` is filmed by the built-in model from the noise levels 0.5 and
0.7, to see how often the critic fails a clip whose plan is sound. What stands between the two
marks in the page is replaced.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from reelwright_core.files import write_text
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan, Question
from reelwright_generators.generator import Request, load
from reelwright_metrics.bench.results import Figure, share
from reelwright_metrics.bench.scoring import plan_of
from reelwright_metrics.fault_rates import Judged, confusion, judged, rates
from reelwright_metrics.faults import FAULTS, FRAMES, SIZE, WAYS, FaultKind, case
from reelwright_metrics.measure import MeasuringCritic
from reelwright_metrics.suites import load as suite

MARKS = "<!-- tables: begin -->", "<!-- tables: end -->"
SEEDS = {"tuning set (seed 1)": 1, "held-out set (seed 2)": 2}
LEVELS = (0.5, 0.7)


def main() -> None:
    """Makes both sets, films the suite, and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--clean", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("docs/critics.md"))
    told = parser.parse_args()
    asked: list[tuple[FaultKind | None, int]] = [
        (FAULTS[index % len(FAULTS)], index // len(FAULTS)) for index in range(told.count)
    ]
    asked += [(None, index) for index in range(told.clean)]
    sets: dict[str, list[Judged]] = {}
    with ProcessPoolExecutor(told.workers) as pool:
        for name, seed in SEEDS.items():
            sets[name] = list(pool.map(partial(_judged, seed), asked, chunksize=10))
            print(name, rates(sets[name]), flush=True)
            for each in sets[name]:
                if each.found != each.kind:
                    print(each.model_dump_json(), flush=True)
        filmed = list(pool.map(_filmed, range(len(suite("builtin-smoke"))), chunksize=4))
    text = "\n".join([*_sets(sets), "", *_suite(filmed)])
    page = told.out.read_text("utf-8") if told.out.exists() else "\n".join(MARKS)
    begin, end = map(re.escape, MARKS)
    fresh = f"{MARKS[0]}\n\n{text}\n\n{MARKS[1]}"
    write_text(told.out, re.sub(f"{begin}.*{end}", lambda _: fresh, page, flags=re.DOTALL))
    print(text)


def _judged(seed: int, asked: tuple[FaultKind | None, int]) -> Judged:
    kind, number = asked
    return judged(case(kind, seed=seed, number=number), MeasuringCritic())


def _filmed(index: int) -> dict[float, list[Question]]:
    """The answers about one prompt's clip at each noise level; 0 is its sketch."""
    prompt = suite("builtin-smoke")[index]
    plan = plan_of(prompt, size=SIZE, frames=FRAMES, fps=Fraction(8))
    painted = plan.painted()
    model, critic = load(Told(model="builtin")), MeasuringCritic()
    clips = {0.0: painted.frames}
    for level in LEVELS:
        request = Request(
            prompt=prompt.text, size=SIZE, frames=FRAMES, fps=Fraction(8),
            noise=NoisePlan(level=level, seed=index), sketch=painted.frames,
        )  # fmt: skip
        clips[level] = model.generate(request).frames
    return {
        level: critic.watch(
            plan.shot, plan.layout, frames, background=painted.background
        ).questions
        for level, frames in clips.items()
    }  # fmt: skip


def _sets(sets: dict[str, list[Judged]]) -> list[str]:
    lines = [
        "| set | detected as its kind | anything found | frames within ±1 | blame right "
        "| false alarms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, all_ in sets.items():
        found = rates(all_)
        figures = (found.detected, found.alarmed, found.spans, found.blamed, found.false_alarms)
        lines.append(f"| {name} | {' | '.join(map(_cell, figures))} |")
    name, held_out = list(sets.items())[-1]
    lines += ["", f"What was planted (rows) and what was found first, {name}:", ""]
    table = confusion(held_out)
    lines += [f"| {' | '.join(table[0])} |", f"|{' --- |' * len(table[0])}"]
    lines += [f"| {' | '.join(row)} |" for row in table[1:]]
    lines += [
        "",
        "The same set by how the clips were made, and by where the faults come from:",
        "",
        "| clips | detected | blame right | false alarms |",
        "| --- | --- | --- | --- |",
    ]
    groups = {way: [each for each in held_out if each.way == way] for way in WAYS}
    groups |= {
        f"from the {origin}": [each for each in held_out if each.origin == origin]
        for origin in ("layout", "prompt", "generator")
    }
    for name, own in groups.items():
        faulty = [each for each in own if each.kind is not None]
        clean = [each.alarmed for each in own if each.kind is None]
        cells = [
            _cell(share([each.found == each.kind for each in faulty])) if faulty else "",
            _cell(share([each.blame_right for each in faulty])) if faulty else "",
            _cell(share(clean)) if clean else "",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _suite(filmed: Sequence[dict[float, list[Question]]]) -> list[str]:
    lines = [
        "Questions passed on the suite `builtin-smoke`, filmed by the built-in model:",
        "",
        "| clips | the plan's own questions | stays in sight, does not jump | nothing else |",
        "| --- | --- | --- | --- |",
    ]
    for level in (0.0, *LEVELS):
        every = [question for each in filmed for question in each[level]]
        steady = [q.passed for q in every if q.kind == "smoothness"]
        alone = [q.passed for q in every if q.kind == "extra"]
        plan = [q.passed for q in every if q.kind not in ("smoothness", "extra")]
        name = f"filmed from noise level {level}" if level else "the sketch"
        cells = " | ".join(_cell(share(each)) for each in (plan, steady, alone))
        lines.append(f"| {name} | {cells} |")
    return lines


def _cell(figure: Figure) -> str:
    return f"{figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}] of {figure.n}".replace(
        "%", " %"
    )


if __name__ == "__main__":
    main()
