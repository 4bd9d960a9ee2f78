"""Batches: every script of a file becomes a film in a run folder of its own.

`batch.jsonl` in the batch's folder is the manifest, one line for each row that ended; it is only
ever added to, and its last line may be torn by a kill. A row that is done is not filmed again.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, ValidationError

from reelwright_core.errors import InputError, LockedError, ReelwrightError, StorageError
from reelwright_core.files import locked, storage_errors
from reelwright_core.records import Record, digest
from reelwright_core.settings import Settings
from reelwright_core.takes import Film
from reelwright_graphs.crew import Crew
from reelwright_graphs.events import Event
from reelwright_graphs.run import film

MANIFEST = "batch.jsonl"
_ROW_AT_MOST = 1_000_000


class Row(Record):
    """One script of a batch."""

    id: str = Field(default="", max_length=60, pattern=r"^[A-Za-z0-9]?[A-Za-z0-9._-]*$")
    """Names its folder; empty makes one from its line number and first words."""
    script: str = Field(min_length=1)
    seed: int | None = Field(default=None, ge=0)


class Outcome(Record):
    """How a row ended: one line of the manifest."""

    id: str
    line: int
    key: str
    """Digest of script, seed, graph and settings: a row that changed is filmed anew."""
    status: Literal["done", "failed", "refused"]
    run: str | None = None
    video: str | None = None
    error: str | None = None


def batch(
    file: Path,
    *,
    out: Path,
    graph: str | Path = "story",
    seed: int = 0,
    settings: Settings,
    on_event: Callable[[Event], None] | None = None,
    on_row: Callable[[Outcome, bool], None] | None = None,
) -> list[Outcome]:
    """Films every row of a .txt, .csv or .jsonl file; models are loaded once.

    A row that fails is recorded and the next is filmed. `on_row` is told of each outcome and
    whether it was found done. A .txt file has a script on each line; .csv and .jsonl have the
    fields `script` (or `prompt`), `id` and `seed`.
    """
    if file.suffix not in (".txt", ".csv", ".jsonl"):
        raise InputError(f"a batch file is .txt, .csv or .jsonl, got {file}")
    if not file.is_file():
        raise InputError(f"there is no batch file {file}")
    crew = Crew(settings, cache=out / "calls")
    with locked(out):
        done = {outcome.id: outcome for outcome in _manifest(out / MANIFEST)}
        ended: list[Outcome] = []
        seen: set[str] = set()
        for line, row in _rows(file):
            outcome = _refused(line, row, seen) if isinstance(row, str) or row.id in seen else None
            if outcome is None:
                assert isinstance(row, Row)
                seen.add(row.id)
                key = digest([row.script, row.seed, seed, str(graph), settings.data()])
                before = done.get(row.id)
                if before and before.key == key and _still_there(out, before):
                    ended.append(before)
                    if on_row:
                        on_row(before, True)
                    continue
                outcome = _film_row(row, line, key, out, graph, seed, crew, on_event)
            _add(out / MANIFEST, outcome)
            ended.append(outcome)
            if on_row:
                on_row(outcome, False)
        if not ended:
            raise InputError(f"{file} has no rows")
        return ended


def _film_row(
    row: Row,
    line: int,
    key: str,
    out: Path,
    graph: str | Path,
    seed: int,
    crew: Crew,
    on_event: Callable[[Event], None] | None,
) -> Outcome:
    run = out / row.id
    try:
        done = film(
            row.script + "\n",
            graph=graph,
            out=run,
            seed=seed if row.seed is None else row.seed,
            crew=crew,
            on_event=on_event,
        )
        assert isinstance(done, Film)
    except (StorageError, LockedError):
        raise
    except ReelwrightError as error:
        return Outcome(id=row.id, line=line, key=key, status="failed", run=row.id, error=str(error))
    video = done.video.relative_to(out).as_posix()
    return Outcome(id=row.id, line=line, key=key, status="done", run=row.id, video=video)


def _refused(line: int, row: Row | str, seen: set[str]) -> Outcome:
    problem = (
        row if isinstance(row, str) else f"the id {row.id!r} stands on an earlier line already"
    )
    return Outcome(id=f"line-{line}", line=line, key="", status="refused", error=problem)


def _still_there(out: Path, outcome: Outcome) -> bool:
    return outcome.status == "done" and bool(outcome.video) and (out / str(outcome.video)).is_file()


def _rows(file: Path) -> Iterator[tuple[int, Row | str]]:
    """Each row with its line number; a row that is none as the reason."""
    reader = {".txt": _text_rows, ".csv": _csv_rows, ".jsonl": _json_rows}[file.suffix]
    for line, given in reader(file):
        if isinstance(given, str):
            yield line, given
            continue
        try:
            row = Row.model_validate(given)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            yield line, f"`{where}` does not fit: {fault['msg']}"
            continue
        yield line, row if row.id else row.model_copy(update={"id": _name(line, row.script)})


def _name(line: int, script: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", script.lower()).strip("-")[:32].strip("-")
    return f"{line:04d}-{words}" if words else f"{line:04d}"


def _lines(file: Path) -> Iterator[tuple[int, str | None]]:
    """Each line with its number; None for one that is no UTF-8 or too long."""
    with file.open("rb") as stream:
        number = 0
        while content := stream.readline(_ROW_AT_MOST + 1):
            number += 1
            if len(content) > _ROW_AT_MOST:
                while content and not content.endswith(b"\n"):
                    content = stream.readline(_ROW_AT_MOST)
                yield number, None
                continue
            try:
                yield number, content.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                yield number, None


_UNREADABLE = f"the line is no UTF-8 text of at most {_ROW_AT_MOST:,} bytes"


def _text_rows(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for line, text in _lines(file):
        if text is None:
            yield line, _UNREADABLE
        elif text:
            yield line, {"script": text}


def _json_rows(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for line, text in _lines(file):
        if text is None:
            yield line, _UNREADABLE
            continue
        if not text:
            continue
        try:
            given = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield line, f"the line is no JSON: {error}"
            continue
        if not isinstance(given, dict):
            yield line, f"a row is a JSON object, got {type(given).__name__}"
            continue
        yield line, _renamed(cast(dict[str, Any], given))


def _csv_rows(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            for given in reader:
                filled = {name: value for name, value in given.items() if name and value}
                yield reader.line_num, _renamed(filled)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} is no CSV that can be read: {error}") from None


def _renamed(given: dict[str, Any]) -> dict[str, Any]:
    if "prompt" in given and "script" not in given:
        given = {**given, "script": given["prompt"]}
        del given["prompt"]
    return given


def _manifest(path: Path) -> Iterator[Outcome]:
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            yield Outcome.model_validate_json(line)
        except ValidationError:
            continue  # a line torn by a kill: its row is filmed again, from its run folder


def _add(path: Path, outcome: Outcome) -> None:
    with storage_errors(path), path.open("ab+") as file:
        if file.tell() and not _ends_whole(path):
            file.write(b"\n")
        file.write(outcome.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
