"""Says what in an agent's script is better written otherwise: an allow-list of syntax and names.

It finds mistakes before a second is spent on them, with words that help to mend them. It is no
boundary: the sandbox is, and holds without it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reelwright_simulators.sandbox.helper_library import helper_names, parsed

CHARACTERS_AT_MOST = 60_000
NUMBER_AT_MOST = 1_000_000
"""Of anything: metres, counts, frames."""
ROUNDS_AT_MOST = 1_000_000
"""Of loops inside each other, together."""
_FAULTS_AT_MOST = 20

_MODULES = ("math", "random", "itertools", "colorsys", "bpy", "bmesh", "mathutils", "__future__")
_KNOWN_BUILTINS = {
    "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "filter", "float", "frozenset",
    "int", "isinstance", "iter", "len", "list", "map", "max", "min", "next", "pow", "print",
    "range", "repr", "reversed", "round", "set", "slice", "sorted", "str", "sum", "tuple", "zip",
    "True", "False", "None", "Exception", "ValueError", "TypeError", "KeyError", "IndexError",
    "ZeroDivisionError", "ArithmeticError", "RuntimeError", "AttributeError", "StopIteration",
    "AssertionError", "NotImplementedError", "OverflowError",
}  # fmt: skip
_INSTEAD = {
    "open": "the script's result is its scene; no file is read or written",
    "input": "the shot tells all there is",
    "eval": "write the expression itself",
    "exec": "write the statements themselves",
    "compile": "write the code itself",
    "__import__": "write `import` for one of the modules that are allowed",
    "getattr": "write the attribute with a dot",
    "setattr": "assign to the attribute with a dot",
    "delattr": "leave the attribute as it is",
    "globals": "use plain variables",
    "locals": "use plain variables",
    "vars": "use plain variables",
    "dir": "the helpers are listed in the documentation",
    "exit": "let the script reach its end",
    "quit": "let the script reach its end",
    "type": "use isinstance",
    "bytearray": "the script needs lists of numbers only",
    "bytes": "the script needs text and lists of numbers only",
}
_NO_ATTRIBUTES = {
    "load": "make what is needed, instead of reading files",
    "libraries": "make what is needed, instead of reading files",
    "texts": "code is what stands in the script",
    "app": "frames and events are Reelwright's; use keyframes (keyframe_insert)",
    "handlers": "use keyframes (keyframe_insert)",
    "timers": "use keyframes (keyframe_insert)",
    "msgbus": "use keyframes (keyframe_insert)",
    "driver_add": "use keyframes (keyframe_insert)",
    "driver_namespace": "use keyframes (keyframe_insert)",
    "expression": "use keyframes (keyframe_insert)",
    "utils": "nothing is registered or found in folders",
    "preferences": "settings are Reelwright's",
    "filepath": "Reelwright decides where files are",
    "filepath_raw": "Reelwright decides where files are",
    "save": "Reelwright saves what is needed",
    "save_render": "Reelwright renders and saves",
    "write_still": "Reelwright renders and saves",
    "cache_directory": "Reelwright decides where files are",
    "format": "use an f-string",
    "format_map": "use an f-string",
    "as_module": "code is what stands in the script",
    "register_class": "define functions",
}
_FRAMES = {
    "tb_frame", "tb_next", "f_back", "f_globals", "f_locals", "f_builtins", "f_code", "gi_frame",
    "gi_code", "cr_frame", "ag_frame", "func_globals", "co_code",
}  # fmt: skip
_OPERATORS = {
    "mesh", "object", "transform", "curve", "surface", "material", "collection", "rigidbody",
    "particle", "constraint", "node", "uv", "anim", "nla", "action", "armature", "lattice",
}  # fmt: skip
"""The parts of `bpy.ops` that only change the scene."""
_LIMITS = {
    "levels": 3, "render_levels": 3, "subdivisions": 6, "number_cuts": 100, "cuts": 100,
    "x_subdivisions": 200, "y_subdivisions": 200, "u_segments": 200, "v_segments": 200,
    "segments": 256, "ring_count": 256, "vertices": 1024, "resolution_x": 4096,
    "resolution_y": 4096, "samples": 4096, "frame_end": 1000, "resolution_max": 64,
    "octree_depth": 7,
}  # fmt: skip
"""The largest number that these may be told or set to."""
_SYNTAX = (
    ast.Module, ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.FunctionDef, ast.Return,
    ast.For, ast.While, ast.If, ast.Break, ast.Continue, ast.Pass, ast.Raise, ast.Assert, ast.Try,
    ast.ExceptHandler, ast.Import, ast.ImportFrom, ast.alias, ast.arguments, ast.arg, ast.keyword,
    ast.Global, ast.Nonlocal, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict,
    ast.Set, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension,
    ast.Compare, ast.Call, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute,
    ast.Subscript, ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice, ast.NamedExpr,
    ast.Delete, ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip
_CALLED: dict[type[ast.AST], str] = {
    ast.ClassDef: "a class: write functions and plain values",
    ast.With: "`with`: call the helpers one after another",
    ast.Yield: "`yield`: return a list",
    ast.YieldFrom: "`yield from`: return a list",
    ast.AsyncFunctionDef: "`async`: scripts run from top to bottom",
    ast.AsyncFor: "`async`: scripts run from top to bottom",
    ast.AsyncWith: "`async`: scripts run from top to bottom",
    ast.Await: "`await`: scripts run from top to bottom",
    ast.Match: "`match`: write `if` and `elif`",
}
_ENDLESS = {("itertools", "count"), ("itertools", "cycle"), ("itertools", "repeat")}
_HIDDEN = re.compile(r"__\w+|\{[^{}]*[.\[][^{}]*\}")


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """One thing that is to be changed."""

    line: int
    what: str
    """What stands there, and what to write instead."""

    def __str__(self) -> str:
        """As it is told to whoever mends it."""
        return f"line {self.line}: {self.what}"


def needs_blender(script: str) -> bool:
    """Whether a script imports what only Blender has."""
    try:
        tree = parsed(script)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        name.partition(".")[0] in ("bpy", "bmesh", "mathutils")
        for node in ast.walk(tree)
        for name in _imported(node)
    )


def lint(script: str) -> list[Fault]:
    """What is wrong with a script, in the order of its lines; nothing if it is good."""
    if len(script) > CHARACTERS_AT_MOST:
        return [
            Fault(1, f"the script has {len(script)} characters; write {CHARACTERS_AT_MOST} at most")
        ]
    try:
        tree = parsed(script)
        found = sorted(set(_Reader(tree).faults()))
    except SyntaxError as error:
        return [Fault(error.lineno or 1, f"this is no Python: {error.msg}")]
    except (ValueError, RecursionError, MemoryError):
        return [Fault(1, "this is no Python that can be read: it is nested too deep, or binary")]
    if len(found) > _FAULTS_AT_MOST:
        rest = len(found) - _FAULTS_AT_MOST
        last = found[_FAULTS_AT_MOST]
        return [*found[:_FAULTS_AT_MOST], Fault(last.line, f"and {rest} more faults from here on")]
    return found


class _Reader:
    def __init__(self, tree: ast.Module):
        self._tree = tree
        self._bound = _bound(tree)
        self._functions = {
            node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }

    def faults(self) -> Iterator[Fault]:
        for node in ast.walk(self._tree):
            line = getattr(node, "lineno", 1)
            for what in self._of(node):
                yield Fault(line, what)
        yield from self._loops(self._tree, 1)
        for name, function in self._functions.items():
            if _always_calls(function.body, name):
                yield Fault(function.lineno, f"`{name}` calls itself whatever happens; end it")

    def _of(self, node: ast.AST) -> Iterator[str]:
        if not isinstance(node, _SYNTAX):
            told = _CALLED.get(type(node), f"{type(node).__name__}: write it in a simpler way")
            yield f"scripts have no {told}"
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _imports(node)
        elif isinstance(node, ast.FunctionDef) and node.decorator_list:
            yield "scripts have no decorator: call the function where it is needed"
        elif isinstance(node, ast.Name):
            yield from self._name(node)
        elif isinstance(node, ast.Attribute):
            yield from _attribute(node)
        elif isinstance(node, ast.Constant):
            yield from _constant(node)
        elif isinstance(node, ast.ExceptHandler):
            if node.type is None or "BaseException" in _dotted(node.type):
                yield "a bare `except` also catches what is to end the script: name the error"
        elif isinstance(node, (ast.BinOp, ast.UnaryOp)):
            yield from _computed(node)
        elif isinstance(node, ast.While):
            if _always_true(node.test) and not _leaves(node.body):
                yield "this loop never ends: use `for` with `range`, or leave it by `break`"
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _pairs(target, node.value)
        elif isinstance(node, ast.keyword) and node.arg:
            yield from _limited(node.arg, node.value)

    def _name(self, node: ast.Name) -> Iterator[str]:
        name = node.id
        if name in self._bound and not name.startswith("__"):
            return
        if name in _INSTEAD:
            yield f"`{name}` is not there for scripts: {_INSTEAD[name]}"
        elif name.startswith("__"):
            if name != "__name__":
                yield f"`{name}` is Python's own: write plain names"
        elif name in helper_names() or name in _KNOWN_BUILTINS:
            return
        elif hasattr(builtins, name):
            yield f"`{name}` is not there for scripts: use the helpers, lists and numbers"
        elif isinstance(node.ctx, ast.Load):
            yield f"the name `{name}` is not known: define it, or use a helper of the documentation"

    def _loops(self, node: ast.AST, rounds: int) -> Iterator[Fault]:
        """Loops whose known numbers of rounds, multiplied, are too many."""
        for child in ast.iter_child_nodes(node):
            inner = rounds
            counts: Sequence[ast.expr] = ()
            if isinstance(child, ast.For):
                counts = (child.iter,)
            elif isinstance(child, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
                counts = tuple(one.iter for one in child.generators)
            for count in counts:
                inner *= max(_rounds(count), 1)
            if inner > ROUNDS_AT_MOST >= rounds:
                yield Fault(
                    getattr(child, "lineno", 1),
                    f"this loops {inner} times, which is too large: {ROUNDS_AT_MOST} at most",
                )
            yield from self._loops(child, inner)


def _bound(tree: ast.Module) -> set[str]:
    """All names that the script itself gives to something, wherever."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
    return found


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for name in _imported(node):
        if name.partition(".")[0] not in _MODULES:
            allowed = ", ".join(name for name in _MODULES if name[0] != "_")
            yield (
                f"`{name}` cannot be imported; there are {allowed}, and the helpers without import"
            )
    if isinstance(node, ast.ImportFrom):
        for one in node.names:
            if one.name == "*":
                yield "`import *` hides what is meant: name what is needed"
            elif one.name.startswith("_"):
                yield f"`{one.name}` of `{node.module}` is not meant to be used: take public names"
            elif one.name in _NO_ATTRIBUTES:
                yield f"`{one.name}` is not there for scripts: {_NO_ATTRIBUTES[one.name]}"
            elif (node.module, one.name) in _ENDLESS:
                yield f"`{node.module}.{one.name}` never ends: use `range`"


def _attribute(node: ast.Attribute) -> Iterator[str]:
    name = node.attr
    dotted = _dotted(node)
    if name.startswith("__"):
        yield f"`{name}` is Python's own: use the helpers and plain values"
    elif name.startswith("_"):
        yield f"`{name}` is not meant to be used: take public names"
    elif name in _FRAMES:
        yield f"`{name}` looks into Python itself: use the helpers and plain values"
    elif name in _NO_ATTRIBUTES:
        yield f"`{name}` is not there for scripts: {_NO_ATTRIBUTES[name]}"
    elif tuple(dotted) in _ENDLESS:
        yield f"`{'.'.join(dotted)}` never ends: use `range`"
    elif dotted[:2] == ["bpy", "ops"] and len(dotted) == 3 and name not in _OPERATORS:
        yield (
            f"`bpy.ops.{name}` is not there for scripts: {', '.join(sorted(_OPERATORS))} are; "
            "Reelwright opens, renders and saves"
        )


def _dotted(node: ast.expr) -> list[str]:
    """`a.b.c` as its names; empty if it does not begin with a name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return [*before, node.attr] if before else []
    return []


def _constant(node: ast.Constant) -> Iterator[str]:
    value = node.value
    if isinstance(value, (int, float)) and not abs(value) <= NUMBER_AT_MOST:
        yield f"{value:.3g} is too large: {NUMBER_AT_MOST} at most"
    elif isinstance(value, complex):
        yield f"{value} is no plain number: use int and float"
    elif isinstance(value, bytes):
        yield "scripts have no bytes: use text"
    elif isinstance(value, str) and (found := _HIDDEN.search(value)):
        yield f"the text {found[0][:40]!r} looks like code: use an f-string for what is to vary"


def _value(node: ast.expr) -> float | None:
    """What an expression of numbers comes to, without computing what is huge."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value) if abs(node.value) < 1e300 else float("inf")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _value(node.operand)
        return None if inner is None else -inner if isinstance(node.op, ast.USub) else inner
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _value(node.left), _value(node.right)
    if left is None or right is None:
        return None
    try:
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
            case ast.Pow():
                found = left**right
                return found if isinstance(found, float) else None
            case ast.LShift():
                return left * 2.0**right
            case _:
                return None
    except ZeroDivisionError:
        return None
    except OverflowError:
        return float("inf")


def _computed(node: ast.BinOp | ast.UnaryOp) -> Iterator[str]:
    value = _value(node)
    if value is not None and not abs(value) <= NUMBER_AT_MOST:
        yield f"this comes to {value:.3g}, which is too large: {NUMBER_AT_MOST} at most"


def _always_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


def _leaves(body: Sequence[ast.stmt]) -> bool:
    """Whether a loop's body has a way out of that loop."""
    for one in body:
        if isinstance(one, (ast.Break, ast.Return, ast.Raise)):
            return True
        for name in ("body", "orelse", "handlers", "finalbody"):
            inner = getattr(one, name, [])
            if isinstance(one, (ast.For, ast.While)) and name == "body":
                inner = [part for part in inner if not isinstance(part, ast.Break)]
            if not isinstance(one, ast.FunctionDef) and _leaves(inner):
                return True
    return False


def _always_calls(body: Sequence[ast.stmt], name: str) -> bool:
    """Whether a function's first steps, before any choice, call it again."""
    for one in body:
        if isinstance(one, (ast.If, ast.For, ast.While, ast.Try, ast.FunctionDef)):
            return False
        for node in ast.walk(one):
            if isinstance(node, (ast.IfExp, ast.BoolOp, ast.Lambda)):
                return False
            if isinstance(node, ast.Call) and _dotted(node.func) == [name]:
                return True
    return False


def _rounds(node: ast.expr) -> int:
    """How often `for` goes over it, where that is known: `range` of numbers; else once."""
    if not (isinstance(node, ast.Call) and _dotted(node.func) == ["range"] and node.args):
        return 1
    values = [_value(one) for one in node.args]
    known = [value for value in values if value is not None and abs(value) < 1e18]
    if len(known) != len(values):
        return 1
    first, last, *step = known if len(known) > 1 else [0.0, known[0]]
    return max(0, int((last - first) / (step[0] if step and step[0] else 1)))


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Attribute):
        yield from _limited(target.attr, value)
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        for one, other in zip(target.elts, value.elts, strict=False):
            yield from _pairs(one, other)


def _limited(name: str, value: ast.expr) -> Iterator[str]:
    number = _value(value)
    if name in _LIMITS and number is not None and number > _LIMITS[name]:
        yield f"`{name}` is {number:g}, which takes too long: {_LIMITS[name]} at most"
