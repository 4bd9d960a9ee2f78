"""Proof that a family's adapter starts where it says: on a real model, however small.

The denoiser's answer is exchanged for the exact one, so that the sketch must come out again; then
the model answers for itself, and what is kept of the sketch is compared.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan, Region
from reelwright_generators import latents, noise
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.family import TRANSFORMERS
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Control, Made, Request
from reelwright_generators.schedules import STEPS_AT_LEAST, kind_of
from reelwright_generators.tiny.parts import scene

EXACT = 1e-5
"""How far latents may be from what they must be: float32 through a whole schedule."""

_RISING = (0.2, 0.4, 0.6, 0.8)
_SEED = 5
_DRAWING = ("CogVideoXDPM", "DDPM", "LCM", "Ancestral")
"""In the names of schedulers that add noise of their own on the way."""


def prove(
    folder: Path, levels: Sequence[float] = (0.4, 0.8), *, told: Told | None = None, **asked: Any
) -> list[str]:
    """What is wrong with how the model in `folder` is filmed; empty when it is proved.

    At each of `levels`: the first model input is the sketch's latents noised to the level of the
    schedule's first step, which is the level reported; the steps are as many as promised; with
    exact answers the sketch comes out again. Then, with the model's own answers: the less noise,
    the nearer the sketch; and a background that is kept follows the sketch until it is let go.
    `asked` are fields of the requests, such as `control`.
    """
    proof = _Proof(folder, told or Told(device="cpu", dtype="float32"), asked)
    return [
        *proof.stock(),
        *(fault for level in levels for fault in proof.round_trip(level)),
        *proof.nearer_with_less_noise(),
        *proof.kept_background(),
    ]


class _Proof:
    def __init__(self, folder: Path, told: Told, asked: dict[str, Any]) -> None:
        self.family = family_of(open_folder(folder, name=folder.name))
        self.facts = DiffusionGenerator(self.family, told).facts()
        self.film = DiffusionFilm(self.family, told)
        size = self.family.grid.size(self.facts.size)
        frames = self.family.grid.frames(self.facts.frames)
        sketch, _ = scene(seed=3, frames=frames, size=size)
        labels = np.zeros(sketch.shape[:3], np.uint8)
        labels[:, :, : size[0] // 2] = 1  # so that some latents are wholly of the thing
        self.request = Request(
            prompt="a red car", size=size, frames=frames, fps=self.facts.fps, sketch=sketch,
            labels=labels, things=(("car", 0),), noise=NoisePlan(level=1.0, seed=_SEED),
        )  # fmt: skip
        if "first_frame" in self.facts.needs:
            self.request = replace(self.request, first_frame=sketch[:1])
        if "last_frame" in self.facts.needs:
            self.request = replace(self.request, last_frame=sketch[-1:])
        if "control" in self.facts.needs:
            control = Control(kind=self.facts.controls[0], frames=sketch)
            self.request = replace(self.request, control=control)
        self.request = replace(self.request, **asked)
        pipe = self.film.pipe
        with torch.no_grad():
            self.clean = self.family.encoded(pipe, self.request)
        self.drawn = noise.of_plan(
            self.request.noise, self.family.shape(pipe, self.request), request=self.request,
            family=self.family,
        )  # fmt: skip
        self.kind = kind_of(pipe.scheduler)
        self.draws = any(sign in type(pipe.scheduler).__name__ for sign in _DRAWING)
        self.stock_levels: list[float] = []

    def filmed(self, plan: NoisePlan, *, exact: bool) -> tuple[Made, _Watch]:
        with _watched(self.film, self.clean, exact=exact) as watch:
            request = replace(self.request, noise=plan)
            made = self.film.film(request, facts=self.facts, on_step=watch.on_step)
        return made, watch

    def stock(self) -> Iterator[str]:
        """Level 1 is the family's own schedule, from pure noise; the sketch is normalised."""
        assert self.request.sketch is not None
        plain = latents.encode(self.film.pipe.vae, self.request.sketch)
        # Some put latents of their own before the sketch's.
        off = _apart(self.clean[:, :, -plain.shape[2] :], plain)
        if not off <= EXACT:
            yield f"the sketch's latents are {off:.2g} from what the autoencoder says of it"
        made, watch = self.filmed(self.request.noise, exact=True)
        self.stock_levels = made.provenance["noise"]["sigmas"]
        if len(self.stock_levels) != self.facts.steps:
            yield f"level 1: {len(self.stock_levels)} steps, not {self.facts.steps}"
        if self.kind != "variance exploding":
            off = _apart(watch.inputs[0], self.film.family.at_model(self.film.pipe, self.drawn))
            if not off <= 1e-6:
                yield f"level 1: the first model input is {off:.2g} from pure noise"

    def round_trip(self, level: float) -> Iterator[str]:
        made, watch = self.filmed(NoisePlan(level=level, seed=_SEED), exact=True)
        told = made.provenance["noise"]
        for step, (given, mix) in enumerate(zip(watch.inputs, watch.mixes, strict=True)):
            if step > 0 and self.draws:
                break
            off = _apart(given, self.mixed(mix)) / max(1.0, mix[1])
            if not off <= EXACT:
                yield f"level {level}: the model input of step {step + 1} is {off:.2g} from z_σ"
                break
        signal, share = watch.mixes[0]
        begun = share / (signal + share)
        if abs(told["reached"] - begun) > 1e-3:
            yield f"level {level}: it begins at {begun:.4f}, and reports {told['reached']}"
        if abs(begun - level) > 0.02 and told["reached"] == told["asked"]:
            yield f"level {level}: it begins at {begun:.4f} and does not say so"
        yield from self._count_faults(level, made, watch)
        found = watch.found()
        off = _apart(found, self.clean[:, :, -found.shape[2] :])
        if not off <= EXACT:
            yield f"level {level}: with exact answers the latents end {off:.2g} from the sketch's"

    def _count_faults(self, level: float, made: Made, watch: _Watch) -> Iterator[str]:
        stock = self.stock_levels
        if self.kind != "variance preserving":
            below = sum(sigma <= level + 1e-6 for sigma in stock)
            promised = min(len(stock), max(STEPS_AT_LEAST, below))
        else:
            nearest = min(range(len(stock)), key=lambda step: abs(stock[step] - level))
            promised = len(stock) - nearest
        steps = made.provenance["steps"]
        calls = [watch.calls.count(step) for step in range(steps)]
        if steps != promised or len(set(watch.calls)) != steps or watch.done != steps:
            yield (
                f"level {level}: {promised} steps promised, {steps} in the provenance, "
                f"{watch.done} told, {len(set(watch.calls))} with model calls"
            )
        elif len(set(calls)) > 1:
            yield f"level {level}: the model is called {calls} times in the steps"

    def nearer_with_less_noise(self) -> Iterator[str]:
        distances: list[float] = []
        for level in _RISING:
            _, watch = self.filmed(NoisePlan(level=level, seed=_SEED), exact=False)
            found = watch.found()
            distances.append(float((found - self.clean[:, :, -found.shape[2] :]).abs().mean()))
        if not all(a < b for a, b in itertools.pairwise(distances)):
            told = ", ".join(f"{distance:.4f}" for distance in distances)
            yield f"less noise must leave more of the sketch: distances {told} at levels {_RISING}"

    def kept_background(self) -> Iterator[str]:
        """With the thing free from .9 on, the background is held to the end, or until .4."""
        if "regions" not in self.facts.can:
            return
        exact = EXACT if self.kind in ("flow", "rising flow") else 20 * EXACT
        for level in (0.0, 0.4):
            regions = [Region(of="background", level=level)]
            plan = NoisePlan(level=0.9, seed=_SEED, regions=regions)
            made, watch = self.filmed(plan, exact=False)
            levels = noise.level_map(plan, self.request, self.family.grid, self.drawn.shape)
            outside = (levels < plan.level).expand(self.clean.shape)
            found = watch.found()
            off = (found - self.clean[:, :, -found.shape[2] :]).abs()
            where = outside[:, :, -found.shape[2] :]
            if not off[~where].max() > 1e-3:
                yield f"nothing is filmed beside a background kept to {level}"
            if level > 0 and not off[where].max() > 1e-3:
                yield f"a background kept to {level} is kept to the end"
            if level == 0 and not off[where].max() <= exact:
                yield f"a background kept to the end is {off[where].max():.2g} from the sketch"
            if level == 0 or self.draws:
                continue
            where = self.family.at_model(self.film.pipe, outside.float()) > 0.5
            released = made.provenance["noise"]["regions"][0]["reached"]
            for given, mix in zip(watch.inputs, watch.mixes, strict=True):
                sigma = mix[1] / sum(mix)
                off = (given - self.mixed(mix)).abs()[where].max() / max(1.0, mix[1])
                if sigma >= released - 1e-4 and not off <= exact:
                    yield (
                        f"the background is {off:.2g} from the noised sketch at {sigma:.3f}, "
                        f"before it is let go at {released}"
                    )
                    break

    def mixed(self, mix: tuple[float, float]) -> torch.Tensor:
        """z_σ, as the model is given it."""
        signal, share = mix
        return self.family.at_model(self.film.pipe, signal * self.clean + share * self.drawn)


class _Watch:
    """What goes into the denoiser and into the decoder while a clip is filmed."""

    def __init__(self, film: DiffusionFilm, clean: torch.Tensor, *, exact: bool) -> None:
        self.inputs: list[torch.Tensor] = []
        """The latents that the model was given first in each step, in its layout, and in the
        scheduler's scale."""
        self.mixes: list[tuple[float, float]] = []
        """How much signal and how much noise the scheduler takes each of them for."""
        self.calls: list[int] = []
        """The step of each call."""
        self.done = 0
        self._film, self._exact = film, exact
        self._clean = film.family.at_model(film.pipe, clean)
        self._kind = kind_of(film.pipe.scheduler)
        self._decoded: list[torch.Tensor] = []

    def on_step(self, done: int, of: int) -> None:
        self.done = done

    def mix(self) -> tuple[float, float]:
        scheduler = self._film.pipe.scheduler
        if self._kind == "flow":
            sigma = float(scheduler.sigmas[self.done])
            return 1 - sigma, sigma
        if self._kind == "rising flow":
            sigma = 1 - float(scheduler.sigmas[self.done])
            return 1 - sigma, sigma
        if self._kind == "variance exploding":
            return 1.0, float(scheduler.sigmas[self.done])
        kept = float(scheduler.alphas_cumprod[int(scheduler.timesteps[self.done])])
        return math.sqrt(kept), math.sqrt(1 - kept)

    def answer(self, module: Any, args: Any, told: dict[str, Any], output: Any) -> Any:
        given = next((told[name] for name in ("hidden_states", "sample") if name in told), None)
        given = args[0] if given is None else given
        for axis in range(1, self._clean.ndim):  # conditions come after the latents
            given = given.narrow(axis, 0, self._clean.shape[axis])
        signal, share = self.mix()
        if self._kind == "variance exploding":
            given = given * math.sqrt(1 + share**2)
        if self.done not in self.calls:
            self.inputs.append(given[:1].float().cpu().clone())
            self.mixes.append((signal, share))
        self.calls.append(self.done)
        if not self._exact:
            return None
        exact = self._exactly(given, signal, share)
        made = output[0] if isinstance(output, tuple) else output.sample
        if made.shape[2:] == exact.shape[2:]:  # a learned variance comes after the answer
            exact = torch.cat([exact, made[:, exact.shape[1] :]], dim=1)
        if isinstance(output, tuple):
            return (exact, *output[1:])
        return type(output)(sample=exact)

    def _exactly(self, given: torch.Tensor, signal: float, share: float) -> torch.Tensor:
        clean = self._clean.to(given.device)
        found = (given - signal * clean) / share
        if self._kind == "flow":
            return (given - clean) / share
        if self._kind == "rising flow":
            return (clean - given) / share
        predicts = self._film.pipe.scheduler.config.prediction_type
        if predicts == "epsilon":
            return found
        if predicts == "sample":
            return clean.expand_as(given)
        if self._kind == "variance preserving":
            return signal * found - share * clean
        wide = math.sqrt(1 + share**2)
        return (given / wide**2 - clean) * wide / share

    def decoding(self, given: torch.Tensor) -> None:
        self._decoded.append(given.float().cpu().clone())

    def found(self) -> torch.Tensor:
        """The latents that were decoded, normalised, [1, channels, frames, height, width]."""
        made = torch.cat(self._decoded)
        if made.ndim == 4:
            made = made.permute(1, 0, 2, 3)[None]
        return latents.normalise(self._film.pipe.vae, made)


@contextlib.contextmanager
def _watched(film: DiffusionFilm, clean: torch.Tensor, *, exact: bool) -> Generator[_Watch]:
    watch = _Watch(film, clean, exact=exact)
    parts = [getattr(film.pipe, name, None) for name in TRANSFORMERS]
    hooks = [
        part.register_forward_hook(watch.answer, with_kwargs=True)
        for part in parts
        if part is not None
    ]
    vae = film.pipe.vae
    decode = vae.decode

    @functools.wraps(decode)
    def told(z: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        watch.decoding(z)
        return decode(z, *args, **kwargs)

    vae.decode = told
    try:
        yield watch
    finally:
        del vae.decode
        for hook in hooks:
            hook.remove()


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    if one.shape != other.shape:
        return math.inf
    return float((one - other).abs().max())
