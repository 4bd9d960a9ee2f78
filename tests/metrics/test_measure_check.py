"""The critic is right about random scenes of real cut-outs, far above chance."""

from __future__ import annotations

from collections import Counter

from reelwright_metrics.measure_check import rates, scene


def test_true_scenes_pass_and_others_do_not() -> None:
    table = rates([scene(seed) for seed in range(900, 924)])
    share = {
        (kind, way): passed / asked
        for kind, row in table.items()
        for way, (passed, asked) in row.items()
    }
    for kind in ("direction", "count", "colour", "path", "presence"):
        assert share[kind, "ceiling"] >= 0.85, table[kind]
    for kind in ("direction", "colour", "path"):
        assert share[kind, "chance"] <= 0.4, table[kind]
    assert share["direction", "backwards"] == 0


def test_a_scene_is_the_same_each_time() -> None:
    one, other = scene(3), scene(3)
    assert one.shot == other.shot
    assert (one.clip == other.clip).all()
    assert Counter(track.entity for track in one.layout.tracks)
