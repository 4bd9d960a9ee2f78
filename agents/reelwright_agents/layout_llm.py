"""The layout artist behind a language model: its question, its form, and what may be in it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from reelwright_agents.llm import LanguageModel
from reelwright_core.records import Record
from reelwright_core.story import CameraMove, Keyframe, Layout, Shot, Track
from reelwright_simulators.places import GROUND

KEYS_AT_LEAST = 6
KEYS_AT_MOST = 13
"""Keyframes of a track; between them it is interpolated (Video-MSG asks for 25, LVD for 6)."""

SLIDE = 0.3
"""How far the background slides in a pan, as a part of the picture."""
GROWTH, SHRINKING = 1.35, 0.75
"""How much bigger and smaller it becomes in a zoom; all as the offline artist has it."""

Heading = Literal[
    "none", "left", "right", "up", "down", "up left", "up right", "down left", "down right"
]
"""Where a background goes, as FlowZero (arXiv 2311.15813) says it; `none` stands still."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Camera:
    shift: tuple[float, float] = (0.0, 0.0)
    """How far the background slides over the shot, in parts of the picture."""
    zoom: float = 1.0
    words: str


CAMERAS: Mapping[CameraMove, _Camera] = MappingProxyType(
    {
        "static": _Camera(words="The camera is still: what rests keeps its box."),
        "pan left": _Camera(
            shift=(SLIDE, 0.0),
            words=f"The camera pans left: the background, and all that rests on it, slides right "
            f"by {SLIDE} of the picture's width over the shot.",
        ),
        "pan right": _Camera(
            shift=(-SLIDE, 0.0),
            words=f"The camera pans right: the background, and all that rests on it, slides left "
            f"by {SLIDE} of the picture's width over the shot.",
        ),
        "zoom in": _Camera(
            zoom=GROWTH,
            words=f"The camera zooms in: the background, and all that rests on it, grows evenly "
            f"to {GROWTH:g} times its size around the middle of the picture.",
        ),
        "zoom out": _Camera(
            zoom=SHRINKING,
            words=f"The camera zooms out: the background, and all that rests on it, shrinks "
            f"evenly to {SHRINKING:g} of its size around the middle of the picture.",
        ),
    }
)


class KeyForm(Record):
    """Where a thing is at one frame, in parts of the picture."""

    frame: int = Field(ge=0)
    left: float
    top: float
    right: float
    bottom: float
    angle: float = 0.0


class TrackForm(Record):
    """The way of one thing."""

    entity: str = Field(max_length=60)
    instance: int = Field(default=0, ge=0, le=8)
    depth: float = Field(default=0.0, ge=-100, le=100)
    faces: Literal["left", "right"] | None = None
    keyframes: list[KeyForm] = Field(max_length=KEYS_AT_MOST)


class BackgroundForm(Record):
    """How the background moves, besides the camera."""

    direction: Heading = "none"
    speed: float = Field(
        default=0.0, ge=0, le=1, description="parts of the picture that it slides over the shot"
    )


class LayoutForm(Record):
    """The ways of all things in a shot."""

    background: BackgroundForm = BackgroundForm()
    camera: CameraMove = "static"
    tracks: list[TrackForm] = Field(max_length=108)


def ask_layout(
    model: LanguageModel,
    shot: Shot,
    *,
    facts: Mapping[str, Any],
    faults: Sequence[str] = (),
    earlier: Layout | None = None,
    keyframes: int | None = None,
) -> Layout:
    """Where everything in `shot` is in each frame; no question is asked about an empty one.

    `facts` are what the model is told of the shot. `earlier` is a layout that had `faults`, shown
    to the model to be mended; `keyframes` is how many each track has, None 6 to 13. Raises
    `EndpointError` when no answer fits.
    """
    if not shot.scene_graph.entities:
        camera = CAMERAS[shot.camera]
        return Layout(
            frames=shot.frames, background_shift=camera.shift, background_zoom=camera.zoom
        )
    least, most = keys_at_least(shot.frames), KEYS_AT_MOST
    if keyframes is not None:
        least = most = min(keyframes, shot.frames)
    form = model.ask(
        role="layout",
        template="layout",
        inputs={
            "shot": json.dumps(facts, ensure_ascii=False, indent=1),
            "faults": "\n".join(faults),
            "earlier": _shown(earlier) if earlier else "",
            "width": shot.size[0],
            "height": shot.size[1],
            "last_frame": shot.frames - 1,
            "ground": GROUND[shot.place],
            "still": shot.camera == "static",
            "camera": shot.camera,
            "camera_words": CAMERAS[shot.camera].words,
            "lens": shot.lens,
            "keys_at_least": least,
            "keys_at_most": most,
        },
        answer=LayoutForm,
        check=lambda form: form_faults(form, shot=shot, keys=(least, most)),
    )
    camera = CAMERAS[form.camera if shot.camera == "static" else shot.camera]
    across, down = slide(form.background.direction, form.background.speed)
    return Layout(
        frames=shot.frames,
        tracks=[_track(track) for track in form.tracks],
        background_shift=(camera.shift[0] + across, camera.shift[1] + down),
        background_zoom=camera.zoom,
    )


def slide(direction: Heading, speed: float) -> tuple[float, float]:
    """How far a background goes over a shot (right, down), in parts of the picture."""
    across = ("right" in direction) - ("left" in direction)
    down = ("down" in direction) - ("up" in direction)
    length = math.hypot(across, down) or 1.0
    return round(across * speed / length, 6), round(down * speed / length, 6)


def form_faults(form: LayoutForm, *, shot: Shot, keys: tuple[int, int] | None = None) -> list[str]:
    """What in the form cannot be a layout of `shot`; `keys` is how few and many keyframes."""
    wanted = [(e.id, i) for e in shot.scene_graph.entities for i in range(e.count)]
    got = [(track.entity, track.instance) for track in form.tracks]
    faults = [f"{_called(one)} has no track" for one in wanted if one not in got]
    faults += [f"{_called(one)} is not in this shot" for one in got if one not in wanted]
    twice = [one for index, one in enumerate(got) if one in got[:index]]
    faults += [f"{_called(one)} has two tracks" for one in twice]
    if shot.camera != "static" and form.camera not in ("static", shot.camera):
        faults.append(f"`camera` must be {shot.camera!r}, as the shot has it, got {form.camera!r}")
    leaving = {event.actor for event in shot.scene_graph.events if event.action == "leaves"}
    least, most = keys or (keys_at_least(shot.frames), KEYS_AT_MOST)
    for track in form.tracks:
        outside = 1.0 if track.entity in leaving else 0.0
        about = _called((track.entity, track.instance))
        if not least <= len(track.keyframes) <= most:
            needed = f"{least} to {most}" if least < most else str(least)
            faults.append(f"{about} has {len(track.keyframes)} keyframes; {needed} are needed")
        faults += [f"{about} {f}" for f in _track_faults(track, shot.frames, outside)]
    return faults


def _track_faults(track: TrackForm, frames: int, outside: float) -> Iterator[str]:
    at = [key.frame for key in track.keyframes]
    if any(b <= a for a, b in pairwise(at)):
        yield f"has keyframes that do not rise in `frame`: {at}"
    if at and max(at) >= frames:
        yield f"has a keyframe at {max(at)}, but the shot's last frame is {frames - 1}"
    for key in track.keyframes:
        box = (key.left, key.top, key.right, key.bottom)
        if not (key.right - key.left >= 0.005 and key.bottom - key.top >= 0.005):
            yield f"has an empty box {list(box)} at frame {key.frame}: left < right, top < bottom"
        elif min(box) < -outside or max(box) > 1 + outside:
            yield f"has a box {list(box)} outside the picture at frame {key.frame}"
        if abs(key.angle) > 36_000:
            yield f"turns by {key.angle} degrees at frame {key.frame}"


def keys_at_least(frames: int) -> int:
    """How many keyframes a track needs in a shot of `frames` frames."""
    return min(KEYS_AT_LEAST, frames)


def _called(thing: tuple[str, int]) -> str:
    return f"instance {thing[1]} of {thing[0]!r}"


def _track(form: TrackForm) -> Track:
    return Track(
        entity=form.entity,
        instance=form.instance,
        depth=form.depth,
        faces=form.faces,
        keyframes=[
            Keyframe(
                frame=key.frame, box=(key.left, key.top, key.right, key.bottom), angle=key.angle
            )
            for key in form.keyframes
        ],
    )


def _shown(layout: Layout) -> str:
    """A layout as the model itself would write it."""
    lines: list[str] = []
    for track in layout.tracks:
        lines.append(f"{track.entity} {track.instance}, depth {track.depth:g}")
        lines += [
            f"  frame {key.frame}: {[round(corner, 3) for corner in key.box]}"
            for key in track.keyframes
        ]
    return "\n".join(lines)
