"""The Wan family: what a model can film, judged from its configs; torch comes in when it films."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from fractions import Fraction
from typing import Any

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Facts, Made, OnStep, Request, Wording, sound
from reelwright_generators.offers import InItsWords

_SIZE = (832, 480)
_FRAMES = 81
_FPS = Fraction(16)
_STEPS = 50
_GUIDANCE = 5.0
_NOISE_LEVEL = 0.8
"""What published Wan models were made for; the level is Video-MSG's, in terms of σ."""

_SEQUENCE = 512
_PIPELINE_MULTIPLE = 16
"""`WanPipeline` takes only multiples of this, whatever the model's own patches are."""


def make(folder: ModelFolder, told: Told, *, in_its_words: InItsWords | None) -> WanGenerator:
    """The generator of a Wan model."""
    return WanGenerator(folder, told, in_its_words=in_its_words)


class WanGenerator:
    """Films with a Wan model: any size of VAE, UniPC or Euler schedules, one clip at a time."""

    def __init__(
        self, folder: ModelFolder, told: Told, *, in_its_words: InItsWords | None = None
    ) -> None:
        self._folder = folder
        self._told = told
        self._in_its_words = in_its_words
        self._rule = _rule(folder)
        self._lock = threading.Lock()
        self._film: Any = None

    def facts(self) -> Facts:
        """What this model is; the settings' steps and guidance win over its own."""
        profile, told = self._folder.profile, self._told
        return Facts(
            name=profile.name or self._folder.name,
            family="wan",
            sha256=self._folder.sha256(),
            revision=self._folder.revision,
            size=profile.size or _SIZE,
            frames=profile.frames or _FRAMES,
            fps=profile.fps or _FPS,
            steps=told.steps or profile.steps or _STEPS,
            guidance=_first(told.guidance, profile.guidance, _GUIDANCE),
            noise_level=profile.noise_level or _NOISE_LEVEL,
            licence=profile.licence or "unknown",
            can=["text", "sketch"],
        )

    def check(self, request: Request) -> list[str]:
        """Warns of what the model was not made for; `ModelError` for what it cannot film."""
        sound(request)
        self._rule.refuse_misfit(request)
        facts = self.facts()
        warnings: list[str] = []
        if self._in_its_words is not None:
            wording = self._in_its_words(request.prompt)
            if wording.unknown:
                warnings.append(f"{facts.name} was never taught: {_unknown(wording, request)}")
        width, height = facts.size
        if request.size != facts.size:
            asked = f"{request.size[0]}x{request.size[1]}"
            warnings.append(f"{facts.name} was made for {width}x{height}, not {asked}")
        if request.frames > facts.frames:
            warnings.append(
                f"{facts.name} was made for {facts.frames} frames; {request.frames} may fall apart"
            )
        if request.fps != facts.fps:
            warnings.append(
                f"{facts.name} films {facts.fps} frames per second: "
                f"at {request.fps}, motion looks {float(request.fps / facts.fps):.2g} times as fast"
            )
        return warnings

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        """Films `request`; the same request gives the same bytes on one machine."""
        self.check(request)
        facts = self.facts()
        wording = self._in_its_words(request.prompt) if self._in_its_words else None
        with self._lock:
            if self._film is None:
                # Only here: torch takes seconds to import, and facts and checks do without.
                from reelwright_generators.wan_film import WanFilm

                self._film = WanFilm(self._folder, device=self._told.device, dtype=self._told.dtype)
            made: Made = self._film.film(
                replace(request, prompt=wording.told) if wording else request,
                facts=facts,
                max_sequence_length=self._folder.profile.max_sequence_length or _SEQUENCE,
                on_step=on_step,
            )
        if wording and (wording.mapped or wording.unknown):
            return replace(made, provenance={**made.provenance, "wording": wording.data()})
        return made


def _unknown(wording: Wording, request: Request) -> str:
    """The unknown words; of those that have a picture, what becomes of it."""
    guided = request.noise.level < 1
    told = "filmed from the sketch alone" if guided else "pure noise starts without its picture"
    return ", ".join(
        f"{word} ({told})" if word in wording.pictured else word for word in wording.unknown
    )


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


class _Rule:
    """Which frame counts and sizes a model's VAE and patches allow."""

    def __init__(self, *, spatial: int, temporal: int, patch: tuple[int, int, int], rope: int):
        self._temporal = temporal
        self._patch = patch
        self._spatial = spatial
        self._multiple = (
            math.lcm(_PIPELINE_MULTIPLE, spatial * patch[2]),
            math.lcm(_PIPELINE_MULTIPLE, spatial * patch[1]),
        )
        self._rope = rope

    def refuse_misfit(self, request: Request) -> None:
        """`ModelError` with the nearest frame count or size that fits."""
        if not self._fits(request.frames):
            raise ModelError(
                f"the model films {self._said()} frames, got {request.frames}; "
                f"the nearest is {self._nearest(request.frames)}"
            )
        width, height = request.size
        if width % self._multiple[0] or height % self._multiple[1]:
            fit = [
                max(m, round(n / m) * m) for n, m in zip(request.size, self._multiple, strict=True)
            ]
            raise ModelError(
                f"the model films sizes in steps of {self._multiple[0]}x{self._multiple[1]}, "
                f"got {width}x{height}; the nearest is {fit[0]}x{fit[1]}"
            )
        longest = self._rope * self._spatial * min(self._patch[1:])
        if (
            max(width, height) > longest
            or self._latent(request.frames) > self._rope * self._patch[0]
        ):
            raise ModelError(
                f"the model reaches {longest} pixels and "
                f"{(self._rope * self._patch[0] - 1) * self._temporal + 1} frames at most, "
                f"got {width}x{height} and {request.frames} frames"
            )

    def _latent(self, frames: int) -> int:
        return (frames - 1) // self._temporal + 1

    def _fits(self, frames: int) -> bool:
        return (frames - 1) % self._temporal == 0 and self._latent(frames) % self._patch[0] == 0

    def _nearest(self, frames: int) -> int:
        reach = self._temporal * self._patch[0] + 1
        near = (n for d in range(reach + 1) for n in (frames + d, frames - d))
        return next(n for n in near if n >= 1 and self._fits(n))

    def _said(self) -> str:
        step = self._temporal * self._patch[0]
        first = self._nearest(1)
        return "any number of" if step == 1 else f"{first}, {first + step}, {first + 2 * step}, ..."


def _rule(folder: ModelFolder) -> _Rule:
    vae = folder.config("vae")
    part = "transformer" if "transformer" in folder.parts else "transformer_2"
    if part not in folder.parts:
        raise ModelError(f"{folder.path} is incomplete: its index names no `transformer`")
    transformer = folder.config(part)
    try:
        patch = [int(n) for n in transformer.get("patch_size", (1, 2, 2))]
        return _Rule(
            spatial=int(vae.get("scale_factor_spatial", 8)),
            temporal=int(vae.get("scale_factor_temporal", 4)),
            patch=(patch[0], patch[1], patch[2]),
            rope=int(transformer.get("rope_max_seq_len", 1024)),
        )
    except (TypeError, ValueError, IndexError) as error:
        raise ModelError(
            f"the configs of {folder.path} do not fit the Wan family: {error}"
        ) from None
