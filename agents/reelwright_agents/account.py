"""What became of every line of a script: filmed, spoken, or why not."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from reelwright_agents.screenplay import Screenplay, ScriptLine
from reelwright_core.story import Covered, LineKind, Scene, Shot

FILMED: tuple[LineKind, ...] = ("action", "prompt", "dialogue", "lyric")
"""The kinds of lines that must be seen or heard in a shot; the others only say how."""
_WHY: Mapping[LineKind, str] = {
    "heading": "names the place", "character": "names who speaks", "dialogue": "spoken",
    "lyric": "spoken", "parenthetical": "not filmed: how a line is said",
    "transition": "not filmed: every cut is a straight cut",
    "title page": "not filmed: the title page", "section": "not filmed: a section",
    "synopsis": "not filmed: a synopsis", "note": "not filmed: a note",
}  # fmt: skip


def account(
    play: Screenplay,
    shots: Sequence[Shot],
    filmed: Mapping[int, Sequence[str]],
    *,
    why: Mapping[int, str],
) -> list[Covered]:
    """Every line of `play` with the shots that film or speak it.

    `filmed` are the ids of the shots of each line that is to be seen or heard, by its number;
    `why` says of such lines what is not seen of them. A line that must be in a shot, is in none
    and has no reason is `missing`.
    """
    scenes: dict[str, list[str]] = {}
    for shot in shots:
        scenes.setdefault(shot.scene, []).append(shot.id)
    covered: list[Covered] = []
    for index, line in enumerate(play.lines):
        ids = list(filmed.get(line.number, ()))
        if line.kind == "heading":
            ids = scenes.get(line.scene, []) or ids
        elif line.kind == "character":
            spoken = _speech(play.lines[index + 1 :])
            ids = list(dict.fromkeys(id for each in spoken for id in filmed.get(each, ())))
        reason = why.get(line.number, "")
        if line.kind == "title page" and play.style and line.text.rstrip("*_").endswith(play.style):
            reason = "said of every picture"
        if not reason and (ids or line.kind not in FILMED):
            reason = _WHY.get(line.kind, "")
        covered.append(
            Covered(line=line.number, text=line.text, kind=line.kind, shots=ids, why=reason)
        )
    return covered


def scenes_of(shots: Iterable[Shot], headings: Mapping[str, str]) -> list[Scene]:
    """The scenes of the shots in order, each with its heading, if it has one."""
    found: dict[str, Scene] = {}
    for shot in shots:
        if shot.scene not in found:
            heading = headings.get(shot.scene, "")
            found[shot.scene] = Scene(id=shot.scene, heading=heading, place=shot.place)
    return list(found.values())


def _speech(lines: Iterable[ScriptLine]) -> Iterable[int]:
    """The lines of dialogue that come next."""
    for line in lines:
        if line.kind not in ("dialogue", "lyric", "parenthetical"):
            return
        if line.kind != "parenthetical":
            yield line.number


def missing(coverage: Iterable[Covered]) -> list[Covered]:
    """The lines that are in no shot, without a reason."""
    return [line for line in coverage if not line.shots and not line.why]


def tally(coverage: Sequence[Covered]) -> str:
    """`68 lines: 51 filmed or spoken, 12 say where or who, 5 not filmed`; what is lost as well."""
    lost = missing(coverage)
    seen = [line for line in coverage if line.kind in FILMED and line.shots]
    naming = [line for line in coverage if line.kind in ("heading", "character") and line.shots]
    rest = len(coverage) - len(seen) - len(naming) - len(lost)
    told = [
        f"{len(seen)} filmed or spoken",
        f"{len(naming)} say where or who",
        f"{rest} not filmed",
    ]
    if lost:
        told.append(f"{len(lost)} lost")
    count = len(coverage)
    return f"{count} line{'s' if count != 1 else ''}: {', '.join(told)}"


def table(coverage: Sequence[Covered], *, width: int = 44) -> str:
    """The coverage as rows of text: line, kind, shots, words, and why."""
    kinds = max(len(kind) for kind in get_args(LineKind))
    ids = max([5, *(len(_ids(line.shots)) for line in coverage)])
    rows = [f"{'line':>5}  {'kind':{kinds}}  {'shots':{ids}}  {'words':{width}}  why"]
    for line in coverage:
        words = line.text if len(line.text) <= width else f"{line.text[: width - 3]}..."
        why = line.why or ("" if line.shots else "LOST")
        rows.append(
            f"{line.line:5}  {line.kind:{kinds}}  {_ids(line.shots):{ids}}  {words:{width}}  {why}"
        )
    return "\n".join(row.rstrip() for row in rows)


def _ids(shots: Sequence[str]) -> str:
    """`s03`, or `s03-s07` for shots that follow each other in name."""
    return shots[0] if len(shots) == 1 else f"{shots[0]}-{shots[-1]}" if shots else "-"


def letters(text: str) -> str:
    """`text` for comparing: its letters and digits alone, in one case and one form."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LNM")
