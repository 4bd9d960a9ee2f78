"""What is wrong with a physics scene, told before anything is simulated."""

from __future__ import annotations

import difflib
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelwright_core.physics import (
    Body,
    Card,
    Cloth,
    Liquid,
    Mesh,
    PhysicsScene,
    Smoke,
)
from reelwright_simulators import cutouts, exact
from reelwright_simulators.cameras import extrinsic, intrinsic, view
from reelwright_simulators.solids import Solid, solid_of
from reelwright_simulators.surfaces import Box, overlap

Array = NDArray[np.floating]

SMALLEST, LARGEST = 1e-3, 100.0
"""Metres that a thing may measure."""
DEEP = 1e-3
"""Metres by which things may overlap at frame 0."""
RATIO = 1e4
"""Of the heaviest free body's mass to the lightest's."""
BODIES = 200
POLYGONS = 500_000
MESH_BYTES = 20_000_000
GAP = 0.005
"""Metres: what hovers so far above another thing was meant to stand on it."""
NEARLY = 0.05


def faults(scene: PhysicsScene, *, base: Path | None = None) -> list[str]:
    """What keeps a scene from being simulated, each in one sentence; empty if nothing does.

    `base` is the folder that its mesh files lie in; without it they are not looked for.
    """
    found = [*_cards(scene), *_files(scene, base), *_cameras(scene)]
    if found:
        # Sizes and pictures cannot be told of what is not there.
        return found
    solids = [solid_of(body) for body in scene.bodies]
    found += _counts(scene, base)
    found += _sizes(scene, solids)
    found += _masses(solids)
    found += _below(scene, solids)
    found += _overlaps(scene, solids)
    found += _hovering(scene, solids)
    found += _constraints(scene)
    found += _domains(scene)
    if not found:
        found += _unseen(scene, solids)
        found += _cloths(scene)
    return found


def _cards(scene: PhysicsScene) -> list[str]:
    found: list[str] = []
    for body in scene.bodies:
        if isinstance(body.shape, Card) and cutouts.find(body.shape.noun) is None:
            near = difflib.get_close_matches(body.shape.noun, cutouts.words(), n=1, cutoff=0.0)
            found.append(
                f"the card {body.id!r} shows a {body.shape.noun!r}, of which there is no cut-out; "
                f"the nearest is {near[0]!r}"
            )
    return found


def _files(scene: PhysicsScene, base: Path | None) -> list[str]:
    found: list[str] = []
    for body in scene.bodies:
        if not isinstance(body.shape, Mesh) or base is None:
            continue
        path = base / body.shape.path
        if not path.is_file():
            found.append(
                f"the mesh {body.shape.path!r} of {body.id!r} is not there; put it beside the scene"
            )
        elif path.stat().st_size > MESH_BYTES:
            found.append(
                f"the mesh {body.shape.path!r} of {body.id!r} has "
                f"{path.stat().st_size / 1e6:.0f} MB; take one of at most {MESH_BYTES / 1e6:.0f} MB"
            )
    return found


def _cameras(scene: PhysicsScene) -> list[str]:
    found: list[str] = []
    for camera in scene.cameras:
        for frame in range(scene.frames):
            position, look_at = view(camera, frame)
            if float(np.linalg.norm(look_at - position)) < 1e-3:
                found.append(
                    f"the camera {camera.id!r} stands where it looks at in frame {frame}; "
                    "move its `position` or its `look_at`"
                )
                break
    return found


def _counts(scene: PhysicsScene, base: Path | None) -> list[str]:
    found: list[str] = []
    count = len(scene.things())
    if count > BODIES:
        found.append(f"there are {count} bodies, cloths and fluids; leave at most {BODIES}")
    polygons = sum(_polygons(body, base) for body in scene.bodies)
    for cloth in scene.cloths:
        wide, high = cloth.size
        polygons += max(1, round(cloth.detail**2 * min(wide, high) / max(wide, high)))
    if polygons > POLYGONS:
        found.append(
            f"all bodies together have about {polygons} polygons; leave at most {POLYGONS}"
        )
    return found


def _polygons(body: Body, base: Path | None) -> int:
    shape = body.shape
    if isinstance(shape, Mesh):
        # A triangle takes about 50 bytes in each of the formats.
        return (base / shape.path).stat().st_size // 50 if base is not None else 0
    return {"ball": 1024, "block": 6, "cylinder": 66, "card": 6, "model": 2000}[shape.kind]


def _sizes(scene: PhysicsScene, solids: list[Solid]) -> list[str]:
    sizes = {solid.id: solid.size for solid in solids}
    sizes |= {cloth.id: np.array(cloth.size, float) for cloth in scene.cloths}
    sizes |= {each.id: np.array(each.size, float) for each in [*scene.liquids, *scene.smokes]}
    found: list[str] = []
    for name, size in sizes.items():
        if size.max() > LARGEST or size.min() < SMALLEST:
            shown = " x ".join(f"{value:g}" for value in size)
            found.append(
                f"{name!r} measures {shown} m; a thing measures between {1000 * SMALLEST:g} mm and "
                f"{LARGEST:g} m"
            )
    return found


def _masses(solids: list[Solid]) -> list[str]:
    free = sorted((s for s in solids if s.body.moves == "free"), key=lambda s: s.mass)
    if len(free) < 2 or free[-1].mass <= RATIO * free[0].mass:
        return []
    return [
        f"{free[-1].id!r} has {free[-1].mass:.3g} kg and {free[0].id!r} {free[0].mass:.3g} kg; "
        f"make the heavier at most {RATIO:g} times as heavy (set `mass` or `material`)"
    ]


def _below(scene: PhysicsScene, solids: list[Solid]) -> list[str]:
    ground = scene.ground
    if ground is None:
        return []
    found: list[str] = []
    for solid in solids:
        low = float(solid.body.position[2]) - float(solid.extent[2]) / 2 - ground.height
        top = float(solid.body.position[2]) + float(solid.extent[2]) / 2 - ground.height
        if solid.body.moves == "free" and low < -DEEP and not _leans(solid):
            found.append(
                f"{solid.id!r} starts {-1000 * low:.0f} mm below the ground; "
                f"raise its `position` to z = {solid.body.position[2] - low:.3f}"
            )
        elif top < 0:
            found.append(f"{solid.id!r} is wholly below the ground; raise its `position`")
    for cloth in scene.cloths:
        low = cloth.position[2] - (0 if cloth.lies else cloth.size[1] / 2) - ground.height
        if low < -DEEP:
            found.append(
                f"the cloth {cloth.id!r} starts {-1000 * low:.0f} mm below the ground; "
                f"raise its `position` to z = {cloth.position[2] - low:.3f}"
            )
    return found


def _leans(solid: Solid) -> bool:
    """Whether only a corner of its bounding box, which it may not fill, can be lower."""
    return solid.body.shape.kind in ("mesh", "model") and not solid.flat


def _simple(solid: Solid) -> bool:
    """Whether it fills its box, or is a ball: else an overlap of boxes says nothing."""
    return solid.is_ball or solid.body.shape.kind in ("block", "card")


def _overlaps(scene: PhysicsScene, solids: list[Solid]) -> list[str]:
    found: list[str] = []
    for a, b in itertools.combinations(solids, 2):
        if "free" not in (a.body.moves, b.body.moves) or not (_simple(a) and _simple(b)):
            continue
        if float(np.linalg.norm(_middle(a) - _middle(b))) > a.reach + b.reach:
            continue
        if _deep(a, b):
            found.append(
                f"{a.id!r} and {b.id!r} overlap at frame 0 by more than {1000 * DEEP:g} mm; "
                "move one of them"
            )
    return found


def _middle(solid: Solid) -> Array:
    return np.array(solid.body.position, float)


def _deep(a: Solid, b: Solid) -> bool:
    if a.is_ball and b.is_ball:
        apart = float(np.linalg.norm(_middle(a) - _middle(b)))
        return apart < a.reach + b.reach - DEEP
    if a.is_ball or b.is_ball:
        ball, box = (a, b) if a.is_ball else (b, a)
        local = box.turned.T @ (_middle(ball) - _middle(box))
        return Box(box.size / 2).nearest(local)[0] < ball.reach - DEEP
    shrunk = np.full(3, DEEP / 2)
    return overlap(
        _middle(a), a.turned, np.maximum(a.size / 2 - shrunk, 0),
        _middle(b), b.turned, np.maximum(b.size / 2 - shrunk, 0),
    )  # fmt: skip


def _hovering(scene: PhysicsScene, solids: list[Solid]) -> list[str]:
    """What was meant to stand on something and hovers a little above it.

    A thing that starts high falls, and that may be wanted; a gap of a few millimetres between
    things that stand upon each other is a slip of the pen.
    """
    held = {name for c in scene.constraints for name in (c.body, c.to)}
    found: list[str] = []
    for solid in solids:
        body = solid.body
        still = not any(body.velocity) and not any(body.spin)
        if body.moves != "free" or not still or body.id in held or body.soft is not None:
            continue
        if not _simple(solid) or not solid.flat:
            continue
        best: tuple[float, str] | None = None
        low = float(body.position[2] - solid.extent[2] / 2)
        if scene.ground is not None:
            best = (low - scene.ground.height, "the ground")
        for other in solids:
            if other is solid or not _simple(other) or other.is_ball or not other.flat:
                continue
            apart = np.abs(_middle(solid) - _middle(other))[:2]
            gap = low - float(other.body.position[2] + other.extent[2] / 2)
            above = bool((apart < (solid.extent + other.extent)[:2] / 2).all())
            if above and gap > -DEEP and (best is None or gap < best[0]):
                best = (gap, repr(other.id))
        tall = NEARLY * float(solid.extent[2])
        if best is not None and not solid.is_ball and GAP < best[0] < max(tall, 2 * GAP):
            found.append(
                f"{solid.id!r} is not supported: it hovers {1000 * best[0]:.0f} mm above "
                f"{best[1]}; lower its `position` to z = {body.position[2] - best[0]:.3f}"
            )
    return found


def _constraints(scene: PhysicsScene) -> list[str]:
    found: list[str] = []
    places = {body.id: np.array(body.position, float) for body in scene.bodies}
    for held in scene.constraints:
        if held.to == held.body:
            found.append(f"a {held.kind} holds {held.body!r} to itself; name another body")
        elif held.kind in ("rod", "spring"):
            far = float(np.linalg.norm(places[held.body] - np.array(held.at)))
            if far < 1e-3:
                found.append(
                    f"the {held.kind} of {held.body!r} has no length: it ends at the body's "
                    f"middle, {held.at}; move `at`"
                )
        elif held.kind == "hinge" and float(np.linalg.norm(held.axis)) < 1e-6:
            found.append(f"the hinge of {held.body!r} has no `axis`; give it a direction")
    return found


def _domains(scene: PhysicsScene) -> list[str]:
    found: list[str] = []
    for each in [*scene.liquids, *scene.smokes]:
        size = np.array(each.size, float)
        inside = np.abs(np.array(each.source) - np.array(each.centre)) + each.radius
        kind = "liquid" if isinstance(each, Liquid) else "smoke"
        if (inside > size / 2 + 1e-9).any():
            found.append(
                f"the source of the {kind} {each.id!r} at {each.source} reaches out of its box, "
                f"which is {each.size} about {each.centre}; move it or make the box larger"
            )
        cell = float(size.max()) / each.detail
        if (size < 4 * cell).any() or 2 * each.radius < cell:
            found.append(
                f"the box of the {kind} {each.id!r}, {each.size}, is too small or too coarse: "
                f"with {each.detail} cells along its longest side a cell measures {cell:.3f} m, "
                f"its source {2 * each.radius:.3f} m; raise `detail` or change the box"
            )
    return found


def _cloths(scene: PhysicsScene) -> list[str]:
    found: list[str] = []
    if scene.ground is not None:
        return found
    for cloth in scene.cloths:
        if cloth.pins == "none" and not _beneath(scene, cloth):
            found.append(
                f"the cloth {cloth.id!r} has no pins and nothing beneath it; it falls out of view: "
                "pin it or put something there"
            )
    return found


def _beneath(scene: PhysicsScene, cloth: Cloth) -> bool:
    wide = cloth.size[0] / 2
    deep = cloth.size[1] / 2 if cloth.lies else 0.0
    for solid in map(solid_of, scene.bodies):
        apart = np.abs(_middle(solid) - np.array(cloth.position))
        reach = solid.extent / 2
        if (
            apart[0] < wide + reach[0]
            and apart[1] < deep + reach[1]
            and solid.body.position[2] < cloth.position[2]
        ):
            return True
    return False


# What is in the picture


def _unseen(scene: PhysicsScene, solids: list[Solid]) -> list[str]:
    """Things of the shot that no camera sees in any frame."""
    ways = _ways(scene, solids)
    cameras = ", ".join(repr(camera.id) for camera in scene.cameras)
    found: list[str] = []
    for thing in scene.things():
        if thing.entity is None or thing.id not in ways:
            continue
        places, reach = ways[thing.id]
        if not _in_view(scene, places, reach):
            x, y, z = places[0]
            found.append(
                f"no camera sees {thing.id!r} in any frame: it starts at "
                f"({x:.2f}, {y:.2f}, {z:.2f}) and the cameras are {cameras}; "
                "turn a camera to it or move it"
            )
    return found


def _ways(scene: PhysicsScene, solids: list[Solid]) -> dict[str, tuple[Array, float]]:
    """Where things will be, as far as it is known: [frames, 3], and how far they reach."""
    solved = exact.solve(scene)
    told = {
        way.thing: np.array([pose.position for pose in way.poses]) for way in solved.trajectories
    }
    times = np.arange(scene.frames) / float(scene.fps)
    ways: dict[str, tuple[Array, float]] = {}
    for solid in solids:
        places = told.get(solid.id)
        if places is None:
            places = _arc(scene, solid, times)
        ways[solid.id] = (places, solid.reach)
    for thing in [*scene.cloths, *scene.liquids, *scene.smokes]:
        place = _place(thing)
        reach = float(np.linalg.norm(thing.size)) / 2
        ways[thing.id] = (np.repeat(place[None], scene.frames, 0), reach)
    return ways


def _place(thing: Cloth | Liquid | Smoke) -> Array:
    return np.array(thing.position if isinstance(thing, Cloth) else thing.centre, float)


def _arc(scene: PhysicsScene, solid: Solid, times: Array) -> Array:
    """Free flight that ends on the ground, or the path of what is driven."""
    body = solid.body
    if body.path:
        at = [point.frame for point in body.path]
        frames = np.arange(scene.frames)
        return np.stack(
            [np.interp(frames, at, [p.position[i] for p in body.path]) for i in range(3)], axis=1
        )
    places = np.repeat(_middle(solid)[None], len(times), 0)
    held = {c.body for c in scene.constraints} | {c.to for c in scene.constraints}
    if body.moves != "free" or body.id in held:
        return places
    velocity, gravity = np.array(body.velocity, float), np.array(scene.gravity, float)
    places = places + times[:, None] * velocity + times[:, None] ** 2 / 2 * gravity
    if scene.ground is not None:
        lowest = min(places[0, 2], scene.ground.height + float(solid.extent[2]) / 2)
        places[:, 2] = np.maximum(places[:, 2], lowest)
    return places


def _in_view(scene: PhysicsScene, places: Array, reach: float) -> bool:
    for camera in scene.cameras:
        inner = intrinsic(camera, scene.size)
        for frame, place in enumerate(places):
            outer = extrinsic(camera, frame)
            across, down, depth = (outer[:, :3] @ place + outer[:, 3]).tolist()
            if depth + reach <= 0.01:
                continue
            near = max(depth, 0.01)
            x = inner[0, 0] * across / near + inner[0, 2]
            y = inner[1, 1] * down / near + inner[1, 2]
            margin = inner[0, 0] * reach / near
            if -margin <= x <= scene.size[0] + margin and -margin <= y <= scene.size[1] + margin:
                return True
    return False
