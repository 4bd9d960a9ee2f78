"""What the source of a diffusers pipeline says of it, read without importing it (and torch)."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

Axis = Literal["channels", "frames", "height", "width"]

_SIGNS: tuple[tuple[str, Axis], ...] = (
    ("channel", "channels"),
    ("frames", "frames"),
    ("video_length", "frames"),
    ("height", "height"),
    ("width", "width"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A pipeline class: what it is called with, and what comes out."""

    defaults: Mapping[str, Any]
    """Arguments and their defaults; None for one that is no plain value."""
    required: tuple[str, ...]
    """Arguments without a default."""
    frames: bool
    """Whether what it returns has `frames`."""
    layout: tuple[Axis, ...] | None
    """The order of its latents' axes after the first, if it can be read."""
    scales: bool
    """Whether it multiplies the latents that it is given by `init_noise_sigma`."""
    multiple: int
    """What it asks of width and height."""


@cache
def source_of(pipeline: str) -> Source | None:
    """What the source says of the class; None if the installed diffusers has none of that name."""
    found = _class(pipeline)
    call = _method(found, "__call__") if found else None
    if found is None or call is None:
        return None
    named = [*call.args.posonlyargs, *call.args.args][1:]
    least = len(named) - len(call.args.defaults)
    defaults = dict(zip([arg.arg for arg in named[least:]], call.args.defaults, strict=True))
    for arg, value in zip(call.args.kwonlyargs, call.args.kw_defaults, strict=True):
        if value is not None:
            defaults[arg.arg] = value
    made = _method(found, "prepare_latents")
    told = ast.unparse(made) if made else ""
    checks = re.findall(r"\b(?:height|width) % (\d+)", ast.unparse(found))
    return Source(
        defaults={name: _plain(value) for name, value in defaults.items()},
        required=tuple(arg.arg for arg in named[:least]),
        frames=any(
            isinstance(value, ast.Call) and any(word.arg == "frames" for word in value.keywords)
            for value in (node.value for node in ast.walk(call) if isinstance(node, ast.Return))
        ),
        layout=_layout(made) if made else None,
        scales="init_noise_sigma" in told,
        multiple=max((int(number) for number in checks), default=1),
    )


def _class(name: str) -> ast.ClassDef | None:
    spec = find_spec("diffusers")
    if spec is None or spec.origin is None or not name.isidentifier():
        return None
    for package in sorted((Path(spec.origin).parent / "pipelines").rglob("__init__.py")):
        if f'"{name}"' not in package.read_text(encoding="utf-8"):
            continue
        for path in sorted(package.parent.glob("*.py")):
            text = path.read_text(encoding="utf-8")
            if f"class {name}(" not in text:
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return node
    return None


def _method(owner: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """The method of a class, or of the nearest base that is a pipeline as well."""
    for node in owner.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    for base in owner.bases:
        if isinstance(base, ast.Name) and base.id.endswith("Pipeline") and base.id != owner.name:
            above = _class(base.id) if base.id != "DiffusionPipeline" else None
            if above is not None and (found := _method(above, name)) is not None:
                return found
    return None


def _plain(value: ast.expr) -> Any:
    return value.value if isinstance(value, ast.Constant) else None


def _layout(made: ast.FunctionDef) -> tuple[Axis, ...] | None:
    """The order in which the first `shape = (...)` of five names its parts, the batch first."""
    for node in ast.walk(made):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
            continue
        if ast.unparse(node.targets[0]) != "shape" or len(node.value.elts) != 5:
            continue
        known: list[Axis] = []
        for part in node.value.elts[1:]:
            named = ast.unparse(part)
            known.extend(axis for sign, axis in _SIGNS if sign in named)
        return tuple(known) if len(set(known)) == 4 else None
    return None
