"""A critic that says how probable it is that a clip satisfies the formula of its shot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import FrameSpan, Layout, Shot
from reelwright_core.takes import Blame, Critique, Question, QuestionKind
from reelwright_metrics.logic.formula import Formula, eventually, prop
from reelwright_metrics.logic.observing import MeasuringEyes
from reelwright_metrics.logic.propositions import Eyes, Observed, Specification, specification
from reelwright_metrics.logic.solver import Verdict, verdict

PASSES = 0.5
"""A formula passes that is at least as likely true as not."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Examination:
    """What the logic says of a clip; frames are those of the layout."""

    specification: Specification
    observed: Observed
    verdict: Verdict
    parts: list[Verdict]
    """Of the formula's conjuncts, and of each of its events that is no conjunct itself."""
    spans: list[FrameSpan]
    """The frames in which the weakest proposition is to blame."""
    first_failing: FrameSpan | None
    """The window after which the formula is more likely lost than not; None if it never is."""

    @property
    def keep_until(self) -> int | None:
        """How many frames at the beginning are sound; None where nothing is to blame."""
        return self.spans[0].first if self.spans else None


class LogicCritic:
    """Makes a formula of the shot, looks at each window of the clip, and solves it exactly."""

    name = "logic"

    def __init__(self, *, eyes: Eyes | None = None):
        """`eyes` say what is true in each window; the measuring ones by default."""
        self.eyes: Eyes = MeasuringEyes() if eyes is None else eyes

    def watch(
        self,
        shot: Shot,
        layout: Layout,
        frames: NDArray[np.uint8],
        *,
        background: NDArray[np.uint8] | None = None,
    ) -> Critique:
        """The critique of `frames`, uint8 RGB [frames, height, width, 3].

        Its questions are the formula and its parts, their scores probabilities, and its score is
        that of the formula.
        """
        found = self.examine(shot, layout, frames, background=background)
        return critique(found)

    def examine(
        self,
        shot: Shot,
        layout: Layout,
        frames: NDArray[np.uint8],
        *,
        background: NDArray[np.uint8] | None = None,
        asked: Specification | None = None,
    ) -> Examination:
        """The same with all figures; `asked` stands in for the formula that the shot makes."""
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
            raise ValueError(
                "`frames` is uint8 [frames, height, width, 3] with at least one frame, "
                f"got {frames.dtype} {list(frames.shape)}"
            )
        spec = specification(shot, layout) if asked is None else asked
        observed = self.eyes.look(
            shot, layout, frames, propositions=spec.propositions, background=background
        )
        # A formula of no proposition is true or false by itself; a table has at least one series.
        table = observed.table or {"": [1.0] * len(observed.windows)}
        whole = verdict(spec.formula, table)
        return Examination(
            specification=spec,
            observed=observed,
            verdict=whole,
            parts=[verdict(part, table) for part in _parts(spec)],
            spans=_blamed(whole, shot, spec, observed),
            first_failing=_window(whole.first_failing, observed),
        )


def critique(found: Examination) -> Critique:
    """An examination as a critique."""
    whole = found.verdict
    asked = [each for each in found.parts if each.formula != whole.formula]
    questions = [_question(each, found) for each in (whole, *asked)]
    if not whole.formula.propositions():
        questions = []
    return Critique(
        critic=LogicCritic.name,
        questions=questions,
        score=_rounded(whole.probability),
        blame="none" if all(each.passed for each in questions) else _blame(found),
        advice=list(_advice(found)),
        scores_from=found.observed.scores_from,
    )


def _parts(spec: Specification) -> Iterator[Formula]:
    """The conjuncts of the formula, and `F a` of each event a that is only part of one."""
    told: dict[Formula, None] = dict.fromkeys(spec.formula.conjuncts())
    for each in spec.propositions:
        if each.event is not None and each.kind != "stillness":
            told.setdefault(eventually(prop(each.name)))
    yield from told


def _blamed(whole: Verdict, shot: Shot, spec: Specification, observed: Observed) -> list[FrameSpan]:
    """The weakest proposition's frames, those of its event where the plan gives it some."""
    spans = [
        FrameSpan(first=observed.windows[a].first, last=observed.windows[b].last)
        for a, b in whole.spans
    ]
    weakest = None if whole.weakest is None else spec.named(whole.weakest)
    if weakest is None or weakest.event is None:
        return spans
    planned = shot.scene_graph.events[weakest.event].frames
    within = [
        FrameSpan(first=max(span.first, planned.first), last=min(span.last, planned.last))
        for span in spans
        if span.first <= planned.last and span.last >= planned.first
    ]
    return within or spans


def _window(index: int | None, observed: Observed) -> FrameSpan | None:
    return None if index is None else observed.windows[index]


def _question(each: Verdict, found: Examination) -> Question:
    formula, spec, observed = each.formula, found.specification, found.observed
    about = [spec.named(name) for name in formula.propositions()]
    known = [one for one in about if one is not None]
    kind: QuestionKind = "other"
    if formula != found.verdict.formula or len(spec.formula.conjuncts()) == 1:
        kind = known[0].kind if len(known) == 1 else "order"
    spans = found.spans
    if formula != found.verdict.formula:
        spans = [
            FrameSpan(first=observed.windows[a].first, last=observed.windows[b].last)
            for a, b in each.spans
        ]
    passed = each.probability >= PASSES
    return Question(
        kind=kind,
        text=str(formula),
        entity=known[0].entity if known and kind != "other" else None,
        score=_rounded(each.probability),
        passed=passed,
        expected="in every frame" if formula.op == "G" else "true",
        seen="; ".join(f"{name}: {when(name, observed)}" for name in formula.propositions()),
        spans=[] if passed else spans,
    )


def when(name: str, observed: Observed) -> str:
    """In which frames a proposition is more likely true than not: `frames 0-8, 12-16`."""
    true = [
        span
        for span, chance in zip(observed.windows, observed.table[name], strict=True)
        if chance >= PASSES
    ]
    if not true:
        return "never"
    if len(true) == len(observed.windows):
        return "always"
    joined: list[FrameSpan] = []
    for span in true:
        if joined and joined[-1].last == span.first - 1:
            joined[-1] = FrameSpan(first=joined[-1].first, last=span.last)
        else:
            joined.append(span)
    return "frames " + ", ".join(f"{span.first}-{span.last}" for span in joined)


def _blame(found: Examination) -> Blame:
    weakest = found.verdict.weakest
    about = None if weakest is None else found.specification.named(weakest)
    if about is not None and about.kind in ("presence", "colour"):
        return "prompt"
    return "generator"


def _advice(found: Examination) -> Iterator[str]:
    weakest = found.verdict.weakest
    if weakest is None or found.verdict.probability >= PASSES or not found.spans:
        return
    frames = " and ".join(f"{span.first} to {span.last}" for span in found.spans)
    yield (
        f"`{weakest}` is the weakest, {when(weakest, found.observed)}: film frames {frames} again; "
        f"with it right the probability is {found.verdict.mended[weakest]:.2f} instead of "
        f"{found.verdict.probability:.2f}"
    )


def _rounded(chance: float) -> float:
    return round(min(max(chance, 0.0), 1.0), 4)
