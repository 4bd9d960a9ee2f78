"""Less memory, other attention, FreeU: in force for a clip, said, and gone after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from reelwright_core.errors import ModelError
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators import saving
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.tiny import animatediff, opened, request_for, wan


def _generator(folder: Path, **told: Any) -> DiffusionGenerator:
    return opened(folder, **{"steps": 3, **told})


def _film(folder: Path, **told: Any) -> tuple[Frames, dict[str, Any]]:
    generator = _generator(folder, **told)
    made = generator.generate(request_for(generator))
    return made.frames, made.provenance


def test_tiles_are_said_and_change_little(tiny: Callable[..., Path]) -> None:
    large: dict[str, Any] = {"size": (320, 32), "frames": 1}
    clips: list[Frames] = []
    for told in ("off", "on"):
        generator = _generator(tiny("real"), tiling=told)
        made = generator.generate(request_for(generator, **large))
        clips.append(made.frames)
        assert made.provenance.get("tiling", False) == (told == "on")
        assert not generator.loaded().pipe.vae.use_tiling
    assert 0 < np.abs(clips[0].astype(int) - clips[1]).mean() < 2
    # What is no larger than a tile, 256 pixels, is decoded as it was.
    whole, in_tiles = (_film(tiny("real"), tiling=told)[0] for told in ("off", "on"))
    assert np.array_equal(whole, in_tiles)


def test_no_tiles_unless_memory_runs_out(tiny: Callable[..., Path]) -> None:
    assert "tiling" not in _film(tiny("real"), tiling="auto")[1]


_OUT_OF_MEMORY = """
import json, resource, sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from reelwright_core.errors import ReelwrightError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators.generator import Request, load

small = Request(
    prompt="a", size=(64, 32), frames=1, fps=Fraction(8), noise=NoisePlan(level=1, seed=1)
)
large = replace(small, size=(512, 512))
told = {"model": sys.argv[1], "device": "cpu", "steps": 1, "guidance": 1}
off = load(Told.model_validate({**told, "tiling": "off"}))
auto = load(Told.model_validate({**told, "tiling": "auto"}))
before = [each.generate(small) for each in (off, auto)][1]  # loads models and libraries

def error(generator, megabytes):
    limit(megabytes)
    try:
        generator.generate(large)
    except ReelwrightError as error:
        return [error.exit_code, str(error)]

def limit(megabytes):
    status = Path("/proc/self/status").read_text().splitlines()
    used = int(next(line for line in status if line.startswith("VmSize")).split()[1]) * 1024
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, hard))

said = {"off": error(off, 200)}
made, again, after = [auto.generate(each) for each in (large, large, small)]
said["warnings"] = [each.warnings for each in (made, again, after)]
said["tiling"] = [each.provenance.get("tiling") for each in (made, again, after)]
said["same"] = bool((made.frames == again.frames).all() and (after.frames == before.frames).all())
said["auto"] = error(auto, 60)
print(json.dumps(said))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a process's memory is Linux's")
def test_a_clip_that_runs_out_of_memory_is_filmed_again_in_tiles(tmp_path: Path) -> None:
    """The autoencoder needs about 300 MB for this clip at once, and less than 140 in tiles."""
    done = subprocess.run(
        [sys.executable, "-c", _OUT_OF_MEMORY, str(wan.build(tmp_path / "wan"))],
        capture_output=True,
        text=True,
        check=True,
        # What is given back is given back at once, so that it does not depend on luck.
        env={**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    said = json.loads(done.stdout)
    again = "the memory did not suffice: the clip was filmed again with the autoencoder in tiles"
    # The next clip of that size begins with tiles, smaller ones stay as they were.
    assert said["warnings"] == [[again], [], []]
    assert said["tiling"] == [True, True, None]
    assert said["same"]
    cures = (
        "film fewer frames or a smaller size, or use a smaller model, "
        "or set `generator.dtype=bfloat16`"
    )
    short = "the memory did not suffice for this clip"
    assert said["off"] == [1, f"{short}; set `generator.tiling=on`, or {cures}"]
    assert said["auto"] == [1, f"{short} with the autoencoder in tiles; {cures}"]


def test_what_ran_out_of_memory_is_told_from_other_errors() -> None:
    for error in (
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("std::bad_alloc"),
    ):
        assert saving.ran_out(error)
    assert not saving.ran_out(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_offload_has_no_place_on_a_cpu(tiny: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"films on the CPU; set `generator\.offload=none`"):
        _film(tiny("real"), offload="model")


@pytest.mark.parametrize("how", ["group", "model"])
def test_parts_that_wait_change_no_pixel(
    tiny: Callable[..., Path],
    scene: Callable[..., Frames],
    how: Literal["group", "model"],
) -> None:
    """On a CPU the hooks run as on a GPU, and move nothing."""
    generator = _generator(tiny("real"), cache="pyramid", cache_interval=2)
    asked = request_for(generator, sketch=scene(seed=1), noise=NoisePlan(level=0.8, seed=1))
    plain = generator.generate(asked)
    saving.put_off(generator.loaded().pipe, how, torch.device("cpu"))
    again = generator.generate(asked)
    assert np.array_equal(plain.frames, again.frames)
    assert plain.provenance == again.provenance


def test_attention_is_computed_by_the_named_backend_for_this_clip(
    tiny: Callable[..., Path],
) -> None:
    plain = _film(tiny("real"))[0]
    frames, provenance = _film(tiny("real"), attention="_native_math")
    assert provenance["attention"] == "_native_math"
    assert np.abs(frames.astype(int) - plain).max() <= 1
    assert np.array_equal(_film(tiny("real"), attention="native")[0], plain)
    assert np.array_equal(_film(tiny("real"))[0], plain)


@torch.no_grad()
def test_the_backend_reaches_the_model(tiny: Callable[..., Path]) -> None:
    pipe = _generator(tiny("real")).loaded().pipe
    attention = pipe.transformer.blocks[0].attn1
    tokens = torch.randn(1, 64, 24, generator=torch.manual_seed(0))
    plain = attention(tokens)
    with saving.attending(pipe, "_native_math"):  # sums in another order
        other = attention(tokens)
    assert 0 < float((other - plain).abs().max()) < 1e-5
    assert torch.equal(attention(tokens), plain)


def test_an_attention_that_is_not_here_is_refused_with_those_that_are(
    tiny: Callable[..., Path],
) -> None:
    with pytest.raises(ModelError, match=r"'flsh' cannot be used: .*here work: .*native"):
        _film(tiny("real"), attention="flsh")


def test_freeu_changes_u_nets_and_is_gone_after_the_clip(tmp_path: Path) -> None:
    folder = animatediff.build(tmp_path / "animatediff")
    generator = _generator(folder)
    plain = generator.generate(request_for(generator)).frames
    freed = _generator(folder, freeu="1.5,1.6,0.9,0.2")
    made = freed.generate(request_for(freed))
    assert made.provenance["freeu"] == [1.5, 1.6, 0.9, 0.2]
    assert not np.array_equal(made.frames, plain)
    block = freed.loaded().pipe.unet.up_blocks[0]
    assert [getattr(block, name) for name in ("s1", "s2", "b1", "b2")] == [None] * 4
    neutral = _generator(folder, freeu="1,1,1,1")
    assert np.abs(neutral.generate(request_for(neutral)).frames.astype(int) - plain).max() <= 1


def test_freeu_is_refused_for_transformers(tiny: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"films with a transformer.*leave `generator\.freeu` out"):
        _generator(tiny("real"), freeu="1.5,1.6,0.9,0.2")


def test_numbers_of_another_type_are_said(tiny: Callable[..., Path]) -> None:
    frames, provenance = _film(tiny("real"), dtype="bfloat16")
    assert provenance["dtype"] == "bfloat16"
    plain = _film(tiny("real"))[0]
    assert 0 < np.abs(frames.astype(int) - plain).mean() < 5
