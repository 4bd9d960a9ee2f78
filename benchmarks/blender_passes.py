"""What the pictures of a simulation cost: medians of CPU and wall seconds for each quality.

    python benchmarks/blender_passes.py [--frames 9] [--sizes 480x320,832x480] [--out page.md]

Every row is a fresh Blender that renders one scene (a ball, a crate, a cut-out and a glass on
wooden boards under a sun) by one camera; a picture's seconds are the mean over the frames of one
process, and figures are medians over `repeats` processes. CPU seconds are those of Blender's whole
process, and depend much less than wall seconds on what else the machine does. Bytes are those of a
finished sketch, all files together.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reelwright_core.files import write_text
from reelwright_core.physics import (
    Ball,
    Block,
    Body,
    Camera,
    Card,
    Ground,
    Model,
    PhysicsScene,
    View,
)
from reelwright_simulators import exact
from reelwright_simulators.blender import worker
from reelwright_simulators.passes import sketch_files
from reelwright_simulators.simulate import laws, put_files

TARGETS = {"final": 1.2, "data": 0.25}
"""Wall seconds a picture of 480x320 on two free cores."""
QUALITIES = ("draft", "preview", "final")


def scene(size: tuple[int, int], frames: int) -> PhysicsScene:
    """What is rendered: things of several materials, one of which moves."""
    return PhysicsScene(
        frames=frames,
        size=size,
        ground=Ground(look="wood"),
        bodies=[
            Body(id="ball", entity="ball", shape=Ball(radius=0.25), colour="orange",
                 material="rubber", position=(-0.6, 0, 1.3)),
            Body(id="crate", entity="crate", shape=Block(size=(0.5, 0.5, 0.5)), colour="red",
                 position=(0.6, 0.2, 0.25)),
            Body(id="dog", entity="dog", shape=Card(noun="dog", height=0.7),
                 position=(-1.3, 0.8, 0.35)),
            Body(id="glass", entity="glass", shape=Model(name="glass", height=0.4),
                 material="glass", position=(0, -0.9, 0.2)),
        ],
        cameras=[Camera(id="front", views=[View(position=(0, -4, 1.4), look_at=(0, 0, 0.5))])],
    )  # fmt: skip


def main() -> None:
    """Measures everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", default="480x320,832x480")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    before = os.getloadavg()[0]
    rows: list[str] = []
    for text in told.sizes.split(","):
        width, height = (int(side) for side in text.split("x"))
        asked = scene((width, height), told.frames)
        for quality in QUALITIES:
            made = [_measured(asked, quality) for _ in range(told.repeats)]
            for what in ("rgb", "data"):
                cpu, wall = (_median(made, what, clock) for clock in ("cpu", "wall"))
                rows.append(f"| {text} | {quality} | {what} | {cpu:.2f} | {wall:.2f} |")
        sizes = _sizes(asked)
        each = ", ".join(f"{name} {count / 1e6:.2f}" for name, count in sizes.items())
        total = sum(sizes.values()) / 1e6
        rows.append(f"| {text} | sketch of {told.frames} frames, MB: {total:.2f} ({each}) | | | |")
    lines = [
        "# What a simulation's pictures cost",
        "",
        " ".join((__doc__ or "").split("\n\n")[-1].split()),
        "",
        f"{len(os.sched_getaffinity(0))} cores; medians of {told.repeats} processes of "
        f"{told.frames} frames; load average {before:.1f} at the start and "
        f"{os.getloadavg()[0]:.1f} at the end. Wanted on two free cores at 480x320: "
        f"{TARGETS['final']} s for `final` with its data, {TARGETS['data']} s for the data alone.",
        "",
        "| size | quality | picture | CPU seconds | wall seconds |",
        "| --- | --- | --- | ---: | ---: |",
        *rows,
    ]
    page = "\n".join(lines) + "\n"
    if told.out:
        write_text(told.out, page)
    print(page)


def _rendered(asked: PhysicsScene, quality: str, folder: Path) -> dict[str, Any]:
    put_files(asked, folder)
    request = {
        "job": "render", "scene": asked.data(), "motion": exact.solve(asked).motion(),
        "quality": quality, "cameras": ["front"],
    }  # fmt: skip
    return worker.run(request, folder=folder)


def _measured(asked: PhysicsScene, quality: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return _rendered(asked, quality, Path(folder))["render"]["spent"]


def _sizes(asked: PhysicsScene) -> dict[str, int]:
    """Bytes of each file of a finished sketch."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        answer = _rendered(asked, "final", folder)
        files = sketch_files(
            folder / "front",
            folder / "sketch",
            scene=asked,
            camera="front",
            told=answer["render"]["cameras"]["front"],
            trajectories=laws(asked, answer).trajectories,
        )
        return {path.name: path.stat().st_size for path in sorted(files.folder.iterdir())}


def _median(made: Sequence[dict[str, Any]], what: str, clock: str) -> float:
    return statistics.median(spent[what][clock] / spent[what]["pictures"] for spent in made)


if __name__ == "__main__":
    main()
