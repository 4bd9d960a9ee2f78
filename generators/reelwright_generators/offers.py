"""The generators that come with Reelwright's diffusers backend: built-in, folder, hub id."""

from __future__ import annotations

import contextlib
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_generators.folder import INDEX, PROFILE, ModelFolder, open_folder
from reelwright_generators.generator import Generator, Wording, names

FAMILIES = {"WanPipeline": "reelwright_generators.wan"}
"""The module of each family that is supported, by pipeline class; each has a `make`."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class InItsWords(Protocol):
    """Puts prompts into the words that a model was taught."""

    def __call__(self, prompt: str, /) -> Wording:
        """The prompt in those words, and which there are none for."""
        ...


def builtin(told: Told) -> Generator:
    """The model that comes with Reelwright."""
    built: Any = import_module("reelwright_generators.builtin")
    words: Any = import_module("reelwright_generators.builtin.wording")
    return _make(open_folder(built.folder(), name="builtin"), told, words.wording)


def diffusers(told: Told) -> Generator:
    """The model in a folder, or on the hub: `org/name` with the settings' `revision`."""
    path = Path(told.model).expanduser()
    if path.is_dir():
        return _make(open_folder(path, name=told.model), told, None)
    if not _HUB_ID.fullmatch(told.model):
        raise ModelError(
            f"there is no generator {told.model!r}: it is no installed one "
            f"({', '.join(names())}), no folder, and no hub id such as "
            "'Wan-AI/Wan2.1-T2V-1.3B-Diffusers'"
        )
    return _make(_from_hub(told.model, told.revision), told, None)


def _make(folder: ModelFolder, told: Told, in_its_words: InItsWords | None) -> Generator:
    module = FAMILIES.get(folder.pipeline)
    if module is None:
        raise ModelError(
            f"{folder.name} is a {folder.pipeline}; this version films with: {', '.join(FAMILIES)}"
        )
    make: Any = import_module(module).make
    return cast(Generator, make(folder, told, in_its_words=in_its_words))


def _from_hub(model: str, revision: str | None) -> ModelFolder:
    """The model from the local cache if it is whole there, without asking the hub; else fetched.

    So a model stays what it was from run to run; another `revision` is another model.
    """
    try:
        cached = try_to_load_from_cache(model, INDEX, revision=revision)
    except HFValidationError:
        raise ModelError(f"{model!r} is not the id of a hub model") from None
    if isinstance(cached, str):
        folder = Path(cached).parent
        with contextlib.suppress(ModelError):
            return open_folder(folder, name=model, revision=folder.name)
    fetched = _download(model, revision)
    return open_folder(fetched, name=model, revision=fetched.name)


def _download(model: str, revision: str | None) -> Path:
    """The folder of a hub model in the local cache, after fetching what it lacks.

    Only JSON, safetensors and tokenizer files of the parts that the index names, so neither
    pickled weights nor code ever reach the disk. `HF_HUB_OFFLINE` and `HF_HOME` count.
    """
    try:
        index = Path(hf_hub_download(model, INDEX, revision=revision))
        parts = sorted(_parts(index))
        found = snapshot_download(
            model,
            revision=index.parent.name,
            allow_patterns=[
                INDEX,
                PROFILE,
                *(
                    f"{part}/*.{kind}"
                    for part in parts
                    for kind in ("json", "safetensors", "txt", "model")
                ),
            ],
            ignore_patterns=["*.fp16*", "*.bf16*", "*.non_ema*"],
        )
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise ModelError(
            f"the model {model!r} is not on this machine and could not be fetched "
            f"({type(error).__name__}: {reason}); check the id, the network and `HF_HUB_OFFLINE`, "
            "or give a folder"
        ) from None
    return Path(found)


def _parts(index: Path) -> set[str]:
    try:
        data = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{index} is not JSON that can be read: {error}") from None
    return {name for name, value in data.items() if isinstance(value, list)}
