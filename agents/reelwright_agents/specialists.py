"""Those who mend a shot, each one part of it: layout, prompt, noise, simulation, span, seed.

A specialist looks at a `Case` and offers a change, or nothing if it has nothing new to offer. What
they offer is made one change for the next take by `structured`, which takes nothing that cannot be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from reelwright_agents.routing import STRUCTURE, Case, confined, failures
from reelwright_core.physics import PhysicsScene
from reelwright_core.story import FrameSpan, Layout, Shot
from reelwright_core.takes import Question, Region, Repair, Specialist, Take
from reelwright_metrics.questions import NUMBERS, name, plural

LESS_NOISE = 0.8
"""Each repair that asks for more structure multiplies the noise level by this."""
FLOOR = 0.3
"""The lowest noise level: below it the clip would be little more than the sketch."""

NEARER = 0.5
"""What cannot be seen right is filmed from so much of the noise that it was filmed from."""
UNSEEN = 0.25
"""A thing whose presence scores less is not there at all: two such steps are made at once."""
NEAREST = 0.1
"""The lowest noise level of a thing: of what is smaller or paler, little else is left."""

FIRMER = 0.05
"""Who is emphasised is held in its boxes by so much more, beginning at 1 (GenMAC's β)."""

LayoutMaker = Callable[[Shot, Sequence[str], Layout], Layout]
"""Makes a layout of a shot from an earlier one, mending the faults it is told in plain words."""
SceneMaker = Callable[[Shot, int], PhysicsScene | None]
"""Makes a scene to simulate with another seed; None where it cannot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """By what specialists work."""

    make_layout: LayoutMaker
    make_scene: SceneMaker = lambda shot, seed: None
    regions: bool = True
    """Whether the video model can start parts of the picture from levels of their own."""
    keeps_frames: bool = False
    """Whether the video model can keep frames as they are while it films others."""
    frames_per_latent: int = 1
    frames_at_once: int = 10_000
    """How many frames it films at once, kept ones included."""
    emphasis: bool = False
    """Whether less noise is for the failing entities alone (GenMAC's guidance), not for all."""
    physical: bool = False
    """Whether prompts are mended by what is to be seen of physical rules (PhyT2V)."""


def correct(specialist: Specialist, case: Case, means: Means) -> Repair | None:
    """What `specialist` would change for the next take; None if it has nothing new to offer."""
    made = _SPECIALISTS[specialist](case, means)
    return None if made is None else made.model_copy(update={"specialist": specialist})


def structured(corrections: Sequence[Repair], case: Case) -> Repair | None:
    """The corrections of a round as one change from the best take; None without any.

    Its fields say all of level, seed, regions, prompt and layout that the next take shall have and
    the last one did not have. Raises `ValueError` for what names something that is not there.
    """
    if not corrections:
        return None
    fields: dict[str, object] = {}
    for each in corrections:
        fields |= {
            k: v for k in Repair.model_fields if (v := getattr(each, k)) not in (None, [], {})
        }
    whys = [each.why for each in corrections]
    reason = failures(case.critique)
    fields["why"] = f"{reason}: {' and '.join(whys)}"
    fields["verified"] = list(case.verified)
    fields["emphasis"] = _strengths(corrections, case)
    repair = Repair.model_validate(fields)
    if wrong := unfit(repair, case):
        raise ValueError(wrong)
    return from_best(repair, best=case.best, last=case.last)


def unfit(repair: Repair, case: Case) -> str:
    """What of a change names something that is not there; empty if all is well."""
    shot, frames = case.shot, case.best.clip.frames
    known = ["all", "background", *(entity.id for entity in shot.scene_graph.entities)]
    for region in repair.regions or []:
        if region.of not in known:
            return f"a region is of one of {', '.join(known)}, got {region.of!r}"
    if repair.span is not None and repair.span.last >= frames:
        return f"a span lies within frames 0 to {frames - 1}, got {repair.span.last}"
    if repair.of is not None and repair.of not in [take.number for take in case.takes]:
        return f"there is no take {repair.of}"
    if repair.layout is not None and repair.layout.frames != case.best.layout.frames:
        return f"the layout has {repair.layout.frames} frames, the shot {case.best.layout.frames}"
    level = repair.noise_level
    if level is not None and not 0 < level <= 1:
        return f"a noise level is above 0 and at most 1, got {level:g}"
    return ""


def _strengths(corrections: Sequence[Repair], case: Case) -> dict[str, float]:
    """How firmly things are held in their boxes: what the best take had, and more for the failing.

    Whose noise is lowered is also held more firmly. Empty where boxes do not guide the film.
    """
    held = [_held(take) for take in case.takes]
    strengths = _held(case.best)
    before = {region.of: region.level for region in case.best.noise.regions}
    for region in (region for each in corrections for region in each.regions or []):
        if region.of in strengths and region.level < before.get(region.of, case.best.noise.level):
            strongest = max(each.get(region.of, 1.0) for each in held)
            strengths[region.of] = round(strongest + FIRMER, 4)
    return {id_: strength for id_, strength in strengths.items() if strength != 1.0}


def _held(take: Take) -> dict[str, float]:
    """The strength by which each thing was held in its boxes, as the film node tells it."""
    guide = take.provenance.get("guide", {})
    if guide.get("by") != "boxes":
        return {}
    return {thing["entity"]: float(thing["strength"]) for thing in guide.get("things", [])}


def from_best(repair: Repair, *, best: Take, last: Take) -> Repair:
    """`repair`, with what the best take had and the last one lost put back."""
    if best is last:
        return repair
    back: dict[str, object] = {}
    if repair.noise_level is None and best.noise.level != last.noise.level:
        back["noise_level"] = best.noise.level
    if repair.seed is None and best.noise.seed != last.noise.seed:
        back["seed"] = best.noise.seed
    if repair.regions is None and best.noise.regions != last.noise.regions:
        back["regions"] = best.noise.regions
    if repair.prompt is None and best.prompt != last.prompt:
        back["prompt"] = best.prompt
    if repair.layout is None and best.layout != last.layout:
        back["layout"] = best.layout
    return repair.model_copy(update={**back, "why": f"{repair.why}; from take {best.number}"})


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


def _layout(case: Case, means: Means) -> Repair | None:
    if not case.failed:
        return None
    wrong = faults(case.shot, case.failed)
    layout = means.make_layout(case.shot, wrong, case.best.layout)
    if any(layout == take.layout for take in case.takes):
        return None
    return Repair(why=f"another layout: {'; '.join(wrong)}", layout=layout)


def _noise(case: Case, means: Means) -> Repair | None:
    """Less noise, for all where structure failed, and for those who failed much less."""
    by = LESS_NOISE if means.emphasis else NEARER
    changed = _nearer(case, by=by) if means.regions else None
    less = None if means.emphasis else _less(case)
    if less is None or changed is None:
        return less or changed
    return less.model_copy(update={"why": f"{less.why}, {changed.why}", "regions": changed.regions})


def _level(case: Case) -> float:
    """From which level less noise is reckoned."""
    return min(case.best.noise.level, max(case.default_level, FLOOR))


def _nearer(case: Case, *, by: float) -> Repair | None:
    """Less noise for those who failed, as GenMAC guides those more whom it emphasises."""
    least, tried = (FLOOR, [case.best]) if by == LESS_NOISE else (NEAREST, case.takes)
    unseen = {q.entity for q in case.failed if q.kind == "presence" and q.score < UNSEEN}
    failing = dict.fromkeys(q.entity for q in case.failed if q.entity is not None)
    planned = {track.entity for track in case.best.layout.tracks}
    regions = list(case.best.noise.regions)
    told: list[str] = []
    for entity in failing:
        if entity not in planned:
            continue
        # Where a take of less noise was no better, less still: it need not be the best one's.
        levels = [r.level for take in tried for r in take.noise.regions if r.of == entity]
        own = min([_level(case), *levels])
        steps = 2 if by == NEARER and entity in unseen and not levels else 1
        lower = round(max(least, own * by**steps), 4)
        if lower < own:
            regions = [region for region in regions if region.of != entity]
            regions.append(Region(of=entity, level=lower))
            told.append(f"{entity} {lower:.2f}")
    if not told or any(take.noise.regions == regions for take in case.takes):
        return None
    return Repair(why=f"emphasise by less noise: {', '.join(told)}", regions=regions)


def _prompt(case: Case, means: Means) -> Repair | None:
    if means.physical:
        from reelwright_agents.physical_prompt import physical_prompt

        said = physical_prompt(case)
        if said is None or any(take.prompt == said for take in case.takes):
            return None
        return Repair(why="say what the rules make visible", prompt=said)
    unclear = [q.entity for q in case.failed if q.kind not in STRUCTURE and q.entity is not None]
    clear = clearer_prompt(case.shot, unclear)
    if not unclear or any(take.prompt == clear for take in case.takes):
        return None
    return Repair(why="say the prompt more clearly", prompt=clear)


def _simulation(case: Case, means: Means) -> Repair | None:
    seed = new_seed(case.takes) % 2**31
    scene = means.make_scene(case.shot, seed)
    if scene is None or scene == case.shot.physics:
        return None
    return Repair(why="another simulation", physics=scene)


def _span(case: Case, means: Means) -> Repair | None:
    span = confined(case)
    if span is None or not means.keeps_frames:
        return None
    span = whole_latents(span, step=means.frames_per_latent, frames=case.best.clip.frames)
    of = case.best.number
    if not fits(span, case, means):
        return None
    if any((repair.span, repair.of) == (span, of) for _, repair in case.sources):
        return None  # Filmed anew once already, from the same take.
    why = f"film only frames {span.first}-{span.last} of take {of} anew"
    less = _less(case)
    if less is None:
        return Repair(why=why, span=span, of=of, seed=new_seed(case.takes))
    return less.model_copy(update={"why": f"{why}; in them, {less.why}", "span": span, "of": of})


def _less(case: Case) -> Repair | None:
    """Less noise for all; None where no structure failed, or there is no less to try."""
    tried = min([_level(case), *(take.noise.level for take in case.takes)])
    lower = max(FLOOR, tried * LESS_NOISE)
    if lower >= tried or not any(question.kind in STRUCTURE for question in case.failed):
        return None
    return Repair(why=f"keep more of the sketch (noise level {lower:.2f})", noise_level=lower)


def fits(span: FrameSpan, case: Case, means: Means) -> bool:
    """Whether a span leaves frames around it to keep, as many as two latents hold at least."""
    room = min(case.best.clip.frames, means.frames_at_once) - (span.last - span.first + 1)
    return room >= 2 * means.frames_per_latent


def whole_latents(span: FrameSpan, *, step: int, frames: int) -> FrameSpan:
    """`span`, widened to whole latents: the first frame alone, then `step` frames each."""

    def latent(frame: int) -> int:
        return -(-frame // step)

    first, last = latent(span.first), latent(span.last)
    begin = 0 if first == 0 else (first - 1) * step + 1
    return FrameSpan(first=begin, last=min(last * step, frames - 1))


def _seed(case: Case, means: Means) -> Repair:
    return Repair(why="another seed", seed=new_seed(case.takes))


_SPECIALISTS: Mapping[Specialist, Callable[[Case, Means], Repair | None]] = MappingProxyType(
    {
        "layout": _layout,
        "prompt": _prompt,
        "noise": _noise,
        "simulation": _simulation,
        "span": _span,
        "seed": _seed,
    }
)
