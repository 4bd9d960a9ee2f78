"""The learned critic's network: a small video tower with attribute heads, and a text tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn
from torch.nn import functional

FRAMES = 9
"""Of a clip so many frames, evenly spread, are looked at."""
SIZE = (160, 96)
"""Width and height that clips are brought to."""

CELL = 16
"""Pixels along the side of a cell."""
CELLS = ("noun", "colour", "motion")
"""Attributes of what covers a cell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How large the critic is."""

    widths: tuple[int, int, int] = (48, 96, 192)
    depths: tuple[int, int, int] = (1, 2, 2)
    words: int = 32
    text_width: int = 128
    text_layers: int = 2
    joint: int = 128
    """How many numbers a clip and a caption are compared by."""
    heads: Mapping[str, int] = field(default_factory=dict[str, int])
    """The classes of each attribute."""


class Block(nn.Module):
    """ConvNeXt's block: a depthwise look around, then a mixing of channels.

    Liu et al. 2022, "A ConvNet for the 2020s", here over time as well.
    """

    def __init__(self, width: int, *, over_time: bool) -> None:
        super().__init__()
        self.around = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.later = nn.Conv1d(width, width, 3, padding=1, groups=width) if over_time else None
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, seen: torch.Tensor, clips: int) -> torch.Tensor:
        """[clips x frames, width, rows, columns] to the same."""
        after = self.around(seen)
        if self.later is not None:
            frames, width, rows, columns = after.shape
            lines = after.view(clips, frames // clips, width, rows * columns).permute(0, 3, 2, 1)
            lines = self.later(lines.reshape(-1, width, frames // clips))
            lines = lines.view(clips, rows * columns, width, frames // clips)
            after = after + lines.permute(0, 3, 2, 1).reshape(frames, width, rows, columns)
        after = self.norm(after.permute(0, 2, 3, 1))
        after = self.narrow(functional.gelu(self.wide(after)))
        return seen + after.permute(0, 3, 1, 2)


class Reading(nn.Module):
    """Questions that look at all places and times of a clip, one for each head."""

    def __init__(self, width: int, *, questions: int, layers: int = 2) -> None:
        super().__init__()
        self.questions = nn.Parameter(torch.randn(questions, width) * 0.5)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                width, 6, 2 * width, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )
            for _ in range(layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """[clips, tokens, width] to [clips, questions, width]."""
        asked = self.questions.expand(len(seen), -1, -1)
        for layer in self.layers:
            asked = layer(asked, seen)
        return self.norm(asked)


class Network(nn.Module):
    """Both towers."""

    def __init__(self, shape: Shape, *, vocabulary: int) -> None:
        super().__init__()
        self.shape = shape
        first, second, third = shape.widths
        self.stem = nn.Conv2d(3, first, 4, stride=4)
        self.narrower = nn.ModuleList(
            [nn.Conv2d(first, second, 2, stride=2), nn.Conv2d(second, third, 2, stride=2)]
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, over_time=i > 0) for _ in range(depth))
            for i, (width, depth) in enumerate(zip(shape.widths, shape.depths, strict=True))
        )
        rows, columns = SIZE[1] // CELL, SIZE[0] // CELL
        self.where = nn.Parameter(torch.randn(1, 1, rows * columns, third) * 0.02)
        self.when = nn.Parameter(torch.randn(1, FRAMES, 1, third) * 0.02)
        self.norm = nn.LayerNorm(third)
        self.mixing = nn.TransformerEncoderLayer(
            third, 6, 2 * third, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.reading = Reading(third, questions=len(shape.heads) + 1)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(third, classes) for name, classes in shape.heads.items()}
        )
        self.cells = nn.ModuleDict(
            {name: nn.Linear(third, 1 + shape.heads[name]) for name in CELLS if name in shape.heads}
        )
        """What covers each cell of the picture: only asked in training, where it is known. An
        answer for every cell teaches far more than one for the whole clip."""
        self.clip = nn.Linear(third, shape.joint)
        self.word = nn.Embedding(vocabulary, shape.text_width)
        self.place = nn.Parameter(torch.randn(1, shape.words, shape.text_width) * 0.02)
        self.text = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.text_width, 4, 2 * shape.text_width, dropout=0.0, activation="gelu",
                batch_first=True, norm_first=True,
            )
            for _ in range(shape.text_layers)
        )  # fmt: skip
        self.caption = nn.Sequential(
            nn.LayerNorm(shape.text_width), nn.Linear(shape.text_width, shape.joint)
        )
        self.sharpness = nn.Parameter(torch.tensor(2.5))

    def watch(self, frames: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What captions are compared with, and the logits of every head: see `watch_closely`."""
        clip, logits, _ = self.watch_closely(frames)
        return clip, logits

    def watch_closely(
        self, frames: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Looks at float frames in -1..1, [clips, frames, 3, height, width].

        `frames` may be one still or `FRAMES`. Returns what captions are compared with, of length
        one, [clips, joint]; the logits of every head, [clips, classes]; and those of every cell,
        [clips, frames x rows x columns, 1 + classes], of which the first is "nothing".
        """
        clips, times = frames.shape[:2]
        seen = self.stem(frames.flatten(0, 1))
        for i, stage in enumerate(self.stages):
            if i:
                seen = self.narrower[i - 1](seen)
            for block in cast(nn.ModuleList, stage):
                seen = block(seen, clips)
        tokens = seen.flatten(2).transpose(1, 2).unflatten(0, (clips, times))
        when = self.when if times == FRAMES else self.when.mean(1, keepdim=True)
        tokens = self.mixing(self.norm((tokens + self.where + when).flatten(1, 2)))
        cells = {name: head(tokens) for name, head in self.cells.items()}
        answers = self.reading(tokens)
        logits = {name: head(answers[:, i]) for i, (name, head) in enumerate(self.heads.items())}
        return functional.normalize(self.clip(answers[:, -1]), dim=-1), logits, cells

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Token ids and mask [captions, words] to vectors of length one, [captions, joint]."""
        said = self.word(ids) + self.place[:, : ids.shape[1]]
        hidden = mask == 0
        for layer in self.text:
            said = layer(said, src_key_padding_mask=hidden)
        kept = mask[..., None].to(said.dtype)
        pooled = (said * kept).sum(1) / kept.sum(1).clamp_min(1)
        return functional.normalize(self.caption(pooled), dim=-1)


def evenly(frames: int, wanted: int = FRAMES) -> Sequence[int]:
    """Which of `frames` frames are looked at."""
    return [round(i * (frames - 1) / (wanted - 1)) for i in range(wanted)]
