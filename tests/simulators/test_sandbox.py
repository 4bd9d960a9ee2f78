"""Hostile scripts: what the linter says of each, and that none gets out of the jail."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reelwright_core.physics import Camera, PhysicsScene, View
from reelwright_simulators import sandbox
from reelwright_simulators.blender import find, worker
from reelwright_simulators.blender.find import Blender
from reelwright_simulators.blender.worker import BlenderError, Limits
from reelwright_simulators.sandbox import Jail
from reelwright_simulators.sandbox.lint import lint, needs_blender

HOSTILE = sorted(Path(__file__).with_name("hostile").glob("*.py"))
GOOD = sorted((Path(__file__).parents[2] / "examples" / "physics" / "scripts").glob("*.py"))
SECRET = "the-secret-of-this-test"
VARIABLE = "PLANTED_FOR_THIS_TEST"
PLAIN = Blender(Path(sys._base_executable), "module", "Python itself")  # pyright: ignore
BASE = PhysicsScene(
    frames=3, size=(32, 32),
    cameras=[Camera(id="main", views=[View(position=(0, -5, 1), look_at=(0, 0, 1))])],
)  # fmt: skip
JAILS = [jail for jail in sandbox.every().values() if isinstance(jail, Jail)]
NO_JAIL = Jail(name="none", says="none")


@dataclass
class Outside:
    """Everything that a script is not to reach, and what has reached it."""

    folder: Path
    tcp: int
    udp: int
    abstract: str
    called: list[str] = field(default_factory=list[str])

    def script(self, path: Path) -> str:
        text = path.read_text(encoding="utf-8")
        for name, value in (
            ("OUTSIDE", str(self.folder)), ("TCP", str(self.tcp)), ("UDP", str(self.udp)),
            ("ABSTRACT", self.abstract), ("PARENT", str(os.getpid())),
        ):  # fmt: skip
            text = re.sub(rf"\b{name}\b|(?<=\\0){name}\b", lambda _, value=value: value, text)
        return text

    def seen(self) -> dict[str, tuple[bytes, int, int]]:
        """Contents, modes and times of all files outside."""
        found: dict[str, tuple[bytes, int, int]] = {}
        for path in sorted([*self.folder.iterdir(), *self.folder.parent.glob("made*")]):
            stat = path.stat()
            content = path.read_bytes() if path.is_file() else b""
            found[path.name] = content, stat.st_mode, stat.st_mtime_ns
        return found


def picture(width: int, height: int) -> bytes:
    """A black PNG."""

    def part(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(3 * width)) * height
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (part(b"IHDR", head), part(b"IDAT", zlib.compress(rows)), part(b"IEND", b""))
    )


@pytest.fixture
def outside(tmp_path: Path) -> Generator[Outside]:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    (folder / "planted.py").write_text(f"TEXT = {SECRET!r}\n")
    (folder / "picture.png").write_bytes(picture(7, 5))
    os.environ[VARIABLE] = SECRET
    over = threading.Event()
    with contextlib.ExitStack() as open_ones:
        tcp = open_ones.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = open_ones.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        by_file = open_ones.enter_context(socket.socket(socket.AF_UNIX))
        by_file.bind(str(folder / "socket"))
        by_name = open_ones.enter_context(socket.socket(socket.AF_UNIX))
        abstract = f"reelwright-test-{os.getpid()}"
        by_name.bind(f"\0{abstract}")
        found = Outside(folder, tcp.getsockname()[1], udp.getsockname()[1], abstract)
        servers = {"TCP": tcp, "a socket file": by_file, "a name": by_name, "UDP": udp}
        threads = [
            threading.Thread(target=_serve, args=(server, name, found.called, over))
            for name, server in servers.items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield found
        finally:
            over.set()
            for thread in threads:
                thread.join()
            del os.environ[VARIABLE]


def _serve(server: socket.socket, name: str, called: list[str], over: threading.Event) -> None:
    server.settimeout(0.05)
    if server.type == socket.SOCK_STREAM:
        server.listen()
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            if server.type == socket.SOCK_STREAM:
                server.accept()[0].close()
            else:
                server.recv(100)
            called.append(name)


def told(path: Path, what: str) -> str | None:
    found = re.search(rf"^# {what}: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else None


def in_blender(path: Path) -> bool:
    return "\n# blender\n" in path.read_text(encoding="utf-8")


def run(
    script: str, folder: Path, jail: Jail, *, blender: Blender | None, limits: Limits
) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    (folder / "script.py").write_text(script, encoding="utf-8")
    request = {
        "job": "declare" if blender is PLAIN else "script", "script": str(folder / "script.py"),
        "scene": BASE.data(), "entities": [], "sealed": jail.name != "none",
    }  # fmt: skip
    return worker.run(request, folder=folder, limits=limits, blender=blender, sandbox=jail)


def what_came(path: Path, outside: Outside, folder: Path, jail: Jail, limits: Limits) -> str:
    """The reason that is given for the end of a hostile script."""
    blender = find.required() if in_blender(path) else PLAIN
    try:
        answer = run(outside.script(path), folder, jail, blender=blender, limits=limits)
        PhysicsScene.from_data(answer["scene"])
    except BlenderError as error:
        return str(error)
    except ValueError as error:
        return f"its scene does not fit: {error}"
    return "nothing in the scene was made by itself"


def processes_of(folder: Path) -> list[int]:
    """Every process that works in `folder` or was given it."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                variables = (entry / "environ").read_bytes()
                where = str((entry / "cwd").readlink())
                if os.fsencode(str(folder)) in variables or where.startswith(str(folder)):
                    found.append(int(entry.name))
    return found


def _left(folder: Path) -> bool:
    """Whether a process is still there; the kernel ends those in namespaces of their own soon."""
    until = time.monotonic() + 5
    while processes_of(folder):
        if time.monotonic() > until:
            return True
        time.sleep(0.05)
    return False


def broken(outside: Outside, before: object, folder: Path, reason: str) -> set[str]:
    """What of the outside was reached; empty if nothing was."""
    found: set[str] = set()
    left = [reason.encode()]
    left += [path.read_bytes() for path in folder.rglob("*") if path.is_file()
             and path.name not in ("script.py", "request.json")]  # fmt: skip
    for content in left:
        if SECRET.encode() in content or b"root:x:" in content or "SECRET" in reason:
            found.add("secret")
    if outside.seen() != before:
        found.add("written")
    if outside.called:
        found.add("called")
    if any(not path.is_file() and not path.is_dir() for path in folder.rglob("*")):
        found.add("pipe")
    if _left(folder):
        found.add("a process was left")
    return found


LIMITS = Limits(seconds=2, cpu=1, memory=1 << 30, file=8 << 20, folder=32 << 20, files=2000)
LIMITS_OF_BLENDER = Limits(
    seconds=8, cpu=10, memory=3 << 30, file=8 << 20, folder=32 << 20, files=2000
)
QUICK_OF_BLENDER = {
    "blend_image_load", "blend_text_load", "blend_save", "blend_driver", "blend_handler",
    "blend_render_outside", "blend_url",
}  # fmt: skip


def cases() -> list[Any]:
    found: list[Any] = []
    for jail in JAILS:
        for path in HOSTILE:
            slow = in_blender(path) and path.stem not in QUICK_OF_BLENDER
            slow = slow or jail is not JAILS[0]
            marks = [pytest.mark.long] if slow else []
            found.append(pytest.param(jail, path, id=f"{jail.name}-{path.stem}", marks=marks))
    return found


@pytest.mark.skipif(not JAILS, reason="no sandbox works here")
@pytest.mark.parametrize(("jail", "path"), cases())
def test_no_hostile_script_gets_out(
    jail: Jail, path: Path, outside: Outside, tmp_path: Path
) -> None:
    if in_blender(path) and find.find() is None:
        pytest.skip("Blender is not installed")
    folder = tmp_path / "job"
    before, began = outside.seen(), time.monotonic()
    limits = LIMITS_OF_BLENDER if in_blender(path) else LIMITS
    reason = what_came(path, outside, folder, jail, limits)
    took = time.monotonic() - began
    assert broken(outside, before, folder, reason) == set(), reason
    assert took < limits.seconds + 30
    expected = told(path, "jail")
    assert expected is not None
    if jail.program is not None:  # what is outside is not refused there, but not to be seen
        expected += "|FileNotFoundError|Read-only file system|Invalid cross-device link"
    assert re.search(expected, reason), reason
    assert str(Path(find.__file__).parent) not in reason


def harmful() -> list[Any]:
    return [
        pytest.param(path, id=path.stem, marks=[pytest.mark.long] if in_blender(path) else [])
        for path in HOSTILE
        if told(path, "alone")
    ]


@pytest.mark.parametrize("path", harmful())
def test_without_a_jail_the_same_scripts_do_harm(
    path: Path, outside: Outside, tmp_path: Path
) -> None:
    """Else the test above would show nothing."""
    folder = tmp_path / "job"
    before = outside.seen()
    if in_blender(path) and find.find() is None:
        pytest.skip("Blender is not installed")
    limits = LIMITS_OF_BLENDER if in_blender(path) else LIMITS
    reason = what_came(path, outside, folder, NO_JAIL, limits)
    assert told(path, "alone") in broken(outside, before, folder, reason), reason


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_the_linter_says_what_is_wrong(path: Path) -> None:
    faults = [str(fault) for fault in lint(path.read_text(encoding="utf-8"))]
    expected = told(path, "lint")
    assert expected is not None
    assert any(expected in fault for fault in faults), faults
    assert needs_blender(path.read_text(encoding="utf-8")) is in_blender(path)


def test_there_are_enough_hostile_scripts() -> None:
    assert len(HOSTILE) >= 60
