from __future__ import annotations

from dataclasses import replace

import numpy as np

from reelwright_core.story import Layout
from reelwright_generators.builtin import scenes, staging
from reelwright_generators.builtin.renderer import Renderer, plan
from reelwright_generators.builtin.words import Scene

SIZE = (160, 96)


def _scenes(count: int, *, frames: int, seed: int) -> list[tuple[Scene, Layout]]:
    rng = np.random.default_rng(seed)
    made: list[tuple[Scene, Layout]] = []
    for n in range(count):
        scene = scenes.random_scene(rng, strange=n % 4 == 3)
        if n % 5 == 4:
            scene = replace(scene, camera=("pan left", "zoom in", "zoom out")[n // 5 % 3])
        made.append((scene, staging.layout_of(scene, frames=frames, rng=rng)))
    return made


def test_the_renderer_paints_what_the_painter_paints() -> None:
    clips = _scenes(40, frames=5, seed=1)
    renderer = Renderer(size=SIZE)
    rendering = renderer.render([plan(*clip, size=SIZE) for clip in clips])
    for n, (scene, layout) in enumerate(clips):
        painting = scenes.draw(scene, layout, size=SIZE)
        off = np.abs(rendering.frames[n].numpy().astype(int) - painting.frames)
        assert off.mean() < 1, scene
        covered = painting.labels > 0
        assert off[covered].mean() < 4, scene
        assert (rendering.labels[n].numpy() == painting.labels).mean() > 0.995, scene
