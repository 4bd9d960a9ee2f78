"""How much longer what the blocks add is at each step than at the one before: for `cache=mag`.

    python -m reelwright_generators.magnitudes Wan-AI/Wan2.1-T2V-1.3B-Diffusers [--steps 50]

MagCache (arXiv 2506.09045) finds these ratios to be nearly the same for every prompt of a model. A
step may be left out while their product stays near 1. The clip that is filmed is thrown away.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from reelwright_core.errors import ModelError, ReelwrightError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.generator import Request, load

PROMPT = "a red ball rolls across a meadow"


def measure(generator: DiffusionGenerator, *, prompt: str = PROMPT, seed: int = 1) -> list[float]:
    """One ratio a step, first 1.0: the mean over tokens and guidance branches.

    Films one clip of the model's favourite size from pure noise.
    """
    from reelwright_generators.cache_hooks import lengthening

    facts = generator.facts()
    request = Request(
        prompt=prompt,
        size=facts.size,
        frames=facts.frames,
        fps=facts.fps,
        noise=NoisePlan(level=1, seed=seed),
    )
    generator.check(request)
    with lengthening(generator.loaded().pipe) as ratios:
        made = generator.generate(request)
    return ratios(made.provenance["steps"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the setting."""
    parser = argparse.ArgumentParser(prog="python -m reelwright_generators.magnitudes")
    parser.add_argument("model", help="an installed generator's name, a folder, or a hub id")
    parser.add_argument("--steps", type=int, help="steps of the run; none takes the model's own")
    parser.add_argument("--prompt", default=PROMPT)
    told = parser.parse_args(arguments)
    try:
        generator = load(Told(model=told.model, steps=told.steps))
        if not isinstance(generator, DiffusionGenerator):
            raise ModelError(f"{told.model} is no diffusers model: it has no blocks to measure")
        ratios = measure(generator, prompt=told.prompt)
    except ReelwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"cache_fit = [{', '.join(f'{ratio:.5f}' for ratio in ratios)}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
