"""Finds the noise level that a model should start from: the highest that still follows a plan.

    python -m reelwright_generators.calibrate --model builtin --out calibration.json

At a low level a clip is the sketch again; at a high one the model goes its own way. Between
them, the highest level at which things still go where the plan says is the best start: it
leaves the model the most to add. The answer is a property of a model, so it is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import InputError, ReelwrightError
from reelwright_core.files import write_json
from reelwright_core.settings import Generator as Told
from reelwright_core.story import Colour, Direction, Entity, Keyframe, Layout, Place, Track
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators.generator import Facts, Generator, Request, load
from reelwright_simulators.painter import Painting, paint

LEVELS = (0.5, 0.65, 0.8, 0.9, 1.0)

FOLLOWED_AT_LEAST = 0.9
"""Part of the shots in which the thing must go the planned way."""

TRACK_ERROR_AT_MOST = 0.06
"""Mean distance of the thing from its plan, as a part of the picture's width."""

_STIRRED = 24
"""Grey levels by which a pixel must differ from the still picture to belong to the thing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One shot of the sweep: one thing that crosses the picture one way."""

    noun: str
    colour: Colour | None
    direction: Direction
    place: Place
    goes: str
    where: str

    @property
    def prompt(self) -> str:
        """What the model is asked for."""
        what = " ".join(word for word in (self.colour, self.noun) if word)
        article = "an" if what[0] in "aeiou" else "a"
        return f"{article} {what} {self.goes} {self.where}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """What one level did over all cases."""

    level: float
    steps: int
    track_error: float
    """Mean over cases of the distance from the plan, as a part of the width; 0.5 if not found."""
    followed: float
    """Part of the cases in which the thing went the planned way, at least half as far."""
    repainted: float
    """Mean absolute difference to the sketch, 0..255."""
    seconds: float
    """Mean per clip."""

    @property
    def follows(self) -> bool:
        """Whether this level keeps to the plan."""
        return self.followed >= FOLLOWED_AT_LEAST and self.track_error <= TRACK_ERROR_AT_MOST


_ROWS: list[tuple[str, Colour | None, Direction, Place, str, str]] = [
    ("car", "red", "right", "beach", "moves from left to right", "on a beach"),
    ("bus", "yellow", "left", "city", "moves from right to left", "in a city"),
    ("ball", "blue", "right", "meadow", "moves from left to right", "in a meadow"),
    ("dog", None, "left", "meadow", "moves from right to left", "in a meadow"),
    ("boat", "red", "right", "sea", "moves from left to right", "on the sea"),
    ("balloon", "purple", "up", "sky", "rises", "in the sky"),
    ("car", "green", "left", "road", "moves from right to left", "on a road"),
    ("cat", None, "right", "snow", "moves from left to right", "in the snow"),
    ("horse", None, "left", "desert", "moves from right to left", "in a desert"),
    ("ball", "red", "down", "plain", "falls", "on a plain background"),
    ("rocket", None, "up", "space", "rises", "in space"),
    ("bird", "blue", "right", "sky", "moves from left to right", "in the sky"),
    ("train", "blue", "left", "plain", "moves from right to left", "on a plain background"),
    ("penguin", None, "right", "snow", "moves from left to right", "in the snow"),
]
CASES = [
    Case(noun=noun, colour=colour, direction=direction, place=place, goes=goes, where=where)
    for noun, colour, direction, place, goes, where in _ROWS
]

_WAYS: dict[Direction, tuple[float, float, float, float]] = {
    "right": (0.2, 0.62, 0.8, 0.62),
    "left": (0.8, 0.62, 0.2, 0.62),
    "up": (0.5, 0.84, 0.5, 0.16),
    "down": (0.5, 0.16, 0.5, 0.84),
}
"""Centre at the first and at the last frame (x, y, x, y), as parts of the picture."""


def layout_of(case: Case, *, frames: int) -> Layout:
    """The plan of a case: a box on a straight line, off each point before half of the time."""
    x0, y0, x1, y1 = _WAYS[case.direction]
    half = (0.12, 0.17) if case.direction in ("left", "right") else (0.09, 0.14)
    keys = [
        Keyframe(frame=frame, box=(x - half[0], y - half[1], x + half[0], y + half[1]))
        for frame, x, y in ((0, x0, y0), (frames - 1, x1, y1))
    ]
    return Layout(frames=frames, tracks=[Track(entity="thing", keyframes=keys)])


def seen_track(frames: Frames) -> NDArray[np.float64]:
    """Where the moving thing is: its centre (x, y) in pixels, [frames, 2]; NaN where unseen.

    The median over time is the picture without it; the largest patch that differs is the thing.
    Good for one thing that moves on before a camera that stands still.
    """
    still = np.median(frames, axis=0)
    stirred = np.abs(frames.astype(np.float64) - still).max(axis=-1)
    track = np.full((len(frames), 2), np.nan)
    for index, picture in enumerate(stirred):
        smooth = cv2.GaussianBlur(picture, (0, 0), 1.5)
        mask = (smooth > _STIRRED).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        if len(stats) > 1:
            largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
            rows, columns = np.nonzero(labels == largest)
            track[index] = columns.mean(), rows.mean()
    return track


def planned_track(painting: Painting, size: tuple[int, int]) -> NDArray[np.float64]:
    """Where the thing is to be: the centre of its drawn extent in pixels, [frames, 2]."""
    boxes = painting.extents[:, 0]
    return np.stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, [1, 3]].mean(axis=1)], axis=1) * size


def track_error(seen: NDArray[np.float64], planned: NDArray[np.float64], *, width: int) -> float:
    """Mean distance as a part of the width; a frame without the thing counts as half a width."""
    far = np.linalg.norm(seen - planned, axis=1)
    return float(np.nan_to_num(far, nan=width / 2).mean() / width)


def follows(seen: NDArray[np.float64], planned: NDArray[np.float64]) -> bool:
    """Whether the thing went the planned way, at least half as far, from first to last third."""
    third = max(len(seen) // 3, 1)
    first, last = seen[:third], seen[-third:]
    if np.isnan(first).all() or np.isnan(last).all():
        return False
    went = np.nanmean(last, axis=0) - np.nanmean(first, axis=0)
    asked = planned[-third:].mean(axis=0) - planned[:third].mean(axis=0)
    return bool(went @ asked >= 0.5 * (asked @ asked))


def sweep(generator: Generator, *, levels: Sequence[float], cases: Sequence[Case]) -> list[Score]:
    """Films every case at every level; tells each level on standard error as it is done."""
    facts = generator.facts()
    paintings = [
        paint(
            layout_of(case, frames=facts.frames),
            entities=[Entity(id="thing", noun=case.noun, colour=case.colour)],
            place=case.place,
            size=facts.size,
            seed=index,
        )
        for index, case in enumerate(cases)
    ]
    return [
        _score(generator, facts, level, list(zip(cases, paintings, strict=True)))
        for level in levels
    ]


def _score(
    generator: Generator, facts: Facts, level: float, shots: Sequence[tuple[Case, Painting]]
) -> Score:
    errors: list[float] = []
    followed: list[bool] = []
    repainted: list[float] = []
    seconds: list[float] = []
    steps = 0
    for index, (case, painting) in enumerate(shots):
        made = generator.generate(
            Request(
                prompt=case.prompt,
                size=facts.size,
                frames=facts.frames,
                fps=Fraction(facts.fps),
                noise=NoisePlan(level=level, seed=index),
                sketch=painting.frames,
            )
        )
        seen, planned = seen_track(made.frames), planned_track(painting, facts.size)
        errors.append(track_error(seen, planned, width=facts.size[0]))
        followed.append(follows(seen, planned))
        repainted.append(float(np.abs(made.frames.astype(np.float32) - painting.frames).mean()))
        seconds.append(made.seconds)
        steps = int(made.provenance["steps"])
    return Score(
        level=level,
        steps=steps,
        track_error=round(float(np.mean(errors)), 4),
        followed=round(float(np.mean(followed)), 4),
        repainted=round(float(np.mean(repainted)), 2),
        seconds=round(float(np.mean(seconds)), 2),
    )


def best(scores: Sequence[Score]) -> Score | None:
    """The highest level that keeps to the plan; none if no level does."""
    return max((score for score in scores if score.follows), key=lambda s: s.level, default=None)


def table(scores: Sequence[Score]) -> str:
    """The scores for reading, a level a line."""
    lines = ["level  steps  track error  followed  repainted  s/clip"]
    lines += [
        f"{s.level:5.2f}  {s.steps:5d}  {s.track_error:11.3f}  {s.followed:8.2f}  "
        f"{s.repainted:9.1f}  {s.seconds:6.1f}" + ("  keeps to the plan" if s.follows else "")
        for s in scores
    ]
    return "\n".join(lines)


def main() -> int:
    """The sweep from the command line."""
    parser = argparse.ArgumentParser(prog="python -m reelwright_generators.calibrate")
    parser.add_argument("--model", default="builtin", help="as the setting `generator.model`")
    parser.add_argument("--levels", default=",".join(map(str, LEVELS)), help="σ, with commas")
    parser.add_argument("--cases", type=int, default=len(CASES), help="how many shots per level")
    parser.add_argument("--out", type=Path, help="where to write the scores as JSON")
    parser.add_argument("--write", type=Path, help="the model's reelwright.json, to set its level")
    asked = parser.parse_args()
    started = time.monotonic()
    try:
        levels = sorted(float(level) for level in asked.levels.split(","))
        generator = load(Told(model=asked.model))
        scores = sweep(generator, levels=levels, cases=CASES[: asked.cases])
    except ValueError as error:
        print(f"`--levels` are numbers from 0 to 1 with commas between: {error}", file=sys.stderr)
        return InputError.exit_code
    except ReelwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    found = best(scores)
    print(table(scores))
    print(f"best: {found.level}" if found else "no level keeps to the plan")
    if asked.out:
        write_json(
            asked.out,
            {
                "model": generator.facts().data(),
                "cases": len(CASES[: asked.cases]),
                "followed_at_least": FOLLOWED_AT_LEAST,
                "track_error_at_most": TRACK_ERROR_AT_MOST,
                "scores": [asdict(score) for score in scores],
                "best": found.level if found else None,
                "seconds": round(time.monotonic() - started, 1),
            },
        )
    if asked.write and found:
        profile = json.loads(asked.write.read_text(encoding="utf-8"))
        write_json(asked.write, profile | {"noise_level": found.level})
    return 0


if __name__ == "__main__":
    sys.exit(main())
