"""Reads the things of a sentence: who they are, where, and how they stand to each other."""

from __future__ import annotations

from dataclasses import replace

from reelwright_agents.offline import words
from reelwright_agents.offline.cast import Mention
from reelwright_agents.offline.clause_verbs import Verbs
from reelwright_agents.offline.lexicon import Item
from reelwright_agents.offline.phrases import NounPhrase, is_verb, noun_phrase
from reelwright_core.story import (
    RelationKind,
)


class Things(Verbs):
    """Who is in the sentence, and what each is to it."""

    def _relates(self, item: Item) -> bool:
        if "relation" not in item and "loose" not in item:
            return False
        if self._over(item):
            return True
        if item.low == "by" and self.base in words.HITTING_VERBS and self._phrase(self.at + 1):
            self.relation, self.relation_from = "meets", [h.actor for h in self.running]
            self.passive, self.relation_at = True, self.at
            self._use()
            return True
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
        if self.base in words.COLLIDING_VERBS and item.low in ("into", "with", "against"):
            kind = "meets"
        elif self.base == "pour" and item.low in ("into", "in"):
            kind = "near"
        elif item.low == "down" and any(h.action in ("moves", "rolls") for h in self.running):
            kind = "on"  # `rolls down a ramp`
            self.used.add(self.at)
        elif "relation" not in item and item["loose"]:
            self.left[self.at] = "`near` stands for it"
        self.relation = kind
        self.relation_from = list(
            self.subject if self.done or self.copula or not self.last else self.last
        )
        poured = [h.actor for h in self.running if h.action == "pours"]
        if self.base == "pour" and poured:
            self.relation_from = poured
        self.relation_at = self.at
        self.at += 1
        return True

    def _over(self, item: Item) -> bool:
        """`falls over`, `knocks over a tower`, `knocks down a tower`."""
        over = item.low == "over" or (item.low == "down" and self.base == "knock")
        if not over or self.base not in words.OVER_VERBS:
            return False
        adjacent = self.verb_at == self.at - 1
        if not adjacent and self._phrase(self.at + 1) is not None:
            return False
        if self.base not in words.TRANSITIVE or self._phrase(self.at + 1) is None:
            for happening in self.running:
                if happening.action == "falls":
                    happening.action = "topples"
        self._use()
        return True

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
                if not is_silent(self.items[at]):
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
        closed = phrase.end >= len(self.items) or "pause" in self.items[phrase.end]
        paused = before is not None and "pause" in before and self.listing and closed
        is_one = before is not None and "copula" in before
        member = self.cast.members[self.subject[-1]]
        if not (paused or is_one) or member.known or not member.names:
            return False
        if member.count != 1 or member.colour or member.size or said.plural or said.count:
            return False
        self._take(phrase)
        member.noun, member.known = said.noun, True
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
        """Numbers, colours and sizes that the member, seen before, does not have are left out."""
        member = self.cast.members[id]
        for at in range(phrase.start, phrase.end):
            item = self.items[at]
            if at not in phrase.used or ("noun" in item and at == phrase.end - 1):
                continue
            if "number" in item and item["number"] != member.count:
                if "one" not in item or at != phrase.end - 1:
                    phrase.left[at] = f"there are {member.count} of them"
            elif "colour" in item and item["colour"] != member.colour:
                phrase.left[at] = f"it is {member.colour or 'of its own colour'} already"
            elif "size" in item and item["size"] != member.size:
                phrase.left[at] = f"it is {member.size or 'medium'} already"

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
            if self.base in (*words.COLLIDING_VERBS, *words.HITTING_VERBS):
                self._hit([id for pair in pairs for id in pair])
            else:
                self._move_both(kind, pairs)
        if not pairs and subjects:
            self.left.setdefault(self.relation_at, "a thing does not stand so to itself")
        goes_on = self.at < len(self.items) and self.items[self.at].low in ("and", ",")
        after = self.at + 1
        if goes_on and self._phrase(after) and not self._clause_follows(after):
            return
        self.relation, self.passive = None, False

    def _hit(self, ids: list[str]) -> None:
        """All that are in a collision take part in it."""
        for id in ids:
            if all(h.actor != id for h in self.reading.happenings):
                self._happen(id, "collides", None, base=self.base)


def is_silent(item: Item) -> bool:
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
