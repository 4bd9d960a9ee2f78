"""The built-in model's English: how a drawn scene is said, and every word it can be said with."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelwright_core.story import Action, CameraMove, Colour, Direction, Place, RelationKind

NOUNS: Mapping[str, Sequence[str]] = {
    "car": ("automobile",),
    "bus": ("coach",),
    "train": ("locomotive",),
    "bicycle": ("bike",),
    "boat": ("ship", "sailboat"),
    "airplane": ("plane", "aeroplane", "aircraft"),
    "rocket": ("spaceship",),
    "balloon": (),
    "ball": (),
    "dog": ("puppy",),
    "cat": ("kitten",),
    "horse": ("pony",),
    "bird": (),
    "fish": (),
    "duck": (),
    "penguin": (),
    "rabbit": ("bunny", "hare"),
    "elephant": (),
    "butterfly": (),
    "tree": (),
    "house": ("cottage",),
    "apple": (),
    "star": (),
    "robot": ("android",),
    "woman": ("lady",),
    "man": ("guy",),
}
"""Every noun the small model is trained on, with the other words for it."""

MANY_NOUNS: Mapping[str, Sequence[str]] = {
    **NOUNS,
    "truck": (), "taxi": ("cab",), "ambulance": (), "tractor": (),
    "motorcycle": ("motorbike",), "scooter": (), "tram": ("streetcar",), "skateboard": (),
    "helicopter": ("chopper",), "sled": ("sledge",), "ufo": (), "kite": (),
    "cow": (), "pig": (), "sheep": (), "goat": (), "donkey": (), "camel": (), "giraffe": (),
    "zebra": (), "tiger": (), "monkey": (), "gorilla": (), "kangaroo": (), "crocodile": (),
    "dinosaur": (), "turtle": ("tortoise",), "snake": (), "mouse": (), "hedgehog": (), "deer": (),
    "snail": (), "rhinoceros": ("rhino",), "hippopotamus": ("hippo",), "chipmunk": (),
    "dragon": (), "chick": (), "owl": (), "parrot": (), "peacock": (), "rooster": (), "swan": (),
    "goose": (), "flamingo": (), "dolphin": (), "whale": (), "shark": (), "octopus": (),
    "crab": (), "lobster": (), "bee": (), "ladybug": ("ladybird",), "spider": (),
    "cactus": (), "flower": (), "mushroom": (), "rose": (), "sunflower": (),
    "banana": (), "cake": (), "carrot": (), "pumpkin": (), "strawberry": (), "lemon": (),
    "pizza": (), "cookie": (), "egg": (), "pear": (), "hamburger": ("burger",),
    "watermelon": (), "pineapple": (), "cherry": (),
    "umbrella": (), "chair": (), "book": (), "guitar": (), "drum": (), "hat": (), "castle": (),
    "tent": (), "snowman": (), "ghost": (), "gift": ("present",), "basketball": (),
    "suitcase": (), "bell": (), "camera": (), "crown": (), "shoe": (), "heart": (), "cloud": (),
    "sun": (), "moon": (), "key": (), "clock": (),
}  # fmt: skip
"""Every noun the large model is trained on, likewise; each is drawn in three styles of art."""

NOUN_SETS: Mapping[str, Mapping[str, Sequence[str]]] = {"few": NOUNS, "many": MANY_NOUNS}

COLOURS: Mapping[Colour, Sequence[str]] = {
    "red": ("crimson", "scarlet"),
    "orange": (),
    "yellow": ("golden",),
    "green": (),
    "blue": (),
    "purple": ("violet",),
    "pink": (),
    "brown": (),
    "black": (),
    "white": (),
    "grey": ("gray",),
}

PLACES: Mapping[Place, Sequence[str]] = {
    "plain": ("on a plain background", "on plain ground"),
    "beach": ("on a beach", "on the beach", "at the seaside", "on the sand"),
    "meadow": ("in a meadow", "in the meadow", "in a field", "on the grass", "in a park"),
    "city": ("in a city", "in the city", "in a town", "in a street"),
    "road": ("on a road", "on the road", "along a road", "on a highway"),
    "forest": ("in a forest", "in the forest", "in the woods"),
    "snow": ("in the snow", "on the snow", "in winter", "on a snowy field"),
    "desert": ("in a desert", "in the desert"),
    "sea": ("on the sea", "at sea", "in the sea", "on the water", "on the ocean"),
    "night": ("at night", "under the moon", "in the night"),
    "space": ("in space", "in outer space"),
    "room": ("in a room", "in the room", "indoors", "at home", "in a house"),
    "sky": ("in the sky", "in the air", "in a blue sky"),
}

_GO: Mapping[str, Sequence[str]] = {
    "moves": ("move",), "goes": ("go",), "travels": ("travel",),
    "drives": ("drive",), "runs": ("run",), "walks": ("walk",),
    "flies": ("fly",), "swims": ("swim",), "sails": ("sail",), "drifts": ("drift",),
}  # fmt: skip
_OWN_WAY: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("car", "bus"), ("drives",)),
    **dict.fromkeys(("train", "bicycle"), ("drives", "travels")),
    "boat": ("sails",),
    **dict.fromkeys(("airplane", "rocket", "bird", "butterfly"), ("flies",)),
    "balloon": ("flies", "drifts"),
    "star": ("flies", "drifts"),
    "fish": ("swims",),
    "duck": ("swims", "walks"),
    **dict.fromkeys(("dog", "cat", "horse", "rabbit", "elephant"), ("runs", "walks")),
    **dict.fromkeys(("penguin", "robot", "woman", "man"), ("walks", "runs")),
    **dict.fromkeys(
        ("truck", "taxi", "ambulance", "tractor", "motorcycle", "scooter", "tram"), ("drives",)
    ),
    **dict.fromkeys(
        ("helicopter", "ufo", "kite", "owl", "parrot", "bee", "ladybug", "dragon", "ghost"),
        ("flies",),
    ),
    "cloud": ("drifts",),
    **dict.fromkeys(("dolphin", "whale", "shark", "octopus", "lobster"), ("swims",)),
    **dict.fromkeys(("swan", "goose", "crocodile", "turtle", "hippopotamus"), ("swims", "walks")),
    **dict.fromkeys(
        (
            "cow", "pig", "sheep", "goat", "donkey", "camel", "giraffe", "zebra", "tiger",
            "monkey", "gorilla", "kangaroo", "dinosaur", "mouse", "hedgehog", "deer",
            "rhinoceros", "chipmunk", "chick", "peacock", "rooster", "flamingo", "crab", "spider",
        ),
        ("runs", "walks"),
    ),
}  # fmt: skip
_SIDES: Mapping[Direction, Sequence[str]] = {
    "right": ("from left to right", "to the right", "right"),
    "left": ("from right to left", "to the left", "left"),
    "up": ("up", "upwards"),
    "down": ("down", "downwards"),
}
_DOES: Mapping[Action, Sequence[tuple[str, str]]] = {
    "falls": (("falls", "fall"), ("drops", "drop"), ("falls down", "fall down")),
    "bounces": (
        ("bounces", "bounce"), ("falls and bounces", "fall and bounce"),
        ("bounces up and down", "bounce up and down"),
    ),
    "rises": (("rises", "rise"), ("floats up", "float up"), ("flies up", "fly up")),
    "approaches": (
        ("approaches", "approach"), ("comes closer", "come closer"),
        ("comes towards the camera", "come towards the camera"),
    ),
    "leaves": (
        ("leaves", "leave"), ("goes away", "go away"),
        ("moves away from the camera", "move away from the camera"),
    ),
    "circles": (("circles", "circle"), ("moves in a circle", "move in a circle"),
                ("flies in a circle", "fly in a circle")),
    "jumps": (("jumps", "jump"), ("hops", "hop"), ("jumps up and down", "jump up and down")),
    "stays": (
        ("stands", "stand"), ("stands still", "stand still"), ("waits", "wait"),
        ("stays", "stay"), ("is there", "are there"),
    ),
}  # fmt: skip
ACTIONS: Sequence[Action] = ("moves", "rolls", *_DOES)
"""What things do in the scenes that the model is taught."""
RELATIONS: Mapping[RelationKind, Sequence[str]] = {
    "left of": ("to the left of", "left of", "stands to the left of"),
    "right of": ("to the right of", "right of", "stands to the right of"),
    "above": ("above", "over", "flies over"),
    "below": ("below", "under", "beneath"),
    "on": ("on", "on top of", "stands on"),
    "behind": ("behind", "stands behind"),
    "in front of": ("in front of", "stands in front of"),
    "near": ("next to", "near", "beside", "and"),
    "follows": ("follows", "chases", "runs after"),
    "meets": ("meets",),
}
_CAMERA: Mapping[CameraMove, Sequence[str]] = {
    "static": (),
    "pan left": ("the camera pans left", "the camera moves left"),
    "pan right": ("the camera pans right", "the camera moves right"),
    "zoom in": ("the camera zooms in",),
    "zoom out": ("the camera zooms out",),
}
_COUNTS = ("", "", "two", "three")
_PLURALS: Mapping[str, str] = {
    "fish": "fish", "aircraft": "aircraft", "man": "men", "woman": "women", "bus": "buses",
    "coach": "coaches", "sheep": "sheep", "deer": "deer",
    "mouse": "mice", "goose": "geese", "octopus": "octopuses", "snowman": "snowmen",
    "cactus": "cactuses",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """What one noun of a scene is and does."""

    noun: str
    colour: Colour | None = None
    count: int = 1
    action: Action = "stays"
    direction: Direction | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A scene that can both be drawn and be said."""

    actors: tuple[Actor, ...]
    place: Place
    relation: RelationKind | None = None
    """How the first actor stands to the second."""
    camera: CameraMove = "static"
    seed: int = 0


def held_out(scene: Scene) -> bool:
    """Whether a thing of `scene` is one of the tenth of all combinations that training leaves out.

    A combination is a noun with its colour, what it does (or the relation), and the place.
    """
    doing = [scene.relation or f"{a.action} {a.direction}" for a in scene.actors]
    combinations = (
        f"{actor.noun}/{actor.colour}/{does}/{scene.place}"
        for actor, does in zip(scene.actors, doing, strict=True)
    )
    return any(zlib.crc32(said.encode()) % 10 == 0 for said in combinations)


def plural(noun: str) -> str:
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def caption(
    scene: Scene, *, rng: np.random.Generator, nouns: Mapping[str, Sequence[str]] = NOUNS
) -> str:
    """One of the many ways to say `scene`; sometimes only a part of it.

    Things that are none of `nouns` are called by their one name, and only move, go or travel.
    """
    place = _pick(PLACES[scene.place], rng)
    if scene.relation is not None:
        first, second = scene.actors
        how = (
            _named(first, rng, nouns),
            _pick(RELATIONS[scene.relation], rng),
            _named(second, rng, nouns),
        )
        said = " ".join(how)
    else:
        bare = rng.random() < 0.06
        said = " and ".join(
            _named(actor, rng, nouns) + ("" if bare else " " + _does(actor, rng, nouns))
            for actor in scene.actors
        )
    form = rng.random()
    if form < 0.72:
        said = f"{said} {place}"
    elif form < 0.92:
        said = f"{place}, {said}"
    if scene.camera != "static" and rng.random() < 0.9:
        said += ", " + _pick(_CAMERA[scene.camera], rng)
    return said


def vocabulary(nouns: Mapping[str, Sequence[str]] = NOUNS) -> list[str]:
    """Every word that a caption about `nouns` can hold, sorted."""
    return sorted(set(" ".join(_phrases(nouns)).replace(",", " ").split()) | {","})


def _phrases(nouns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield "a an the and"
    yield from _COUNTS
    for noun, others in nouns.items():
        for word in (noun, *others):
            yield f"{word} {plural(word)}"
    for colour, shades in COLOURS.items():
        yield " ".join((colour, *shades))
    for phrases in (PLACES, _SIDES, RELATIONS, _CAMERA):
        for several in phrases.values():
            yield from several
    for one, many in _GO.items():
        yield f"{one} {many[0]}"
    for pairs in _DOES.values():
        for pair in pairs:
            yield " ".join(pair)
    yield "rolls roll"


def _pick(several: Sequence[str], rng: np.random.Generator) -> str:
    """The first half of the time, which is how the planner says it; else any."""
    return several[0] if rng.random() < 0.5 else several[int(rng.integers(len(several)))]


def _named(actor: Actor, rng: np.random.Generator, nouns: Mapping[str, Sequence[str]]) -> str:
    noun, others = actor.noun, nouns.get(actor.noun, ())
    if others and rng.random() < 0.2:
        noun = _pick(others, rng)
    words = [plural(noun) if actor.count > 1 else noun]
    if actor.colour is not None:
        shades = COLOURS[actor.colour]
        words.insert(0, _pick(shades, rng) if shades and rng.random() < 0.12 else actor.colour)
    if actor.count > 1:
        return " ".join([_COUNTS[actor.count], *words])
    if rng.random() < 0.15:
        return " ".join(["the", *words])
    return " ".join(["an" if words[0][0] in "aeiou" else "a", *words])


def _does(actor: Actor, rng: np.random.Generator, nouns: Mapping[str, Sequence[str]]) -> str:
    many = actor.count > 1
    if actor.action in ("moves", "rolls"):
        assert actor.direction is not None
        if actor.action == "rolls":
            verb = "roll" if many else "rolls"
        else:
            own = _OWN_WAY.get(actor.noun, ()) if actor.noun in nouns else ()
            verb = _pick(own, rng) if own and rng.random() < 0.55 else "moves"
            if rng.random() < 0.12:
                verb = _pick(("goes", "travels"), rng)
            verb = _GO[verb][0] if many else verb
        return f"{verb} {_pick(_SIDES[actor.direction], rng)}"
    if actor.action == "leaves" and actor.direction is not None:
        return f"{'leave' if many else 'leaves'} to the {actor.direction}"
    verbs = _DOES[actor.action]
    pair = verbs[0] if rng.random() < 0.5 else verbs[int(rng.integers(len(verbs)))]
    return pair[1 if many else 0]
