"""Clips and a filmed run, made by the real writers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwright_core.records import file_digest
from reelwright_core.story import (
    Entity,
    Event,
    FrameSpan,
    Layout,
    LeftOut,
    Line,
    Relation,
    SceneGraph,
    Shot,
    Story,
    Storyboard,
)
from reelwright_core.takes import (
    Artifact,
    Clip,
    Critique,
    NoisePlan,
    Question,
    Repair,
    ShotResult,
    Sketch,
    Take,
)
from reelwright_core.video import Frames, write_video

EVIL = '<script>alert("x")</script> & "quotes"'


def moving(frames: int, *, size: tuple[int, int] = (64, 48), seed: int = 0) -> Frames:
    """A square that moves over a place of its own colours."""
    rng = np.random.default_rng(seed)
    width, height = size
    ground = rng.integers(40, 216, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    ground = ground.repeat(8, 0).repeat(8, 1)[:height, :width]
    pictures = np.repeat(ground[None], frames, 0)
    for index in range(frames):
        left = index * (width - 12) // max(1, frames - 1)
        pictures[index, height // 3 : height // 3 + 12, left : left + 12] = (230, 30, 30)
    return pictures


MakeClip = Callable[..., Path]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Writes a small clip of so many frames under a name."""

    def make(
        name: str, frames: int = 9, *, fps: Fraction | int = 8, size: tuple[int, int] = (64, 48),
        lossless: bool = False, seed: int = 0,
    ) -> Path:  # fmt: skip
        path = tmp_path / name
        pictures = moving(frames, size=size, seed=seed)
        write_video(path, pictures, fps=Fraction(fps), lossless=lossless)
        return path

    return make


def _artifact(run: Path, path: str) -> Artifact:
    file = run / path
    return Artifact(path=path, sha256=file_digest(file), bytes=file.stat().st_size)


def _shot(number: int, size: tuple[int, int]) -> Shot:
    graph = SceneGraph(
        entities=[
            Entity(id="red-car", noun="car", colour="red"),
            Entity(id="gryphon", noun="gryphon", count=2, known=False, attributes=["old"]),
        ],
        relations=[Relation(subject="red-car", kind="left of", object="gryphon")],
        events=[
            Event(actor="red-car", action="moves", direction="right",
                  frames=FrameSpan(first=0, last=8)),
        ],
    )  # fmt: skip
    return Shot(
        id=f"s{number:02d}", text="A red car drives along a beach.", frames=9, place="beach",
        prompt=f"A red car drives from left to right along a beach. {EVIL if number == 1 else ''}",
        size=size, scene_graph=graph,
        dialogue=[Line(speaker="Anna", text="Look, it goes!")] if number == 1 else [],
        left_out=[LeftOut(word="swiftly", why="no part of the picture follows manners")],
    )  # fmt: skip


def _take(run: Path, shot: Shot, number: int, *, score: float) -> Take:
    folder = f"shots/{shot.id}/take-{number}"
    write_video(run / folder / "clip.mp4", moving(9, size=shot.size, seed=number), fps=shot.fps)
    write_video(
        run / folder / "sketch.mp4", moving(9, size=shot.size, seed=7), fps=shot.fps, lossless=True
    )
    for name in ("masks.npz", "background.png"):
        (run / folder / name).write_bytes(b"made by the painter")
    return Take(
        shot=shot.id, number=number, prompt=shot.prompt, layout=Layout(frames=9),
        noise=NoisePlan(level=0.8 - 0.2 * number, seed=11 * number),
        sketch=Sketch(
            video=_artifact(run, f"{folder}/sketch.mp4"),
            masks=_artifact(run, f"{folder}/masks.npz"),
            things=[("red-car", 0)], background=_artifact(run, f"{folder}/background.png"),
        ),
        clip=Clip(
            video=_artifact(run, f"{folder}/clip.mp4"), frames=9, fps=shot.fps, size=shot.size
        ),
        critique=Critique(
            critic="measure", score=score, blame="none" if score > 0.8 else "generator",
            advice=[] if score > 0.8 else ["keep more of the sketch"],
            questions=[
                Question(kind="presence", text="Is there a red car?", score=1.0, passed=True,
                         expected="a red car", seen="a red car in 9 of 9 frames"),
                Question(kind="direction", text="Does the red car go from left to right?",
                         entity="red-car", score=2 * score - 1, passed=score > 0.8,
                         expected="to the right", seen=f"{score:.2f} of the way",
                         spans=[] if score > 0.8 else [FrameSpan(first=3, last=7),
                                                       FrameSpan(first=8, last=8)]),
            ],
        ),
        repair=None if number == 1 else Repair(why="the car was lost: keep more of the sketch",
                                               noise_level=0.8 - 0.2 * number),
        provenance={"model": "builtin", "seconds": 3.25, "warnings": ["the prompt is long"],
                    "endpoint": {"api_key": "sk-hidden"}},
    )  # fmt: skip


class FilmedRun:
    """A run folder with two shots, the first of them in two takes."""

    def __init__(self, run: Path, size: tuple[int, int] = (160, 96)):
        self.run = run
        shots = [_shot(1, size), _shot(2, size)]
        story = Story(title="A day at the sea <b>", style="soft light")
        self.storyboard = Storyboard(story=story, shots=shots)
        first = [_take(run, shots[0], 1, score=0.6), _take(run, shots[0], 2, score=0.95)]
        self.results = [
            ShotResult(shot="s01", takes=first, chosen=2, why="the best score, 0.95"),
            ShotResult(shot="s02", takes=[_take(run, shots[1], 1, score=0.9)], chosen=1,
                       why="good enough at once"),
        ]  # fmt: skip

    @property
    def clips(self) -> list[Path]:
        """The chosen clips, in order."""
        return [self.run / result.take.clip.video.path for result in self.results]


@pytest.fixture
def filmed(tmp_path: Path) -> FilmedRun:
    """A run whose shots are filmed and not yet cut; its folder's name is an awkward one."""
    return FilmedRun(tmp_path / "run: a & b")
