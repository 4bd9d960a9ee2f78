"""Random scenes, drawn by the layout painter: what the built-in model learns from.

They are drawn by the same painter that later draws the sketches of a plan, so that a plan looks
to the model like something it knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from reelwright_core.story import (
    Action,
    CameraMove,
    Colour,
    Direction,
    Entity,
    Keyframe,
    Layout,
    Place,
    RelationKind,
    Track,
)
from reelwright_generators.builtin.staging import box_at, picture_of
from reelwright_generators.builtin.words import (
    COLOURS,
    NOUNS,
    PLACES,
    RELATIONS,
    Actor,
    Scene,
    held_out,
)
from reelwright_simulators import cutouts
from reelwright_simulators.painter import Painting, paint
from reelwright_simulators.places import GROUND, Image, background

Some = TypeVar("Some")

_SIDEWAYS: tuple[Direction, ...] = ("left", "right")
_UP_DOWN: tuple[Direction, ...] = ("up", "down")
BACKGROUNDS = 48  # seeds of a place that are drawn; few enough to be kept


def random_scene(
    rng: np.random.Generator, *, strange: bool = False, nouns: Iterable[str] = NOUNS
) -> Scene:
    """A scene of one to three of `nouns` in some place, none of it held out.

    `strange` things are any of the cut-outs, whether the model has a word for them or not.
    """
    while True:
        scene = _random_scene(rng, list(cutouts.all_cutouts() if strange else nouns))
        if not held_out(scene):
            return scene


def _random_scene(rng: np.random.Generator, nouns: Sequence[str]) -> Scene:
    place: Place = _choice(list(PLACES), rng)
    kind = rng.random()
    relation: RelationKind | None = None
    if kind < 0.2:
        relation = _choice(list(RELATIONS), rng)
        things = [_noun(place, nouns, rng), _noun(place, nouns, rng)]
        if relation in ("follows", "meets"):
            things = [_moving_noun(place, nouns, rng), _moving_noun(place, nouns, rng)]
        actors = tuple(Actor(noun=noun, colour=_colour(noun, rng)) for noun in things)
    elif kind < 0.32:
        actors = tuple(_actor(_noun(place, nouns, rng), place, rng) for _ in range(2))
    else:
        noun = _noun(place, nouns, rng)
        action, direction = _action(noun, place, rng)
        count = int(rng.choice([1, 2, 3], p=[0.72, 0.17, 0.11]))
        actors = (
            Actor(
                noun=noun,
                colour=_colour(noun, rng),
                count=count,
                action=action,
                direction=direction,
            ),
        )
    camera: CameraMove = "static"
    if rng.random() < 0.1:
        moves: tuple[CameraMove, ...] = ("pan left", "pan right", "zoom in", "zoom out")
        camera = _choice(moves, rng)
    return Scene(
        actors=actors, place=place, relation=relation, camera=camera,
        seed=int(rng.integers(BACKGROUNDS)),
    )  # fmt: skip


def _actor(noun: str, place: Place, rng: np.random.Generator) -> Actor:
    action, direction = _action(noun, place, rng)
    return Actor(noun=noun, colour=_colour(noun, rng), action=action, direction=direction)


def _choice(several: Sequence[Some], rng: np.random.Generator) -> Some:
    return several[int(rng.integers(len(several)))]


def _noun(place: Place, nouns: Sequence[str], rng: np.random.Generator) -> str:
    """Any noun, a little more often one that belongs there."""
    fitting = {
        "sea": ("boat", "fish", "duck"),
        "space": ("rocket", "star", "robot"),
        "sky": ("bird", "airplane", "balloon", "butterfly"),
        "road": ("car", "bus", "bicycle"),
    }.get(place)
    if fitting and rng.random() < 0.4:
        return _choice(fitting, rng)
    return _choice(nouns, rng)


def _moving_noun(place: Place, nouns: Sequence[str], rng: np.random.Generator) -> str:
    while True:
        noun = _noun(place, nouns, rng)
        if not picture_of(noun).fixed:
            return noun


def _colour(noun: str, rng: np.random.Generator) -> Colour | None:
    if not picture_of(noun).recolours or rng.random() < 0.3:
        return None
    return _choice(list(COLOURS), rng)


def _action(noun: str, place: Place, rng: np.random.Generator) -> tuple[Action, Direction | None]:
    cut = picture_of(noun)
    if cut.fixed:
        return "stays", None
    actions: list[Action] = ["moves", "moves", "moves", "moves", "moves", "moves", "jumps"]
    actions += ("falls", "bounces", "approaches", "leaves", "stays")
    if cut.rolls:
        actions += ("rolls", "rolls", "rolls", "bounces", "bounces")
    if cut.flies or noun == "balloon" or GROUND[place] is None:
        actions += ("rises", "rises", "circles", "circles", "moves")
    elif rng.random() < 0.3:
        actions += ("circles",)
    action = _choice(actions, rng)
    if action == "moves" and (cut.flies or GROUND[place] is None) and rng.random() < 0.15:
        return "moves", _choice(_UP_DOWN, rng)
    if action in ("moves", "rolls") or (action == "leaves" and rng.random() < 0.5):
        return action, _choice(_SIDEWAYS, rng)
    return action, None


def entities_of(scene: Scene) -> list[Entity]:
    return [
        Entity(id=f"e{i}", noun=actor.noun, count=actor.count, colour=actor.colour)
        for i, actor in enumerate(scene.actors)
    ]


def draw(
    scene: Scene, layout: Layout, *, size: tuple[int, int], scenery: Image | None = None
) -> Painting:
    """The clip of `scene`."""
    return paint(
        layout, entities=entities_of(scene), place=scene.place, size=size, seed=scene.seed,
        scenery=scenery,
    )  # fmt: skip


def draw_rough(
    scene: Scene, layout: Layout, plain: tuple[int, int, int] | None, *, size: tuple[int, int]
) -> Painting:
    """The sketch of `scene`, as `rough` makes it."""
    scenery = None if plain is None else np.full((size[1], size[0], 3), plain, np.uint8)
    return draw(scene, layout, size=size, scenery=scenery)


def rough(
    scene: Scene, layout: Layout, *, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Layout, tuple[int, int, int] | None]:
    """`layout` with its things a little off; and, if the background is plain, its colour.

    That is a grey, or the mean of the place's own background.
    """
    tracks: list[Track] = []
    for track in layout.tracks:
        aside, down, grown = rng.normal(0, 0.012), rng.normal(0, 0.012), np.exp(rng.normal(0, 0.06))
        keys: list[Keyframe] = []
        for key in track.keyframes:
            left, top, right, bottom = key.box
            wide, high = (right - left) * grown, (bottom - top) * grown
            box = box_at((left + right) / 2 + aside, bottom + down, wide, high)
            keys.append(key.model_copy(update={"box": box}))
        tracks.append(track.model_copy(update={"keyframes": keys}))
    chance = rng.random()
    plain = None
    if chance < 0.3:
        grey = int(rng.uniform(112, 144))
        plain = (grey, grey, grey)
    elif chance < 0.45:
        red, green, blue = background(scene.place, size=size, seed=scene.seed).mean((0, 1))
        plain = (int(red), int(green), int(blue))
    return layout.model_copy(update={"tracks": tracks}), plain
