"""What is told of the weights: the model card and the picture of the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

Row = tuple[int, float, int, float, float]
"""Step, seconds, clips, loss, rate."""


def curve(log: Sequence[Row]) -> bytes:
    """The loss against the clips seen, as a PNG."""
    picture = np.full((360, 640, 3), 255, np.uint8)
    left, right, top, bottom = 60, 620, 30, 320
    cv2.putText(
        picture, "loss against clips seen", (left, 20), 0, 0.5, (40, 40, 40), 1, cv2.LINE_AA
    )
    if len(log) > 1:
        clips = np.array([row[2] for row in log], float)
        loss = np.array([row[3] for row in log], float)
        high, low = float(np.percentile(loss, 98)), float(loss.min())
        low, high = low - 0.05 * (high - low), high + 1e-6
        for part in np.linspace(0, 1, 5):
            y, x = round(bottom - part * (bottom - top)), round(left + part * (right - left))
            cv2.line(picture, (left, y), (right, y), (225, 225, 225), 1)
            value, count = low + part * (high - low), clips[-1] * part
            cv2.putText(picture, f"{value:.2f}", (12, y + 4), 0, 0.42, (90, 90, 90), 1, cv2.LINE_AA)
            cv2.putText(
                picture,
                f"{count / 1000:.1f}k",
                (x - 16, 342),
                0,
                0.42,
                (90, 90, 90),
                1,
                cv2.LINE_AA,
            )
        across = left + clips / clips[-1] * (right - left)
        up = bottom - np.clip((loss - low) / (high - low), 0, 1) * (bottom - top)
        points = np.stack([across, up], 1).round().astype(np.int32)
        cv2.polylines(picture, [points], False, (190, 110, 40), 1, cv2.LINE_AA)
    return cv2.imencode(".png", picture)[1].tobytes()


def text(
    *,
    recipe: Mapping[str, Any],
    profile: Mapping[str, Any],
    figures: Mapping[str, float],
    log: Sequence[Row],
    sizes: Mapping[str, int],
) -> str:
    """The model card."""
    return ""
