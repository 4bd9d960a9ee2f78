"""Long and joined shots on the built-in model: memory, drift, and the jump where windows meet.

    python benchmarks/long_shot.py memory   # 15 s and 60 s, each in a process of its own
    python benchmarks/long_shot.py drift    # a 15 s shot from each start and overlap
    python benchmarks/long_shot.py joins    # two prompts in one place: hard cut, kept, blended
    python benchmarks/long_shot.py sharing  # the same, with shared keys and values (DiTCtrl)

Prints Markdown. `--pictures FOLDER` keeps a contact sheet of every shot.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.settings import Generator as Told
from reelwright_core.settings import KvSharing, Long
from reelwright_core.story import Beat, Shot
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames, read_video, write_video
from reelwright_generators.generator import Generator, Request, load
from reelwright_generators.long import LongFilm, Reel
from reelwright_metrics.joins import cscv
from reelwright_simulators.painter import paint

SIZE, FPS = (160, 96), Fraction(8)
PROMPT = "A red car drives from left to right on a beach."
PAIRS = (
    ("A red ball lies in a meadow.", "A yellow ball lies in a meadow."),
    ("A blue car stands on a road.", "A red bus stands on a road."),
    ("A dog stands in the snow.", "A cat stands in the snow."),
)
HALF = 0.5


def planned(prompt: str, frames: int) -> Shot:
    """The offline planner's shot of one prompt."""
    script = Script(kind="prose", text=prompt, name="long")
    picture = Picture(size=SIZE, fps=FPS, frames=frames)
    return OfflinePlanner().storyboard(script, picture=picture).shots[0]


def sketched(shot: Shot) -> Frames:
    """Its sketch."""
    layout = shot.layout or OfflinePlanner().layout(shot)
    entities = shot.scene_graph.entities
    return paint(layout, entities=entities, place=shot.place, size=SIZE, seed=1).frames


def request(prompt: str, frames: int, level: float, seed: int = 1) -> Request:
    """A request of the built-in model's size and rate."""
    noise = NoisePlan(level=level, seed=seed)
    return Request(prompt=prompt, size=SIZE, frames=frames, fps=FPS, noise=noise)


def sheet(frames: Frames, path: Path | None, columns: int = 10, rows: int = 3) -> None:
    """Evenly chosen frames as one picture."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = frames[np.linspace(0, len(frames) - 1, columns * rows).round().astype(int)]
    lines = [
        np.concatenate(list(line), axis=1)
        for line in chosen.reshape(rows, columns, *frames.shape[1:])
    ]
    Image.fromarray(np.concatenate(lines)).save(path)


def one_of(seconds: int, sketch: bool, out: Path) -> None:
    """Films one long shot to a file, and prints what it took."""
    frames, guide = seconds * 8, out.with_name("sketch.mp4")
    level = HALF if sketch else 1.0
    film = LongFilm(
        load(Told(model="builtin")),
        request(PROMPT, frames, level),
        Long(),
        sketch=Reel(guide) if sketch else None,
    )
    began = time.process_time()
    write_video(out, film.frames(), fps=FPS)
    print(
        json.dumps(
            {
                "windows": len(film.windows),
                "cpu": time.process_time() - began,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "drift": [told["drift"] for told in film.provenance()["windows"]["each"]],
            }
        )
    )


def memory(pictures: Path | None) -> None:
    """Peak memory of 15 s and of 60 s."""
    print("| shot | start | windows | CPU seconds | peak MB | drift at the end |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for sketch in (False, True):
            for seconds in (15, 60):
                out = Path(folder) / f"{seconds}-{sketch}.mp4"
                if sketch:  # painted here, so that the painter's memory is not counted
                    guide = sketched(planned(PROMPT, seconds * 8))
                    write_video(out.with_name("sketch.mp4"), guide, fps=FPS, lossless=True)
                command = [
                    sys.executable,
                    __file__,
                    "one",
                    str(seconds),
                    str(int(sketch)),
                    str(out),
                ]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                told = json.loads(done.stdout)
                start = f"sketch, σ {HALF}" if sketch else "pure noise"
                print(
                    f"| {seconds} s | {start} | {told['windows']} | {told['cpu']:.0f} | "
                    f"{told['peak']:.0f} | {last(told['drift'])} |",
                    flush=True,
                )
                name = f"long-{seconds}-{'sketch' if sketch else 'noise'}.png"
                sheet(read_video(out), pictures / name if pictures else None)


def last(drift: Sequence[dict[str, float]]) -> str:
    """The drift of the last windows, on average."""
    tail = drift[-4:]
    mean = {name: float(np.mean([told[name] for told in tail])) for name in tail[0]}
    return (
        f"colours {mean['colours']:.2f}, mean {mean['mean']:+.1f}, "
        f"contrast {mean['contrast']:.2f}, sharpness {mean['sharpness']:.2f}, "
        f"likeness {mean['likeness']:.2f}"
    )


def jumps(frames: Frames) -> NDArray[np.float64]:
    """Mean absolute difference of each frame to the one before, in 1/255."""
    return np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in pairwise(frames)])


def drift(pictures: Path | None) -> None:
    """What the start of later windows and their overlap do."""
    generator, frames = load(Told(model="builtin")), 15 * 8
    guide = sketched(planned(PROMPT, frames))
    ways: list[tuple[str, Long, bool]] = [
        ("pure noise", Long(hold=1.0), False),
        ("last frame held, σ 0.9", Long(hold=0.9), False),
        ("last frame held, σ 0.8", Long(hold=0.8), False),
        ("last frame held, σ 0.7", Long(hold=0.7), False),
        ("last frame held, σ 0.8, overlap 9", Long(hold=0.8, overlap=9), False),
        (f"sketch, σ {HALF}", Long(), True),
    ]
    print("| later windows start from | jump where windows meet | inside | drift at the end |")
    print("| --- | --- | --- | --- |")
    for name, told, sketch in ways:
        asked = request(PROMPT, frames, HALF if sketch else 1.0)
        film = LongFilm(generator, replace(asked, sketch=guide if sketch else None), told)
        clip = np.stack(list(film.frames()))
        steps = jumps(clip)
        meets = [window.first + window.overlap - 1 for window in film.windows[1:]]
        inside = np.delete(steps, meets)
        drifts = [each["drift"] for each in film.provenance()["windows"]["each"]]
        print(
            f"| {name} | {steps[meets].mean():.1f} | {inside.mean():.1f} | {last(drifts)} |",
            flush=True,
        )
        slug = "".join(c if c.isalnum() else "-" for c in name)
        sheet(clip, pictures / f"drift-{slug}.png" if pictures else None)


def joins(pictures: Path | None) -> None:
    """How much less two clips jump when they are joined."""
    generator = load(Told(model="builtin"))
    print("| start | prompts | inside | hard cut | kept frames | | blended | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    every: list[tuple[float, float]] = []
    for level in (1.0, HALF):
        for one, two in PAIRS:
            inside, cut, kept, blended, clips = joined(generator, one, two, level)
            every.append((kept / cut, blended / cut))
            start = f"sketch, σ {level}" if level < 1 else "pure noise"
            print(
                f"| {start} | {one} {two} | {inside:.1f} | {cut:.1f} | {kept:.1f} "
                f"| {kept / cut:.0%} | {blended:.1f} | {blended / cut:.0%} |",
                flush=True,
            )
            slug = f"join-{one.split()[2].strip('.')}-{level}".lower()
            for name, clip in clips:
                sheet(clip, pictures / f"{slug}-{name}.png" if pictures else None, rows=2)
    kept_worst, blended_worst = (max(each) for each in zip(*every, strict=True))
    print(f"\nworst: kept {kept_worst:.0%}, blended {blended_worst:.0%}; the goal is 50 %")


def joined(
    generator: Generator, one: str, two: str, level: float
) -> tuple[float, float, float, float, list[tuple[str, Frames]]]:
    """Jumps of one pair: inside clips, at the hard cut, at the join by kept frames and by blending.

    The shot has 25 frames and changes its prompt at frame 12. The hard cut joins two clips of 17
    frames there, each filmed from its own prompt; the others are one shot, whose jump is the
    largest of any two neighbours in the overlap of 9, or next to it. From a sketch, all of them
    have the same one, of the first prompt's layout.
    """
    total, overlap, change = 25, 9, 12
    whole = request(one, total, level)
    alone = [request(one, 17, level), request(two, 17, level, seed=2)]
    if level < 1:
        guide = sketched(planned(one, total))
        whole = replace(whole, sketch=guide)
        parts = (guide[:17], guide[total - 17 :])
        alone = [replace(each, sketch=part) for each, part in zip(alone, parts, strict=True)]
    clips = [generator.generate(each).frames for each in alone]
    hard = np.concatenate([clips[0][:change], clips[1][change - (total - 17) :]])
    inside = float(np.delete(jumps(hard), change - 1).mean())
    cut = float(jumps(hard)[change - 1])
    found: list[float] = []
    kept: list[tuple[str, Frames]] = [("cut", hard)]
    for name, blend in (("kept", False), ("blended", True)):
        told = Long(overlap=overlap, blend=blend)
        film = LongFilm(generator, whole, told, beats=[Beat(first=change, prompt=two)])
        clip = np.stack(list(film.frames()))
        first = film.windows[-1].first
        found.append(float(jumps(clip)[max(first - 1, 0) : first + overlap].max()))
        kept.append((name, clip))
    return inside, cut, found[0], found[1], kept


def sharing(pictures: Path | None) -> None:
    """What shared keys and values do at a join, and to the prompt that follows it.

    The change is how far the mean of the last 8 frames is from that of the first 8, in 1/255: what
    looks on at what was there turns into something else less easily.
    """
    generator = load(Told(model="builtin"))
    total, overlap, change = 25, 9, 12
    shares = (0.0, 0.2, 0.5, 1.0)
    print(
        "| start | | hard cut | " + " | ".join(f"{share:.0%} of layers" for share in shares) + " |"
    )
    print("| --- | --- | --- |" + " --- |" * len(shares))
    for level in (1.0, HALF):
        found: dict[str, list[list[float]]] = {"jump": [], "CSCV": [], "change": []}
        for one, two in PAIRS:
            whole = request(one, total, level)
            alone = [request(one, 17, level), request(two, 17, level, seed=2)]
            if level < 1:
                guide = sketched(planned(one, total))
                whole = replace(whole, sketch=guide)
                parts = (guide[:17], guide[total - 17 :])
                alone = [replace(a, sketch=part) for a, part in zip(alone, parts, strict=True)]
            made = [generator.generate(each).frames for each in alone]
            clips = [np.concatenate([made[0][:change], made[1][change - (total - 17) :]])]
            for share in shares:
                told = Long(overlap=overlap, kv_sharing=KvSharing(layers=share))
                film = LongFilm(generator, whole, told, beats=[Beat(first=change, prompt=two)])
                clips.append(np.stack(list(film.frames())))
                slug = f"share-{one.split()[2].strip('.')}-{level}-{share}".lower()
                sheet(clips[-1], pictures / f"{slug}.png" if pictures else None, rows=2)
            near = slice(change - overlap // 2 - 1, change + overlap // 2 + 1)
            found["jump"].append([float(jumps(clip)[near].max()) for clip in clips])
            found["CSCV"].append([cscv(clip) for clip in clips])
            found["change"].append([_change(clip) for clip in clips])
        start = f"sketch, σ {level}" if level < 1 else "pure noise"
        for what, rows in found.items():
            means = np.mean(rows, axis=0)
            print(f"| {start} | {what} | " + " | ".join(f"{mean:.3g}" for mean in means) + " |")


def _change(clip: Frames) -> float:
    first, last = (clip[part].mean(0) for part in (slice(0, 8), slice(-8, None)))
    return float(np.abs(first - last).mean())


def main() -> None:
    """Runs one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["memory", "drift", "joins", "sharing", "one"])
    parser.add_argument("of_one", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    if given.part == "one":
        seconds, sketch, out = given.of_one
        one_of(int(seconds), sketch == "1", Path(out))
        return
    parts = {"memory": memory, "drift": drift, "joins": joins, "sharing": sharing}
    parts[given.part](given.pictures)


if __name__ == "__main__":
    main()
