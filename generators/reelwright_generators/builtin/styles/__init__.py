"""Other styles of art for the trained nouns, beside the painter's own cut-outs."""

from __future__ import annotations

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
SHEET = HOME / "sheet.webp"

OWN = "cutouts"
"""The painter's own style: Fluent Emoji in 3D, with some pictures of Noto Emoji among them."""
STYLES = (OWN, "flat", "noto")
"""Also Fluent Emoji, but flat; and Noto Emoji, drawn by other hands."""
APART = "noto"
"""The style that is best kept from a critic's training, to test it with: no picture of it is a
redrawing of one in another style."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Art:
    """A noun's picture in one style; it looks to the same side as the cut-out."""

    box: tuple[int, int, int, int]
    """Left, top, width and height in the sheet, in pixels."""
    source: str
    """Package, version and icon that the picture was made from."""


@cache
def index() -> Mapping[tuple[str, str], Art]:
    """Every picture in the sheet by its style and noun."""
    entries: list[dict[str, Any]] = json.loads((HOME / "styles.json").read_text("utf-8"))
    return MappingProxyType(
        {
            (entry["style"], entry["noun"]): Art(box=tuple(entry["box"]), source=entry["source"])
            for entry in entries
        }
    )


@cache
def _sheet() -> NDArray[np.uint8]:
    from reelwright_simulators.cutouts.painting import load

    return load(SHEET)


def picture(noun: str, *, style: str, colour: str | None = None) -> NDArray[np.uint8]:
    """`noun` as uint8 RGBA [height, width, 4], longest side 128; not to be changed.

    A noun that has no picture in `style` comes as the painter's cut-out.
    """
    from reelwright_simulators import cutouts
    from reelwright_simulators.cutouts.painting import recoloured

    if style not in STYLES:
        raise ValueError(f"a style is one of {', '.join(STYLES)}, got {style!r}")
    art = index().get((style, noun))
    if art is None:
        return cutouts.picture(noun, colour=colour)
    left, top, wide, high = art.box
    pixels = _sheet()[top : top + high, left : left + wide]
    if colour is None:
        return pixels
    return recoloured(pixels, colour, dressed=cutouts.all_cutouts()[noun].kind == "person")
