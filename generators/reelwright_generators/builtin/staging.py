"""Where the things of a random scene are in each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright_core.story import Direction, Keyframe, Layout, Track
from reelwright_generators.builtin.words import Actor, Scene
from reelwright_simulators import cutouts
from reelwright_simulators.cutouts import CutOut
from reelwright_simulators.places import GROUND

Curve = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """Where one thing is in every frame: parts of the picture, degrees."""

    x: Curve
    foot: Curve
    scale: Curve
    angle: Curve


def layout_of(scene: Scene, *, frames: int, rng: np.random.Generator) -> Layout:
    """One way to stage `scene`."""
    ground = GROUND[scene.place]
    tracks: list[Track] = []
    if scene.relation is not None:
        tracks = _pair(scene, frames=frames, ground=ground, rng=rng)
    elif len(scene.actors) == 2:
        tracks = _beside(scene, frames=frames, ground=ground, rng=rng)
    else:
        tracks = _alike(scene.actors[0], frames=frames, ground=ground, rng=rng)
    slide = {"pan left": 0.3, "pan right": -0.3}.get(scene.camera, 0.0) * rng.uniform(0.7, 1.2)
    zoom = {"zoom in": 1.35, "zoom out": 0.75}.get(scene.camera, 1.0)
    if slide or zoom != 1:
        tracks = [_seen_by_moving_camera(t, slide=slide, zoom=zoom, frames=frames) for t in tracks]
    return Layout(frames=frames, tracks=tracks, background_shift=(slide, 0.0), background_zoom=zoom)


def _seen_by_moving_camera(track: Track, *, slide: float, zoom: float, frames: int) -> Track:
    """Half of the slide is the thing's too: as if the camera followed it loosely."""
    keys: list[Keyframe] = []
    for key in track.keyframes:
        part = key.frame / max(frames - 1, 1)
        grown = (zoom if zoom > 1 else max(zoom, 0.8)) ** part
        left, top, right, bottom = key.box
        x, half, high = (left + right) / 2 + slide / 2 * part, (right - left) / 2, bottom - top
        x, foot = 0.5 + (x - 0.5) * grown, 0.5 + (bottom - 0.5) * (1 + (grown - 1) * 0.4)
        keys.append(
            Keyframe(
                frame=key.frame,
                box=box_at(x, foot, half * 2 * grown, high * grown),
                angle=key.angle,
            )
        )
    return track.model_copy(update={"keyframes": keys})


def box_at(x: float, foot: float, wide: float, high: float) -> tuple[float, float, float, float]:
    corners = (x - wide / 2, foot - high, x + wide / 2, foot)
    left, top, right, bottom = (float(min(max(corner, -2.9), 3.9)) for corner in corners)
    return left, top, right, bottom


def _measure(noun: str, rng: np.random.Generator, *, shrink: float = 1.0) -> tuple[float, float]:
    """Width and height of a thing as parts of the picture (five to three)."""
    picture = cutouts.picture(noun)
    aspect = picture.shape[1] / picture.shape[0]
    high = (0.3 + 0.2 * min(picture_of(noun).height, 1.5)) * rng.uniform(0.88, 1.15) * shrink
    high = min(high, 0.6)
    wide = high * aspect * 3 / 5
    if wide > 0.46:
        high, wide = high * 0.46 / wide, 0.46
    return wide, high


def _track(
    noun: str, path: Path, *, wide: float, high: float, instance: int, faces: Direction | None,
    depth: float, entity: str,
) -> Track:  # fmt: skip
    keys = [
        Keyframe(
            frame=f,
            box=box_at(path.x[f], path.foot[f], wide * path.scale[f], high * path.scale[f]),
            angle=float(path.angle[f]),
        )
        for f in range(len(path.x))
    ]
    looks = faces if faces in ("left", "right") else None
    return Track(entity=entity, instance=instance, depth=depth, faces=looks, keyframes=keys)


def _alike(
    actor: Actor, *, frames: int, ground: float | None, rng: np.random.Generator
) -> list[Track]:
    """One to three of the same noun, doing the same beside each other."""
    wide, high = _measure(actor.noun, rng, shrink=(1.0, 1.0, 0.85, 0.74)[actor.count])
    wide = min(wide, 0.5 if actor.count == 1 else 0.9 / actor.count)
    faces = actor.direction or _either_side(rng)
    base = _foot(actor.noun, high, ground, rng)
    going = actor.direction in ("left", "right") and actor.action in ("moves", "rolls")
    gap = min(wide * rng.uniform(1.02, 1.25), 0.36)
    tracks: list[Track] = []
    anchor = float(rng.uniform(0.25, 0.75))
    quirk = rng.random(8)
    for i in range(actor.count):
        aside = (i - (actor.count - 1) / 2) * gap
        x = aside + (
            0.5
            if going
            else float(np.clip(anchor, 0.1 + abs(gap), 0.9 - abs(gap)))
            if actor.count > 1
            else anchor
        )
        path = _path(
            actor, x=x, foot=base + 0.02 * i * (ground is not None), high=high, wide=wide,
            frames=frames, ground=ground, quirk=quirk, late=0.06 * i,
        )  # fmt: skip
        tracks.append(
            _track(actor.noun, path, wide=wide, high=high, instance=i, faces=faces,
                   depth=0.02 * i, entity="e0")
        )  # fmt: skip
    return tracks


def _beside(
    scene: Scene, *, frames: int, ground: float | None, rng: np.random.Generator
) -> list[Track]:
    """Two things beside each other, each doing its own."""
    tracks: list[Track] = []
    sides = [0.28, 0.72] if rng.random() < 0.5 else [0.72, 0.28]
    for i, (actor, side) in enumerate(zip(scene.actors, sides, strict=True)):
        wide, high = _measure(actor.noun, rng, shrink=0.85)
        faces = actor.direction or _either_side(rng)
        path = _path(
            actor, x=side + rng.uniform(-0.05, 0.05), foot=_foot(actor.noun, high, ground, rng),
            high=high, wide=wide, frames=frames, ground=ground, quirk=rng.random(8), late=0.0,
        )  # fmt: skip
        tracks.append(
            _track(actor.noun, path, wide=wide, high=high, instance=0, faces=faces, depth=0.0,
                   entity=f"e{i}")
        )  # fmt: skip
    return tracks


def _foot(noun: str, high: float, ground: float | None, rng: np.random.Generator) -> float:
    """Where the thing's lower edge is while nothing lifts it."""
    cut = picture_of(noun)
    if ground is None or (cut.flies and rng.random() < 0.75):
        return float(rng.uniform(high + 0.04, 0.8))
    return float(rng.uniform(ground, min(ground + 0.1, 0.97)))


def _path(
    actor: Actor, *, x: float, foot: float, high: float, wide: float, frames: int,
    ground: float | None, quirk: NDArray[np.float64], late: float,
) -> Path:  # fmt: skip
    """The way of one thing; `quirk` holds the chances that all of a group share."""
    t = np.linspace(0, 1, frames)
    still, flat = np.full(frames, x), np.full(frames, foot)
    one, zero = np.ones(frames), np.zeros(frames)
    standing = foot if ground is None else max(foot, ground + 0.03)
    match actor.action:
        case "moves" | "rolls" if actor.direction in ("left", "right"):
            reach = 0.3 + 0.3 * quirk[0]
            across = x + reach * (2 * t - 1) * (1 if actor.direction == "right" else -1)
            turned = zero
            if actor.action == "rolls":
                turned = (across - across[0]) * 360 / (np.pi * high * 0.6)
            return Path(x=across, foot=flat, scale=one, angle=turned)
        case "moves" | "rises" if actor.action == "rises" or actor.direction == "up":
            low = standing if ground is not None else 0.98
            return Path(
                x=still,
                foot=low + (high * 0.7 - low) * t * (0.8 + 0.2 * quirk[0]),
                scale=one,
                angle=zero,
            )
        case "moves":
            return Path(x=still, foot=high * 0.7 + (0.95 - high * 0.7) * t, scale=one, angle=zero)
        case "falls":
            start, end = high * (0.3 + 0.6 * quirk[0]), standing if ground is not None else 1.25
            fallen = np.clip((t - late) / (0.65 + 0.3 * quirk[1]), 0, 1)
            return Path(x=still, foot=start + (end - start) * fallen**2, scale=one, angle=zero)
        case "bounces":
            beats = 1.5 + np.floor(quirk[0] * 2)
            top = max(standing - high * 0.9, 0.2) * 0.9
            swing = np.abs(np.cos(np.pi * beats * np.clip(t - late / 2, 0, 1))) * (1 - 0.55 * t)
            drift = (quirk[1] - 0.5) * 0.4 * t
            return Path(x=still + drift, foot=standing - top * swing * 0.8, scale=one, angle=zero)
        case "jumps":
            hops = 1 + np.floor(quirk[0] * 2)
            rise = min(0.36, max(standing - high, 0.12))
            up = np.abs(np.sin(np.pi * hops * np.clip(t - late, 0, 1)))
            return Path(x=still, foot=standing - rise * up, scale=one, angle=zero)
        case "approaches" | "leaves" if actor.direction is None:
            near = t if actor.action == "approaches" else 1 - t
            scale = 0.35 + 0.85 * near
            far = 0.55 if ground is None else ground - 0.1
            close = 0.85 if ground is None else 0.96
            return Path(
                x=0.5 + (x - 0.5) * (0.5 + 0.5 * near), foot=far + (close - far) * near,
                scale=scale, angle=zero,
            )  # fmt: skip
        case "leaves":
            out = (
                (1 + wide / 2 + 0.05 - x) if actor.direction == "right" else -(x + wide / 2 + 0.05)
            )
            return Path(x=still + out * t**1.3, foot=flat, scale=one, angle=zero)
        case "circles":
            turn = 2 * np.pi * (t + quirk[0])
            flying = ground is None or foot < ground - 0.02
            tall = 0.16 if flying else 0.05
            middle = np.clip(foot, high + tall, 0.97 - tall) if flying else foot
            return Path(
                x=still + 0.2 * np.cos(turn),
                foot=middle + tall * np.sin(turn),
                scale=one,
                angle=zero,
            )
        case _:
            return Path(x=still, foot=flat, scale=one, angle=zero)


def _pair(
    scene: Scene, *, frames: int, ground: float | None, rng: np.random.Generator
) -> list[Track]:
    """Two things as their relation says."""
    one, two = scene.actors
    (wide1, high1), (wide2, high2) = (_measure(a.noun, rng, shrink=0.85) for a in (one, two))
    base = float(rng.uniform(0.6, 0.8)) if ground is None else float(rng.uniform(ground, 0.95))
    foot1 = foot2 = np.full(frames, base)
    t = np.linspace(0, 1, frames)
    gap = (wide1 + wide2) / 2 + rng.uniform(0.02, 0.14)
    middle = rng.uniform(0.42, 0.58)
    zero, unit = np.zeros(frames), np.ones(frames)
    x1 = np.full(frames, middle)
    x2 = x1.copy()
    faces1: Direction = "right"
    faces2: Direction = "left"
    side = 1 if rng.random() < 0.5 else -1
    depth1 = 0.0
    match scene.relation:
        case "left of" | "right of" | "near":
            if scene.relation != "near":
                side = -1 if scene.relation == "left of" else 1
            x1, x2 = x1 + side * gap / 2, x2 - side * gap / 2
            faces1, faces2 = ("right", "left") if side < 0 else ("left", "right")
        case "above":
            foot1 = np.full(frames, base - high2 - rng.uniform(0.0, 0.06))
            foot1 = np.maximum(foot1, high1 * 0.8)
            x1 = x1 + rng.uniform(-0.08, 0.08)
        case "below":
            foot2 = np.maximum(base - high1 - rng.uniform(0.0, 0.06), high2 * 0.8) * unit
            x2 = x2 + rng.uniform(-0.08, 0.08)
        case "on":
            foot1 = np.full(frames, max(base - high2 + 0.02, high1 * 0.8))
        case "behind" | "in front of":
            depth1 = -1.0 if scene.relation == "behind" else 1.0
            foot1 = foot1 + 0.03 * depth1
            x1, x2 = x1 + side * gap * 0.25, x2 - side * gap * 0.25
        case "follows":
            way = rng.uniform(0.22, 0.34) * (2 * t - 1) * side
            x1, x2 = 0.5 + way - side * gap / 2, 0.5 + way + side * gap / 2
            faces1 = faces2 = "right" if side > 0 else "left"
        case _:
            apart = gap / 2 + 0.28 * (1 - np.clip(t * 1.2, 0, 1))
            x1, x2 = 0.5 - side * apart, 0.5 + side * apart
            faces1, faces2 = ("right", "left") if side > 0 else ("left", "right")
    way1 = Path(x=x1, foot=foot1, scale=unit, angle=zero)
    way2 = Path(x=x2, foot=foot2, scale=unit, angle=zero)
    return [
        _track(one.noun, way1, wide=wide1, high=high1, instance=0, faces=faces1, depth=depth1,
               entity="e0"),
        _track(two.noun, way2, wide=wide2, high=high2, instance=0, faces=faces2, depth=0.0,
               entity="e1"),
    ]  # fmt: skip


def picture_of(noun: str) -> CutOut:
    """The cut-out of a trained noun; every one of them has one."""
    cut = cutouts.find(noun)
    if cut is None:
        raise KeyError(f"the trained noun {noun!r} has no cut-out")
    return cut


def _either_side(rng: np.random.Generator) -> Direction | None:
    sides: tuple[Direction | None, ...] = ("left", "right", None)
    return sides[int(rng.integers(3))]
