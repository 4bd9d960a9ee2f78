"""Every line of a script is filmed or spoken, or it is said why not, by both brains.

The language model is a scripted server. It plans from the numbered lines that it is sent, so that
what it answers depends on what it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from reelwright_agents import testing as scripted
from reelwright_agents.account import FILMED, missing, table, tally
from reelwright_agents.llm import LanguageModel
from reelwright_agents.llm_planner import SCRIPT_AT_MOST, LlmPlanner
from reelwright_agents.offline import OfflinePlanner, coverage
from reelwright_agents.pacing import seconds_needed, speech, words
from reelwright_agents.parts import parts
from reelwright_agents.planner import Picture, Script
from reelwright_agents.reading import read_script
from reelwright_agents.screenplay import read_screenplay
from reelwright_agents.testing import Request, Scripted, ScriptedEndpoint
from reelwright_core.errors import EndpointError, ScriptError
from reelwright_core.settings import Endpoint
from reelwright_core.story import Storyboard

PAGE = Path(__file__).parents[2] / "examples/pyramus.fountain"
LIVELY = Picture(step=4, most=80)
"""A picture whose shots may be longer than usual, as the built-in model's."""

Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@dataclass(kw_only=True)
class Screenwriter:
    """Films each action line as one shot, and has each line of dialogue spoken in it."""

    change: Change = lambda shots: shots
    """What it does to its first answer of each part before it sends it."""
    asked: list[str] = field(default_factory=list[str])

    def __call__(self, request: Request) -> Scripted:
        if "Write the scene graph" in request.text:
            return scripted.answer({"things": [], "relations": [], "events": [], "left_out": []})
        self.asked.append(request.text)
        shots = self._shots(request.text)
        cast = [{"name": "Prince", "noun": "prince"}, {"name": "red scarf", "noun": "scarf"}]
        known = '"title"' in request.text.split("<<<script")[0]
        return scripted.answer(
            {
                "title": "The play", "style": "paper cut-outs",
                "cast": [{"name": "Lion", "noun": "lion"}] if known else cast,
                "shots": shots if "does not fit" in request.text else self.change(shots),
            }
        )  # fmt: skip

    def _shots(self, text: str) -> list[dict[str, Any]]:
        shots: list[dict[str, Any]] = []
        scene, speaker = "1", ""
        script = text.split("<<<script", 1)[1].split("script>>>", 1)[0]
        for number, kind, line in re.findall(r"^(\d+) ([a-z ]+)\| (.*)$", script, re.MULTILINE):
            if kind == "heading":
                scene = line
            elif kind == "character":
                speaker = line
            elif kind == "action" or not shots:
                shots.append(_shot(scene, line if kind == "action" else "", int(number)))
            if kind == "dialogue":
                spoken = [said["text"] for said in shots[-1]["dialogue"]]
                if speech([*spoken, line]) > 10 and spoken:
                    shots.append(_shot(scene, "", int(number)))
                shots[-1]["dialogue"].append({"speaker": speaker, "text": line})
        return shots


def _shot(scene: str, text: str, line: int) -> dict[str, Any]:
    return {
        "scene": scene, "lines": [line], "text": text, "dialogue": [],
        "picture": "A lion stands in the meadow.", "place": "meadow",
    }  # fmt: skip


def planned(
    writer: Screenwriter, script: Script, *, condense: bool = False, picture: Picture = LIVELY
) -> Storyboard:
    with ScriptedEndpoint(writer) as server:
        endpoint = Endpoint(base_url=server.base_url, timeout=20, retries=0, repairs=2)
        planner = LlmPlanner(LanguageModel(endpoint, model="tiny"), condense=condense)
        return planner.storyboard(script, picture=picture)


@pytest.mark.parametrize("brain", ["offline", "openai"])
def test_of_the_68_lines_of_a_page_of_shakespeare_every_one_is_accounted_for(brain: str) -> None:
    script = read_script(PAGE)
    if brain == "offline":
        board = OfflinePlanner().storyboard(script, picture=LIVELY)
        assert coverage(script, board) == []
    else:
        board = planned(Screenwriter(), script)
    told = board.story.coverage
    numbers = [n for n, line in enumerate(script.text.split("\n"), 1) if line.strip()]
    assert [line.line for line in told] == numbers
    assert len(told) == 68
    assert missing(told) == []
    must = [line for line in told if line.kind in FILMED]
    assert len(must) == 42
    assert all(line.shots for line in must), "all that is to be seen or heard is in a shot"
    assert tally(told) == "68 lines: 42 filmed or spoken, 18 say where or who, 8 not filmed"
    heard = " ".join(line.text for shot in board.shots for line in shot.dialogue)
    assert "I thank thee, Moon, for shining now so bright;" in heard
    assert [scene.heading for scene in board.story.scenes] == [
        "INT. ROOM OF THE PALACE - NIGHT", "EXT. MEADOW - NIGHT", "EXT. FOREST - NIGHT",
    ]  # fmt: skip
    assert {shot.scene for shot in board.shots} == {"1", "2", "3"}
    assert Storyboard.from_data(board.data()) == board
    assert len(table(told).splitlines()) == 69


LOSSES: dict[str, tuple[Change, str]] = {
    "an action": (lambda shots: [s for s in shots if "The lion jumps." not in s["text"]],
                  "line 49 of the script is filmed in no shot: 'The lion jumps.'"),
    "half of a line": (
        lambda shots: [{**s, "text": s["text"].replace(" She stops.", "")} for s in shots],
        "line 44 of the script is filmed in no shot: 'She stops.'",
    ),
    "a line of dialogue": (
        lambda shots: [
            {**s, "dialogue": [d for d in s["dialogue"] if d["text"] != "O!"]} for s in shots
        ],
        "line 52 of the script is spoken in no shot: 'O!'",
    ),
    "words of dialogue": (
        lambda shots: [
            {**s, "dialogue": [{**d, "text": d["text"].replace(", glittering", "")}
                               for d in s["dialogue"]]} for s in shots
        ],
        "line 79 of the script is spoken in no shot: 'For, by thy gracious",
    ),
}  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES)
def test_a_planner_that_leaves_out_a_line_is_told_which_and_asked_again(loss: str) -> None:
    change, says = LOSSES[loss]
    writer = Screenwriter(change=change)
    board = planned(writer, read_script(PAGE))
    assert says not in writer.asked[0]
    assert says in writer.asked[1]
    assert missing(board.story.coverage) == []


def test_what_is_still_missing_is_a_clear_error() -> None:
    class Stubborn(Screenwriter):
        def _shots(self, text: str) -> list[dict[str, Any]]:
            return [s for s in super()._shots(text) if "The lion jumps." not in s["text"]]

    writer = Stubborn()
    with pytest.raises(EndpointError, match=r"in 3 rounds: line 49 .* 'The lion jumps.'"):
        planned(writer, read_script(PAGE))
    assert len(writer.asked) == 3


PROSE = Script(
    kind="prose",
    text="A lion walks through a meadow.\nIt has walked for days, and it is tired.\nIt sleeps.",
)


def test_prose_is_condensed_only_when_that_is_asked_for() -> None:
    def shorter(shots: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [shots[0], shots[2]]

    writer = Screenwriter(change=shorter)
    board = planned(writer, PROSE)
    assert len(board.shots) == 3
    assert "No line may be" in writer.asked[0]
    writer = Screenwriter(change=shorter)
    board = planned(writer, PROSE, condense=True)
    assert len(board.shots) == 2
    assert len(writer.asked) == 1
    assert "No line may be" not in writer.asked[0]
    assert [(line.shots, line.why) for line in board.story.coverage] == [
        (["s01"], ""), ([], "condensed: left out"), (["s02"], ""),
    ]  # fmt: skip


def test_dialogue_is_never_condensed() -> None:
    change, says = LOSSES["a line of dialogue"]
    writer = Screenwriter(change=change)
    planned(writer, read_script(PAGE), condense=True)
    assert says in writer.asked[1]


def test_offline_a_line_that_is_not_understood_says_which_words() -> None:
    script = read_script("A shiny dog jumps.\nLove conquers all.\nWhy?\nA cat sleeps.")
    board = OfflinePlanner().storyboard(script, picture=Picture())
    assert [(line.shots, line.why) for line in board.story.coverage] == [
        (["s01"], "without: shiny"), ([], "not understood: Love, conquers"),
        ([], "not understood: Why"), (["s02"], ""),
    ]  # fmt: skip
    assert "2 not filmed" in tally(board.story.coverage)


def test_a_coverage_that_claims_too_much_is_found() -> None:
    script = read_script("A dog jumps.\nA cat sleeps.")
    board = OfflinePlanner().storyboard(script, picture=Picture())
    assert coverage(script, board) == []
    wrong = [line.model_copy(update={"shots": ["s02"]}) for line in board.story.coverage]
    story = board.story.model_copy(update={"coverage": wrong})
    found = coverage(script, board.model_copy(update={"story": story}))
    assert found == ["line 1 is said to be in s02, and no word of it is"]
    story = board.story.model_copy(update={"coverage": wrong[1:]})
    assert "exactly the lines" in coverage(script, board.model_copy(update={"story": story}))[0]


def test_durations_follow_what_happens_and_what_is_said() -> None:
    assert words("Wait for me, o'clock man!") == 5
    assert words("犬が走っている。") == 3  # seven letters
    assert speech(["one two three four five"]) == Fraction(9, 4)
    assert seconds_needed([], [], empty=True) == 3
    assert seconds_needed([["falls"]], []) == 2
    assert seconds_needed([["moves", "stays"], ["circles"], ["waves"]], []) == 5

    def frames(text: str, picture: Picture = LIVELY) -> list[int]:
        board = OfflinePlanner().storyboard(read_script(text), picture=picture)
        return [shot.frames for shot in board.shots]

    assert frames("A ball falls.") == [17]
    assert frames("A ball falls and bounces.") == [17]
    assert frames("A dog runs left, then it jumps, then it rolls.") == [33]
    assert frames('A dog sleeps. "One two three four five six seven eight nine ten."') == [37]
    assert frames("A meadow.") == [25]
    every = Picture(step=None)
    assert frames("A dog runs left, then it jumps, then it rolls.", every) == [17]
    talk = "word " * 60
    told = frames(f"EXT. MEADOW - DAY\n\nA dog sleeps.\n\nDOG\n{talk}\n")
    assert len(told) == 3
    assert max(told) <= LIVELY.frames_for(Fraction(10)) == 77
    assert all((count - 17) % 4 == 0 for count in told)


def test_a_model_is_told_how_much_may_be_said_in_a_shot() -> None:
    def all_in_one(shots: list[dict[str, Any]]) -> list[dict[str, Any]]:
        said = [line for shot in shots for line in shot["dialogue"]]
        return [{**shots[0], "dialogue": said}, *({**s, "dialogue": []} for s in shots[1:])]

    writer = Screenwriter(change=all_in_one)
    board = planned(writer, read_script(PAGE))
    assert "seconds to speak, and a shot has at most" in writer.asked[1]
    for shot in board.shots:
        lines = [line.text for line in shot.dialogue]
        assert len(lines) == 1 or speech(lines) <= shot.seconds * Fraction(5, 4)


def test_the_lens_is_in_the_prompt() -> None:
    text = "A close-up of a red car. Close on a dog. A wide shot of a cat. A meadow. A cow jumps."
    board = OfflinePlanner().storyboard(read_script(text), picture=Picture())
    assert [(shot.lens, shot.prompt) for shot in board.shots] == [
        ("long", "a red car stands on a plain background, close-up"),
        ("long", "a dog stands on a plain background, close-up"),
        ("wide", "a cat stands on a plain background, wide shot"),
        ("wide", "a meadow, wide shot"),
        ("normal", "a cow jumps in a meadow"),
    ]
    assert board.story.coverage[0].why == ""

    def long(shots: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**shot, "lens": "long", "seconds": 4} for shot in shots]

    board = planned(Screenwriter(change=long), PROSE)
    assert [(shot.lens, shot.frames) for shot in board.shots] == [("long", 33)] * 3
    assert board.shots[0].prompt == "A lion stands in the meadow, close-up, paper cut-outs"


def test_the_style_bible_of_the_script_is_said_of_every_picture() -> None:
    script = read_script("Style: ink drawing\nA dog jumps.\nA cat sleeps.")
    for board in (
        OfflinePlanner().storyboard(script, picture=Picture()),
        planned(Screenwriter(), script),
    ):
        assert board.story.style == "ink drawing"
        assert all(shot.prompt.endswith(", ink drawing") for shot in board.shots)
        assert board.story.coverage[0].why == "said of every picture"


def test_a_long_script_is_planned_scene_by_scene_with_one_cast() -> None:
    page = PAGE.read_text().split("\n\n", 1)[1]
    script = Script(kind="fountain", text="\n\n".join([page] * 40))
    assert len(script.text) > 3 * SCRIPT_AT_MOST
    given = list(parts(read_screenplay(script), at_most=SCRIPT_AT_MOST, name="x"))
    assert [line for part in given for line in part.lines] == read_screenplay(script).lines
    assert all(len(part.told()) < 1.3 * SCRIPT_AT_MOST for part in given)
    assert all(part.blocks[0].kind == "heading" for part in given)
    writer = Screenwriter()
    board = planned(writer, script)
    assert len(writer.asked) == len(given) > 3
    assert [entity.id for entity in board.story.cast] == ["prince", "red-scarf", "lion"]
    assert '"name": "prince", "id": "prince"' in writer.asked[1].replace("\n", "").replace("  ", "")
    assert missing(board.story.coverage) == []
    assert len(board.story.scenes) == 120
    assert len({shot.id for shot in board.shots}) == len(board.shots) > 700


def test_a_film_of_too_many_shots_is_refused_in_words() -> None:
    script = Script(kind="prompts", text="A lion.\n" * 2_001)

    def play(request: Request) -> Scripted:
        if "Write the scene graph" in request.text:
            return scripted.answer({"things": []})
        count = len(re.findall(r"^\d+ prompt\|", request.text, re.MULTILINE))
        shots = [_shot("1", "", 1)] * count
        return scripted.answer({"title": "x", "style": "", "cast": [], "shots": shots})

    with ScriptedEndpoint(play) as server:
        planner = LlmPlanner(LanguageModel(Endpoint(base_url=server.base_url), model="tiny"))
        with pytest.raises(ScriptError, match="more than 2000 shots"):
            planner.storyboard(script, picture=Picture())
