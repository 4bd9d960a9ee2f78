"""The generators that come with Reelwright's diffusers backend: built-in, folder, hub id."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.families import family_of
from reelwright_generators.folder import Choice, ModelFolder, OnFetch, open_folder
from reelwright_generators.generator import FOLDERS, Generator, InItsWords, names


def builtin(told: Told) -> Generator:
    """The model that comes with Reelwright."""
    built: Any = import_module("reelwright_generators.builtin")
    words: Any = import_module("reelwright_generators.builtin.wording")
    return _make(open_folder(built.folder(), name="builtin"), told, words.wording)


def diffusers(told: Told, *, on_fetch: OnFetch | None = None) -> Generator:
    """The model in a folder, or on the hub: `org/name` with the settings' `revision`."""
    # The built-in model needs nothing of a hub.
    from reelwright_generators import hub

    source = hub.Hub(on_fetch=on_fetch)
    path = Path(told.model).expanduser()
    if path.is_dir():
        choice = Choice(variant=told.variant, pickle=told.pickle)
        extras = hub.open_extras(told, source)
        return _make(open_folder(path, name=told.model, choice=choice, extras=extras), told, None)
    if not hub.HUB_ID.fullmatch(told.model):
        installed = (name for name in names() if name != FOLDERS)  # which is no model
        raise ModelError(
            f"there is no generator {told.model!r}: it is no installed one "
            f"({', '.join(installed)}), no folder, and no hub id such as "
            "'Wan-AI/Wan2.1-T2V-1.3B-Diffusers'"
        )
    return _make(hub.open_model(told.model, told, source), told, None)


def _make(folder: ModelFolder, told: Told, in_its_words: InItsWords | None) -> Generator:
    return DiffusionGenerator(family_of(folder), told, in_its_words=in_its_words)
