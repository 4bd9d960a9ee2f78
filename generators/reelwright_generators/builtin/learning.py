"""What learns: the networks, the batches they see, and how wrong they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from reelwright_generators.builtin import codec, model, scenes, staging, words
from reelwright_generators.builtin.recipe import Phase, Recipe


class Film:
    """The networks that learn, their running means, and what steps them."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        shape = recipe.shape
        self.tokenizer: PreTrainedTokenizerFast = model.tokenizer_of(
            words.vocabulary(), words=shape.words
        )
        self.transformer: WanTransformer3DModel = model.transformer_of(shape)
        self.encoder: UMT5EncoderModel = model.text_encoder_of(
            shape, vocabulary=len(self.tokenizer)
        )
        torch.nn.init.zeros_(self.transformer.proj_out.weight)
        torch.nn.init.zeros_(self.transformer.proj_out.bias)
        self.nets = torch.nn.ModuleDict({"transformer": self.transformer, "encoder": self.encoder})
        self.mean = {k: v.detach().clone() for k, v in self.nets.state_dict().items()}
        matrices: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, parameter in self.nets.named_parameters():
            block = "blocks." in name or "encoder.block." in name
            inside = block and parameter.ndim == 2 and "bias" not in name
            (matrices if inside else others).append(parameter)
        self.optimisers = [
            torch.optim.Muon(
                matrices, lr=recipe.muon_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=recipe.adam_rate, betas=(0.9, 0.98), weight_decay=0.01),
        ]
        self.rates = [recipe.muon_rate, recipe.adam_rate]

    def state(self) -> dict[str, Any]:
        return {
            "nets": self.nets.state_dict(),
            "mean": self.mean,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.nets.load_state_dict(state["nets"])
        self.mean = dict(state["mean"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)

    def step(self, loss: torch.Tensor, *, rate: float, ema: float) -> float:
        """One step down `loss`; returns the gradient's length."""
        for optimiser, full in zip(self.optimisers, self.rates, strict=True):
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = full * rate
        loss.backward()
        length = torch.nn.utils.clip_grad_norm_(self.nets.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        with torch.no_grad():
            now = self.nets.state_dict()
            for name, kept in self.mean.items():
                if kept.is_floating_point():
                    kept.lerp_(now[name], 1 - ema)
        return float(length)


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """The clips of a step as they are drawn, before any network sees them."""

    clean: NDArray[np.float32]
    """[clips, frames, rows, columns, channels]: the latents to learn."""
    sketch: NDArray[np.float32]
    """The same, of the sketch; equal to `clean` where there is none."""
    sketched: list[bool]
    covered: NDArray[np.float32]
    """[clips, frames, rows, columns]: how much of each patch things cover, 0..1."""
    captions: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The clips of a step as the networks see them."""

    clean: torch.Tensor
    """[clips, channels, frames, rows, columns]"""
    sketch: torch.Tensor
    sketched: torch.Tensor
    """[clips]: whether there is a sketch."""
    weight: torch.Tensor
    ids: torch.Tensor
    mask: torch.Tensor


def drawn(coding: codec.Codec, recipe: Recipe, *, step: int, phase: Phase) -> Drawn:
    """The clips of step `step`: the same whenever and wherever they are drawn."""
    rng = np.random.default_rng([recipe.seed, step])
    clean: list[NDArray[np.float32]] = []
    rough: list[NDArray[np.float32]] = []
    covered: list[NDArray[np.float32]] = []
    captions: list[str] = []
    sketched: list[bool] = []
    while len(clean) < phase.batch:
        has_sketch = bool(rng.random() < recipe.sketched)
        strange = has_sketch and bool(rng.random() < recipe.strange)
        scene = scenes.random_scene(rng, strange=strange)
        layout = staging.layout_of(scene, frames=phase.frames, rng=rng)
        painting = scenes.draw(scene, layout, size=recipe.shape.size)
        sketch = painting.frames
        if has_sketch:
            sketch = scenes.draw_sketch(scene, layout, size=recipe.shape.size, rng=rng).frames
        parts = [slice(None)]
        if phase.stills:
            chosen = rng.choice(phase.frames, phase.stills, replace=False)
            parts = [slice(int(f), int(f) + 1) for f in chosen]
        for part in parts:
            latents = coding.encode(painting.frames[part])
            clean.append(latents)
            rough.append(coding.encode(sketch[part]) if has_sketch else latents)
            covered.append(_covered(painting.labels[part], patch=recipe.shape.codec_patch))
            captions.append(_misheard(words.caption(scene, rng=rng), rng=rng))
            sketched.append(has_sketch)
    return Drawn(
        clean=np.stack(clean), sketch=np.stack(rough), sketched=sketched,
        covered=np.stack(covered), captions=captions,
    )  # fmt: skip


def _covered(labels: NDArray[np.uint8], *, patch: int) -> NDArray[np.float32]:
    frames, height, width = labels.shape
    cut = labels.reshape(frames, height // patch, patch, width // patch, patch) > 0
    return cut.mean((2, 4)).astype(np.float32)


def batch(film: Film, clips: Drawn, *, words: int) -> Batch:
    """Drawn clips as tensors, their captions as tokens."""
    tokens = film.tokenizer(
        clips.captions, padding="max_length", max_length=words, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    return Batch(
        clean=torch.from_numpy(clips.clean).permute(0, 4, 1, 2, 3).contiguous(),
        sketch=torch.from_numpy(clips.sketch).permute(0, 4, 1, 2, 3).contiguous(),
        sketched=torch.tensor(clips.sketched),
        weight=1 + 4 * torch.from_numpy(clips.covered)[:, None],
        ids=tokens["input_ids"],
        mask=tokens["attention_mask"],
    )


def _misheard(caption: str, *, rng: np.random.Generator) -> str:
    """No caption one time in ten, and one time in ten some words are not understood."""
    if rng.random() < 0.1:
        return ""
    if rng.random() < 0.1:
        return " ".join("<unk>" if rng.random() < 0.15 else word for word in caption.split())
    return caption


def flow_loss(film: Film, clips: Batch, *, generator: torch.Generator) -> torch.Tensor:
    """How far the transformer's velocity is from the straight way to the clean clip."""
    count = len(clips.clean)
    noise = torch.randn(clips.clean.shape, generator=generator)
    level = torch.sigmoid(0.4 + torch.randn(count, generator=generator))
    level = 2 * level / (1 + level)
    even = torch.rand(count, generator=generator)
    level = torch.where(torch.rand(count, generator=generator) < 0.1, even, level)
    # A sketch is noised to `start`; from there one straight way leads to the clean clip, and the
    # network has to know its direction at the start and anywhere along it.
    start = 0.45 + 0.5 * torch.rand(count, generator=generator)
    along = start * (0.1 + 0.9 * torch.rand(count, generator=generator))
    along = torch.where(torch.rand(count, generator=generator) < 0.4, start, along)
    level = torch.where(clips.sketched, along, level).clamp(0.002, 1)
    start = torch.where(clips.sketched, start, torch.ones(()))
    wide = (slice(None), None, None, None, None)
    begin = (1 - start[wide]) * clips.sketch + start[wide] * noise
    velocity = (begin - clips.clean) / start[wide]
    noised = clips.clean + level[wide] * velocity
    said = model.embed(film.encoder, clips.ids, clips.mask)
    guess = film.transformer(
        hidden_states=noised, timestep=level * 1000, encoder_hidden_states=said, return_dict=False
    )[0]
    weight = clips.weight / clips.weight.mean()
    return (weight * (guess.float() - velocity) ** 2).mean()
