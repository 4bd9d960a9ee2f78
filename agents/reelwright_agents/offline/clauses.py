"""Reads one sentence: who is in it, what they do and when, and what was not understood."""

from __future__ import annotations

from collections.abc import Iterator

from reelwright_agents.offline.cast import Cast
from reelwright_agents.offline.clause_state import Happening, Reading
from reelwright_agents.offline.clause_things import Things, is_silent
from reelwright_agents.offline.lexicon import Item, items
from reelwright_agents.offline.phrases import is_verb
from reelwright_agents.screenplay import Piece
from reelwright_core.story import (
    LeftOut,
    Line,
)

__all__ = ["Happening", "Reading", "read_sentence"]


def read_sentence(piece: Piece, cast: Cast) -> Reading:
    """What a sentence says, given who was seen before; new ones join `cast`."""
    known, text = set(cast.members), piece.text
    clauses = _Clauses(text=text, items=items(text), cast=cast)
    clauses.read()
    reading = clauses.reading
    reading.piece = piece
    reading.new = [id for id in reading.seen if id not in known]
    for left, at in clauses.left_out():
        reading.left_out.append(left)
        reading.left_at.append(at)
    return reading


class _Clauses(Things):
    """The words that open, join and order clauses."""

    def read(self) -> None:
        while self.at < len(self.items):
            self._one(self.items[self.at])
        self._end_relation()
        self.used -= {at for _, at in self.early}
        self._sides()
        for happening in self.reading.happenings:
            if happening.actor not in self.reading.seen:
                self.reading.seen.append(happening.actor)
            if self.wind and happening.action == "waves":
                self._feels_wind(happening.actor)
        self.reading.introduces = not self.reading.happenings
        if self.subject:
            self.cast.subject = self.subject

    def left_out(self) -> Iterator[tuple[LeftOut, int]]:
        """Every word that carries meaning and was not used, with its reason and its place."""
        for at, item in enumerate(self.items):
            why = self.left.get(at)
            if why is None and at not in self.used and not is_silent(item):
                why = _default_why(item)
            if why is not None:
                yield LeftOut(word=item.text, why=why), item.start

    def _one(self, item: Item) -> None:
        if "quote" in item:
            self.reading.lines.append(Line(speaker=self._speaker(), text=item["quote"]))
            self._use()
        elif "camera" in item:
            self.reading.camera = item["camera"]
            self._use()
        elif "lens" in item:
            self.reading.lens = item["lens"]
            self._use()
        elif "there" in item or "neutral" in item or "first" in item:
            self._use()
        elif "negation" in item:
            self.denied = True
            self.left[self.at] = "what is not there or not done cannot be shown"
            self.at += 1
        elif "wind" in item:
            self._blows(item)
        elif self._orders(item) or self._joins(item) or self._relates(item):
            pass
        elif "relative" in item and self.last and self._verb_next():
            self.subject, self.done, self.copula = list(self.last), False, False
            self._use()
        elif "'s" in item and not self._verb_next() and not self._describer_next():
            self.at += 1  # a possessive; who owns it is in the picture anyway
        elif "copula" in item:
            self.copula = True
            self._use()
        elif is_verb(self.items, self.at) and self._is_action(item):
            self._verb(item)
        elif "named" in item and self.last:
            self._name()
        elif self._says_how(item) or self._thing():
            pass
        elif "verb" in item and self.subject and not self.denied:
            self._verb(item)  # `goes for a walk`
        else:
            self._unclear(item)

    def _blows(self, item: Item) -> None:
        """`in a strong wind`: told of who acts, or of who comes next."""
        self.wind = item["wind"]
        for id in self.subject or self.last:
            self._feels_wind(id)
        self._use()

    def _speaker(self) -> str:
        who = self.subject or self.cast.subject
        return who[-1].replace("-", " ") if who else ""

    def _unclear(self, item: Item) -> None:
        if self.denied and not is_silent(item) and "pause" not in item:
            self.left[self.at] = "what is not there or not done cannot be shown"
        self.at += 1

    def _orders(self, item: Item) -> bool:
        """Words that say what comes first."""
        started = bool(self.reading.happenings)
        if "then" in item or ("after" in item and self._pause_next()):
            if started:
                self.step = self._last_step() + 1
                self._next_clause()
        elif "together" in item:
            if item.low in ("while", "as", "whilst"):
                if item.low == "as" and not self._clause_follows(self.at + 1):
                    return self._pass()
                self.overlap = True
            elif not started and not self.subject:
                self.reading.with_last = True
            if started:
                self._next_clause()
        elif "after" in item and (self._clause_follows(self.at + 1) or not started):
            if started:
                self.step = self._first_step() - 1
            else:
                self.comma_step = 1.0
            self._next_clause()
        elif "after" in item and self.reading.happenings and self.base:
            self.relation, self.relation_from = "follows", list(self.subject)
            self.relation_at = self.at
        elif "before" in item:
            if started:
                self.step = self._last_step() + 1
                self._next_clause()
            else:
                self.comma_step = -1.0
        else:
            return False
        self._use()
        if not self.done and self.base == "" and self._clause_follows(self.at):
            self.subject = []
            self.used -= {at for _, at in self.early}
            self.early = []
        return True

    def _joins(self, item: Item) -> bool:
        """Commas and `and`: more of the same, or a new clause."""
        if "and" not in item and "pause" not in item:
            return False
        self._use()
        if self.comma_step and "pause" in item and self.done:
            self.step += self.comma_step
            self.comma_step = 0.0
            self._next_clause()
            self.subject = []
            return True
        upcoming = self._skip_soft(self.at)
        if is_verb(self.items, upcoming) and self.done and self.subject:
            if not self.overlap:
                self.step = self._last_step() + 1
            self._next_clause()
        elif not self.done and not self.copula and self.subject and self.relation is None:
            self.listing = True
        elif self.relation is None and (self.done or self.copula):
            self.listing = self._clause_follows(self.at)
            if self.listing:
                self._next_clause()
                self.subject = []
        elif self._clause_follows(self.at):
            self._next_clause()
            self.subject = []
        return True


def _default_why(item: Item) -> str:
    for kind, why in _WHY.items():
        if kind in item:
            return why
    return "not a word I know"


_WHY = {
    "direction": "nothing here goes that way",
    "verb": "not clear who does it",
    "noun": "not clear what it does here",
    "place": "not clear what it does here",
    "colour": "not clear what has this colour",
    "number": "not clear what is counted",
    "size": "not clear what has this size",
    "adjective": "how a thing is, beyond colour and size, is not followed yet",
    "adverb": "how something is done is not followed yet",
    "turn": "nothing here goes that way",
}  # fmt: skip
