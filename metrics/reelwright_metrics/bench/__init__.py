"""The bench: how often a model films what a prompt says, next to the most and least it could.

Every prompt of a suite has a scene, so it has a real clip (the ceiling), that clip through the
model's autoencoder (what the model could show at most), and a layout to start from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reelwright_core.errors import InputError
from reelwright_core.files import locked, sweep, write_json
from reelwright_core.records import digest
from reelwright_core.settings import Generator as Told
from reelwright_generators.generator import Facts, load
from reelwright_metrics import suites
from reelwright_metrics.bench.filming import OnLine, Reel, filmed, real, through_autoencoder
from reelwright_metrics.bench.folder import own
from reelwright_metrics.bench.results import ClipSet, Figure, Results, figures, mean
from reelwright_metrics.bench.scoring import Judge, Plan, plan_of, score

MANIFEST = "bench.json"
"""What a folder's clips depend on; another bench may not go on in it."""


def run(
    suite: str,
    *,
    out: Path,
    told: Told,
    levels: Sequence[float],
    judge: Callable[[], Judge | None],
    prompts: int | None = None,
    seed: int = 0,
    on_line: OnLine = print,
) -> Results:
    """Films `suite` at every level into `out`, and scores it; goes on where it was stopped.

    `judge` loads the learned critic; where it gives none, only geometry is measured. More levels
    or more prompts may be asked for in the same folder later; another suite, model or seed is a
    `RunFolderError`. Writes results.json.
    """
    levels = sorted({_sound(level) for level in levels}, reverse=True)
    chosen = suites.load(suite)
    if chosen[0].kind in suites.EVENTS:
        raise InputError(
            f"the suite {suite} is of physical events, which a bench's layouts do not stage; "
            "`python benchmarks/physics_proof.py` films it"
        )
    if prompts is not None:
        if not 2 <= prompts <= len(chosen):
            raise InputError(
                f"of the suite {suite} 2 to {len(chosen)} prompts can be taken, got {prompts}"
            )
        chosen = suites.first(chosen, prompts)
    generator = load(told)
    facts = generator.facts()
    plans = [
        plan_of(prompt, size=facts.size, frames=facts.frames, fps=facts.fps) for prompt in chosen
    ]
    _own(out, suite=suite, seed=seed, facts=facts)
    with locked(out):
        sweep(out)
        critic = judge()
        reels: list[tuple[Reel, float | None]] = [
            (Reel("real", out / "clips" / "real", real), None)
        ]
        coded = through_autoencoder(told)
        if coded is None:
            on_line(f"{facts.name} has no autoencoder here that can be tried alone")
        else:
            name = "real through the autoencoder"
            reels.append((Reel(name, out / "clips" / "autoencoder", coded), None))
        for level in levels:
            folder = out / "clips" / f"level-{level:g}"
            maker = filmed(generator, level=level, seed=seed)
            start = "plain" if level == 1 else "structured"
            reels.append((Reel(f"{start}, σ {level:g}", folder, maker), level))
        for reel, _ in reels:
            reel.film(plans, on_line)
        sets: list[ClipSet] = []
        for reel, level in reels:
            sets.append(_scored(reel, level, plans, critic, out))
            on_line(f"{reel.name}: scored, {_in_short(sets[-1])}")
        results = Results(
            suite=suite,
            seed=seed,
            model=facts.data(),
            prompts=chosen,
            autoencoder={} if coded is None else _kept(reels[1][0], plans),
            sets=sets,
        )
        write_json(out / "results.json", results.data())
    return results


def _sound(level: float) -> float:
    if not (math.isfinite(level) and 0 < level <= 1):
        raise InputError(f"a noise level is above 0 and at most 1, got {level:g}")
    return level


def _own(out: Path, *, suite: str, seed: int, facts: Facts) -> None:
    """Makes `out` this bench's folder, or finds that it is; `RunFolderError` if it is not."""
    due = {
        "suite": suite,
        "suite_sha256": digest([prompt.data() for prompt in suites.load(suite)]),
        "seed": seed,
        "model": facts.data(),
    }

    def holds(part: str, found: Mapping[str, Any]) -> str:
        return {
            "suite": f"the suite {found.get('suite')}, not {suite}",
            "suite_sha256": f"another version of the suite {suite}",
            "seed": f"the seed {found.get('seed')}, not {seed}",
            "model": "another model, or the same with other weights or settings",
        }[part]

    own(out, MANIFEST, due, whose="bench's folder", holds=holds)


def _scored(
    reel: Reel, level: float | None, plans: Sequence[Plan], judge: Judge | None, out: Path
) -> ClipSet:
    seen, chance = score(plans, reel.clip, judge)
    took = [reel.notes(plan)["seconds"] for plan in plans] if level is not None else []
    return ClipSet(
        name=reel.name,
        folder=reel.folder.relative_to(out).as_posix(),
        level=level,
        figures=figures(seen),
        chance=figures(chance),
        seconds=round(float(np.median(took)), 3) if took else None,
        clips={plan.prompt.id: each for plan, each in zip(plans, seen, strict=True)},
    )


def _kept(reel: Reel, plans: Sequence[Plan]) -> dict[str, Figure]:
    """The autoencoder's decibels over all clips."""
    notes = [reel.notes(plan) for plan in plans]
    by = {part: [note[part] for note in notes if part in note] for part in ("frame", "moving")}
    return {part: mean(values) for part, values in by.items() if values}


def _in_short(row: ClipSet) -> str:
    names = ("noun", "motion", "retrieval", "measured direction")
    return ", ".join(
        f"{name} {row.figures[name].value:.2f}" for name in names if name in row.figures
    )
