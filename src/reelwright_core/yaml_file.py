"""YAML files of users: read safely, every fault told with file and line."""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.parser import RoundTripParser
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from reelwright_core.errors import FileError
from reelwright_core.files import write_text

LIMIT = 1_000_000
"""Bytes that a YAML file may have."""
DEPTH = 64
"""Lists and mappings that may stand one in another."""


class _Refused(MarkedYAMLError):
    """YAML that could be read, but has no place in a file of plain data."""


class _PlainParser(RoundTripParser):
    """Refuses, before anything is built, what could do harm or take for ever."""

    _depth = 0

    def get_event(self) -> Any:
        event: Any = super().get_event()
        self._depth += isinstance(event, CollectionStartEvent)
        self._depth -= isinstance(event, CollectionEndEvent)
        said = None
        if self._depth > DEPTH:
            said = f"more than {DEPTH} lists and mappings stand one in another"
        elif getattr(event, "anchor", None) is not None:
            said = "an anchor or alias (`&name`, `*name`) is not allowed here; write the value out"
        elif getattr(event, "tag", None) is not None:
            said = f"a tag (`!name`) is not allowed here, got {event.tag!r}"
        if said:
            raise _Refused(None, None, said, event.start_mark)
        return event


class _PlainConstructor(RoundTripConstructor):
    """A date stays the text that it is: plain data has no other word for it."""


def _text(constructor: _PlainConstructor, node: Any) -> str:
    return str(node.value)


_PlainConstructor.add_constructor("tag:yaml.org,2002:timestamp", _text)


def _plain_yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.Parser, yaml.Constructor = _PlainParser, _PlainConstructor
    return yaml


class YamlFile:
    """A YAML file's data, and the line of every key."""

    def __init__(self, data: Any, *, text: str, name: str, error: type[FileError]):
        self.data = data
        self.text = text
        self.name = name
        self._error = error

    def at(self, *keys: str | int) -> Any:
        """The value under `keys`."""
        value = self.data
        for key in keys:
            value = value[key]
        return value

    def line(self, *keys: str | int) -> int:
        """The line, from 1, of the last of `keys` that the file has."""
        value, line = self.data, 1
        for key in keys:
            if not hasattr(value, "lc"):
                break
            try:
                line = (value.lc.item(key) if isinstance(key, int) else value.lc.key(key))[0] + 1
                value = value[key]
            except (KeyError, IndexError, TypeError):
                break
        return line

    def error(self, problem: str, *keys: str | int) -> FileError:
        """An error that names this file and the line of `keys`."""
        return self._error(problem, file=self.name, line=self.line(*keys))

    def mapping(
        self,
        *keys: str | int,
        known: Sequence[str] | None = None,
        required: Sequence[str] = (),
    ) -> Mapping[str, Any]:
        """The mapping under `keys`; every key is a word, and one of `known` if that is given."""
        value = self.at(*keys)
        what = f"`{'.'.join(str(key) for key in keys)}`" if keys else "the file"
        if not isinstance(value, Mapping):
            raise self.error(f"{what} must be a mapping of `key: value` lines", *keys)
        mapping = cast(Mapping[Any, Any], value)
        for key in mapping:
            if not isinstance(key, str):
                raise self.error(f"the key {key!r} must be a word", *keys)
            if known is not None and key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
                hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
                raise self.error(f"`{key}` is not a key of {what}; {hint}", *keys, key)
        for key in required:
            if key not in mapping:
                raise self.error(f"{what} lacks the key `{key}`", *keys)
        return cast(Mapping[str, Any], mapping)

    def sequence(self, *keys: str | int) -> Sequence[Any]:
        """The list under `keys`."""
        value = self.at(*keys)
        if not isinstance(value, list):
            raise self.error(f"`{'.'.join(str(key) for key in keys)}` must be a list", *keys)
        return cast(list[Any], value)


def read_yaml(path: Path, error: type[FileError]) -> YamlFile:
    """The YAML file at `path`; faults are raised as `error` with file and line."""
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise error(f"cannot be read: {fault.strerror or fault}", file=path) from None
    return parse_yaml(content, name=str(path), error=error)


def parse_yaml(content: bytes, *, name: str, error: type[FileError]) -> YamlFile:
    """YAML in `content`, without aliases and duplicate keys, at most `LIMIT` bytes of UTF-8."""
    if len(content) > LIMIT:
        raise error(f"has {len(content):,} bytes; at most {LIMIT:,} are read", file=name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(f"is not UTF-8 text (byte {fault.start})", file=name) from None
    try:
        data: Any = _plain_yaml().load(text)
    except _Refused as fault:
        line = fault.problem_mark.line + 1
        raise error(fault.problem, file=name, line=line) from None
    except DuplicateKeyError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else None
        problem = (fault.problem or "").partition(" with value")[0]
        raise error(f"a key stands twice: {problem}", file=name, line=line) from None
    except MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else None
        raise error(
            f"is not YAML that can be read: {fault.problem}", file=name, line=line
        ) from None
    except ReaderError as fault:
        line = text.count("\n", 0, fault.position) + 1
        character = f"U+{fault.character:04X}" if isinstance(fault.character, int) else "?"
        raise error(f"holds the control character {character}", file=name, line=line) from None
    except (YAMLError, ValueError, RecursionError) as fault:
        first = (str(fault).splitlines() or [""])[0]
        raise error(f"is not YAML that can be read: {first}", file=name) from None
    if data is None:
        raise error("is empty", file=name)
    return YamlFile(data, text=text, name=name, error=error)


def write_yaml(path: Path, data: object) -> None:
    """Writes plain `data` as YAML to `path`, whole or not at all; long texts as blocks."""
    yaml = YAML(typ="rt")
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    out = io.StringIO()
    yaml.dump(_readable(data), out)
    write_text(path, out.getvalue())


def _readable(data: object) -> object:
    if isinstance(data, Mapping):
        mapping = cast(Mapping[Any, Any], data)
        return {_quoted(key): _readable(value) for key, value in mapping.items()}
    if isinstance(data, list | tuple):
        return [_readable(value) for value in cast(list[Any], data)]
    if isinstance(data, str) and "\n" in data and not data.startswith("\n"):
        block = all(_plain(line.lstrip(" ")) for line in data.split("\n"))
        return LiteralScalarString(data) if block else _quoted(data)
    return _quoted(data)


def _quoted(data: object) -> object:
    """In double quotes every character has an escape; ruamel writes some others wrongly plain."""
    return data if not isinstance(data, str) or _plain(data) else DoubleQuotedScalarString(data)


def _plain(text: str) -> bool:
    """Whether `text`, folded anywhere, is read back the same (found by fuzzing)."""
    return text.isprintable() and "  " not in text and text == text.strip()
