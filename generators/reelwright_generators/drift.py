"""How far a long shot has drifted: the look of a stretch of frames, measured against the first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright_core.video import Frames

_BINS = 16
_SMALL = (12, 20)
"""Rows and columns of the small picture that is compared."""
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Look:
    """What a stretch of frames looks like on the whole."""

    colours: NDArray[np.float64]
    """[3, bins]: the histogram of each channel; each sums to 1."""
    mean: float
    """Of the luma, 0..255."""
    contrast: float
    """Standard deviation of the luma."""
    sharpness: float
    """Mean of the absolute differences of neighbours in a row and in a column."""
    small: NDArray[np.float64]
    """The mean picture, made small, [rows, columns, 3]."""


def look(frames: Frames) -> Look:
    """The look of `frames`, uint8 RGB [frames, height, width, 3]."""
    luma = frames @ _LUMA
    counts = [np.bincount(frames[..., c].ravel() // (256 // _BINS), minlength=_BINS) for c in
              range(3)]  # fmt: skip
    rows, columns = (np.array_split(np.arange(n), parts) for n, parts in
                     zip(frames.shape[1:3], _SMALL, strict=True))  # fmt: skip
    mean = frames.mean(axis=0)
    small = [[mean[np.ix_(r, c)].mean((0, 1)) for c in columns if len(c)] for r in rows if len(r)]
    return Look(
        colours=np.stack(counts) / luma.size,
        mean=float(luma.mean()),
        contrast=float(luma.std()),
        sharpness=float(
            (np.abs(np.diff(luma, axis=1)).mean() + np.abs(np.diff(luma, axis=2)).mean()) / 2
        ),
        small=np.array(small),
    )


def moved(seen: Look, *, since: Look) -> dict[str, float]:
    """How another look differs.

    `colours`: half the sum of the histograms' differences, 0 (same) to 1; `mean`: added luma, in
    1/255; `contrast` and `sharpness`: times as much; `likeness`: correlation of the small mean
    pictures, 1 if they are the same but for brightness and contrast.
    """

    def times(now: float, then: float) -> float:
        return now / then if then > 0 else 1.0

    one, other = (each.small - each.small.mean() for each in (seen, since))
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return {
        "colours": round(float(np.abs(seen.colours - since.colours).sum() / 6), 3),
        "mean": round(seen.mean - since.mean, 1),
        "contrast": round(times(seen.contrast, since.contrast), 3),
        "sharpness": round(times(seen.sharpness, since.sharpness), 3),
        "likeness": round(float((one * other).sum()) / size if size else 1.0, 3),
    }
