"""A diffusers model in a folder: read and judged from its JSON files, before anything is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reelwright_core.errors import FileError, ModelError
from reelwright_core.records import Rate, digest, known_digest
from reelwright_core.yaml_file import parse_yaml

INDEX = "model_index.json"
PROFILE = "reelwright.json"
CARD = "README.md"

SMALL = (".json", ".txt", ".model", ".jinja")
"""Endings of the files of a part that are no weights: configs, tokenizers, chat templates."""

_LIBRARIES = ("diffusers", "transformers")
"""Libraries that a part may come from; any other would run code of the model's author."""

_WEIGHTLESS_NAMES = ("scheduler", "tokenizer", "feature_extractor", "image_processor", "guider")
_WEIGHTLESS_KINDS = (
    "Scheduler", "Tokenizer", "TokenizerFast", "Processor", "ProcessorFast", "FeatureExtractor",
    "Guidance",
)  # fmt: skip

IP_ADAPTER = "IPAdapter"
"""The kind of a part `ip_adapter`: one file of weights without a config, loaded into a U-Net."""

_UNUSED = ("safety_checker",)
"""Parts that image pipelines name and no video pipeline here takes: neither fetched nor read."""

_FULL_FIRST = ("fp16", "bf16")
"""Weights that are taken where a part has no plain ones."""


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
    """None in the file itself takes what the model's card says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetching:
    """How far a fetch has come."""

    model: str
    done: int
    """Bytes that are here."""
    total: int
    """Bytes that are fetched in all; what was here before is not among them."""
    before: int = 0
    """`done` when it was told of last."""


OnFetch = Callable[[Fetching], object]
"""Told every now and then while files are fetched."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which of the weights side by side are loaded, and what may be loaded at all."""

    variant: str | None = None
    """`fp16` and the like; none takes the plain weights, or what there is."""
    pickle: tuple[str, ...] = ()
    """Pickled files that may be loaded, such as `unet/diffusion_pytorch_model.bin`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """What a `model_index.json` says."""

    pipeline: str
    """The pipeline class, such as `WanPipeline`."""
    parts: Mapping[str, str]
    """Class of each part, such as {"vae": "AutoencoderKLWan"}."""
    libraries: Mapping[str, str]
    """Where each class comes from: `diffusers`, `transformers`, or a pipeline of diffusers."""
    options: Mapping[str, Any]
    """What the index says besides parts, such as {"expand_timesteps": True}."""


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
    """Class of each part, such as {"vae": "AutoencoderKLWan"}; those of `extras` too."""
    options: Mapping[str, Any]
    """What the index says besides parts, such as {"expand_timesteps": True}."""
    profile: Profile
    variant: str | None = None
    """What `from_pretrained` is to be given as `variant`, for the parts that have it."""
    weights: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Names of the weight files of each part of this folder, its list of shards included."""
    pickled: tuple[str, ...] = ()
    """Pickled weights that the user allowed, such as `unet/diffusion_pytorch_model.bin`."""
    extras: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Folders of the parts from elsewhere, such as {"motion_adapter": Path(...)}."""
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where each of `extras` is from, such as {"motion_adapter": "org/name@commit"}."""

    def folder(self, part: str) -> Path:
        """The folder of a part, wherever it is from."""
        return self.extras.get(part, self.path / part)

    def config(self, part: str) -> dict[str, Any]:
        """The `config.json` of a part; a scheduler's has another name."""
        if part == "scheduler":
            return read_json(self.folder(part) / "scheduler_config.json")
        return read_json(self.folder(part) / "config.json")

    def is_apart(self, part: str) -> bool:
        """Whether a part is loaded by itself: from elsewhere, or from pickled weights."""
        return part in self.extras or any(name.startswith(f"{part}/") for name in self.pickled)

    def loads(self, part: str) -> dict[str, Any]:
        """What `from_pretrained` is to be given for the weights of a part.

        Pickled weights that are allowed are still read with `weights_only=True`, which is what
        both libraries do by themselves.
        """
        files = self.weights.get(part, ())
        tagged = self.variant is not None and any(f".{self.variant}" in name for name in files)
        return {
            "use_safetensors": not any(f"{part}/{name}" in self.pickled for name in files),
            "variant": self.variant if tagged else None,
            "local_files_only": True,
        }

    def record(self) -> dict[str, Any]:
        """What a clip's provenance says of the files, besides `sha256` and `revision`."""
        told = {
            "licence": self.profile.licence,
            "variant": self.variant,
            "pickled": list(self.pickled),
            "parts": dict(self.sources),
        }
        return {name: value for name, value in told.items() if value}

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
            folder = self.folder(part)
            for path in sorted(folder.iterdir()):
                small = path.suffix in SMALL and ".index" not in path.name
                if small or path.name in self.weights.get(part, ()):
                    yield f"{part}/{path.name}", path


def open_folder(
    path: Path,
    *,
    name: str,
    revision: str | None = None,
    choice: Choice | None = None,
    extras: Mapping[str, tuple[Path, str]] | None = None,
) -> ModelFolder:
    """The model in the folder `path`; `ModelError` says what is missing or broken in it.

    `extras` are the folder and the source of each part from elsewhere; they go before the
    model's own.
    """
    if not (path / INDEX).is_file():
        raise ModelError(f"{path} holds no diffusers model: it has no `{INDEX}`")
    index = read_index(path / INDEX)
    choice, extras = choice or Choice(), extras or {}
    folders = {part: path / part for part in index.parts} | {
        part: folder for part, (folder, _) in extras.items()
    }
    parts = dict(index.parts)
    libraries = dict(index.libraries)
    for part, (folder, _) in extras.items():
        libraries[part], parts[part] = read_kind(folder, part)
    listed = {part: _names(path, folder, part) for part, folder in folders.items()}
    own = {part: names for part, names in listed.items() if part not in extras}
    variant = choose_variant(libraries, listed, weighty(parts), asked=choice.variant, name=name)
    weights: dict[str, tuple[str, ...]] = {}
    for part in weighty(parts):
        folder = folders[part]
        if parts[part] == IP_ADAPTER:
            weights[part] = _only(folder)
            continue
        read_json(folder / "config.json")
        weights[part] = choose_weights(
            part,
            libraries[part],
            listed[part],
            lambda file, folder=folder: read_json(folder / file),
            Choice(variant=variant, pickle=choice.pickle),
            where=str(path if part in own else folder),
        )
    return ModelFolder(
        path=path,
        name=name,
        revision=revision,
        pipeline=index.pipeline,
        parts=parts,
        options=index.options,
        profile=read_profile(path),
        variant=variant,
        weights=weights,
        pickled=tuple(
            f"{part}/{file}"
            for part, files in weights.items()
            for file in files
            if not file.endswith((".safetensors", ".json"))
        ),
        extras={part: folder for part, (folder, _) in extras.items()},
        sources={part: source for part, (_, source) in extras.items()},
    )


def read_index(path: Path) -> Index:
    """What the `model_index.json` at `path` says; `ModelError` if it would run other code."""
    index = read_json(path)
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str):
        raise ModelError(f"{path} must name its pipeline in `_class_name`, got {pipeline!r}")
    parts: dict[str, str] = {}
    libraries: dict[str, str] = {}
    options: dict[str, Any] = {}
    for key, value in index.items():
        if key.startswith("_") or key in _UNUSED:
            continue
        if not _names_part(value):
            options[key] = value
            continue
        library, kind = cast(list[str | None], value)
        if library is None and kind is None:
            continue
        if not key.isidentifier() or not library or not kind or not _is_known(library):
            raise ModelError(
                f"the part `{key}` in {path} comes from {library!r}; "
                f"only parts of {' and '.join(_LIBRARIES)} are loaded, never a model's own code"
            )
        parts[key], libraries[key] = kind, library
    return Index(pipeline=pipeline, parts=parts, libraries=libraries, options=options)


def read_kind(folder: Path, part: str) -> tuple[str, str]:
    """Library and class of a part from elsewhere, as its own config says."""
    for file in ("config.json", "scheduler_config.json"):
        if not (folder / file).is_file():
            continue
        config = read_json(folder / file)
        kind, kinds = config.get("_class_name"), config.get("architectures")
        if isinstance(kind, str):
            return "diffusers", kind
        if isinstance(kinds, list) and kinds and isinstance(kinds[0], str):
            return "transformers", kinds[0]
    if part == "ip_adapter" and _only(folder):
        return "diffusers", IP_ADAPTER
    raise ModelError(
        f"{folder} holds no `{part}`: a part from elsewhere has a `config.json` that names its "
        "class; name the folder or the hub id that has one"
    )


def _only(folder: Path) -> tuple[str, ...]:
    """The one file of weights in a folder without a config."""
    found = sorted(path.name for path in folder.glob("*.safetensors"))
    if len(found) != 1:
        raise ModelError(
            f"{folder} must hold one .safetensors file, the IP-Adapter's; "
            f"it holds {', '.join(found) or 'none'}"
        )
    return tuple(found)


def weighty(parts: Mapping[str, str]) -> list[str]:
    """The parts that have weights; schedulers, tokenizers, processors and guiders have none."""
    return [
        part
        for part, kind in parts.items()
        if not part.startswith(_WEIGHTLESS_NAMES) and not kind.endswith(_WEIGHTLESS_KINDS)
    ]


def choose_variant(
    libraries: Mapping[str, str],
    listed: Mapping[str, Collection[str]],
    weighty: Collection[str],
    *,
    asked: str | None,
    name: str,
) -> str | None:
    """The one `variant` that a pipeline is loaded with, or none for the plain weights.

    Diffusers takes one for the whole pipeline and falls back to plain weights for parts that do
    not have it. What was asked must be there in some part; unasked, one is taken only if a part
    has no plain weights. `listed` are the names of the files of each part.
    """
    there = {
        part: {
            match[1]
            for file in listed[part]
            if (match := re.fullmatch(_stem(libraries[part]) + _TAGGED, file))
        }
        for part in weighty
    }
    every = sorted({tag for tags in there.values() for tag in tags if tag})
    if asked is not None:
        if asked not in every:
            has = f"; it has: {', '.join(every)}" if every else "; leave `generator.variant` out"
            raise ModelError(f"{name} has no weights of the variant {asked!r}{has}")
        return asked
    for tags in there.values():
        if tags and None not in tags:
            return next((tag for tag in _FULL_FIRST if tag in tags), None)
    return None


_TAGGED = r"(?:\.([a-z0-9_]+))?(?:-\d{5}-of-\d{5})?\.safetensors"


def choose_weights(
    part: str,
    library: str,
    names: Collection[str],
    read: Callable[[str], dict[str, Any]],
    choice: Choice,
    *,
    where: str,
) -> tuple[str, ...]:
    """The weight files of a part that its library loads, a list of shards included.

    `names` are the files in the part's folder and `read` gives a JSON file's data. Raises
    `ModelError` if shards are missing, or if there are none but pickled weights that were not
    allowed.
    """
    stem = _stem(library)
    for tag in dict.fromkeys((choice.variant, None)):
        dot = f".{tag}" if tag else ""
        if found := _whole(
            (f"{stem}{dot}.safetensors", f"{stem}.safetensors.index{dot}.json"),
            names, read, f"{where} is incomplete: `{part}", single_first=library == "transformers",
        ):  # fmt: skip
            return found
    pickled = "pytorch_model" if library == "transformers" else stem
    told = ""
    for tag in dict.fromkeys((choice.variant, None, *_FULL_FIRST)):
        dot = f".{tag}" if tag else ""
        found = _whole(
            (f"{pickled}{dot}.bin", f"{pickled}.bin.index{dot}.json"),
            names, read, f"{where} is incomplete: `{part}", single_first=True,
        )  # fmt: skip
        files = [f"{part}/{name}" for name in found if not name.endswith(".json")]
        if files and set(files) <= set(choice.pickle):
            return found
        told = told or ",".join(files)
    other = sorted(f"{part}/{name}" for name in names if name.endswith((".bin", ".pt", ".ckpt")))
    if told:
        why = (
            f"; {told.split(',')[0]} is not loaded, since such files can run code: take a model "
            "with .safetensors, or, if you trust its author, allow it by name with "
            f"`generator.pickle={told}`"
        )
    else:
        why = f"; {other[0]} is not loaded, since such files can run code" if other else ""
    raise ModelError(f"{where} is incomplete: `{part}` has no .safetensors weights{why}")


def _whole(
    candidates: tuple[str, str],
    names: Collection[str],
    read: Callable[[str], dict[str, Any]],
    missing: str,
    *,
    single_first: bool,
) -> tuple[str, ...]:
    """The single file, or the list of shards with its shards; empty if there is neither."""
    single, listing = candidates
    if single in names and (single_first or listing not in names):
        return (single,)
    if listing not in names:
        return ()
    weights = read(listing).get("weight_map", {})
    shards = sorted({str(shard) for shard in cast(dict[str, Any], weights).values()})
    for shard in shards:
        # A shard is a file of the same folder; a path in a list of shards leads elsewhere.
        if shard not in names or "/" in shard or "\\" in shard:
            raise ModelError(f"{missing}/{shard}` is missing")
    return (listing, *shards)


def _stem(library: str) -> str:
    return "model" if library == "transformers" else "diffusion_pytorch_model"


def _names_part(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(cast(list[Any], value)) == 2
        and all(each is None or isinstance(each, str) for each in cast(list[Any], value))
    )


@cache
def _is_known(library: str) -> bool:
    """Diffusers itself, transformers, or the name of a pipeline package within diffusers."""
    if library in _LIBRARIES:
        return True
    spec = find_spec("diffusers")
    if spec is None or spec.origin is None or not library.isidentifier():
        return False
    return (Path(spec.origin).parent / "pipelines" / library / "__init__.py").is_file()


def _names(path: Path, folder: Path, part: str) -> set[str]:
    if not folder.is_dir():
        raise ModelError(f"{path} is incomplete: the folder `{part}` is missing")
    return {file.name for file in folder.iterdir()}


def read_profile(path: Path) -> Profile:
    """What the model in the folder `path` was made for; its licence is that of its card."""
    file = path / PROFILE
    try:
        profile = Profile.model_validate(read_json(file)) if file.is_file() else Profile()
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelError(f"{file}: `{where}`: {fault['msg']}, got {fault['input']!r}") from None
    if profile.licence is None:
        return profile.model_copy(update={"licence": card_licence(path / CARD)})
    return profile


def card_licence(card: Path) -> str | None:
    """The licence in the front matter of a model's card, with its page where it is a rare one.

    A card that cannot be read says nothing of a licence; it is no part of the model.
    """
    try:
        matter = re.match(r"---\s*\n(.*?)\n---", card.read_text(encoding="utf-8"), re.DOTALL)
        if matter is None:
            return None
        told = parse_yaml(matter[1].encode(), name=str(card), error=FileError).data
    except (OSError, UnicodeDecodeError, FileError):
        return None
    if not isinstance(told, Mapping):
        return None
    said = {str(key): value for key, value in cast(Mapping[Any, Any], told).items()}
    licence, name = said.get("license"), said.get("license_name")
    called = name if licence in (None, "other") and isinstance(name, str) else licence
    link = said.get("license_link")
    if not isinstance(called, str):
        return None
    return f"{called} ({link})" if isinstance(link, str) and "://" in link else called


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model; `ModelError` if there is none."""
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
    return known_digest(real)
