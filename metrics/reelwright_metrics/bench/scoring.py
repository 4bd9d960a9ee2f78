"""What two critics say of a clip: one has learnt to see attributes, one measures geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Event, FrameSpan, Layout, Relation, SceneGraph, Shot
from reelwright_core.takes import QuestionKind
from reelwright_core.video import Frames
from reelwright_generators.builtin import scenes, staging
from reelwright_metrics.answers import answer
from reelwright_metrics.assign import Watched
from reelwright_metrics.bench.results import Mark, Seen
from reelwright_metrics.measure import watch_pixels
from reelwright_metrics.questions import questions
from reelwright_metrics.suites import Kind, Prompt
from reelwright_metrics.suites.saying import sentence, wrong
from reelwright_simulators.painter import Painting

CANDIDATES = 32
"""Captions that retrieval chooses from: the right one, and others with one attribute changed."""

_MEASURES: Mapping[QuestionKind, str] = {
    "direction": "measured direction",
    "path": "measured path",
    "count": "measured count",
    "relation": "measured relation",
}
_MOVES = 0.1  # a planned way shorter than this part of the picture has no direction to follow
_AT_ONCE = 50_000_000  # bytes of clips that are looked at together


class Judge(Protocol):
    """The learned critic, as far as a bench needs it."""

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """The classes of each head."""
        ...

    def attributes(self, frames: NDArray[np.uint8]) -> Mapping[str, NDArray[Any]]:
        """Log-probabilities [clips, classes] of each head for [clips, frames, h, w, 3]."""
        ...

    def match(self, frames: NDArray[np.uint8], captions: list[list[str]]) -> NDArray[Any]:
        """How well each clip fits each of its captions, [clips, candidates]."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """A prompt with its shot and its layout, which are the same in every bench."""

    prompt: Prompt
    shot: Shot
    layout: Layout

    def painted(self) -> Painting:
        """The real clip of the plan, which is its sketch as well."""
        return scenes.draw(self.prompt.scene, self.layout, size=self.shot.size)

    def candidates(self) -> list[tuple[Kind | None, str]]:
        """The right caption, then those with one attribute changed, and which one."""
        rng = np.random.default_rng(seed_of(self.prompt.id, "captions"))
        changes = wrong(self.prompt.scene, count=CANDIDATES - 1, rng=rng)
        return [(None, self.prompt.text), *((kind, sentence(scene)) for kind, scene in changes)]


def plan_of(prompt: Prompt, *, size: tuple[int, int], frames: int, fps: Fraction) -> Plan:
    """`prompt` staged for clips of that size and length."""
    scene = prompt.scene
    rng = np.random.default_rng(seed_of(prompt.id, "layout"))
    graph = SceneGraph(entities=scenes.entities_of(scene))
    if scene.relation is not None:
        link = Relation(subject="e0", kind=scene.relation, object="e1")
        graph = graph.model_copy(update={"relations": [link]})
    else:
        span = FrameSpan(first=0, last=frames - 1)
        events = [
            Event(actor=f"e{i}", action=actor.action, direction=actor.direction, frames=span)
            for i, actor in enumerate(scene.actors)
        ]
        graph = graph.model_copy(update={"events": events})
    shot = Shot(
        id=prompt.id, prompt=prompt.text, place=scene.place, size=size, frames=frames, fps=fps,
        scene_graph=graph,
    )  # fmt: skip
    return Plan(prompt=prompt, shot=shot, layout=staging.layout_of(scene, frames=frames, rng=rng))


def seed_of(*parts: object) -> int:
    """A seed that depends on all of `parts` and on nothing else."""
    said = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(said).digest()[:6], "big")


def others(prompts: Sequence[Prompt]) -> list[int]:
    """For each prompt the place of another one, each once: of its own kind where it has any."""
    found = list(range(len(prompts)))
    alone: list[int] = []
    for kind in dict.fromkeys(prompt.kind for prompt in prompts):
        of = [i for i, prompt in enumerate(prompts) if prompt.kind == kind]
        if len(of) == 1:
            alone += of
        # Half the kind further on: the nearest ones were chosen to differ from each other.
        for here, there in zip(of, _turned(of, max(1, len(of) // 2)), strict=True):
            found[here] = there
    if len(alone) == 1:
        lonely, next_one = alone[0], (alone[0] + 1) % len(prompts)
        found[lonely], found[next_one] = found[next_one], lonely
    else:
        for here, there in zip(alone, _turned(alone, 1), strict=True):
            found[here] = there
    return found


def _turned(several: list[int], by: int) -> list[int]:
    return several[by:] + several[:by]


def score(
    plans: Sequence[Plan], clip_of: Callable[[Plan], Frames], judge: Judge | None
) -> tuple[list[Seen], list[Seen]]:
    """What is seen in every plan's clip, and what it would be of the clip of another prompt."""
    own: dict[int, Seen] = {}
    chance: dict[int, Seen] = {}
    takes = others([plan.prompt for plan in plans])
    whose = {taken: i for i, taken in enumerate(takes)}
    for part in _parts(plans):
        clips = [clip_of(plans[i]) for i in part]
        also = [plans[whose[i]] for i in part]
        judged = _judged([plans[i] for i in part], also, clips, judge)
        for i, clip, other, (right, shuffled) in zip(part, clips, also, judged, strict=True):
            # The place is the clip's own in both cases, or chance would look worse than it is.
            empty = plans[i].painted().background
            own[i] = _with_geometry(plans[i], clip, empty, right)
            chance[whose[i]] = _with_geometry(other, clip, empty, shuffled)
    return [own[i] for i in range(len(plans))], [chance[i] for i in range(len(plans))]


def _parts(plans: Sequence[Plan]) -> Iterator[list[int]]:
    width, height = plans[0].shot.size
    each = max(1, _AT_ONCE // (plans[0].shot.frames * width * height * 3))
    for start in range(0, len(plans), each):
        yield list(range(start, min(start + each, len(plans))))


def _judged(
    plans: Sequence[Plan], also: Sequence[Plan], clips: Sequence[Frames], judge: Judge | None
) -> list[tuple[dict[str, Mark], dict[str, Mark]]]:
    """The learned critic's marks of each clip for its own plan, and for another's."""
    if judge is None:
        return [({}, {}) for _ in plans]
    frames = np.stack(clips)
    heads = judge.attributes(frames)
    captions = [
        [caption for plan in both for _, caption in plan.candidates()]
        for both in zip(plans, also, strict=True)
    ]
    alike = judge.match(frames, captions)
    return [
        (
            _marks(plan, heads, i, judge.classes) | _retrieval(plan, alike[i, :CANDIDATES]),
            _marks(other, heads, i, judge.classes) | _retrieval(other, alike[i, CANDIDATES:]),
        )
        for i, (plan, other) in enumerate(zip(plans, also, strict=True))
    ]


def _marks(
    plan: Plan, heads: Mapping[str, NDArray[Any]], clip: int,
    classes: Mapping[str, Sequence[str]],
) -> dict[str, Mark]:  # fmt: skip
    marks: dict[str, Mark] = {}
    for name, due in plan.prompt.states().items():
        # The critic has no class for a relation: `_retrieval` asks for it.
        if due in classes.get(name, ()):
            seen = classes[name][int(heads[name][clip].argmax())]
            marks[name] = Mark(right=seen == due, seen=seen)
    return marks


def _retrieval(plan: Plan, alike: NDArray[Any]) -> dict[str, Mark]:
    """Right if the right caption fits better than every other; a tie is wrong.

    A relation is judged so as well, against the caption with the contrary one.
    """
    captions = plan.candidates()
    best = int(alike[1:].argmax()) + 1
    right = bool(alike[0] > alike[best])
    marks = {"retrieval": Mark(right=right, seen=captions[0 if right else best][1])}
    contrary = [i for i, (kind, _) in enumerate(captions) if kind == "relation"]
    if contrary:
        right = bool(alike[0] > alike[contrary].max())
        marks["relation"] = Mark(right=right, seen="" if right else "the contrary")
    return marks


def _with_geometry(plan: Plan, clip: Frames, empty: Frames, marks: dict[str, Mark]) -> Seen:
    watched = watch_pixels(plan.shot, plan.layout, clip, background=empty)
    stated = plan.prompt.states()
    for asked in questions(plan.shot, plan.layout):
        if asked.kind in _MEASURES and (asked.kind != "count" or "count" in stated):
            told = answer(asked, watched)
            marks[_MEASURES[asked.kind]] = Mark(right=told.passed, seen=told.seen)
    off, follows = _track(watched)
    return Seen(marks=marks, off_track=off, follows_track=follows)


def _track(watched: Watched) -> tuple[float | None, float | None]:
    """Mean pixels off the planned track, and correlation with it; none where nothing is found."""
    size = np.array(watched.shot.size, float)
    off: list[float] = []
    follows: list[float] = []
    for thing in watched.things:
        both = np.isfinite(thing.planned[:, 0]) & np.isfinite(thing.seen[:, 0])
        if both.sum() < 3:
            continue
        planned, seen = thing.planned[both, :2], thing.seen[both, :2]
        off.append(float(np.hypot(*((seen - planned) * size).T).mean()))
        axis = int(np.ptp(planned, axis=0).argmax())
        if np.ptp(planned[:, axis]) < _MOVES:
            continue
        steady = np.ptp(seen[:, axis]) < 1e-9
        follows.append(0.0 if steady else float(np.corrcoef(planned[:, axis], seen[:, axis])[0, 1]))
    return (
        round(float(np.mean(off)), 3) if off else None,
        round(float(np.mean(follows)), 4) if follows else None,
    )
