"""Which shots of a plan film which lines of its script: found in the plan's own words.

A planner copies into each shot the words of the script that it films or speaks. A sentence counts
as filmed when its words stand there, one after the other, and as spoken when they stand in the
dialogue; so what a language model left out is found without asking another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reelwright_agents.account import letters
from reelwright_agents.screenplay import Block, Piece, sentence_pieces


class Claim(Protocol):
    """What a shot of a plan says of the script."""

    @property
    def text(self) -> str:
        """The words that it films."""
        ...

    @property
    def lines(self) -> Sequence[int]:
        """The numbers of the lines that it films or speaks."""
        ...

    @property
    def spoken(self) -> Sequence[str]:
        """The lines of its dialogue."""
        ...


@dataclass(kw_only=True, slots=True)
class Proof:
    """What became of some lines of a script in a plan."""

    shots: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """From the number of a line to the indices of its shots."""
    lost: list[tuple[Piece, bool]] = field(default_factory=list[tuple[Piece, bool]])
    """What is in no shot, and whether it was to be spoken."""

    def faults(self, *, condensed: bool) -> list[str]:
        """What to tell the planner; with `condensed`, prose may be left out, but no dialogue."""
        return [
            f"line {piece.line(0)} of the script is {'spoken' if spoken else 'filmed'} in no shot: "
            f"{_short(piece.text)!r}; "
            + (
                "put it word for word into the `dialogue` of a shot"
                if spoken
                else "film it, and put its own words into the `text` of its shots"
            )
            for piece, spoken in self.lost
            if spoken or not condensed
        ]


def proof(blocks: Sequence[Block], claims: Sequence[Claim]) -> Proof:
    """What became of `blocks` in the shots that say `claims`."""
    found = Proof()
    seen = _Words([claim.text for claim in claims])
    heard = _Words([" ".join(claim.spoken) for claim in claims])
    alone = _alone(blocks)
    for block in blocks:
        if block.kind in ("text", "prompt"):
            for sentence in sentence_pieces(block.piece):
                shots = seen.find(sentence.text)
                numbers = sentence.numbers()
                named = [i for i, c in enumerate(claims) if set(numbers) & set(c.lines)]
                if shots is None and all(number in alone for number in numbers):
                    shots = named
                _put(found, sentence, shots, spoken=False)
        elif block.kind == "dialogue":
            _put(found, block.piece, heard.find(block.text), spoken=True)
    return found


def _alone(blocks: Sequence[Block]) -> set[int]:
    """The lines with one sentence: to name the line is to name all of it."""
    count: dict[int, int] = {}
    for block in blocks:
        for sentence in sentence_pieces(block.piece):
            for number in sentence.numbers():
                count[number] = count.get(number, 0) + 1
    return {number for number, sentences in count.items() if sentences == 1}


def _put(found: Proof, piece: Piece, shots: Sequence[int] | None, *, spoken: bool) -> None:
    if not letters(piece.text):
        return
    if not shots:
        found.lost.append((piece, spoken))
        return
    for number in piece.numbers():
        known = found.shots.setdefault(number, [])
        known += [shot for shot in shots if shot not in known]


class _Words:
    """The words of several shots in one row, each letter used once."""

    def __init__(self, texts: Sequence[str]) -> None:
        folded = [letters(text) for text in texts]
        self._row = "".join(folded)
        self._owner = [index for index, text in enumerate(folded) for _ in text]
        self._used: set[int] = set()
        self._cursor = 0

    def find(self, text: str) -> list[int] | None:
        """The shots that hold `text`, which is not found there again; none is no shot."""
        wanted = letters(text)
        at = self._free(wanted, self._cursor)
        at = self._free(wanted, 0) if at is None else at
        if at is None or not wanted:
            return None
        end = at + len(wanted)
        self._used.update(range(at, end))
        self._cursor = end
        return list(dict.fromkeys(self._owner[at:end]))

    def _free(self, wanted: str, start: int) -> int | None:
        at = self._row.find(wanted, start)
        while at >= 0 and (at in self._used or at + len(wanted) - 1 in self._used):
            at = self._row.find(wanted, at + 1)
        return at if at >= 0 else None


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."
