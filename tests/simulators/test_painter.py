from __future__ import annotations

import numpy as np
import pytest

from reelwright_core.story import Box, Colour, Entity, Keyframe, Layout, Place, Track
from reelwright_simulators import cutouts
from reelwright_simulators.painter import Painting, paint
from reelwright_simulators.places import GROUND, background

SIZE = (160, 96)
CAR = Entity(id="car", noun="car")


def track(*boxes: Box, entity: str = "car", **more: object) -> Track:
    keys = [Keyframe(frame=8 * i, box=box) for i, box in enumerate(boxes)]
    return Track.model_validate({"entity": entity, "keyframes": keys, **more})


def painted(
    *tracks: Track, entities: tuple[Entity, ...] = (CAR,), place: Place = "plain", **more: object
) -> Painting:
    layout = Layout.model_validate({"frames": 9, "tracks": tracks, **more})
    return paint(layout, entities=entities, place=place, size=SIZE, seed=1)


def test_a_thing_fills_its_box_stands_on_its_lower_edge_and_keeps_its_shape() -> None:
    painting = painted(track((0.25, 0.2, 0.75, 0.8)))
    rows, columns = np.nonzero(painting.labels[0])
    art = cutouts.picture("car")
    seen = art[..., 3] > 8
    wide, high = np.ptp(np.flatnonzero(seen.any(0))) + 1, np.ptp(np.flatnonzero(seen.any(1))) + 1
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(wide / high, rel=0.06)
    assert rows.max() + 1 == pytest.approx(0.8 * 96, abs=1.1)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(80, abs=1)
    left, top, right, bottom = painting.boxes[0, 0] * (160, 96, 160, 96)
    assert (left, right) == pytest.approx((columns.min(), columns.max() + 1), abs=1.5)
    assert (top, bottom) == pytest.approx((rows.min(), rows.max() + 1), abs=1.5)


def test_a_thing_moves_by_parts_of_a_pixel() -> None:
    painting = painted(track((0.3, 0.3, 0.6, 0.8), (0.31, 0.3, 0.61, 0.8)), place="sky")
    changes = [
        np.abs(painting.frames[i + 1].astype(int) - painting.frames[i]).sum() for i in range(8)
    ]
    assert min(changes) > 0
    assert max(changes) < 6 * min(changes)


def test_a_thing_that_leaves_the_picture_has_its_box_cut_and_then_none() -> None:
    painting = painted(track((0.5, 0.4, 0.8, 0.8), (1.2, 0.4, 1.5, 0.8)))
    assert painting.boxes[:, 0, 2].max() == 1
    assert painting.boxes[8, 0].tolist() == [0, 0, 0, 0]
    assert painting.extents[8, 0, 0] > 1
    assert not painting.labels[8].any()


def test_a_thing_is_mirrored_to_face_where_it_goes() -> None:
    one, other = (
        painted(track((0.2, 0.2, 0.8, 0.8), faces=side), place="sky").labels[0]
        for side in ("left", "right")
    )
    assert (one != other).sum() > 20
    assert (one != other[:, ::-1]).sum() < (one != other).sum() / 2


def test_a_nearer_thing_covers_a_farther_one() -> None:
    dog = Entity(id="dog", noun="dog")
    tracks = (track((0.3, 0.3, 0.7, 0.8), depth=1), track((0.3, 0.3, 0.7, 0.8), entity="dog"))
    painting = painted(*tracks, entities=(CAR, dog))
    assert painting.things == [("car", 0), ("dog", 0)]
    alone = painted(tracks[0]).labels[0]
    assert (painting.labels[0] == 1).sum() == (alone == 1).sum()


@pytest.mark.parametrize(("colour", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_thing_has_the_colour_that_is_asked_for(colour: Colour, channel: int) -> None:
    car = CAR.model_copy(update={"colour": colour})
    painting = painted(track((0.2, 0.1, 0.8, 0.9)), entities=(car,))
    inside = painting.frames[0][painting.labels[0] == 1].mean(0)
    assert inside.argmax() == channel


def test_a_thing_without_a_picture_is_a_labelled_shape_in_its_colour() -> None:
    gizmo = Entity(id="gizmo", noun="gizmo", colour="blue", known=False)
    painting = painted(track((0.2, 0.2, 0.8, 0.8), entity="gizmo"), entities=(gizmo,))
    inside = painting.frames[0][painting.labels[0] == 1]
    assert np.median(inside, 0).argmax() == 2
    assert (inside.min(1) > 180).any(), "the noun is written on it in white"


def test_a_shadow_lies_on_the_ground_and_fades_as_the_thing_rises() -> None:
    ground = GROUND["meadow"]
    assert ground is not None
    up = ground - 0.3
    painting = painted(track((0.3, 0.4, 0.6, ground), (0.3, up - 0.4, 0.6, up)), place="meadow")
    darker = painting.background.astype(int) - painting.frames
    row = round(ground * 96) + 1
    assert darker[0, row, 60:84].mean() > 2 * darker[8, row, 60:84].mean() > 0
    sky = painted(track((0.3, 0.4, 0.6, 0.8)), place="sky")
    below = sky.background[80:].astype(int) - sky.frames[0, 80:]
    assert not below.any()


def test_the_background_slides_and_grows_as_the_layout_says() -> None:
    still = painted().frames
    assert (still == still[0]).all()
    slid = painted(place="city", background_shift=(0.25, 0.0)).frames
    assert np.abs(slid[8][:, 60:].astype(int) - slid[0][:, 20:-40]).mean() < 4
    grown = painted(place="city", background_zoom=1.5).frames
    assert np.abs(grown[8].astype(int) - grown[0]).mean() > 4


def test_the_same_seed_paints_the_same_picture_and_another_a_different_one() -> None:
    for place in GROUND:
        picture = background(place, size=SIZE, seed=3)
        assert picture.shape == (96, 160, 3)
        assert (picture == background(place, size=SIZE, seed=3)).all()
        assert (picture != background(place, size=SIZE, seed=4)).any()


def test_painting_leaves_the_kept_background_alone() -> None:
    before = background("road", size=SIZE, seed=1).copy()
    painted(track((0.3, 0.4, 0.6, 0.9)), place="road")
    assert (background("road", size=SIZE, seed=1) == before).all()
