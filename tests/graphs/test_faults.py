"""What happens to a run when its process, its disk or its input is taken away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from reelwright_core.records import file_digest
from reelwright_core.settings import load_settings
from reelwright_graphs import run
from reelwright_graphs.batch import batch

SCRIPT = "A red car drives from left to right on a beach. Two dogs jump. A blue ball falls.\n"
STILL = ["--set", "generator.model=still", "--set", "critic.threshold=0"]


def reelwright(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reelwright", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def killed_after(lines: int, *arguments: str, cwd: Path, events: Path) -> bool:
    """Starts the command line and kills it when `events` has so many lines more; was it alive?"""
    had = len(events.read_bytes().splitlines()) if events.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "reelwright", *arguments],
        cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None:
        if events.exists() and len(events.read_bytes().splitlines()) >= had + lines:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.002)
    return False


def test_a_run_killed_again_and_again_ends_with_the_same_film(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    whole = run.film(
        SCRIPT, out=tmp_path / "whole",
        settings={"generator.model": "still", "critic.threshold": 0.0},
    )  # fmt: skip
    out = tmp_path / "run"
    finished: dict[Path, int] = {}
    for lines in (2, 6, 11, 17, 25):
        killed_after(
            lines, "film", "script.txt", "--out", "run", *STILL,
            cwd=tmp_path, events=out / "events.jsonl",
        )  # fmt: skip
        for clip, time_ns in finished.items():
            assert clip.stat().st_mtime_ns == time_ns, f"{clip} was made again"
        finished = {
            result.parent / f"take-{json.loads(result.read_bytes())['chosen']}" / "clip.mp4": 0
            for result in out.glob("shots/*/result.json")
        }
        finished = {clip: clip.stat().st_mtime_ns for clip in finished}
    ended = reelwright("resume", "run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert file_digest(out / "film.mp4") == file_digest(whole.run / "film.mp4")
    assert not list(out.rglob("*.tmp-*"))


def test_a_batch_killed_in_the_middle_goes_on_and_makes_none_twice(tmp_path: Path) -> None:
    prompts = ["A red car drives left.", "Two dogs jump.", "A ball falls.", "A cat stays in snow."]
    (tmp_path / "prompts.txt").write_text("\n".join(prompts) + "\n", encoding="utf-8")
    manifest = tmp_path / "films" / "batch.jsonl"
    arguments = ("batch", "prompts.txt", "--out", "films", *STILL)
    assert killed_after(2, *arguments, cwd=tmp_path, events=manifest)
    done = [json.loads(line)["id"] for line in manifest.read_text().splitlines()]
    with manifest.open("a") as file:
        file.write('{"id": "0003-torn')  # as a kill in the middle of a line leaves it
    times = {id: (tmp_path / "films" / id / "film.mp4").stat().st_mtime_ns for id in done}
    ended = reelwright(*arguments, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "4 of 4 films" in ended.stdout
    films = sorted((tmp_path / "films").glob("*/film.mp4"))
    assert len(films) == 4
    for id, time_ns in times.items():
        assert (tmp_path / "films" / id / "film.mp4").stat().st_mtime_ns == time_ns
        assert f"{id}: already done" in ended.stdout


def test_a_batch_goes_on_after_rows_that_fail_or_are_none(tmp_path: Path) -> None:
    rows = [
        json.dumps({"id": "one", "script": "A red ball falls."}),
        "{not json",
        json.dumps({"id": "one", "script": "A cat jumps."}),
        json.dumps({"script": "Hmm."}),
        json.dumps({"id": "../up", "script": "A cat jumps."}),
        json.dumps({"id": "last", "prompt": "A cat jumps.", "seed": 3}),
    ]
    content = "\n".join(rows).encode() + b"\n\xff\xfe\n"
    (tmp_path / "rows.jsonl").write_bytes(content)
    settings = load_settings({"generator.model": "still", "critic.threshold": 0.0})
    outcomes = batch(tmp_path / "rows.jsonl", out=tmp_path / "films", settings=settings)
    assert [outcome.status for outcome in outcomes] == [
        "done", "refused", "refused", "failed", "refused", "done", "refused",
    ]  # fmt: skip
    assert [outcome.line for outcome in outcomes] == [1, 2, 3, 4, 5, 6, 7]
    assert not (tmp_path / "up").exists()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: float) -> Generator[None]:
    """A disk of so many megabytes at `folder`."""
    folder.mkdir()
    size = f"size={int(megabytes * 1024)}k"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_nothing_finished_is_lost(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    disk = tmp_path / "disk"
    with small_disk(disk, 1.5):
        filler = disk / "filler"
        filler.write_bytes(b"x" * 1_150_000)
        ended = reelwright("film", "script.txt", "--out", "disk/run", *STILL, cwd=tmp_path)
        assert ended.returncode == 1
        assert "the disk is full" in ended.stderr
        assert "Traceback" not in ended.stderr
        filler.unlink()
        again = reelwright("film", "script.txt", "--out", "disk/run", *STILL, cwd=tmp_path)
        assert again.returncode == 0, again.stderr


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "file").write_text("in the way")
    ended = reelwright("film", "script.txt", "--out", "file/run", *STILL, cwd=tmp_path)
    assert ended.returncode in (1, 2)
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "Traceback" not in ended.stderr


BAD = {
    "empty.txt": b"",
    "blank.txt": b" \n\t\n",
    "binary.txt": bytes(range(256)) * 20,
    "latin.txt": "Ein Hund läuft.".encode("latin-1"),
    "big.txt": b"A dog runs. " * 90_000,
    "nothing.txt": b"Hmm. Well, indeed.",
    "wrong.yaml": b"schema: Storyboard.1\nshots:\n  - id: s01\n    promt: a dog\n",
    "torn.yaml": b"shots: [",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_and_exit_code_2(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BAD[name])
    ended = reelwright("film", name, "--out", "run", cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("reelwright: ")
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "run").exists()
    if name == "wrong.yaml":
        assert "wrong.yaml:4: " in ended.stderr
        assert "did you mean `prompt`" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--graph", "sotry"), "did you mean `story`"),
        (("--set", "takes.mx=1"), "did you mean `takes.max`"),
        (("--set", "takes.max=many"), "takes.max"),
        (("--set", "takes.max"), "NAME=VALUE"),
        (("--set", "generator.model=/nowhere"), "/nowhere"),
        (("--set", "planner.brain=openai"), "needs a key"),
        (("--set", "critic.brain=captions-openai"), "needs a key"),
    ],
)
def test_wrong_options_are_one_message_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    ended = reelwright("film", "script.txt", "--out", "run", *arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_an_endpoint_that_is_down_is_told_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    ended = reelwright(
        "film", "script.txt", "--out", "run", *STILL, "--set", "planner.brain=openai",
        "--set", "endpoint.base_url=http://127.0.0.1:9/v1", "--set", "endpoint.retries=0",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "127.0.0.1:9" in ended.stderr
    assert "Traceback" not in ended.stderr
    again = reelwright("resume", "run", "--set", "planner.brain=offline", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_ctrl_c_says_that_nothing_finished_is_lost(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "reelwright", "film", "script.txt", "--out", "run", *STILL]
    # A test run in the background may have been told to ignore Ctrl-C, and its children with it.
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    events = tmp_path / "run" / "events.jsonl"
    while not events.exists() or len(events.read_bytes().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was finished stays" in told
    assert "Traceback" not in told
    assert reelwright(*command[3:], cwd=tmp_path).returncode == 0
