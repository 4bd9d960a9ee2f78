"""What a storyboard says of looks reaches the model in every shot, and changes nothing else."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from reelwright_core.errors import InputError
from reelwright_core.story import Entity, Identity, SceneGraph, Shot, Story, Storyboard
from reelwright_core.storyboards import write_storyboard
from reelwright_core.takes import Film
from reelwright_core.video import read_video
from reelwright_graphs import run
from reelwright_graphs.events import Event

FILM = """
import json, sys
from fractions import Fraction
import av, numpy as np

told = json.load(open(sys.argv[1]))
shown = [np.asarray(av.open(each["picture"]).decode(video=0).__next__().to_ndarray(format="rgb24"))
         for each in told["references"]]
picture = np.zeros((told["height"], told["width"], 3), np.uint8)
if shown:
    picture[:] = shown[0].mean((0, 1)).round()
with av.open(told["clip"], "w", format="mp4") as clip:
    stream = clip.add_stream("libx264", rate=Fraction(*told["fps_exact"]))
    stream.width, stream.height, stream.pix_fmt = told["width"], told["height"], "yuv420p"
    for _ in range(told["frames"]):
        clip.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    clip.mux(stream.encode(None))
"""
BOARD = Storyboard(
    story=Story(
        title="Two", identities=[Identity(of="red-car", references=["looks/car.png"])]
    ),
    shots=[
        Shot(id="s01", prompt="a red car stands", size=(64, 32), frames=5, scene_graph=SceneGraph(
            entities=[Entity(id="red-car", noun="car", colour="red")])),
        Shot(id="s02", prompt="a dog stands", size=(64, 32), frames=5, scene_graph=SceneGraph(
            entities=[Entity(id="dog", noun="dog")])),
    ],
)  # fmt: skip


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A storyboard beside its pictures, and a program that films what it is shown."""
    (tmp_path / "looks").mkdir()
    Image.new("RGB", (20, 10), (200, 40, 90)).save(tmp_path / "looks/car.png")
    write_storyboard(tmp_path / "board.yaml", BOARD)
    (tmp_path / "film.py").write_text(FILM)
    (tmp_path / "profile.json").write_text(
        json.dumps(
            {"size": [64, 32], "frames": 5, "fps": 8, "can": ["text", "references", "seeds"]}
        )
    )
    return tmp_path / "board.yaml"


def _film(board: Path, **more: Any) -> Film:
    command = shlex.join([sys.executable, str(board.parent / "film.py")])
    settings = {
        "generator.model": "command",
        "generator.outside.command": command,
        "generator.outside.profile": str(board.parent / "profile.json"),
        "generator.noise.level": 1.0,
        "critic.threshold": 0.0,
    }
    out = board.parent / "run"
    done = run.film(board, out=out, settings=settings | more.pop("settings", {}), **more)
    assert isinstance(done, Film)
    return done


def _colour(run: Path, shot: str) -> np.ndarray[Any, Any]:
    return read_video(run / f"shots/{shot}/take-1/clip.mp4").mean((0, 1, 2))


def test_a_reference_is_shown_in_the_shots_of_its_entity(board: Path) -> None:
    done = _film(board)
    assert np.abs(_colour(done.run, "s01") - (200, 40, 90)).max() < 4
    assert _colour(done.run, "s02").max() < 4
    assert (done.run / "looks/car.png").read_bytes() == (
        board.parent / "looks/car.png"
    ).read_bytes()


def test_another_picture_makes_only_its_shots_again(board: Path) -> None:
    done = _film(board)
    Image.new("RGB", (20, 10), (20, 140, 90)).save(done.run / "looks/car.png")
    events: list[Event] = []
    run.resume(done.run, on_event=events.append)
    again = {
        event.shot for event in events if (event.kind, event.stage) == ("stage started", "film")
    }
    assert again == {"s01"}
    assert np.abs(_colour(done.run, "s01") - (20, 140, 90)).max() < 4


def test_a_model_that_cannot_be_shown_pictures_films_without_them_and_says_so(board: Path) -> None:
    events: list[Event] = []
    _film(board, settings={"generator.model": "still"}, on_event=events.append)
    said = [(event.shot, event.text) for event in events if "reference" in event.text]
    assert said == [
        ("s01", "still cannot use the reference pictures of 'red-car': they are left out")
    ]


def test_unfit_files_are_refused_before_anything_is_made(board: Path) -> None:
    picture = board.parent / "looks/car.png"
    picture.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"car.png is not a PNG, JPEG or WebP"):
        _film(board)
    picture.unlink()
    with pytest.raises(InputError, match=r"`identities` of 'red-car': looks/car.png is not there"):
        _film(board)
    outside = board.parent.parent / "outside.png"
    Image.new("RGB", (4, 4)).save(outside)
    picture.symlink_to(outside)
    with pytest.raises(InputError, match="leads out of the storyboard's folder"):
        _film(board)
    assert not (board.parent / "run").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "../car.png", "a//b.png", "C:\\car.png", "./a"])
def test_paths_stay_beside_the_storyboard(path: str) -> None:
    with pytest.raises(ValidationError, match="in the storyboard's folder"):
        Identity(of="dog", references=[path])


def test_identities_are_of_those_who_are_seen_and_each_once() -> None:
    def story(*of: str) -> Story:
        return Story(identities=[Identity(of=name) for name in of])

    with pytest.raises(ValidationError, match=r"called 'cat'; there are: dog, plain, red-car"):
        Storyboard(story=story("cat"), shots=BOARD.shots)
    with pytest.raises(ValidationError, match="'dog' has two `identities`"):
        story("dog", "dog")
    assert Storyboard(story=story("plain"), shots=BOARD.shots)
