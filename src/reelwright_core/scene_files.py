"""Physics scenes as YAML files that people edit: faults are told with file and line."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from reelwright_core import physics
from reelwright_core.errors import InputError, SceneError
from reelwright_core.physics import PhysicsScene
from reelwright_core.records import Record
from reelwright_core.yaml_file import YamlFile, read_yaml, write_yaml


def read_scene(path: Path) -> PhysicsScene:
    """The physics scene in the file; `SceneError` says what is wrong, and in which line."""
    file = read_yaml(path, SceneError)
    file.mapping()
    plain = _plain(file.data)
    try:
        return PhysicsScene.from_data(plain)
    except ValidationError as error:
        raise _told(error, file) from None
    except InputError as error:
        raise file.error(str(error), "schema") from None


def write_scene(path: Path, scene: PhysicsScene) -> None:
    """Writes `scene` as YAML, whole or not at all; what has its default is left out."""
    write_yaml(path, {"schema": scene.SCHEMA, **plain_scene(scene)})


def plain_scene(scene: PhysicsScene) -> dict[str, Any]:
    """The scene as plain data in which what has its default is left out, and the schema."""
    data = scene.model_dump(mode="json", exclude_defaults=True)
    # Which shape it is must be said, though each shape's class has it as its default.
    for body, told in zip(scene.bodies, data.get("bodies", []), strict=True):
        told["shape"] = {"kind": body.shape.kind, **told["shape"]}
    return data


def _plain(data: Any) -> Any:
    """Plain lists, mappings and numbers: a reader's own kinds of them are told apart in errors."""
    if isinstance(data, Mapping):
        items = cast(Mapping[Any, Any], data).items()
        return {str(key): _plain(value) for key, value in items}
    if isinstance(data, list):
        return [_plain(value) for value in cast(list[Any], data)]
    for kind in (bool, int, float, str):
        if isinstance(data, kind):
            return kind(data)
    return data


def _told(error: ValidationError, file: YamlFile) -> SceneError:
    faults = error.errors(include_url=False)
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    # A misspelt key explains the missing one, so it is told first.
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    keys = _keys(fault["loc"], file.data)
    names = [str(part) for part in fault["loc"] if isinstance(part, str)]
    key = names[-1] if names else "the scene"
    where = ".".join(str(part) for part in keys)
    got = fault["input"]
    if fault["type"] == "extra_forbidden":
        known = sorted({name for record in _records() for name in record.model_fields})
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        said = f"`{where}` is not a key of a physics scene{hint}"
    elif fault["type"] == "missing":
        said = f"`{where or 'the scene'}` lacks the key `{key}`"
    elif fault["type"] in ("literal_error", "union_tag_invalid"):
        context = fault.get("ctx", {})
        expected = str(context.get("expected") or context.get("expected_tags"))
        allowed = re.findall(r"'([^']*)'", expected)
        word = str(context.get("tag", got))
        near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(allowed)}"
        said = f"`{where}` cannot be {word!r}; {hint}"
    else:
        message = str(fault["msg"]).removeprefix("Value error, ")
        tail = "" if isinstance(got, dict) or "got" in message else f", got {_short(got)}"
        said = f"`{where}`: " if where else ""
        said += message[:1].lower() + message[1:] + tail
    return cast(SceneError, file.error(said + more, *keys))


def _keys(loc: tuple[int | str, ...], data: Any) -> list[int | str]:
    """The part of a fault's place that the file has: the kinds of shapes are no keys."""
    keys: list[int | str] = []
    for part in loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        keys.append(part)
    return keys


def _records() -> list[type[Record]]:
    kinds = vars(physics).values()
    return [kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, Record)]


def _short(value: object) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."
