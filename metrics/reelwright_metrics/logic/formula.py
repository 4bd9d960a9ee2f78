"""Linear temporal logic over finite traces (LTLf): formulas, their parser, printer and meaning.

A trace has one set of true propositions for each frame (or window of frames), at least one. At the
frame t of n frames, 0 <= t < n:

    word, "any text"   the proposition is true at t
    !a  a & b  a | b   as usual; a -> b is !a | b
    X a                there is a frame t + 1, and a holds there (strong: false at the last frame)
    F a                a holds at some frame u >= t
    G a                a holds at every frame u >= t
    a U b              b holds at some frame u >= t, and a at every frame from t to u - 1
    a W b              a U b, or a holds at every frame u >= t
    true  false

Nothing is weakened: `G` means every frame, and `U` that the right side does come true. Next at the
last frame is false; `!X !a` is the weak next. `!`, `X`, `F` and `G` bind tightest, then `U` and
`W` (to the right), `&`, `|`, and `->` (to the right).

De Giacomo and Vardi, Linear temporal logic and linear dynamic logic on finite traces, IJCAI 2013.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from reelwright_core.errors import FormulaError

Op = Literal["true", "false", "prop", "!", "X", "F", "G", "U", "W", "&", "|", "->"]

LONGEST = 4000
"""Characters of a formula that is read."""
DEEPEST = 60
"""Parentheses and operators within each other."""

_RESERVED = ("true", "false", "U", "G", "F", "X", "W")
_WORD = r"[A-Za-z_](?:[A-Za-z0-9_]|-(?!>))*"
_TOKEN = re.compile(rf'\s*(?:(->|[!&|()])|({_WORD})|("(?:[^"\\]|\\.)*"))')
_BINDS: dict[Op, int] = {"->": 0, "|": 1, "&": 2, "U": 3, "W": 3, "!": 4, "X": 4, "F": 4, "G": 4}


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula: an operator and what it is applied to, or the name of a proposition.

    `&` and `|` have two parts or more. `str` gives text that `parse` reads back as the same.
    """

    op: Op
    parts: tuple[Formula, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        """The formula with few parentheses."""
        return _text(self)

    def propositions(self) -> list[str]:
        """The names in it, each once, in the order in which they are read."""
        return list(dict.fromkeys(each.name for each in self.walk() if each.op == "prop"))

    def walk(self) -> Iterator[Formula]:
        """Itself and everything in it, outside before inside, left before right."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def subformulas(self) -> list[Formula]:
        """Itself and every formula in it, each once."""
        return list(dict.fromkeys(self.walk()))

    def conjuncts(self) -> tuple[Formula, ...]:
        """The formulas that it joins by `&` at the top; itself alone if it is no such thing."""
        if self.op != "&":
            return (self,)
        return tuple(each for part in self.parts for each in part.conjuncts())


TRUE, FALSE = Formula("true"), Formula("false")


def prop(name: str) -> Formula:
    """The proposition `name`."""
    return Formula("prop", name=name)


def no(part: Formula) -> Formula:
    """`! part`."""
    return Formula("!", (part,))


def both(*parts: Formula) -> Formula:
    """The conjunction of `parts`: `true` of none, the part itself of one."""
    return _several("&", parts, TRUE)


def either(*parts: Formula) -> Formula:
    """The disjunction of `parts`: `false` of none, the part itself of one."""
    return _several("|", parts, FALSE)


def eventually(part: Formula) -> Formula:
    """`F part`."""
    return Formula("F", (part,))


def always(part: Formula) -> Formula:
    """`G part`."""
    return Formula("G", (part,))


def until(one: Formula, other: Formula) -> Formula:
    """`one U other`."""
    return Formula("U", (one, other))


def _several(op: Literal["&", "|"], parts: Sequence[Formula], none: Formula) -> Formula:
    return none if not parts else parts[0] if len(parts) == 1 else Formula(op, tuple(parts))


def holds(formula: Formula, trace: Sequence[Collection[str]], at: int = 0) -> bool:
    """Whether `formula` holds at frame `at` of `trace`, the true names of each frame.

    The meaning above, read off word by word: slow, and what the monitor is compared with. Raises
    `ValueError` for an empty trace.
    """
    if not 0 <= at < len(trace):
        raise ValueError(f"`at` is a frame of the trace, 0 to {len(trace) - 1}, got {at}")
    a = formula.parts[0] if formula.parts else TRUE
    b = formula.parts[-1] if formula.parts else TRUE
    rest = range(at, len(trace))
    match formula.op:
        case "true" | "false":
            return formula.op == "true"
        case "prop":
            return formula.name in trace[at]
        case "!":
            return not holds(a, trace, at)
        case "&":
            return all(holds(part, trace, at) for part in formula.parts)
        case "|":
            return any(holds(part, trace, at) for part in formula.parts)
        case "->":
            return not holds(a, trace, at) or holds(b, trace, at)
        case "X":
            return at + 1 < len(trace) and holds(a, trace, at + 1)
        case "F":
            return any(holds(a, trace, u) for u in rest)
        case "G":
            return all(holds(a, trace, u) for u in rest)
        case "U" | "W":
            for u in rest:
                if holds(b, trace, u):
                    return True
                if not holds(a, trace, u):
                    return False
            return formula.op == "W"


def parse(text: str) -> Formula:
    """The formula in `text`; `FormulaError` names the column, counted from 1, and what is due."""
    if len(text) > LONGEST:
        raise FormulaError(f"a formula has at most {LONGEST} characters, got {len(text)}")
    reader = _Reader(text)
    formula = reader.formula(0)
    if reader.kind != "end":
        raise reader.fault("an operator (`&`, `|`, `->`, `U`, `W`) or the end")
    return formula


class _Reader:
    """Reads a formula by recursive descent, one token ahead."""

    def __init__(self, text: str):
        self.text = text
        self.at = 0
        self.depth = 0
        self.kind: str = ""
        self.token = ""
        self.column = 1
        self.advance()

    def advance(self) -> None:
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            self.at += len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
            self.column = self.at + 1
            self.kind, self.token = "end", ""
            if self.at < len(self.text):
                self._unreadable()
            return
        symbol, word, quoted = found.groups()
        self.token = symbol or word or quoted
        self.column = found.end() - len(self.token) + 1
        self.at = found.end()
        if symbol or word in _RESERVED:
            self.kind = self.token
        else:
            self.kind = "name"

    def _unreadable(self) -> None:
        character = self.text[self.at]
        if character == '"':
            raise FormulaError(f'column {self.column}: a text in quotes has no closing `"`')
        raise FormulaError(
            f"column {self.column}: {character!r} is no part of a formula; it has words, "
            '"quoted text", `! & | -> ( )`, `U G F X W`, `true` and `false`'
        )

    def fault(self, due: str) -> FormulaError:
        got = "the end" if self.kind == "end" else f"`{self.token}`"
        return FormulaError(f"column {self.column}: {due} was expected, got {got}: {self.text}")

    def formula(self, binds: int) -> Formula:
        """What is read from here on while operators bind at least as tightly as `binds`."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise FormulaError(
                f"column {self.column}: formulas are at most {DEEPEST} deep within each other"
            )
        left = self.operand()
        while (op := self.kind) in ("->", "|", "&", "U", "W") and _BINDS[op] >= binds:
            parts = [left]
            while self.kind == op:
                self.advance()
                # A chain of & or | is one formula; -> and U, W lean to the right.
                leaning = _BINDS[op] + (op in ("&", "|"))
                parts.append(self.formula(leaning))
            left = Formula(op, tuple(parts))
        self.depth -= 1
        return left

    def operand(self) -> Formula:
        kind, token = self.kind, self.token
        if kind in ("true", "false"):
            self.advance()
            return TRUE if kind == "true" else FALSE
        if kind == "name":
            name = self._name(token)
            self.advance()
            return prop(name)
        if kind in ("!", "X", "F", "G"):
            self.advance()
            return Formula(kind, (self.formula(_BINDS["!"]),))
        if kind == "(":
            opened = self.column
            self.advance()
            inner = self.formula(0)
            if self.kind != ")":
                raise self.fault(f"`)` for the `(` at column {opened}")
            self.advance()
            return inner
        raise self.fault("a proposition, `true`, `false`, `!`, `X`, `F`, `G` or `(`")

    def _name(self, token: str) -> str:
        if not token.startswith('"'):
            return token
        name = re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)
        if not name.strip():
            raise FormulaError(f"column {self.column}: a text in quotes says something, got none")
        return name


def _text(formula: Formula) -> str:
    op, parts = formula.op, formula.parts
    if op in ("true", "false"):
        return op
    if op == "prop":
        return quoted(formula.name)
    if op in ("!", "X", "F", "G"):
        inner = _within(parts[0], _BINDS["!"])
        return f"{op}{inner}" if op == "!" or inner.startswith("(") else f"{op} {inner}"
    binds = _BINDS[op]
    if op in ("&", "|"):
        # Parentheses around `a U b` are not needed here, but few people know that.
        return f" {op} ".join(_within(part, max(binds + 1, _BINDS["!"])) for part in parts)
    return f"{_within(parts[0], binds + 1)} {op} {_within(parts[1], binds)}"


def _within(part: Formula, binds: int) -> str:
    text = _text(part)
    return f"({text})" if _BINDS.get(part.op, 5) < binds else text


def quoted(name: str) -> str:
    """`name` as it stands in a formula: bare if it is one free word, else in quotes."""
    if re.fullmatch(_WORD, name) and name not in _RESERVED:
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
