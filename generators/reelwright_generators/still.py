"""A generator that films by the sketch itself, for previews and for tests of other rooms."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np

from reelwright_core.records import digest
from reelwright_core.settings import Generator as Told
from reelwright_generators.generator import Facts, Made, OnStep, Request, sound

_CARD = 128
"""Grey of the card that is filmed when there is no sketch to film."""


def still(told: Told) -> StillGenerator:
    """The generator; it has no settings."""
    return StillGenerator()


class StillGenerator:
    """Films the sketch as it is; at noise level 1.0, which uses no sketch, a flat grey card."""

    def facts(self) -> Facts:
        """What this generator is."""
        return Facts(
            name="still",
            family="still",
            sha256=digest({"generator": "still.1", "card": _CARD}),
            size=(160, 96),
            frames=17,
            fps=Fraction(8),
            steps=1,
            guidance=1.0,
            noise_level=0.5,
            licence="Apache-2.0",
            can=["sketch", "seeds"],
        )

    def check(self, request: Request) -> list[str]:
        """Warns that no model looks at the prompt."""
        sound(request)
        return ["`still` films the sketch as it is: no model looks at the prompt"]

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        """Returns the sketch, or a card."""
        self.check(request)
        started = time.monotonic()
        if request.sketch is not None and request.noise.level < 1:
            frames = request.sketch.copy()
        else:
            width, height = request.size
            frames = np.full((request.frames, height, width, 3), _CARD, np.uint8)
        if on_step is not None:
            on_step(1, 1)
        facts = self.facts()
        return Made(
            frames=frames,
            provenance={
                "model": facts.name,
                "sha256": facts.sha256,
                "steps": 1,
                "seed": request.noise.seed,
                "noise": {"asked": request.noise.level, "reached": request.noise.level},
            },
            seconds=time.monotonic() - started,
        )
