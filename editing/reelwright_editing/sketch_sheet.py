"""Draws what a simulated sketch holds on one sheet: a row for each kind of picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reelwright_core.files import written_whole
from reelwright_core.video import Frames, read_video
from reelwright_editing.lettering import Lettering
from reelwright_generators.controls import depth as grey_depth
from reelwright_generators.controls import masks as coloured
from reelwright_simulators.passes import SketchFiles, Tracks

_SLATE, _WHITE, _MUTED = (18, 22, 28), (240, 243, 247), (138, 149, 165)
_PAD, _GAP, _TEXT = 18, 6, 15
_WIDEST = 320
"""Pixels of one picture."""
FASTEST = 8.0
"""Pixels a frame of the brightest flow, if nothing is faster."""


def sketch_sheet(sketch: SketchFiles, out: Path, *, title: str, columns: int = 4) -> Path:
    """Writes the sheet of one camera's sketch as a PNG to `out`, whole or not at all.

    Rows: picture, boxes, depth, masks, normals, flow, edges; columns: frames from the first to
    the last but one, which still has a flow.
    """
    frames = read_video(sketch.video)
    chosen = sorted({round(f) for f in np.linspace(0, max(0, len(frames) - 2), columns)})
    rows: list[tuple[str, Callable[[int], NDArray[np.uint8]]]] = [
        ("picture", lambda f: frames[f]),
        ("boxes and tracks", _boxed(frames, sketch.tracks)),
        ("depth", _of(grey_depth(_array(sketch.depth)))),
        ("masks", _of(coloured(_array(sketch.masks)))),
        ("normals", _normals(_array(sketch.normals))),
        ("flow", flow_colours(_array(sketch.flow), frames.shape[1:3])),
        ("edges", _of(read_video(sketch.edges))),
    ]
    height, width = frames.shape[1:3]
    wide = min(width, _WIDEST)
    high = round(height * wide / width)
    names = 9 * _TEXT
    size = (
        2 * _PAD + names + len(chosen) * (wide + _GAP) - _GAP,
        3 * _PAD + 2 * _TEXT + len(rows) * (high + _GAP) - _GAP,
    )
    sheet = Image.new("RGB", size, _SLATE)
    write = Lettering(ImageDraw.Draw(sheet))
    write.text((_PAD, _PAD + _TEXT), title, size=_TEXT + 2, colour=_WHITE)
    top = 2 * _PAD + 2 * _TEXT
    for column, frame in enumerate(chosen):
        x = _PAD + names + column * (wide + _GAP)
        write.text((x, top - _TEXT // 2), f"frame {frame}", size=_TEXT - 2, colour=_MUTED)
        for row, (name, drawn) in enumerate(rows):
            y = top + row * (high + _GAP)
            picture = Image.fromarray(drawn(frame)).resize((wide, high), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x, y))
            if column == 0:
                write.text((_PAD, y + high // 2), name, size=_TEXT - 1, colour=_MUTED)
    with written_whole(out) as aside:
        sheet.save(aside, format="PNG")
    return out


def flow_colours(
    flow: NDArray[Any], size: tuple[int, ...]
) -> Callable[[int], NDArray[np.uint8]]:  # fmt: skip
    """Each frame's flow as colours: the hue is its direction, brightness its speed; unknown grey.

    The last frame has none and stays black.
    """
    speeds = np.hypot(flow[..., 0].astype(np.float32), flow[..., 1].astype(np.float32))
    known = speeds[np.isfinite(speeds)]
    fastest = max(FASTEST, float(np.quantile(known, 0.999))) if len(known) else FASTEST

    def drawn(frame: int) -> NDArray[np.uint8]:
        if frame >= len(flow):
            return np.zeros((*size[:2], 3), np.uint8)
        across, down = (flow[frame][..., i].astype(np.float32) for i in range(2))
        unknown = np.isnan(across)
        angle = np.nan_to_num(np.arctan2(down, across)) % (2 * np.pi)
        speed = np.clip(np.nan_to_num(np.hypot(across, down)) / fastest, 0, 1) ** 0.5
        hsv = np.stack([angle / (2 * np.pi) * 179, np.full_like(angle, 220), speed * 255], -1)
        colours = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.uint8)
        colours[unknown] = 90
        return colours

    return drawn


def _boxed(frames: Frames, tracks: Path) -> Callable[[int], NDArray[np.uint8]]:
    """Visible boxes white, whole ones grey, and the way of each thing's middle until then."""
    import json

    told = Tracks.from_data(json.loads(tracks.read_bytes()))
    height, width = frames.shape[1:3]

    def drawn(frame: int) -> NDArray[np.uint8]:
        picture = Image.fromarray(frames[frame] // 2)
        draw = ImageDraw.Draw(picture)
        colours = coloured(np.arange(256, dtype=np.uint8)[None, None])[0, 0]
        for thing in told.things:
            if thing.label is None:
                continue
            colour = tuple(int(c) for c in colours[thing.label])
            for box, line in ((thing.whole[frame], _MUTED), (thing.visible[frame], colour)):
                if box is not None:
                    edges = [edge * (width, height)[i % 2] for i, edge in enumerate(box)]
                    draw.rectangle([*edges[:2], edges[2] - 1, edges[3] - 1], outline=line)
            way = [(p[0] * width, p[1] * height) for p in thing.position[: frame + 1] if p]
            if len(way) > 1:
                draw.line(way, fill=colour, width=2)
        return np.asarray(picture)

    return drawn


def _normals(normals: NDArray[np.int8]) -> Callable[[int], NDArray[np.uint8]]:
    def drawn(frame: int) -> NDArray[np.uint8]:
        right, down, away = (normals[frame][..., i].astype(np.int16) for i in range(3))
        shown = np.stack([right, -down, -away], axis=-1) + 128
        return np.clip(shown, 0, 255).astype(np.uint8)

    return drawn


def _of(frames: Sequence[Any] | Frames) -> Callable[[int], NDArray[np.uint8]]:
    return lambda frame: np.asarray(frames[frame])


def _array(path: Path) -> NDArray[Any]:
    with np.load(path) as file:
        return file[file.files[0]]
