"""Writes the film's dialogue as subtitles, each line within the time of its shot."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

from pysubs2 import SSAEvent, SSAFile

from reelwright_core.files import storage_errors, write_text
from reelwright_core.story import Line, Shot, Storyboard

WIDTH = 42
"""Columns of a row at most; a wide letter, such as a Chinese one, takes two."""
ROWS = 2
"""Rows that are shown at once; a longer line of dialogue is shown in parts."""
GAP = Fraction(2, 25)
"""Seconds between one subtitle and the next, so that the change is seen."""

_NO_BREAK = re.compile(r"\\(?=[Nnh])")


def write_subtitles(
    storyboard: Storyboard,
    out: Path,
    *,
    shots: Sequence[tuple[Shot, int]] | None = None,
    fps: Fraction | None = None,
) -> Path | None:
    """Writes the dialogue as SRT to `out`; None, and no file, when nobody says anything.

    `shots` are the film's shots in order with the frames each has in the film, `fps` is the
    film's rate; without them, the storyboard's own. A shot's time is shared by the lengths of
    its lines, and every text ends a moment before the next begins.
    """
    if shots is None:
        shots = [(shot, shot.frames) for shot in storyboard.shots]
    rate = fps or storyboard.shots[0].fps
    subtitles = SSAFile()
    begin = 0
    for shot, frames in shots:
        texts = [text for line in shot.dialogue for text in _texts(line)]
        times = _times(texts, begin / rate, (begin + frames) / rate)
        for text, (start, end) in zip(texts, times, strict=True):
            subtitles.append(SSAEvent(start=start, end=end, text=text))
        begin += frames
    if not subtitles.events:
        with storage_errors(out):
            out.unlink(missing_ok=True)
        return None
    # Braces are somebody's words here, not styling.
    write_text(out, subtitles.to_string("srt", keep_ssa_tags=True))
    return out


def _times(texts: Sequence[str], start: Fraction, end: Fraction) -> Iterator[tuple[int, int]]:
    """Milliseconds from and to which each text is shown, shared by their lengths."""
    parts = list(
        accumulate((max(1, _columns(text.replace(r"\N", " "))) for text in texts), initial=0)
    )
    for before, after in pairwise(parts):
        first = start + (end - start) * before / parts[-1]
        last = start + (end - start) * after / parts[-1]
        gap = min(GAP, (last - first) / 4)
        begins = round(first * 1000)
        yield begins, max(begins + 1, round((last - gap) * 1000))


def _texts(line: Line) -> Iterator[str]:
    """What is shown of a line, one after the other; rows are parted as pysubs2 wants it."""
    said = " ".join(line.text.split())
    if not said:
        return
    speaker = " ".join(line.speaker.split()).upper()
    rows = _rows(f"{speaker}: {said}" if speaker else said)
    for first in range(0, len(rows), ROWS):
        # pysubs2 reads a backslash with n, N or h as a break; a hair space keeps it a backslash.
        yield r"\N".join(_NO_BREAK.sub("\\\\\u200a", row) for row in rows[first : first + ROWS])


def _rows(text: str) -> list[str]:
    """`text` in rows of at most `WIDTH` columns, as even as they can be."""
    count = max(1, -(-_columns(text) // WIDTH))
    for width in range(min(WIDTH, -(-_columns(text) // count)), WIDTH):
        rows = _broken(text, width)
        if len(rows) <= count:
            return rows
    return _broken(text, WIDTH)


def _broken(text: str, width: int) -> list[str]:
    rows = [""]
    for word in text.split(" "):
        joined = f"{rows[-1]} {word}" if rows[-1] else word
        if _columns(joined) <= width:
            rows[-1] = joined
            continue
        if _columns(word) <= width:
            rows.append(word)
            continue
        # A word that is longer than a row, or a language that is written without blanks.
        for letter in f" {word}" if rows[-1] else word:
            if rows[-1] and _columns(rows[-1] + letter) > width:
                rows.append("")
            rows[-1] += letter
    return rows


def _columns(text: str) -> int:
    """How wide `text` is: wide letters count two, marks that sit on another letter none."""
    return sum(
        0
        if unicodedata.combining(letter)
        else 2
        if unicodedata.east_asian_width(letter) in "WF"
        else 1
        for letter in text
    )
