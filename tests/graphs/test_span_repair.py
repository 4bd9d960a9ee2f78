"""Some frames of a clip are filmed anew; all others stay bit by bit, and no seam shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.errors import ModelError
from reelwright_core.settings import load_settings
from reelwright_core.store import Store
from reelwright_core.story import FrameSpan, Layout, Shot
from reelwright_core.takes import NoisePlan, Repair, Take
from reelwright_core.video import read_video
from reelwright_graphs.crew import Crew
from reelwright_graphs.film_node import FilmNode
from reelwright_graphs.nodes import Context
from reelwright_graphs.sketch_node import SketchNode
from reelwright_graphs.span_film import put_in, span_film

TEXT = "A red car drives from left to right on a beach."


def context(folder: Path, settings: Mapping[str, Any]) -> Context:
    told = load_settings(settings)
    return Context(
        run=folder, store=Store(folder), settings=told, seed=0, crew=Crew(told),
        say=lambda event: None,
    )  # fmt: skip


def planned(frames: int) -> tuple[Shot, Layout]:
    planner = OfflinePlanner()
    board = planner.storyboard(Script(kind="prose", text=TEXT), picture=Picture(frames=frames))
    (shot,) = board.shots
    return shot, planner.layout(shot)


def filmed(
    folder: Path, *, frames: int, span: FrameSpan, level: float = 0.8
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], dict[str, Any]]:
    """A clip, the same with a span filmed anew, and the latter's provenance."""
    at_work = context(folder, {"generator.steps": 4, "film.frames": frames})
    shot, layout = planned(frames)
    sketch = SketchNode(SketchNode.Options(), at_work).run(
        SketchNode.Inputs(shot=shot, take=1, layout=layout)
    )
    film = FilmNode(FilmNode.Options(), at_work)
    noise = NoisePlan(level=level, seed=3)
    given: dict[str, Any] = {"shot": shot, "prompt": shot.prompt, "sketch": sketch.sketch}
    first = film.run(FilmNode.Inputs(take=1, noise=noise, **given))
    take = Take(
        shot=shot.id, number=1, prompt=shot.prompt, layout=layout, noise=noise, clip=first.clip
    )
    asks = Repair(why="", span=span, of=1, seed=99)
    again = FilmNode.Inputs(
        take=2, noise=noise.model_copy(update={"seed": 99}), repair=asks, takes=[take], **given
    )
    plain = FilmNode.Inputs(take=2, noise=noise.model_copy(update={"seed": 99}), **given)
    assert film.depends(again) != film.depends(plain)
    second = film.run(again)
    before, after = (
        read_video(at_work.store.path(made.clip.video)) for made in (first, second)
    )  # fmt: skip
    return before, after, second.provenance


def test_only_the_span_changes_and_all_other_frames_are_bit_equal(tmp_path: Path) -> None:
    before, after, told = filmed(tmp_path, frames=17, span=FrameSpan(first=5, last=12))
    changed = [i for i in range(17) if (before[i] != after[i]).any()]
    assert changed == list(range(5, 13))
    assert told["span"]["frames"] == [5, 12]
    assert told["span"]["of"] == 1
    assert told["seed"] == 99


def test_no_seam_shows_at_the_ends_of_the_span(tmp_path: Path) -> None:
    """The step at an end is no more than the clip's usual one by half of it again."""
    before, after, told = filmed(tmp_path, frames=17, span=FrameSpan(first=5, last=12))
    usual = np.median(np.abs(np.diff(before.astype(int), axis=0)).mean(axis=(1, 2, 3)))
    ends = told["span"]["steps at its ends"]
    assert len(ends) == 2
    assert max(ends) <= 1.5 * usual
    hard = np.abs(after[5].astype(int) - before[4]).mean()
    assert ends[0] == pytest.approx(hard, abs=0.001)


def test_a_span_of_a_long_shot_is_filmed_with_what_is_around_it(tmp_path: Path) -> None:
    facts = Crew(load_settings({})).generator().facts()
    most = facts.frames
    before, after, told = filmed(tmp_path, frames=2 * most, span=FrameSpan(first=21, last=24))
    changed = [i for i in range(len(before)) if (before[i] != after[i]).any()]
    assert changed == list(range(21, 25))
    first, last = told["span"]["filmed"]
    assert last - first + 1 == most
    assert first % facts.frames_per_latent == 0


def test_from_pure_noise_too_the_other_frames_stay(tmp_path: Path) -> None:
    before, after, _ = filmed(tmp_path, frames=17, span=FrameSpan(first=13, last=16), level=1.0)
    changed = [i for i in range(17) if (before[i] != after[i]).any()]
    assert changed == list(range(13, 17))


def test_a_model_that_keeps_no_frames_refuses_a_span(tmp_path: Path) -> None:
    facts = Crew(load_settings({"generator.model": "still"})).generator().facts()
    with pytest.raises(ModelError, match="cannot film a span anew"):
        span_film(FrameSpan(first=1, last=4), frames=17, facts=facts)


def test_a_shot_that_continues_another_keeps_its_first_frame() -> None:
    facts = Crew(load_settings({})).generator().facts()
    film = span_film(FrameSpan(first=0, last=8), frames=17, facts=facts, continues=True)
    assert film.span == FrameSpan(first=1, last=8)


def test_the_feather_hides_a_shift_in_tone_and_shows_nothing_old() -> None:
    facts = Crew(load_settings({})).generator().facts()
    film = span_film(FrameSpan(first=5, last=12), frames=17, facts=facts)
    earlier = np.full((17, 96, 160, 3), 120, np.uint8)
    earlier[5:13, 40:60, 40:60] = 255  # what was wrong
    made = np.full((17, 96, 160, 3), 100, np.uint8)  # the same place, 20 levels darker
    clip = put_in(earlier, made, film)
    tone = clip[:, 50, 50, 0].astype(int)
    assert (clip[[*range(5), *range(13, 17)]] == earlier[[*range(5), *range(13, 17)]]).all()
    assert np.abs(np.diff(tone)).max() <= 8
    assert set(tone[8:10]) == {100}
