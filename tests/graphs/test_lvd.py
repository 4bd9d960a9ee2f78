"""LVD: six keyframes, lines between them, and boxes that lead the film by energy or a sketch."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.errors import ReelwrightError
from reelwright_core.story import Layout
from reelwright_core.takes import Film, ShotResult
from reelwright_generators.tiny import modelscope
from reelwright_graphs import run
from reelwright_graphs.events import Event
from reelwright_graphs.graph_file import load_graph

NOUNS = (
    "car", "red ball", "dog", "blue car", "cat", "bird", "woman", "boat", "train", "fish",
    "butterfly", "airplane", "horse", "yellow bus", "robot", "turtle", "rocket", "man", "rabbit",
    "bicycle", "green apple", "duck",
)  # fmt: skip
PLACES = ("on a beach", "in a meadow", "on a road", "in a city", "in space")
PROMPTS = [
    f"A {noun} moves from left to right {PLACES[i % len(PLACES)]}." for i, noun in enumerate(NOUNS)
]


BARE = """
name: bare
level: story
nodes:
  plan: {use: plan}
  shots: {each: lvd-shot}
edges:
  - start -> plan
  - plan -> shots
  - shots -> end
"""
"""Without a cut and a report, which take their time."""


def film(out: Path, text: str, *, graph: Any = "lvd", **settings: Any) -> tuple[Film, list[Event]]:
    events: list[Event] = []
    script = out.with_suffix(".txt")
    script.write_text(text, encoding="utf-8")
    told = {"generator.model": "still", "critic.threshold": 0.0, **settings}
    done = run.film(script, out=out, graph=graph, settings=told, on_event=events.append)
    assert isinstance(done, Film)
    return done, events


def test_what_moves_left_to_right_does_so_on_every_sketch_of_twenty_prompts(tmp_path: Path) -> None:
    graph, script = tmp_path / "bare.yaml", tmp_path / "prompts.txt"
    graph.write_text(BARE, encoding="utf-8")
    script.write_text("\n".join(PROMPTS), encoding="utf-8")
    with pytest.raises(ReelwrightError, match="ended without a film"):
        film(tmp_path / "run", "\n".join(PROMPTS), graph=graph)
    results = [
        ShotResult.from_data(json.loads(path.read_bytes()))
        for path in sorted((tmp_path / "run/shots").glob("*/result.json"))
    ]
    assert len(results) == len(PROMPTS) >= 20
    for result in results:
        sketch = result.take.sketch
        assert sketch is not None
        with np.load(tmp_path / "run" / sketch.masks.path) as file:
            labels = file["labels"]
        xs = [float(np.nonzero(frame == 1)[1].mean()) / labels.shape[2] for frame in labels]
        assert all(b > a for a, b in pairwise(xs)), result.take.prompt
        assert xs[-1] - xs[0] >= 0.5, result.take.prompt


def test_every_thing_has_at_most_six_keyframes_with_lines_between(tmp_path: Path) -> None:
    done, _ = film(tmp_path / "run", "A ball falls and bounces in a meadow while a cat runs left.")
    for result in done.shots:
        file = tmp_path / "run/shots" / result.shot / "take-1/layout.json"
        layout = Layout.from_data(json.loads(file.read_text("utf-8")))
        counts = [len(track.keyframes) for track in layout.tracks]
        assert all(2 <= count <= 6 for count in counts)
        assert 6 in counts, "a bounce needs all of them"
        for track in layout.tracks:
            assert (track.keyframes[0].frame, track.keyframes[-1].frame) == (0, layout.frames - 1)


TINY = {
    "generator.steps": 6, "generator.device": "cpu", "generator.dtype": "float32",
    "film.size": [32, 32], "film.frames": 4,
}  # fmt: skip


def edited(folder: Path, *changes: tuple[str, str]) -> Path:
    """The shipped graph, its shots' changed; path of the story's."""
    text = load_graph("lvd-shot").text.replace("name: lvd-shot", "name: mine")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    story = folder / "story.yaml"
    story.write_text(load_graph("lvd").text.replace("each: lvd-shot", "each: mine"), "utf-8")
    return story


def test_boxes_lead_a_model_with_attention_maps_by_energy(tmp_path: Path) -> None:
    model = modelscope.build(tmp_path / "model")
    # The published threshold is for the heads and frames of a whole model.
    told = "guide: {by: boxes, scale: 200, threshold: 0, iterations: 2}"
    done, events = film(
        tmp_path / "run", "A red car moves from left to right.",
        graph=edited(tmp_path, ("guide: {by: boxes}", told)),
        **TINY, **{"generator.model": str(model)},
    )  # fmt: skip
    take = done.shots[0].take
    assert take.noise.level == 1.0
    energy = take.provenance["guide"]["energy"]
    assert energy
    assert all(step["after"] < step["before"] for step in energy), energy
    assert not [event for event in events if event.kind == "warning" and "guide" in event.text]


def test_a_model_without_such_maps_starts_from_the_boxes_sketch_and_the_run_says_so(
    tmp_path: Path,
) -> None:
    done, events = film(tmp_path / "run", "A red car moves from left to right.")
    assert any("`guide: {by: boxes}` is not used" in event.text for event in events)
    told = done.shots[0].take.provenance["guide"]
    assert (told["asked"], told["used"]) == ("boxes", "structured noise")
    assert told["level"] == 0.5  # the model's own; the graph's is pure noise
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "guide: {by: boxes}" in page


def test_the_graph_switches_between_energy_and_structured_noise(tmp_path: Path) -> None:
    model = modelscope.build(tmp_path / "model")
    graph = edited(tmp_path, ("guide: {by: boxes}", "guide: {by: none}"), ("1.0", "0.8"))
    done, _ = film(
        tmp_path / "run", "A red car moves from left to right.", graph=graph,
        **TINY, **{"generator.model": str(model)},
    )  # fmt: skip
    told = done.shots[0].take.provenance
    assert told["noise"]["asked"] == 0.8
    assert "guide" not in told
