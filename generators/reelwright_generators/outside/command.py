"""A command that films: it is given a request as a file, and writes an mp4."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from reelwright_core import web
from reelwright_core.errors import GeneratorError, ModelError
from reelwright_core.files import write_json
from reelwright_core.records import known_digest
from reelwright_core.settings import Generator as Told
from reelwright_core.video import Frames, write_video
from reelwright_generators.generator import Capability, Facts, Made, OnStep, Request
from reelwright_generators.outside.clips import BYTES_AT_MOST, fitted
from reelwright_generators.outside.profile import (
    checked,
    facts_of,
    filled,
    first_frame_of,
    open_profile,
    places,
    plain_rate,
    provenance,
    values,
)
from reelwright_generators.outside.watch import SLICE, TookTooLong, Watch

SCHEMA = "CommandRequest.1"
"""Of the request that a command is given; docs/outside.md says what is in it."""

_TEXTS = ("prompt", "negative_prompt")
_FILES = ("sketch", "first_frame", "last_frame", "control")
PLACES = {
    *_TEXTS, *_FILES, "request", "clip", "width", "height", "frames", "fps", "seconds", "seed",
    "noise_level", "steps", "guidance",
}  # fmt: skip
"""What a command line can name as `{place}`."""
_NAMED: tuple[Capability, ...] = ("negative_prompt", "sketch", "first_frame", "last_frame")
"""What a command can do if it names the place of the same name."""

_TEXT_WORD = re.compile(r"(--?[A-Za-z][\w-]*=)?\{(prompt|negative_prompt)\}")
_STEP = re.compile(rb"\bstep (\d{1,6})/(\d{1,6})(?=\D)")
_TAIL = 64 * 1024
"""Bytes of a command's output that are kept."""
_LINES, _WORDS = 8, 1200
"""Of its last words, how many lines and characters an error shows."""
_GRACE = 3.0
"""Seconds from the request to end to the end by force."""
_READ_AT_MOST = 64 * 1024 * 1024
"""Larger files of a command line are known by size and time, not by content."""

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_SECRET_FORM = re.compile(
    r"\b(?:sk|pk|rk)-[\w-]{8,}|\bhf_\w{8,}|\bAKIA\w{12,}|(?<=Bearer )\S+|(?<=://)[^\s/@]+(?=@)"
)
_CONTROL_SIGNS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\S\n]|[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def command(told: Told) -> CommandGenerator:
    """The generator of the command in the settings."""
    return CommandGenerator(told)


class CommandGenerator:
    """Films by running a command, once for each clip."""

    def __init__(self, told: Told):
        """Raises `ModelError` for a command line that cannot be run."""
        self._told = told
        self._words = _split(told.outside.command)
        self._profile = open_profile(told)
        self._named = {place for word in self._words for place in places(word)} & PLACES

    def facts(self) -> Facts:
        """What this command is, by its line, the files that it names, and its profile."""
        can: list[Capability] = ["text", *(name for name in _NAMED if name in self._named)]
        return facts_of(
            self._profile,
            self._told,
            family="command",
            name=_name(self._words),
            can=can,
            decides={"command": self._words, "files": self._files()},
            steps=self._told.steps or self._profile.steps or 1,
        )

    def check(self, request: Request) -> list[str]:
        """Warns of what the command is not told; `ModelError` for what it cannot film."""
        warnings = checked(request, self.facts())
        if shutil.which(self._words[0]) is None:
            raise ModelError(
                f"the program {self._words[0]!r} of `generator.outside.command` is not there or "
                "cannot be run; give its path, or install it"
            )
        for name in ("steps", "guidance"):
            if name in self._named and name not in values(request, self._profile, self._told):
                raise ModelError(
                    f"the command names {{{name}}}, and nothing says it: set `generator.{name}`"
                )
        return warnings

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        """Films `request`; whatever the command started has ended when this returns or raises."""
        self.check(request)
        facts = self.facts()
        watch = Watch(on_step, what=f"the command {facts.name}", seconds=self._told.outside.timeout)
        with tempfile.TemporaryDirectory(prefix="reelwright-", ignore_cleanup_errors=True) as held:
            folder = Path(held)
            clip = folder / "clip.mp4"
            words = self._filled(request, facts, folder, clip)
            said = bytearray()
            try:
                code = _run(words, watch, clip=clip, tail=said)
            except TookTooLong as error:
                raise GeneratorError(f"{error}. {self._last_words(bytes(said))}") from None
            self._judge(code, clip, self._last_words(bytes(said)), facts)
            fit = fitted(clip, request, what=f"the clip of the command {facts.name}")
        steps = watch.finish()
        return Made(
            frames=fit.frames,
            provenance={**provenance(facts, request, steps=steps), "clip": fit.said},
            seconds=watch.spent,
        )

    def _files(self) -> dict[str, str]:
        """The digests of the files that the command line names, by their place in it."""
        found: dict[str, str] = {}
        for index, word in enumerate(self._words):
            name = shutil.which(word) if index == 0 else word.rpartition("=")[2]
            with contextlib.suppress(OSError, ValueError):
                if name and (path := Path(name).expanduser()).is_file():
                    found[str(index)] = self._digest(path)
        return found

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        if stat.st_size > _READ_AT_MOST:
            return f"{stat.st_size} bytes at {stat.st_mtime_ns}"
        return known_digest(path)

    def _filled(self, request: Request, facts: Facts, folder: Path, clip: Path) -> list[str]:
        """The command's words, after writing all that they and the request's file name."""
        found = values(request, self._profile, self._told)
        files = _written(request, facts, folder)
        path = folder / "request.json"
        control = request.control
        data: dict[str, Any] = {
            "schema": SCHEMA,
            **{name: found.get(name) for name in (*_TEXTS, "width", "height", "frames")},
            "fps": plain_rate(request.fps),
            "fps_exact": [request.fps.numerator, request.fps.denominator],
            **{name: found.get(name) for name in ("seed", "noise_level", "steps", "guidance")},
            "clip": str(clip),
            **{name: files.get(name) for name in _FILES},
            "control_kind": control.kind if control else None,
            "control_scale": control.scale if control else None,
            "references": [
                {"entity": reference.entity, "picture": files[f"reference-{index}"]}
                for index, reference in enumerate(request.references)
            ],
            "loras": [
                {"path": lora.path, "weight": lora.weight, "entity": lora.entity}
                for lora in request.loras
            ],
        }
        write_json(path, data)
        found |= {name: files.get(name, "") for name in _FILES}
        found |= {"request": str(path), "clip": str(clip)}
        words = [filled(word, found) for word in self._words]
        return words if self._named else [*words, str(path)]

    def _last_words(self, said: bytes) -> str:
        key = self._told.outside.api_key
        return last_words(said, key.get_secret_value() if key else "", os.environ)

    def _judge(self, code: int, clip: Path, last: str, facts: Facts) -> None:
        """`GeneratorError` for a command that failed or left no clip."""
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            cure = "; it may have run out of memory" if -code == signal.SIGKILL else ""
            raise GeneratorError(f"the command {facts.name} was ended by {name}{cure}. {last}")
        if code:
            raise GeneratorError(f"the command {facts.name} failed with exit code {code}. {last}")
        if not clip.is_file():
            raise GeneratorError(
                f"the command {facts.name} ended well but wrote no clip to the path that is "
                f"`clip` in its request. {last}"
            )


def _split(line: str | None) -> list[str]:
    if not line:
        raise ModelError(
            "the generator `command` runs the command line in `generator.outside.command`: "
            "set it, such as --set 'generator.outside.command=python film.py {request}'"
        )
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ModelError(f"`generator.outside.command` cannot be split: {error}") from None
    if not words or not words[0]:
        raise ModelError("`generator.outside.command` names no program")
    for word in words:
        # A prompt inside of other words could become code where one of them is a shell.
        if any(place in _TEXTS for place in places(word)) and not _TEXT_WORD.fullmatch(word):
            raise ModelError(
                f"in `generator.outside.command`, {{prompt}} and {{negative_prompt}} stand alone "
                f"or after an option, as in --prompt={{prompt}}; got {word!r}"
            )
        # Other words in braces are the program's own: a misspelt place is close to a real one.
        for place in places(word):
            near = difflib.get_close_matches(place, sorted(PLACES), n=1, cutoff=0.75)
            if place not in PLACES and near:
                raise ModelError(
                    f"`generator.outside.command` has no place {{{place}}}; "
                    f"did you mean {{{near[0]}}}?"
                )
    return words


def _name(words: list[str]) -> str:
    """The script's file name, else the program's."""
    scripts = [word for word in words[1:] if Path(word).suffix in (".py", ".sh")]
    return Path((scripts or words)[0]).name


def _written(request: Request, facts: Facts, folder: Path) -> dict[str, str]:
    """The paths of the pictures and videos of `request`, by their names in its file."""
    paths: dict[str, str] = {}

    def picture(name: str, frames: Frames) -> None:
        paths[name] = str(folder / f"{name}.png")
        Image.fromarray(frames[0]).save(paths[name])

    def video(name: str, frames: Frames) -> None:
        paths[name] = str(folder / f"{name}.mp4")
        write_video(Path(paths[name]), frames, fps=request.fps, lossless=True)

    if request.sketch is not None and request.noise.level < 1 and "sketch" in facts.can:
        video("sketch", request.sketch)
    if request.control is not None:
        video("control", request.control.frames)
    if (first := first_frame_of(request, facts)) is not None:
        picture("first_frame", first)
    if request.last_frame is not None:
        picture("last_frame", request.last_frame)
    for index, reference in enumerate(request.references):
        picture(f"reference-{index}", reference.picture)
    return paths


def _run(words: list[str], watch: Watch, *, clip: Path, tail: bytearray) -> int:
    """Runs a command to its end: its exit code, below 0 for a signal; `tail` gets its words."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GeneratorError(f"{words[0]!r} cannot be started: {reason}") from None
    assert process.stdout is not None
    with process.stdout as pipe, _ended(process):
        os.set_blocking(pipe.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while process.poll() is None:
                watch.beat()
                if not selector.get_map():
                    time.sleep(SLICE / 4)
                elif selector.select(SLICE / 4) and not _read(pipe.fileno(), tail, watch):
                    selector.unregister(pipe)  # it closed its output and works on
                _refuse_flood(clip)
        # What it left running holds the pipe open, and may not outlive it.
        _signal(process, signal.SIGKILL)
        for _ in range(64):  # what put itself beyond reach may write on for ever
            if not _read(pipe.fileno(), tail, watch):
                break
        return process.returncode


def _read(pipe: int, tail: bytearray, watch: Watch) -> bool:
    """Takes what is there; False at the end, or when nothing is there."""
    try:
        part = os.read(pipe, 64 * 1024)
    except BlockingIOError:
        return False
    if not part:
        return False
    fresh = len(tail) - min(len(tail), 24)  # a line may have come in two parts
    tail += part
    for done, steps in _STEP.findall(bytes(tail[fresh:])):
        watch.reach(int(done), int(steps))
    del tail[:-_TAIL]
    return True


def _refuse_flood(clip: Path) -> None:
    with contextlib.suppress(OSError):
        if clip.stat().st_size > BYTES_AT_MOST:
            raise GeneratorError(
                f"the command was stopped: its clip grew over {BYTES_AT_MOST >> 30} GiB"
            )


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Generator[None]:
    """Ends the command and all that it started, should the block be left while it runs."""
    try:
        yield
    finally:
        if process.returncode is None:  # not yet waited for, so its number is still its own
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def last_words(said: bytes, key: str, environment: Mapping[str, str]) -> str:
    """The end of what a command said, without keys; for an error."""
    text = said.decode("utf-8", "replace").replace("\r", "\n")
    secrets = {key, *(value for name, value in environment.items() if _SECRET_NAME.search(name))}
    for secret in sorted(secrets, key=len, reverse=True):  # one may begin as another does
        text = web.hidden(text, secret)
    text = _SECRET_FORM.sub("[key]", text)
    lines = [" ".join(_CONTROL_SIGNS.sub(" ", line).split()) for line in text.split("\n")]
    last = "\n".join(line for line in lines if line).split("\n")[-_LINES:]
    words = "\n".join(last)[-_WORDS:]
    return f"It said last:\n{words}" if words else "It said nothing"
