"""Clips whose truth is known, to try critics on: painted, then spoiled as by a generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Entity, Event, Keyframe, Layout, SceneGraph, Shot, Track
from reelwright_core.takes import Critique, Question
from reelwright_metrics.measure import MeasuringCritic
from reelwright_simulators.painter import SHAPE_COLOURS

FRAMES, WIDTH, HEIGHT = 17, 160, 96
Frames = NDArray[np.uint8]
Way = Callable[[float], tuple[float, float, float]]
"""From the part of the time (0..1) to the centre (x, y) and the height, as parts of the picture."""


@dataclass(frozen=True, kw_only=True)
class Doing:
    """Entities, and how each of their things goes."""

    entity: Entity
    ways: Sequence[Way]


def plan(doings: Sequence[Doing], graph: SceneGraph) -> tuple[Shot, Layout]:
    """The shot and the layout in which everything goes its way."""
    tracks = [
        Track(
            entity=doing.entity.id,
            instance=instance,
            keyframes=[Keyframe(frame=f, box=box(way(f / (FRAMES - 1)))) for f in range(FRAMES)],
        )
        for doing in doings
        for instance, way in enumerate(doing.ways)
    ]
    shot = Shot(id="s01", prompt="x", scene_graph=graph)
    return shot, Layout(frames=FRAMES, tracks=tracks)


def box(place: tuple[float, float, float]) -> tuple[float, float, float, float]:
    x, y, high = place
    wide = high * HEIGHT / WIDTH
    return (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)


def empty() -> Frames:
    """A place: sky that gets lighter downwards, and a green ground."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    down = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None, None]
    picture[:] = np.array([150, 190, 230]) + down * np.array([60, 30, 10])
    picture[70:] = (120, 170, 100)
    return picture.astype(np.uint8)


def clip(doings: Sequence[Doing], *, spoiled: bool = True) -> Frames:
    """What a camera would see of `doings`: discs in their colours, later ones over earlier."""
    frames = np.repeat(empty()[None], FRAMES, 0)
    for f, frame in enumerate(frames):
        for doing in doings:
            colour = SHAPE_COLOURS[doing.entity.colour or "grey"]
            for way in doing.ways:
                x, y, high = way(f / (FRAMES - 1))
                centre = (round(x * WIDTH * 16), round(y * HEIGHT * 16))
                radius = round(high * HEIGHT / 2 * 16)
                cv2.circle(frame, centre, radius, colour, -1, cv2.LINE_AA, shift=4)
    return degrade(frames, seed=3) if spoiled else frames


def degrade(frames: Frames, *, seed: int) -> Frames:
    """`frames` as a small generator leaves them: soft, noisy, and in slightly other colours."""
    rng = np.random.default_rng([seed, 13])
    height, width = frames.shape[1:3]
    gain, shift = rng.uniform(0.88, 1.12, 3), rng.normal(0, 6, 3)
    made = np.empty_like(frames)
    mottle = rng.normal(0, 4, (height // 8, width // 8, 3)).astype(np.float32)
    for index, frame in enumerate(frames):
        coarse = cv2.resize(frame, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
        soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        mixed = 0.35 * frame + 0.65 * soft.astype(np.float32)
        drift = mottle + rng.normal(0, 2.5, mottle.shape).astype(np.float32)
        mixed += cv2.resize(drift, (width, height), interpolation=cv2.INTER_CUBIC)
        grey = mixed.mean(2, keepdims=True)
        mixed = grey + (mixed - grey) * rng.normal(0.95, 0.02)
        noisy = mixed * gain + shift + rng.normal(0, 4, mixed.shape)
        made[index] = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
    return made


def watch(shot: Shot, layout: Layout, frames: Frames, *, knows_place: bool = True) -> Critique:
    """The critique of a clip."""
    background = empty() if knows_place else None
    return MeasuringCritic().watch(shot, layout, frames, background=background)


def one(critique: Critique, kind: str, entity: str | None = None) -> Question:
    """The one question of a kind."""
    found = [
        q for q in critique.questions if q.kind == kind and (entity is None or q.entity == entity)
    ]
    assert len(found) == 1, [q.text for q in found]
    return found[0]


def thing(id: str = "ball", **more: object) -> Entity:
    """An entity that is no cut-out: a plain shape."""
    return Entity.model_validate({"id": id, "noun": id, "known": False, "colour": "red", **more})


def event(
    actor: str, action: str, direction: str | None = None, first: int = 0, last: int = 16
) -> Event:
    """What one does from frame `first` to `last`."""
    return Event.model_validate(
        {
            "actor": actor,
            "action": action,
            "direction": direction,
            "frames": {"first": first, "last": last},
        }
    )


def still(x: float, y: float = 0.6, high: float = 0.3) -> Way:
    """Stays where it is."""
    return lambda part: (x, y, high)


def across(a: float, b: float, y: float = 0.6, high: float = 0.3) -> Way:
    """Goes from x = a to x = b."""
    return lambda part: (a + (b - a) * part, y, high)


def down(a: float, b: float, x: float = 0.5, high: float = 0.3) -> Way:
    """Goes from y = a to y = b."""
    return lambda part: (x, a + (b - a) * part, high)
