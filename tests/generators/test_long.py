"""Long shots: which windows they have, that what is kept is kept, that they go on after a stop."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwright_core.errors import InputError, ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.settings import Long
from reelwright_core.story import Beat, FrameSpan
from reelwright_core.takes import NoisePlan, Region
from reelwright_core.video import Frames, write_video
from reelwright_generators.drift import look, moved
from reelwright_generators.generator import Facts, Generator, Made, OnStep, Request, load
from reelwright_generators.long import (
    LongFilm,
    Reel,
    Window,
    WindowFolder,
    in_windows,
    plan,
    way_of,
)

ASKED = Request(
    prompt="a red car", size=(64, 32), frames=20, fps=Fraction(8), noise=NoisePlan(level=1, seed=1)
)


def _spans(windows: list[Window]) -> list[tuple[int, int, int]]:
    return [(window.first, window.end, window.overlap) for window in windows]


def _frames(film: LongFilm, on_step: OnStep | None = None) -> Frames:
    return np.stack(list(film.frames(on_step)))


class Recording:
    """A generator that films by another one, and keeps what it was asked and made."""

    def __init__(self, generator: Generator, **facts: Any) -> None:
        self._generator, self._facts = generator, facts
        self.asked: list[Request] = []
        self.made: list[Made] = []
        self.stop_at: int | None = None

    def facts(self) -> Facts:
        return self._generator.facts().model_copy(update=self._facts)

    def check(self, request: Request) -> list[str]:
        return self._generator.check(replace(request, first_frame=None))

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        if len(self.made) == self.stop_at:
            raise InterruptedError
        self.asked.append(request)
        self.made.append(self._generator.generate(replace(request, first_frame=None), on_step))
        return self.made[-1]


@pytest.fixture
def recording(tiny: Callable[..., Path]) -> Recording:
    """A tiny Wan whose clips have 9 frames, one to a latent."""
    return Recording(load(Told(model=str(tiny("flat")))))


@pytest.mark.parametrize("frames", [17, 18, 29, 41, 480])
@pytest.mark.parametrize(("window", "overlap", "step"), [(17, 5, 1), (17, 5, 4), (81, 21, 4)])
def test_windows_fill_the_shot(frames: int, window: int, overlap: int, step: int) -> None:
    windows = plan(frames, "a car", window=window, overlap=overlap, step=step)
    assert windows[0].first == 0
    assert frames <= windows[-1].end < frames + step
    for before, after in itertools.pairwise(windows):
        assert after.overlap == before.end - after.first >= overlap
        assert after.first > before.first
    for part in windows:
        assert part.first % step == 0
        assert (part.frames - 1) % step == 0
        assert part.frames == windows[0].frames <= window


def test_windows_meet_where_the_prompt_changes() -> None:
    beats = [Beat(first=20, prompt="a bus"), Beat(first=40, prompt="a dog")]
    kept = plan(60, "a car", window=17, overlap=5, beats=beats)
    assert _spans(kept) == [
        (0, 13, 0), (7, 20, 6), (15, 30, 5), (25, 40, 5), (35, 50, 5), (45, 60, 5),
    ]  # fmt: skip
    assert [w.prompt for w in kept] == ["a car"] * 2 + ["a bus"] * 2 + ["a dog"] * 2
    joined = plan(60, "a car", window=17, overlap=5, beats=beats, joined=True)
    assert [w.first for w in joined if w.joined] == [18, 38]  # the change in the middle of 5
    assert [w.overlap for w in joined if w.joined] == [5, 5]


def test_windows_that_cannot_be_are_refused() -> None:
    with pytest.raises(ModelError, match="windows of 9 frames cannot overlap in 9"):
        plan(40, "a car", window=9, overlap=9)
    beats = [Beat(first=20, prompt="a bus"), Beat(first=24, prompt="a dog")]
    with pytest.raises(ModelError, match=r"'a bus' holds for too few frames.*`first`"):
        plan(40, "a car", window=9, overlap=4, beats=beats, joined=True)


def test_each_window_begins_with_the_end_of_the_one_before(recording: Recording) -> None:
    film = LongFilm(recording, ASKED, Long(overlap=3))
    clip = _frames(film)
    assert len(clip) == 20
    assert _spans(film.windows) == [(0, 9, 0), (5, 14, 4), (11, 20, 3)]
    for window, asked, made in zip(film.windows, recording.asked, recording.made, strict=True):
        fresh = slice(window.first + window.overlap, window.end)
        assert np.array_equal(clip[fresh], made.frames[window.overlap :])
        if window.overlap:
            assert asked.sketch is not None
            past = clip[window.first : window.first + window.overlap]
            assert np.array_equal(asked.sketch[: window.overlap], past)
            # What is kept comes out as the autoencoder carries it, to a rounding.
            off = np.abs(made.frames[: window.overlap].astype(int) - past)
            assert off.mean() < 4
    assert len({asked.noise.seed for asked in recording.asked}) == 3


def test_the_shots_own_sketch_and_regions_are_cut_to_each_window(
    recording: Recording, scene: Callable[..., Frames]
) -> None:
    sketch = scene(seed=3, frames=20)
    labels = np.zeros((20, 32, 64), np.uint8)
    labels[:, :16, :16] = 1
    regions = [
        Region(of="background", level=0.3),
        Region(of="all", level=0.1, frames=FrameSpan(first=2, last=7)),
    ]
    asked = replace(
        ASKED, sketch=sketch, labels=labels, things=(("car", 0),),
        noise=NoisePlan(level=0.6, seed=1, regions=regions),
    )  # fmt: skip
    film = LongFilm(recording, asked, Long(overlap=3))
    _frames(film)
    second, third = recording.asked[1:]
    assert second.sketch is not None
    assert np.array_equal(second.sketch[4:], sketch[9:14])
    assert [region.frames for region in second.noise.regions] == [
        None, FrameSpan(first=0, last=2), FrameSpan(first=0, last=3),
    ]  # fmt: skip
    assert [region.level for region in third.noise.regions] == [0.3, 0.0]
    assert second.noise.level == 0.6


def test_a_sketch_read_from_its_file_gives_the_same_shot(
    recording: Recording, scene: Callable[..., Frames], tmp_path: Path
) -> None:
    sketch = scene(seed=3, frames=20)
    path = tmp_path / "sketch.mp4"
    write_video(path, sketch, fps=Fraction(8), lossless=True)
    asked = replace(ASKED, noise=NoisePlan(level=0.6, seed=1))
    whole = LongFilm(recording, replace(asked, sketch=sketch), Long(overlap=3))
    read = LongFilm(recording, asked, Long(overlap=3), sketch=Reel(path))
    assert read.check() == whole.check()
    assert np.array_equal(_frames(read), _frames(whole))


def test_a_reel_only_goes_forwards(scene: Callable[..., Frames], tmp_path: Path) -> None:
    frames = scene(seed=3, frames=6)
    write_video(tmp_path / "reel.mp4", frames, fps=Fraction(8), lossless=True)
    reel = Reel(tmp_path / "reel.mp4")
    assert np.array_equal(reel[1:4], frames[1:4])
    assert np.array_equal(reel[3:9], frames[3:6])
    with pytest.raises(ValueError, match="frame 1 was passed"):
        reel[1:4]
    with pytest.raises(InputError, match="ends before frame 8"):
        reel[8:9]


def test_a_causal_autoencoders_frames_are_kept_by_whole_latents(
    tiny: Callable[..., Path],
) -> None:
    recording = Recording(load(Told(model=str(tiny("real")))))
    assert recording.facts().frames_per_latent == 4
    film = LongFilm(recording, replace(ASKED, frames=19), Long())
    assert _spans(film.windows) == [(0, 9, 0), (4, 13, 5), (8, 17, 5), (12, 21, 5)]
    assert len(_frames(film)) == 19


def test_it_goes_on_where_it_was_stopped(recording: Recording, tmp_path: Path) -> None:
    whole = _frames(LongFilm(recording, ASKED, Long(overlap=3)))
    folder = WindowFolder(tmp_path / "windows")
    recording.made.clear()
    recording.stop_at = 2
    with pytest.raises(InterruptedError):
        _frames(LongFilm(recording, ASKED, Long(overlap=3), folder=folder))
    recording.stop_at = None
    (tmp_path / "windows/0001.mp4").write_bytes(b"cut short")
    recording.asked.clear()

    film = LongFilm(recording, ASKED, Long(overlap=3), folder=folder)
    again = _frames(film)

    assert np.array_equal(again, whole)
    assert len(recording.asked) == 2  # the broken one and the one that was missing
    assert len(film.provenance()["windows"]["each"]) == 3
    folder.remove()
    assert not (tmp_path / "windows").exists()


def test_a_model_that_only_takes_a_first_frame_goes_on_from_the_last_one(
    recording: Recording,
) -> None:
    chained = Recording(recording, can=["text", "first_frame", "seeds"])
    film = LongFilm(chained, ASKED, Long())
    clip = _frames(film)
    assert _spans(film.windows) == [(0, 8, 0), (7, 14, 1), (13, 20, 1)]
    assert chained.asked[0].first_frame is None
    for window, asked in zip(film.windows[1:], chained.asked[1:], strict=True):
        assert asked.first_frame is not None
        assert np.array_equal(asked.first_frame[0], clip[window.first])
        assert asked.sketch is None
    assert film.provenance()["windows"]["way"] == "first frame"


def test_when_a_shot_is_filmed_in_windows() -> None:
    still = load(Told(model="still")).facts()
    able = still.model_copy(update={"can": ["sketch", "regions"]})
    beats = [Beat(first=3, prompt="a bus")]
    assert way_of(still) is None
    assert not in_windows(able, Long(), frames=17)
    assert in_windows(able, Long(), frames=18)
    assert in_windows(able, Long(window=9), frames=10)
    assert in_windows(able, Long(), frames=9, beats=beats)
    assert not in_windows(able, Long(how="whole"), frames=18)
    assert not in_windows(still, Long(), frames=480)
    with pytest.raises(ModelError, match=r"still cannot film a shot of 18 frames in windows"):
        in_windows(still, Long(how="windows"), frames=18)
    with pytest.raises(ModelError, match=r"still cannot film a shot of 2 prompts in windows"):
        in_windows(still, Long(), frames=9, beats=beats)
    with pytest.raises(ModelError, match=r"1 beats.*`whole`"):
        in_windows(able, Long(how="whole"), frames=9, beats=beats)


def test_steps_are_counted_over_all_windows(recording: Recording) -> None:
    told: list[tuple[int, int]] = []
    _frames(
        LongFilm(recording, ASKED, Long(overlap=3, hold=1.0)),
        lambda done, of: told.append((done, of)),
    )
    assert told == [(done, 24) for done in range(1, 25)]


def test_the_provenance_says_what_each_window_was(recording: Recording) -> None:
    film = LongFilm(recording, ASKED, Long(overlap=3))
    _frames(film)
    told = film.provenance()
    assert told["seed"] == 1
    windows = told["windows"]["each"]
    assert [(w["first"], w["frames"], w.get("kept")) for w in windows] == [
        (0, 9, None), (5, 9, 4), (11, 9, 3),
    ]  # fmt: skip
    assert windows[0]["drift"] == {
        "colours": 0, "mean": 0, "contrast": 1, "sharpness": 1, "likeness": 1,
    }  # fmt: skip


def test_drift_says_what_changed(scene: Callable[..., Frames]) -> None:
    frames = scene(seed=3)
    darker = (frames * 0.5).astype(np.uint8)
    told = moved(look(darker), since=look(frames))
    assert told["contrast"] == pytest.approx(0.5, abs=0.01)
    assert told["sharpness"] == pytest.approx(0.5, abs=0.05)
    assert told["mean"] == pytest.approx(-frames.mean() / 2, abs=4)
    assert told["colours"] > 0.5
    assert told["likeness"] > 0.99
    assert moved(look(frames[:, ::-1]), since=look(frames))["likeness"] < 0.9
