"""The front door opens quickly: what is heavy comes in when it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import reelwright

HEAVY = {
    "av", "bpy", "cv2", "diffusers", "langgraph", "moviepy", "numpy", "openai", "PIL", "pydantic",
    "rich", "ruamel", "torch", "transformers",
}  # fmt: skip
SHOW = "print(json.dumps(sorted(name.partition('.')[0] for name in sys.modules)))"


def _modules_after(script: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{script}\n{SHOW}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_reelwright_brings_in_nothing_heavy() -> None:
    assert _modules_after("import reelwright") & HEAVY == set()


def _help(*arguments: str) -> str:
    return (
        f"sys.argv = {['reelwright', *arguments, '--help']!r}\n"
        "from reelwright.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    )


def test_help_of_the_command_line_brings_in_nothing_heavy() -> None:
    assert _modules_after(_help()) & HEAVY == set()


def test_help_of_a_command_brings_in_no_more_than_typer_does() -> None:
    assert _modules_after(_help("film")) & HEAVY <= {"pydantic"}


def test_every_public_name_is_there() -> None:
    for name in reelwright.__all__:
        assert getattr(reelwright, name).__doc__, f"`reelwright.{name}` has no docstring"
    assert "run_story" in reelwright.__all__


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'torch'"):
        _ = reelwright.torch
