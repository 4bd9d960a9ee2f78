"""The graph `ditctrl`: steps of the action are beats of one continuous shot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_agents.beats import in_beats
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.errors import GraphError
from reelwright_core.story import Shot
from reelwright_core.storyboards import read_storyboard
from reelwright_core.takes import Film
from reelwright_core.video import read_video
from reelwright_generators import builtin
from reelwright_generators.tiny import mochi, wan
from reelwright_graphs import run
from reelwright_graphs.graph_file import load_graph
from reelwright_metrics.joins import cscv, jumps

SCRIPT = "A red ball rolls right. Then it bounces."


def _planned(script: str) -> list[Shot]:
    return OfflinePlanner().storyboard(Script(kind="prose", text=script), picture=Picture()).shots


def _beats(shot: Shot) -> list[tuple[int, str]]:
    return [(0, shot.prompt), *((beat.first, beat.prompt) for beat in shot.beats)]


def test_the_planners_steps_become_beats() -> None:
    (shot,) = in_beats(_planned(SCRIPT))
    first = _planned(SCRIPT)[0].frames
    assert _beats(shot) == [
        (0, "a red ball rolls from left to right on a plain background"),
        (first, "a red ball bounces on a plain background"),
    ]
    assert shot.text == SCRIPT
    assert [(e.action, e.frames.first) for e in shot.scene_graph.events] == [
        ("rolls", 0), ("bounces", first),
    ]  # fmt: skip
    assert shot.frames == sum(each.frames for each in _planned(SCRIPT))
    assert in_beats([shot]) == [shot]


def test_steps_of_one_sentence_become_beats_and_short_ones_are_made_longer() -> None:
    (plan,) = _planned("A red ball rolls right and then bounces.")
    (shot,) = in_beats([plan], least=20)
    assert [prompt for _, prompt in _beats(shot)] == [
        "a red ball rolls from left to right on a plain background",
        "a red ball bounces on a plain background",
    ]
    assert (shot.beats[0].first, shot.frames) == (20, 40)
    roll, bounce = shot.scene_graph.events
    assert (roll.frames.first, roll.frames.last) == (0, 19)
    assert (bounce.frames.first, bounce.frames.last) == (20, 39)
    assert shot.text == plan.text


@pytest.mark.parametrize(
    "script",
    [
        "A red ball rolls right. Then a dog runs left.",  # someone new
        "A red ball rolls right on a beach. Then it bounces in the snow.",  # elsewhere
        "A red ball rolls right.",
    ],
)
def test_what_does_not_go_on_stays_apart(script: str) -> None:
    shots = _planned(script)
    assert in_beats(shots) == shots


def _film(out: Path, model: str, **settings: Any) -> Film:
    made = run.film(
        SCRIPT, out=out, graph="ditctrl",
        settings={"generator.model": model, "generator.device": "cpu", **settings},
    )  # fmt: skip
    assert isinstance(made, Film)
    return made


def test_two_prompts_in_one_shot_are_one_continuous_clip(tmp_path: Path) -> None:
    model = wan.build(tmp_path / "m", geometry="flat")
    film = _film(tmp_path / "run", str(model), **{
        "generator.long.overlap": 4, "film.size": "64x32",
    })  # fmt: skip
    (shot,) = film.shots
    told = shot.take.provenance
    assert told["kv_sharing"] == {"layers": [0], "of": 1, "steps": [0.04, 0.5]}
    joined = [window for window in told["windows"]["each"] if window.get("joined")]
    assert [window["prompt"] for window in joined] == ["a red ball bounces on a plain background"]
    board = read_storyboard(tmp_path / "run" / "storyboard.yaml")
    assert [len(each.beats) for each in board.shots] == [1]
    assert {shot for line in board.story.coverage for shot in line.shots} == {"s01"}
    messages = (tmp_path / "run" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    assert "s01 in 2 beats" in json.loads(messages[0])["text"]
    assert read_video(film.video).shape[0] == board.shots[0].frames
    again = run.resume(tmp_path / "run")
    assert isinstance(again, Film)
    assert again.shots[0].take.clip == shot.take.clip


def test_a_model_that_cannot_share_keys_and_values_says_so(tmp_path: Path) -> None:
    model = mochi.build(tmp_path / "m")
    with pytest.raises(Exception, match=r"cannot share keys and values.*kv_sharing\.layers=0"):
        _film(tmp_path / "run", str(model), **{"generator.long.overlap": 7, "film.size": "64x32"})


def test_kv_sharing_and_blend_width_are_options_in_yaml(tmp_path: Path) -> None:
    graph = load_graph("ditctrl")
    assert graph.settings["generator.long.overlap"] == 9
    assert graph.settings["generator.long.kv_sharing.layers"] == 0.2
    bad = graph.text.replace("kv_sharing.layers", "kv_sharing.layer")
    (tmp_path / "mine.yaml").write_text(bad, encoding="utf-8")
    with pytest.raises(GraphError, match=r"kv_sharing\.layers"):
        load_graph(tmp_path / "mine.yaml")


@pytest.mark.long
@pytest.mark.skipif(not builtin.folder().is_dir(), reason="the built-in weights are not there")
def test_the_join_is_smoother_than_a_hard_cut_on_the_built_in_model(tmp_path: Path) -> None:
    steps = {"generator.steps": 6}
    film = _film(tmp_path / "joined", "builtin", **steps)
    first = film.shots[0].take.layout.frames - 17
    clip = read_video(film.video)
    cut = run.film(SCRIPT, out=tmp_path / "cut", graph="video-msg", settings=steps)
    assert isinstance(cut, Film)
    hard = read_video(cut.video)
    at = read_video(tmp_path / "cut" / cut.shots[0].take.clip.video.path).shape[0]
    # What moves jumps too; see tests/generators/test_sharing.py for things that stand still.
    assert jumps(clip)[first - 6 : first + 5].max() < 0.75 * jumps(hard)[at - 1]
    near = slice(at - 8, at + 8)
    assert cscv(clip[first - 8 : first + 8]) > cscv(hard[near])
    assert np.isfinite(cscv(clip))
