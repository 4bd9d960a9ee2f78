"""How long a shot is: as long as what happens in it and what is said in it need."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from reelwright_core.story import Action

WORDS_A_SECOND = Fraction(5, 2)
"""How fast dialogue is spoken: 150 words a minute."""
LETTERS_A_WORD = 3
"""Of a script that writes no blanks between words, such as Chinese."""
BREATH = Fraction(1, 4)
"""Seconds after each line."""
SHORTEST = Fraction(2)
"""Seconds of a shot in which something happens."""
EMPTY = Fraction(3)
"""Seconds of a shot that shows a place and nobody in it."""
LONGEST = 10
"""Seconds of a shot at most, as Vlogger has it (arXiv 2401.09414)."""
SECONDS: Mapping[Action, Fraction] = {
    "moves": Fraction(3, 2), "rolls": Fraction(3, 2), "falls": Fraction(1),
    "bounces": Fraction(1), "rises": Fraction(3, 2), "approaches": Fraction(3, 2),
    "leaves": Fraction(3, 2), "circles": Fraction(3, 2), "jumps": Fraction(1),
    "stays": Fraction(0), "topples": Fraction(3, 2), "collides": Fraction(1, 2),
    "waves": Fraction(2), "swings": Fraction(2), "pours": Fraction(2),
}  # fmt: skip
"""How long each action takes to be seen."""


def seconds_needed(
    steps: Sequence[Iterable[Action]], dialogue: Sequence[str], *, empty: bool = False
) -> Fraction:
    """Seconds of a shot with `steps` one after the other and the lines of `dialogue`.

    In a step, things happen at the same time: the slowest counts. Speech goes on beside them.
    """
    acted = sum(
        (max((SECONDS[one] for one in step), default=Fraction(0)) for step in steps), Fraction(0)
    )
    return max(EMPTY if empty else SHORTEST, acted, speech(dialogue))


def speech(dialogue: Iterable[str]) -> Fraction:
    """Seconds that it takes to say the lines."""
    return sum((words(line) / WORDS_A_SECOND + BREATH for line in dialogue), Fraction(0))


def words(text: str) -> int:
    """How many words `text` has; letters of scripts without blanks count a third each."""
    wide = sum(unicodedata.east_asian_width(c) == "W" for c in text)
    rest = "".join(" " if unicodedata.east_asian_width(c) == "W" else c for c in text)
    return len(re.findall(r"\w+(?:['’-]\w+)*", rest)) + -(-wide // LETTERS_A_WORD)
