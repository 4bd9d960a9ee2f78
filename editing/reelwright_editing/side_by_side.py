"""Draws clips of one action beside each other, a row for each time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reelwright_core.files import written_whole
from reelwright_core.video import Frames
from reelwright_editing.lettering import Lettering

_GROUND, _TEXT, _MUTED = (18, 22, 28), (240, 243, 247), (138, 149, 165)
_WIDE, _GAP, _LETTERS = 240, 8, 15
_MARGIN = 78
"""Pixels for the times on the left."""


def side_by_side(
    file: Path, clips: Sequence[tuple[str, Frames]], *, at: Sequence[int], fps: Fraction
) -> None:
    """Writes the PNG `file`: a column for each clip under its name, a row for each frame of `at`.

    Clips are uint8 [frames, height, width, 3] of one size and one length.
    """
    height, width = clips[0][1].shape[1:3]
    shown = _WIDE, round(_WIDE * height / width)
    top = _LETTERS * 2 + _GAP
    size = (
        _MARGIN + len(clips) * (shown[0] + _GAP),
        top + len(at) * (shown[1] + _GAP),
    )
    sheet = Image.new("RGB", size, _GROUND)
    letters = Lettering(ImageDraw.Draw(sheet))
    for column, (name, frames) in enumerate(clips):
        left = _MARGIN + column * (shown[0] + _GAP)
        letters.text((left, top - _GAP - 4), name, size=_LETTERS, colour=_TEXT)
        for row, frame in enumerate(at):
            picture = Image.fromarray(np.ascontiguousarray(frames[frame]))
            sheet.paste(picture.resize(shown), (left, top + row * (shown[1] + _GAP)))
    for row, frame in enumerate(at):
        middle = top + row * (shown[1] + _GAP) + shown[1] // 2
        letters.text((_GAP, middle), f"{float(frame / fps):.2f} s", size=_LETTERS, colour=_MUTED)
        letters.text(
            (_GAP, middle + _LETTERS + 4), f"frame {frame}", size=_LETTERS - 2, colour=_MUTED
        )
    with written_whole(file) as aside:
        sheet.save(aside, format="PNG")
