"""`python -m reelwright_generators.builtin.train`: makes the built-in model from drawn scenes.

Rectified flow on the latents of a closed-form codec; the text encoder learns along. Every batch is
drawn anew from a seed of its step, so a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from reelwright_core.story import Action
from reelwright_generators.builtin import card, codec, model, scenes, words

VERSION = "0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A part of a run, up to where, and the clips of its batches."""

    until: float
    frames: int
    batch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How to train: `steps` fixes the length of a run, else `minutes` of the clock do."""

    name: str
    shape: model.Shape = model.Shape()
    minutes: float = 70.0
    steps: int | None = None
    phases: tuple[Phase, ...] = (
        Phase(until=0.4, frames=5, batch=40),
        Phase(until=0.68, frames=9, batch=40),
        Phase(until=1.0, frames=17, batch=24),
    )
    """Short clips come first: they cost less, and things and places are learnt from them as well."""
    half: bool = True
    """Whether most is computed in bfloat16, which is half as fast again where a CPU has it."""
    codec_clips: int = 300
    whitening: float = 0.5
    sketched: float = 0.25
    """How many clips start from a noised sketch instead of pure noise and truth."""
    muon_rate: float = 2e-3
    adam_rate: float = 1.5e-3
    warm_up: float = 0.02
    decay: float = 0.45
    ema: float = 0.998
    save_seconds: float = 180.0
    save_steps: int | None = None
    seed: int = 0


PRESETS: Mapping[str, Recipe] = {
    "cpu": Recipe(name="cpu"),
    "tiny": Recipe(
        name="tiny",
        shape=model.Shape(
            frames=5, channels=16, width=64, layers=2, heads=1, text_layers=1
        ),
        steps=60, phases=(Phase(until=0.5, frames=3, batch=8), Phase(until=1.0, frames=5, batch=8)),
        codec_clips=24, save_steps=20,
    ),
}  # fmt: skip


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
class Batch:
    clean: torch.Tensor
    """[clips, channels, frames, rows, columns]: the latents to learn."""
    sketch: torch.Tensor
    """The same, of the sketch; equal to `clean` where there is none."""
    sketched: torch.Tensor
    """[clips]: whether there is one."""
    weight: torch.Tensor
    ids: torch.Tensor
    mask: torch.Tensor


def batch(film: Film, coding: codec.Codec, recipe: Recipe, *, step: int, phase: Phase) -> Batch:
    """The clips of step `step`: the same whenever it is asked for."""
    rng = np.random.default_rng([recipe.seed, step])
    clean: list[np.ndarray] = []
    rough: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    captions: list[str] = []
    sketched: list[bool] = []
    size, patch = recipe.shape.size, recipe.shape.codec_patch
    for _ in range(phase.batch):
        scene = scenes.random_scene(rng)
        layout = scenes.layout_of(scene, frames=phase.frames, rng=rng)
        painting = scenes.draw(scene, layout, size=size)
        latents = coding.encode(painting.frames)
        f, rows, columns = latents.shape[:3]
        seen = painting.labels.reshape(f, rows, patch, columns, patch) > 0
        clean.append(latents)
        masks.append(seen.mean((2, 4)).astype(np.float32))
        sketched.append(bool(rng.random() < recipe.sketched))
        if sketched[-1]:
            sketch = scenes.draw_sketch(scene, layout, size=size, rng=rng)
            latents = coding.encode(sketch.frames)
        rough.append(latents)
        captions.append(_misheard(words.caption(scene, rng=rng), rng=rng))
    tokens = film.tokenizer(
        captions, padding="max_length", max_length=recipe.shape.words, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    return Batch(
        clean=torch.from_numpy(np.stack(clean)).permute(0, 4, 1, 2, 3).contiguous(),
        sketch=torch.from_numpy(np.stack(rough)).permute(0, 4, 1, 2, 3).contiguous(),
        sketched=torch.tensor(sketched),
        weight=1 + 4 * torch.from_numpy(np.stack(masks))[:, None],
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


def rate_at(progress: float, recipe: Recipe) -> float:
    """Rising at first, then full, then falling to nearly nothing at the end."""
    rise = min(1.0, progress / recipe.warm_up)
    fall = min(1.0, (1 - progress) / recipe.decay)
    return max(0.01, min(rise, fall))


def fit_codec(recipe: Recipe) -> codec.Codec:
    """The codec of some drawn clips, of which each third frame is enough."""
    rng = np.random.default_rng([recipe.seed, 1 << 40])
    clips = [_clip(recipe, rng)[::3] for _ in range(recipe.codec_clips)]
    shape = recipe.shape
    return codec.fit(
        clips, patch=shape.codec_patch, channels=shape.channels, whitening=recipe.whitening
    )


def _clip(recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    scene = scenes.random_scene(rng)
    layout = scenes.layout_of(scene, frames=recipe.shape.frames, rng=rng)
    return scenes.draw(scene, layout, size=recipe.shape.size).frames


def round_trip(vae: AutoencoderKLWan, recipe: Recipe, *, clips: int = 8) -> dict[str, float]:
    """What the autoencoder keeps of fresh clips, in decibels: of all, and of what moves."""
    rng = np.random.default_rng([recipe.seed, 2 << 40])
    whole: list[float] = []
    moving: list[float] = []
    for _ in range(clips):
        frames = _clip(recipe, rng)
        video = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        with torch.no_grad():
            back = vae.decode(vae.encode(video).latent_dist.mode()).sample
        error = (((back - video) / 2) ** 2)[0].mean(0).numpy()
        moves = (np.ptp(frames.astype(np.int16), axis=0).max(-1) > 38)[None] & np.ones_like(
            error, bool
        )
        whole.append(float(-10 * np.log10(error.mean())))
        if moves.any():
            moving.append(float(-10 * np.log10(error[moves].mean())))
    return {"all": float(np.mean(whole)), "moving": float(np.mean(moving))}


def profile_of(recipe: Recipe) -> dict[str, Any]:
    """What a caller has to know; written beside the weights as `reelwright.json`."""
    shape = recipe.shape
    return {
        "schema": "ModelProfile.1",
        "name": "reelwright-builtin",
        "version": VERSION,
        "frames": shape.frames,
        "fps": shape.fps,
        "size": list(shape.size),
        "multiple_of": [
            shape.codec_patch * shape.patch[2],
            shape.codec_patch * shape.patch[1],
        ],
        "steps": 12,
        "guidance": 3.0,
        "noise_level": 0.65,
        "shift": shape.shift,
        "max_sequence_length": shape.words,
        "pipeline_frames": {
            "offset": -1,
            "why": "WanPipeline makes num_frames + 1 frames where the autoencoder does not "
            "shorten time: ask for one fewer than wanted.",
        },
        "dtype": "float32",
        "licence": "Apache-2.0",
        "vocabulary": "tokenizer/tokenizer.json: one token a word, lower case; other words are "
        "<unk>, which the model saw in training and passes over.",
        "nouns": list(words.NOUNS),
        "colours": list(words.COLOURS),
        "places": list(words.PLACES),
        "actions": list(Action.__args__),
        "relations": list(scenes.RELATIONS),
        "counts": [1, 2, 3],
    }


class Run:
    """One training run in its folder: checkpoint, log, and the model it leaves."""

    def __init__(self, recipe: Recipe, *, out: Path, resume: bool) -> None:
        self.recipe, self.out = recipe, out
        out.mkdir(parents=True, exist_ok=True)
        self.step, self.seconds, self.clips = 0, 0.0, 0
        self.log: list[tuple[int, float, int, float, float]] = []
        self.saved = out / "checkpoint.pt"
        if resume and self.saved.exists():
            kept = torch.load(self.saved, weights_only=True)
            self.step, self.seconds, self.clips = kept["step"], kept["seconds"], kept["clips"]
            self.log = [tuple(row) for row in kept["log"]]
            arrays = {k: v.numpy() for k, v in kept["codec"].items()}
            self.coding = codec.Codec(patch=recipe.shape.codec_patch, **arrays)
            self.figures = kept["figures"]
            self.film = Film(recipe)
            self.film.restore(kept["film"])
        else:
            self.coding = fit_codec(recipe)
            self.film = Film(recipe)
            self.figures = round_trip(self.coding.autoencoder(), recipe)
        print(
            f"autoencoder: {self.figures['all']:.1f} dB, {self.figures['moving']:.1f} dB where it moves"
        )
        (out / "recipe.json").write_text(json.dumps(dataclasses.asdict(recipe), indent=2) + "\n")

    @property
    def progress(self) -> float:
        if self.recipe.steps is not None:
            return self.step / self.recipe.steps
        return self.seconds / (60 * self.recipe.minutes)

    def train(self, *, until: int | None = None) -> None:
        """Goes on to the end, or to step `until`; leaves a checkpoint."""
        recipe, last_saved = self.recipe, self.seconds
        recent: list[float] = []
        with ThreadPoolExecutor(1) as drawing:
            ahead = drawing.submit(self._draw, self.step, self.progress)
            while self.progress < 1 and (until is None or self.step < until):
                began = time.monotonic()
                clips = ahead.result()
                waited = time.monotonic() - began
                at = (self.step + 1) / recipe.steps if recipe.steps else self.progress
                ahead = drawing.submit(self._draw, self.step + 1, at)
                generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.step)
                with warnings.catch_warnings(), torch.autocast(
                    "cpu", dtype=torch.bfloat16, enabled=recipe.half
                ):
                    # The norms keep their weights in float32, which torch remarks upon.
                    warnings.filterwarnings("ignore", message="Mismatch dtype")
                    loss = flow_loss(self.film, clips, generator=generator)
                rate = rate_at(self.progress, recipe)
                ema = min(recipe.ema, (1 + self.step) / (10 + self.step))
                self.film.step(loss, rate=rate, ema=ema)
                self.step += 1
                self.clips += len(clips.clean)
                took = time.monotonic() - began
                self.seconds += took
                recent.append(float(loss.detach()))
                if self.step % 10 == 0:
                    mean = float(np.mean(recent))
                    self.log.append((self.step, self.seconds, self.clips, mean, rate))
                    recent = []
                if self.step % 50 == 0:
                    print(
                        f"step {self.step}  {self.seconds / 60:.1f} min  {self.clips} clips  "
                        f"loss {self.log[-1][3]:.3f}  {took:.2f} s a step ({waited:.2f} s waiting for pictures)",
                        flush=True,
                    )
                if recipe.save_steps is not None:
                    due = self.step % recipe.save_steps == 0
                else:
                    due = self.seconds - last_saved > recipe.save_seconds
                if due:
                    self.checkpoint()
                    last_saved = self.seconds
        self.checkpoint()

    def _draw(self, step: int, progress: float) -> Batch:
        phase = next((p for p in self.recipe.phases if progress < p.until), self.recipe.phases[-1])
        return batch(self.film, self.coding, self.recipe, step=step, phase=phase)

    def checkpoint(self) -> None:
        kept = {
            "film": self.film.state(),
            "step": self.step,
            "seconds": self.seconds,
            "clips": self.clips,
            "log": self.log,
            "figures": self.figures,
            "codec": {
                name: torch.from_numpy(getattr(self.coding, name))
                for name in ("mean", "basis", "spread", "ridge", "latents_std")
            },
        }
        fresh = self.saved.with_suffix(".new")
        torch.save(kept, fresh)
        fresh.replace(self.saved)

    def export(self, folder: Path) -> None:
        """Writes the model as it is now, with its card and its curve."""
        film = Film(self.recipe)
        film.nets.load_state_dict(self.film.mean)
        vae = self.coding.autoencoder()
        parts = {"transformer": film.transformer, "encoder": film.encoder, "vae": vae}
        recipe, profile = dataclasses.asdict(self.recipe), profile_of(self.recipe)
        text = card.text(
            recipe=recipe,
            profile=profile,
            figures=self.figures,
            log=self.log,
            sizes={name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()},
        )
        rows = ["step,seconds,clips,loss,rate"]
        rows += [f"{s},{t:.1f},{c},{loss:.5f},{rate:.4f}" for s, t, c, loss, rate in self.log]
        model.save(
            folder,
            shape=self.recipe.shape,
            tokenizer=film.tokenizer,
            text_encoder=film.encoder,
            transformer=film.transformer,
            vae=vae,
            profile=profile,
            files={
                "loss.csv": ("\n".join(rows) + "\n").encode(),
                "loss.png": card.curve(self.log),
                "README.md": text.encode(),
                "recipe.json": (json.dumps(recipe, indent=2) + "\n").encode(),
            },
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=list(PRESETS), default="cpu")
    parser.add_argument("--minutes", type=float, help="of training, drawing included")
    parser.add_argument("--steps", type=int, help="a fixed number of steps instead")
    parser.add_argument("--out", type=Path, default=Path("builtin-model"))
    parser.add_argument("--resume", action="store_true")
    parser.add_argument(
        "--export-to", type=Path, help="only write the model of the checkpoint, to this folder"
    )
    chosen = parser.parse_args()
    recipe = PRESETS[chosen.preset]
    if chosen.minutes is not None:
        recipe = dataclasses.replace(recipe, minutes=chosen.minutes, steps=None)
    if chosen.steps is not None:
        recipe = dataclasses.replace(recipe, steps=chosen.steps)
    run = Run(recipe, out=chosen.out, resume=chosen.resume or chosen.export_to is not None)
    if chosen.export_to is None:
        run.train()
    run.export(chosen.export_to or chosen.out / "model")
    print(
        f"{run.clips} clips in {run.seconds / 60:.1f} minutes; the model is in {chosen.out / 'model'}"
    )


if __name__ == "__main__":
    main()
