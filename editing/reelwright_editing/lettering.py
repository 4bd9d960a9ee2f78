"""Words on pictures: any text in a font that has its letters, broken into rows that fit."""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Iterator

from PIL import Image, ImageDraw, ImageFont

_SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "Arial Unicode.ttf", "msyh.ttc",
    "DejaVuSans.ttf", "Arial.ttf",
)  # fmt: skip
"""Asked for only when Pillow's own font, which has English letters, lacks some of the text's."""

_FINER = 3
"""Letters are drawn so much bigger and shrunk: at small sizes they stand unevenly otherwise."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Lettering:
    """Writes on one picture."""

    def __init__(self, draw: ImageDraw.ImageDraw):
        self.draw = draw

    def text(
        self, at: tuple[int, int], text: str, *,
        size: int, colour: tuple[int, int, int], right: bool = False,
    ) -> None:  # fmt: skip
        """Writes one row; `at` is on its base line, at its left end or, if `right`, its right."""
        shown, font = _shown(text, size * _FINER)
        left, top, end, bottom = (round(edge) for edge in font.getbbox(shown, anchor="ls"))
        # Grown to whole pixels of the picture.
        x, y = left // _FINER, top // _FINER
        wide, high = -(-end // _FINER) - x, -(-bottom // _FINER) - y
        if wide <= 0 or high <= 0:
            return
        mask = Image.new("L", (wide * _FINER, high * _FINER))
        ImageDraw.Draw(mask).text((-x * _FINER, -y * _FINER), shown, 255, font, anchor="ls")
        begin = at[0] - (width(text, size) if right else 0)
        self.draw.bitmap((begin + x, at[1] + y), mask.reduce(_FINER), colour)

    def width(self, text: str, size: int) -> int:
        """Pixels that a row is wide."""
        return width(text, size)


@functools.lru_cache(maxsize=4096)
def width(text: str, size: int) -> int:
    """Pixels that one row of `text` is wide."""
    text, font = _shown(text, size * _FINER)
    return math.ceil(font.getlength(text) / _FINER)


def wrapped(text: str, *, size: int, width: int, rows: int) -> list[str]:
    """`text` in at most `rows` rows of at most `width` pixels; what is left out shows as `...`."""
    broken: list[str] = []
    for row in _broken(" ".join(text.split()), size, width):
        if len(broken) == rows:
            broken[-1] = _with_dots(broken[-1], size, width)
            break
        broken.append(row)
    return broken


def _broken(text: str, size: int, most: int) -> Iterator[str]:
    row = ""
    for word in text.split(" "):
        # The whole row is measured: one word can change the font of all.
        joined = f"{row} {word}" if row else word
        if width(joined, size) <= most:
            row = joined
            continue
        if row:
            yield row
        row = word
        # A word longer than a row, or a language written without blanks.
        while width(row, size) > most and len(row) > 1:
            fits = max(1, _fits(row, size, most))
            yield row[:fits]
            row = row[fits:]
    if row:
        yield row


def _fits(text: str, size: int, most: int) -> int:
    """How many letters of `text` fit."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width(text[:middle], size) <= most else (low, middle - 1)
    return low


def _with_dots(row: str, size: int, most: int) -> str:
    while row and width(row + "...", size) > most:
        row = row[:-1]
    return row.rstrip() + "..."


def _shown(text: str, size: int) -> tuple[str, Font]:
    """`text` as it can be drawn, and the font that draws it."""
    # Marks that steer the direction or are no letters at all have no picture.
    text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cc", "Cs"))
    own = _own_font(size)
    if all(_has(letter) for letter in text):
        return text, own
    other = _system_font(size)
    if other is not None:
        return text, other
    plain = (
        unicodedata.normalize("NFKD", letter) if not _has(letter) else letter for letter in text
    )
    return "".join(
        letter for part in plain for letter in part if not unicodedata.combining(letter)
    ), own


@functools.cache
def _own_font(size: int) -> Font:
    return ImageFont.load_default(size)


@functools.cache
def _system_font(size: int) -> Font | None:
    for name in _SYSTEM_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


@functools.lru_cache(maxsize=4096)
def _has(letter: str) -> bool:
    """Whether Pillow's own font has a picture of `letter`, and not the one for unknown ones."""
    return letter == " " or _picture(letter) != _picture("\uffff")


def _picture(letter: str) -> tuple[tuple[int, int], bytes]:
    mask = _own_font(20).getmask(letter)
    return mask.size, bytes(mask)
