"""Reads one sentence: who is in it, what they do and when, and what was not understood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from reelwright_agents.offline import words
from reelwright_agents.offline.cast import Cast, Mention
from reelwright_agents.offline.lexicon import Item, items
from reelwright_agents.offline.phrases import NounPhrase, is_verb, noun_phrase
from reelwright_core.story import (
    Action,
    CameraMove,
    Direction,
    LeftOut,
    Line,
    Place,
    RelationKind,
)

_SIDEWAYS = ("moves", "rolls", "leaves", "bounces", "jumps")
_OPPOSITE: dict[RelationKind, RelationKind] = {
    "left of": "right of", "right of": "left of", "behind": "in front of", "in front of": "behind",
}  # fmt: skip


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
    lines: list[Line] = field(default_factory=list[Line])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    with_last: bool = False
    """It says that it happens at the same time as the sentence before."""
    introduces: bool = False
    """It only says that something is there."""

    @property
    def filmable(self) -> bool:
        """Whether it gives a picture anything."""
        return bool(self.seen or self.place or self.camera)


def read_sentence(text: str, cast: Cast) -> Reading:
    """What `text` says, given who was seen before; new ones join `cast`."""
    known = set(cast.members)
    clauses = _Clauses(text=text, items=items(text), cast=cast)
    clauses.read()
    reading = clauses.reading
    reading.new = [id for id in reading.seen if id not in known]
    for left, at in clauses.left_out():
        reading.left_out.append(left)
        reading.left_at.append(at)
    return reading


@dataclass(kw_only=True)
class _Clauses:
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

    def __post_init__(self) -> None:
        self.reading = Reading(text=self.text)

    def read(self) -> None:
        while self.at < len(self.items):
            self._one(self.items[self.at])
        self._end_relation()
        self.used -= {at for _, at in self.early}
        self._sides()
        for happening in self.reading.happenings:
            if happening.actor not in self.reading.seen:
                self.reading.seen.append(happening.actor)
        self.reading.introduces = not self.reading.happenings
        if self.subject:
            self.cast.subject = self.subject

    def left_out(self) -> Iterator[tuple[LeftOut, int]]:
        """Every word that carries meaning and was not used, with its reason and its place."""
        for at, item in enumerate(self.items):
            why = self.left.get(at)
            if why is None and at not in self.used and not _silent(item):
                why = _default_why(item)
            if why is not None:
                yield LeftOut(word=item.text, why=why), item.start

    # what each word does -----------------------------------------------------

    def _one(self, item: Item) -> None:
        if "quote" in item:
            self.reading.lines.append(Line(speaker=self._speaker(), text=item["quote"]))
            self._use()
        elif "camera" in item:
            self.reading.camera = item["camera"]
            self._use()
        elif "there" in item or "neutral" in item or "first" in item:
            self._use()
        elif "negation" in item:
            self.denied = True
            self.left[self.at] = "what is not there or not done cannot be shown"
            self.at += 1
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

    def _use(self) -> None:
        self.used.add(self.at)
        self.at += 1

    def _speaker(self) -> str:
        who = self.subject or self.cast.subject
        return who[-1].replace("-", " ") if who else ""

    def _unclear(self, item: Item) -> None:
        if self.denied and not _silent(item) and "pause" not in item:
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
        return True

    def _pass(self) -> bool:
        self._use()
        return True

    def _last_step(self) -> float:
        return max((h.step for h in self.reading.happenings), default=0.0)

    def _first_step(self) -> float:
        return min((h.step for h in self.reading.happenings), default=0.0)

    def _next_clause(self) -> None:
        """The clause is over; its subject goes on unless another one follows."""
        self._end_relation()
        self.done = self.copula = self.listing = self.denied = False
        self.relation, self.base = None, ""
        self.running = []

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

    # relations and places ----------------------------------------------------

    def _relates(self, item: Item) -> bool:
        if "relation" not in item and "loose" not in item:
            return False
        if item.low == "by" and self.passive:
            self._use()
            return True
        if "direction" in item and self._phrase(self.at + 1) is None:
            return False
        if "turn" in item and self.base and self._phrase(self.at + 1) is None:
            return False
        phrase = self._phrase(self.at + 1)
        if phrase is None:
            return self._strange_place()
        if phrase.place is not None:
            self._use()
            self._place(phrase)
            return True
        kind: RelationKind = item.means.get("relation", "near")
        at_verb = self.verb_at == self.at - 1 and self.base in (
            "jump",
            "leap",
            "hop",
            "bound",
            "skip",
        )
        if kind == "above" and at_verb:
            kind = "near"
            self.left[self.at] = "jumping over something is not followed yet"
        name = phrase.said.name if phrase.said is not None and not phrase.said.known else ""
        if name and "loose" in item and self.cast.named(name) is None:
            return self._strange_place()
        if "relation" not in item and item["loose"]:
            self.left[self.at] = "`near` stands for it"
        self.relation = kind
        self.relation_from = list(
            self.subject if self.done or self.copula or not self.last else self.last
        )
        self.relation_at = self.at
        self.at += 1
        return True

    def _phrase(self, at: int) -> NounPhrase | None:
        return noun_phrase(self.items, at, bare=False)

    def _strange_place(self) -> bool:
        """`in Paris`, `on Monday`: the word after the preposition is left out as a place."""
        if self.at + 1 < len(self.items) and self.items[self.at + 1].unknown:
            self.left[self.at + 1] = "not a place that I know"
            self.used.add(self.at)
            self.at += 2
            return True
        return False

    def _place(self, phrase: NounPhrase) -> None:
        self._take(phrase)
        head = phrase.end - 1
        if self.reading.place in (None, phrase.place):
            self.reading.place = phrase.place
            self.used.add(head)
        else:
            self.left[head] = f"one place a shot: this one is in `{self.reading.place}`"

    def _take(self, phrase: NounPhrase) -> None:
        self.used.update(phrase.used)
        self.left.update(phrase.left)
        self.at = phrase.end

    # verbs -------------------------------------------------------------------

    def _is_action(self, item: Item) -> bool:
        """Whether a word that may be noun, place, direction or verb is the verb here."""
        if "noun" in item or "place" in item:
            return bool(self.subject) and not self.done and not self.listing
        if "direction" in item:
            return (
                bool(self.subject)
                and not self.done
                and not any(is_verb(self.items, i) for i in range(self.at + 1, len(self.items)))
            )
        return True

    def _verb(self, item: Item) -> None:
        base = item["verb"]
        if self.denied:
            self.left[self.at] = "what is not there or not done cannot be shown"
            self.denied, self.done = False, True
            self.at += 1
            return
        if base in words.SPEECH_VERBS:
            if any("quote" in other for other in self.items):
                self.used.add(self.at)
            else:
                self.left[self.at] = "speech is only followed in quotation marks"
            self.done = True
            self.at += 1
            return
        if not self.subject:
            self.early.append((base, self.at))
            self.used.add(self.at)
            self.at += 1
            return
        adjacent = self.last and self.last != self.subject and item.low.endswith("ing")
        if adjacent and self.done and not self.copula and self._named_just_before():
            self.subject = list(self.last)
        if base in words.PARTICLE_VERBS:
            self.at += 1
            return
        self.verb_at = self.at
        self._use()
        by = self.at < len(self.items) and self.items[self.at].low == "by"
        self._act(base, passive=(self.copula or by) and not item.low.endswith("ing"))

    def _named_just_before(self) -> bool:
        before = self.items[self.at - 1]
        return "noun" in before or (self.at - 1) in self.left

    def _act(self, base: str, *, passive: bool) -> None:
        self.done, self.base, self.running = True, base, []
        if base in words.RELATION_VERBS:
            self.relation, self.relation_from = words.RELATION_VERBS[base], list(self.subject)
            self.relation_at = self.wants_object = self.verb_at
            self.passive = passive and self.relation == "follows"
            return
        if base in words.TURNED_VERBS:
            self.relation, self.relation_from = "follows", list(self.subject)
            self.relation_at = self.wants_object = self.verb_at
            self.passive = True
            return
        action = words.ACTIONS.get(base)
        if passive and base in words.TRANSITIVE:
            action = words.TRANSITIVE[base][1]
        if action is None:
            action = words.TRANSITIVE[base][0]
        direction: Direction | None = "down" if base in words.DOWN_VERBS else None
        if self.toward and action in _SIDEWAYS:
            direction = self.toward[0]
            self.used.add(self.toward[1])
            self.toward = None
        for actor in self.subject:
            self._happen(actor, action, direction, base=base)

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

    def _here(self) -> int:
        """Where the verb is, or else the word in hand, in characters."""
        at = self.verb_at if self.verb_at >= 0 else self.at
        return self.items[min(at, len(self.items) - 1)].start

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

    def _mine(self) -> list[Happening]:
        """What the running verb makes the subject do."""
        return list(self.running)

    def _says_how(self, item: Item) -> bool:
        """Directions, turns and positions."""
        if "position" in item:
            for id in self.last:
                self.sides[id] = (item["position"], self.at)
            self.at += 1
            return True
        if "turn" in item and (self.base or self._particle_before()):
            return self._turn(item)
        if "direction" not in item:
            return False
        mine = self._mine()
        if not self.done or not mine:
            self.toward = (item["direction"], self.at)
            self.at += 1
            return True
        fits = [h for h in mine if _fits(h.action, item["direction"])]
        for happening in fits:
            if happening.action in _SIDEWAYS:
                happening.direction = item["direction"]
        if fits:
            self.used.add(self.at)
        self.at += 1
        return True

    def _particle_before(self) -> bool:
        return self.at > 0 and self.items[self.at - 1].means.get("verb") in words.PARTICLE_VERBS

    def _turn(self, item: Item) -> bool:
        base = self.base
        if self._particle_before():
            base = self.items[self.at - 1]["verb"]
            action = words.TURN_PHRASES.get((base, item.low))
            if action is None or not self.subject:
                self.at += 1
                return True
            self.used.update((self.at - 1, self.at))
            self.done, self.base, self.running = True, base, []
            for actor in self.subject:
                self._happen(actor, action, None, base=base)
            self.at += 1
            return True
        action = words.TURN_PHRASES.get((base, item.low))
        for happening in self._mine():
            if action is not None:
                happening.action = action
            elif happening.action in ("moves", "approaches") and happening.base == base:
                happening.action = item["turn"]
        self._use()
        return True

    # things ------------------------------------------------------------------

    def _thing(self) -> bool:
        """A noun phrase, and what it is to the sentence."""
        wants_noun = self._verb_next() and not (self.subject and not self.listing and not self.done)
        bare = self.relation is not None or self.listing or (wants_noun and not self.done)
        phrase = noun_phrase(self.items, self.at, bare=bare)
        if phrase is None:
            return self._describes()
        if phrase.place is not None:
            self._place_alone(phrase)
            return True
        if self.denied:
            for at in range(phrase.start, phrase.end):
                if not _silent(self.items[at]):
                    self.left[at] = "what is not there or not done cannot be shown"
            self.at = phrase.end
            self.denied = False
            return True
        if self._is_description(phrase):
            return self._describes()
        if self._appositive(phrase):
            return True
        ids = self._resolve(phrase)
        self._take(phrase)
        if not ids:
            self.used -= set(phrase.used)
            return True
        for id in ids:
            self.reading.told_at.setdefault(id, self.items[phrase.start].start)
            if id not in self.reading.seen:
                self.reading.seen.append(id)
        self._give_role(ids, phrase)
        self.last = ids
        return True

    def _place_alone(self, phrase: NounPhrase) -> None:
        """`A beach.` is a place; `the sky` in `The sky is blue` is a part of one."""
        after = self._skip_soft(phrase.end)
        acts = after < len(self.items) and (
            "copula" in self.items[after] or is_verb(self.items, after)
        )
        crossed = self.base in ("cross", "enter", "leave", "pass", "climb")
        if (acts and not self.reading.seen) or (self.done and not crossed):
            self._take(phrase)
            self.left[phrase.end - 1] = "part of the background, which only stands still"
            self.copula = False
            return
        self._place(phrase)

    def _is_description(self, phrase: NounPhrase) -> bool:
        """`it is orange`, where orange could be a fruit too."""
        if not self.copula or phrase.said is None or "colour" not in self.items[self.at]:
            return False
        return phrase.end == self.at + 1

    def _describes(self) -> bool:
        """A colour, size or number said after `is`."""
        item = self.items[self.at]
        if not self.copula or not self.subject:
            return False
        members = [self.cast.members[id] for id in self.subject]
        if "colour" in item:
            fits = all(m.colour in (None, item["colour"]) for m in members)
            for member in members if fits else ():
                member.colour = item["colour"]
            why = f"it is {members[0].colour} already"
        elif "size" in item:
            fits = all(m.size in (None, item["size"]) for m in members)
            for member in members if fits else ():
                member.size = item["size"]
            why = f"it is {members[0].size} already"
        else:
            return False
        for id in self.subject:
            if id not in self.reading.seen:
                self.reading.seen.append(id)
        if not fits:
            self.left[self.at] = why
            self.at += 1
        else:
            self._use()
        return True

    def _appositive(self, phrase: NounPhrase) -> bool:
        """`Anna, a girl, walks` and `Anna is a girl`: the name belongs to the girl."""
        said = phrase.said
        if said is None or not said.known or said.same or not self.subject or self.done:
            return False
        before = self.items[self.at - 1] if self.at else None
        paused = before is not None and "pause" in before and self.listing
        member = self.cast.members[self.subject[-1]]
        if not (paused or self.copula) or member.known or not member.names:
            return False
        self._take(phrase)
        member.noun, member.known = said.noun, True
        member.count = 1
        member.colour, member.size = said.colour, said.size
        member.attributes += said.attributes
        for at, why in list(self.left.items()):
            if self.items[at].low in member.names and "labelled" in why:
                del self.left[at]
        self.listing = False
        if self.at < len(self.items) and "pause" in self.items[self.at]:
            self._use()
        return True

    def _name(self) -> None:
        """`a girl named Anna`."""
        self._use()
        if self.at < len(self.items) and self.items[self.at].text[:1].isupper():
            self.cast.give_name(self.last[-1], self.items[self.at].text)
            self._use()

    def _resolve(self, phrase: NounPhrase) -> list[str]:
        if phrase.pronoun == "one":
            return self.cast.one(person=self.items[phrase.start].low != "it")
        if phrase.pronoun == "many":
            return self.cast.many()
        if phrase.pronoun == "self":
            return []
        said = phrase.said
        assert said is not None
        if not said.noun:
            said = self._one_of(said)
            if said is None:
                return []
        ids = self.cast.find(said)
        for id in ids:
            self._check_told(phrase, id)
        if all(self.cast.members[id].known for id in ids):
            for at in [at for at, why in phrase.left.items() if "labelled" in why]:
                del phrase.left[at]
        return ids

    def _one_of(self, said: Mention) -> Mention | None:
        """`a blue one`: one of what was named last."""
        for id in self.cast.recent[::-1]:
            member = self.cast.members[id]
            return replace(said, noun=member.noun, known=member.known, plural=False)
        return None

    def _check_told(self, phrase: NounPhrase, id: str) -> None:
        """Numbers and sizes that the member, seen before, does not have are left out."""
        member = self.cast.members[id]
        for at in range(phrase.start, phrase.end):
            item = self.items[at]
            if at not in phrase.used:
                continue
            if "number" in item and member.count != item["number"] and "one" not in item:
                phrase.left[at] = f"there are {member.count} of them"
            if "one" in item and "number" in item and at != phrase.end - 1 and member.count != 1:
                phrase.left[at] = f"there are {member.count} of them"

    def _give_role(self, ids: list[str], phrase: NounPhrase) -> None:
        if self.relation is not None:
            self._relate(ids)
        elif self.done and not self.listing:
            self._object(ids)
        elif self.listing or not self.subject or self.copula:
            self.subject = [*self.subject, *ids] if self.listing else list(ids)
            self.listing = False
            self._new_subject(ids)
        else:
            self.subject = [*self.subject, *ids]
            self._new_subject(ids)
        if phrase.verb:
            action = words.ACTIONS.get(phrase.verb)
            for id in ids if action else ():
                self._happen(id, action or "stays", None, base=phrase.verb)
            if action is None:
                for at in phrase.used:
                    if "verb" in self.items[at]:
                        self.left[at] = "what it does so is not followed"

    def _new_subject(self, ids: list[str]) -> None:
        for kind, objects in self.waiting:
            self._stand([(s, o) for s in ids for o in objects if s != o], kind)
        self.waiting = []
        for base, at in self.early:
            self.verb_at = at
            self._act(base, passive=False)
        if self.early:
            self.done = "pause" not in self.items[self.early[-1][1] + 1 :][:1]
            self.early = []

    def _relate(self, ids: list[str]) -> None:
        kind = self.relation
        assert kind is not None
        subjects = self.relation_from
        if not subjects:
            self.waiting.append((kind, ids))
        pairs = [(s, o) for s in subjects for o in ids if s != o]
        if self.passive:
            pairs = [(o, s) for s, o in pairs]
        self._stand(pairs, kind)
        if self.wants_object == self.relation_at:
            self.wants_object = -1
            if pairs or self.waiting:
                self.used.add(self.relation_at)
            else:
                self.used.discard(self.relation_at)
        if kind in ("follows", "meets") and pairs:
            self._move_both(kind, pairs)
        if not pairs and subjects:
            self.left.setdefault(self.relation_at, "a thing does not stand so to itself")
        goes_on = self.at < len(self.items) and self.items[self.at].low in ("and", ",")
        after = self.at + 1
        if goes_on and self._phrase(after) and not self._clause_follows(after):
            return
        self.relation, self.passive = None, False

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

    def _object(self, ids: list[str]) -> None:
        """`pushes a ball`: what the verb does to its object."""
        if self.base not in words.TRANSITIVE or set(ids) & set(self.subject):
            return
        own, others, kind = words.TRANSITIVE[self.base]
        mine = self._mine()
        for happening in mine:
            if happening.base == self.base:
                happening.action = own
                happening.direction = happening.direction if own in _SIDEWAYS else None
        for id in ids:
            self._happen(
                id,
                others,
                mine[0].direction if mine and others in _SIDEWAYS else None,
                base=self.base,
            )
        if kind is not None:
            self._stand([(s, o) for s in self.subject for o in ids], kind)
        self.subject = [*self.subject, *ids] if others in _SIDEWAYS else self.subject

    def _sides(self) -> None:
        """`on the left` means something when another thing is on the right."""
        sided = list(self.sides.items())
        for one, (side, at) in sided:
            for other in self.reading.seen:
                if other == one or (other in self.sides and self.sides[other][0] == side):
                    continue
                kind: RelationKind = "left of" if side == "left" else "right of"
                turned = (other, _OPPOSITE[kind], one)
                if turned not in self.reading.relations:
                    self.reading.relations.append((one, kind, other))
                self.used.add(at)
            if at not in self.used:
                self.left[at] = "where in the picture a lone thing is, is not followed yet"


def _fits(action: Action, direction: Direction) -> bool:
    """Whether the action can go that way, or goes that way by itself."""
    if action in ("moves",):
        return True
    if direction in ("left", "right"):
        return action in _SIDEWAYS
    if direction == "up":
        return action in ("rises", "jumps", "bounces")
    return action in ("falls", "bounces", "jumps", "stays")


def _silent(item: Item) -> bool:
    """Whether nobody misses the word."""
    if item.low in words.FUNCTION_WORDS or item.unknown:
        return not item.unknown
    loud = (
        "noun",
        "colour",
        "number",
        "verb",
        "place",
        "size",
        "adjective",
        "adverb",
        "quote",
        "position",
    )
    if any(kind in item for kind in loud):
        return False
    return "turn" not in item and "direction" not in item and "camera" not in item


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
}
