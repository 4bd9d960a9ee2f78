"""The small language of conditions: comparisons and arithmetic over plain values of the state."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

_NAMES = ("True", "False", "None", "true", "false", "none")


_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Name, ast.Constant,
    ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.expr_context,
)  # fmt: skip


def fault(condition: str, names: Collection[str]) -> tuple[str, str] | None:
    """What is wrong with `condition` over `names`, as (problem, name or ''); None if nothing."""
    if len(condition) > 500:
        return "a condition has at most 500 characters", ""
    try:
        tree = ast.parse(condition, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return f"the condition `{condition}` is no expression", ""
    for part in ast.walk(tree):
        if isinstance(part, ast.Name) and part.id not in names and part.id not in _NAMES:
            return f"the condition `{condition}` names `{part.id}`, which no node gives", part.id
        if not isinstance(part, _ALLOWED):
            return (
                f"the condition `{condition}` uses more than comparisons, "
                "arithmetic and `and`, `or`, `not`",
                "",
            )
    return None


def holds(condition: str, values: Mapping[str, Any]) -> bool:
    """Whether `condition` is true of `values`; a value that is missing counts as none."""
    evaluator = SimpleEval(functions={})
    evaluator.names = {
        "True": True, "False": False, "None": None, "true": True, "false": False, "none": None,
        **values,
    }  # fmt: skip
    try:
        return bool(evaluator.eval(condition))
    except (InvalidExpression, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"the condition `{condition}` cannot be decided: {error}") from error
