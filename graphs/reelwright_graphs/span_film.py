"""Some frames of a clip filmed anew, all others kept as they are.

The model sees the clip around the span as its sketch, kept to the end (noise level 0), so that the
new frames go on from it and lead back to it. What it makes of the kept frames is not used: outside
the span the new clip is the earlier one, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from reelwright_core.errors import ModelError
from reelwright_core.story import FrameSpan
from reelwright_core.takes import Region
from reelwright_core.video import Frames
from reelwright_generators.generator import Facts, Request

FEATHER = 3
"""Over so many frames inside each end of a span the kept side's tone fades into the new one's."""
SOFT = 0.05
"""How coarse that tone is: the Gaussian's σ as a part of the picture's height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanFilm:
    """Which frames are filmed anew, and which the model is shown around them."""

    span: FrameSpan
    """Filmed anew, in frames of the shot."""
    part: FrameSpan
    """What the model films: the span and its surroundings, as many frames as it can at once."""

    @property
    def inside(self) -> FrameSpan:
        """The span in frames of the part."""
        first = self.part.first
        return FrameSpan(first=self.span.first - first, last=self.span.last - first)


def span_film(span: FrameSpan, *, frames: int, facts: Facts, continues: bool = False) -> SpanFilm:
    """The filming of `span` in a shot of `frames`; `ModelError` where the model cannot do it.

    A shot that `continues` another keeps its first frame.
    """
    if not {"sketch", "regions"} <= set(facts.can):
        raise ModelError(
            f"{facts.name} cannot film a span anew: it keeps no frames of a clip (`sketch` and "
            "`regions`); film the whole clip again, or use another model"
        )
    first = max(span.first, 1) if continues else span.first
    span = FrameSpan(first=first, last=min(span.last, frames - 1))
    step, most = facts.frames_per_latent, facts.frames
    if frames <= most:
        return SpanFilm(span=span, part=FrameSpan(first=0, last=frames - 1))
    room = most - (span.last - span.first + 1)
    if room < 2 * step:
        raise ModelError(
            f"frames {span.first}-{span.last} are too many to be filmed anew at once: "
            f"{facts.name} films {most} frames, and {2 * step} of them are for what is around"
        )
    # Latents of the part must be latents of the shot: it begins at a multiple of their length.
    begin = min(max(span.first - room // 2, 0), frames - most) // step * step
    return SpanFilm(span=span, part=FrameSpan(first=begin, last=min(begin + most, frames) - 1))


def span_request(request: Request, film: SpanFilm, *, earlier: Frames) -> Request:
    """The request for the part, of that for the whole shot.

    Outside the span its sketch is the `earlier` clip, uint8 [frames, height, width, 3], and kept.
    """
    cut = slice(film.part.first, film.part.last + 1)
    inside, count = film.inside, film.part.last - film.part.first + 1
    sketch = earlier[cut].copy()
    if request.sketch is not None:
        own = slice(inside.first, inside.last + 1)
        sketch[own] = request.sketch[cut][own]
    regions = [
        region.model_copy(update={"frames": _moved(region.frames, film.part)})
        for region in request.noise.regions
        if region.frames is None or _moved(region.frames, film.part) is not None
    ]
    around = [(0, inside.first - 1), (inside.last + 1, count - 1)]
    regions += [
        Region(of="all", level=0.0, frames=FrameSpan(first=a, last=b)) for a, b in around if a <= b
    ]
    noise = request.noise.model_copy(update={"regions": regions, "low_frequencies": None})
    control = request.control
    return replace(
        request,
        frames=count,
        sketch=sketch,
        noise=noise,
        labels=None if request.labels is None else request.labels[cut],
        control=None if control is None else replace(control, frames=control.frames[cut]),
        first_frame=None,
        last_frame=None,
    )


def _moved(frames: FrameSpan | None, part: FrameSpan) -> FrameSpan | None:
    if frames is None:
        return None
    first, last = max(frames.first, part.first), min(frames.last, part.last)
    return FrameSpan(first=first - part.first, last=last - part.first) if first <= last else None


def put_in(earlier: Frames, made: Frames, film: SpanFilm) -> Frames:
    """The `earlier` clip with the span of `made`, the part that was filmed.

    The model's own picture of the kept frames is a little off in tone. What it is off by at the
    last frame before the span, and at the first one after it, is added back inside, coarsely, less
    with each frame: so no seam shows, and nothing of the old frames shines through.
    """
    clip, inside = earlier.copy(), film.inside
    new = made[inside.first : inside.last + 1].astype(np.float32)
    for border, ahead in ((inside.first - 1, True), (inside.last + 1, False)):
        if not 0 <= border < len(made):
            continue
        kept = earlier[film.part.first + border].astype(np.float32)
        off = cv2.GaussianBlur(kept - made[border], (0, 0), sigmaX=SOFT * made.shape[1])
        for away in range(min(FEATHER, len(new))):
            at = away if ahead else len(new) - 1 - away
            new[at] += off * (1 - (away + 0.5) / (FEATHER + 0.5))
    clip[film.span.first : film.span.last + 1] = np.clip(np.rint(new), 0, 255).astype(np.uint8)
    return clip


def told(film: SpanFilm, clip: Frames, *, of: int, sha256: str) -> dict[str, Any]:
    """For the provenance: what was filmed anew, and how large the steps at its ends are.

    Steps are mean absolute differences of neighbouring frames in grey levels; the one that is
    usual in the clip is the median of all others.
    """
    steps = [
        float(np.abs(after.astype(np.int16) - before).mean()) for before, after in pairwise(clip)
    ]
    ends = [at for at in (film.span.first - 1, film.span.last) if 0 <= at < len(steps)]
    others = [step for at, step in enumerate(steps) if at not in ends]
    return {
        "span": {
            "frames": [film.span.first, film.span.last],
            "of": of,
            "clip": sha256,
            "filmed": [film.part.first, film.part.last],
            "steps at its ends": [round(steps[at], 3) for at in ends],
            "usual step": round(float(np.median(others)), 3) if others else None,
        }
    }
