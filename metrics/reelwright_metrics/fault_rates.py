"""How well the measuring critic finds seeded faults: which kind, in which frames, whose blame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelwright_core.records import Record
from reelwright_core.story import FrameSpan, Storyboard
from reelwright_core.takes import Blame, Critique, Question
from reelwright_metrics.bench.results import Figure, share
from reelwright_metrics.continuity import continuity
from reelwright_metrics.faults import FAULTS, Case, FaultKind, Filmed, Way
from reelwright_metrics.measure import MeasuringCritic, with_blame
from reelwright_metrics.questions import IN_SIGHT

NEAR = 1
"""So many frames the ends of a found span may be off."""


class Judged(Record):
    """What was said of one case."""

    id: str
    kind: FaultKind | None
    """Which fault it has."""
    way: Way
    origin: Blame
    found: FaultKind | None
    """Which fault was found, first of all."""
    alarmed: bool
    """Whether any question failed, or any two shots did not fit together."""
    blame: Blame
    span: FrameSpan | None = None
    said: FrameSpan | None = None
    """The frames that the critic named."""
    right_shot: bool | None = None
    """Of `look`, whether the shot that looks otherwise was named."""
    failed: list[str] = []
    """What failed, in words."""

    @property
    def span_right(self) -> bool:
        """Whether both ends of the named span are near the planted ones."""
        if self.span is None or self.said is None:
            return False
        ends = (self.said.first - self.span.first, self.said.last - self.span.last)
        return all(abs(end) <= NEAR for end in ends)

    @property
    def blame_right(self) -> bool:
        """Whether the one is blamed from whom the fault comes; of `look`, the right shot."""
        return self.blame == self.origin if self.right_shot is None else self.right_shot


def judged(case: Case, critic: MeasuringCritic) -> Judged:
    """What `critic`, and of several shots the continuity check, say of a case."""
    critiques = [watched(filmed, critic) for filmed in case.shots]
    failed = [f"{q.text} {q.seen}" for each in critiques for q in each.questions if not q.passed]
    about: dict[str, Any] = {
        "id": case.id, "kind": case.kind, "way": case.way, "origin": case.origin,
        "span": case.span, "alarmed": bool(failed), "failed": failed,
    }  # fmt: skip
    if len(case.shots) == 1:
        kind, question = main_fault(critiques[0])
        return Judged(
            **about, found=kind, blame=critiques[0].blame,
            said=hull(question.spans) if question else None,
        )  # fmt: skip
    fit = continuity(
        Storyboard(shots=[filmed.shot for filmed in case.shots]),
        {filmed.shot.id: filmed.clip for filmed in case.shots},
        {filmed.shot.id: filmed.layout for filmed in case.shots},
        backgrounds={filmed.shot.id: filmed.background for filmed in case.shots},
    )
    odd = [fault for fault in fit.faults if fault.kind == "look"]
    other: FaultKind | None = None
    for each in critiques:
        kind, _ = main_fault(each)
        # A stated colour that is wrong in one of several shots is seen by its own critic too.
        if kind != "swapped":
            other = other or kind
    if other is None and fit.faults:
        other = "direction"
    about["failed"] += [fault.text for fault in fit.faults]
    about["alarmed"] = bool(about["failed"])
    right_shot = bool(odd) and {fault.blame for fault in odd} == {case.bad}
    accounts: list[Blame] = [each.blame for each in critiques if each.blame != "none"]
    return Judged(
        **about,
        found="look" if odd else other,
        blame=accounts[0] if accounts else "none",
        right_shot=right_shot if case.kind else None,
    )  # fmt: skip


def watched(filmed: Filmed, critic: MeasuringCritic) -> Critique:
    """The critique of one shot as a run has it, its blame settled by the sketch."""
    clip, sketch = (
        critic.watch(filmed.shot, filmed.layout, frames, background=filmed.background)
        for frames in (filmed.clip, filmed.sketch)
    )
    return with_blame(clip, sketch, shot=filmed.shot)


def main_fault(critique: Critique) -> tuple[FaultKind | None, Question | None]:
    """The fault that explains the others best, and the question that says so.

    What is not there cannot go anywhere, and what jumps or comes too late seldom goes the whole
    way: so missing and extra things, then two wrong colours, then smoothness, then one wrong
    colour, then order, then direction.
    """
    failed = [question for question in critique.questions if not question.passed]
    both = sum(question.kind == "colour" for question in failed) > 1
    ranked = [(*_kind(question, swapped=both), question) for question in failed]
    if not ranked:
        return None, None
    _, kind, question = min(ranked, key=lambda each: each[0])
    return kind, question


def _kind(question: Question, *, swapped: bool) -> tuple[int, FaultKind]:
    if question.kind == "presence":
        # What was seen at times has vanished, where its own question says so.
        return (0 if question.seen == "not seen" else 2), "missing"
    if question.kind == "smoothness":
        return (1, "vanishing") if question.expected == IN_SIGHT else (4, "jump")
    if question.kind == "extra":
        return 2, "extra"
    if question.kind == "count":
        return (
            (2, "missing") if _number(question.seen) < _number(question.expected) else (2, "extra")
        )
    if question.kind == "colour":
        return (3 if swapped else 5), "swapped"  # one colour alone may be the light's
    if question.kind == "order":
        return 6, "order"
    return 7, "direction"


def _number(words: str) -> int:
    return int(words.split()[0])


def hull(spans: Sequence[FrameSpan]) -> FrameSpan | None:
    """From the first frame of the spans to the last."""
    if not spans:
        return None
    return FrameSpan(first=min(s.first for s in spans), last=max(s.last for s in spans))


class Rates(Record):
    """The figures of a set of cases, with 95 % Wilson intervals."""

    detected: Figure
    """Faulty cases in which the planted kind was found first."""
    alarmed: Figure
    """Faulty cases in which anything was found."""
    spans: Figure
    """Of the detected ones with a span, those with both ends within one frame."""
    blamed: Figure
    """Faulty cases that were laid to the right account."""
    false_alarms: Figure
    """Clean cases in which anything was found."""


def rates(all_: Sequence[Judged]) -> Rates:
    """The figures of `all_`, which holds faulty and clean cases."""
    faulty = [each for each in all_ if each.kind is not None]
    found = [each for each in faulty if each.found == each.kind]
    spanned = [each.span_right for each in found if each.span is not None]
    return Rates(
        detected=share([each.found == each.kind for each in faulty]),
        alarmed=share([each.alarmed for each in faulty]),
        spans=share(spanned or [False]),
        blamed=share([each.blame_right for each in faulty]),
        false_alarms=share([each.alarmed for each in all_ if each.kind is None]),
    )


def confusion(all_: Sequence[Judged]) -> list[list[str]]:
    """A table of how often which planted kind (rows) was taken for which (columns)."""
    columns = [*FAULTS, None]
    rows = [["planted", *(kind or "nothing" for kind in columns)]]
    for kind in columns:
        own = [each.found for each in all_ if each.kind == kind]
        rows.append([kind or "clean", *(str(own.count(other) or "") for other in columns)])
    return rows
