"""The clips of a bench: each is made once and kept, so that a bench that was stopped goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright_core.files import write_json
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames, read_video, write_video
from reelwright_generators.generator import Generator, Request
from reelwright_metrics.bench.scoring import Plan, seed_of

OnLine = Callable[[str], None]
"""Told a line of progress."""

Maker = Callable[[Plan], tuple[Frames, Mapping[str, Any]]]
"""Makes a plan's clip, and what is to be known of it."""

_EVERY = 15.0  # seconds between lines of progress
_MOVING = 38  # of 255: a pixel that changes by more over a clip is one where something moves


class Reel:
    """The clips of one row in their folder."""

    def __init__(self, name: str, folder: Path, make: Maker) -> None:
        self.name = name
        self.folder = folder
        self._make = make

    def film(self, plans: Sequence[Plan], on_line: OnLine) -> None:
        """Makes the clips that are missing."""
        missing = [plan for plan in plans if not self._clip(plan).exists()]
        found = len(plans) - len(missing)
        if missing:
            on_line(f"{self.name}: {found} of {len(plans)} clips are there")
        began = said = time.monotonic()
        for done, plan in enumerate(missing, 1):
            frames, notes = self._make(plan)
            # The notes first: a clip that is there is a clip that is finished.
            write_json(self._clip(plan).with_suffix(".json"), notes)
            write_video(self._clip(plan), frames, fps=plan.shot.fps)
            now = time.monotonic()
            if now - said > _EVERY or done == len(missing):
                said = now
                each = (now - began) / done
                left = each * (len(missing) - done)
                on_line(
                    f"{self.name}: {found + done} of {len(plans)} clips, {each:.1f} s each"
                    + (f", {_minutes(left)} left" if left else "")
                )

    def clip(self, plan: Plan) -> Frames:
        """A clip as its file shows it."""
        return read_video(self._clip(plan))

    def notes(self, plan: Plan) -> dict[str, Any]:
        """What is known of a clip."""
        return json.loads(self._clip(plan).with_suffix(".json").read_text("utf-8"))

    def _clip(self, plan: Plan) -> Path:
        return self.folder / f"{plan.prompt.id}.mp4"


def real(plan: Plan) -> tuple[Frames, Mapping[str, Any]]:
    """The clip as the painter draws it."""
    return plan.painted().frames, {}


def filmed(generator: Generator, *, level: float, seed: int) -> Maker:
    """The model's clips from a noise level: at 1 of the prompt alone, below it of the sketch."""

    def make(plan: Plan) -> tuple[Frames, Mapping[str, Any]]:
        shot = plan.shot
        made = generator.generate(
            Request(
                prompt=shot.prompt,
                size=shot.size,
                frames=shot.frames,
                fps=shot.fps,
                # The same noise at every level, so that levels differ in nothing else.
                noise=NoisePlan(level=level, seed=seed_of(seed, shot.id)),
                sketch=plan.painted().frames if level < 1 else None,
            )
        )
        return made.frames, {"seconds": round(made.seconds, 3), "provenance": made.provenance}

    return make


def through_autoencoder(told: Told) -> Maker | None:
    """Real clips as the model's autoencoder gives them back; none where it cannot be had alone."""
    from reelwright_generators import builtin

    folder = builtin.folder() if told.model == "builtin" else Path(told.model).expanduser()
    if not (folder / "vae" / "config.json").is_file():
        return None
    import torch
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    from reelwright_generators.latents import denormalise, encode
    from reelwright_generators.loading import pinned, quiet

    with quiet():
        vae: Any = AutoencoderKLWan.from_pretrained(
            folder / "vae", torch_dtype=torch.float32, local_files_only=True
        )

    def make(plan: Plan) -> tuple[Frames, Mapping[str, Any]]:
        frames = plan.painted().frames
        with torch.no_grad(), pinned(1):
            video = (
                vae.decode(denormalise(vae, encode(vae, frames)))
                .sample[0]
                .permute(1, 2, 3, 0)
                .float()
                .numpy()
            )
        back = np.rint((video.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
        return back, decibels(frames, back)

    return make


def decibels(frames: NDArray[np.uint8], back: NDArray[np.uint8]) -> dict[str, float]:
    """PSNR of `back` against `frames`: over the `frame`, and where it is `moving` if it is."""
    error = ((frames.astype(np.float64) - back) ** 2).mean(-1)
    moving = np.ptp(frames, axis=0).max(-1) > _MOVING
    parts = {"frame": error, "moving": error[:, moving]}
    return {
        name: round(float(10 * np.log10(255**2 / max(part.mean(), 1e-6))), 3)
        for name, part in parts.items()
        if part.size
    }


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
