"""Where Blender is, and whether it works: asked once, answered from then on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from reelwright_core.errors import InputError, SettingsError
from reelwright_simulators.blender.environment import clean

PINNED = "4.5.15"
"""The bpy that the managed environment has: the last of a long-term release."""
VARIABLE = "REELWRIGHT_BLENDER"
OLDEST, BEFORE = (4, 2), (5, 0)
"""Older ones lack the denoiser and half of the interface, newer ones changed it."""
CURE = "`reelwright doctor --install blender` installs it"
PACKAGES = {
    "libX11": "libx11-6", "libXrender": "libxrender1", "libXfixes": "libxfixes3",
    "libXi": "libxi6", "libxkbcommon": "libxkbcommon0", "libSM": "libsm6", "libICE": "libsm6",
    "libGL": "libgl1", "libEGL": "libegl1",
}  # fmt: skip
"""Debian's package of each library that Blender needs and does not bring."""

_PROBE = """
import ctypes, json, os
try:
    import bpy
    told = {"version": bpy.app.version_string}
except BaseException as error:
    told = {"error": f"{type(error).__name__}: {error}"}
try:
    ctypes.CDLL("libEGL.so.1")
except OSError as error:
    told["lacks"] = str(error)
print("\\n" + json.dumps(told), flush=True)
os._exit(0)
"""
_SECONDS = 120.0
_LIBRARY = re.compile(r"\b(lib\w+)(?:-[\d.]+)?\.so[\w.]*: cannot open shared object")
_VERSION = re.compile(r"(\d+)\.(\d+)(\.\d+)?[^\n]*")


@dataclass(frozen=True)
class Blender:
    """A Blender that works."""

    path: Path
    kind: Literal["module", "program"]
    """An interpreter that can import bpy, or the `blender` program."""
    source: str
    """Where it was found, for people."""
    version: str = ""
    """`4.5.15 LTS`."""
    lacks: tuple[str, ...] = ()
    """Debian packages without which Workbench, which draws drafts, aborts."""

    def command(self, script: Path) -> list[str]:
        """The words that run `script`; its arguments follow."""
        if self.kind == "module":
            return [str(self.path), "-s", str(script)]
        return [
            str(self.path), "--background", "--factory-startup", "-noaudio",
            "--python-exit-code", "1", "--python", str(script), "--",
        ]  # fmt: skip


class NoBlender(InputError):
    """There is no Blender that works; says what was looked at."""


@dataclass(frozen=True)
class Search:
    """What a search for Blender found."""

    blender: Blender | None
    passed: tuple[str, ...]
    """What was found and does not work, and why; one sentence each."""


_searches: dict[tuple[str | None, ...], Search] = {}


def find() -> Blender | None:
    """The Blender that is used, or None; `SettingsError` if REELWRIGHT_BLENDER names none."""
    return search().blender


def required() -> Blender:
    """The Blender that is used; `NoBlender` says what is missing and what to do."""
    found = search()
    if found.blender is None:
        raise NoBlender(" ".join(["no Blender that works was found.", *found.passed, f"{CURE}."]))
    return found.blender


def search() -> Search:
    """Looks for Blender; an answer is kept while the places to look at stay the same."""
    names = (VARIABLE, "XDG_DATA_HOME", "HOME", "PATH", "LD_LIBRARY_PATH")
    places = tuple(os.environ.get(name) for name in names)
    if places not in _searches:
        _searches[places] = _search()
    return _searches[places]


def forget() -> None:
    """Looks anew next time."""
    _searches.clear()


def managed() -> Path:
    """The folder of the environment that `reelwright doctor --install blender` makes."""
    data = os.environ.get("XDG_DATA_HOME") or ""
    home = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    return home / "reelwright" / f"blender-{PINNED}"


def look(blender: Blender) -> Blender:
    """`blender` with its version and what it lacks; `NoBlender` if it does not work."""
    with tempfile.TemporaryDirectory(prefix="reelwright-", ignore_cleanup_errors=True) as home:
        words = ["-s", "-c", _PROBE] if blender.kind == "module" else ["--version"]
        try:
            done = subprocess.run(
                [str(blender.path), *words],
                env=clean(Path(home)),
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
            )
        except OSError as error:
            raise NoBlender(f"it cannot be started: {error.strerror or error}") from None
        except subprocess.TimeoutExpired:
            raise NoBlender(f"it did not say its version within {_SECONDS:g} s") from None
    if blender.kind == "module":
        version, lacks = _of_module(done)
    else:
        version, lacks = _of_program(done), ()
    numbers = _VERSION.match(version)
    if numbers is None or not OLDEST <= (int(numbers[1]), int(numbers[2])) < BEFORE:
        raise NoBlender(
            f"it is version {version or 'unknown'}; from {_dotted(OLDEST)} to before "
            f"{_dotted(BEFORE)} it must be, {PINNED} is best"
        )
    return replace(blender, version=version, lacks=lacks)


def _of_module(done: subprocess.CompletedProcess[str]) -> tuple[str, tuple[str, ...]]:
    try:
        told: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = " ".join(done.stderr.split()[-30:])
        raise NoBlender(f"importing bpy ended with code {done.returncode}: {said}") from None
    if "error" in told:
        packages = missing(told["error"])
        cure = f"; it needs system libraries: {install_line()}" if packages else ""
        raise NoBlender(f"bpy cannot be imported: {told['error']}{cure}")
    return told["version"], missing(told.get("lacks", ""))


def _of_program(done: subprocess.CompletedProcess[str]) -> str:
    found = re.search(r"^Blender (\d.*)$", done.stdout, re.MULTILINE)
    if found is None:
        said = " ".join((done.stderr or done.stdout).split()[-30:])
        packages = missing(said)
        cure = f"; it needs system libraries: {install_line()}" if packages else ""
        raise NoBlender(f"it does not say which Blender it is: {said or 'nothing'}{cure}")
    return found[1].strip()


def missing(said: str) -> tuple[str, ...]:
    """Debian's packages of the libraries that a loader's message misses."""
    libraries: list[str] = _LIBRARY.findall(said)
    return tuple(PACKAGES.get(library, library) for library in libraries)


def install_line() -> str:
    """The command that installs all system libraries; the loader names but one at a time."""
    packages = " ".join(dict.fromkeys(PACKAGES.values()))
    return f"apt-get install --no-install-recommends {packages}"


def _search() -> Search:
    if named := os.environ.get(VARIABLE):
        return Search(_named(named), ())
    passed: list[str] = []
    for candidate in _candidates():
        try:
            return Search(look(candidate), tuple(passed))
        except NoBlender as error:
            passed.append(f"{candidate.path} ({candidate.source}): {error}.")
    return Search(None, tuple(passed))


def _named(named: str) -> Blender:
    expected = f"{VARIABLE} names a Python that has bpy, or a `blender` program; got {named!r}"
    path = shutil.which(Path(named).expanduser())
    if path is None:
        raise SettingsError(f"{expected}, which is no program")
    # Not resolved: an environment's interpreter is a link, and finds its packages by its own name.
    found = Path(path).absolute()
    kind = "module" if re.match(r"(python|pypy)", found.name) else "program"
    try:
        return look(Blender(found, kind, VARIABLE))
    except NoBlender as error:
        raise SettingsError(f"{expected}: {error}") from None


def _candidates() -> Iterator[Blender]:
    own = managed() / "bin" / "python"
    if own.is_file():
        yield Blender(own, "module", "the managed environment")
    if find_spec("bpy") is not None:
        yield Blender(Path(sys.executable), "module", "bpy beside Reelwright")
    if program := shutil.which("blender"):
        yield Blender(Path(program).absolute(), "program", "the PATH")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(str(part) for part in version)
