"""Clips that are denoised together look alike: a later one attends to the one before it.

DiTCtrl's key-value sharing (arXiv 2412.18597): in some layers, during some steps, the queries of a
clip attend to the keys and values that the clip before it had there, instead of its own. The paper
takes layers 25 to 30 of 30 and steps 2 to 25 of 50. Keys and values of a text that is attended to
together with the clip (CogVideoX) stay a clip's own, and with them its prompt.

It needs no attention of its own: the projections `to_k` and `to_v` of a self-attention are per
token, so exchanging what they give exchanges keys and values, whatever comes after them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from typing import Any

import torch

from reelwright_core.errors import ModelError
from reelwright_core.settings import KvSharing
from reelwright_generators.cache_hooks import blocks_of
from reelwright_generators.families.family import TRANSFORMERS
from reelwright_generators.schedules import Course


class Sharing:
    """Keys and values of each clip, for the one after it; clips take turns, each in a thread."""

    def __init__(self, told: KvSharing, *, clips: int, text: int) -> None:
        """`text`: how many tokens of the prompt stand before the clip's in its self-attention."""
        self._told, self._clips, self._text = told, clips, text
        self._kept: dict[tuple[int, int, int], torch.Tensor] = {}
        """By clip, projection, and its how manyth call of the step: guidance may call twice."""
        self._clip = threading.local()
        self.layers: list[int] = []
        """The blocks that share, of the first model."""
        self.of = 0

    def enter(self, index: int, course: Course) -> None:
        """What this thread calls from now on is clip `index`, on its way through `course`."""
        self._clip.index, self._clip.course = index, course
        self._clip.step, self._clip.calls = -1, {}

    @contextlib.contextmanager
    def worn(self, pipe: Any) -> Generator[None]:
        """Shares while the block lasts; `ModelError` if the model's attention cannot be found."""
        handles: list[Any] = []
        models = [part for name in TRANSFORMERS if (part := getattr(pipe, name, None)) is not None]
        try:
            for model in models:
                blocks = blocks_of(model)
                first = len(blocks) - max(1, round(self._told.layers * len(blocks)))
                if model is models[0]:
                    self.layers, self.of = list(range(first, len(blocks))), len(blocks)
                for block in blocks[first:]:
                    for part in _projections(block):
                        handles.append(part.register_forward_hook(self._exchanged))
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._kept.clear()

    def data(self) -> dict[str, Any]:
        """For the provenance of a clip."""
        first, last = self._told.steps
        return {"layers": self.layers, "of": self.of, "steps": [first, last]}

    def _exchanged(self, projection: Any, args: Any, made: torch.Tensor) -> torch.Tensor | None:
        clip = self._clip
        done, steps = clip.course.done, len(clip.course.levels)
        first, last = self._told.steps
        if not first <= done / steps <= last:
            return None
        if clip.step != done:
            clip.step, clip.calls = done, {}
        call = clip.calls.get(projection, 0)
        clip.calls[projection] = call + 1
        if clip.index < self._clips - 1:
            self._kept[clip.index, id(projection), call] = made[:, self._text :].detach()
        if clip.index == 0:
            return None
        before = self._kept.pop((clip.index - 1, id(projection), call))
        own = made[:, self._text :]
        # Of a longer clip the frames nearest to the join; where a shorter one ends, its own.
        shared = before[:, -own.shape[1] :]
        parts = [made[:, : self._text], shared, own[:, shared.shape[1] :]]
        return torch.cat(parts, dim=1)


def _projections(block: Any) -> list[Any]:
    attention = getattr(block, "attn1", None)
    found = [getattr(attention, name, None) for name in ("to_k", "to_v")]
    if None in found:
        raise ModelError(
            f"{type(block).__name__} has no self-attention whose keys and values can be shared; "
            "set `generator.long.kv_sharing.layers=0`"
        )
    return found
