"""Who has been seen so far: every thing keeps its id, colour and number through the story."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from reelwright_agents.offline.words import PLURAL_COUNT
from reelwright_core.story import Colour, Entity, Size
from reelwright_simulators import cutouts


@dataclass(frozen=True, kw_only=True, slots=True)
class Mention:
    """A noun phrase as it was said."""

    noun: str = ""
    word: str = ""
    """The noun's own word, as it was written."""
    plural: bool = False
    known: bool = True
    same: bool = False
    """Said with `the`: meant to have been seen before."""
    other: bool = False
    """Said with `another`."""
    count: int | None = None
    colour: Colour | None = None
    size: Size | None = None
    attributes: tuple[str, ...] = ()
    name: str = ""


@dataclass(kw_only=True, slots=True)
class Member:
    """One of the cast; what is learnt later holds for all its shots."""

    id: str
    noun: str
    count: int = 1
    colour: Colour | None = None
    size: Size | None = None
    known: bool = True
    attributes: list[str] = field(default_factory=list[str])
    names: set[str] = field(default_factory=set[str])

    def entity(self) -> Entity:
        return Entity(
            id=self.id, noun=self.noun, count=self.count, colour=self.colour,
            size=self.size or "medium", known=self.known, attributes=list(self.attributes),
        )  # fmt: skip


@dataclass(kw_only=True, slots=True)
class Cast:
    """Everyone seen so far, in order, and who was spoken of last."""

    members: dict[str, Member] = field(default_factory=dict[str, Member])
    recent: list[str] = field(default_factory=list[str])
    """Ids, the one spoken of last at the end."""
    subject: list[str] = field(default_factory=list[str])
    """Who the last sentence was about."""

    def find(self, said: Mention) -> list[str]:
        """The ids that `said` means, brought into the cast if they are new."""
        if (said.name or not said.known) and (known := self.named(said.name or said.noun)):
            return self._touch([known])
        if not said.other and (said.same or said.name) and (found := self._seen(said)):
            return self._touch(found)
        return self._touch([self._new(said)])

    def named(self, name: str) -> str | None:
        """The id of who has that name."""
        return next((m.id for m in self.members.values() if name.lower() in m.names), None)

    def one(self, *, person: bool) -> list[str]:
        """Who `it`, or `he` and `she`, means."""
        several = (*self.subject[::-1], *self.recent[::-1])
        single = [id for id in several if self.members[id].count == 1]
        fitting = [id for id in single if _is_person(self.members[id]) == person]
        return (fitting or single or self.recent[-1:])[:1]

    def many(self) -> list[str]:
        """Who `they` means: the last subject if it was several, else what was last several."""
        if len(self.subject) > 1 or any(self.members[id].count > 1 for id in self.subject):
            return list(self.subject)
        for id in self.recent[::-1]:
            if self.members[id].count > 1:
                return [id]
        return self.recent[-2:]

    def give_name(self, id: str, name: str) -> None:
        """Calls a member by a name from now on."""
        self.members[id].names.add(name.lower())
        self.members[id].attributes.append(f"named {name}")

    def forget(self) -> None:
        """Ends all back references, as between prompts that have nothing to do with each other."""
        self.recent, self.subject = [], []

    def alike(self, said: Mention) -> str | None:
        """A member that looks exactly like `said`."""
        for member in self.members.values():
            if (member.noun, member.colour, member.count, member.size) == (
                said.noun, said.colour, _count(said), said.size,
            ):  # fmt: skip
                return member.id
        return None

    def _seen(self, said: Mention) -> list[str]:
        fitting = [
            member
            for id in self.recent[::-1]
            if (member := self.members[id]).noun == said.noun
            and (said.colour is None or member.colour in (None, said.colour))
            and (said.size is None or member.size in (None, said.size))
        ]
        if not fitting:
            return []
        if said.plural or (said.count or 1) > 1:
            wanted = said.count
            for member in fitting:
                if member.count > 1 and wanted in (None, member.count):
                    return [member.id]
            singles = [m.id for m in fitting if m.count == 1]
            if len(singles) > 1 and (wanted is None or wanted <= len(singles)):
                return singles[: wanted or len(singles)][::-1]
            return []
        # `The red car` is none of two cars whose colour was not said.
        fitting = [m for m in fitting if m.count == 1 or said.colour in (None, m.colour)]
        if not fitting:
            return []
        exact = [m for m in fitting if said.colour is None or m.colour == said.colour]
        best = (exact or fitting)[0]
        best.colour = best.colour or said.colour
        best.size = best.size or said.size
        best.attributes += [word for word in said.attributes if word not in best.attributes]
        return [best.id]

    def _new(self, said: Mention) -> str:
        noun = said.noun or said.name.lower()
        stem = said.name.lower() if said.name else " ".join(filter(None, (said.colour, noun)))
        base = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:50].strip("-") or "thing"
        id, number = base, 1
        while id in self.members:
            number += 1
            id = f"{base}-{number}"
        self.members[id] = Member(
            id=id, noun=noun, count=_count(said), colour=said.colour, size=said.size,
            known=said.known, attributes=list(said.attributes),
        )  # fmt: skip
        if said.name:
            self.give_name(id, said.name)
        return id

    def _touch(self, ids: list[str]) -> list[str]:
        for id in ids:
            if id in self.recent:
                self.recent.remove(id)
            self.recent.append(id)
        return ids


def _is_person(member: Member) -> bool:
    cut = cutouts.find(member.noun)
    return cut.kind == "person" if cut else bool(member.names)


def _count(said: Mention) -> int:
    if said.count is not None:
        return min(max(said.count, 1), 9)
    return PLURAL_COUNT if said.plural else 1
