"""The eleven colours that are told apart, and the words for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

COLOURS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "red": (221, 46, 40),
        "orange": (245, 140, 30),
        "yellow": (250, 212, 40),
        "green": (52, 160, 70),
        "blue": (45, 105, 215),
        "purple": (135, 70, 185),
        "pink": (245, 135, 180),
        "brown": (130, 85, 50),
        "black": (45, 45, 50),
        "white": (245, 245, 245),
        "grey": (145, 148, 155),
    }
)
"""Each colour's sRGB value."""

_SYNONYMS = {
    "red": "crimson scarlet ruby maroon cherry-red vermilion reddish",
    "orange": "tangerine-coloured amber apricot orangish",
    "yellow": "golden gold lemon-yellow blond blonde yellowish mustard",
    "green": "emerald lime olive-green jade mint turquoise teal greenish",
    "blue": "navy azure cyan sky-blue indigo sapphire cobalt bluish ultramarine",
    "purple": "violet lilac lavender-coloured mauve magenta purplish",
    "pink": "rosy fuchsia salmon pinkish",
    "brown": "tan beige chestnut-brown bronze brownish chocolate-brown",
    "black": "jet-black ebony pitch-black",
    "white": "ivory snow-white cream-coloured whitish pale-white",
    "grey": "gray silver silvery ashen greyish grayish",
}

COLOUR_WORDS: Mapping[str, str] = MappingProxyType(
    {name: name for name in COLOURS}
    | {word: name for name, words in _SYNONYMS.items() for word in words.split()}
)
"""From each word for a colour to the colour."""
