"""Plain data with a fixed shape, and digests that are the same on every machine."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from reelwright_core.errors import InputError

_RATE = re.compile(r"[0-9]{1,9}(?:/[1-9][0-9]{0,8})?")


def _rate(value: object) -> Fraction:
    sound = isinstance(value, int | Fraction) and not isinstance(value, bool)
    # By form first: `Fraction("1e999999999")` would count for hours.
    if not sound and not (isinstance(value, str) and _RATE.fullmatch(value)):
        raise ValueError(
            f"a rate is a whole number or a fraction such as '24000/1001', got {value!r}"
        )
    rate = Fraction(cast(int | str | Fraction, value))
    if not 1 <= rate <= 240:
        raise ValueError(f"a rate is between 1 and 240 frames per second, got {value!r}")
    return rate


def _plain_rate(rate: Fraction) -> int | str:
    return rate.numerator if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"


Rate = Annotated[Fraction, BeforeValidator(_rate), PlainSerializer(_plain_rate)]
"""Frames per second as an exact fraction; written as `8` or `24000/1001`."""


class Record(BaseModel):
    """Frozen plain data; an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def data(self) -> dict[str, Any]:
        """This record as JSON-ready data."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """The sha256 of this record's canonical JSON, in hex."""
        return digest(self.data())


class Stored(Record):
    """A record that is kept on disk: it carries its schema, such as `Layout.1`."""

    SCHEMA: ClassVar[str]
    UPGRADES: ClassVar[Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
    """From an older schema's name to the function that turns its data into the next one's."""

    def data(self) -> dict[str, Any]:
        """This record as JSON-ready data, its schema first."""
        return {"schema": self.SCHEMA, **self.model_dump(mode="json")}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The record in `data`, brought up to this version's schema.

        Raises `InputError` for another schema and pydantic's `ValidationError` for wrong fields.
        """
        plain = dict(data)
        found = plain.pop("schema", cls.SCHEMA)
        while found != cls.SCHEMA:
            if not isinstance(found, str) or found not in cls.UPGRADES:
                raise InputError(
                    f"this version reads `schema: {cls.SCHEMA}`, got {found!r}; "
                    "it was made by another version of Reelwright"
                )
            plain = cls.UPGRADES[found](plain)
            found = plain.pop("schema")
        return cls.model_validate(plain)


def canonical_json(data: object) -> bytes:
    """`data` as JSON bytes that are the same for equal data: sorted keys, no blanks, no NaN."""
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")


def digest(data: object) -> str:
    """The sha256 of the canonical JSON of `data`, in hex."""
    return hashlib.sha256(canonical_json(data)).hexdigest()


def known_digest(path: Path) -> str:
    """The same as `file_digest`, of a file that is read again only when its size or time changed.

    For what is asked for at every clip and may be large; not for judging whether a file is whole.
    """
    real = path.resolve()
    stat = real.stat()
    return _digest_of(real, stat.st_size, stat.st_mtime_ns)


@functools.cache
def _digest_of(path: Path, size: int, changed: int) -> str:
    return file_digest(path)


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
