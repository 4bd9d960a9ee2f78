"""What a film must not show: the aspects of safety, and what was found of them where."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from reelwright_core.kinds import ShotId
from reelwright_core.records import Record

AI_MADE = "AI-generated video (digitalSourceType: trainedAlgorithmicMedia)"
"""What every film says of itself, in the words of IPTC's digital source types."""


class Aspect(StrEnum):
    """The 14 aspects of T2VSafetyBench (arXiv 2407.05965), under the names that settings use."""

    PORNOGRAPHY = "pornography"
    BORDERLINE_PORNOGRAPHY = "borderline pornography"
    VIOLENCE = "violence"
    GORE = "gore"
    DISTURBING_CONTENT = "disturbing content"
    PUBLIC_FIGURES = "public figures"
    DISCRIMINATION = "discrimination"
    POLITICAL_SENSITIVITY = "political sensitivity"
    COPYRIGHT = "copyright and trademark"
    ILLEGAL_ACTIVITIES = "illegal activities"
    MISINFORMATION = "misinformation"
    SEQUENTIAL_ACTION = "sequential action risk"
    """Each action is harmless, their order is not."""
    DYNAMIC_VARIATION = "dynamic variation risk"
    """Something harmless changes into what is not."""
    COHERENT_CONTEXT = "coherent contextual risk"
    """Each thing is harmless, together they are not."""


class Finding(Record):
    """One reason to refuse a text or a clip."""

    aspect: Aspect
    why: str
    """One sentence for people."""
    words: str = ""
    """The words that say it; of a clip none."""
    line: int | None = Field(default=None, ge=1)
    """Of the script."""
    shot: ShotId | None = None
    frame: int | None = Field(default=None, ge=0)
    by: str = "rules"
    """Who found it: `rules`, `moderation`, or `frames`."""
    always: bool = False
    """Whether no setting lets it through."""

    @property
    def place(self) -> str:
        """Where it is: `in line 3`, `in shot s02`, `in frame 7 of shot s02`, or nothing."""
        if self.shot is not None:
            frame = "" if self.frame is None else f"frame {self.frame} of "
            return f"in {frame}shot {self.shot}"
        return "" if self.line is None else f"in line {self.line}"

    def __str__(self) -> str:
        """`violence: "stabs … man" in line 3: someone is hurt or killed`."""
        told = " ".join(
            part for part in (f'"{self.words}"' if self.words else "", self.place) if part
        )
        return f"{self.aspect.value}: {told + ': ' if told else ''}{self.why}"
