"""`reelwright eval` as a user sees it, on painted clips."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from reelwright import cli
from reelwright.evaluating import evaluate
from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.errors import FormulaError, InputError
from reelwright_core.story import Shot, Storyboard
from reelwright_core.storyboards import write_storyboard
from reelwright_core.takes import Film
from reelwright_core.video import write_video
from reelwright_graphs.run import film
from reelwright_metrics.logic.formula import parse
from reelwright_metrics.logic.solver import probability
from reelwright_metrics.logic.telling import as_text
from reelwright_simulators.painter import paint

PROMPT = "A dog runs to the left, then a blue ball falls."
OTHER = "A blue ball falls, then a dog runs to the left."


def planned(text: str) -> Shot:
    return (
        OfflinePlanner()
        .storyboard(Script(kind="prose", text=text), picture=Picture(size=(128, 80)))
        .shots[0]
    )


def filmed(path: Path, text: str) -> Path:
    shot = planned(text)
    made = paint(
        OfflinePlanner().layout(shot), entities=shot.scene_graph.entities, place=shot.place,
        size=shot.size, seed=1,
    )  # fmt: skip
    write_video(path, made.frames, fps=Fraction(8))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filmed(tmp_path_factory.mktemp("clips") / "right.mp4", PROMPT)


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filmed(tmp_path_factory.mktemp("clips") / "swapped.mp4", OTHER)


def test_a_prompt_is_enough(clip: Path, swapped: Path) -> None:
    right = evaluate(clip, prompt=PROMPT, settings={})
    wrong = evaluate(swapped, prompt=PROMPT, settings={})
    assert right["probability"] >= 0.9
    assert right["weakest"] is None
    assert wrong["probability"] <= 0.2
    assert wrong["keep_until"] == wrong["weakest_frames"][0][0]


def test_what_is_printed_is_what_the_solver_says(clip: Path) -> None:
    data = evaluate(clip, prompt=PROMPT, settings={})
    table = {each["name"]: each["probabilities"] for each in data["propositions"]}
    assert probability(parse(data["formula"]), table) == data["probability"]
    text = as_text(data)
    assert f"formula: {data['formula']}" in text
    assert f"probability: {data['probability']:.4f}" in text
    assert "0-2     3-5     6-8    9-11   12-14   15-16" in text


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ('F("a dog runs to the left" & F "a blue ball falls")', None),
        ("F(dog & F falls)", 'F("the dog" & F "the blue ball falls")'),
        ("F(moves & F fall)", 'F("the dog goes to the left" & F "the blue ball falls")'),
        ('G "the dog" & G !"the dog jumps"', None),
        ('F "the dog is left of the ball"', 'F "the dog is left of the blue ball"'),
        ('!"a dog goes to the right" W blue-ball', None),
    ],
)
def test_a_formula_may_be_said_in_other_words(clip: Path, spec: str, meant: str | None) -> None:
    data = evaluate(clip, prompt=PROMPT, spec=spec, settings={})
    assert meant is None or data["formula"] == meant
    assert data["probability"] > 0.9


def test_sentences_in_a_formula_are_enough(clip: Path, swapped: Path) -> None:
    spec = 'F("a dog runs to the left" & X F "a blue ball falls")'
    assert evaluate(clip, spec=spec, settings={})["probability"] > 0.9
    assert evaluate(swapped, spec=spec, settings={})["probability"] < 0.2


def test_what_does_not_happen_is_improbable(clip: Path) -> None:
    spec = 'F "the dog goes to the right" | F "the blue ball jumps"'
    data = evaluate(clip, prompt=PROMPT, spec=spec, settings={})
    assert data["probability"] < 0.2


def test_a_storyboard_says_which_shot(clip: Path, tmp_path: Path) -> None:
    one, two = planned(PROMPT), planned(OTHER).model_copy(update={"id": "s02"})
    write_storyboard(tmp_path / "one.yaml", Storyboard(shots=[one]))
    write_storyboard(tmp_path / "two.yaml", Storyboard(shots=[one, two]))
    for given in ("one.yaml", "two.yaml#s01"):
        assert evaluate(clip, shot=str(tmp_path / given), settings={})["probability"] > 0.9
    wrong = evaluate(clip, shot=str(tmp_path / "two.yaml#s02"), settings={})
    assert wrong["probability"] < 0.2
    with pytest.raises(InputError, match=r"has 2 shots: say which, as in .*two\.yaml#s01"):
        evaluate(clip, shot=str(tmp_path / "two.yaml"), settings={})
    with pytest.raises(InputError, match="has no shot 's09'; there are: s01, s02"):
        evaluate(clip, shot=str(tmp_path / "two.yaml#s09"), settings={})


def test_the_automaton_is_written(clip: Path, tmp_path: Path) -> None:
    for name in ("monitor.dot", "monitor.json"):
        data = evaluate(clip, prompt=PROMPT, automaton_file=tmp_path / name, settings={})
    assert data["states"] == 4
    assert (tmp_path / "monitor.dot").read_text().startswith("digraph monitor {")
    assert len(json.loads((tmp_path / "monitor.json").read_text())["states"]) == 4
    with pytest.raises(InputError, match=r"a \.dot or \.json file"):
        evaluate(clip, prompt=PROMPT, automaton_file=tmp_path / "m.png", settings={})


def test_wrong_input_is_told(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="say what is in the clip: --prompt"):
        evaluate(clip, settings={})
    with pytest.raises(InputError, match="not with both"):
        evaluate(clip, prompt=PROMPT, shot="x.yaml", settings={})
    with pytest.raises(InputError, match="tells 2 shots"):
        evaluate(clip, prompt="A dog runs on a beach. A cat jumps in a forest.", settings={})
    with pytest.raises(FormulaError, match="column 3"):
        evaluate(clip, prompt=PROMPT, spec="F(", settings={})
    with pytest.raises(FormulaError, match=r"'cat' says nothing .* there are: .the dog."):
        evaluate(clip, prompt=PROMPT, spec="F cat", settings={})
    with pytest.raises(InputError):
        evaluate(tmp_path / "none.mp4", prompt=PROMPT, settings={})


def test_the_command_prints_one_json_object_or_a_table(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.app(["eval", str(clip), "--prompt", PROMPT, "--json"], standalone_mode=False)
    data = json.loads(capsys.readouterr().out)
    assert data["probability"] > 0.9
    cli.app(["eval", str(clip), "--prompt", PROMPT], standalone_mode=False)
    assert "the dog goes to the left" in capsys.readouterr().out


def test_a_film_is_watched_by_logic_and_its_takes_need_no_words(tmp_path: Path) -> None:
    settings = {
        "generator.model": "still", "critic.brain": "logic", "takes.max": 1,
        "planner.brain": "offline",
    }  # fmt: skip
    done = film(PROMPT, out=tmp_path / "run", settings=settings)
    assert isinstance(done, Film)
    critique = done.shots[0].takes[0].critique
    assert critique is not None
    assert critique.critic == "logic"
    assert critique.score > 0.9
    assert critique.questions[0].text.startswith('G "the dog" & ')
    take = tmp_path / "run" / "shots" / "s01" / "take-1" / "clip.mp4"
    again = evaluate(take, settings={})
    assert round(again["probability"], 4) == critique.score
