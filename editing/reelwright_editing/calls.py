"""What a run's questions to language models cost, added up from what the run told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from reelwright_core.records import Record


class Spent(Record):
    """Questions of one role, or of all."""

    role: str
    model: str = ""
    questions: int = 0
    requests: int = 0
    """What was sent, retries and repairs included."""
    cached: int = 0
    """Questions answered from the cache, which cost nothing."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    uncounted: int = 0
    """Questions whose server did not say how many tokens they took."""
    unpriced: int = 0
    """Questions whose cost is not known: no tokens, or no price in the settings."""


def calls_of(events: Path) -> list[Mapping[str, Any]]:
    """The records of all calls in a run's events.jsonl, in order; none without the file."""
    try:
        lines = events.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found: list[Mapping[str, Any]] = []
    for line in lines:
        try:
            event: Any = json.loads(line)
        except ValueError:
            continue  # the last line of a run that was killed
        if isinstance(event, dict) and cast(dict[str, Any], event).get("kind") == "call":
            found.append(cast(dict[str, Any], event).get("details", {}))
    return found


def spent(calls: Iterable[Mapping[str, Any]]) -> list[Spent]:
    """The cost of each role's questions, then of all; empty where nothing was asked."""
    rows: dict[tuple[str, str], Spent] = {}
    for call in calls:
        key = (str(call.get("role", "")), str(call.get("model", "")))
        rows[key] = _with(rows.get(key, Spent(role=key[0], model=key[1])), call)
    return [*rows.values(), total(list(rows.values()))] if rows else []


def total(rows: Sequence[Spent]) -> Spent:
    """All rows in one."""
    return Spent(
        role="all",
        questions=sum(row.questions for row in rows),
        requests=sum(row.requests for row in rows),
        cached=sum(row.cached for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        completion_tokens=sum(row.completion_tokens for row in rows),
        cost_usd=sum(row.cost_usd for row in rows),
        uncounted=sum(row.uncounted for row in rows),
        unpriced=sum(row.unpriced for row in rows),
    )


def _with(row: Spent, call: Mapping[str, Any]) -> Spent:
    read, wrote, cost = (call.get(n) for n in ("prompt_tokens", "completion_tokens", "cost_usd"))
    return row.model_copy(
        update={
            "questions": row.questions + 1,
            "requests": row.requests + int(call.get("tries") or 0),
            "cached": row.cached + bool(call.get("cached")),
            "prompt_tokens": row.prompt_tokens + int(read or 0),
            "completion_tokens": row.completion_tokens + int(wrote or 0),
            "cost_usd": row.cost_usd + float(cost or 0),
            "uncounted": row.uncounted + (read is None or wrote is None),
            "unpriced": row.unpriced + (cost is None),
        }
    )
