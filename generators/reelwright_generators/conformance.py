"""What every generator must do, as a check that anyone can run on their own.

python -m reelwright_generators.conformance builtin
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from reelwright_core.errors import ModelError, ReelwrightError
from reelwright_core.records import canonical_json
from reelwright_core.settings import load_settings
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators.generator import Control, Facts, Generator, Made, Request, load

LOW, HIGH = 0.3, 0.9
"""Noise levels that are compared: at the lower one, more of the sketch must be left."""


def check(generator: Generator) -> list[str]:
    """What `generator` does wrong; empty when it conforms.

    Films its favourite size and frame count about seven times.
    """
    return list(_faults(generator))


def _faults(generator: Generator) -> Iterator[str]:
    facts = generator.facts()
    yield from _fact_faults(generator, facts)
    yield from _refusal_faults(generator, facts)
    yield from _seed_faults(generator, facts)
    if "sketch" in facts.can:
        yield from _sketch_faults(generator, facts)
    yield from _frame_count_faults(generator, facts)


def _fact_faults(generator: Generator, facts: Facts) -> Iterator[str]:
    if generator.facts() != facts:
        yield "`facts` differ from one call to the next"
    if len(facts.sha256) != 64:
        yield f"`facts().sha256` must be a sha256 in hex, got {facts.sha256!r}"
    if not facts.can:
        yield "`facts().can` is empty: it can do nothing"
    try:
        generator.check(_request(facts))
    except ModelError as error:
        yield f"it refuses its own favourite size, frames and level: {error}"


def _refusal_faults(generator: Generator, facts: Facts) -> Iterator[str]:
    good = _request(facts)
    width, height = facts.size
    bad = {
        "no frames": replace(good, frames=0),
        "no pixels": replace(good, size=(0, height)),
        "a level below 1 without a sketch": replace(good, noise=_noise(HIGH), sketch=None),
        "a sketch of another size": replace(
            good, noise=_noise(HIGH), sketch=_scene(facts.frames, (width + 16, height))
        ),
        "a sketch of another length": replace(
            good, noise=_noise(HIGH), sketch=_scene(facts.frames + 1, facts.size)
        ),
    }
    for what, request in bad.items():
        for call in (generator.check, generator.generate):
            try:
                call(request)
            except ModelError:
                continue
            except Exception as error:  # whatever it is, it is the fault to tell
                yield f"{what}: `{call.__name__}` raises {error!r}, not `ModelError`"
            else:
                yield f"{what}: `{call.__name__}` does not refuse it"


def _seed_faults(generator: Generator, facts: Facts) -> Iterator[str]:
    told: list[tuple[int, int]] = []
    first = generator.generate(_request(facts), lambda done, of: told.append((done, of)))
    yield from _clip_faults(first, _request(facts))
    steps = first.provenance.get("steps")
    # While it waits for others, a generator may tell the last step again, or 0.
    told = [step for step in dict.fromkeys(told) if step[0] != 0]
    if told != [(done, steps) for done in range(1, len(told) + 1)] or len(told) != steps:
        yield f"`on_step` was told {told}, but the provenance says {steps!r} steps"
    again = generator.generate(_request(facts))
    yield from _clip_faults(again, _request(facts))
    if "seeds" not in facts.can:
        return
    if not np.array_equal(first.frames, again.frames):
        yield "the same request gives other bytes the second time"
    if first.provenance != again.provenance:
        yield "the same request gives another provenance the second time"
    if "text" in facts.can:
        other = generator.generate(replace(_request(facts), noise=_noise(1.0, seed=2)))
        if np.array_equal(first.frames, other.frames):
            yield "another seed gives the same clip"
    if "sketch" in facts.can:
        sketched = replace(_request(facts), sketch=_scene(facts.frames, facts.size))
        if not np.array_equal(first.frames, generator.generate(sketched).frames):
            yield "at noise level 1.0 the sketch still shows"


def _sketch_faults(generator: Generator, facts: Facts) -> Iterator[str]:
    sketch = _scene(facts.frames, facts.size)
    distances: list[float] = []
    for level in (LOW, HIGH):
        request = replace(_request(facts), noise=_noise(level), sketch=sketch)
        made = generator.generate(request)
        yield from _clip_faults(made, request)
        if made.frames.shape == sketch.shape:
            distances.append(float(np.abs(made.frames.astype(np.float32) - sketch).mean()))
        noise = made.provenance.get("noise", {})
        if noise.get("asked") != level or abs(noise.get("reached", 9) - level) > 0.02:
            yield (
                f"`provenance['noise']` must say the level asked ({level}) and one reached "
                f"within 0.02 of it, got {noise!r}"
            )
    if "text" in facts.can and len(distances) == 2 and distances[0] >= distances[1]:
        yield (
            f"less noise must leave more of the sketch, but the clip is {distances[0]:.1f} from it "
            f"at level {LOW} and {distances[1]:.1f} at level {HIGH}"
        )


def _frame_count_faults(generator: Generator, facts: Facts) -> Iterator[str]:
    for frames in range(facts.frames - 1, 0, -1):
        request = _shortened(_request(facts), frames)
        try:
            generator.check(request)
        except ModelError:
            continue
        yield from _clip_faults(generator.generate(request), request)
        return


def _clip_faults(made: Made, request: Request) -> Iterator[str]:
    width, height = request.size
    expected = (request.frames, height, width, 3)
    if made.frames.shape != expected or made.frames.dtype != np.uint8:
        yield (
            f"a clip must be uint8 {list(expected)}, "
            f"got {made.frames.dtype} {list(made.frames.shape)}"
        )
    if made.seconds < 0:
        yield f"`seconds` must not be negative, got {made.seconds}"
    try:
        canonical_json(made.provenance)
    except (TypeError, ValueError) as error:
        yield f"`provenance` must be plain JSON data: {error}"


def _request(facts: Facts) -> Request:
    scene = _scene(facts.frames, facts.size)
    control = Control(kind=facts.controls[0], frames=scene) if facts.controls else None
    return Request(
        prompt="a red car drives from left to right along the beach",
        size=facts.size,
        frames=facts.frames,
        fps=facts.fps,
        noise=_noise(1.0),
        first_frame=scene[:1] if "first_frame" in facts.needs else None,
        last_frame=scene[-1:] if "last_frame" in facts.needs else None,
        control=control if "control" in facts.needs else None,
    )


def _shortened(request: Request, frames: int) -> Request:
    control = request.control
    if control is not None:
        control = replace(control, frames=control.frames[:frames])
    return replace(request, frames=frames, control=control)


def _noise(level: float, *, seed: int = 1) -> NoisePlan:
    return NoisePlan(level=level, seed=seed)


def _scene(frames: int, size: tuple[int, int]) -> Frames:
    """A red square that crosses a sandy ground from left to right."""
    width, height = size
    side = max(height // 3, 1)
    video = np.empty((frames, height, width, 3), np.uint8)
    video[:] = (214, 190, 140)
    for frame in range(frames):
        x = frame * (width - side) // max(frames - 1, 1)
        video[frame, side : 2 * side, x : x + side] = (206, 52, 52)
    return video


def main() -> int:
    """Checks one generator, given as the setting `generator.model` takes it."""
    parser = argparse.ArgumentParser(prog="python -m reelwright_generators.conformance")
    parser.add_argument("model", help="an installed generator's name, a folder, or a hub id")
    try:
        told = load_settings({"generator.model": parser.parse_args().model}).generator
        faults = check(load(told))
    except ReelwrightError as error:
        faults = [str(error)]
    print("\n".join(faults) or "it conforms")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
