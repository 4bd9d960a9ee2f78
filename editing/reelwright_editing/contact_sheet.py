"""Draws the whole storyboard on one sheet: a card for each shot with pictures and words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reelwright_core.files import written_whole
from reelwright_core.story import Shot, Storyboard
from reelwright_editing.lettering import Lettering, wrapped

_SLATE, _CARD, _EDGE, _HOLE = (18, 22, 28), (29, 35, 44), (46, 54, 66), (38, 45, 56)
_WHITE, _TEXT, _MUTED = (240, 243, 247), (205, 212, 222), (138, 149, 165)
_ACCENT, _DIALOGUE, _WARNING = (255, 176, 84), (134, 200, 235), (240, 136, 122)

_SHAPE = 1.25
"""Width of a good sheet for its height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Looks:
    """Pixels and rows that go together; many shots are drawn smaller."""

    picture: int
    text: int
    rows: int
    """Rows of the prompt at most."""
    pad: int
    gap: int
    """Between pictures."""


def _looks(shots: int) -> _Looks:
    if shots <= 30:
        return _Looks(picture=320, text=17, rows=4, pad=18, gap=8)
    if shots <= 80:
        return _Looks(picture=240, text=15, rows=3, pad=14, gap=6)
    if shots <= 250:
        return _Looks(picture=160, text=13, rows=3, pad=12, gap=4)
    return _Looks(picture=80, text=11, rows=2, pad=8, gap=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    text: str
    size: int
    colour: tuple[int, int, int]
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Card:
    shot: Shot
    pictures: list[Image.Image]
    rows: list[_Row]


def contact_sheet(
    storyboard: Storyboard, out: Path, *, pictures: Mapping[str, Sequence[NDArray[np.uint8]]]
) -> Path:
    """Writes the sheet of `storyboard` as a PNG to `out`, whole or not at all, and returns `out`.

    `pictures` has for a shot's id its pictures, uint8 [height, width, 3], usually the first, a
    middle and the last frame; a shot without any gets an empty place. Each shot is asked for once.
    """
    looks = _looks(len(storyboard.shots))
    small = [
        [_fitted(picture, looks) for picture in pictures.get(shot.id, ())]
        for shot in storyboard.shots
    ]
    slots = max(1, *(len(row) for row in small))
    wide = max((picture.width for row in small for picture in row), default=looks.picture)
    high = max((picture.height for row in small for picture in row), default=looks.picture * 3 // 5)
    inside = slots * wide + (slots - 1) * looks.gap
    inside = max(inside, looks.picture * 3 // 2)
    cards = [
        _Card(shot=shot, pictures=row, rows=_rows(shot, inside, looks))
        for shot, row in zip(storyboard.shots, small, strict=True)
    ]
    sheet = _Sheet(storyboard, cards, looks, inside=inside, slot=(wide, high), slots=slots).drawn()
    with written_whole(out) as aside:
        sheet.save(aside, format="PNG")
    return out


def _fitted(picture: NDArray[np.uint8], looks: _Looks) -> Image.Image:
    """Small pictures grow by a whole number, which keeps them crisp; big ones shrink to fit."""
    image = Image.fromarray(picture)
    scale = min(looks.picture / image.width, looks.picture * 3 / 4 / image.height)
    scale = math.floor(scale) if scale >= 1 else scale
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _rows(shot: Shot, width: int, looks: _Looks) -> list[_Row]:
    """The words below the pictures: prompt, dialogue, what was not understood."""
    rows: list[_Row] = []

    def add(text: str, size: int, colour: tuple[int, int, int], most: int) -> None:
        for line in wrapped(text, size=size, width=width, rows=most):
            rows.append(_Row(text=line, size=size, colour=colour, height=round(size * 1.4)))

    add(shot.prompt, looks.text, _TEXT, looks.rows)
    for line in shot.dialogue[:3]:
        speaker = f"{line.speaker.upper()}: " if line.speaker else ""
        add(f"{speaker}{line.text}", looks.text - 1, _DIALOGUE, 2)
    if len(shot.dialogue) > 3:
        add(f"and {len(shot.dialogue) - 3} more lines", looks.text - 2, _MUTED, 1)
    if shot.left_out:
        words = ", ".join(left.word for left in shot.left_out)
        add(f"not understood: {words}", looks.text - 2, _WARNING, 1)
    return rows


class _Sheet:
    """Where everything stands, and the drawing of it."""

    def __init__(
        self, storyboard: Storyboard, cards: Sequence[_Card], looks: _Looks, *,
        inside: int, slot: tuple[int, int], slots: int,
    ):  # fmt: skip
        self._cards, self._looks, self._inside, self._slot = cards, looks, inside, slot
        self._slots = slots
        self._head = round(looks.text * 1.2)
        self._card_width = inside + 2 * looks.pad
        self._columns = min(range(1, len(cards) + 1), key=self._misshapen)
        self._title = _title(storyboard, looks, self._width(self._columns) - 2 * looks.pad)
        self._top = 2 * looks.pad + sum(row.height for row in self._title)

    def drawn(self) -> Image.Image:
        """The finished sheet."""
        looks, heights = self._looks, self._heights(self._columns)
        size = (
            self._width(self._columns),
            self._top + sum(height + looks.pad for height in heights),
        )
        sheet = Image.new("RGB", size, _SLATE)
        write = Lettering(ImageDraw.Draw(sheet))
        _write_rows(write, self._title, (looks.pad, round(looks.pad * 1.2)))
        y = self._top
        for first, height in zip(range(0, len(self._cards), self._columns), heights, strict=True):
            for column, card in enumerate(self._cards[first : first + self._columns]):
                x = looks.pad + column * (self._card_width + looks.pad)
                self._draw(sheet, write, card, (x, y, x + self._card_width, y + height))
            y += height + looks.pad
        return sheet

    def _draw(
        self, sheet: Image.Image, write: Lettering, card: _Card, box: tuple[int, int, int, int]
    ) -> None:
        looks, draw = self._looks, write.draw
        draw.rounded_rectangle(
            (box[0], box[1], box[2] - 1, box[3] - 1), looks.pad // 2, _CARD, _EDGE
        )
        x, y = box[0] + looks.pad, box[1] + looks.pad
        shot = card.shot
        facts = (
            f"{shot.frames} frame{'s'[: shot.frames != 1]} · {float(shot.seconds):.4g} s · "
            f"{shot.size[0]}x{shot.size[1]}"
        )
        small = looks.text - 2
        room = self._inside - write.width(facts, small) - looks.pad
        base = y + looks.text
        write.text((x, base), *wrapped(shot.id, size=looks.text + 1, width=room, rows=1),
                   size=looks.text + 1, colour=_ACCENT)  # fmt: skip
        write.text((x + self._inside, base), facts, size=small, colour=_MUTED, right=True)
        y += self._head + looks.pad // 2
        for index in range(self._slots):
            self._place(sheet, draw, card.pictures[index : index + 1],
                        (x + index * (self._slot[0] + looks.gap), y))  # fmt: skip
        _write_rows(write, card.rows, (x, y + self._slot[1] + looks.pad // 2))

    def _place(
        self, sheet: Image.Image, draw: ImageDraw.ImageDraw, picture: Sequence[Image.Image],
        at: tuple[int, int],
    ) -> None:  # fmt: skip
        wide, high = self._slot
        draw.rectangle((at[0], at[1], at[0] + wide - 1, at[1] + high - 1), _HOLE)
        for image in picture:
            sheet.paste(
                image, (at[0] + (wide - image.width) // 2, at[1] + (high - image.height) // 2)
            )

    def _heights(self, columns: int) -> list[int]:
        """Of each row of cards: as high as its highest."""
        looks = self._looks
        fixed = 2 * looks.pad + self._head + 2 * (looks.pad // 2) + self._slot[1]
        words = [sum(row.height for row in card.rows) for card in self._cards]
        return [
            fixed + max(words[first : first + columns]) for first in range(0, len(words), columns)
        ]

    def _width(self, columns: int) -> int:
        return columns * (self._card_width + self._looks.pad) + self._looks.pad

    def _misshapen(self, columns: int) -> float:
        height = sum(self._heights(columns))
        return abs(math.log(self._width(columns) / height / _SHAPE))


def _title(storyboard: Storyboard, looks: _Looks, width: int) -> list[_Row]:
    shots = storyboard.shots
    seconds = float(sum(shot.seconds for shot in shots))
    facts = [
        f"{len(shots)} shot{'s'[: len(shots) != 1]}",
        f"{sum(shot.frames for shot in shots)} frames",
        f"{seconds:.4g} s",
    ]
    facts += (
        [f"{rate} fps" for rate in {str(shot.fps): 0 for shot in shots}] if _one_rate(shots) else []
    )
    big, small = looks.text * 2, looks.text
    words: list[tuple[str, int, tuple[int, int, int], int]] = [
        (storyboard.story.title, big, _WHITE, 2),
        (" · ".join(facts), small, _MUTED, 1),
        (storyboard.story.style, small, _MUTED, 1),
    ]
    return [
        _Row(text=line, size=size, colour=colour, height=round(size * 1.4))
        for text, size, colour, rows in words
        for line in wrapped(text, size=size, width=width, rows=rows)
    ]


def _one_rate(shots: Sequence[Shot]) -> bool:
    return len({shot.fps for shot in shots}) == 1


def _write_rows(write: Lettering, rows: Sequence[_Row], at: tuple[int, int]) -> None:
    x, y = at
    for row in rows:
        write.text((x, y + row.size), row.text, size=row.size, colour=row.colour)
        y += row.height
