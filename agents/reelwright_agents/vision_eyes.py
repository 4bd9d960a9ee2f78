"""Says through a vision model which propositions are true in each window of a clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from reelwright_agents.llm import LanguageModel
from reelwright_agents.vision_critic import by_number, png, scores_from, spread
from reelwright_core.records import Record
from reelwright_core.story import Layout, Shot
from reelwright_core.video import Frames
from reelwright_metrics.logic.observing import calibrated
from reelwright_metrics.logic.propositions import (
    WINDOW,
    Observed,
    Proposition,
    window_spans,
    windows,
)


class JudgedForm(Record):
    """Whether one sentence is true."""

    number: int = Field(description="the sentence's number")
    answer: Literal["yes", "no"]
    probability: float = Field(ge=0, le=1, description="how probable it is that it is true")


class WindowForm(Record):
    """What is true in one window."""

    answers: list[JudgedForm] = Field(max_length=400)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Window:
    """What was seen in one window; `known` of the probabilities are those of tokens."""

    chances: list[float]
    known: int


class VisionEyes:
    """Asks one question with three pictures for each window; `EndpointError` without an answer.

    Its probabilities are those of the model's tokens yes and no, or what it says where the server
    tells none, made surer by the same logistic as measured scores (NeuS-V calibrates the token
    probabilities with a sigmoid in the same way).
    """

    def __init__(self, model: LanguageModel, *, most: int = 6):
        """At most `most` windows of three pictures, evenly spread over the clip, are looked at."""
        self._model = model
        self._most = most

    def look(
        self,
        shot: Shot,
        layout: Layout,
        frames: Frames,
        *,
        propositions: Sequence[Proposition],
        background: Frames | None = None,
    ) -> Observed:
        """As `reelwright_metrics.logic.propositions.Eyes` has it; `background` is not needed."""
        chosen = spread(len(frames), WINDOW * self._most)
        planned = np.linspace(0, layout.frames - 1, len(frames)).round().astype(int)
        judged = [
            self._window(frames, chosen[a : b + 1], propositions)
            for a, b in windows(len(chosen))
            if propositions
        ]
        known, count = sum(each.known for each in judged), len(judged) * len(propositions)
        return Observed(
            windows=window_spans([int(planned[i]) for i in chosen], layout.frames - 1),
            table={
                each.name: [round(window.chances[index], 6) for window in judged]
                for index, each in enumerate(propositions)
            },
            scores_from=scores_from(known, count) if count else "",
        )

    def _window(
        self, frames: Frames, chosen: Sequence[int], propositions: Sequence[Proposition]
    ) -> _Window:
        form, told = self._model.ask_with_chances(
            role="vision eyes",
            template="vision_eyes",
            inputs={
                "frames": ", ".join(str(index) for index in chosen),
                "last_frame": len(frames) - 1,
                "sentences": "\n".join(f"{n}. {p.name}" for n, p in enumerate(propositions, 1)),
            },
            answer=WindowForm,
            images=[png(frames[index]) for index in chosen],
            check=lambda form: list(_faults(form, len(propositions))),
        )
        known = by_number([each.number for each in form.answers], told)
        said = {each.number: each.probability for each in form.answers} | known
        chances = calibrated(np.array([said[n] for n in range(1, len(said) + 1)]))
        return _Window(chances=chances.tolist(), known=len(known))


def _faults(form: WindowForm, count: int) -> Iterator[str]:
    numbers = [each.number for each in form.answers]
    for n in range(1, count + 1):
        if numbers.count(n) != 1:
            yield f"sentence {n} is to be answered once, got {numbers.count(n)} answers"
    for n in numbers:
        if not 1 <= n <= count:
            yield f"there is no sentence {n}"
    for each in form.answers:
        if (each.answer == "yes") != (each.probability >= 0.5):
            yield (
                f"sentence {each.number}: the answer `{each.answer}` does not go with the "
                f"probability {each.probability}"
            )
