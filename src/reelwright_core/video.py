"""Reading and writing video: exact frame counts, one pinned profile, the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import InputError
from reelwright_core.files import written_whole

Frames = NDArray[np.uint8]
"""RGB pictures, uint8 [frames, height, width, 3]."""

TIME_BASE = 90_000
"""Ticks per second of every file: film tools join what shares a time base."""

_PIXELS_AT_MOST = 64_000_000


def write_video(
    path: Path, frames: Frames | Iterable[NDArray[np.uint8]], *, fps: Fraction, lossless: bool = False
) -> None:
    """Writes RGB frames as an H.264 mp4, whole or not at all.

    `frames` is uint8 [frames, height, width, 3] or an iterable of [height, width, 3]; width and
    height are even. Every file starts with a key frame, has closed groups, yuv420p (lossless:
    RGB), faststart, and one encoder thread, so equal frames give equal bytes on one machine.
    """
    codec = "libx264rgb" if lossless else "libx264"
    with written_whole(path) as aside, av.open(
        str(aside), "w", format="mp4",
        options={"movflags": "+faststart", "fflags": "+bitexact"},
    ) as container:  # fmt: skip
        stream: Any = None
        for index, frame in enumerate(frames):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
                raise ValueError(
                    f"a frame is uint8 [height, width, 3], got {frame.dtype} {list(frame.shape)}"
                )
            if stream is None:
                stream = container.add_stream(codec, rate=fps)
                stream.width, stream.height = frame.shape[1], frame.shape[0]
                stream.pix_fmt = "rgb24" if lossless else "yuv420p"
                stream.time_base = Fraction(1, TIME_BASE)
                stream.codec_context.time_base = 1 / fps
                stream.codec_context.thread_count = 1
                stream.codec_context.flags |= av.codec.context.Flags.bitexact
                stream.options = (
                    {"qp": "0", "preset": "veryfast"}
                    if lossless
                    else {"crf": "14", "preset": "medium", "x264-params": "open-gop=0:keyint=48"}
                )
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = index
            picture.time_base = 1 / fps
            for packet in stream.encode(picture):
                container.mux(packet)
        if stream is None:
            raise ValueError("a video has at least one frame, got none")
        for packet in stream.encode(None):
            container.mux(packet)


def read_video(path: Path) -> Frames:
    """All frames of an mp4 as uint8 RGB [frames, height, width, 3].

    Only real mp4 files are opened: a playlist with that name could make ffmpeg read others.
    """
    with _open(path) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    if not pictures:
        raise InputError(f"{path} holds no frames")
    return np.stack(pictures)


def video_facts(path: Path) -> tuple[int, Fraction, tuple[int, int]]:
    """Frame count (by counting packets), frames per second, and (width, height) of an mp4."""
    with _open(path) as container:
        stream = container.streams.video[0]
        size = (stream.codec_context.width, stream.codec_context.height)
        rate = stream.average_rate or Fraction(0)
        frames = sum(1 for packet in container.demux(stream) if packet.size)
    return frames, Fraction(rate), size


def _open(path: Path) -> Any:
    try:
        container = av.open(str(path), format="mp4")
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path} is not an mp4 that can be read: {error}") from None
    if not container.streams.video:
        raise InputError(f"{path} holds no video")
    context = container.streams.video[0].codec_context
    if context.width * context.height > _PIXELS_AT_MOST:
        raise InputError(f"{path} has frames of {context.width}x{context.height}, over 64 megapixels")
    return container
