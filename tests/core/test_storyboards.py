"""Storyboard files: exact round trips, and faults told with their line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright_core.errors import StoryboardError
from reelwright_core.story import (
    Entity,
    Event,
    FrameSpan,
    Keyframe,
    Layout,
    LeftOut,
    Line,
    Relation,
    SceneGraph,
    Shot,
    Story,
    Storyboard,
    Track,
)
from reelwright_core.storyboards import (
    read_storyboard,
    storyboard_from_text,
    storyboard_text,
    write_storyboard,
)

RICH = Storyboard(
    story=Story(
        title="No: a #film", style="watercolour", places=["beach", "night"],
        cast=[Entity(id="red-car", noun="car", colour="red", size="large", attributes=["on", "1"])],
        script="# yes\n\nA car.\n  indented\nnull",
    ),
    shots=[
        Shot(
            id="s01", scene="2", text="A car: it's 'red'.", prompt="a red car", place="beach",
            size=(256, 160), frames=33, fps=Fraction(24000, 1001), camera="pan left", seed=7,
            noise_level=0.625,
            scene_graph=SceneGraph(
                entities=[
                    Entity(id="red-car", noun="car", colour="red", size="large", count=2),
                    Entity(id="zonk", noun="zonk", known=False),
                ],
                relations=[Relation(subject="zonk", kind="on", object="red-car")],
                events=[
                    Event(actor="red-car", action="moves", direction="left",
                          frames=FrameSpan(first=0, last=32)),
                ],
            ),
            layout=Layout(
                frames=33, background_shift=(0.3, 0.0), background_zoom=1.35,
                tracks=[
                    Track(entity="red-car", instance=1, depth=-1.5, faces="left", keyframes=[
                        Keyframe(frame=0, box=(0.1, 0.2, 0.3, 0.4)),
                        Keyframe(frame=32, box=(-1e-05, 0.2, 1.0, 0.4), angle=-720.5),
                    ]),
                ],
            ),
            dialogue=[Line(speaker="ANNA", text="yes"), Line(speaker="", text="- no\n- 1.0")],
            left_out=[LeftOut(word="2026-01-01", why="~")],
        ),
        Shot(id="s02", prompt="nobody"),
    ],
)  # fmt: skip
PLAIN = storyboard_text(RICH)


def test_a_rich_storyboard_comes_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "storyboard.yaml"
    write_storyboard(path, RICH)
    assert read_storyboard(path) == RICH
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_storyboard(path).shots == RICH.shots


def test_the_file_is_made_for_people() -> None:
    assert PLAIN.startswith("# The storyboard")
    assert "Edit me and resume" in PLAIN
    assert PLAIN.index("schema: Storyboard.1") < PLAIN.index("story:") < PLAIN.index("shots:")
    assert "size: [256, 160]" in PLAIN
    assert "{frame: 0, box: [0.1, 0.2, 0.3, 0.4]}" in PLAIN
    assert "size: medium" not in PLAIN


TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


@given(texts=st.lists(TEXTS, min_size=6, max_size=6), words=st.lists(TEXTS, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_words_come_back_the_same(texts: list[str], words: list[str]) -> None:
    title, script, prompt, speaker, line, why = texts
    storyboard = Storyboard(
        story=Story(title=title, script=script, cast=[Entity(id="a", noun=why, attributes=words)]),
        shots=[
            Shot(id="s01", prompt=prompt, text=script, scene=title,
                 dialogue=[Line(speaker=speaker, text=line)],
                 left_out=[LeftOut(word=line, why=why)]),
        ],
    )  # fmt: skip
    assert storyboard_from_text(storyboard_text(storyboard)) == storyboard


@given(st.floats(-2.5, 0.9), st.floats(0.001, 2), st.floats(-1e6, 1e6))
def test_any_numbers_come_back_the_same(left: float, wide: float, angle: float) -> None:
    key = Keyframe(frame=0, box=(left, 0.0, left + wide, 1.0), angle=angle)
    layout = Layout(frames=1, tracks=[Track(entity="a", keyframes=[key])])
    storyboard = Storyboard(shots=[Shot(id="s", prompt="x", frames=1, layout=layout)])
    assert storyboard_from_text(storyboard_text(storyboard)) == storyboard


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("colour: red", "colur: red", "`colur` is not a key of an entity; did you mean `colour`?"),
        ("colour: red", "colour: redd", "`colour` cannot be 'redd'; did you mean `red`?"),
        ("prompt: nobody", "promt: nobody", "`promt` is not a key of a shot; did you"),
        ("frames: 33\n", "frames: many\n", "`frames`: input should be a valid integer"),
        ("schema: Storyboard.1", "schema: Storyboard.9", "reads `schema: Storyboard.1`"),
        ("place: beach", "place: beach\n    place: beach", "the key `place` is there twice"),
        ("place: beach", "place: &here beach", "anchors and aliases"),
        ("place: beach", "place: *here", "anchors and aliases"),
        ("place: beach", "place: !!python/object beach", "tags are not allowed"),
        ("place: beach", "place: [beach", "is not YAML"),
        ("fps: 24000/1001", "fps: 8/0", "a rate is a whole number or a fraction"),
        ("depth: -1.5", "depth: .nan", "`depth`: input should be a finite number"),
    ],
)  # fmt: skip
def test_faults_are_told_with_their_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "storyboard.yaml"
    text = PLAIN.replace(old, new, 1)
    path.write_text(text)
    with pytest.raises(StoryboardError) as caught:
        read_storyboard(path)
    assert says in str(caught.value)
    assert caught.value.file == path
    line = caught.value.line
    assert line is not None
    assert abs(line - line_of(text, new)) <= 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"), (b"# only words\n", "is empty"), (b"[]", "is a mapping"),
        (b"car", "is a mapping"), (b"shots: []", "at least 1"), (b"\xff\xfe", "not UTF-8"),
        (b"a: 1\n---\nb: 2\n", "is not YAML"), (b"\x00", "is not YAML"),
        (b"? [a]\n: b\n", "plain word"),
        (b"[" * 900_000, "too deeply"), (b"shots: " + b"[" * 5000 + b"]" * 5000, "too deeply"),
        (b"a" * 1_000_001, "at most 1000 kB"),
        (b"shots:\n- {id: a, prompt: b}\n- {id: a, prompt: b}\n", "share the id"),
    ],
)  # fmt: skip
def test_what_is_no_storyboard_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "storyboard.yaml"
    path.write_bytes(content)
    with pytest.raises(StoryboardError, match=says):
        read_storyboard(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoryboardError, match="cannot be read"):
        read_storyboard(tmp_path / "none.yaml")
    with pytest.raises(StoryboardError, match="cannot be read"):
        read_storyboard(tmp_path)
