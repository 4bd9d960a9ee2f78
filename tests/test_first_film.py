"""The first film, as a newcomer makes it: the built-in model, the offline planner, real pixels."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reelwright import run_story
from reelwright_core.records import file_digest
from reelwright_core.video import video_facts

ROOT = Path(__file__).parents[1]
BEACH = ROOT / "examples" / "beach.fountain"


def test_the_example_is_filmed_as_planned_and_alike_in_another_process(tmp_path: Path) -> None:
    film = run_story(BEACH, out=tmp_path / "here")
    assert [shot.shot for shot in film.shots] == ["s01", "s02", "s03"]
    assert video_facts(film.video) == (51, 8, (160, 96))
    followed = 0
    for shot in film.shots:
        assert shot.take.critique is not None
        asked = [q for q in shot.take.critique.questions if q.kind in ("count", "direction")]
        assert asked
        followed += all(question.passed for question in asked)
    assert followed >= 2
    assert film.subtitles is not None
    assert "Wait for me!" in film.subtitles.read_text(encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "reelwright", "film", str(BEACH), "--out", "there", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["frames"] == 51
    assert file_digest(tmp_path / "there/film.mp4") == file_digest(film.video)


def test_the_readme_s_python_runs(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", readme, re.S)
    assert block is not None
    told = subprocess.run(
        [sys.executable, "-c", block[1]], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert told.returncode == 0, told.stderr
    path, score = told.stdout.split()
    assert path == "runs/beach/film.mp4"
    assert 0 <= float(score) <= 1


def test_the_readme_names_only_commands_that_exist(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"^reelwright (\w+)", readme, re.M))
    assert commands >= {"plan", "film", "resume", "batch", "graph", "doctor"}
    for command in commands:
        told = subprocess.run(
            [sys.executable, "-m", "reelwright", command, "--help"], capture_output=True
        )
        assert told.returncode == 0, command


@pytest.mark.long
def test_a_film_killed_while_it_is_filmed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole = run_story(BEACH, out=tmp_path / "whole")
    command = [sys.executable, "-m", "reelwright", "film", str(BEACH), "--out", "run"]
    made: dict[Path, int] = {}
    for seconds in (4, 6, 7, 8, 10):
        process = subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for clip, time_ns in made.items():
            assert clip.stat().st_mtime_ns == time_ns, f"{clip} was made again"
        made = {
            clip: clip.stat().st_mtime_ns
            for result in (tmp_path / "run").glob("shots/*/result.json")
            for clip in result.parent.glob("take-*/clip.mp4")
        }
    subprocess.run([*command[:3], "resume", "run"], cwd=tmp_path, check=True)
    assert file_digest(tmp_path / "run/film.mp4") == file_digest(whole.video)


@pytest.mark.long
def test_six_prompts_in_a_batch_killed_and_gone_on_with(tmp_path: Path) -> None:
    prompts = (
        "A red car drives left.", "Two dogs jump in a meadow.", "A blue ball falls.",
        "A cat stays in the snow.", "A rocket rises at night.", "A fish swims in the sea.",
    )  # fmt: skip
    (tmp_path / "prompts.txt").write_text("\n".join(prompts), encoding="utf-8")
    command = [sys.executable, "-m", "reelwright", "batch", "prompts.txt", "--out", "films"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    manifest = tmp_path / "films" / "batch.jsonl"
    while process.poll() is None and not (
        manifest.exists() and len(manifest.read_bytes().splitlines()) >= 3
    ):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("films/*/film.mp4")}
    assert len(made) >= 3
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert len(list(tmp_path.glob("films/*/film.mp4"))) == 6
    for path, time_ns in made.items():
        assert path.stat().st_mtime_ns == time_ns
