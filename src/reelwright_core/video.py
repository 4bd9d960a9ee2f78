"""Reading and writing video: exact frame counts, one pinned profile, the same bytes each time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from reelwright_core.errors import InputError, StorageError
from reelwright_core.files import written_whole

Frames = NDArray[np.uint8]
"""RGB pictures, uint8 [frames, height, width, 3]."""

TIME_BASE = 90_000
"""Ticks per second that a file has at least; see `ticks`."""

_PIXELS_AT_MOST = 64_000_000

# Rounded right and with whole chroma: flat colours come back within 1 of 255, swscale's own
# choice is off by up to 3.
_SCALING = (
    Interpolation.LANCZOS
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
# On its own choice of several threads, swscale now and then rounds a few pixels otherwise when the
# machine is busy; the encoder then makes other bytes of the same frames.
_THREADS = 1
# What the files say of their colours: sRGB's primaries and curve, in RGB or by the BT.601 matrix.
# Chromium's own converter is up to 12 of 255 off with BT.709's, and 39 when nothing is said.
_PRIMARIES, _SRGB, _MATRIX, _RGB, _LIMITED, _FULL = 1, 13, 6, 0, 1, 2
# No B-frames: every packet is shown when it is decoded, so clips join by their packets alone. No
# macroblock tree: with it one file in a hundred differed from the others of the same frames.
_LOSSY = {
    "crf": "12", "preset": "medium", "bf": "0", "x264-params": "open-gop=0:keyint=48:mbtree=0",
}  # fmt: skip
_LOSSLESS = {"qp": "0", "preset": "veryfast", "bf": "0", "x264-params": "open-gop=0:keyint=48"}


def ticks(fps: Fraction) -> int:
    """Ticks per second of a file, so that a frame of `fps` lasts a whole number of them.

    90000 where that will do (8, 24, 25, 30, 30000/1001); else a little more, such as 96000 for
    24000/1001 and 90006 for 7.
    """
    if (TIME_BASE / fps).denominator == 1:
        return TIME_BASE
    return fps.numerator * -(-TIME_BASE // fps.numerator)


def write_video(
    path: Path,
    frames: Frames | Iterable[NDArray[np.uint8]],
    *,
    fps: Fraction,
    lossless: bool = False,
) -> None:
    """Writes RGB frames as an H.264 mp4, whole or not at all.

    `frames` is uint8 [frames, height, width, 3] or an iterable of [height, width, 3], all of one
    size, width and height even. Every file starts with a key frame, has closed groups and no
    B-frames, exact times, faststart and one encoder thread, so equal frames give equal bytes on
    one machine. Pictures are yuv420p (sRGB by the BT.601 matrix, limited range: the
    file says so) and browsers play them.
    Lossless ones are RGB, of any size, and no browser plays them. Raises `InputError` for a size
    or rate that cannot be, `ValueError` for frames that are no pictures, `StorageError`.
    """
    if fps <= 0:
        raise InputError(f"`fps` must be above 0, got {fps}")
    with (
        written_whole(path) as aside,
        video_write_errors(path),
        av.open(
            _plain(aside), "w", format="mp4",
            options={"movflags": "+faststart", "fflags": "+bitexact"},
        ) as container,
    ):  # fmt: skip
        stream: Any = None
        shape: tuple[int, ...] = ()
        for index, frame in enumerate(frames):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
                raise ValueError(
                    f"a frame is uint8 [height, width, 3], got {frame.dtype} {list(frame.shape)}"
                )
            if stream is None:
                shape = frame.shape
                stream = _add_stream(container, shape, fps, lossless)
            elif frame.shape != shape:
                raise ValueError(
                    f"all frames are {list(shape)} as the first one, frame {index} is "
                    f"{list(frame.shape)}"
                )
            picture = _picture(frame, lossless)
            picture.pts = index
            picture.time_base = 1 / fps
            for packet in stream.encode(picture):
                container.mux(packet)
        if stream is None:
            raise ValueError("a video has at least one frame, got none")
        for packet in stream.encode(None):
            container.mux(packet)


def _add_stream(container: Any, shape: tuple[int, ...], fps: Fraction, lossless: bool) -> Any:
    height, width, _ = shape
    if not lossless and (width % 2 or height % 2):
        raise InputError(
            f"a video's width and height are even (its colours are kept for 2x2 pixels), got "
            f"{width}x{height}; use {width + width % 2}x{height + height % 2}"
        )
    stream = container.add_stream("libx264rgb" if lossless else "libx264", rate=fps)
    stream.width, stream.height = width, height
    stream.pix_fmt = "rgb24" if lossless else "yuv420p"
    stream.time_base = Fraction(1, ticks(fps))
    context = stream.codec_context
    context.time_base = 1 / fps
    context.thread_count = 1
    context.flags |= Flags.bitexact
    context.color_primaries, context.color_trc = _PRIMARIES, _SRGB
    context.colorspace = _RGB if lossless else _MATRIX
    context.color_range = _FULL if lossless else _LIMITED
    stream.options = dict(_LOSSLESS if lossless else _LOSSY)
    return stream


def _picture(frame: NDArray[np.uint8], lossless: bool) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    if lossless:
        return picture
    return picture.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU601, interpolation=_SCALING,
        threads=_THREADS,
    )  # fmt: skip


def read_video(path: Path) -> Frames:
    """All frames of an mp4 as uint8 RGB [frames, height, width, 3].

    Only real mp4 files are opened: a playlist with that name could make ffmpeg read others.
    `InputError` names a file that cannot be read, is cut short or damaged.
    """
    pictures = list(video_frames(path))
    if not pictures:
        raise InputError(f"{path} holds no frames")
    return np.stack(pictures)


def video_frames(path: Path) -> Generator[NDArray[np.uint8]]:
    """The frames of an mp4 one after another, uint8 RGB [height, width, 3]; as `read_video`."""
    with open_video(path) as video, _read_errors(path):
        for packet in chain(video_packets(video), [None]):
            for frame in video.decode(packet):
                picture = frame.reformat(format="rgb24", interpolation=_SCALING, threads=_THREADS)
                yield cast(NDArray[np.uint8], picture.to_ndarray())


def video_facts(path: Path) -> tuple[int, Fraction, tuple[int, int]]:
    """Frame count (by counting packets), frames per second, and (width, height) of an mp4."""
    with open_video(path) as video:
        size = (video.codec_context.width, video.codec_context.height)
        rate = video.average_rate or Fraction(0)
        frames = sum(1 for _ in video_packets(video))
    return frames, Fraction(rate), size


@contextlib.contextmanager
def open_video(path: Path) -> Generator[VideoStream]:
    """The picture stream of an mp4, open inside the block; `InputError` if it cannot be."""
    with contextlib.ExitStack() as stack:
        with _read_errors(path):
            container = stack.enter_context(
                av.open(_plain(path), format="mp4", options={"protocol_whitelist": "file"})
            )
        if not container.streams.video:
            raise InputError(f"{path} holds no video")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context.width * context.height > _PIXELS_AT_MOST:
            raise InputError(
                f"{path} has frames of {context.width}x{context.height}, over 64 megapixels"
            )
        context.options = {"err_detect": "explode"}
        yield stream


def video_packets(stream: VideoStream) -> Generator[Packet[VideoStream]]:
    """All packets of an open video in the order of decoding; `InputError` if it is cut short."""
    container = cast(InputContainer, stream.container)
    path = container.name
    count = 0
    with _read_errors(path):
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.is_corrupt:
                raise InputError(f"{path} is cut short or damaged at frame {count}")
            count += 1
            yield packet
    # The index stands before the pictures, so a file that was cut short still opens.
    if stream.frames and count != stream.frames:
        raise InputError(f"{path} is cut short: {count} of {stream.frames} frames can be read")


@contextlib.contextmanager
def _read_errors(path: Path | str) -> Generator[None]:
    try:
        yield
    except FFmpegError as error:
        raise InputError(f"{path} is not an mp4 that can be read: {error.strerror}") from None


@contextlib.contextmanager
def video_write_errors(path: Path) -> Generator[None]:
    """Turns ffmpeg's errors of the block into a `StorageError` that names `path`."""
    try:
        yield
    except FFmpegError as error:
        if isinstance(error, OSError):
            raise  # `written_whole` says what is wrong with the disk.
        raise StorageError(f"{path} could not be written: {error.strerror}") from error


def _plain(path: Path) -> str:
    """`path` from the root on: ffmpeg takes `take:1.mp4` for a protocol called `take`."""
    return os.fspath(path.absolute())
