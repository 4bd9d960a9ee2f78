"""A scene graph over time: one graph for each step of a shot, and what an agent imagines besides.

After Dysen-VDM (arXiv 2308.13812), without its trained parts: events in order, a graph for each
time step, imagination by a window that slides over the steps, and a last look at all together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol

from pydantic import Field

from reelwright_agents.offline import words
from reelwright_core.records import Record
from reelwright_core.story import PLACE, Entity, FrameSpan, SceneGraph, Shot, Triple
from reelwright_simulators.cutouts.colours import COLOUR_WORDS

Fact = tuple[str, str, str]
"""Subject, predicate and object; the object may be empty."""

STEPS_AT_MOST = 12
ADDED_AT_MOST = 12
"""Facts that may be imagined of one step; more would drown what the shot is about."""

_OPPOSITES = {
    "left of": "right of", "right of": "left of", "above": "below", "below": "above",
    "behind": "in front of", "in front of": "behind",
}  # fmt: skip
_FACT_WORDS_AT_MOST = 60


class Act(Record):
    """Something that happens: who does what, to whom or where to, and in which frames."""

    agent: str
    predicate: str
    target: str = ""
    frames: FrameSpan

    def __str__(self) -> str:
        """`0-7  car moves right`."""
        said = " ".join(filter(None, (self.agent, self.predicate, self.target)))
        return f"{self.frames.first}-{self.frames.last}  {said}"


class Step(Record):
    """The scene graph of a time step: frames in which the same things happen."""

    frames: FrameSpan
    nodes: list[str]
    planned: list[Fact]
    """What the script says: attributes, relations and events."""
    imagined: list[Fact] = Field(default=[], max_length=ADDED_AT_MOST)

    @property
    def facts(self) -> list[Fact]:
        """All of it."""
        return [*self.planned, *self.imagined]


class Enrichment(Record):
    """A shot's graphs before and after they were enriched, and what was not taken."""

    by: str
    """Who imagined: `offline rules`, or a language model."""
    actions: list[Act]
    steps: list[Step]
    notes: list[str] = []
    """What was put back or refused, and why."""


class Imagination(Protocol):
    """Says what else holds in a step; what it leaves out or changes is put back."""

    name: str

    def imagine(
        self, shot: Shot, before: Step | None, now: Step, after: Step | None
    ) -> Sequence[Fact]:
        """The whole graph of `now`, given the enriched step before it and the raw one after."""
        ...

    def polish(self, shot: Shot, steps: Sequence[Step]) -> Sequence[Sequence[Fact]]:
        """The whole graphs of all steps, made to fit together."""
        ...


def actions(graph: SceneGraph) -> list[Act]:
    """The events in the order of their first frames, each with whom or where it goes to."""
    ordered = sorted(graph.events, key=lambda event: (event.frames.first, event.frames.last))
    return [
        Act(
            agent=event.actor,
            predicate=event.action,
            target=event.direction or _met(graph, event.actor, event.action),
            frames=event.frames,
        )
        for event in ordered
    ]


def _met(graph: SceneGraph, actor: str, action: str) -> str:
    kinds = {"collides": ("meets",), "approaches": ("meets", "follows")}.get(action, ())
    return next((r.object for r in graph.relations if r.subject == actor and r.kind in kinds), "")


def steps(shot: Shot) -> list[Step]:
    """One graph for each time step: a new one begins where an event begins or has ended."""
    graph = shot.scene_graph
    cuts = {0, shot.frames}
    for event in graph.events:
        cuts |= {event.frames.first, event.frames.last + 1}
    begins = sorted(cut for cut in cuts if cut <= shot.frames)
    # Steps beyond the bound are joined to the last one: a question about each must stay answerable.
    begins = [*begins[:STEPS_AT_MOST], shot.frames] if len(begins) > STEPS_AT_MOST else begins
    return [
        Step(
            frames=FrameSpan(first=first, last=end - 1),
            nodes=[entity.id for entity in graph.entities],
            planned=list(_planned(graph, FrameSpan(first=first, last=end - 1))),
        )
        for first, end in pairwise(begins)
    ]


def _planned(graph: SceneGraph, frames: FrameSpan) -> Iterator[Fact]:
    for entity in graph.entities:
        yield from ((entity.id, "is", word) for word in _attributes(entity))
        if entity.count > 1:
            yield entity.id, "count", str(entity.count)
    for relation in graph.relations:
        yield relation.subject, relation.kind, relation.object
    for act in actions(graph):
        if act.frames.first <= frames.last and act.frames.last >= frames.first:
            yield act.agent, act.predicate, act.target


def _attributes(entity: Entity) -> Iterator[str]:
    if entity.colour is not None:
        yield entity.colour
    if entity.size != "medium":
        yield entity.size
    yield from entity.attributes


def enrich(shot: Shot, imagination: Imagination) -> Enrichment:
    """What `imagination` adds to each step of `shot`, by a sliding window, then polished.

    Enrichment only adds: what it leaves out or changes of the plan is put back, and what it says
    of nobody in the shot, or as a new event, is refused; both are in the notes.
    """
    raw = steps(shot)
    notes: list[str] = []
    done: list[Step] = []
    for index, now in enumerate(raw):
        after = raw[index + 1] if index + 1 < len(raw) else None
        told = imagination.imagine(shot, done[-1] if done else None, now, after)
        done.append(_with(shot, now, told, notes))
    polished = imagination.polish(shot, done)
    if len(polished) == len(done):
        done = [
            _with(shot, step, told, notes, kept=step.imagined)
            for step, told in zip(done, polished, strict=True)
        ]
    else:
        notes.append(f"polishing gave {len(polished)} graphs for {len(done)} steps: not used")
    return Enrichment(by=imagination.name, actions=actions(shot.scene_graph), steps=done,
                      notes=list(dict.fromkeys(notes)))  # fmt: skip


def enriched(shot: Shot, found: Enrichment) -> Shot:
    """`shot` with what was imagined in its scene graph, each fact with the frames it holds in."""
    graph = shot.scene_graph.model_copy(update={"enriched": triples(found.steps)})
    return shot.model_copy(update={"scene_graph": graph})


def triples(found: Sequence[Step]) -> list[Triple]:
    """Each imagined fact once for every run of steps that it holds in."""
    done: list[Triple] = []
    open_: dict[Fact, int] = {}
    for step in found:
        for fact in step.imagined:
            at = open_.get(fact)
            if at is not None and done[at].frames.last == step.frames.first - 1:
                frames = FrameSpan(first=done[at].frames.first, last=step.frames.last)
                done[at] = done[at].model_copy(update={"frames": frames})
                continue
            open_[fact] = len(done)
            subject, predicate, object = fact
            done.append(
                Triple(subject=subject, predicate=predicate, object=object, frames=step.frames)
            )
    return done


def known(shot: Shot) -> Enrichment:
    """The graphs of a shot whose scene graph is enriched already, by its file or by hand."""
    return Enrichment(
        by="the storyboard",
        actions=actions(shot.scene_graph),
        steps=[
            step.model_copy(
                update={
                    "imagined": [
                        (triple.subject, triple.predicate, triple.object)
                        for triple in shot.scene_graph.enriched
                        if triple.frames.first <= step.frames.last
                        and triple.frames.last >= step.frames.first
                    ]
                }
            )
            for step in steps(shot)
        ],
    )


def diff(found: Enrichment) -> str:
    """The graphs before and after: every line as planned, `+` before what was imagined."""
    lines = ["actions", *(f"    {act}" for act in found.actions)]
    for step in found.steps:
        span = step.frames
        lines.append(f"frames {span.first}-{span.last}: {', '.join(step.nodes) or 'nobody'}")
        lines += [f"    {' '.join(filter(None, fact))}" for fact in step.planned]
        lines += [f"  + {' '.join(filter(None, fact))}" for fact in step.imagined]
    lines.append(f"imagined by {found.by}")
    lines += [f"note: {note}" for note in found.notes]
    return "\n".join(lines) + "\n"


def _with(
    shot: Shot, step: Step, told: Sequence[Fact], notes: list[str], *, kept: Sequence[Fact] = ()
) -> Step:
    """`step` with what `told` adds to it; `kept` was imagined before and stays unless refuted."""
    at = f"frames {step.frames.first}-{step.frames.last}"
    given = [(s.strip(), p.strip(), o.strip()) for s, p, o in told]
    for fact in step.facts:
        if fact not in given:
            notes.append(f"{at}: {' '.join(filter(None, fact))!r} was left out or changed: kept")
    added: list[Fact] = list(kept)
    for fact in given:
        if fact in step.planned or fact in added:
            continue
        why = _refused(shot, step, fact)
        if why is None and len(added) == ADDED_AT_MOST:
            why = f"{ADDED_AT_MOST} are enough for one step"
        if why is None:
            added.append(fact)
        else:
            notes.append(f"{at}: {' '.join(filter(None, fact))!r} is not taken: {why}")
    return step.model_copy(update={"imagined": added})


def _does(predicate: str, object: str) -> str | None:
    """The action that a fact tells of; None if it tells of a state."""
    if predicate.lower() in words.RELATIONS:  # `left of` is no form of `leave`
        return None
    said = predicate.lower().split()
    word = object.lower().split()[0] if said in (["is"], ["are"]) and object else said[0]
    action = words.ACTIONS.get(words.VERB_FORMS.get(word, ""))
    return None if action == "stays" else action


def _doing(step: Step, subject: str) -> Iterator[str]:
    """What `subject` does in the step by the plan."""
    return (predicate for agent, predicate, _ in step.planned if agent == subject)


def _refused(shot: Shot, step: Step, fact: Fact) -> str | None:
    """Why a fact is no addition; None if it is one."""
    subject, predicate, object = fact
    if subject != PLACE and subject not in step.nodes:
        return f"nobody in the shot is called {subject!r}"
    if not predicate or max(len(predicate), len(object)) > _FACT_WORDS_AT_MOST:
        return "a fact has a predicate, and parts of 60 characters at most"
    if not (predicate + object).isprintable():
        return "a fact is plain words in one line"
    if subject != PLACE and _does(predicate, object) not in (None, *_doing(step, subject)):
        return "it would be a new event"
    if predicate.lower() == "count":
        return "it would change how many there are"
    if subject != PLACE and predicate.lower() in ("is", "has colour", "colour"):
        colour = COLOUR_WORDS.get(object.lower())
        if colour is not None and shot.scene_graph.entity(subject).colour not in (None, colour):
            return "it would change a colour"
    if (subject, _OPPOSITES.get(predicate, ""), object) in step.planned:
        return "it contradicts a planned relation"
    if (object, predicate, subject) in step.planned and predicate in _OPPOSITES:
        return "it contradicts a planned relation"
    return None
