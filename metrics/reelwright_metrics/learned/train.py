"""`python -m reelwright_metrics.learned.train`: teaches the learned critic what drawn clips show.

Clips pass through the autoencoder of the built-in model, most of them with noise on their latents,
so that the critic judges things and not the grain of a generator. Two seeds are trained: one steers
loops, the other only reports, so that no figure is the judge's own. A run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn import functional

from reelwright_generators.builtin import attributes, codec, model, scenes, staging, words
from reelwright_generators.builtin import folder as builtin_folder
from reelwright_metrics.learned.network import CELL, CELLS, FRAMES, SIZE, Network, Shape, evenly
from reelwright_simulators.painter import Painting

HARD = 3
"""Captions with one thing changed, beside those of the other clips of a batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a critic is taught; the clock ends a run."""

    seed: int
    minutes: float = 50.0
    stills: float = 0.45
    """Up to this part of the run, single frames are shown, which cost a ninth."""
    stills_batch: int = 96
    clips_batch: int = 20
    rate: float = 1.2e-3
    muon_rate: float = 2e-3
    """Of the matrices inside, which Muon steps; AdamW steps the rest."""
    background: float = 0.15
    """How much a cell without a thing counts, beside one with a thing."""
    warm_up: float = 0.03
    raw: float = 0.15
    """How many clips do not pass through the autoencoder."""
    noisy: float = 0.6
    noise: float = 0.35
    """Up to how much noise is put on the latents of those that are noisy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """A batch as it is drawn."""

    frames: NDArray[np.uint8]
    """[clips, frames, height, width, 3]"""
    right: dict[str, NDArray[np.float32]]
    """Of each attribute the share of each class, [clips, classes]; all zero: not asked."""
    cells: dict[str, NDArray[np.int64]]
    """Of each attribute in `CELLS` the class of what covers each cell, from 1 on; 0 is nothing, -1
    not asked. [clips, frames x rows x columns]"""
    captions: list[list[str]]
    """Of each clip the true one, then `HARD` wrong ones."""


def lesson(*, seed: int, step: int, batch: int, stills: bool) -> Lesson:
    """The clips of a step, the same whenever they are drawn."""
    rng = np.random.default_rng([seed, 7, step])
    frames: list[NDArray[np.uint8]] = []
    captions: list[list[str]] = []
    asked: list[dict[attributes.Attribute, list[str]]] = []
    cells: dict[str, list[NDArray[np.int64]]] = {name: [] for name in CELLS}
    while len(frames) < batch:
        scene = scenes.random_scene(rng)
        layout = staging.layout_of(scene, frames=5 if stills else 17, rng=rng)
        film = scenes.draw(scene, layout, size=SIZE)
        chosen = [int(rng.integers(5))] if stills else list(evenly(len(film.frames)))
        frames.append(film.frames[chosen])
        right = attributes.answers(scene)
        for name, several in _cells(scene, film, chosen, stills=stills).items():
            cells[name].append(several)
        if stills:
            right.pop("motion", None)
        asked.append(right)
        captions.append(_captions(scene, stills=stills, rng=rng))
    shares: dict[str, NDArray[np.float32]] = {}
    for name, classes in attributes.CLASSES.items():
        table = np.zeros((batch, len(classes)), np.float32)
        for row, right in zip(table, asked, strict=True):
            for answer in right.get(name, ()):
                row[list(classes).index(answer)] += 1 / len(right[name])
        shares[name] = table
    return Lesson(
        frames=np.stack(frames), right=shares, captions=captions,
        cells={name: np.stack(several) for name, several in cells.items()},
    )  # fmt: skip


def _cells(
    scene: words.Scene, film: Painting, chosen: Sequence[int], *, stills: bool
) -> dict[str, NDArray[np.int64]]:
    """What covers each cell of the chosen frames, by attribute: see `Lesson.cells`."""
    actors = dict(zip((e.id for e in scenes.entities_of(scene)), scene.actors, strict=True))
    frames, height, width = film.labels[chosen].shape
    cut = film.labels[chosen].reshape(frames, height // CELL, CELL, width // CELL, CELL)
    shares = np.stack([(cut == i).mean((2, 4)) for i in range(1 + len(film.things))])
    # A thing is seen in a cell before it covers most of it.
    shares[0] -= 0.4
    thing = shares.argmax(0).ravel()
    answers: dict[str, NDArray[np.int64]] = {}
    for name in CELLS:
        classes = list(attributes.CLASSES[name])
        table = [0]
        for entity, _ in film.things:
            actor = actors[entity]
            said = {"noun": actor.noun, "colour": actor.colour, "motion": None}[name]
            if name == "motion" and not stills and scene.camera == "static":
                said = attributes.motion(actor)
            table.append(1 + classes.index(said) if said in classes else -1)
        answers[name] = np.array(table, np.int64)[thing]
        if name == "motion" and stills:
            answers[name][:] = -1
    return answers


def _captions(scene: words.Scene, *, stills: bool, rng: np.random.Generator) -> list[str]:
    kinds = ["noun", "colour", "count", "place", "relation", *([] if stills else ["motion"] * 3)]
    others: list[words.Scene] = []
    while len(others) < HARD:
        other = attributes.changed(scene, kinds[int(rng.integers(len(kinds)))], rng=rng)
        if other is not None:
            others.append(other)
    style = int(rng.integers(1 << 32))
    return [words.caption(s, rng=np.random.default_rng(style)) for s in (scene, *others)]


class School:
    """One critic on its way."""

    def __init__(self, recipe: Recipe, coding: codec.Codec, *, out: Path) -> None:
        self.recipe, self.coding, self.out = recipe, coding, out
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.tokenizer = model.tokenizer_of(words.vocabulary(), words=Shape().words)
        self.shape = Shape(heads={name: len(c) for name, c in attributes.CLASSES.items()})
        self.net = Network(self.shape, vocabulary=len(self.tokenizer))
        inside = ("stages.", "mixing.", "reading.layers.", "text.")
        named = list(self.net.named_parameters())
        matrices = [p for n, p in named if n.startswith(inside) and p.ndim == 2]
        others = [p for n, p in named if not (n.startswith(inside) and p.ndim == 2)]
        self.optimisers = [
            torch.optim.Muon(
                matrices, lr=recipe.muon_rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.02),
        ]
        self.step, self.seconds, self.clips = 0, 0.0, 0
        self.log: list[tuple[int, float, int, float]] = []
        self.saved = out / f"critic-{recipe.seed}.pt"
        if self.saved.exists():
            kept = torch.load(self.saved, weights_only=True)
            self.net.load_state_dict(kept["net"])
            for optimiser, state in zip(self.optimisers, kept["optimisers"], strict=True):
                optimiser.load_state_dict(state)
            self.step, self.seconds, self.clips = kept["step"], kept["seconds"], kept["clips"]
            self.log = [tuple(row) for row in kept["log"]]

    @property
    def progress(self) -> float:
        return self.seconds / (60 * self.recipe.minutes)

    def teach(self) -> None:
        """Goes on until the time is over."""
        last = self.seconds
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as drawing:
            ahead = drawing.submit(lesson, **self._next(0))
            while self.progress < 1:
                began = time.monotonic()
                given = ahead.result()
                ahead = drawing.submit(lesson, **self._next(1))
                loss, right = self._learn(given)
                self.step += 1
                self.clips += len(given.frames)
                self.seconds += time.monotonic() - began
                if self.step % 20 == 0:
                    self.log.append((self.step, self.seconds, self.clips, loss))
                if self.step % 100 == 0:
                    shares = "  ".join(f"{name} {part:.2f}" for name, part in right.items())
                    print(
                        f"step {self.step}  {self.seconds / 60:.1f} min  {self.clips} clips  "
                        f"loss {loss:.2f}  {shares}",
                        flush=True,
                    )
                if self.seconds - last > 120:
                    self.keep()
                    last = self.seconds
        self.keep()

    def _next(self, later: int) -> dict[str, Any]:
        recipe, stills = self.recipe, self.progress < self.recipe.stills
        batch = recipe.stills_batch if stills else recipe.clips_batch
        return {"seed": recipe.seed, "step": self.step + later, "batch": batch, "stills": stills}

    def _learn(self, given: Lesson) -> tuple[float, dict[str, float]]:
        recipe = self.recipe
        rise, fall = self.progress / recipe.warm_up, (1 - self.progress) / 0.5
        rates = (recipe.muon_rate, recipe.rate)
        for optimiser, rate in zip(self.optimisers, rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * max(0.01, min(1.0, rise, fall))
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.step)
        seen = self._through_codec(given.frames, generator)
        tokens = self.tokenizer(
            [caption for several in given.captions for caption in several],
            padding=True, max_length=self.shape.words, truncation=True, return_tensors="pt",
        )  # fmt: skip
        with torch.autocast("cpu", dtype=torch.bfloat16):
            clip, logits, cells = self.net.watch_closely(seen)
        clip = clip.float()
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        # Now and then a word is not understood, as a user's may not be.
        lost = torch.rand(ids.shape, generator=generator) < 0.02
        ids = torch.where(lost & (ids > 2), torch.full_like(ids, 2), ids)
        said = self.net.read(ids, mask).view(len(clip), 1 + HARD, -1)
        sharp = self.net.sharpness.exp()
        own = torch.einsum("cj,chj->ch", clip, said) * sharp
        others = (clip @ said[:, 0].T) * sharp
        others = others.masked_fill(torch.eye(len(clip), dtype=torch.bool), -torch.inf)
        truth = torch.zeros(len(clip), dtype=torch.long)
        loss = functional.cross_entropy(torch.cat([own, others], 1), truth)
        loss = loss + 0.5 * functional.cross_entropy(own, truth)
        right: dict[str, float] = {"caption": float((own.argmax(1) == 0).float().mean())}
        for name, shares in given.right.items():
            table = torch.from_numpy(shares)
            asked = table.sum(1) > 0
            if asked.any():
                guess = logits[name][asked].float()
                loss = loss + functional.cross_entropy(guess, table[asked])
                hit = table[asked].gather(1, guess.argmax(1, keepdim=True)) > 0
                right[name] = float(hit.float().mean())
        for name, several in given.cells.items():
            asked = torch.from_numpy(several).flatten()
            guess = cells[name].flatten(0, 1).float()
            if (asked >= 0).any():
                weight = torch.ones(guess.shape[1])
                weight[0] = recipe.background
                loss = loss + functional.cross_entropy(guess, asked, weight, ignore_index=-1)
                things = asked > 0
                right[f"cells' {name}"] = float((guess.argmax(1) == asked)[things].float().mean())
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        with torch.no_grad():
            self.net.sharpness.clamp_(max=4.0)
        return float(loss.detach()), right

    def _through_codec(self, frames: NDArray[np.uint8], generator: torch.Generator) -> torch.Tensor:
        """As floats in -1..1, [clips, frames, 3, height, width], with the codec's faults."""
        raw = torch.from_numpy(frames).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        clips, times = raw.shape[:2]
        latents = torch.from_numpy(self.coding.encode(frames)).permute(0, 1, 4, 2, 3)
        recipe = self.recipe
        noisy = torch.rand(clips, generator=generator) < recipe.noisy
        much = recipe.noise * torch.rand(clips, generator=generator) * noisy
        latents = latents + much[:, None, None, None, None] * torch.randn(
            latents.shape, generator=generator
        )
        back = self.coding.decode(latents.flatten(0, 1)).clamp(-1, 1).unflatten(0, (clips, times))
        kept = torch.rand(clips, generator=generator) < recipe.raw
        return torch.where(kept[:, None, None, None, None], raw, back)

    def keep(self) -> None:
        fresh = self.saved.with_suffix(".new")
        torch.save(
            {
                "net": self.net.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
                "step": self.step, "seconds": self.seconds, "clips": self.clips, "log": self.log,
            },
            fresh,
        )  # fmt: skip
        fresh.replace(self.saved)

    def export(self, folder: Path) -> None:
        """Writes the weights in half precision, and what belongs to them."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"critic-{self.recipe.seed}"
        weights = {key: value.half().contiguous() for key, value in self.net.state_dict().items()}
        save_file(weights, folder / f"{name}.safetensors")
        card = {
            "schema": "LearnedCritic.1", "seed": self.recipe.seed, "frames": FRAMES,
            "size": list(SIZE), "shape": asdict(self.shape),
            "classes": {key: list(several) for key, several in attributes.CLASSES.items()},
            "vocabulary": words.vocabulary(),
            "recipe": asdict(self.recipe), "clips": self.clips, "minutes": self.seconds / 60,
            "losses": [[step, round(loss, 3)] for step, _, _, loss in self.log[::10]],
        }  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=Recipe(seed=0).minutes)
    parser.add_argument("--model", type=Path, default=builtin_folder(), help="whose autoencoder")
    parser.add_argument("--out", type=Path, default=Path("learned-critic"))
    chosen = parser.parse_args(arguments)
    vae: Any = AutoencoderKLWan.from_pretrained(chosen.model / "vae", torch_dtype=torch.float32)
    school = School(
        Recipe(seed=chosen.seed, minutes=chosen.minutes), codec.read(vae), out=chosen.out
    )
    school.teach()
    school.export(chosen.out)
    print(f"{school.clips} clips in {school.seconds / 60:.1f} minutes: {chosen.out}")


if __name__ == "__main__":
    main()
