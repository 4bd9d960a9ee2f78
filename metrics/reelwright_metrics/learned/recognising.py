"""Whether things look like what they are called, as the learned critic sees it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Shot
from reelwright_core.takes import Question
from reelwright_metrics.learned.critic import LearnedCritic
from reelwright_simulators import cutouts


def recognised(
    answers: list[Question], shot: Shot, frames: NDArray[np.uint8], *, critic: LearnedCritic
) -> list[Question]:
    """`answers`, where a thing is there only as far as it also looks like itself.

    Only nouns that `critic` was taught are judged. It shares its belief among the nouns of a
    picture, so what it gives one of n is taken n times. `frames` is uint8 [frames, height, width,
    3].
    """
    known = {entity.id: _class(entity.noun, critic) for entity in shot.scene_graph.entities}
    if not any(known.values()):
        return answers
    belief = np.exp(critic.attributes(frames[None])["noun"][0])
    nouns = critic.classes["noun"]
    several = len({entity.noun for entity in shot.scene_graph.entities})
    there = {noun for noun in known.values() if noun}
    judged: list[Question] = []
    for answer in answers:
        noun = known.get(answer.entity or "")
        if answer.kind != "presence" or noun is None:
            judged.append(answer)
            continue
        sure = min(1.0, float(belief[nouns.index(noun)]) * several)
        score = min(answer.score, sure)
        seen = answer.seen
        if sure < 0.5 <= answer.score:
            others = [i for i, name in enumerate(nouns) if name not in there]
            likest = nouns[max(others, key=lambda i: belief[i])]
            seen = f"{seen}, but looks more like: {likest}"
        judged.append(
            answer.model_copy(
                update={"score": round(score, 4), "passed": score >= 0.5, "seen": seen}
            )
        )
    return judged


def _class(noun: str, critic: LearnedCritic) -> str | None:
    cut = cutouts.find(noun)
    named = cut.noun if cut is not None else noun
    return named if named in critic.classes["noun"] else None
