"""A formula that a person wrote, in words of their own, becomes one about the things of a shot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.errors import FormulaError, InputError, ScriptError
from reelwright_core.story import Event, FrameSpan, Layout, SceneGraph, Shot
from reelwright_metrics.logic.formula import Formula
from reelwright_metrics.logic.propositions import Proposition, Specification, specification


def shot_of(prompt: str, picture: Picture, *, name: str = "--prompt") -> Shot:
    """The one shot that the offline planner makes of `prompt`.

    Raises `ScriptError` if nothing in it can be filmed, and `InputError` for more than one shot.
    """
    script = Script(kind="prose", text=prompt, name=name)
    shots = OfflinePlanner().storyboard(script, picture=picture).shots
    if len(shots) > 1:
        told = "; ".join(shot.prompt for shot in shots)
        raise InputError(
            f"{name} tells {len(shots)} shots, but a clip is one: {told}; "
            "say it in one sentence, such as `X, then Y`"
        )
    return shots[0]


def prompt_of(formula: Formula) -> str:
    """What the propositions of `formula` tell when they are read one after the other."""
    return ", then ".join(formula.propositions()) + "."


def specified(formula: Formula, shot: Shot, layout: Layout) -> tuple[Shot, Specification]:
    """The formula about what can be looked for in a clip of `shot`, and the shot with all of it.

    A proposition may be said as in the shot's own formula, by an entity's id or noun, by what one
    does (`jumps` or `jump`), or as a sentence that the offline planner understands, also one that
    the shot does not tell, about its things. `FormulaError` lists what there is.
    """
    own = specification(shot, layout)
    found: dict[str, Proposition] = {}
    for name in formula.propositions():
        match = next(_matches(name, own, shot), None)
        if match is None:
            shot, match = _told(name, shot, layout)
        if match is None:
            known = ", ".join(f'"{each.name}"' for each in own.propositions)
            raise FormulaError(
                f"{name!r} says nothing that can be looked for in this shot; there are: {known}"
            )
        found[name] = match
    renamed = _renamed(formula, {name: each.name for name, each in found.items()})
    unique = {each.name: each for each in found.values()}
    return shot, Specification(formula=renamed, propositions=list(unique.values()))


def _renamed(formula: Formula, names: dict[str, str]) -> Formula:
    if formula.op == "prop":
        return Formula("prop", name=names[formula.name])
    return Formula(formula.op, tuple(_renamed(part, names) for part in formula.parts))


def _plain(words: str) -> str:
    return re.sub(r"^(the|a|an) ", "", " ".join(words.lower().split()))


def _matches(name: str, spec: Specification, shot: Shot) -> Iterator[Proposition]:
    """What `name` may mean, by its own words first."""
    yield from (each for each in spec.propositions if _plain(each.name) == _plain(name))
    graph = shot.scene_graph
    for each in spec.propositions:
        entity = graph.entity(each.entity)
        there = each.kind == "presence" or (each.kind == "count" and entity.count > 1)
        nouns = [other.noun for other in graph.entities]
        if there and (_plain(name) == entity.id or [entity.noun] == _only(name, nouns)):
            yield each
    actions = [event.action for event in graph.events]
    for each in spec.propositions:
        if each.event is not None:
            action = graph.events[each.event].action
            if [action] in (_only(name, actions), _only(f"{name}s", actions)):
                yield each


def _only(name: str, words: Sequence[str]) -> list[str]:
    return [word for word in words if word == _plain(name)]


def _told(name: str, shot: Shot, layout: Layout) -> tuple[Shot, Proposition | None]:
    """A sentence about the shot's things, and the shot with what it tells."""
    picture = Picture(size=shot.size, fps=shot.fps, frames=shot.frames)
    try:
        said = shot_of(name, picture, name=repr(name)).scene_graph
    except (ScriptError, InputError):
        return shot, None
    graph = shot.scene_graph
    same = {entity.id: _same(entity.id, said, graph) for entity in said.entities}
    events = [event for event in said.events if event.action != "stays"]
    for event in events:
        actor = same[event.actor]
        if actor is None:
            return shot, None
        known = [(e.actor, e.action, e.direction) for e in graph.events]
        at = len(graph.events)
        if (actor, event.action, event.direction) in known:
            at = known.index((actor, event.action, event.direction))
        else:
            told = Event(
                actor=actor, action=event.action, direction=event.direction,
                frames=FrameSpan(first=0, last=shot.frames - 1),
            )  # fmt: skip
            shot = _with(shot, graph.model_copy(update={"events": [*graph.events, told]}))
        return shot, _of(shot, layout, event=at)
    for relation in said.relations:
        one, other = same[relation.subject], same[relation.object]
        if one is None or other is None:
            return shot, None
        told_relation = relation.model_copy(update={"subject": one, "object": other})
        relations = [*graph.relations, told_relation]
        shot = _with(shot, graph.model_copy(update={"relations": relations}))
        return shot, _of(shot, layout, relation=relations.index(told_relation))
    there = [id for id in same.values() if id is not None]
    found = [each for each in specification(shot, layout).propositions if each.entity in there]
    return shot, next((each for each in found if each.kind in ("presence", "count")), None)


def _with(shot: Shot, graph: SceneGraph) -> Shot:
    return shot.model_copy(update={"scene_graph": graph})


def _of(
    shot: Shot, layout: Layout, *, event: int | None = None, relation: int | None = None
) -> Proposition | None:
    for each in specification(shot, layout).propositions:
        if (event is not None and each.event == event) or (
            relation is not None and each.relation == relation
        ):
            return each
    return None


def _same(id: str, said: SceneGraph, graph: SceneGraph) -> str | None:
    """The entity of `graph` that is meant by one of `said`: of its noun, and of its colour."""
    entity = said.entity(id)
    alike = [other for other in graph.entities if other.noun == entity.noun]
    if entity.colour is not None:
        alike = [other for other in alike if other.colour == entity.colour]
    return alike[0].id if len(alike) == 1 else None
