"""What a Blender process costs: its start, requests fresh and warm, its memory over many scenes.

    python benchmarks/blender_worker.py [--repeats 7] [--scenes 50] [--frames 9]

Two small scenes, a ball that bounces and a flag in the wind, are solved and filmed (96x64, 2
samples) by a fresh process for each request and by a warm one. Figures are medians over the
repeats of one run; the first request of a warm process, which pays for its start, is told apart.
CPU seconds are Blender's own, of all its threads. Then one warm process takes many scenes, first
without and then, in another one, with smoke in every tenth; its resident memory is read after each.
What it grows by in a scene is the slope of a straight line through the second half.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reelwright_core.physics import (
    Ball,
    Body,
    Camera,
    Cloth,
    Force,
    PhysicsScene,
    Smoke,
    View,
)
from reelwright_simulators import sandbox
from reelwright_simulators.blender import find, worker

SIZE = (96, 64)


def scene(kind: str, seed: int, frames: int) -> PhysicsScene:
    """One of the three small scenes; the seed moves it a little."""
    shift = (seed % 7) / 10
    parts: dict[str, Any] = {
        "ball": {"bodies": [
            Body(id="ball", shape=Ball(), material="rubber", position=(shift, 0, 1.2 + shift))
        ]},
        "flag": {
            "cloths": [Cloth(id="flag", position=(shift, 0, 1.6), pins="left", detail=20)],
            "forces": [Force(kind="wind", strength=5 + seed % 5)],
        },
        "smoke": {"smokes": [
            Smoke(id="smoke", centre=(0, 0, 1), size=(1.2, 1.2, 2), source=(0, 0, 0.3), detail=16)
        ]},
    }[kind]  # fmt: skip
    camera = Camera(id="front", views=[View(position=(0, -5, 1.5), look_at=(0, 0, 1))])
    return PhysicsScene(frames=frames, size=SIZE, seed=seed, cameras=[camera], **parts)


def request(kind: str, seed: int, frames: int) -> dict[str, Any]:
    """The scene, to be solved and filmed."""
    return {"job": "render", "quality": "preview", "scene": scene(kind, seed, frames).data()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--frames", type=int, default=9)
    told = parser.parse_args()
    blender = find.required()
    print(f"{platform.platform()}, {os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}")
    print(f"Blender {blender.version} ({blender.kind}), Python {platform.python_version()}")
    print(f"scenes of {told.frames} frames, {SIZE[0]}x{SIZE[1]}, seeds 0 to {told.scenes - 1}\n")
    with tempfile.TemporaryDirectory() as folder:
        starts(Path(folder), told.repeats, told.frames)
        for smoke in (False, True):
            memory(Path(folder), told.scenes, told.frames, smoke=smoke)


def starts(folder: Path, repeats: int, frames: int) -> None:
    """The table of times."""
    row("request", "wall s", "CPU s")
    probe = {"job": "probe"}
    fresh = [timed(lambda: worker.run(probe, folder=folder), children) for _ in range(repeats)]
    row("start alone, fresh", *medians(fresh))
    jail = sandbox.strongest()
    jailed = [
        timed(lambda: worker.run(probe, folder=folder, sandbox=jail), children)
        for _ in range(repeats)
    ]
    row(f"start alone, in {jail.name}", *medians(jailed))
    for kind in ("ball", "flag"):
        asked = [request(kind, seed, frames) for seed in range(repeats + 1)]
        fresh = [
            timed(lambda one=one: worker.run(one, folder=folder), children) for one in asked[1:]
        ]
        row(f"{kind}, fresh", *medians(fresh))
        with worker.Warm() as warm:
            first, *later = [
                timed(lambda one=one: warm.run(one, folder=folder), lambda: of(warm.pid))
                for one in asked
            ]
        row(f"{kind}, warm, the first", *medians([first]))
        row(f"{kind}, warm, later ones", *medians(later))


def memory(folder: Path, scenes: int, frames: int, *, smoke: bool) -> None:
    """The resident memory of one process after each scene."""
    print("\none process, balls and flags" + (", every tenth scene smoke" if smoke else ""))
    sizes: list[float] = []
    pids: set[int | None] = set()
    with worker.Warm(scenes=scenes + 1) as warm:
        for seed in range(scenes):
            kind = "smoke" if smoke and seed % 10 == 9 else ("ball", "flag")[seed % 2]
            warm.run(request(kind, seed, frames), folder=folder)
            pids.add(warm.pid)
            sizes.append(resident(warm.pid))
    assert len(pids) == 1, "the process was changed"
    for number in sorted({1, 2, *range(10, scenes + 1, 10), scenes}):
        row(f"after scene {number}", f"{sizes[number - 1]:.0f} MB")
    half = sizes[scenes // 2 :]
    slope = statistics.linear_regression(range(len(half)), half).slope
    row("growth in a scene", f"{slope:.2f} MB")


def timed(act: Callable[[], object], cpu: Callable[[], float]) -> tuple[float, float]:
    """Wall and CPU seconds of an act."""
    used, began = cpu(), time.perf_counter()
    act()
    return time.perf_counter() - began, cpu() - used


def children() -> float:
    """CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of(pid: int | None) -> float:
    """CPU seconds of a process that runs; 0 for none."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int | None) -> float:
    """Megabytes of main memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


def medians(times: list[tuple[float, float]]) -> tuple[str, str]:
    wall, cpu = zip(*times, strict=True)
    return f"{statistics.median(wall):.2f}", f"{statistics.median(cpu):.2f}"


def row(name: str, *cells: str) -> None:
    print(f"{name:<32}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
