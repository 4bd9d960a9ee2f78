"""Writes the report of a film: one page that says of every shot what was planned, tried and seen.

The page has no scripts and needs no network; its links are relative to the run folder it lies in.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit, urlunsplit

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from PIL import Image

from reelwright_core.errors import InputError
from reelwright_core.files import write_text
from reelwright_core.story import FrameSpan, LayoutRound, Shot, Storyboard
from reelwright_core.takes import Artifact, Continuity, Message, ShotResult, Take
from reelwright_core.video import open_video, read_video, video_packets, write_video
from reelwright_editing.calls import calls_of, spent
from reelwright_editing.pages import environment
from reelwright_editing.simulated import SimulatedTake, simulated_take

_PICTURE_AT_MOST = 320
"""Pixels that an embedded picture or preview is wide or high at most."""
_EMBEDDED_AT_MOST = 32_000_000
"""Characters that all embedded previews take at most; later sketches are only linked."""
_SECRET = re.compile(r"(^|[_.-])(key|secret|password|token|authorization)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Preview:
    """Data URIs of a sketch as browsers can show it."""

    video: str
    poster: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _FilmedShot:
    shot: Shot
    result: ShotResult
    posters: Mapping[str, str]
    """The first picture of each clip, by the clip's sha256."""
    previews: Mapping[str, _Preview]
    """Lossless files as browsers can play them, by their sha256."""
    simulated: Mapping[int, SimulatedTake]
    """What was simulated for a take, by its number."""
    layout_rounds: Sequence[LayoutRound]
    """The planner's tries at the layout of the first take."""
    scene_diff: str = ""
    """The scene graphs of its steps with what was imagined, if anything was."""

    def sketch_is_new(self, take: Take) -> bool:
        """Whether no earlier take has the same sketch."""
        before = (other.sketch for other in self.result.takes if other.number < take.number)
        return take.sketch is not None and all(
            sketch is None or sketch.video.sha256 != take.sketch.video.sha256 for sketch in before
        )


def write_report(
    out: Path,
    *,
    storyboard: Storyboard,
    results: Sequence[ShotResult],
    settings: Mapping[str, Any],
    run: Path | None = None,
    video: str = "film.mp4",
    contact_sheet: str | None = "contact-sheet.png",
    subtitles: str | None = None,
    warnings: Sequence[str] = (),
    timings: Mapping[str, float] | None = None,
    messages: Sequence[Message] = (),
    continuity: Continuity | None = None,
) -> Path:
    """Writes the page to `out`, whole or not at all, and returns `out`.

    `messages` are what the roles said to each other, `continuity` how well the shots fit together.
    `video`, `contact_sheet` and `subtitles` are where they lie in the run folder; `timings` are
    seconds by what took them. `run` is the run folder, `out`'s own if not given: stills are taken
    from its clips, and its lossless sketches, which no browser plays, are embedded as previews. A
    file that is missing there leaves its still out. Keys and passwords in `settings` are dropped.
    """
    folder = out.parent if run is None else run
    found = {result.shot: result for result in results}
    shots = list(_filmed(storyboard, found, folder))
    takes = [take for result in results for take in result.takes]
    page = _environment().get_template("report.html.j2")
    content = page.render(
        storyboard=storyboard,
        shots=shots,
        seconds=sum((shot.seconds for shot in storyboard.shots), Fraction(0)),
        frames=sum(shot.frames for shot in storyboard.shots),
        takes=len(takes),
        spent=sum(_spent(take) for take in takes),
        models=list(dict.fromkeys(str(take.provenance.get("model", "")) for take in takes)),
        left_out=_left_out(storyboard),
        warnings=list(dict.fromkeys([*warnings, *_warnings(takes)])),
        timings=dict(timings or {}),
        messages=messages,
        calls=spent(calls_of(folder / "events.jsonl")),
        continuity=continuity,
        threshold=cast("Mapping[str, Any]", settings.get("critic") or {}).get("threshold"),
        settings=list(_flat(settings)),
        video=video,
        contact_sheet=contact_sheet,
        subtitles=subtitles,
        poster=_poster(folder / video),
    )
    write_text(out, content)
    return out


def _environment() -> Environment:
    filters: dict[str, Callable[..., object]] = {
        "link": quote,
        "number": _number,
        "score": "{:.2f}".format,
        "spans": _spans,
        "details": _details,
    }
    return environment(filters)


def _filmed(
    storyboard: Storyboard, found: Mapping[str, ShotResult], run: Path
) -> Iterator[_FilmedShot]:
    room = _EMBEDDED_AT_MOST
    for shot in storyboard.shots:
        if shot.id not in found:
            continue
        result = found[shot.id]
        posters = {
            take.clip.video.sha256: _poster(run / take.clip.video.path) for take in result.takes
        }
        previews: dict[str, _Preview] = {}
        for video in _lossless(result):
            if video.sha256 not in previews and room > 0:
                preview = _preview(run, video, shot.fps)
                if preview is not None:
                    previews[video.sha256] = preview
                    room -= len(preview.video)
        found_simulated = {
            take.number: told
            for take in result.takes
            if (told := simulated_take(shot, take, run)) is not None
        }
        yield _FilmedShot(
            shot=shot,
            result=result,
            posters=posters,
            previews=previews,
            simulated=found_simulated,
            layout_rounds=_layout_rounds(run / "shots" / shot.id / "take-1" / "layout-rounds.json"),
            scene_diff=_text(run / "shots" / shot.id / "take-1" / "scene-graph.diff"),
        )


def _text(path: Path) -> str:
    """What is in `path`; nothing where there is no such file."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _layout_rounds(path: Path) -> list[LayoutRound]:
    """The tries at a layout that are kept in `path`; none where there is no such file."""
    if not path.is_file():
        return []
    return [LayoutRound.model_validate(each) for each in json.loads(path.read_bytes())]


def _lossless(result: ShotResult) -> Iterator[Artifact]:
    """The files of a shot that no browser plays: sketches, and clips of which frames were kept."""
    for take in result.takes:
        if take.sketch:
            yield take.sketch.video
        if take.repair and take.repair.span:
            yield take.clip.video


def _poster(clip: Path) -> str:
    """The first picture of a clip as a data URI; empty if there is none."""
    try:
        with open_video(clip) as video:
            for packet in video_packets(video):
                for frame in video.decode(packet):
                    return _picture(cast("NDArray[np.uint8]", frame.to_ndarray(format="rgb24")))
    except InputError:
        pass
    return ""


def _picture(frame: NDArray[np.uint8]) -> str:
    image = Image.fromarray(frame)
    image.thumbnail((_PICTURE_AT_MOST, _PICTURE_AT_MOST), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, format="WEBP", quality=80, method=4)
    return _data_uri("image/webp", content.getvalue())


def _preview(run: Path, sketch: Artifact, fps: Fraction) -> _Preview | None:
    """A lossless sketch as a small video that browsers play; None if it is missing."""
    try:
        frames = read_video(run / sketch.path)
    except InputError:
        return None
    height, width = frames.shape[1:3]
    scale = min(1.0, _PICTURE_AT_MOST / max(height, width))
    size = (_even(width * scale), _even(height * scale))
    small = [
        np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))
        for frame in frames
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "preview.mp4"
        write_video(path, small, fps=fps)
        video = _data_uri("video/mp4", path.read_bytes())
    return _Preview(video=video, poster=_picture(frames[0]))


def _even(pixels: float) -> int:
    return max(2, 2 * math.floor(pixels / 2 + 0.5))


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _left_out(storyboard: Storyboard) -> list[tuple[str, str, list[str]]]:
    """(word, why, ids of the shots) of all that was not understood, each word once."""
    shots: dict[tuple[str, str], list[str]] = {}
    for shot in storyboard.shots:
        for left in shot.left_out:
            at = shots.setdefault((left.word, left.why), [])
            if shot.id not in at:
                at.append(shot.id)
    return [(word, why, at) for (word, why), at in shots.items()]


def _warnings(takes: Sequence[Take]) -> Iterator[str]:
    for take in takes:
        said = take.provenance.get("warnings") or []
        for warning in cast("list[object]", said) if isinstance(said, list) else [said]:
            yield f"{take.shot}: {warning}"


def _spent(take: Take) -> float:
    seconds = take.provenance.get("seconds")
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _flat(data: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, object]]:
    """Every value by its whole name, such as `generator.noise.level`; none that is a secret."""
    for name, value in data.items():
        if _SECRET.search(name):
            continue
        if isinstance(value, Mapping):
            yield from _flat(cast("Mapping[str, Any]", value), f"{before}{name}.")
        elif isinstance(value, str) and "://" in value:
            yield f"{before}{name}", _without_login(value)
        else:
            yield f"{before}{name}", value


def _without_login(address: str) -> str:
    """Addresses may carry a name and password, or a key in their query."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _details(data: Mapping[str, Any]) -> str:
    return json.dumps(dict(_flat(data)), indent=1, ensure_ascii=False)


def _number(value: object) -> str:
    return f"{float(value):.4g}" if isinstance(value, int | float | Fraction) else str(value)


def _spans(spans: Sequence[FrameSpan]) -> str:
    return ", ".join(
        f"{span.first}" if span.first == span.last else f"{span.first}–{span.last}"
        for span in spans
    )
