"""messages.jsonl: what the roles said to each other in a run, a message a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from reelwright_core.files import write_text
from reelwright_core.records import file_digest
from reelwright_core.takes import Message
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Context

MESSAGES = "messages.jsonl"


def read_messages(run: Path) -> list[Message]:
    """All messages in order; lines that are none, as a broken disk leaves them, are left out."""
    try:
        lines = (run / MESSAGES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found: list[Message] = []
    for line in lines:
        try:
            found.append(Message.model_validate_json(line))
        except ValidationError:
            continue
    return found


def messages_digest(run: Path) -> str | None:
    """What a page that shows them depends on."""
    return file_digest(run / MESSAGES) if (run / MESSAGES).is_file() else None


def say_messages(context: Context, messages: Iterable[Message]) -> list[Message]:
    """Adds those that were not said before to the log and tells each as an event; all so far.

    A run that goes on asks its roles again: what they only repeat is not said twice.
    """
    log = read_messages(context.run)
    known = {_what(message) for message in log}
    new = [message for message in messages if _what(message) not in known]
    if new:
        log += new
        text = "".join(f"{message.model_dump_json(exclude_defaults=True)}\n" for message in log)
        write_text(context.run / MESSAGES, text)
    for message in new:
        context.say(
            Event(
                kind="message",
                text=f"{message.author} to {message.to}, {message.kind}: {message.text}",
                details=message.data(),
            )
        )
    return log


def _what(message: Message) -> str:
    return message.model_copy(update={"inputs": []}).digest()
