"""Whole figures where an emoji set has only a head or a bust: heads on bodies, busts on legs.

Used by build.py alone. Pictures are Fluent Emoji, PIL RGBA of 256 x 256 pixels; numbers are
pixels of that square.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pictures = Callable[[str], Image.Image]
"""From an emoji's English name to its picture."""

BODY = "man standing"
LEGS = (104, 127, 153, 240)
BELOW_THE_CHIN = (91, 66, 166, 240)
BUILDS = {"adult": (0.45, 1.35, 1.0), "child": (0.6, 1.3, 0.8), "baby": (0.7, 1.3, 0.5)}
"""How the head, the body's width and the body's height are scaled."""


def figure(picture: Pictures, name: str, *, trousers: str) -> Image.Image:
    """The bust called `name` on legs."""
    bust = _trimmed(picture(name))
    wide, high = bust.size
    legs = _dressed(picture(BODY), trousers=trousers).crop(LEGS)
    legs = legs.resize((round(wide * 0.5), round(high * 0.62)), Image.Resampling.LANCZOS)
    overlap = round(high * 0.06)
    whole = Image.new("RGBA", (wide, high + legs.height - overlap))
    whole.alpha_composite(legs, ((wide - legs.width) // 2, high - overlap))
    whole.alpha_composite(_rounded_below(bust))
    return whole


def standing(
    picture: Pictures, name: str, *, build: str, shirt: str, trousers: str, skin: str | None = None
) -> Image.Image:
    """The head called `name` on a standing body."""
    head_scale, width_scale, height_scale = BUILDS[build]
    head = _scaled(_trimmed(picture(name)), head_scale)
    body = _dressed(picture(BODY), shirt=shirt, trousers=trousers, skin=skin).crop(BELOW_THE_CHIN)
    size = (round(body.width * width_scale), round(body.height * height_scale))
    body = body.resize(size, Image.Resampling.LANCZOS)
    wide, overlap = max(head.width, body.width), round(head.height * 0.06)
    whole = Image.new("RGBA", (wide, head.height + body.height - overlap))
    whole.alpha_composite(body, ((wide - body.width) // 2, head.height - overlap))
    whole.alpha_composite(head, ((wide - head.width) // 2, 0))
    return whole


def lion(picture: Pictures) -> Image.Image:
    """A leopard without its spots, with a lion's head."""
    body = np.array(picture("leopard"))
    spots = body[..., :3].max(-1) < 190
    spots[:, :75] = spots[:, 195:] = False
    mask = cv2.dilate((spots | (body[..., 3] < 250)).astype(np.uint8) * 255, np.ones((7, 7)))
    mask[:, 195:] = 0
    body[..., :3] = cv2.inpaint(np.ascontiguousarray(body[..., :3]), mask, 5, cv2.INPAINT_TELEA)
    return _headed(Image.fromarray(body), picture("lion"), scale=0.6, at=(0, 30))


def wolf(picture: Pictures) -> Image.Image:
    body = _tinted(np.array(picture("dog")), "#8d9096")
    return _headed(Image.fromarray(body), picture("wolf"), scale=0.58, at=(0, 22))


def fox(picture: Pictures) -> Image.Image:
    body = _tinted(np.array(picture("dog")), "#f07a1c")
    return _headed(Image.fromarray(body), picture("fox"), scale=0.58, at=(0, 18))


def bear(picture: Pictures) -> Image.Image:
    return _bear(picture, head="bear", body="#7a4f3c")


def polar_bear(picture: Pictures) -> Image.Image:
    return _bear(picture, head="polar bear", body="#e4e2ee")


def koala(picture: Pictures) -> Image.Image:
    return _bear(picture, head="koala", body="#97989c")


def panda(picture: Pictures) -> Image.Image:
    """White, with dark legs and shoulders."""
    return _bear(picture, head="panda", body="#e6e0f4", legs="#4a4468")


def unicorn(picture: Pictures) -> Image.Image:
    """A white horse with a horn, and its mane and tail in pink."""
    horse = np.array(picture("horse"))
    mane = horse[..., :3].max(-1) < 90
    mane[130:] = mane[:40, :60] = False  # hooves and eye are dark too
    white = _tinted(horse, "#eae4f6")
    pink = _tinted(horse, "#e07ad8", middle=60.0)
    soft = cv2.GaussianBlur(mane.astype(np.float32), (0, 0), 1.2)[..., None]
    body = (white * (1 - soft) + pink * soft).round().astype(np.uint8)
    body[..., 3] = horse[..., 3]
    whole = Image.new("RGBA", (256, 296))
    whole.alpha_composite(Image.fromarray(body), (0, 40))
    horn = Image.new("RGBA", (4 * 256, 4 * 296))
    corners = [(40, 32), (112, 288), (188, 248)]
    ImageDraw.Draw(horn).polygon(corners, fill="#f6c33a")
    whole.alpha_composite(horn.resize(whole.size, Image.Resampling.LANCZOS))
    return whole


def hot_air_balloon(picture: Pictures) -> Image.Image:
    """A balloon without its string, over a basket without its handle."""
    balloon = np.array(picture("balloon"))[16:164, 72:226]
    rows, columns = np.mgrid[: balloon.shape[0], : balloon.shape[1]]
    within = np.clip(73 - np.hypot(rows - 73, columns - 77), 0, 1)
    balloon[..., 3] = np.minimum(balloon[..., 3], within * 255).round().astype(np.uint8)
    envelope = Image.fromarray(balloon).resize((232, 222), Image.Resampling.LANCZOS)
    basket = picture("basket").crop((16, 95, 240, 241))
    basket = basket.resize((72, 50), Image.Resampling.LANCZOS)
    whole = Image.new("RGBA", (4 * 240, 4 * 320))
    for left, right in ((50, 92), (92, 108), (190, 148), (148, 132)):
        line = [(4 * left, 4 * 175), (4 * right, 4 * 275)]
        ImageDraw.Draw(whole).line(line, fill="#7a5a3c", width=10)
    whole = whole.resize((240, 320), Image.Resampling.LANCZOS)
    whole.alpha_composite(envelope, (4, 0))
    whole.alpha_composite(basket, (84, 268))
    return whole


BEASTS: dict[str, Callable[[Pictures], Image.Image]] = {
    "lion": lion, "wolf": wolf, "fox": fox, "bear": bear, "polar bear": polar_bear,
    "koala": koala, "panda": panda, "unicorn": unicorn, "hot air balloon": hot_air_balloon,
}  # fmt: skip


def _bear(picture: Pictures, *, head: str, body: str, legs: str | None = None) -> Image.Image:
    hippo = np.array(picture("hippopotamus"))
    tinted = _tinted(hippo, body, everything=True)
    if legs is not None:
        dark = _tinted(hippo, legs, everything=True)
        rows, columns = np.mgrid[:256, :256]
        where = ((rows > 200) | ((columns > 60) & (columns < 120))).astype(np.float32)
        soft = cv2.GaussianBlur(where, (0, 0), 2)[..., None]
        tinted = (tinted * (1 - soft) + dark * soft).round().astype(np.uint8)
    return _headed(Image.fromarray(tinted), picture(head), scale=0.64, at=(0, 72))


def _headed(
    body: Image.Image, head: Image.Image, *, scale: float, at: tuple[int, int]
) -> Image.Image:
    """`body` with `head` over its own; `at` is where the head's top left corner comes."""
    whole = Image.new("RGBA", (body.width + 20, body.height))
    cut = np.array(body)
    cut[:120, :96, 3] = 0  # the body's own head, were it to look out from behind
    whole.alpha_composite(Image.fromarray(cut), (20, 0))
    whole.alpha_composite(_scaled(_trimmed(head), scale), at)
    return whole


def _tinted(
    pixels: NDArray[np.uint8], colour: str, *, middle: float | None = None, everything: bool = False
) -> NDArray[np.uint8]:
    """`pixels` in `colour`; their light and shade stay. Pale pixels stay unless `everything`."""
    light = pixels[..., :3].mean(-1)
    solid = pixels[..., 3] > 200
    usual = float(np.median(light[solid])) if middle is None else middle
    if everything:
        light = usual + (light - usual) * 0.5
    target = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    painted = np.clip(light[..., None] / usual * target, 0, 255)
    keep = np.zeros_like(light)
    if not everything and middle is None:
        eyes = cv2.GaussianBlur((light < 60).astype(np.float32), (0, 0), 1)
        keep = eyes if usual > 100 else keep
    mixed = painted * (1 - keep[..., None]) + pixels[..., :3] * keep[..., None]
    return np.dstack([mixed.round().astype(np.uint8), pixels[..., 3]])


def _dressed(
    body: Image.Image, *, trousers: str, shirt: str | None = None, skin: str | None = None
) -> Image.Image:
    """The standing man in other colours: his shirt is blue, his trousers grey, he is yellow."""
    pixels = np.array(body)
    hsv = cv2.cvtColor(pixels[..., :3], cv2.COLOR_RGB2HSV).astype(np.float32)
    hue, saturation = hsv[..., 0], hsv[..., 1]
    rows = np.arange(256)[:, None]
    shoes = rows > 225
    bare = (hue < 40) & (saturation > 90)
    parts = [
        (shirt, (hue > 90) & (saturation > 90) & (rows < 132)),
        (skin, bare),
        (trousers, (rows > 124) & ~shoes & ~bare),
    ]
    whole = pixels.astype(np.float32)
    for colour, where in parts:
        if colour is None:
            continue
        light = pixels[..., :3].mean(-1)
        usual = float(np.median(light[where & (pixels[..., 3] > 200)]))
        target = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
        painted = np.clip(light[..., None] / usual * target, 0, 255)
        soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 0.8)[..., None]
        whole[..., :3] = painted * soft + whole[..., :3] * (1 - soft)
    return Image.fromarray(whole.round().astype(np.uint8))


def _rounded_below(bust: Image.Image) -> Image.Image:
    """`bust` with its lower corners rounded, as shoulders that end in arms."""
    wide, high = (4 * side for side in bust.size)
    mask = Image.new("L", (wide, high))
    radius = round(wide * 0.22)
    box = (0, -2 * radius, wide - 1, high - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius, fill=255)
    mask = mask.resize(bust.size, Image.Resampling.LANCZOS)
    alpha = np.minimum(np.array(bust.getchannel("A")), np.array(mask))
    whole = bust.copy()
    whole.putalpha(Image.fromarray(alpha))
    return whole


def _trimmed(picture: Image.Image) -> Image.Image:
    return picture.crop(picture.getbbox())


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)
