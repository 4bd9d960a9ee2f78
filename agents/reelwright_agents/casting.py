"""The casting agent: who is who, what each looks like, and where the storyboard contradicts itself.

A claim is one thing that one place of the storyboard says: the cast sheet, a shot's scene graph,
or the words of its prompt. Claims about the same thing that differ are a contradiction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, get_args

from reelwright_agents.offline.prompts import PLACE_PHRASES
from reelwright_agents.offline.words import NUMBERS as _ALL_NUMBERS
from reelwright_core.kinds import Colour
from reelwright_core.story import Entity, Shot, Storyboard
from reelwright_simulators import cutouts
from reelwright_simulators.cutouts.plurals import plural

Matter = Literal["look", "count", "place", "direction"]
"""What a contradiction is about: how someone looks, how many there are, where a scene is, and
which way across the screen someone goes."""
MATTERS: tuple[Matter, ...] = get_args(Matter)

_COLOURS: tuple[str, ...] = get_args(Colour)
_HAIR = ("blonde", "blond", "golden", "silver", "auburn", "ginger", "brunette", "dark", "fair")
NUMBERS: Mapping[str, int] = MappingProxyType(
    {word: n for word, n in _ALL_NUMBERS.items() if word.isalpha() and n <= 9 and word != "twin"}
)
"""Plain number words, up to what a shot can have of one kind."""
HUES = frozenset({*_COLOURS, *_HAIR, "gray"})
_LENGTHS = frozenset({"long", "short"})
_SAME: Mapping[str, str] = MappingProxyType(
    {"gray": "grey", "blond": "blonde", "golden": "blonde", "fair": "blonde", "ginger": "red"}
)
_CHANGES = re.compile(
    r"\b(becomes?|became|dyes?|dyed|paints?|painted|repaints?|repainted|disguises?|disguised|"
    r"turns? (?:into|red|orange|yellow|green|blue|purple|pink|brown|black|white|gr[ae]y)|"
    r"changes? colours?|wears? a wig|cuts? (?:her|his|their|the) hair)\b",
    re.IGNORECASE,
)
"""Words by which a script itself changes a look; what follows them is no contradiction."""
_SIDES = re.compile(
    r"\b(left|right|leftwards?|rightwards?|backs?|backwards?|turn\w*|return\w*|around|round|home)\b",
    re.IGNORECASE,
)
_WAYS = {"right": "from left to right", "left": "from right to left"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What one place of the storyboard says."""

    matter: Matter
    of: str
    """The entity's id, or `scene ID`."""
    what: str
    """`colour`, `count`, `place`, `direction`, or a feature such as `hair colour`."""
    value: str
    path: str
    shot: str | None
    """None is the cast or scene sheet."""
    said: bool = False
    """By the words of a prompt, not by a field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contradiction:
    """Claims about one thing that do not agree, in the storyboard's order."""

    claims: tuple[Claim, ...]

    @property
    def matter(self) -> Matter:
        """What it is about."""
        return self.claims[0].matter

    @property
    def of(self) -> str:
        """The entity or scene."""
        return self.claims[0].of

    @property
    def about(self) -> list[str]:
        """The ids of the entity and of the shots."""
        shots = [claim.shot for claim in self.claims if claim.shot is not None]
        return list(dict.fromkeys([self.of, *shots]))

    @property
    def text(self) -> str:
        """One sentence for people."""
        told: dict[str, list[str]] = {}
        for claim in self.claims:
            at, where = told.setdefault(claim.value, []), claim.shot or "the sheet"
            if where not in at:
                at.append(f"{where} (its prompt)" if claim.said else where)
        said = " but ".join(f"{value} in {', '.join(at)}" for value, at in told.items())
        return f"the {self.claims[0].what} of {self.of} is {said}"


def contradictions(board: Storyboard, matters: Sequence[Matter] = MATTERS) -> list[Contradiction]:
    """Where `board` disagrees with itself about `matters`, in the order of what is first said.

    Of an entity that the script itself changes (`she dyes her hair`) only what comes before is
    compared; a count that a shot's own text gives is no contradiction; a direction only where the
    text of the later shot gives none.
    """
    groups: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims(board):
        if claim.matter in matters:
            groups.setdefault((claim.of, claim.what), []).append(claim)
    found = [
        Contradiction(claims=tuple(group))
        for group in groups.values()
        if len({claim.value for claim in group}) > 1
    ]
    return [*found, *(_turned(board) if "direction" in matters else ())]


def claims(board: Storyboard) -> Iterator[Claim]:
    """All that sheets, scene graphs and prompts say of looks, counts and places."""
    for entity in board.story.cast:
        yield from _of_entity(entity, f"story/cast/{entity.id}", None)
    altered: set[str] = set()
    parts = {
        (claim.of, claim.what.removesuffix(" colour"))
        for board_entity in _every_entity(board)
        for claim in _of_entity(board_entity, "", None)
        if claim.what.endswith(" colour")
    }
    for shot in board.shots:
        alters = _CHANGES.search(shot.text) is not None
        for entity in shot.scene_graph.entities:
            if alters:
                altered.add(entity.id)
            at = f"shots/{shot.id}/scene_graph/entities/{entity.id}"
            told = [*_of_entity(entity, at, shot), *_of_prompt(entity, shot, parts)]
            for claim in told:
                if claim.matter == "look" and entity.id in altered:
                    continue
                yield claim
    yield from _of_places(board)


def _every_entity(board: Storyboard) -> Iterator[Entity]:
    yield from board.story.cast
    for shot in board.shots:
        yield from shot.scene_graph.entities


def _of_entity(entity: Entity, at: str, shot: Shot | None) -> Iterator[Claim]:
    id = None if shot is None else shot.id
    if entity.colour is not None:
        yield Claim(
            matter="look", of=entity.id, what="colour", value=entity.colour, path=f"{at}/colour",
            shot=id,
        )  # fmt: skip
    # A cast sheet's 1 is its default, and says nothing.
    if (shot is None and entity.count > 1) or (
        shot is not None and not _counted(shot.text, entity)
    ):
        yield Claim(
            matter="count", of=entity.id, what="count", value=str(entity.count),
            path=f"{at}/count", shot=id,
        )  # fmt: skip
    for attribute in entity.attributes:
        for feature, value in _features(attribute):
            yield Claim(
                matter="look", of=entity.id, what=feature, value=value, path=f"{at}/attributes",
                shot=id,
            )  # fmt: skip


def _features(attribute: str) -> Iterator[tuple[str, str]]:
    """`long blonde hair` is (hair length, long) and (hair colour, blonde)."""
    *before, part = attribute.lower().split() or [""]
    for word in before:
        if word in HUES:
            yield f"{part} colour", _SAME.get(word, word)
        elif word in _LENGTHS:
            yield f"{part} length", word


def _of_prompt(entity: Entity, shot: Shot, parts: set[tuple[str, str]]) -> Iterator[Claim]:
    path = f"shots/{shot.id}/prompt"
    alone = [e.id for e in shot.scene_graph.entities if e.noun == entity.noun] == [entity.id]
    for hue in _hues(shot.prompt, _nouns(entity)) if alone else ():
        if hue in _COLOURS:
            yield Claim(
                matter="look", of=entity.id, what="colour", value=hue, path=path, shot=shot.id,
                said=True,
            )  # fmt: skip
    ids = {one.id for one in shot.scene_graph.entities}
    for id, part in sorted(parts):
        if id != entity.id or len({of for of, p in parts if p == part and of in ids}) != 1:
            continue
        for hue in _hues(shot.prompt, [part]):
            yield Claim(
                matter="look", of=entity.id, what=f"{part} colour", value=hue, path=path,
                shot=shot.id, said=True,
            )  # fmt: skip
    number = _number(shot.prompt, entity) if alone else None
    if number is not None:
        yield Claim(
            matter="count", of=entity.id, what="count", value=str(number), path=path,
            shot=shot.id, said=True,
        )  # fmt: skip


def _nouns(entity: Entity) -> list[str]:
    cut = cutouts.find(entity.noun)
    names = [entity.noun, cut.plural if cut and cut.noun == entity.noun else plural(entity.noun)]
    return list(dict.fromkeys([*names, *((cut.noun, cut.plural) if cut else ())]))


def hue_before(nouns: Sequence[str]) -> re.Pattern[str]:
    """A hue right before one of the nouns, words such as `small` or `shiny` between them."""
    named = "|".join(re.escape(noun) for noun in sorted(nouns, key=len, reverse=True))
    hues = "|".join(sorted(HUES))
    return re.compile(rf"\b({hues})((?:[ -](?!and\b|on\b|in\b|with\b)\w+)?[ -](?:{named}))\b", re.I)


def _hues(text: str, nouns: Sequence[str]) -> list[str]:
    found = [match[1].lower() for match in hue_before(nouns).finditer(text)]
    return [_SAME.get(hue, hue) for hue in found]


def number_before(entity: Entity) -> re.Pattern[str]:
    """A number before the entity's noun, at most two words between them."""
    nouns = "|".join(re.escape(n) for n in sorted(_nouns(entity), key=len, reverse=True))
    numbers = "|".join([*sorted(NUMBERS, key=len, reverse=True), r"[1-9]"])
    return re.compile(rf"\b({numbers})((?: \w+){{0,2}}) ({nouns})\b", re.IGNORECASE)


def _number(text: str, entity: Entity) -> int | None:
    found = number_before(entity).search(text)
    if found is None:
        return None
    word = found[1].lower()
    return int(word) if word.isdigit() else NUMBERS[word]


def _counted(text: str, entity: Entity) -> bool:
    """Whether the script's own words give the shot its number."""
    return _number(text, entity) == entity.count


def _of_places(board: Storyboard) -> Iterator[Claim]:
    sheet = {scene.id: scene.place for scene in board.story.scenes if scene.place != "plain"}
    places = {shot.id: shot.place for shot in board.shots}
    for index, scene in enumerate(board.story.scenes):
        if scene.id in sheet:
            yield Claim(
                matter="place", of=f"scene {scene.id}", what="place", value=scene.place,
                path=f"story/scenes/{index}/place", shot=None,
            )  # fmt: skip
    for shot in board.shots:
        path = f"shots/{shot.id}/place"
        if shot.scene in sheet:
            yield Claim(
                matter="place", of=f"scene {shot.scene}", what="place", value=shot.place,
                path=path, shot=shot.id,
            )  # fmt: skip
        if shot.continues is not None:
            for id, place in ((shot.continues, places[shot.continues]), (shot.id, shot.place)):
                yield Claim(
                    matter="place", of=f"{shot.continues} to {shot.id}", what="place",
                    value=place, path=f"shots/{id}/place", shot=id,
                )  # fmt: skip
        for place, phrase in PLACE_PHRASES.items():
            if shot.prompt.endswith(phrase) or f"{phrase}," in shot.prompt:
                if place != shot.place:
                    for value, at, said in ((shot.place, path, False), (place, path, True)):
                        yield Claim(
                            matter="place", of=f"scene {shot.scene}", what="place", value=value,
                            path=f"shots/{shot.id}/prompt" if said else at, shot=shot.id,
                            said=said,
                        )  # fmt: skip
                break


def _turned(board: Storyboard) -> Iterator[Contradiction]:
    """Who goes the other way in the next shot of a scene, though no word turns it round."""
    for one, other in pairwise(board.shots):
        if one.scene != other.scene or _SIDES.search(other.text):
            continue
        before = {e.actor: (i, e.direction) for i, e in enumerate(one.scene_graph.events)}
        for index, event in enumerate(other.scene_graph.events):
            earlier, way = before.get(event.actor, (0, None))
            if way is None or {way, event.direction} != {"left", "right"}:
                continue
            pair = ((one, earlier, way), (other, index, event.direction))
            yield Contradiction(
                claims=tuple(
                    Claim(
                        matter="direction", of=event.actor, what="direction", value=str(said),
                        path=f"shots/{shot.id}/scene_graph/events/{at}/direction", shot=shot.id,
                    )
                    for shot, at, said in pair
                )
            )  # fmt: skip


def mended(board: Storyboard, claim: Claim, value: str) -> dict[str, Any]:
    """The change that lets `claim`'s place say `value`: by path, the new field or prompt."""
    if claim.said:
        return _reworded(board, claim, value)
    if claim.what in ("colour", "place", "direction"):
        change: dict[str, Any] = {claim.path: value}
    elif claim.what == "count":
        change = {claim.path: int(value)}
    else:
        change = {claim.path: _attributes(board, claim, value)}
    if claim.what == "direction" and claim.shot is not None:
        shot = next(shot for shot in board.shots if shot.id == claim.shot)
        prompt = shot.prompt.replace(_WAYS[claim.value], _WAYS[value])
        if prompt != shot.prompt:
            change[f"shots/{shot.id}/prompt"] = prompt
    return change


def _attributes(board: Storyboard, claim: Claim, value: str) -> list[str]:
    entities = board.story.cast
    if claim.shot is not None:
        entities = next(s for s in board.shots if s.id == claim.shot).scene_graph.entities
    entity = next(entity for entity in entities if entity.id == claim.of)
    return [_with_feature(attribute, claim, value) for attribute in entity.attributes]


def _with_feature(attribute: str, claim: Claim, value: str) -> str:
    if (claim.what, claim.value) not in list(_features(attribute)):
        return attribute
    words = attribute.split()
    for index, word in enumerate(words):
        if _SAME.get(word.lower(), word.lower()) == claim.value:
            words[index] = value
            break
    return " ".join(words)


def _reworded(board: Storyboard, claim: Claim, value: str) -> dict[str, Any]:
    shot = next(shot for shot in board.shots if shot.id == claim.shot)
    prompt = shot.prompt
    if claim.what == "place":
        prompt = prompt.replace(PLACE_PHRASES[_place(claim.value)], PLACE_PHRASES[_place(value)])
    else:
        entity = next(e for e in shot.scene_graph.entities if e.id == claim.of)
        if claim.what == "count":
            word = next(name for name, number in NUMBERS.items() if number == int(value))
            noun = entity.noun if value == "1" else _nouns(entity)[1]
            prompt = number_before(entity).sub(lambda m: f"{word}{m[2]} {noun}", prompt)
        else:
            part = claim.what.removesuffix(" colour")
            nouns = _nouns(entity) if claim.what == "colour" else [part]
            prompt = hue_before(nouns).sub(lambda m: f"{value}{m[2]}", prompt)
    return {f"shots/{shot.id}/prompt": prompt}


def _place(value: str) -> Any:
    return value


def completed_cast(board: Storyboard) -> dict[str, Any]:
    """The change that puts everyone who is seen on the cast sheet; none if all are there.

    A colour that all shots of a cast member agree on, and that the sheet leaves open, is put there
    too.
    """
    cast = list(board.story.cast)
    known = {entity.id for entity in cast}
    seen: dict[str, list[Entity]] = {}
    for shot in board.shots:
        for entity in shot.scene_graph.entities:
            seen.setdefault(entity.id, []).append(entity)
    cast += [entities[0] for id, entities in seen.items() if id not in known]
    for index, entity in enumerate(cast):
        colours = {each.colour for each in seen.get(entity.id, ())}
        if entity.colour is None and len(colours) == 1 and (colour := colours.pop()) is not None:
            cast[index] = entity.model_copy(update={"colour": colour})
    if cast == board.story.cast:
        return {}
    return {"story/cast": [entity.model_dump(mode="json") for entity in cast]}


def dressed(board: Storyboard) -> dict[str, Any]:
    """The change that gives every shot the colours which the cast sheet states and it leaves open.

    The prompt says the colour too, before the noun, where the noun is said without one.
    """
    sheet = {entity.id: entity.colour for entity in board.story.cast if entity.colour}
    change: dict[str, Any] = {}
    for shot in board.shots:
        prompt = shot.prompt
        for entity in shot.scene_graph.entities:
            colour = sheet.get(entity.id)
            if entity.colour is not None or colour is None:
                continue
            change[f"shots/{shot.id}/scene_graph/entities/{entity.id}/colour"] = colour
            if not _hues(prompt, _nouns(entity)):
                named = "|".join(re.escape(n) for n in sorted(_nouns(entity), key=len)[::-1])
                prompt = re.sub(rf"\b(?={named}\b)", f"{colour} ", prompt, count=1)
        if prompt != shot.prompt:
            change[f"shots/{shot.id}/prompt"] = prompt
    return change
