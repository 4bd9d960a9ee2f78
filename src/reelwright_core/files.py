"""Files that appear whole or not at all, and a lock that dies with its process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import itertools
import json
import os
import re
import shutil
from collections.abc import Generator
from pathlib import Path

from reelwright_core.errors import LockedError, ReelwrightError, StorageError

_ASIDE = re.compile(r"\.tmp-(\d+)(?:-\d+)?$")
_count = itertools.count(1)


def _storage_error(error: OSError, path: Path) -> ReelwrightError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"the disk is full: {path} could not be written; "
            "free some space and resume, nothing that was finished is lost"
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return StorageError(f"{path} could not be written: a file stands where a folder must be")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path} may not be written ({error.strerror}); choose another folder")
    return StorageError(f"{path} could not be written: {error.strerror or error}")


@contextlib.contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Turns an `OSError` of the block into a `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise _storage_error(error, path) from error


@contextlib.contextmanager
def written_whole(path: Path) -> Generator[Path]:
    """A path to write to; it takes `path`'s place, synced to disk, when the block ends well.

    The path aside keeps `path`'s ending before its own, so that programs that go by endings
    are given `path.stem + ".tmp-PID-N" + path.suffix` instead. Each call has its own, so that
    threads may write one file at the same time: the last one wins.
    """
    mark = f".tmp-{os.getpid()}-{next(_count)}"
    aside = path.with_name(f".{path.name}{mark}")
    if path.suffix in (".mp4", ".png", ".npz", ".webp"):
        aside = path.with_name(f".{path.stem}{mark}{path.suffix}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)  # of a dead process that had the same number
        try:
            yield aside
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(path)
            sync_folder(path.parent)
        finally:
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_written_whole(folder: Path) -> Generator[Path]:
    """An empty folder to fill; it takes `folder`'s place, synced, when the block ends well.

    What dead processes left of such folders beside it is removed first.
    """
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{glob.escape(folder.name)}.tmp-*"):
            found = _ASIDE.search(left.name)
            if found and not _alive(int(found[1])):
                shutil.rmtree(left, ignore_errors=True)
        aside, before = (
            folder.with_name(f".{folder.name}.tmp-{os.getpid()}-{next(_count)}") for _ in range(2)
        )
        shutil.rmtree(aside, ignore_errors=True)  # of a dead process that had the same number
        aside.mkdir()
        try:
            yield aside
            for path in aside.rglob("*"):
                if path.is_file():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
            if folder.exists():
                folder.rename(before)
            aside.rename(folder)
            sync_folder(folder.parent)
        finally:
            for rest in (aside, before):
                shutil.rmtree(rest, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content` to `path`, whole or not at all."""
    with written_whole(path) as aside:
        aside.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Writes `content` as UTF-8 to `path`, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, data: object) -> None:
    """Writes `data` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sweep(folder: Path) -> None:
    """Removes what dead processes left half-written under `folder`."""
    for path in folder.rglob(".*.tmp-*"):
        found = _ASIDE.search(path.name) or _ASIDE.search(path.stem)
        if found and not _alive(int(found[1])):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with storage_errors(path):
                    path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None]:
    """Holds `folder` for this process alone; `LockedError` names the process that has it."""
    path = folder / "run.lock"
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with storage_errors(path):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
                raise LockedError(
                    f"{folder} is in use by process {holder}; wait for it, or choose another folder"
                ) from None
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)
