"""The motions of a layout as closed forms: where a thing is, part by part of its event.

Lengths are parts of the picture, angles degrees. A motion starts where the last one ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reelwright_core.story import Event

RESTITUTION = 0.75
"""The part of its speed that a bouncing thing keeps."""
CIRCLE = (0.15, 0.09)
"""Half of the width and height of the way of a circling thing."""
GROWTH = 2.0
"""How much bigger a thing is when it has come closer."""
SWING = 28.0
"""How many degrees a swinging thing gets away from hanging straight."""
ROPE = 1.4
"""How many times its own height a swinging thing hangs below what holds it."""
PERIOD = 12
"""Frames of one swing to and fro, about."""
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
    lively: float = 1.0
    """How much larger than usual its jumps, circles, swings and changes of size are."""


def poses(start: Pose, events: Sequence[Event], *, room: Room, frames: int) -> list[Pose]:
    """The thing's pose in each frame; events that overlap add up."""
    done = [start] * frames
    in_order = sorted(events, key=lambda e: (e.frames.first, e.frames.last))
    for number, event in enumerate(in_order):
        first, last = event.frames.first, event.frames.last
        before = max(first - 1, 0)
        at = done[before]
        shares = tuple(_share(in_order[number:], way) for way in (_across, _along))
        for frame in range(before, frames):
            part = min((frame - before) / max(last - before, 1), 1.0)
            moved = _moved(event, part, at=at, room=room, length=last - before, shares=shares)
            now = done[frame]
            done[frame] = Pose(
                x=now.x + moved.x - at.x,
                foot=now.foot + moved.foot - at.foot,
                scale=now.scale * moved.scale / at.scale,
                angle=now.angle + moved.angle - at.angle,
            )
    return done


def _across(event: Event) -> str:
    """Which way sideways an event goes."""
    if event.action in ("moves", "rolls") and event.direction is None:
        return "right"
    return event.direction if event.direction in ("left", "right") else ""


def _along(event: Event) -> str:
    """Which way an event goes up, down or nearer."""
    if event.action == "moves" and event.direction in ("up", "down"):
        return event.direction
    own = {"rises": "up", "jumps": "up", "falls": "down", "approaches": "near"}
    return own.get(event.action, "")


_OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}


def _share(events: Sequence[Event], heading: Callable[[Event], str]) -> float:
    """The part of the way left that the first may use, as later ones go the same way."""
    mine, count = heading(events[0]), 1
    for event in events[1:]:
        if event.frames.first <= events[0].frames.last or event.action == "leaves":
            continue
        if not mine or heading(event) == _OPPOSITE.get(mine):
            break
        count += heading(event) == mine
    return 1 / count


def _moved(
    event: Event, part: float, *, at: Pose, room: Room, length: int, shares: Sequence[float]
) -> Pose:
    share = shares[1]
    sideways = _sideways(event, at=at, room=room) * part * shares[0]
    match event.action:
        case "moves" if event.direction in ("up", "down"):
            goal = room.top if event.direction == "up" else room.ground
            return replace(at, foot=at.foot + (goal - at.foot) * part * share)
        case "moves":
            return replace(at, x=at.x + sideways)
        case "rolls":
            turned = math.degrees(sideways * room.aspect / (room.high * at.scale / 2))
            return replace(at, x=at.x + sideways, angle=at.angle + turned)
        case "falls":
            return replace(at, foot=at.foot + (room.ground - at.foot) * part**2 * share)
        case "bounces":
            return replace(
                at, x=at.x + sideways, foot=_bounced(part, at=at, room=room, length=length)
            )
        case "jumps":
            hops = 2 if length >= 12 else 1
            share = (part * hops) % 1.0
            high = min(0.3 * room.lively, max(at.foot - room.top, 0.0))
            return replace(at, x=at.x + sideways, foot=at.foot - high * 4 * share * (1 - share))
        case "rises":
            return replace(at, foot=at.foot - (at.foot - room.top) * (1 - (1 - part) ** 2) * share)
        case "approaches":
            grown = max(1.0 / at.scale, 1.0) ** share
            nearer = max(room.ground + 0.06 - at.foot, 0.0) if at.foot > room.ground - 0.2 else 0.0
            return replace(at, scale=at.scale * grown**part, foot=at.foot + nearer * part)
        case "leaves" if event.direction in ("left", "right"):
            goal = room.out_right if event.direction == "right" else room.out_left
            return replace(at, x=at.x + (goal - at.x) * part)
        case "leaves":
            far = min(at.foot, room.ground - HORIZON) - at.foot
            return replace(
                at, scale=at.scale * (GROWTH * room.lively) ** -part, foot=at.foot + far * part
            )
        case "circles":
            across, down = _circled(2 * math.pi * part, at=at, room=room)
            return replace(at, x=at.x + across, foot=at.foot + down)
        case "topples":
            over = at.x + (room.wide / 2 + room.high / room.aspect) * at.scale
            left = event.direction == "left" or (event.direction is None and over > 1)
            return _toppled(90 * part**2, at=at, room=room, left=left)
        case "swings":
            times = max(1, round(length / PERIOD))
            return _swung(
                SWING * math.sin(2 * math.pi * times * part) * room.lively, at=at, room=room
            )
        case _:
            return at


def _toppled(turn: float, *, at: Pose, room: Room, left: bool) -> Pose:
    """Turned about the lower corner of its own side, by `turn` degrees."""
    side = -1 if left else 1
    wide, high = room.wide * at.scale * room.aspect, room.high * at.scale
    angle = math.radians(turn)
    sin, cos = math.sin(angle), math.cos(angle)
    across = side * (wide / 2 - wide / 2 * cos + high / 2 * sin)
    up = wide / 2 * sin + high / 2 * cos
    return replace(
        at,
        x=at.x + across / room.aspect,
        foot=at.foot - up + high / 2,
        angle=at.angle + side * turn,
    )


def _swung(turn: float, *, at: Pose, room: Room) -> Pose:
    """Hanging `ROPE` times its own height below a point, away from straight by `turn` degrees."""
    long = ROPE * room.high * at.scale
    angle = math.radians(turn)
    return replace(
        at,
        x=at.x + long * math.sin(angle) / room.aspect,
        foot=at.foot - long * (1 - math.cos(angle)),
        angle=at.angle - turn,
    )


def _circled(turn: float, *, at: Pose, room: Room) -> tuple[float, float]:
    """The way round from where it is: from the lowest point, or away from what it is close to."""
    wide, high = (half * room.lively for half in CIRCLE)
    if at.x - wide < room.left or at.x + wide > room.right:
        away = 1 if at.x - wide < room.left else -1
        middle = min(max(at.foot, room.top + high), room.ground)
        return away * wide * (1 - math.cos(turn)), (middle - at.foot) * math.sin(
            turn / 2
        ) - high * 0.8 * math.sin(turn)
    upward = 1 if at.foot - 2 * high < room.top else -1
    return wide * math.sin(turn), upward * high * (1 - math.cos(turn))


def _sideways(event: Event, *, at: Pose, room: Room) -> float:
    way = _across(event)
    if way == "right":
        return room.right - at.x
    return room.left - at.x if way == "left" else 0.0


def _bounced(part: float, *, at: Pose, room: Room, length: int) -> float:
    """The foot of a thing that falls from `at`, or springs up from the ground, and bounces.

    Each arc lasts `RESTITUTION` times as long as the one before it, so each is as high as the
    square of that; all arcs obey one gravity.
    """
    height = room.ground - at.foot
    falls = height >= 0.05
    drop = 0.5 if falls else 0.0
    # A fall of `height` takes half of a unit; an arc of one unit is as high.
    top = (
        height
        if falls
        else min(max(room.ground - room.top, 0.0), 0.25 * room.lively) / RESTITUTION**2
    )
    arcs = [RESTITUTION**n for n in range(1, 4 if length >= 10 else 2)]
    time = part * (drop + sum(arcs))
    if time < drop:
        return at.foot + height * (time / drop) ** 2
    time -= drop
    for long in arcs:
        if time < long:
            share = time / long
            return room.ground - top * long**2 * 4 * share * (1 - share)
        time -= long
    return room.ground
