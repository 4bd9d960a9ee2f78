"""Graph files: what is right is read, what is wrong is refused with file, line and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwright_core.errors import GraphError
from reelwright_graphs import conditions
from reelwright_graphs.draw import mermaid
from reelwright_graphs.graph_file import library, load_graph

SHOT = load_graph("shot").text


def broken(tmp_path: Path, old: str, new: str, *, text: str = SHOT) -> GraphError:
    assert old in text
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(GraphError) as raised:
        load_graph(file)
    assert raised.value.file == file
    return raised.value


@pytest.mark.parametrize("name", library())
def test_every_shipped_graph_is_sound(name: str) -> None:
    assert load_graph(name).name == name
    assert load_graph(name).about


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("use: layout", "use: layuot", "layout: {use", "did you mean `layout`?"),
        ("watch -> choose: passed", "watch -> choose: pased", "watch -> choose", "`passed`"),
        ("noise -> film\n", "noise -> flim\n", "noise -> flim", "did you mean `film`?"),
        ("use: watch}", "use: watch, options: {treshold: 0.9}}", "watch: {", "`threshold`"),
        ("use: watch}", "use: watch, options: {threshold: high}}", "watch: {", "valid number"),
        ("use: watch}", "use: watch, optoins: {}}", "watch: {", "did you mean `options`?"),
        ("    at_most: 140\n", "", "route:", "`at_most: N`"),
        ("at_most: 20", "at_most: 0", "film: {", "from 1 to 1000"),
        ("  - layout -> simulate\n", "", "layout: {", "`- layout -> end`"),
        ("use: choose", "use: cut", "choose: {", "this graph's level is shot"),
        ("level: shot", "level: scene", "level: scene", "story or shot"),
        ("name: shot", "nmae: shot", "nmae", "did you mean `name`?"),
        ("schema: Graph.1", "schema: Graph.9", "schema", "Graph.1"),
        ("  - choose -> end", "  - choose >> end", "choose >> end", "from -> to"),
        ("about: >-", "level: shot\nabout: >-", "level: shot\nnodes", "twice"),
        ("edges:", "edges: &all", "edges: &all", "anchor"),
    ],
)
def test_a_wrong_edit_is_refused_with_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: str, said: str
) -> None:
    error = broken(tmp_path, old, new)
    text = SHOT.replace(old, new, 1)
    assert error.line == text[: text.index(line)].count("\n") + 1
    assert said in str(error)
    assert str(error).startswith(f"{error.file}:{error.line}: ")


def test_a_node_without_its_inputs_is_refused(tmp_path: Path) -> None:
    error = broken(tmp_path, "start -> layout\n  - layout -> simulate", "start -> simulate")
    assert "no way leads from start to the node `layout`" in str(error)
    text = SHOT.replace("  layout: {use: layout}\n", "")
    cut = ("start -> layout\n  - layout -> simulate", "start -> simulate")
    error = broken(tmp_path, *cut, text=text)
    assert "the node `simulate` needs `layout`, which no node before it gives" in str(error)


def test_every_branch_has_a_way_on_when_no_condition_holds(tmp_path: Path) -> None:
    error = broken(tmp_path, "  - watch -> verify\n", "  - watch -> verify: score < 0.2\n")
    assert "exactly one must have no condition" in str(error)


def test_an_unknown_graph_names_the_nearest() -> None:
    with pytest.raises(GraphError, match="did you mean `story`"):
        load_graph("sotry")
    with pytest.raises(GraphError, match="no graph file"):
        load_graph("nowhere.yaml")


def test_a_story_graph_uses_the_shot_graph_beside_it(tmp_path: Path) -> None:
    text = load_graph("story").text
    (tmp_path / "film.yaml").write_text(text.replace("each: shot", "each: mine"), encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(SHOT, encoding="utf-8")
    graph = load_graph(tmp_path / "film.yaml")
    assert set(graph.texts()) == {"film.yaml", "mine.yaml"}
    (tmp_path / "mine.yaml").write_text(SHOT.replace("use: noise", "use: nose"), encoding="utf-8")
    with pytest.raises(GraphError, match=r"mine\.yaml:12: .*did you mean `noise`"):
        load_graph(tmp_path / "film.yaml")


def test_an_unknown_setting_of_a_graph_is_refused(tmp_path: Path) -> None:
    text = load_graph("story").text + "settings: {takes.mx: 1}\n"
    (tmp_path / "film.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(GraphError, match=r"did you mean `takes\.max`"):
        load_graph(tmp_path / "film.yaml")


@pytest.mark.parametrize(
    "condition",
    ["score >= 0.8 and not passed", "take < 3 or score == 1", "(score + 0.1) * 2 > 1", "true"],
)
def test_conditions_compare_and_reckon(condition: str) -> None:
    assert conditions.fault(condition, {"score", "passed", "take"}) is None
    assert conditions.holds(condition, {"score": 0.9, "passed": False, "take": 1})


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('true')", "score.real > 0", "takes.append(1)", "[x for x in a]",
        "open('x')", "lambda: 1", "score[0]", "f'{score}'", "score >", "x" * 600, "(" * 300,
    ],
)  # fmt: skip
def test_conditions_do_nothing_else(condition: str) -> None:
    assert conditions.fault(condition, {"score", "takes", "a"})


def test_a_condition_that_burns_time_is_stopped() -> None:
    with pytest.raises(ValueError, match="cannot be decided"):
        conditions.holds("9 ** 9 ** 9 > 1", {})


def test_a_graph_is_drawn_with_its_subgraph() -> None:
    drawn = mermaid(load_graph("story"))
    assert drawn.startswith("flowchart TD\n")
    assert 'n_shots_watch -->|"passed"| n_shots_choose' in drawn
    assert "n_report --> n_end" in drawn
