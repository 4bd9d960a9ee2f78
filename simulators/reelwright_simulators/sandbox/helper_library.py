"""What the helper library offers, as text: read from its source, which only Blender's side runs."""

from __future__ import annotations

import ast
import contextlib
from functools import cache
from textwrap import indent

from reelwright_simulators.sandbox import INSIDE


def parsed(source: str) -> ast.Module:
    """The syntax tree of `source`; raises as `ast.parse` does."""
    for _ in range(10):
        # Python 3.11 counts all threads' nesting in one number, and stumbles if two parse at once.
        with contextlib.suppress(SystemError):
            return ast.parse(source)
    return ast.parse(source)


@cache
def _tree() -> ast.Module:
    return parsed((INSIDE / "helpers.py").read_text(encoding="utf-8"))


@cache
def helper_names() -> tuple[str, ...]:
    """What scripts may call without importing it, in the order of the library."""
    for node in _tree().body:
        match node:
            case ast.Assign(targets=[ast.Name(id="PUBLIC")], value=ast.Tuple(elts=named)):
                return tuple(one.id for one in named if isinstance(one, ast.Name))
            case _:
                continue
    raise AssertionError("the helper library says what is public")


@cache
def documentation() -> str:
    """Its units and axes, and signature and docstring of every helper."""
    defined = {node.name: node for node in _tree().body if isinstance(node, ast.FunctionDef)}
    parts = [(ast.get_docstring(_tree()) or "").partition("\n\n")[2].strip()]
    for name in helper_names():
        node = defined[name]
        told = indent(ast.get_docstring(node) or "", "    ").strip()
        parts.append(f"def {name}({ast.unparse(node.args)})\n    {told}")
    return "\n\n".join(parts)
