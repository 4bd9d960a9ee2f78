"""What a planner is: it reads a script and decides what is filmed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, Protocol

from pydantic import Field

from reelwright_core.records import Rate, Record
from reelwright_core.story import Layout, Shot, Storyboard

ScriptKind = Literal["prose", "fountain", "markdown", "prompts"]


class Script(Record):
    """A script as it was read: its words, and how they are written down."""

    kind: ScriptKind
    text: str
    name: str = "script"
    """What to call it in messages: a file's name, or `script`."""


_SQUEEZED = Fraction(5, 4)
"""What needs so much more than the usual time is done a little faster, not filmed longer: a shot
that is a few frames longer than the model's clips would cost two of them."""


class Picture(Record):
    """The picture that shots get unless the script asks for another."""

    size: tuple[int, int] = (160, 96)
    """Width and height in pixels."""
    fps: Rate = Fraction(8)
    frames: int = Field(default=17, ge=1)
    """Frames of a shot."""
    step: int | None = Field(default=None, ge=1)
    """Where it is given, shots in which more happens or is said are longer than `frames`, by
    multiples of it, as the model can film them; none gives every shot `frames`."""
    most: int | None = Field(default=None, ge=1)
    """Frames of such a shot at most; none leaves it open."""

    def frames_for(self, seconds: Fraction) -> int:
        """Whole frames of a shot that needs `seconds`, as the model can film them."""
        needed = seconds * self.fps
        if self.step is None or needed <= self.frames * _SQUEEZED:
            return self.frames
        more = math.ceil((needed - self.frames) / self.step) * self.step
        if self.most is not None:
            more = min(more, max(0, (self.most - self.frames) // self.step) * self.step)
        return self.frames + more


class Planner(Protocol):
    """Reads a script and decides what is filmed; the same for the same input.

    `conformance.check_planner` says what must hold.
    """

    def storyboard(self, script: Script, *, picture: Picture) -> Storyboard:
        """The shots that film `script`; raises `ScriptError` if nothing in it can be filmed."""
        ...

    def layout(
        self,
        shot: Shot,
        *,
        faults: Sequence[str] = (),
        earlier: Layout | None = None,
        keyframes: int | None = None,
    ) -> Layout:
        """Where everything in `shot` is in each frame.

        `faults` says in words what to mend, of `earlier` where it is given; `keyframes` is how
        many each track has, None as many as are needed.
        """
        ...
