"""What the built-in model costs on a CPU, and what fewer steps cost of its result.

    python benchmarks/builtin_speed.py [--repeats 3] [--out docs/builtin-speed.md]

Every measurement is a fresh process that films one clip unmeasured and then `repeats` clips;
figures are medians. CPU seconds are those of the whole process (`time.process_time`), which depend
much less than wall seconds on what else the machine does. The peak is the largest
resident memory of that process, libraries included (`ru_maxrss`). Closeness is the PSNR of a clip
to the clip of 50 steps from the same noise, the mean over prompts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shots import request_of

STEPS = (4, 6, 8, 12, 20)
REFERENCE = 50
BATCHES = (1, 2, 4)
SEED = 1
SKETCHED = 0.5
PROMPTS = (
    "A red car drives from left to right on a beach.",
    "A yellow ball falls on a road.",
    "Two dogs stand in a meadow.",
    "A red balloon rises in the sky.",
    "A cat sits to the right of a tree.",
    "A fish swims from left to right in the sea.",
)
TARGETS = {"cpu": 8.0, "wall": 6.0, "peak": 1.5, "load": 2.0}
"""CPU seconds of a shot on one thread, wall seconds on two, peak in GB, seconds to load."""
PAYS = 0.1
"""What a batch must save of a shot's CPU seconds to be worth its code."""

Result = Mapping[str, Any]


def main() -> None:
    """Measures everything and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/builtin-speed.md"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.measure:
        asked = json.loads(told.measure)
        print(json.dumps(_MEASURES[asked.pop("what")](**asked)))
        return
    before = os.getloadavg()[0]
    loads = [_fresh("load") for _ in range(told.repeats)]
    own = _facts().steps
    shots = {
        (dtype, threads, steps): _fresh(
            "shot", dtype=dtype, threads=threads, steps=steps, repeats=told.repeats
        )
        for dtype in ("float32", "bfloat16")
        for threads in (1, 2)
        for steps in (sorted({*STEPS, own}) if threads == 1 else [own])
    }
    batches = {batch: _fresh("batch", batch=batch, repeats=told.repeats) for batch in BATCHES}
    close = {
        level: _fresh("closeness", level=level, prompts=told.prompts) for level in (1.0, SKETCHED)
    }
    from reelwright_core.files import write_text

    text = _page(loads, shots, batches, close, before=before, told=told)
    write_text(told.out, text)
    print(text)


def _fresh(what: str, *, threads: int = 1, **asked: Any) -> Result:
    """One measurement in a process of its own."""
    if what == "shot":
        asked["threads"] = threads
    environment = {
        "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, __file__, "--measure", json.dumps({"what": what, **asked})],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    print(what, asked, done.stdout.strip(), file=sys.stderr, flush=True)
    return json.loads(done.stdout)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds of `work`."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _load() -> Result:
    from importlib import import_module

    imports = _timed(lambda: import_module("reelwright_generators.diffusion_film"))
    weights = _timed(lambda: _film("float32"))
    return {"imports": imports, "weights": weights, "peak": _peak()}


def _film(dtype: str) -> Any:
    from reelwright_core.settings import Generator as Told
    from reelwright_generators import builtin
    from reelwright_generators.diffusion_film import DiffusionFilm
    from reelwright_generators.families import family_of
    from reelwright_generators.folder import open_folder

    family = family_of(open_folder(builtin.folder(), name="builtin"))
    return DiffusionFilm(family, Told.model_validate({"device": "cpu", "dtype": dtype}))


def _facts() -> Any:
    from reelwright_core.settings import Generator as Told
    from reelwright_generators.generator import load

    return load(Told(model="builtin")).facts()


def _made(film: Any, facts: Any, request: Any, steps: int) -> Any:
    told = facts.model_copy(update={"steps": steps})
    return film.film(request, facts=told, on_step=None)


def _shot(dtype: str, threads: int, steps: int, repeats: int) -> Result:
    facts, film = _facts(), _film(dtype)
    film.threads = threads
    request = request_of(facts, PROMPTS[0], seed=SEED)
    _made(film, facts, request, 2)
    times = [_timed(lambda: _made(film, facts, request, steps)) for _ in range(repeats)]
    return {"times": times, "peak": _peak()}


def _batch(batch: int, repeats: int) -> Result:
    """Several shots in one call of the pipeline itself, each with its own prompt and noise."""
    import torch

    from reelwright_generators import noise
    from reelwright_generators.builtin import profile
    from reelwright_generators.loading import pinned, quiet

    facts, film = _facts(), _film("float32")
    prompts = [request_of(facts, prompt, seed=SEED).prompt for prompt in (PROMPTS * batch)[:batch]]
    vae = film.pipe.vae.config
    width, height = facts.size
    shape = (
        1, vae.z_dim, (facts.frames - 1) // vae.scale_factor_temporal + 1,
        height // vae.scale_factor_spatial, width // vae.scale_factor_spatial,
    )  # fmt: skip
    latents = torch.cat([noise.draw(shape, SEED + shot) for shot in range(batch)])

    def call(steps: int) -> None:
        with pinned(1), quiet():
            film.pipe(
                prompt=prompts, width=width, height=height, latents=latents, output_type="np",
                num_frames=facts.frames - (vae.scale_factor_temporal == 1),
                num_inference_steps=steps, guidance_scale=facts.guidance,
                max_sequence_length=profile()["max_sequence_length"],
            )  # fmt: skip

    call(2)
    return {"times": [_timed(lambda: call(facts.steps)) for _ in range(repeats)], "peak": _peak()}


def _closeness(level: float, prompts: int) -> Result:
    """Mean PSNR of each number of steps to the reference, and the steps that were really taken."""
    import numpy as np

    facts, film = _facts(), _film("float32")
    psnr: dict[int, list[float]] = {steps: [] for steps in STEPS}
    taken: dict[int, int] = {}
    for prompt in PROMPTS[:prompts]:
        request = request_of(facts, prompt, seed=SEED, level=level)
        whole = _made(film, facts, request, REFERENCE)
        for steps in STEPS:
            made = _made(film, facts, request, steps)
            apart = whole.frames.astype(np.float64) - made.frames
            psnr[steps].append(float(10 * np.log10(255**2 / max(np.mean(apart**2), 1e-9))))
            taken[steps] = made.provenance["steps"]
        taken[REFERENCE] = whole.provenance["steps"]
    return {"psnr": psnr, "taken": taken}


_MEASURES: Mapping[str, Callable[..., Result]] = {
    "load": _load, "shot": _shot, "batch": _batch, "closeness": _closeness,
}  # fmt: skip


def _median(times: Sequence[Sequence[float]], of: int) -> float:
    return statistics.median(each[of] for each in times)


def _page(
    loads: Sequence[Result],
    shots: Mapping[tuple[str, int, int], Result],
    batches: Mapping[int, Result],
    close: Mapping[float, Result],
    *,
    before: float,
    told: argparse.Namespace,
) -> str:
    from reelwright_generators.builtin import profile

    facts, model = _facts(), profile()
    one, two = shots["float32", 1, facts.steps], shots["float32", 2, facts.steps]
    load = {
        name: (
            _median([each[name] for each in loads], 0),
            _median([each[name] for each in loads], 1),
        )
        for name in ("imports", "weights")
    }
    peak = max(each["peak"] for each in shots.values())
    reached = {
        f"CPU seconds of a shot of {facts.steps} steps, one thread": (
            "cpu", _median(one["times"], 0),
        ),
        f"wall seconds of it, two threads ({_median(two['times'], 0):.2f} CPU seconds)": (
            "wall", _median(two["times"], 1),
        ),
        "peak GB, libraries included": ("peak", peak),
        "CPU seconds to load the weights, libraries imported": ("load", load["weights"][0]),
        "CPU seconds to import the libraries and load the weights": (
            "load", load["imports"][0] + load["weights"][0],
        ),
    }  # fmt: skip
    lines = [
        "# What the built-in model costs on a CPU",
        "",
        " ".join((__doc__ or "").split("\n\n")[-1].split()),
        "",
        f"Model {facts.name} {model['version']} ({facts.sha256[:12]}): {facts.frames} frames of "
        f"{facts.size[0]}x{facts.size[1]}, guidance {facts.guidance}, {facts.steps} steps unless "
        f"said otherwise, pure noise, seed {SEED}. {_machine()} Medians of {told.repeats}; "
        f"load average of the machine {before:.1f} at the start and {os.getloadavg()[0]:.1f} "
        "at the end: above the number of cores, wall seconds are those of a busy machine.",
        "",
        "| what | target | measured | |",
        "| --- | --- | --- | --- |",
        *(
            f"| {what} | {TARGETS[kind]} | {value:.2f} | "
            f"{'met' if value <= TARGETS[kind] else 'missed'} |"
            for what, (kind, value) in reached.items()
        ),
        "",
        "## Loading",
        "",
        "| part | CPU seconds | wall seconds |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {load[part][0]:.2f} | {load[part][1]:.2f} |"
            for part, name in (("imports", "imports"), ("weights", "weights"))
        ),
        "",
        "The imports are torch, transformers and diffusers. About a third of them is "
        "`torch._dynamo` by `python -X importtime`, "
        "which transformers and diffusers bring in for their decorators; there is little "
        "to save in what is Reelwright's own, which imports them only when it films.",
        "",
        "## A shot",
        "",
        "| numbers | threads | steps | CPU seconds | wall seconds | peak GB |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {dtype} | {threads} | {steps} | {_median(made['times'], 0):.2f} | "
            f"{_median(made['times'], 1):.2f} | {made['peak']:.2f} |"
            for (dtype, threads, steps), made in shots.items()
        ),
        "",
        _half_said(shots, facts.steps),
        "",
        "## Several shots in one call",
        "",
        "| shots | CPU seconds of a shot | peak GB |",
        "| --- | --- | --- |",
        *(
            f"| {batch} | {_median(made['times'], 0) / batch:.2f} | {made['peak']:.2f} |"
            for batch, made in batches.items()
        ),
        "",
        _batch_said(batches),
        "",
        "## Fewer steps",
        "",
        f"Mean PSNR in dB to {REFERENCE} steps from the same noise, over {told.prompts} prompts "
        "(lowest to highest).",
        "",
        f"| steps | pure noise | from a sketch at level {SKETCHED} | steps really taken there |",
        "| --- | --- | --- | --- |",
        *(
            f"| {steps} | {_spread(close[1.0]['psnr'][str(steps)])} | "
            f"{_spread(close[SKETCHED]['psnr'][str(steps)])} | "
            f"{close[SKETCHED]['taken'][str(steps)]} |"
            for steps in STEPS
        ),
        "",
        f"From a sketch, a run takes as many steps as a whole run spends below the level, and at "
        f"least four; its reference takes {close[SKETCHED]['taken'][str(REFERENCE)]}. "
        f"The default stays what the model's profile says, {model['steps']} steps; "
        "`generator.steps` chooses others.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _half_said(shots: Mapping[tuple[str, int, int], Result], steps: int) -> str:
    whole, half = (_median(shots[dtype, 1, steps]["times"], 0) for dtype in ("float32", "bfloat16"))
    return (
        f"bfloat16 (`generator.dtype=bfloat16`) takes {half / whole:.2f} times the CPU seconds of "
        "float32 here, and depends on a processor that computes in it. `auto` is float32 on a CPU."
    )


def _batch_said(batches: Mapping[int, Result]) -> str:
    alone = _median(batches[1]["times"], 0)
    best = min(batches, key=lambda batch: _median(batches[batch]["times"], 0) / batch)
    saved = 1 - _median(batches[best]["times"], 0) / best / alone
    if best == 1 or saved < PAYS:
        return (
            f"A batch saves {max(saved, 0):.0%} of a shot's CPU seconds at best, less than the "
            f"{PAYS:.0%} that would be worth its code: shots are filmed one at a time."
        )
    return (
        f"{best} shots in one call save {saved:.0%} of a shot's CPU seconds. Shots are filmed one "
        "at a time all the same, for now: the graph asks for them one by one, and the last bits of "
        "a clip could then depend on which others it was filmed with."
    )


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _machine() -> str:
    from importlib.metadata import version

    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers")
    )
    return f"{os.cpu_count()} cores of {cpu}, Python {platform.python_version()}, {versions}."


if __name__ == "__main__":
    main()
