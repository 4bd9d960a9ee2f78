"""A bench's folder: what its clips depend on stands in a file; no other bench goes on in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reelwright_core.errors import RunFolderError
from reelwright_core.files import write_json


def own(
    out: Path,
    manifest: str,
    due: Mapping[str, Any],
    *,
    whose: str,
    holds: Callable[[str, Mapping[str, Any]], str],
) -> None:
    """Makes `out` the folder of `due`, or finds that it is; `RunFolderError` if it is not.

    `whose` is what such a folder is called, `holds` says what one holds in which the named part of
    `due` is another, by what was found there.
    """
    path = out / manifest
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunFolderError(f"{out} is there and is no {whose}; name another with --out")
        write_json(path, due)
        return
    try:
        found = json.loads(path.read_text("utf-8"))
        differs = [name for name in due if found.get(name) != due[name]]
    except (OSError, ValueError, AttributeError):
        raise RunFolderError(f"{path} cannot be read; name another folder with --out") from None
    if differs:
        raise RunFolderError(
            f"{out} holds {holds(differs[0], found)}; name another folder with --out"
        )
