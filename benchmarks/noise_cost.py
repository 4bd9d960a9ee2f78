"""What structured noise costs, and what the generator costs over calling diffusers itself.

    python benchmarks/noise_cost.py [--preset small] [--device cpu] [--repeats 5] [--steps 4]

A Wan of random weights films one clip in three ways, in turn: from pure noise; from a sketch, with
the background kept longer than its things, in as many steps; and from pure noise by the pipeline
itself, with the same arguments. Figures are medians over the repeats of one run. CPU seconds are
those of the whole process, on one thread (`time.process_time`); on a GPU, wall seconds are what
counts. What structured noise costs is told twice: as the difference of the clips, without encoding
the sketch, and as the sum of the times of its parts within one clip, which a busy machine disturbs
less. Peaks are those of fresh processes that film one clip: the process's own (`ru_maxrss`), or
what torch held on the GPU.

`--preset wan-1.3b` has the transformer and the autoencoder of Wan 2.1 1.3B, at 832x480 and 81
frames; it wants an accelerator. The text encoder is a tiny one in both: prompts are not the matter.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan, Region
from reelwright_generators import noise
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.families import family_of
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request
from reelwright_generators.loading import pinned, quiet
from reelwright_generators.schedules import Course, levels_of, respaced
from reelwright_generators.tiny.parts import TEXT, finish, scene, seeded, tokenizer, umt5, unipc

SEED = 1
LEVEL, BACKGROUND = 0.8, 0.4
WHOLE = 50
"""Steps that Wan's own settings take."""
NOISE_AT_MOST, OVERHEAD_AT_MOST = 0.03, 0.02

PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "size": (192, 128),
        "frames": 17,
        "transformer": {"num_attention_heads": 12, "attention_head_dim": 64, "ffn_dim": 3072,
                        "num_layers": 14, "freq_dim": 256},
        "vae": {"base_dim": 32},
    },
    "wan-1.3b": {
        "size": (832, 480),
        "frames": 81,
        "transformer": {"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960,
                        "num_layers": 30, "freq_dim": 256},
        "vae": {"base_dim": 96},
    },
}  # fmt: skip


@dataclass
class Clock:
    """CPU and wall seconds of a clip, and of parts of it by name."""

    device: str
    whole: tuple[float, float] = (0.0, 0.0)
    parts: dict[str, tuple[float, float]] = field(default_factory=dict)

    def now(self) -> tuple[float, float]:
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.process_time(), time.perf_counter()

    def since(self, start: tuple[float, float]) -> tuple[float, float]:
        end = self.now()
        return end[0] - start[0], end[1] - start[1]

    @contextlib.contextmanager
    def on(self, owner: Any, name: str, part: str) -> Iterator[None]:
        """Adds up the time within `owner.name` while the block runs."""
        true = getattr(owner, name)

        @functools.wraps(true)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = self.now()
            try:
                return true(*args, **kwargs)
            finally:
                took, so_far = self.since(start), self.parts.get(part, (0.0, 0.0))
                self.parts[part] = (so_far[0] + took[0], so_far[1] + took[1])

        setattr(owner, name, timed)
        try:
            yield
        finally:
            setattr(owner, name, true)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--case", choices=("pure", "structured"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.case:
        print(json.dumps(_peak(told)))
        return
    with tempfile.TemporaryDirectory() as folder:
        told.folder = Path(folder)
        _build(told)
        print(_page(told))


def _build(told: argparse.Namespace) -> None:
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
    from diffusers.pipelines.wan.pipeline_wan import WanPipeline

    preset = PRESETS[told.preset]
    vae = seeded(0, AutoencoderKLWan, **preset["vae"])
    transformer = seeded(
        1, WanTransformer3DModel, text_dim=TEXT, cross_attn_norm=True, **preset["transformer"]
    )
    if told.device != "cpu":
        transformer = transformer.to(torch.bfloat16)
    pipe = WanPipeline(
        tokenizer=tokenizer(), text_encoder=umt5(), transformer=transformer, vae=vae,
        scheduler=unipc(),
    )  # fmt: skip
    finish(pipe, told.folder, size=preset["size"], frames=preset["frames"], guidance=1.0)


def _generator(told: argparse.Namespace, steps: int) -> DiffusionGenerator:
    family = family_of(open_folder(told.folder, name=told.preset))
    settings = Told.model_validate({"device": told.device, "steps": steps})
    generator = DiffusionGenerator(family, settings)
    if told.device == "cpu":
        generator.loaded().threads = 1
    return generator


def _steps_for(told: argparse.Namespace) -> int:
    """Steps of a whole run of which `told.steps` are taken from `LEVEL`."""
    for steps in range(told.steps, 10 * told.steps):
        stock = unipc()
        stock.set_timesteps(steps)
        if len(respaced(levels_of(stock), LEVEL)) == told.steps:
            return steps
    raise SystemExit(f"no run has {told.steps} steps below level {LEVEL}; ask for at least 4")


def _requests(told: argparse.Namespace) -> dict[str, Request]:
    from fractions import Fraction

    preset = PRESETS[told.preset]
    sketch, labels = scene(seed=3, frames=preset["frames"], size=preset["size"])
    pure = Request(
        prompt="a red car drives along the beach", size=preset["size"], frames=preset["frames"],
        fps=Fraction(8), noise=NoisePlan(level=1.0, seed=SEED),
        sketch=sketch, labels=labels, things=(("car", 0),),
    )  # fmt: skip
    regions = [Region(of="background", level=BACKGROUND)]
    plan = NoisePlan(level=LEVEL, seed=SEED, regions=regions)
    return {"pure": pure, "structured": replace(pure, noise=plan)}


def _peak(told: argparse.Namespace) -> dict[str, float]:
    """Film one clip; MB at its peak."""
    steps = told.steps if told.case == "pure" else _steps_for(told)
    _generator(told, steps).generate(_requests(told)[told.case])
    if told.device == "cpu":
        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    return {"peak": torch.cuda.max_memory_allocated() / 2**20}


def _clip(told: argparse.Namespace, generator: DiffusionGenerator, request: Request) -> Clock:
    film, clock = generator.loaded(), Clock(told.device)
    with (
        clock.on(film.family, "encoded", "encoding the sketch"),
        clock.on(noise, "of_plan", "drawing the noise"),
        clock.on(noise, "started", "mixing"),
        clock.on(noise, "level_map", "levels of the regions"),
        clock.on(Course, "_held", "keeping the regions"),
        clock.on(type(film.pipe), "__call__", "pipeline"),
        clock.on(film.pipe.transformer, "forward", "of that, the transformer"),
        clock.on(film.pipe.vae, "decode", "of that, decoding"),
    ):
        start = clock.now()
        made = generator.generate(request)
        clock.whole = clock.since(start)
    assert made.provenance["steps"] == told.steps
    return clock


def _direct(told: argparse.Namespace, generator: DiffusionGenerator, request: Request) -> Clock:
    """The same clip by the pipeline itself."""
    film, clock, facts = generator.loaded(), Clock(told.device), generator.facts()
    start = clock.now()
    with pinned(film.threads), quiet():
        drawn = noise.draw(film.family.shape(film.pipe, request), SEED)
        film.pipe(**film.family.call(film.pipe, request, facts=facts, latents=drawn))
    clock.whole = clock.since(start)
    return clock


def _page(told: argparse.Namespace) -> str:
    before = os.getloadavg()[0]
    requests = _requests(told)
    pure_by, structured_by = _generator(told, told.steps), _generator(told, _steps_for(told))
    structured_by._film = pure_by.loaded()  # one model is enough
    ways: dict[str, Callable[[], Clock]] = {
        "pure": lambda: _clip(told, pure_by, requests["pure"]),
        "structured": lambda: _clip(told, structured_by, requests["structured"]),
        "direct": lambda: _direct(told, pure_by, requests["pure"]),
    }
    ways["structured"]()  # unmeasured
    clocks: dict[str, list[Clock]] = {name: [] for name in ways}
    for repeat in range(told.repeats):
        for name in [*ways][repeat % 3 :] + [*ways][: repeat % 3]:
            clocks[name].append(ways[name]())
    at = 0 if told.device == "cpu" else 1
    peaks = {case: _peak_of(told, case) for case in ("pure", "structured")}
    film = pure_by.loaded()
    shape = film.family.shape(film.pipe, requests["pure"])
    encoded = 4 * torch.Size(shape).numel() / 2**20

    whole = {name: _median([clock.whole[at] for clock in clocks[name]]) for name in ways}
    parts = {
        part: _median([clock.parts[part][at] for clock in clocks["structured"]])
        for part in clocks["structured"][0].parts
    }
    drawn = _median([clock.parts["drawing the noise"][at] for clock in clocks["pure"]])
    encoding = parts["encoding the sketch"]
    own = max(parts["drawing the noise"] - drawn, 0) + sum(
        parts[part] for part in ("mixing", "levels of the regions", "keeping the regions")
    )
    # A whole run asks the model twice a step, with the prompt and without.
    published = 2 * WHOLE * parts["of that, the transformer"] / told.steps
    published += parts["of that, decoding"]
    apart = whole["structured"] - encoding - whole["pure"]
    around = _median([clock.whole[at] - clock.parts["pipeline"][at] for clock in clocks["pure"]])
    rows = [
        ("structured noise, the sum of its parts", own / whole["pure"], NOISE_AT_MOST),
        ("structured noise, the difference of clips", apart / whole["pure"], NOISE_AT_MOST),
        ("generator around the pipeline", around / (whole["pure"] - around), OVERHEAD_AT_MOST),
        ("generator over the pipeline itself, the difference of clips",
         whole["pure"] / whole["direct"] - 1, OVERHEAD_AT_MOST),
    ]  # fmt: skip
    kind = "CPU" if at == 0 else "wall"
    width, height = requests["pure"].size
    count = sum(parameter.numel() for parameter in film.pipe.transformer.parameters())
    return "\n".join(
        [
            f"Preset `{told.preset}`: a random Wan of {count / 1e6:.0f} M parameters, "
            f"{requests['pure'].frames} frames of {width}x{height}, {told.steps} steps, guidance "
            f"1, {type(film.pipe.scheduler).__name__}, seed {SEED}. {_machine(told)} Medians of "
            f"{told.repeats} (lowest to highest); load average {before:.1f} at the start, "
            f"{os.getloadavg()[0]:.1f} at the end.",
            "",
            f"| clip | {kind} seconds |",
            "| --- | --- |",
            *(
                f"| {said} | {_spread([clock.whole[at] for clock in clocks[name]])} |"
                for name, said in (
                    ("direct", "pure noise, by the pipeline itself"),
                    ("pure", "pure noise, by the generator"),
                    ("structured", f"from a sketch at {LEVEL}, background to {BACKGROUND}"),
                )
            ),
            "",
            f"| part of the clip from a sketch | {kind} seconds |",
            "| --- | --- |",
            *(f"| {part} | {seconds:.4f} |" for part, seconds in parts.items()),
            "",
            f"| cost, in parts of a clip's {kind} seconds | target | measured | |",
            "| --- | --- | --- | --- |",
            *(
                f"| {what} | {most:.0%} | {cost:.2%} | {'met' if cost <= most else 'missed'} |"
                for what, cost, most in rows
            ),
            "",
            f"Encoding takes {encoding / published:.1%} of what {WHOLE} steps with guidance would "
            "by these figures.",
            "",
            f"Peak: {peaks['pure']:.0f} MB from pure noise, {peaks['structured']:.0f} MB from the "
            f"sketch; the encoded sketch is {encoded:.2f} MB.",
        ]
    )


def _peak_of(told: argparse.Namespace, case: str) -> float:
    asked = ["--preset", told.preset, "--device", told.device, "--steps", str(told.steps)]
    # Memory that is given back at once: what is free but kept would blur the peak.
    kept = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, __file__, *asked, "--folder", str(told.folder), "--case", case],
        check=True, capture_output=True, text=True, env={**os.environ, **kept},
    )  # fmt: skip
    return float(json.loads(done.stdout.splitlines()[-1])["peak"])


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _spread(values: Sequence[float]) -> str:
    return f"{_median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _machine(told: argparse.Namespace) -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    name = f"{os.cpu_count()} cores of {cpu}"
    if told.device != "cpu":
        name = f"{torch.cuda.get_device_name()}, {name}"
    versions = ", ".join(f"{each} {version(each)}" for each in ("torch", "diffusers"))
    return f"{name}, Python {platform.python_version()}, {versions}."


if __name__ == "__main__":
    main()
