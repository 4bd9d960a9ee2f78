"""Runs a program that nobody vouches for so that it reaches nothing but one folder.

`strongest()` finds the strictest boundary that works on this machine, by running a small hostile
program in each and believing only what is seen. docs/sandbox.md says what is guaranteed.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from reelwright_core.errors import SimulationError

Name = Literal["landlock", "bubblewrap", "nsjail", "none"]
"""The boundaries, strictest first; `none` is limits and a clean environment alone."""
Choice = Literal["auto", "landlock", "bubblewrap", "nsjail", "none"]

LAUNCH = Path(__file__).with_name("launch.py")
INSIDE = Path(__file__).resolve().parent.parent / "blender" / "inside"
SCRATCH = ".scratch"
"""The folder for temporary files in a job's folder."""

_SYSTEM = (
    "/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib",
    "/nix/store", "/gnu/store",
    "/usr/share/drirc.d", "/usr/share/fontconfig", "/usr/share/fonts", "/usr/share/glvnd",
    "/usr/share/locale", "/usr/share/zoneinfo",
    "/etc/drirc", "/etc/fonts", "/etc/glvnd", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d", "/etc/localtime",
)  # fmt: skip
"""What any program needs to start, and to draw without a screen."""
_FACTS = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/sys/devices/system/node")
_LOADERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")

_ASK = """
import json, os, sys, sysconfig
at = sysconfig.get_paths()
found = {os.path.join(sys.prefix, "pyvenv.cfg"), at["stdlib"], at["platstdlib"], *sys.path}
held = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
if all(held):
    found.add(os.path.join(*held))
print(json.dumps([os.path.abspath(path) for path in found if path and os.path.exists(path)]))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a jailed program may use; the wall clock is its caller's to watch."""

    cpu: int = 600
    """Seconds of all its threads together."""
    memory: int = 8 << 30
    """Bytes of address space."""
    file: int = 1 << 30
    """Bytes of one file."""
    folder: int = 4 << 30
    """Bytes of all that it writes (`overrun` looks)."""
    files: int = 20_000
    """How many files it may write (`overrun` looks)."""
    open_files: int = 256
    threads: int = 512
    """At once (`overrun` looks)."""

    def kernel(self) -> dict[str, list[int]]:
        """Those that the kernel keeps: soft and hard value of each RLIMIT."""
        return {
            # At the first a signal ends it that names its reason; at the second it is killed.
            "RLIMIT_CPU": [self.cpu, self.cpu + 2],
            "RLIMIT_AS": [self.memory, self.memory],
            "RLIMIT_FSIZE": [self.file, self.file],
            "RLIMIT_NOFILE": [self.open_files, self.open_files],
            "RLIMIT_CORE": [0, 0],
            "RLIMIT_MEMLOCK": [0, 0],
            "RLIMIT_MSGQUEUE": [0, 0],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Jail:
    """One boundary; `name` and `says` are for reports."""

    name: Name
    says: str
    program: str | None = None
    """Of bubblewrap and nsjail."""

    read: tuple[Path, ...] = ()
    """What a program may read besides its folder, its installation and the system's libraries."""

    def command(
        self, command: Sequence[str], *, folder: Path, limits: Limits | None = None
    ) -> list[str]:
        """The words that run `command` in this jail.

        `command` begins with a Python interpreter (its options follow) or a `blender` program;
        `folder` is all that it may write to. Start it with `environment(folder)`, in `folder`, in
        a session of its own, from a thread that lives until it has ended; the clock is the
        caller's to watch.
        """
        here = folder.resolve()
        (here / SCRATCH).mkdir(parents=True, exist_ok=True)
        program = _program(command[0])
        reads = _unique(
            [
                *_SYSTEM, *_FACTS, *_runtime(program, _options(command)), str(INSIDE),
                *(str(path.resolve()) for path in self.read),
            ]
        )  # fmt: skip
        runs = _unique([os.path.realpath(program), *_loaders()])
        policy: dict[str, Any] = {
            "folder": str(here),
            "read": reads,
            "execute": runs,
            "limits": (limits or Limits()).kernel(),
            "landlock": self.name == "landlock",
            "seccomp": self.name != "none",
            "parent": os.getpid() if self.name in ("landlock", "none") else 0,
        }
        inner = [
            sys.executable, "-I", "-S", str(LAUNCH), json.dumps(policy), "--",
            program, *command[1:],
        ]  # fmt: skip
        if self.program is None:
            return inner
        own = [*_runtime(sys.executable, ("-I", "-S")), str(LAUNCH), sys.executable]
        seen = _unique([*reads, *runs, program, *own, os.path.realpath(sys.executable)])
        walls = _bubblewrap if self.name == "bubblewrap" else _nsjail
        return [*walls(self.program, here, seen), *inner]

    def environment(self, folder: Path) -> dict[str, str]:
        """All the variables that the program is given: nothing of ours is among them."""
        here = str(folder.resolve())
        scratch = f"{here}/{SCRATCH}"
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": scratch,
            "TMPDIR": scratch,
            "XDG_CACHE_HOME": scratch,
            "XDG_CONFIG_HOME": scratch,
            "BLENDER_USER_RESOURCES": scratch,
            "MESA_SHADER_CACHE_DISABLE": "true",
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
        }


def strongest(*, allow: str | None = None) -> Jail:
    """The strictest jail that works here, tried once in each process.

    `allow` names one that is to be used alone; `none` allows to go without a boundary. None and
    `auto` take the strictest. Raises `SimulationError` where that one, or none at all, works.
    """
    choice = allow or "auto"
    if choice not in get_args(Choice):
        raise SimulationError(
            f"there is no sandbox {choice!r}: `physics.sandbox` is one of "
            f"{', '.join(get_args(Choice))}"
        )
    if choice == "none":
        return Jail(name="none", says="no boundary: only limits and a clean environment")
    why: list[str] = []
    for name in ("landlock", "bubblewrap", "nsjail") if choice == "auto" else (choice,):
        tried = _tried(name)
        if isinstance(tried, Jail):
            return tried
        why.append(f"{name}: {tried}")
    raise SimulationError(
        f"scripts run only in a sandbox, and none works here ({'; '.join(why)}). Use Linux 5.13 or "
        "newer with Landlock switched on (`lsm=landlock,...`), or install bubblewrap (`apt install "
        "bubblewrap`), or nsjail; to run scripts without a boundary, which lets them do all that "
        "you can do, set physics.sandbox=none"
    )


def every() -> dict[str, Jail | str]:
    """Each boundary by name: its jail, or why it does not work here."""
    return {name: _tried(name) for name in ("landlock", "bubblewrap", "nsjail")}


@cache
def _tried(name: str) -> Jail | str:
    from reelwright_simulators.sandbox import probe

    if not sys.platform.startswith("linux"):
        return f"it is for Linux, and this is {platform.system()}"
    program = None
    if name != "landlock":
        program = shutil.which("bwrap" if name == "bubblewrap" else "nsjail")
        if program is None:
            return "it is not on the PATH"
    says = {
        "landlock": "Landlock with seccomp and limits",
        "bubblewrap": "bubblewrap with seccomp and limits",
        "nsjail": "nsjail with seccomp and limits",
    }[name]
    jail = Jail(name=name, says=says, program=program)  # pyright: ignore[reportArgumentType]
    fault = probe.fault(jail)
    return jail if fault is None else fault


def _unique(paths: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(paths))


def _program(word: str) -> str:
    found = shutil.which(word)
    if found is None:
        raise SimulationError(f"there is no program {word!r} to run in a sandbox")
    return str(Path(found).absolute())


def _options(argv: Sequence[str]) -> tuple[str, ...]:
    """Those of -I, -E, -s and -S, which decide where Python looks for modules."""
    found: list[str] = []
    for word in argv[1:]:
        if not word.startswith("-"):
            break
        if word in ("-I", "-E", "-s", "-S"):
            found.append(word)
    return tuple(found)


@cache
def _runtime(program: str, options: tuple[str, ...]) -> tuple[str, ...]:
    """The files and folders that belong to an interpreter, or to a `blender` program."""
    real = Path(program).resolve()
    if real.name.startswith("blender"):
        beside = [str(real.parent)] if real.parent.name not in ("bin", "sbin") else []
        return (*beside, "/usr/share/blender", "/usr/share/color", "/usr/lib/python3")
    try:
        done = subprocess.run(
            [program, *dict.fromkeys((*options, "-I")), "-c", _ASK],
            capture_output=True, text=True, timeout=60, check=True, env={"PATH": os.defpath},
        )  # fmt: skip
        found = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise SimulationError(f"{program} does not answer as a Python would: {error}") from None
    return tuple(sorted(str(path) for path in found))


@cache
def _loaders() -> tuple[str, ...]:
    """What the kernel starts in order to start a program: ld.so."""
    found: list[str] = []
    for folder in _LOADERS:
        for pattern in ("ld-linux*.so*", "ld-musl*", "*-linux-gnu/ld-linux*.so*"):
            found += [str(path.resolve()) for path in Path(folder).glob(pattern)]
    return tuple(_unique(found))


def _bubblewrap(program: str, folder: Path, seen: Sequence[str]) -> list[str]:
    """Namespaces of its own for all there are; it sees what is bound, and nothing else."""
    words = [
        program, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--dev", "/dev", "--dir", "/tmp",
    ]  # fmt: skip
    for path in _outermost(seen):
        words += ["--ro-bind", path, path]
    words += ["--bind", str(folder), str(folder), "--remount-ro", "/"]
    return [*words, "--chdir", str(folder), "--"]


def _nsjail(program: str, folder: Path, seen: Sequence[str]) -> list[str]:
    """The same; the limits are the launcher's, and its own are lifted as far."""
    words = [
        program, "-Mo", "--really_quiet", "--keep_env", "--disable_rlimits", "--time_limit", "0",
        "--disable_proc", "--user", "65534", "--group", "65534", "--cwd", str(folder),
    ]  # fmt: skip
    for path in (*_outermost(seen), "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"):
        writable = path in ("/dev/null", "/dev/zero")
        words += ["--bindmount" if writable else "--bindmount_ro", path]
    return [*words, "--bindmount", str(folder), "--"]


def _outermost(paths: Sequence[str]) -> list[str]:
    """Those that are there and do not lie in another of them; /proc is made anew in a jail."""
    there = [path for path in paths if Path(path).exists() and not path.startswith("/proc/")]
    return [
        path for path in there
        if not any(path != other and Path(path).is_relative_to(other) for other in there)
    ]  # fmt: skip
