"""What does not fit together between shots is found, and the shot that is to change is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from reelwright_core.story import (
    Entity,
    Event,
    FrameSpan,
    Keyframe,
    Layout,
    Scene,
    SceneGraph,
    Shot,
    Story,
    Storyboard,
    Track,
)
from reelwright_core.takes import Continuity
from reelwright_core.video import Frames
from reelwright_metrics.continuity import continuity
from reelwright_metrics.style import stated, tones
from reelwright_simulators.painter import paint

CAR = Entity(id="car", noun="car", colour="red")
FRAMES, SIZE = 9, (160, 96)


def going(id: str, side: str | None = "right", *, car: Entity = CAR, **more: Any) -> Shot:
    events: list[Event] = []
    if side is not None:
        span = FrameSpan(first=0, last=FRAMES - 1)
        events = [Event(actor="car", action="moves", direction=side, frames=span)]  # pyright: ignore[reportArgumentType]
    told: dict[str, Any] = {"prompt": "x", "place": "road", "size": SIZE, "frames": FRAMES, **more}
    return Shot(id=id, scene_graph=SceneGraph(entities=[car], events=events), **told)


def layout_of(side: str | None, *, high: float = 0.3) -> Layout:
    a, b = {"right": (0.25, 0.75), "left": (0.75, 0.25), None: (0.5, 0.5)}[side]
    keys = [
        Keyframe(frame=frame, box=(x - 0.15, 0.86 - high, x + 0.15, 0.86))
        for frame, x in ((0, a), (FRAMES - 1, b))
    ]
    return Layout(frames=FRAMES, tracks=[Track(entity="car", keyframes=keys)])


def checked(
    shots: Sequence[Shot],
    sides: Sequence[str | None],
    *,
    shown: dict[str, Entity] | None = None,
    seeds: dict[str, int] | None = None,
    sizes: dict[str, float] | None = None,
    story: Story | None = None,
) -> Continuity:
    """The check of shots in which the car really goes to `sides` and looks as `shown`."""
    clips: dict[str, Frames] = {}
    layouts: dict[str, Layout] = {}
    backgrounds: dict[str, Frames] = {}
    for shot, side in zip(shots, sides, strict=True):
        layouts[shot.id] = layout_of(side)
        real = layout_of(side, high=(sizes or {}).get(shot.id, 0.3))
        entity = (shown or {}).get(shot.id, shot.scene_graph.entities[0])
        painted = paint(
            real, entities=[entity], place=shot.place, size=SIZE,
            seed=(seeds or {}).get(shot.id, 3),
        )  # fmt: skip
        clips[shot.id], backgrounds[shot.id] = painted.frames, painted.background
    board = Storyboard(shots=list(shots), story=story or Story())
    return continuity(board, clips, layouts, backgrounds=backgrounds)


def test_shots_that_fit_together_have_no_faults() -> None:
    found = checked([going("s01"), going("s02"), going("s03")], ["right"] * 3)
    assert found.faults == []
    assert found.checked > 10


@pytest.mark.parametrize("bad", ["s01", "s02", "s03"])
def test_the_shot_in_which_an_entity_looks_otherwise_is_named(bad: str) -> None:
    blue = CAR.model_copy(update={"colour": "blue"})
    shots = [going("s01"), going("s02"), going("s03")]
    (fault,) = checked(shots, ["right"] * 3, shown={bad: blue}).faults
    assert (fault.kind, fault.blame, fault.entity) == ("look", bad, "car")
    assert (fault.expected, fault.seen) == ("red", "blue")


def test_without_a_stated_colour_the_minority_is_to_blame() -> None:
    plain = Entity(id="car", noun="car")
    green = plain.model_copy(update={"colour": "green"})
    shots = [going(id, car=plain) for id in ("s01", "s02", "s03")]
    (fault,) = checked(shots, ["right"] * 3, shown={"s01": green}).faults
    assert (fault.kind, fault.blame, fault.seen) == ("look", "s01", "green")


def test_of_two_shots_that_one_is_to_blame_that_differs_from_the_cast_sheet() -> None:
    plain = Entity(id="car", noun="car")
    blue, red = (plain.model_copy(update={"colour": c}) for c in ("blue", "red"))
    shots = [going("s01", car=plain), going("s02", car=plain)]
    story = Story(cast=[red])
    found = checked(shots, ["right"] * 2, shown={"s01": blue, "s02": red}, story=story)
    assert [fault.blame for fault in found.faults if fault.kind == "look"] == ["s01"]


def test_what_is_far_smaller_than_its_plan_in_one_shot_only_is_told() -> None:
    shots = [going("s01"), going("s02"), going("s03")]
    (fault,) = checked(shots, ["right"] * 3, sizes={"s02": 0.12}).faults
    assert (fault.kind, fault.blame, fault.expected) == (
        "look", "s02", "as large as in the other shots"
    )  # fmt: skip


def test_who_turns_round_between_two_shots_breaks_the_screen_direction() -> None:
    shots = [going("s01"), going("s02", text="The red car drives on.")]
    (fault,) = checked(shots, ["right", "left"]).faults
    assert (fault.kind, fault.shots, fault.blame) == ("direction", ["s01", "s02"], "s02")
    assert (fault.expected, fault.seen) == ("to the right", "to the left")


@pytest.mark.parametrize("text", ["The car turns round.", "It drives back to the left."])
def test_what_the_script_turns_keeps_the_screen_direction(text: str) -> None:
    shots = [going("s01"), going("s02", "left", text=text)]
    assert checked(shots, ["right", "left"]).faults == []


def test_another_scene_may_go_another_way() -> None:
    shots = [going("s01"), going("s02", text="The red car drives on.", scene="2")]
    assert checked(shots, ["right", "left"]).faults == []


def test_the_shot_that_left_its_own_plan_is_to_blame_for_the_turn() -> None:
    shots = [going("s01"), going("s02", text="The red car drives on.")]
    (fault,) = checked(shots, ["left", "right"]).faults
    assert (fault.blame, fault.expected, fault.seen) == ("s01", "to the right", "to the left")


def test_one_place_that_looks_otherwise_is_told() -> None:
    shots = [going(id, place="plain") for id in ("s01", "s02", "s03")]
    assert checked(shots, ["right"] * 3).faults == []
    told = checked(shots, ["right"] * 3, seeds={"s02": 11}).faults
    assert [(fault.kind, fault.blame) for fault in told] == [("place", "s02")]


def test_measurable_words_of_the_style_bible_are_measured() -> None:
    shots = [going("s01", prompt="a car, dark"), going("s02", place="night", prompt="dark car")]
    story = Story(style="dark, moody")
    (fault,) = checked(shots, ["right"] * 2, story=story).faults
    assert (fault.kind, fault.blame) == ("style", "s01")
    assert fault.expected == "dark: lightness at most 45"


def test_a_prompt_that_says_nothing_of_the_style_is_told() -> None:
    shots = [going("s01", prompt="a car, watercolour"), going("s02", prompt="a car")]
    (fault,) = checked(shots, ["right"] * 2, story=Story(style="watercolour")).faults
    assert (fault.kind, fault.blame, fault.expected) == ("style", "s02", "watercolour")


def test_styles_are_read_and_measured() -> None:
    assert stated("A warm, black-and-white film; never dark") == ["warm", "black-and-white"]
    grey = np.full((3, 32, 48, 3), 119, np.uint8)
    found = tones(grey)
    assert found.lightness == pytest.approx(50, abs=1)
    assert (found.chroma, found.warmth) == (pytest.approx(0, abs=1), pytest.approx(0, abs=1))
    orange = np.full((3, 32, 48, 3), (230, 150, 60), np.uint8)
    assert tones(orange).warmth > 20 < tones(orange).chroma


def board_of(*told: tuple[str, Entity], cast: Sequence[Entity] = (), **more: Any) -> Storyboard:
    return Storyboard(
        story=Story(cast=list(cast)),
        shots=[
            Shot(
                id=f"s{i:02d}", prompt="x", text=text, scene_graph=SceneGraph(entities=[entity]),
                **more,
            )
            for i, (text, entity) in enumerate(told, 1)
        ],
    )  # fmt: skip


GIRL = Entity(id="girl", noun="girl")


def test_two_shots_that_disagree_on_hair_colour_contradict_each_other() -> None:
    board = board_of(("A girl with blond hair walks.", GIRL), ("The dark-haired girl runs.", GIRL))
    (fault,) = continuity(board, {}, {}).faults
    assert (fault.kind, fault.entity, fault.blame) == ("text", "girl", "s02")
    assert (fault.expected, fault.seen) == ("blond", "dark")
    assert fault.text == "The hair of the girl is blond in s01, but dark in s02."


def test_the_cast_sheet_decides_a_contradiction() -> None:
    sheet = GIRL.model_copy(update={"attributes": ["dark hair"]})
    board = board_of(
        ("A girl with blond hair walks.", GIRL), ("The dark-haired girl runs.", GIRL),
        cast=[sheet],
    )  # fmt: skip
    assert [fault.blame for fault in continuity(board, {}, {}).faults] == ["s01"]


def test_attributes_that_exclude_each_other_are_told_and_others_are_not() -> None:
    old, young, shy = (
        GIRL.model_copy(update={"attributes": [word]}) for word in ("old", "young", "shy")
    )
    board = board_of(("", old), ("", young), ("", shy), ("", old))
    assert [(f.blame, f.seen) for f in continuity(board, {}, {}).faults] == [("s02", "young")]


def test_clothes_may_change_between_scenes_but_not_within_one() -> None:
    dressed = ("The girl in a red dress walks.", GIRL), ("The girl wears a blue dress.", GIRL)
    assert len(continuity(board_of(*dressed), {}, {}).faults) == 1
    board = board_of(*dressed)
    later = board.shots[1].model_copy(update={"scene": "2"})
    board = board.model_copy(update={"shots": [board.shots[0], later]})
    assert continuity(board, {}, {}).faults == []


def test_a_colour_that_one_shot_forgets_is_that_shots_fault() -> None:
    red, plain = GIRL.model_copy(update={"colour": "red"}), GIRL
    (fault,) = continuity(board_of(("", plain), ("", plain), ("", red)), {}, {}).faults[:1]
    assert (fault.blame, fault.expected, fault.seen) == ("s01", "red", "")


def test_a_shot_that_is_elsewhere_than_its_scene_is_told() -> None:
    board = board_of(("", GIRL), place="beach")
    story = Story(scenes=[Scene(id="1", place="forest")])
    (fault,) = continuity(board.model_copy(update={"story": story}), {}, {}).faults
    assert (fault.kind, fault.expected, fault.seen) == ("text", "forest", "beach")


def test_a_changed_colour_between_seeded_shots_names_the_shot() -> None:
    from reelwright_metrics.fault_rates import judged
    from reelwright_metrics.faults import case
    from reelwright_metrics.measure import MeasuringCritic

    said = judged(case("look", seed=2, number=2), MeasuringCritic())
    assert (said.found, said.right_shot) == ("look", True)
