"""Blender in a process of its own: what it answers, what it may do wrong, and that it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reelwright_core.errors import InputError, SettingsError, StorageError
from reelwright_core.physics import Ball, Body, Camera, PhysicsScene, View
from reelwright_simulators.blender import find, install, worker
from reelwright_simulators.blender.find import Blender, NoBlender
from reelwright_simulators.blender.worker import BlenderError, Limits, Warm, last_words

JOBS = Path(__file__).with_name("blender_jobs.py")
SECRET = "canary-0123456789"
HOST = """
import sys
from pathlib import Path
from reelwright_simulators.blender import worker
worker.MAIN = Path(sys.argv[1])
print("ready", flush=True)
worker.run({"job": sys.argv[2], "fluids": True}, folder=Path(sys.argv[3]))
"""


@pytest.fixture
def jobs(blender: Blender, monkeypatch: pytest.MonkeyPatch) -> Blender:
    """A Blender whose `main.py` also knows the jobs that misbehave."""
    monkeypatch.setattr(worker, "MAIN", JOBS)
    return blender


def failed(job: str, limits: Limits | None = None, **more: Any) -> BlenderError:
    """How a request fails."""
    with pytest.raises(BlenderError) as failure:
        worker.run({"job": job, **more}, folder=Path("made"), limits=limits)
    assert not list(Path("made").glob(".blender*")), "its home is left"
    return failure.value


def alive(pid: int) -> bool:
    """Whether a process still runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def soon(truth: Callable[[], bool]) -> bool:
    """Waits until something is true."""
    for _ in range(1500):
        if truth():
            return True
        time.sleep(0.02)
    return False


def number(name: str) -> int:
    """The number in a file of the request's folder, once it is there."""
    found: list[int] = []

    def there() -> bool:
        with contextlib.suppress(FileNotFoundError, ValueError):
            found.append(int(Path("made", name).read_text()))
        return bool(found)

    assert soon(there), f"{name} was not written"
    return found[0]


def test_a_probe_says_which_blender_this_is(blender: Blender) -> None:
    told = worker.run({"job": "probe", "fluids": True}, folder=Path("made"))
    assert told["blender"] == blender.version
    assert told["module"] == (blender.kind == "module")
    assert told["fluids"] is True
    assert {path.name for path in Path("made").iterdir()} == {"request.json", "result.json"}


def test_smoke_is_baked_though_the_module_ships_it_broken(jobs: Blender) -> None:
    told = worker.run({"job": "smoke"}, folder=Path("made"))
    assert told["broken"] == (jobs.kind == "module")
    assert len(told["sums"]) == 8
    assert told["sums"][7] > told["sums"][1] > 0


def test_what_goes_wrong_inside_is_told_with_its_place(jobs: Blender) -> None:
    error = failed("fault")
    assert (error.cause, error.kind) == ("error", "KeyError")
    assert "no such thing" in error.detail
    assert 'bpy.data.objects["no such thing"]' in error.trace
    assert "the fault in Blender failed: KeyError: " in str(error)
    assert "blender_jobs.py, line " in str(error)
    for path in (str(worker.INSIDE), str(Path.cwd()), str(Path.home())):
        assert path not in error.trace


def test_an_end_that_is_raised_is_an_answer_as_well(jobs: Blender) -> None:
    assert (failed("leave").kind, failed("leave").detail) == ("SystemExit", "I go")


def test_an_unknown_job_is_refused(blender: Blender) -> None:
    assert failed("dance").kind == "KeyError"


def test_numbers_that_are_none_are_an_error(jobs: Blender) -> None:
    assert failed("endless_number").kind == "ValueError"


def test_a_loop_without_end_is_ended_and_so_is_its_child(jobs: Blender) -> None:
    error = failed("loop", Limits(seconds=8))
    assert error.cause == "time"
    assert "the loop in Blender took longer than 8 s and was ended. It said last:\n" in str(error)
    assert str(error).endswith("round and round")
    for name in ("pid", "child"):
        pid = number(name)
        assert soon(lambda pid=pid: not alive(pid)), f"its {name} lives on"


def test_what_an_answer_leaves_running_is_ended(jobs: Blender) -> None:
    child = worker.run({"job": "leave_child"}, folder=Path("made"))["child"]
    assert soon(lambda: not alive(child))


@pytest.mark.parametrize(
    ("job", "more", "says"),
    [
        ("end", {"code": 7}, "was ended by itself with exit code 7. It said last:\nthe end"),
        ("end", {"code": 0}, "ended without an answer. It said last:\nthe end"),
        ("end", {"code": 0, "writes": '{"schema": "BlenderResult.1", "answer": {'}, "no answer"),
        ("end", {"code": 0, "writes": '{"answer": {}}'}, "no answer"),
        ("crash", {}, "was ended by SIGSEGV. It said last:\nFatal Python error: Segmentation"),
    ],
)
def test_an_end_without_an_answer_is_told(
    jobs: Blender, job: str, more: dict[str, Any], says: str
) -> None:
    error = failed(job, **more)
    assert says in str(error) or says == error.cause


def test_an_older_answer_is_not_believed(jobs: Blender) -> None:
    assert worker.run({"job": "step"}, folder=Path("made")) == {"frames": 3}
    assert failed("crash").cause == "ended"
    assert not Path("made/result.json").exists()


def test_more_memory_than_allowed_is_refused(jobs: Blender) -> None:
    assert failed("hoard", Limits(memory=4 << 30)).kind == "MemoryError"


def test_a_flood_of_files_is_stopped(jobs: Blender) -> None:
    error = failed("flood", Limits(folder=100 << 20))
    assert error.cause == "output"
    assert "its files grew over 0.1 GB" in str(error)
    assert failed("flood", Limits(files=50)).cause == "output"
    assert failed("flood", Limits(file=1000)).kind == "OSError"


def test_cpu_seconds_are_limited(jobs: Blender) -> None:
    error = failed("burn", Limits(cpu=3))
    assert error.cause == "ended"
    assert "SIGXCPU: it used up its CPU seconds" in str(error)


def test_what_is_printed_is_no_message(jobs: Blender) -> None:
    told: list[tuple[str, int, int]] = []

    def tell(stage: str, frame: int, frames: int) -> None:
        told.append((stage, frame, frames))

    answer = worker.run({"job": "chatter"}, folder=Path("made"), on_progress=tell)
    assert answer == {"said": 20_000}
    assert told == []


def test_progress_is_told_and_may_stop_it(jobs: Blender) -> None:
    told: list[tuple[str, int, int]] = []

    def tell(stage: str, frame: int, frames: int) -> None:
        told.append((stage, frame, frames))

    worker.run({"job": "step"}, folder=Path("made"), on_progress=tell)
    assert told == [("solve", 1, 3), ("solve", 2, 3), ("solve", 3, 3)]

    def enough(stage: str, frame: int, frames: int) -> None:
        raise InterruptedError(f"{stage} {frame}/{frames}")

    with pytest.raises(InterruptedError, match="solve 1/3"):
        worker.run({"job": "step", "pause": 100}, folder=Path("made"), on_progress=enough)


def test_it_hears_the_wish_to_stop(jobs: Blender) -> None:
    stopping = threading.Event()

    def stop(stage: str, frame: int, frames: int) -> None:
        stopping.set()

    with pytest.raises(BlenderError, match="the step in Blender was stopped") as failure:
        worker.run(
            {"job": "step", "pause": 100},
            folder=Path("made"),
            stopping=stopping,
            on_progress=stop,
        )
    assert failure.value.cause == "stopped"


def test_it_sees_nothing_of_our_environment(jobs: Blender, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "REELWRIGHT_ENDPOINT__API_KEY", "SOME_TOKEN", "PYTHONPATH"):
        monkeypatch.setenv(name, SECRET)
    told = worker.run({"job": "see"}, folder=Path("made"))
    assert SECRET not in json.dumps(told)
    here = str(Path("made").resolve())
    assert told["environment"]["HOME"].startswith(here)
    assert told["environment"]["TMPDIR"].startswith(here)
    assert (told["cwd"], told["input"]) == (here, "")
    assert told["path"] == str(worker.INSIDE)


def host(job: str) -> subprocess.Popen[str]:
    """Another process that runs a request in `made`, and has started to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOST, str(JOBS), job, "made"],
        env={**os.environ, "TMPDIR": str(Path.cwd())},  # it is killed while it looks for Blender
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    return process


def test_it_goes_when_its_host_is_killed(jobs: Blender) -> None:
    process = host("loop")
    pid = number("pid")
    process.kill()
    process.wait()
    assert soon(lambda: not alive(pid))
    os.kill(number("child"), signal.SIGKILL)  # only a sandbox holds what has no host any more


@pytest.mark.parametrize("moment", [0.05, 0.35, 0.7, 1.0])
def test_a_killed_host_leaves_nothing_that_is_believed(jobs: Blender, moment: float) -> None:
    process = host("probe")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    process.kill()
    process.wait()
    left = Path("made/result.json")
    assert not left.exists() or json.loads(left.read_text())["answer"]["fluids"]
    told = worker.run({"job": "probe", "fluids": True}, folder=Path("made"))
    assert told["fluids"] is True
    assert {path.name for path in Path("made").iterdir()} == {"request.json", "result.json"}


def kill_children() -> None:
    """Kills every process that this thread has started."""
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    for pid in children.read_text().split():
        os.kill(int(pid), signal.SIGKILL)


@pytest.mark.parametrize("frame", [1, 2, 3])
def test_a_killed_worker_is_told_and_the_same_call_succeeds(jobs: Blender, frame: int) -> None:
    def kill(stage: str, done: int, frames: int) -> None:
        if done == frame:
            kill_children()

    request = {"job": "step", "pause": 0.3}
    with pytest.raises(BlenderError, match="SIGKILL; the machine may have run out of memory"):
        worker.run(request, folder=Path("made"), on_progress=kill)
    assert worker.run(request, folder=Path("made")) == {"frames": 3}


def test_a_worker_killed_in_a_simulation_leaves_none_and_the_next_is_the_same(
    blender: Blender,
) -> None:
    camera = Camera(id="front", views=[View(position=(0, -5, 1), look_at=(0, 0, 1))])
    ball = Body(id="ball", shape=Ball(), position=(0, 0, 1.5), material="rubber")
    scene = PhysicsScene(frames=12, size=(96, 64), bodies=[ball], cameras=[camera])
    request = {"job": "render", "scene": scene.data(), "quality": "preview"}
    whole = worker.run(request, folder=Path("whole"))
    assert whole["trajectories"]["ball"]["positions"][6][2] < 1.4
    for stage, frame in (("solve", 2), ("render", 1), ("render", 7)):

        def kill(now: str, done: int, frames: int, at: tuple[str, int] = (stage, frame)) -> None:
            if now == at[0] and done >= at[1]:
                kill_children()

        with pytest.raises(BlenderError):
            worker.run(request, folder=Path("made"), on_progress=kill)
        assert not Path("made/result.json").exists()
    again = worker.run(request, folder=Path("made"))
    assert again["trajectories"] == whole["trajectories"]
    for name in ("rgb-0005.png", "empty.png"):
        with (
            Image.open(Path("made/front", name)) as made,
            Image.open(Path("whole/front", name)) as expected,
        ):
            assert made.tobytes() == expected.tobytes()
    for name in ("depth.npy", "ids.npy", "flow.npy"):
        assert Path("made/front", name).read_bytes() == Path("whole/front", name).read_bytes()


def test_a_warm_worker_takes_one_after_one(jobs: Blender) -> None:
    with Warm(scenes=3) as warm:
        first, second, third = (warm.run({"job": "see"}, folder=Path("made")) for _ in range(3))
        assert first["pid"] == second["pid"] == third["pid"]
        assert second["objects"] == third["objects"] == []
        assert soon(lambda: not alive(first["pid"])), "it is not renewed"
        fourth = warm.run({"job": "see"}, folder=Path("made"))
        assert fourth["pid"] == warm.pid != first["pid"]
    assert soon(lambda: not alive(fourth["pid"]))


def test_a_warm_worker_outlives_errors_deaths_and_stops(jobs: Blender) -> None:
    def stop(stage: str, frame: int, frames: int) -> None:
        raise InterruptedError

    with Warm() as warm:
        for job, cause in (("fault", "error"), ("crash", "ended")):
            with pytest.raises(BlenderError) as failure:
                warm.run({"job": job}, folder=Path("made"))
            assert failure.value.cause == cause
            assert warm.run({"job": "step"}, folder=Path("made")) == {"frames": 3}
        with pytest.raises(InterruptedError):
            warm.run({"job": "step", "pause": 100}, folder=Path("made"), on_progress=stop)
        assert warm.run({"job": "step"}, folder=Path("made")) == {"frames": 3}
        os.kill(warm.pid or 0, signal.SIGKILL)
        with pytest.raises(BlenderError, match="SIGKILL"):
            warm.run({"job": "step"}, folder=Path("made"))
        assert warm.run({"job": "step"}, folder=Path("made")) == {"frames": 3}


def test_a_warm_worker_stays_when_the_thread_that_began_goes(jobs: Blender) -> None:
    pids: list[int] = []
    with Warm() as warm:
        for _ in range(2):
            thread = threading.Thread(
                target=lambda: pids.append(warm.run({"job": "see"}, folder=Path("made"))["pid"])
            )
            thread.start()
            thread.join()
    assert pids[0] == pids[1]


def test_a_warm_worker_takes_no_scripts(blender: Blender) -> None:
    with Warm() as warm, pytest.raises(ValueError, match="process of its own"):
        warm.run({"job": "script"}, folder=Path("made"))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Blender."""
    for name in ("HOME", "XDG_DATA_HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    monkeypatch.delenv(find.VARIABLE, raising=False)
    if find.find_spec("bpy") is not None:
        pytest.skip("bpy is installed beside Reelwright")


def test_without_blender_it_says_what_to_do(nowhere: None) -> None:
    assert find.find() is None
    with pytest.raises(NoBlender, match="`reelwright doctor --install blender` installs it"):
        worker.run({"job": "probe"}, folder=Path("made"))
    assert not Path("made").exists()


def script(name: str, text: str) -> str:
    """A program in the test's folder."""
    path = Path("empty", name).absolute()
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("nothing/there", "got 'nothing/there', which is no program"),
        (sys.executable, "bpy cannot be imported: ModuleNotFoundError: No module named 'bpy'"),
        ("silent", "it does not say which Blender it is: nothing"),
        ("old", "it is version 3.4.1; from 4.2 to before 5.0 it must be, 4.5.15 is best"),
        ("new", "it is version 5.0.1; from 4.2 to before 5.0"),
        ("bare", "system libraries: apt-get install --no-install-recommends libx11-6 .* libegl1"),
    ],
)
def test_a_setting_that_names_no_blender_is_told(
    nowhere: None, monkeypatch: pytest.MonkeyPatch, named: str, says: str
) -> None:
    programs = {
        "silent": "exit 0",
        "old": "echo Blender 3.4.1",
        "new": "echo Blender 5.0.1",
        "bare": "echo 'libXrender.so.1: cannot open shared object file: No such file' >&2",
    }
    if named in programs:
        named = script(named, programs[named])
    monkeypatch.setenv(find.VARIABLE, named)
    with pytest.raises(SettingsError, match=f"REELWRIGHT_BLENDER names a Python .*{says}"):
        find.required()


def test_a_setting_that_names_one_is_taken(
    blender: Blender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(find.VARIABLE, str(blender.path))
    found = find.required()
    assert (found.source, found.version) == (find.VARIABLE, blender.version)


def test_one_that_does_not_work_is_passed_over_and_told(
    nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = script("blender", "echo Blender 2.79")
    search = find.search()
    assert search.blender is None
    assert search.passed == (
        f"{path} (the PATH): it is version 2.79; from 4.2 to before 5.0 it must be, "
        "4.5.15 is best.",
    )
    script("blender", "echo Blender 4.2.3 LTS")
    find.forget()
    found = find.required()
    assert (found.kind, found.version, found.source) == ("program", "4.2.3 LTS", "the PATH")
    assert found.command(Path("x.py"))[1:] == [
        "--background", "--factory-startup", "-noaudio", "--python-exit-code", "1",
        "--python", "x.py", "--",
    ]  # fmt: skip


def test_the_program_runs_requests_as_the_module_does(
    blender: Blender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is called as the program is, and hands on what stands behind `--`."""
    if blender.kind == "program":
        pytest.skip("the program is what every other test runs")
    path = script(
        "blender",
        f"""
        test "$1" = --version && echo "Blender {blender.version}" && exit
        echo Blender {blender.version}
        while test "$1" != --python; do shift; done
        exec {blender.path} "$2" --background --python "$2" "$3" "$4"
        """,
    )
    monkeypatch.setenv(find.VARIABLE, path)
    assert find.required().kind == "program"
    told = worker.run({"job": "probe"}, folder=Path("made"))
    assert told["blender"] == blender.version


@pytest.mark.skipif(sys.version_info[:2] != install.PYTHON, reason="bpy is built for Python 3.11")
def test_an_install_that_cannot_fetch_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    said: list[str] = []
    with pytest.raises(install.InstallError, match=r"bpy 4\.5\.15 could not be fetched: .*network"):
        install.install(said.append)
    assert said[0] == f"making {tmp_path}/data/reelwright/blender-4.5.15"
    assert list((tmp_path / "data/reelwright").iterdir()) == []


def test_an_install_that_is_there_says_so(blender: Blender) -> None:
    if blender.source != "the managed environment":
        pytest.skip("the managed environment is not made here")
    said: list[str] = []
    assert install.install(said.append) == blender
    assert said == [f"bpy 4.5.15 is there already: {find.managed()}"]


def test_an_install_needs_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(install, "NEEDED", 10**18)
    if sys.version_info[:2] == install.PYTHON:
        with pytest.raises(StorageError, match=r"Blender needs 1000000000\.0 GB in "):
            install.install(print)
    assert find.managed() == tmp_path / "data/reelwright/blender-4.5.15"


def test_only_blender_can_be_installed() -> None:
    from reelwright.doctor import install as doctor_install

    with pytest.raises(InputError, match="what can be installed is `blender`, got 'blendr'"):
        doctor_install("blendr", print)


def test_last_words_are_short_and_say_no_paths() -> None:
    said = b"/opt/here/main.py fails\n\x1b[31mFra:3 Mem:1M\n\nEGL_BAD_MATCH\n" + b"word\n" * 20
    assert last_words(said) == "It said last:\n" + "\n".join(["word"] * 8)
    assert last_words(b'/opt/here/x fails in "/usr/lib/a/b.py"', ["/opt/here"]) == (
        'It said last:\nx fails in "a/b.py"'
    )
    assert last_words(b"Fra:3 Mem:1M\n") == "It said nothing."
