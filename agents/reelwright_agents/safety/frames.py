"""Looks at the frames of a take with an image classifier from a local folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import ModelError
from reelwright_core.records import known_digest
from reelwright_core.safety import Aspect, Finding
from reelwright_core.video import Frames

SEQUENCE = 0.75
"""A span of frames is refused from this part of the threshold on: no single frame need be sure."""
SPAN = 8
"""Frames of such a span."""
_AT_ONCE = 8

_LABELS: tuple[tuple[str, Aspect], ...] = (
    (r"gore|blood", Aspect.GORE),
    (r"sexy|suggestive|racy|borderline", Aspect.BORDERLINE_PORNOGRAPHY),
    (r"nsfw|porn|hentai|nud|sexual|explicit|adult", Aspect.PORNOGRAPHY),
    (r"violen|weapon|fight|gun", Aspect.VIOLENCE),
    (r"hate|nazi|swastika", Aspect.DISCRIMINATION),
    (r"unsafe|disturb|harm|toxic", Aspect.DISTURBING_CONTENT),
)
_HARMLESS = re.compile(r"\b(normal|sfw|safe|neutral|drawings?|non[ _-]?\w+|not[ _-]\w+)\b", re.I)


def aspect_of(label: str) -> Aspect | None:
    """What a classifier's label is called here; none for a harmless one."""
    if _HARMLESS.search(label.replace("_", " ")):
        return None
    return next((aspect for said, aspect in _LABELS if re.search(said, label.lower())), None)


class FrameClassifier:
    """An image classifier of `transformers`, loaded from a folder and from nowhere else."""

    def __init__(self, folder: Path):
        """Raises `ModelError` for a folder without one, or whose labels name nothing to refuse."""
        import torch
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        self._torch = torch
        try:
            self._processor: Any = AutoImageProcessor.from_pretrained(
                folder, local_files_only=True, use_fast=False
            )
            self._model: Any = AutoModelForImageClassification.from_pretrained(
                folder, local_files_only=True
            ).eval()
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"`safety.frames` names a folder with an image classifier, {folder} holds none: "
                f"{str(error).splitlines()[0]}"
            ) from None
        labels: Mapping[int, str] = self._model.config.id2label
        self.aspects = {
            index: aspect
            for index, label in labels.items()
            if (aspect := aspect_of(str(label))) is not None
        }
        """The labels that are refused, by their index."""
        if not self.aspects:
            raise ModelError(
                f"the classifier in {folder} has no label that names anything to refuse, such as "
                f"`nsfw` or `violence`: {', '.join(map(str, labels.values()))}"
            )

    def scores(self, frames: Frames) -> NDArray[np.float64]:
        """How probable each label is in each frame, [frames, labels], each row adds up to 1."""
        rows: list[NDArray[np.float64]] = []
        with self._torch.inference_mode():
            for start in range(0, len(frames), _AT_ONCE):
                pictures = list(frames[start : start + _AT_ONCE])
                inputs = self._processor(images=pictures, return_tensors="pt")
                logits = self._model(**inputs).logits
                rows.append(logits.softmax(-1).double().numpy())
        return np.concatenate(rows)

    def look(self, frames: Frames, *, threshold: float) -> list[Finding]:
        """Why a clip, uint8 [frames, height, width, 3], is refused: its worst frame, or a span.

        A label is refused in a frame from `threshold` on, in the mean of `SPAN` frames in a row
        from `SEQUENCE` times that.
        """
        scores = self.scores(frames)
        found: list[Finding] = []
        for index, aspect in self.aspects.items():
            score = scores[:, index]
            label = self._model.config.id2label[index]
            span = min(SPAN, len(score))
            means = np.convolve(score, np.ones(span) / span, mode="valid")
            worst, first = int(score.argmax()), int(means.argmax())
            if score[worst] >= threshold:
                why = f"the classifier sees `{label}` ({score[worst]:.2f})"
                found.append(Finding(aspect=aspect, why=why, frame=worst, by="frames"))
            elif means[first] >= SEQUENCE * threshold:
                why = (
                    f"the classifier sees `{label}` in {span} frames in a row "
                    f"({means[first]:.2f} on average)"
                )
                found.append(Finding(aspect=aspect, why=why, frame=first, by="frames"))
        return found


@lru_cache(maxsize=2)
def classifier(folder: Path) -> FrameClassifier:
    """The classifier in `folder`, loaded once."""
    return FrameClassifier(folder)


def classifier_digest(folder: Path) -> str:
    """Of all files of a classifier's folder; `ModelError` if it is none."""
    files = sorted(path for path in folder.glob("*") if path.is_file())
    if not any(path.name == "config.json" for path in files):
        raise ModelError(f"`safety.frames` names a folder with an image classifier, got {folder}")
    return " ".join(f"{path.name}:{known_digest(path)}" for path in files)
