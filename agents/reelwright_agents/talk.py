"""How roles talk about a storyboard: places in it, changes of it, and what the user wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError

from reelwright_core.errors import InputError
from reelwright_core.story import Storyboard


class UnfitChange(InputError):
    """A change that names no field of the storyboard, or a value that does not fit there."""


def value_at(board: Storyboard, path: str) -> Any:
    """What stands at `path`, such as `shots/s02/scene_graph/entities/girl/colour`.

    Parts are field names; an item of a list is named by its `id` (or `of`), or by its number from
    0. Raises `UnfitChange` where there is no such place.
    """
    return _found(board.model_dump(mode="json"), path)


def changed(board: Storyboard, changes: Mapping[str, Any]) -> Storyboard:
    """`board` with other values at the paths; the whole is checked as if it were read from a file.

    Raises `UnfitChange` for a path that does not exist, or a value that does not fit.
    """
    if not changes:
        return board
    data = board.model_dump(mode="json")
    for path, value in changes.items():
        *parents, last = path.split("/")
        _found(data, path)
        holder = _found(data, "/".join(parents)) if parents else data
        if isinstance(holder, list):
            holder[_index(cast(list[Any], holder), last, path)] = value
        else:
            holder[last] = value
    try:
        return Storyboard.from_data(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        told = ", ".join(f"{path} = {value!r}" for path, value in changes.items())
        raise UnfitChange(f"{fault['msg']}: {told}") from None


def differences(old: Storyboard, new: Storyboard) -> list[str]:
    """The paths of all values that differ, in the new one's order."""
    before = dict(_leaves(old.model_dump(mode="json"), ""))
    after = dict(_leaves(new.model_dump(mode="json"), ""))
    paths = [path for path, value in after.items() if path not in before or before[path] != value]
    return [*paths, *(path for path in before if path not in after)]


def covers(paths: Sequence[str], path: str) -> bool:
    """Whether one of `paths` is `path`, a place inside it, or what it lies in."""
    return any(
        one == path or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in paths
    )


def _found(data: Any, path: str) -> Any:
    at = data
    for part in path.split("/") if path else ():
        if isinstance(at, list):
            items = cast(list[Any], at)
            at = items[_index(items, part, path)]
        elif isinstance(at, dict) and part in at:
            at = cast(dict[str, Any], at)[part]
        else:
            raise UnfitChange(f"the storyboard has no {path!r}: there is no {part!r}")
    return at


def _index(items: Sequence[Any], part: str, path: str) -> int:
    for index, item in enumerate(items):
        if _name(item) == part:
            return index
    if part.isascii() and part.isdigit() and int(part) < len(items):
        return int(part)
    names = ", ".join(filter(None, (_name(item) for item in items))) or f"0 to {len(items) - 1}"
    raise UnfitChange(f"the storyboard has no {path!r}: {part!r} is none of {names or 'none'}")


def _name(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    given = cast(dict[str, Any], item)
    name = given.get("id", given.get("of"))
    return None if name is None else str(name)


def _leaves(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value by its path; lists without ids count as one value."""
    if isinstance(data, dict) and data:
        for name, value in cast(dict[str, Any], data).items():
            yield from _leaves(value, f"{path}/{name}" if path else name)
        return
    items = cast(list[Any], data) if isinstance(data, list) else []
    if items and all(_name(item) is not None for item in items):
        for item in items:
            yield from _leaves(item, f"{path}/{_name(item)}")
        return
    yield path, data
