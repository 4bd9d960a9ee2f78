"""What learns: the networks, the batches they see, and how wrong they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from reelwright_core.story import Layout
from reelwright_generators.builtin import codec, model, scenes, staging, words
from reelwright_generators.builtin.recipe import Phase, Recipe
from reelwright_generators.builtin.renderer import Plan, Renderer, plan
from reelwright_generators.builtin.words import Scene


class Film:
    """The networks that learn, their running means, and what steps them."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        shape, self.device = recipe.shape, torch.device(recipe.device)
        self.tokenizer: PreTrainedTokenizerFast = model.tokenizer_of(
            words.vocabulary(words.NOUN_SETS[recipe.nouns]), words=shape.words
        )
        self.transformer: WanTransformer3DModel = model.transformer_of(shape)
        self.encoder: UMT5EncoderModel = model.text_encoder_of(
            shape, vocabulary=len(self.tokenizer)
        )
        torch.nn.init.zeros_(self.transformer.proj_out.weight)
        torch.nn.init.zeros_(self.transformer.proj_out.bias)
        self.classes = 1 + len(words.NOUN_SETS[recipe.nouns])
        cells = shape.patch[0] * shape.patch[1] * shape.patch[2]
        self.namer = torch.nn.Linear(shape.width, cells * self.classes)
        """Says half-way through the transformer which noun covers each cell: only for training."""
        self.named: torch.Tensor | None = None
        """What it said of the last clips, [clips, tokens, cells x classes]."""
        self.transformer.blocks[(shape.layers - 1) // 2].register_forward_hook(self._name)
        self.nets = torch.nn.ModuleDict(
            {"transformer": self.transformer, "encoder": self.encoder, "namer": self.namer}
        )
        self.nets.to(self.device)
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

    def _name(self, module: torch.nn.Module, given: Any, states: torch.Tensor) -> None:
        if module.training:
            self.named = self.namer(states)

    def state(self) -> dict[str, Any]:
        return {
            "nets": self.nets.state_dict(),
            "mean": self.mean,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.nets.load_state_dict(state["nets"])
        self.mean = {name: kept.to(self.device) for name, kept in state["mean"].items()}
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
    """The clips of a step as they are drawn, before any network sees them.

    They are arrays where a process beside drew them, tensors where the device did.
    """

    clean: NDArray[np.float32] | torch.Tensor
    """[clips, frames, rows, columns, channels]: the latents to learn."""
    sketch: NDArray[np.float32] | torch.Tensor
    """The same, of the sketch; equal to `clean` where there is none."""
    sketched: list[bool]
    covered: NDArray[np.float32] | torch.Tensor
    """[clips, frames, rows, columns]: how much of each patch things cover, 0..1."""
    cells: torch.Tensor
    """[clips, frames, rows, columns]: the noun that covers each patch, from 1 on; 0 is none, -1
    one that is not taught."""
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
    cells: torch.Tensor
    """[clips, frames, rows, columns]: see `Drawn`."""
    ids: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """The same before they are drawn."""

    clean: list[Plan]
    sketch: list[Plan]
    """Of those clips only that have one."""
    sketched: list[bool]
    nouns: list[list[int]]
    """Of each clip the class of each label: see `Drawn.cells`."""
    captions: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A scene that a step learns from, and what is taken of it."""

    scene: Scene
    layout: Layout
    sketch: tuple[Layout, tuple[int, int, int] | None] | None
    """See `scenes.rough`; none where the clip has no sketch."""
    parts: list[list[int]]
    """The frames of each clip that is taken."""
    captions: list[str]
    """One for each."""


def shots(recipe: Recipe, *, step: int, phase: Phase) -> list[Shot]:
    """What step `step` learns from: the same whenever and wherever it is asked for."""
    rng = np.random.default_rng([recipe.seed, step])
    nouns = words.NOUN_SETS[recipe.nouns]
    share = recipe.sketched if phase.sketched is None else phase.sketched
    made: list[Shot] = []
    while sum(len(shot.parts) for shot in made) < phase.batch:
        has_sketch = bool(rng.random() < share)
        strange = has_sketch and bool(rng.random() < recipe.strange)
        scene = scenes.random_scene(rng, strange=strange, nouns=nouns)
        layout = staging.layout_of(scene, frames=phase.frames, rng=rng)
        sketch = None
        if has_sketch:
            sketch = scenes.rough(scene, layout, size=recipe.shape.size, rng=rng)
        parts = [list(range(phase.frames))]
        if phase.stills:
            chosen = rng.choice(phase.frames, phase.stills, replace=False)
            parts = [[int(f)] for f in chosen]
        captions = [_misheard(words.caption(scene, rng=rng, nouns=nouns), rng=rng) for _ in parts]
        made.append(Shot(scene=scene, layout=layout, sketch=sketch, parts=parts, captions=captions))
    return made


def drawn(coding: codec.Codec, recipe: Recipe, *, step: int, phase: Phase) -> Drawn:
    """The clips of step `step`, by the painter."""
    clean: list[NDArray[np.float32]] = []
    rough: list[NDArray[np.float32]] = []
    covered: list[NDArray[np.float32]] = []
    cells: list[torch.Tensor] = []
    captions: list[str] = []
    sketched: list[bool] = []
    size = recipe.shape.size
    for shot in shots(recipe, step=step, phase=phase):
        nouns = _nouns(shot, recipe)
        painting = scenes.draw(shot.scene, shot.layout, size=size)
        sketch = painting.frames
        if shot.sketch is not None:
            sketch = scenes.draw_rough(shot.scene, *shot.sketch, size=size).frames
        for part in shot.parts:
            latents = coding.encode(painting.frames[part])
            clean.append(latents)
            rough.append(latents if shot.sketch is None else coding.encode(sketch[part]))
            covered.append(_covered(painting.labels[part], patch=recipe.shape.codec_patch))
            labels = torch.from_numpy(painting.labels[part])
            cells.append(_cells(labels, nouns, patch=recipe.shape.codec_patch))
            sketched.append(shot.sketch is not None)
        captions += shot.captions
    return Drawn(
        clean=np.stack(clean), sketch=np.stack(rough), sketched=sketched,
        covered=np.stack(covered), cells=torch.stack(cells), captions=captions,
    )  # fmt: skip


def _nouns(shot: Shot, recipe: Recipe) -> list[int]:
    """The class of each label of a shot: see `Drawn.cells`."""
    taught = list(words.NOUN_SETS[recipe.nouns])
    actors = {
        e.id: a for e, a in zip(scenes.entities_of(shot.scene), shot.scene.actors, strict=True)
    }
    nouns = [actors[track.entity].noun for track in shot.layout.tracks]
    return [0, *(1 + taught.index(noun) if noun in taught else -1 for noun in nouns)]


def _cells(labels: torch.Tensor, nouns: Sequence[int], *, patch: int) -> torch.Tensor:
    """Which noun covers each patch of uint8 [frames, height, width]: see `Drawn.cells`."""
    frames, height, width = labels.shape
    cut = labels.view(frames, height // patch, patch, width // patch, patch)
    shares = torch.stack([(cut == i).float().mean((2, 4)) for i in range(len(nouns))])
    # A thing shows in a patch before it covers most of it.
    shares[0] -= 0.4
    return torch.tensor(nouns, device=labels.device)[shares.argmax(0)]


def planned(recipe: Recipe, *, step: int, phase: Phase) -> Planned:
    """The clips of step `step` for the renderer: the same scenes, each in some style."""
    rng = np.random.default_rng([recipe.seed, step, 1])
    clean: list[Plan] = []
    rough: list[Plan] = []
    sketched: list[bool] = []
    captions: list[str] = []
    nouns: list[list[int]] = []
    size = recipe.shape.size
    for shot in shots(recipe, step=step, phase=phase):
        nouns += [_nouns(shot, recipe)] * len(shot.parts)
        style = recipe.styles[int(rng.integers(len(recipe.styles)))]
        whole = plan(shot.scene, shot.layout, size=size, style=style)
        clean += [whole.of(part) for part in shot.parts]
        sketched += [shot.sketch is not None for _ in shot.parts]
        if shot.sketch is not None:
            layout, plain = shot.sketch
            whole = plan(shot.scene, layout, size=size, style=style, plain=plain)
            rough += [whole.of(part) for part in shot.parts]
        captions += shot.captions
    return Planned(clean=clean, sketch=rough, sketched=sketched, nouns=nouns, captions=captions)


def rendered(renderer: Renderer, coding: codec.Codec, clips: Planned) -> Drawn:
    """Planned clips, drawn and encoded on the renderer's device."""
    rendering = renderer.render([*clips.clean, *clips.sketch])
    latents = _encoded(coding, rendering.frames)
    count, sketch = len(clips.clean), latents[: len(clips.clean)].clone()
    sketch[torch.tensor(clips.sketched, device=sketch.device)] = latents[count:]
    *lead, height, width = rendering.labels[:count].shape
    cut = (height // coding.patch, coding.patch, width // coding.patch, coding.patch)
    covered = (rendering.labels[:count] > 0).view(*lead, *cut).float().mean((3, 5))
    cells = [
        _cells(labels, nouns, patch=coding.patch)
        for labels, nouns in zip(rendering.labels[:count], clips.nouns, strict=True)
    ]
    return Drawn(
        clean=latents[:count], sketch=sketch, sketched=clips.sketched, covered=covered,
        cells=torch.stack(cells), captions=clips.captions,
    )  # fmt: skip


def _encoded(coding: codec.Codec, frames: torch.Tensor) -> torch.Tensor:
    """What `Codec.encode` makes of uint8 [clips, frames, height, width, 3]."""
    patch, (clips, count, height, width, _) = coding.patch, frames.shape
    cut = frames.view(clips, count, height // patch, patch, width // patch, patch, 3)
    values = cut.permute(0, 1, 2, 4, 6, 5, 3).flatten(4).float() / 127.5 - 1
    mean, basis = torch.from_numpy(coding.mean), torch.from_numpy(coding.basis)
    basis = basis / torch.from_numpy(coding.latents_std)
    return (values - mean.to(values)) @ basis.to(values)


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
    device = film.device
    clean, sketch = (torch.as_tensor(x, device=device) for x in (clips.clean, clips.sketch))
    return Batch(
        clean=clean.permute(0, 4, 1, 2, 3).contiguous(),
        sketch=sketch.permute(0, 4, 1, 2, 3).contiguous(),
        sketched=torch.tensor(clips.sketched, device=device),
        weight=1 + 4 * torch.as_tensor(clips.covered, device=device)[:, None],
        cells=clips.cells.to(device),
        ids=tokens["input_ids"].to(device),
        mask=tokens["attention_mask"].to(device),
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
    count, device = len(clips.clean), clips.clean.device
    noise = torch.randn(clips.clean.shape, generator=generator, device=device)
    level = torch.sigmoid(0.4 + torch.randn(count, generator=generator, device=device))
    level = 2 * level / (1 + level)
    even, when, start, along, where = (
        torch.rand(count, generator=generator, device=device) for _ in range(5)
    )
    level = torch.where(when < 0.1, even, level)
    # A sketch is noised to `start`; from there one straight way leads to the clean clip, and the
    # network has to know its direction at the start and anywhere along it.
    start = 0.45 + 0.5 * start
    along = start * (0.1 + 0.9 * along)
    along = torch.where(where < 0.4, start, along)
    level = torch.where(clips.sketched, along, level).clamp(0.002, 1)
    start = torch.where(clips.sketched, start, torch.ones_like(start))
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


def naming_loss(film: Film, clips: Batch, *, patch: tuple[int, int, int]) -> torch.Tensor:
    """How wrong the transformer is, half-way, about which noun covers each patch.

    An answer for every patch, of what the text says is there: representations that tell things
    apart are learnt sooner than from velocities alone. Yu et al. 2024, "Representation Alignment
    for Generation" (REPA), with the scene itself in place of a pretrained encoder. Asked after
    `flow_loss`, about the same clips.
    """
    assert film.named is not None
    count, frames, rows, columns = clips.cells.shape
    (t, h, w), (f, r, c) = patch, (frames // patch[0], rows // patch[1], columns // patch[2])
    cells = clips.cells.view(count, f, t, r, h, c, w).permute(0, 1, 3, 5, 2, 4, 6).flatten()
    weight = torch.ones(film.classes, device=cells.device)
    weight[0] = 0.15  # most patches show nothing
    guess = film.named.float().reshape(-1, film.classes)
    return torch.nn.functional.cross_entropy(guess, cells, weight, ignore_index=-1)
