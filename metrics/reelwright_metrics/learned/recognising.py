"""Whether a clip shows what was asked for, as the learned critic sees it besides the measures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Entity, SceneGraph, Shot
from reelwright_core.takes import Question, QuestionKind
from reelwright_metrics.learned.cells import CellCritic
from reelwright_metrics.learned.critic import LearnedCritic
from reelwright_simulators import cutouts

LOOKS: frozenset[QuestionKind] = frozenset({"presence", "colour", "count"})
"""What is only as right as it also looks; of the rest, the network's word counts half."""


def recognised(
    answers: list[Question], shot: Shot, frames: NDArray[np.uint8], *, critic: LearnedCritic
) -> list[Question]:
    """`answers`, each as right as both the measures and the network find it.

    What the network was not taught is left as it was measured. `frames` is uint8 [frames, height,
    width, 3].
    """
    graph = _known(shot.scene_graph, critic)
    network: dict[tuple[QuestionKind, str | None], list[Question]] = {}
    for one in CellCritic(critic).watch(graph, [frames]) if graph.entities else []:
        network.setdefault((one.kind, one.entity), []).append(one)
    judged: list[Question] = []
    for answer in answers:
        told = network.get((answer.kind, answer.entity))
        if not told:
            judged.append(answer)
            continue
        right = float(np.mean([one.passed for one in told]))
        score = (answer.score + right) / 2
        if answer.kind in LOOKS:
            score = min(answer.score, right)
        seen = answer.seen
        if right < 0.5 <= answer.score:
            looks = told[0].seen
            if answer.kind == "presence":
                looks = f"more like: {_likest(graph, frames, critic)}"
            seen = f"{seen}, but looks {looks}" if looks else seen
        judged.append(
            answer.model_copy(
                update={"score": round(score, 4), "passed": score >= 0.5, "seen": seen}
            )
        )
    return judged


def _known(graph: SceneGraph, critic: LearnedCritic) -> SceneGraph:
    """The part of `graph` that the network was taught, in its own nouns."""
    entities: list[Entity] = []
    for entity in graph.entities:
        cut = cutouts.find(entity.noun)
        noun = entity.noun if cut is None else cut.noun
        if noun in critic.classes["noun"]:
            entities.append(entity.model_copy(update={"noun": noun}))
    ids = {entity.id for entity in entities}
    return SceneGraph(
        entities=entities,
        relations=[r for r in graph.relations if {r.subject, r.object} <= ids],
        events=[event for event in graph.events if event.actor in ids],
    )


def _likest(graph: SceneGraph, frames: NDArray[np.uint8], critic: LearnedCritic) -> str:
    """The noun that was not asked for and that the clip looks most like."""
    asked = {entity.noun for entity in graph.entities}
    belief = critic.attributes(frames[None])["noun"][0]
    nouns = critic.classes["noun"]
    others = [i for i, noun in enumerate(nouns) if noun not in asked]
    return nouns[max(others, key=lambda i: belief[i])]
