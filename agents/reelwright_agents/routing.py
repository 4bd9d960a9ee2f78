"""After a take: what is wrong with it, whether to try on, and who is to mend it.

The order of the work is that of GenMAC (arXiv 2412.04440): verification, routing to a specialist,
correction, structuring. What its ablation found is kept: one specialist at a time, and layout
before prompt. A stop rule is added, which it does not have.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reelwright_core.records import Record
from reelwright_core.story import FrameSpan, Shot
from reelwright_core.takes import Critique, Question, QuestionKind, Repair, Specialist, Take

GAIN = 0.01
"""A score must rise by more than this to count as a gain."""
PATIENCE = 2
"""So many repairs without a gain end the search."""
CONFINED = 0.6
"""A fault is confined to a span that is at most this part of the clip."""

STRUCTURE: frozenset[QuestionKind] = frozenset(
    {"direction", "path", "count", "relation", "order", "stillness", "smoothness", "physics"}
)
"""What more of the sketch can mend; the rest is up to the prompt."""
SPECIALISTS: tuple[Specialist, ...] = ("simulation", "layout", "span", "noise", "prompt", "seed")
"""Everyone who can be asked, in the order in which they are."""


class Verified(Record):
    """What the verification found."""

    again: bool
    """Whether another take is worth it."""
    why: str
    """Why it stops, or what failed."""
    faults: list[str] = []
    """What is wrong, in the order in which it matters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A shot whose takes are not good enough yet."""

    shot: Shot
    takes: Sequence[Take]
    default_level: float
    """The noise level σ that the shot's first take was to start from."""
    verified: Sequence[str] = ()

    @property
    def best(self) -> Take:
        """The take that a repair starts from."""
        number, _ = choose(self.takes)
        return next(take for take in self.takes if take.number == number)

    @property
    def last(self) -> Take:
        """The take that was made last."""
        return self.takes[-1]

    @property
    def critique(self) -> Critique:
        """Of the best take; of the last one where no critic watched the best."""
        found = self.best.critique or self.last.critique
        assert found is not None, "a take that nobody watched is not mended"
        return found

    @property
    def failed(self) -> list[Question]:
        """The questions to which the answer was no."""
        return [question for question in self.critique.questions if not question.passed]

    @property
    def sources(self) -> list[tuple[Take, Repair]]:
        """The repairs so far, each with the take that it led to."""
        return [(take, take.repair) for take in self.takes if take.repair is not None]


def verify(
    shot: Shot,
    takes: Sequence[Take],
    *,
    threshold: float,
    max_takes: int,
    patience: int = PATIENCE,
) -> Verified:
    """Whether another take is worth it, and what is wrong with the best one.

    It is not when the last take passes (none does that the safety gate refused) or was not watched,
    when `max_takes` are made, or when
    `patience` repairs in a row brought no gain over the best take before them.
    """
    if not takes:
        return Verified(again=False, why="there is no take")
    critique = takes[-1].critique
    if critique is None:
        return Verified(again=False, why="nobody watched it")
    if critique.passed(threshold) and not takes[-1].provenance.get("refused"):
        return Verified(again=False, why=f"it passes with {critique.score:.2f}")
    case = Case(shot=shot, takes=takes, default_level=1.0)
    faults = found_faults(case.critique)
    if len(takes) >= max_takes:
        return Verified(again=False, why=f"all {max_takes} takes are made", faults=faults)
    if _flat(takes, patience):
        why = f"{patience} repairs in a row brought no gain"
        return Verified(again=False, why=why, faults=faults)
    return Verified(again=True, why=failures(case.critique), faults=faults)


def route(
    case: Case,
    *,
    specialists: Collection[Specialist],
    tried: Collection[Specialist] = (),
    corrections: Sequence[Repair] = (),
    together: bool = False,
) -> Specialist | None:
    """Who is to be asked next for this round; None when the round is over.

    `tried` were asked in this round already, and `corrections` are what they offered. In order:

    1. the blame is on the simulation or on the layout: that specialist;
    2. the faults are confined to a few frames, and no span was filmed anew yet: span;
    3. of several alike not all are told apart, or things are wrongly placed, though the sketch is
       right: layout;
    4. what structure can mend failed, or a thing that the sketch shows right: noise; what words
       can mend failed: prompt; both may act in one round;
    5. something cannot be seen, and the prompt was made clear: layout;
    6. nothing else is left to try: seed.

    `together` has a layout that is to show better what is not seen, or not in its colour, filmed
    from less noise in the same round.
    """
    wanted = _wanted(case, corrections, together=together)
    order: list[Specialist] = [one for one in wanted if one in specialists and one not in tried]
    return order[0] if order else None


def _wanted(case: Case, corrections: Sequence[Repair], *, together: bool) -> list[Specialist]:
    made = {each.specialist for each in corrections}
    failed, blame = case.failed, case.critique.blame
    unclear = [question for question in failed if question.kind not in STRUCTURE]
    prompt: list[Specialist] = ["prompt"] if unclear or case.critique.mismatches else []
    unseen = any(question.kind in ("presence", "colour") for question in failed)
    if together and made == {"layout"} and unseen:
        return ["noise"]
    if made:
        return prompt if made == {"noise"} else []
    wanted: list[Specialist] = []
    if blame == "simulation":
        wanted.append("simulation")
    if blame == "layout":
        wanted.append("layout")
    if confined(case) is not None:
        wanted.append("span")
    if any(_misplaced(question, case.shot) for question in failed):
        wanted.append("layout")
    shown = blame == "generator" and any(question.entity for question in failed)
    if shown or any(question.kind in STRUCTURE for question in failed):
        wanted.append("noise")
    wanted += prompt
    if any(question.kind == "presence" for question in failed):
        wanted.append("layout")
    return [*dict.fromkeys(wanted), "seed"]


def _misplaced(question: Question, shot: Shot) -> bool:
    """Whether setting things further apart can mend it, even where the sketch is right."""
    if question.kind == "count" and question.entity is not None:
        return shot.scene_graph.entity(question.entity).count > 1
    return question.kind == "relation"


def confined(case: Case) -> FrameSpan | None:
    """The frames that all faults of the best take lie in; None if they are many or not known.

    A temporal critic says which frames the weakest proposition fails in: those then.
    """
    critique = case.critique
    asked = critique.questions[:1] if critique.critic == "logic" else case.failed
    spans = [span for question in asked for span in question.spans]
    if not asked or critique.blame not in ("generator", "noise", "prompt"):
        return None
    if any(not question.spans for question in asked):
        return None
    first, last = min(span.first for span in spans), max(span.last for span in spans)
    frames = case.best.clip.frames
    if last >= frames or last - first + 1 > CONFINED * frames:
        return None
    return FrameSpan(first=first, last=last)


def choose(takes: Sequence[Take]) -> tuple[int, str]:
    """The number of the take to use, and why: the best score, of equals the earliest."""
    if not takes:
        raise ValueError("`takes` must hold at least one take, got none")
    best = max(takes, key=lambda take: (score(take), -take.number))
    if best.critique is None:
        return best.number, "no take was watched, so the first is used"
    found = f"{best.critique.score:.2f}"
    if len(takes) == 1:
        return best.number, f"the only take; it scored {found}"
    equal = [take for take in takes if take is not best and score(take) == score(best)]
    why = f"it scored {found}, the best of {len(takes)} takes"
    return best.number, f"{why}; the earliest of equals" if equal else why


def found_faults(critique: Critique) -> list[str]:
    """What is wrong, the lowest score first, in plain words."""
    failed = [question for question in critique.questions if not question.passed]
    asked = sorted(failed, key=lambda question: question.score)
    told = [f"{each.text} {each.seen or 'no'}{_frames(each.spans)}" for each in asked]
    return [*critique.mismatches, *told] if critique.mismatches else told


def failures(critique: Critique) -> str:
    """The failed questions in one line; the score where none failed."""
    failed = [question.text for question in critique.questions if not question.passed]
    return f"no to {' '.join(failed)}" if failed else f"score {critique.score:.2f}"


def score(take: Take) -> float:
    """The take's score; -1 where nobody watched it."""
    return -1.0 if take.critique is None else take.critique.score


def _frames(spans: Sequence[FrameSpan]) -> str:
    told = ", ".join(f"{span.first}-{span.last}" for span in spans)
    return f" (frames {told})" if told else ""


def _flat(takes: Sequence[Take], patience: int) -> bool:
    """Whether the last repairs brought nothing over the best take before them."""
    if len(takes) <= patience:
        return False
    before = max(score(take) for take in takes[:-patience])
    return max(score(take) for take in takes[-patience:]) <= before + GAIN
