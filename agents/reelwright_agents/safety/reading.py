"""Reads a text as a censor must: sentences of words, each with what it may be a disguise of."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import product

_ENDS = re.compile(r"[.!?;:]+(?=[\s\"'”’)\]]|$)|[。！？；]|\n\s*\n|\n(?=\s*[^a-z\s])")
_WORD = re.compile(r"[\w@$€!|+*]+(?:['’][\w]+)?")
# Letters that are spaced out: three or more in a row, with one or two signs between.
_SPACED = re.compile(r"(?<![\w'’])[^\W\d_]([ \t.\-_*·|]{1,2})(?:[^\W\d_]\1)+[^\W\d_](?![\w'’])")
_BROKEN = re.compile(r"(?<=[^\W\d_])[.\-_·](?=[^\W\d_])")
ONE_BY_ONE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
"""Signs of languages that put no space between words: each is a word here."""

_LEET = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a",
     "$": "s", "€": "e", "!": "i", "|": "l", "+": "t"}
)  # fmt: skip
_LEET_L = str.maketrans({"1": "l"})
_TWINS = str.maketrans(
    "абвгеёзийкморстухѕіјԁҽһпʟɡɑαβγεικνορτυχηаԛԝ",
    "abbreesuukmopctyxsijdehnlgaabyeikvoptuxhaqw",
)
"""Cyrillic, Greek and phonetic letters that look like Latin ones."""
_VOWELS = "aeiou"


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """One word as it stands, and all that it may be read as."""

    text: str
    readings: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """The words of one sentence, and the line that it begins in, counted from 1."""

    words: tuple[Word, ...]
    line: int


def sentences(text: str) -> list[Sentence]:
    """`text` as sentences; a line that begins with a capital begins a new one."""
    plain = _SPACED.sub(_joined, _visible(text))
    found: list[Sentence] = []
    start = 0
    ends = [*((end.start(), end.end()) for end in _ENDS.finditer(plain)), (len(plain), len(plain))]
    for end, following in ends:
        words = tuple(_words(plain[start:end]))
        if words:
            blank = len(plain[start:end]) - len(plain[start:end].lstrip())
            found.append(Sentence(words=words, line=plain.count("\n", 0, start + blank) + 1))
        start = following
    return found


def folded(text: str) -> str:
    """`text` in small letters without accents, as words and word lists are compared."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in apart if not unicodedata.combining(c)))


def _joined(spaced: re.Match[str]) -> str:
    """Letters as the word that they spell; an article at its end stays one: `k i l l a man`."""
    word = re.sub(r"[^\w]|_", "", spaced[0])
    apart = spaced[1].isspace() and len(word) > 3 and word[-1] in "aA"
    return f"{word[:-1]} {word[-1]}" if apart else word


def _visible(text: str) -> str:
    """Without signs that take no room: joiners, marks of direction, soft hyphens, tags."""
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cf")


def _words(text: str) -> list[Word]:
    parted = ONE_BY_ONE.sub(lambda sign: f" {sign[0]} ", text)
    found: list[Word] = []
    for chunk in parted.split():
        parts = _WORD.findall(_BROKEN.sub(" ", chunk))
        whole = "".join(parts) if 1 < len(parts) <= 12 and _BROKEN.search(chunk) else ""
        for number, part in enumerate(parts):
            # The first of `po-rn` may be all of it.
            readings = _readings(part) | (_readings(whole) if whole and number == 0 else set())
            if readings:
                found.append(Word(text=part, readings=frozenset(readings)))
    return found


def _readings(part: str) -> set[str]:
    base = folded(part).replace("’", "'").strip("!|+*_")
    base = base.removesuffix("'s").removesuffix("'")
    bases = {base}
    if not base.isascii():
        bases.add(base.translate(_TWINS))
    readings = set(bases)
    for one in bases:
        letters = sum(sign.isalpha() for sign in one)
        if letters and letters < len(one):
            readings |= {one.translate(_LEET), one.translate(_LEET_L).translate(_LEET)}
        hidden = one.count("*")
        if 0 < hidden <= 2 and letters:
            for vowels in product(_VOWELS, repeat=hidden):
                filled = iter(vowels)
                readings.add("".join(next(filled) if sign == "*" else sign for sign in one))
    for one in list(readings):
        readings |= {re.sub(r"(.)\1{2,}", r"\1", one), re.sub(r"(.)\1{2,}", r"\1\1", one)}
    return {one for one in readings if one and not one.isspace()}
