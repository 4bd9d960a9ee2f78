"""What nouns are to physics: shape, real height, material."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reelwright_core.physics import Ball, Block, Card, Cylinder, Material, Model, ModelName, Shape
from reelwright_core.story import Colour, Entity
from reelwright_simulators import cutouts
from reelwright_simulators.blender.inside import materials, sizes

Kind = Literal["ball", "block", "card", "round card", "model", "cylinder"]

_SOLIDS: Mapping[str, tuple[Kind, float, Material]] = {
    "basketball": ("model", 0.24, "leather"), "ball": ("ball", 0.22, "rubber"),
    "marble": ("ball", 0.1, "glass"), "pendulum": ("ball", 0.2, "metal"),
    "bowling ball": ("round card", 0.22, "stone"), "billiard ball": ("round card", 0.12, "plastic"),
    "snowball": ("round card", 0.15, "ice"), "volleyball": ("round card", 0.21, "leather"),
    "baseball": ("round card", 0.12, "leather"), "softball": ("round card", 0.12, "leather"),
    "crystal ball": ("round card", 0.2, "glass"), "disco ball": ("round card", 0.3, "glass"),
    "wheel": ("round card", 0.6, "rubber"), "coin": ("round card", 0.1, "metal"),
    "cube": ("block", 0.3, "wood"), "block": ("block", 0.3, "wood"),
    "crate": ("block", 0.5, "wood"), "package": ("block", 0.35, "paper"),
    "brick": ("block", 0.12, "stone"), "dice": ("block", 0.2, "plastic"),
    "wall": ("block", 1.0, "stone"), "pillar": ("cylinder", 1.2, "stone"),
    "pole": ("cylinder", 1.6, "wood"), "barrel": ("card", 0.8, "wood"),
    "domino": ("model", 0.3, "plastic"), "table": ("model", 0.75, "wood"),
    "glass": ("model", 0.5, "glass"), "mug": ("model", 0.4, "glass"),
    "cup": ("model", 0.4, "glass"), "bowl": ("model", 0.3, "glass"),
    "car": ("model", 1.4, "metal"), "pin": ("model", 0.38, "wood"),
}  # fmt: skip
_MODELS: Mapping[str, ModelName] = {
    "basketball": "basketball", "domino": "domino", "table": "table", "glass": "glass",
    "mug": "mug", "cup": "mug", "bowl": "bowl", "car": "car", "pin": "pin",
}  # fmt: skip
"""Nouns that a procedural model, a ball or a block shows, their height in metres, their stuff."""

_HEIGHTS: Mapping[str, float] = {
    "apple": 0.1, "orange fruit": 0.1, "lemon": 0.08, "melon": 0.2, "watermelon": 0.3,
    "pumpkin": 0.35, "egg": 0.07, "coconut": 0.14, "tomato": 0.09, "potato": 0.09,
    "vase": 0.4, "candle": 0.25, "book": 0.24, "hammer": 0.3, "bell": 0.2, "light bulb": 0.15,
    "teddy bear": 0.4, "balloon": 0.35, "umbrella": 0.9, "chair": 0.9, "suitcase": 0.6,
    "rock": 0.4, "log": 0.4, "feather": 0.15, "leaf": 0.12, "cat": 0.4, "dog": 0.6,
    "horse": 1.8, "elephant": 3.0, "mouse": 0.1, "tree": 3.0, "house": 4.0, "tower": 1.6,
    "bicycle": 1.0, "motorcycle": 1.1, "bus": 2.8, "train": 3.0, "lorry": 2.8, "child": 1.2,
    "baby": 0.7, "drum": 0.5, "bucket": 0.35, "trophy": 0.4, "statue": 1.8, "ladder": 2.0,
    "champagne": 0.32, "bottle": 0.3, "rocket": 3.0, "snowman": 1.2,
}  # fmt: skip
"""Metres."""
_KIND_HEIGHTS: Mapping[str, float] = {
    "food": 0.15, "toy": 0.3, "tool": 0.3, "furniture": 0.9, "vehicle": 1.5, "building": 4.0,
    "plant": 0.8, "nature": 0.5, "clothing": 0.5, "instrument": 0.5, "thing": 0.3, "ball": 0.22,
    "person": 1.7, "boat": 1.5, "aircraft": 2.0, "insect": 0.1, "bird": 0.4, "fish": 0.4,
    "animal": 1.0, "sky": 1.0, "sign": 0.4,
}  # fmt: skip
_KIND_MATERIALS: Mapping[str, Material] = {
    "food": "leather", "ball": "leather", "vehicle": "metal", "building": "stone",
    "instrument": "wood", "clothing": "paper", "toy": "plastic", "tool": "metal",
}  # fmt: skip
_SIZES = {"small": 0.7, "medium": 1.0, "large": 1.35}
_NOT_ROUND = ("american football", "rugby ball", "diamond ring", "barrel", "gear", "lemon")

CLOTHS = (
    "flag", "banner", "cloth", "curtain", "sheet", "towel", "blanket", "tablecloth", "scarf",
    "sail", "handkerchief",
)  # fmt: skip
LIQUIDS: Mapping[str, tuple[Colour | None, float]] = {
    "water": ("blue", 1e-6), "milk": ("white", 2e-6), "juice": ("orange", 2e-6),
    "honey": ("yellow", 2e-3), "tea": ("brown", 1e-6), "coffee": ("brown", 1e-6),
    "lemonade": ("yellow", 1e-6), "wine": ("red", 1e-6), "oil": ("yellow", 1e-4),
    "paint": ("red", 1e-3), "droplet": ("blue", 1e-6),
}  # fmt: skip
"""Colour and viscosity in m²/s."""
VESSELS = ("glass", "mug", "cup", "bowl", "bucket", "vase", "beer", "teapot", "bathtub", "barrel")
RAMPS = ("ramp", "slope", "slide", "incline", "plank")
ROOTED = ("building", "plant", "nature")
"""Kinds that nothing moves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solid:
    """An entity as a body."""

    shape: Shape
    wide: float
    deep: float
    high: float
    """Metres along x, y and z."""
    material: Material
    rolls: bool

    @property
    def looks(self) -> float:
        """How large it looks from the front: the side of a square of that area, in metres."""
        return math.sqrt(self.wide * self.high)

    @property
    def restitution(self) -> float:
        return materials.RESTITUTION[self.material]


def noun_of(entity: Entity) -> str:
    """The entity's noun in the singular: `dominoes` is how the planner keeps unknown plurals."""
    noun = entity.noun.lower()
    for ending in ("es", "s"):
        single = noun.removesuffix(ending)
        if single != noun and single in (*_SOLIDS, *CLOTHS, *RAMPS):
            return single
    return noun


def real_height(entity: Entity) -> float:
    """How high such a thing is, in metres."""
    noun = noun_of(entity)
    cut = cutouts.find(noun) if entity.known else None
    if noun in _SOLIDS:
        high = _SOLIDS[noun][1]
    elif noun in _HEIGHTS:
        high = _HEIGHTS[noun]
    elif cut is not None:
        high = _KIND_HEIGHTS.get(cut.kind, 0.4)
    else:
        high = 0.4
    return high * _SIZES[entity.size]


def solid(entity: Entity, high: float, *, painted: bool = False) -> Solid:
    """The entity as a body that is `high` metres high.

    What will be `painted` has the outline of its cut-out, which a model need not have: else things
    would part before their pictures touch.
    """
    noun = noun_of(entity)
    kind, material = _kind(entity, noun)
    rolls = kind in ("ball", "round card") or noun == "basketball"
    if painted and kind == "model" and not rolls and entity.known and cutouts.find(noun):
        kind = "card"
    shape: Shape
    across = aspect(entity)
    match kind:
        case "ball":
            shape = Ball(radius=high / 2)
        case "block":
            shape = Block(size=(high * across, high * min(across, 1.0), high))
        case "cylinder":
            shape = Cylinder(radius=high * 0.12, height=high)
        case "model":
            shape = Model(name=_MODELS[noun], height=high)
        case _:
            shape = Card(noun=noun, height=high, round=kind == "round card")
    wide, deep, _ = sizes.size(shape.data(), across)
    return Solid(shape=shape, wide=wide, deep=deep, high=high, material=material, rolls=rolls)


def aspect(entity: Entity) -> float:
    """Width over height of the entity's picture; 1 without one."""
    if not entity.known or cutouts.find(entity.noun) is None:
        return 1.0
    picture = cutouts.picture(cutouts.all_cutouts()[entity.noun].noun)
    return picture.shape[1] / picture.shape[0]


def is_rooted(entity: Entity) -> bool:
    """Whether it does not move however hard it is hit."""
    cut = cutouts.find(entity.noun) if entity.known else None
    return cut is not None and cut.kind in ROOTED


def _kind(entity: Entity, noun: str) -> tuple[Kind, Material]:
    if noun in _SOLIDS:
        kind, _, material = _SOLIDS[noun]
        return kind, material
    cut = cutouts.find(noun) if entity.known else None
    if cut is None:
        return "block", "wood"
    rolls = cut.rolls and cut.noun not in _NOT_ROUND
    return "round card" if rolls else "card", _KIND_MATERIALS.get(cut.kind, "wood")
