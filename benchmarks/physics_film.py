"""One film twice: with its physics simulated, and without. Does the clip keep to the simulation?

    python benchmarks/physics_film.py [--out runs/physics-film]

The script is "A basketball falls and bounces next to a red cube. Then a flag waves in a strong
wind." Both films have the same seed. The ball's way is found in the pixels of each clip and
compared with the one that the first film simulated; the trajectory checks judge both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from reelwright import run_story
from reelwright_core.physics import Simulation
from reelwright_core.scene_files import read_scene
from reelwright_core.takes import Film, ShotResult, Take
from reelwright_core.video import read_video
from reelwright_metrics import trajectories
from reelwright_metrics.measure import watch_pixels

SCRIPT = (
    "A basketball falls and bounces next to a red cube. Then a flag waves in a strong wind."
)  # fmt: skip


def main() -> None:
    """Films both and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/physics-film"))
    told = parser.parse_args()
    films = {
        name: run_story(SCRIPT, out=told.out / name, settings={"physics": {"engine": engine}})
        for name, engine in (("simulated", "auto"), ("not simulated", "off"))
    }
    due = films["simulated"].shots[0].take
    scene = read_scene(_file(films["simulated"], due, "physics.yaml"))
    (ball,) = [body for body in scene.bodies if body.entity == "basketball"]
    simulation = Simulation.from_data(_json(_file(films["simulated"], due, "simulation.json")))
    touches = trajectories.touches(simulation.contacts, ball.id, frames=scene.frames)
    print(f"simulated by {simulation.engine}; the ball touches something in frames {touches}\n")
    print("| film | off the simulated way | bounces or lands | laws kept |")
    print("| --- | --- | --- | --- |")
    for name, film in films.items():
        print(_row(name, film, film.shots[0], due, touches, scene.size))


def _row(
    name: str, film: Film, shot: ShotResult, due: Take, touches: list[int], size: tuple[int, int]
) -> str:
    take = shot.take
    assert take.sketch is not None
    (story,) = [each for each in film.storyboard.shots if each.id == shot.shot]
    with Image.open(film.run / take.sketch.background.path) as picture:
        empty = np.asarray(picture.convert("RGB"))
    frames = read_video(film.run / take.clip.video.path)
    watched = watch_pixels(story, take.layout, frames, background=empty)
    (way,) = [each for each in trajectories.ways(watched) if each.entity == "basketball"]
    track = due.layout.track("basketball")
    boxes = np.array([track.at(frame).box for frame in range(due.layout.frames)])
    centres = np.stack([boxes[:, ::2].mean(1) * size[0] / size[1], boxes[:, 1::2].mean(1)], axis=1)
    kept = trajectories.followed(way, centres, touches)
    found = [each for each in trajectories.findings(watched) if each.thing == "basketball"]
    laws = ", ".join(f"{each.name} {'yes' if each.passed else 'no'}" for each in found)
    off = "not found" if kept.error is None else f"{kept.error:.3f} of the height"
    return f"| {name} | {off} | in frames {kept.contacts} | {laws} |"


def _file(film: Film, take: Take, name: str) -> Path:
    return (film.run / take.clip.video.path).with_name(name)


def _json(path: Path) -> object:
    import json

    return json.loads(path.read_bytes())


if __name__ == "__main__":
    main()
