"""Prompts reach the built-in model in its own words, and what it does not know is told."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_generators import builtin
from reelwright_generators.builtin import english
from reelwright_generators.builtin.wording import wording
from reelwright_generators.generator import Request, load
from reelwright_simulators import cutouts

MAPPED = {
    "an auto drives left": "a car drives left",
    "a hound runs on a beach": "a dog runs on a beach",
    "two poodles walk": "two dogs walk",
    "a taxi moves": "a car moves",
    "a hot air balloon rises": "a balloon rises",
    "the sedans move": "the cars move",
    "a red car drove to the left": "a red car drives to the left",
    "a red car is driving": "a red car drives",
    "two cars were driving": "two cars drive",
    "a bird has flown up": "a bird flies up",
    "birds flying over a house": "birds fly over a house",
    "a horse galloped": "a horse runs",
    "a cat chased a dog": "a cat chases a dog",
    "a maroon ball falls": "a red ball falls",
    "a navy blue ball falls": "a blue ball falls",
    "a navy-blue ball falls": "a blue ball falls",
    "a dog stands on the seashore": "a dog stands on the beach",
    "2 dogs jump": "two dogs jump",
    "a pair of dogs jump": "two dogs jump",
    "dogs run on roads": "dogs run on road",
    "A balloon rose, slowly.": "a balloon rises, slowly.",
}
UNKNOWN = {
    "a wug jumps": (["wug"], []),
    "a gorilla jumps slowly": (["gorilla", "slowly"], ["gorilla"]),
    "four polar bears walk": (["four", "polar bears"], ["polar bears"]),
    "the rose falls": (["rose"], ["rose"]),
    "the Étoile, the étoile": (["étoile"], []),
}
KNOWN = (
    "a red car moves from left to right on a beach",
    "A black cat and an orange cat stand in the snow, the camera pans left.",
    "This is a shot of the dog that was with his cat",
)


@pytest.mark.parametrize("said", MAPPED)
def test_what_has_a_word_of_the_model_is_told_in_it(said: str) -> None:
    assert wording(said).told == MAPPED[said]
    assert set(wording(said).unknown) <= {"slowly"}


@pytest.mark.parametrize("said", UNKNOWN)
def test_what_has_none_is_named(said: str) -> None:
    read = wording(said)
    assert (list(read.unknown), list(read.pictured)) == UNKNOWN[said]


@pytest.mark.parametrize("said", KNOWN)
def test_what_is_known_is_told_to_the_letter(said: str) -> None:
    read = wording(said)
    assert (read.told, read.mapped, read.unknown) == (said, (), ())


def test_every_other_word_leads_to_one_that_was_taught() -> None:
    for other in [*english.PLACES, *english.WORDS, *english.VERBS]:
        if not builtin.unknown_words(other):
            continue
        (pair,) = wording(other).mapped
        assert builtin.unknown_words(pair[1]) == [], other
    for noun, near in english.RELATIVES.items():
        assert cutouts.all_cutouts()[noun].noun == noun
        assert near in builtin.profile()["nouns"]


def test_a_clip_says_what_the_model_was_told_and_is_that_of_those_words() -> None:
    generator = load(Told(model="builtin", steps=2))
    facts = generator.facts()
    asked = Request(
        prompt="a hound is driving a wug", size=facts.size, frames=1, fps=Fraction(8),
        noise=NoisePlan(level=1, seed=1),
    )  # fmt: skip
    made = generator.generate(asked)
    assert made.provenance["wording"] == {
        "told": "a dog drives a wug",
        "mapped": [["hound", "dog"], ["driving", "drives"]],
        "unknown": ["wug"],
    }
    plain = generator.generate(replace(asked, prompt="a dog drives a wug"))
    assert np.array_equal(made.frames, plain.frames)
    known = generator.generate(replace(asked, prompt="a dog stands"))
    assert "wording" not in known.provenance
    assert not np.array_equal(known.frames, plain.frames)


def test_a_warning_says_what_becomes_of_a_picture_that_the_model_has_no_word_for() -> None:
    generator = load(Told(model="builtin"))
    facts = generator.facts()
    pure = Request(
        prompt="a wug and a gorilla jump", size=facts.size, frames=facts.frames, fps=facts.fps,
        noise=NoisePlan(level=1, seed=1),
    )  # fmt: skip
    (warning,) = generator.check(pure)
    assert warning.endswith("wug, gorilla (pure noise starts without its picture)")
    sketch = np.zeros((facts.frames, facts.size[1], facts.size[0], 3), np.uint8)
    (warning,) = generator.check(replace(pure, noise=NoisePlan(level=0.5, seed=1), sketch=sketch))
    assert warning.endswith("wug, gorilla (filmed from the sketch alone)")


def test_a_film_tells_unknown_words_on_the_terminal_and_in_the_report(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("A taxi drives to the left. Then a gorilla jumps. Then a dog jumps.\n")
    told = subprocess.run(
        [sys.executable, "-m", "reelwright", "film", str(script), "--out", "run",
         "--set", "generator.steps=4", "--set", "critic.threshold=1"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    warnings = [line for line in told.stderr.splitlines() if "warning" in line]
    name = builtin.profile()["name"]
    said = f"{name} was never taught: gorilla (filmed from the sketch alone)"
    assert warnings == [f"s02: warning: {said}"]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    shots = [page.partition(f'id="s0{number}"')[2] for number in (1, 2, 3, 4)]
    first, second, third = (shot.removesuffix(after) for shot, after in pairwise(shots))
    assert "<em>taxi</em> → <em>car</em>" in first
    assert "<strong>never taught:</strong> gorilla" in second
    assert "The model was told" not in third
    assert f"s02: {said}" in page


def test_a_word_that_says_less_is_told() -> None:
    told = wording("a red ball hits a blue ball and it topples")
    assert told.told == "a red ball meets a blue ball and it falls"
    assert told.weakened == (("hits", "meets"), ("topples", "falls"))
    assert wording("a ball slides").weakened == ()
