"""Clips of others are brought to exactly what was asked, and what was done is said."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright_core.errors import GeneratorError
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames, write_video
from reelwright_generators.generator import Request
from reelwright_generators.outside import clips
from reelwright_generators.outside.clips import fitted, fitted_pictures


def asked(frames: int, fps: int | Fraction, size: tuple[int, int] = (16, 16)) -> Request:
    return Request(
        prompt="", size=size, frames=frames, fps=Fraction(fps), noise=NoisePlan(level=1, seed=0)
    )


def numbered(
    path: Path, frames: int, fps: int | Fraction, size: tuple[int, int] = (16, 16)
) -> Path:
    """A clip whose frames are as grey as their number."""
    width, height = size
    greys = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    video = np.broadcast_to(greys, (frames, height, width, 3))
    write_video(path, np.ascontiguousarray(video), fps=Fraction(fps), lossless=True)
    return path


def shown(frames: Frames) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


@pytest.mark.parametrize(
    ("came", "wanted", "frames", "said"),
    [
        ((9, 8), (9, 8), list(range(9)), {}),
        ((9, 10), (9, 8), list(range(9)), {}),  # as many as asked: only the file's rate is off
        ((40, 30), (8, 8), [0, 3, 7, 11, 15, 18, 22, 26], {"cut": 0.3333}),
        ((12, 24), (4, 8), [0, 3, 6, 9], {}),
        ((4, 8), (8, 16), [0, 0, 1, 1, 2, 2, 3, 3], {}),
        ((5, 8), (8, 16), [0, 0, 1, 1, 2, 2, 3, 3], {"cut": 0.125}),
        ((4, 8), (6, 8), [0, 0, 1, 2, 2, 3], {"slowed": 1.5}),
        ((4, 8), (8, 8), [0, 0, 1, 1, 2, 2, 3, 3], {"slowed": 2.0}),
        ((30, 30), (1, 8), [0], {"cut": 0.875}),
    ],
)
def test_each_frame_is_the_one_that_is_seen_at_its_moment(
    tmp_path: Path,
    came: tuple[int, int],
    wanted: tuple[int, int],
    frames: list[int],
    said: dict[str, float],
) -> None:
    fit = fitted(numbered(tmp_path / "a.mp4", *came), asked(*wanted), what="the clip")
    assert shown(fit.frames) == frames
    assert fit.said == {"frames": came[0], "fps": str(came[1]), "size": [16, 16]} | said


def test_a_clip_that_is_much_too_short_is_refused(tmp_path: Path) -> None:
    clip = numbered(tmp_path / "a.mp4", 16, 8)
    with pytest.raises(GeneratorError, match=r"16 frames at 8.*33 at 8.*film\.frames"):
        fitted(clip, asked(33, 8), what="the clip")
    one = numbered(tmp_path / "b.mp4", 1, 8)
    with pytest.raises(GeneratorError, match="too few"):
        fitted(one, asked(3, 8), what="the clip")


@given(
    count=st.integers(1, 60), fps=st.sampled_from([8, 16, 24, 25, 30, Fraction(30000, 1001)]),
    frames=st.integers(1, 60), wanted=st.sampled_from([8, 12, 24, Fraction(24000, 1001)]),
)  # fmt: skip
def test_times_rise_within_the_clip_or_are_refused(
    count: int, fps: Fraction, frames: int, wanted: Fraction
) -> None:
    request, rate = asked(frames, wanted), Fraction(fps)
    said: dict[str, float] = {}
    try:
        at = clips._times(request, count=count, fps=rate, said=said, what="it")  # pyright: ignore[reportPrivateUsage]
    except GeneratorError:
        assert frames / request.fps > 2 * count / rate
        return
    assert len(at) == frames
    assert at == sorted(at)
    assert at[0] == 0
    assert at[-1] <= count - 1
    if count != frames and "slowed" not in said:
        for index, taken in enumerate(at):
            assert taken / rate <= index / request.fps < (taken + 1) / rate


def halves(path: Path, size: tuple[int, int]) -> Path:
    """Left half black, right half white, a red bar of two rows at top and bottom."""
    width, height = size
    video = np.zeros((2, height, width, 3), np.uint8)
    video[:, :, width // 2 :] = 255
    video[:, :2] = video[:, -2:] = (255, 0, 0)
    write_video(path, video, fps=Fraction(8), lossless=True)
    return path


def test_another_size_covers_and_the_rest_is_cropped_in_the_middle(tmp_path: Path) -> None:
    fit = fitted(halves(tmp_path / "a.mp4", (32, 20)), asked(2, 8, (32, 16)), what="the clip")
    assert fit.frames.shape == (2, 16, 32, 3)
    assert fit.said["cropped"] == 0.2
    assert fit.frames[0, :, :15].max() < 3  # both bars are gone, nothing is squeezed
    assert fit.frames[0, :, 17:].min() > 252
    smaller = fitted(halves(tmp_path / "b.mp4", (64, 32)), asked(2, 8, (32, 16)), what="the clip")
    assert "cropped" not in smaller.said
    assert smaller.said["size"] == [64, 32]


def test_a_shape_that_would_lose_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match=r"64x16.*16x16.*lose 75%.*film\.size"):
        fitted(halves(tmp_path / "a.mp4", (64, 16)), asked(2, 8), what="the clip")


def test_a_damaged_clip_is_told(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "a.mp4", 20, 8, (64, 64)).read_bytes()
    clip = tmp_path / "b.mp4"
    for content in (b"", b"no video at all", whole[: len(whole) // 2], whole[:-40]):
        clip.write_bytes(content)
        with pytest.raises(GeneratorError, match=r"^the clip "):
            fitted(clip, asked(20, 8, (64, 64)), what="the clip")
    with pytest.raises(GeneratorError, match="the clip cannot be read: No such file"):
        fitted(tmp_path / "c.mp4", asked(2, 8), what="the clip")


def test_a_playlist_that_calls_itself_mp4_opens_no_other_file(tmp_path: Path) -> None:
    numbered(tmp_path / "secret.mp4", 4, 8)
    clip = tmp_path / "clip.mp4"
    clip.write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'secret.mp4'}\n#EXT-X-ENDLIST\n")
    with pytest.raises(GeneratorError, match="not an mp4"):
        fitted(clip, asked(4, 8), what="the clip")


def test_a_clip_of_too_many_bytes_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "a.mp4"
    with clip.open("wb") as file:
        file.truncate(clips.BYTES_AT_MOST + 1)  # a file of holes takes no room
    with pytest.raises(GeneratorError, match="over 2 GiB"):
        fitted(clip, asked(2, 8), what="the clip")


def test_pictures_are_frames_at_the_rate_that_was_asked(tmp_path: Path) -> None:
    from PIL import Image

    paths = [tmp_path / f"{index}.png" for index in range(5)]
    for index, path in enumerate(paths):
        Image.new("RGBA", (16, 16), (index, index, index, 255)).save(path)
    fit = fitted_pictures(paths, asked(5, 8), what="the pictures")
    assert shown(fit.frames) == [0, 1, 2, 3, 4]
    paths[3].write_bytes(b"\x89PNG but not for long")
    with pytest.raises(GeneratorError, match="the pictures cannot be read"):
        fitted_pictures(paths, asked(5, 8), what="the pictures")
