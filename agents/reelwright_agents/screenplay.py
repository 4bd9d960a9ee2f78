"""Takes a script apart: every line and what it is, and the pieces that are filmed, in order."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from fountain import ElementType, FountainElement, FountainParser

from reelwright_agents.planner import Script
from reelwright_core.errors import ScriptError
from reelwright_core.story import LineKind

_ABBREVIATIONS = ("mr", "mrs", "ms", "dr", "st", "vs", "e.g", "i.e", "etc", "no")
_CLOSING = {'"': '"', "“": "”", "«": "»"}
_OPENS = re.compile(r"\s+[A-Z“\"]")
_STYLE = re.compile(r"[*_\s]*style[*_\s]*:[*_\s]*(\S.*?)[*_\s]*$", re.IGNORECASE)

Numbered = tuple[int, str]
"""A line's number in the script, from 1, and its words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptLine:
    """A line of the script that is not empty."""

    number: int
    text: str
    kind: LineKind
    scene: str
    """The scene it stands in; for a heading, the one that it begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Words of the script in one line, and which lines of the script they were."""

    text: str
    lines: tuple[tuple[int, int], ...]
    """(where in `text`, line of the script) of every line that begins in it; the first at 0."""

    def line(self, at: int) -> int:
        """The line of the script that the character `at` of the text stands in."""
        return self.lines[max(0, bisect_right([start for start, _ in self.lines], at) - 1)][1]

    def numbers(self, first: int = 0, end: int | None = None) -> list[int]:
        """The lines of the script that the characters from `first` to before `end` stand in."""
        last = len(self.text) if end is None else end
        return list(dict.fromkeys(self.line(at) for at in self._at(first, max(first + 1, last))))

    def _at(self, first: int, end: int) -> Iterator[int]:
        yield first
        yield from (start for start, _ in self.lines if first < start < end)

    def part(self, first: int, end: int) -> Piece:
        """The characters from `first` to before `end`."""
        later = [(start - first, number) for start, number in self.lines if first < start < end]
        return Piece(text=self.text[first:end], lines=((0, self.line(first)), *later))


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A piece of the script that belongs together."""

    kind: Literal["heading", "text", "prompt", "dialogue", "aside"]
    piece: Piece
    scene: str = "1"
    speaker: str = ""

    @property
    def text(self) -> str:
        """Its words, in one line."""
        return self.piece.text


@dataclass(kw_only=True, slots=True)
class Screenplay:
    """A script taken apart."""

    title: str = ""
    """The title that it gives itself, or nothing."""
    style: str = ""
    """The look that it asks for: what stands after `Style:` on its title page or first line."""
    blocks: list[Block] = field(default_factory=list[Block])
    lines: list[ScriptLine] = field(default_factory=list[ScriptLine])
    """All that are not empty, in order."""

    def headings(self) -> dict[str, str]:
        """From each scene that has a heading to its words."""
        return {block.scene: block.text for block in reversed(self.blocks) if _heads(block)}


def _heads(block: Block) -> bool:
    return block.kind == "heading"


def read_screenplay(script: Script) -> Screenplay:
    """The lines and pieces of `script`; `ScriptError` for Fountain that cannot be read."""
    match script.kind:
        case "fountain":
            return _fountain(script)
        case "markdown":
            return _markdown(script.text)
        case "prompts":
            return _prompts(script.text)
        case _:
            return _prose(script.text)


class _Lines:
    """Every line of a text that is not empty, each given a kind once."""

    def __init__(self, text: str) -> None:
        self.given: list[Numbered] = [
            (number, line.strip())
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
        self._kinds: dict[int, tuple[LineKind, str]] = {}

    def are(self, numbers: Iterable[int], kind: LineKind, scene: str) -> None:
        for number in numbers:
            self._kinds.setdefault(number, (kind, scene))

    def all(self) -> list[ScriptLine]:
        """The lines; what got no kind is a note, which no picture and no voice follows."""
        found: list[ScriptLine] = []
        scene = "1"
        for number, text in self.given:
            kind, scene = self._kinds.get(number, ("note", scene))
            found.append(ScriptLine(number=number, text=text, kind=kind, scene=scene))
        return found


def _piece(lines: Sequence[Numbered]) -> Piece:
    """Lines joined by single blanks."""
    text, starts = "", list[tuple[int, int]]()
    for number, line in lines:
        words = " ".join(line.split())
        if words:
            text += " " if text else ""
            starts.append((len(text), number))
            text += words
    return Piece(text=text, lines=tuple(starts) or ((0, lines[0][0]),))


def _paragraphs(lines: Sequence[Numbered]) -> Iterator[list[Numbered]]:
    """Lines that stand below each other."""
    gathered: list[Numbered] = []
    for number, line in lines:
        if gathered and number != gathered[-1][0] + 1:
            yield gathered
            gathered = []
        gathered.append((number, line))
    if gathered:
        yield gathered


def _prose(text: str) -> Screenplay:
    lines = _Lines(text)
    told, style = _styled(lines.given)
    lines.are((number for number, _ in told), "action", "1")
    lines.are((number for number, _ in lines.given), "title page", "1")
    blocks = [Block(kind="text", piece=_piece(part)) for part in _paragraphs(told)]
    return Screenplay(style=style, blocks=blocks, lines=lines.all())


def _styled(lines: Sequence[Numbered]) -> tuple[Sequence[Numbered], str]:
    """The lines without a first one that says `Style: ...`, and that style."""
    found = _STYLE.fullmatch(lines[0][1]) if len(lines) > 1 else None
    return (lines[1:], found[1]) if found else (lines, "")


def _prompts(text: str) -> Screenplay:
    lines = _Lines(text)
    told = [(number, line) for number, line in lines.given if not line.startswith("#")]
    blocks: list[Block] = []
    for index, (number, line) in enumerate(told, 1):
        lines.are([number], "prompt", str(index))
        blocks.append(Block(kind="prompt", piece=_piece([(number, line)]), scene=str(index)))
    return Screenplay(blocks=blocks, lines=lines.all())


_KINDS: dict[ElementType, LineKind] = {
    ElementType.SCENE_HEADING: "heading", ElementType.ACTION: "action",
    ElementType.CENTERED: "note", ElementType.CHARACTER: "character",
    ElementType.DIALOGUE: "dialogue", ElementType.LYRICS: "lyric",
    ElementType.PARENTHETICAL: "parenthetical", ElementType.TRANSITION: "transition",
    ElementType.SECTION: "section", ElementType.SYNOPSIS: "synopsis",
}  # fmt: skip


def _fountain(script: Script) -> Screenplay:
    try:
        document = FountainParser().parse(script.text)
    except (ValueError, IndexError, KeyError, AttributeError) as error:
        raise ScriptError(f"{script.name} is not Fountain that can be read: {error}") from None
    lines = _Lines(script.text)
    elements = list(_single(document.elements))
    first = min((e.line_number for e in elements), default=len(script.text))
    if document.metadata:
        lines.are((number for number, _ in lines.given if number < first), "title page", "1")
    blocks: list[Block] = []
    scene, speaker, name = 0, "", "1"
    for element in elements:
        kind = _KINDS.get(element.type)
        told = [
            (element.line_number + index, line)
            for index, line in enumerate(element.text.split("\n"))
            if line.strip()
        ]
        if kind is None or not told:
            continue  # notes, page breaks
        if kind == "heading":
            scene += 1
            number = element.metadata.get("scene_number")
            name = str(number)[:60] if number else str(scene)
        elif kind == "character":
            speaker = re.sub(r"\s*\(.*?\)\s*|\s*\^\s*$", "", " ".join(element.text.split()))
        lines.are((number for number, _ in told), kind, name)
        blocks += _fountain_blocks(kind, told, name, speaker)
    told = document.metadata
    title = " ".join(told.get("title", "").replace("*", "").replace("_", " ").split())
    style = " ".join(told.get("style", "").split())
    return Screenplay(title=title, style=style, blocks=blocks, lines=lines.all())


def _fountain_blocks(
    kind: LineKind, told: Sequence[Numbered], scene: str, speaker: str
) -> Iterator[Block]:
    match kind:
        case "heading":
            yield Block(kind="heading", piece=_piece(told), scene=scene)
        case "action":
            for part in _paragraphs(told):
                yield Block(kind="text", piece=_piece(part), scene=scene)
        case "dialogue" | "lyric":
            said = speaker if kind == "dialogue" else ""
            yield Block(kind="dialogue", piece=_piece(told), scene=scene, speaker=said)
        case "parenthetical":
            yield Block(kind="aside", piece=_piece(told), scene=scene, speaker=speaker)
        case _:
            pass


def _single(elements: list[FountainElement]) -> Iterator[FountainElement]:
    """The elements, two columns of dialogue one after the other."""
    for element in elements:
        if element.type is not ElementType.DUAL_DIALOGUE:
            yield element
            continue
        for side in ("left", "right"):
            for part in ("character", "dialogue"):
                held = element.metadata.get(f"{side}_{part}")
                if isinstance(held, FountainElement):
                    yield held
                elif isinstance(held, list):
                    yield from held


_UNSEEN = (
    re.compile(r"<!--.*?-->|^```.*?^```", re.DOTALL | re.MULTILINE),
    re.compile(r"\A---\n.*?\n---\n", re.DOTALL),
    re.compile(r"!\[[^\]]*\]\([^)]*\)"),
)
"""Comments, code, front matter and pictures of Markdown."""


def _markdown(text: str) -> Screenplay:
    lines = _Lines(text)
    seen = text
    for unseen in _UNSEEN:
        # The lines keep their numbers.
        seen = unseen.sub(lambda found: "\n" * found[0].count("\n"), seen)
    seen = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", seen)
    play = Screenplay()
    scene = 1
    gathered: list[Numbered] = []

    def finish() -> None:
        if gathered:
            play.blocks.append(Block(kind="text", piece=_piece(gathered), scene=str(scene)))
            lines.are((number for number, _ in gathered), "action", str(scene))
            gathered.clear()

    for number, line in enumerate(seen.split("\n"), 1):
        bare = re.sub(r"[*_`]+(?=\S)|(?<=\S)[*_`]+", "", line).strip()
        if heading := re.match(r"(#{1,6})\s+(.*?)\s*#*$", bare):
            finish()
            if heading[1] == "#" and not play.title and not play.blocks:
                play.title = heading[2]
                lines.are([number], "title page", str(scene))
            elif heading[2]:
                scene += any(not _heads(block) for block in play.blocks)
                said = _piece([(number, heading[2])])
                play.blocks.append(Block(kind="heading", piece=said, scene=str(scene)))
                lines.are([number], "heading", str(scene))
        elif item := re.match(r"(?:[-*+]|\d+[.)])\s+(.*)", bare):
            finish()
            gathered.append((number, item[1]))
        elif not bare or re.fullmatch(r"[-*_= ]{3,}", bare):
            finish()
        elif (style := _STYLE.fullmatch(line)) and not play.style and not play.blocks:
            play.style = style[1]
            lines.are([number], "title page", str(scene))
        else:
            gathered.append((number, bare.lstrip("> ")))
    finish()
    play.blocks = [block for block in play.blocks if block.text]
    play.lines = lines.all()
    return play


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; full stops inside quotation marks end none."""
    return [text[first:end] for first, end in _spans(text)]


def sentence_pieces(piece: Piece) -> list[Piece]:
    """The sentences of a piece."""
    return [piece.part(first, end) for first, end in _spans(piece.text)]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """From where to where each sentence goes, without blanks around it."""
    for first, end in pairwise(_edges(text)):
        part = text[first:end]
        if re.search(r"\w|[\"“]", part):
            begin = first + len(part) - len(part.lstrip())
            yield begin, begin + len(part.strip())


def _edges(text: str) -> Iterator[int]:
    closing = ""
    yield 0
    for i, letter in enumerate(text):
        if closing:
            if letter != closing:
                continue
            closing = ""
            if not (text[i - 1] in ".!?" and _OPENS.match(text, i + 1)):
                continue
        elif letter in _CLOSING and text.find(_CLOSING[letter], i + 1) > 0:
            closing = _CLOSING[letter]
            continue
        elif letter not in ".!?…" or not _ends(text, i):
            continue
        yield i + 1
    yield len(text)


def _ends(text: str, i: int) -> bool:
    after = text[i + 1 : i + 2]
    if after and not (after.isspace() or after in ")]*_"):
        return False
    # A word that is longer than that is no abbreviation.
    before = re.search(r"[\w.]*$", text[max(0, i - 12) : i])
    return text[i] != "." or before is None or before[0].lower() not in _ABBREVIATIONS
