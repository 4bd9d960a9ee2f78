"""How far the measuring critic can be trusted: ceiling and chance over random planned scenes.

    python -m reelwright_metrics.measure_check --scenes 60

Ceiling: how often a question passes on a degraded clip of its own scene. Chance: how often it
passes on a degraded clip of another scene. Backwards: on the clip of its own scene, reversed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import (
    Action,
    Colour,
    Direction,
    Entity,
    Event,
    FrameSpan,
    Keyframe,
    Layout,
    Place,
    Relation,
    RelationKind,
    SceneGraph,
    Shot,
    Track,
)
from reelwright_core.takes import QuestionKind
from reelwright_metrics.measure import MeasuringCritic
from reelwright_metrics.testing import degrade
from reelwright_simulators import cutouts
from reelwright_simulators.painter import paint
from reelwright_simulators.places import GROUND

FRAMES = 17
SIZE = (160, 96)
Frames = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A planned shot, its clip as a generator might make it, and the painted empty place."""

    shot: Shot
    layout: Layout
    sketch: Frames
    clip: Frames
    background: Frames


def scene(seed: int) -> Scene:
    """A random scene: one to three entities, of one to three things, that move or stand."""
    rng = np.random.default_rng([seed, 11])
    place: Place = get_args(Place)[rng.integers(len(get_args(Place)))]
    graph, tracks = _plan(rng, place)
    layout = Layout(frames=FRAMES, tracks=tracks)
    shot = Shot(id=f"s{seed}", prompt="a random scene", place=place, scene_graph=graph)
    painting = paint(layout, entities=graph.entities, place=place, size=SIZE, seed=seed)
    other = paint(
        layout,
        entities=graph.entities,
        place=place,
        size=SIZE,
        seed=seed,
        scenery=_repainted(painting.background, rng),
    )
    return Scene(
        shot=shot,
        layout=layout,
        sketch=painting.frames,
        clip=degrade(other.frames, seed=seed),
        background=painting.background,
    )


def rates(scenes: Sequence[Scene]) -> dict[QuestionKind, dict[str, tuple[int, int]]]:
    """Per kind of question and per way of testing: (passed, asked)."""
    critic = MeasuringCritic()
    table: dict[QuestionKind, dict[str, tuple[int, int]]] = defaultdict(dict)
    for index, one in enumerate(scenes):
        other = scenes[(index + 1) % len(scenes)]
        for way, clip in (
            ("sketch", one.sketch),
            ("ceiling", one.clip),
            ("backwards", one.clip[::-1]),
            ("chance", other.clip),
        ):
            critique = critic.watch(one.shot, one.layout, clip, background=one.background)
            for question in critique.questions:
                passed, asked = table[question.kind].get(way, (0, 0))
                table[question.kind][way] = (passed + question.passed, asked + 1)
    return table


def _repainted(background: Frames, rng: np.random.Generator) -> Frames:
    """A background bent by a pixel or two, as one painted anew from noise would be."""
    height, width = background.shape[:2]
    bend = cv2.resize(rng.normal(0, 1.2, (4, 6, 2)).astype(np.float32), (width, height))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(
        background, x + bend[..., 0], y + bend[..., 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    ).astype(np.uint8)  # fmt: skip


def _plan(rng: np.random.Generator, place: Place) -> tuple[SceneGraph, list[Track]]:
    nouns = sorted(noun for noun, cut in cutouts.all_cutouts().items() if not cut.fixed)
    colours: tuple[Colour, ...] = get_args(Colour)
    kinds = int(rng.choice([1, 2, 3], p=[0.5, 0.4, 0.1]))
    lanes = rng.permutation(kinds)
    entities: list[Entity] = []
    events: list[Event] = []
    tracks: list[Track] = []
    for i, noun in enumerate(rng.choice(nouns, kinds, replace=False).tolist()):
        cut = cutouts.find(noun)
        colour = (
            colours[rng.integers(len(colours))]
            if cut is not None and cut.recolours and rng.random() < 0.6
            else None
        )
        count = int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])) if kinds < 3 else 1
        entity = Entity(id=f"{noun.replace(' ', '-')}-{i}", noun=noun, count=count, colour=colour)
        entities.append(entity)
        action: Action = _ACTIONS[rng.integers(len(_ACTIONS))] if kinds * count < 4 else "stays"
        middle, room = (lanes[i] + 0.5) / kinds, 1 / kinds
        direction: Direction | None = None
        if action in ("moves", "rolls"):
            direction = ("left", "right")[rng.integers(2)]
        last = FRAMES - 1
        start = 0 if rng.random() < 0.7 else 5
        events.append(
            Event(
                actor=entity.id,
                action=action,
                direction=direction,
                frames=FrameSpan(first=start, last=last),
            )
        )
        tracks += _tracks(
            entity, action, direction, start=start, middle=middle, room=room,
            ground=GROUND[place] or 0.8, rng=rng,
        )  # fmt: skip
    relations: list[Relation] = []
    if kinds == 2 and all(
        event.action in ("stays", "falls", "jumps", "bounces", "rises") for event in events
    ):
        kind: RelationKind = "left of" if lanes[0] < lanes[1] else "right of"
        relations.append(Relation(subject=entities[0].id, kind=kind, object=entities[1].id))
    return SceneGraph(entities=entities, relations=relations, events=events), tracks


_ACTIONS: tuple[Action, ...] = (
    "moves", "moves", "rolls", "falls", "bounces", "rises", "approaches", "leaves", "circles",
    "jumps", "stays",
)  # fmt: skip


def _tracks(
    entity: Entity,
    action: Action,
    direction: Direction | None,
    *,
    start: int,
    middle: float,
    room: float,
    ground: float,
    rng: np.random.Generator,
) -> list[Track]:
    """A lane of the picture is this entity's: its things stand side by side in it."""
    high = float(min(rng.uniform(0.26, 0.42), 1.25 * room / entity.count))
    step = room / entity.count
    tracks: list[Track] = []
    for instance in range(entity.count):
        x = middle - room / 2 + step * (instance + 0.5)
        keys = _PLANS[action](x, high, ground, room if entity.count == 1 else step)
        if direction == "left":
            keys = [(part, 2 * x - at, y, size) for part, at, y, size in keys]
        frames = [start + round(part * (FRAMES - 1 - start)) for part, *_ in keys]
        tracks.append(
            Track(
                entity=entity.id,
                instance=instance,
                depth=float(instance),
                keyframes=[
                    Keyframe(frame=frame, box=_box(at, y, size))
                    for frame, (_, at, y, size) in zip(frames, keys, strict=True)
                ],
            )
        )
    return tracks


def _box(x: float, foot: float, high: float) -> tuple[float, float, float, float]:
    wide = high * SIZE[1] / SIZE[0] * 1.2
    return (x - wide / 2, foot - high, x + wide / 2, foot)


Keys = list[tuple[float, float, float, float]]
"""(part of the event's time, x, foot, height)"""


def _across(x: float, high: float, ground: float, room: float) -> Keys:
    far = max(0.3 * room, 0.22)
    return [(0, x - far, ground, high), (1, x + far, ground, high)]


def _falls(x: float, high: float, ground: float, room: float) -> Keys:
    return [(p, x, high + (ground - high) * p**2, high) for p in (0, 0.25, 0.5, 0.75, 1)]


def _bounces(x: float, high: float, ground: float, room: float) -> Keys:
    drop = ground - high - 0.02
    heights = [
        (0, 1),
        (0.2, 0.6),
        (0.35, 0),
        (0.5, 0.45),
        (0.6, 0.5),
        (0.7, 0.4),
        (0.85, 0),
        (1, 0.2),
    ]
    return [(p, x, ground - drop * h, high) for p, h in heights]


def _rises(x: float, high: float, ground: float, room: float) -> Keys:
    return [(0, x, ground, high), (1, x, high + 0.02, high)]


def _approaches(x: float, high: float, ground: float, room: float) -> Keys:
    return [(0, x, ground - 0.1, high * 0.6), (1, x, ground + 0.05, high * 1.5)]


def _leaves(x: float, high: float, ground: float, room: float) -> Keys:
    return [(0, x, ground, high * 1.3), (1, x, ground - 0.2, high * 0.5)]


def _circles(x: float, high: float, ground: float, room: float) -> Keys:
    wide = min(0.4 * room, 0.18)
    turn = np.linspace(0, 2 * np.pi, 9)
    return [
        (float(p), x + wide * float(np.sin(a)), 0.45 + high / 2 - 0.22 * float(np.cos(a)), high)
        for p, a in zip(np.linspace(0, 1, 9), turn, strict=True)
    ]


def _jumps(x: float, high: float, ground: float, room: float) -> Keys:
    return [
        (p, x, ground - 0.25 * h, high)
        for p, h in ((0, 0), (0.25, 0.75), (0.5, 1), (0.75, 0.75), (1, 0))
    ]


def _stays(x: float, high: float, ground: float, room: float) -> Keys:
    return [(0, x, ground, high)]


_PLANS: dict[Action, Callable[[float, float, float, float], Keys]] = {
    "moves": _across,
    "rolls": _across,
    "falls": _falls,
    "bounces": _bounces,
    "rises": _rises,
    "approaches": _approaches,
    "leaves": _leaves,
    "circles": _circles,
    "jumps": _jumps,
    "stays": _stays,
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    table = rates([scene(given.seed + index) for index in range(given.scenes)])
    ways = ("sketch", "ceiling", "backwards", "chance")
    print(f"{'kind':<12}" + "".join(f"{way:>18}" for way in ways))
    for kind, row in sorted(table.items()):
        cells = [f"{p / n:.2f} ({p}/{n})" for p, n in (row[way] for way in ways)]
        print(f"{kind:<12}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
