from __future__ import annotations

from fractions import Fraction

import pytest
from pydantic import ValidationError

from reelwright_core.story import Layout
from reelwright_core.takes import Artifact, Clip, Critique, NoisePlan, ShotResult, Take

SHA = "0" * 64


def artifact(path: str) -> Artifact:
    return Artifact(path=path, sha256=SHA, bytes=1)


def take(number: int) -> Take:
    clip = Clip(video=artifact("clip.mp4"), frames=9, fps=Fraction(8), size=(64, 32))
    return Take(
        shot="s01",
        number=number,
        prompt="a ball",
        layout=Layout(frames=9),
        noise=NoisePlan(level=0.7, seed=1),
        clip=clip,
    )


@pytest.mark.parametrize("path", ["film.mp4", "shots/s01/take-1/clip.mp4", "a..b/.c/名前 é.png"])
def test_an_artifact_lies_inside_its_run(path: str) -> None:
    assert artifact(path).path == path


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../film.mp4", "a/../../b", "a/..", ".", "./a", "a//b", "a/", "a\\..\\b",
     "C:\\film.mp4", "film\0.mp4", "..", "//server/share"],
)  # fmt: skip
def test_an_artifact_outside_its_run_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="run folder"):
        artifact(path)


@pytest.mark.parametrize("sha", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "../" + "0" * 61])
def test_a_digest_that_is_none_is_refused(sha: str) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        Artifact(path="a", sha256=sha, bytes=1)


def test_a_critique_passes_from_its_threshold_on() -> None:
    critique = Critique(critic="measure", score=0.8)
    assert critique.passed(0.8)
    assert not critique.passed(0.81)
    with pytest.raises(ValidationError, match="score"):
        Critique(critic="measure", score=float("nan"))


def test_a_result_knows_the_take_that_was_chosen() -> None:
    result = ShotResult(shot="s01", takes=[take(1), take(2)], chosen=2, why="the best")
    assert result.take.number == 2
    assert ShotResult.from_data(result.data()) == result


@pytest.mark.parametrize("chosen", [0, 3])
def test_a_result_cannot_choose_a_take_that_is_not_there(chosen: int) -> None:
    with pytest.raises(ValidationError, match="chosen"):
        ShotResult(shot="s01", takes=[take(1), take(2)], chosen=chosen, why="")
