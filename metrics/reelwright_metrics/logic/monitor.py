"""A formula becomes a deterministic automaton that reads a trace frame by frame (progression).

A state is what the rest of the trace must still satisfy: formulas in negation normal form, as the
least disjunction of conjunctions (an antichain under inclusion), of which there are finitely many.
Reading a frame rewrites each by its derivative:

    d(F a) = d(a) | F a             d(a U b) = d(b) | d(a) & (a U b)      d(X a) = a & F true
    d(G a) = d(a) & G a             d(a W b) = d(b) | d(a) & (a W b)      d(!X a) = !a | G false

After the last frame nothing is left to read, and a state accepts if it has a conjunction of which
every part holds of nothing: `G a`, `a W b`, `!X a` and `!p` do, `p`, `X a`, `F a` and `a U b` do
not. So `F true` says that there is another frame, and `G false` that there is none.

Bacchus and Kabanza, Using temporal logics to express search control knowledge for planning,
Artificial Intelligence 116, 2000 (progression); Brzozowski, JACM 11, 1964 (derivatives).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reelwright_core.errors import FormulaError
from reelwright_metrics.logic.formula import FALSE, TRUE, Formula, always, eventually, no

STATES = 500
"""States of a monitor that are made before it is given up."""
CLAUSES = 200
"""Conjunctions of one state or step at which it is given up."""
CHOICES = 4000
"""Questions of all its steps at which it is given up."""

Clause = frozenset[Formula]
State = frozenset[Clause]
"""Conjunctions of which one must hold: no clause is false, the only empty one is true."""
WON: State = frozenset([frozenset()])
LOST: State = frozenset()

_ANOTHER, _NONE_LEFT = eventually(TRUE), always(FALSE)


@dataclass(frozen=True, slots=True)
class Choice:
    """A step of a monitor: to `high` if the proposition `name` is true, else to `low`."""

    name: str
    low: Tree
    high: Tree


Tree = Choice | int
"""The next state by what is true in a frame, names in one fixed order; a number is a state."""


class Monitor:
    """The automaton of a formula; states are numbered from 0, the first, and made when needed."""

    def __init__(self, formula: Formula):
        self.formula = formula
        self.names = formula.propositions()
        self._states: list[State] = []
        self._numbers: dict[State, int] = {}
        self._trees: dict[int, Tree] = {}
        self._known: dict[_Step, Tree] = {}
        self._number(_rest(normal(formula)))

    def state(self, number: int) -> State:
        """What the rest of the trace must satisfy in the state `number`."""
        return self._states[number]

    def accepts(self, number: int) -> bool:
        """Whether a trace that ends in this state satisfies the formula.

        The first state is meant for a frame to come: traces are not empty.
        """
        return any(all(_holds_of_nothing(each) for each in c) for c in self._states[number])

    def tree(self, number: int) -> Tree:
        """Where it goes from this state, by what is true in the frame."""
        if number not in self._trees:
            self._trees[number] = self._split(_derivative(self._states[number]))
        return self._trees[number]

    def step(self, number: int, true: Collection[str]) -> int:
        """The state after a frame in which the propositions `true` are."""
        tree = self.tree(number)
        while isinstance(tree, Choice):
            tree = tree.high if tree.name in true else tree.low
        return tree

    def satisfied(self, trace: Iterable[Collection[str]]) -> bool:
        """Whether a trace of one frame or more satisfies the formula."""
        number = 0
        for true in trace:
            number = self.step(number, true)
        return self.accepts(number)

    def _number(self, state: State) -> int:
        if state not in self._numbers:
            if len(self._states) >= STATES:
                raise _too_large(f"more than {STATES} states")
            self._numbers[state] = len(self._states)
            self._states.append(state)
        return self._numbers[state]

    def _split(self, step: _Step) -> Tree:
        """The tree of a derivative: Shannon's expansion over what it says of this frame."""
        if step in self._known:
            return self._known[step]
        if len(self._known) >= CHOICES:
            raise _too_large(f"more than {CHOICES} questions to ask of a frame")
        said = {name for now, _ in step for name, _ in now}
        name = next((name for name in self.names if name in said), None)
        if name is None:
            tree: Tree = self._number(_least(later for _, later in step))
        else:
            low, high = (self._split(_given(step, name, value)) for value in (False, True))
            tree = low if low == high else Choice(name, low, high)
        self._known[step] = tree
        return tree


def _too_large(why: str) -> FormulaError:
    return FormulaError(f"this formula's monitor has {why}: split the formula, or shorten it")


_Now = frozenset[tuple[str, bool]]
_Step = frozenset[tuple[_Now, Clause]]
"""A derivative as conjunctions of what is (not) true now and what must hold from the next frame."""


def normal(formula: Formula, *, negated: bool = False) -> Formula:
    """The same without `->`, and with `!` before propositions and `X` only."""
    op, parts = formula.op, formula.parts
    match op:
        case "true" | "false":
            return FALSE if (op == "true") == negated else TRUE
        case "prop":
            return no(formula) if negated else formula
        case "!":
            return normal(parts[0], negated=not negated)
        case "->":
            return normal(Formula("|", (no(parts[0]), parts[1])), negated=negated)
        case "&" | "|":
            turned = {"&": "|", "|": "&"}[op] if negated else op
            return Formula(turned, tuple(normal(part, negated=negated) for part in parts))  # pyright: ignore[reportArgumentType]
        case "F" | "G":
            turned = {"F": "G", "G": "F"}[op] if negated else op
            return Formula(turned, (normal(parts[0], negated=negated),))  # pyright: ignore[reportArgumentType]
        case "X":
            inner = Formula("X", (normal(parts[0]),))
            return no(inner) if negated else inner
        case "U" | "W":
            one, other = parts
            if not negated:
                return Formula(op, (normal(one), normal(other)))
            # !(a U b) = !b W (!a & !b), and the same with U and W exchanged.
            neither = Formula("&", (no(one), no(other)))
            return Formula("W" if op == "U" else "U", (normal(no(other)), normal(neither)))


def _derivative(state: State) -> _Step:
    step: set[tuple[_Now, Clause]] = set()
    for clause in state:
        parts = _TRUE_STEP
        for formula in sorted(clause, key=str):
            parts = _and(parts, _of(formula))
        step |= parts
    return _absorbed(step)


_TRUE_STEP: _Step = frozenset([(frozenset[tuple[str, bool]](), frozenset[Formula]())])
_FALSE_STEP: _Step = frozenset()


def _of(formula: Formula) -> _Step:
    """The derivative of a formula in normal form."""
    op, parts = formula.op, formula.parts
    match op:
        case "true":
            return _TRUE_STEP
        case "prop":
            return frozenset([(frozenset([(formula.name, True)]), frozenset[Formula]())])
        case "!" if parts[0].op == "prop":
            return frozenset([(frozenset([(parts[0].name, False)]), frozenset[Formula]())])
        case "!":
            return _later(_least([*_rest(normal(no(parts[0].parts[0]))), {_NONE_LEFT}]))
        case "X":
            return _and(_later(_rest(parts[0])), _later(frozenset([frozenset([_ANOTHER])])))
        case "&":
            step = _TRUE_STEP
            for part in parts:
                step = _and(step, _of(part))
            return step
        case "|":
            return _absorbed({each for part in parts for each in _of(part)})
        case "F":
            return _absorbed({*_of(parts[0]), (frozenset[tuple[str, bool]](), Clause([formula]))})
        case "G":
            return _and(_of(parts[0]), _later(frozenset([frozenset([formula])])))
        case "U" | "W":
            on = _and(_of(parts[0]), _later(frozenset([frozenset([formula])])))
            return _absorbed({*_of(parts[1]), *on})
        case _:
            return _FALSE_STEP


def _rest(formula: Formula) -> State:
    """A formula in normal form as a state."""
    match formula.op:
        case "true":
            return WON
        case "false":
            return LOST
        case "|":
            return _least(clause for part in formula.parts for clause in _rest(part))
        case "&":
            clauses = WON
            for part in formula.parts:
                clauses = _least(one | other for one in clauses for other in _rest(part))
            return clauses
        case _:
            return frozenset([frozenset([formula])])


def _least(clauses: Iterable[Collection[Formula]]) -> State:
    """The clauses that can hold and do not contain another one."""
    possible = {sound for clause in clauses if (sound := _sound(frozenset(clause))) is not None}
    if len(possible) > CLAUSES:
        raise _too_large(f"a state of more than {CLAUSES} cases")
    return frozenset(c for c in possible if not any(other < c for other in possible))


def _sound(clause: Clause) -> Clause | None:
    """The clause without what follows from the rest of it; None if it contradicts itself."""
    if any(no(each) in clause for each in clause):
        return None
    needy = [each for each in clause if not _holds_of_nothing(each)]
    if needy and _NONE_LEFT in clause:
        return None
    return clause - {_ANOTHER} if len(needy) > 1 else clause


def _holds_of_nothing(formula: Formula) -> bool:
    """Whether a formula in normal form holds where no frame is left."""
    match formula.op:
        case "&":
            return all(_holds_of_nothing(part) for part in formula.parts)
        case "|":
            return any(_holds_of_nothing(part) for part in formula.parts)
        case op:
            return op in ("true", "!", "G", "W")


def _later(state: State) -> _Step:
    return frozenset((frozenset[tuple[str, bool]](), clause) for clause in state)


def _and(one: _Step, other: _Step) -> _Step:
    joined: set[tuple[_Now, Clause]] = set()
    for now, later in one:
        for now2, later2 in other:
            known = now | now2
            sound = _sound(later | later2)
            if sound is not None and not any((name, not value) in known for name, value in known):
                joined.add((known, sound))
    return _absorbed(joined)


def _absorbed(step: Collection[tuple[_Now, Clause]]) -> _Step:
    if len(step) > CLAUSES:
        raise _too_large(f"a step of more than {CLAUSES} cases")
    return frozenset(
        (now, later)
        for now, later in step
        if not any(a <= now and b <= later and (a, b) != (now, later) for a, b in step)
    )


def _given(step: _Step, name: str, value: bool) -> _Step:
    """The derivative once it is known whether `name` is true in this frame."""
    kept = {(now - {(name, value)}, later) for now, later in step if (name, not value) not in now}
    return _absorbed(kept)


@dataclass(frozen=True, kw_only=True, slots=True)
class Automaton:
    """The whole monitor of a formula, states that no trace tells apart joined into one."""

    formula: Formula
    names: list[str]
    says: list[str]
    """For each state what the rest of the trace must satisfy."""
    accepting: list[bool]
    verdict: list[str]
    """`true` or `false` where the rest of the trace cannot change it, else `open`."""
    trees: list[Tree]

    def edges(self) -> list[tuple[int, dict[str, bool], int]]:
        """All steps as (from, what is true and false, to); names left out do not matter."""
        return [
            (number, guard, to)
            for number, tree in enumerate(self.trees)
            for guard, to in _paths(tree)
        ]

    def data(self) -> dict[str, Any]:
        """The automaton as JSON-ready data."""
        return {
            "formula": str(self.formula),
            "propositions": self.names,
            "initial": 0,
            "states": [
                {"id": i, "says": says, "accepting": accepting, "verdict": verdict}
                for i, (says, accepting, verdict) in enumerate(
                    zip(self.says, self.accepting, self.verdict, strict=True)
                )
            ],
            "edges": [{"from": a, "if": guard, "to": b} for a, guard, b in self.edges()],
        }

    def dot(self) -> str:
        """The automaton in Graphviz' language; accepting states have two rings."""
        lines = [
            "digraph monitor {",
            "  rankdir=LR;",
            f"  label={_dotted(str(self.formula))};",
            '  node [fontname="sans-serif"]; edge [fontname="sans-serif"];',
            "  start [shape=point];",
            "  start -> 0;",
        ]
        colours = {"true": "palegreen", "false": "lightpink", "open": "white"}
        for i, says in enumerate(self.says):
            shape = "doublecircle" if self.accepting[i] else "circle"
            colour = colours[self.verdict[i]]
            lines.append(
                f"  {i} [shape={shape}, style=filled, fillcolor={colour}, "
                f"label={i}, tooltip={_dotted(says)}];"
            )
        joined: dict[tuple[int, int], list[str]] = {}
        for a, guard, b in self.edges():
            joined.setdefault((a, b), []).append(_guard(guard))
        for (a, b), guards in joined.items():
            others = [len(more) for (from_, to), more in joined.items() if from_ == a and to != b]
            rest = bool(others) and len(guards) > max(1, *others)
            label = "else" if rest else " | ".join(guards)
            lines.append(f"  {a} -> {b} [label={_dotted(label)}];")
        return "\n".join([*lines, "}", ""])


def automaton(formula: Formula) -> Automaton:
    """The least deterministic automaton of `formula`; `FormulaError` if it is too large.

    States are joined by Moore's partition refinement.
    """
    monitor = Monitor(formula)
    number = 0
    while True:
        try:
            monitor.state(number)
        except IndexError:
            break
        monitor.tree(number)
        number += 1
    trees = [monitor.tree(i) for i in range(number)]
    accepting = [monitor.accepts(i) for i in range(number)]
    blocks = [int(each) for each in accepting]
    while True:
        signs = [(blocks[i], _mapped(trees[i], blocks)) for i in range(number)]
        numbers = {sign: i for i, sign in enumerate(dict.fromkeys(signs))}
        finer = [numbers[sign] for sign in signs]
        if len(set(finer)) == len(set(blocks)):
            break
        blocks = finer
    first = {block: finer.index(block) for block in dict.fromkeys(finer)}
    made = [_mapped(trees[i], finer) for i in first.values()]
    ends = [accepting[i] for i in first.values()]
    return Automaton(
        formula=formula,
        names=monitor.names,
        says=[said(monitor.state(i)) for i in first.values()],
        accepting=ends,
        verdict=[
            "open" if tree != i else "true" if ends[i] else "false" for i, tree in enumerate(made)
        ],
        trees=made,
    )


def said(state: State) -> str:
    """A state as text."""
    if not state:
        return "false"
    clauses = [" & ".join(sorted(map(str, clause))) or "true" for clause in state]
    return " | ".join(sorted(clauses))


def _mapped(tree: Tree, to: list[int]) -> Tree:
    if isinstance(tree, int):
        return to[tree]
    low, high = _mapped(tree.low, to), _mapped(tree.high, to)
    return low if low == high else Choice(tree.name, low, high)


def _paths(tree: Tree) -> Iterable[tuple[dict[str, bool], int]]:
    if isinstance(tree, int):
        yield {}, tree
        return
    for value, part in ((True, tree.high), (False, tree.low)):
        for guard, to in _paths(part):
            yield {tree.name: value, **guard}, to


def _guard(guard: Mapping[str, bool]) -> str:
    words = [
        ("" if value else "!") + str(Formula("prop", name=name)) for name, value in guard.items()
    ]
    return " & ".join(words) or "true"


def _dotted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
