"""Runs requests in Blender: a process of its own for each, which nothing of it outlives.

A request is a mapping with `job` and what that job needs (`inside/main.py` says which); the
answer is one as well. A hang, a crash, an endless or greedy script each end in a `BlenderError`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal, cast

from pydantic import Field

from reelwright_core.errors import SimulationError
from reelwright_core.files import storage_errors, sweep, write_json
from reelwright_core.records import Record
from reelwright_simulators.blender import find
from reelwright_simulators.blender.environment import clean
from reelwright_simulators.blender.find import Blender
from reelwright_simulators.sandbox import Jail
from reelwright_simulators.sandbox import Limits as JailLimits
from reelwright_simulators.sandbox.watch import overrun, tidy

INSIDE = Path(__file__).with_name("inside")
"""What Blender's own interpreter runs."""
MAIN = INSIDE / "main.py"
GUARD = Path(__file__).with_name("guard.py")
REQUEST, RESULT = "request.json", "result.json"
SCHEMA = "BlenderResult.1"

_SLICE = 0.1
"""Seconds at most between two looks at the clock, the folder and the wish to stop."""
_TAIL = 64 * 1024
"""Bytes of what Blender says that are kept."""
_LINES, _WORDS = 8, 1200
"""Of its last words, how many lines and characters an error shows."""
_LONGEST = 1 << 20
"""Bytes of the longest message."""
_RESULT_AT_MOST = 256 << 20
_LONGEST_ERROR = 20_000
"""Characters of an error's parts; a script may have written them itself."""
_NOISE = re.compile(r"Fra:\d+ |\s*Saved: |\s*Time: |.*\bEGL_BAD_MATCH\b|.*libEGL warning")
_count = itertools.count(1)
_CONTROL_SIGNS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\S\n]|[\x00-\x09\x0b-\x1f\x7f-\x9f]")

OnProgress = Callable[[str, int, int], None]
"""Is told the stage (`solve`, `render`), how many frames are done, and of how many; it stops the
request by raising."""
Cause = Literal["error", "time", "output", "ended", "no answer", "stopped"]


class Limits(Record):
    """What one request may use; more of it ends the process."""

    seconds: float = Field(default=300.0, gt=0)
    """By the clock."""
    cpu: int | None = Field(default=None, gt=0)
    """Seconds of all cores together; None is `seconds` of every core."""
    memory: int = Field(default=(8 << 30) + (os.cpu_count() or 1) * (100 << 20), gt=0)
    """Bytes of address space, of which the threads of each core take some; allocating more fails
    inside."""
    file: int = Field(default=1 << 30, gt=0)
    """Bytes of the largest file."""
    folder: int = Field(default=4 << 30, gt=0)
    """Bytes of all its files together."""
    files: int = Field(default=20_000, gt=0)
    """How many files and folders it may make."""

    def of_jail(self) -> JailLimits:
        """The same, as a sandbox keeps them."""
        return JailLimits(
            cpu=self.cpu or int(self.seconds * (os.cpu_count() or 1)) + 1,
            memory=self.memory,
            file=self.file,
            folder=self.folder,
            files=self.files,
            threads=max(512, 8 * (os.cpu_count() or 1)),
        )


class BlenderError(SimulationError):
    """A request that Blender did not answer; `cause` tells a script's fault from a crash."""

    def __init__(
        self, message: str, *, cause: Cause, kind: str = "", detail: str = "", trace: str = ""
    ):
        super().__init__(message)
        self.cause: Cause = cause
        self.kind = kind
        """Of an error inside its type, such as `ValueError`."""
        self.detail = detail
        """What that error says."""
        self.trace = trace
        """Its traceback, without the machine's paths."""


def run(
    request: Mapping[str, Any],
    *,
    folder: Path,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
    stopping: threading.Event | None = None,
    blender: Blender | None = None,
    sandbox: Jail | None = None,
) -> dict[str, Any]:
    """Runs one request in a fresh process; its files are in `folder`, which is made.

    Raises `BlenderError` if it fails, crashes, breaks a limit or is stopped, `NoBlender` if there
    is none, and what `on_progress` raises. Its process, and all that it started, has ended then.
    In a `sandbox` it may write to nothing but `folder`, and links that it left there are removed.
    """
    limits = limits or Limits()
    blender = blender or find.required()
    path = _prepared(request, folder)
    job = str(request.get("job"))
    with _home(folder) as home:
        child = _Child(blender, [str(path)], home, limits, sandbox, folder=path.parent)
        try:
            with child.ending():
                child.watch(job, limits, on_progress=on_progress, stopping=stopping)
        finally:
            _remove_aside(path.parent)
            if sandbox is not None:
                tidy(path.parent)
        return child.answer(job, path.parent)


class Warm:
    """A process that stays for the next request, which spares its start: for previews.

    Every request starts from an empty scene. After `scenes` requests, after an error and after
    a death the next one gets a fresh process. One request at a time; threads wait.
    """

    def __init__(
        self, *, limits: Limits | None = None, blender: Blender | None = None, scenes: int = 50
    ):
        self._limits = limits or Limits()
        self._blender = blender or find.required()
        self._scenes = scenes
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._done = 0
        self._home = contextlib.ExitStack()

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the process that waits, or None."""
        return self._child.pid if self._child else None

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._end()

    def run(
        self,
        request: Mapping[str, Any],
        *,
        folder: Path,
        on_progress: OnProgress | None = None,
        stopping: threading.Event | None = None,
    ) -> dict[str, Any]:
        """Runs one request as `worker.run` does; scripts need a process of their own."""
        if request.get("job") in ("script", "declare"):
            raise ValueError("a script needs a process of its own: call `worker.run`")
        with self._lock:
            path = _prepared(request, folder)
            job = str(request.get("job"))
            sound = False
            try:
                child = self._child or self._start()
                child.ask(path)
                child.watch(
                    job,
                    self._limits,
                    on_progress=on_progress,
                    stopping=stopping,
                    done=self._done + 1,
                    folder=path.parent,
                )
                answer = child.answer(job, path.parent, ended=child.has_ended())
                self._done += 1
                sound = self._done < self._scenes
            finally:
                if not sound:
                    self._end()
                    _remove_aside(path.parent)
        return answer

    def _start(self) -> _Child:
        home = self._home.enter_context(_home(None))
        # A CPU limit counts from the process's start, and would hit whichever request is on.
        forever = self._limits.model_copy(update={"cpu": 10**8})
        made: list[_Child | BaseException] = []
        ready = threading.Event()

        def keep() -> None:
            # The kernel ends Blender with the thread that started it, so that one must stay.
            try:
                made.append(
                    _Child(self._blender, ["--warm"], home, forever, folder=home, asked=True)
                )
            except BaseException as error:
                made.append(error)
                return
            finally:
                ready.set()
            cast(_Child, made[0]).wait()

        threading.Thread(target=keep, name="reelwright-blender", daemon=True).start()
        ready.wait()
        if isinstance(made[0], BaseException):
            raise made[0]
        self._child, self._done = made[0], 0
        return made[0]

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None
        self._home.close()


class _Child:
    """Blender's process, and what it has said so far."""

    def __init__(
        self,
        blender: Blender,
        words: Sequence[str],
        home: Path,
        limits: Limits,
        sandbox: Jail | None = None,
        *,
        folder: Path,
        asked: bool = False,
    ):
        command = [*blender.command(MAIN), *words]
        variables = clean(home)
        jailed = limits.of_jail()
        if sandbox is not None:
            command = sandbox.command(command, folder=folder, limits=jailed)
            variables = sandbox.environment(folder)
        told = {"parent": os.getpid(), "limits": jailed.kernel()}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), json.dumps(told), *command],
            stdin=subprocess.PIPE if asked else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=variables,
            start_new_session=True,
        )
        self._folder = folder
        self._hidden = [str(INSIDE), str(blender.path), str(home), str(folder), sys.prefix]
        self._words, self._line = bytearray(), bytearray()
        self._done = 0
        self._progress: list[tuple[str, int, int]] = []
        self._selector = selectors.DefaultSelector()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, path: Path) -> None:
        """Hands a request file to a process that waits for them."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died; `watch` says so
            self._process.stdin.write(os.fsencode(path) + b"\n")
            self._process.stdin.flush()

    def watch(
        self,
        job: str,
        limits: Limits,
        *,
        on_progress: OnProgress | None,
        stopping: threading.Event | None,
        done: int | None = None,
        folder: Path | None = None,
    ) -> None:
        """Waits until the process has ended, or has told that `done` requests are done."""
        until = time.monotonic() + limits.seconds
        looked = 0.0
        while not (self.has_ended() or (done is not None and self._done >= done)):
            self._hear(_SLICE)
            for told in self._progress:
                if on_progress is not None:
                    on_progress(*told)
            self._progress.clear()
            now = time.monotonic()
            if stopping is not None and stopping.is_set():
                raise BlenderError(f"the {job} in Blender was stopped", cause="stopped")
            if now > until:
                raise self._failed(
                    job, f"took longer than {limits.seconds:g} s and was ended", cause="time"
                )
            if now > looked + 5 * _SLICE:
                looked = now
                if fault := overrun(self.pid, folder or self._folder, limits.of_jail()):
                    raise self._failed(job, f"was ended: {fault}", cause="output")

    def answer(self, job: str, folder: Path, *, ended: bool = True) -> dict[str, Any]:
        """What the result file says; it is believed only if it is whole."""
        result = _result(folder / RESULT)
        if result is not None and "error" in result:
            raise self._error(job, result["error"])
        code = self._process.wait() if ended else 0
        if code:
            raise self._failed(job, f"was ended by {_reason(code)}", cause="ended")
        if result is None:
            raise self._failed(job, "ended without an answer", cause="no answer")
        return result["answer"]

    def has_ended(self) -> bool:
        """Whether it runs no more; its number stays its own until it is waited for."""
        return _ended(self._process, os.WNOHANG)

    def wait(self) -> None:
        """Waits for its end."""
        _ended(self._process, 0)

    def end(self) -> None:
        """Ends it and all that it started, and hears its last words."""
        # Its number, and so its group's, is not given to another before it is waited for.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for _ in range(64):  # what put itself beyond reach may write on for ever
                if not self._selector.get_map() or not self._hear(0):
                    break
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    @contextlib.contextmanager
    def ending(self) -> Generator[None]:
        """Ends it when the block is left, however that happens."""
        try:
            yield
        finally:
            self.end()

    def _hear(self, seconds: float) -> bool:
        """Reads what it has said, waiting for it at most so long; False if that was nothing."""
        if not self._selector.get_map():  # it closed both and works on
            time.sleep(seconds)
            return False
        heard = False
        for key, _ in self._selector.select(seconds):
            pipe = cast(IO[bytes], key.fileobj)
            part = os.read(pipe.fileno(), 64 * 1024)
            if not part:
                self._selector.unregister(pipe)
            elif pipe is self._process.stdout:
                self._take(part)
            else:
                self._words += part
                del self._words[:-_TAIL]
            heard = heard or bool(part)
        return heard

    def _take(self, part: bytes) -> None:
        """Reads messages; what is none of them was printed before the messages began."""
        self._line += part
        *lines, rest = self._line.split(b"\n")
        self._line = rest if len(rest) <= _LONGEST else bytearray()
        for line in lines:
            match _message(bytes(line)):
                case {"stage": str(stage), "frame": int(frame), "frames": int(frames)}:
                    self._progress.append((stage[:32], frame, frames))
                    del self._progress[:-1000]
                case {"done": int(done)}:
                    self._done = done
                case _:
                    self._words += bytes(line) + b"\n"
                    del self._words[:-_TAIL]

    def _failed(self, job: str, how: str, *, cause: Cause) -> BlenderError:
        words = last_words(bytes(self._words), self._hidden)
        return BlenderError(f"the {job} in Blender {how}. {words}", cause=cause)

    def _error(self, job: str, told: Any) -> BlenderError:
        said: dict[str, Any] = cast(dict[str, Any], told) if isinstance(told, dict) else {}
        kind, detail, trace = (
            _without_paths(str(said.get(name) or "")[-_LONGEST_ERROR:], self._hidden)
            for name in ("type", "message", "traceback")
        )
        what = f"{kind}: {detail}" if detail else kind
        where = re.findall(r'File "([^"]*)", line (\d+)', trace)
        at = f" ({where[-1][0]}, line {where[-1][1]})" if where else ""
        return BlenderError(
            f"the {job} in Blender failed: {what}{at}",
            cause="error", kind=kind, detail=detail, trace=trace,
        )  # fmt: skip


def last_words(said: bytes, hidden: Sequence[str] = ()) -> str:
    """The end of what Blender said, without its small talk and the machine's paths."""
    text = _without_paths(said.decode("utf-8", "replace").replace("\r", "\n"), hidden)
    lines = (" ".join(_CONTROL_SIGNS.sub(" ", line).split()) for line in text.split("\n"))
    kept = [line for line in lines if line and not _NOISE.match(line)]
    words = "\n".join(kept[-_LINES:])[-_WORDS:]
    return f"It said last:\n{words}" if words else "It said nothing."


def _without_paths(text: str, hidden: Sequence[str]) -> str:
    for path in sorted({path for path in hidden if path not in ("", "/")}, key=len, reverse=True):
        text = text.replace(path + "/", "").replace(path, "Blender")
    # Of what is left, such as the interpreter's own folders, the last two parts say enough.
    return re.sub(r'(?<=")/[^"\n]*?/([^/"\n]+/[^/"\n]+)(?=")', r"\1", text)


def _prepared(request: Mapping[str, Any], folder: Path) -> Path:
    """The request's file in `folder`; an older result there is gone."""
    folder = folder.resolve()
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).unlink(missing_ok=True)
    _remove_aside(folder)
    sweep(folder)
    write_json(folder / REQUEST, {**request, "out": str(folder)})
    return folder / REQUEST


def _remove_aside(folder: Path) -> None:
    """Removes the half of a result that a killed process left."""
    with storage_errors(folder):
        (folder / f".{RESULT}.aside").unlink(missing_ok=True)


@contextlib.contextmanager
def _home(folder: Path | None) -> Generator[Path]:
    """A folder for Blender's own settings and scratch files, gone in the end."""
    if folder is None:
        home = Path(tempfile.mkdtemp(prefix="reelwright-"))
    else:
        home = folder.resolve() / f".blender.tmp-{os.getpid()}-{next(_count)}"
        with storage_errors(home):
            home.mkdir()
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _ended(process: subprocess.Popen[bytes], how: int) -> bool:
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | how) is not None
    except ChildProcessError:
        return True


def _message(line: bytes) -> object:
    if not line.startswith(b"{"):
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _result(path: Path) -> dict[str, Any] | None:
    """A result file's content, or None if it is missing, broken or no result."""
    try:
        if path.is_symlink() or path.stat().st_size > _RESULT_AT_MOST:
            return None
        found = json.loads(path.read_bytes(), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError):
        return None
    match found:
        case {"schema": str(schema), "answer": dict()} if schema == SCHEMA:
            return cast(dict[str, Any], found)
        case {"schema": str(schema), "error": dict()} if schema == SCHEMA:
            return cast(dict[str, Any], found)
        case _:
            return None


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _reason(code: int) -> str:
    """What an exit code means; a jail hands on a signal as 128 and its number."""
    number = -code if code < 0 else code - 128
    if number not in set(signal.Signals):
        return f"itself with exit code {code}"
    name = signal.Signals(number).name
    cure = {
        signal.SIGKILL: "; the machine may have run out of memory",
        signal.SIGXCPU: ": it used up its CPU seconds",
        signal.SIGABRT: "; it may have run out of its memory",
    }
    return name + cure.get(signal.Signals(number), "")
