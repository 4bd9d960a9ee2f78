"""Whether the shots of a film fit together: looks, places, screen direction, style, and words.

Everything is measured on the frames, with no ground truth: what is found in a clip is taken for
what the shot's plan says should be there (`watch_pixels`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Entity, Layout, Shot, Storyboard
from reelwright_core.takes import Continuity, ContinuityFault
from reelwright_core.video import Frames
from reelwright_metrics import paths
from reelwright_metrics.assign import Thing, Watched
from reelwright_metrics.backdrop import distance, to_lab
from reelwright_metrics.colours import NAMES, Shares, alike, colour_scores, looks
from reelwright_metrics.measure import smaller, watch_pixels
from reelwright_metrics.sayings import contradictions
from reelwright_metrics.style import MEASURES, stated, tones

SAME = 0.5
"""Colours of one entity in two shots have at least this much in common."""
BEHIND = 0.1
"""A stated colour that is this far behind the likeliest other one is not to be seen."""
SIZES = 2.6
"""One entity is at most this many times as large, against its plan, as in the other shots."""
PLACES = 17.0
"""CIELAB distance from which one place looks like another, mean over its level bands."""
BANDS = 4
CROSSES = 0.1
"""A movement across less than this part of the picture has no screen direction."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Seen:
    """What one shot shows of an entity."""

    shot: str
    entity: Entity
    colours: Shares
    ratio: float
    """How many times as large as planned."""
    came: float
    went: float
    """How far it goes to the right in its first and in its last half, as parts of the width."""


def continuity(
    board: Storyboard,
    clips: Mapping[str, Frames],
    layouts: Mapping[str, Layout],
    *,
    backgrounds: Mapping[str, Frames] | None = None,
) -> Continuity:
    """How well the shots of `board` fit together, by their clips and layouts, each by shot id.

    A clip is uint8 RGB [frames, height, width, 3]; of shots without one only the words are
    compared. `backgrounds` are the painted empty places, [height, width, 3], which make things
    that stand still surer to find. Faults come in the order text, look, place, direction, style;
    each blames the one shot that is to change.
    """
    shots = [shot for shot in board.shots if shot.id in clips and shot.id in layouts]
    watched = {
        shot.id: watch_pixels(
            shot, layouts[shot.id], clips[shot.id], background=(backgrounds or {}).get(shot.id)
        )
        for shot in shots
    }
    seen = {shot.id: list(_seen(watched[shot.id])) for shot in shots}
    told = [
        *contradictions(board),
        *_of_looks(board, shots, seen),
        *_of_places(shots, clips, watched),
        *_of_directions(shots, seen),
        *_of_style(board, shots, clips),
    ]
    return Continuity(faults=[fault for fault in told if fault is not None], checked=len(told))


def _seen(watched: Watched) -> Iterator[Seen]:
    for entity in watched.shot.scene_graph.entities:
        them = [thing for thing in watched.of(entity.id) if thing.trace is not None]
        if not them:
            continue
        weights = [thing.trace.area for thing in them if thing.trace is not None]
        colours = np.average(
            [thing.trace.colours for thing in them if thing.trace is not None],
            axis=0, weights=weights,
        )  # fmt: skip
        ratios = [_ratio(thing) for thing in them]
        half = max(2, len(watched.frames) // 2)
        yield Seen(
            shot=watched.shot.id,
            entity=entity,
            colours=colours,
            ratio=float(np.median(ratios)),
            came=float(np.mean([paths.going(thing.seen[:half])[0] for thing in them])),
            went=float(np.mean([paths.going(thing.seen[-half:])[0] for thing in them])),
        )


def _ratio(thing: Thing) -> float:
    both = np.isfinite(thing.planned[:, 2]) & np.isfinite(thing.seen[:, 2])
    if not both.any():
        return 1.0
    return float(np.median(thing.seen[both, 2] / thing.planned[both, 2])) ** 2


def _of_looks(
    board: Storyboard, shots: Sequence[Shot], seen: Mapping[str, Sequence[Seen]]
) -> Iterator[ContinuityFault | None]:
    """Of each entity that several shots show: its colours, then its size."""
    cast = {entity.id: entity for entity in board.story.cast}
    order = dict.fromkeys(one.entity.id for shot in shots for one in seen[shot.id])
    for id in order:
        them = [one for shot in shots for one in seen[shot.id] if one.entity.id == id]
        if len(them) < 2:
            continue
        yield from _of_colours(them, cast.get(id))
        for one in them:
            others = float(np.median([other.ratio for other in them if other is not one]))
            yield _of_size(one, them, others)


def _of_colours(them: Sequence[Seen], cast: Entity | None) -> Iterator[ContinuityFault | None]:
    """The minority look is to blame; where the cast sheet or all shots state a colour, by that."""
    stated_colours = {one.entity.colour for one in them}
    due = cast.colour if cast is not None and cast.colour else None
    if due is None and len(stated_colours) == 1:
        due = next(iter(stated_colours))
    if due is not None:
        right = [_fits(one, due) for one in them]
        for one, fits in zip(them, right, strict=True):
            other = next((o for o, f in zip(them, right, strict=True) if f), them[0])
            yield None if fits or not any(right) else _look(one, other, expected=due)
        if all(right) or any(right):
            return
    order = _by_majority(them)
    main = order[0]
    for one in order[1:]:
        same = alike(one.colours, main.colours) >= SAME
        yield None if same else _look(one, main, expected=_named(main))


def _fits(one: Seen, due: str) -> bool:
    fits = colour_scores(one.colours, one.entity.noun, known=one.entity.known)
    rival = max(fit for name, fit in fits.items() if name != due)
    return next(fit for name, fit in fits.items() if name == due) > rival - BEHIND


def _by_majority(them: Sequence[Seen]) -> list[Seen]:
    """The look that most resemble first; of two, that which is more as the cut-out set has it."""
    entity = them[0].entity
    model = looks(entity.noun, known=entity.known, colour=entity.colour)

    def typical(one: Seen) -> tuple[float, float]:
        others = [alike(one.colours, other.colours) for other in them if other is not one]
        return float(np.median(others)), alike(one.colours, model)

    return sorted(them, key=typical, reverse=True)


def _look(one: Seen, main: Seen, *, expected: str) -> ContinuityFault:
    return ContinuityFault(
        kind="look",
        shots=[main.shot, one.shot],
        blame=one.shot,
        entity=one.entity.id,
        expected=expected,
        seen=_named(one),
        text=(
            f"The {one.entity.noun} looks {_named(one)} in {one.shot}, "
            f"but {_named(main)} in {main.shot}."
        ),
    )


def _named(one: Seen) -> str:
    """The colour that it is most likely called."""
    fits = colour_scores(one.colours, one.entity.noun, known=one.entity.known)
    if np.ptp(list(fits.values())) < 0.02:  # it has one look whatever its colour is said to be
        return NAMES[int(one.colours.argmax())]
    return max(fits, key=lambda name: fits[name])


def _of_size(one: Seen, them: Sequence[Seen], others: float) -> ContinuityFault | None:
    larger = one.ratio / others
    if 1 / SIZES <= larger <= SIZES:
        return None
    near = min((o for o in them if o is not one), key=lambda o: abs(o.ratio - others))
    if len(them) == 2 and abs(np.log(one.ratio)) < abs(np.log(near.ratio)):
        return None  # the other one is further from its plan, and told instead
    return ContinuityFault(
        kind="look",
        shots=[near.shot, one.shot],
        blame=one.shot,
        entity=one.entity.id,
        expected="as large as in the other shots",
        seen=f"{larger**0.5:.1f} times as high",
        text=(
            f"The {one.entity.noun} is {larger**0.5:.1f} times as high in {one.shot} as its size "
            f"in {near.shot} lets expect."
        ),
    )


def _of_places(
    shots: Sequence[Shot], clips: Mapping[str, Frames], watched: Mapping[str, Watched]
) -> Iterator[ContinuityFault | None]:
    """Of shots of one scene, place and lens: the mean colours of the level bands of what is behind.

    The band's colour is the median over time and width of what no thing covers.
    """
    groups: dict[tuple[str, str, str], list[Shot]] = {}
    for shot in shots:
        if shot.films is None:  # from another side, another part of the place is seen
            groups.setdefault((shot.scene, shot.place, shot.lens), []).append(shot)
    for group in groups.values():
        if len(group) < 2:
            continue
        bands = {shot.id: _bands(clips[shot.id], watched[shot.id]) for shot in group}
        apart = {
            (a.id, b.id): float(distance(bands[a.id], bands[b.id]).mean())
            for a, b in combinations(group, 2)
        }

        def off(shot: Shot, apart: dict[tuple[str, str], float] = apart) -> float:
            return float(np.median([far for pair, far in apart.items() if shot.id in pair]))

        main = min(group, key=off)
        for shot in group:
            if shot is main:
                continue
            far = apart.get((main.id, shot.id), apart.get((shot.id, main.id), 0.0))
            yield (
                None
                if far < PLACES
                else ContinuityFault(
                    kind="place",
                    shots=[main.id, shot.id],
                    blame=shot.id,
                    expected=f"the {shot.place} of {main.id}",
                    seen=f"other colours, {far:.0f} apart in CIELAB",
                    text=f"The {shot.place} looks otherwise in {shot.id} than in {main.id}.",
                )
            )


def _bands(frames: Frames, watched: Watched) -> NDArray[np.float32]:
    """The colour of each level band of the backdrop: CIELAB [bands, 3]."""
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), 9)).round().astype(int)
    lab = to_lab(np.stack([smaller(frames[index]) for index in chosen]))
    free = np.ones(lab.shape[1:3], bool)
    traces = [thing.trace for thing in watched.things if thing.trace is not None]
    # What stands still through most of the clip is no part of the place.
    covered = np.zeros(free.shape, np.int64)
    for trace in traces:
        for blob in trace.blobs:
            covered += blob.mask
    free &= covered < 0.4 * len(watched.frames)
    middle = np.median(lab, axis=0)
    edges = np.linspace(0, lab.shape[1], BANDS + 1).round().astype(int)
    rows = [
        np.median(middle[a:b][free[a:b]] if free[a:b].any() else middle[a:b].reshape(-1, 3), axis=0)
        for a, b in pairwise(edges.tolist())
    ]
    return np.array(rows, np.float32)


def _of_directions(
    shots: Sequence[Shot], seen: Mapping[str, Sequence[Seen]]
) -> Iterator[ContinuityFault | None]:
    """The 180° rule: who goes on in the next shot of a scene keeps its way across the screen.

    Unless the script turns it: by a word of the next shot's text, or, where it has none, by an
    event with another direction.
    """
    for one, other in pairwise(shots):
        if one.scene != other.scene:
            continue
        after = {each.entity.id: each for each in seen[other.id]}
        for before in seen[one.id]:
            then = after.get(before.entity.id)
            if then is None or min(abs(before.went), abs(then.came)) < CROSSES:
                continue
            ways = [_side(before.went), _side(then.came)]
            if ways[0] == ways[1] or _turns(one, other, before.entity.id):
                yield None
                continue
            planned = [_planned(shot, before.entity.id) for shot in (one, other)]
            blame = one if planned[0] not in (None, ways[0]) else other
            yield ContinuityFault(
                kind="direction",
                shots=[one.id, other.id],
                blame=blame.id,
                entity=before.entity.id,
                expected=f"to the {ways[0] if blame is other else ways[1]}",
                seen=f"to the {ways[1] if blame is other else ways[0]}",
                text=(
                    f"The {before.entity.noun} goes to the {ways[0]} in {one.id} and to the "
                    f"{ways[1]} in {other.id}, and nothing in the script turns it round."
                ),
            )


_TURNING = re.compile(
    r"\b(left|right|leftwards?|rightwards?|back|backwards?|turn(s|ed|ing)?|returns?|returned|"
    r"around|round|home|opposite|chang(es|ed) direction)\b",
    re.IGNORECASE,
)


def _turns(one: Shot, other: Shot, entity: str) -> bool:
    if other.text.strip():
        return _TURNING.search(other.text) is not None
    ways = _planned(one, entity), _planned(other, entity)
    return None not in ways and ways[0] != ways[1]


def _planned(shot: Shot, entity: str) -> str | None:
    """The side that the entity's only sideways direction in `shot` leads to."""
    ways = {
        event.direction
        for event in shot.scene_graph.events
        if event.actor == entity and event.direction in ("left", "right")
    }
    return next(iter(ways)) if len(ways) == 1 else None


def _side(move: float) -> str:
    return "right" if move > 0 else "left"


def _of_style(
    board: Storyboard, shots: Sequence[Shot], clips: Mapping[str, Frames]
) -> Iterator[ContinuityFault | None]:
    """The style bible is said in every prompt, and its measurable words show in every clip."""
    words = set(re.findall(r"[^\W\d_]{4,}", board.story.style.lower()))
    for shot in board.shots if words else ():
        yield (
            None
            if words & set(re.findall(r"[^\W\d_]+", shot.prompt.lower()))
            else (
                ContinuityFault(
                    kind="style",
                    shots=[shot.id],
                    blame=shot.id,
                    expected=board.story.style,
                    seen="nothing of it in the prompt",
                    text=f"The prompt of {shot.id} says nothing of the style: {board.story.style}.",
                )
            )
        )
    asked = stated(board.story.style)
    for shot in shots:
        if not asked:
            return
        found = tones(clips[shot.id])
        for word in asked:
            measure = MEASURES[word]
            value = getattr(found, measure.of)
            yield (
                None
                if measure.least <= value <= measure.most
                else ContinuityFault(
                    kind="style",
                    shots=[shot.id],
                    blame=shot.id,
                    expected=f"{word}: {measure.of} {measure.range()}",
                    seen=f"{measure.of} {value:.0f}",
                    text=(
                        f"The style bible says {word}, but {shot.id} has a {measure.of} of "
                        f"{value:.0f}; {word} is {measure.range()}."
                    ),
                )
            )
