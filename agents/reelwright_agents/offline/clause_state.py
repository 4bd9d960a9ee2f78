"""What is known while a sentence is read, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reelwright_agents.offline.cast import Cast
from reelwright_agents.offline.lexicon import Item
from reelwright_agents.offline.phrases import NounPhrase, is_verb, noun_phrase
from reelwright_agents.screenplay import Piece
from reelwright_core.story import (
    Action,
    CameraMove,
    Direction,
    LeftOut,
    Lens,
    Line,
    Place,
    RelationKind,
)


@dataclass(kw_only=True, slots=True)
class Happening:
    """What someone does, in which step of the sentence."""

    actor: str
    action: Action
    step: float
    direction: Direction | None = None
    base: str = ""
    """The verb that said it."""
    at: int = 0
    """Where in the sentence it is said, in characters."""


@dataclass(kw_only=True, slots=True)
class Reading:
    """A sentence understood."""

    text: str
    seen: list[str] = field(default_factory=list[str])
    """Ids of all who are in it."""
    new: list[str] = field(default_factory=list[str])
    relations: list[tuple[str, RelationKind, str]] = field(
        default_factory=list[tuple[str, RelationKind, str]]
    )
    happenings: list[Happening] = field(default_factory=list[Happening])
    told_at: dict[object, int] = field(default_factory=dict[object, int])
    """Where in the sentence each id was named first, and each relation was said, in characters."""
    left_at: list[int] = field(default_factory=list[int])
    """Where in the sentence each word of `left_out` is."""
    place: Place | None = None
    camera: CameraMove | None = None
    lens: Lens | None = None
    piece: Piece = field(default_factory=lambda: Piece(text="", lines=((0, 1),)))
    """Where in the script its words stand."""
    lines: list[Line] = field(default_factory=list[Line])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    wind: str = ""
    """What it says of the wind: `strong wind`."""
    with_last: bool = False
    """It says that it happens at the same time as the sentence before."""
    introduces: bool = False
    """It only says that something is there."""

    @property
    def filmable(self) -> bool:
        """Whether it gives a picture anything."""
        return bool(self.seen or self.place or self.camera)


@dataclass(kw_only=True)
class ClauseState:
    """Where the reading of a sentence is at, and what all its parts need."""

    text: str
    items: Sequence[Item]
    cast: Cast
    reading: Reading = field(init=False)
    at: int = 0
    subject: list[str] = field(default_factory=list[str])
    last: list[str] = field(default_factory=list[str])
    """Who was named last."""
    listing: bool = False
    """The subject goes on after `and` or a comma."""
    done: bool = False
    """The clause has its verb."""
    copula: bool = False
    denied: bool = False
    overlap: bool = False
    step: float = 0.0
    comma_step: float = 0.0
    """What the next comma adds to the step: for `After it falls, ...`."""
    base: str = ""
    verb_at: int = -1
    relation: RelationKind | None = None
    relation_from: list[str] = field(default_factory=list[str])
    relation_at: int = -1
    passive: bool = False
    waiting: list[tuple[RelationKind, list[str]]] = field(
        default_factory=list[tuple[RelationKind, list[str]]]
    )
    wants_object: int = -1
    """The position of a verb such as `chases` whose object has not come yet."""
    running: list[Happening] = field(default_factory=list[Happening])
    """What the last verb said."""
    early: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Verbs that came before their subject."""
    toward: tuple[Direction, int] | None = None
    """A direction that came before its verb."""
    sides: dict[str, tuple[Direction, int]] = field(
        default_factory=dict[str, tuple[Direction, int]]
    )
    used: set[int] = field(default_factory=set[int])
    left: dict[int, str] = field(default_factory=dict[int, str])

    wind: str = ""

    def __post_init__(self) -> None:
        self.reading = Reading(text=self.text)

    def _feels_wind(self, id: str) -> None:
        self.reading.wind = self.wind
        attributes = self.cast.members[id].attributes
        if self.wind not in attributes:
            attributes.append(self.wind)

    def _use(self) -> None:
        self.used.add(self.at)
        self.at += 1

    def _pass(self) -> bool:
        self._use()
        return True

    def _last_step(self) -> float:
        return max((h.step for h in self.reading.happenings), default=0.0)

    def _first_step(self) -> float:
        return min((h.step for h in self.reading.happenings), default=0.0)

    def _skip_soft(self, at: int) -> int:
        while at < len(self.items) and (
            "adverb" in self.items[at] or "then" in self.items[at] or "and" in self.items[at]
        ):
            at += 1
        return at

    def _clause_follows(self, at: int) -> bool:
        """Whether a noun phrase with a verb of its own comes next."""
        at = self._skip_soft(at)
        phrase = noun_phrase(self.items, at, bare=True)
        while phrase is not None:
            at = self._skip_soft(phrase.end)
            if at < len(self.items) and ("copula" in self.items[at] or is_verb(self.items, at)):
                return True
            if at == phrase.end or "and" not in self.items[at - 1]:
                return False
            phrase = noun_phrase(self.items, at, bare=True)
        return False

    def _verb_next(self) -> bool:
        at = self._skip_soft(self.at + 1)
        return is_verb(self.items, at) or (at < len(self.items) and "copula" in self.items[at])

    def _describer_next(self) -> bool:
        after = self.items[self.at + 1 : self.at + 2]
        return bool(after) and any(k in after[0] for k in ("colour", "size", "relation", "article"))

    def _pause_next(self) -> bool:
        after = self.items[self.at + 1 : self.at + 2]
        return not after or "pause" in after[0]

    def _phrase(self, at: int) -> NounPhrase | None:
        return noun_phrase(self.items, at, bare=False)

    def _take(self, phrase: NounPhrase) -> None:
        self.used.update(phrase.used)
        self.left.update(phrase.left)
        self.at = phrase.end

    def _here(self) -> int:
        """Where the verb is, or else the word in hand, in characters."""
        at = self.verb_at if self.verb_at >= 0 else self.at
        return self.items[min(at, len(self.items) - 1)].start

    def _happen(
        self, actor: str, action: Action, direction: Direction | None, *, base: str
    ) -> None:
        for other in self.reading.happenings:
            if (other.actor, other.action, other.step) == (actor, action, self.step):
                other.direction = other.direction or direction
                self.running.append(other)
                return
        new = Happening(
            actor=actor, action=action, step=self.step, direction=direction, base=base,
            at=self._here(),
        )  # fmt: skip
        self.reading.happenings.append(new)
        self.running.append(new)

    def _mine(self) -> list[Happening]:
        """What the running verb makes the subject do."""
        return list(self.running)

    def _stand(self, pairs: Sequence[tuple[str, str]], kind: RelationKind) -> None:
        for subject, other in pairs:
            relation = (subject, kind, other)
            if relation not in self.reading.relations:
                self.reading.relations.append(relation)
                at = min(max(self.relation_at, self.verb_at, 0), len(self.items) - 1)
                self.reading.told_at[relation] = self.items[at].start

    def _move_both(self, kind: RelationKind, pairs: list[tuple[str, str]]) -> None:
        busy = {h.actor: h for h in self.reading.happenings if h.action in ("moves", "rolls")}
        toward: Direction = self.toward[0] if self.toward else "right"
        if self.toward:
            self.used.add(self.toward[1])
            self.toward = None
        for behind, ahead in pairs:
            if kind == "follows":
                done = busy.get(ahead) or busy.get(behind)
                toward = (done.direction if done else None) or toward
                for id in (behind, ahead):
                    if id not in busy:
                        self._happen(id, "moves", toward, base="follow")
            elif not {behind, ahead} & {h.actor for h in self.reading.happenings}:
                self._happen(behind, "moves", "right", base="meet")
                self._happen(ahead, "moves", "left", base="meet")
            elif behind not in busy:
                self._happen(behind, "moves", "right", base="meet")

    def _end_relation(self) -> None:
        """A verb such as `chases` that got no object: `they meet`, or it is left out."""
        if self.wants_object < 0:
            return
        at, self.wants_object = self.wants_object, -1
        if self.relation == "meets" and len(self.subject) > 1:
            pairs = [(self.subject[0], other) for other in self.subject[1:]]
            self._stand(pairs, "meets")
            self._move_both("meets", pairs)
            self.used.add(at)
        else:
            self.left[at] = "not said whom"
            self.used.discard(at)
        self.relation, self.passive = None, False

    def _next_clause(self) -> None:
        """The clause is over; its subject goes on unless another one follows."""
        self._end_relation()
        self.done = self.copula = self.listing = self.denied = False
        self.relation, self.base = None, ""
        self.running = []

    def _verb_in_clause(self) -> bool:
        """Whether a verb follows before the clause ends."""
        for at in range(self.at + 1, len(self.items)):
            item = self.items[at]
            if any(
                kind in item for kind in ("and", "pause", "then", "together", "after", "before")
            ):
                return False
            if is_verb(self.items, at):
                return True
        return False
