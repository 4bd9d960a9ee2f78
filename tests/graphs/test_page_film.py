"""A page of Shakespeare is filmed whole, and its report says what became of every line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reelwright_core.takes import Film
from reelwright_core.video import video_facts
from reelwright_graphs import run

PAGE = Path(__file__).parents[2] / "examples/pyramus.fountain"


@pytest.mark.long
def test_the_page_is_filmed_and_the_report_has_its_68_lines(tmp_path: Path) -> None:
    settings = {"generator.model": "still", "takes.max": 1, "film.size": "96x64"}
    done = run.film(PAGE, out=tmp_path / "run", settings=settings)
    assert isinstance(done, Film)
    shots = done.storyboard.shots
    assert len(shots) == 25
    assert len({shot.frames for shot in shots}) > 5, "shots are as long as what happens in them"
    frames, fps, size = video_facts(done.video)
    assert (frames, size) == (sum(shot.frames for shot in shots), (96, 64))
    assert 100 < frames / fps < 120
    page = (tmp_path / "run/report.html").read_text()
    assert "68 lines, and what became of them" in page
    assert page.count("names who speaks") == 15
    srt = (tmp_path / "run/film.srt").read_text()
    assert "LION: O!" in srt
    assert "And so the lion vanished." in " ".join(srt.split())


def test_plan_tells_the_coverage_as_json(tmp_path: Path) -> None:
    out = tmp_path / "board.yaml"
    told = subprocess.run(
        [sys.executable, "-m", "reelwright", "plan", str(PAGE), "-o", str(out), "--json",
         "--set", "generator.model=still", "--set", "film.size=64x48"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    data = json.loads(told.stdout)
    assert data["storyboard"] == str(out)
    assert len(data["coverage"]) == 68
    assert all(line.get("shots") or line.get("why") for line in data["coverage"])
    assert {shot["id"] for shot in data["shots"]} >= {
        id for line in data["coverage"] for id in line.get("shots", [])
    }
    assert [scene["heading"][:4] for scene in data["scenes"]] == ["INT.", "EXT.", "EXT."]
    assert out.exists()
