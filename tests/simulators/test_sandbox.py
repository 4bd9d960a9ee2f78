"""Hostile scripts: what the linter says of each, and that none gets out of the jail."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Generator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from reelwright_core.errors import SimulationError
from reelwright_core.kinds import Colour
from reelwright_core.physics import Camera, Fabric, Material, ModelName, PhysicsScene, View
from reelwright_simulators import sandbox
from reelwright_simulators.blender import find, worker
from reelwright_simulators.blender.find import Blender
from reelwright_simulators.blender.worker import BlenderError, Limits
from reelwright_simulators.sandbox import Jail, probe
from reelwright_simulators.sandbox.helper_library import documentation, helper_names
from reelwright_simulators.sandbox.lint import lint, needs_blender
from reelwright_simulators.sandbox.scripts import Script, ScriptFault, scene_of
from reelwright_simulators.sandbox.watch import overrun, tidy
from reelwright_simulators.simulate import simulate

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


# The CPU's time ends what does not end by itself: the clock also runs while others work.
LIMITS = Limits(seconds=60, cpu=1, memory=1 << 30, file=8 << 20, folder=32 << 20, files=2000)
SHORT = LIMITS.model_copy(update={"seconds": 1.5})
LIMITS_OF_BLENDER = Limits(
    seconds=120, cpu=12, memory=3 << 30, file=8 << 20, folder=32 << 20, files=2000
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
    before = outside.seen()
    limits = LIMITS_OF_BLENDER if in_blender(path) else LIMITS
    if path.stem == "loop_sleep":
        limits = SHORT
    reason = what_came(path, outside, folder, jail, limits)
    assert broken(outside, before, folder, reason) == set(), reason
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


def test_what_is_no_boundary_is_not_believed() -> None:
    fault = probe.fault(NO_JAIL)
    assert fault is not None
    for what in ("read outside", "write outside", "connect by TCP", "start a process", "a server"):
        assert what in fault


@pytest.mark.parametrize("jail", JAILS, ids=lambda jail: jail.name)
@pytest.mark.parametrize("lacking", ["landlock", "seccomp"])
def test_half_a_boundary_is_not_believed(
    jail: Jail, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher is told to leave out a part, and the probe sees what that lets in."""
    real = json.dumps

    def without(told: Any, **more: Any) -> str:
        if isinstance(told, dict) and lacking in told:
            told = {**cast(dict[str, Any], told), lacking: False}
        return real(told, **more)

    monkeypatch.setattr(sandbox.json, "dumps", without)
    fault = probe.fault(jail)
    if lacking == "landlock" and jail.name != "landlock":
        assert fault is None, "its namespaces hold without it"
    else:
        assert fault is not None
        assert "could" in fault


def test_the_strongest_is_taken_unless_another_is_named() -> None:
    for name, jail in sandbox.every().items():
        if isinstance(jail, Jail):
            assert sandbox.strongest(allow=name) is jail
        else:
            with pytest.raises(SimulationError, match=r"physics\.sandbox=none"):
                sandbox.strongest(allow=name)
    if JAILS:
        assert sandbox.strongest() is sandbox.strongest(allow="auto") is JAILS[0]
    assert sandbox.strongest(allow="none").name == "none"
    with pytest.raises(SimulationError, match="one of auto, landlock"):
        sandbox.strongest(allow="chroot")


def test_where_none_works_scripts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_tried", lambda name: "it is switched off")  # pyright: ignore[reportUnknownLambdaType]
    with pytest.raises(
        SimulationError, match=r"landlock: it is switched off.*apt install bubblewra"
    ):
        sandbox.strongest()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_is_jailed_as_well() -> None:
    """As nobody, and by an interpreter that nobody may run."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if not JAILS or JAILS[0].name != "landlock" or python is None:
        pytest.skip("there is no interpreter for everyone, or no Landlock")
    root = Path(__file__).parents[2]
    code = (
        "from reelwright_simulators import sandbox; import os; os.setgroups([]);"
        "os.setgid(65534); os.setuid(65534); print(sandbox.strongest(allow='landlock').name)"
    )
    done = subprocess.run(
        [python, "-c", code],
        env={"PYTHONPATH": f"{root / 'simulators'}:{root / 'src'}", "PATH": "/usr/bin:/bin"},
        cwd="/", capture_output=True, text=True,
    )  # fmt: skip
    if "PermissionError" in done.stderr or "No module" in done.stderr:
        pytest.skip("nobody may not read the project here")
    assert done.stdout.strip() == "landlock", done.stderr


def test_what_a_jail_leaves_behind_leads_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    (folder / "deep" / "real").mkdir(parents=True)
    (folder / sandbox.SCRATCH).mkdir()
    (folder / "deep" / "kept").write_text("kept")
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    (folder / "to-a-file").symlink_to(secret)
    (folder / "deep" / "to-a-folder").symlink_to(tmp_path, target_is_directory=True)
    (folder / "second-name").hardlink_to(secret)
    os.mkfifo(folder / "deep" / "pipe")
    assert tidy(folder) == ["deep/pipe", "deep/to-a-folder", "second-name", "to-a-file"]
    assert sorted(path.name for path in folder.rglob("*")) == ["deep", "kept", "real"]
    assert secret.read_text() == SECRET


def test_what_the_kernel_does_not_count_is_counted(tmp_path: Path) -> None:
    own = sandbox.Limits(folder=1 << 20, files=5, threads=1000)
    assert overrun(os.getpid(), tmp_path, own) is None
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(1 << 30)
    assert overrun(os.getpid(), tmp_path, own) is None, "a file of holes takes no room"
    (tmp_path / "full").write_bytes(bytes(2 << 20))
    assert "files grew over" in (overrun(os.getpid(), tmp_path, own) or "")
    (tmp_path / "full").unlink()
    for number in range(6):
        (tmp_path / str(number)).touch()
    assert "more than 5 files" in (overrun(os.getpid(), tmp_path, own) or "")
    assert "threads" in (overrun(os.getpid(), tmp_path / "x", sandbox.Limits(threads=0)) or "")


# the helper library, and good scripts ----------------------------------------------------------

EVERYTHING = """
gravity(0, 0, -3.7)
ground(height=0.1, look="sand", friction=0.4, restitution=0.9, colour="yellow")
ball("ball", (0, 0, 1), radius=0.2, material="rubber", velocity=(1, 0, 2), spin=(0, 90, 0),
     mass=2, friction=0.3, restitution=0.5, drag=0.1, instance=1)
block("block", (1, 0, 1), size=(0.1, 0.2, 0.3), rotation=(0, 0, 45), colour="red", soft=0.5)
cylinder("cone", (2, 0, 1), radius=0.1, height=0.4, top=0)
model("car", "car", (3, 0, 1), height=0.5, path=[(0, (3, 0, 1)), (2, (4, 0, 1), (0, 0, 9))])
card("card", "dog", (4, 0, 1), round=True, entity="ball")
cloth("sheet", (0, 1, 1), size=(1, 1), pins="top corners", lies=True, fabric="denim", detail=9)
flag("flag", (2, 2, 2), colour="blue")
liquid("water", (6, 0, 1), size=(1, 1, 1), source=(6, 0, 1.2), until=2, viscosity=0.1)
smoke("smoke", (8, 0, 1), size=(1, 1, 2), source=(8, 0, 0.3), fire=True)
wind(5, direction=(0, 1, 0), gusts=0.5)
force("vortex", 3, position=(1, 1, 1))
constraint("rod", "ball", (0, 0, 3))
constraint("spring", "block", (1, 0, 3), to="ball", length=1, stiffness=9, damping=1)
light("area", position=(0, 0, 5), strength=100, size=1)
light("point")
sky(top=(1, 2, 3), strength=0.5)
camera((0, -9, 1), (0, 0, 1), lens=50, moves=[(2, (1, -9, 1), (0, 0, 1))])
camera((9, -9, 1), (0, 0, 1), id="side")
run()
"""


@pytest.mark.skipif(not JAILS, reason="no sandbox works here")
def test_helpers_fill_a_whole_scene(tmp_path: Path) -> None:
    """What they make is what the contract's own types make, defaults and all."""
    assert lint(EVERYTHING) == []
    folder = tmp_path / "job"
    folder.mkdir()
    script = Script(text=EVERYTHING, base=BASE, entities=("ball",), jail=JAILS[0])
    answer = script.run(script.request(folder, "declare"), folder, limits=LIMITS, blender=PLAIN)
    scene = PhysicsScene.from_data(answer["scene"])
    assert scene.data() == answer["scene"]
    assert [thing.id for thing in scene.things()] == [
        "ball", "block", "cone", "car", "card", "flag-pole", "sheet", "flag", "water", "smoke",
    ]  # fmt: skip
    assert [body.entity for body in scene.bodies] == ["ball", None, None, None, "ball", None]
    assert (scene.frames, scene.fps, scene.size, scene.seed) == (3, 24, (32, 32), 0)
    assert [camera.id for camera in scene.cameras] == ["main", "side"]


def test_helpers_know_what_the_contract_knows() -> None:
    source = (sandbox.INSIDE / "helpers.py").read_text(encoding="utf-8")
    for kind in (Colour, Fabric):
        for name in get_args(kind):
            assert f'"{name}"' in source, name
    told = documentation()
    for kind in (Material, ModelName, Colour, Fabric):
        for name in get_args(kind):
            assert re.search(rf"\b{name}\b", told), name
    for name in helper_names():
        assert f"def {name}(" in told
    page = Path(__file__).parents[2] / "docs" / "sandbox.md"
    assert told in page.read_text(encoding="utf-8"), "docs/sandbox.md shows all helpers as they are"


@pytest.mark.skipif(not JAILS, reason="no sandbox works here")
@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("ball('Ball', (0, 0, 1))", 1, "lower-case letters"),
        ("ball('b', (0, 0))", 1, r"position is 3 numbers, got \(0, 0\)"),
        ("ball('b', (0, 0, 1), radius=-1)", 1, "radius.* from 0.0001 to 1000, got -1"),
        ("ball('b', (0, 0, float('nan')))", 1, "got nan"),
        ("ball('b', (0, 0, 1))\nball('b', (0, 1, 1))", 2, "two things called 'b'"),
        ("model('b', 'dragon', (0, 0, 1))", 1, "one of basketball, car"),
        ("ball('b', (0, 0, 1), entity='cat')", 1, "the shot has no entity 'cat'; it has: ball"),
        ("ball('b', (0, 0, 1), colour='mauve')", 1, "one of red, orange"),
        ("ball('b', (0, 0, 1), weight=1)", 1, "unexpected keyword argument 'weight'"),
        ("constraint('rod', 'b', (0, 0, 1))", 1, "no body 'b' yet; there are: none"),
        ("run()", 1, "nothing in the scene"),
        ("ball('b', (0, 0, 1))\nrun()\nball('c', (0, 0, 1))", None, None),
    ],
)
def test_wrong_calls_are_told_with_their_line(
    text: str, line: int | None, says: str | None, tmp_path: Path
) -> None:
    script = Script(text=text, base=BASE, entities=("ball",), jail=JAILS[0])
    if says is None:  # the scene is whole when `run` is called; what follows is for Blender
        with contextlib.suppress(ScriptFault):
            assert [body.id for body in scene_of(script, tmp_path).bodies] == ["b"]
        return
    with pytest.raises(ScriptFault) as caught:
        scene_of(script, tmp_path)
    assert f'File "the-script.py", line {line}, in <module>' in caught.value.told
    assert re.search(says, caught.value.told)


@pytest.mark.skipif(not JAILS, reason="no sandbox works here")
@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_scripts_make_scenes(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert lint(text) == []
    if needs_blender(text) and find.find() is None:
        pytest.skip("Blender is not installed")
    base = BASE.model_copy(update={"frames": 17, "fps": Fraction(8)})
    script = Script(text=text, base=base, jail=JAILS[0])
    scene = scene_of(script, tmp_path)
    assert scene.things()
    if not script.needs_blender:
        assert scene.digest() == scene_of(script, tmp_path).digest()
    assert len(GOOD) == 3


@pytest.mark.skipif(not JAILS, reason="no sandbox works here")
def test_a_script_that_goes_on_in_blender_is_filmed(tmp_path: Path) -> None:
    """What it made by itself is a thing of the scene: it has a way, and is seen in the picture."""
    if find.find() is None:
        pytest.skip("Blender is not installed")
    text = (
        "import bpy\n"
        "ball('ball', (-0.5, 0, 1))\n"
        "cloth('sheet', (0.6, 0.5, 1.2), size=(0.4, 0.4), pins='top', detail=6)\n"
        "camera((0, -4, 0.8), (0, 0, 0.8))\n"
        "run()\n"
        "bpy.ops.mesh.primitive_cube_add(size=0.5, location=(0, 0, 0.25))\n"
        "bpy.context.object.name = 'Big Box'\n"
        "for frame, x in ((1, -0.3), (3, 0.3)):\n"
        "    bpy.context.object.location.x = x\n"
        "    bpy.context.object.keyframe_insert('location', frame=frame)\n"
    )
    assert lint(text) == []
    script = Script(text=text, base=BASE, entities=("ball",), jail=JAILS[0])
    scene = scene_of(script, tmp_path / "declared")
    made = simulate(scene, tmp_path / "made", quality="draft", script=script)
    assert [way.thing for way in made.simulation.trajectories] == ["ball", "big-box", "sheet"]
    xs = [pose.position[0] for pose in made.simulation.trajectory("big-box").poses]
    assert xs == pytest.approx([-0.3, 0.0, 0.3], abs=1e-4)
    assert made.sketches["main"].things == [("ball", 0)]
    tracks = json.loads(made.sketches["main"].tracks.read_text())
    seen = {thing["thing"]: thing["area"] for thing in tracks["things"]}
    assert seen["big-box"][0] > seen["ball"][0] > 0
    assert seen["sheet"][0] > 0
    assert (tmp_path / "made" / "script.py").read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "from math import sin\nfor i in range(9):\n    block(f'b-{i}', (i, 0, sin(i) + 1))\nrun()",
        "def tower(count):\n    for level in range(count):\n"
        "        block(f'l-{level}', (0, 0, 0.15 + 0.3 * level))\ntower(5)\nrun()",
        "import random\nrandom.seed(3)\nxs = [random.uniform(-1, 1) for _ in range(5)]\nrun()",
        "n = 3\nwhile n:\n    n -= 1\nwhile True:\n    if n > 4:\n        break\n    n += 1\n",
        "try:\n    x = 1 / 0\nexcept ZeroDivisionError as error:\n    print(error)\n",
        "import bpy\nthing = run()['ball']\nthing.data.materials[0].diffuse_color = (1, 0, 0, 1)\n",
    ],
)
def test_ordinary_scripts_pass_the_linter(text: str) -> None:
    assert [str(fault) for fault in lint(text)] == []


def test_the_linter_survives_anything() -> None:
    for text in ("(" * 5000, "x = " + "-" * 100_000 + "1", "\0", "x" * 70_000, "1 +", "é = '", ""):
        assert len(lint(text)) <= 21
    assert len(lint("open()\n" * 100)) == 21


@pytest.mark.skipif(
    not JAILS or JAILS[0].name != "landlock", reason="there is no Landlock in this kernel"
)
@pytest.mark.parametrize("version", range(1, 8))
def test_older_landlocks_hold_as_well(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the rules that they know, and the calls that they do not guard refused."""
    older = tmp_path / "launch.py"
    older.write_text(
        f"import sys\nsys.path.insert(0, {str(sandbox.LAUNCH.parent)!r})\nimport launch\n"
        f"known = launch.landlock_version()\n"
        f"launch.landlock_version = lambda: min(known, {version})\nlaunch.main(sys.argv[1:])\n"
    )
    monkeypatch.setattr(sandbox, "LAUNCH", older)
    assert probe.fault(JAILS[0]) is None
