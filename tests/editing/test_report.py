"""The report is one safe page that shows every shot, take and reason."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from reelwright_core.video import read_video
from reelwright_editing.contact_sheet import contact_sheet
from reelwright_editing.cut import cut
from reelwright_editing.report import write_report
from reelwright_editing.subtitles import write_subtitles

CHROMIUM = "/usr/bin/chromium"

SETTINGS: dict[str, Any] = {
    "planner": {"brain": "offline"},
    "critic": {"threshold": 0.8},
    "endpoint": {
        "api_key": "sk-secret-1",
        "base_url": "https://me:sk-secret-2@example.org/v1?key=sk-secret-3",
        "max_tokens": 512,
    },
    "generator": {"model": "builtin", "noise": {"level": None}},
}


class _Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"

    def links(self) -> list[str]:
        named = (attrs.get(name) for _, attrs in self.tags for name in ("src", "href", "poster"))
        return [link for link in named if link]


def _written(filmed: Any, **given: Any) -> Path:
    run: Path = filmed.run
    cut(filmed.clips, run / "film.mp4", fps=Fraction(8))
    pictures = {
        result.shot: list(read_video(clip)[[0, 4, 8]])
        for result, clip in zip(filmed.results, filmed.clips, strict=True)
    }
    contact_sheet(filmed.storyboard, run / "contact-sheet.png", pictures=pictures)
    assert write_subtitles(filmed.storyboard, run / "film.srt")
    return write_report(
        run / "report.html", storyboard=filmed.storyboard, results=filmed.results,
        settings=SETTINGS, subtitles="film.srt", **given,
    )  # fmt: skip


def test_words_of_the_user_are_never_markup(filmed: Any) -> None:
    page = _Page(_written(filmed).read_text(encoding="utf-8"))
    assert "script" not in {tag for tag, _ in page.tags}
    assert "b" not in {tag for tag, _ in page.tags}
    assert '<script>alert("x")</script> & "quotes"' in page.text


def test_every_link_is_a_file_of_the_run_or_a_place_on_the_page(filmed: Any) -> None:
    page = _Page(_written(filmed).read_text(encoding="utf-8"))
    ids = {attrs.get("id") for _, attrs in page.tags}
    files: set[str] = set()
    for link in page.links():
        if link.startswith("#"):
            assert link[1:] in ids
        elif not link.startswith("data:"):
            assert (filmed.run / unquote(link)).is_file(), link
            files.add(link)
    assert {
        "film.mp4", "film.srt", "contact-sheet.png", "shots/s01/take-1/clip.mp4",
        "shots/s01/take-2/clip.mp4", "shots/s01/take-1/sketch.mp4", "shots/s02/take-1/clip.mp4",
    } <= files  # fmt: skip


def test_it_says_what_was_planned_tried_seen_and_chosen(filmed: Any) -> None:
    text = " ".join(_Page(_written(filmed).read_text(encoding="utf-8")).text.split())
    for said in (
        "swiftly", "s01: the prompt is long", "red-car moves right", "red-car left of gryphon",
        "a labelled shape: no picture of gryphon", "Does the red car go from left to right?",
        "3–7, 8", "the best score, 0.95", "the car was lost: keep more of the sketch",
        "noise level 0.6 · seed 11", "noise level 0.4 · seed 22", "filmed in 3.25 s",
        "Look, it goes!", "endpoint.max_tokens 512", "to blame: generator",
    ):  # fmt: skip
        assert said in text, said


def test_no_key_reaches_the_page(filmed: Any) -> None:
    text = _written(filmed).read_text(encoding="utf-8")
    assert "sk-" not in text
    assert "https://example.org/v1" in text


def test_the_same_run_gives_the_same_page(filmed: Any) -> None:
    first = _written(filmed).read_bytes()
    assert _written(filmed).read_bytes() == first


def test_missing_files_leave_their_pictures_out(filmed: Any) -> None:
    whole = _written(filmed).read_text(encoding="utf-8")
    shutil.rmtree(filmed.run / "shots")
    (filmed.run / "film.mp4").unlink()
    text = write_report(
        filmed.run / "report.html", storyboard=filmed.storyboard, results=filmed.results,
        settings=SETTINGS, contact_sheet=None,
    ).read_text(encoding="utf-8")  # fmt: skip
    assert whole.count("data:image/webp") == 6  # The film, three clips, a sketch of each shot.
    assert text.count("data:image/webp") == 0
    assert "contact-sheet.png" not in text
    assert 'id="s02"' in text


def test_a_shot_that_was_not_filmed_and_a_take_without_critic_are_no_hindrance(filmed: Any) -> None:
    take = filmed.results[0].takes[0].model_copy(update={"critique": None, "sketch": None})
    result = filmed.results[0].model_copy(update={"takes": [take], "chosen": 1})
    text = write_report(
        filmed.run / "elsewhere" / "report.html", storyboard=filmed.storyboard, results=[result],
        settings={}, run=filmed.run, warnings=["the disk is nearly full"], timings={"cut": 0.5},
    ).read_text(encoding="utf-8")  # fmt: skip
    assert "No critic has watched this take." in text
    assert "the disk is nearly full" in text
    assert "time: cut" in text
    assert 'id="s02"' not in text
    assert "data:image/webp" in text


@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"{CHROMIUM} is not installed")
def test_chromium_shows_the_page_on_a_phone(filmed: Any, tmp_path: Path) -> None:
    report = _written(filmed)
    shot = tmp_path / "shot.png"
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--enable-logging=stderr", "--window-size=500,900", f"--screenshot={shot}",
         f"--user-data-dir={tmp_path / 'profile'}", report.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert shot.stat().st_size > 10_000
    assert "CONSOLE" not in done.stderr, done.stderr
