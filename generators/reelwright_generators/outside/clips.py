"""Clips of others, brought to exactly the frames, rate and size that were asked."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reelwright_core.errors import GeneratorError, InputError, ModelError
from reelwright_core.video import Frames, video_facts, video_frames
from reelwright_generators.generator import Request

BYTES_AT_MOST = 2 * 1024**3
"""A larger clip is not read."""

_CROPPED_AT_MOST = Fraction(1, 3)
_SLOWED_AT_MOST = 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """A clip as it was asked, and what was done for that."""

    frames: Frames
    said: dict[str, Any]
    """`frames`, `fps` and `size` of the clip as it came; `cut`: seconds left out at its end;
    `slowed`: how many times slower it runs; `cropped`: share of the picture left out."""


def fitted(path: Path, request: Request, *, what: str) -> Fitted:
    """The video in `path` as `request` asks.

    As many frames as asked are taken one to one. Else each frame is the one that is seen at that
    moment; a clip that is too long loses its end, one that is too short is slowed at most
    twofold. Another size is scaled to cover the one asked, and what stands over is cropped, at
    most a third.
    Raises `GeneratorError` for a clip that is damaged or too far from what was asked.
    """
    with _faults_of(what):
        if path.stat().st_size > BYTES_AT_MOST:
            raise GeneratorError(f"{what} has over {BYTES_AT_MOST >> 30} GiB; it is not read")
        count, fps, came = video_facts(path)
        if not count or fps <= 0:
            raise GeneratorError(f"{what} holds no frames")
        with contextlib.closing(video_frames(path)) as frames:
            return _fit(frames, request, count=count, fps=fps, came=came, what=what)


def fitted_pictures(paths: Sequence[Path], request: Request, *, what: str) -> Fitted:
    """The same for single pictures, which have no rate but the one asked."""

    def frames() -> Generator[NDArray[np.uint8]]:
        for path in paths:
            with _faults_of(what), Image.open(path) as picture:
                yield np.asarray(picture.convert("RGB"))

    with _faults_of(what), Image.open(paths[0]) as first:
        came = first.size
    with contextlib.closing(frames()) as pictures:
        return _fit(pictures, request, count=len(paths), fps=request.fps, came=came, what=what)


def crop(came: tuple[int, int], asked: tuple[int, int]) -> Fraction:
    """The share of a picture of size `came` that is lost when it is to have the shape `asked`."""
    shape = Fraction(came[0], came[1]) / Fraction(asked[0], asked[1])
    return 1 - min(shape, 1 / shape)


def refuse_crop(came: tuple[int, int], asked: tuple[int, int], *, what: str) -> None:
    """`ModelError` when the shapes are too far apart for `fitted`."""
    if (lost := crop(came, asked)) > _CROPPED_AT_MOST:
        raise ModelError(
            f"{what} is {came[0]}x{came[1]}: made {asked[0]}x{asked[1]}, it would lose "
            f"{float(lost):.0%} of its picture; choose a `film.size` nearer to its shape"
        )


def _fit(
    frames: Generator[NDArray[np.uint8]],
    request: Request,
    *,
    count: int,
    fps: Fraction,
    came: tuple[int, int],
    what: str,
) -> Fitted:
    said: dict[str, Any] = {"frames": count, "fps": str(fps), "size": list(came)}
    try:
        refuse_crop(came, request.size, what=what)
    except ModelError as error:
        raise GeneratorError(str(error)) from None
    at = _times(request, count=count, fps=fps, said=said, what=what)
    if lost := crop(came, request.size):
        said["cropped"] = round(float(lost), 4)
    width, height = request.size
    out = np.empty((request.frames, height, width, 3), np.uint8)
    filled = 0
    for index, frame in enumerate(frames):
        if filled == len(at):
            break
        if frame.shape != (came[1], came[0], 3):
            raise GeneratorError(f"{what} changes its size at frame {index}")
        if index == at[filled]:
            picture = _sized(frame, request.size)
            while filled < len(at) and at[filled] == index:
                out[filled] = picture
                filled += 1
    if filled < len(at):
        raise GeneratorError(f"{what} is cut short: {filled} of {len(at)} frames could be taken")
    return Fitted(frames=out, said=said)


def _times(
    request: Request, *, count: int, fps: Fraction, said: dict[str, Any], what: str
) -> list[int]:
    """Which frame of the clip is shown at each frame that was asked, rising."""
    if count == request.frames:
        return list(range(count))
    pace = fps / request.fps
    if (request.frames - 1) * pace >= count:
        slowed = request.frames * pace / count
        if slowed > _SLOWED_AT_MOST:
            raise GeneratorError(
                f"{what} has {count} frames at {float(fps):g} per second "
                f"({float(count / fps):.2g} s), and {request.frames} at {float(request.fps):g} "
                f"({float(request.frames / request.fps):.2g} s) were asked: too few to slow it; "
                "set `film.frames` and `film.fps` to what it makes"
            )
        pace /= slowed
        said["slowed"] = round(float(slowed), 4)
    elif (over := count / fps - request.frames / request.fps) > 0:
        said["cut"] = round(float(over), 4)
    return [int(index * pace) for index in range(request.frames)]


def _sized(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width, _ = frame.shape
    if (width, height) == size:
        return frame
    scale = min(Fraction(width, size[0]), Fraction(height, size[1]))
    wide, high = float(size[0] * scale), float(size[1] * scale)
    left, top = (width - wide) / 2, (height - high) / 2
    picture = Image.fromarray(frame).resize(
        size, Image.Resampling.LANCZOS, box=(left, top, left + wide, top + high)
    )
    return np.asarray(picture)


@contextlib.contextmanager
def _faults_of(what: str) -> Generator[None]:
    """What is wrong with a file that others made is no fault of the user's input."""
    try:
        yield
    except (InputError, OSError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GeneratorError(f"{what} cannot be read: {reason}") from None
