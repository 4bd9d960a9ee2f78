"""Settings: arguments, then environment, then `reelwright.toml`, then defaults."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from reelwright_core.errors import SettingsError
from reelwright_core.records import Rate

FILE = "reelwright.toml"
PREFIX = "REELWRIGHT_"

Brain = Literal["offline", "openai"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Planner(_Part):
    """Who reads the script."""

    brain: Brain = "offline"
    model: str = "gpt-5-mini"
    temperature: float | None = None


class Critic(_Part):
    """Who watches the takes."""

    brain: Brain = "offline"
    model: str = "gpt-5-mini"
    threshold: float = Field(default=0.8, ge=0, le=1)
    """A take with at least this score is good enough."""
    frames: int = Field(default=6, ge=1, le=32)
    """How many frames of a clip a vision model is shown."""


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


class Generator(_Part):
    """What films the shots."""

    model: str = "builtin"
    """`builtin`, a folder, or a hub id such as `Wan-AI/Wan2.1-T2V-1.3B-Diffusers`."""
    revision: str | None = None
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    steps: int | None = Field(default=None, ge=1, le=200)
    guidance: float | None = Field(default=None, ge=0, le=30)
    noise: Noise = Noise()


class Takes(_Part):
    """How often a shot may be tried."""

    max: int = Field(default=3, ge=1, le=20)


class FilmSettings(_Part):
    """The film's picture; none takes what the model was made for."""

    size: tuple[int, int] | None = None
    fps: Rate | None = None
    frames: int | None = Field(default=None, ge=1)
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
        return self.model_dump(mode="json", exclude={"endpoint": {"api_key"}})


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
        at[last] = _from_text(value)
    _check_environment()
    _check_file()
    endpoint = nested.setdefault("endpoint", {})
    for field, variable in (("base_url", "OPENAI_BASE_URL"), ("api_key", "OPENAI_API_KEY")):
        if field not in endpoint and _unset(field) and os.environ.get(variable):
            endpoint[field] = os.environ[variable]
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


def _known(name: str) -> None:
    every = names()
    if name in every:
        return
    near = difflib.get_close_matches(name, every, n=1, cutoff=0.3)
    hint = f"; did you mean `{near[0]}`?" if near else f"; settings are: {', '.join(every)}"
    raise SettingsError(f"there is no setting `{name}`{hint}")


def _flat(given: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _flat(cast(Mapping[str, Any], value), f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _from_text(value: object) -> object:
    """`none` clears a setting; `160x96` is a size; the rest is read by the field's type."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("none", "null"):
        return None
    width, x, height = value.partition("x")
    if x and width.isdigit() and height.isdigit():
        return (int(width), int(height))
    return value


def _check_environment() -> None:
    for variable in os.environ:
        if variable.startswith(PREFIX):
            _known(variable.removeprefix(PREFIX).lower().replace("__", "."))


def _check_file() -> None:
    path = Path(FILE)
    if not path.is_file():
        return
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{FILE} is not TOML that can be read: {error}") from None
    for name, _ in _flat(given):
        _known(name)


def _unset(field: str) -> bool:
    if f"{PREFIX}ENDPOINT__{field.upper()}" in os.environ:
        return False
    path = Path(FILE)
    if not path.is_file():
        return True
    return field not in tomllib.loads(path.read_text(encoding="utf-8")).get("endpoint", {})


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in fault["loc"])
    got = "" if "api_key" in name else f", got {fault['input']!r}"
    return f"the setting `{name}` does not fit: {fault['msg']}{got}"
