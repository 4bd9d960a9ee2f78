"""Which laws of physics Blender's rigid bodies (Bullet) keep to, over its steps in a frame.

    python benchmarks/physics_laws.py [--substeps 3,5,10,60] [--scenes drop,ramp] [--json FILE]

Small scenes with one law each are solved by Blender with several numbers of steps in a frame, and
by the exact integrator; the same checks (`reelwright_simulators.checks`) measure both. The first
table shows, for each law, by how much it is missed at worst over its scenes, in percent of what is
expected; an exclamation mark says that this is more than the law allows, and `-` that the motion
was so wrong that the law did not come up. The second shows how far the bodies are from the exact
motion at worst, in centimetres.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reelwright_core.physics import Check, PhysicsScene, Trajectory
from reelwright_simulators import checks, exact
from reelwright_simulators.blender import find, worker
from reelwright_simulators.simulate import laws
from reelwright_simulators.testing import ball, block, on_ramp, places, ramp, scene

SUBSTEPS = (3, 4, 5, 8, 10, 15, 20, 30, 40, 60, 80, 100)
MEASURED = (
    "free fall", "projectile range", "bounce height", "momentum", "restitution",
    "pendulum period", "length of the rod", "spring period", "rolling",
    "acceleration on a ramp", "energy", "no overlap", "resting",
)  # fmt: skip


def scenes() -> dict[str, PhysicsScene]:
    """The small scenes by name."""
    found: dict[str, PhysicsScene] = {}
    for e, radius, high in (
        (0.75, 0.12, 1.5), (0.75, 0.12, 0.8), (0.75, 0.05, 1.0), (0.75, 0.3, 2.0),
        (0.5, 0.12, 1.5), (0.9, 0.15, 1.2),
    ):  # fmt: skip
        name = f"drop e={e:g} r={radius:g} h={high:g}"
        found[name] = scene(ball(radius=radius, position=(0, 0, high), restitution=e), frames=49)
    for speed in (2.0, 5.0):
        found[f"throw {speed:g} m/s"] = scene(
            ball(position=(-1.5, 0, 0.8), velocity=(speed, 0, 3), restitution=0.7, friction=0.5),
            frames=40,
        )
    for mass, speed, e in ((1.0, 2.0, 1.0), (3.0, 3.0, 0.8), (0.3, 4.0, 0.5)):
        found[f"collision m2/m1={mass:g} v={speed:g} e={e:g}"] = scene(
            ball("a", position=(-0.8, 0, 0.12), velocity=(speed, 0, 0), mass=1, restitution=e,
                 friction=0),
            ball("b", position=(0, 0.04, 0.12), mass=mass, restitution=1, friction=0),
            frames=24,
        )  # fmt: skip
    for degrees, length in ((15, 1.0), (60, 1.0), (100, 0.6), (30, 1.6)):
        a = math.radians(degrees)
        found[f"pendulum {degrees}° L={length:g}"] = scene(
            ball(radius=0.1, position=(length * math.sin(a), 0, 2.4 - length * math.cos(a))),
            constraints=[{"kind": "rod", "body": "ball", "at": (0, 0, 2.4)}],
            frames=73,
        )
    for stiffness, damping in ((20, 0.0), (80, 0.0), (80, 1.0), (400, 0.0)):
        found[f"spring k={stiffness} c={damping:g}"] = scene(
            ball(radius=0.1, position=(0, 0, 1.6), mass=1),
            constraints=[
                {"kind": "spring", "body": "ball", "at": (0, 0, 2.4), "length": 0.7,
                 "stiffness": stiffness, "damping": damping}
            ],
            frames=60,
        )  # fmt: skip
    for degrees in (8, 15, 25):
        start = tuple(on_ramp(degrees, 0.9, 0.12))
        found[f"ramp ball {degrees}°"] = scene(
            ramp(degrees, friction=1), ball(position=start, friction=1), frames=24
        )
    cylinder = {"id": "can", "shape": {"kind": "cylinder", "radius": 0.1, "height": 0.3}}
    found["ramp cylinder 15°"] = scene(
        ramp(15, friction=1),
        cylinder
        | {"rotation": (90, 0, 0), "position": tuple(on_ramp(15, 0.9, 0.1)), "friction": 1},
        frames=24,
    )
    for degrees in (10, 20):
        car = {"id": "car", "shape": {"kind": "model", "name": "car", "height": 0.2}}
        start = tuple(on_ramp(degrees, 0.5, 0.1))
        found[f"ramp car {degrees}°"] = scene(
            ramp(degrees), car | {"position": start, "rotation": (0, degrees, 0)}, frames=24
        )
    found["block slides on a ramp"] = scene(
        ramp(25, friction=0.5),
        block(
            size=(0.3, 0.3, 0.15),
            position=tuple(on_ramp(25, 0.7, 0.075)),
            rotation=(0, 25, 0),
            friction=0.4,
        ),
        frames=24,
    )
    found["block rests"] = scene(block(position=(0, 0, 0.15)), frames=49)
    found["tower rests"] = scene(
        *(block(f"b{i}", position=(0, 0, 0.15 + 0.3 * i)) for i in range(4)), frames=49
    )
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--substeps", default=",".join(map(str, SUBSTEPS)))
    parser.add_argument("--scenes", default="", help="beginnings of names, with commas between")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    substeps = [int(each) for each in told.substeps.split(",")]
    chosen = {
        name: each
        for name, each in scenes().items()
        if name.startswith(tuple(told.scenes.split(",")))
    }
    rows = measure(chosen, substeps)
    print(table(rows, chosen, substeps))
    if told.json is not None:
        told.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measure(chosen: Mapping[str, PhysicsScene], substeps: Sequence[int]) -> list[dict[str, Any]]:
    """One row for each scene, number of steps (0: the exact integrator) and law."""
    rows: list[dict[str, Any]] = []
    blender = find.required()
    with tempfile.TemporaryDirectory() as home, worker.Warm(blender=blender) as warm:
        for number, (name, each) in enumerate(chosen.items()):
            solved = exact.solve(each)
            if solved.covered:
                rows += _rows(name, 0, checks.check(each, solved.trajectories, solved.contacts), 0)
            for steps in substeps:
                request = {"job": "simulate", "scene": each.data(), "substeps": steps}
                folder = Path(home) / f"{number}-{steps}"
                answer = warm.run(request, folder=folder)
                found = laws(each, answer)
                off = _off(solved.trajectories, found.trajectories) if solved.covered else None
                rows += _rows(name, steps, found.checks, off)
    return rows


def _rows(name: str, steps: int, found: Sequence[Check], off: float | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"scene": name, "substeps": steps, "law": "", "off": off}]
    for each in found:
        share = checks.miss([each]) * each.tolerance
        rows.append(
            {
                "scene": name,
                "substeps": steps,
                "law": each.name,
                "miss": share,
                "passed": each.passed,
            }
        )
    return rows


def _off(exactly: Sequence[Trajectory], got: Sequence[Trajectory]) -> float:
    """Metres between both motions at worst."""
    names = {way.thing for way in got}
    return max(
        float(np.linalg.norm(places(list(exactly), n) - places(list(got), n), axis=1).max())
        for n in (way.thing for way in exactly)
        if n in names
    )


def table(
    rows: Sequence[Mapping[str, Any]], chosen: Mapping[str, PhysicsScene], substeps: Sequence[int]
) -> str:
    """Both tables in Markdown."""
    columns = [0, *substeps]
    heads = ["exact", *map(str, substeps)]
    lines = [f"| law | scenes | {' | '.join(heads)} |", f"|---|---|{'---|' * len(heads)}"]
    for law in MEASURED:
        own = [row for row in rows if row["law"] == law]
        if not own:
            continue
        names = {row["scene"] for row in own}
        cells = [_cell([r for r in own if r["substeps"] == steps], law) for steps in columns]
        lines.append(f"| {law} | {len(names)} | {' | '.join(cells)} |")
    lines += ["", f"| scene | {' | '.join(heads[1:])} |", f"|---|{'---|' * len(substeps)}"]
    for name in chosen:
        cells: list[str] = []
        for steps in substeps:
            own = [r for r in rows if r["scene"] == name and r["substeps"] == steps]
            off = next((r["off"] for r in own if r["law"] == ""), None)
            broken = sorted({r["law"] for r in own if r["law"] and not r["passed"]})
            far = "" if off is None else f"{100 * off:.1f}"
            cells.append(far + (f" ({', '.join(broken)})" if broken else ""))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(rows: Sequence[Mapping[str, Any]], law: str) -> str:
    if not rows:
        return "-"
    worst = max(row["miss"] for row in rows)
    shown = f"{1000 * worst:.1f} mm" if law == "resting" else f"{100 * worst:.1f}"
    return shown + ("" if all(row["passed"] for row in rows) else "!")


if __name__ == "__main__":
    main()
