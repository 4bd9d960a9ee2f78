"""CLIP score, FCS and CSCV of a clip, by a CLIP model from a local folder.

CLIP score: the mean over frames of max(cos(image, text), 0) (Hessel et al., arXiv 2104.08718,
without its factor). FCS: the mean cosine of all pairs of frames (Tune-A-Video, arXiv 2212.11565).
CSCV: see `joins`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import ModelError
from reelwright_core.records import Record
from reelwright_core.video import Frames
from reelwright_metrics.joins import evenness

_AT_ONCE = 16


class ClipScores(Record):
    """What a CLIP model says of a clip; none where nothing can be computed."""

    clip_score: float | None = None
    """How well the frames fit the text, 0 to 1; none without a text."""
    fcs: float | None = None
    """How alike the frames are, -1 to 1: 1 for a still; none below two frames."""
    cscv: float | None = None
    """How evenly neighbours resemble each other, 0 to 1; none below three frames."""
    cut_short: bool = False
    """Whether the text is longer than what the model reads; the rest was left out."""


class ClipModel:
    """A `CLIPModel` of transformers with its processor and tokenizer, from a folder alone."""

    def __init__(self, folder: Path):
        """Raises `ModelError` for a folder that holds none."""
        import torch
        from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

        from reelwright_generators.loading import quiet

        self._torch = torch
        try:
            if not folder.is_dir():
                raise OSError("there is no such folder")
            for name in ("config.json", "preprocessor_config.json"):
                if not (folder / name).is_file():
                    raise OSError(f"it has no {name}")
            self._processor: Any = AutoImageProcessor.from_pretrained(
                folder, local_files_only=True, use_fast=False
            )
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            with quiet():
                self._model: Any = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"`critic.clip` names a folder with a CLIP model of transformers, {folder} holds "
                f"none: {str(error).splitlines()[0]}"
            ) from None
        self.reads: int = self._model.config.text_config.max_position_embeddings
        """How many tokens of a text it reads."""

    def images(self, frames: Frames) -> NDArray[np.float64]:
        """A vector of length 1 for each frame, uint8 RGB [frames, height, width, 3]."""
        rows: list[NDArray[np.float64]] = []
        with self._torch.inference_mode():
            for start in range(0, len(frames), _AT_ONCE):
                pictures = list(frames[start : start + _AT_ONCE])
                inputs = self._processor(images=pictures, return_tensors="pt")
                seen = self._model.vision_model(**inputs).pooler_output
                rows.append(self._model.visual_projection(seen).double().numpy())
        return _long(np.concatenate(rows))

    def text(self, text: str) -> tuple[NDArray[np.float64], bool]:
        """A text's vector of length 1, and whether the text was cut to what the model reads."""
        tokens = self._tokenizer(text)["input_ids"]
        inputs = self._tokenizer(text, truncation=True, max_length=self.reads, return_tensors="pt")
        with self._torch.inference_mode():
            read = self._model.text_model(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            ).pooler_output
            vector = self._model.text_projection(read).double().numpy()
        return _long(vector)[0], len(tokens) > self.reads

    def scores(self, frames: Frames, text: str | None) -> ClipScores:
        """All three of a clip, uint8 RGB [frames, height, width, 3]."""
        seen = self.images(frames)
        score, cut_short = None, False
        if text is not None:
            said, cut_short = self.text(text)
            score = float(np.maximum(seen @ said, 0).mean())
        return ClipScores(
            clip_score=_rounded(score),
            fcs=_rounded(frame_consistency(seen)) if len(seen) > 1 else None,
            cscv=_rounded(evenness((seen[1:] * seen[:-1]).sum(1))) if len(seen) > 2 else None,
            cut_short=cut_short,
        )


def frame_consistency(vectors: NDArray[np.float64]) -> float:
    """FCS: the mean cosine of all pairs of [frames, length] vectors of length 1; two or more."""
    count = len(vectors)
    alike = vectors @ vectors.T
    return float((alike.sum() - np.trace(alike)) / (count * (count - 1)))


@lru_cache(maxsize=2)
def clip_model(folder: Path) -> ClipModel:
    """The CLIP model in `folder`, loaded once."""
    return ClipModel(folder)


def _long(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
