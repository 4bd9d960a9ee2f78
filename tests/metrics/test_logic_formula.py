"""The language of temporal formulas: what is read, what is refused, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright_core.errors import FormulaError
from reelwright_metrics.logic.formula import Formula, Op, holds, no, parse, prop
from reelwright_metrics.logic.monitor import Monitor, automaton

NAMES = ("a", "b", "the dog runs", "c")


def unary(op: Op, part: Formula) -> Formula:
    return Formula(op, (part,))


def binary(op: Op, one: Formula, other: Formula) -> Formula:
    return Formula(op, (one, other))


def several(op: Op, parts: list[Formula]) -> Formula:
    return Formula(op, tuple(parts))


ONE: tuple[Op, ...] = ("!", "X", "F", "G")
TWO: tuple[Op, ...] = ("U", "W", "&", "|", "->")
MORE: tuple[Op, ...] = ("&", "|")


def formulas(names: tuple[str, ...] = NAMES, leaves: int = 8) -> st.SearchStrategy[Formula]:
    """Random formulas over `names`."""
    leaf = st.one_of(
        st.sampled_from(names).map(prop), st.sampled_from([Formula("true"), Formula("false")])
    )

    def more(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
        return st.one_of(
            st.builds(unary, st.sampled_from(ONE), inner),
            st.builds(binary, st.sampled_from(TWO), inner, inner),
            st.builds(several, st.sampled_from(MORE), st.lists(inner, min_size=3, max_size=3)),
        )

    return st.recursive(leaf, more, max_leaves=leaves)


TRACES = st.lists(st.sets(st.sampled_from(NAMES)), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("F(cat & F jump)", "F (cat & (F jump))"),
        ("a & b | c -> d", "((a & b) | c) -> d"),
        ("a -> b -> c", "a -> (b -> c)"),
        ("a U b W c", "a U (b W c)"),
        ("!a U b & c", "((!a) U b) & c"),
        ("F a U b", "(F a) U b"),
        ("a->b", "a -> b"),
        ('G "the red car"', 'G("the red car")'),
        ("G red-car", 'G "red-car"'),
        ("X X !a", "X(X(!a))"),
        ("  true\n& false ", "true & false"),
    ],
)
def test_operators_bind_as_documented(text: str, same: str) -> None:
    assert parse(text) == parse(same)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "column 1: a proposition"),
        ("a &", "column 4: a proposition"),
        ("a b", "column 3: an operator"),
        ("(a | b", r"column 7: `\)` for the `\(` at column 1"),
        ("a ) b", "column 3: an operator"),
        ("a @ b", "column 3: '@' is no part"),
        ('a & "the dog', 'column 5: a text in quotes has no closing `"`'),
        ('F ""', "column 3: a text in quotes says something"),
        ("F U a", "column 3: a proposition"),
        ("a - b", "column 3: '-' is no part"),
        ("(" * 70 + "a" + ")" * 70, "at most 60 deep"),
        ("!" * 70 + "a", "at most 60 deep"),
        ("a" * 5000, "at most 4000 characters, got 5000"),
    ],
)
def test_a_fault_is_told_with_its_column(text: str, says: str) -> None:
    with pytest.raises(FormulaError, match=says) as caught:
        parse(text)
    assert caught.value.exit_code == 2


@given(formulas())
def test_what_is_printed_is_read_back_as_the_same(formula: Formula) -> None:
    assert parse(str(formula)) == formula


@given(st.text(min_size=1).filter(str.strip))
def test_any_text_can_be_a_proposition(name: str) -> None:
    assert parse(f"F {prop(name)}") == Formula("F", (prop(name),))


def test_few_parentheses_are_printed() -> None:
    assert str(parse("((F ((a) & (F b)))) | (!((c)))")) == "F(a & F b) | !c"
    assert str(parse("a & b | c -> d")) == "(a & b) | c -> d"
    assert str(parse('(!"b" U a) & F("b c")')) == '(!b U a) & F "b c"'


def test_subformulas_and_propositions_come_in_reading_order() -> None:
    formula = parse("F(b & F a) & G b")
    assert formula.propositions() == ["b", "a"]
    assert [str(each) for each in formula.subformulas()] == [
        "F(b & F a) & G b", "F(b & F a)", "b & F a", "b", "F a", "a", "G b",
    ]  # fmt: skip
    assert [str(each) for each in formula.conjuncts()] == ["F(b & F a)", "G b"]


@pytest.mark.parametrize(
    ("text", "trace", "expected"),
    [
        ("F(a & F b)", "a . b", True),
        ("F(a & F b)", "b . a", False),
        ("F(a & F b)", "b ab .", True),
        ("G a", "a a a", True),
        ("G a", "a . a", False),
        ("a U b", "a a b", True),
        ("a U b", "a a a", False),
        ("a W b", "a a a", True),
        ("a U b", "b", True),
        ("a U b", "a . b", False),
        ("X a", "a", False),
        ("!X !a", "b", True),
        ("X a", ". a", True),
        ("X true", ".", False),
        ("F !X true", ". .", True),
        ("G X a", "a a", False),
        ("X !a", "a", False),
        ("!b U a", "b a", False),
    ],
)
def test_the_meaning_is_that_of_finite_traces(text: str, trace: str, expected: bool) -> None:
    frames = [set(frame.replace(".", "")) for frame in trace.split()]
    formula = parse(text)
    assert holds(formula, frames) is expected
    assert Monitor(formula).satisfied(frames) is expected


@settings(max_examples=400, deadline=None)
@given(formulas(), TRACES)
def test_progression_agrees_with_the_meaning(formula: Formula, trace: list[set[str]]) -> None:
    assert Monitor(formula).satisfied(trace) == holds(formula, trace)


@settings(max_examples=150, deadline=None)
@given(formulas(leaves=5), TRACES)
def test_the_whole_automaton_agrees_with_the_meaning(
    formula: Formula, trace: list[set[str]]
) -> None:
    made = automaton(formula)
    state = 0
    for true in trace:
        taken = [
            b for a, guard, b in made.edges()
            if a == state and all((name in true) == value for name, value in guard.items())
        ]  # fmt: skip
        assert len(taken) == 1, "exactly one step fits each frame"
        (state,) = taken
        if made.verdict[state] != "open":
            assert holds(formula, trace) == (made.verdict[state] == "true")
    assert made.accepting[state] == holds(formula, trace)


def test_an_automaton_is_as_small_as_it_can_be() -> None:
    assert len(automaton(parse("F(a & F b)")).says) == 3
    assert len(automaton(parse("F a | F(a & a)")).says) == 2
    assert automaton(parse("F a & G !a")).verdict[0] == "false"
    assert automaton(parse("F a | G !a")).verdict[0] == "true"


def test_an_automaton_is_exported_as_dot_and_json() -> None:
    made = automaton(parse('F(a & F "b c")'))
    dot = made.dot()
    assert dot.startswith("digraph monitor {")
    assert dot.count("doublecircle") == 1
    assert '"!a"' in dot
    assert '0 -> 1 [label="a & !\\"b c\\""]' in dot
    data = made.data()
    assert data["formula"] == 'F(a & F "b c")'
    assert [state["accepting"] for state in data["states"]].count(True) == 1
    assert {"from": 0, "if": {"a": False}, "to": 0} in data["edges"]


def test_a_monitor_that_grows_too_large_is_given_up() -> None:
    text = " & ".join(f"F(a{i} & X X X X b{i})" for i in range(8))
    with pytest.raises(FormulaError, match="more than"):
        automaton(parse(text))


def test_the_direct_meaning_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="a frame of the trace"):
        holds(no(prop("a")), [])
