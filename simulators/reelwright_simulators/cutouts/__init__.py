"""The cut-out set: pictures of common nouns, and the words that mean them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOME = Path(__file__).parent
ART = HOME / "art"


@dataclass(frozen=True, kw_only=True, slots=True)
class CutOut:
    """A noun with a picture."""

    noun: str
    """Singular, as it is called everywhere: `car`, `fire engine`."""
    plural: str
    synonyms: tuple[str, ...]
    """Singular words and phrases that mean it."""
    kind: str
    """person, animal, bird, fish, insect, vehicle, aircraft, boat, plant, food, toy, ball,
    furniture, building, nature, sky, tool, clothing, instrument, sign or thing."""
    faces: str
    """Where the picture looks: left, right or front."""
    height: float
    """Against a standing person, 1.0; pressed into 0.25..1.6 so that all can be seen."""
    rolls: bool
    flies: bool
    swims: bool
    fixed: bool
    """It does not move by itself."""
    recolours: bool
    """It is still what it is in any colour."""
    source: str
    """Package, version and file that the picture was made from."""
    licence: str


@cache
def all_cutouts() -> Mapping[str, CutOut]:
    """Every cut-out by its noun, in the alphabet's order."""
    entries: list[dict[str, Any]] = json.loads((HOME / "cutouts.json").read_text(encoding="utf-8"))
    return MappingProxyType({entry["noun"]: _cut_out(entry) for entry in entries})


def _cut_out(entry: dict[str, Any]) -> CutOut:
    synonyms = tuple(entry.pop("synonyms"))
    return CutOut(**entry, synonyms=synonyms)


@cache
def words() -> Mapping[str, tuple[str, bool]]:
    """Every known word or phrase: its noun, and whether it is a plural."""
    from reelwright_simulators.cutouts.plurals import plural

    found: dict[str, tuple[str, bool]] = {}
    for cut_out in all_cutouts().values():
        found[cut_out.plural] = (cut_out.noun, True)
        found[cut_out.noun] = (cut_out.noun, False)
    for cut_out in all_cutouts().values():
        for synonym in cut_out.synonyms:
            found.setdefault(synonym, (cut_out.noun, False))
            found.setdefault(plural(synonym), (cut_out.noun, True))
    return MappingProxyType(found)


def find(word: str) -> CutOut | None:
    """The cut-out that `word` means: a noun, plural or synonym, in any case and spacing."""
    plain = " ".join(word.lower().replace("-", " ").split())
    found = words().get(plain) or words().get(" ".join(word.lower().split()))
    return None if found is None else all_cutouts()[found[0]]


def slug(noun: str) -> str:
    """The noun as the name of its picture's file."""
    return "".join(letter if letter.isalnum() else "-" for letter in noun)


@cache
def picture(noun: str, *, colour: str | None = None) -> NDArray[np.uint8]:
    """The picture of `noun`, uint8 RGBA [height, width, 4], longest side 128, not to be changed.

    `colour` is one of `colours.COLOURS`. Raises `ValueError` for a noun or colour that is none.
    """
    if noun not in all_cutouts():
        near = difflib.get_close_matches(noun, all_cutouts(), n=1, cutoff=0.0)
        raise ValueError(f"there is no cut-out {noun!r}; the nearest is {near[0]!r}")
    from reelwright_simulators.cutouts.painting import load, recoloured

    pixels = load(ART / f"{slug(noun)}.webp")
    if colour is not None:
        dressed = all_cutouts()[noun].kind == "person"
        pixels = recoloured(pixels, colour, dressed=dressed)
    pixels.setflags(write=False)
    return pixels
