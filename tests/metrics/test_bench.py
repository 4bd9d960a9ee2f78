"""A bench films what its suite says, tells how much of it is right, and goes on after a kill."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reelwright_core.errors import InputError
from reelwright_editing.bench_page import write_plot
from reelwright_generators.builtin import unknown_words, words
from reelwright_generators.builtin.attributes import CLASSES
from reelwright_generators.builtin.words import Scene, held_out
from reelwright_metrics.bench.comparing import compare, comparison_table
from reelwright_metrics.bench.filming import decibels
from reelwright_metrics.bench.results import ClipSet, Mark, Results, Seen, figures, mean, share
from reelwright_metrics.bench.scoring import CANDIDATES, others, plan_of, score
from reelwright_metrics.learned.critic import LearnedCritic
from reelwright_metrics.learned.network import Network, Shape
from reelwright_metrics.suites import EVENTS, KINDS, Kind, Prompt, first, load, make, written
from reelwright_metrics.suites.saying import sentence, wrong
from reelwright_metrics.testing import degrade

SMALL = ("--suite", "builtin-smoke", "--prompts", "4", "--set", "generator.steps=2")


def bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reelwright", "bench", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)


# Suites


def test_the_suites_files_are_what_the_generator_makes() -> None:
    home = Path(make.__file__).parent
    for name, prompts in make.suites().items():
        assert (home / f"{name}.jsonl").read_text("utf-8") == written(prompts)
        assert load(name) == prompts


def test_a_suite_has_its_kinds_and_half_of_each_is_held_out() -> None:
    prompts = load("builtin")
    assert [sum(p.kind == kind for p in prompts) for kind in KINDS] == [100, 60, 50, 40, 30, 20]
    assert [sum(p.kind == kind for p in load("builtin-smoke")) for kind in KINDS] == [
        13, 8, 7, 5, 4, 3,
    ]  # fmt: skip
    assert len({prompt.text for prompt in prompts}) == len({prompt.id for prompt in prompts}) == 300
    for kind in KINDS:
        of = [prompt for prompt in prompts if prompt.kind == kind]
        assert sum(held_out(prompt.scene) for prompt in of) * 2 >= len(of)
    assert all(prompt.held_out == held_out(prompt.scene) for prompt in prompts)


def test_the_physics_suite_has_events_in_several_numbers_and_places() -> None:
    prompts = load("physics")
    assert [sum(p.kind == kind for p in prompts) for kind in EVENTS] == [7, 7, 7, 7, 6, 6]
    assert len({prompt.text for prompt in prompts}) == len({prompt.id for prompt in prompts}) == 40
    assert len({prompt.scene.place for prompt in prompts}) >= 8
    assert {actor.count for prompt in prompts for actor in prompt.scene.actors} == {1, 2, 3}
    for prompt in prompts:
        assert prompt.text == sentence(prompt.scene)
        assert set(unknown_words(prompt.text)) <= {"topples", "swings", "hits", "knocks"}
        stated = prompt.states()
        assert ("relation" in stated) == (len(prompt.scene.actors) == 2)
        assert ("count" in stated) == (prompt.scene.actors[0].count > 1)


def test_a_suite_of_physical_events_is_no_bench_of_layouts(tmp_path: Path) -> None:
    done = bench("--suite", "physics", cwd=tmp_path)
    assert done.returncode == 2
    assert "physics_proof.py" in done.stderr


def test_a_prompt_says_its_scene_in_words_that_training_knows() -> None:
    for prompt in load("builtin"):
        assert prompt.text == sentence(prompt.scene)
        assert unknown_words(prompt.text) == []
        assert prompt.kind in prompt.states()


@pytest.mark.parametrize("count", [2, 4, 6, 13, 40, 150, 300])
def test_the_first_prompts_keep_the_proportions(count: int) -> None:
    whole = load("builtin")
    some = first(whole, count)
    assert len(some) == count
    for kind in KINDS:
        due = count * sum(p.kind == kind for p in whole) / len(whole)
        assert abs(sum(p.kind == kind for p in some) - due) < 1


def _differing(one: Scene, other: Scene) -> list[str]:
    found: list[str] = []
    if one.place != other.place:
        found.append("place")
    if one.relation != other.relation:
        found.append("relation")
    for a, b in zip(one.actors, other.actors, strict=True):
        found += ["noun"] * (a.noun != b.noun) + ["colour"] * (a.colour != b.colour)
        found += ["count"] * (a.count != b.count)
        found += ["motion"] * ((a.action, a.direction) != (b.action, b.direction))
    return found


def test_a_hard_negative_differs_in_exactly_one_attribute() -> None:
    for prompt in load("builtin"):
        changes = wrong(prompt.scene, count=CANDIDATES - 1, rng=np.random.default_rng(5))
        assert len(changes) == CANDIDATES - 1
        for kind, scene in changes:
            assert _differing(prompt.scene, scene) == [kind]
        assert len({sentence(scene) for _, scene in changes} | {prompt.text}) == CANDIDATES
        tried = {kind for kind, _ in changes}
        assert {"noun", "place"} <= tried
        stated = {kind for kind in prompt.states() if kind != "relation"}
        assert stated <= tried


@pytest.mark.parametrize(
    ("said", "negative"),
    [
        ("motion", "from right to left"),
        ("colour", "a red car stands"),
        ("count", "two cars move from left to right"),
    ],
)
def test_the_nearest_changes_are_among_the_negatives(said: Kind, negative: str) -> None:
    prompt = next(p for p in load("builtin") if p.text.startswith("a car moves from left to right"))
    scene = prompt.scene
    if said == "colour":
        car = dataclasses.replace(scene.actors[0], colour="blue", action="stays", direction=None)
        scene = dataclasses.replace(scene, actors=(car,))
    changes = wrong(scene, count=CANDIDATES - 1, rng=np.random.default_rng(0))
    assert any(kind == said and negative in sentence(other) for kind, other in changes)


# Figures


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    # Newcombe 1998, table I, method 3 (the score interval).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_shares_have_wilsons_interval(right: int, asked: int, low: float, high: float) -> None:
    found = share([True] * right + [False] * (asked - right))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    assert (found.value, found.n) == (pytest.approx(right / asked, abs=1e-4), asked)


def test_a_mean_has_its_interval() -> None:
    found = mean([1.0, 2.0, 3.0, 4.0])
    assert found.value == 2.5
    assert found.high - found.value == pytest.approx(1.96 * np.std([1, 2, 3, 4], ddof=1) / 2, 1e-3)
    assert mean([0.9, 1.0], most=1.0).high == 1.0


def test_decibels_are_of_the_frame_and_of_what_moves() -> None:
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    frames[1, :4] = 200
    back = frames.copy()
    back[:, 4:] += 10
    kept = decibels(frames, back)
    assert kept["frame"] == pytest.approx(10 * np.log10(255**2 / 50), abs=1e-3)
    assert kept["moving"] > 100


@pytest.mark.parametrize("count", [2, 3, 4, 6, 13, 40])
def test_chance_takes_the_clip_of_another_prompt(count: int) -> None:
    prompts = first(load("builtin"), count)
    takes = others(prompts)
    assert sorted(takes) == list(range(count))
    assert all(i != taken for i, taken in enumerate(takes))
    several = [p.kind for p in prompts if sum(q.kind == p.kind for q in prompts) > 1]
    same = sum(prompts[i].kind == prompts[taken].kind for i, taken in enumerate(takes))
    assert same >= len(several) - 2


# Scoring


def _plan(prompt: Prompt) -> Any:
    from fractions import Fraction

    return plan_of(prompt, size=(160, 96), frames=17, fps=Fraction(8))


def test_real_clips_pass_and_other_prompts_clips_do_not() -> None:
    some = [p for p in load("builtin") if p.states().get("motion") in ("moves left", "moves right")]
    plans = [_plan(prompt) for prompt in islice(some, 10)]
    seen, chance = score(plans, lambda plan: degrade(plan.painted().frames, seed=1), None)
    own, other = figures(seen), figures(chance)
    assert own["measured direction"].value >= 0.9
    assert other["measured direction"].value <= 0.6
    assert own["off track"].value < 10 < other["off track"].value
    assert own["follows track"].value > 0.95


def test_the_learned_critics_first_choice_is_what_counts() -> None:
    vocabulary = words.vocabulary()
    classes = {name: list(several) for name, several in CLASSES.items()}
    torch.manual_seed(3)
    shape = Shape(heads={name: len(several) for name, several in classes.items()})
    net = Network(shape, vocabulary=3 + len(vocabulary))
    # Untrained, it still answers: what it says must reach the right prompt and the right measure.
    critic = LearnedCritic(net, classes=classes, card={"vocabulary": vocabulary})
    plans = [_plan(prompt) for prompt in load("builtin")[::25]]
    clips = {plan.prompt.id: plan.painted().frames for plan in plans}
    seen, chance = score(plans, lambda plan: clips[plan.prompt.id], critic)
    heads = critic.attributes(np.stack(list(clips.values())))
    takes = others([plan.prompt for plan in plans])
    for i, plan in enumerate(plans):
        for name, due in plan.prompt.states().items():
            if name == "relation":
                continue
            for marks, clip in ((seen[i].marks, i), (chance[i].marks, takes[i])):
                said = classes[name][int(heads[name][clip].argmax())]
                assert marks[name] == Mark(right=said == due, seen=said)
        texts = [text for _, text in plan.candidates()]
        alike = critic.match(clips[plan.prompt.id][None], [texts])[0]
        assert seen[i].marks["retrieval"].right == (alike.argmax() == 0)


def _results(right: dict[float, list[bool]]) -> Results:
    sets = [
        ClipSet(
            name=f"σ {level:g}", folder="clips", level=level, chance={},
            figures={"measured direction": share(marks)},
            clips={
                f"noun-{i:03}": Seen(marks={"measured direction": Mark(right=mark)})
                for i, mark in enumerate(marks)
            },
        )
        for level, marks in right.items()
    ]  # fmt: skip
    return Results(suite="builtin", seed=0, model={}, prompts=[], sets=sets)


def test_gains_are_relative_to_pure_noise() -> None:
    half, most = [True, False] * 20, [True] * 36 + [False] * 4
    rows = compare(_results({0.5: most, 1.0: half, 0.7: half}))
    assert [row.level for row in rows] == [1.0, 0.7, 0.5]
    assert rows[0].gains == {}
    assert rows[1].gains["measured direction"].value == 0
    gain = rows[2].gains["measured direction"]
    assert gain.value == pytest.approx(0.8)
    assert 0.2 < gain.low < 0.8
    assert gain.high is not None
    assert 0.8 < gain.high < 2
    table = comparison_table(rows)
    assert "+80%" in table
    assert "| Video-MSG on T2V-CompBench | +52% |  | +11% |  | +40% |  |" in table


def test_nothing_is_relative_to_what_is_never_right() -> None:
    never = _results({1.0: [False] * 8, 0.5: [True] * 8})
    assert compare(never)[1].gains == {}
    assert compare(_results({0.7: [True], 0.5: [True]})) == []


@pytest.mark.parametrize("asked", [True, False])
def test_a_plot_shows_what_was_asked(tmp_path: Path, asked: bool) -> None:
    results = _results({1.0: [True, False], 0.5: [True, True]})
    if asked:
        write_plot(tmp_path / "plot.png", compare(results))
        with Image.open(tmp_path / "plot.png") as picture:
            assert picture.size == (430, 340)
            assert (200, 88, 20) in {colour for _, colour in picture.getcolors(1 << 20) or []}
    else:
        bare = [row.model_copy(update={"figures": {}}) for row in results.sets]
        assert compare(results.model_copy(update={"sets": bare})) == []


# The command


def test_a_bench_goes_on_after_a_kill_and_gives_the_same_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reelwright", "bench", *SMALL, "--out", "b"]
    killed = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    clips = tmp_path / "b" / "clips"
    until = time.monotonic() + 200
    while len(list(clips.glob("level-1/[!.]*.mp4"))) < 2 and time.monotonic() < until:
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    # One whose writing was cut short lies aside, and is cleared away.
    there = {path: path.stat().st_mtime_ns for path in clips.rglob("[!.]*.mp4")}
    assert there
    assert len(there) < 16

    told = bench(*SMALL, "--out", "b", "--json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    data = json.loads(told.stdout)
    assert [row["level"] for row in data["sets"]] == [None, None, 1.0, 0.5]
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert len(list(clips.rglob("*.mp4"))) == 16
    assert data["sets"][0]["figures"]["measured direction"]["value"] == 1.0
    assert 20 < data["autoencoder"]["frame"]["value"] < 60
    page = (tmp_path / "b" / "page.html").read_text("utf-8")
    assert page.count("data:image/webp") == 16
    assert "://" not in page
    assert (tmp_path / "b" / "table.md").read_text("utf-8").count("\n| structured, σ 0.5 |") >= 2
    assert (tmp_path / "b" / "compare.png").stat().st_size > 1000

    results = (tmp_path / "b" / "results.json").read_bytes()
    clip = clips / "level-0.5" / "noun-001.mp4"
    before = clip.read_bytes()
    clip.unlink()
    clip.with_suffix(".json").rename(tmp_path / "notes.json")
    again = bench(*SMALL, "--out", "b", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert clip.read_bytes() == before
    timed = json.loads((tmp_path / "b" / "results.json").read_bytes())
    untimed = json.loads(results)
    for told_of in (timed, untimed):
        for row in told_of["sets"]:
            row.pop("seconds")
    assert timed == untimed

    other = bench(*SMALL, "--seed", "1", "--out", "b", cwd=tmp_path)
    assert other.returncode == 2
    assert other.stderr.count("\n") == 1
    assert "holds the seed 0, not 1" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--suite", "builtin-smok"), "did you mean `builtin-smoke`?"),
        (("--suite", "builtin", "--levels", "1.0,1.2"), "got 1.2"),
        (("--suite", "builtin", "--levels", "0"), "got 0"),
        (("--suite", "builtin", "--levels", "high"), "got 'high'"),
        (("--suite", "builtin", "--prompts", "301"), "2 to 300 prompts can be taken, got 301"),
        (("--suite", "builtin", "--model", "nothing"), "there is no generator 'nothing'"),
        (("--suite", "builtin", "--out", "full"), "is no bench's folder"),
    ],
)
def test_wrong_input_is_one_message(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("do not touch")
    told = bench(*arguments, cwd=tmp_path)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert said in told.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "full"]


def test_an_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean `builtin`"):
        load("bultin")
