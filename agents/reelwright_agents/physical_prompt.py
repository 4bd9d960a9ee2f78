"""Prompts that say what physical rules make visible, and never name a law.

After the refinement step of PhyT2V (arXiv 2412.00596): at most 120 words, only what is to be seen;
after a score below a half another way of putting it is tried.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from reelwright_agents.routing import Case, score
from reelwright_core.story import Action
from reelwright_core.takes import Take
from reelwright_metrics.questions import name

WORDS = 120
"""How many words a prompt has at most."""

_LAWS = re.compile(
    r"\b(law|laws|physics|physical(ly)?|gravity|gravitational|newton('s)?|inertia|momentum|"
    r"conservation|kinetic|potential energy|accelerat\w*|friction|elasticity|buoyancy|"
    r"thermodynamics?|aerodynamics?|centripetal|torque)\b",
    re.IGNORECASE,
)

_SEEN: Mapping[Action, Sequence[str]] = MappingProxyType(
    {
        "falls": (
            "{it} drops straight down, slowly at first, then fast, and comes to lie",
            "{it} starts high up and ends low down, with nothing under it on its way",
        ),
        "bounces": (
            "{it} hits the ground and springs back up, each time less high",
            "{it} goes down, touches the ground, goes up half as high, and down again",
        ),
        "rolls": (
            "{it} rolls along the ground and turns as it goes, little by little slower",
            "{it} stays on the ground and goes one way from its first place to its last",
        ),
        "topples": (
            "{it} leans over, slowly at first, then fast, and lies flat",
            "{it} stands upright first and lies on its side in the end",
        ),
        "collides": (
            "{it} goes up to what it hits, touches it, and pushes it on",
            "{it} stops where it touches the other, and the other goes on",
        ),
        "swings": (
            "{it} swings back and forth on its way, lowest in the middle",
            "{it} goes to one side, back through the middle, and to the other side",
        ),
        "jumps": (
            "{it} goes up and comes down again to where it was",
            "{it} leaves the ground, is highest in the middle, and lands",
        ),
        "rises": ("{it} goes up steadily, away from the ground", "{it} begins low and ends high"),
        "stays": ("{it} keeps its place", "{it} is in the same place from first to last"),
    }
)
_ELSE = (
    "{it} is one and the same from the first moment to the last, and moves without leaps",
    "{it} keeps its shape and colour all the time",
)


def physical_prompt(case: Case) -> str | None:
    """The shot's prompt with what is to be seen of those who fail; None when all ways are tried.

    The seed and all else stay, so that only the words differ. Where the last such prompt scored
    below 0.5, the other way of putting it comes next.
    """
    shot = case.shot
    told = [take for take in case.takes if take.prompt != shot.prompt]
    ways = range(len(_ELSE))
    way = len(told) if _poor(told) or not told else len(told) - 1
    for index in [way, *ways]:
        if index in ways:
            said = _said(case, index)
            if all(take.prompt != said for take in case.takes):
                return said
    return None


def unfit_prompt(case: Case, said: str) -> list[str]:
    """What is wrong with a new prompt; nothing if it can be filmed."""
    words = said.split()
    faults: list[str] = []
    if len(words) > WORDS:
        faults.append(f"it has {len(words)} words; at most {WORDS} are allowed")
    if law := _LAWS.search(said):
        faults.append(f"it names {law[0]!r}: say what is to be seen instead")
    plain = said.lower()
    for entity in case.shot.scene_graph.entities:
        if entity.noun.lower() not in plain:
            faults.append(f"it does not name the {entity.noun}")
        if entity.colour and entity.colour not in plain:
            faults.append(f"it does not say that the {entity.noun} is {entity.colour}")
    return faults


def _poor(told: Sequence[Take]) -> bool:
    return bool(told) and score(told[-1]) < 0.5


def _said(case: Case, way: int) -> str:
    shot = case.shot
    sentences = [shot.prompt.rstrip(" .")]
    for entity in shot.scene_graph.entities:
        it = name(shot, entity)
        own: list[Action] = [
            event.action for event in shot.scene_graph.events if event.actor == entity.id
        ]
        ways = [_SEEN[action][way] for action in dict.fromkeys(own) if action in _SEEN]
        for each in ways or [_ELSE[way]]:
            told = each.format(it=it)
            sentences.append(told[0].upper() + told[1:])
    words = " ".join(f"{sentence}." for sentence in sentences).split()
    # Whole sentences only: the prompt itself comes first and is never cut.
    while len(words) > WORDS and len(sentences) > 1:
        sentences.pop()
        words = " ".join(f"{sentence}." for sentence in sentences).split()
    return " ".join(words)
