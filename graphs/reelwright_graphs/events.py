"""What a run tells while it works."""

from __future__ import annotations

from typing import Any, Literal

from reelwright_core.records import Record

EventKind = Literal[
    "run started", "planned", "review", "stage started", "stage finished", "stage found",
    "step", "repaired", "shot finished", "shot failed", "film finished", "call", "warning",
    "model", "fetch", "message", "refused", "continuity", "layout",
]  # fmt: skip


class Event(Record):
    """One thing that happened."""

    kind: EventKind
    text: str = ""
    """For a person to read; no key and no private path is in it."""
    shot: str | None = None
    take: int | None = None
    stage: str | None = None
    details: dict[str, Any] = {}
