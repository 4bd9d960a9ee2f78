"""The verifier of layouts: silent where all is well, and every planted fault is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import cast

import pytest

from reelwright_agents.layout_check import check_layout, layout_faults
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.story import (
    Box,
    FrameSpan,
    Layout,
    LayoutFaultKind,
    Shot,
    Track,
)
from reelwright_metrics import suites
from reelwright_metrics.suites import scripts

PLANNER = OfflinePlanner()
PICTURE = Picture(frames=17)

MOVES_RIGHT = [
    f"A {noun} moves from left to right {place}."
    for noun, place in zip(
        (
            "car", "red ball", "dog", "blue car", "cat", "bird", "woman", "boat", "train", "fish",
            "butterfly", "airplane", "horse", "yellow bus", "robot", "turtle", "rocket", "man",
            "rabbit", "bicycle", "green apple", "duck", "cloud", "star",
        ),
        (
            "on a road", "in a meadow", "on a beach", "in a city", "in a room", "in the sky",
            "in a forest", "on the sea", "in a desert", "in the sea", "in a meadow", "in the sky",
            "in the snow", "in a city", "in space", "on a beach", "in space", "at night",
            "in a meadow", "on a road", "in a room", "on the sea", "in the sky", "in space",
        ),
        strict=True,
    )
]  # fmt: skip


@cache
def shots_of(text: str) -> list[Shot]:
    return PLANNER.storyboard(Script(kind="prose", text=text), picture=PICTURE).shots


def every_prompt() -> list[str]:
    texts = [prompt.text for name in suites.names() for prompt in suites.load(name)]
    texts += [script.text for name in scripts.names() for script in scripts.load(name)]
    return [*dict.fromkeys(texts), *MOVES_RIGHT]


def test_no_false_alarm_on_any_prompt_of_the_suites() -> None:
    checked, alarms = 0, list[str]()
    for text in every_prompt():
        for shot in shots_of(text):
            checked += 1
            alarms += [f"{text}: {fault}" for fault in layout_faults(PLANNER.layout(shot), shot)]
    assert alarms == []
    assert checked >= 400


Plant = Callable[[Layout, Shot], Iterator[tuple[Layout, Shot, str, int | None]]]
"""Gives layouts that are wrong in one way: of whom, and at which frame if at one."""


def _boxes(track: Track, frames: int) -> list[Box]:
    return [track.at(frame).box for frame in range(frames)]


def _with(layout: Layout, track: Track, boxes: Sequence[Box]) -> Layout:
    """`layout` with other boxes for one of its tracks."""
    keys = [
        track.at(frame).model_copy(update={"box": cast(Box, tuple(box))})
        for frame, box in enumerate(boxes)
    ]
    new = track.model_copy(update={"keyframes": keys})
    tracks = [new if each is track else each for each in layout.tracks]
    return layout.model_copy(update={"tracks": tracks})


def _moved(box: Box, across: float = 0.0, down: float = 0.0) -> Box:
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down


def _scaled(box: Box, wide: float, high: float) -> Box:
    x, foot = (box[0] + box[2]) / 2, box[3]
    half = (box[2] - box[0]) / 2 * wide
    return x - half, foot - (box[3] - box[1]) * high, x + half, foot


def _actions(shot: Shot, entity: str) -> set[str]:
    return {event.action for event in shot.scene_graph.events if event.actor == entity}


def counts(layout: Layout, shot: Shot) -> Iterator[tuple[Layout, Shot, str, int | None]]:
    first = layout.tracks[0]
    for tracks in (layout.tracks[1:], [*layout.tracks, first]):
        yield layout.model_copy(update={"tracks": tracks}), shot, first.entity, None
    spare = first.model_copy(update={"instance": shot.scene_graph.entity(first.entity).count})
    more = layout.model_copy(update={"tracks": [*layout.tracks, spare]})
    yield more, shot, first.entity, None


def off_screen(layout: Layout, shot: Shot) -> Iterator[tuple[Layout, Shot, str, int | None]]:
    for track in layout.tracks:
        if "leaves" in _actions(shot, track.entity):
            continue
        boxes = _boxes(track, layout.frames)
        at = layout.frames // 2
        out = [_moved(b, -0.1 - b[0] if f >= at else 0.0) for f, b in enumerate(boxes)]
        yield _with(layout, track, out), shot, track.entity, at
        low = [_moved(b, 0.0, 1.08 - b[3]) for b in boxes]
        yield _with(layout, track, low), shot, track.entity, 0


def sizes(layout: Layout, shot: Shot) -> Iterator[tuple[Layout, Shot, str, int | None]]:
    for track in layout.tracks:
        boxes = _boxes(track, layout.frames)
        tiny = [_scaled(b, 0.04 / (b[3] - b[1]), 0.04 / (b[3] - b[1])) for b in boxes]
        yield _with(layout, track, tiny), shot, track.entity, None
        huge = [(-0.01, 0.0, 1.01, 1.0)] * layout.frames
        yield _with(layout, track, huge), shot, track.entity, None
        if _actions(shot, track.entity) & {"approaches", "leaves", "topples"}:
            continue
        last = layout.frames - 1
        swollen = [
            _scaled(b, 1 - 0.45 * f / last, 1 - 0.45 * f / last) for f, b in enumerate(boxes)
        ]
        yield _with(layout, track, swollen), shot, track.entity, None
        flat = [_scaled(b, 1.0, 1 - 0.4 * (f > last / 2)) for f, b in enumerate(boxes)]
        yield _with(layout, track, flat), shot, track.entity, None


def overlaps(layout: Layout, shot: Shot) -> Iterator[tuple[Layout, Shot, str, int | None]]:
    related = {frozenset((r.subject, r.object)) for r in shot.scene_graph.relations}
    for one, two in zip(layout.tracks, layout.tracks[1:], strict=False):
        if frozenset((one.entity, two.entity)) in related:
            continue
        if one.entity == two.entity:
            yield _with(layout, two, _boxes(one, layout.frames)), shot, one.entity, 0
            continue
        goal = two.at(layout.frames - 1).box
        boxes = _boxes(one, layout.frames)
        boxes[-1] = _moved(boxes[-1], goal[0] - boxes[-1][0], goal[3] - boxes[-1][3])
        yield _with(layout, one, boxes), shot, one.entity, layout.frames - 1


def directions(layout: Layout, shot: Shot) -> Iterator[tuple[Layout, Shot, str, int | None]]:
    for event in shot.scene_graph.events:
        for track in layout.tracks:
            if track.entity != event.actor or event.action == "circles":
                continue
            boxes = _boxes(track, layout.frames)
            if event.direction in ("left", "right") and event.action != "topples":
                turned = [(1 - b[2], b[1], 1 - b[0], b[3]) for b in boxes]
            elif event.action in ("falls", "rises") or event.direction in ("up", "down"):
                turned = boxes[::-1]
            elif event.action in ("bounces", "jumps"):
                turned = [boxes[0]] * len(boxes)
            else:
                continue
            yield _with(layout, track, turned), shot, track.entity, None
            break


def jumps(layout: Layout, shot: Shot) -> Iterator[tuple[Layout, Shot, str, int | None]]:
    for track in layout.tracks:
        boxes = _boxes(track, layout.frames)
        for at in (4, 11):
            side = 0.28 if boxes[at][2] < 0.6 else -0.28
            held = [_moved(b, side if f >= at else 0.0) for f, b in enumerate(boxes)]
            yield _with(layout, track, held), shot, track.entity, at
            once = [_moved(b, side if f == at else 0.0) for f, b in enumerate(boxes)]
            yield _with(layout, track, once), shot, track.entity, at


def relations(layout: Layout, shot: Shot) -> Iterator[tuple[Layout, Shot, str, int | None]]:
    if any(event.action != "stays" for event in shot.scene_graph.events):
        return
    for relation in shot.scene_graph.relations:
        one, two = layout.track(relation.subject), layout.track(relation.object)
        a, b = one.at(0).box, two.at(0).box
        if relation.kind in ("left of", "right of"):
            swapped = _with(layout, one, [_moved(a, (b[0] + b[2] - a[0] - a[2]) * 1.0)])
            other = _moved(b, a[0] + a[2] - b[0] - b[2])
            yield _with(swapped, two, [other]), shot, one.entity, None
        elif relation.kind in ("above", "below", "on"):
            away = 0.9 if relation.kind in ("above", "on") else 0.3
            yield _with(layout, one, [_moved(a, 0.0, away - a[3])]), shot, one.entity, None
        elif relation.kind in ("behind", "in front of"):
            nearer = one.model_copy(update={"depth": two.depth})
            flat = nearer.model_copy(update={"depth": 2 * two.depth - one.depth})
            tracks = [flat if each is one else each for each in layout.tracks]
            yield layout.model_copy(update={"tracks": tracks}), shot, one.entity, None


def times(layout: Layout, shot: Shot) -> Iterator[tuple[Layout, Shot, str, int | None]]:
    """The layout moves in the first half, and the shot says the second; or the other way round."""
    moving = [event for event in shot.scene_graph.events if event.action != "stays"]
    if len(moving) != 1 or layout.frames < 12:
        return
    half = layout.frames // 2
    spans = (FrameSpan(first=0, last=half), FrameSpan(first=half + 1, last=layout.frames - 1))

    def at(span: FrameSpan) -> Shot:
        events = [
            event.model_copy(update={"frames": span}) if event is moving[0] else event
            for event in shot.scene_graph.events
        ]
        graph = shot.scene_graph.model_copy(update={"events": events})
        return shot.model_copy(update={"scene_graph": graph})

    way = _way(PLANNER.layout(at(spans[0])), moving[0].actor)
    if moving[0].action in ("topples", "approaches", "leaves", "circles", "swings") or way < 0.15:
        return
    for made, said in (spans, spans[::-1]):
        yield PLANNER.layout(at(made)), at(said), moving[0].actor, None


def _way(layout: Layout, entity: str) -> float:
    first, last = (layout.track(entity).at(frame).box for frame in (0, layout.frames - 1))
    return abs(last[0] - first[0]) + abs(last[3] - first[3])


PLANTS: dict[LayoutFaultKind, Plant] = {
    "count": counts, "off-screen": off_screen, "size": sizes, "overlap": overlaps,
    "direction": directions, "jump": jumps, "relation": relations, "time": times,
}  # fmt: skip


@pytest.mark.parametrize("kind", PLANTS)
def test_every_planted_fault_is_found(kind: LayoutFaultKind) -> None:
    planted, missed = 0, list[str]()
    for text in every_prompt():
        for shot in shots_of(text):
            layout = PLANNER.layout(shot)
            if not layout.tracks:
                continue
            for wrong, of, entity, frame in PLANTS[kind](layout, shot):
                planted += 1
                found = [f for f in check_layout(wrong, of) if f.kind == kind]
                named = [f for f in found if f.entity is not None]
                about = [f for f in named if entity == f.entity or kind == "overlap"]
                at = [f for f in about if frame is None or (f.frames and f.frames.first == frame)]
                if not at:
                    missed.append(f"{text} ({entity}, frame {frame}): {found}")
    assert missed == [], f"{len(missed)} of {planted}"
    assert planted >= 20


def test_a_layout_of_other_frames_is_told_alone() -> None:
    (shot,) = shots_of("A red car moves from left to right on a road.")
    layout = PLANNER.layout(shot).model_copy(update={"frames": 9})
    (fault,) = check_layout(layout, shot)
    assert (fault.kind, fault.text) == ("time", "the layout has 9 frames, the shot 17")


def test_what_rests_on_a_panning_background_may_slide_with_it_or_stay() -> None:
    (shot,) = shots_of("A house stands in a meadow. The camera pans left.")
    layout = PLANNER.layout(shot)
    assert layout.background_shift[0] > 0
    assert check_layout(layout, shot) == []
    track = layout.tracks[0]
    part = layout.background_shift[0] / (layout.frames - 1)
    boxes = _boxes(track, layout.frames)
    slid = _with(layout, track, [_moved(b, part * f - 0.1) for f, b in enumerate(boxes)])
    assert check_layout(slid, shot) == []
    against = _with(layout, track, [_moved(b, 0.1 - part * f) for f, b in enumerate(boxes)])
    assert [fault.kind for fault in check_layout(against, shot)] == ["direction"]
