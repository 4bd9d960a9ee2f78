"""Checkpoints of a run: a SQLite file that holds plain data and can be thrown away.

LangGraph's own serializer rebuilds Python objects, and with a file from a stranger that runs
their code; here only plain JSON-like data is let through. What is finished is known by the
store, so a damaged checkpoint file is set aside and the run goes on from there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiosqlite
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver


@contextlib.asynccontextmanager
async def checkpoints(path: Path) -> AsyncGenerator[AsyncSqliteSaver]:
    """The checkpoint saver over the file at `path`."""
    if not _sound(path):
        for each in (path, *path.parent.glob(f"{path.name}-*")):
            each.unlink(missing_ok=True)
    async with aiosqlite.connect(path) as connection:
        saver = AsyncSqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=[]))
        await saver.setup()
        await connection.execute("PRAGMA synchronous=NORMAL")
        yield saver


def _sound(path: Path) -> bool:
    if not path.exists():
        return True
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            answer: Any = connection.execute("PRAGMA quick_check").fetchone()
    except sqlite3.DatabaseError:
        return False
    return answer == ("ok",)
