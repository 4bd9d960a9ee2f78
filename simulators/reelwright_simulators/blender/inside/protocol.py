"""How Blender's process talks: messages go out as lines of JSON, the answer as a file.

What was standard output carries the messages; all that is printed goes to standard error.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

RESULT = "result.json"
SCHEMA = "BlenderResult.1"

_messages = -1


def open_messages() -> None:
    """Keeps standard output for messages alone."""
    global _messages
    _messages = os.dup(1)
    os.dup2(2, 1)


def tell(**message: object) -> None:
    """Sends one message: `stage`, `frame` and `frames` for progress."""
    line = json.dumps(message).encode() + b"\n"
    while line:
        line = line[os.write(_messages, line) :]


def write_result(folder: str, **result: object) -> None:
    """Writes the request's `answer` or `error`, whole or not at all.

    `ValueError` for numbers that are not finite.
    """
    text = json.dumps({"schema": SCHEMA, **result}, allow_nan=False)
    path = Path(folder) / RESULT
    aside = path.with_name(f".{RESULT}.aside")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
