"""Models of a hub: fetched whole into the local cache once, pinned to a commit, safetensors only.

`HF_HOME`, `HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_ENDPOINT` count, since the hub's own library does
the fetching. That library keeps whole files only: a fetch that was stopped goes on with the next
file, and a file that was under way is fetched again.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm import tqdm

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_generators.estimate import Model, Tensors, Weights, model_of
from reelwright_generators.folder import (
    CARD,
    INDEX,
    PROFILE,
    SMALL,
    Choice,
    Fetching,
    ModelFolder,
    OnFetch,
    choose_variant,
    choose_weights,
    open_folder,
    read_index,
    read_json,
    read_kind,
    read_profile,
    weighty,
)

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

_SPARE = 1_000_000_000
"""Bytes that stay free on the disk: a run writes there as well."""

_AT_ONCE = 4
"""Files that are fetched side by side; so many are begun again after a stop."""

_TOLD = 500
"""How often a fetch is told of, from its begin to its end."""


def _free(path: Path) -> int:
    return shutil.disk_usage(path).free


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What a hub says of one commit of a model."""

    commit: str
    sizes: Mapping[str, int]
    """Bytes of each file by its name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hub:
    """A hub, and its cache on this machine."""

    endpoint: str | None = None
    """None is that of `HF_ENDPOINT`, else huggingface.co."""
    cache: Path | None = None
    """None is that of `HF_HOME` or `HF_HUB_CACHE`."""
    on_fetch: OnFetch | None = None
    free: Callable[[Path], int] = _free
    """Bytes that are free on the disk of a folder."""

    def folder(self, model: str, revision: str | None, anchor: str) -> Path | None:
        """The cached folder of a model at a revision, if its file `anchor` is there."""
        try:
            found = try_to_load_from_cache(
                model, anchor, revision=revision, cache_dir=self.cache or constants.HF_HUB_CACHE
            )
        except HFValidationError:
            raise ModelError(f"{model!r} is not the id of a hub model") from None
        return Path(found).parent if isinstance(found, str) else None

    def listing(self, model: str, revision: str | None) -> Listing:
        """The commit of a revision, and its files; asks the hub and fetches nothing."""
        with _told(model, revision):
            info = HfApi(endpoint=self.endpoint).model_info(
                model, revision=revision, files_metadata=True
            )
        files = info.siblings or []
        return Listing(
            commit=str(info.sha), sizes={file.rfilename: file.size or 0 for file in files}
        )

    def described(self, model: str, revision: str | None) -> tuple[Path, Listing]:
        """The folder of a model with all that says what it is, and what the hub has of it.

        Fetched are its index, profile and card, and the configs and lists of shards of its
        parts; no weights and no tokenizers.
        """
        with _told(model, revision):
            folder = self.get(model, revision, (INDEX, PROFILE, CARD))
        listing = self.listing(model, folder.name)
        if not (folder / INDEX).is_file():
            raise ModelError(_no_model(model, INDEX, listing.sizes))
        index = read_index(folder / INDEX)
        configs = [
            f"{part}/{name}"
            for part in index.parts
            if not part.startswith("tokenizer")
            for name in _inside(part, listing.sizes)
            if name.endswith(".json")
        ]
        with _told(model, revision):
            return self.get(model, folder.name, configs), listing

    def headers(self, model: str, commit: str, names: Iterable[str]) -> Tensors:
        """Type and shape of each tensor of some safetensors files; {} if one is of another kind.

        Only the first bytes of each file are asked for, which say what is in it.
        """
        found: dict[str, tuple[str, tuple[int, ...]]] = {}
        for name in names:
            if not name.endswith(".safetensors"):
                return {}
            with _told(model, commit):
                header = HfApi(endpoint=self.endpoint).parse_safetensors_file_metadata(
                    model, name, revision=commit
                )
            for tensor, told in header.tensors.items():
                found[tensor] = (str(told.dtype), tuple(told.shape))
        return found

    def fetch(self, model: str, folder: Path, listing: Listing, names: Iterable[str]) -> None:
        """Fetches `names` into `folder`, if the disk has room for what is not there yet."""
        lacking = [name for name in names if not (folder / name).is_file()]
        if not lacking:
            return
        total = max(sum(listing.sizes[name] for name in lacking), 1)
        self._refuse_full(model, folder, total)
        stop = threading.Event()
        bar = _bar(model, total, self.on_fetch or (lambda fetching: None), stop)
        # In a thread of its own, so that Ctrl-C can tell those that fetch to stop at once; the
        # hub's library would wait until each of them has its file whole.
        with ThreadPoolExecutor(1) as pool, _told(model, listing.commit):
            fetching = pool.submit(self.get, model, listing.commit, lacking, bar)
            try:
                fetching.result()
            except BaseException:
                stop.set()
                raise

    def get(
        self, model: str, revision: str | None, names: Iterable[str], bar: type[Any] | None = None
    ) -> Path:
        """The folder of a model at a revision, after fetching those of `names` that exist."""
        shown: Any = bar or _Silent
        found = snapshot_download(
            model,
            revision=revision,
            endpoint=self.endpoint,
            cache_dir=self.cache,
            allow_patterns=[re.sub(r"([*?\[])", r"[\1]", name) for name in names],
            tqdm_class=shown,
            max_workers=_AT_ONCE,
        )
        return Path(found)

    def _refuse_full(self, model: str, folder: Path, total: int) -> None:
        free = self.free(folder)
        if total + _SPARE > free:
            raise ModelError(
                f"{model} needs {total / 1e9:.1f} GB more on the disk of {folder.parents[2]}, and "
                f"{_SPARE / 1e9:.0f} GB are to stay free, but {free / 1e9:.1f} GB are free; make "
                "room, let `HF_HOME` name a folder on another disk, or take a smaller model"
            )


def open_model(model: str, told: Told, hub: Hub | None = None) -> ModelFolder:
    """The hub model `org/name`, from the local cache if it is whole there; else it is fetched.

    What is in the cache is not asked for again, so a model stays what it was from run to run
    though its branch moves on; what is lacking is fetched from the same commit.
    """
    hub = hub or Hub()
    choice = Choice(variant=told.variant, pickle=told.pickle)
    extras = open_extras(told, hub)
    cached = hub.folder(model, told.revision, INDEX)
    lacks = None
    if cached is not None:
        try:
            return open_folder(
                cached, name=model, revision=cached.name, choice=choice, extras=extras
            )
        except ModelError as error:
            lacks = error
    try:
        folder, listing = hub.described(model, cached.name if cached else told.revision)
    except ModelError as error:
        raise ModelError(f"{lacks}; {error}" if lacks else str(error)) from None
    names = model_files(model, folder, listing.sizes, choice, without=extras)
    hub.fetch(model, folder, listing, names)
    return open_folder(folder, name=model, revision=folder.name, choice=choice, extras=extras)


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A model that was looked at: its JSON files are here, its weights need not be."""

    folder: ModelFolder
    """Whose `weights` may not be there."""
    model: Model
    fetches: int
    """Bytes that are to be fetched before it can film."""
    free: int
    """Bytes that are free where they would lie."""


def look(told: Told, hub: Hub | None = None) -> Look:
    """What is known of the folder or hub model of the settings without fetching any weights.

    Of a hub model that is not here, the JSON files are fetched, and of each weight file the
    header, which names its tensors; parts from elsewhere are left out.
    """
    hub = hub or Hub()
    choice = Choice(variant=told.variant, pickle=told.pickle)
    path = Path(told.model).expanduser()
    if not (path.is_dir() or HUB_ID.fullmatch(told.model)):
        raise ModelError(
            "what a clip takes is estimated of diffusers models; "
            f"{told.model!r} is no folder, and no hub id such as 'org/name'"
        )
    here = path if path.is_dir() else hub.folder(told.model, told.revision, INDEX)
    if here is not None:
        revision = None if here == path else here.name
        with contextlib.suppress(ModelError) if revision else contextlib.nullcontext():
            folder = open_folder(here, name=told.model, revision=revision, choice=choice)
            return Look(folder=folder, model=model_of(folder), fetches=0, free=hub.free(here))
    at, listing = hub.described(told.model, here.name if here else told.revision)
    index = read_index(at / INDEX)
    names = model_files(told.model, at, listing.sizes, choice)
    weights = {
        part: tuple(
            name.removeprefix(f"{part}/")
            for name in names
            if name.startswith(f"{part}/") and name.endswith((".safetensors", ".bin"))
        )
        for part in weighty(index.parts)
    }
    folder = ModelFolder(
        path=at, name=told.model, revision=at.name, pipeline=index.pipeline, parts=index.parts,
        options=index.options, profile=read_profile(at), weights=weights,
    )  # fmt: skip
    parts = {
        part: Weights(
            kind=index.parts[part],
            config=read_json(at / part / "config.json"),
            bytes=sum(listing.sizes[f"{part}/{name}"] for name in files),
            tensors=hub.headers(told.model, at.name, [f"{part}/{name}" for name in files]),
        )
        for part, files in weights.items()
    }
    return Look(
        folder=folder,
        model=Model(name=told.model, pipeline=index.pipeline, parts=parts),
        fetches=sum(listing.sizes[name] for name in names if not (at / name).is_file()),
        free=hub.free(at),
    )


def newer(model: str, revision: str | None, hub: Hub | None = None) -> tuple[str, str] | None:
    """The commit in the cache and the hub's own, where a branch has moved on; asks the hub."""
    hub = hub or Hub()
    cached = hub.folder(model, revision, INDEX)
    if cached is None:
        return None
    latest = hub.listing(model, revision).commit
    return (cached.name, latest) if latest != cached.name else None


def model_files(
    model: str,
    folder: Path,
    sizes: Mapping[str, int],
    choice: Choice,
    *,
    without: Iterable[str] = (),
) -> list[str]:
    """The files of a hub model that it is loaded from, judged by its listing and its JSON files.

    `ModelError` for pickled weights that were not allowed, before anything large is fetched.
    """
    index = read_index(folder / INDEX)
    parts = {part: kind for part, kind in index.parts.items() if part not in set(without)}
    listed = {part: _inside(part, sizes) for part in parts}
    heavy = weighty(parts)
    variant = choose_variant(index.libraries, listed, heavy, asked=choice.variant, name=model)
    names = [name for name in (INDEX, PROFILE, CARD) if name in sizes]
    for part in parts:
        names += [
            f"{part}/{name}"
            for name in listed[part]
            if name.endswith(SMALL) and ".index" not in name
        ]
        if part in heavy:
            chosen = choose_weights(
                part,
                index.libraries[part],
                listed[part],
                lambda file, part=part: read_json(folder / part / file),
                Choice(variant=variant, pickle=choice.pickle),
                where=model,
            )
            names += [f"{part}/{name}" for name in chosen]
    return sorted(names)


def open_extras(told: Told, hub: Hub) -> dict[str, tuple[Path, str]]:
    """The folder and the source of each part of the setting `generator.parts`, fetched."""
    extras: dict[str, tuple[Path, str]] = {}
    for each in told.parts:
        part, equals, source = each.partition("=")
        if not equals or not part.isidentifier() or not source:
            raise ModelError(
                "`generator.parts` is written PART=SOURCE, such as "
                f"motion_adapter=guoyww/animatediff-motion-adapter-v1-5-2, got {each!r}"
            )
        path = Path(source).expanduser()
        if path.is_dir():
            extras[part] = (path / part if (path / part).is_dir() else path, path.name)
            continue
        model, _, revision = source.partition("@")
        if not HUB_ID.fullmatch(model):
            raise ModelError(
                f"the part `{part}` is to come from {source!r}, which is no folder, and no hub id "
                "such as 'org/name' or 'org/name@revision'"
            )
        extras[part] = _extra(part, model, revision or None, told, hub)
    return extras


def _extra(part: str, model: str, revision: str | None, told: Told, hub: Hub) -> tuple[Path, str]:
    """A part that is a hub repository of its own, or one of the parts of a whole model."""
    for anchor in (f"{part}/config.json", "config.json"):
        cached = hub.folder(model, revision, anchor)
        if cached is not None:
            commit = cached.parent if "/" in anchor else cached
            with contextlib.suppress(ModelError):
                _weights_there(part, cached, told)
                return cached, f"{model}@{commit.name}"
            revision = commit.name
    with _told(model, revision):
        folder = hub.get(model, revision, (f"{part}/config.json", "config.json", CARD))
    listing = hub.listing(model, folder.name)
    inner = part if f"{part}/config.json" in listing.sizes else ""
    if not inner and "config.json" not in listing.sizes:
        raise ModelError(_no_model(model, "config.json", listing.sizes))
    listed = _inside(inner, listing.sizes)
    with _told(model, revision):
        configs = [name for name in listed if name.endswith(".json")]
        hub.get(model, folder.name, [f"{inner}/{name}" if inner else name for name in configs])
    at = folder / inner
    chosen = _chosen(part, at, listed, told, where=model)
    hub.fetch(model, folder, listing, [f"{inner}/{name}" if inner else name for name in chosen])
    return at, f"{model}@{folder.name}"


def _weights_there(part: str, folder: Path, told: Told) -> None:
    _chosen(part, folder, {file.name for file in folder.iterdir()}, told, where=str(folder))


def _chosen(part: str, folder: Path, names: set[str], told: Told, *, where: str) -> tuple[str, ...]:
    library, kind = read_kind(folder, part)
    heavy = weighty({part: kind})
    asked = told.variant if any(f".{told.variant}" in name for name in names) else None
    variant = choose_variant({part: library}, {part: names}, heavy, asked=asked, name=where)
    if not heavy:
        return ()
    return choose_weights(
        part,
        library,
        names,
        lambda file: read_json(folder / file),
        Choice(variant=variant, pickle=told.pickle),
        where=where,
    )


def commits(told: Told, hub: Hub | None = None) -> dict[str, str]:
    """The commit in the cache for each hub id that the settings name, by `org/name@revision`.

    For a run to keep, so that `pinned` gives it the same commits when it goes on.
    """
    hub = hub or Hub()
    found: dict[str, str] = {}
    for model, revision, anchors in _asked(told):
        for anchor in anchors:
            folder = hub.folder(model, revision, anchor)
            if folder is not None:
                commit = folder.parent if "/" in anchor else folder
                found[f"{model}@{revision or 'main'}"] = commit.name
                break
    return found


def pinned(told: Told, commits: Mapping[str, str]) -> Told:
    """The settings with the commits that `commits` gave for what they name."""

    def part(each: str) -> str:
        name, _, source = each.partition("=")
        model, _, revision = source.partition("@")
        commit = commits.get(f"{model}@{revision or 'main'}")
        return f"{name}={model}@{commit}" if commit else each

    return told.model_copy(
        update={
            "revision": commits.get(f"{told.model}@{told.revision or 'main'}", told.revision),
            "parts": tuple(part(each) for each in told.parts),
        }
    )


def _asked(told: Told) -> list[tuple[str, str | None, tuple[str, ...]]]:
    """(hub id, revision, files of which one is there) of all that the settings name."""
    asked: list[tuple[str, str | None, tuple[str, ...]]] = []
    if HUB_ID.fullmatch(told.model) and not Path(told.model).expanduser().is_dir():
        asked.append((told.model, told.revision, (INDEX,)))
    for each in told.parts:
        name, _, source = each.partition("=")
        model, _, revision = source.partition("@")
        if HUB_ID.fullmatch(model) and not Path(source).expanduser().is_dir():
            asked.append((model, revision or None, (f"{name}/config.json", "config.json")))
    return asked


def _inside(folder: str, sizes: Mapping[str, int]) -> set[str]:
    """Names of the files right inside a folder of a repository; "" is its root."""
    before = f"{folder}/" if folder else ""
    return {
        name.removeprefix(before)
        for name in sizes
        if name.startswith(before) and "/" not in name.removeprefix(before)
    }


def _no_model(model: str, anchor: str, names: Iterable[str]) -> str:
    single = [name for name in names if name.endswith((".safetensors", ".ckpt", ".pth"))]
    holds = f"; it holds {single[0]}, which is made for other software" if single else ""
    return (
        f"{model} holds no model in the layout of diffusers: it has no `{anchor}`{holds}; look for "
        "one whose page says Diffusers (often the name ends in -Diffusers)"
    )


@contextlib.contextmanager
def _told(model: str, revision: str | None) -> Generator[None]:
    """Turns what the hub's library raises into one `ModelError` with the cure."""
    try:
        yield
    except (HFValidationError, OSError) as error:
        raise ModelError(_why(model, revision, error)) from None
    except Exception as error:
        # Its HTTP client changes from version to version, and its errors share no class.
        if not type(error).__module__.startswith(("httpx", "httpcore", "requests")):
            raise
        raise ModelError(_why(model, revision, error)) from None


def _why(model: str, revision: str | None, error: Exception) -> str:
    first: BaseException = error
    while first.__cause__ is not None and not isinstance(first, HfHubHTTPError):
        first = first.__cause__
    page = f"{constants.ENDPOINT}/{model}"
    token = "`HF_TOKEN` is not set" if not _token() else "the token here (`HF_TOKEN`) is not enough"
    status = first.response.status_code if isinstance(first, HfHubHTTPError) else None
    if isinstance(first, HFValidationError):
        return f"{model!r} is not the id of a hub model"
    if isinstance(first, GatedRepoError) or status == 403:
        return (
            f"the model {model!r} is not open to everyone and {token}: ask for access on {page}, "
            "make a token there under Settings, and put it into `HF_TOKEN`"
        )
    if isinstance(first, RevisionNotFoundError):
        return (
            f"the model {model!r} has no revision {revision!r}; a revision is a branch, a tag or "
            f"a commit of {page}, and none at all is its `main`"
        )
    if isinstance(first, RepositoryNotFoundError) or status in (401, 404):
        return (
            f"there is no model {model!r} on {constants.ENDPOINT}, or it is private and {token}; "
            "check the id"
        )
    if isinstance(first, OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
        return (
            f"the model {model!r} is not on this machine as a whole, and `HF_HUB_OFFLINE` forbids "
            "to fetch it; unset that once, or give a folder"
        )
    reason = str(first).strip().split("\n", 1)[0]
    return (
        f"the model {model!r} is not on this machine and could not be fetched "
        f"({type(first).__name__}: {reason}); check the id and the network (what was fetched "
        "stays, the same command goes on), or give a folder"
    )


def _token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())


class _Stopped(Exception):
    """Ends a fetch that is under way in another thread."""


class _Silent(tqdm):  # pyright: ignore[reportMissingTypeArgument]
    """A bar that shows nothing: what is to be seen is told to `on_fetch`."""

    def __init__(self, *args: Any, **named: Any) -> None:
        known = {key: value for key, value in named.items() if key in ("total", "initial")}
        super().__init__(disable=True, **known)
        self.counts_bytes = named.get("unit") == "B"
        self.n = named.get("initial", 0)

    def update(self, n: float | None = 1) -> bool | None:
        self.n += n or 0
        return None


_Silent.set_lock(threading.RLock())  # tqdm's own lock would start a process


def _bar(model: str, total: int, tell: OnFetch, stop: threading.Event) -> type[_Silent]:
    """A bar class that tells of the bytes of a fetch, and ends it when `stop` is set.

    The library makes several bars of one fetch, for files, for bytes that came and for bytes
    that were written; the one that counts most bytes is right in each of its versions.
    """
    lock = threading.Lock()
    said = 0

    def now(done: int) -> None:
        nonlocal said
        with lock:
            if done * _TOLD // total > said * _TOLD // total:
                tell(Fetching(model=model, done=done, total=total, before=said))
                said = done

    tell(Fetching(model=model, done=0, total=total))

    class Telling(_Silent):
        def update(self, n: float | None = 1) -> bool | None:
            super().update(n)
            if stop.is_set():
                raise _Stopped
            if self.counts_bytes:
                now(min(int(self.n), total))
            return None

    return Telling
