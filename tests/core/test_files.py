from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from reelwright_core.errors import LockedError, StorageError
from reelwright_core.files import (
    locked,
    storage_errors,
    sweep,
    write_bytes,
    write_json,
    write_text,
    written_whole,
)

KILLED_IN_THE_MIDDLE = """
import sys, time
from pathlib import Path
from reelwright_core.files import written_whole
with written_whole(Path(sys.argv[1])) as aside:
    aside.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""
HOLD = """
import sys, time
from pathlib import Path
from reelwright_core.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""
OVER_THE_LIMIT = """
import errno, resource, signal, sys
from pathlib import Path
from reelwright_core.errors import StorageError
from reelwright_core.files import write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_bytes(Path(sys.argv[1]), b"x" * 200_000)
except StorageError as error:
    assert error.__cause__.errno == errno.EFBIG
    print(error)
"""


@contextlib.contextmanager
def started(script: str, path: Path) -> Generator[subprocess.Popen[str]]:
    """A Python that runs `script` and has said its first line; killed in the end."""
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Generator[None]:
    """A tmpfs at `folder`; skips where mounting is not permitted."""
    folder.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("mounting needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "notes.txt", "é 名前\n")
    write_json(tmp_path / "a.json", {"σ": [1, None]})
    assert (tmp_path / "a/b/notes.txt").read_bytes() == "é 名前\n".encode()
    assert (tmp_path / "a.json").read_text() == '{\n  "σ": [\n    1,\n    null\n  ]\n}\n'
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "a.json", "b", "notes.txt"]


@pytest.mark.parametrize("name", ["film.mp4", "a.png", "masks.npz", "a.webp", "run.yaml", "run"])
def test_until_the_block_ends_the_file_is_not_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with written_whole(path) as aside:
        aside.write_text("half")
        assert not path.exists()
        assert aside.parent == tmp_path
        if name.endswith((".mp4", ".png", ".npz", ".webp")):
            assert aside.suffix == path.suffix
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_crash_in_the_middle_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, fault: type[BaseException]
) -> None:
    (tmp_path / "kept.txt").write_text("old")
    for name in ("new.txt", "kept.txt"):
        with pytest.raises(fault), written_whole(tmp_path / name) as aside:  # noqa: PT012
            aside.write_text("half")
            raise fault
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
    assert (tmp_path / "kept.txt").read_text() == "old"


@pytest.mark.parametrize("data", [float("nan"), {1, 2}, "\ud800"])
def test_data_that_is_no_json_leaves_nothing(tmp_path: Path, data: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", {"a": data})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["film.mp4", "run.yaml"])
def test_a_kill_in_the_middle_leaves_only_what_is_swept(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("old")
    with started(KILLED_IN_THE_MIDDLE, tmp_path / "run" / name) as process:
        sweep(tmp_path)  # It is alive: its half-written file must stay.
        assert len(list((tmp_path / "run").iterdir())) == 2
        process.kill()
        process.wait()
    assert len(list((tmp_path / "run").iterdir())) == 2
    sweep(tmp_path)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [name]
    assert (tmp_path / "run" / name).read_text() == "old"


def test_sweeping_leaves_alone_what_is_not_its_own(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    stay = ["film.mp4", f"film.tmp-{dead.pid}", ".tmp-x", ".a.tmp-old", f".a.tmp-{os.getpid()}"]
    for name in [*stay, f".a.tmp-{dead.pid}", f".b.tmp-{dead.pid}-7.mp4", f".c.tmp-{10**30}"]:
        (tmp_path / name).touch()
    (tmp_path / f".clips.tmp-{dead.pid}").mkdir()
    (tmp_path / f".clips.tmp-{dead.pid}" / "1.mp4").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f".link.tmp-{dead.pid}").symlink_to(elsewhere)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*stay, "elsewhere"])


def test_what_a_dead_process_of_the_same_number_left_does_no_harm(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    with written_whole(tmp_path / "a") as aside:
        aside.touch()
    head, _, count = aside.name.rpartition("-")
    (tmp_path / f"{head}-{int(count) + 1}").hardlink_to(kept)
    write_text(tmp_path / "a", "new")
    assert kept.read_text() == "kept"
    assert (tmp_path / "a").read_text() == "new"


def test_many_threads_may_write_one_file(tmp_path: Path) -> None:
    faults: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for _ in range(20):
                write_bytes(tmp_path / "a", bytes([number]) * 5000)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(set((tmp_path / "a").read_bytes())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_is_a_storage_error_and_keeps_what_was_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k"):
        write_bytes(disk / "film.mp4", b"old")
        for name in ("film.mp4", "new.mp4"):
            with pytest.raises(StorageError, match=rf"the disk is full: .*{name}"):
                write_bytes(disk / name, b"x" * 200_000)
        assert [path.name for path in disk.iterdir()] == ["film.mp4"]
        assert (disk / "film.mp4").read_bytes() == b"old"
        write_bytes(disk / "new.mp4", b"x" * 20_000)  # The space is free again.


def test_a_file_over_the_limit_of_the_process_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("old")
    command = [sys.executable, "-c", OVER_THE_LIMIT, str(tmp_path / "film.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "film.mp4 could not be written: File too large" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_text() == "old"


def test_a_folder_that_may_not_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "ro"):
        with pytest.raises(StorageError, match=r"may not be written .*choose another folder"):
            write_text(tmp_path / "disk" / "a.txt", "a")
        with pytest.raises(StorageError, match="may not be written"), locked(tmp_path / "disk"):
            pytest.fail("there can be no lock")


@pytest.mark.parametrize("path", ["notes/run.yaml", "notes/a/run.yaml"])
def test_a_file_in_the_place_of_a_folder_is_a_storage_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(StorageError, match="a file stands where a folder must be"):
        write_text(tmp_path / path, "a")
    with (
        pytest.raises(StorageError, match="a file stands where a folder must be"),
        locked(tmp_path / "notes"),
    ):
        pytest.fail("there can be no lock")
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_folder_in_the_place_of_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(StorageError, match="could not be written: Is a directory"):
        write_text(tmp_path / "film.mp4", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG])
def test_every_fault_of_a_disk_names_the_file(number: int) -> None:
    path = Path("runs/beach/film.mp4")
    with pytest.raises(StorageError, match=r"runs/beach/film\.mp4") as fault, storage_errors(path):
        raise OSError(number, os.strerror(number))
    assert isinstance(fault.value.__cause__, OSError)


def test_a_second_process_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    with started(HOLD, tmp_path / "run") as process:
        with (
            pytest.raises(LockedError, match=rf"in use by process {process.pid};"),
            locked(tmp_path / "run"),
        ):
            pytest.fail("two processes hold one lock")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with locked(tmp_path / "run"):
            assert (tmp_path / "run/run.lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_is_not_taken_twice_by_one_process_and_is_free_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            locked(tmp_path),
            pytest.raises(LockedError, match=str(os.getpid())),
            locked(tmp_path),
        ):
            pytest.fail("one lock was taken twice")
    with pytest.raises(RuntimeError, match="mine"), locked(tmp_path):
        raise RuntimeError("mine")
    with locked(tmp_path):
        pass


def test_a_program_that_is_started_under_a_lock_does_not_keep_it(tmp_path: Path) -> None:
    with locked(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with locked(tmp_path):
            pass
    finally:
        child.kill()
        child.communicate()
