"""A critic that says what a clip shows, and compares that with the prompt and physical rules.

It follows the loop of PhyT2V (arXiv 2412.00596): the main objects and the rules that they obey are
taken from the prompt, the clip is captioned, and what differs is listed. The score is the mean of
how well the caption entails the prompt and how well it obeys the rules, as there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from pydantic import Field

from reelwright_agents.llm import LanguageModel
from reelwright_agents.vision_critic import png, spread
from reelwright_core.records import Record
from reelwright_core.story import Action, Layout, Shot
from reelwright_core.takes import Critique, Question
from reelwright_core.video import Frames
from reelwright_metrics.questions import name

SHOWN = 8
"""Frames that the captioner is shown at least, where the clip has them; PhyT2V's number."""

_RULES: Mapping[Action, str] = MappingProxyType(
    {
        "falls": "it goes down faster and faster until something stops it",
        "bounces": "it comes back up after each contact, each time less high than before",
        "rolls": "it keeps to its ground and its way, at the same speed or slower and slower",
        "topples": "it leans over faster and faster until it lies",
        "collides": "what it hits starts when it is touched, and it loses speed by that itself",
        "swings": "it goes back and forth, lowest and fastest in the middle, never farther",
        "jumps": "it comes down again after it has gone up",
        "stays": "it keeps its place",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What was found by describing a clip; the scores are 0..1."""

    rules: list[str]
    """`OBJECT: what is to be seen of it`."""
    caption: str
    mismatches: list[str]
    adherence: float
    """How well the clip shows what the prompt says."""
    physics: float
    """How well it obeys the rules."""


class Describer(Protocol):
    """Says in words what a clip shows."""

    def describe(
        self, shot: Shot, layout: Layout, frames: Frames, *, background: Frames | None = None
    ) -> Described:
        """Of `frames`, uint8 RGB [frames, height, width, 3]; the same for the same input."""
        ...


class CaptionCritic:
    """Watches a take by describing it first; measures by default."""

    name = "captions"

    def __init__(self, describer: Describer | None = None):
        self.describer: Describer = MeasuringDescriber() if describer is None else describer

    def watch(
        self, shot: Shot, layout: Layout, frames: Frames, *, background: Frames | None = None
    ) -> Critique:
        """The critique; its two questions are the two halves of the score."""
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
            raise ValueError(
                "`frames` is uint8 [frames, height, width, 3] with at least one frame, "
                f"got {frames.dtype} {list(frames.shape)}"
            )
        found = self.describer.describe(shot, layout, frames, background=background)
        halves = [
            Question(
                kind="other", text="Does the clip show what the prompt says?",
                score=round(found.adherence, 4), passed=found.adherence >= 0.5,
                expected="all of it",
            ),
            Question(
                kind="physics", text="Does it obey the rules?", score=round(found.physics, 4),
                passed=found.physics >= 0.5, expected="all of them",
            ),
        ]  # fmt: skip
        return Critique(
            critic=self.name,
            questions=halves,
            score=round((found.adherence + found.physics) / 2, 4),
            blame="prompt" if found.mismatches else "none",
            caption=found.caption,
            rules=found.rules,
            mismatches=found.mismatches,
        )


class MeasuringDescriber:
    """Says in words what was measured in the pixels: no model is needed."""

    def describe(
        self, shot: Shot, layout: Layout, frames: Frames, *, background: Frames | None = None
    ) -> Described:
        """As `Describer` has it; laws are those of `reelwright_metrics.trajectories`."""
        from reelwright_metrics import trajectories
        from reelwright_metrics.answers import answer
        from reelwright_metrics.measure import watch_pixels
        from reelwright_metrics.questions import questions

        watched = watch_pixels(shot, layout, frames, background=background)
        answers = [answer(asked, watched) for asked in questions(shot, layout)]
        laws = trajectories.findings(watched)
        names = {entity.id: name(shot, entity) for entity in shot.scene_graph.entities}
        said = [_told(way, names) for way in trajectories.ways(watched)]
        differs = [
            f"{each.text} expected: {each.expected}; seen: {each.seen}"
            for each in answers
            if not each.passed
        ]
        differs += [
            f"{_named(law.thing, names)}: expected {law.expected}; seen: {law.seen}"
            for law in laws
            if not law.passed
        ]
        return Described(
            rules=offline_rules(shot),
            caption=" ".join(said) or "Nothing that was asked for is seen.",
            mismatches=list(dict.fromkeys(differs)),
            adherence=float(np.mean([each.score for each in answers])) if answers else 1.0,
            physics=trajectories.score(laws) if laws else 1.0,
        )


def offline_rules(shot: Shot) -> list[str]:
    """What is to be seen of each thing if it obeys the laws of physics, by its events."""
    told: list[str] = []
    for entity in shot.scene_graph.entities:
        own: list[Action] = [
            event.action for event in shot.scene_graph.events if event.actor == entity.id
        ]
        rules = [_RULES[action] for action in dict.fromkeys(own) if action in _RULES]
        rules.append("it stays one and the same thing: it does not leap, vanish or melt")
        told += [f"{name(shot, entity)}: {rule}" for rule in rules]
    return told


def _named(thing: str, names: Mapping[str, str]) -> str:
    """`ball 2` is `the red ball (2)`."""
    entity, _, number = thing.partition(" ")
    return names.get(entity, entity) + (f" ({number})" if number else "")


def _told(way: object, names: Mapping[str, str]) -> str:
    from reelwright_metrics import trajectories
    from reelwright_metrics.trajectories import Way

    assert isinstance(way, Way)
    who = names.get(way.entity, way.entity) + (f" ({way.instance + 1})" if way.instance else "")
    who = who[0].upper() + who[1:]
    if len(way.x) < 2:
        return f"{who} is not seen."
    parts = [f"{who} is seen in {way.seen} of {way.due} frames"]
    parts += _moves(way.x, way.y)
    bounces = trajectories.contacts(way)
    if bounces:
        parts.append("turns back up at frame " + " and ".join(str(frame) for frame in bounces))
    grown = float(way.side[-1] / max(float(way.side[0]), 1e-6))
    if not 0.75 < grown < 1.33:
        parts.append(f"becomes {grown:.1f} times as large")
    return ", ".join(parts) + "."


def _moves(x: np.ndarray, y: np.ndarray) -> Iterator[str]:
    across, down = float(x[-1] - x[0]), float(y[-1] - y[0])
    if max(np.ptp(x), np.ptp(y)) < 0.06:
        yield "stands still"
        return
    if abs(across) >= 0.06:
        yield f"goes to the {'right' if across > 0 else 'left'} by {abs(across):.2f} of the height"
    if abs(down) >= 0.06:
        half = len(y) // 2
        first, second = (abs(float(part[-1] - part[0])) for part in (y[: half + 1], y[half:]))
        pace = ""
        if len(y) >= 5 and max(first, second) > 0:
            faster, slower = second > 1.4 * first, first > 1.4 * second
            pace = ", faster and faster" if faster else ", slower and slower" if slower else ""
        yield f"goes {'down' if down > 0 else 'up'} by {abs(down):.2f} of the height{pace}"
    if abs(across) < 0.06 and abs(down) < 0.06:
        yield "moves and comes back to where it was"


class RuleForm(Record):
    """A rule that an object obeys."""

    object: str = Field(min_length=1, max_length=60)
    rule: str = Field(
        min_length=1, max_length=300, description="what is to be seen, without formulas"
    )


class RulesForm(Record):
    """The main objects of a prompt, and the physical rules that they obey."""

    rules: list[RuleForm] = Field(min_length=1, max_length=8)


class CaptionForm(Record):
    """What the clip shows."""

    caption: str = Field(min_length=1, max_length=3000)


class ComparedForm(Record):
    """How the caption differs from the prompt and the rules."""

    mismatches: list[str] = Field(max_length=12)
    adherence: float = Field(ge=0, le=1, description="how well the prompt is met")
    physics: float = Field(ge=0, le=1, description="how well the rules are obeyed")


class ModelDescriber:
    """Asks a vision model: rules of the prompt, a caption of the frames, and what differs.

    The captioner is not told what the shot was to be; what differs is found from its words alone.
    """

    def __init__(self, model: LanguageModel, *, frames: int = SHOWN):
        self._model = model
        self._frames = frames

    def describe(
        self, shot: Shot, layout: Layout, frames: Frames, *, background: Frames | None = None
    ) -> Described:
        """As `Describer` has it; raises `EndpointError` without an answer."""
        found = self._model.ask(
            role="physicist",
            template="physical_rules",
            inputs={"shot": shot.prompt},
            answer=RulesForm,
        )
        rules = [f"{each.object}: {each.rule}" for each in found.rules]
        chosen = spread(len(frames), self._frames)
        seen = self._model.ask(
            role="captioner",
            template="caption",
            inputs={
                "frames": ", ".join(str(index) for index in chosen),
                "last_frame": len(frames) - 1,
            },
            answer=CaptionForm,
            images=[png(frames[index]) for index in chosen],
        )
        differs = self._model.ask(
            role="comparer",
            template="caption_compare",
            inputs={"shot": shot.prompt, "rules": "\n".join(rules), "caption": seen.caption},
            answer=ComparedForm,
            check=_unexplained,
        )
        return Described(
            rules=rules,
            caption=" ".join(seen.caption.split()),
            mismatches=[
                " ".join(each.split())[:300] for each in differs.mismatches if each.strip()
            ],
            adherence=differs.adherence,
            physics=differs.physics,
        )


def _unexplained(form: ComparedForm) -> list[str]:
    if min(form.adherence, form.physics) < 0.5 and not any(m.strip() for m in form.mismatches):
        return ["a score is below 0.5, but no mismatch is listed"]
    return []
