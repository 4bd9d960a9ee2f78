"""Subtitles are shown while their shot is, to the millisecond."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest

from reelwright_core.story import Line, Shot, Storyboard
from reelwright_editing.subtitles import WIDTH, write_subtitles


def _shot(number: int, *lines: tuple[str, str], frames: int = 17, fps: int | str = 8) -> Shot:
    return Shot(
        id=f"s{number:02d}", prompt="a picture", frames=frames, fps=Fraction(fps),
        dialogue=[Line(speaker=speaker, text=text) for speaker, text in lines],
    )  # fmt: skip


def _read(path: Path) -> list[tuple[int, int, str]]:
    subtitles = pysubs2.load(str(path), encoding="utf-8", keep_unknown_html_tags=True)
    return [(event.start, event.end, event.plaintext) for event in subtitles]


def test_lines_share_the_time_of_their_shot_by_length(tmp_path: Path) -> None:
    board = Storyboard(
        shots=[
            _shot(1, frames=9),
            _shot(2, ("Anna", "Look!"), ("Ben", "Where, where, where?"), frames=16),
            _shot(3, ("Anna", "There."), frames=8),
        ]
    )
    out = tmp_path / "film.srt"
    assert write_subtitles(board, out) == out
    # 11 of 36 letters, 25 of 36, of the 2 s from 1.125 s on; then all of the next second.
    assert _read(out) == [
        (1125, 1125 + round(2000 * 11 / 36) - 80, "ANNA: Look!"),
        (1125 + round(2000 * 11 / 36), 3125 - 80, "BEN: Where, where, where?"),
        (3125, 4125 - 80, "ANNA: There."),
    ]


def test_time_is_exact_after_many_shots_at_a_broken_rate(tmp_path: Path) -> None:
    shots = [_shot(number, ("A", "yes"), frames=17, fps="24000/1001") for number in range(200)]
    out = tmp_path / "film.srt"
    write_subtitles(Storyboard(shots=shots), out)
    for index, (start, end, _) in enumerate(_read(out)):
        assert start == round(index * 17 * Fraction(1001, 24000) * 1000)
        assert end == round(((index + 1) * 17 * Fraction(1001, 24000) - Fraction(80, 1000)) * 1000)


def test_the_frames_of_the_film_count_not_those_of_the_plan(tmp_path: Path) -> None:
    board = Storyboard(shots=[_shot(1, ("A", "yes")), _shot(2, ("B", "no"))])
    out = tmp_path / "film.srt"
    write_subtitles(board, out, shots=[(shot, 24) for shot in board.shots], fps=Fraction(24))
    assert [(start, end) for start, end, _ in _read(out)] == [(0, 920), (1000, 1920)]


def test_without_dialogue_there_is_no_file(tmp_path: Path) -> None:
    out = tmp_path / "film.srt"
    out.write_text("of an earlier run")
    assert write_subtitles(Storyboard(shots=[_shot(1), _shot(2, ("A", "  \n"))]), out) is None
    assert list(tmp_path.iterdir()) == []


def test_long_lines_are_broken_and_shown_in_parts(tmp_path: Path) -> None:
    text = "This is a rather long thing to say, and it goes on for quite a while. " * 3
    out = tmp_path / "film.srt"
    write_subtitles(Storyboard(shots=[_shot(1, ("Anna", text), frames=80)]), out)
    shown = _read(out)
    assert len(shown) > 1
    for _, _, part in shown:
        rows = part.split("\n")
        assert len(rows) <= 2
        assert all(len(row) <= WIDTH for row in rows)
    assert " ".join(part for _, _, part in shown).split() == f"ANNA: {text}".split()
    assert all(a[1] < b[0] for a, b in pairwise(shown))


@pytest.mark.parametrize(
    "text",
    ["{\\b1}braces{x}", "a <b> tag", "back\\Nslash", "1\n\n2\n00:00:01,000 --> 00:00:02,000\nx",
     "这是一个很长的中文句子" * 9, "مرحبا بالعالم", "e\u0301" * 60, "x" * 200, "🎬🎥"],
)  # fmt: skip
def test_any_words_are_kept_as_they_are(tmp_path: Path, text: str) -> None:
    out = tmp_path / "film.srt"
    assert write_subtitles(Storyboard(shots=[_shot(1, ("", text)), _shot(2, ("B", "end"))]), out)
    content = out.read_text(encoding="utf-8")
    blocks = content.strip().split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == [str(n + 1) for n in range(len(blocks))]
    said = "".join("".join(block.split("\n")[2:]) for block in blocks[:-1])
    plain = said.replace("\u200a", "").replace(" ", "")
    assert plain == "".join(text.split())


def test_a_shot_of_one_frame_and_many_lines_still_gives_times_that_rise(tmp_path: Path) -> None:
    board = Storyboard(shots=[_shot(1, *[("A", "yes")] * 9, frames=1), _shot(2, ("B", "end"))])
    out = tmp_path / "film.srt"
    write_subtitles(board, out)
    times = [time for start, end, _ in _read(out) for time in (start, end)]
    assert times == sorted(set(times))
    assert times[17] <= 125 <= times[18]
