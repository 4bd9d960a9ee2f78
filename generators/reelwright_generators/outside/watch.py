"""Waiting for others: steps are told once, a stop is heard soon, and no wait is endless."""

from __future__ import annotations

import time
from collections.abc import Callable

from reelwright_core.errors import GeneratorError
from reelwright_generators.generator import OnStep

SLICE = 0.2
"""Seconds at most between two questions whether to stop."""


class TookTooLong(GeneratorError):
    """A job's time was up."""


class Watch:
    """Tells `on_step` how far a job is, and hears from it whether to stop.

    `on_step` stops the job by raising, so it is also called while nothing happens, with the
    last step again (0 before the first).
    """

    def __init__(
        self,
        on_step: OnStep | None,
        *,
        what: str,
        seconds: float,
        steps: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._on_step = on_step
        self._what = what
        self._seconds = seconds
        self._clock = clock
        self._started = clock()
        self._done = 0
        self.steps = steps
        """Steps in all; None until the job says it."""
        self.stop: BaseException | None = None
        """Why the job must end, since libraries in between may swallow what is raised."""

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    def beat(self) -> None:
        """Raises what `on_step` raises, or `TookTooLong` when the time is up."""
        if self.stop is not None:
            raise self.stop
        try:
            self._tell()
            if self.spent > self._seconds:
                raise TookTooLong(
                    f"{self._what} took longer than {self._seconds:g} s and was stopped; raise "
                    "`generator.outside.timeout`, or ask for a shorter or smaller shot"
                )
        except BaseException as reason:
            self.stop = reason
            raise

    def reach(self, done: int, steps: int | None = None) -> None:
        """Tells every step up to `done`; the first `steps` that is said holds."""
        if self.steps is None and steps is not None:
            self.steps = max(1, min(steps, 10_000))
        while self._done < min(done, self.steps or 0):
            self._done += 1
            self.beat()

    def finish(self) -> int:
        """Tells what is left, and says how many steps there were."""
        self.steps = self.steps or 1
        self.reach(self.steps)
        return self.steps

    def sleep(self, seconds: float) -> None:
        """Waits, and asks now and then whether to stop."""
        until = self._clock() + seconds
        self.beat()
        while (left := until - self._clock()) > 0:
            time.sleep(min(SLICE, left))
            self.beat()

    def _tell(self) -> None:
        if self._on_step is not None:
            self._on_step(self._done, self.steps or 1)
