"""The truth about what is finished: content-addressed files, and a record for each finished stage.

A stage's key is the sha256 of all that its result depends on. Its record is written last, after
its files are safe, and is believed only while every file it names is there, whole. Files live
once under `store/files/` by their digest and appear in the shots' folders as hard links, so
an edit that is taken back finds the old files again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from reelwright_core.files import storage_errors, sync_folder, write_json, written_whole
from reelwright_core.records import digest, file_digest
from reelwright_core.takes import Artifact

_SCHEMA = "Stage.1"


class Store:
    """The finished files and stages of one run folder."""

    def __init__(self, run: Path):
        self.run = run
        self._files = run / "store" / "files"
        self._stages = run / "store" / "stages"

    def aside(self, name: str) -> Path:
        """A path of this process alone to make a file at; hand it to `add` when it is done."""
        folder = self.run / "store" / "making"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f".{name}.tmp-{os.getpid()}{Path(name).suffix}"

    def add(self, made: Path, path: str) -> Artifact:
        """Takes the finished file `made` into the store, and shows it at `path` in the run."""
        artifact = Artifact(path=path, sha256=file_digest(made), bytes=made.stat().st_size)
        kept = self._kept(artifact)
        with storage_errors(kept):
            if self._whole(kept, artifact):
                made.unlink()
            else:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with made.open("rb") as file:
                    os.fsync(file.fileno())
                made.replace(kept)
                sync_folder(kept.parent)
        self._show(artifact)
        return artifact

    def path(self, artifact: Artifact) -> Path:
        """Where the content of `artifact` lies, safe from edits of the run folder."""
        return self._kept(artifact)

    def has(self, artifact: Artifact) -> bool:
        """Whether the content of `artifact` is there, whole."""
        return self._whole(self._kept(artifact), artifact)

    def keep(self, key: str, stage: str, outputs: Mapping[str, Any]) -> None:
        """Records that the stage with `key` is finished and gave `outputs`."""
        record = {"schema": _SCHEMA, "stage": stage, "key": key, "outputs": outputs}
        write_json(self._record(key), {**record, "sha256": digest(record)})

    def find(self, key: str) -> dict[str, Any] | None:
        """The outputs of the stage with `key`, its files shown again; None if in any doubt."""
        try:
            record = json.loads(self._record(key).read_bytes())
            said = record.pop("sha256")
            if said != digest(record) or (record["schema"], record["key"]) != (_SCHEMA, key):
                return None
            outputs = cast(dict[str, Any], record["outputs"])
            found = list(artifacts(outputs))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if not all(self.has(artifact) for artifact in found):
            return None
        for artifact in found:
            self._show(artifact)
        return outputs

    def _record(self, key: str) -> Path:
        return self._stages / key[:2] / f"{key}.json"

    def _kept(self, artifact: Artifact) -> Path:
        name = artifact.sha256 + Path(artifact.path).suffix
        return self._files / artifact.sha256[:2] / name

    def _whole(self, path: Path, artifact: Artifact) -> bool:
        try:
            return path.stat().st_size == artifact.bytes and file_digest(path) == artifact.sha256
        except OSError:
            return False

    def _show(self, artifact: Artifact) -> None:
        """Makes the file appear at its path; one that is the same already keeps its times."""
        shown, kept = self.run / artifact.path, self._kept(artifact)
        with storage_errors(shown):
            if shown.exists() and (shown.samefile(kept) or self._whole(shown, artifact)):
                return
            shown.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(shown) as aside:
                try:
                    os.link(kept, aside)
                except OSError:
                    shutil.copy2(kept, aside)


def artifacts(data: object) -> Iterator[Artifact]:
    """Every artifact named in plain `data`."""
    if isinstance(data, Mapping):
        mapping = cast(Mapping[str, Any], data)
        if set(mapping) == {"path", "sha256", "bytes"}:
            yield Artifact.model_validate(mapping)
        else:
            for value in mapping.values():
                yield from artifacts(value)
    elif isinstance(data, list | tuple):
        for value in cast(list[Any], data):
            yield from artifacts(value)
