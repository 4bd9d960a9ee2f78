"""Reads Final Draft's FDX: the screenplay in it, written as Fountain.

FDX is XML. What is no plain XML is refused: a document type, entities of its own, other encodings
than expat knows, deep nesting. Nothing is ever fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from reelwright_core.errors import ScriptError

BYTES_AT_MOST = 20_000_000
"""Bytes of an FDX file: its XML is many times the words."""
DEPTH_AT_MOST = 40
_HEADING = re.compile(r"(?:INT|EXT|EST|I/E|INT/EXT|INT\./EXT)(?:\s*\.|\s)", re.IGNORECASE)
_TRANSITION = re.compile(r"[A-Z\s.'/-]+TO:|FADE IN:|FADE OUT\.")
_CUE = re.compile(r"(?=.*[A-Z])[A-Z0-9][A-Z0-9 _.'#-]*(?:\([^()]+\))?")
_MARKS = re.compile(r"([*_\\])")
_SPECIAL = ("!", "@", ">", "~", ".", "#", "=", "/*", "[[")
_SPOKEN = ("Dialogue", "Parenthetical", "Lyrics")


def is_fdx(text: str) -> bool:
    """Whether `text` is a document of Final Draft."""
    return re.match(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<FinalDraft\b", text) is not None


def fountain_of(content: bytes, *, name: str) -> str:
    """The screenplay of an FDX file as Fountain: the same words in the same order.

    Raises `ScriptError` with the line for what is no FDX.
    """
    reader = _Reader(name)
    reader.read(content)
    if not reader.is_script:
        raise ScriptError(
            f"{name}, line 1: not a document of Final Draft: it begins with "
            f"<{reader.root or '?'}>, not <FinalDraft>; save it as .fdx or .fountain"
        )
    written = "\n".join(_written(reader.paragraphs, reader.title))
    if not written.strip():
        raise ScriptError(f"{name} is empty: no paragraph of it has words")
    return written.strip() + "\n"


class _Reader:
    """Gathers the paragraphs of the content, each with its type."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = ""
        self.title = ""
        self.paragraphs: list[tuple[str, str, str]] = []
        """(type, number, words) of each, in order."""
        self._path: list[str] = []
        self._open: list[tuple[str, str, list[str]]] = []
        self._parser = expat.ParserCreate()
        parser: Any = self._parser
        parser.buffer_text = True
        parser.StartElementHandler = self._starts
        parser.EndElementHandler = self._ends
        parser.CharacterDataHandler = self._words
        parser.StartDoctypeDeclHandler = self._refused
        parser.EntityDeclHandler = self._refused

    @property
    def is_script(self) -> bool:
        return self.root == "FinalDraft"

    def read(self, content: bytes) -> None:
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            why = expat.errors.messages[error.code]
            raise ScriptError(
                f"{self.name}, line {error.lineno}: not XML that can be read: {why}; save it again "
                "in Final Draft, or as .fountain"
            ) from None
        except (LookupError, ValueError) as error:
            raise ScriptError(
                f"{self.name}, line {self._line}: not XML that can be read: {error}; save it as "
                "UTF-8"
            ) from None

    @property
    def _line(self) -> int:
        return self._parser.CurrentLineNumber

    def _refused(self, *_: object) -> None:
        raise ScriptError(
            f"{self.name}, line {self._line}: a document type or entity is not read; "
            "Final Draft writes none: remove the line that begins with <!DOCTYPE or <!ENTITY"
        )

    def _starts(self, tag: str, attributes: dict[str, str]) -> None:
        self.root = self.root or tag
        self._path.append(tag)
        if len(self._path) > DEPTH_AT_MOST:
            raise ScriptError(
                f"{self.name}, line {self._line}: nested deeper than {DEPTH_AT_MOST} elements, "
                "which no script of Final Draft is"
            )
        if tag == "Paragraph" and self._told():
            kind = attributes.get("Type", "Action")
            self._open.append((kind, attributes.get("Number", ""), []))

    def _ends(self, tag: str) -> None:
        if tag == "Paragraph" and self._told() and self._open:
            kind, number, parts = self._open.pop()
            words = "".join(parts).strip()
            if "TitlePage" in self._path:
                self.title = self.title or " ".join(words.split())
            elif words:
                self.paragraphs.append((kind, number, words))
        self._path.pop()

    def _words(self, text: str) -> None:
        if self._open and self._path[-1] == "Text" and self._told():
            self._open[-1][2].append(text)

    def _told(self) -> bool:
        """Whether this is a part of the script itself: not of notes, lists or settings."""
        path = self._path
        inside = path[3:] if path[1:3] == ["TitlePage", "Content"] else path[2:]
        within = path[1:2] == ["Content"] or path[1:3] == ["TitlePage", "Content"]
        return within and all(tag in ("Paragraph", "DualDialogue", "Text") for tag in inside)


def _written(paragraphs: list[tuple[str, str, str]], title: str) -> Iterator[str]:
    if title:
        yield f"Title: {title}"
        yield ""
    before = ""
    for kind, number, words in paragraphs:
        lines = [" ".join(line.split()) for line in words.split("\n") if line.strip()]
        if kind in _SPOKEN and before not in ("Character", *_SPOKEN):
            kind = "Action"  # nobody is said to speak it
        if kind not in _SPOKEN:
            yield ""
        yield from _forced(kind, number, lines)
        before = kind


def _forced(kind: str, number: str, lines: list[str]) -> Iterator[str]:
    """A paragraph in Fountain, with a mark where its words alone would not say what it is."""
    line = " ".join(lines)
    match kind:
        case "Scene Heading":
            told = line if _HEADING.match(line) else f".{line}"
            safe = re.sub(r"[^A-Za-z0-9.-]", "", number)
            yield f"{told} #{safe}#" if safe else told
        case "Character":
            yield line if _CUE.fullmatch(line) else f"@{line}"
        case "Parenthetical":
            yield line if line.startswith("(") and line.endswith(")") else f"({line.strip('()')})"
        case "Dialogue":
            yield from (_literal(one) for one in lines)
        case "Lyrics":
            yield from (f"~{one}" for one in lines)
        case "Transition":
            yield line if _TRANSITION.fullmatch(line) else f"> {line}"
        case "New Act" | "End of Act" | "Cast List":
            yield f"# {line}"
        case _:
            for one in lines:
                told = _literal(one)
                yield f"!{told}" if _unclear(told) else told


def _literal(line: str) -> str:
    """A line whose stars and brackets are no marks."""
    told = _MARKS.sub(r"\\\1", line)
    return told.replace("[[", "[ [").replace("/*", "/ *")


def _unclear(line: str) -> bool:
    """Whether Fountain would take an action for something else."""
    return bool(line.startswith(_SPECIAL) or _HEADING.match(line) or line.upper() == line)
