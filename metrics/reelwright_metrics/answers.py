"""Answers the questions about a clip from what was found in it, each with a smooth score.

Every score is 0..1 and passes from 0.5. Where something is measured against the plan, a clip
passes with a fair part of the planned amount: `half(measured, need)` is 0.5 at `need`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Event, FrameSpan
from reelwright_core.takes import Question, QuestionKind
from reelwright_metrics import paths
from reelwright_metrics.assign import Thing, Watched
from reelwright_metrics.colours import colour_scores
from reelwright_metrics.questions import IN_SIGHT, TURNS, Asked, direction_of, things
from reelwright_metrics.relations import held
from reelwright_metrics.shapes import SHAPES, half, moved, slide_of
from reelwright_metrics.smoothness import in_sight, nothing_else, without_jumps

BEHIND = 0.12
"""How far a colour may be behind the likeliest other one and still pass. In the tuning set of
`faults` a colour that was not there was behind by 0.23 and more, one that was there by less than
0.11, but once."""

Found = tuple[float, str, NDArray[np.bool_]]
"""Score, measured words, and the pictures in which it fails."""


def answer(asked: Asked, watched: Watched) -> Question:
    """`asked` as a question with its answer."""
    score, seen, wrong = _WAYS[asked.kind](asked, watched)
    score = float(np.clip(score, 0, 1))
    return Question(
        kind=asked.kind,
        text=asked.text,
        entity=asked.entity,
        score=round(score, 4),
        passed=score >= 0.5,
        expected=asked.expected,
        seen=seen,
        spans=spans(wrong, watched),
    )


def spans(wrong: NDArray[np.bool_], watched: Watched) -> list[FrameSpan]:
    """The frames of the pictures that are `wrong`, joined where they follow each other."""
    ends = [*watched.frames[1:].tolist(), watched.layout.frames]
    joined: list[FrameSpan] = []
    for index in np.flatnonzero(wrong).tolist():
        first = int(watched.frames[index])
        last = max(first, int(ends[index]) - 1)
        if joined and joined[-1].last >= first - 1:
            joined[-1] = FrameSpan(first=joined[-1].first, last=last)
        else:
            joined.append(FrameSpan(first=first, last=last))
    return joined


def _due(thing: Thing) -> NDArray[np.bool_]:
    return np.isfinite(thing.planned[:, 0])


def _presence(asked: Asked, watched: Watched) -> Found:
    them = watched.of(asked.entity or "")
    due = np.array([_due(thing) for thing in them])
    there = np.array([thing.excused for thing in them])
    # Of what has no place in the plan nobody can say when it is due: so it is throughout.
    wrong = np.asarray((due.any(0) | (not due.any())) & ~(there & (due | ~due.any())).any(0))
    shares = [
        float((t & d).sum() / d.sum()) if d.any() else float(t.any())
        for t, d in zip(there, due, strict=True)
    ]
    best = max(shares)
    seen = f"seen in {best:.0%} of the frames" if best else "not seen"
    return best, seen, wrong


def _count(asked: Asked, watched: Watched) -> Found:
    them = watched.of(asked.entity or "")
    extras = watched.extras.get(asked.entity or "", [])
    found = np.array([thing.excused for thing in them]).sum(0)
    for trace in extras:
        found[[blob.at for blob in trace.blobs]] += 1
    due = np.array([_due(thing) for thing in them]).sum(0)
    asked_for = due == due.max() if due.any() else np.ones(len(due), bool)
    numbers = np.bincount(found[asked_for])
    usual = int(numbers.argmax())
    wanted = len(them)
    exact = found == wanted
    score = (0.5 if usual == wanted else 0.0) + 0.5 * float(exact[asked_for].mean())
    if usual != wanted:
        score = min(score, 0.45) * max(0.0, 1 - abs(usual - wanted) / wanted)
    return score, things(usual), asked_for & ~exact


def _colour(asked: Asked, watched: Watched) -> Found:
    them = [thing for thing in watched.of(asked.entity or "") if thing.trace is not None]
    nothing = np.zeros(len(watched.frames), bool)
    if not them:
        return 0.0, "not seen", ~nothing
    entity = them[0].entity
    scores: list[float] = []
    named: list[str] = []
    for thing in them:
        assert thing.trace is not None
        fits = colour_scores(thing.trace.colours, entity.noun, known=entity.known)
        own = fits[entity.colour] if entity.colour else 0.0
        rival = max(fit for name, fit in fits.items() if name != entity.colour)
        scores.append(0.5 + 2.5 * (own - rival + BEHIND))
        named.append(max(fits, key=lambda name: fits[name]))
    score = float(np.clip(scores, 0, 1).mean())
    names = " and ".join(dict.fromkeys(named))
    return score, names, nothing if score >= 0.5 else ~nothing


def _event(asked: Asked, watched: Watched, place: int = 0) -> Event:
    return watched.shot.scene_graph.events[asked.events[place]]


def _during(event: Event, watched: Watched) -> NDArray[np.bool_]:
    """The pictures of an event, with one more on each side."""
    during = (watched.frames >= event.frames.first) & (watched.frames <= event.frames.last)
    if not during.any():
        during[np.abs(watched.frames - event.frames.first).argmin()] = True
    wider = during.copy()
    wider[1:] |= during[:-1]
    wider[:-1] |= during[1:]
    return wider


def _direction(asked: Asked, watched: Watched) -> Found:
    event = _event(asked, watched)
    way = direction_of(event)
    assert way is not None
    during = _during(event, watched)
    slide = slide_of(watched)
    scores: list[float] = []
    moves: list[tuple[float, float]] = []
    for thing in watched.of(event.actor):
        planned, seen = thing.planned[during], thing.seen[during]
        against = np.zeros_like(planned)
        if paths.along(paths.going(planned), way)[0] < 0.15:
            # What the plan only moves against a sliding backdrop is measured against that.
            against = slide[during]
        ahead = paths.along(paths.going(planned - against), way)[0]
        move = paths.going(seen - against)
        moves.append(move)
        far, across = paths.along(move, way)
        need = float(np.clip(0.4 * ahead, 0.06, 0.15))
        straight = 1.0 if far >= across or ahead < 0.15 else max(0.0, far) / max(across, 1e-9)
        scores.append(half(far, need) * straight)
    if all(thing.trace is None for thing in watched.of(event.actor)):
        return 0.0, "not seen", during
    score = float(np.mean(scores))
    return score, moved(np.mean(moves, axis=0)), during & (score < 0.5)


def _path(asked: Asked, watched: Watched) -> Found:
    event = _event(asked, watched)
    during = _during(event, watched)
    measured = [SHAPES[event.action](t, during, watched) for t in watched.of(event.actor)]
    if all(thing.trace is None for thing in watched.of(event.actor)):
        return 0.0, "not seen", during
    score = float(np.mean([score for score, _ in measured]))
    return score, measured[0][1], during & (score < 0.5)


def _stillness(asked: Asked, watched: Watched) -> Found:
    event = _event(asked, watched)
    during = _during(event, watched)
    moving = watched.layout.background_shift != (0, 0) or watched.layout.background_zoom != 1
    them = [thing for thing in watched.of(event.actor) if thing.trace is not None]
    if not them:
        return 0.0, "not seen", during
    scores: list[float] = []
    for thing in them:
        seen = thing.seen[during]
        far = paths.trembling(seen, around=thing.planned[during] if moving else None)
        often = thing.excused[during].mean() >= 0.4
        scores.append(float(np.clip(1 - far / 0.16, 0, 1)) if often else 0.0)
    score = float(np.mean(scores))
    move = moved(paths.going(them[0].seen[during]))
    return score, "still" if score >= 0.5 else move, during & (score < 0.5)


def _order(asked: Asked, watched: Watched) -> Found:
    one, other = _event(asked, watched), _event(asked, watched, 1)
    during = _during(one, watched) | _during(other, watched)
    if one.actor == other.actor:
        # What one thing does in turn is in order when it does each in the frames meant for it.
        done = [_done(asked.events[place], watched) for place in (0, 1)]
        score = min(score for score, _ in done)
        return score, ", then ".join(seen for _, seen in done), during & (score < 0.5)
    seen = [_onset(event, watched, planned=False) for event in (one, other)]
    planned = [_onset(event, watched, planned=True) for event in (one, other)]
    if seen[0] is None or seen[1] is None:
        who = watched.shot.scene_graph.entity((one, other)[0 if seen[0] is None else 1].actor)
        return 0.0, f"the {who.noun} was not seen to move", during
    gap = seen[1] - seen[0]
    due = None if planned[0] is None or planned[1] is None else planned[1] - planned[0]
    score = half(gap, max(0.35 * due, 0.3) if due is not None else 1.0)
    return (
        score,
        f"{abs(gap):.1f} frames {'later' if gap < 0 else 'earlier'}",
        during & (score < 0.5),
    )


def _done(event: int, watched: Watched) -> tuple[float, str]:
    """How well one event is seen, and the measured words."""
    told = watched.shot.scene_graph.events[event]
    asked = Asked(kind="path", text="", expected="", events=[event])
    if told.action in TURNS or direction_of(told) is None:
        return _path(asked, watched)[:2]
    return _direction(asked, watched)[:2]


def _onset(event: Event, watched: Watched, *, planned: bool) -> float | None:
    """When an event is well under way, in pictures: the mean over the actor's things."""
    resized = event.action == "approaches" or (event.action == "leaves" and not event.direction)
    times: list[float] = []
    for thing in watched.of(event.actor):
        path = thing.planned if planned else thing.seen
        at = paths.when(path)
        if at is None and resized:
            at = paths.when(path, grows=True)
        if at is not None:
            times.append(at)
    return float(np.mean(times)) if times else None


def _relation(asked: Asked, watched: Watched) -> Found:
    assert asked.relation is not None
    relation = watched.shot.scene_graph.relations[asked.relation]
    return held(relation, watched)


def _smoothness(asked: Asked, watched: Watched) -> Found:
    them = watched.of(asked.entity or "")
    return (in_sight if asked.expected == IN_SIGHT else without_jumps)(them, watched)


def _extra(asked: Asked, watched: Watched) -> Found:
    return nothing_else(watched)


def _other(asked: Asked, watched: Watched) -> Found:
    raise ValueError(f"the measuring critic cannot answer {asked.text!r}")


_WAYS: Mapping[QuestionKind, Callable[[Asked, Watched], Found]] = MappingProxyType(
    {
        "presence": _presence,
        "count": _count,
        "colour": _colour,
        "direction": _direction,
        "path": _path,
        "order": _order,
        "relation": _relation,
        "stillness": _stillness,
        "smoothness": _smoothness,
        "extra": _extra,
        "other": _other,
    }
)
