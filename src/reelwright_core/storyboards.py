"""Storyboards as YAML files that people edit: written to be read, and read with line numbers."""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from reelwright_core import physics
from reelwright_core.errors import InputError, StoryboardError
from reelwright_core.files import write_text
from reelwright_core.scene_files import plain_scene
from reelwright_core.story import (
    Beat,
    Entity,
    Event,
    FrameSpan,
    Identity,
    Keyframe,
    Layout,
    LeftOut,
    Line,
    LoraFile,
    Relation,
    SceneGraph,
    Shot,
    Story,
    Storyboard,
    Track,
)

LIMIT = 1_000_000
"""The most bytes a storyboard file may have."""

DEEPEST = 40
"""The most levels of lists and mappings inside each other."""

_HEADER = """\
# The storyboard: what is filmed, shot by shot. Edit me and resume: only what changed is made again.
# What a shot does not say takes its default; `left_out` lists words that no picture follows.
"""
_ALWAYS = ("id", "scene", "text", "prompt", "place", "size", "frames", "fps")
"""Keys of a shot that are written even where they hold their default."""
_FLOW_KEYS = frozenset(
    {"size", "box", "background_shift", "frames", "position", "rotation", "velocity", "spin", "at",
     "centre", "source", "look_at", "direction", "towards", "gravity", "top", "horizon"}
)  # fmt: skip
_FLOW_MAPS = frozenset({"relations", "events", "left_out", "dialogue", "keyframes", "beats"})

_At = tuple[str | int, ...]


def write_storyboard(path: Path, storyboard: Storyboard) -> None:
    """Writes `storyboard` as YAML, whole or not at all."""
    write_text(path, storyboard_text(storyboard))


def storyboard_text(storyboard: Storyboard) -> str:
    """`storyboard` as the text of its file."""
    plain = CommentedMap(schema=storyboard.SCHEMA)
    plain["story"] = _styled(storyboard.story.model_dump(mode="json", exclude_defaults=True))
    shots = CommentedSeq([_shot(shot) for shot in storyboard.shots])
    plain["shots"] = shots
    for i in range(len(shots)):
        shots.yaml_set_comment_before_after_key(i, before="\n")
    out = io.StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.allow_unicode = True
    yaml.dump(plain, out)
    return _HEADER + out.getvalue()


def _shot(shot: Shot) -> CommentedMap:
    told = shot.model_dump(mode="json", exclude_defaults=True)
    if shot.physics is not None:
        told["physics"] = plain_scene(shot.physics)
    whole = shot.model_dump(mode="json", include=set(_ALWAYS))
    fields = [name for name in Shot.model_fields if name in told or name in _ALWAYS]
    return cast(CommentedMap, _styled({name: told.get(name, whole.get(name)) for name in fields}))


def _styled(data: object, key: str = "") -> object:
    """The data with short things on one line and long texts as blocks."""
    if isinstance(data, Mapping):
        items = cast(Mapping[str, object], data).items()
        styled = CommentedMap((name, _styled(value, name)) for name, value in items)
        if key == "frames":
            styled.fa.set_flow_style()
        return styled
    if isinstance(data, list | tuple):
        values = CommentedSeq([_styled(value) for value in cast(Sequence[object], data)])
        if (
            key in _FLOW_KEYS
            or not values
            or all(isinstance(v, str) and len(v) < 30 for v in values)
        ):
            values.fa.set_flow_style()
        for value in values if key in _FLOW_MAPS else ():
            value.fa.set_flow_style()
        return values
    if isinstance(data, str) and "\n" in data and _fits_a_block(data):
        return LiteralScalarString(data)
    if isinstance(data, str) and not (data.isprintable() and data[:1].isalnum()):
        return DoubleQuotedScalarString(data)  # the only style that keeps every character
    return data


def _fits_a_block(text: str) -> bool:
    lines = text.split("\n")
    return (
        all(line == line.rstrip() and (not line or line.isprintable()) for line in lines)
        and bool(lines[0])
        and not lines[0].startswith((" ", "#"))
        and not re.search(r"[\x85\u2028\u2029\ufeff]", text)
    )


def read_storyboard(path: Path) -> Storyboard:
    """The storyboard in the file; `StoryboardError` says what is wrong, and in which line."""
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise StoryboardError(f"cannot be read: {error.strerror or error}", file=path) from None
    if len(content) > LIMIT:
        raise StoryboardError(f"a storyboard has at most {LIMIT // 1000} kB", file=path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise StoryboardError("is not UTF-8 text", file=path, line=line) from None
    return storyboard_from_text(text, file=path)


def storyboard_from_text(text: str, *, file: Path | str = "storyboard.yaml") -> Storyboard:
    """The storyboard in `text`; `file` is what messages call it."""
    lines: dict[_At, int] = {}
    try:
        _refuse_links(text, file)
        data = _plain(_root(text, file), (), lines, file)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context or "cannot be read").replace("\n", " ")
        line = None if mark is None else mark.line + 1
        raise StoryboardError(f"is not YAML: {problem}", file=file, line=line) from None
    except (YAMLError, ValueError) as error:
        first = str(error).strip().split("\n")[0]
        raise StoryboardError(f"is not YAML: {first}", file=file) from None
    if not isinstance(data, dict):
        raise StoryboardError(
            f"a storyboard is a mapping with `schema`, `story` and `shots`, got {_short(data)}",
            file=file,
            line=1,
        )
    return _checked(cast("dict[str, Any]", data), lines, file)


def _root(text: str, file: Path | str) -> Node:
    node = YAML(typ="safe", pure=True).compose(text)
    if node is None:
        raise StoryboardError(
            "is empty; a storyboard has `shots`, each with an `id` and a `prompt`", file=file
        )
    return node


def _refuse_links(text: str, file: Path | str) -> None:
    """Anchors, aliases, tags and depth have no place in a storyboard, and could blow it up."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        line = event.start_mark.line + 1 if event.start_mark else None
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            raise StoryboardError("is nested too deeply", file=file, line=line)
        if getattr(event, "anchor", None) is not None:
            problem = f"anchors and aliases (`&` and `*`) are not allowed, got {event.anchor!r}"
            raise StoryboardError(problem, file=file, line=line)
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in ("", "!"):
            raise StoryboardError(f"tags are not allowed, got {str(tag)!r}", file=file, line=line)


def _plain(node: Node, at: _At, lines: dict[_At, int], file: Path | str) -> object:
    """The node as plain data; fills `lines` with the line of each key and item."""
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise StoryboardError("a key is a plain word", file=file, line=line)
            key = str(key_node.value)
            if key in found:
                raise StoryboardError(f"the key `{key}` is there twice", file=file, line=line)
            lines[*at, key] = line
            found[key] = _plain(value_node, (*at, key), lines, file)
        return found
    if isinstance(node, SequenceNode):
        return [_plain(item, (*at, i), lines, file) for i, item in enumerate(node.value)]
    return _scalar(str(node.tag).rsplit(":", 1)[-1], str(node.value))


def _scalar(kind: str, value: str) -> object:
    if kind == "null":
        return None
    if kind == "bool":
        return value.lower() == "true"
    if kind == "int" and re.fullmatch(r"[-+]?\d{1,300}", value):
        return int(value)
    if kind == "float":
        return float(value.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return value


def _checked(data: dict[str, Any], lines: Mapping[_At, int], file: Path | str) -> Storyboard:
    try:
        return Storyboard.from_data(data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        # A misspelt key explains the missing one, so it is told first.
        fault = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])
        at = tuple(fault["loc"])
        problem = _problem(cast("dict[str, Any]", fault), at)
        raise StoryboardError(problem + more, file=file, line=_line(at, lines)) from None
    except InputError as error:
        raise StoryboardError(str(error), file=file, line=lines.get(("schema",))) from None


def _line(at: _At, lines: Mapping[_At, int]) -> int | None:
    """The line of the innermost part of `at` that the file has."""
    while at not in lines and at:
        at = at[:-1]
    return lines.get(at)


_NAMES: Mapping[type[BaseModel], str] = {
    Storyboard: "a storyboard", Story: "a story", Shot: "a shot", Entity: "an entity",
    SceneGraph: "a scene graph", Relation: "a relation", Event: "an event",
    FrameSpan: "a frame span",
    Layout: "a layout", Track: "a track", Keyframe: "a keyframe", Line: "a line of dialogue",
    LeftOut: "a left-out word", Beat: "a beat",
    Identity: "an identity", LoraFile: "a LoRA file",
    physics.PhysicsScene: "a physics scene",
}  # fmt: skip


def _problem(fault: Mapping[str, Any], at: _At) -> str:
    key = next((str(part) for part in reversed(at) if isinstance(part, str)), "")
    model = _model_at(at[:-1])
    kind = fault["type"]
    if kind == "extra_forbidden" and model is not None:
        valid = list(model.model_fields)
        return f"`{at[-1]}` is not a key of {_named(model)}{_nearest(str(at[-1]), valid)}"
    if kind == "missing" and model is not None:
        return f"{_named(model)} needs `{at[-1]}`"
    if kind == "union_tag_invalid":
        allowed = re.findall(r"'([^']*)'", str(fault["ctx"]["expected_tags"]))
        tag = str(fault["ctx"]["tag"])
        return f"the `kind` of a `{key}` cannot be {_short(tag)}{_nearest(tag, allowed)}"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(fault["ctx"]["expected"]))
        got = fault["input"]
        return f"`{key}` cannot be {_short(got)}{_nearest(str(got), allowed)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    where = f"`{key}`: " if key else ""
    got = (
        ""
        if isinstance(fault["input"], dict) or "got" in message
        else f", got {_short(fault['input'])}"
    )
    return f"{where}{message}{got}"


def _named(model: type[BaseModel]) -> str:
    """`a shot`, `an entity`; parts of physics scenes are called as their classes are."""
    word = model.__name__.lower()
    return _NAMES.get(model, f"{'an' if word[0] in 'aeiou' else 'a'} {word}")


def _nearest(word: str, valid: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; there are: {', '.join(valid)}"


def _short(value: object) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."


def _model_at(at: _At) -> type[BaseModel] | None:
    """The record that lies at `at` of a storyboard, if one does."""
    models: list[type[BaseModel]] = [Storyboard]
    for part in at:
        if isinstance(part, int):
            continue
        # Of several kinds of a thing, such as shapes, a fault's place names the one that is meant.
        kinds = [m for m in models if "kind" in m.model_fields and len(models) > 1]
        chosen = [m for m in kinds if m.model_fields["kind"].default == part]
        if chosen:
            models = chosen
            continue
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        models = [model for field in fields for model in _models_in(field.annotation)]
    return models[0] if models else None


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
