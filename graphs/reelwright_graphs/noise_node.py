"""The node `noise`: from which noise the model starts."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from reelwright_core.records import Record
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import (
    Artifact,
    NoiseKind,
    NoisePlan,
    Part,
    Region,
    Repair,
    Sketch,
    Start,
)
from reelwright_graphs.shot_node import ShotNode


class NoiseNode(ShotNode):
    """Says from which noise the model starts: which level where, which seed, which kind."""

    class Options(Record):
        level: float | None = Field(default=None, gt=0, le=1)
        """σ for every shot; a shot's own level and a repair's go before it."""
        alpha: float | None = Field(default=None, gt=0, le=1)
        """The level as Video-MSG says it, in parts of CogVideoX-5B's schedule; see `of_alpha`."""
        regions: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
        """Levels of their own, up to the shot's: of `all`, the `background`, the `entities`, or an
        entity's id; the later of these goes before the earlier."""
        simulated: float = Field(default=1.0, gt=0, le=1)
        """The model's own level, times this, is that of a simulated shot that is painted: its art
        is the model's already, and its motion is right. Any level that is asked goes before it."""
        start: Start = "respaced"
        noise: NoiseKind = "plain"
        window: int | None = Field(default=None, ge=1)
        drift: tuple[Part, Part] | None = None
        """None takes the motion of the layout's background; where it stands still, noise is plain.
        """
        low_frequencies: float | None = Field(default=None, gt=0, le=1)
        """Unless another level is asked, for pure noise."""

        @model_validator(mode="after")
        def _fit(self) -> NoiseNode.Options:
            if self.alpha is not None and (self.level or self.low_frequencies) is not None:
                raise ValueError("`alpha` says the `level`: give one of them, no `low_frequencies`")
            if self.low_frequencies is not None and (self.level or 1) < 1:
                raise ValueError("`low_frequencies` starts from pure noise: `level` must be 1")
            if self.window is not None and self.noise != "windows":
                raise ValueError("`window` is for `noise: windows`")
            if self.drift is not None and self.noise != "drift":
                raise ValueError("`drift` is for `noise: drift`")
            return self

    class Inputs(Record):
        shot: Shot
        layout: Layout | None = None
        repair: Repair | None = None
        simulation: Artifact | None = None
        rendered: Sketch | None = None
        noise: NoisePlan | None = None
        """The plan of the take before; level and seed stay if a repair does not change them."""

    class Outputs(Record):
        noise: NoisePlan

    def depends(self, inputs: Inputs) -> None:
        return None

    def run(self, inputs: Inputs) -> Outputs:
        shot, repair, before, options = inputs.shot, inputs.repair, inputs.noise, self.options
        painted = inputs.simulation is not None and inputs.rendered is None
        levels = [
            repair.noise_level if repair else None,
            before.level if before else None,
            shot.noise_level,
            1.0 if options.low_frequencies else options.level,
            of_alpha(options.alpha) if options.alpha else None,
            self.context.settings.generator.noise.level,
            self.context.crew.generator().facts().noise_level
            * (options.simulated if painted else 1.0),
        ]
        seeds = [
            repair.seed if repair else None,
            before.seed if before else None,
            shot.seed,
            self.context.derived_seed("shot", shot.id),
        ]
        level = next(level for level in levels if level is not None)
        drift = options.drift or _background_drift(inputs.layout)
        still = options.noise == "drift" and drift is None
        return self.Outputs(
            noise=NoisePlan(
                level=level,
                seed=next(seed for seed in seeds if seed is not None),
                regions=self._planned(inputs),
                start=options.start,
                noise="plain" if still else options.noise,
                window=options.window,
                drift=drift if options.noise == "drift" else None,
                low_frequencies=options.low_frequencies if level == 1 else None,
            )
        )

    def _planned(self, inputs: Inputs) -> list[Region]:
        repair, before = inputs.repair, inputs.noise
        if repair is not None and repair.regions is not None:
            return repair.regions
        return self._regions(inputs) if before is None else before.regions

    def _regions(self, inputs: Inputs) -> list[Region]:
        if inputs.layout is None:
            ids = [entity.id for entity in inputs.shot.scene_graph.entities]
        else:
            ids = list(dict.fromkeys(track.entity for track in inputs.layout.tracks))
        asked: dict[str, float] = dict(self.options.regions)
        every = asked.pop("entities", None)
        levels = {name: asked[name] for name in ("all", "background") if name in asked}
        if every is not None:
            levels |= dict.fromkeys(ids, every)
        # A graph is for many shots: what is not in this one has no place in its plan.
        levels |= {name: asked[name] for name in ids if name in asked}
        return [Region(of=name, level=level) for name, level in levels.items()]


def of_alpha(alpha: float) -> float:
    """The σ from which Video-MSG films at `alpha`, more than 0 and at most 1.

    It noises the sketch to the step `alpha` of 1000 of CogVideoX-5B's schedule (arXiv 2504.08641):
    betas linear in their roots from 0.00085 to 0.012, then shifted so that nothing is left of a
    signal at the last step (arXiv 2305.08891). On any model, the level with the same ratio of
    signal to noise is `σ = √(1-ᾱ) / (√ᾱ + √(1-ᾱ))`: 0.5 is 0.64, 0.7 is 0.80, 0.9 is 0.95.
    """
    steps, low, high = 1000, math.sqrt(0.00085), math.sqrt(0.012)
    signal, signals = 1.0, list[float]()
    for step in range(steps):
        signal *= 1 - (low + (high - low) * step / (steps - 1)) ** 2
        signals.append(math.sqrt(signal))
    first, last = signals[0], signals[-1]
    at = signals[max(round(alpha * steps) - 1, 0)]
    kept = (at - last) * first / (first - last)
    noise = math.sqrt(1 - kept**2)
    return round(noise / (kept + noise), 6)


def _background_drift(layout: Layout | None) -> tuple[float, float] | None:
    """How far the background moves each frame; none where it stands still."""
    if layout is None or layout.frames < 2 or layout.background_shift == (0, 0):
        return None
    across, down = (
        min(max(shift / (layout.frames - 1), -1.0), 1.0) for shift in layout.background_shift
    )
    return across, down
