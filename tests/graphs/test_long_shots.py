"""A storyboard's shot may be longer than the model's clips, and change its prompt on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.records import file_digest
from reelwright_core.story import Beat, Entity, FrameSpan, SceneGraph, Shot, Story, Storyboard
from reelwright_core.story import Event as Happening
from reelwright_core.takes import Film
from reelwright_core.video import read_video, video_facts
from reelwright_generators.long import WindowFolder
from reelwright_graphs import run
from reelwright_graphs.events import Event


class Halted(Exception):
    """Stops a run from outside."""


CAR = SceneGraph(
    entities=[Entity(id="red-car", noun="car", colour="red")],
    events=[
        Happening(
            actor="red-car", action="moves", direction="right", frames=FrameSpan(first=0, last=20)
        )
    ],
)
BOARD = Storyboard(
    story=Story(title="Long"),
    shots=[
        Shot(
            id="s01",
            prompt="a red car drives from left to right along the beach",
            place="beach",
            size=(64, 32),
            frames=21,
            scene_graph=CAR,
        )
    ],
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Wan whose clips have 9 frames."""
    from reelwright_generators.tiny.wan import build

    return build(tmp_path_factory.mktemp("wan"), geometry="flat")


def _film(board: Storyboard, out: Path, model: Path, **more: Any) -> Film:
    settings = {"generator.model": str(model), "generator.steps": 4, "critic.threshold": 0.0}
    done = run.film(board, out=out, settings=settings | more.pop("settings", {}), **more)
    assert isinstance(done, Film)
    return done


def _told(out: Path) -> dict[str, Any]:
    return json.loads((out / "shots/s01/take-1/provenance.json").read_text())


def test_a_long_shot_is_filmed_in_windows_and_found_again(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "run"
    done = _film(BOARD, out, model)
    assert video_facts(done.video)[0] == 21
    windows = _told(out)["windows"]
    assert windows["way"] == "kept frames"
    assert [(each["first"], each.get("kept")) for each in windows["each"]] == [
        (0, None), (6, 3), (12, 3),
    ]  # fmt: skip
    assert any("filmed in 3 windows of 9 frames" in each for each in _told(out)["warnings"])
    assert not list((out / "store/windows").glob("*"))
    events: list[Event] = []
    _film(BOARD, out, model, on_event=events.append)
    assert "film" not in {event.stage for event in events if event.kind == "stage started"}


def test_it_follows_the_whole_sketch(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "run"
    _film(BOARD, out, model, settings={"generator.noise.level": 0.05})
    take = out / "shots/s01/take-1"
    clip, sketch = read_video(take / "clip.mp4"), read_video(take / "sketch.mp4")
    apart = np.abs(clip[:, None].astype(int) - sketch[None]).mean((2, 3, 4))
    assert apart.diagonal().mean() < apart.mean()


def test_a_stopped_long_shot_goes_on_with_its_next_window(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _film(BOARD, tmp_path / "whole", model)
    out = tmp_path / "run"

    def stop(event: Event) -> None:
        if event.kind == "step" and event.details["step"] > 6:
            raise Halted

    with pytest.raises(Halted):
        _film(BOARD, out, model, on_event=stop)
    (kept,) = (out / "store/windows").iterdir()
    assert WindowFolder(kept).find(0) is not None

    events: list[Event] = []
    again = _film(BOARD, out, model, on_event=events.append)
    steps = [event.details["step"] for event in events if event.kind == "step"]
    assert min(steps) > 2
    assert file_digest(again.video) == file_digest(whole.video)


def test_a_shot_with_beats_changes_its_prompt(tmp_path: Path, model: Path) -> None:
    (shot,) = BOARD.shots
    beats = [Beat(first=11, prompt="the beach from right")]
    board = BOARD.model_copy(update={"shots": [shot.model_copy(update={"beats": beats})]})
    out = tmp_path / "run"
    _film(board, out, model)
    each = _told(out)["windows"]["each"]
    assert [window.get("prompt") for window in each][-1] == "the beach from right"
    assert any("joined" in window for window in each)
    assert (
        "beats:\n      - {first: 11, prompt: the beach from right}"
        in (out / "storyboard.yaml").read_text()
    )
