"""The contact sheet shows every shot, whatever is in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reelwright_core.story import LeftOut, Line, Shot, Story, Storyboard
from reelwright_editing.contact_sheet import contact_sheet

COLOURS = [(220, 40, 40), (40, 200, 60), (50, 70, 230)]


def _board(shots: int, *, size: tuple[int, int] = (160, 96), prompt: str = "A dog.") -> Storyboard:
    return Storyboard(
        story=Story(title="The film"),
        shots=[Shot(id=f"s{n + 1:02d}", prompt=prompt, size=size) for n in range(shots)],
    )


def _pictures(
    board: Storyboard, size: tuple[int, int] = (160, 96)
) -> dict[str, list[NDArray[np.uint8]]]:
    width, height = size
    row = [np.full((height, width, 3), colour, np.uint8) for colour in COLOURS]
    return {shot.id: row for shot in board.shots}


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as sheet:
        return np.asarray(sheet.convert("RGB"))


@pytest.mark.parametrize("shots", [1, 2, 5, 31, 100, 200])
def test_every_picture_is_on_the_sheet_whole(tmp_path: Path, shots: int) -> None:
    board = _board(shots)
    out = tmp_path / "sheet.png"
    assert contact_sheet(board, out, pictures=_pictures(board)) == out
    pixels = _pixels(out)
    scale = 2 if shots <= 30 else 1
    for colour in COLOURS:
        assert np.all(pixels == colour, axis=2).sum() == shots * 160 * 96 * scale**2
    height, width = pixels.shape[:2]
    assert height * width < 40_000_000
    # Nothing is drawn into the margin.
    edge = np.concatenate([pixels[:, :6].reshape(-1, 3), pixels[:, -6:].reshape(-1, 3)])
    assert len(np.unique(edge, axis=0)) == 1
    if shots >= 5:
        assert 0.4 < width / height < 3


@pytest.mark.parametrize(
    ("size", "shown"),
    [((832, 480), (320, 185)), ((1920, 1080), (320, 180)), ((96, 160), (96, 160)),
     ((16, 16), (240, 240)), ((2000, 100), (320, 16))],
)  # fmt: skip
def test_other_sizes_are_fitted_without_stretching(
    tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    board = _board(1, size=size)
    out = contact_sheet(board, tmp_path / "sheet.png", pictures=_pictures(board, size))
    for colour in COLOURS:
        rows, columns = np.nonzero(np.all(_pixels(out) == colour, axis=2))
        assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == shown
        assert rows.size == shown[0] * shown[1]


def test_the_same_storyboard_gives_the_same_bytes(tmp_path: Path) -> None:
    board = _board(7)
    for name in ("a.png", "b.png"):
        contact_sheet(board, tmp_path / name, pictures=_pictures(board))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_shots_without_pictures_and_of_several_sizes_share_a_sheet(tmp_path: Path) -> None:
    board = _board(4)
    pictures = _pictures(board)
    pictures["s02"] = []
    del pictures["s03"]
    pictures["s04"] = _pictures(board, (96, 160))["s04"][:1]
    out = contact_sheet(board, tmp_path / "sheet.png", pictures=pictures)
    assert np.all(_pixels(out) == COLOURS[0], axis=2).sum() == 320 * 192 + 96 * 160


@pytest.mark.parametrize(
    "text",
    ["word " * 400, "x" * 3000, "这是一个很长的中文句子" * 40, "مرحبا بالعالم " * 40, "",
     "tabs\tand\nlines\x00\x07\u202e", "👩‍👩‍👧‍👦🎬" * 50, "Straße, naïve, Привет",
     "e\u0301\u200b" * 99],
    ids=["words", "one word", "chinese", "arabic", "empty", "controls", "emoji", "latin", "marks"],
)  # fmt: skip
def test_any_text_fits(tmp_path: Path, text: str) -> None:
    shot = Shot(
        id="a" * 40, prompt=text, frames=10_000,
        dialogue=[Line(speaker=text[:200], text=text)] * 9,
        left_out=[LeftOut(word=text, why="no reason")],
    )  # fmt: skip
    board = Storyboard(story=Story(title=text, style=text), shots=[shot])
    pixels = _pixels(
        contact_sheet(
            board, tmp_path / "sheet.png", pictures={shot.id: _pictures(_board(1))["s01"]}
        )
    )
    edge = np.concatenate([pixels[:, :10].reshape(-1, 3), pixels[:, -10:].reshape(-1, 3)])
    assert len(np.unique(edge, axis=0)) == 1
    assert pixels.shape[0] < 1200
