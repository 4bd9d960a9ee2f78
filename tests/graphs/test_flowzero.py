"""FlowZero: boxes that are refined in rounds, and noise that moves as the background does."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reelwright_agents import testing as scripted
from reelwright_agents.frame_words import frame_words
from reelwright_agents.layout_llm import Heading, slide
from reelwright_agents.testing import ScriptedEndpoint
from reelwright_core.settings import Generator as Told
from reelwright_core.story import (
    Entity,
    Event,
    FrameSpan,
    Keyframe,
    Layout,
    Relation,
    SceneGraph,
    Shot,
    Storyboard,
    Track,
)
from reelwright_core.takes import Film, NoisePlan, ShotResult
from reelwright_core.video import read_video
from reelwright_generators import noise
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request
from reelwright_graphs import run

LEFT_FAST = {"direction": "left", "speed": 0.5}
WAYS: list[Heading] = [
    "left", "right", "up", "down", "up left", "up right", "down left", "down right"
]  # fmt: skip


def riding(frames: int = 17, **more: Any) -> Shot:
    graph = SceneGraph(
        entities=[Entity(id="horse", noun="horse", size="small")],
        events=[Event(actor="horse", action="stays", frames=FrameSpan(first=0, last=frames - 1))],
    )
    return Shot(
        id="s01", prompt="A horse gallops.", place="meadow", scene_graph=graph, frames=frames,
        **more,
    )  # fmt: skip


def planned(background: dict[str, Any], frames: int = 17) -> scripted.Scripted:
    """A horse in the middle, and a background that goes past it."""
    keys = [
        {"frame": round(i * (frames - 1) / 5), "left": 0.42, "top": 0.55, "right": 0.58,
         "bottom": 0.85, "angle": 0.0}
        for i in range(6)
    ]  # fmt: skip
    horse = {"entity": "horse", "instance": 0, "depth": 1.0, "faces": "right", "keyframes": keys}
    return scripted.answer({"tracks": [horse], "background": background})


def film(out: Path, shot: Shot, background: dict[str, Any], **settings: Any) -> ShotResult:
    with ScriptedEndpoint([planned(background, shot.frames)]) as server:
        done = run.film(
            Storyboard(shots=[shot]), out=out, graph="flowzero",
            settings={"generator.model": "still", "critic.threshold": 0.0,
                      "planner.brain": "openai", "planner.model": "tiny",
                      "endpoint.base_url": server.base_url, **settings},
        )  # fmt: skip
    assert isinstance(done, Film)
    return done.shots[0]


def shifted(first: torch.Tensor, across: int, down: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`first`, moved by whole latents to the right and down; and where that is known."""
    known = torch.ones_like(first, dtype=torch.bool)
    for axis, by in ((-1, across), (-2, down)):
        lost = [slice(None)] * first.ndim
        lost[axis] = slice(0, by) if by > 0 else slice(first.shape[axis] + by, None)
        if by:
            known[tuple(lost)] = False
    return torch.roll(first, (across, down), (-1, -2)), known


@pytest.mark.parametrize("direction", WAYS)
def test_the_first_noise_of_frame_k_is_that_of_frame_0_shifted_by_k_v(
    tmp_path: Path, direction: Heading
) -> None:
    folder = import_module("reelwright_generators.tiny.animatediff").build(tmp_path / "model")
    family = family_of(open_folder(folder, name="animatediff"))
    assert family.grid.temporal == 1
    cells, frames = 32, 17
    straight = " " not in direction
    # So fast that every frame moves on by a whole latent (or one and one, on a diagonal).
    speed = (frames - 1) / cells * (1 if straight else 2**0.5)
    shot = riding(frames)
    result = film(tmp_path / "run", shot, {"direction": direction, "speed": speed})
    plan = result.take.noise
    assert plan.noise == "drift"
    v = slide(direction, 1.0)
    sign = [0 if part == 0 else int(np.sign(part)) for part in v]
    assert plan.drift == pytest.approx([part / cells for part in sign], abs=1e-6)
    side = cells * family.grid.spatial
    request = Request(
        prompt="x", size=(side, side), frames=frames, fps=Fraction(8), noise=plan,
        sketch=np.zeros((frames, side, side, 3), np.uint8),
    )  # fmt: skip
    pipe = DiffusionFilm(family, Told(device="cpu", dtype="float32")).pipe
    drawn = noise.of_plan(plan, family.shape(pipe, request), request=request, family=family)
    assert drawn.shape[2:] == (frames, cells, cells)
    for k in range(1, frames):
        wanted, known = shifted(drawn[:, :, 0], k * sign[0], k * sign[1])
        assert torch.equal(drawn[:, :, k][known], wanted[known]), k
        assert known.float().mean() >= (1 - k / cells) ** 2 - 1e-6
    plain = noise.of_plan(
        NoisePlan(level=plan.level, seed=plan.seed), family.shape(pipe, request),
        request=request, family=family,
    )  # fmt: skip
    assert not torch.equal(plain[:, :, 1], drawn[:, :, 1])


def background_flow(
    frames: NDArray[np.uint8], labels: NDArray[np.uint8], *, apart: int = 1
) -> tuple[float, float]:
    """How far the background goes (right, down) in pixels from a frame to one `apart` later.

    The median over time. The inner part of each frame is looked for in the later one, without
    things and their shadows.
    """
    margin, found = 16 if apart == 1 else 28, list[tuple[float, float]]()
    seen_ever = np.asarray((labels > 0).any(0), np.uint8)
    thing = cv2.dilate(seen_ever, np.ones((25, 25), np.uint8))
    free = (1 - thing)[margin:-margin, margin:-margin]
    seen = frames.astype(np.float32)
    for one, two in zip(seen, seen[apart:], strict=False):
        inner = one[margin:-margin, margin:-margin]
        mask = np.repeat(free[..., None], 3, 2).astype(np.float32)
        score = cv2.matchTemplate(two, inner, cv2.TM_SQDIFF, mask=mask)
        _, _, (x, y), _ = cv2.minMaxLoc(score)
        found.append((x - margin, y - margin))
    across, down = np.median(np.array(found), axis=0)
    return float(across), float(down)


@pytest.mark.parametrize("direction", WAYS)
def test_the_background_of_the_sketch_flows_as_planned(tmp_path: Path, direction: Heading) -> None:
    shot = riding(17, size=(320, 192)).model_copy(update={"place": "city"})
    result = film(tmp_path / "run", shot, {"direction": direction, "speed": 0.5})
    sketch = result.take.sketch
    assert sketch is not None
    with np.load(tmp_path / "run" / sketch.masks.path) as file:
        labels = file["labels"]
    flow = background_flow(read_video(tmp_path / "run" / sketch.video.path), labels)
    for got, part, side in zip(flow, slide(direction, 0.5), (320, 192), strict=True):
        assert got == pytest.approx(part * side / 16, abs=1.0)


@pytest.mark.parametrize("camera", ["pan left", "pan right"])
def test_without_a_language_model_the_background_moves_as_the_camera_does(
    tmp_path: Path, camera: str
) -> None:
    script = tmp_path / "s.txt"
    script.write_text(f"A horse stands in a meadow. The camera {camera.replace('pan', 'pans')}.")
    done = run.film(
        script, out=tmp_path / "run", graph="flowzero",
        settings={"generator.model": "still", "critic.threshold": 0.0},
    )  # fmt: skip
    assert isinstance(done, Film)
    take = done.shots[0].take
    across = 0.3 if camera == "pan left" else -0.3
    assert take.layout.background_shift == (across, 0.0)
    assert take.noise.drift == pytest.approx((across / (take.clip.frames - 1), 0.0))


def test_the_plan_shows_frame_descriptions_boxes_and_the_backgrounds_direction_and_speed(
    tmp_path: Path,
) -> None:
    film(tmp_path / "run", riding(), LEFT_FAST)
    text = (tmp_path / "run/shots/s01/take-1/frames.txt").read_text("utf-8")
    assert text.startswith("background: goes left by 0.50 of the picture, 0.031 a frame\n")
    assert "\nframe 0: the horse stays\n  horse: 0.42 0.55 0.58 0.85\n" in text
    assert text.count("\nframe ") == 6


def test_each_frames_description_says_what_happens_in_it_and_who_stands_where() -> None:
    things = [Entity(id="car", noun="car", colour="red"), Entity(id="dog", noun="dog", count=2)]
    events = [
        Event(actor="car", action="moves", direction="left", frames=FrameSpan(first=0, last=3)),
        Event(actor="dog", action="jumps", frames=FrameSpan(first=4, last=8)),
    ]
    relations = [Relation(subject="dog", kind="right of", object="car")]
    shot = Shot(
        id="s01", prompt="x", frames=9,
        scene_graph=SceneGraph(entities=things, events=events, relations=relations),
    )  # fmt: skip
    key = Keyframe(frame=0, box=(0.1, 0.1, 0.4, 0.4))
    tracks = [Track(entity="dog", instance=instance, keyframes=[key]) for instance in (0, 1)]
    layout = Layout(frames=9, tracks=tracks, background_shift=(0.3, -0.4), background_zoom=1.5)
    assert frame_words(shot, layout) == (
        "background: goes up right by 0.50 of the picture, 0.062 a frame and grows 1.5 times\n\n"
        "frame 0: the red car moves left; the two dogs are right of the red car\n"
        "  dog: 0.10 0.10 0.40 0.40\n  dog 2: 0.10 0.10 0.40 0.40\n\n"
        "frame 8: the two dogs jump; the two dogs are right of the red car\n"
        "  dog: 0.10 0.10 0.40 0.40\n  dog 2: 0.10 0.10 0.40 0.40\n"
    )


def test_a_background_that_stands_still_leaves_the_noise_plain(tmp_path: Path) -> None:
    result = film(tmp_path / "run", riding(), {"direction": "none", "speed": 0.0})
    assert (result.take.noise.noise, result.take.noise.drift) == ("plain", None)


@pytest.mark.long
@pytest.mark.parametrize("direction", ["left", "right"])
def test_the_background_of_a_filmed_clip_flows_as_planned(
    tmp_path: Path, direction: Heading
) -> None:
    shot = riding(17).model_copy(update={"place": "city"})
    result = film(
        tmp_path / "run", shot, {"direction": direction, "speed": 0.5},
        **{"generator.model": "builtin"},
    )  # fmt: skip
    sketch = result.take.sketch
    assert sketch is not None
    with np.load(tmp_path / "run" / sketch.masks.path) as file:
        labels = file["labels"]
    clip = read_video(tmp_path / "run" / result.take.clip.video.path)
    across, _ = background_flow(clip, labels, apart=4)
    assert np.sign(across) == (1 if direction == "right" else -1)
