"""Reads a script from text or a file; what cannot be one is refused with one clear message."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from reelwright_agents.fdx import BYTES_AT_MOST, fountain_of, is_fdx
from reelwright_agents.planner import Script, ScriptKind
from reelwright_core.errors import ScriptError

LIMIT = 1_000_000
"""The most bytes of UTF-8 that a script may have."""

_BINARY = {
    b"%PDF": "a PDF", b"PK\x03\x04": "a zip or office file", b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture", b"GIF8": "a GIF picture", b"\x1f\x8b": "a gzip file",
    b"\x7fELF": "a program", b"MZ\x90": "a program", b"ID3": "a sound file",
    b"OggS": "a sound file",
    b"RIFF": "a sound or video file", b"\xd0\xcf\x11\xe0": "an old office file",
    b"{\\rtf": "an RTF file",
    b"\x1a\x45\xdf\xa3": "a video file", b"BZh": "a bzip2 file", b"7z\xbc\xaf": "a 7z file",
}  # fmt: skip
_KINDS: dict[str, ScriptKind] = {
    ".fountain": "fountain", ".spmd": "fountain", ".md": "markdown", ".markdown": "markdown",
    ".txt": "prose", ".text": "prose", ".prompts": "prompts", ".fdx": "fountain",
}  # fmt: skip
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_HEADING = re.compile(r"^[ \t]*(?:INT|EXT|EST|INT\.?/EXT|I/E)[. ]\s*\S", re.MULTILINE)
_TITLE_PAGE = re.compile(r"\A\s*Title:[^\n]*\n(?:.+\n)*\s*\n")
_MARKDOWN = re.compile(r"^#{1,6} \S", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def read_script(source: str | Path, *, kind: ScriptKind | None = None) -> Script:
    """The script in `source`: text, a `Path`, or a string that names a file.

    FDX becomes Fountain. Raises `ScriptError` for a missing, empty, binary or too large file, for
    bytes that are not UTF-8 (or UTF-16 with a byte order mark), and for FDX that cannot be read.
    """
    path = source if isinstance(source, Path) else _named_file(source)
    suffix = path.suffix.lower() if path else ""
    if path is not None and suffix == ".fdx":
        text, name = fountain_of(_content_of(path, BYTES_AT_MOST), name=path.name), path.name
    elif path is None and is_fdx(str(source)):
        name, suffix = "script", ".fdx"
        text = fountain_of(str(source).encode("utf-8", "replace"), name=name)
    elif path is None:
        text, name = str(source), "script"
        if len(text.encode("utf-8", "surrogatepass")) > LIMIT:
            raise _too_large(name, len(text))
    else:
        text, name = _decoded(_content_of(path, 2 * LIMIT + 2), path.name), path.name
    if len(text) > LIMIT:
        raise _too_large(name, len(text))
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    if not text.strip():
        raise ScriptError(f"{name} is empty; write what is to be seen, one sentence is enough")
    if found := _CONTROL.search(text):
        raise ScriptError(
            f"{name} is not text: it holds the control character {found[0]!r} "
            f"at character {found.start()}"
        )
    return Script(kind=kind or _KINDS.get(suffix) or _guess(text), text=text, name=name)


def _named_file(source: str) -> Path | None:
    """The file that a string names, or none if the string is a script itself."""
    if "\n" in source or len(source) > 1000 or "\x00" in source or not source.strip():
        return None
    path = Path(source)
    try:
        if path.is_file() or path.is_dir():
            return path
    except OSError:
        return None
    looks_like_one = path.suffix.lower() in _KINDS or source.startswith(("/", "./", "../", "~/"))
    return path if " " not in source and looks_like_one else None


def _content_of(path: Path, at_most: int) -> bytes:
    if path.is_dir():
        raise ScriptError(f"{path} is a folder; a script is one text file")
    if not path.exists():
        raise ScriptError(f"there is no file {path}")
    if not path.is_file():
        raise ScriptError(f"{path} is not an ordinary file")
    try:
        if path.stat().st_size > at_most:
            raise _too_large(path.name, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise ScriptError(f"{path} cannot be read: {error.strerror or error}") from None


def _decoded(content: bytes, name: str) -> str:
    for start, what in _BINARY.items():
        if content.startswith(start):
            raise ScriptError(f"{name} is {what}, not text; save the script as plain UTF-8 text")
    bom, encoding = next((b for b in _BOMS if content.startswith(b[0])), (b"", "utf-8"))
    body = content[len(bom) :]
    if encoding == "utf-8" and b"\x00" in body:
        raise ScriptError(f"{name} is binary: it holds a NUL byte at byte {content.index(0)}")
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        at = error.start + len(bom)
        raise ScriptError(
            f"{name} is not {encoding.upper()}: byte {at} ({content[at]:#04x}) does not fit; "
            "save the script as UTF-8"
        ) from None
    if len(text.encode("utf-8")) > LIMIT:
        raise _too_large(name, len(content))
    return text


def _too_large(name: str, size: int) -> ScriptError:
    return ScriptError(
        f"{name} has {size // 1000} kB; a script has at most {LIMIT // 1000} kB of text: "
        "split it into several films"
    )


def _guess(text: str) -> ScriptKind:
    if _HEADING.search(text) or _TITLE_PAGE.match(text):
        return "fountain"
    return "markdown" if _MARKDOWN.search(text) else "prose"
