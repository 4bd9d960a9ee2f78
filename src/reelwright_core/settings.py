"""Settings: arguments, then environment, then `reelwright.toml`, then defaults."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from reelwright_core.errors import SettingsError
from reelwright_core.records import Rate

FILE = "reelwright.toml"
PREFIX = "REELWRIGHT_"
NO_SETTINGS = ("REELWRIGHT_BLENDER", "REELWRIGHT_DEBUG")
"""Variables of the machine and of the moment, not of the film: where Blender is, and tracebacks."""

Brain = Literal["offline", "openai"]
Watcher = Literal["offline", "openai", "logic", "logic-openai", "captions", "captions-openai"]
"""Who watches a take: `offline` measures its pixels, `openai` shows frames to a vision model,
`logic` decides a temporal formula on what was measured, `logic-openai` on what a model saw,
`captions` puts what was measured into words and compares them with the prompt and with physical
rules, `captions-openai` does so with a vision model's."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _none_clears(cls, given: Any) -> Any:
        """`none` in any source leaves a setting empty; what may not be empty says so."""
        if not isinstance(given, Mapping):
            return given
        return {
            name: None if isinstance(value, str) and value.lower() in ("none", "null") else value
            for name, value in cast(Mapping[str, Any], given).items()
        }


def _size(value: object) -> object:
    """`160x96` is a size."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"[0-9]{1,6}x[0-9]{1,6}", value):
        raise ValueError("a size is written WIDTHxHEIGHT in pixels, such as 832x480")
    return tuple(int(part) for part in value.split("x"))


def _fit_size(size: tuple[int, int]) -> tuple[int, int]:
    if not (min(size) >= 16 and max(size) <= 8192):
        raise ValueError("width and height are between 16 and 8192")
    width, height = size
    if width % 2 or height % 2:
        raise ValueError(
            "width and height are even, since a video's colours are kept for 2x2 pixels: "
            f"use {width + width % 2}x{height + height % 2}"
        )
    return size


Size = Annotated[tuple[int, int], BeforeValidator(_size), AfterValidator(_fit_size)]
"""Width and height in pixels: `160x96`, or a list of two."""


def _listed(value: object) -> object:
    """`a,b` is a list of two, and `none` an empty one."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""Several values: `a,b`, or a list."""

Numbers = Annotated[tuple[float, ...], NoDecode, BeforeValidator(_listed)]
"""Several numbers: `1.5,0.9`, or a list."""


def _four(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if len(numbers) not in (0, 4):
        raise ValueError("it is four numbers: b1, b2, s1, s2")
    return numbers


class Planner(_Part):
    """Who reads the script."""

    brain: Brain = "offline"
    model: str = "gpt-5-mini"
    temperature: float | None = None
    condense: bool = False
    """Whether long prose may be shortened to what matters; else every line of it is filmed."""


class Critic(_Part):
    """Who watches the takes."""

    brain: Watcher = "offline"
    model: str = "gpt-5-mini"
    threshold: float = Field(default=0.8, ge=0, le=1)
    """A take with at least this score, and no failed question, is good enough; 0 takes all."""
    frames: int = Field(default=6, ge=1, le=32)
    """How many frames of a clip a vision model is shown; to `logic-openai`, windows of three."""
    learned: bool | None = None
    """Whether the offline critic also asks a network that was taught the built-in model's art and
    knows no other. None: where the built-in model films."""
    clip: str | None = None
    """A folder with a CLIP model that transformers can load; `eval` prints its scores."""


class Endpoint(_Part):
    """An OpenAI-compatible endpoint; the key stays out of every file and message."""

    base_url: str | None = None
    api_key: SecretStr | None = None
    timeout: float = Field(default=120, gt=0)
    """Seconds one answer may take, retries not counted."""
    retries: int = Field(default=2, ge=0, le=10)
    """How often a failed call (429, 5xx, no connection) is tried again."""
    repairs: int = Field(default=2, ge=0, le=5)
    """How often an answer that does not fit is sent back with its errors."""
    calls_at_once: int = Field(default=4, ge=1)
    max_tokens: int | None = None
    price_in: float | None = None
    """US dollars per million prompt tokens, for the cost record."""
    price_out: float | None = None


class Noise(_Part):
    """How much of the sketch survives."""

    level: float | None = Field(default=None, gt=0, le=1)
    """σ to start from; 1.0 is pure noise and no sketch. None takes the model's own default."""


def _no_login(url: str) -> str:
    if "@" in url:
        raise ValueError("an address holds no name or password; a key goes into `api_key`")
    return url


class Outside(_Part):
    """What films when `generator.model` is `command`, `videos` or `comfyui`."""

    command: str | None = None
    """The command line of `command`; it is split into words as a shell would, and run without
    one. It is kept in run.yaml: keys belong into the environment."""
    url: Annotated[str, AfterValidator(_no_login)] | None = None
    """Where `videos` (`http://host/v1`) or `comfyui` (`http://host:8188`) is."""
    model: str | None = None
    """Which model `videos` is asked for; none leaves it to the server."""
    workflow: str | None = None
    """The workflow of `comfyui`: a JSON file in API format."""
    profile: str | None = None
    """A JSON file that says what it was made for: size, frames, rate, abilities."""
    api_key: SecretStr | None = Field(default=None, exclude=True)
    """Sent to `url`; stays out of every file, digest and message."""
    timeout: float = Field(default=3600, gt=0)
    """Seconds that one clip may take."""


def _span(steps: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= steps[0] <= steps[1] <= 1:
        raise ValueError("it is two parts of a run, 0 to 1, the earlier one first")
    return steps


class KvSharing(_Part):
    """Where the prompt of a shot changes, what follows attends to what was before (DiTCtrl)."""

    layers: float = Field(default=0, ge=0, le=1)
    """In which part of the model's layers, counted from the last; 0 shares nothing, published is
    0.2."""
    steps: Annotated[tuple[float, float], AfterValidator(_span)] = (0.04, 0.5)
    """During which part of a run."""


class Long(_Part):
    """How a shot is filmed that is longer than the model's clips, or has several prompts."""

    how: Literal["auto", "windows", "whole"] = "auto"
    """`auto`: in windows if the model can go on from frames, else at once; `windows` and `whole`
    insist."""
    window: int | None = Field(default=None, ge=2, le=10_000)
    """Frames of a window; none takes what the model was made for."""
    overlap: int | None = Field(default=None, ge=1, le=1_000)
    """Frames that a window has in common with the one before; none takes a quarter."""
    hold: float = Field(default=0.8, gt=0, le=1)
    """σ from which a later window starts without a sketch: from the last frame, held; 1 is pure
    noise, which follows the motion less."""
    blend: bool = True
    """Whether the windows on both sides of a change of prompt are denoised together."""
    kv_sharing: KvSharing = KvSharing()


class Generator(_Part):
    """What films the shots."""

    model: str = "builtin"
    """`builtin`, a folder, or a hub id such as `Wan-AI/Wan2.1-T2V-1.3B-Diffusers`."""
    revision: str | None = None
    """Branch, tag or commit of a hub model; what is here of it is not asked for again."""
    variant: str | None = None
    """Which weights, where a model has several side by side: `fp16`, `bf16`, or the plain ones."""
    pickle: Listed = ()
    """Pickled weights that may be loaded though they could run code: `unet/pytorch_model.bin`."""
    parts: Listed = ()
    """Parts from elsewhere: `motion_adapter=org/name`, a folder, or `org/name@revision`."""
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    steps: int | None = Field(default=None, ge=1, le=200)
    guidance: float | None = Field(default=None, ge=0, le=30)
    attention: str | None = None
    """What computes attention, as diffusers calls it: `native`, `flash`, `sage`."""
    offload: Literal["model", "group", "sequential"] | None = None
    """What of the model waits in main memory while it is not needed on the GPU: whole parts, or
    their layers; `sequential` needs the least memory and is the slowest."""
    tiling: Literal["auto", "on", "off"] = "auto"
    """Whether the autoencoder works tile by tile; `auto` does so where memory runs out."""
    freeu: Annotated[Numbers, AfterValidator(_four)] = ()
    """FreeU's b1, b2, s1, s2, for models with a U-Net: `1.5,1.6,0.9,0.2`."""
    cache: Literal["first-block", "mag", "pyramid", "taylor", "tea"] | None = None
    """What is kept from one step to the next instead of being computed again."""
    cache_threshold: float | None = Field(default=None, ge=0, le=100)
    """How much may change before `first-block`, `mag` and `tea` compute again; 0 is always."""
    cache_interval: int | None = Field(default=None, ge=1, le=100)
    """`pyramid` and `taylor` compute at every so many steps; 1 is always."""
    cache_fit: Numbers = ()
    """Numbers fitted to the model: the ratios of `mag`, or the polynomial of `tea`."""
    loras: Listed = ()
    """LoRA files for every shot, with their weights: `style.safetensors@0.8`."""
    noise: Noise = Noise()
    long: Long = Long()
    outside: Outside = Outside()


class Physics(_Part):
    """How shots are simulated in which something falls, bounces, topples, waves or pours."""

    engine: Literal["auto", "blender", "planar", "off"] = "auto"
    """`auto`: Blender where it is needed and there, else the built-in integrators; `blender`: also
    what needs none; `planar`: without Blender; `off`: nothing is simulated."""
    quality: Literal["draft", "preview", "final"] = "preview"
    """Of rendered sketches: Workbench, or Cycles with 2 or 4 samples."""
    scripts: bool = False
    """Whether the language model of `planner` writes a script for each simulated shot."""
    sandbox: Annotated[
        Literal["auto", "landlock", "bubblewrap", "nsjail", "none"],
        BeforeValidator(lambda value: "none" if value is None else value),
    ] = "auto"
    """In what scripts run: `auto` takes the strictest that works; `none` lets them do all that
    you can do."""


def _aspects(names: tuple[str, ...]) -> tuple[str, ...]:
    from reelwright_core.safety import Aspect

    known = [aspect.value for aspect in Aspect]
    plain = tuple(" ".join(re.split(r"[-_ ]+", name.lower())) for name in names)
    for name in plain:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
            raise ValueError(f"there is no aspect `{name}`; {hint}")
    return plain


class Safety(_Part):
    """What is refused before it is planned or filmed, and after."""

    gate: Literal["on", "off"] = "on"
    """`off` lets everything through, and every film made so says that it was."""
    moderation: str | None = None
    """The model of the endpoint's moderation that is asked besides the built-in rules."""
    allow: Annotated[Listed, AfterValidator(_aspects)] = ()
    """Aspects that are let through and recorded: `violence,gore`."""
    frames: str | None = None
    """A folder with an image classifier that looks at every take; one it refuses is not used."""
    threshold: float = Field(default=0.8, gt=0, le=1)
    """How sure the classifier must be to refuse a frame."""


class Takes(_Part):
    """How often a shot may be tried."""

    max: int = Field(default=3, ge=1, le=20)


class FilmSettings(_Part):
    """The film's picture; none takes what the model was made for."""

    size: Size | None = None
    fps: Rate | None = None
    frames: int | None = Field(default=None, ge=1, le=10_000)
    """Frames of a shot."""


class Settings(BaseSettings):
    """Everything a run can be told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        toml_file=FILE,
        nested_model_default_partial_update=True,
    )

    planner: Planner = Planner()
    critic: Critic = Critic()
    endpoint: Endpoint = Endpoint()
    generator: Generator = Generator()
    physics: Physics = Physics()
    safety: Safety = Safety()
    takes: Takes = Takes()
    film: FilmSettings = FilmSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def data(self) -> dict[str, Any]:
        """The settings as plain data without any key, for run.yaml and digests."""
        data = self.model_dump(mode="json", exclude={"endpoint": {"api_key"}})
        if "@" in (self.endpoint.base_url or ""):  # a login in the address is a key too
            data["endpoint"]["base_url"] = None
        return data


def load_settings(given: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force; `given` holds names such as `takes.max` or nested mappings.

    Values that are strings are read as their field's type. Raises `SettingsError` with the
    nearest name for one that does not exist.
    """
    nested: dict[str, Any] = {}
    for name, value in _flat(given or {}):
        _known(name)
        at = nested
        *parents, last = name.split(".")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    _check_environment()
    in_file = _checked_file().get("endpoint", {})
    endpoint = nested.setdefault("endpoint", {})
    for field, variable in (("base_url", "OPENAI_BASE_URL"), ("api_key", "OPENAI_API_KEY")):
        own = f"{PREFIX}ENDPOINT__{field.upper()}"
        if not (field in endpoint or field in in_file or own in os.environ):
            endpoint[field] = os.environ.get(variable) or None
    try:
        return Settings(**nested)
    except ValidationError as error:
        raise SettingsError(_first_fault(error)) from None


def check_names(given: Mapping[str, Any]) -> None:
    """`SettingsError` with the nearest name if `given` has a setting that does not exist."""
    for name, _ in _flat(given):
        _known(name)


def names() -> list[str]:
    """Every setting's name, such as `generator.noise.level`."""
    return list(_leaves(Settings))


def _leaves(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _parts(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield f"{before}{name}"
            yield from _parts(field.annotation, f"{before}{name}.")


def _known(name: str, source: str = "") -> None:
    every = names()
    if name in every:
        return
    near = difflib.get_close_matches(name, every, n=1, cutoff=0.3)
    hint = f"; did you mean `{near[0]}`?" if near else f"; settings are: {', '.join(every)}"
    raise SettingsError(f"there is no setting `{name}`{source}{hint}")


def by_name(given: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings as one mapping from names such as `takes.max` to values."""
    return dict(_flat(given))


def _flat(given: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        # An empty section of an unknown name is a fault as well.
        if isinstance(value, Mapping) and (value or f"{before}{name}" in _parts(Settings)):
            yield from _flat(cast(Mapping[str, Any], value), f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _check_environment() -> None:
    for variable in os.environ:
        name = variable.upper()  # pydantic-settings reads them in any case
        if name.startswith(PREFIX) and name not in NO_SETTINGS:
            _known(name.removeprefix(PREFIX).lower().replace("__", "."), f" ({variable})")


def _checked_file() -> dict[str, Any]:
    path = Path(FILE)
    if not path.is_file():
        return {}
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{FILE} is not TOML that can be read: {error}") from None
    except OSError as error:
        raise SettingsError(f"{FILE} cannot be read: {error.strerror or error}") from None
    for name, _ in _flat(given):
        _known(name, f" ({FILE})")
    return given


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in fault["loc"])
    secret = "api_key" in name or name.endswith("url")  # a login in an address is a key too
    got = "" if secret else f", got {fault['input']!r}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"the setting `{name}` does not fit: {message}{got}"
