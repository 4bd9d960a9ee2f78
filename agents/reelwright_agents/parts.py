"""Parts of a script that fit into one question, cut between scenes where that can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reelwright_agents.screenplay import Block, Screenplay, ScriptLine
from reelwright_core.errors import ScriptError

PIECES_AT_MOST = 100
"""Pieces of a script, such as paragraphs and speeches, in one part: each makes a shot or two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Lines of a script, and the pieces that they make."""

    lines: Sequence[ScriptLine]
    blocks: Sequence[Block]

    def told(self) -> str:
        """The lines for a model: `12 dialogue| Wait for me!`, paragraphs apart."""
        rows: list[str] = []
        before = 0
        for line in self.lines:
            if rows and line.number != before + 1:
                rows.append("")
            rows.append(f"{line.number} {line.kind}| {line.text}")
            before = line.number
        return "\n".join(rows)


def parts(play: Screenplay, *, at_most: int, name: str) -> Iterator[Part]:
    """`play` in parts of at most `at_most` characters each, in order.

    Raises `ScriptError` for a paragraph that is longer.
    """
    gathered: list[Part] = []
    for scene in _scenes(play):
        if _fits([*gathered, *scene], at_most):
            gathered += scene
            continue
        if gathered:
            yield _joined(gathered)
            gathered = []
        for unit in scene:
            if _size([unit]) > at_most:
                raise ScriptError(
                    f"{name}, line {unit.lines[0].number}: a paragraph of {_size([unit])} "
                    f"characters; a language model is given {at_most} at a time: part it by blank "
                    "lines"
                )
            if not _fits([*gathered, unit], at_most):
                yield _joined(gathered)
                gathered = []
            gathered.append(unit)
    if gathered:
        yield _joined(gathered)


def _scenes(play: Screenplay) -> Iterator[list[Part]]:
    """Each scene, in its smallest pieces."""
    scene: list[Part] = []
    for unit in _units(play):
        if scene and unit.blocks[0].kind == "heading":
            yield scene
            scene = []
        scene.append(unit)
    if scene:
        yield scene


def _units(play: Screenplay) -> Iterator[Part]:
    """Each block with its lines and those, such as notes and names, that stand before it."""
    left = list(play.lines)
    for index, block in enumerate(play.blocks):
        last = block.piece.lines[-1][1]
        end = next((i for i, line in enumerate(left) if line.number > last), len(left))
        end = len(left) if index == len(play.blocks) - 1 else end
        yield Part(lines=left[:end], blocks=[block])
        left = left[end:]


def _joined(units: Sequence[Part]) -> Part:
    return Part(
        lines=[line for unit in units for line in unit.lines],
        blocks=[block for unit in units for block in unit.blocks],
    )


def _fits(units: Sequence[Part], at_most: int) -> bool:
    return _size(units) <= at_most and len(units) <= PIECES_AT_MOST


def _size(units: Sequence[Part]) -> int:
    return sum(len(line.text) for unit in units for line in unit.lines)
