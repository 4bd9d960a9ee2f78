"""Takes a script apart into headings, pieces of text and lines of dialogue, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from fountain import ElementType, FountainElement, FountainParser

from reelwright_agents.planner import Script
from reelwright_core.errors import ScriptError

_ABBREVIATIONS = ("mr", "mrs", "ms", "dr", "st", "vs", "e.g", "i.e", "etc", "no")
_CLOSING = {'"': '"', "“": "”", "«": "»"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A piece of the script that belongs together."""

    kind: Literal["heading", "text", "prompt", "dialogue", "aside"]
    text: str
    scene: str = "1"
    speaker: str = ""


def title_and_blocks(script: Script) -> tuple[str, list[Block]]:
    """The title that the script gives itself, or "", and its blocks."""
    if script.kind == "fountain":
        return _fountain(script)
    if script.kind == "markdown":
        return _markdown(script.text)
    if script.kind == "prompts":
        lines = [line.strip() for line in script.text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        return "", [
            Block(kind="prompt", text=line, scene=str(i)) for i, line in enumerate(lines, 1)
        ]
    return "", [Block(kind="text", text=text) for text in _paragraphs(script.text)]


def _fountain(script: Script) -> tuple[str, list[Block]]:
    try:
        document = FountainParser().parse(script.text)
    except (ValueError, IndexError, KeyError, AttributeError) as error:
        raise ScriptError(f"{script.name} is not Fountain that can be read: {error}") from None
    blocks: list[Block] = []
    scene, speaker = 0, ""
    name = "1"
    for element in _single(document.elements):
        text = " ".join(element.text.split())
        match element.type:
            case ElementType.SCENE_HEADING:
                scene += 1
                number = element.metadata.get("scene_number")
                name = str(number) if number else str(scene)
                blocks.append(Block(kind="heading", text=text, scene=name))
            case ElementType.ACTION:
                blocks += [
                    Block(kind="text", text=part, scene=name) for part in _paragraphs(element.text)
                ]
            case ElementType.CHARACTER:
                speaker = re.sub(r"\s*\(.*?\)\s*|\s*\^\s*$", "", text)
            case ElementType.DIALOGUE | ElementType.LYRICS:
                said = speaker if element.type is ElementType.DIALOGUE else ""
                blocks.append(Block(kind="dialogue", text=text, scene=name, speaker=said))
            case ElementType.PARENTHETICAL:
                blocks.append(Block(kind="aside", text=text, scene=name, speaker=speaker))
            case _:
                pass  # notes, synopses, transitions and page breaks are not seen
    title = document.metadata.get("title", "")
    return " ".join(title.replace("*", "").replace("_", " ").split()), [b for b in blocks if b.text]


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


def _markdown(text: str) -> tuple[str, list[Block]]:
    text = re.sub(r"<!--.*?-->|^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    title, scene = "", 1
    blocks: list[Block] = []
    gathered: list[str] = []

    def finish() -> None:
        if gathered:
            blocks.append(Block(kind="text", text=" ".join(gathered), scene=str(scene)))
            gathered.clear()

    for line in text.splitlines():
        bare = re.sub(r"[*_`]+(?=\S)|(?<=\S)[*_`]+", "", line).strip()
        if heading := re.match(r"(#{1,6})\s+(.*?)\s*#*$", bare):
            finish()
            if heading[1] == "#" and not title and not blocks:
                title = heading[2]
            else:
                scene += any(block.kind != "heading" for block in blocks)
                blocks.append(Block(kind="heading", text=heading[2], scene=str(scene)))
        elif item := re.match(r"(?:[-*+]|\d+[.)])\s+(.*)", bare):
            finish()
            gathered.append(item[1])
        elif not bare or re.fullmatch(r"[-*_= ]{3,}", bare):
            finish()
        else:
            gathered.append(bare.lstrip("> "))
    finish()
    return title, [replace(b, text=b.text.strip()) for b in blocks if b.text.strip()]


def _paragraphs(text: str) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", text):
        if part.strip():
            yield " ".join(part.split())


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; full stops inside quotation marks end none."""
    found: list[str] = []
    start, closing = 0, ""
    for i, letter in enumerate(text):
        if closing:
            if letter != closing:
                continue
            closing = ""
            if not (text[i - 1] in ".!?" and re.match(r"\s+[A-Z“\"]", text[i + 1 :])):
                continue
        elif letter in _CLOSING and _CLOSING[letter] in text[i + 1 :]:
            closing = _CLOSING[letter]
            continue
        elif letter not in ".!?…" or not _ends(text, i):
            continue
        found.append(text[start : i + 1].strip())
        start = i + 1
    found.append(text[start:].strip())
    return [sentence for sentence in found if re.search(r"\w|[\"“]", sentence)]


def _ends(text: str, i: int) -> bool:
    after = text[i + 1 : i + 2]
    if after and not (after.isspace() or after in ")]*_"):
        return False
    before = re.search(r"[\w.]*$", text[:i])
    return text[i] != "." or before is None or before[0].lower() not in _ABBREVIATIONS
