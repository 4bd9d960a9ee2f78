"""Makes the suites' files: `python -m reelwright_metrics.suites.make`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, get_args

import numpy as np

from reelwright_core.files import write_text
from reelwright_core.story import Action, Colour, Direction, Place, RelationKind
from reelwright_generators.builtin.scenes import BACKGROUNDS
from reelwright_generators.builtin.staging import picture_of
from reelwright_generators.builtin.words import NOUNS, Actor, Scene, held_out
from reelwright_metrics.suites import EVENTS, KINDS, Kind, Prompt, first, written
from reelwright_metrics.suites.saying import sentence
from reelwright_simulators.places import GROUND

SEED = 20
COUNTS: Mapping[Kind, int] = MappingProxyType(
    {"noun": 100, "colour": 60, "motion": 50, "count": 40, "relation": 30, "place": 20,
     "fall": 7, "bounce": 7, "roll": 7, "collision": 7, "topple": 6, "swing": 6}
)  # fmt: skip
SMOKE = 40
_DRAWS = 3000
"""Scenes of a kind to choose from."""

Some = TypeVar("Some")
Doing = tuple[Action, Direction | None]

_STANDS: Doing = ("stays", None)
_ASIDE: tuple[Doing, ...] = (("moves", "left"), ("moves", "right"))
_ANYWHERE: tuple[Doing, ...] = (
    ("leaves", "left"), ("leaves", "right"), ("jumps", None), ("falls", None), ("bounces", None),
    ("approaches", None), ("leaves", None),
)  # fmt: skip
_ROLLING: tuple[Doing, ...] = (("rolls", "left"), ("rolls", "right"))
_FLYING: tuple[Doing, ...] = (
    ("rises", None), ("circles", None), ("moves", "up"), ("moves", "down"),
)  # fmt: skip
_TALL = ("rocket", "tree")
"""What has a foot to topple over, and an axis that shows it."""
_PEOPLE = ("woman", "man")
"""They topple by themselves."""
_ROUND = ("ball", "apple")
_HEAVY = ("ball", "apple", "star")
"""What can hang and swing."""
_RELATIONS: tuple[RelationKind, ...] = get_args(RelationKind)


def suites() -> dict[str, list[Prompt]]:
    """Every suite by its name: always the same."""
    whole: list[Prompt] = []
    for kind in KINDS:
        whole += _of_kind(kind, taken={prompt.text for prompt in whole})
    physics: list[Prompt] = []
    for kind in EVENTS:
        physics += _of_kind(kind, taken={prompt.text for prompt in physics})
    return {"builtin": whole, "builtin-smoke": first(whole, SMOKE), "physics": physics}


def _of_kind(kind: Kind, *, taken: Set[str]) -> list[Prompt]:
    """Prompts of one kind, every other one held out, with all attributes used evenly."""
    rng = np.random.default_rng([SEED, (*KINDS, *EVENTS).index(kind)])
    drawn = [_DRAWN[kind](rng) for _ in range(_DRAWS)]
    unique = {said: scene for scene in drawn if (said := sentence(scene)) not in taken}
    left = {
        strange: [(text, scene) for text, scene in unique.items() if held_out(scene) == strange]
        for strange in (True, False)
    }
    used: Counter[str] = Counter()
    prompts: list[Prompt] = []
    for number in range(COUNTS[kind]):
        choice = left[number % 2 == 0]

        def worn(said: tuple[str, Scene]) -> tuple[int, ...]:
            return tuple(used[word] for word in _words(kind, said[1]))

        text, scene = min(choice, key=worn)
        choice.remove((text, scene))
        used.update(_words(kind, scene))
        prompts.append(
            Prompt(
                id=f"{kind}-{number + 1:03}",
                kind=kind,
                text=text,
                held_out=held_out(scene),
                scene=scene,
            )
        )
    return prompts


def _words(kind: Kind, scene: Scene) -> list[str]:
    """What is to be used evenly, the most important first."""
    actor = scene.actors[0]
    if kind in EVENTS:
        doing = [other.action for other in scene.actors]
        nouns = [other.noun for other in scene.actors]
        return [
            f"{doing}",
            f"count {actor.count}",
            f"noun {nouns}",
            f"noun {actor.noun}",
            f"place {scene.place}",
            f"to {actor.direction}",
            f"colour {actor.colour}",
        ]
    said: dict[Kind, str] = {
        "noun": f"noun {actor.noun}",
        "colour": f"colour {actor.colour}",
        "motion": f"motion {actor.action} {actor.direction}",
        "count": f"count {actor.count}",
        "relation": f"relation {scene.relation}",
        "place": f"place {scene.place}",
    }
    return list(dict.fromkeys([said[kind], said["noun"], said["place"], said["motion"]]))


def _noun(rng: np.random.Generator) -> Scene:
    noun = _choice(list(NOUNS), rng)
    return _alone(noun, _place(rng), _calm(noun, rng), rng)


def _colour(rng: np.random.Generator) -> Scene:
    noun = _choice([noun for noun in NOUNS if picture_of(noun).recolours], rng)
    return _alone(noun, _place(rng), _STANDS, rng, colour=_choice(get_args(Colour), rng))


def _motion(rng: np.random.Generator) -> Scene:
    noun = _choice([noun for noun in NOUNS if not picture_of(noun).fixed], rng)
    place = _place(rng)
    return _alone(noun, place, _choice(_motions(noun, place), rng), rng)


def _motions(noun: str, place: Place) -> list[Doing]:
    """What a thing can plausibly do there, as in training's scenes."""
    cut = picture_of(noun)
    found = [*_ASIDE, *_ANYWHERE]
    if cut.rolls:
        found += _ROLLING
    if cut.flies or noun == "balloon" or GROUND[place] is None:
        found += _FLYING
    return found


def _count(rng: np.random.Generator) -> Scene:
    noun = _choice(list(NOUNS), rng)
    return _alone(noun, _place(rng), _calm(noun, rng), rng, count=int(rng.integers(1, 4)))


def _relation(rng: np.random.Generator) -> Scene:
    relation = _choice(_RELATIONS, rng)
    able = [
        noun for noun in NOUNS if relation not in ("follows", "meets") or not picture_of(noun).fixed
    ]
    nouns = [able[int(i)] for i in rng.choice(len(able), 2, replace=False)]
    colours = [get_args(Colour)[int(i)] for i in rng.choice(len(get_args(Colour)), 2, False)]
    actors = tuple(
        Actor(noun=noun, colour=colour if picture_of(noun).recolours else None)
        for noun, colour in zip(nouns, colours, strict=True)
    )
    return Scene(actors=actors, place=_place(rng), relation=relation, seed=_background(rng))


def _fall(rng: np.random.Generator) -> Scene:
    able = [noun for noun in NOUNS if not picture_of(noun).fixed and not picture_of(noun).flies]
    return _event(_choice(able, rng), ("falls", None), rng, most=3)


def _bounce(rng: np.random.Generator) -> Scene:
    return _event(_choice(_ROUND, rng), ("bounces", None), rng, most=3)


def _roll(rng: np.random.Generator) -> Scene:
    return _event(_choice(_ROUND, rng), _choice(_ROLLING, rng), rng, most=2)


def _topple(rng: np.random.Generator) -> Scene:
    """By itself, or knocked over."""
    if rng.integers(2):
        return _event(_choice((*_TALL, *_PEOPLE), rng), ("topples", None), rng)
    return _hit(_choice(_ROUND, rng), _choice(_TALL, rng), "topples", rng)


def _collision(rng: np.random.Generator) -> Scene:
    pairs = [(one, two) for one in (*_ROUND, "car") for two in (*_ROUND, "car")]
    return _hit(*pairs[int(rng.integers(len(pairs)))], "collides", rng)


def _swing(rng: np.random.Generator) -> Scene:
    return _event(_choice(_HEAVY, rng), ("swings", None), rng)


def _event(noun: str, doing: Doing, rng: np.random.Generator, *, most: int = 1) -> Scene:
    """Something that up to `most` alike do where there is a ground."""
    colour = _any_colour(noun, rng)
    count = int(rng.integers(1, most + 1))
    return _alone(noun, _grounded(rng), doing, rng, colour=colour, count=count)


def _hit(noun: str, other: str, becomes: Action, rng: np.random.Generator) -> Scene:
    """The first runs into the second, which does what it `becomes`."""
    one = Actor(noun=noun, colour=_any_colour(noun, rng), action="collides")
    two = Actor(noun=other, colour=_any_colour(other, rng, but=one.colour), action=becomes)
    return Scene(
        actors=(one, two), place=_grounded(rng), relation="meets", seed=_background(rng)
    )  # fmt: skip


def _any_colour(
    noun: str, rng: np.random.Generator, *, but: Colour | None = None
) -> Colour | None:  # fmt: skip
    several = [colour for colour in get_args(Colour) if colour != but]
    return _choice(several, rng) if picture_of(noun).recolours else None


def _grounded(rng: np.random.Generator) -> Place:
    solid: list[Place] = [place for place in GROUND if GROUND[place] is not None and place != "sea"]
    return _choice(solid, rng)


_DRAWN: Mapping[Kind, Callable[[np.random.Generator], Scene]] = {
    "noun": _noun,
    "colour": _colour,
    "motion": _motion,
    "count": _count,
    "relation": _relation,
    "place": _noun,
    "fall": _fall,
    "bounce": _bounce,
    "roll": _roll,
    "collision": _collision,
    "topple": _topple,
    "swing": _swing,
}


def _alone(
    noun: str, place: Place, doing: Doing, rng: np.random.Generator, *,
    colour: Colour | None = None, count: int = 1,
) -> Scene:  # fmt: skip
    action, direction = doing
    actor = Actor(noun=noun, colour=colour, count=count, action=action, direction=direction)
    return Scene(actors=(actor,), place=place, seed=_background(rng))


def _calm(noun: str, rng: np.random.Generator) -> Doing:
    return _STANDS if picture_of(noun).fixed else _choice((_STANDS, *_ASIDE), rng)


def _place(rng: np.random.Generator) -> Place:
    return _choice(list(GROUND), rng)


def _background(rng: np.random.Generator) -> int:
    return int(rng.integers(BACKGROUNDS))


def _choice(several: Sequence[Some], rng: np.random.Generator) -> Some:
    return several[int(rng.integers(len(several)))]


if __name__ == "__main__":
    for name, prompts in suites().items():
        write_text(Path(__file__).parent / f"{name}.jsonl", written(prompts))
        print(f"{name}: {len(prompts)} prompts")
