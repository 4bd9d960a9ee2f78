"""The graph's option `guide`: boxes by energy, or structured noise where a model cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reelwright_core.errors import ReelwrightError
from reelwright_core.story import Entity, Keyframe, Layout, SceneGraph, Shot, Track
from reelwright_core.takes import Film, Guide, Repair
from reelwright_generators.tiny import modelscope, wan
from reelwright_graphs import guided, run
from reelwright_graphs.events import Event
from reelwright_graphs.film_node import FilmNode
from reelwright_graphs.graph_file import load_graph

SHOT = """
name: mine
level: shot
nodes:
  layout: {use: layout}
  sketch: {use: sketch}
  noise: {use: noise, options: {level: LEVEL}}
  film: {use: film, options: {FILM}}
  choose: {use: choose}
edges:
  - start -> layout
  - layout -> sketch
  - sketch -> noise
  - noise -> film
  - film -> choose
  - choose -> end
"""
STORY = """
name: story
level: story
nodes:
  plan: {use: plan}
  shots: {each: mine}
  cut: {use: cut}
edges:
  - start -> plan
  - plan -> shots
  - shots -> cut
  - cut -> end
"""
SCRIPT = "A red car drives from left to right."
GUIDE = "guide: {by: boxes, scale: 200, threshold: 0, iterations: 2}"


def _film(folder: Path, model: Path, *, level: float, film: str = "", sketch: bool = True) -> Any:
    """The provenance of the one take, and the warnings."""
    folder.mkdir()
    text = SHOT.replace("LEVEL", str(level)).replace("FILM", film)
    if not sketch:
        text = text.replace("  sketch: {use: sketch}\n", "").replace("  - layout -> sketch\n", "")
        text = text.replace("sketch -> noise", "layout -> noise")
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    (folder / "story.yaml").write_text(STORY, encoding="utf-8")
    events: list[Event] = []
    settings = {
        "generator.model": str(model), "generator.device": "cpu", "generator.steps": 8,
        "film.frames": 6, "film.size": "64x32", "physics.engine": "off",
    }  # fmt: skip
    done = run.film(
        SCRIPT, out=folder / "run", graph=folder / "story.yaml", settings=settings,
        on_event=events.append,
    )  # fmt: skip
    assert isinstance(done, Film)
    path = folder / "run" / "shots" / "s01" / "take-1" / "provenance.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    return told, [event.text for event in events if event.kind == "warning"]


def test_yaml_switches_between_structured_noise_and_energy_guidance(tmp_path: Path) -> None:
    model = modelscope.build(tmp_path / "m")
    noise, _ = _film(tmp_path / "noise", model, level=0.8)
    assert "guide" not in noise
    assert noise["noise"]["reached"] == pytest.approx(0.8, abs=0.05)
    boxes, _ = _film(tmp_path / "boxes", model, level=1.0, film=GUIDE)
    assert boxes["noise"]["reached"] > 0.9
    guide = boxes["guide"]
    assert guide["by"] == "boxes"
    assert [(thing["entity"], thing["phrase"]) for thing in guide["things"]] == [
        ("red-car", "red car")
    ]
    assert all(step["after"] < step["before"] for step in guide["energy"])


def test_a_model_without_maps_starts_from_its_sketch_and_says_so(tmp_path: Path) -> None:
    model = wan.build(tmp_path / "m")
    told, warnings = _film(tmp_path / "boxes", model, level=1.0, film=GUIDE)
    assert told["guide"]["asked"] == "boxes"
    assert told["guide"]["used"] == "structured noise"
    assert told["noise"]["asked"] == told["guide"]["level"] == 0.7  # the model's own
    assert any("`guide: {by: boxes}` is not used" in text and "at noise level 0.7" in text
               for text in warnings)  # fmt: skip
    assert any("is not used" in text for text in told["warnings"])
    with pytest.raises(ReelwrightError, match="makes no sketch to start from instead"):
        _film(tmp_path / "bare", model, level=1.0, film=GUIDE, sketch=False)


def test_genmac_holds_the_failing_thing_more_firmly_where_boxes_guide_its_film(
    tmp_path: Path,
) -> None:
    text = load_graph("genmac-shot").text.replace("name: genmac-shot", "name: mine")
    for old, new in (
        ("generate: {use: film,", f"generate: {{use: film, options: {{{GUIDE}}},"),
        ("guidance: {use: noise}", "guidance: {use: noise, options: {level: 1.0}}"),
        ("specialists: [layout, noise, prompt]", "specialists: [noise]"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "story.yaml").write_text(STORY, encoding="utf-8")
    settings = {
        "generator.model": str(modelscope.build(tmp_path / "m")), "generator.device": "cpu",
        "generator.steps": 4, "film.frames": 6, "film.size": "64x32", "physics.engine": "off",
        "takes.max": 3, "critic.threshold": 1.0,
    }  # fmt: skip
    done = run.film(SCRIPT, out=tmp_path / "run", graph=tmp_path / "story.yaml", settings=settings)
    assert isinstance(done, Film)
    strengths = [
        [(thing["entity"], thing["strength"]) for thing in take.provenance["guide"]["things"]]
        for take in done.shots[0].takes
    ]
    assert strengths == [[("red-car", 1.0)], [("red-car", 1.05)], [("red-car", 1.1)]]


def _shot() -> Shot:
    things = [Entity(id="red-car", noun="car", colour="red"), Entity(id="dog", noun="dog", count=2)]
    return Shot(id="s01", prompt="a red car and two dogs", frames=3,
                scene_graph=SceneGraph(entities=things))  # fmt: skip


def _layout() -> Layout:
    keys = [Keyframe(frame=0, box=(0, 0, 0.2, 0.2)), Keyframe(frame=2, box=(0.4, 0, 0.6, 0.2))]
    return Layout(
        frames=3,
        tracks=[
            Track(entity="red-car", keyframes=keys),
            Track(entity="dog", keyframes=keys[:1]),
            Track(entity="dog", instance=1, keyframes=keys[1:]),
        ],
    )


def test_boxes_are_the_layouts_in_every_frame_and_strengths_the_repairs() -> None:
    guide = Guide(by="boxes", emphasis={"dog": 1.05, "red-car": 1.1})
    repair = Repair(why="the dogs are missing", emphasis={"dog": 1.15})
    found = guided.boxes(guide, _shot(), _layout(), repair)
    assert found is not None
    car, dog = found.things
    assert (car.phrase, dog.phrase) == ("red car", "dog")
    assert car.boxes == (((0, 0, 0.2, 0.2),), ((0.2, 0, 0.4, 0.2),), ((0.4, 0, 0.6, 0.2),))
    assert dog.boxes[1] == ((0, 0, 0.2, 0.2), (0.4, 0, 0.6, 0.2))
    assert (car.strength, dog.strength) == (1.1, 1.15)
    assert guided.boxes(Guide(), _shot(), None) is None
    with pytest.raises(ReelwrightError, match="add a node `layout`"):
        guided.boxes(guide, _shot(), None)


def test_what_a_graph_does_not_ask_for_is_not_in_its_digest() -> None:
    assert FilmNode.Options().data() == {"model": None}
    asked = FilmNode.Options.model_validate({"guide": {"by": "boxes", "scale": 3.0}})
    assert asked.data()["guide"]["scale"] == 3.0
