"""`reelwright doctor`: what is installed and reachable, and what to install for the rest."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelwright_core.errors import InputError, ReelwrightError
from reelwright_core.records import Record
from reelwright_core.settings import Settings, load_settings
from reelwright_core.takes import NoisePlan

if TYPE_CHECKING:
    from reelwright_generators.estimate import Device, Estimate
    from reelwright_generators.generator import Facts
    from reelwright_generators.hub import Look

_TRIED = 2
"""Steps that are filmed to tell how long a shot takes."""


class Finding(Record):
    """One thing that was looked for."""

    name: str
    ok: bool
    needed: bool
    """Whether films cannot be made without it."""
    says: str


def examine(given: Mapping[str, Any] | None = None) -> list[Finding]:
    """Everything that matters here under the settings `given`, the needed things first."""
    return [*_needed(), *_model(given), *_wanted()]


def _needed() -> Iterator[Finding]:
    running = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(name="python", ok=sys.version_info >= (3, 11), needed=True, says=running)
    for package in ("torch", "diffusers", "transformers", "langgraph", "openai", "av", "moviepy"):
        try:
            yield Finding(name=package, ok=True, needed=True, says=version(package))
        except PackageNotFoundError:
            yield Finding(
                name=package, ok=False, needed=True, says=f"not installed: pip install {package}"
            )
    if find_spec("torchvision") is not None:
        says = "installed; if imports of diffusers fail, pip uninstall torchvision"
        yield Finding(name="torchvision", ok=False, needed=False, says=says)
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding(
        name="disk", ok=free > 500_000_000, needed=True, says=f"{free / 1e9:.1f} GB free here"
    )


def _model(given: Mapping[str, Any] | None) -> Iterator[Finding]:
    try:
        settings = load_settings(given)
    except ReelwrightError as error:
        yield Finding(name="settings", ok=False, needed=True, says=str(error))
        return
    yield Finding(name="settings", ok=True, needed=True, says="every name is known")
    from reelwright_generators.generator import load

    try:
        facts = load(settings.generator).facts()
    except ReelwrightError as error:
        yield Finding(name="video model", ok=False, needed=True, says=str(error))
    else:
        width, height = facts.size
        says = (
            f"{facts.name} ({facts.family}), {width}x{height}, "
            f"{facts.frames} frames at {facts.fps}, from noise level {facts.noise_level}"
        )
        yield Finding(name="video model", ok=True, needed=True, says=says)
        if facts.revision is not None:
            yield from _revision(settings, facts)
        if settings.generator.model == "builtin":
            yield _speed(settings, facts)
    yield _endpoint(settings)


def _revision(settings: Settings, facts: Facts) -> Iterator[Finding]:
    """Whether the hub's branch has moved on; it is asked, and nothing is fetched."""
    from reelwright_generators.hub import newer

    told = settings.generator
    try:
        moved = newer(told.model, told.revision)
    except ReelwrightError:
        says = f"{facts.revision}, licence {facts.licence} (the hub does not answer)"
        yield Finding(name="its commit", ok=True, needed=False, says=says)
        return
    says = f"{facts.revision}, licence {facts.licence}"
    if moved is not None:
        says += f"; the hub is at {moved[1]} now: generator.revision={moved[1]} would follow it"
    yield Finding(name="its commit", ok=moved is None, needed=False, says=says)


def _speed(settings: Settings, facts: Facts) -> Finding:
    """How long the built-in model takes here: it is loaded, and films a shot in two steps."""
    from reelwright_generators.generator import Request, load

    request = Request(
        prompt="a red car", size=facts.size, frames=facts.frames, fps=facts.fps,
        noise=NoisePlan(level=1, seed=0),
    )  # fmt: skip
    told = settings.generator.model_copy(update={"steps": _TRIED})
    at, cpu = [time.monotonic()], time.process_time()
    try:
        made = load(told).generate(request, lambda done, of: at.append(time.monotonic()))
    except (ReelwrightError, ImportError) as error:
        return Finding(name="its speed", ok=False, needed=True, says=f"it does not film: {error}")
    loading = time.monotonic() - at[0] - made.seconds
    shot = made.seconds + (facts.steps - _TRIED) * (at[-1] - at[-2])
    return Finding(
        name="its speed", ok=True, needed=False,
        says=f"loads in {loading:.1f} s, then about {shot:.1f} s a shot of {facts.steps} steps "
        "from pure noise, less from a sketch "
        f"({time.process_time() - cpu:.1f} CPU seconds in all)",
    )  # fmt: skip


def _endpoint(settings: Settings) -> Finding:
    endpoint = settings.endpoint
    if endpoint.base_url is None and endpoint.api_key is None:
        return Finding(
            name="endpoint", ok=False, needed=False,
            says="none: set OPENAI_API_KEY or OPENAI_BASE_URL for planner.brain=openai",
        )  # fmt: skip
    key = "a key" if endpoint.api_key else "no key"
    return Finding(
        name="endpoint", ok=True, needed=False,
        says=f"{endpoint.base_url or 'https://api.openai.com/v1'} with {key} (not called)",
    )  # fmt: skip


def _wanted() -> Iterator[Finding]:
    yield _gpu()
    yield _blender()
    yield _sandbox()
    ffmpeg = shutil.which("ffmpeg")
    yield Finding(
        name="ffmpeg", ok=True, needed=False, says=ffmpeg or "not on the PATH, and not needed"
    )


def _sandbox() -> Finding:
    """The boundary that scripts run in; a small hostile program tries it now."""
    from reelwright_simulators.sandbox import strongest

    try:
        jail = strongest()
    except ReelwrightError as error:
        return Finding(name="sandbox", ok=False, needed=False, says=str(error))
    return Finding(name="sandbox", ok=True, needed=False, says=f"{jail.says}, tried just now")


def _blender() -> Finding:
    from reelwright_simulators.blender import find

    try:
        search = find.search()
    except ReelwrightError as error:
        return Finding(name="blender", ok=False, needed=False, says=str(error))
    passed = " ".join(("", *search.passed))
    if (blender := search.blender) is None:
        says = f"none, so that nothing is simulated in Blender: {find.CURE}.{passed}"
        return Finding(name="blender", ok=False, needed=False, says=says)
    says = f"{blender.version} from {blender.source}: {blender.path}"
    if blender.lacks:
        says += f"; drafts cannot be drawn without libEGL: {find.install_line()}"
    return Finding(name="blender", ok=not blender.lacks, needed=False, says=says + passed)


def install(what: str, say: Callable[[str], None]) -> None:
    """Installs what films can do without; `say` is told what goes on."""
    if what != "blender":
        raise InputError(f"what can be installed is `blender`, got {what!r}")
    from reelwright_simulators.blender.find import install_line
    from reelwright_simulators.blender.install import install as make

    blender = make(say)
    say(f"Blender {blender.version}: {blender.path}")
    if blender.lacks:
        say(f"drafts cannot be drawn without libEGL: {install_line()}")


def _gpu() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding(name="gpu", ok=False, needed=False, says="unknown without torch")
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        says = f"{torch.cuda.get_device_name(0)}, {memory / 1e9:.0f} GB"
        return Finding(name="gpu", ok=True, needed=False, says=says)
    says = f"none; films on {os.cpu_count()} CPU cores"
    return Finding(name="gpu", ok=False, needed=False, says=says)


_TRIAL = 0.3
"""Seconds that the CPU's speed is tried for."""


def estimate_clip(
    given: dict[str, Any], *, size: tuple[int, int] | None, frames: int | None
) -> tuple[Estimate, Look]:
    """What a clip of the model in the settings `given` takes on this machine.

    Of a hub model that is not here only JSON files and the headers of its weights are fetched.
    None for size and frames takes what the model was made for.
    """
    from reelwright_generators.estimate import estimate
    from reelwright_generators.families import family_of
    from reelwright_generators.hub import look

    told = load_settings(given).generator
    name = told.model
    if told.model == "builtin":
        from reelwright_generators import builtin

        told = told.model_copy(update={"model": str(builtin.folder())})
    seen = look(told)
    published, profile = family_of(seen.folder).published(), seen.folder.profile
    guidance = next(
        value
        for value in (told.guidance, profile.guidance, published.guidance)
        if value is not None
    )
    device = _device(told.device)
    # HunyuanVideo was distilled: it is told the guidance as a number, and runs once a step.
    embedded = any(part.config.get("guidance_embeds") for part in seen.model.parts.values())
    made = estimate(
        replace(seen.model, name=name),
        device,
        size=size or profile.size or published.size,
        frames=frames or profile.frames or published.frames,
        steps=told.steps or profile.steps or published.steps,
        guided=guidance > 1 and not embedded,
        dtype=("bfloat16" if device.is_gpu else "float32") if told.dtype == "auto" else told.dtype,
    )
    return made, seen


def _device(asked: str) -> Device:
    import torch

    from reelwright_generators.estimate import CPU_UTILISATION, Device, gpu_speed

    free = _free_memory()
    if torch.cuda.is_available() and asked != "cpu":
        name = torch.cuda.get_device_name(0)
        speed, told = gpu_speed(name)
        memory = torch.cuda.get_device_properties(0).total_memory
        return Device(
            name=name, memory=memory, speed=speed, speed_from=told, is_gpu=True,
            machine_memory=free,
        )  # fmt: skip
    rows = 768
    left, right = torch.ones(rows, rows), torch.ones(rows, rows)
    torch.mm(left, right)
    began, done = time.monotonic(), 0
    while (took := time.monotonic() - began) < _TRIAL:
        torch.mm(left, right)
        done += 1
    tried = 2 * rows**3 * done / took
    return Device(
        name=f"{os.cpu_count()} CPU cores", memory=free, speed=CPU_UTILISATION * tried,
        speed_from=f"{CPU_UTILISATION:.0%} of {tried / 1e9:.0f} GFLOP/s, tried just now",
        is_gpu=False, machine_memory=free,
    )  # fmt: skip


def _free_memory() -> int:
    """Bytes of the machine's memory that programs can still take."""
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(told.split("MemAvailable:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def estimate_text(made: Estimate, seen: Look) -> str:
    """An estimate for a person, with what it is made of."""
    width, height = made.size
    lines = [
        f"{made.model} ({made.pipeline}), {width}x{height}, {made.frames} frames, "
        f"{made.steps} steps, {made.dtype}: an estimate; nothing was loaded",
        f"licence         {seen.folder.profile.licence or 'unknown'}",
        "files           all here"
        if not seen.fetches
        else f"files           {seen.fetches / 1e9:.1f} GB are to be fetched; "
        f"{seen.free / 1e9:.1f} GB are free there",
    ]
    for name, part in made.parts.items():
        count = f"{part.parameters / 1e9:.2f} G" if part.parameters >= 1e8 else (
            f"{part.parameters / 1e6:.1f} M"
        )  # fmt: skip
        lines.append(f"{name:<16}{part.kind}: {count} parameters, {_bytes(part.bytes)} loaded")
    channels, latent_frames, latent_height, latent_width = made.latents
    lines += [
        f"tokens          {made.tokens} of latents {channels}x{latent_frames}x{latent_height}"
        f"x{latent_width}; {made.operations / 1e12:.3g} TFLOP a call, {made.calls} calls",
        f"time            about {_duration(made.seconds)} a clip on {made.device} "
        f"({made.speed_from}); loading not counted",
        f"memory          activations {_bytes(made.denoising_bytes)} while denoising, "
        f"{_bytes(made.decoding_bytes)} while decoding",
    ]
    for way in made.ways:
        told = ", ".join(f"{name}={value}" for name, value in way.settings.items())
        mark = "fits" if way.fits else "too much"
        lines.append(
            f"  {mark:<10}{_bytes(way.bytes):>9}  {way.name}" + (f": {told}" if told else "")
        )
    if made.fitting is None:
        lines.append("It does not fit here: film smaller or shorter, or take a smaller model.")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
