"""The command line as a user sees it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STILL = ("--set", "generator.model=still", "--set", "critic.threshold=0")


def reelwright(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reelwright", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.txt"
    path.write_text("A red car drives from left to right on a beach. A wug jumps.\n")
    return path


def test_help_names_every_command(tmp_path: Path) -> None:
    told = reelwright("--help", cwd=tmp_path)
    assert told.returncode == 0
    for command in ("plan", "film", "resume", "batch", "graph", "simulate", "doctor"):
        assert re.search(rf"^  {command}\b", told.stdout, re.M)
    assert reelwright("--version", cwd=tmp_path).stdout == "reelwright 0.1.0\n"


def test_plan_writes_a_storyboard_and_a_sheet_and_keeps_what_is_there(
    tmp_path: Path, script: Path
) -> None:
    told = reelwright("plan", script.name, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "not filmed: wug" in told.stderr
    assert re.search(r"^ +1 +action +s01\S* .*without: wug", told.stdout, re.M)
    tally = "1 line: 1 filmed or spoken, 0 say where or who, 0 not filmed"
    assert tally in told.stdout.splitlines()
    assert (tmp_path / "storyboard.yaml").exists()
    assert (tmp_path / "storyboard-sheet.png").stat().st_size > 1000
    again = reelwright("plan", script.name, cwd=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    odd = reelwright("plan", script.name, "-o", "board.txt", cwd=tmp_path)
    assert odd.returncode == 2
    assert "a storyboard is a .yaml file" in odd.stderr
    filmed = reelwright("film", "storyboard.yaml", "--out", "run", *STILL, cwd=tmp_path)
    assert filmed.returncode == 0, filmed.stderr


def test_plan_prints_scene_graphs_by_step_before_and_after_enrichment(
    tmp_path: Path, script: Path
) -> None:
    told = reelwright("plan", script.name, "--enrich", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "    0-16  red-car moves right" in told.stdout
    assert "    red-car is red" in told.stdout
    assert "  + red-car faces right" in told.stdout
    assert "predicate: faces" in (tmp_path / "storyboard.yaml").read_text()


def test_dry_run_says_what_it_would_take_and_makes_nothing(tmp_path: Path, script: Path) -> None:
    told = reelwright("film", script.name, "--dry-run", "--set", "takes.max=2", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "takes: 2 to 4 with reelwright-builtin" in told.stdout
    assert re.search(r"time: about \d+ to \d+ s", told.stdout)
    assert "cost: nothing" in told.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["script.txt"]


def test_json_is_one_object_and_nothing_else(tmp_path: Path, script: Path) -> None:
    told = reelwright("film", script.name, "--out", "run", "--json", *STILL, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    film = json.loads(told.stdout)
    assert film["video"] == "run/film.mp4"
    assert [shot["id"] for shot in film["shots"]] == ["s01", "s02"]


def test_review_says_how_to_go_on(tmp_path: Path, script: Path) -> None:
    told = reelwright("film", script.name, "--out", "run", "--review", *STILL, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "reelwright resume run" in told.stdout
    resumed = reelwright("resume", "run", cwd=tmp_path)
    assert resumed.stdout.strip() == "run/film.mp4"


def test_graphs_are_listed_shown_checked_and_drawn(tmp_path: Path) -> None:
    listed = reelwright("graph", "list", cwd=tmp_path)
    lines = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert set(lines) >= {"story", "shot", "plain"}
    assert "One story becomes a film of minutes" in lines["vlogger"]
    assert lines["vlogger"].endswith("(arXiv 2401.09414); needs nothing")
    assert "for each shot: " in lines["shot"]
    shown = reelwright("graph", "show", "shot", cwd=tmp_path)
    (tmp_path / "mine.yaml").write_text(shown.stdout)
    checked = reelwright("graph", "check", "mine.yaml", cwd=tmp_path)
    assert re.fullmatch(r"mine.yaml: \d+ nodes and \d+ edges, no fault\n", checked.stdout)
    assert reelwright("graph", "draw", "story", cwd=tmp_path).stdout.startswith("flowchart TD")
    (tmp_path / "mine.yaml").write_text(shown.stdout.replace("use: sketch", "use: skech"))
    wrong = reelwright("graph", "check", "mine.yaml", cwd=tmp_path)
    assert wrong.returncode == 2
    assert ": there is no node kind `skech`; did you mean `sketch`?" in wrong.stderr


def test_doctor_finds_all_that_is_needed(tmp_path: Path) -> None:
    told = reelwright("doctor", cwd=tmp_path)
    assert told.returncode == 0, told.stdout
    assert re.search(r"^ok +video model +reelwright-builtin", told.stdout, re.M)
    assert re.search(r"^ok +its speed +loads in \d+\.\d s, then about \d+\.\d s", told.stdout, re.M)
    findings = json.loads(reelwright("doctor", "--json", cwd=tmp_path).stdout)
    assert all(finding["ok"] for finding in findings if finding["needed"])


def test_doctor_looks_with_the_settings_it_is_given(tmp_path: Path) -> None:
    told = reelwright("doctor", "--set", "generator.model=command", cwd=tmp_path)
    assert told.returncode == 1
    assert re.search(r"^MISSING +video model .*`generator.outside.command`", told.stdout, re.M)
    told = reelwright("doctor", "--model", "command", "--size", "64x32", cwd=tmp_path)
    assert told.returncode == 2
    assert "estimated of diffusers models; 'command' is no folder" in told.stderr
    told = reelwright("doctor", "--size", "64by32", cwd=tmp_path)
    assert told.returncode == 2
    assert "a size is written WIDTHxHEIGHT in pixels, such as 832x480" in told.stderr


def test_a_run_folder_that_is_none_is_told(tmp_path: Path) -> None:
    told = reelwright("resume", ".", cwd=tmp_path)
    assert told.returncode == 2
    assert told.stderr == "reelwright: . is no run folder: it has no run.yaml\n"
