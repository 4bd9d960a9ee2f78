"""Which shots of a plan film which lines of its script: found in the plan's own words.

A planner copies into each shot the words of the script that it films or speaks. A sentence counts
as filmed when its words stand there, one after the other, and as spoken when they stand in the
dialogue; so what a language model left out is found without asking another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

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
    seen = _Words([claim.text for claim in claims])
    heard = _Words([" ".join(claim.spoken) for claim in claims])
    alone = _alone(blocks)
    wanted: list[tuple[Piece, bool]] = []
    for block in blocks:
        if block.kind in ("text", "prompt"):
            wanted += [(sentence, False) for sentence in sentence_pieces(block.piece)]
        elif block.kind == "dialogue":
            wanted.append((block.piece, True))
    shots: dict[int, list[int] | None] = {}
    # Long ones first: `O!` must not be found in the middle of `But stay, O spite!`.
    for index in sorted(range(len(wanted)), key=lambda at: -len(wanted[at][0].text)):
        piece, spoken = wanted[index]
        shots[index] = (heard if spoken else seen).find(piece.text)
        numbers = piece.numbers()
        if shots[index] is None and not spoken and alone.issuperset(numbers):
            shots[index] = [i for i, c in enumerate(claims) if not set(numbers).isdisjoint(c.lines)]
    found = Proof()
    for index, (piece, spoken) in enumerate(wanted):
        _put(found, piece, shots[index], spoken=spoken)
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
    if not _tokens(piece.text):
        return
    if not shots:
        found.lost.append((piece, spoken))
        return
    for number in piece.numbers():
        known = found.shots.setdefault(number, [])
        known += [shot for shot in shots if shot not in known]


class _Words:
    """The words of several shots in one row, each used once."""

    def __init__(self, texts: Sequence[str]) -> None:
        told = [_tokens(text) for text in texts]
        self._row = [word for words in told for word in words]
        self._owner = [index for index, words in enumerate(told) for _ in words]
        self._free = [True] * len(self._row)
        self._places: dict[str, list[int]] = {}
        for at, word in enumerate(self._row):
            self._places.setdefault(word, []).append(at)

    def find(self, text: str) -> list[int] | None:
        """The shots that hold `text`, which is not found there again; none is no shot."""
        wanted = _tokens(text)
        for at in self._places.get(wanted[0], ()) if wanted else ():
            end = at + len(wanted)
            if self._row[at:end] == wanted and all(self._free[at:end]):
                self._free[at:end] = [False] * len(wanted)
                return list(dict.fromkeys(self._owner[at:end]))
        return None


_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]|[^\W_]+")


def _tokens(text: str) -> list[str]:
    """The words of `text` for comparing; signs of scripts that part no words, one by one."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."
