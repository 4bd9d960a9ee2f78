from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from reelwright_core import errors
from reelwright_core.errors import (
    FileError,
    GraphError,
    InputError,
    ReelwrightError,
    ShotError,
    StoryboardError,
)

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)
         if issubclass(kind, ReelwrightError)]  # fmt: skip


@pytest.mark.parametrize("kind", EVERY)
def test_wrong_input_ends_with_2_and_all_else_with_1(kind: type[ReelwrightError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, InputError) else 1)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    drawn = errors.__doc__ or ""
    missing = {kind.__name__ for kind in EVERY if kind.__name__ not in drawn}
    assert missing == {"FileError"}, "only the shape that two of them share is not drawn"


def test_a_fault_in_a_file_is_told_with_its_place() -> None:
    fault = StoryboardError("`fsp` is unknown", file="a.yaml", line=3)
    assert str(fault) == "a.yaml:3: `fsp` is unknown"
    assert (fault.file, fault.line, fault.problem) == (Path("a.yaml"), 3, "`fsp` is unknown")
    assert str(GraphError("is empty", file=Path("g.yaml"))) == "g.yaml: is empty"
    assert str(FileError("is empty")) == "is empty"


def test_a_shot_that_failed_says_which_and_why() -> None:
    fault = ShotError("s03", "the disk is full")
    assert str(fault) == "shot s03 could not be filmed: the disk is full"
    assert (fault.shot, fault.why) == ("s03", "the disk is full")
