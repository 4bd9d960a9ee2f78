"""Control videos show what they say of a sketch."""

from __future__ import annotations

import numpy as np
import pytest

from reelwright_core.errors import ModelError
from reelwright_core.video import Frames
from reelwright_generators import controls


def _scene() -> tuple[Frames, Frames]:
    """A bright square that moves right before a grey ground, a far one in the ground's own grey."""
    sketch = np.full((3, 48, 64, 3), 90, np.uint8)
    labels = np.zeros((3, 48, 64), np.uint8)
    labels[:, 30:44, 40:60] = 2
    for f in range(3):
        sketch[f, 8:24, 8 + 8 * f : 24 + 8 * f] = (250, 240, 30)
        labels[f, 8:24, 8 + 8 * f : 24 + 8 * f] = 1
    return sketch, labels


@pytest.mark.parametrize("kind", ["edges", "masks", "rgb", "depth"])
def test_every_control_has_the_sketchs_frames_and_size(kind: controls.Kind) -> None:
    sketch, labels = _scene()
    made = controls.of_sketch(kind, sketch, labels=labels, nearness=[1.0, 0.0])
    assert made.kind == kind
    assert made.frames.shape == sketch.shape
    assert made.frames.dtype == np.uint8
    again = controls.of_sketch(kind, sketch, labels=labels, nearness=[1.0, 0.0])
    assert np.array_equal(made.frames, again.frames)


def test_edges_run_around_things_and_nowhere_else() -> None:
    sketch, labels = _scene()
    seen = controls.edges(sketch)
    assert set(np.unique(seen)) == {0, 255}
    for f in range(3):
        lines = np.argwhere(seen[f, ..., 0] > 0)
        assert lines.min(0).tolist() == pytest.approx([8, 8 + 8 * f], abs=1)
        assert lines.max(0).tolist() == pytest.approx([23, 23 + 8 * f], abs=1)
        assert not seen[f, 11:21, 12 + 8 * f : 20 + 8 * f].any()  # nothing within
    assert not seen[:, 28:46, 38:62].any()
    both = controls.edges(sketch, labels)
    assert (both >= seen).all()
    assert both[0, 29, 40:60].all()  # the outline of what cannot be told from the ground
    assert both[0, 30:44, 59].all()
    assert not both[0, 32:42, 42:58].any()


def test_masks_give_every_thing_one_colour_for_the_whole_clip() -> None:
    _, labels = _scene()
    seen = controls.masks(labels)
    assert not seen[labels == 0].any()
    colours = {tuple(seen[labels == thing][0]) for thing in (1, 2)}
    assert len(colours) == 2
    for thing in (1, 2):
        assert len(np.unique(seen[labels == thing], axis=0)) == 1
    every = controls.masks(np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4)).reshape(-1, 3)
    apart = np.abs(every[:, None].astype(int) - every[None]).max(-1) + 255 * np.eye(12, dtype=int)
    assert apart.min() > 25


def test_layered_depth_is_brighter_the_nearer_and_the_background_is_farthest() -> None:
    _, labels = _scene()
    seen = controls.layered_depth(labels, [5.0, -1.0])
    assert (seen[..., 0] == seen[..., 1]).all()
    back, near, far = (int(seen[labels == thing][0, 0]) for thing in (0, 1, 2))
    assert 0 < back < far < near == 255
    assert near - far == pytest.approx(far - back, abs=1)
    alike = controls.layered_depth(labels, [2.0, 2.0])
    assert alike[labels == 1][0, 0] == alike[labels == 2][0, 0] == 255


def test_depth_of_a_simulation_is_bright_where_near_and_on_one_scale() -> None:
    distance = np.full((2, 4, 6), 8.0)
    distance[0, 1, 1], distance[1, 2, 2], distance[:, 0] = 2.0, 4.0, np.inf
    seen = controls.depth(distance)[..., 0]
    assert seen[0, 1, 1] == 255
    assert not seen[:, 0].any()
    assert seen[1, 2, 2] == round(255 * 0.25 / 0.5)
    assert (seen[:, 3] == round(255 * 0.125 / 0.5)).all()
    flat = controls.depth(np.full((1, 2, 2), 3.0))
    assert len(np.unique(flat)) == 1
    made = controls.of_sketch("depth", np.zeros((2, 4, 6, 3), np.uint8), distance=distance)
    assert np.array_equal(made.frames[..., 0], seen)


def test_what_lacks_is_said() -> None:
    sketch, labels = _scene()
    with pytest.raises(ModelError, match="masks needs the sketch's label map"):
        controls.of_sketch("masks", sketch)
    with pytest.raises(ModelError, match="2 things have labels, and a nearness was given of 1"):
        controls.of_sketch("depth", sketch, labels=labels, nearness=[1.0])
    with pytest.raises(ModelError, match="positive distance"):
        controls.depth(np.array([[[1.0, -2.0]]]))
    with pytest.raises(ModelError, match="positive distance"):
        controls.depth(np.array([[[1.0, np.nan]]]))
