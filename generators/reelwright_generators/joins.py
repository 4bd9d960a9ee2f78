"""Clips that are denoised together, step by step, and agree on the frames they have in common.

The model-agnostic half of DiTCtrl (arXiv 2412.18597): neighbouring clips start from the same noise
in their overlap, and at every step the model's answers for it are mixed with a triangular weight,
so that one prompt turns into the next. It sits in the scheduler, as everything of `schedules` does:
each clip is an ordinary call of the pipeline, in a thread of its own, and only one of them runs at
a time. DiTCtrl's other half, keys and values that the clips share, is in `sharing`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from reelwright_core.errors import GeneratorError
from reelwright_generators.schedules import Course
from reelwright_generators.sharing import Sharing

Made = TypeVar("Made")
Packing = Callable[[torch.Tensor], torch.Tensor]
"""From latents, [1, channels, frames, height, width], to the layout of the scheduler."""


_UNEQUAL = (
    "clips that are denoised together took unequal numbers of steps; "
    "set `generator.long.blend=false`"
)


class _Abandoned(BaseException):
    """Another clip failed; no `Exception`, so that no handler of pipelines takes it for one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Shared:
    """Which values of two neighbours stand for the same frames, in the scheduler's layout."""

    earlier: torch.Tensor
    later: torch.Tensor
    weight: torch.Tensor
    """Of the later one, for each of them."""


class Together:
    """Clips in lockstep: each shares `overlaps[i]` latent frames with the one after it."""

    def __init__(self, overlaps: Sequence[int], sharing: Sharing | None = None) -> None:
        self.overlaps, self.sharing = overlaps, sharing
        self.count = len(overlaps) + 1
        self.drawn: list[torch.Tensor] = []
        self.shared: list[_Shared] = []
        self.answers: dict[int, torch.Tensor] = {}
        self.steps = 0
        """Whose answers are mixed."""
        self._condition = threading.Condition()
        self._turn = 0
        self._failure: BaseException | None = None

    def run(self, clips: Sequence[Callable[[Seat], Made]]) -> list[Made]:
        """What each of `clips` returns; raises what the first one to fail raised."""
        made: dict[int, Made] = {}

        def film(index: int) -> None:
            try:
                self.wait(index)
                made[index] = clips[index](Seat(self, index))
                self.leave()
            except _Abandoned:
                pass
            except BaseException as error:  # it is raised again below, whatever it is
                self._fail(error)

        threads = [threading.Thread(target=film, args=(index,)) for index in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure
        return [made[index] for index in range(self.count)]

    def wait(self, index: int) -> None:
        """Until it is the turn of clip `index`."""
        with self._condition:
            self._condition.wait_for(lambda: self._turn == index or self._failure is not None)
            if self._failure is not None:
                raise _Abandoned

    def leave(self) -> None:
        """The turn goes to the next clip."""
        with self._condition:
            self._turn = (self._turn + 1) % self.count
            self._condition.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._condition:
            self._failure = self._failure or error
            self._condition.notify_all()

    def blend(self) -> None:
        """Mixes all answers of a step."""
        if len(self.answers) < self.count:
            raise GeneratorError(_UNEQUAL)
        self.steps += 1
        for index, shared in enumerate(self.shared):
            earlier, later = self.answers[index], self.answers[index + 1]
            if earlier.shape != shared.earlier.shape or later.shape != shared.later.shape:
                raise GeneratorError(
                    f"the model answers in {list(earlier.shape)} for latents of "
                    f"{list(shared.earlier.shape)}: its clips cannot be denoised together; "
                    "set `generator.long.blend=false`"
                )
            one, other = earlier[shared.earlier], later[shared.later]
            mixed = torch.lerp(one.float(), other.float(), shared.weight.to(one.device))
            earlier[shared.earlier] = later[shared.later] = mixed.to(one.dtype)


class Seat:
    """One clip's place among those that are denoised together."""

    def __init__(self, together: Together, index: int) -> None:
        self.index = index
        self._together = together
        self._steps = 0

    def share(self, course: Course) -> None:
        """Lets the clip attend to the one before, if these clips share keys and values."""
        if self._together.sharing is not None:
            self._together.sharing.enter(self.index, course)

    def begin(self, latents: torch.Tensor, packing: Packing) -> torch.Tensor:
        """The clip's first latents: in the overlap, those of the clip before."""
        together = self._together
        if self.index > 0:
            frames, before = together.overlaps[self.index - 1], together.drawn[self.index - 1]
            latents = latents.clone()
            latents[:, :, :frames] = before[:, :, -frames:]
            together.shared.append(_shared(before, latents, frames, packing))
        together.drawn.append(latents)
        return latents

    def meet(self, answer: torch.Tensor) -> torch.Tensor:
        """The model's answer for this step, mixed with the neighbours' where they overlap."""
        together = self._together
        together.answers[self.index] = answer.clone()
        if self.index == together.count - 1:
            together.blend()
        together.leave()
        together.wait(self.index)
        self._steps += 1
        if together.steps != self._steps:
            raise GeneratorError(_UNEQUAL)
        return together.answers.pop(self.index)


def _shared(before: torch.Tensor, after: torch.Tensor, frames: int, packing: Packing) -> _Shared:
    """Marks are packed as latents are: in the same order, whatever the layout."""

    def marked(like: torch.Tensor, which: slice) -> torch.Tensor:
        marks = torch.zeros_like(like)
        marks[:, :, which] = 1
        return packing(marks) > 0.5

    ramp = (torch.arange(frames) + 0.5) / frames
    weights = torch.zeros_like(after)
    weights[:, :, :frames] = ramp[:, None, None]
    later = marked(after, slice(0, frames))
    return _Shared(
        earlier=marked(before, slice(before.shape[2] - frames, None)),
        later=later,
        weight=packing(weights)[later],
    )
