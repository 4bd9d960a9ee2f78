"""The refiner decides what to change after a take that is not good enough, and when to stop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from reelwright_core.story import Layout, Shot
from reelwright_core.takes import Critique, Question, QuestionKind, Repair, Take
from reelwright_metrics.questions import NUMBERS, name, plural

LESS_NOISE = 0.8
"""Each repair that asks for more structure multiplies the noise level by this."""
FLOOR = 0.3
"""The lowest noise level: below it the clip would be little more than the sketch."""
GAIN = 0.01
"""A score must rise by more than this to count as a gain."""
PATIENCE = 2
"""So many repairs without a gain end the search."""

LayoutMaker = Callable[[Shot, Sequence[str]], Layout]
"""Makes a layout of a shot that mends the faults it is told, in plain words."""

STRUCTURE: frozenset[QuestionKind] = frozenset(
    {"direction", "path", "count", "relation", "order", "stillness"}
)
"""What more of the sketch can mend; the rest is up to the prompt."""


def refine(
    shot: Shot,
    takes: Sequence[Take],
    *,
    threshold: float,
    max_takes: int,
    default_level: float,
    make_layout: LayoutMaker,
) -> Repair | None:
    """What to change for the take after `takes`; none where trying on is not worth it.

    Nothing is changed when the last take passes or was not watched, when `max_takes` are made,
    or when two repairs in a row brought no gain. A repair starts from the best take so far: its
    fields say all of level, seed, prompt and layout that the next take shall have and the last
    one did not have. In order:

    1. blame is on the layout: a new layout that is told the faults, if it differs from all so far;
    2. what structure can mend failed: noise level times 0.8, not under 0.3;
    3. presence or colour failed: a clearer prompt, unless it was tried;
    4. none of these is left to try: a new seed.
    """
    if not takes or len(takes) >= max_takes:
        return None
    last = takes[-1]
    if last.critique is None or last.critique.passed(threshold) or _flat(takes):
        return None
    chosen, _ = choose(takes)
    best = next(take for take in takes if take.number == chosen)
    critique = best.critique or last.critique
    changed = (
        _layout_repair(shot, takes, critique, make_layout=make_layout)
        or _generator_repair(shot, best, takes, critique, default_level=default_level)
        or Repair(why=f"{_failures(critique)}: another seed", seed=new_seed(takes))
    )
    return _from_best(changed, best=best, last=last)


def choose(takes: Sequence[Take]) -> tuple[int, str]:
    """The number of the take to use, and why: the best score, of equals the earliest."""
    if not takes:
        raise ValueError("`takes` must hold at least one take, got none")
    best = max(takes, key=lambda take: (_score(take), -take.number))
    if best.critique is None:
        return best.number, "no take was watched, so the first is used"
    score = f"{best.critique.score:.2f}"
    if len(takes) == 1:
        return best.number, f"the only take; it scored {score}"
    equal = [take for take in takes if take is not best and _score(take) == _score(best)]
    why = f"it scored {score}, the best of {len(takes)} takes"
    return best.number, f"{why}; the earliest of equals" if equal else why


def new_seed(takes: Sequence[Take]) -> int:
    """A seed for the next take, below 2**63: from sha256 of the first seed and its number."""
    text = f"{takes[0].noise.seed}:{takes[-1].number + 1}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def clearer_prompt(shot: Shot, entities: Sequence[str]) -> str:
    """The shot's prompt, with number, colour and noun of `entities` said once more."""
    told: list[str] = []
    for entity in shot.scene_graph.entities:
        if entity.id not in entities:
            continue
        noun = plural(entity.noun) if entity.count > 1 else entity.noun
        what = f"{entity.colour} {noun}" if entity.colour else noun
        told.append(f"{NUMBERS[entity.count]} ({entity.count}) {what}")
    if not told:
        return shot.prompt
    return f"{shot.prompt.rstrip(' .')}. Clearly seen: {', '.join(told)}."


def faults(shot: Shot, failed: Sequence[Question]) -> list[str]:
    """What is wrong with a layout, in plain words that name whom it is about."""
    names = {entity.id: name(shot, entity) for entity in shot.scene_graph.entities}
    told: list[str] = []
    for question in failed:
        who = names.get(question.entity or "", "everything")
        wrong = {
            "presence": f"{who} cannot be seen: make it larger",
            "count": f"{who}: expected {question.expected}, saw {question.seen}: further apart",
            "colour": f"the colour of {who} cannot be seen: make it larger",
            "direction": f"{who} must move {question.expected}: make the way longer",
            "path": f"{who} must be seen {question.expected}: make the movement larger",
            "order": f"{who}: {question.expected}: leave more time between",
            "relation": f"{who} must be {question.expected}: place them further apart",
            "stillness": f"{who} must stand still",
        }.get(question.kind, f"{question.text} {question.seen}")
        if wrong not in told:
            told.append(wrong)
    return told


def _layout_repair(
    shot: Shot, takes: Sequence[Take], critique: Critique, *, make_layout: LayoutMaker
) -> Repair | None:
    failed = [question for question in critique.questions if not question.passed]
    if critique.blame != "layout" or not failed:
        return None
    wrong = faults(shot, failed)
    layout = make_layout(shot, wrong)
    if any(layout == take.layout for take in takes):
        return None
    return Repair(why=f"another layout: {'; '.join(wrong)}", layout=layout)


def _generator_repair(
    shot: Shot, best: Take, takes: Sequence[Take], critique: Critique, *, default_level: float
) -> Repair | None:
    failed = [question for question in critique.questions if not question.passed]
    level = min(best.noise.level, max(default_level, FLOOR))
    tried = [take.noise.level for take in takes]
    why: list[str] = []
    lower: float | None = None
    prompt: str | None = None
    if any(question.kind in STRUCTURE for question in failed) and level > FLOOR:
        lower = max(FLOOR, min([level, *tried]) * LESS_NOISE)
        lower = lower if lower < min(tried) else None
        if lower is not None:
            why.append(f"keep more of the sketch (noise level {lower:.2f})")
    unclear = [q.entity for q in failed if q.kind not in STRUCTURE and q.entity is not None]
    if unclear:
        clear = clearer_prompt(shot, unclear)
        if all(take.prompt != clear for take in takes):
            prompt = clear
            why.append("say the prompt more clearly")
    if not why:
        return None
    return Repair(
        why=f"{_failures(critique)}: {' and '.join(why)}", noise_level=lower, prompt=prompt
    )


def _from_best(repair: Repair, *, best: Take, last: Take) -> Repair:
    """`repair`, with what the best take had and the last one lost put back."""
    if best is last:
        return repair
    back: dict[str, object] = {}
    if repair.noise_level is None and best.noise.level != last.noise.level:
        back["noise_level"] = best.noise.level
    if repair.seed is None and best.noise.seed != last.noise.seed:
        back["seed"] = best.noise.seed
    if repair.prompt is None and best.prompt != last.prompt:
        back["prompt"] = best.prompt
    if repair.layout is None and best.layout != last.layout:
        back["layout"] = best.layout
    return repair.model_copy(update={**back, "why": f"{repair.why}; from take {best.number}"})


def _flat(takes: Sequence[Take]) -> bool:
    """Whether the last two repairs brought nothing over the best take before them."""
    if len(takes) <= PATIENCE:
        return False
    before = max(_score(take) for take in takes[:-PATIENCE])
    return max(_score(take) for take in takes[-PATIENCE:]) <= before + GAIN


def _score(take: Take) -> float:
    return -1.0 if take.critique is None else take.critique.score


def _failures(critique: Critique) -> str:
    failed = [question.text for question in critique.questions if not question.passed]
    return f"no to {' '.join(failed)}" if failed else f"score {critique.score:.2f}"
