"""Reads the verbs of a sentence, and the words that turn or aim them."""

from __future__ import annotations

from reelwright_agents.offline import words
from reelwright_agents.offline.clause_state import ClauseState
from reelwright_agents.offline.lexicon import Item
from reelwright_core.story import (
    Action,
    Direction,
    RelationKind,
)
from reelwright_simulators import cutouts

_SIDEWAYS = ("moves", "rolls", "leaves", "bounces", "jumps", "collides", "topples")
_OPPOSITE: dict[RelationKind, RelationKind] = {
    "left of": "right of", "right of": "left of", "behind": "in front of", "in front of": "behind",
}  # fmt: skip


class Verbs(ClauseState):
    """What is done, by whom, and which way."""

    def _is_action(self, item: Item) -> bool:
        """Whether a word that may be noun, place, direction or verb is the verb here."""
        if "noun" in item or "place" in item:
            return bool(self.subject) and not self.done and not self.listing
        if "direction" in item:
            return bool(self.subject) and not self.done and not self._verb_in_clause()
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
        if base in words.PARTICLE_VERBS:
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
        self.verb_at = self.at
        self._use()
        by = self.at < len(self.items) and self.items[self.at].low == "by"
        self._act(base, passive=(self.copula or by) and not item.low.endswith("ing"))

    def _named_just_before(self) -> bool:
        before = self.items[self.at - 1]
        return "noun" in before or (self.at - 1) in self.left

    def _act(self, base: str, *, passive: bool) -> None:
        self.done, self.base, self.running = True, base, []
        self._end_relation()
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
            own = "moves" if action == "waves" and self._flies(actor) else action
            self._happen(actor, own, direction, base=base)

    def _flies(self, id: str) -> bool:
        """Whether what flutters has wings of its own."""
        cut = cutouts.find(self.cast.members[id].noun)
        return cut is not None and cut.flies and cut.kind not in ("aircraft", "nature", "thing")

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
        fits = [
            h
            for h in mine
            if _fits(h.action, item["direction"]) and h.direction in (None, item["direction"])
        ]
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
        if others in _SIDEWAYS and self.base not in words.HITTING_VERBS:
            self.subject = [*self.subject, *ids]

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
        return action in (*_SIDEWAYS, "swings")
    if direction == "up":
        return action in ("rises", "jumps", "bounces")
    return action in ("falls", "bounces", "jumps", "stays")
