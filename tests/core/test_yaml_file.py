from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reelwright_core.errors import GraphError, StoryboardError
from reelwright_core.yaml_file import DEPTH, LIMIT, YamlFile, parse_yaml, read_yaml, write_yaml

BOARD = """\
# A storyboard.
story:
  title: Beach
shots:
  - id: s01
    size: [160, 96]
  - id: s02
    text: |
      two
      lines
    frames: 9
"""


def parsed(text: str | bytes) -> YamlFile:
    content = text if isinstance(text, bytes) else text.encode()
    return parse_yaml(content, name="a.yaml", error=StoryboardError)


def fault(text: str | bytes) -> StoryboardError:
    with pytest.raises(StoryboardError) as caught:
        parsed(text)
    assert caught.value.file == Path("a.yaml")
    return caught.value


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_key_knows_its_line(newline: str, mark: str) -> None:
    file = parsed(mark + BOARD.replace("\n", newline))
    assert file.at("shots", 1, "frames") == 9
    assert file.at("shots", 1, "text") == "two\nlines\n"
    assert file.line() == 1
    assert file.line("story", "title") == 3
    assert file.line("shots") == 4
    assert file.line("shots", 1) == 7
    assert file.line("shots", 1, "frames") == 11
    assert file.line("shots", 0, "size", 1) == 6


def test_a_fault_at_what_is_not_there_has_the_line_of_what_is() -> None:
    file = parsed(BOARD)
    assert file.line("shots", 1, "fps") == 7
    assert file.line("shots", 5) == 4
    assert file.line("story", "title", "more") == 3
    assert file.line("nothing") == 1
    assert str(file.error("is wrong", "shots", 1, "frames")) == "a.yaml:11: is wrong"


def test_mappings_and_lists_are_checked_with_their_lines() -> None:
    file = parsed(BOARD)
    assert list(file.mapping(known=["story", "shots"], required=["shots"])) == ["story", "shots"]
    assert len(file.sequence("shots")) == 2
    wrong: list[tuple[str, Any]] = [
        ("a.yaml:11: `frames` is not a key of `shots.1`; did you mean `frame`?",
         lambda: file.mapping("shots", 1, known=["id", "text", "frame"])),
        ("a.yaml:7: `shots.1` lacks the key `fps`",
         lambda: file.mapping("shots", 1, required=["id", "fps"])),
        ("a.yaml:4: `shots` must be a mapping of `key: value` lines",
         lambda: file.mapping("shots")),
        ("a.yaml:3: `story.title` must be a list", lambda: file.sequence("story", "title")),
        ("a.yaml:1: the file must be a mapping of `key: value` lines",
         lambda: parsed("- 1\n").mapping()),
        ("a.yaml:1: the file must be a mapping of `key: value` lines",
         lambda: parsed("just text\n").mapping()),
        ("a.yaml:1: the key 1 must be a word", lambda: parsed("1: a\n").mapping()),
    ]  # fmt: skip
    for said, check in wrong:
        with pytest.raises(StoryboardError) as caught:
            check()
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 'a key stands twice: found duplicate key "a"'),
        ("a: 1\nb: {c: 1, c: 2}\n", 2, 'a key stands twice: found duplicate key "c"'),
        ("a: 1\r\nb: 2\r\na: 3\r\n", 3, "a key stands twice"),
        ("a: 1\nb: &x 2\n", 2, "an anchor or alias"),
        ("a: 1\nb: *x\n", 2, "an anchor or alias"),
        ("a: 1\nb: !!python/object/apply:os.system ['touch ran']\n", 2, "a tag"),
        ("a: 1\nb: !!python/name:os.system\n", 2, "a tag"),
        ("a: 1\nb: !frames 3\n", 2, "a tag"),
        ("a: 1\nb: !!binary aGk=\n", 2, "a tag"),
        ("%TAG ! tag:x,2000:\n---\na: !y 1\n", 3, "a tag"),
        ("a:\n\tb: 1\n", 2, "cannot start any token"),
        ("a: 1\nb: 'open\n", 3, "unexpected end"),
        ("a: [1\n", 2, "not YAML that can be read"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: 1\nb: \0\n", 2, "the control character U+0000"),
        ("a: 1\nb: c\x1b[31md\n", 2, "the control character U+001B"),
        ("a: 1\nb: " + "9" * 5000 + "\n", None, "digits"),
        ("", None, "is empty"),
        ("\ufeff", None, "is empty"),
        ("# nothing\n", None, "is empty"),
        ("---\n", None, "is empty"),
        ("~\n", None, "is empty"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, line: int | None, said: str) -> None:
    caught = fault(text)
    assert caught.line == line
    assert said in caught.problem


@pytest.mark.parametrize("content", [b"a: \xff", "a: é".encode("latin-1"), "a: 1".encode("utf-16")])
def test_what_is_no_utf8_is_told_with_the_byte(content: bytes) -> None:
    assert "is not UTF-8 text (byte " in fault(content).problem


def test_no_tag_runs_anything() -> None:
    fault("a: !!python/object/apply:os.system ['touch ran']\n")
    fault("!!python/object/new:os.system ['touch ran']\n")
    assert not Path("ran").exists()


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    start = time.process_time()
    assert "anchor or alias" in fault("\n".join(lines)).problem
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[" * 100_000 + "]" * 100_000, "{a: " * 100_000, "- " * 100_000,
     "\n".join(" " * depth + "a:" for depth in range(1000)), "a: [{" * 9000],
)  # fmt: skip
def test_deep_nesting_is_refused_soon(text: str) -> None:
    start = time.process_time()
    assert f"more than {DEPTH} lists and mappings" in fault(text).problem
    assert time.process_time() - start < 10


def test_depth_is_counted_not_the_number_of_lists() -> None:
    assert len(parsed("- [[a]]\n" * 100).data) == 100
    assert parsed("[" * DEPTH + "]" * DEPTH)
    assert fault("[" * (DEPTH + 1) + "]" * (DEPTH + 1))


def test_a_file_that_is_too_long_is_refused_unread() -> None:
    start = time.process_time()
    assert fault(b"[" * (LIMIT + 1)).problem == "has 1,000,001 bytes; at most 1,000,000 are read"
    assert time.process_time() - start < 0.1


def test_a_date_stays_the_text_that_it_is() -> None:
    assert parsed("a: 2024-01-31\nb: 2024-13-45\nc: 2024-01-31T10:00:00Z\n").data == {
        "a": "2024-01-31",
        "b": "2024-13-45",
        "c": "2024-01-31T10:00:00Z",
    }


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "no.yaml", tmp_path):
        with pytest.raises(GraphError, match="cannot be read: "):
            read_yaml(path, GraphError)


def plain(data: object) -> object:
    """`data` with nothing left of the YAML library's own types."""
    if isinstance(data, dict):
        mapping = cast(dict[Any, Any], data)
        return {str(key): plain(value) for key, value in mapping.items()}
    if isinstance(data, list):
        return [plain(value) for value in cast(list[Any], data)]
    for kind in (bool, int, float, str):
        if isinstance(data, kind):
            return kind(data)
    return data


def there_and_back(folder: Path, data: dict[str, Any]) -> object:
    write_yaml(folder / "a.yaml", data)
    return plain(read_yaml(folder / "a.yaml", StoryboardError).data)


LINES = ["one", " indented", "", "   ", "---", "...", "blanks  ", "\ttab", "# c", "x: y", "- z",
         "long " * 40, "b" * 120, "é 名前 🎬"]  # fmt: skip
WORDS = ["word", "---", "...", "# no", " ", "k: v", "- a", "yes", "null", "~", "1.0", "0x1F",
         "1_000", "1:30", "2024-01-01", ".nan", "'", '"', "<<", "é", "名前", "🎬",
         "a" * 90]  # fmt: skip
SPECIAL = " \n\t\r-:#'\"|>{}[]&*!%@`\\?,=~ab0é\0\x1b\x7f\x85\xa0\u2028\ufeff\ufffe🎬"

texts = (
    st.text()
    | st.text(alphabet=SPECIAL)
    | st.lists(st.sampled_from(WORDS)).map(" ".join)
    | st.lists(st.sampled_from(LINES)).map("\n".join)
)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
values = st.recursive(
    texts
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(names | st.text(max_size=40) | st.just("<<"), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.dictionaries(names, values, min_size=1, max_size=3))
@example({"text": "a\n---\nb\n...\n", "list": ["--- a", "---", "...", "- a"]})
@example({"text": "blanks at the end  \nof two lines  \n  ", "more": "one\n\n\n", "x": "\n"})
@example({"yes": "yes", "no": "no", "null": "null", "n": "1", "f": "1e5", "d": "2024-01-01"})
@example({"prompt": "A red car, é: 名前 🎬 #1 " * 20, "camera": "zoom in  " * 30, "o": "0o14"})
def test_what_is_written_is_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    assert there_and_back(tmp_path_factory.getbasetemp(), data) == data


def test_what_is_written_is_pleasant_to_edit(tmp_path: Path) -> None:
    data = {
        "title": "Été à la plage",
        "script": "A car drives.\n\nThen a ball falls.\n",
        "shots": [{"id": "s01", "size": [160, 96], "seed": None}],
    }
    write_yaml(tmp_path / "a.yaml", data)
    assert (tmp_path / "a.yaml").read_text(encoding="utf-8") == (
        "title: Été à la plage\n"
        "script: |\n  A car drives.\n\n  Then a ball falls.\n"
        "shots:\n  - id: s01\n    size:\n      - 160\n      - 96\n    seed:\n"
    )
