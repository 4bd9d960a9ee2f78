"""A diffusers model in a folder: read and judged from its JSON files, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reelwright_core.errors import ModelError
from reelwright_core.records import Rate, digest, file_digest

INDEX = "model_index.json"
PROFILE = "reelwright.json"

_LIBRARIES = ("diffusers", "transformers")
"""Libraries that a part may come from; any other would run code of the model's author."""

_WEIGHTLESS = ("scheduler", "tokenizer", "tokenizer_2", "feature_extractor", "image_processor")
_DECIDING = (".json", ".safetensors", ".txt", ".model")
"""Endings of the files that decide a clip; readmes and pictures do not."""

_digests: dict[tuple[Path, int, int], str] = {}


class Profile(BaseModel):
    """What a model was made for, as its `reelwright.json` says; keys of others are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    name: str | None = None
    size: tuple[int, int] | None = None
    frames: int | None = Field(default=None, ge=1)
    fps: Rate | None = None
    max_sequence_length: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    guidance: float | None = Field(default=None, ge=0)
    noise_level: float | None = Field(default=None, gt=0, le=1)
    licence: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFolder:
    """A diffusers model on disk whose files are all there."""

    path: Path
    name: str
    """As the user called it."""
    revision: str | None
    pipeline: str
    """Its pipeline class, such as `WanPipeline`."""
    parts: Mapping[str, str]
    """Class of each part, such as {"vae": "AutoencoderKLWan"}."""
    options: Mapping[str, Any]
    """What the index says besides parts, such as {"expand_timesteps": True}."""
    profile: Profile

    def config(self, part: str) -> dict[str, Any]:
        """The `config.json` of a part; a scheduler's has another name."""
        if part == "scheduler":
            return _json(self.path / part / "scheduler_config.json")
        return _json(self.path / part / "config.json")

    def sha256(self) -> str:
        """Over the names and digests of every file that decides a clip.

        A file is read again only when its size or time has changed.
        """
        return digest({name: _file_digest(path) for name, path in self._deciding()})

    def _deciding(self) -> Iterator[tuple[str, Path]]:
        for name in (INDEX, PROFILE):
            if (self.path / name).is_file():
                yield name, self.path / name
        for part in sorted(self.parts):
            for path in sorted((self.path / part).iterdir()):
                if path.suffix in _DECIDING:
                    yield f"{part}/{path.name}", path


def open_folder(path: Path, *, name: str, revision: str | None = None) -> ModelFolder:
    """The model in the folder `path`; `ModelError` says what is missing or broken in it."""
    if not (path / INDEX).is_file():
        raise ModelError(f"{path} holds no diffusers model: it has no `{INDEX}`")
    index = _json(path / INDEX)
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str):
        raise ModelError(
            f"{path / INDEX} must name its pipeline in `_class_name`, got {pipeline!r}"
        )
    parts: dict[str, str] = {}
    options: dict[str, Any] = {}
    for key, value in index.items():
        if key.startswith("_"):
            continue
        if not isinstance(value, list):
            options[key] = value
            continue
        library, kind = (*cast(list[Any], value), None, None)[:2]
        if library is None and kind is None:
            continue
        if not key.isidentifier() or library not in _LIBRARIES or not isinstance(kind, str):
            raise ModelError(
                f"the part `{key}` in {path / INDEX} comes from {library!r}; "
                f"only parts of {' and '.join(_LIBRARIES)} are loaded, never a model's own code"
            )
        parts[key] = kind
    for part in parts:
        _check_part(path, part)
    return ModelFolder(
        path=path,
        name=name,
        revision=revision,
        pipeline=pipeline,
        parts=parts,
        options=options,
        profile=_profile(path / PROFILE),
    )


def _check_part(path: Path, part: str) -> None:
    folder = path / part
    if not folder.is_dir():
        raise ModelError(f"{path} is incomplete: the folder `{part}` is missing")
    if part in _WEIGHTLESS:
        return
    _json(folder / "config.json")
    indexes = sorted(folder.glob("*.safetensors.index.json"))
    for listing in indexes:
        weights: dict[str, str] = _json(listing).get("weight_map", {})
        for shard in sorted(set(weights.values())):
            if not (folder / shard).is_file():
                raise ModelError(f"{path} is incomplete: `{part}/{shard}` is missing")
    if not indexes and not any(folder.glob("*.safetensors")):
        other = sorted(f.name for f in folder.iterdir() if f.suffix in (".bin", ".pt", ".ckpt"))
        found = f"; {other[0]} is not loaded, since such files can run code" if other else ""
        raise ModelError(f"{path} is incomplete: `{part}` has no .safetensors weights{found}")


def _profile(path: Path) -> Profile:
    if not path.is_file():
        return Profile()
    try:
        return Profile.model_validate(_json(path))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelError(f"{path}: `{where}`: {fault['msg']}, got {fault['input']!r}") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} is missing") from None
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} is not JSON that can be read: {error}") from None
    if not isinstance(data, dict):
        raise ModelError(f"{path} must hold a JSON object, got {type(data).__name__}")
    return cast(dict[str, Any], data)


def _file_digest(path: Path) -> str:
    real = path.resolve()
    if real.parent.name == "blobs" and len(real.name) == 64:
        return real.name  # the hub's cache names large files by their sha256
    stat = real.stat()
    key = (real, stat.st_size, stat.st_mtime_ns)
    if key not in _digests:
        _digests[key] = file_digest(real)
    return _digests[key]
