"""What else holds in a shot: by rules of what is known, or by a language model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from reelwright_agents.enrichment import ADDED_AT_MOST, Fact, Step
from reelwright_agents.llm import LanguageModel
from reelwright_core.records import Record
from reelwright_core.story import PLACE, Action, Direction, Entity, Place, Shot
from reelwright_simulators import cutouts
from reelwright_simulators.places import GROUND, SHADOWS

SOIL: Mapping[Place, str] = {
    "plain": "the ground", "beach": "the sand", "meadow": "the grass", "city": "the pavement",
    "road": "the road", "forest": "the forest floor", "snow": "the snow",
    "desert": "the desert sand", "sea": "the water", "night": "the ground", "room": "the floor",
}  # fmt: skip
"""What things stand on, where there is a ground."""
SCENERY: Mapping[Place, tuple[str, ...]] = {
    "plain": ("an even background",),
    "beach": ("pale sand", "calm blue water", "the sun in a clear sky"),
    "meadow": ("green hills", "a white cloud in a blue sky"),
    "city": ("tall buildings with lit windows", "grey pavement"),
    "road": ("dark asphalt with white marks", "green hills behind"),
    "forest": ("brown tree trunks", "dense green leaves"),
    "snow": ("snowy hills", "a few fir trees", "a pale blue sky"),
    "desert": ("orange dunes", "the sun in a warm sky"),
    "sea": ("deep blue waves", "a white cloud in a blue sky"),
    "night": ("a full moon", "stars in a dark sky"),
    "space": ("small bright stars", "a round planet"),
    "room": ("a window with daylight", "a wooden floor", "a rug"),
    "sky": ("a wide blue sky",),
}
"""What each place has, as the painter draws it."""

_ALOFT: tuple[Action, ...] = (
    "falls", "rises", "jumps", "bounces", "circles", "swings", "pours", "topples",
)  # fmt: skip
"""Off the ground while it lasts, or not squarely on it."""
_FROM_ALOFT: tuple[Action, ...] = ("falls", "bounces", "circles", "swings", "pours")
"""Off the ground before it begins."""
_TO_ALOFT: tuple[Action, ...] = ("rises", "circles", "swings", "pours")
"""Off the ground when it is over."""


class RuleImagination:
    """Adds what follows from the plan, and nobody.

    Support, shadow and facing; what the place has; how things are before and after what they do.
    """

    name = "offline rules"

    def imagine(
        self, shot: Shot, before: Step | None, now: Step, after: Step | None
    ) -> Sequence[Fact]:
        """The planned facts, then what follows from them."""
        found = [fact for entity in shot.scene_graph.entities for fact in _of(shot, entity, now)]
        if before is not None:
            found += _still_facing(now, before, found)
        has: list[Fact] = [(PLACE, "has", what) for what in SCENERY[shot.place]]
        # Of a crowd the scenery is left out before anything that is said of them.
        return [*now.planned, *[*found, *has][:ADDED_AT_MOST]]

    def polish(self, shot: Shot, steps: Sequence[Step]) -> Sequence[Sequence[Fact]]:
        """As it was: what follows from one plan fits together."""
        return [step.facts for step in steps]


def _of(shot: Shot, entity: Entity, now: Step) -> Iterator[Fact]:
    graph = shot.scene_graph
    acts = sorted((e for e in graph.events if e.actor == entity.id), key=lambda e: e.frames.first)
    acts = [act for act in acts if act.action != "stays"]
    doing = [
        act for act in acts
        if act.frames.first <= now.frames.last and act.frames.last >= now.frames.first
    ]  # fmt: skip
    over = [act for act in acts if act.frames.last < now.frames.first]
    coming = [act for act in acts if act.frames.first > now.frames.last]
    gone = over[-1] if over and not doing else None
    waits = not doing and not (gone and gone.action == "leaves")
    if gone is not None and gone.action == "leaves":
        yield entity.id, "is", "out of the picture" if gone.direction else "far away"
        return
    if waits:
        yield entity.id, "is", "still"
    if gone is not None and gone.action == "topples":
        yield entity.id, "lies", "on its side"
    faces = _faced([act.direction for act in [*doing, *reversed(over), *coming]])
    cut = cutouts.find(entity.noun) if entity.known else None
    if faces and doing and cut is not None and cut.faces in ("left", "right"):
        yield entity.id, "faces", faces
    high = [
        *(act for act in doing if act.action in _ALOFT or act.direction in ("up", "down")),
        *(act for act in doing if act.action == "leaves" and act.direction is None),
        *(act for act in coming[:1] if act.action in _FROM_ALOFT or act.direction == "down"),
        *(act for act in over[-1:] if act.action in _TO_ALOFT or act.direction == "up"),
    ]
    if high or not _on_the_ground(shot, entity):
        return
    if shot.place in SOIL:
        yield entity.id, "is on", SOIL[shot.place]
        if shot.place in SHADOWS:
            yield entity.id, "casts a shadow on", SOIL[shot.place]


def _faced(directions: Sequence[Direction | None]) -> Direction | None:
    return next((way for way in directions if way in ("left", "right")), None)


def _on_the_ground(shot: Shot, entity: Entity) -> bool:
    """Whether it stands on the place's own ground where it does nothing special."""
    if GROUND[shot.place] is None:
        return False
    cut = cutouts.find(entity.noun) if entity.known else None
    if cut is not None and (cut.flies or cut.kind == "sky"):
        return False
    relations = shot.scene_graph.relations
    upper = [r.subject for r in relations if r.kind in ("on", "above")]
    upper += [r.object for r in relations if r.kind == "below"]
    return entity.id not in upper


def _still_facing(now: Step, before: Step, found: Sequence[Fact]) -> list[Fact]:
    """Who faced a side goes on to, unless it turns or is gone."""
    told = {subject for subject, predicate, _ in found if predicate == "faces"}
    gone = {subject for subject, _, object in found if object in ("out of the picture", "far away")}
    return [
        fact for fact in before.imagined
        if fact[1] == "faces" and fact[0] in now.nodes and fact[0] not in told | gone
    ]  # fmt: skip


class FactForm(Record):
    """A triple of a scene graph."""

    subject: str = Field(max_length=60)
    predicate: str = Field(max_length=60)
    object: str = Field(max_length=60)


class GraphForm(Record):
    """A whole scene graph of one step."""

    triples: list[FactForm] = Field(max_length=60)


class GraphsForm(Record):
    """The whole scene graphs of all steps, in order."""

    steps: list[GraphForm] = Field(max_length=60)


class LlmImagination:
    """Asks a language model for each step, shown the step before as enriched and the next as it is.

    Raises `EndpointError` when it gives no usable answer.
    """

    def __init__(self, model: LanguageModel):
        self._model = model
        self.name = f"the language model {model.model}"

    def imagine(
        self, shot: Shot, before: Step | None, now: Step, after: Step | None
    ) -> Sequence[Fact]:
        """The whole graph of `now` as the model has it."""
        form = self._model.ask(
            role="scene graph enrichment",
            template="enrich",
            inputs={
                "sentence": f"{shot.text}\n{shot.prompt}".strip(),
                "place": shot.place,
                "before": _told(before.facts) if before else "",
                "now": _told(now.planned),
                "after": _told(after.planned) if after else "",
                "ids": ", ".join([*now.nodes, PLACE]),
                "more": ADDED_AT_MOST,
            },
            answer=GraphForm,
        )
        return _facts(form)

    def polish(self, shot: Shot, steps: Sequence[Step]) -> Sequence[Sequence[Fact]]:
        """All graphs once more, looked at together."""
        if len(steps) < 2:  # one step has nothing to fit to
            return [step.facts for step in steps]
        form = self._model.ask(
            role="scene graph polish",
            template="enrich_polish",
            inputs={
                "sentence": f"{shot.text}\n{shot.prompt}".strip(),
                "steps": json.dumps(
                    [
                        {"frames": [s.frames.first, s.frames.last], "triples": s.facts}
                        for s in steps
                    ],
                    ensure_ascii=False,
                ),
                "count": len(steps),
                "ids": ", ".join([*steps[0].nodes, PLACE]),
            },
            answer=GraphsForm,
            check=lambda form: (
                []
                if len(form.steps) == len(steps)
                else [f"there are {len(steps)} steps, got {len(form.steps)}"]
            ),
        )
        return [_facts(step) for step in form.steps]


def _facts(form: GraphForm) -> list[Fact]:
    return [(each.subject, each.predicate, each.object) for each in form.triples]


def _told(facts: Sequence[Fact]) -> str:
    return json.dumps(facts, ensure_ascii=False)
