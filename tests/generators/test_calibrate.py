"""The sweep measures what it says: a clip that is the sketch follows the plan, a card does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from reelwright_core.settings import Generator as Told
from reelwright_generators import builtin, calibrate
from reelwright_generators.calibrate import CASES, Score
from reelwright_generators.generator import load


def _score(level: float, *, followed: float = 1.0, track_error: float = 0.02) -> Score:
    return Score(
        level=level, steps=8, track_error=track_error, followed=followed, repainted=20, seconds=1
    )


def test_the_sketch_itself_keeps_to_the_plan_and_a_card_does_not() -> None:
    sketch, card = calibrate.sweep(load(Told(model="still")), levels=[0.5, 1.0], cases=CASES)
    assert sketch.followed == 1
    assert sketch.track_error < 0.03
    assert sketch.repainted == 0
    assert sketch.follows
    assert card.followed == 0
    assert card.track_error == 0.5
    assert not card.follows


def test_the_best_level_is_the_highest_that_keeps_to_the_plan() -> None:
    scores = [
        _score(0.5),
        _score(0.65),
        _score(0.8, followed=0.8),
        _score(0.9, track_error=0.2),
        _score(1.0, followed=0, track_error=0.5),
    ]
    found = calibrate.best(scores)
    assert found is not None
    assert found.level == 0.65
    assert calibrate.best(scores[2:]) is None


def test_the_way_back_is_not_the_planned_way() -> None:
    planned = np.stack([np.linspace(30, 130, 17), np.full(17, 60.0)], axis=1)
    assert calibrate.follows(planned, planned)
    assert not calibrate.follows(planned[::-1], planned)
    half = planned.copy()
    half[:, 0] = 80 + (half[:, 0] - 80) * 0.4
    assert not calibrate.follows(half, planned)
    aside = planned + np.array([3, 4])
    assert calibrate.track_error(aside, planned, width=160) == pytest.approx(5 / 160)


@pytest.mark.skipif(not builtin.folder().is_dir(), reason="the built-in weights are not there")
def test_every_case_is_said_in_the_builtin_models_words() -> None:
    assert {case.prompt: builtin.unknown_words(case.prompt) for case in CASES} == {
        case.prompt: [] for case in CASES
    }


def test_the_command_writes_scores_and_the_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "reelwright.json"
    profile.write_text('{"steps": 12, "noise_level": 0.65}')
    out = tmp_path / "scores.json"
    monkeypatch.setattr(
        sys, "argv",
        ["calibrate", "--model", "still", "--levels", "1.0,.4", "--cases", "2",
         "--out", str(out), "--write", str(profile)],
    )  # fmt: skip
    assert calibrate.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "best: 0.4"
    scores = json.loads(out.read_text())
    assert scores["best"] == 0.4
    assert [score["level"] for score in scores["scores"]] == [0.4, 1.0]
    assert json.loads(profile.read_text()) == {"steps": 12, "noise_level": 0.4}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--levels", "a"], "`--levels`"), (["--levels", "2"], "`--levels`"),
     (["--model", "none such"], "no generator 'none such'")],
)  # fmt: skip
def test_wrong_arguments_are_told_and_exit_with_2(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["calibrate", "--model", "still", "--cases", "1", *arguments])
    assert calibrate.main() == 2
    assert message in capsys.readouterr().err
