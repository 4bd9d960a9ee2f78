"""What several benchmarks film."""

from __future__ import annotations

from typing import Any


def request_of(facts: Any, prompt: str, *, seed: int, level: float = 1.0) -> Any:
    """A shot in the words of the planner, with its sketch for a level below 1."""
    from reelwright_agents.offline import OfflinePlanner
    from reelwright_agents.planner import Picture, Script
    from reelwright_core.takes import NoisePlan
    from reelwright_generators.generator import Request
    from reelwright_simulators.painter import paint

    planner = OfflinePlanner()
    picture = Picture(size=facts.size, fps=facts.fps, frames=facts.frames)
    shot = planner.storyboard(Script(kind="prose", text=prompt), picture=picture).shots[0]
    painted = paint(
        planner.layout(shot), entities=shot.scene_graph.entities, place=shot.place,
        size=shot.size, seed=seed,
    )  # fmt: skip
    return Request(
        prompt=shot.prompt, size=shot.size, frames=shot.frames, fps=shot.fps,
        noise=NoisePlan(level=level, seed=seed), sketch=painted.frames if level < 1 else None,
    )  # fmt: skip
