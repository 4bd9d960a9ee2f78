"""The built-in weights are an ordinary diffusers folder, and film in other numbers as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators import builtin
from reelwright_generators.generator import Made, Request, load

pytestmark = pytest.mark.skipif(
    not builtin.folder().is_dir(), reason="the built-in weights are not there"
)
PROMPT = "a red car moves from left to right on a beach"
SEED, STEPS = 3, 3

PLAIN = """
import json, sys
import numpy as np, torch
from diffusers import DiffusionPipeline

folder, prompt, seed, steps, out = sys.argv[1:]
profile = json.load(open(f"{folder}/reelwright.json"))
torch.set_num_threads(1)
pipe = DiffusionPipeline.from_pretrained(folder)
video = pipe(
    prompt, width=profile["size"][0], height=profile["size"][1],
    num_frames=profile["frames"] + profile["pipeline_frames"]["offset"],
    num_inference_steps=int(steps), guidance_scale=profile["guidance"],
    max_sequence_length=profile["max_sequence_length"],
    generator=torch.Generator("cpu").manual_seed(int(seed)), output_type="np",
).frames[0]
assert not [name for name in sys.modules if name.startswith("reelwright")]
np.save(out, video)
"""
"""What anyone with diffusers alone would write, from what the profile says."""


def _made(**told: object) -> Made:
    generator = load(Told.model_validate({"model": "builtin", "steps": STEPS, **told}))
    facts = generator.facts()
    noise = NoisePlan(level=1, seed=SEED)
    return generator.generate(
        Request(prompt=PROMPT, size=facts.size, frames=facts.frames, fps=facts.fps, noise=noise)
    )


@pytest.fixture(scope="module")
def made() -> Made:
    """A clip of our own generator."""
    return _made()


def test_diffusers_alone_makes_the_same_clip(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "video.npy"
    folder = str(builtin.folder())
    ran = subprocess.run(
        [sys.executable, "-c", PLAIN, folder, PROMPT, str(SEED), str(STEPS), str(out)],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    plain = np.load(out)
    assert plain.shape == made.frames.shape
    apart = np.abs(plain * 255 - made.frames.astype(np.float64))
    assert apart.max() < 0.51  # the rounding to whole numbers, and next to nothing else


def test_bfloat16_films_nearly_the_same_clip(made: Made) -> None:
    half = _made(dtype="bfloat16")
    assert (made.provenance["dtype"], half.provenance["dtype"]) == ("float32", "bfloat16")
    assert not np.array_equal(half.frames, made.frames)
    apart = half.frames.astype(np.float64) - made.frames
    assert 10 * np.log10(255**2 / np.mean(apart**2)) > 25
