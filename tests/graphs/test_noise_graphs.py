"""Graphs say which noise and control a shot starts with; what they do not say changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright_core.errors import GraphError, ReelwrightError
from reelwright_core.records import file_digest
from reelwright_core.settings import load_settings
from reelwright_core.store import Store
from reelwright_core.story import Entity, Keyframe, Layout, SceneGraph, Shot, Track
from reelwright_core.takes import Artifact, Film, NoisePlan, Repair, Sketch
from reelwright_core.video import read_video, write_video
from reelwright_generators import controls
from reelwright_generators.generator import Request, load
from reelwright_graphs import run
from reelwright_graphs.crew import Crew
from reelwright_graphs.events import Event
from reelwright_graphs.film_node import FilmNode
from reelwright_graphs.graph_file import load_graph
from reelwright_graphs.nodes import Context
from reelwright_graphs.noise_node import NoiseNode

STILL = {"generator.model": "still", "critic.threshold": 0.0}
SHOT = load_graph("shot").text
STORY = load_graph("story").text


def _graph(folder: Path, *, noise: str = "", film: str = "", sketch: bool = True) -> Path:
    """The shipped graphs, with options of the nodes `noise` and `film`; path of the story's."""
    text, found = re.subn(
        r"noise: {use: noise.*}", f"noise: {{use: noise, options: {{{noise}}}}}", SHOT
    )
    assert found == 1
    text = text.replace("film: {use: film,", f"film: {{use: film, options: {{{film}}},")
    if not sketch:
        text = text.replace("  sketch: {use: sketch}\n", "").replace("  - layout -> sketch\n", "")
        text = text.replace("sketch -> noise", "layout -> noise").replace("-> sketch", "-> noise")
    (folder / "mine.yaml").write_text(text.replace("name: shot", "name: mine"), encoding="utf-8")
    story = folder / "story.yaml"
    story.write_text(STORY.replace("each: shot", "each: mine"), encoding="utf-8")
    return story


def _film(script: str, out: Path, graph: Path, **more: Any) -> Film:
    settings: Mapping[str, Any] = {**STILL, **more.pop("settings", {})}
    done = run.film(script, out=out, graph=graph, settings=settings, **more)
    assert isinstance(done, Film)
    return done


def _context(folder: Path, **settings: Any) -> Context:
    told = load_settings({"generator.model": "still", **settings})
    return Context(
        run=folder, store=Store(folder), settings=told, seed=0, crew=Crew(told),
        say=lambda event: None,
    )  # fmt: skip


# the node `noise`


def _shot(**more: Any) -> Shot:
    things = [Entity(id="car", noun="car"), Entity(id="dog", noun="dog")]
    return Shot(id="s01", prompt="a car and a dog", scene_graph=SceneGraph(entities=things), **more)


def _layout(**more: Any) -> Layout:
    key = Keyframe(frame=0, box=(0.1, 0.1, 0.4, 0.4))
    tracks = [
        Track(entity="car", keyframes=[key], depth=1.0),
        Track(entity="dog", keyframes=[key], depth=2.0),
        Track(entity="dog", instance=1, keyframes=[key], depth=0.5),
    ]
    return Layout(frames=17, tracks=tracks, **more)


def _planned(folder: Path, options: dict[str, Any], **inputs: Any) -> NoisePlan:
    node = NoiseNode(NoiseNode.Options.model_validate(options), _context(folder))
    given: dict[str, Any] = {"shot": _shot(), "layout": _layout(), **inputs}
    return node.run(NoiseNode.Inputs(**given)).noise


def _levels(plan: NoisePlan) -> list[tuple[str, float]]:
    return [(region.of, region.level) for region in plan.regions]


def test_regions_are_named_by_their_role_and_the_special_one_wins(tmp_path: Path) -> None:
    roles = {"dog": 0.7, "entities": 0.8, "cat": 0.1, "background": 0.5, "all": 0.6}
    plan = _planned(tmp_path, {"level": 0.9, "regions": roles})
    assert plan.level == 0.9
    assert _levels(plan) == [("all", 0.6), ("background", 0.5), ("car", 0.8), ("dog", 0.7)]
    assert _levels(_planned(tmp_path, {"regions": {"dog": 0.7}})) == [("dog", 0.7)]


def test_a_drift_comes_from_the_layouts_background(tmp_path: Path) -> None:
    moving = _layout(background_shift=(-0.32, 0.08))
    plan = _planned(tmp_path, {"noise": "drift"}, layout=moving)
    assert plan.noise == "drift"
    assert plan.drift == pytest.approx((-0.02, 0.005))
    assert _planned(tmp_path, {"noise": "drift"}).noise == "plain"
    given = _planned(tmp_path, {"noise": "drift", "drift": [0.1, 0]}, layout=moving)
    assert given.drift == (0.1, 0.0)


def test_a_repair_changes_level_and_seed_and_nothing_else(tmp_path: Path) -> None:
    options = {"level": 0.9, "regions": {"background": 0.5}, "noise": "windows", "window": 9}
    first = _planned(tmp_path, options)
    repair = Repair(why="", noise_level=0.6, seed=7)
    second = _planned(tmp_path, options, repair=repair, noise=first)
    assert second == first.model_copy(update={"level": 0.6, "seed": 7})


def test_low_frequencies_start_from_pure_noise_until_a_repair_asks_for_more_of_the_sketch(
    tmp_path: Path,
) -> None:
    first = _planned(tmp_path, {"low_frequencies": 0.25})
    assert (first.level, first.low_frequencies) == (1.0, 0.25)
    repair = Repair(why="", noise_level=0.8)
    second = _planned(tmp_path, {"low_frequencies": 0.25}, repair=repair, noise=first)
    assert (second.level, second.low_frequencies) == (0.8, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("level: 0.8, low_frequencies: 0.2", "`level` must be 1"),
        ("window: 8", "`noise: windows`"),
        ("drift: [0.1, 0]", "`noise: drift`"),
        ("regions: {background: 1.5}", "less than or equal to 1"),
        ("noise: drifting", "'plain', 'windows', 'drift' or 'flow'"),
        ("regoins: {background: 0.5}", "`regions`"),
    ],
)
def test_a_wrong_option_is_refused_with_its_line(tmp_path: Path, options: str, said: str) -> None:
    graph = _graph(tmp_path, noise=options)
    with pytest.raises(GraphError) as raised:
        load_graph(graph)
    assert said in str(raised.value)
    text = (tmp_path / "mine.yaml").read_text()
    assert raised.value.line == text[: text.index("noise: {use")].count("\n") + 1


# digests


OLD_NOISE = {"schema": "NoisePlan.1", "level": 0.5, "seed": 3}
OLD_SETTINGS = {
    "revision": None, "device": "auto", "dtype": "auto", "steps": None, "guidance": None,
}  # fmt: skip
"""What a clip depended on before noise plans and settings had more fields."""


def _sketch() -> Sketch:
    def kept(name: str, digit: str) -> Artifact:
        return Artifact(path=f"store/{name}", sha256=digit * 64, bytes=1)

    return Sketch(
        video=kept("v", "a"), masks=kept("m", "b"), background=kept("p", "c"),
        things=[("car", 0), ("dog", 0), ("dog", 1)],
    )  # fmt: skip


def _depends(folder: Path, plan: NoisePlan, *, options: Any = None, **settings: Any) -> Any:
    node = FilmNode(FilmNode.Options(**options or {}), _context(folder, **settings))
    return node.depends(
        FilmNode.Inputs(
            shot=_shot(), take=1, prompt="a car", noise=plan, sketch=_sketch(), layout=_layout()
        )
    )


def test_clips_that_use_nothing_new_depend_on_what_they_always_did(tmp_path: Path) -> None:
    assert FilmNode.Options().data() == {"model": None}
    depends = _depends(tmp_path, NoisePlan(level=0.5, seed=3))
    model = Crew(load_settings({"generator.model": "still"})).generator().facts().sha256
    assert depends == {
        "prompt": "a car", "noise": OLD_NOISE, "sketch": "a" * 64, "size": (160, 96),
        "frames": 17, "fps": "8", "model": model, "settings": OLD_SETTINGS,
        "path": "shots/s01/take-1/",
    }  # fmt: skip
    assert _depends(tmp_path, NoisePlan(level=1, seed=3))["sketch"] is None


def test_clips_depend_on_all_that_they_use(tmp_path: Path) -> None:
    plain = NoisePlan(level=1.0, seed=3)
    every = [
        _depends(tmp_path, plain),
        _depends(tmp_path, plain.model_copy(update={"low_frequencies": 0.2})),
        _depends(tmp_path, plain.model_copy(update={"noise": "flow"})),
        _depends(tmp_path, _planned(tmp_path, {"level": 1, "regions": {"dog": 0.2}})),
        _depends(tmp_path, plain, **{"generator.steps": 3}),
        _depends(tmp_path, plain, **{"generator.cache": "taylor"}),
        _depends(tmp_path, plain, **{"generator.outside.url": "http://a"}),
    ]
    assert all(a != b for i, a in enumerate(every) for b in every[:i])
    assert [each["sketch"] for each in every[:4]] == [None, *["a" * 64] * 3]
    assert [each.get("masks") for each in every[:4]] == [None, None, None, "b" * 64]
    other = _depends(tmp_path, plain, **{"generator.outside.timeout": 5})
    assert other == every[0]


# regions and controls, end to end


SCRIPT = "A red car drives from left to right on a beach."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds tiny real models, each once."""
    built: dict[str, Path] = {}

    def folder(name: str) -> Path:
        from reelwright_generators.tiny import animatediff, cogvideox, wan

        if name not in built:
            to = tmp_path_factory.mktemp(name)
            built[name] = {
                "wan": lambda: wan.build(to, geometry="flat"),
                "controlnet": lambda: animatediff.build(to, control="controlnet"),
                "drawings": lambda: animatediff.build(to, control="drawings"),
                "cogvideox-fun": lambda: cogvideox.build(to, by="control"),
            }[name]()
        return built[name]

    return folder


def _settings(model: Path) -> dict[str, Any]:
    return {
        "generator.model": str(model), "generator.device": "cpu", "generator.steps": 4,
        "critic.threshold": 0.0,
    }  # fmt: skip


def _take(out: Path, name: str) -> Path:
    return out / "shots/s01/take-1" / name


def test_a_films_regions_are_kept_as_its_graph_says(
    tmp_path: Path, model: Callable[..., Path]
) -> None:
    clips: list[NDArray[np.float64]] = []
    for name, regions in (("a", "background: 0.0, entities: 0.9"), ("b", "all: 0.0")):
        (tmp_path / name).mkdir()
        graph = _graph(tmp_path / name, noise=f"level: 0.9, regions: {{{regions}}}")
        done = _film(SCRIPT, tmp_path / name / "run", graph, settings=_settings(model("wan")))
        clips.append(read_video(_take(tmp_path / name / "run", "clip.mp4")).astype(float))
        told = done.shots[0].take.provenance["noise"]["regions"]
        saved = json.loads(_take(tmp_path / name / "run", "noise.json").read_text())
        assert [(each["of"], each["level"]) for each in told] == [
            (each["of"], each["level"]) for each in saved["regions"]
        ]
        assert told[0]["reached"] == 0.0
    with np.load(_take(tmp_path / "a/run", "masks.npz")) as masks:
        labels = masks["labels"]
    cells = labels.reshape(len(labels), 4, 8, 8, 8).any((2, 4))
    car = np.repeat(np.repeat(cells, 8, 1), 8, 2)
    near = np.stack([cv2.dilate(each.astype(np.uint8), np.ones((17, 17))) for each in car]) > 0
    apart = np.abs(clips[0] - clips[1]).mean(-1)
    assert apart[car].mean() > 10
    assert apart[~near].mean() < 2  # an mp4's own loss


def test_a_background_kept_longer_is_nearer_to_the_sketch_on_the_built_in_model(
    tmp_path: Path,
) -> None:
    apart: list[float] = []
    for name, regions in (("a", ""), ("b", ", regions: {background: 0.2, entities: 0.9}")):
        (tmp_path / name).mkdir()
        graph, out = _graph(tmp_path / name, noise=f"level: 0.9{regions}"), tmp_path / name / "run"
        _film(SCRIPT, out, graph, settings={"generator.model": "builtin", "generator.steps": 8})
        clip, sketch = (read_video(_take(out, f"{each}.mp4")) for each in ("clip", "sketch"))
        with np.load(_take(out, "masks.npz")) as masks:
            behind = masks["labels"] == 0
        apart.append(float(np.abs(clip.astype(float) - sketch).mean(-1)[behind].mean()))
    assert apart[1] < 0.75 * apart[0]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("controlnet", "edges"),
        ("controlnet", "masks"),
        ("controlnet", "depth"),
        ("controlnet", "rgb"),
        ("cogvideox-fun", "edges"),
    ],
)
def test_a_model_that_follows_control_videos_is_shown_the_sketchs(
    tmp_path: Path, model: Callable[..., Path], name: str, kind: Any
) -> None:
    graph, out = _graph(tmp_path, noise="level: 1.0", film=f"control: {kind}"), tmp_path / "run"
    folder = model(name)
    # As many frames as the model films at once: one clip, to compare with one.
    frames = load(load_settings(_settings(folder)).generator).facts().frames
    settings = {**_settings(folder), "film.frames": frames}
    take = _film(SCRIPT, out, graph, settings=settings).shots[0].take
    assert take.clip.frames == frames

    used = "layered depth" if kind == "depth" else kind
    assert take.provenance["control"] == {"asked": kind, "used": used}
    with np.load(_take(out, "masks.npz")) as masks:
        labels = masks["labels"]
    sketch = read_video(_take(out, "sketch.mp4"))
    nearness = [track.depth for track in take.layout.tracks]
    plain = Request(
        prompt=take.prompt, size=take.clip.size, frames=take.clip.frames, fps=take.clip.fps,
        noise=take.noise,
    )  # fmt: skip
    assert plain.noise.level == 1.0
    shown = controls.of_sketch(kind, sketch, labels=labels, nearness=nearness)
    generator = load(load_settings(_settings(folder)).generator)
    made = generator.generate(replace(plain, control=shown))
    write_video(tmp_path / "direct.mp4", made.frames, fps=plain.fps)
    assert file_digest(tmp_path / "direct.mp4") == take.clip.video.sha256
    black = replace(shown, frames=np.zeros_like(sketch))
    unlike = generator.generate(replace(plain, control=black)).frames
    assert not np.array_equal(unlike, made.frames)


def test_a_model_without_control_is_guided_by_noise_instead_and_the_run_says_so(
    tmp_path: Path,
) -> None:
    graph = _graph(tmp_path, noise="level: 1.0", film="control: edges")
    events: list[Event] = []
    done = _film(SCRIPT, tmp_path / "run", graph, on_event=events.append)
    take = done.shots[0].take
    assert take.provenance["control"] == {
        "asked": "edges",
        "used": "structured noise",
        "why": "of control videos, still (still) takes none",
        "level": 0.5,
    }
    clip = read_video(_take(tmp_path / "run", "clip.mp4")).astype(int)
    sketch = read_video(_take(tmp_path / "run", "sketch.mp4"))
    assert np.abs(clip - sketch).mean() < 4  # `still` films the sketch; a card without one
    said = [event.text for event in events if event.kind == "warning" and "control" in event.text]
    assert said == [
        "`control: edges` is not used: of control videos, still (still) takes none; "
        "the shot starts from its sketch, at noise level 0.5"
    ]


def test_a_model_that_follows_other_controls_says_which(
    tmp_path: Path, model: Callable[..., Path]
) -> None:
    graph = _graph(tmp_path, noise="level: 0.7", film="control: masks")
    done = _film(SCRIPT, tmp_path / "run", graph, settings=_settings(model("drawings")))
    told = done.shots[0].take.provenance
    assert told["control"]["why"].endswith("takes those of edges")
    assert told["control"]["level"] == 0.7  # the plan's own, since it shows the sketch
    assert told["noise"]["asked"] == 0.7


def test_a_control_without_a_sketch_is_refused_with_the_cure(tmp_path: Path) -> None:
    graph = _graph(tmp_path, film="control: masks", noise="level: 1.0", sketch=False)
    with pytest.raises(ReelwrightError, match="add a node `sketch` before the film"):
        _film(SCRIPT, tmp_path / "run", graph)


def test_clips_of_a_layered_depth_depend_on_the_layouts_order(
    tmp_path: Path, model: Callable[..., Path]
) -> None:
    told = {"generator.model": str(model("controlnet"))}
    plan = NoisePlan(level=1.0, seed=3)
    depth = _depends(tmp_path, plan, options={"control": "depth"}, **told)
    assert depth["nearness"] == [1.0, 2.0, 0.5]
    assert depth["masks"] == "b" * 64
    rgb = _depends(tmp_path, plan, options={"control": "rgb"}, **told)
    assert not {"nearness", "masks"} & rgb.keys()
    assert rgb["sketch"] == "a" * 64
