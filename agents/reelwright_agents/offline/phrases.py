"""Reads one noun phrase: `two small red cars`, `a zonk`, `a red and a blue ball`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reelwright_agents.offline.cast import Mention
from reelwright_agents.offline.lexicon import Item
from reelwright_core.story import Place
from reelwright_simulators import cutouts

LeftWhy = dict[int, str]
"""From the position of an item to why it is left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NounPhrase:
    """What stands between two positions of a sentence and means one thing."""

    start: int
    end: int
    said: Mention | None = None
    place: Place | None = None
    pronoun: str = ""
    verb: str = ""
    """The base of a verb said as an adjective: `a bouncing ball`."""
    used: tuple[int, ...] = ()
    left: LeftWhy = field(default_factory=dict[int, str])


def noun_phrase(items: Sequence[Item], at: int, *, bare: bool) -> NounPhrase | None:
    """The noun phrase that starts at `at`, if one does.

    `bare` says whether an unknown word without an article may be a noun here.
    """
    if at < len(items) and "pronoun" in items[at] and not _possessive(items, at):
        return NounPhrase(start=at, end=at + 1, pronoun=items[at]["pronoun"], used=(at,))
    reader = _Reader(items=items, at=at, start=at, bare=bare)
    return reader.read()


def is_verb(items: Sequence[Item], at: int) -> bool:
    """Whether the item can be a verb where it stands: not after an article or another describer."""
    if at >= len(items) or "verb" not in items[at]:
        return False
    if at == 0:
        return True
    before = items[at - 1]
    if "article" in before and "pronoun" not in before and "relative" not in before:
        return False
    return not any(kind in before for kind in ("colour", "size", "number")) or "noun" in before


def _possessive(items: Sequence[Item], at: int) -> bool:
    """Whether `her` and the like belong to a noun that follows."""
    if "article" not in items[at] or at + 1 >= len(items):
        return False
    after = items[at + 1]
    return after.unknown or any(
        k in after for k in ("noun", "colour", "size", "number", "adjective")
    )


@dataclass(kw_only=True)
class _Reader:
    items: Sequence[Item]
    at: int
    start: int
    bare: bool
    same: bool = False
    other: bool = False
    article: bool = False
    singular: bool = False
    count: int | None = None
    verb: str = ""
    used: list[int] = field(default_factory=list[int])
    left: LeftWhy = field(default_factory=dict[int, str])
    colours: list[int] = field(default_factory=list[int])
    sizes: list[int] = field(default_factory=list[int])
    attributes: list[str] = field(default_factory=list[str])
    strange: list[int] = field(default_factory=list[int])

    def read(self) -> NounPhrase | None:
        while self.at < len(self.items):
            item = self.items[self.at]
            if self._takes_article(item) or self._takes_describer(item):
                continue
            if "noun" in item and not self._acts(item):
                if self._noun_follows():
                    self.left[self.at] = "only describes another word"
                    self.at += 1
                    continue
                return self._thing(item)
            if "place" in item and not ("verb" in item and not self._describes()):
                if self._noun_follows():
                    self.left[self.at] = "only describes another word"
                    self.at += 1
                    continue
                return self._place(item)
            if "verb" in item and self._describes() and self._noun_follows(strange=True):
                self.verb = item["verb"]
                self.used.append(self.at)
                self.at += 1
                continue
            if item.unknown and not item.low.isdigit():
                self.strange.append(self.at)
                self.at += 1
                continue
            break
        return self._strange_thing()

    def _takes_article(self, item: Item) -> bool:
        if "article" not in item or self.article or self._describes():
            return False
        if item.low in ("that", "this", "all") and not self._noun_follows(strange=True):
            return False
        self.same = item["article"] == "same"
        self.other = item.low == "another"
        self.singular = item.low in ("a", "an", "another", "this", "that")
        self.article = True
        self.at += 1
        return True

    def _takes_describer(self, item: Item) -> bool:
        if self.strange and not any(k in item for k in ("colour", "size", "adjective")):
            return False
        if item.low in ("second", "third", "other") and self.article:
            self.other = not self.same or item.low != "other"
        elif "number" in item and self.count is None:
            if "one" in item and (self.colours or self.sizes or self.article):
                return False
            if "noun" in item and not self._noun_follows(strange=True):
                return False
            self.count = item["number"]
            if self.count in range(1, 10):
                self.used.append(self.at)
            else:
                self.left[self.at] = "one to nine alike can be shown"
        elif "colour" in item and not ("noun" in item and not self._noun_follows(strange=True)):
            self.colours.append(self.at)
        elif "size" in item and "noun" not in item:
            self.sizes.append(self.at)
        elif ("adjective" in item or "adverb" in item) and self._noun_follows(strange=True):
            if not any(k in item for k in ("noun", "verb")) or self.article:
                self.attributes.append(item.low)
                self.left[self.at] = "how a thing is, beyond colour and size, is not followed yet"
        elif (item.low in (",", "and")) and self._describes() and self._describer_follows():
            pass
        else:
            return False
        self.at += 1
        return True

    def _describes(self) -> bool:
        return bool(self.article or self.count or self.colours or self.sizes or self.attributes)

    def _describer_follows(self) -> bool:
        at = self.at + 1
        if at >= len(self.items) or not (self.colours or self.sizes or self.attributes):
            return False
        after = self.items[at]
        if not any(kind in after for kind in ("colour", "size", "adjective")):
            return False
        return self._noun_follows(strange=True)

    def _noun_follows(self, *, strange: bool = False) -> bool:
        """Whether more describers and then a noun come right after this item."""
        at = self.at + 1
        while at < len(self.items):
            item = self.items[at]
            if "noun" in item or "one" in item:
                return strange or "verb" not in item
            if "place" in item and "verb" not in item:
                return strange
            if any(kind in item for kind in ("colour", "size", "adjective")) and strange:
                at += 1
            elif item.low in (",", "and") and strange and at + 1 < len(self.items):
                if not any(k in self.items[at + 1] for k in ("colour", "size", "adjective")):
                    return False
                at += 1
            elif strange and ("number" in item or ("verb" in item and _is_participle(item.low))):
                at += 1
            else:
                return strange and item.unknown
        return False

    def _acts(self, item: Item) -> bool:
        """Whether a word that is noun and verb is the verb: it follows an unknown noun."""
        return "verb" in item and bool(self.strange) and not self._noun_follows()

    def _thing(self, item: Item) -> NounPhrase:
        noun, plural = item["noun"]
        self.used.append(self.at)
        for position in self.strange:
            self.left[position] = "not a word I know"
        several = plural and self.count != 1 and not self.singular
        known = cutouts.find(noun) is not None
        if not known:
            self.left[self.at] = "no picture of it: a labelled shape stands in"
            self.at += 1
        return self._done(noun, item, plural=several and item.low != noun, known=known)

    def _place(self, item: Item) -> NounPhrase:
        left = {**self.left, **dict.fromkeys(self.strange, "not a word I know")}
        for position in (*self.colours, *self.sizes):
            left[position] = "places keep their own look"
        return NounPhrase(start=self.start, end=self.at + 1, place=item["place"], left=left)

    def _strange_thing(self) -> NounPhrase | None:
        stands_in = self.at < len(self.items) and "one" in self.items[self.at] and not self.strange
        if stands_in and (self.colours or self.sizes or (self.article and not self.same)):
            self.used.append(self.at)
            return self._done("", self.items[self.at], plural=False, known=True)
        if not self.strange:
            return self._elided()
        run = list(self.strange)
        if not self._describes():
            if not (self.bare or self.items[run[-1]].is_name):
                return None
            run = run[:1] if len(run) > 1 and _like_a_verb(self.items[run[-1]].low) else run
        elif len(run) > 1 and _like_a_verb(self.items[run[-1]].low) and self._verb_wanted():
            run = run[:-1]
        head = self.items[run[-1]]
        for position in run[:-1]:
            self.left[position] = "not a word I know"
        self.at = run[-1] + 1
        self.used.append(run[-1])
        self.left[run[-1]] = "no picture of it: a labelled shape stands in"
        plural = head.low.endswith("s") and not head.low.endswith("ss") and not self.singular
        plural = plural and not head.is_name and not (self.same and self._verb_wanted())
        called = head.text[:1].isupper() and not self.article and not plural
        return self._done(
            head.low, head, plural=plural or (self.count or 1) > 1, known=False,
            name=head.text if called else "",
        )  # fmt: skip

    def _verb_wanted(self) -> bool:
        """Whether no verb that is known comes right after."""
        at = self.strange[-1] + 1
        return at >= len(self.items) or not any(k in self.items[at] for k in ("verb", "copula"))

    def _elided(self) -> NounPhrase | None:
        """`a red and a blue ball`: the first phrase borrows the second one's noun."""
        if not self.colours or self.at + 1 >= len(self.items) or self.items[self.at].low != "and":
            return None
        rest = noun_phrase(self.items, self.at + 1, bare=False)
        if rest is None or rest.said is None or rest.said.colour is None:
            return None
        phrase = self._done(
            rest.said.noun, self.items[rest.end - 1], plural=False, known=rest.said.known
        )
        return replace(phrase, end=self.at)

    def _done(
        self, noun: str, head: Item, *, plural: bool, known: bool, name: str = ""
    ) -> NounPhrase:
        colour = size = None
        for position in self.colours:
            if colour is None:
                colour = self.items[position]["colour"]
                self.used.append(position)
            else:
                self.left[position] = "a thing has one colour here"
        for position in self.sizes:
            if size is None:
                size = self.items[position]["size"]
                self.used.append(position)
            else:
                self.left[position] = "a thing has one size here"
        said = Mention(
            noun=noun, word=head.text, plural=plural, known=known, same=self.same, other=self.other,
            count=self.count, colour=colour, size=size, attributes=tuple(self.attributes),
            name=name,
        )  # fmt: skip
        return NounPhrase(
            start=self.start, end=self.at if not known and noun else self.at + 1, said=said,
            verb=self.verb, used=tuple(self.used), left=self.left,
        )  # fmt: skip


def _is_participle(low: str) -> bool:
    return low.endswith(("ing", "ed"))


def _like_a_verb(low: str) -> bool:
    return low.endswith(("s", "ed", "ing")) and not low.endswith("ss")
