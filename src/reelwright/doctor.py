"""`reelwright doctor`: what is installed and reachable, and what to install for the rest."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from reelwright_core.errors import ReelwrightError
from reelwright_core.records import Record
from reelwright_core.settings import Settings, load_settings
from reelwright_core.takes import NoisePlan

if TYPE_CHECKING:
    from reelwright_generators.generator import Facts

_TRIED = 2
"""Steps that are filmed to tell how long a shot takes."""


class Finding(Record):
    """One thing that was looked for."""

    name: str
    ok: bool
    needed: bool
    """Whether films cannot be made without it."""
    says: str


def examine() -> list[Finding]:
    """Everything that matters here, the needed things first."""
    return [*_needed(), *_model(), *_wanted()]


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


def _model() -> Iterator[Finding]:
    try:
        settings = load_settings()
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
        if settings.generator.model == "builtin":
            yield _speed(settings, facts)
    yield _endpoint(settings)


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
    blender = os.environ.get("REELWRIGHT_BLENDER") or shutil.which("blender")
    has_bpy = find_spec("bpy") is not None
    yield Finding(
        name="blender", ok=bool(blender) or has_bpy, needed=False,
        says=str(blender or ("bpy" if has_bpy else "none: pip install 'reelwright[blender]'")),
    )  # fmt: skip
    ffmpeg = shutil.which("ffmpeg")
    yield Finding(
        name="ffmpeg", ok=True, needed=False, says=ffmpeg or "not on the PATH, and not needed"
    )


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
