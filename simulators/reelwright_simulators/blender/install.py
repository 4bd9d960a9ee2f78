"""Makes the managed environment: an interpreter of Blender's own with the pinned bpy.

It stands apart from Reelwright's, since bpy 4.5 needs numpy 1 and Reelwright numpy 2.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from reelwright_core.errors import ReelwrightError, StorageError
from reelwright_core.files import storage_errors, sweep, sync_folder
from reelwright_simulators.blender import find
from reelwright_simulators.blender.find import PINNED, Blender, NoBlender

NEEDED = 1_300_000_000
"""Bytes of disk while it is made: the download beside what is unpacked from it."""
PYTHON = (3, 11)
"""The only Python for which the pinned bpy is built."""

_BEAT = 10.0
"""Seconds between two words while pip says nothing."""
_OFFLINE = re.compile(
    r"(?i)no matching distribution|could not find a version|connection|resolution|timed out|"
    r"unreachable|proxy"
)
_count = itertools.count(1)


class InstallError(ReelwrightError):
    """Blender could not be installed; nothing is left of the attempt."""


def install(say: Callable[[str], None]) -> Blender:
    """The managed Blender, made if it is not there; `say` is told what goes on, line by line.

    Raises `InstallError` or `StorageError` and leaves nothing behind if it cannot be made, and
    `NoBlender` if it is there and does not work, as where system libraries are missing.
    """
    home = find.managed()
    if (home / "bin" / "python").is_file():
        say(f"bpy {PINNED} is there already: {home}")
    else:
        _make(home, say)
    find.forget()
    try:
        return find.look(Blender(home / "bin" / "python", "module", "the managed environment"))
    except NoBlender as error:
        raise NoBlender(f"bpy {PINNED} is in {home} and does not work: {error}") from None


def _make(home: Path, say: Callable[[str], None]) -> None:
    python = _python()
    with storage_errors(home.parent):
        home.parent.mkdir(parents=True, exist_ok=True)
    sweep(home.parent)
    free = shutil.disk_usage(home.parent).free
    if free < NEEDED:
        raise StorageError(
            f"Blender needs {NEEDED / 1e9:.1f} GB in {home.parent}, and {free / 1e9:.1f} GB are "
            "free; free some space, or set XDG_DATA_HOME to a folder on another disk"
        )
    aside = home.with_name(f".{home.name}.tmp-{os.getpid()}-{next(_count)}")
    try:
        say(f"making {home}")
        _run([python, "-m", "venv", str(aside)], aside, say)
        say(f"fetching bpy {PINNED} (about 370 MB, 0.8 GB unpacked)")
        # Not compiled yet: compiled files remember the path aside.
        pip = [str(aside / "bin" / "python"), "-m", "pip", "install", "--no-compile"]
        pip += ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
        _run([*pip, f"bpy=={PINNED}"], aside, say)
        shutil.rmtree(aside / "tmp", ignore_errors=True)
        with storage_errors(home):
            try:
                aside.rename(home)
            except OSError:
                if not (home / "bin" / "python").is_file():  # else another process was faster
                    raise
            sync_folder(home.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    say(f"bpy {PINNED} is installed")


def _python() -> str:
    """An interpreter for which the pinned bpy is built."""
    if sys.version_info[:2] == PYTHON:
        return sys.executable
    name = f"python{PYTHON[0]}.{PYTHON[1]}"
    found = shutil.which(name)
    if found is None:
        running = ".".join(str(part) for part in sys.version_info[:2])
        raise InstallError(
            f"bpy {PINNED} is built for Python {PYTHON[0]}.{PYTHON[1]}, this is {running}, and "
            f"there is no {name} on the PATH: install one, or set {find.VARIABLE} to the `blender` "
            "program of Blender 4.5 (blender.org)"
        )
    return found


def _run(command: list[str], aside: Path, say: Callable[[str], None]) -> None:
    """Runs one step to its end, and says that it still runs; `InstallError` if it fails."""
    scratch = aside / "tmp"
    with storage_errors(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT):
            say(f"  ... {_size(aside) / 1e6:.0f} MB so far")

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    lines: list[str] = []
    assert process.stdout is not None
    try:
        with process.stdout as said:
            for line in said:
                lines.append(line.rstrip())
                if re.match(r"(Collecting|Downloading|Installing|Successfully)\b", line.lstrip()):
                    say("  " + line.strip()[:100])
        code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        ended.set()
        beating.join()
    if code:
        raise InstallError(_why(lines))


def _why(lines: list[str]) -> str:
    faults = [line for line in lines if line.startswith("ERROR")] or [
        line for line in lines if line
    ]
    last = re.sub(r"^ERROR: ", "", faults[-1])[:300] if faults else "it said nothing"
    if any("No space left" in line for line in lines):
        return f"the disk is full: bpy {PINNED} could not be installed; nothing is left of it"
    if any(_OFFLINE.search(line) for line in lines):
        return (
            f"bpy {PINNED} could not be fetched: {last}. Is there a network, and does pip's index "
            f"have bpy? Where there is none, set {find.VARIABLE} to a Blender that was brought here"
        )
    return f"bpy {PINNED} could not be installed: {last}"


def _size(folder: Path) -> int:
    size = 0
    for at, _, files in os.walk(folder):
        for name in files:
            try:
                size += os.lstat(os.path.join(at, name)).st_size  # noqa: PTH118
            except OSError:
                continue  # it went away meanwhile
    return size
