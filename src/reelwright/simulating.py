"""`reelwright simulate`: a physics scene alone, with its checks and a sheet of its pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from reelwright_core.errors import InputError
from reelwright_core.scene_files import read_scene
from reelwright_core.video import read_video, write_video
from reelwright_simulators.simulate import Quality, Simulated, checks_table, simulate


def simulate_file(
    file: Path, *, out: Path, cameras: list[str], quality: str, strict: bool, nerf: bool,
    quiet: bool,
) -> dict[str, Any]:  # fmt: skip
    """Simulates the scene in `file` into the folder `out`; what was made, as plain data."""
    from reelwright_editing.sketch_sheet import sketch_sheet

    if quality not in get_args(Quality):
        raise InputError(f"--quality is {', '.join(get_args(Quality))}; got {quality!r}")
    scene = read_scene(file)
    made = simulate(
        scene,
        out,
        cameras=cameras or None,
        quality=quality,  # type: ignore[arg-type]
        base=file.parent,
        strict=strict,
        on_progress=None if quiet else _told(),
    )
    data = _data(made)
    first = next(iter(made.sketches.values()))
    title = scene.about or file.stem
    frames = read_video(first.video)
    # As browsers play it: colours for 2x2 pixels, and so even both ways.
    even = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    write_video(out / "preview.mp4", even, fps=scene.fps)
    data["video"] = str(out / "preview.mp4")
    data["sheet"] = str(sketch_sheet(first, out / "sheet.png", title=title))
    if nerf:
        from reelwright_simulators.nerf import write_transforms

        data["transforms"] = str(write_transforms(made, scene, out / "nerf"))
    if not quiet:
        print(checks_table(made.simulation))
    return data


def _data(made: Simulated) -> dict[str, Any]:
    return {
        "folder": str(made.folder),
        "engine": made.simulation.engine,
        "simulation": str(made.record),
        "checks": [check.data() for check in made.simulation.checks],
        "notes": made.simulation.notes,
        "cameras": {name: str(sketch.video) for name, sketch in made.sketches.items()},
        "seconds": dict(made.seconds),
    }


def _told() -> Callable[[str, int, int], None]:
    """Says on standard error how far each stage is: a line for each tenth of it."""
    names = {"solve": "simulating", "render": "rendering", "sketch": "writing"}
    last: dict[str, int] = {}

    def on_progress(stage: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth != last.get(stage) and tenth:
            print(f"{names.get(stage, stage)}: {done} of {total}", file=sys.stderr)
        last[stage] = tenth

    return on_progress
