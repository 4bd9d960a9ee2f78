"""Shots longer than a model's own clips, and shots of several prompts: filmed in windows.

Each later window begins with the end of the one before, which it keeps exactly (noise level 0), so
what follows goes on from there; a model that cannot keep frames begins with the last one. Where the
prompt changes, the windows on both sides are denoised together and their answers blended (`joins`).
Frames leave as soon as they are final: memory does not grow with the length of the shot.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import InputError, ModelError
from reelwright_core.files import storage_errors, write_json, written_whole
from reelwright_core.records import file_digest
from reelwright_core.settings import KvSharing, Long
from reelwright_core.story import Beat, Box, FrameSpan
from reelwright_core.takes import NoisePlan, Region
from reelwright_core.video import Frames, read_video, video_frames, write_video
from reelwright_generators.drift import Look, look, moved
from reelwright_generators.generator import (
    Control,
    Facts,
    Generator,
    Made,
    OnStep,
    Request,
    Sound,
    refuse_unable,
)

Way = Literal["kept frames", "first frame"]
"""How a window goes on from the one before: by its last frames, or by its last one."""


class Sliced(Protocol):
    """Frames of which spans can be had: an array, or a `Reel`."""

    def __getitem__(self, span: slice, /) -> Frames:
        """The frames of `span`, which has a start and a stop."""
        ...


@runtime_checkable
class Joins(Protocol):
    """A generator that can denoise clips together; see `joins`."""

    def generate_joined(
        self,
        requests: Sequence[Request],
        overlaps: Sequence[int],
        on_step: OnStep | None = None,
        *,
        sharing: KvSharing | None = None,
    ) -> list[Made]:
        """The clips; `overlaps[i]` frames at the end of one are those at the next one's start."""
        ...

    def refuse_joined(
        self,
        requests: Sequence[Request],
        overlaps: Sequence[int],
        sharing: KvSharing | None = None,
    ) -> None:
        """`ModelError` for clips that it cannot denoise together, or with such sharing."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A part of a shot that is filmed at once."""

    first: int
    """Its first frame, counted in the shot."""
    frames: int
    overlap: int
    """Frames at its start that the window before has too."""
    prompt: str
    joined: bool = False
    """Whether they are denoised together with that one, instead of kept from it."""

    @property
    def end(self) -> int:
        """The frame after its last."""
        return self.first + self.frames


def way_of(facts: Facts) -> Way | None:
    """How a generator can go on from a window; None if it cannot."""
    if {"sketch", "regions"} <= set(facts.can):
        return "kept frames"
    return "first frame" if "first_frame" in facts.can else None


def continued(request: Request, last: Frames, facts: Facts, told: Long) -> Request:
    """The request, begun with the last frame of another clip, [1, height, width, 3].

    By `first_frame` where the generator takes one, else as the first frame of the sketch, kept to
    the end; without a sketch that is the frame, held, at the level `told.hold`. `ModelError` for a
    generator that can do neither.
    """
    if "first_frame" in facts.can:
        return replace(request, first_frame=last)
    if way_of(facts) is None:
        raise ModelError(
            f"{facts.name} cannot go on from another shot: it can neither begin with a given frame "
            "(`first_frame`) nor keep frames of a sketch (`sketch` and `regions`); leave out "
            "`continues`, or use another model"
        )
    plan, sketch = request.noise, request.sketch
    if sketch is None:
        sketch = _held(last, request.frames)
        plan = plan.model_copy(update={"level": min(plan.level, told.hold)})
    else:
        sketch = np.concatenate([last, sketch[1:]])
    kept = _kept(1)
    plan = plan.model_copy(update={"regions": [*plan.regions, kept], "low_frequencies": None})
    return replace(request, sketch=sketch, noise=plan)


def in_windows(facts: Facts, told: Long, *, frames: int, beats: Sequence[Beat] = ()) -> bool:
    """Whether a shot is filmed in windows; `ModelError` if it must be and cannot."""
    if told.how == "whole" and beats:
        raise ModelError(
            f"a shot with {len(beats)} beats is filmed in windows, and `generator.long.how` is "
            "`whole`; use `auto`, or make each beat a shot of its own"
        )
    if told.how == "whole" or not (beats or frames > (told.window or facts.frames)):
        return False
    if way_of(facts) is not None:
        return True
    if told.how == "windows" or beats:
        what = f"{frames} frames" if frames > facts.frames else f"{len(beats) + 1} prompts"
        raise ModelError(
            f"{facts.name} cannot film a shot of {what} in windows: it can neither keep frames of "
            "a sketch (`sketch` and `regions`) nor begin with a given frame (`first_frame`); "
            f"use another model, or shots of one prompt and at most {facts.frames} frames"
        )
    return False


def plan(
    frames: int,
    prompt: str,
    *,
    window: int,
    overlap: int,
    step: int = 1,
    beats: Sequence[Beat] = (),
    joined: bool = False,
) -> list[Window]:
    """The windows of a shot, in order; the last one ends at its end or up to `step` - 1 later.

    As few as will do, of nearly equal length, which is at most `window`; each overlaps with the one
    before in at least `overlap` frames. They begin at multiples of `step`, the frames of one
    latent, and are 1 more than a multiple of it long. Where the prompt changes, the overlap lies
    before the change, or around it if the windows are `joined`.
    """
    window, overlap = _up(window, step), _up(overlap, step)
    if not overlap < window:
        raise ModelError(
            f"windows of {window} frames cannot overlap in {overlap}: `generator.long.overlap` "
            "must be smaller than `generator.long.window`"
        )
    parts = [(0, prompt), *((beat.first, beat.prompt) for beat in beats)]
    before = overlap // 2 if joined else overlap
    begins = [0, *(max(0, at - before) // step * step for at, _ in parts[1:])]
    ends = [*(begin + overlap for begin in begins[1:]), _up(frames, step)]
    found: list[Window] = []
    for (_, said), begin, end in zip(parts, begins, ends, strict=True):
        sides = (begin > 0) + (end < ends[-1]) if joined else 1
        if len(parts) > 1 and end - begin <= overlap * sides:
            raise ModelError(
                f"the prompt {said!r} holds for too few frames: windows overlap in {overlap}; "
                "move its beat's `first`, or set `generator.long.overlap` lower"
            )
        count = max(1, -(-(end - begin - overlap) // (window - overlap)))
        length = _up(-(-(end - begin + (count - 1) * overlap) // count), step)
        way = end - length - begin
        for index in range(count):
            start = begin + (index * way // (count - 1) // step * step if index else 0)
            shared = found[-1].end - start if found else 0
            joins = joined and index == 0 and begin > 0
            found.append(
                Window(first=start, frames=length, overlap=shared, prompt=said, joined=joins)
            )
    return found


def _up(frames: int, step: int) -> int:
    return -(-(frames - 1) // step) * step + 1


class Reel:
    """The frames of a video file, read forwards: spans may overlap, but never begin earlier."""

    def __init__(self, path: Path) -> None:
        self._coming = video_frames(path)
        self._held: deque[NDArray[np.uint8]] = deque()
        self._first = 0

    def __getitem__(self, span: slice, /) -> Frames:
        """The frames of `span`; fewer at the end of the file."""
        if span.start < self._first:
            raise ValueError(f"frame {span.start} was passed; the reel is at {self._first}")
        while self._first + len(self._held) < span.stop:
            frame = next(self._coming, None)
            if frame is None:
                break
            self._held.append(frame)
        while self._held and self._first < span.start:
            self._held.popleft()
            self._first += 1
        held = list(self._held)[: span.stop - span.start]
        if not held:
            raise InputError(f"the video ends before frame {span.start}")
        return np.stack(held)


class WindowFolder:
    """Finished windows on disk, so that a shot goes on where it was stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, number: int) -> Made | None:
        """The window that was kept under `number`; None if it is not there, whole."""
        try:
            told = json.loads(self._path(number, "json").read_bytes())
            if told["sha256"] != file_digest(self._path(number, "mp4")):
                return None
            frames = read_video(self._path(number, "mp4"))
            sound = None
            if told["rate"]:
                with np.load(self._path(number, "npz")) as kept:
                    sound = Sound(samples=kept["samples"], rate=told["rate"])
            return Made(
                frames=frames, provenance=told["provenance"], seconds=told["seconds"], sound=sound
            )
        except (OSError, ValueError, KeyError, TypeError, InputError):
            return None

    def keep(self, number: int, made: Made, *, fps: Fraction) -> None:
        """Writes a window, its record last."""
        video, sound = self._path(number, "mp4"), made.sound
        write_video(video, made.frames, fps=fps, lossless=True)
        if sound is not None:
            with written_whole(self._path(number, "npz")) as aside:
                np.savez(aside, samples=sound.samples)
        write_json(
            self._path(number, "json"),
            {
                "sha256": file_digest(video),
                "provenance": made.provenance,
                "seconds": made.seconds,
                "rate": sound.rate if sound else None,
            },
        )

    def remove(self) -> None:
        """Removes all of it, once the shot is whole."""
        with storage_errors(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)

    def _path(self, number: int, ending: str) -> Path:
        return self.folder / f"{number:04}.{ending}"


class LongFilm:
    """One shot in windows: `check` it, take its `frames`, then read its `provenance`.

    `request` is that of the whole shot. Its sketch may come apart from it, read as it is needed.
    With a `folder`, windows that lie finished there are not filmed again.
    """

    def __init__(
        self,
        generator: Generator,
        request: Request,
        told: Long,
        *,
        beats: Sequence[Beat] = (),
        sketch: Sliced | None = None,
        folder: WindowFolder | None = None,
    ) -> None:
        self._generator, self._request, self._told = generator, request, told
        self._sketch: Sliced | None = request.sketch if sketch is None else sketch
        self._folder = folder
        self._sharing = told.kv_sharing if told.kv_sharing.layers else None
        facts = generator.facts()
        way = way_of(facts)
        if way is None:
            in_windows(facts, Long(how="windows"), frames=request.frames, beats=beats)
        self._way = way
        step = facts.frames_per_latent
        window = min(told.window or facts.frames, facts.frames)
        window = window - (window - 1) % step
        joined = way == "kept frames" and isinstance(generator, Joins) and told.blend
        overlap = 1 if way == "first frame" else told.overlap or _quarter(window, step)
        self.windows = plan(
            request.frames, request.prompt, window=window, overlap=overlap,
            step=1 if way == "first frame" else step, beats=beats, joined=joined,
        )  # fmt: skip
        if way == "first frame":
            self.windows = [_one_kept(window) for window in self.windows]
        self._told_of: list[dict[str, Any]] = []
        self._first_look: Look | None = None
        self._seconds = 0.0
        self._sounds: list[Sound] = []

    def check(self) -> list[str]:
        """Warnings, each once; `ModelError` for what cannot be filmed, as the generator says."""
        width, height = self._request.size
        blank = np.zeros((max(w.overlap for w in self.windows) or 1, height, width, 3), np.uint8)
        group = next((g for g in _groups(self.windows) if len(g) > 1), None)
        if group is not None:
            requests = [self._first_check(window, blank) for window in group]
            assert isinstance(self._generator, Joins)
            overlaps = [w.overlap for w in group[1:]]
            self._generator.refuse_joined(requests, overlaps, self._sharing)
        elif self._sharing is not None and any(w.prompt != self._request.prompt
                                               for w in self.windows):  # fmt: skip
            raise ModelError(
                f"{self._generator.facts().name} cannot share keys and values between windows "
                "that are not denoised together: set `generator.long.blend=true`, or "
                "`generator.long.kv_sharing.layers=0`"
            )
        warnings: dict[str, None] = {}
        for window in self.windows[:2]:
            request = self._first_check(window, blank)
            refuse_unable(request, self._generator.facts())
            warnings |= dict.fromkeys(self._generator.check(request))
        count = len(self.windows)
        how = f"{count} windows of {self.windows[0].frames} frames"
        return [*warnings, f"{self._request.frames} frames are filmed in {how}"]

    def frames(self, on_step: OnStep | None = None) -> Iterator[NDArray[np.uint8]]:
        """The frames of the shot, uint8 RGB [height, width, 3], one after another."""
        self._told_of, self._first_look, self._seconds, self._sounds = [], None, 0.0, []
        past: Frames | None = None
        number, shown = 0, 0
        for group in _groups(self.windows):
            asked = self._asked(number, group, past)
            made = self._made(number, asked, group, on_step)
            clip = _crossfaded([one.frames for one in made], [w.overlap for w in group[1:]])
            new = group[0].overlap if past is not None else 0
            self._note(number, group, asked, made)
            for frame in clip[new:][: self._request.frames - shown]:
                shown += 1
                yield frame
            number += len(group)
            if number < len(self.windows):
                # A copy: a view would hold the whole clip.
                past = clip[len(clip) - self.windows[number].overlap :].copy()

    @property
    def seconds(self) -> float:
        """How long filming took."""
        return self._seconds

    def provenance(self) -> dict[str, Any]:
        """The first window's, and of every window where it is, its seed and how far it drifted."""
        assert self._told_of, "the frames come first"
        first = self._told_of[0]["provenance"]
        windows = [{k: v for k, v in told.items() if k != "provenance"} for told in self._told_of]
        each = (told["provenance"].get("kv_sharing") for told in self._told_of)
        sharing = next((told for told in each if told), None)
        if sharing is not None:
            first = {**first, "kv_sharing": sharing}
        return {**first, "windows": {"way": self._way, "each": windows}}

    def sound(self) -> Sound | None:
        """What is heard with the shot, if the windows have sound."""
        if not self._sounds:
            return None
        samples = np.concatenate([sound.samples for sound in self._sounds], axis=1)
        rate = self._sounds[0].rate
        length = round(self._request.frames * rate / self._request.fps)
        return Sound(samples=samples[:, :length], rate=rate)

    def _asked(self, number: int, group: Sequence[Window], past: Frames | None) -> list[Request]:
        return [
            self._part(number + index, window, past, begins=index == 0)
            for index, window in enumerate(group)
        ]

    def _first_check(self, window: Window, blank: Frames) -> Request:
        past = blank[: window.overlap] if window.overlap else None
        return self._part(0, window, past, begins=not window.joined, blank=blank)

    def _part(
        self,
        number: int,
        window: Window,
        past: Frames | None,
        *,
        begins: bool,
        blank: Frames | None = None,
    ) -> Request:
        """The request of one window; `past` is the end of the shot so far."""
        whole = self._request
        span = slice(window.first, window.end)
        count = window.frames

        def part(video: Sliced | None) -> Frames | None:
            if video is None:
                return None
            if blank is not None:
                shape = (count, *blank.shape[1:]) if video is self._sketch else None
                return np.zeros(shape, np.uint8) if shape else _held(video[0:1], count)
            return _held(video[span], count)

        sketch = part(self._sketch)
        level, regions = whole.noise.level, _shifted(whole.noise, window)
        if past is not None and self._way == "kept frames":
            if sketch is None or not _shows(whole.noise):
                sketch, level = _held(past[-1:], count), min(level, self._told.hold)
            if begins:
                sketch = np.concatenate([past, sketch[len(past) :]])
                regions = [*regions, _kept(len(past))]
        control = whole.control
        if control is not None:
            shown = part(control.frames)
            assert shown is not None
            control = Control(kind=control.kind, frames=shown, scale=control.scale)
        first = whole.first_frame
        if past is not None and begins and (first is not None or self._way == "first frame"):
            first = past[:1]
        guide = whole.guide
        if guide is not None:
            things = tuple(
                replace(thing, boxes=_until(thing.boxes[span], count)) for thing in guide.things
            )
            guide = replace(guide, things=things)
        noise = whole.noise.model_copy(
            update={
                "level": level,
                "regions": regions,
                "seed": _seed(whole.noise.seed, number),
                # They belong to pure noise, which a window that goes on does not start from.
                "low_frequencies": whole.noise.low_frequencies if level == 1 else None,
            }
        )
        return replace(
            whole,
            prompt=window.prompt,
            frames=count,
            noise=noise,
            sketch=sketch,
            labels=part(whole.labels),
            control=control,
            guide=guide,
            first_frame=first,
            last_frame=whole.last_frame if window is self.windows[-1] else None,
        )

    def _made(
        self, number: int, asked: list[Request], group: Sequence[Window], on_step: OnStep | None
    ) -> list[Made]:
        """The windows of a group, from the folder or filmed."""
        folder, fps = self._folder, self._request.fps
        found = [folder.find(number + index) if folder else None for index in range(len(group))]
        kept = [made for made in found if made is not None]
        if len(kept) == len(group):
            self._seconds += sum(made.seconds for made in kept)
            return kept
        every = len(self.windows)

        def told(done: int, of: int) -> None:
            # All windows count alike; `of` is the steps of the group's windows together.
            if on_step is not None:
                each = of // len(group)
                on_step(number * each + done, every * each)

        started = time.monotonic()
        if len(group) == 1:
            made = [self._generator.generate(asked[0], told)]
        else:
            assert isinstance(self._generator, Joins)
            overlaps = [window.overlap for window in group[1:]]
            made = self._generator.generate_joined(asked, overlaps, told, sharing=self._sharing)
        self._seconds += time.monotonic() - started
        if folder is not None:
            for index, one in enumerate(made):
                folder.keep(number + index, one, fps=fps)
        return made

    def _note(
        self,
        number: int,
        group: Sequence[Window],
        asked: Sequence[Request],
        made: Sequence[Made],
    ) -> None:
        for index, (window, request, one) in enumerate(zip(group, asked, made, strict=True)):
            seen = look(one.frames)
            self._first_look = self._first_look or seen
            how = "joined" if window.joined else "kept" if number + index else None
            told: dict[str, Any] = {
                "first": window.first,
                "frames": window.frames,
                **({how: window.overlap} if how else {}),
                "seed": request.noise.seed,
                "level": request.noise.level,
                "drift": moved(seen, since=self._first_look),
            }
            if window.prompt != self._request.prompt:
                told["prompt"] = window.prompt
            self._told_of.append({**told, "provenance": one.provenance})
            if one.sound is not None:
                rate = one.sound.rate
                shared = round(window.overlap * rate / self._request.fps)
                self._sounds.append(Sound(samples=one.sound.samples[:, shared:], rate=rate))


def _quarter(window: int, step: int) -> int:
    return min(_up(-(-window // 4), step), window - step)


def _one_kept(window: Window) -> Window:
    """The window, begun later where it overlaps in more than the one frame that can be kept."""
    too_many = max(0, window.overlap - 1)
    return replace(
        window,
        first=window.first + too_many,
        frames=window.frames - too_many,
        overlap=window.overlap - too_many,
    )


def _groups(windows: Sequence[Window]) -> list[list[Window]]:
    """Windows that are denoised together."""
    groups: list[list[Window]] = []
    for window in windows:
        if window.joined:
            groups[-1].append(window)
        else:
            groups.append([window])
    return groups


def _kept(frames: int) -> Region:
    """The first frames, as they stand in the sketch."""
    return Region(of="all", level=0.0, frames=FrameSpan(first=0, last=frames - 1))


def _held(video: Frames, count: int) -> Frames:
    """The first frames, and the last one again if there are too few."""
    missing = count - len(video)
    return np.concatenate([video, np.repeat(video[-1:], missing, axis=0)]) if missing > 0 else video


def _until(boxes: tuple[tuple[Box, ...], ...], count: int) -> tuple[tuple[Box, ...], ...]:
    """Boxes of so many frames: of the last one again, if there are too few."""
    return (*boxes, *boxes[-1:] * (count - len(boxes)))


def _shows(noise: NoisePlan) -> bool:
    """Whether a clip of this plan has anything of its sketch, its motion included."""
    return noise.shows_sketch or noise.noise == "flow"


def _shifted(noise: NoisePlan, window: Window) -> list[Region]:
    """The plan's regions as a window sees them."""
    found: list[Region] = []
    for region in noise.regions:
        span = region.frames
        if span is not None:
            first, last = max(span.first, window.first), min(span.last, window.end - 1)
            if first > last:
                continue
            span = FrameSpan(first=first - window.first, last=last - window.first)
        found.append(region.model_copy(update={"frames": span}))
    return found


def _seed(seed: int, number: int) -> int:
    """A seed for each window; the first one has the shot's own."""
    if number == 0:
        return seed
    mixed = hashlib.sha256(f"reelwright/window/{seed}/{number}".encode()).digest()
    return int.from_bytes(mixed[:8], "big") >> 1


def _crossfaded(clips: Sequence[Frames], overlaps: Sequence[int]) -> Frames:
    """One clip; in an overlap, the later one comes in as the earlier one goes."""
    joined = clips[0]
    for clip, overlap in zip(clips[1:], overlaps, strict=True):
        weight = ((np.arange(overlap) + 0.5) / overlap)[:, None, None, None]
        mixed = joined[-overlap:] * (1 - weight) + clip[:overlap] * weight
        both = np.rint(mixed).astype(np.uint8)
        joined = np.concatenate([joined[:-overlap], both, clip[overlap:]])
    return joined
