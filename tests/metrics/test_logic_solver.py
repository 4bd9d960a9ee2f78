"""The probability of a formula is exact, and what is blamed is to blame."""

from __future__ import annotations

import importlib.util
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright_core.errors import FormulaError
from reelwright_metrics.logic.formula import Formula, Op, holds, parse, prop
from reelwright_metrics.logic.solver import independent, probability, verdict

NAMES = ("a", "b", "c", "d")
Table = dict[str, list[float]]


def unary(op: Op, part: Formula) -> Formula:
    return Formula(op, (part,))


def binary(op: Op, one: Formula, other: Formula) -> Formula:
    return Formula(op, (one, other))


ONE: tuple[Op, ...] = ("!", "X", "F", "G")
TWO: tuple[Op, ...] = ("U", "W", "&", "|", "->")


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Tables of up to 4 propositions and 5 frames, at most 12 cells for enumeration's sake."""
    frames = draw(st.integers(1, 5))
    count = draw(st.integers(1, min(4, 12 // frames)))
    chance = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0]))
    series = st.lists(chance, min_size=frames, max_size=frames)
    return {name: draw(series) for name in NAMES[:count]}


@st.composite
def asked(draw: st.DrawFn) -> tuple[Formula, Table]:
    table = draw(tables())
    leaf = st.one_of(st.sampled_from(sorted(table)).map(prop), st.sampled_from([Formula("true")]))

    def more(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
        return st.one_of(
            st.builds(unary, st.sampled_from(ONE), inner),
            st.builds(binary, st.sampled_from(TWO), inner, inner),
        )

    return draw(st.recursive(leaf, more, max_leaves=7)), table


def enumerated(formula: Formula, table: Table) -> float:
    """The probability by going through all traces."""
    names = sorted(table)
    frames = len(table[names[0]])
    labels = list(itertools.product([False, True], repeat=len(names)))
    total = 0.0
    for trace in itertools.product(labels, repeat=frames):
        chance = 1.0
        for frame, label in enumerate(trace):
            for name, true in zip(names, label, strict=True):
                p = table[name][frame]
                chance *= p if true else 1 - p
        if chance and holds(
            formula,
            [{n for n, true in zip(names, label, strict=True) if true} for label in trace],
        ):
            total += chance
    return total


@settings(max_examples=120, deadline=None)
@given(asked())
def test_the_probability_is_that_of_all_traces(case: tuple[Formula, Table]) -> None:
    formula, table = case
    assert probability(formula, table) == pytest.approx(enumerated(formula, table), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(asked())
def test_what_is_settled_grows_and_ends_at_the_probability(case: tuple[Formula, Table]) -> None:
    formula, table = case
    found = verdict(formula, table)
    assert found.succeeded[-1] == pytest.approx(found.probability, abs=1e-9)
    assert found.failed[-1] == pytest.approx(1 - found.probability, abs=1e-9)
    assert (np.diff(found.failed) >= -1e-12).all()
    assert (np.diff(found.succeeded) >= -1e-12).all()


@settings(max_examples=40, deadline=None)
@given(asked())
def test_mending_never_makes_it_less_probable(case: tuple[Formula, Table]) -> None:
    formula, table = case
    found = verdict(formula, table)
    for name, value in found.mended.items():
        ones, zeros = ({**table, name: [x] * len(table[name])} for x in (1.0, 0.0))
        best = max(probability(formula, ones), probability(formula, zeros))
        assert value >= best - 1e-6


def test_a_hand_computed_case() -> None:
    # F(a & F b): a in the first frame and then b in either, or both in the second.
    table = {"a": [0.5, 0.4], "b": [0.3, 0.6]}
    by_hand = 0.5 * (1 - 0.7 * 0.4) + 0.5 * 0.4 * 0.6
    assert probability(parse("F(a & F b)"), table) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["G a & F b & (c U d)", "G a | F b | (c W d)", "G(a & b) & F c & F d", "F(a & F b)"]
)
def test_independent_parts_multiply(text: str) -> None:
    table = {n: [0.2 + 0.1 * i, 0.9 - 0.2 * i, 0.5] for i, n in enumerate(NAMES)}
    formula = parse(text)
    assert probability(formula, table) == pytest.approx(enumerated(formula, table), abs=1e-12)


def test_parts_that_share_a_proposition_stay_together() -> None:
    parts = independent(parse("G a & F b & F(a & c) & F d & (b U e)"))
    assert [str(part) for part in parts] == ["G a & F(a & c)", "F d", "F b & (b U e)"]


def test_nine_dependent_propositions_are_refused_and_independent_ones_are_not() -> None:
    names = [f"p{i}" for i in range(9)]
    table = {name: [0.9] * 4 for name in names}
    together = parse("F(" + " & ".join(names) + ")")
    with pytest.raises(
        FormulaError, match="at most 8 propositions may depend on each other, got 9"
    ):
        probability(together, table)
    apart = parse(" & ".join(f"G {name}" for name in names))
    assert probability(apart, table) == pytest.approx(0.9**36)


def test_eight_dependent_propositions_are_solved() -> None:
    names = [f"p{i}" for i in range(8)]
    nested = "F p7"
    for name in reversed(names[:-1]):
        nested = f"F({name} & X {nested})"
    sure = {n: [float(i == t) for t in range(8)] for i, n in enumerate(names)}
    assert probability(parse(nested), sure) == 1
    assert probability(parse(nested), {n: s[::-1] for n, s in sure.items()}) == 0


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"a": [0.5]}, "nothing is known of the proposition 'b'; there are: a"),
        ({"a": [0.5], "b": [0.5, 0.1]}, "series of one length"),
        ({"a": [], "b": []}, "series of one length"),
        ({}, "series of one length"),
        ({"a": [0.5], "b": [1.2]}, "between 0 and 1, got 'b'"),
        ({"a": [0.5], "b": [float("nan")]}, "between 0 and 1, got 'b'"),
    ],
)
def test_an_unfit_table_is_refused(table: Table, says: str) -> None:
    with pytest.raises(FormulaError, match=says):
        probability(parse("a & b"), table)


def test_the_weakest_proposition_and_its_frames_are_named() -> None:
    table = {"dog": [0.99] * 6, "ball": [0.99, 0.99, 0.01, 0.02, 0.99, 0.99], "run": [0.9] * 6}
    found = verdict(parse("G dog & G ball & F run"), table)
    assert found.weakest == "ball"
    assert found.spans == [(2, 3)]
    assert found.first_failing == 2
    assert found.mended["ball"] == pytest.approx(0.99**6 * (1 - 0.1**6), rel=1e-6)


def test_what_never_happens_is_to_blame_everywhere() -> None:
    found = verdict(parse("G dog & F run"), {"dog": [0.99] * 4, "run": [0.0] * 4})
    assert (found.weakest, found.spans, found.first_failing) == ("run", [(0, 3)], 3)
    assert found.probability == 0


def test_the_wrong_order_is_found_in_the_frames_before() -> None:
    table = {"a": [0.01, 0.01, 0.99, 0.99], "b": [0.99, 0.99, 0.01, 0.01]}
    found = verdict(parse("!b U a & F b"), table)
    assert found.probability < 0.05
    assert found.first_failing == 0
    assert found.weakest in ("a", "b")
    assert found.mended["a"] > 0.95
    assert found.mended["b"] > 0.95


def test_nothing_is_to_blame_where_all_is_well() -> None:
    found = verdict(parse("G a & F b"), {"a": [1.0] * 3, "b": [0, 1.0, 0]})
    assert (found.probability, found.weakest, found.spans, found.first_failing) == (
        1,
        None,
        [],
        None,
    )


def test_success_is_settled_when_it_is_seen() -> None:
    found = verdict(parse("F a"), {"a": [0.0, 0.5, 0.0, 1.0]})
    assert found.succeeded.tolist() == [0, 0.5, 0.5, 1]
    assert found.failed.tolist() == [0, 0, 0, 0]


@pytest.mark.skipif(importlib.util.find_spec("stormpy") is None, reason="stormpy is not installed")
def test_storm_says_the_same() -> None:
    from reelwright_metrics.logic.storm import storm_probability

    rng = np.random.default_rng(0)
    for text in ("F(a & F b)", "G a", "a U b", "F(a & X F b)", "(!b U a) & F b", "G(a -> F b)"):
        table = {name: rng.random(5).tolist() for name in ("a", "b")}
        assert storm_probability(parse(text), table) == pytest.approx(
            probability(parse(text), table), abs=1e-6
        )
