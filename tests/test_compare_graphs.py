"""`reelwright bench --graphs` films one suite by several graphs, and goes on where it stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from reelwright.comparing import compare_graphs, loops
from reelwright_core.errors import InputError, RunFolderError
from reelwright_core.takes import Question
from reelwright_graphs.graph_file import load_graph
from reelwright_metrics.bench.graphs import (
    Comparison,
    FilmSeen,
    GraphSeen,
    bootstrap,
    comparison_page,
    standings,
)
from reelwright_metrics.suites import scripts

Answer = TypeVar("Answer")
STILL = {"generator.model": "still", "critic.threshold": 0.0, "physics.engine": "off"}


def seen(script: str, *right: bool) -> FilmSeen:
    told = [Question(kind="colour", text="?", score=float(r), passed=r) for r in right]
    return FilmSeen(script=script, questions=told, first=told[:1], takes=2, seconds=1.0)


def test_standings_rank_graphs_and_count_failed_scripts_as_wrong() -> None:
    chosen = scripts.first(scripts.load("story"), 2)
    one, two = (script.id for script in chosen)
    found = Comparison(
        suite="story", takes=2, seed=0, scripts=chosen,
        graphs=[
            GraphSeen(graph="a", loops=True, films=[seen(one, True, False), seen(two, True, True)]),
            GraphSeen(graph="b", loops=False, films=[seen(one, True, True)], failed={two: "no"}),
        ],
    )  # fmt: skip
    rows = standings(found)
    assert [(row.graph, row.score.value) for row in rows] == [("a", 0.75), ("b", 0.5)]
    assert rows[0].behind is None
    assert rows[1].behind is not None
    assert rows[1].behind.value == 0.25
    page = comparison_page(found)
    assert "| a | 0.750 [0.500, 1.000] | 1.000 [1.000, 1.000] | 2.0 |  |" in page


def test_an_interval_holds_its_mean_and_is_always_the_same() -> None:
    values = np.random.default_rng(1).random(40)
    figure = bootstrap(values)
    assert figure == bootstrap(values)
    assert figure.low < figure.value < figure.high


def test_a_graph_with_a_loop_is_known() -> None:
    assert loops(load_graph("story"))
    assert not loops(load_graph("plain"))


def test_films_are_made_watched_and_found_again(tmp_path: Path) -> None:
    out = tmp_path / "bench"

    def compare() -> list[str]:
        lines: list[str] = []
        data = compare_graphs(
            "story", graphs=["plain", "story"], takes=2, prompts=2, out=out, settings=STILL,
            seed=5, workers=1, on_line=lines.append,
        )  # fmt: skip
        assert {row["graph"] for row in data["standings"]} == {"plain", "story"}
        return lines

    assert compare()[0] == "0 of 6 films are there"  # plain has no loop: two seeds a script
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert [each["loops"] for each in results["graphs"]] == [False, True]
    assert all(each["failed"] == {} for each in results["graphs"])
    assert [film["takes"] for film in results["graphs"][0]["films"]] == [2, 2]
    assert "| plain |" in (out / "table.md").read_text("utf-8")
    assert compare() == ["6 of 6 films are there"]
    with pytest.raises(RunFolderError, match="another takes"):
        compare_graphs(
            "story", graphs=["plain"], takes=1, prompts=2, out=out, settings=STILL, seed=5,
            workers=1,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("graphs", "prompts", "told"),
    [
        (["shot"], 2, "`shot` is of a shot"),
        (["plain", "plain"], 2, "twice"),
        (["plain"], 61, "1 to 60 scripts"),
        (["plane"], 2, "did you mean `plain`"),
    ],
)
def test_wrong_requests_are_told_before_anything_is_made(
    tmp_path: Path, graphs: list[str], prompts: int, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        compare_graphs(
            "story", graphs=graphs, takes=1, prompts=prompts, out=tmp_path / "x", settings=STILL,
            seed=0, workers=1,
        )  # fmt: skip
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(),
    reason="/proc does not list children",
)
def test_a_killed_comparison_leaves_no_worker_behind(tmp_path: Path) -> None:
    out, still = str(tmp_path / "x"), "generator.model=still"
    args = [sys.executable, "-m", "reelwright", "bench", "--suite", "story", "--graphs", "plain"]
    args += ["--takes", "1", "--out", out, "--set", still]
    with subprocess.Popen(args, stderr=subprocess.DEVNULL) as bench:
        workers = _wait_for(
            lambda: _children(bench.pid) if any((tmp_path / "x").glob("runs/*/*")) else []
        )
        bench.kill()
    _wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def _children(pid: int) -> list[int]:
    """The processes that `pid` started, and those that they did."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_children(child)]
    return found


def _wait_for(what: Callable[[], Answer]) -> Answer:
    while not (found := what()):
        time.sleep(0.1)
    return found
