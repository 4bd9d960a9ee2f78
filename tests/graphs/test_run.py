"""Runs, filmed by `still` (the sketch itself), which needs no model and no time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reelwright_core.errors import (
    GraphError,
    InputError,
    LockedError,
    ModelError,
    RunFolderError,
    ScriptError,
    StoryboardError,
)
from reelwright_core.files import locked
from reelwright_core.records import file_digest
from reelwright_core.storyboards import read_storyboard, write_storyboard
from reelwright_core.takes import Film
from reelwright_core.video import read_video, video_facts
from reelwright_graphs import run
from reelwright_graphs.events import Event
from reelwright_graphs.graph_file import load_graph

SCRIPT = "A red car drives from left to right on a beach. Two dogs jump. A blue ball falls."
STILL = {"generator.model": "still", "critic.threshold": 0.0}
ROOT = Path(__file__).parents[2]


def film(source: Any, out: Path, **more: Any) -> Film:
    settings: Mapping[str, Any] = {**STILL, **more.pop("settings", {})}
    done = run.film(source, out=out, settings=settings, **more)
    assert isinstance(done, Film)
    return done


def stages(events: list[Event], kind: str) -> list[tuple[str | None, str | None]]:
    return [(event.shot, event.stage) for event in events if event.kind == kind]


def edited(out: Path, change: Callable[[Any], Any]) -> None:
    file = out / "storyboard.yaml"
    write_storyboard(file, change(read_storyboard(file)))


def test_a_script_becomes_a_film_with_all_its_papers(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = film(SCRIPT, out)
    assert [shot.shot for shot in done.shots] == ["s01", "s02", "s03"]
    assert video_facts(done.video)[0] == done.frames == sum(s.frames for s in done.storyboard.shots)
    for name in ("film.mp4", "contact-sheet.png", "report.html", "storyboard.yaml", "run.yaml",
                 "events.jsonl", "checkpoints.sqlite", "graphs/story.yaml",
                 "graphs/shot.yaml"):  # fmt: skip
        assert (out / name).stat().st_size > 0, name
    for name in ("prompt.txt", "scene.json", "layout.json", "sketch.mp4", "masks.npz",
                 "background.png", "noise.json", "clip.mp4", "critique.json",
                 "provenance.json"):  # fmt: skip
        assert (out / "shots/s02/take-1" / name).stat().st_size > 0, name
    assert not list(out.rglob("*.tmp-*"))
    clips = [read_video(out / f"shots/{shot.shot}/take-1/clip.mp4") for shot in done.shots]
    cut = read_video(done.video)
    assert (cut == [frame for clip in clips for frame in clip]).all()


def test_the_same_script_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = film(SCRIPT, tmp_path / "a"), film(SCRIPT, tmp_path / "b")
    assert file_digest(first.video) == file_digest(second.video)


def test_a_second_run_in_the_same_folder_makes_nothing_again(tmp_path: Path) -> None:
    film(SCRIPT, tmp_path / "run")
    clip = tmp_path / "run/shots/s01/take-1/clip.mp4"
    before, events = clip.stat().st_mtime_ns, list[Event]()
    film(SCRIPT, tmp_path / "run", on_event=events.append)
    assert clip.stat().st_mtime_ns == before
    assert not {"film", "sketch", "cut", "report"} & {s for _, s in stages(events, "stage started")}


def test_editing_one_shot_remakes_that_shot_and_the_film(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = film(SCRIPT, out)

    def change(board: Any) -> Any:
        shots = list(board.shots)
        shots[1] = shots[1].model_copy(update={"place": "snow"})
        return board.model_copy(update={"shots": shots})

    edited(out, change)
    events: list[Event] = []
    after = run.resume(out, on_event=events.append)
    filmed = {shot for shot, stage in stages(events, "stage started") if stage == "film"}
    assert filmed == {"s02"}
    assert file_digest(out / "film.mp4") != before.shots[0].take.clip.video.sha256
    assert after.shots[0].take.clip == before.shots[0].take.clip
    assert after.shots[1].take.clip != before.shots[1].take.clip


def test_an_edit_that_is_taken_back_finds_the_old_takes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    film(SCRIPT, out)
    original = (out / "storyboard.yaml").read_bytes()
    film_before = file_digest(out / "film.mp4")

    def change(board: Any) -> Any:
        shots = [shot.model_copy(update={"place": "snow"}) for shot in board.shots]
        return board.model_copy(update={"shots": shots})

    edited(out, change)
    run.resume(out)
    assert file_digest(out / "film.mp4") != film_before
    (out / "storyboard.yaml").write_bytes(original)
    events: list[Event] = []
    run.resume(out, on_event=events.append)
    assert file_digest(out / "film.mp4") == film_before
    assert "film" not in {stage for _, stage in stages(events, "stage started")}


def test_changed_dialogue_changes_subtitles_and_films_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    script = tmp_path / "s.fountain"
    script.write_text("EXT. BEACH - DAY\n\nA dog jumps.\n\nANNA\nGood dog.\n", encoding="utf-8")
    film(script, out)
    assert "Good dog." in (out / "film.srt").read_text(encoding="utf-8")
    board = out / "storyboard.yaml"
    board.write_text(board.read_text().replace("Good dog.", "Bad dog."), encoding="utf-8")
    events: list[Event] = []
    run.resume(out, on_event=events.append)
    assert "Bad dog." in (out / "film.srt").read_text(encoding="utf-8")
    assert "film" not in {stage for _, stage in stages(events, "stage started")}


DAMAGES: list[Callable[[Path], object]] = [
    lambda out: (out / "checkpoints.sqlite").write_bytes(b"no database"),
    lambda out: (out / "checkpoints.sqlite").unlink(),
    lambda out: os.truncate(out / "checkpoints.sqlite", 5000),
    lambda out: (out / "shots/s01/take-1/clip.mp4").unlink(),
    lambda out: shutil.rmtree(out / "shots"),
    lambda out: (out / "film.mp4").unlink(),
    lambda out: (out / "film.mp4").write_bytes(b"torn"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_lost_or_broken_is_mended_from_the_store(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    out = tmp_path / "run"
    film(SCRIPT, out)
    before = file_digest(out / "film.mp4")
    damage(out)
    run.resume(out)
    assert file_digest(out / "film.mp4") == before
    assert (out / "shots/s01/take-1/clip.mp4").exists()


def test_a_bit_flip_in_a_stored_clip_is_found_and_only_that_shot_filmed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = film(SCRIPT, out)
    clip = out / done.shots[1].take.clip.video.path
    content = bytearray(clip.read_bytes())
    content[len(content) // 2] ^= 1
    with clip.open("r+b") as file:
        file.write(content)
    events: list[Event] = []
    again = run.resume(out, on_event=events.append)
    assert {s for s, stage in stages(events, "stage started") if stage == "film"} == {"s02"}
    assert again.shots[1].take.clip == done.shots[1].take.clip


def test_review_stops_with_the_storyboard_and_resume_films_the_edited_one(tmp_path: Path) -> None:
    out = tmp_path / "run"
    waiting = run.film(SCRIPT, out=out, settings=STILL, review=True)
    assert isinstance(waiting, run.Reviewing)
    assert waiting.storyboard.exists()
    assert not (out / "shots").exists()
    edited(out, lambda board: board.model_copy(update={"shots": board.shots[:1]}))
    assert len(run.resume(out).shots) == 1


def test_review_goes_on_without_an_edit(tmp_path: Path) -> None:
    run.film(SCRIPT, out=tmp_path / "run", settings=STILL, review=True)
    assert len(run.resume(tmp_path / "run").shots) == 3


def test_a_storyboard_is_filmed_as_it_stands(tmp_path: Path) -> None:
    first = film(SCRIPT, tmp_path / "a")
    board = first.storyboard.model_copy(update={"shots": first.storyboard.shots[:2]})
    write_storyboard(tmp_path / "board.yaml", board)
    assert film(tmp_path / "board.yaml", tmp_path / "b").storyboard == board
    assert film(board, tmp_path / "c").storyboard == board


def test_a_folder_of_another_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "run"
    film(SCRIPT, out)
    before = file_digest(out / "film.mp4")
    with pytest.raises(RunFolderError, match="another script"):
        film("A cat jumps.", out)
    with pytest.raises(RunFolderError, match="another script"):
        film(SCRIPT, out, seed=5)
    assert file_digest(out / "film.mp4") == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="not empty"):
        film(SCRIPT, mine)
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]


def test_two_processes_cannot_film_into_one_folder(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "run"),
        pytest.raises(LockedError, match=f"in use by process {os.getpid()}"),
    ):
        film(SCRIPT, tmp_path / "run")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("", ScriptError),
        ("   \n \n", ScriptError),
        (Path("nowhere.txt"), InputError),
        (Path("nowhere.yaml"), StoryboardError),
    ],
)
def test_bad_sources_write_nothing(
    tmp_path: Path, source: str | Path, error: type[Exception]
) -> None:
    with pytest.raises(error):
        film(source, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_model_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        film(SCRIPT, tmp_path / "run", settings={"generator.model": "/nowhere"})
    assert not (tmp_path / "run").exists()


def test_an_unknown_graph_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(GraphError):
        film(SCRIPT, tmp_path / "run", graph="nothing")
    with pytest.raises(GraphError, match="a graph for each shot"):
        film(SCRIPT, tmp_path / "run", graph="shot")
    assert not (tmp_path / "run").exists()


def test_a_wrong_storyboard_edit_tells_the_line_and_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    film(SCRIPT, out)
    board = out / "storyboard.yaml"
    text = board.read_text(encoding="utf-8")
    board.write_text(text.replace("prompt:", "promt:", 1), encoding="utf-8")
    with pytest.raises(StoryboardError, match="did you mean `prompt`"):
        run.resume(out)
    board.write_text(text, encoding="utf-8")
    assert run.resume(out).video.exists()


def test_a_lost_storyboard_is_planned_again_or_asked_for(tmp_path: Path) -> None:
    planned = film(SCRIPT, tmp_path / "planned")
    given = film(planned.storyboard, tmp_path / "given")
    for done in (planned, given):
        (done.run / "storyboard.yaml").unlink()
    assert run.resume(planned.run).storyboard == planned.storyboard
    with pytest.raises(RunFolderError, match=r"storyboard\.yaml is gone"):
        run.resume(given.run)


# Graphs edited as a user would edit them.


def mine(tmp_path: Path, old: str, new: str) -> Path:
    folder = tmp_path / "graphs"
    folder.mkdir(exist_ok=True)
    shot = load_graph("shot").text
    assert old in shot
    (folder / "shot.yaml").write_text(shot.replace(old, new), encoding="utf-8")
    (folder / "story.yaml").write_text(load_graph("story").text, encoding="utf-8")
    return folder / "story.yaml"


HARD = {"critic.threshold": 1.0}


def test_a_graph_with_its_own_threshold(tmp_path: Path) -> None:
    graph = mine(tmp_path, "{use: watch}", "{use: watch, options: {threshold: 0.0}}")
    done = film(SCRIPT, tmp_path / "run", graph=graph, settings=HARD)
    assert [len(shot.takes) for shot in done.shots] == [1, 1, 1]


def test_a_graph_with_one_take_only(tmp_path: Path) -> None:
    graph = mine(tmp_path, "{use: verify}", "{use: verify, options: {takes: 1}}")
    done = film(SCRIPT, tmp_path / "run", graph=graph, settings=HARD)
    assert [len(shot.takes) for shot in done.shots] == [1, 1, 1]


def test_a_graph_with_the_critique_cut_out(tmp_path: Path) -> None:
    folder = mine(tmp_path, "use: layout", "use: layout").parent
    text = load_graph("shot").text
    for gone in ("watch", "verify", "route", "specialist", "structure", "at_most: 140"):
        text = "\n".join(line for line in text.splitlines() if gone not in line) + "\n"
    text = text.replace("  - choose -> end", "  - film -> choose\n  - choose -> end")
    (folder / "shot.yaml").write_text(text, encoding="utf-8")
    done = film(SCRIPT, tmp_path / "run", graph=folder / "story.yaml")
    assert all(len(shot.takes) == 1 and shot.take.critique is None for shot in done.shots)


def test_settings_in_a_graph_hold_unless_told_otherwise(tmp_path: Path) -> None:
    graph = mine(tmp_path, "use: layout", "use: layout")
    graph.write_text(graph.read_text() + "settings: {takes.max: 1, critic.threshold: 1.0}\n")
    only = {"generator.model": "still"}
    done = run.film(SCRIPT, out=tmp_path / "run", graph=graph, settings=only)
    assert isinstance(done, Film)
    assert [len(shot.takes) for shot in done.shots] == [1, 1, 1]


def test_a_plug_in_node_runs(tmp_path: Path) -> None:
    site = tmp_path / "site"
    plugin = shutil.copytree(ROOT / "examples/sepia_plugin", tmp_path / "plugin")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index",
         "--no-build-isolation", "--target", str(site), str(plugin)],
        check=True, capture_output=True,
    )  # fmt: skip
    (plugin / "script.txt").write_text("A red ball falls on a beach.", encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "reelwright", "film", "script.txt", "--graph", "sepia.yaml",
         "--out", "run", "--set", "generator.model=still", "--json"],
        cwd=plugin, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["frames"] == 17
    frames = read_video(plugin / "run/shots/s01/take-1/sepia.mp4").astype(int)
    assert (frames[..., 0] >= frames[..., 2]).mean() > 0.95
    assert (read_video(plugin / "run/film.mp4") == frames).all()


def test_a_login_in_an_endpoint_s_address_reaches_no_file(tmp_path: Path) -> None:
    address = "http://someone:canary@127.0.0.1:9/v1"
    film(SCRIPT, tmp_path / "run", settings={"endpoint.base_url": address})
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes(), path
