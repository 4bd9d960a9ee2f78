"""A shot may begin with the last frame of an earlier one, which it waits for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.errors import ModelError
from reelwright_core.story import Entity, SceneGraph, Shot, Storyboard
from reelwright_core.takes import Film
from reelwright_core.video import Frames, read_video
from reelwright_graphs import run


def _shot(id: str, **more: Any) -> Shot:
    return Shot(
        id=id, prompt=f"a red car drives along the beach {id}", place="beach", size=(64, 32),
        frames=9, scene_graph=SceneGraph(entities=[Entity(id="car", noun="car", colour="red")]),
        **more,
    )  # fmt: skip


BOARD = Storyboard(shots=[_shot("s01"), _shot("s02", continues="s01"), _shot("s03")])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Wan whose clips have 9 frames."""
    from reelwright_generators.tiny.wan import build

    return build(tmp_path_factory.mktemp("wan"), geometry="flat")


def _film(board: Storyboard, out: Path, model: Path | str, **settings: Any) -> Film:
    told = {"generator.model": str(model), "critic.threshold": 0.0, "takes.max": 1}
    done = run.film(board, out=out, settings=told | settings)
    assert isinstance(done, Film)
    return done


def _clip(out: Path, id: str) -> Frames:
    return read_video(out / f"shots/{id}/take-1/clip.mp4")


def _apart(out: Path, id: str) -> float:
    """How far the first frame of a shot is from the last one of s01, in 1/255."""
    first, last = _clip(out, id)[0].astype(float), _clip(out, "s01")[-1].astype(float)
    return float(np.abs(first - last).mean())


@pytest.mark.parametrize("level", [0.6, 1.0])
def test_a_shot_begins_where_the_one_it_continues_ended(
    tmp_path: Path, model: Path, level: float
) -> None:
    out = tmp_path / "run"
    settings = {"generator.steps": 4, "generator.noise.level": level}
    done = _film(BOARD, out, model, **settings)
    assert _apart(out, "s02") < 0.4 * _apart(out, "s03")
    told = json.loads((out / "shots/s02/take-1/provenance.json").read_text())
    assert told["continues"] == {
        "shot": "s01", "clip": done.shots[0].take.clip.video.sha256,
    }  # fmt: skip
    before = [_clip(out, id) for id in ("s01", "s02", "s03")]
    _film(BOARD, out, model, **settings)
    assert all(
        np.array_equal(a, _clip(out, id))
        for a, id in zip(before, ("s01", "s02", "s03"), strict=True)
    )
    # Another first shot remakes the one that continues it, and no other.
    board = out / "storyboard.yaml"
    board.write_text(board.read_text().replace("the beach s01", "a beach s01"))
    run.resume(out)
    same = [
        np.array_equal(a, _clip(out, id))
        for a, id in zip(before, ("s01", "s02", "s03"), strict=True)
    ]
    assert same == [False, False, True]
    assert _apart(out, "s02") < 0.4 * _apart(out, "s03")


def test_a_model_that_takes_a_first_frame_is_given_it(tmp_path: Path) -> None:
    from reelwright_generators.tiny.svd import build

    out = tmp_path / "run"
    shots = [shot.model_copy(update={"size": (64, 64), "frames": 4}) for shot in BOARD.shots[:2]]
    board = Storyboard(shots=shots)
    _film(board, out, build(tmp_path / "svd"), **{"generator.steps": 2})
    told = [
        json.loads((out / f"shots/{id}/take-1/provenance.json").read_text())
        for id in ("s01", "s02")
    ]
    assert "first_frame" in told[0]  # the sketch's
    assert "first_frame" not in told[1]
    assert told[1]["continues"]["shot"] == "s01"


def test_a_model_that_cannot_go_on_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="still cannot go on from another shot"):
        _film(BOARD, tmp_path / "run", "still")


def test_a_shot_in_windows_cannot_continue_another(tmp_path: Path, model: Path) -> None:
    long = BOARD.shots[1].model_copy(update={"frames": 21})
    board = Storyboard(shots=[BOARD.shots[0], long])
    with pytest.raises(ModelError, match=r"it continues s01.*give it at most 9 frames"):
        _film(board, tmp_path / "run", model, **{"generator.steps": 2})


@pytest.mark.parametrize("continues", ["s02", "s03", "s09"])
def test_only_an_earlier_shot_of_the_same_size_is_continued(continues: str) -> None:
    with pytest.raises(ValueError, match=f"id of an earlier shot, s01, got '{continues}'"):
        Storyboard(shots=[_shot("s01"), _shot("s02", continues=continues), _shot("s03")])
    small = _shot("s01").model_copy(update={"size": (32, 32)})
    with pytest.raises(ValueError, match="must have its size"):
        Storyboard(shots=[small, _shot("s02", continues="s01")])
