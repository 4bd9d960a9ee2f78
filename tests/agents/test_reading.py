"""Scripts are read from text and files; what is none is refused with one clear message."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwright_agents.reading import read_script
from reelwright_core.errors import ScriptError

FOUNTAIN = "EXT. BEACH - DAY\n\nA red car drives.\n"


def test_text_is_a_script_itself() -> None:
    script = read_script("A red car drives.\r\nIt stops.")
    assert (script.kind, script.text, script.name) == (
        "prose",
        "A red car drives.\nIt stops.",
        "script",
    )


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.txt", "A car.", "prose"), ("a.md", "# Film\n\nA car.", "markdown"),
        ("a.fountain", "A car.", "fountain"), ("a.prompts", "A car.\nA dog.", "prompts"),
        ("script", FOUNTAIN, "fountain"), ("b", "A car.", "prose"),
        ("c", "# X\n\nA car.", "markdown"),
        ("d", "Title: Film\nAuthor: Me\n\nA car drives.\n", "fountain"),
    ],
)  # fmt: skip
def test_the_kind_comes_from_the_name_or_the_words(
    tmp_path: Path, name: str, text: str, kind: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_script(path).kind == kind
    assert read_script(str(path)).text == text
    assert read_script(path, kind="prompts").kind == "prompts"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("A café car.".encode(encoding))
    assert read_script(path).text == "A café car."


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"), (b" \n\t\n", "empty"), (b"\xef\xbb\xbf", "empty"),
        (b"abc\x00def", "NUL byte at byte 3"), (b"%PDF-1.7", "a PDF"), (b"\x89PNG\r\n", "PNG"),
        (b"A car \xff drives", "byte 6"), (b"A \x07 car", "control character"),
        (b"a car " * 200_000, "at most 1000 kB"), (b"x" * 3_000_001, "at most 1000 kB"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(ScriptError, match=says):
        read_script(path)


def test_missing_files_and_folders_are_told_apart_from_scripts(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="there is no file"):
        read_script(tmp_path / "none.txt")
    with pytest.raises(ScriptError, match="there is no file"):
        read_script(str(tmp_path / "none.fountain"))
    with pytest.raises(ScriptError, match="is a folder"):
        read_script(tmp_path)


@pytest.mark.parametrize("text", ["", "   ", "\n\n"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="empty"):
        read_script(text)


def test_a_text_of_a_megabyte_is_refused() -> None:
    with pytest.raises(ScriptError, match="at most 1000 kB"):
        read_script("A car drives. " * 80_000)
