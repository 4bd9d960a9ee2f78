"""The page and the plot of a bench: its figures, and every clip with what is right in it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment
from PIL import Image, ImageDraw

from reelwright_core.files import write_bytes, write_text
from reelwright_core.video import Frames, read_video
from reelwright_editing.lettering import Lettering
from reelwright_editing.pages import environment
from reelwright_metrics.bench.comparing import PUBLISHED, TOPICS, Compared, compare, said_gain
from reelwright_metrics.bench.results import (
    JUDGED,
    MEASURED,
    TRACKS,
    ClipSet,
    Mark,
    Results,
    Seen,
)
from reelwright_metrics.bench.table import right_of, said_decibels
from reelwright_metrics.suites import KINDS, Prompt

_PICTURES = 6
"""Frames of a clip that are shown."""
_WIDE = 96
"""Pixels that each of them is wide."""

_INK, _MUTED, _GRID, _PAPER = (35, 41, 50), (110, 120, 135), (226, 229, 234), (255, 255, 255)
_LINES = dict(zip(TOPICS, ((200, 88, 20), (24, 106, 180), (40, 135, 70)), strict=True))
"""The colour of each topic's line."""
_FINER = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """One clip of a prompt."""

    name: str
    strip: str
    marks: list[tuple[str, Mark]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Card:
    prompt: Prompt
    rows: list[_Row]


def write_page(out: Path, results: Results) -> Path:
    """Writes `out`/page.html, which needs no other file, and returns it.

    `out` is the bench's folder: the pictures are taken from its clips.
    """
    compared = compare(results)
    cards = {
        kind: [_card(out, prompt, results) for prompt in results.prompts if prompt.kind == kind]
        for kind in KINDS
    }
    page = _environment().get_template("bench_page.html.j2")
    content = page.render(
        results=results,
        held_out=sum(prompt.held_out for prompt in results.prompts),
        tables=[
            (title, names)
            for title, told in (
                ("Seen by the learned critic", JUDGED),
                ("Measured against the plan", {**MEASURED, **TRACKS}),
            )
            if (names := _asked(told, results.sets))
        ],
        tracks=list(TRACKS),
        compared=compared,
        topics=dict(TOPICS),
        published=dict(PUBLISHED),
        plot=_data_uri("image/png", plot(compared)) if compared else "",
        cards={kind: told for kind, told in cards.items() if told},
        pictures=_PICTURES,
    )
    write_text(out / "page.html", content)
    return out / "page.html"


def write_plot(out: Path, compared: Sequence[Compared]) -> None:
    """Writes the plot of a comparison as a PNG to `out`."""
    write_bytes(out, plot(compared))


def _environment() -> Environment:
    return environment({"right_of": right_of, "gain": said_gain, "decibels": said_decibels})


def _asked(told: Mapping[str, str], sets: Sequence[ClipSet]) -> dict[str, str]:
    return {name: title for name, title in told.items() if any(name in s.figures for s in sets)}


def _card(out: Path, prompt: Prompt, results: Results) -> _Card:
    rows = [
        _Row(
            name=row.name,
            strip=_strip(read_video(out / row.folder / f"{prompt.id}.mp4")),
            marks=list(_titled(row.clips[prompt.id])),
        )
        for row in results.sets
    ]
    return _Card(prompt=prompt, rows=rows)


def _titled(seen: Seen) -> list[tuple[str, Mark]]:
    """The marks as they are shown; what is measured says so."""
    judged = [(title, seen.marks[name]) for name, title in JUDGED.items() if name in seen.marks]
    return judged + [(name, seen.marks[name]) for name in MEASURED if name in seen.marks]


def _strip(frames: Frames) -> str:
    """Some frames of a clip beside each other, as a data URI."""
    height, width = frames.shape[1:3]
    size = (_WIDE, round(_WIDE * height / width))
    gap = 2
    strip = Image.new("RGB", (_PICTURES * (size[0] + gap) - gap, size[1]), (255, 255, 255))
    for place, index in enumerate(np.linspace(0, len(frames) - 1, _PICTURES).round().astype(int)):
        small = Image.fromarray(frames[index]).resize(size, Image.Resampling.LANCZOS)
        strip.paste(small, (place * (size[0] + gap), 0))
    content = io.BytesIO()
    strip.save(content, format="WEBP", quality=75, method=4)
    return _data_uri("image/webp", content.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def plot(compared: Sequence[Compared]) -> bytes:
    """How often direction, relation and count are right at every level, as a PNG.

    One panel for each critic that says so; the bars are 95 % intervals.
    """
    panels: list[tuple[str, dict[str, str]]] = []
    for which, title in enumerate(("measured against the plan", "seen by the learned critic")):
        names = {
            topic: pair[which]
            for topic, pair in TOPICS.items()
            if any(pair[which] in row.shares for row in compared)
        }
        if names:
            panels.append((title, names))
    wide, high = 430, 340
    picture = Image.new("RGB", (wide * len(panels) * _FINER, high * _FINER), _PAPER)
    boxes = [(wide * i + 52, 52, wide * (i + 1) - 24, high - 62) for i in range(len(panels))]
    for box, (_, names) in zip(boxes, panels, strict=True):
        _draw_lines(ImageDraw.Draw(picture), box, names, compared)
    picture = picture.reduce(_FINER)
    write = Lettering(ImageDraw.Draw(picture))
    for box, (title, names) in zip(boxes, panels, strict=True):
        _write_scales(write, box, title, names, compared)
    content = io.BytesIO()
    picture.save(content, format="PNG", optimize=True)
    return content.getvalue()


Box = tuple[int, int, int, int]


def _at(box: Box, level: float, share: float, compared: Sequence[Compared]) -> tuple[float, float]:
    low = min(row.level for row in compared)
    left, top, right, bottom = box
    across = 0.06 + 0.88 * (level - low) / (1 - low)
    return left + across * (right - left), bottom - share * (bottom - top)


def _draw_lines(
    draw: ImageDraw.ImageDraw, box: Box, names: Mapping[str, str], compared: Sequence[Compared]
) -> None:
    left, top, right, bottom = (edge * _FINER for edge in box)
    for part in range(6):
        y = bottom - part / 5 * (bottom - top)
        draw.line((left, y, right, y), _GRID, 3 if part else 5)
    for place, (topic, name) in enumerate(names.items()):
        colour = _LINES[topic]
        shown = [(row.level, row.shares[name]) for row in compared if name in row.shares]
        # A little aside of each other, so that no bar hides another.
        aside = (place - 1) * 4 * _FINER
        points: list[tuple[float, float]] = []
        for level, share in shown:
            x, y = _scaled(_at(box, level, share.value, compared))
            points.append((x + aside, y))
            for end in (share.low, share.high):
                _, z = _scaled(_at(box, level, end, compared))
                draw.line((x + aside, y, x + aside, z), colour, 3)
                draw.line((x + aside - 8, z, x + aside + 8, z), colour, 3)
        draw.line(points, colour, 7, joint="curve")
        for x, y in points:
            draw.ellipse((x - 11, y - 11, x + 11, y + 11), colour)


def _scaled(point: tuple[float, float]) -> tuple[float, float]:
    return point[0] * _FINER, point[1] * _FINER


def _write_scales(
    write: Lettering, box: Box, title: str, names: Mapping[str, str], compared: Sequence[Compared]
) -> None:
    left, top, right, bottom = box
    write.text((left, top - 22), f"share right, {title}", size=14, colour=_INK)
    for part in range(6):
        y = round(bottom - part / 5 * (bottom - top))
        write.text((left - 8, y + 4), f"{part / 5:.1f}", size=12, colour=_MUTED, right=True)
    for row in compared:
        x = round(_at(box, row.level, 0, compared)[0])
        said = "plain" if row.level == 1 else f"{row.level:g}"
        write.text((x - write.width(said, 12) // 2, bottom + 18), said, size=12, colour=_MUTED)
    x = left
    for topic in names:
        write.text((x, bottom + 44), topic, size=13, colour=_LINES[topic])
        x += write.width(topic, 13) + 18
    said = "noise level σ"
    write.text((right, bottom + 44), said, size=12, colour=_MUTED, right=True)
