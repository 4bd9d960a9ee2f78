"""VideoDirectorGPT, VideoDrafter and Vlogger as graphs: plans with boxes, looks and many shots."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reelwright_core.records import file_digest
from reelwright_core.story import Storyboard
from reelwright_core.storyboards import read_storyboard, write_storyboard
from reelwright_core.takes import Film
from reelwright_core.video import read_video, video_facts
from reelwright_graphs import run
from reelwright_graphs.events import Event
from reelwright_graphs.message_log import read_messages

STORY = (
    "A red car drives to the right on a road. The red car stops on the road. "
    "A dog jumps on a beach. The red car drives to the left on the beach."
)
STILL = {"generator.model": "still", "film.size": "96x64", "film.frames": 9}


def film(source: Any, out: Path, graph: Any, **more: Any) -> Film:
    settings = {**STILL, **more.pop("settings", {})}
    done = run.film(source, out=out, graph=graph, settings=settings, **more)
    assert isinstance(done, Film)
    return done


def filmed(events: list[Event]) -> set[str | None]:
    return {e.shot for e in events if (e.kind, e.stage) == ("stage started", "film")}


def resumed(out: Path) -> set[str | None]:
    """The shots that are filmed when the run goes on."""
    events: list[Event] = []
    run.resume(out, on_event=events.append)
    return filmed(events)


def shots_of(board: Storyboard, entity: str) -> list[str]:
    return [s.id for s in board.shots if entity in {e.id for e in s.scene_graph.entities}]


def provenance(out: Path, shot: str) -> dict[str, Any]:
    return json.loads((out / f"shots/{shot}/take-1/provenance.json").read_bytes())


# VideoDirectorGPT


def test_the_plan_has_scenes_boxes_backgrounds_and_consistency_groups(tmp_path: Path) -> None:
    out = tmp_path / "run"
    film(STORY, out, "videodirectorgpt")
    board = read_storyboard(out / "storyboard.yaml")
    assert all(shot.scene and shot.prompt and shot.place for shot in board.shots)
    for shot in board.shots:
        assert shot.layout is not None
        tracks = {track.entity for track in shot.layout.tracks}
        assert tracks == {entity.id for entity in shot.scene_graph.entities}
        assert all(2 <= len(track.keyframes) <= 9 for track in shot.layout.tracks)
    groups = {identity.of: identity.shots for identity in board.story.identities}
    assert groups["red-car"] == shots_of(board, "red-car")
    assert groups["dog"] == shots_of(board, "dog")
    assert len(groups["red-car"]) >= 2
    for place in ("road", "beach"):
        assert groups[place] == [shot.id for shot in board.shots if shot.place == place]
    told = [provenance(out, shot)["looks"]["sketched"] for shot in groups["red-car"]]
    assert len({looks["red-car"] for looks in told}) == 1
    assert told[0]["red-car"] == file_digest(out / "looks/red-car.png")


def test_editing_the_boxes_of_one_scene_makes_only_it_again(tmp_path: Path) -> None:
    out = tmp_path / "run"
    film(STORY, out, "videodirectorgpt")
    board = read_storyboard(out / "storyboard.yaml")
    shots = list(board.shots)
    layout = shots[1].layout
    assert layout is not None
    [track] = layout.tracks
    keys = [
        key.model_copy(update={"box": (0.05, 0.5, 0.35, 0.8), "frame": key.frame})
        for key in track.keyframes
    ]
    moved = layout.model_copy(update={"tracks": [track.model_copy(update={"keyframes": keys})]})
    shots[1] = shots[1].model_copy(update={"layout": moved})
    write_storyboard(out / "storyboard.yaml", board.model_copy(update={"shots": shots}))
    assert resumed(out) == {shots[1].id}
    assert read_storyboard(out / "storyboard.yaml").shots[1].layout == moved
    frame = read_video(out / f"shots/{shots[1].id}/take-1/clip.mp4")[0].astype(int)
    red = np.argwhere(frame[..., 0] - frame[..., 2] > 90)
    assert red[:, 1].max() < 0.4 * frame.shape[1]


def test_entities_of_one_group_share_the_picture_and_others_do_not(tmp_path: Path) -> None:
    out = tmp_path / "run"
    film(STORY, out, "videodirectorgpt")
    board = read_storyboard(out / "storyboard.yaml")
    cars = shots_of(board, "red-car")
    kept = [
        identity.model_copy(update={"shots": cars[:1]}) if identity.of == "red-car" else identity
        for identity in board.story.identities
    ]
    story = board.story.model_copy(update={"identities": kept})
    write_storyboard(out / "storyboard.yaml", board.model_copy(update={"story": story}))
    green(out / "looks/red-car.png")
    assert resumed(out) == {cars[0]}  # the others look as the cut-out set has it, as before
    assert greenness(out, cars[0]) > 0.02
    assert greenness(out, cars[1]) < 0.005


def green(path: Path) -> None:
    """Another picture of the same shape: all of it green."""
    with Image.open(path) as picture:
        pixels = np.array(picture.convert("RGBA"))
    pixels[..., :3] = (20, 200, 40)
    path.unlink()
    Image.fromarray(pixels).save(path)


def greenness(out: Path, shot: str) -> float:
    frames = read_video(out / f"shots/{shot}/take-1/clip.mp4").astype(int)
    return float(((frames[..., 1] - frames[..., 0] > 100) & (frames[..., 2] < 110)).mean())


# VideoDrafter

FILM = """
import json, sys
from fractions import Fraction
import av, numpy as np

told = json.load(open(sys.argv[1]))
with open(__file__ + ".jsonl", "a") as log:
    log.write(json.dumps([each["entity"] for each in told["references"]]) + "\\n")
picture = np.full((told["height"], told["width"], 3), 90, np.uint8)
with av.open(told["clip"], "w", format="mp4") as clip:
    stream = clip.add_stream("libx264", rate=Fraction(*told["fps_exact"]))
    stream.width, stream.height, stream.pix_fmt = told["width"], told["height"], "yuv420p"
    for _ in range(told["frames"]):
        clip.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    clip.mux(stream.encode(None))
"""


def test_each_entity_and_place_has_a_picture_and_each_scene_a_camera_move(tmp_path: Path) -> None:
    out = tmp_path / "run"
    film(STORY, out, "videodrafter")
    board = read_storyboard(out / "storyboard.yaml")
    for of in ("red-car", "dog", "road", "beach"):
        with Image.open(out / f"looks/{of}.png") as picture:
            assert picture.mode == ("RGB" if of in ("road", "beach") else "RGBA")
    for scene in {shot.scene for shot in board.shots}:
        assert len({shot.camera for shot in board.shots if shot.scene == scene}) == 1
    assert [m.author for m in read_messages(out)].count("art department") == 1


def test_clips_receive_the_reference_pictures(tmp_path: Path) -> None:
    (tmp_path / "film.py").write_text(FILM)
    profile = {"size": [96, 64], "frames": 9, "fps": 8, "can": ["text", "references", "seeds"]}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    log = tmp_path / "film.py.jsonl"
    command = shlex.join([sys.executable, str(tmp_path / "film.py")])
    settings = {
        "generator.model": "command",
        "generator.outside.command": command,
        "generator.outside.profile": str(tmp_path / "profile.json"),
        "generator.noise.level": 1.0,
    }
    done = film(STORY, tmp_path / "run", "videodrafter", settings=settings)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    wanted = [
        sorted({*(e.id for e in shot.scene_graph.entities), shot.place})
        for shot in done.storyboard.shots
    ]
    assert sorted(sorted(call) for call in calls) == sorted(wanted)
    for shot in done.storyboard.shots:
        shown = {each["of"] for each in provenance(done.run, shot.id)["looks"]["shown"]}
        assert shown == {*(e.id for e in shot.scene_graph.entities), shot.place}
    before = len(calls)
    green(done.run / "looks/dog.png")
    run.resume(done.run)
    assert len(log.read_text().splitlines()) == before + len(shots_of(done.storyboard, "dog"))


def test_replacing_a_picture_makes_only_the_shots_again_that_use_it(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = film(STORY, out, "videodrafter")
    cars = shots_of(done.storyboard, "red-car")
    assert 0 < len(cars) < len(done.storyboard.shots)
    green(out / "looks/red-car.png")
    assert resumed(out) == set(cars)
    assert all(greenness(out, shot) > 0.02 for shot in cars)
    Image.new("RGB", (96, 64), (10, 10, 120)).save(out / "looks/road.png")
    roads = {shot.id for shot in done.storyboard.shots if shot.place == "road"}
    assert resumed(out) == roads


# Vlogger

MANY = " ".join(
    f"A {colour} {thing} {does} on a beach."
    for colour in ("red", "blue", "green")
    for thing, does in (("car", "drives to the right"), ("ball", "bounces"), ("boat", "stands"))
)


def test_one_story_becomes_a_script_a_cast_a_shot_list_and_a_film(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = film(MANY, out, "vlogger")
    board = read_storyboard(out / "storyboard.yaml")
    assert len(board.shots) == 9
    assert len(board.story.cast) == 9
    for shot in board.shots:
        acts = {e.frames.first for e in shot.scene_graph.events if e.action != "stays"}
        assert len(acts) <= 1
        assert 8 <= shot.seconds <= 10
        assert shot.seconds.denominator == 1
    frames, fps, _ = video_facts(done.video)
    assert frames == sum(shot.frames for shot in board.shots)
    assert frames / fps >= 72
    assert {identity.of for identity in board.story.identities} == {
        *(entity.id for entity in board.story.cast), "beach"
    }  # fmt: skip


@pytest.mark.long
def test_one_command_makes_a_film_of_more_than_five_minutes_of_one_story(tmp_path: Path) -> None:
    story = Path(__file__).parents[2] / "examples" / "vlog.txt"
    settings = {"generator.model": "still", "film.size": "32x32", "critic.threshold": 0.0}
    done = run.film(story, out=tmp_path / "run", graph="vlogger", settings=settings)
    assert isinstance(done, Film)
    frames, fps, _ = video_facts(done.video)
    assert frames / fps > 300
    assert frames == sum(shot.frames for shot in done.storyboard.shots)


def test_a_vlog_killed_again_and_again_goes_on_to_the_same_film(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text(MANY, encoding="utf-8")
    whole = film(tmp_path / "story.txt", tmp_path / "whole", "vlogger")
    arguments = ["film", "story.txt", "--graph", "vlogger", "--out", "run"]
    for name, value in STILL.items():
        arguments += ["--set", f"{name}={value}"]
    events = tmp_path / "run" / "events.jsonl"
    made: dict[Path, int] = {}
    for lines in (8, 40, 80):
        process = subprocess.Popen(
            [sys.executable, "-m", "reelwright", *arguments],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        while process.poll() is None:
            if events.exists() and len(events.read_bytes().splitlines()) >= lines:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.002)
        for clip, made_at in made.items():
            assert clip.stat().st_mtime_ns == made_at, f"{clip} was made again"
        done = [path.parent for path in (tmp_path / "run").glob("shots/*/result.json")]
        made = {d / "take-1/clip.mp4": (d / "take-1/clip.mp4").stat().st_mtime_ns for d in done}
    run.resume(tmp_path / "run")
    assert file_digest(tmp_path / "run/film.mp4") == file_digest(whole.video)


MEASURED = """
import resource, sys
from reelwright_graphs import run

run.film(open(sys.argv[1]).read(), out=__import__("pathlib").Path(sys.argv[2]), graph="vlogger",
         settings={"generator.model": "still", "film.size": "96x64"})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(tmp_path: Path, shots: int, words: Callable[[int], str]) -> int:
    """The most memory, in kB, that a process used which made a film of so many shots."""
    story = tmp_path / f"{shots}.txt"
    story.write_text(" ".join(words(number) for number in range(shots)), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, str(story), str(tmp_path / str(shots))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    film = tmp_path / str(shots) / "film.mp4"
    assert video_facts(film)[0] == 64 * shots
    return int(told.stdout.split()[-1])


@pytest.mark.long
def test_memory_hardly_grows_with_the_number_of_shots(tmp_path: Path) -> None:
    """Filming holds no shot that is finished; contact sheet and report are larger pages."""
    things = ("car", "ball", "boat", "dog", "cat")

    def words(number: int) -> str:
        return f"A {things[number % 5]} stands on a {('beach', 'road')[number // 5 % 2]}."

    few, many = peak(tmp_path, 10, words), peak(tmp_path, 60, words)
    assert (many - few) / 50 < 0.01 * few, (few, many)
