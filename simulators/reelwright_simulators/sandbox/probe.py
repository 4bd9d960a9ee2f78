"""Tries a jail: a hostile program runs in it, and only what is seen to fail counts as refused."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import cast

from reelwright_simulators.sandbox import Jail, Limits

_PROGRAM = Path(__file__).with_name("hostile_probe.py")
_MEMORY = 1 << 30
_SECONDS = 30
_VARIABLE = "REELWRIGHT_PROBE_SECRET"
_HAS_TO = "write in its folder"


def fault(jail: Jail) -> str | None:
    """Why `jail` is no boundary here, or None if it is one."""
    with tempfile.TemporaryDirectory(prefix="reelwright-probe-") as held:
        top = Path(held).resolve()
        outside, folder = top / "outside", top / "folder"
        outside.mkdir()
        folder.mkdir()
        (outside / "secret").write_text("secret", encoding="ascii")
        (readable := top / "readable").write_text("readable", encoding="ascii")
        with _served(outside / "socket") as (port, called):
            facts: dict[str, object] = {
                "outside": str(outside), "port": port, "pid": os.getpid(), "memory": 2 * _MEMORY,
                "variable": _VARIABLE, "tmp": str(top / "made"), "readable": str(readable),
            }  # fmt: skip
            try:
                could = _run(jail, folder, facts)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                return f"it does not run ({error})"
        if _HAS_TO not in could:
            return f"a program in it could not {_HAS_TO}"
        found = [name for name in could if name != _HAS_TO]
        found += ["write outside"] if (outside / "made").exists() else []
        found += ["write beside its folder"] if (top / "made").exists() else []
        found += ["reach a server"] if called else []
        return f"a program in it could {', '.join(dict.fromkeys(found))}" if found else None


def _run(jail: Jail, folder: Path, facts: dict[str, object]) -> list[str]:
    command = replace(jail, read=(_PROGRAM, Path(str(facts["readable"])))).command(
        [sys.executable, "-I", "-S", str(_PROGRAM), json.dumps(facts)],
        folder=folder,
        limits=Limits(cpu=_SECONDS, memory=_MEMORY),
    )
    os.environ[_VARIABLE] = "secret"
    try:
        done = subprocess.run(
            command,
            env=jail.environment(folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            start_new_session=True,
        )
    finally:
        os.environ.pop(_VARIABLE, None)
    if done.returncode or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(f"exit code {done.returncode}: {last[:200]}")
    return cast(list[str], json.loads(done.stdout.splitlines()[-1]))


@contextlib.contextmanager
def _served(path: Path) -> Generator[tuple[int, list[str]]]:
    """Two real servers, by TCP and by a socket file: the port, and who has called."""
    called: list[str] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
    ):
        unix.bind(str(path))
        unix.listen()
        over = threading.Event()

        def accept(server: socket.socket, name: str) -> None:
            server.settimeout(0.05)
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    server.accept()[0].close()
                    called.append(name)

        threads = [
            threading.Thread(target=accept, args=(server, name))
            for server, name in ((tcp, "TCP"), (unix, "a socket file"))
        ]
        for thread in threads:
            thread.start()
        try:
            yield tcp.getsockname()[1], called
        finally:
            over.set()
            for thread in threads:
                thread.join()
