"""The learned critic: which noun, colour, count, place and motion a clip shows, by its pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Self, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from reelwright_core.errors import InputError
from reelwright_generators.builtin import model
from reelwright_metrics.learned import WEIGHTS
from reelwright_metrics.learned.network import CELL, FRAMES, SIZE, Network, Shape, evenly

Floats = NDArray[np.float32]
_AT_ONCE = 16


class LearnedCritic:
    """A trained critic, on the CPU."""

    def __init__(self, net: Network, *, classes: Mapping[str, Sequence[str]], card: Any) -> None:
        self.net = net.eval()
        self.classes = {name: list(several) for name, several in classes.items()}
        """What each attribute can be, in the order of the numbers of `attributes`."""
        self.card = card
        self.tokenizer = model.tokenizer_of(card["vocabulary"], words=net.shape.words)

    @classmethod
    def load(cls, seed: int) -> Self:
        """The critic that was trained from `seed`, `STEERS` or `REPORTS`.

        Raises `InputError` where no such weights are installed.
        """
        return cast(Self, _loaded(seed))

    def attributes(self, frames: NDArray[np.uint8]) -> dict[str, Floats]:
        """How likely each class of each attribute is in each clip.

        `frames` is uint8 RGB [clips, frames, height, width, 3], of any size and length. Returns
        natural logarithms of probabilities, [clips, classes], by attribute: the keys of `classes`.
        """
        return self._watched(frames)[1]

    def match(self, frames: NDArray[np.uint8], captions: Sequence[Sequence[str]]) -> Floats:
        """How well each clip fits each of its own captions, as cosines, [clips, captions].

        `captions` holds the same number of captions for every clip.
        """
        clips = self._watched(frames)[0]
        said = self._read([caption for several in captions for caption in several])
        return np.einsum("cj,cnj->cn", clips, said.reshape(len(clips), -1, said.shape[-1]))

    def cells(self, frames: NDArray[np.uint8]) -> dict[str, Floats]:
        """What covers each cell of the picture at each of `FRAMES` times, as probabilities.

        `frames` as for `attributes`. Returns [clips, times, rows, columns, 1 + classes] for the
        attributes in `CELLS`; the first class is "nothing".
        """
        found: dict[str, list[torch.Tensor]] = {name: [] for name in self.net.cells}
        for start in range(0, len(frames), _AT_ONCE):
            seen = torch.from_numpy(_brought(frames[start : start + _AT_ONCE]))
            with torch.inference_mode():
                covered = self.net.watch_closely(seen.permute(0, 1, 4, 2, 3).float() / 127.5 - 1)[2]
            for name, several in covered.items():
                found[name].append(several.softmax(-1))
        grid = (FRAMES, SIZE[1] // CELL, SIZE[0] // CELL)
        return {
            name: torch.cat(several).unflatten(1, grid).numpy() for name, several in found.items()
        }

    def features(self, frames: NDArray[np.uint8]) -> Floats:
        """What captions are compared with: [clips, joint], of length one."""
        return self._watched(frames)[0]

    def _watched(self, frames: NDArray[np.uint8]) -> tuple[Floats, dict[str, Floats]]:
        if frames.ndim != 5 or frames.shape[4] != 3 or frames.dtype != np.uint8:
            raise ValueError(
                "`frames` is uint8 [clips, frames, height, width, 3], "
                f"got {frames.dtype} {list(frames.shape)}"
            )
        clips: list[torch.Tensor] = []
        logs: dict[str, list[torch.Tensor]] = {name: [] for name in self.classes}
        for start in range(0, len(frames), _AT_ONCE):
            seen = torch.from_numpy(_brought(frames[start : start + _AT_ONCE]))
            with torch.inference_mode():
                clip, logits = self.net.watch(seen.permute(0, 1, 4, 2, 3).float() / 127.5 - 1)
            clips.append(clip)
            for name, several in logits.items():
                logs[name].append(several.log_softmax(-1))
        return torch.cat(clips).numpy(), {
            n: torch.cat(several).numpy() for n, several in logs.items()
        }

    def _read(self, captions: Sequence[str]) -> Floats:
        tokens = self.tokenizer(
            list(captions), padding=True, max_length=self.net.shape.words, truncation=True,
            return_tensors="pt",
        )  # fmt: skip
        with torch.inference_mode():
            return self.net.read(tokens["input_ids"], tokens["attention_mask"]).numpy()


def _brought(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Clips with the length and size that the network knows."""
    chosen = frames[:, list(evenly(frames.shape[1]))] if frames.shape[1] != FRAMES else frames
    if chosen.shape[2:4] == SIZE[::-1]:
        return np.ascontiguousarray(chosen)
    flat = chosen.reshape(-1, *chosen.shape[2:])
    small = [cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA) for picture in flat]
    return np.stack(small).reshape(*chosen.shape[:2], SIZE[1], SIZE[0], 3).astype(np.uint8)


@cache
def _loaded(seed: int) -> LearnedCritic:
    card_at, weights_at = (WEIGHTS / f"critic-{seed}.{end}" for end in ("json", "safetensors"))
    if not card_at.exists() or not weights_at.exists():
        raise InputError(
            f"there is no learned critic of seed {seed} in {WEIGHTS.name}; make it by "
            f"`python -m reelwright_metrics.learned.train --seed {seed}`"
        )
    card = json.loads(card_at.read_text("utf-8"))
    shape = Shape(**card["shape"])
    net = Network(shape, vocabulary=3 + len(card["vocabulary"]))
    net.load_state_dict({name: part.float() for name, part in load_file(weights_at).items()})
    return LearnedCritic(net, classes=card["classes"], card=card)
