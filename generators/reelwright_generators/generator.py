"""What a generator is: it turns a request into a clip, or refuses with a reason before any work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, Protocol, cast

import numpy as np

from reelwright_core.errors import ModelError
from reelwright_core.records import Rate, Record
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames

GROUP = "reelwright.generators"
"""The entry points that offer generators: each a function from the settings' `generator` part."""

FOLDERS = "diffusers"
"""The offer that opens folders and hub ids."""

Capability = Literal["text", "sketch"]
"""`text`: films what the prompt says; `sketch`: can start from a sketch below noise level 1."""

OnStep = Callable[[int, int], None]
"""Told (steps done, steps in all) after every step."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Request:
    """What to film."""

    prompt: str
    size: tuple[int, int]
    """Width and height in pixels."""
    frames: int
    fps: Fraction
    noise: NoisePlan
    sketch: Frames | None = None
    """As many frames as asked, in the size asked; needed for noise levels below 1."""
    negative_prompt: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Made:
    """A clip, and what it took to make it."""

    frames: Frames
    """uint8 RGB [frames, height, width, 3], exactly as asked."""
    provenance: dict[str, Any]
    """Plain data that is the same each time: model, noise levels, steps, seed, versions."""
    seconds: float
    """How long it took; apart from `provenance`, since it differs each time."""


class Facts(Record):
    """What a generator is and was made for."""

    name: str
    family: str
    sha256: str
    """Over everything that decides its clips: configs, weights, profile."""
    revision: str | None = None
    size: tuple[int, int]
    """Width and height it films best."""
    frames: int
    """Frames of a shot that it films best."""
    fps: Rate
    steps: int
    """Denoising steps of a run from pure noise."""
    guidance: float
    noise_level: float
    """σ to start from with a sketch, if nothing else is said."""
    licence: str = "unknown"
    can: list[Capability]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """A prompt in the words that a model was taught."""

    told: str
    """What the model is given."""
    mapped: tuple[tuple[str, str], ...]
    """(said, told) of each word or phrase that was put into other words."""
    unknown: tuple[str, ...]
    """What was said and the model has no words for."""
    pictured: tuple[str, ...] = ()
    """Those of the unknown that a sketch can show."""

    def data(self) -> dict[str, Any]:
        """For the provenance of a clip."""
        return {
            "told": self.told,
            "mapped": [list(pair) for pair in self.mapped],
            "unknown": list(self.unknown),
        }


class Generator(Protocol):
    """Turns a request into a clip; `conformance.check` says what that means exactly."""

    def facts(self) -> Facts:
        """What this generator is; quick, nothing is loaded for it."""
        ...

    def check(self, request: Request) -> list[str]:
        """Warnings for a request that can be filmed; `ModelError` for one that cannot."""
        ...

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        """Films `request`: `ModelError` as `check` says, `GeneratorError` if filming fails."""
        ...


def sound(request: Request) -> None:
    """Refuses what no generator can film: `ModelError` with the reason.

    For backends to call first in their `check`.
    """
    width, height = request.size
    if width < 1 or height < 1 or request.frames < 1:
        raise ModelError(
            "a clip has at least one pixel and one frame, "
            f"got {width}x{height} and {request.frames} frames"
        )
    if request.sketch is None:
        if request.noise.level < 1:
            raise ModelError(
                f"a noise level of {request.noise.level} starts from a sketch and none was given; "
                "give one, or ask for level 1.0"
            )
        return
    expected = (request.frames, height, width, 3)
    if request.sketch.shape != expected or request.sketch.dtype != np.uint8:
        raise ModelError(
            f"the sketch must be uint8 {list(expected)} like the clip, "
            f"got {request.sketch.dtype} {list(request.sketch.shape)}"
        )


def names() -> list[str]:
    """The installed generators' names; a folder or a hub id works as well."""
    return sorted(_offers())


def load(told: Told) -> Generator:
    """The generator that the settings name: an installed name, else a folder, else a hub id.

    Its libraries are imported only when it films. Raises `ModelError` for one that is
    unknown, broken or missing.
    """
    offers = _offers()
    name = told.model if told.model in offers else FOLDERS
    if name not in offers:
        raise ModelError(
            f"there is no generator {told.model!r}; installed ones: {', '.join(sorted(offers))}"
        )
    try:
        make = cast(Callable[[Told], Generator], offers[name].load())
    except Exception as error:  # a plug-in may fail in any way while it is imported
        raise ModelError(
            f"the generator {name!r} ({offers[name].value}) cannot be loaded: "
            f"{type(error).__name__}: {error}; other installed ones: "
            f"{', '.join(other for other in sorted(offers) if other != name)}"
        ) from error
    return make(told)


def _offers() -> dict[str, EntryPoint]:
    return {offer.name: offer for offer in entry_points(group=GROUP)}
