"""A model that follows control videos is shown a simulated sketch's own depth and edges."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.records import file_digest
from reelwright_core.settings import load_settings
from reelwright_core.store import Store
from reelwright_core.story import Entity, Keyframe, Layout, SceneGraph, Shot, Track
from reelwright_core.takes import Artifact, NoisePlan, Sketch
from reelwright_core.video import write_video
from reelwright_generators import controls
from reelwright_generators.generator import Control, Request, load
from reelwright_generators.tiny import animatediff
from reelwright_graphs.crew import Crew
from reelwright_graphs.film_node import FilmNode, SketchControl
from reelwright_graphs.nodes import Context

FRAMES, HEIGHT, WIDTH = 5, 32, 48


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("controlnet")
    return animatediff.build(folder, control="controlnet")


def _context(run: Path, model: Path) -> Context:
    told = load_settings(
        {"generator.model": str(model), "generator.device": "cpu", "generator.steps": 2}
    )
    return Context(
        run=run, store=Store(run), settings=told, seed=0, crew=Crew(told), say=lambda event: None
    )


def _depth() -> Any:
    slope = np.linspace(2, 9, WIDTH, dtype=np.float32)
    depth = np.broadcast_to(slope, (FRAMES, HEIGHT, WIDTH)).copy()
    depth[:, :6] = np.inf
    return depth


def _lines() -> Any:
    lines = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    lines[:, 10:22, 12] = 255
    return lines


def _inputs(context: Context) -> FilmNode.Inputs:
    """A shot of one thing, and a sketch of it with depth and edges of their own."""

    def keep(name: str, make: Callable[[Path], object]) -> Artifact:
        aside = context.store.aside(name)
        make(aside)
        return context.store.add(aside, name)

    random = np.random.default_rng(3)
    frames = random.integers(0, 255, (FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    labels = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    labels[:, 12:20, 20:30] = 1
    fps = Fraction(8)
    sketch = Sketch(
        video=keep("sketch.mp4", lambda path: write_video(path, frames, fps=fps, lossless=True)),
        masks=keep("masks.npz", lambda path: np.savez_compressed(path, labels=labels)),
        things=[("ball", 0)],
        background=keep("background.png", lambda path: path.write_bytes(b"is not asked for")),
        depth=keep("depth.npz", lambda path: np.savez_compressed(path, depth=_depth())),
        edges=keep("edges.mp4", lambda path: write_video(path, _lines(), fps=fps, lossless=True)),
    )
    track = Track(entity="ball", keyframes=[Keyframe(frame=0, box=(0.4, 0.4, 0.6, 0.6))])
    things = SceneGraph(entities=[Entity(id="ball", noun="ball")])
    return FilmNode.Inputs(
        shot=Shot(
            id="s01", prompt="a ball", frames=FRAMES, size=(WIDTH, HEIGHT), scene_graph=things
        ),
        take=1,
        prompt="a ball",
        noise=NoisePlan(level=1.0, seed=3),
        sketch=sketch,
        layout=Layout(frames=FRAMES, tracks=[track]),
    )


@pytest.mark.parametrize("kind", ["depth", "edges"])
def test_a_simulated_sketchs_own_pictures_are_shown(
    tmp_path: Path, model: Path, kind: SketchControl
) -> None:
    context = _context(tmp_path, model)
    inputs = _inputs(context)
    node = FilmNode(FilmNode.Options(control=kind), context)
    made = node.run(inputs)

    assert made.provenance["control"] == {"asked": kind, "used": kind}
    own = controls.depth(_depth()) if kind == "depth" else _lines()
    request = Request(
        prompt="a ball", size=(WIDTH, HEIGHT), frames=FRAMES, fps=Fraction(8), noise=inputs.noise,
        control=Control(kind=kind, frames=own),
    )  # fmt: skip
    direct = load(context.settings.generator).generate(request)
    write_video(tmp_path / "direct.mp4", direct.frames, fps=request.fps)
    assert file_digest(tmp_path / "direct.mp4") == made.clip.video.sha256


@pytest.mark.parametrize("kind", ["depth", "edges"])
def test_the_clip_depends_on_them(tmp_path: Path, model: Path, kind: SketchControl) -> None:
    context = _context(tmp_path, model)
    inputs = _inputs(context)
    assert inputs.sketch is not None
    node = FilmNode(FilmNode.Options(control=kind), context)
    other = inputs.sketch.model_copy(update={kind: inputs.sketch.video})
    painted = inputs.sketch.model_copy(update={kind: None})
    depends = [
        node.depends(inputs.model_copy(update={"sketch": sketch}))
        for sketch in (inputs.sketch, other, painted)
    ]
    assert depends[0] != depends[1]
    assert depends[0] != depends[2]
    plain = FilmNode(FilmNode.Options(control="rgb"), context)
    assert plain.depends(inputs) == plain.depends(inputs.model_copy(update={"sketch": painted}))
