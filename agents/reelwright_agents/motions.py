"""The motions of a layout as closed forms: where a thing is, part by part of its event.

Lengths are parts of the picture, angles degrees. A motion starts where the last one ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reelwright_core.story import Event

RESTITUTION = 0.75
"""The part of its speed that a bouncing thing keeps."""
CIRCLE = (0.15, 0.09)
"""Half of the width and height of the way of a circling thing."""
GROWTH = 2.0
"""How much bigger a thing is when it has come closer."""
HORIZON = 0.1
"""How far above the ground line a thing is when it has gone into the distance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """Where a thing is: the middle of its lower edge, its size, and its turn in degrees."""

    x: float
    foot: float
    scale: float = 1.0
    angle: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What a thing may use: it keeps inside `left`..`right` and `top`..`ground`."""

    left: float
    right: float
    top: float
    ground: float
    out_left: float
    """The x of its middle when it is just out of the picture."""
    out_right: float
    wide: float
    high: float
    aspect: float
    """Width of the picture over its height, in pixels."""


def poses(start: Pose, events: Sequence[Event], *, room: Room, frames: int) -> list[Pose]:
    """The thing's pose in each frame; events that overlap add up."""
    done = [start] * frames
    for event in sorted(events, key=lambda e: (e.frames.first, e.frames.last)):
        first, last = event.frames.first, event.frames.last
        before = max(first - 1, 0)
        at = done[before]
        for frame in range(before, frames):
            part = min((frame - before) / max(last - before, 1), 1.0)
            moved = _moved(event, part, at=at, room=room, length=last - before)
            now = done[frame]
            done[frame] = Pose(
                x=now.x + moved.x - at.x,
                foot=now.foot + moved.foot - at.foot,
                scale=now.scale * moved.scale / at.scale,
                angle=now.angle + moved.angle - at.angle,
            )
    return done


def _moved(event: Event, part: float, *, at: Pose, room: Room, length: int) -> Pose:
    sideways = _sideways(event, at=at, room=room) * part
    match event.action:
        case "moves" if event.direction in ("up", "down"):
            goal = room.top if event.direction == "up" else room.ground
            return replace(at, foot=at.foot + (goal - at.foot) * part)
        case "moves":
            return replace(at, x=at.x + sideways)
        case "rolls":
            turned = math.degrees(sideways * room.aspect / (room.high * at.scale / 2))
            return replace(at, x=at.x + sideways, angle=at.angle + turned)
        case "falls":
            return replace(at, foot=at.foot + (room.ground - at.foot) * part**2)
        case "bounces":
            return replace(at, x=at.x + sideways, foot=_bounced(part, at=at, room=room))
        case "jumps":
            hops = 2 if length >= 12 else 1
            share = (part * hops) % 1.0
            high = min(0.3, max(at.foot - room.top, 0.1))
            return replace(at, x=at.x + sideways, foot=at.foot - high * 4 * share * (1 - share))
        case "rises":
            return replace(at, foot=at.foot - (at.foot - room.top) * (1 - (1 - part) ** 2))
        case "approaches":
            grown = min(GROWTH, 1.0 / at.scale) if at.scale < 1 else 1.0
            nearer = max(room.ground + 0.06 - at.foot, 0.0) if at.foot > room.ground - 0.2 else 0.0
            return replace(at, scale=at.scale * grown**part, foot=at.foot + nearer * part)
        case "leaves" if event.direction in ("left", "right"):
            goal = room.out_right if event.direction == "right" else room.out_left
            return replace(at, x=at.x + (goal - at.x) * part)
        case "leaves":
            far = min(at.foot, room.ground - HORIZON) - at.foot
            return replace(at, scale=at.scale * GROWTH**-part, foot=at.foot + far * part)
        case "circles":
            turn = 2 * math.pi * part
            wide, high = CIRCLE
            return replace(
                at, x=at.x + wide * math.sin(turn), foot=at.foot - high * (1 - math.cos(turn))
            )
        case _:
            return at


def _sideways(event: Event, *, at: Pose, room: Room) -> float:
    if event.direction == "right":
        return room.right - at.x
    return room.left - at.x if event.direction == "left" else 0.0


def _bounced(part: float, *, at: Pose, room: Room) -> float:
    """The foot of a thing that falls from `at`, or springs up from the ground, and bounces thrice.

    Each arc lasts `RESTITUTION` times as long as the one before it, so each is as high as the
    square of that; all arcs obey one gravity.
    """
    height = room.ground - at.foot
    arcs: list[tuple[float, float]] = []
    first = 1.0
    if height < 0.05:
        height = min(room.ground - room.top, 0.45) * RESTITUTION**2
        first, drop = RESTITUTION, 0.0
        top = height / RESTITUTION**2
    else:
        drop, top = 0.5, height
    lasting = first * RESTITUTION if drop else first
    for _ in range(3):
        arcs.append((lasting, top * lasting**2))
        lasting *= RESTITUTION
    total = drop + sum(long for long, _ in arcs)
    time = part * total
    if time < drop:
        return at.foot + height * (time / drop) ** 2
    time -= drop
    for long, high in arcs:
        if time < long:
            share = time / long
            return room.ground - high * 4 * share * (1 - share)
        time -= long
    return room.ground
