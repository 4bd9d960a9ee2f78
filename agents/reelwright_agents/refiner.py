"""The refiner: verification, routing, correction and structuring as one step, by rules alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reelwright_agents.routing import SPECIALISTS, Case, choose, route, verify
from reelwright_agents.specialists import (
    Means,
    clearer_prompt,
    correct,
    faults,
    new_seed,
    structured,
)
from reelwright_core.story import Shot
from reelwright_core.takes import Repair, Specialist, Take

__all__ = ["choose", "clearer_prompt", "faults", "new_seed", "refine"]


def refine(
    shot: Shot,
    takes: Sequence[Take],
    *,
    threshold: float,
    max_takes: int,
    default_level: float,
    means: Means,
    specialists: Collection[Specialist] = SPECIALISTS,
) -> Repair | None:
    """What to change for the take after `takes`; None where trying on is not worth it.

    As `verify`, `route`, `correct` and `structured` say, one after the other.
    """
    found = verify(shot, takes, threshold=threshold, max_takes=max_takes)
    if not found.again:
        return None
    case = Case(shot=shot, takes=takes, default_level=default_level, verified=found.faults)
    tried: list[Specialist] = []
    corrections: list[Repair] = []

    def asked_next() -> Specialist | None:
        return route(case, specialists=specialists, tried=tried, corrections=corrections)

    while (specialist := asked_next()) is not None:
        tried.append(specialist)
        made = correct(specialist, case, means)
        if made is not None:
            corrections.append(made)
    return structured(corrections, case)
