"""Where a storyboard contradicts itself: one entity, told differently by two shots."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from reelwright_core.story import Entity, Shot, Storyboard
from reelwright_core.takes import ContinuityFault

LASTING = ("hair", "eyes", "beard", "skin", "fur", "wings", "feathers")
"""Features that one entity keeps through a film."""
WORN = ("hat", "coat", "dress", "shirt", "jacket", "scarf", "skirt", "collar", "cap", "cloak")
"""Features that may change from scene to scene, but not within one."""

CONTRARY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "age": ("young", "old", "elderly"),
        "height": ("tall", "short"),
        "girth": ("fat", "thin", "slim"),
        "size": ("tiny", "small", "large", "big", "huge", "giant"),
        "wetness": ("wet", "dry"),
        "beard": ("bearded", "beardless"),
        "build": ("wooden", "metal", "stone", "glass", "plastic"),
        "pattern": ("striped", "spotted", "plain"),
    }
)
"""Words of which an entity has at most one; words alike are told apart by `_ALIKE`."""
_ALIKE: Mapping[str, str] = MappingProxyType(
    {
        "blonde": "blond", "gray": "grey", "elderly": "old", "big": "large", "huge": "large",
        "giant": "large", "tiny": "small", "slim": "thin", "fair": "blond", "golden": "blond",
        "yellow": "blond", "ginger": "red", "brunette": "brown",
    }
)  # fmt: skip


def contradictions(board: Storyboard) -> Iterator[ContinuityFault | None]:
    """A fault for each thing that two shots tell differently of one entity, none where they agree.

    Compared are noun, colour, size and what can be said once only (hair, age, ...), from the
    scene graphs' attributes and from the shots' text. The shot that differs from the cast sheet is
    to blame, else the one of the minority, else the later one.
    """
    cast = {entity.id: entity for entity in board.story.cast}
    told: dict[str, list[tuple[Shot, Entity]]] = {}
    for shot in board.shots:
        for entity in shot.scene_graph.entities:
            told.setdefault(entity.id, []).append((shot, entity))
    for id, several in told.items():
        if len(several) < 2:
            continue
        facts = [_facts(shot, entity) for shot, entity in several]
        sheet = _facts(None, cast[id]) if id in cast else {}
        for about in dict.fromkeys(key for each in facts for key in each):
            scenes = {shot.scene for shot, _ in several} if about in WORN else {None}
            for scene in sorted(scenes, key=str):
                said = [
                    (shot, each[about])
                    for (shot, _), each in zip(several, facts, strict=True)
                    if about in each and scene in (None, shot.scene)
                ]
                if len(said) > 1:
                    yield from _compared(said, about, several[0][1], sheet.get(about))
    for shot in board.shots:
        scene = next((scene for scene in board.story.scenes if scene.id == shot.scene), None)
        if scene is not None:
            yield (
                None
                if scene.place == shot.place
                else ContinuityFault(
                    kind="text",
                    shots=[shot.id],
                    blame=shot.id,
                    expected=scene.place,
                    seen=shot.place,
                    text=f"{shot.id} is at a {shot.place}, but its scene is at a {scene.place}.",
                )
            )


def _compared(
    said: Sequence[tuple[Shot, str]], about: str, entity: Entity, sheet: str | None
) -> Iterator[ContinuityFault | None]:
    counts = Counter(value for _, value in said)
    right = sheet if sheet is not None and sheet in counts else _most(said, counts)
    main = next(shot for shot, value in said if value == right)
    for shot, value in said:
        if shot is main:
            continue
        yield (
            None
            if value == right
            else ContinuityFault(
                kind="text",
                shots=[main.id, shot.id],
                blame=shot.id,
                entity=entity.id,
                expected=right,
                seen=value,
                text=(
                    f"The {about} of the {entity.noun} is {right or 'not told'} in {main.id}, "
                    f"but {value or 'not told'} in {shot.id}."
                ),
            )
        )


def _most(said: Sequence[tuple[Shot, str]], counts: Mapping[str, int]) -> str:
    """What most say; of equals what is said first. To say nothing never outweighs a word."""
    order = [value for _, value in said]
    return max(counts, key=lambda v: (v != "", counts[v], -order.index(v)))


def _facts(shot: Shot | None, entity: Entity) -> dict[str, str]:
    """What is said of an entity, by what it is about."""
    facts = {"noun": entity.noun, "size": entity.size, "colour": entity.colour or ""}
    phrases = [attribute.lower() for attribute in entity.attributes]
    if shot is not None:
        phrases += _phrases(shot.text.lower(), entity)
    for phrase in phrases:
        words = [_ALIKE.get(word, word) for word in re.findall(r"[a-z]+", phrase)]
        for word in words:
            for about, contrary in CONTRARY.items():
                if word in contrary:
                    facts.setdefault(about, word)
        if len(words) >= 2:
            feature = words[-1]
            if feature == "haired":
                feature = "hair"
            if feature in (*LASTING, *WORN):
                facts.setdefault(feature, words[-2])
        elif words in (["blond"], ["brown"]) and phrase in ("blond", "blonde", "brunette"):
            facts.setdefault("hair", words[0])
    return facts


def _phrases(text: str, entity: Entity) -> Iterator[str]:
    """What a text says of an entity's features: `dark-haired girl`, `girl with blond hair`."""
    noun = re.escape(entity.noun.lower())
    for word in re.findall(rf"\b([a-z]+)-haired {noun}\b", text):
        yield f"{word} hair"
    features = "|".join((*LASTING, *WORN))
    owned = rf"\b{noun}(?:'s| with| has| had| in| wears| wearing)\b([^.;]*)"
    for clause in re.findall(owned, text):
        for word, feature in re.findall(rf"\b([a-z]+) ({features})\b", clause):
            if word not in ("a", "an", "the", "her", "his", "its", "their", "long", "short"):
                yield f"{word} {feature}"
