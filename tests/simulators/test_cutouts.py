"""The cut-out set: every noun has a picture, every word one meaning."""

from __future__ import annotations

import colorsys
import subprocess
import sys

import numpy as np
import pytest

from reelwright_simulators import cutouts
from reelwright_simulators.cutouts.colours import COLOUR_WORDS, COLOURS


def test_there_are_about_six_hundred_nouns_in_a_few_megabytes() -> None:
    assert len(cutouts.all_cutouts()) >= 550
    assert sum(path.stat().st_size for path in cutouts.ART.iterdir()) < 6_000_000
    assert len(list(cutouts.ART.iterdir())) == len(cutouts.all_cutouts())


@pytest.mark.parametrize("noun", list(cutouts.all_cutouts()))
def test_every_picture_is_a_cut_out(noun: str) -> None:
    picture = cutouts.picture(noun)
    assert picture.dtype == np.uint8
    assert max(picture.shape[:2]) == 128
    assert picture.shape[2] == 4
    solid = picture[..., 3] > 128
    assert solid.mean() > 0.05
    for edge in (solid[0], solid[-1], solid[:, 0], solid[:, -1]):
        assert (picture[..., 3] > 4).any() or edge.any()
    assert not picture.flags.writeable


def test_every_word_means_one_noun() -> None:
    said: dict[str, str] = {}
    for cut_out in cutouts.all_cutouts().values():
        for word in {cut_out.noun, *cut_out.synonyms}:
            assert word not in said, f"{word} means {said[word]} and {cut_out.noun}"
            said[word] = cut_out.noun
        assert cut_out.noun not in COLOUR_WORDS
    for word, noun in said.items():
        assert cutouts.words()[word][0] == noun


@pytest.mark.parametrize(
    ("word", "noun"),
    [
        ("car", "car"), ("Automobiles", "car"), ("mice", "mouse"), ("sheep", "sheep"),
        ("fire  engine", "fire engine"), ("Fire-Engines", "fire engine"), ("puppies", "dog"),
        ("women", "woman"), ("butterflies", "butterfly"), ("yo-yo", "yo-yo"), ("wug", None),
    ],
)  # fmt: skip
def test_words_are_found_in_any_form(word: str, noun: str | None) -> None:
    found = cutouts.find(word)
    assert (found.noun if found else None) == noun


def test_art_may_be_used_and_says_where_it_is_from() -> None:
    packages = {"MIT": "@lobehub/fluent-emoji-3d@1.1.0", "Apache-2.0": "@iconify-json/noto@1.2.9"}
    for cut_out in cutouts.all_cutouts().values():
        assert cut_out.source.startswith(packages[cut_out.licence] + " ")
        assert 0.25 <= cut_out.height <= 1.6
        assert cut_out.faces in ("left", "right", "front")
    assert "MIT" in (cutouts.HOME / "NOTICE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("noun", ["car", "balloon", "bird", "dress", "fish"])
@pytest.mark.parametrize("colour", ["red", "orange", "yellow", "green", "blue", "purple"])
def test_a_recoloured_body_has_the_hue(noun: str, colour: str) -> None:
    pixels = cutouts.picture(noun, colour=colour)
    rgb = pixels[pixels[..., 3] > 200][:, :3] / 255
    hsv = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in rgb[::7]])
    vivid = hsv[hsv[:, 1] > 0.5][:, 0]
    wanted = colorsys.rgb_to_hsv(*(value / 255 for value in COLOURS[colour]))[0]
    apart = np.abs((vivid - wanted + 0.5) % 1 - 0.5)
    assert len(vivid) > 0.3 * len(hsv)
    assert np.median(apart) < 0.03


def test_dark_art_takes_a_colour_too() -> None:
    pixels = cutouts.picture("horse", colour="blue")
    red, _, blue = pixels[pixels[..., 3] > 200][:, :3].mean(0)
    assert blue > red + 30


def test_people_in_a_colour_wear_it_and_keep_their_skin() -> None:
    plain, red = (cutouts.picture("boy", colour=colour) for colour in (None, "red"))
    face, shirt = (slice(20, 35), slice(20, 40)), (slice(62, 72), slice(20, 40))
    assert np.abs(plain[face].astype(int) - red[face]).mean() < 3
    assert red[shirt][..., 0].mean() > 150 > red[shirt][..., 2].mean()


def test_unknown_nouns_and_colours_are_refused() -> None:
    with pytest.raises(ValueError, match="nearest is 'car'"):
        cutouts.picture("carr")
    with pytest.raises(ValueError, match="a colour is one of"):
        cutouts.picture("car", colour="plaid")


def test_the_words_cost_no_picture_library() -> None:
    code = (
        "import sys; from reelwright_simulators import cutouts; cutouts.find('car');"
        "sys.exit(bool({'numpy', 'PIL', 'cv2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
