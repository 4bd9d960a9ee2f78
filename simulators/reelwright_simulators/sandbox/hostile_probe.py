"""The small hostile program that a jail is tried with: `hostile_probe.py FACTS`.

It tries everything it should not be able to do, and prints as JSON what it could. Its first act is
to shut the last door behind itself, as the runner of scripts does.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "blender" / "inside"))


def _worked(act: Callable[[], object]) -> bool:
    try:
        return bool(act())
    except (OSError, MemoryError):
        return False


def _connect(family: int, address: tuple[str, int] | str) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        one.connect(address)
    return True


def _write(path: Path) -> bool:
    path.write_text("x", encoding="ascii")
    return path.read_text(encoding="ascii") == "x"


def _empty(path: Path) -> bool:
    os.truncate(path, 0)
    return True


def _empty_by_opening(path: Path) -> bool:
    os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))
    return True


def _fork() -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def _exec() -> bool:
    """Fails with anything but "not permitted" if the door is open: nothing is there to run."""
    try:
        os.execv("/nothing/here", ["nothing"])
    except PermissionError:
        return False
    except OSError:
        return True


def _signal(pid: int) -> bool:
    os.kill(pid, 0)
    return True


def _link(target: Path, name: str) -> bool:
    Path(name).symlink_to(target)
    return True


def _hoard(size: int) -> bool:
    return len(bytearray(size)) == size


def main() -> None:
    """Tries all, and says what worked."""
    facts = json.loads(sys.argv[1])
    outside = Path(facts["outside"])
    with contextlib.suppress(OSError):
        import seccomp  # pyright: ignore[reportMissingImports]

        seccomp.seal()
    tried: dict[str, Callable[[], object]] = {
        "write in its folder": lambda: _write(Path("made")),
        "read outside": lambda: (outside / "secret").read_text(encoding="ascii"),
        "list outside": lambda: list(outside.iterdir()),
        "read /etc/passwd": lambda: Path("/etc/passwd").read_text(encoding="utf-8"),
        "write outside": lambda: _write(outside / "made"),
        "write in /tmp": lambda: _write(Path(facts["tmp"])),
        "empty a file outside": lambda: _empty(outside / "secret"),
        "empty a file that it may read": lambda: _empty_by_opening(Path(facts["readable"])),
        "connect by TCP": lambda: _connect(socket.AF_INET, ("127.0.0.1", facts["port"])),
        "connect by a socket file": lambda: _connect(socket.AF_UNIX, str(outside / "socket")),
        "signal its parent": lambda: _signal(facts["pid"]),
        "start a process": _fork,
        "become another program": _exec,
        "make a link": lambda: _link(outside / "secret", "linked"),
        "take more memory than its limit": lambda: _hoard(facts["memory"]),
    }
    could = [name for name, act in tried.items() if _worked(act)]
    if any(facts["variable"] in name for name in os.environ):
        could.append("see the environment")
    print(json.dumps(could), flush=True)


main()
