"""A critic that finds the things of a clip and measures what they do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Layout, Shot
from reelwright_core.takes import Critique, Question
from reelwright_metrics.answers import answer
from reelwright_metrics.assign import Watched, assign, extents
from reelwright_metrics.backdrop import backdrops, tinge, to_lab
from reelwright_metrics.blaming import blame
from reelwright_metrics.finding import find, stands_out
from reelwright_metrics.motion import link
from reelwright_metrics.parting import pairs, parted
from reelwright_metrics.questions import name, questions, steadiness
from reelwright_metrics.smoothness import hidden

if TYPE_CHECKING:
    from reelwright_metrics.learned.critic import LearnedCritic

SIDE = 192
"""Pictures are looked at with at most so many pixels on their longer side."""
PICTURES = 49
"""Of a longer clip so many frames, evenly spread, are looked at."""


class MeasuringCritic:
    """Watches pixels: what stands out from the backdrop, followed, and compared with the plan."""

    name = "measure"

    def __init__(self, *, learned: LearnedCritic | None = None) -> None:
        """`learned` also judges whether things look like what they are called.

        It knows the flat art of the built-in model and nothing else.
        """
        self.learned = learned
        if learned is not None:
            self.name = "measure + cells"

    def watch(
        self,
        shot: Shot,
        layout: Layout,
        frames: NDArray[np.uint8],
        *,
        background: NDArray[np.uint8] | None = None,
    ) -> Critique:
        """What is right and wrong in `frames`, uint8 RGB [frames, height, width, 3].

        `background` is the painted empty place of the first frame, [height, width, 3]; with it
        things that stand still are found surely, without it only where they stand out from what
        the picture's borders show.
        """
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
            raise ValueError(
                "`frames` is uint8 [frames, height, width, 3], "
                f"got {frames.dtype} {list(frames.shape)}"
            )
        watched = watch_pixels(shot, layout, frames, background=background)
        answers = [answer(question, watched) for question in questions(shot, layout)]
        seen = {thing.entity.id for thing in watched.things if thing.trace is not None}
        steady = [
            answer(question, watched)
            for question in steadiness(shot)
            if question.entity is None or question.entity in seen
        ]
        if self.learned is not None:
            from reelwright_metrics.learned.recognising import recognised

            answers = recognised(answers, shot, frames, critic=self.learned)
        answers += steady
        # What is steady is no merit, as a still picture is so too: only what fails it counts.
        weights = [1 - q.score if q in steady else 1.0 for q in answers]
        score = float(np.average([q.score for q in answers], weights=weights)) if answers else 1.0
        critique = Critique(
            critic=self.name,
            questions=answers,
            score=round(score, 4),
            advice=advice(shot, answers),
        )
        found = blame(answers, unsound=frozenset(), shot=shot)
        return critique.model_copy(update={"blame": found})


def watch_pixels(
    shot: Shot,
    layout: Layout,
    frames: NDArray[np.uint8],
    *,
    background: NDArray[np.uint8] | None = None,
) -> Watched:
    """What is found in `frames`, and which planned thing it is."""
    # A clip that is longer or shorter than planned is stretched over the plan.
    count = min(len(frames), PICTURES)
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    planned = np.linspace(0, layout.frames - 1, count).round().astype(np.int64)
    pictures = np.stack([smaller(frames[index]) for index in chosen])
    painted = None if background is None else to_lab(smaller(background)[None])[0]
    if painted is not None and painted.shape != pictures.shape[1:]:
        painted = cv2.resize(painted, (pictures.shape[2], pictures.shape[1])).astype(np.float32)
    clip = to_lab(pictures)
    if painted is not None:
        clip -= tinge(clip, painted=painted)
    smallest, widest, highest = extents(layout)
    behind = backdrops(clip, painted=painted, layout=layout, frames=planned, smallest=smallest)
    least = float(np.clip(0.12 * smallest, 0.001, 0.01))
    found = find(clip, behind, smallest=least, largest=(widest, highest))
    traces = link(parted(found, clip, pairs=pairs(shot, layout)))
    lasting = [trace for trace in traces if len(trace.blobs) >= min(3, count)]
    watched = assign(shot, layout, lasting, frames=planned)
    something = np.stack([stands_out(*both) for both in zip(clip, behind, strict=True)])
    things = [replace(thing, hidden=hidden(thing, something)) for thing in watched.things]
    return replace(watched, things=things)


def with_blame(
    critique: Critique, sketch_critique: Critique, *, shot: Shot | None = None
) -> Critique:
    """`critique` with the blame settled by the critique of the sketch that the clip started from.

    `shot`, with the prompt that was filmed, lets its words be blamed too; see `blaming.blame`.
    """
    unsound = frozenset(q.text for q in sketch_critique.questions if not q.passed)
    found = blame(critique.questions, unsound=unsound, shot=shot)
    return critique.model_copy(update={"blame": found})


def advice(shot: Shot, answers: list[Question]) -> list[str]:
    """What to do about each failed question, in plain words that name whom it is about."""
    names = {entity.id: name(shot, entity) for entity in shot.scene_graph.entities}
    told: list[str] = []
    for question in answers:
        if question.passed:
            continue
        who = names.get(question.entity or "", "the picture")
        seen, due = question.seen, question.expected
        line = {
            "presence": f"{who} could not be seen: say it more clearly, or make it larger",
            "count": f"{who}: {seen} instead of {due}: set them further apart",
            "colour": f"{who} looks {seen} instead of {due}: repeat the colour",
            "direction": f"{who} {seen}; it should go {due}: keep more of the sketch",
            "path": f"{who} {seen}; it was expected {due}: keep more of the sketch",
            "order": f"{who}: {seen}; expected {due}: keep more of the sketch",
            "relation": f"{who} is {seen}; expected {due}: set them further apart",
            "stillness": f"{who} {seen} but should stand still: keep more of the sketch",
            "smoothness": f"{who} {seen}: film those frames again, or keep more of the sketch",
            "extra": f"{seen} that nobody asked for: keep more of the sketch",
        }.get(question.kind, f"{question.text} {seen}")
        told.append(line[0].upper() + line[1:])
    return told


def smaller(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`picture` with at most `SIDE` pixels on its longer side."""
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = max(8, round(width * scale)), max(8, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
