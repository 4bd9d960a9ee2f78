"""Names that several kinds of records share: colours, ids, paths beside a file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

Colour = Literal[
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey"
]
ShotId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
"""A short name that is safe as a folder: `s01`, `s02`, ..."""
EntityId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
"""A name that stays the same through the story: `red-car`, `dog-2`."""


def _beside(path: str) -> str:
    parts = path.split("/")
    if "\\" in path or "\0" in path or ":" in path or {"", ".", ".."} & set(parts):
        raise ValueError(f"a file lies in the storyboard's folder or below it, got {path!r}")
    return path


Beside = Annotated[str, AfterValidator(_beside)]
"""A file's path from the storyboard's folder on, with forward slashes."""
