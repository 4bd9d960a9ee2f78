"""The probabilities of propositions by measuring the pixels: what was found, window by window.

Every kind of proposition has a score of 0..1 in each window, by the rules of the measuring critic,
and 0.5 where it is as true as not. The probability is 1 / (1 + exp(-14 (score - 0.5))), a logistic:
0.001 at 0, 0.09 at a third, 0.91 at two thirds (two of three frames), 0.999 at 1. Where a thing is
not seen, its colour, relation and stillness are those of the nearest window in which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Event, Layout, Shot
from reelwright_core.video import Frames
from reelwright_metrics import paths
from reelwright_metrics.assign import Path, Thing, Watched
from reelwright_metrics.colours import colour_scores
from reelwright_metrics.logic.propositions import (
    WINDOW,
    Observed,
    Proposition,
    window_spans,
    windows,
)
from reelwright_metrics.measure import watch_pixels
from reelwright_metrics.questions import TURNS, direction_of
from reelwright_metrics.relations import held_in
from reelwright_metrics.shapes import SHAPES, half, slide_of

STEEPNESS = 14.0
"""Of the logistic that makes a score a probability."""
STEP = 0.02
"""Movement within a window, as a part of the picture, of which half is no movement at all."""
SKIP = 0.2
"""A step this much longer than 1.5 of the longest planned one is as likely a skip as not."""
BEHIND = 0.08
"""How far a colour may be behind the likeliest other one and be as likely as not. On 45 spoiled
clips a colour that was not there was behind by 0.2 and more in all 270 windows, one that was there
by less than 0.04 in all 269."""
UNPLANNED = 0.06
"""An event of which the plan has less than this, as a part of the picture, is not of the plan."""
TREMBLE = 0.16
"""A thing this far from its place does not stand still; at half of it, it is as likely as not."""

_AMOUNTS: Mapping[str, Callable[[Path], float]] = MappingProxyType(
    {
        "bounces": paths.rebound,
        "jumps": paths.hop,
        "topples": paths.range_of,
        "collides": paths.range_of,
        "swings": paths.sway,
    }
)

Scores = NDArray[np.float64]
"""[windows], 0..1; NaN where nothing can be said."""


class MeasuringEyes:
    """Finds the things of a clip by their pixels and measures each proposition."""

    def look(
        self,
        shot: Shot,
        layout: Layout,
        frames: Frames,
        *,
        propositions: Sequence[Proposition],
        background: Frames | None = None,
    ) -> Observed:
        """As `Eyes` has it; of a clip of more than 49 frames so many are looked at."""
        watched = watch_pixels(shot, layout, frames, background=background)
        return Observed(
            windows=window_spans(watched.frames.tolist(), layout.frames - 1),
            table={
                each.name: [round(p, 6) for p in calibrated(scores(each, watched)).tolist()]
                for each in propositions
            },
        )


def calibrated(found: Scores) -> Scores:
    """Scores as probabilities; what is not known at all is as likely as not."""
    known = np.nan_to_num(found, nan=0.5)
    return 1 / (1 + np.exp(-STEEPNESS * (known - 0.5)))


def scores(proposition: Proposition, watched: Watched) -> Scores:
    """How well a proposition is seen in each window."""
    if proposition.kind == "presence":
        return _presence(proposition, watched)
    if proposition.kind == "count":
        return _count(proposition, watched)
    if proposition.kind == "colour":
        return _carried(_colour(proposition, watched))
    if proposition.kind == "relation":
        assert proposition.relation is not None
        relation = watched.shot.scene_graph.relations[proposition.relation]
        return _carried(_per_window(held_in(relation, watched)))
    if proposition.event is None:
        return _skipping(proposition, watched)
    event = watched.shot.scene_graph.events[proposition.event]
    if event.action == "stays":
        return _carried(_stillness(event, watched))
    return _happening(event, watched)


def _per_window(pictures: NDArray[np.float64]) -> Scores:
    """The mean over the pictures of each window in which something is known."""
    means = np.full(len(windows(len(pictures))), np.nan)
    for index, (a, b) in enumerate(windows(len(pictures))):
        known = pictures[a : b + 1][np.isfinite(pictures[a : b + 1])]
        if len(known):
            means[index] = known.mean()
    return means


def _carried(found: Scores) -> Scores:
    known = np.flatnonzero(np.isfinite(found))
    if not len(known):
        return found
    nearest = np.abs(np.arange(len(found))[:, None] - known[None]).argmin(1)
    return found[known[nearest]]


def _there(thing: Thing) -> NDArray[np.bool_]:
    there = np.zeros(len(thing.planned), bool)
    if thing.trace is not None:
        there[[blob.at for blob in thing.trace.blobs]] = True
    return there


def _presence(proposition: Proposition, watched: Watched) -> Scores:
    seen = np.array([_there(thing) for thing in watched.of(proposition.entity)]).any(0)
    return _per_window(np.asarray(seen, np.float64))


def _count(proposition: Proposition, watched: Watched) -> Scores:
    them = watched.of(proposition.entity)
    found = np.array([_there(thing) for thing in them]).sum(0)
    for trace in watched.extras.get(proposition.entity, []):
        found[[blob.at for blob in trace.blobs]] += 1
    # Of one thing it is asked whether there is a second: its own presence is asked for apart.
    right = found <= 1 if len(them) == 1 else found == len(them)
    return _per_window(np.asarray(right, np.float64))


def _colour(proposition: Proposition, watched: Watched) -> Scores:
    count = len(windows(len(watched.frames)))
    found: list[Scores] = []
    for thing in watched.of(proposition.entity):
        entity = thing.entity
        if thing.trace is None or entity.colour is None:
            continue
        score = np.full(count, np.nan)
        for index, (a, b) in enumerate(windows(len(watched.frames))):
            blobs = [blob for blob in thing.trace.blobs if a <= blob.at <= b and not blob.shared]
            if blobs:
                shares = np.average(
                    [x.colours for x in blobs], axis=0, weights=[x.area for x in blobs]
                )
                fits = colour_scores(shares, entity.noun, known=entity.known)
                rival = max(fit for colour, fit in fits.items() if colour != entity.colour)
                score[index] = np.clip(0.5 + (fits[entity.colour] - rival + BEHIND) / 0.24, 0, 1)
        found.append(score)
    return _least(found, count)


def _least(found: Sequence[Scores], count: int) -> Scores:
    """The least of several things' scores; what is unknown of one is left out."""
    least = np.full(count, np.nan)
    for each in found:
        least = np.fmin(least, each)
    return least


def _skipping(proposition: Proposition, watched: Watched) -> Scores:
    """Whether a thing gets further from one picture to the next than any planned step leads."""
    count = len(windows(len(watched.frames)))
    most = np.zeros(count)
    for thing in watched.of(proposition.entity):
        planned = np.hypot(*np.diff(thing.planned[:, :2], axis=0).T)
        fastest = float(np.nanmax(planned, initial=0.0))
        # What is joined with another thing has its centre elsewhere.
        free = [blob for blob in thing.trace.blobs if not blob.shared] if thing.trace else []
        if len(free) < 2:
            continue
        at = np.array([blob.at for blob in free])
        steps = np.hypot(*np.diff([(blob.x, blob.y) for blob in free], axis=0).T)
        score = 0.5 * (steps - 1.5 * fastest * np.diff(at)) / SKIP
        for index, (a, b) in enumerate(windows(len(watched.frames))):
            within = (at[1:] >= a) & (at[1:] <= b)
            most[index] = max(most[index], float(np.max(score[within], initial=0.0)))
    return np.minimum(most, 1.0)


def _stillness(event: Event, watched: Watched) -> Scores:
    moving = watched.layout.background_shift != (0, 0) or watched.layout.background_zoom != 1
    found: list[Scores] = []
    for thing in watched.of(event.actor):
        places = thing.seen[:, :2] - (thing.planned[:, :2] if moving else 0)
        known = places[np.isfinite(places[:, 0])]
        if not len(known):
            continue
        # Where it stood at first: a middle place would blame the frames before it moved off, too.
        across, down = (places - np.median(known[:WINDOW], axis=0)).T
        far = np.asarray(np.hypot(across, down))
        found.append(_per_window(np.maximum(1 - far / TREMBLE, 0.0)))
    return _least(found, len(windows(len(watched.frames))))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Doing:
    """One thing that is to do something, and for how many pictures."""

    thing: Thing
    event: Event
    watched: Watched
    during: NDArray[np.bool_]
    """The pictures that the plan gives the event, with one more on each side."""

    @property
    def length(self) -> int:
        return int(self.during.sum())


def _happening(event: Event, watched: Watched) -> Scores:
    """Whether an event is under way in each window, whenever the plan has it.

    A span as long as the planned event is moved over the clip. A window scores as well as the best
    span that has it, but no better than the movement within the window itself: the lesser of the
    two.
    """
    during = (watched.frames >= event.frames.first) & (watched.frames <= event.frames.last)
    if not during.any():
        during[np.abs(watched.frames - event.frames.first).argmin()] = True
    wider = during.copy()
    wider[1:] |= during[:-1]
    wider[:-1] |= during[1:]
    count = len(windows(len(watched.frames)))
    found: list[Scores] = []
    for thing in watched.of(event.actor):
        if thing.trace is None:
            continue
        doing = _Doing(thing=thing, event=event, watched=watched, during=wider)
        found.append(np.minimum(_best_span(doing), _stirring(doing)))
    return np.nan_to_num(_least(found, count), nan=0.0)


def _best_span(doing: _Doing) -> Scores:
    count = len(doing.during)
    best = np.zeros(len(windows(count)))
    planned_first = int(doing.during.argmax())
    for first in range(count - doing.length + 1):
        shift = first - planned_first
        moved = replace(doing, during=np.roll(doing.during, shift))
        planned = np.roll(doing.thing.planned, shift, axis=0)
        score = _shape(replace(moved, thing=replace(doing.thing, planned=planned)))
        last = first + doing.length - 1
        for index, (a, b) in enumerate(windows(count)):
            inside = min(b, last) - max(a, first) + 1
            if 2 * inside >= b - a + 1:
                best[index] = max(best[index], score)
    return best


def _shape(doing: _Doing) -> float:
    """How well the thing does it in the span `during`: its direction and the shape of its path."""
    event, thing, during = doing.event, doing.thing, doing.during
    way = direction_of(event)
    score = 1.0
    if way is None or event.action in TURNS:
        score = SHAPES[event.action](thing, during, doing.watched)[0]
        planned = _AMOUNTS.get(event.action)
        if planned is not None and planned(thing.planned[during]) < UNPLANNED:
            # Of what the plan does not have, the rules of shapes ask for next to nothing.
            score *= 0.3
    if way is None or event.action in ("topples", "collides", "swings"):
        return score
    ahead, need = _needed(doing)
    far, across = paths.along(paths.going((thing.seen - _against(doing))[during]), way)
    straight = 1.0 if far >= across or ahead < 0.15 else max(0.0, far) / max(across, 1e-9)
    return min(score, half(far, need) * straight)


def _against(doing: _Doing) -> Path:
    """What the movement is measured against: the sliding backdrop, or nothing."""
    way, planned = direction_of(doing.event), doing.thing.planned[doing.during]
    if way is not None and paths.along(paths.going(planned), way)[0] < 0.15:
        return slide_of(doing.watched)
    return np.zeros_like(doing.thing.planned)


def _needed(doing: _Doing) -> tuple[float, float]:
    """How far the plan goes in the event's direction, and how far a clip must go for 0.5."""
    way = direction_of(doing.event)
    assert way is not None
    planned = (doing.thing.planned - _against(doing))[doing.during]
    ahead = paths.along(paths.going(planned), way)[0]
    return ahead, float(np.clip(0.4 * ahead, 0.06, 0.15))


def _stirring(doing: _Doing) -> Scores:
    """How much of the event's movement there is within each window."""
    event, count = doing.event, len(doing.during)
    way = direction_of(event)
    seen = _bridged(doing.thing.seen - _against(doing))
    steps = np.diff(seen, axis=0)
    resized = event.action == "approaches" or (event.action == "leaves" and way is None)
    if resized:
        pace = np.diff(np.log(np.maximum(seen[:, 2], 1e-3)))
        pace = pace if event.action == "approaches" else -pace
        whole = abs(paths.growth(doing.thing.planned[doing.during]))
        need = max(0.4 * whole, 0.1)
    elif way is not None and event.action not in TURNS:
        pace = np.array([paths.along((x, y), way)[0] for x, y in steps[:, :2]])
        need = _needed(doing)[1]
    else:
        pace = np.hypot(steps[:, 0], steps[:, 1])
        planned = np.diff(doing.thing.planned[doing.during], axis=0)
        need = max(0.4 * float(np.nansum(np.hypot(planned[:, 0], planned[:, 1]))), 0.04)
    found = np.zeros(len(windows(count)))
    for index, (a, b) in enumerate(windows(count)):
        # A window's steps lead to the next one's first picture; the last one's are within it.
        own = pace[a : b + 1]
        due = max(need * len(own) / max(doing.length - 1, 1), STEP * len(own) / 3)
        found[index] = half(float(np.nansum(own)), due)
    return found


def _bridged(path: Path) -> Path:
    """The path with what is unknown in between drawn as straight lines."""
    at = np.flatnonzero(np.isfinite(path[:, 0]))
    if not len(at):
        return path
    bridged = np.full_like(path, np.nan)
    between = np.arange(at[0], at[-1] + 1)
    for column in range(path.shape[1]):
        bridged[between, column] = np.interp(between, at, path[at, column])
    return bridged
