"""Every line of a script is found, and so is what it is; FDX and Fountain come to the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright_agents.planner import Script, ScriptKind
from reelwright_agents.reading import read_script
from reelwright_agents.screenplay import read_screenplay, sentence_pieces
from reelwright_core.errors import ScriptError

EXAMPLES = Path(__file__).parents[2] / "examples"

FOUNTAIN = """Title: A Day
Author: X
Style: ink drawing

EXT. BEACH - DAY #3A#

A red car drives
along the beach. [[a note]]

ANNA (V.O.)
(softly)
Wait for me!
And me.

BOB ^
Yes.

> CUT TO:

# Act

= synopsis

~la la

/* bone
yard */

!EXT. not a heading

.MOON

@mcAnna
Hello.
"""


def kinds(text: str, kind: ScriptKind) -> list[tuple[int, str, str]]:
    play = read_screenplay(Script(kind=kind, text=text))
    return [(line.number, line.kind, line.scene) for line in play.lines]


def test_every_line_of_fountain_has_its_kind_and_scene() -> None:
    assert kinds(FOUNTAIN, "fountain") == [
        (1, "title page", "1"), (2, "title page", "1"), (3, "title page", "1"),
        (5, "heading", "3A"), (7, "action", "3A"), (8, "action", "3A"),
        (10, "character", "3A"), (11, "parenthetical", "3A"), (12, "dialogue", "3A"),
        (13, "dialogue", "3A"), (15, "character", "3A"), (16, "dialogue", "3A"),
        (18, "transition", "3A"), (20, "section", "3A"), (22, "synopsis", "3A"),
        (24, "lyric", "3A"), (26, "note", "3A"), (27, "note", "3A"), (29, "action", "3A"),
        (31, "heading", "2"), (33, "character", "2"), (34, "dialogue", "2"),
    ]  # fmt: skip
    play = read_screenplay(Script(kind="fountain", text=FOUNTAIN))
    assert (play.title, play.style) == ("A Day", "ink drawing")
    assert play.headings() == {"3A": "EXT. BEACH - DAY", "2": "MOON"}
    assert [b.speaker for b in play.blocks if b.kind == "dialogue"] == [
        "ANNA", "ANNA", "BOB", "", "mcAnna",
    ]  # fmt: skip


def test_every_line_of_markdown_prose_and_prompts_has_its_kind() -> None:
    markdown = (
        "# Film\nStyle: pastel\n\n## One\nA car.\n<!-- a\nb -->\n- A dog.\n---\n## Two\nA cat."
    )
    assert [(n, kind) for n, kind, _ in kinds(markdown, "markdown")] == [
        (1, "title page"), (2, "title page"), (4, "heading"), (5, "action"), (6, "note"),
        (7, "note"), (8, "action"), (9, "note"), (10, "heading"), (11, "action"),
    ]  # fmt: skip
    assert kinds("Style: ink\nA car.\n\nA dog.", "prose") == [
        (1, "title page", "1"), (2, "action", "1"), (4, "action", "1"),
    ]  # fmt: skip
    assert kinds("# all\nA car.\n\nA dog.", "prompts") == [
        (1, "note", "1"), (2, "prompt", "1"), (4, "prompt", "2"),
    ]  # fmt: skip


def test_a_sentence_knows_the_lines_that_it_stands_in() -> None:
    play = read_screenplay(
        Script(kind="prose", text="A car drives along\na beach. Then two\ndogs.")
    )
    pieces = sentence_pieces(play.blocks[0].piece)
    assert [(piece.text, piece.numbers()) for piece in pieces] == [
        ("A car drives along a beach.", [1, 2]), ("Then two dogs.", [2, 3]),
    ]  # fmt: skip


@given(st.text(max_size=300), st.sampled_from(["prose", "fountain", "markdown", "prompts"]))
@settings(max_examples=200, deadline=None)
def test_of_any_text_every_line_is_found_once(text: str, kind: ScriptKind) -> None:
    script = Script(kind=kind, text=text)
    try:
        play = read_screenplay(script)
    except ScriptError:
        return
    numbers = [n for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    assert [line.number for line in play.lines] == numbers
    for block in play.blocks:
        assert set(block.piece.numbers()) <= set(numbers)


FDX = """<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
<FinalDraft DocumentType="Script" Template="No" Version="5">
 <Content>
  <Paragraph Number="3A" Type="Scene Heading">
   <SceneProperties Length="1/8"><Summary><Paragraph><Text>no</Text></Paragraph></Summary>
   </SceneProperties><Text>EXT. BEACH - DAY</Text></Paragraph>
  <Paragraph Type="Action"><Text>A red car </Text><Text Style="Italic">drives</Text>
   <Text> along the beach.</Text></Paragraph>
  <Paragraph Type="Action"><Text>TWO DOGS JUMP. *Wow* [[so]] high</Text></Paragraph>
  <Paragraph Type="Character"><Text>ANNA (V.O.)</Text></Paragraph>
  <Paragraph Type="Parenthetical"><Text>(softly)</Text></Paragraph>
  <Paragraph Type="Dialogue"><Text>Wait for me &amp; him!</Text>
   <ScriptNote><Paragraph><Text>a note</Text></Paragraph></ScriptNote></Paragraph>
  <Paragraph Type="Transition"><Text>Cut to black</Text></Paragraph>
  <Paragraph Type="Scene Heading"><Text>The moon</Text></Paragraph>
  <Paragraph><DualDialogue>
   <Paragraph Type="Character"><Text>mcAnna</Text></Paragraph>
   <Paragraph Type="Dialogue"><Text>Hello.</Text></Paragraph></DualDialogue></Paragraph>
 </Content>
 <TitlePage><Content><Paragraph><Text>A Day</Text></Paragraph></Content></TitlePage>
</FinalDraft>
"""
SAME = """Title: A Day

EXT. BEACH - DAY #3A#

A red car drives along the beach.

TWO DOGS JUMP. \\*Wow\\* [ [so]] high

ANNA (V.O.)
(softly)
Wait for me & him!

> Cut to black

.The moon

@mcAnna
Hello.
"""


def test_fdx_and_fountain_come_to_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.fdx").write_text(FDX)
    script = read_script(tmp_path / "a.fdx")
    assert (script.kind, script.name) == ("fountain", "a.fdx")
    told, same = read_screenplay(script), read_screenplay(Script(kind="fountain", text=SAME))
    assert told.title == same.title == "A Day"
    assert [(b.kind, b.scene, b.speaker, b.text) for b in told.blocks] == [
        (b.kind, b.scene, b.speaker, b.text) for b in same.blocks
    ]
    assert [(line.kind, line.text) for line in told.lines] == [
        (line.kind, line.text) for line in same.lines
    ]
    assert read_script(FDX).text == script.text


def test_the_example_page_is_the_same_in_fdx(tmp_path: Path) -> None:
    play = read_screenplay(read_script(EXAMPLES / "pyramus.fountain"))
    names = {
        "heading": "Scene Heading", "action": "Action", "character": "Character",
        "dialogue": "Dialogue", "parenthetical": "Parenthetical", "transition": "Transition",
    }  # fmt: skip
    rows = [
        f'<Paragraph Type="{names[line.kind]}"><Text>{line.text}</Text></Paragraph>'
        for line in play.lines
        if line.kind in names
    ]
    (tmp_path / "p.fdx").write_text(
        "<FinalDraft><Content>\n" + "\n".join(rows) + "\n</Content></FinalDraft>"
    )
    again = read_screenplay(read_script(tmp_path / "p.fdx"))
    assert [(line.kind, line.text) for line in again.lines] == [
        (line.kind, line.text) for line in play.lines if line.kind in names
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('<?xml version="1.0"?>\n<FinalDraft><Content>\n<Paragraph></FinalDraft>', "line 3: .*tag"),
        ('<!DOCTYPE x [\n<!ENTITY a "b">]>\n<FinalDraft>&a;</FinalDraft>', "line 1: a document ty"),
        (
            '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">\n<FinalDraft/>',
            "line 1: a document type",
        ),
        ("<FinalDraft>&a;</FinalDraft>", "line 1: .*undefined entity"),
        ("<html/>", "line 1: .*begins with <html>"),
        ("PK\x03\x04", "line 1: not XML"),
        ("", "line 1: not XML"),
        ("<FinalDraft/>", "is empty"),
        ("<FinalDraft>" + "\n<Content>" * 60, "line 41: nested deeper"),
        ('<?xml version="1.0" encoding="none"?>\n<FinalDraft/>', "unknown encoding"),
    ],
)
def test_a_bad_fdx_file_gives_one_message_with_its_line(
    tmp_path: Path, content: str, says: str
) -> None:
    (tmp_path / "bad.fdx").write_text(content)
    with pytest.raises(ScriptError, match=f"^bad.fdx.*{says}"):
        read_script(tmp_path / "bad.fdx")


def test_an_fdx_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big.fdx").open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(ScriptError, match="at most 1000 kB"):
        read_script(tmp_path / "big.fdx")
