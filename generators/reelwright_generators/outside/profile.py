"""What an outside generator was made for, as its user says it; and how it is told a request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from reelwright_core.errors import ModelError
from reelwright_core.records import Rate, Record, digest
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators.generator import (
    Capability,
    ControlKind,
    Facts,
    Request,
    refuse_unable,
    sound,
)

_SIZE = (832, 480)
_FRAMES = 81
_FPS = Fraction(16)
_NOISE_LEVEL = 0.8
"""What is taken when nobody says: what Wan's smaller models were made for."""

_PLACE = re.compile(r"\{([a-z_]+)\}")

Value = str | int | float | bool
"""What can stand for a `{place}` in a command line or a form field."""


class Profile(Record):
    """What an outside generator was made for; each key may be left out."""

    name: str | None = None
    size: tuple[int, int] | None = None
    """Width and height it films best."""
    frames: int | None = Field(default=None, ge=1)
    fps: Rate | None = None
    steps: int | None = Field(default=None, ge=1)
    guidance: float | None = Field(default=None, ge=0)
    noise_level: float | None = Field(default=None, gt=0, le=1)
    licence: str | None = None
    can: list[Capability] | None = None
    """What it does with a request; none goes by the places that its command or fields name."""
    controls: list[ControlKind] = []
    needs: list[Capability] = []
    """What every request has to bring: `control`, or `first_frame`."""
    seconds: list[int] = Field(default=[], max_length=100)
    """The clip lengths that a videos endpoint offers; none are all whole numbers."""
    sizes: list[tuple[int, int]] = Field(default=[], max_length=100)
    """The sizes that a videos endpoint offers; none are all."""
    fields: dict[str, Value] = {}
    """Form fields for a videos endpoint besides OpenAI's own; `{seed}` and the like are filled."""


def open_profile(told: Told) -> Profile:
    """The profile that the settings name, or one that says nothing; `ModelError` if it is unfit."""
    if told.outside.profile is None:
        return Profile()
    path = Path(told.outside.profile).expanduser()
    data = read_json(path, setting="generator.outside.profile")
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelError(f"{path}: `{where}`: {fault['msg']}, got {fault['input']!r}") from None


def read_json(path: Path, *, setting: str) -> Any:
    """The data of a JSON file that `setting` names; `ModelError` if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"`{setting}`: {path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"`{setting}`: {path} is not JSON that can be read: {error}") from None


def facts_of(
    profile: Profile,
    told: Told,
    *,
    family: str,
    name: str,
    can: Sequence[Capability],
    decides: Mapping[str, Any],
    controls: Sequence[ControlKind] = (),
    needs: Sequence[Capability] = (),
    steps: int = 1,
) -> Facts:
    """The facts; `decides` is what else but profile and revision decides the clips."""
    able = list(profile.can if profile.can is not None else can)
    guided = "sketch" in able
    return Facts(
        name=profile.name or name,
        family=family,
        sha256=digest(
            {
                "generator": f"{family}.1",
                "profile": profile.data(),
                "revision": told.revision,
                **decides,
            }
        ),
        revision=told.revision,
        size=profile.size or (profile.sizes[0] if profile.sizes else _SIZE),
        frames=profile.frames or _FRAMES,
        fps=profile.fps or _FPS,
        steps=steps,
        guidance=told.guidance or profile.guidance or 1.0,
        noise_level=(profile.noise_level or _NOISE_LEVEL) if guided else 1.0,
        licence=profile.licence or "unknown",
        can=able,
        controls=list(profile.controls or controls),
        needs=list(profile.needs or needs),
    )


def checked(request: Request, facts: Facts) -> list[str]:
    """Warnings for what is left out of `request`; `ModelError` for what cannot be left out."""
    sound(request)
    plain, warnings = request, list[str]()
    if "sketch" not in facts.can and request.noise.level < 1:
        plain = replace(plain, noise=NoisePlan(level=1.0, seed=request.noise.seed))
        # No refusal: a repair may ask for more of the sketch in the middle of a film.
        warnings.append(
            f"{facts.name} ({facts.family}) does not start from sketches: "
            f"it films from the words alone, not from noise level {request.noise.level:g}"
        )
    if "negative_prompt" not in facts.can and request.negative_prompt:
        plain = replace(plain, negative_prompt="")
        warnings.append(f"{facts.name} ({facts.family}) is not told what must not be seen")
    refuse_unable(plain, facts)
    return warnings


def provenance(facts: Facts, request: Request, *, steps: int) -> dict[str, Any]:
    """What every outside clip's provenance says."""
    asked = request.noise.level
    return {
        "model": facts.name,
        "family": facts.family,
        "sha256": facts.sha256,
        "revision": facts.revision,
        "steps": steps,
        "seed": request.noise.seed,
        "noise": {"asked": asked, "reached": asked if "sketch" in facts.can else 1.0},
        **({"first_frame": "of the sketch"} if _borrows(request, facts) else {}),
    }


def first_frame_of(request: Request, facts: Facts) -> Frames | None:
    """The picture that the clip begins with: the one given, or the sketch's if one is needed."""
    if _borrows(request, facts) and request.sketch is not None:
        return request.sketch[:1]
    return request.first_frame if "first_frame" in facts.can else None


def _borrows(request: Request, facts: Facts) -> bool:
    return "first_frame" in facts.needs and request.first_frame is None


def seed_of(request: Request) -> int:
    """The seed in 32 bits: NumPy, and much public code with it, takes no more."""
    return request.noise.seed & 0xFFFFFFFF


def values(request: Request, profile: Profile, told: Told) -> dict[str, Value]:
    """What `{prompt}`, `{width}` and so on stand for; `steps` and `guidance` only if known."""
    width, height = request.size
    found: dict[str, Value] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "width": width,
        "height": height,
        "frames": request.frames,
        "fps": plain_rate(request.fps),
        "seconds": plain_rate(request.frames / request.fps),
        "seed": seed_of(request),
        "noise_level": request.noise.level,
    }
    for name, value in (
        ("steps", told.steps or profile.steps),
        ("guidance", profile.guidance if told.guidance is None else told.guidance),
    ):
        if value is not None:
            found[name] = value
    return found


def plain_rate(rate: Fraction) -> int | float:
    """`rate` as a whole number where it is one, else in decimals."""
    return rate.numerator if rate.denominator == 1 else round(float(rate), 6)


def places(text: str) -> list[str]:
    """The names of the `{places}` in `text`."""
    return _PLACE.findall(text)


def filled(text: str, found: Mapping[str, Value]) -> str:
    """`text` with every `{place}` that is known filled, once; other braces stay."""
    return _PLACE.sub(lambda at: str(found.get(at[1], at[0])), text)
