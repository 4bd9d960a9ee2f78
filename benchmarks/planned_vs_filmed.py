"""Planned against filmed: how often a clip shows the direction, count and relation of its plan.

    python benchmarks/planned_vs_filmed.py [--model builtin] [--out docs/planned-vs-filmed.md]

Each of 24 prompts is planned once by the offline planner and filmed once from each start, one
take, same seed: pure noise (level 1.0, no sketch) and structured noise (the model's own level).
The measuring critic answers the same questions of each clip. Two more rows frame the figures: the
sketch itself, which is the most that the critic can grant, and the clip of another prompt from
structured noise, which is what chance grants.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.files import write_text
from reelwright_core.settings import Generator as Told
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import NoisePlan, Question
from reelwright_core.video import Frames
from reelwright_generators.generator import Request, load
from reelwright_metrics.bench.results import share
from reelwright_metrics.measure import MeasuringCritic
from reelwright_simulators.painter import paint

PROMPTS = (
    "A red car drives from left to right on a beach.",
    "A blue bus moves from right to left in a city.",
    "A dog runs from left to right in a meadow.",
    "A horse runs from right to left in a desert.",
    "A yellow ball falls on a road.",
    "A red balloon rises in the sky.",
    "A rocket rises at night.",
    "A blue ball bounces in a meadow.",
    "A fish swims from left to right in the sea.",
    "A bird flies from right to left in the sky.",
    "A red ball rolls from left to right on a road.",
    "A cat jumps in the snow.",
    "Two dogs stand in a meadow.",
    "Three red balls lie on a beach.",
    "Two cars stand on a road.",
    "Three birds fly from left to right in the sky.",
    "Four apples lie in a room.",
    "Two cats jump in a forest.",
    "A dog stands to the left of a house.",
    "A cat sits to the right of a tree.",
    "A red ball lies to the left of a blue ball.",
    "A bird is above a tree in a meadow.",
    "A robot stands to the right of a car in a city.",
    "A horse follows a dog in a meadow.",
)

GROUPS = {
    "direction": ("direction", "path"),
    "count": ("count",),
    "relation": ("relation",),
}


def main() -> None:
    """Films all prompts and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--out", type=Path, default=Path("docs/planned-vs-filmed.md"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    told = parser.parse_args()

    generator = load(Told(model=told.model))
    facts = generator.facts()
    planner, critic = OfflinePlanner(), MeasuringCritic()
    picture = Picture(size=facts.size, fps=facts.fps, frames=facts.frames)
    plans: list[tuple[Shot, Layout, Frames, Frames]] = []
    clips: dict[str, list[Frames]] = {"pure noise": [], "structured noise": []}
    seconds: dict[str, list[float]] = {"pure noise": [], "structured noise": []}
    for number, prompt in enumerate(PROMPTS[: told.prompts]):
        script = Script(kind="prose", text=prompt)
        shot = planner.storyboard(script, picture=picture).shots[0]
        layout = planner.layout(shot)
        painted = paint(
            layout,
            entities=shot.scene_graph.entities,
            place=shot.place,
            size=shot.size,
            seed=told.seed,
        )
        plans.append((shot, layout, painted.frames, painted.background))
        seed = _seed(told.seed, number)
        for start, level in (("pure noise", 1.0), ("structured noise", facts.noise_level)):
            began = time.monotonic()
            made = generator.generate(
                Request(
                    prompt=shot.prompt,
                    size=shot.size,
                    frames=shot.frames,
                    fps=shot.fps,
                    noise=NoisePlan(level=level, seed=seed),
                    sketch=painted.frames if level < 1 else None,
                )
            )
            clips[start].append(made.frames)
            seconds[start].append(time.monotonic() - began)
        print(f"{number + 1:2} {shot.prompt}", flush=True)

    rows: dict[str, list[Question]] = {
        start: [
            question
            for (shot, layout, _, background), frames in zip(plans, made, strict=True)
            for question in critic.watch(shot, layout, frames, background=background).questions
        ]
        for start, made in {
            "structured noise": clips["structured noise"],
            "pure noise": clips["pure noise"],
            "the sketch itself (most)": [sketch for _, _, sketch, _ in plans],
            "another prompt's clip (chance)": _shifted(clips["structured noise"]),
        }.items()
    }
    lines = [
        "# Planned against filmed",
        "",
        " ".join((__doc__ or "").split("\n\n")[-1].split()),
        "",
        "| start | direction and path | count | relation | all questions | seconds a clip |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for start, questions in rows.items():
        cells = [_share(questions, kinds) for kinds in GROUPS.values()]
        cells.append(_share(questions, None))
        took = f"{np.median(seconds[start]):.1f}" if start in seconds else ""
        lines.append(f"| {start} | {' | '.join(cells)} | {took} |")
    lines += [
        "",
        f"Model {facts.name} ({facts.sha256[:12]}), structured noise from level "
        f"{facts.noise_level}, {facts.size[0]}x{facts.size[1]}, {facts.frames} frames, "
        f"seed {told.seed}; {os.cpu_count()} CPU cores ({platform.machine()}), "
        f"torch {version('torch')}, diffusers {version('diffusers')}; medians of the seconds. "
        "Shares are questions passed of questions asked; in brackets the 95 % Wilson interval.",
        "",
        "The prompts:",
        "",
        *(f"{number}. {prompt}" for number, prompt in enumerate(PROMPTS[: told.prompts], 1)),
    ]
    text = "\n".join(lines) + "\n"
    write_text(told.out, text)
    print(text)


def _seed(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:6], "big")


def _shifted(clips: Sequence[Frames]) -> list[Frames]:
    """Each prompt gets the clip of the prompt seven further on."""
    return [clips[(index + 7) % len(clips)] for index in range(len(clips))]


def _share(questions: Sequence[Question], kinds: Sequence[str] | None) -> str:
    asked = [question for question in questions if kinds is None or question.kind in kinds]
    if not asked:
        return "none asked"
    passed = [question.passed for question in asked]
    found = share(passed)
    return f"{found.value:.2f} ({sum(passed)}/{found.n}) [{found.low:.2f}, {found.high:.2f}]"


if __name__ == "__main__":
    main()
