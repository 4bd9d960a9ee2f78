"""`python -m reelwright_generators.builtin.train`: makes the built-in model from drawn scenes.

Rectified flow on the latents of a closed-form codec; the text encoder learns along. Every batch is
drawn anew from a seed of its step, so a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
import warnings
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from numpy.typing import NDArray

from reelwright_core.errors import ReelwrightError, SettingsError
from reelwright_generators.builtin import card, codec, model, scenes, staging
from reelwright_generators.builtin.learning import (
    Batch,
    Drawn,
    Film,
    Planned,
    batch,
    drawn,
    flow_loss,
    naming_loss,
    planned,
    rendered,
)
from reelwright_generators.builtin.recipe import PRESETS, Recipe, profile_of, rate_at
from reelwright_generators.builtin.renderer import Renderer, plan
from reelwright_generators.builtin.words import NOUN_SETS


def fit_codec(recipe: Recipe, renderer: Renderer | None = None) -> codec.Codec:
    """The codec of some drawn clips, of which each third frame is enough."""
    rng = np.random.default_rng([recipe.seed, 1 << 40])
    clips = [
        _clip(recipe, rng, renderer, strange=n % 3 == 0)[::3] for n in range(recipe.codec_clips)
    ]
    shape = recipe.shape
    return codec.fit(
        clips, patch=shape.codec_patch, channels=shape.channels, whitening=recipe.whitening
    )


def _clip(
    recipe: Recipe, rng: np.random.Generator, renderer: Renderer | None, *, strange: bool = False
) -> NDArray[np.uint8]:
    size = recipe.shape.size
    scene = scenes.random_scene(rng, strange=strange, nouns=NOUN_SETS[recipe.nouns])
    layout = staging.layout_of(scene, frames=recipe.shape.frames, rng=rng)
    if renderer is None:
        return scenes.draw(scene, layout, size=size).frames
    style = recipe.styles[int(rng.integers(len(recipe.styles)))]
    return renderer.render([plan(scene, layout, size=size, style=style)]).frames[0].cpu().numpy()


def round_trip(
    vae: Any, recipe: Recipe, *, clips: int = 8, renderer: Renderer | None = None
) -> dict[str, float]:
    """What the autoencoder keeps of fresh clips, in decibels: of all, and of what moves."""
    rng = np.random.default_rng([recipe.seed, 2 << 40])
    whole: list[float] = []
    moving: list[float] = []
    for _ in range(clips):
        frames = _clip(recipe, rng, renderer)
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


def seconds_per_clip(folder: Path) -> float:
    """What one clip takes on this machine: the quicker of two, as others may be at work here."""
    profile = json.loads((folder / "reelwright.json").read_text("utf-8"))
    pipe: Any = DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    width, height = profile["size"]
    took: list[float] = []
    for _ in range(2):
        began = time.monotonic()
        pipe(
            "a red car on a beach",
            width=width,
            height=height,
            num_frames=profile["frames"] + profile["pipeline_frames"]["offset"],
            num_inference_steps=profile["steps"],
            guidance_scale=profile["guidance"],
            max_sequence_length=profile["max_sequence_length"],
        )
        took.append(time.monotonic() - began)
    return round(min(took), 1)


def _alone() -> None:
    """The process that draws leaves the other cores to the one that learns."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


class Run:
    """One training run in its folder: checkpoint, log, and the model it leaves."""

    def __init__(self, recipe: Recipe, *, out: Path, resume: bool) -> None:
        if recipe.device == "cuda" and not torch.cuda.is_available():
            raise SettingsError(
                f"the recipe {recipe.name!r} trains on CUDA, and torch {torch.__version__} finds "
                "no such device: pass --device cpu (very slow), or install a CUDA build of torch "
                "on a machine with a GPU"
            )
        self.recipe, self.out = recipe, out
        self.renderer: Renderer | None = None
        if recipe.styles:
            self.renderer = Renderer(size=recipe.shape.size, device=recipe.device)
        out.mkdir(parents=True, exist_ok=True)
        self.step, self.seconds, self.clips = 0, 0.0, 0
        self.log: list[tuple[int, float, int, float, float]] = []
        self.saved = out / "checkpoint.pt"
        self.falling = False
        """Whether the rate already falls; what was kept just before, `steady.pt`, can go on."""
        if resume and self.saved.exists():
            kept = torch.load(self.saved, weights_only=True, map_location="cpu")
            self.step, self.seconds, self.clips = kept["step"], kept["seconds"], kept["clips"]
            self.log = [tuple(row) for row in kept["log"]]
            arrays = {k: v.numpy() for k, v in kept["codec"].items()}
            self.coding = codec.Codec(patch=recipe.shape.codec_patch, **arrays)
            self.figures = kept["figures"]
            self.film = Film(recipe)
            self.film.restore(kept["film"])
            self.falling = self.progress > 1 - recipe.decay
        else:
            self.coding = fit_codec(recipe, self.renderer)
            self.film = Film(recipe)
            self.figures = round_trip(self.coding.autoencoder(), recipe, renderer=self.renderer)
        whole, moving = self.figures["all"], self.figures["moving"]
        print(f"autoencoder: {whole:.1f} dB, {moving:.1f} dB where it moves")
        (out / "recipe.json").write_text(json.dumps(dataclasses.asdict(recipe), indent=2) + "\n")

    @property
    def progress(self) -> float:
        if self.recipe.steps is not None:
            return self.step / self.recipe.steps
        return self.seconds / (60 * self.recipe.minutes)

    def train(self, *, until: int | None = None, deadline: float | None = None) -> None:
        """Goes on to the end, to step `until`, or to `deadline`, a time of `time.monotonic`.

        Leaves a checkpoint.
        """
        recipe, last_saved = self.recipe, self.seconds
        recent: list[float] = []
        # Processes of their own draw the next clips while these are learnt from.
        with ProcessPoolExecutor(
            recipe.workers, mp_context=get_context("spawn"), initializer=_alone
        ) as drawing:
            ahead = deque(self._drawn(drawing, self.step + n) for n in range(recipe.ahead))
            while self.progress < 1 and (until is None or self.step < until):
                began = time.monotonic()
                if deadline is not None and began > deadline:
                    break
                made = ahead.popleft().result()
                waited = time.monotonic() - began
                clips = self._batch(made)
                ahead.append(self._drawn(drawing, self.step + recipe.ahead))
                generator = torch.Generator(recipe.device)
                generator.manual_seed(recipe.seed * 1_000_003 + self.step)
                with (
                    warnings.catch_warnings(),
                    torch.autocast(recipe.device, dtype=torch.bfloat16, enabled=recipe.half),
                ):
                    # The norms keep their weights in float32, which torch remarks upon.
                    warnings.filterwarnings("ignore", message="Mismatch dtype")
                    flow = flow_loss(self.film, clips, generator=generator)
                naming = naming_loss(self.film, clips, patch=recipe.shape.patch)
                if not self.falling and self.progress > 1 - recipe.decay:
                    self.falling = True
                    self.checkpoint()
                    shutil.copy(self.saved, self.saved.with_name("steady.pt"))
                rate = rate_at(self.progress, recipe, step=self.step)
                ema = min(recipe.ema, (1 + self.step) / (10 + self.step))
                self.film.step(flow + recipe.naming * naming, rate=rate, ema=ema)
                self.step += 1
                self.clips += len(clips.clean)
                took = time.monotonic() - began
                self.seconds += took
                recent.append(float(flow.detach()))
                if self.step % 10 == 0:
                    mean = float(np.mean(recent))
                    self.log.append((self.step, self.seconds, self.clips, mean, rate))
                    recent = []
                if self.step % 50 == 0:
                    print(
                        f"step {self.step}  {self.seconds / 60:.1f} min  {self.clips} clips  "
                        f"loss {self.log[-1][3]:.3f}  {took:.2f} s a step, {waited:.2f} s of it "
                        "waiting for pictures",
                        flush=True,
                    )
                if recipe.save_steps is not None:
                    due = self.step % recipe.save_steps == 0
                else:
                    due = self.seconds - last_saved > recipe.save_seconds
                if due:
                    self.checkpoint()
                    last_saved = self.seconds
            for future in ahead:
                future.cancel()
        self.checkpoint()

    def _drawn(self, drawing: ProcessPoolExecutor, step: int) -> Future[Drawn | Planned]:
        progress = step / self.recipe.steps if self.recipe.steps else self.progress
        phase = next((p for p in self.recipe.phases if progress < p.until), self.recipe.phases[-1])
        if self.renderer is not None:
            return drawing.submit(planned, self.recipe, step=step, phase=phase)
        return drawing.submit(drawn, self.coding, self.recipe, step=step, phase=phase)

    def _batch(self, clips: Drawn | Planned) -> Batch:
        if isinstance(clips, Planned):
            assert self.renderer is not None
            clips = rendered(self.renderer, self.coding, clips)
        return batch(self.film, clips, words=self.recipe.shape.words)

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
        film = Film(dataclasses.replace(self.recipe, device="cpu"))
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
        profile["seconds_per_clip"] = seconds_per_clip(folder)
        (folder / "reelwright.json").write_text(json.dumps(profile, indent=2) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=list(PRESETS), default="cpu")
    parser.add_argument("--minutes", type=float, help="of training, drawing included")
    parser.add_argument("--steps", type=int, help="a fixed number of steps instead")
    parser.add_argument("--out", type=Path, default=Path("builtin-model"))
    parser.add_argument("--device", choices=["cpu", "cuda"], help="instead of the preset's own")
    parser.add_argument(
        "--minutes-now", type=float,
        help="stop after this long, start-up included, and leave a checkpoint to go on from",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true")
    parser.add_argument(
        "--export-to", type=Path, help="only write the model of the checkpoint, to this folder"
    )
    began, chosen = time.monotonic(), parser.parse_args()
    recipe = PRESETS[chosen.preset]
    if chosen.minutes is not None:
        recipe = dataclasses.replace(recipe, minutes=chosen.minutes, steps=None)
    if chosen.steps is not None:
        recipe = dataclasses.replace(recipe, steps=chosen.steps)
    if chosen.device is not None:
        recipe = dataclasses.replace(recipe, device=chosen.device)
    try:
        run = Run(recipe, out=chosen.out, resume=chosen.resume or chosen.export_to is not None)
    except ReelwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    if chosen.export_to is None:
        now = chosen.minutes_now
        run.train(deadline=None if now is None else began + 60 * now)
        if run.progress < 1:
            print(f"stopped at {run.progress:.0%}; --resume goes on")
            return
    folder = chosen.export_to or chosen.out / "model"
    run.export(folder)
    print(f"{run.clips} clips in {run.seconds / 60:.1f} minutes; the model is in {folder}")


if __name__ == "__main__":
    main()
