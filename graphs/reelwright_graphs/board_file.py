"""storyboard.yaml between the crew and the user: what was written last, and by whom.

The crew may rewrite the file while a story is planned; what the user changed in it since stays
the user's. To tell the two apart, `store/board.json` holds every storyboard that the crew wrote,
by its digest, and the last one whole. It is written before the file itself, so that after a crash
between the two nothing of the crew's is taken for the user's.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from reelwright_agents.talk import differences
from reelwright_core.files import write_json
from reelwright_core.records import Record
from reelwright_core.story import Storyboard
from reelwright_core.storyboards import write_storyboard

STORYBOARD = "storyboard.yaml"


class Written(Record):
    """What the crew wrote, and which places the user did."""

    boards: list[str] = []
    """Digests."""
    last: Storyboard
    users: list[str] = []
    """Paths as in `reelwright_agents.talk`."""


def users_paths(run: Path, board: Storyboard) -> list[str]:
    """The places of `board`, as storyboard.yaml has it now, that the user wrote."""
    written = _written(run)
    if written is None:
        return []
    if board.digest() in written.boards:
        return written.users
    return list(dict.fromkeys([*written.users, *differences(written.last, board)]))


def write_board(run: Path, board: Storyboard, *, users: list[str] | None = None) -> None:
    """Writes storyboard.yaml as the crew's work; `users` are the places that are not."""
    note_board(run, board, users=users)
    write_storyboard(run / STORYBOARD, board)


def note_board(run: Path, board: Storyboard, *, users: list[str] | None = None) -> None:
    """Takes `board` for the crew's work, where nothing is known of the run's file yet."""
    before = _written(run)
    if before is not None and users is None:
        return
    boards = [*(before.boards if before else ()), board.digest()]
    written = Written(boards=list(dict.fromkeys(boards)), last=board, users=users or [])
    write_json(_path(run), written.data())


def _path(run: Path) -> Path:
    return run / "store" / "board.json"


def _written(run: Path) -> Written | None:
    try:
        return Written.model_validate(json.loads(_path(run).read_bytes()))
    except (OSError, ValueError, ValidationError):
        return None
