"""The physics examples, one after the other: laws kept, CPU seconds, memory, and one sheet of all.

    python benchmarks/physics_examples.py [--quality final] [--out runs/physics-examples]
        [--sheet docs/pictures/physics.jpg] [--only ball,smoke]

Each scene of `examples/physics` is simulated and filmed in a fresh process. CPU seconds are those
of that process and of Blender, which it starts and waits for; the peak is the larger one's
(`ru_maxrss`). What is there from an earlier run is not made again unless its scene has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from reelwright_core.files import write_json, write_text, written_whole
from reelwright_core.physics import Simulation
from reelwright_core.scene_files import read_scene
from reelwright_core.video import read_video
from reelwright_editing.lettering import Lettering, wrapped
from reelwright_simulators.blender.find import find
from reelwright_simulators.simulate import simulate

EXAMPLES = Path(__file__).parent.parent / "examples" / "physics"
ORDER = ("ball", "collision", "tower", "dominoes", "flag-light", "flag-strong", "tablecloth",
         "pour", "pendulum", "car", "jelly", "smoke")  # fmt: skip
TELLING = {"ball": 0.42, "collision": 0.5, "tower": 0.5, "dominoes": 0.62, "flag-light": 0.7,
           "flag-strong": 0.7, "tablecloth": 0.9, "pour": 0.6, "pendulum": 0.2, "car": 0.45,
           "jelly": 0.3, "smoke": 0.95}  # fmt: skip
"""The part of an example's time that its large picture shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A finished example."""

    name: str
    folder: Path
    simulation: Simulation
    spent: dict[str, Any]


def main() -> None:
    """Runs all examples, writes the table and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quality", choices=("draft", "preview", "final"), default="final")
    parser.add_argument("--out", type=Path, default=Path("runs/physics-examples"))
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--only", help="names with commas between")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.one:
        _one(told.one, told.out / told.one, told.quality)
        return
    known = [name for name in ORDER if (EXAMPLES / f"{name}.yaml").is_file()]
    known += sorted(path.stem for path in EXAMPLES.glob("*.yaml") if path.stem not in known)
    names = [name for name in known if not told.only or name in told.only.split(",")]
    done = [_run(name, told.out, told.quality) for name in names]
    page = _page(done, told.quality)
    write_text(told.out / "table.md", page)
    _sheet(done, told.sheet or told.out / "physics.jpg")
    print(page)


def _run(name: str, out: Path, quality: str) -> Done:
    folder = out / name
    spent = folder / "spent.json"
    scene = read_scene(EXAMPLES / f"{name}.yaml")
    key = [scene.digest(), quality]
    if not spent.exists() or json.loads(spent.read_text("utf-8"))["key"] != key:
        print(f"{name} ...", file=sys.stderr, flush=True)
        asked = [sys.executable, __file__, "--one", name, "--out", str(out), "--quality", quality]
        subprocess.run(asked, check=True)
    known = json.loads(spent.read_text("utf-8"))
    simulation = Simulation.from_data(json.loads((folder / "simulation.json").read_bytes()))
    return Done(name=name, folder=folder, simulation=simulation, spent=known)


def _one(name: str, folder: Path, quality: Any) -> None:
    scene = read_scene(EXAMPLES / f"{name}.yaml")
    began = time.monotonic()
    made = simulate(scene, folder, quality=quality, base=EXAMPLES)
    wall = time.monotonic() - began
    own, others = (resource.getrusage(who) for who in
                   (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
    write_json(
        folder / "spent.json",
        {
            "key": [scene.digest(), quality],
            "frames": scene.frames,
            "size": list(scene.size),
            "camera": next(iter(made.sketches)),
            "wall": round(wall, 2),
            "cpu": round(sum(use.ru_utime + use.ru_stime for use in (own, others)), 2),
            "peak": round(max(use.ru_maxrss for use in (own, others)) / 1024),
            "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            "stages": dict(made.seconds),
        },
    )


def _page(done: Sequence[Done], quality: str) -> str:
    """The table of costs, then each example's checks."""
    lines = [
        "| example | moved by | laws kept | frames | CPU s | CPU s a frame | wall s | peak MB | "
        "MB on disk |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in done:
        kept = sum(check.passed for check in each.simulation.checks)
        spent = each.spent
        lines.append(
            f"| {each.name} | {each.simulation.engine} | {kept}/{len(each.simulation.checks)} | "
            f"{spent['frames']} | {spent['cpu']:.0f} | {spent['cpu'] / spent['frames']:.2f} | "
            f"{spent['wall']:.0f} | {spent['peak']} | {spent['bytes'] / 1e6:.1f} |"
        )
    width, height = done[0].spent["size"]
    lines += [
        "",
        f"Quality `{quality}`, {width}x{height}, Blender {find().version}, {_machine()}.",
        "",
        "| example | law | thing | expected | got | off by | allowed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in done:
        for check in each.simulation.checks:
            off = abs(check.got - check.expected) / (abs(check.expected) or 1.0)
            lines.append(
                f"| {each.name} | {check.name}: {check.law} | {check.thing} | "
                f"{check.expected:.4g} {check.unit} | {check.got:.4g} {check.unit} | "
                f"{'' if check.passed else '**'}{off:.2%}{'' if check.passed else '**'} | "
                f"{check.tolerance:.0%} |"
            )
    notes = [f"- {each.name}: {note}" for each in done for note in each.simulation.notes]
    return "\n".join([*lines, "", *notes]).rstrip() + "\n"


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    told = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}"


_SLATE, _CARD, _WHITE, _MUTED = (18, 22, 28), (28, 34, 43), (240, 243, 247), (150, 161, 176)
_WIDE, _PAD, _GAP, _SMALL, _COLUMNS = 400, 20, 16, 4, 3


def _sheet(done: Sequence[Done], out: Path) -> None:
    """A card for each example: a large picture, and four small ones in the order of time."""
    width, height = done[0].spent["size"]
    high = round(_WIDE * height / width)
    thin = (_WIDE - (_SMALL - 1) * 4) // _SMALL
    flat = round(thin * height / width)
    card = high + flat + 4 + 58
    rows = -(-len(done) // _COLUMNS)
    size = (
        2 * _PAD + _COLUMNS * (_WIDE + _GAP) - _GAP,
        2 * _PAD + rows * (card + _GAP) - _GAP,
    )
    sheet = Image.new("RGB", size, _SLATE)
    draw = ImageDraw.Draw(sheet)
    write = Lettering(draw)
    for place, each in enumerate(done):
        left = _PAD + place % _COLUMNS * (_WIDE + _GAP)
        top = _PAD + place // _COLUMNS * (card + _GAP)
        draw.rectangle((left, top, left + _WIDE - 1, top + card - 1), _CARD)
        frames = read_video(each.folder / each.spent["camera"] / "sketch.mp4")
        last = len(frames) - 1

        def pasted(
            frame: int, at: tuple[int, int], wide: int, high: int, frames: Any = frames
        ) -> None:
            picture = Image.fromarray(frames[frame])
            sheet.paste(picture.resize((wide, high), Image.Resampling.LANCZOS), at)

        pasted(round(TELLING.get(each.name, 0.5) * last), (left, top), _WIDE, high)
        for i, frame in enumerate(np.linspace(0, last, _SMALL).round().astype(int).tolist()):
            pasted(frame, (left + i * (thin + 4), top + high + 4), thin, flat)
        about = read_scene(EXAMPLES / f"{each.name}.yaml").about
        (line,) = wrapped(about, size=15, width=_WIDE - 24, rows=1)
        y = top + high + flat + 4
        write.text((left + 12, y + 24), line, size=15, colour=_WHITE)
        (laws,) = wrapped(_laws(each), size=12, width=_WIDE - 24, rows=1)
        write.text((left + 12, y + 45), laws, size=12, colour=_MUTED)
    with written_whole(out) as aside:
        sheet.save(aside, format="JPEG", quality=84, optimize=True)


def _laws(done: Done) -> str:
    """The laws of physics that it was checked against, in one row."""
    checks = [check for check in done.simulation.checks if check.name not in ("in view",)]
    broken = [check for check in checks if not check.passed]
    if not checks:
        return "no law with a closed form"
    names = ", ".join(dict.fromkeys(c.name for c in checks if c.name != "no overlap"))
    said = f"{len(checks) - len(broken)} of {len(checks)} checks kept"
    return f"{said}: {names}" if names else said


if __name__ == "__main__":
    main()
