"""A film has every frame of its clips, and says when it had to change one."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from reelwright_core.errors import InputError
from reelwright_core.video import read_video, ticks, video_facts, write_video
from reelwright_editing.cut import cut, frames_in_film


def _packets(path: Path) -> list[tuple[bytes, int | None, int | None]]:
    with av.open(str(path)) as file:
        return [
            (bytes(packet), packet.pts, packet.dts) for packet in file.demux(video=0) if packet.size
        ]


def _foreign(path: Path, frames: int, *, bframes: int, codec: str = "libx264") -> Path:
    """A clip of 64x48 at 8 fps by another program: other settings, another time base."""
    rng = np.random.default_rng(5)
    with av.open(str(path), "w", format="mp4") as file:
        stream: Any = file.add_stream(codec, rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if codec == "libx264":
            stream.options = {"bf": str(bframes), "b-adapt": "0"}
        for index in range(frames):
            ground = np.full((48, 64, 3), (20 + 4 * index, 90, 120), np.uint8)
            ground[:8, :8] = rng.integers(0, 256, (8, 8, 3), np.uint8)
            picture = av.VideoFrame.from_ndarray(ground, format="rgb24")
            picture.pts = index
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("clips", [1, 3, 30])
@pytest.mark.parametrize("fps", [Fraction(8), Fraction(24000, 1001)], ids=str)
def test_every_frame_of_every_clip_is_there_untouched(
    tmp_path: Path, make_clip: Any, clips: int, fps: Fraction, caplog: pytest.LogCaptureFixture
) -> None:
    lengths = [(9, 1, 17, 2)[index % 4] for index in range(clips)]
    paths = [
        make_clip(f"{index}.mp4", length, fps=fps, seed=index)
        for index, length in enumerate(lengths)
    ]
    film = tmp_path / "film.mp4"
    assert cut(paths, film, fps=fps) == sum(lengths)
    assert video_facts(film) == (sum(lengths), fps, (64, 48))
    got = _packets(film)
    assert [packet[0] for packet in got] == [one[0] for path in paths for one in _packets(path)]
    step = ticks(fps) / fps
    assert [packet[1:] for packet in got] == [(at * step, at * step) for at in range(len(got))]
    assert np.array_equal(read_video(film), np.concatenate([read_video(path) for path in paths]))
    assert not caplog.records


def test_the_same_clips_give_the_same_bytes_and_nothing_is_left_aside(
    tmp_path: Path, make_clip: Any
) -> None:
    paths = [make_clip("a.mp4"), make_clip("b.mp4", fps=24), make_clip("c.mp4", size=(32, 32))]
    films = [tmp_path / "one" / "film.mp4", tmp_path / "two" / "film.mp4"]
    for film in films:
        cut(paths, film, fps=Fraction(8))
        assert list(film.parent.iterdir()) == [film]
    assert films[0].read_bytes() == films[1].read_bytes()


def test_b_frames_are_joined_in_the_right_order(tmp_path: Path) -> None:
    paths = [_foreign(tmp_path / f"{frames}.mp4", frames, bframes=3) for frames in (17, 9, 13)]
    film = tmp_path / "film.mp4"
    assert cut(paths, film, fps=Fraction(8)) == 39
    got = _packets(film)
    decode = [dts for _, _, dts in got if dts is not None]
    assert decode == sorted(set(decode))
    assert len(decode) == 39
    assert all(pts is not None and dts is not None and pts >= dts for _, pts, dts in got)
    assert [packet[0] for packet in got] == [one[0] for path in paths for one in _packets(path)]
    assert np.array_equal(read_video(film), np.concatenate([read_video(path) for path in paths]))


def test_clips_that_differ_are_fitted_and_the_log_says_so(
    tmp_path: Path, make_clip: Any, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [
        make_clip("first.mp4", 9),
        make_clip("fast.mp4", 24, fps=24),
        make_clip("square.mp4", 5, size=(96, 96)),
        make_clip("lossless.mp4", 4, lossless=True),
        _foreign(tmp_path / "mpeg4.mp4", 6, bframes=0, codec="mpeg4"),
        make_clip("again.mp4", 3),
    ]
    film = tmp_path / "film.mp4"
    with caplog.at_level(logging.WARNING):
        assert cut(paths, film, fps=Fraction(8)) == 9 + 8 + 5 + 4 + 6 + 3
    assert video_facts(film) == (35, Fraction(8), (64, 48))
    pictures = read_video(film)
    assert np.array_equal(pictures[:9], read_video(paths[0]))
    assert np.array_equal(pictures[-3:], read_video(paths[-1]))
    # 24 frames at 24 fps are seen at 8 fps as every third, from the middle of its time.
    again = tmp_path / "expected.mp4"
    write_video(again, read_video(paths[1])[1::3], fps=Fraction(8))
    assert np.array_equal(pictures[9:17], read_video(again))
    square = pictures[17:22].astype(int)
    assert max(square[:, :, :7].mean(), square[:, :, -7:].mean()) < 3
    assert square[:, :, 10:-10].mean() > 60
    write_video(again, read_video(paths[3]), fps=Fraction(8))
    assert np.array_equal(pictures[22:26], read_video(again))
    told = [record.getMessage() for record in caplog.records]
    # Our own lossless clip, as spans filmed anew lie in, loses nothing that is worth a warning.
    assert [any(name in line for line in told) for name in
            ("first.mp4", "fast.mp4", "square.mp4", "lossless.mp4", "mpeg4.mp4", "again.mp4")
            ] == [False, True, True, False, True, False]  # fmt: skip
    assert all("moviepy" in line and "write_video" in line for line in told)


def test_a_film_at_another_rate_keeps_its_time(tmp_path: Path, make_clip: Any) -> None:
    film = tmp_path / "film.mp4"
    assert cut([make_clip("a.mp4", 16), make_clip("b.mp4", 8)], film, fps=Fraction(24)) == 72
    assert video_facts(film) == (72, Fraction(24), (64, 48))


@pytest.mark.parametrize(
    ("frames", "clip_fps", "fps", "expected"),
    [
        (17, 8, 8, 17),
        (24, 24, 8, 8),
        (1, 24, 8, 1),
        (49, 16, 24, 73),
        (3, 2, 1, 1),
        (17, 8, 24, 51),
    ],
)
def test_frames_in_film(frames: int, clip_fps: int, fps: int, expected: int) -> None:
    got = frames_in_film(frames, clip_fps=Fraction(clip_fps), fps=Fraction(fps))
    assert got == expected


@pytest.mark.parametrize("part", [0.4, 0.98])
def test_a_clip_that_was_cut_short_is_an_error_with_its_name(
    tmp_path: Path, make_clip: Any, part: float
) -> None:
    paths = [make_clip("good.mp4"), make_clip("bad.mp4")]
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[: int(len(content) * part)])
    film = tmp_path / "film.mp4"
    film.write_bytes(b"the film of yesterday")
    with pytest.raises(InputError, match=r"bad\.mp4"):
        cut(paths, film, fps=Fraction(8))
    assert film.read_bytes() == b"the film of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.mp4", "film.mp4", "good.mp4"]


def test_a_playlist_that_calls_itself_a_clip_is_refused(tmp_path: Path, make_clip: Any) -> None:
    good = make_clip("good.mp4")
    playlist = tmp_path / "playlist.mp4"
    playlist.write_text("ffconcat version 1.0\nfile good.mp4\n")
    for clips in ([good, playlist], [playlist, good], [good, tmp_path / "none.mp4"]):
        with pytest.raises(InputError, match=r"(playlist|none)\.mp4"):
            cut(clips, tmp_path / "film.mp4", fps=Fraction(8))
    with pytest.raises(InputError, match="at least one clip"):
        cut([], tmp_path / "film.mp4", fps=Fraction(8))
    assert not (tmp_path / "film.mp4").exists()
