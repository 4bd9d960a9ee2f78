"""Cuts clips into a film: every frame of every clip, hard cuts, no picture changed without need."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import InputError, StorageError
from reelwright_core.files import storage_errors, written_whole
from reelwright_core.video import (
    Frames,
    open_video,
    read_video,
    ticks,
    video_packets,
    video_write_errors,
    write_video,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Clip:
    path: Path
    order: tuple[int, ...]
    """When each packet is shown, counted in frames, in the order of the packets."""
    fps: Fraction
    size: tuple[int, int]
    profile: tuple[object, ...]
    """What must be equal for packets to share one track: codec, pixels, size, SPS and PPS."""
    steady: bool
    """Whether it starts with a key frame and its frames come at an even rate."""

    def joins(self, profile: tuple[object, ...], fps: Fraction) -> bool:
        return (
            self.steady
            and self.profile == profile
            and abs(self.fps / fps - 1) < Fraction(1, 10_000)
        )


def cut(clips: Sequence[Path], out: Path, *, fps: Fraction, comment: str | None = None) -> int:
    """Joins `clips` into the mp4 `out`, whole or not at all; the number of frames written.

    `comment` is kept in the file's metadata.

    Clips of one profile (all that `write_video` makes of one size and rate) are joined packet by
    packet, their pictures untouched. Clips that differ are brought to the first one's size and to
    `fps`: moviepy fits and times the pictures, `write_video` encodes them, and the log says so.
    Raises `InputError`, naming the file, for a clip that is no mp4, is cut short or damaged.
    """
    if not clips:
        raise InputError("a film has at least one clip, got none")
    read = [_read(path) for path in clips]
    with _aside(out) as folder:
        parts = _of_one_profile(read, folder, fps)
        frames = sum(len(part.order) for part in parts)
        with written_whole(out) as aside:
            _join(parts, aside, fps, comment)
            _check(aside, out, frames, fps)
    return frames


def frames_in_film(frames: int, *, clip_fps: Fraction, fps: Fraction) -> int:
    """How many frames of the film, at `fps`, a clip of `frames` at `clip_fps` takes; at least 1."""
    return max(1, math.ceil(frames * fps / clip_fps - Fraction(1, 2)))


def _read(path: Path) -> _Clip:
    with open_video(path) as video:
        context = video.codec_context
        times: list[int | None] = []
        first_is_key = False
        for packet in video_packets(video):
            first_is_key |= not times and packet.is_keyframe
            times.append(packet.pts)
        if not times:
            raise InputError(f"{path} holds no frames")
        shown = sorted(time for time in times if time is not None)
        rank = {time: index for index, time in enumerate(shown)}
        fps = Fraction(video.average_rate or video.guessed_rate or 0)
        if fps <= 0:
            raise InputError(f"{path} does not say its frame rate")
        step = 1 / (fps * cast(Fraction, video.time_base))
        even = len(rank) == len(times) and all(
            abs((time - shown[0]) / step - index) < Fraction(1, 4)
            for index, time in enumerate(shown)
        )
        order = [rank[cast(int, time)] for time in times] if even else range(len(times))
        return _Clip(
            path=path,
            order=tuple(order),
            fps=fps,
            size=(context.width, context.height),
            profile=(
                context.name, context.pix_fmt, context.width, context.height, context.extradata,
                video.sample_aspect_ratio,
            ),
            steady=first_is_key and even,
        )  # fmt: skip


def _of_one_profile(clips: Sequence[_Clip], folder: Path, fps: Fraction) -> list[_Clip]:
    first = clips[0]
    plain = first.profile[:2] == ("h264", "yuv420p")
    if plain and all(clip.joins(first.profile, fps) for clip in clips):
        return list(clips)
    # Our own profile of the first clip's size: clips that have it already stay as they are.
    size = (first.size[0] + first.size[0] % 2, first.size[1] + first.size[1] % 2)
    sample = folder / "sample.mp4"
    write_video(sample, np.zeros((1, size[1], size[0], 3), np.uint8), fps=fps)
    profile = _read(sample).profile
    parts: list[_Clip] = []
    for index, clip in enumerate(clips):
        if clip.joins(profile, fps):
            parts.append(clip)
            continue
        brought = folder / f"{index}.mp4"
        pictures = list(_fitted(read_video(clip.path), clip.fps, size=size, fps=fps))
        write_video(brought, pictures, fps=fps)
        parts.append(_read(brought))
        # A span that was filmed anew lies in a lossless file: its frames are all that counts.
        whole = clip.profile[:2] == ("h264", "gbrp") and (clip.size, clip.fps) == (size, fps)
        _log.log(
            logging.INFO if whole else logging.WARNING,
            "%s is encoded again: it has %s frames of %sx%s (%s, %s) at %s fps and the film %s of "
            "%sx%s at %s fps; fitted by moviepy, written by write_video",
            clip.path, len(clip.order), *clip.size, *clip.profile[:2], clip.fps,
            len(pictures), *size, fps,
        )  # fmt: skip
    return parts


def _fitted(
    frames: Frames, clip_fps: Fraction, *, size: tuple[int, int], fps: Fraction
) -> Iterator[NDArray[np.uint8]]:
    """`frames` at another rate and size, black bars around them, never stretched."""
    from moviepy import ImageSequenceClip  # Takes half a second, and most films never need it.

    height, width = frames.shape[1:3]
    scale = min(Fraction(size[0], width), Fraction(size[1], height))
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    movie: Any = ImageSequenceClip(list(frames), fps=float(clip_fps))
    if inner != (width, height):
        movie = movie.resized(inner)
    if inner != size:
        movie = movie.with_background_color(size=size, color=(0, 0, 0), pos="center")
    # Each picture is asked for by the middle of its time: at its edges moviepy rounds to the
    # wrong one, and it drops the last one when it writes the file itself.
    last = (len(frames) - Fraction(1, 2)) / clip_fps
    for index in range(frames_in_film(len(frames), clip_fps=clip_fps, fps=fps)):
        picture: NDArray[Any] = movie.get_frame(float(min((index + Fraction(1, 2)) / fps, last)))
        yield np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _join(parts: Sequence[_Clip], aside: Path, fps: Fraction, comment: str | None) -> None:
    tick = Fraction(1, ticks(fps))
    step = int(1 / (fps * tick))
    # How many packets early decoding must start so that none is late: 0 without B-frames.
    lead = max(at - shown for part in parts for at, shown in enumerate(part.order))
    written = 0
    with (
        open_video(parts[0].path) as template,
        video_write_errors(aside),
        av.open(
            os.fspath(aside.absolute()), "w", format="mp4",
            options={"movflags": "+faststart", "fflags": "+bitexact"},
        ) as film,
    ):  # fmt: skip
        if comment:
            film.metadata["comment"] = comment
        stream = film.add_stream_from_template(template)
        stream.time_base = tick
        for part in parts:
            with open_video(part.path) as video:
                # All at once: a fault in reading is the clip's, one in writing the disk's.
                packets = list(video_packets(video))
            for at, (packet, shown) in enumerate(zip(packets, part.order, strict=True)):
                packet.stream = stream
                packet.time_base = tick
                packet.pts = (written + shown) * step
                packet.dts = (written + at - lead) * step
                packet.duration = step
                film.mux(packet)
            written += len(part.order)


def _check(aside: Path, out: Path, frames: int, fps: Fraction) -> None:
    film = _read(aside)
    if (len(film.order), film.fps, film.steady) != (frames, fps, True):
        raise StorageError(
            f"{out} came out with {len(film.order)} frames at {film.fps} fps instead of {frames} "
            f"at {fps}; "
            "it was not kept"
        )


@contextlib.contextmanager
def _aside(out: Path) -> Generator[Path]:
    """A folder for clips on their way; `sweep` removes what a crash left of it."""
    folder = out.with_name(f".{out.stem}-clips.tmp-{os.getpid()}")
    with storage_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
