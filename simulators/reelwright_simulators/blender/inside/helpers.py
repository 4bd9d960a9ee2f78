"""What scripts are written with: a physics scene, thing by thing.

The world is in metres, seconds, kilograms and degrees; x goes to the right, y away from the
viewer, z up; gravity pulls along -z. Frame 0 is the first. Every position is that of a thing's
middle. Nothing here needs Blender: calls fill one scene, which is then simulated and rendered.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

from materials import DENSITY
from sizes import MODELS

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey",
)  # fmt: skip
FABRICS = ("cotton", "silk", "denim", "leather", "rubber")
PINS = ("none", "left", "right", "top", "top corners", "corners")
LOOKS = ("plain", "wood", "grass", "sand", "stone", "snow", "asphalt")
THINGS_AT_MOST = 200

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


class SceneError(ValueError):
    """A helper was called with something that makes no scene; says what, and what to do."""


class _Stage:
    """The scene so far."""

    def __init__(self) -> None:
        self.scene: dict[str, Any] = {}
        self.entities: set[str] = set()
        self.lit = False
        self.over: Any = None
        """Builds the scene in Blender; None where there is no Blender."""
        self.built: Any = None
        self.ran = False


_stage = _Stage()


def begin(base: dict[str, Any], *, entities: list[str], over: Any = None) -> None:
    """Starts an empty scene with the frames, rate, size, seed, sky and cameras of `base`."""
    stage = _Stage()
    empty = dict.fromkeys(("bodies", "cloths", "liquids", "smokes", "constraints", "forces"))
    stage.scene = {**base, **{name: [] for name in empty}}
    stage.scene["cameras"] = [dict(one) for one in base["cameras"]]
    stage.entities = set(entities)
    stage.over = over
    globals()["_stage"] = stage


def told() -> dict[str, Any]:
    """The scene as it is now."""
    return _stage.scene


def built() -> Any:
    """What `run` built in Blender, or None if the script did not call it."""
    return _stage.built


def ran() -> bool:
    """Whether the script has called `run`."""
    return _stage.ran


def frames() -> int:
    """How many frames the shot has; the shot decides, not the script."""
    return _stage.scene["frames"]


def fps() -> float:
    """Frames per second."""
    whole, _, part = str(_stage.scene["fps"]).partition("/")
    return int(whole) / int(part or 1)


def seconds() -> float:
    """How long the shot is."""
    return frames() / fps()


def ground(
    *, height=0.0, friction=0.6, restitution=1.0, look="plain", colour=None
) -> None:  # fmt: skip
    """The level floor; there is one at height 0 unless you change it.

    friction 0..2; restitution 0..1 (a pair has the product of both values); look: plain, wood,
    grass, sand, stone, snow, asphalt.
    """
    _open("ground")
    _stage.scene["ground"] = {
        "height": _number("ground(height)", height, -1e4, 1e4),
        "friction": _number("ground(friction)", friction, 0, 2),
        "restitution": _number("ground(restitution)", restitution, 0, 1),
        "look": _one_of("ground(look)", look, LOOKS),
        "colour": _colour("ground(colour)", colour),
    }


def no_ground() -> None:
    """Takes the floor away: things fall for ever."""
    _open("no_ground")
    _stage.scene["ground"] = None


def gravity(x=0.0, y=0.0, z=-9.81) -> None:
    """The acceleration of everything, m/s²."""
    _open("gravity")
    _stage.scene["gravity"] = _vector("gravity", (x, y, z), 1e4)


def ball(id, position, *, radius=0.12, **more) -> str:
    """A sphere; `more` is what every body takes (see `body`). Returns its id."""
    shape = {"kind": "ball", "radius": _length("ball(radius)", radius)}
    return body(id, position, shape=shape, **more)


def block(id, position, *, size=(0.3, 0.3, 0.3), **more) -> str:
    """A box with edges along x, y and z; `more` as for `body`. Returns its id."""
    shape = {"kind": "block", "size": _sizes("block(size)", size, 3)}
    return body(id, position, shape=shape, **more)


def cylinder(id, position, *, radius=0.15, height=0.3, top=None, **more) -> str:
    """An upright cylinder; `top` is the radius at its top, 0 makes a cone; `more` as for `body`."""
    top = None if top is None else _number("cylinder(top)", top, 0, 1e3)
    shape = {
        "kind": "cylinder", "radius": _length("cylinder(radius)", radius),
        "height": _length("cylinder(height)", height), "top": top,
    }  # fmt: skip
    return body(id, position, shape=shape, **more)


def model(id, name, position, *, height=0.3, **more) -> str:
    """A ready-made thing, so many metres high; `more` as for `body`. Returns its id.

    name: basketball, car, domino, house, tree, mug, glass, bowl, table, flagpole, pin, bottle.
    A car drives towards +x; glass, mug and bowl are hollow and open at the top.
    """
    name = _one_of("model(name)", name, tuple(MODELS))
    shape = {"kind": "model", "name": name, "height": _length("model(height)", height)}
    return body(id, position, shape=shape, **more)


def card(id, noun, position, *, height=0.5, round=False, **more) -> str:
    """An upright cut-out picture of any noun, facing the viewer; `more` as for `body`.

    `round` lets it roll and bounce as a ball would.
    """
    shape = {
        "kind": "card", "noun": str(noun)[:60], "height": _length("card(height)", height),
        "round": bool(round),
    }  # fmt: skip
    return body(id, position, shape=shape, **more)


def body(
    id, position, *, shape, material="wood", colour=None, rotation=(0, 0, 0), fixed=False,
    path=(), velocity=(0, 0, 0), spin=(0, 0, 0), mass=None, friction=None, restitution=None,
    drag=0.0, soft=None, entity=None, instance=0,
) -> str:  # fmt: skip
    """What every body takes; call ball, block, cylinder, model or card, which call this.

    id: lower-case letters, digits and dashes, each once. material: wood, rubber, metal, stone,
    plastic, glass, ice, paper, leather, mirror; it gives mass, friction, restitution and looks
    where you do not. colour: red, orange, yellow, green, blue, purple, pink, brown, black, white,
    grey. rotation in degrees about x, then y, then z. fixed: it never moves. path: it is driven,
    pushing others: a list of (frame, (x, y, z)) or (frame, (x, y, z), (rx, ry, rz)) in rising
    order. velocity in m/s and spin in degrees per second at frame 0. drag: the part of its speed
    lost each second. soft: 1 is stiff rubber, 0.1 is jelly. entity: the thing of the shot that it
    is; left out, it is the one whose name is `id`. instance counts several of one entity.
    """
    _open(f"body {id!r}")
    name = _new(id)
    driven = [_waypoint(name, point) for point in path]
    if any(after["frame"] <= before["frame"] for before, after in pairwise(driven)):
        raise SceneError(f"the path of {name!r} must go on in rising frames")
    if driven and fixed:
        raise SceneError(f"{name!r} is fixed and has a path; leave one of them out")
    _stage.scene["bodies"].append(
        {
            **_of_shot(name, entity, instance),
            "shape": shape,
            "material": _one_of(f"{name}: material", material, tuple(DENSITY)),
            "colour": _colour(f"{name}: colour", colour),
            "position": _vector(f"{name}: position", position, 1e4),
            "rotation": _vector(f"{name}: rotation", rotation, 1e4),
            "moves": "driven" if driven else "fixed" if fixed else "free",
            "velocity": _vector(f"{name}: velocity", velocity, 1e4),
            "spin": _vector(f"{name}: spin", spin, 1e4),
            "path": driven,
            "mass": None if mass is None else _length(f"{name}: mass", mass),
            "friction": _maybe(f"{name}: friction", friction, 0, 2),
            "restitution": _maybe(f"{name}: restitution", restitution, 0, 1),
            "drag": _number(f"{name}: drag", drag, 0, 1),
            "soft": None if soft is None else _number(f"{name}: soft", soft, 1e-3, 1),
        }
    )
    return name


def cloth(
    id, position, *, size=(1.5, 1.0), pins="none", lies=False, fabric="cotton", colour=None,
    detail=30, entity=None, instance=0,
) -> str:  # fmt: skip
    """A sheet of fabric: upright and facing the viewer, or lying flat. Returns its id.

    size: width and height. pins hold it: none, left, right, top, top corners, corners. fabric:
    cotton, silk, denim, leather, rubber. detail: squares along its longer side, 6..50.
    """
    _open(f"cloth {id!r}")
    name = _new(id)
    _stage.scene["cloths"].append(
        {
            **_of_shot(name, entity, instance),
            "size": _sizes(f"{name}: size", size, 2),
            "position": _vector(f"{name}: position", position, 1e4),
            "lies": bool(lies),
            "pins": _one_of(f"{name}: pins", pins, PINS),
            "fabric": _one_of(f"{name}: fabric", fabric, FABRICS),
            "colour": _colour(f"{name}: colour", colour),
            "detail": _whole(f"{name}: detail", detail, 6, 50),
        }
    )
    return name


def flag(id, position, *, size=(1.2, 0.8), pole=True, **more) -> str:
    """A cloth pinned on its left edge, on a pole that stands on the ground; `more` as for `cloth`.

    `position` is the middle of the cloth; give it a `wind` to wave. Returns its id.
    """
    width, height = _sizes(f"{id}: size", size, 2)
    name = cloth(id, position, size=(width, height), **{"pins": "left", **more})
    if pole:
        x, y, z = _vector(f"{name}: position", position, 1e4)
        floor = _stage.scene["ground"]
        foot = floor["height"] if floor else z - 2 * height
        top = z + height / 2 + 0.1
        cylinder(
            f"{name}-pole"[:60], (x - width / 2 - 0.03, y, (foot + top) / 2), radius=0.02,
            height=max(top - foot, 0.1), material="metal", fixed=True, entity="",
        )  # fmt: skip
    return name


def liquid(
    id, centre, *, size, source, radius=0.12, velocity=(0, 0, 0), flows=True, until=None,
    viscosity=1e-6, colour=None, detail=32, entity=None, instance=0,
) -> str:  # fmt: skip
    """Water, or another liquid, in a box-shaped part of the world around `centre`. Returns its id.

    It flows from a ball of `radius` at `source`, with `velocity` in m/s, until the frame `until`
    (None: never stops); with flows=False a ball of it falls once. Whatever it should fill or hit
    must be in the box. viscosity in m²/s: water 1e-6, honey 2e-3. detail: cells along the box's
    longest side, 8..64; 32 is quick, and walls thinner than two cells leak.
    """
    _open(f"liquid {id!r}")
    name = _new(id)
    until = None if until is None else _whole(f"{name}: until", until, 0, 1000)
    _stage.scene["liquids"].append(
        {
            **_of_shot(name, entity, instance),
            **_domain(name, centre, size, source, radius),
            "velocity": _vector(f"{name}: velocity", velocity, 1e4),
            "flows": bool(flows),
            "until": until,
            "viscosity": _number(f"{name}: viscosity", viscosity, 0, 10),
            "colour": _colour(f"{name}: colour", colour),
            "detail": _whole(f"{name}: detail", detail, 8, 64),
        }
    )
    return name


def smoke(
    id, centre, *, size, source, radius=0.12, fire=False, colour=None, detail=32, entity=None,
    instance=0,
) -> str:  # fmt: skip
    """Smoke, or fire, that rises from a ball at `source`, in a box around `centre`."""
    _open(f"smoke {id!r}")
    name = _new(id)
    _stage.scene["smokes"].append(
        {
            **_of_shot(name, entity, instance),
            **_domain(name, centre, size, source, radius),
            "fire": bool(fire),
            "colour": _colour(f"{name}: colour", colour),
            "detail": _whole(f"{name}: detail", detail, 8, 64),
        }
    )
    return name


def wind(speed, *, direction=(1, 0, 0), gusts=0.0) -> None:
    """Wind of so many m/s (3 is light, 15 strong); gusts 0..1: how uneven it is."""
    force("wind", speed, direction=direction, gusts=gusts)


def force(kind, strength, *, direction=(1, 0, 0), position=(0, 0, 0), gusts=0.0) -> None:
    """What pushes without touching; kind: wind, vortex, turbulence, attraction."""
    _open("force")
    kind = _one_of("force(kind)", kind, ("wind", "vortex", "turbulence", "attraction"))
    _stage.scene["forces"].append(
        {
            "kind": kind,
            "strength": _number(f"{kind}: strength", strength, -1e4, 1e4),
            "direction": _vector(f"{kind}: direction", direction, 1e4),
            "position": _vector(f"{kind}: position", position, 1e4),
            "gusts": _number(f"{kind}: gusts", gusts, 0, 1),
        }
    )


def constraint(
    kind, body, at, *, to=None, axis=(0, 1, 0), length=None, stiffness=20.0, damping=0.0
) -> None:  # fmt: skip
    """Holds the body `body` (its id), to the point `at` or to the body `to`.

    kind: rod keeps the distance (a pendulum), spring pulls it back (stiffness in N/m, damping in
    N per m/s, at rest at `length`), hinge turns about `axis` at `at`, fixed glues.
    """
    _open("constraint")
    kind = _one_of("constraint(kind)", kind, ("rod", "spring", "hinge", "fixed"))
    solid = [one["id"] for one in _stage.scene["bodies"]]
    for name in (body, to):
        if name is not None and name not in solid:
            known = ", ".join(solid) or "none"
            raise SceneError(f"constraint: there is no body {name!r} yet; there are: {known}")
    _stage.scene["constraints"].append(
        {
            "kind": kind,
            "body": body,
            "to": to,
            "at": _vector(f"{kind}: at", at, 1e4),
            "axis": _vector(f"{kind}: axis", axis, 1e4),
            "length": None if length is None else _length(f"{kind}: length", length),
            "stiffness": _number(f"{kind}: stiffness", stiffness, 1e-6, 1e6),
            "damping": _number(f"{kind}: damping", damping, 0, 1e4),
        }
    )


def light(kind="sun", *, position=(-3, -4, 6), towards=(0, 0, 0), strength=3.0, size=0.2) -> None:
    """A light: sun (strength in W/m²), area or point (W); the first one replaces the default sun.

    size: metres of an area or point light, degrees of a sun; larger is softer.
    """
    _open("light")
    if not _stage.lit:
        _stage.scene["lights"], _stage.lit = [], True
    _stage.scene["lights"].append(
        {
            "kind": _one_of("light(kind)", kind, ("sun", "area", "point")),
            "position": _vector("light(position)", position, 1e4),
            "towards": _vector("light(towards)", towards, 1e4),
            "strength": _length("light(strength)", strength),
            "size": _length("light(size)", size),
        }
    )


def sky(*, top=(120, 170, 225), horizon=(225, 235, 245), strength=0.8) -> None:
    """What is behind everything: two sRGB colours, 0..255, and how much light comes from it."""
    _open("sky")
    _stage.scene["sky"] = {
        **_stage.scene["sky"],
        "top": [_whole("sky(top)", one, 0, 255) for one in top],
        "horizon": [_whole("sky(horizon)", one, 0, 255) for one in horizon],
        "strength": _number("sky(strength)", strength, 0, 100),
    }


def camera(position, look_at, *, lens=35.0, moves=(), id=None) -> None:
    """Where the camera stands and what it looks at; everything that happens must be in view.

    lens: millimetres of a 36 mm wide picture (35 is usual, 85 is close). moves: later places, a
    list of (frame, (x, y, z), (x, y, z)) in rising frames. Left out, the shot's own camera stays;
    `id` names one of several.
    """
    _open("camera")
    views = [(0, position, look_at), *moves]
    made = {
        "id": _stage.scene["cameras"][0]["id"] if id is None else _named(id),
        "lens": _number("camera(lens)", lens, 8, 300),
        "views": [
            {
                "frame": _whole("camera: frame", frame, 0, 10_000),
                "position": _vector("camera: position", at, 1e4),
                "look_at": _vector("camera: look_at", towards, 1e4),
            }
            for frame, at, towards in views
        ],
    }
    cameras = _stage.scene["cameras"]
    for index, one in enumerate(cameras):
        if one["id"] == made["id"]:
            cameras[index] = made
            return
    cameras.append(made)


def run() -> dict[str, Any]:
    """The last helper to call: hands the scene over to be simulated and rendered.

    It returns the Blender objects by id. For what no helper does, a script may `import bpy` and,
    after run(), change their looks, or add objects of its own: those count as things that only
    stand there, or follow their keyframes, and get ids by their names. Frame f is Blender's f + 1.
    """
    if _stage.ran:
        raise SceneError("run() was called before; call it once, after all other helpers")
    if not any(_stage.scene[name] for name in ("bodies", "cloths", "liquids", "smokes")):
        raise SceneError("there is nothing in the scene; add a ball, a block, a cloth, ...")
    _stage.ran = True
    if _stage.over is None:
        return {}
    _stage.built = _stage.over(_stage.scene)
    return dict(_stage.built.objects)


PUBLIC = (
    frames, fps, seconds, ground, no_ground, gravity, ball, block, cylinder, model, card, body,
    cloth, flag, liquid, smoke, wind, force, constraint, light, sky, camera, run,
)  # fmt: skip
"""What scripts may call; it is in scope without any import."""


def _open(what: str) -> None:
    if _stage.ran:
        raise SceneError(f"{what} comes after run(); call run() last")


def _named(id: Any) -> str:
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise SceneError(f"an id is lower-case letters, digits and dashes, got {_shown(id)}")
    return id


def _new(id: Any) -> str:
    name = _named(id)
    scene = _stage.scene
    taken = [
        thing["id"] for kind in ("bodies", "cloths", "liquids", "smokes") for thing in scene[kind]
    ]
    if name in taken:
        raise SceneError(f"there are two things called {name!r}; give each an id of its own")
    if len(taken) >= THINGS_AT_MOST:
        raise SceneError(f"a scene has {THINGS_AT_MOST} things at most; make fewer")
    return name


def _of_shot(name: str, entity: Any, instance: Any) -> dict[str, Any]:
    if entity is None:
        entity = name if name in _stage.entities else None
    elif entity == "":
        entity = None
    elif entity not in _stage.entities:
        known = ", ".join(sorted(_stage.entities)) or "none"
        raise SceneError(f"the shot has no entity {_shown(entity)}; it has: {known}")
    return {
        "id": name, "entity": entity, "instance": _whole(f"{name}: instance", instance, 0, 8),
    }  # fmt: skip


def _domain(name: str, centre: Any, size: Any, source: Any, radius: Any) -> dict[str, Any]:
    return {
        "centre": _vector(f"{name}: centre", centre, 1e4),
        "size": _sizes(f"{name}: size", size, 3),
        "source": _vector(f"{name}: source", source, 1e4),
        "radius": _length(f"{name}: radius", radius),
    }


def _waypoint(name: str, point: Any) -> dict[str, Any]:
    try:
        frame, position, *turn = point
    except (TypeError, ValueError):
        raise SceneError(
            f"the path of {name!r} is a list of (frame, (x, y, z)), got {_shown(point)}"
        ) from None
    return {
        "frame": _whole(f"{name}: path", frame, 0, 10_000),
        "position": _vector(f"{name}: path", position, 1e4),
        "rotation": _vector(f"{name}: path", turn[0] if turn else (0, 0, 0), 1e4),
    }


def _number(what: str, value: Any, least: float, most: float) -> float:
    try:
        number = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise SceneError(f"{what} is a number from {least:g} to {most:g}, got {_shown(value)}")
    return number


def _maybe(what: str, value: Any, least: float, most: float) -> float | None:
    return None if value is None else _number(what, value, least, most)


def _length(what: str, value: Any) -> float:
    return _number(what, value, 1e-4, 1e3)


def _whole(what: str, value: Any, least: int, most: int) -> int:
    number = _number(what, value, least, most)
    if number != int(number):
        raise SceneError(f"{what} is a whole number, got {_shown(value)}")
    return int(number)


def _vector(what: str, value: Any, most: float) -> list[float]:
    return [_number(what, part, -most, most) for part in _parts(what, value, 3)]


def _sizes(what: str, value: Any, count: int) -> list[float]:
    return [_length(what, part) for part in _parts(what, value, count)]


def _parts(what: str, value: Any, count: int) -> list[Any]:
    try:
        parts = list(value)
    except TypeError:
        parts = []
    if len(parts) != count or isinstance(value, (str, bytes)):
        raise SceneError(f"{what} is {count} numbers, got {_shown(value)}")
    return parts


def _one_of(what: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise SceneError(f"{what} is one of {', '.join(known)}; got {_shown(value)}")
    return value


def _colour(what: str, value: Any) -> str | None:
    return None if value is None else _one_of(what, value, COLOURS)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
