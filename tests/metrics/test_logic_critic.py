"""The logic on painted clips: right ones are probable, and planted faults are named and placed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.story import Box, Colour, Entity, Keyframe, Layout, SceneGraph, Shot, Track
from reelwright_core.takes import Critique
from reelwright_core.video import Frames
from reelwright_metrics.logic.critic import Examination, LogicCritic
from reelwright_metrics.logic.propositions import specification, window_spans, windows
from reelwright_metrics.measure import with_blame
from reelwright_metrics.testing import degrade
from reelwright_simulators.painter import paint

LAST = 16
Way = Callable[[int, Track], Box | None]
"""Where a thing is in a frame, by its planned track; None is out of the picture."""
AWAY: Box = (2.0, 0.4, 2.2, 0.6)

IN_TURN = [
    "A dog runs to the left, then a blue ball falls.",
    "A ball falls, then a dog jumps.",
    "A balloon rises, then a cat runs to the left.",
    "A red ball bounces, then a dog jumps.",
    "A green car drives to the right, then a cat jumps.",
]
OTHERS = [
    "A red car drives from left to right.",
    "Two birds fly to the right.",
    "A cat sits left of a tree.",
    "A red ball bounces.",
    "A dog jumps, then it runs to the right.",
    "A ball circles.",
]


def planned(text: str) -> tuple[Shot, Layout]:
    planner = OfflinePlanner()
    (shot,) = planner.storyboard(Script(kind="prose", text=text), picture=Picture()).shots
    return shot, planner.layout(shot)


def painted(
    shot: Shot, layout: Layout, *, entities: list[Entity] | None = None, spoiled: bool = True
) -> tuple[Frames, Frames]:
    """A clip of `layout` as a generator leaves it, and the empty place."""
    made = paint(
        layout,
        entities=entities or shot.scene_graph.entities,
        place=shot.place,
        size=shot.size,
        seed=1,
    )
    return (degrade(made.frames, seed=1) if spoiled else made.frames), made.background


def bent(layout: Layout, entity: str, way: Way) -> Layout:
    """The layout with the things of one entity going another way."""
    tracks = [
        track
        if track.entity != entity
        else track.model_copy(
            update={
                "keyframes": [
                    Keyframe(frame=f, box=way(f, track) or AWAY, angle=track.at(f).angle)
                    for f in range(layout.frames)
                ]
            }
        )
        for track in layout.tracks
    ]
    return layout.model_copy(update={"tracks": tracks})


def later(shot: Shot, layout: Layout) -> Layout:
    """The layout with the first event's things moving second, and the other way round."""
    first, second = sorted(shot.scene_graph.events, key=lambda e: e.frames.first)
    gap = second.frames.first - first.frames.first
    for event, shift in ((first, gap), (second, -gap)):
        layout = bent(layout, event.actor, lambda f, t, s=shift: t.at(min(max(f - s, 0), LAST)).box)
    return layout


def examined(
    shot: Shot, layout: Layout, clip: tuple[Frames, Frames], *, knows_place: bool = True
) -> Examination:
    frames, background = clip
    return LogicCritic().examine(
        shot, layout, frames, background=background if knows_place else None
    )


@pytest.mark.parametrize("spoiled", [False, True], ids=["clean", "spoiled"])
@pytest.mark.parametrize("text", IN_TURN + OTHERS)
def test_a_right_clip_is_probable(text: str, spoiled: bool) -> None:
    shot, layout = planned(text)
    found = examined(shot, layout, painted(shot, layout, spoiled=spoiled))
    assert found.verdict.probability >= 0.9, found.observed.table
    assert found.first_failing is None


@pytest.mark.parametrize("spoiled", [False, True], ids=["clean", "spoiled"])
@pytest.mark.parametrize("text", IN_TURN)
def test_the_same_clip_in_the_other_order_is_improbable(text: str, spoiled: bool) -> None:
    shot, layout = planned(text)
    found = examined(shot, layout, painted(shot, later(shot, layout), spoiled=spoiled))
    assert found.verdict.probability <= 0.2
    if spoiled:
        return  # where things cover each other, more than the order may seem wrong
    (order,) = [each for each in found.parts if " U " in str(each.formula)]
    assert order.probability <= 0.2
    about = found.specification.named(order.weakest or "")
    assert about is not None
    assert about.event is not None


@pytest.mark.parametrize("text", IN_TURN[:2])
def test_the_halves_of_a_clip_exchanged_are_improbable(text: str) -> None:
    shot, layout = planned(text)
    frames, background = painted(shot, layout)
    swapped = np.concatenate([frames[8:], frames[:8]])
    assert examined(shot, layout, (swapped, background)).verdict.probability <= 0.2


@dataclass(frozen=True)
class Fault:
    """Something wrong that is painted into a clip, and what must be found."""

    kind: str
    text: str
    entity: str
    first: int
    last: int
    """The frames in which it is wrong."""
    way: Way | None = None
    colour: Colour | None = None
    more: tuple[float, float] | None = None
    """How far one thing too many is from where the right one begins."""


def gone(first: int, last: int) -> Way:
    return lambda f, track: None if first <= f <= last else track.at(f).box


def aside(first: int, last: int, x: float, y: float = 0.0) -> Way:
    """Moved by (x, y) from frame `first` to `last`."""

    def way(f: int, track: Track) -> Box:
        left, top, right, bottom = track.at(f).box
        if not first <= f <= last:
            return left, top, right, bottom
        return left + x, top + y, right + x, bottom + y

    return way


def drifting(x: float, first: int) -> Way:
    """Going aside by x within four frames from `first` on, and staying there."""

    def way(f: int, track: Track) -> Box:
        part = x * min(max(0, f - first + 1) / 4, 1)
        left, top, right, bottom = track.at(f).box
        return left + part, top, right + part, bottom

    return way


def back(f: int, track: Track) -> Box:
    return track.at(LAST - f).box


def frozen(f: int, track: Track) -> Box:
    return track.at(0).box


DOG, BALL, CAR, CAT = IN_TURN[0], IN_TURN[1], OTHERS[0], OTHERS[2]
FAULTS = [
    Fault("missing", CAR, "red-car", 0, 16, way=gone(0, 16)),
    Fault("missing", DOG, "blue-ball", 0, 16, way=gone(0, 16)),
    Fault("missing", CAT, "tree", 0, 16, way=gone(0, 16)),
    Fault("vanishing", CAR, "red-car", 6, 11, way=gone(6, 11)),
    Fault("vanishing", CAR, "red-car", 8, 16, way=gone(8, 16)),
    Fault("vanishing", CAT, "cat", 4, 9, way=gone(4, 9)),
    Fault("vanishing", DOG, "dog", 10, 16, way=gone(10, 16)),
    Fault("extra", BALL, "ball", 0, 16, more=(0.5, 0.0)),
    Fault("extra", BALL, "dog", 0, 16, more=(-0.4, -0.4)),
    Fault("extra", CAT, "cat", 0, 16, more=(-0.2, -0.45)),
    Fault("colour", CAR, "red-car", 0, 16, colour="blue"),
    Fault("colour", DOG, "blue-ball", 0, 16, colour="yellow"),
    Fault("colour", IN_TURN[4], "green-car", 0, 16, colour="pink"),
    Fault("direction", CAR, "red-car", 0, 16, way=back),
    Fault("direction", OTHERS[1], "bird", 0, 16, way=back),
    Fault("frozen", OTHERS[3], "red-ball", 0, 16, way=frozen),
    Fault("frozen", DOG, "blue-ball", 8, 16, way=frozen),
    Fault("frozen", BALL, "dog", 8, 16, way=frozen),
    Fault("skip", CAR, "red-car", 9, 11, way=aside(9, 16, 0.0, -0.45)),
    Fault("skip", DOG, "dog", 11, 11, way=aside(11, 16, 0.55)),
    Fault("stillness", CAT, "cat", 6, 16, way=drifting(-0.3, 6)),
    Fault("stillness", CAT, "tree", 8, 16, way=drifting(0.3, 8)),
    Fault("relation", CAT, "cat", 0, 16, way=aside(0, 16, 0.6)),
    Fault("relation", "A ball sits right of a box.", "ball", 0, 16, way=aside(0, 16, -0.6)),
]  # fmt: skip
KINDS = {
    "missing": ("presence", "count"), "vanishing": ("presence", "count"), "extra": ("count",),
    "colour": ("colour",), "direction": ("direction",), "frozen": ("direction", "path"),
    "skip": ("path", "stillness"), "stillness": ("stillness",), "relation": ("relation",),
}  # fmt: skip


def planted(fault: Fault) -> tuple[Shot, Layout, tuple[Frames, Frames]]:
    """A shot, its plan, and a clip with the fault in it."""
    shot, layout = planned(fault.text)
    entities = list(shot.scene_graph.entities)
    made = layout if fault.way is None else bent(layout, fault.entity, fault.way)
    if fault.colour is not None:
        entities = [
            e.model_copy(update={"colour": fault.colour}) if e.id == fault.entity else e
            for e in entities
        ]
    if fault.more is not None:
        instance = shot.scene_graph.entity(fault.entity).count
        (x, y), (left, top, right, bottom) = fault.more, layout.track(fault.entity).at(0).box
        key = Keyframe(frame=0, box=(left + x, top + y, right + x, bottom + y))
        track = Track(entity=fault.entity, instance=instance, keyframes=[key])
        made = made.model_copy(update={"tracks": [*made.tracks, track]})
    return shot, layout, painted(shot, made, entities=entities)


def span_error(fault: Fault, found: Examination) -> int:
    """By how many frames the blamed frames begin or end elsewhere, the larger of both."""
    if not found.spans:
        return LAST + 1
    first, last = found.spans[0].first, found.spans[-1].last
    return max(abs(first - fault.first), abs(last - fault.last))


def named(fault: Fault, found: Examination) -> bool:
    about = found.specification.named(found.verdict.weakest or "")
    return about is not None and about.entity == fault.entity and about.kind in KINDS[fault.kind]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.kind}-{f.entity}-{f.first}")
def test_a_planted_fault_is_found_and_named_with_its_frames(fault: Fault) -> None:
    shot, layout, clip = planted(fault)
    found = examined(shot, layout, clip)
    assert found.verdict.probability < 0.2
    assert named(fault, found), found.verdict.weakest
    assert span_error(fault, found) <= 2, found.spans
    assert found.keep_until == found.spans[0].first


def test_a_critique_says_what_when_and_whom_to_blame() -> None:
    fault = FAULTS[3]
    shot, layout, (frames, background) = planted(fault)
    critic = LogicCritic()
    critique = critic.watch(shot, layout, frames, background=background)
    assert Critique.from_data(critique.data()) == critique
    assert critique.critic == "logic"
    whole, *parts = critique.questions
    assert whole.text == str(specification(shot, layout).formula)
    assert (whole.score, whole.passed, whole.kind) == (critique.score, False, "other")
    (failed,) = [part for part in parts if not part.passed]
    assert (failed.text, failed.kind, failed.entity) == ('G "the red car"', "presence", "red-car")
    assert [(span.first, span.last) for span in failed.spans] == [(6, 11)]
    assert failed.seen == "the red car: frames 0-5, 12-16"
    assert critique.blame == "prompt"
    assert critique.advice[0].startswith("`the red car` is the weakest, frames 0-5, 12-16: film")
    sketch, _ = painted(shot, layout)
    sound = critic.watch(shot, layout, sketch, background=background)
    assert sound.blame == "none"
    assert sound.advice == []
    assert with_blame(critique, sound).blame == "generator"
    assert with_blame(critique, critique).blame == "layout"


def test_the_same_clip_gets_the_same_critique() -> None:
    shot, layout, (frames, background) = planted(FAULTS[3])
    one, other = (LogicCritic().watch(shot, layout, frames, background=background) for _ in "ab")
    assert one.digest() == other.digest()


def test_a_shot_of_nothing_is_true() -> None:
    shot, layout = Shot(id="s1", prompt="an empty beach"), Layout(frames=5)
    critique = LogicCritic().watch(shot, layout, np.zeros((5, 32, 48, 3), np.uint8))
    assert (critique.score, critique.questions, critique.blame) == (1.0, [], "none")


def test_frames_of_another_kind_are_refused() -> None:
    shot, layout = planned(CAR)
    with pytest.raises(ValueError, match="uint8"):
        LogicCritic().watch(shot, layout, np.zeros((5, 32, 48, 3), np.float32))  # pyright: ignore[reportArgumentType]


def test_a_clip_longer_than_planned_is_stretched_over_the_plan() -> None:
    shot, layout = planned(CAR)
    frames, background = painted(shot, layout)
    found = examined(shot, layout, (np.repeat(frames, 2, 0), background))
    assert found.verdict.probability >= 0.9
    assert found.observed.windows[-1].last == LAST


def test_events_in_turn_make_one_chain() -> None:
    shot, layout = planned("A dog jumps, then a ball falls, then a cat runs to the left.")
    text = str(specification(shot, layout).formula)
    assert '(!"the ball falls" U "the dog jumps")' in text
    assert '(!"the cat goes to the left" U "the ball falls")' in text
    assert 'F("the dog jumps" & F("the ball falls" & F "the cat goes to the left"))' in text


def test_what_enters_later_is_asked_for_once_and_not_all_the_time() -> None:
    entity = Entity(id="ball", noun="ball")
    shot = Shot(id="s1", prompt="x", scene_graph=SceneGraph(entities=[entity]))
    inside, outside = (0.4, 0.4, 0.6, 0.6), (-0.5, 0.4, -0.3, 0.6)
    for boxes, begins in (((inside, inside), "G"), ((outside, inside), "F")):
        keys = [Keyframe(frame=f, box=box) for f, box in zip((0, 16), boxes, strict=True)]
        layout = Layout(frames=17, tracks=[Track(entity="ball", keyframes=keys)])
        assert f'{begins} "the ball"' in str(specification(shot, layout).formula)


def test_windows_have_three_pictures_and_no_gaps() -> None:
    assert windows(17) == [(0, 2), (3, 5), (6, 8), (9, 11), (12, 14), (15, 16)]
    assert windows(16)[-1] == (12, 15)
    assert windows(1) == [(0, 0)]
    assert [w.last for w in window_spans([0, 4, 8, 12], 13)] == [13]
    with pytest.raises(ValueError, match="at least 1"):
        windows(0)
