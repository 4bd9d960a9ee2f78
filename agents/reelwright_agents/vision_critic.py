"""A critic that looks at frames of a take through a vision model and answers questions."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from reelwright_agents.llm import LanguageModel
from reelwright_core.records import Record
from reelwright_core.story import FrameSpan, Layout, Shot
from reelwright_core.takes import Critique, Question
from reelwright_core.video import Frames
from reelwright_metrics.questions import Asked, questions

SHORT_SIDE = (256, 512)
"""Pixels: smaller pictures are enlarged to the first, bigger ones made smaller to the second."""


class SeenForm(Record):
    """The answer to one question."""

    number: int = Field(description="the question's number")
    answer: Literal["yes", "no", "unsure"]
    score: float = Field(ge=0, le=1)
    seen: str = Field(default="", max_length=600)
    first_failing: int | None = None
    last_failing: int | None = None


class ReviewForm(Record):
    """What the critic saw."""

    answers: list[SeenForm] = Field(max_length=400)
    blame: Literal["none", "prompt", "layout", "generator"] = "none"
    advice: list[str] = Field(default=[], max_length=5)


class VisionCritic:
    """Watches `frames` evenly spread frames of a take; raises `EndpointError` without an answer."""

    name = "vision"

    def __init__(self, model: LanguageModel, *, frames: int = 6):
        self._model = model
        self._frames = frames

    def watch(
        self, shot: Shot, layout: Layout, frames: Frames, *, background: Frames | None = None
    ) -> Critique:
        """The critique of a take of `shot`; `frames` is uint8 RGB [frames, height, width, 3].

        The empty place, `background`, is of no use to it: it sees what is in front for itself.

        Asks nothing, and finds nothing wrong, where the plan gives nothing to ask.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
            raise ValueError(
                "`frames` is uint8 [frames, height, width, 3] with at least one frame, "
                f"got {frames.dtype} {list(frames.shape)}"
            )
        asked = questions(shot, layout)
        if not asked:
            return Critique(critic=self.name, score=1.0)
        chosen = spread(len(frames), self._frames)
        form, told = self._model.ask_with_chances(
            role="vision critic",
            template="vision_critic",
            inputs={
                "frames": ", ".join(str(index) for index in chosen),
                "last_frame": len(frames) - 1,
                "shot": shot.prompt,
                "questions": "\n".join(f"{n}. {a.text}" for n, a in enumerate(asked, 1)),
            },
            answer=ReviewForm,
            images=[png(frames[index]) for index in chosen],
            check=lambda form: _faults(form, len(asked), len(frames)),
        )
        return _critique(self.name, asked, form, chances=told)


def spread(count: int, at_most: int) -> list[int]:
    """At most `at_most` of `count` frame numbers, evenly spread, the first and last included."""
    if at_most == 1:
        return [(count - 1) // 2]
    places = np.linspace(0, count - 1, min(count, at_most)).round().astype(int)
    return [int(place) for place in dict.fromkeys(places.tolist())]


def png(frame: Frames) -> bytes:
    """One RGB frame as a PNG file whose short side is within `SHORT_SIDE`."""
    picture = Image.fromarray(np.ascontiguousarray(frame))
    short = min(picture.size)
    wanted = min(max(short, SHORT_SIDE[0]), SHORT_SIDE[1])
    if wanted != short:
        width, height = (max(1, round(side * wanted / short)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _faults(form: ReviewForm, count: int, frames: int) -> list[str]:
    numbers = [seen.number for seen in form.answers]
    faults = [f"question {n} is not answered" for n in range(1, count + 1) if n not in numbers]
    faults += [f"there is no question {n}" for n in numbers if not 1 <= n <= count]
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    faults += [f"question {n} is answered more than once" for n in twice]
    for seen in form.answers:
        faults += [f"question {seen.number}: {fault}" for fault in _seen_faults(seen, frames)]
    if form.blame == "none" and any(seen.answer == "no" for seen in form.answers):
        faults.append("an answer is `no`, but `blame` is `none`")
    return faults


def _seen_faults(seen: SeenForm, frames: int) -> Iterator[str]:
    if (seen.answer == "yes" and seen.score < 0.5) or (seen.answer == "no" and seen.score > 0.5):
        yield f"the answer `{seen.answer}` does not go with the score {seen.score}"
    first, last = seen.first_failing, seen.last_failing
    if (first is None) != (last is None):
        yield "`first_failing` and `last_failing` are both frames or both null"
    elif first is not None and last is not None and not 0 <= first <= last < frames:
        yield f"frames {first} to {last} are not in order within 0 to {frames - 1}"


def by_number(numbers: Sequence[int], told: Sequence[float | None]) -> dict[int, float]:
    """The token probabilities of yes of answers with these numbers, of those that have one."""
    if len(numbers) != len(told):  # the model wrote more or fewer answers than there are
        return {}
    return {n: chance for n, chance in zip(numbers, told, strict=True) if chance is not None}


def scores_from(tokens: int, count: int) -> str:
    """From what `count` scores are, `tokens` of which are token probabilities."""
    if tokens == 0:
        return "words"
    return "tokens" if tokens == count else f"tokens ({tokens} of {count}, else words)"


def _critique(
    name: str, asked: Sequence[Asked], form: ReviewForm, *, chances: Sequence[float | None]
) -> Critique:
    seen = {one.number: one for one in form.answers}
    # Who is unsure has said neither word, and how probable each was tells little.
    told = by_number([one.number for one in form.answers], chances)
    told = {n: chance for n, chance in told.items() if seen[n].answer != "unsure"}
    found = [_question(question, seen[n], told.get(n)) for n, question in enumerate(asked, 1)]
    passed = all(question.passed for question in found)
    blame = "generator" if form.blame == "none" else form.blame
    return Critique(
        critic=name,
        questions=found,
        score=sum(question.score for question in found) / len(found),
        blame="none" if passed else blame,
        scores_from=scores_from(len(told), len(found)),
        advice=[" ".join(line.split())[:300] for line in form.advice if line.strip()],
    )


def _question(asked: Asked, seen: SeenForm, chance: float | None) -> Question:
    """The question by its token probability; by the answer and the stated score without one."""
    passed = seen.answer == "yes" if chance is None else chance >= 0.5
    spans: list[FrameSpan] = []
    if not passed and seen.first_failing is not None and seen.last_failing is not None:
        spans = [FrameSpan(first=seen.first_failing, last=seen.last_failing)]
    return Question(
        kind=asked.kind,
        text=asked.text,
        entity=asked.entity,
        score=seen.score if chance is None else round(chance, 4),
        passed=passed,
        expected=asked.expected,
        seen=" ".join(seen.seen.split()) or seen.answer,
        spans=spans,
    )
