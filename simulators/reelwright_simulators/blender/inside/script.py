"""Runs a script that someone else wrote, and makes of it a scene, or a solved and filmed one."""

from __future__ import annotations

import builtins
import contextlib
import linecache
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helpers
import seccomp

NAME = "the-script.py"
"""How it is called in its errors; this file has another name."""


_THINGS = ("bodies", "cloths", "liquids", "smokes")
_SURFACES = ("MESH", "CURVE", "SURFACE", "FONT", "META")


class ScriptEnded(RuntimeError):
    """The script ended Python instead of reaching its end."""


class _Declared(BaseException):
    """The script has called `run`: its scene is whole."""


def declare(request: dict[str, Any]) -> dict[str, Any]:
    """The scene that a script describes with the helpers, up to where it calls `run`.

    It needs no Blender unless the script imports `bpy`.
    """

    def over(scene: dict[str, Any]) -> Any:
        raise _Declared

    helpers.begin(request["scene"], entities=request["entities"], over=over)
    with contextlib.suppress(_Declared):
        _execute(request)
        if not helpers.ran():
            helpers.run()
    return {"scene": helpers.told()}


def run(request: dict[str, Any], on_progress: Callable[..., Any]) -> dict[str, Any]:
    """The scene with what the script did to it in Blender, solved; rendered if `quality` is told.

    Objects that it made by itself become bodies that are fixed where they begin. With `solve` false
    nothing is solved: the answer is only the scene.
    """
    import bpy
    import build
    import mantaflow
    import solve

    mantaflow.mend()
    there: set[str] = set()

    def over(scene: dict[str, Any]) -> Any:
        if bpy.data.objects:
            raise helpers.SceneError(
                "objects that are made with bpy before run() would be lost; make them after it"
            )
        built = build.build(scene, motion=None, folder=request["out"])
        there.update(thing.name for thing in bpy.data.objects)
        return built

    helpers.begin(request["scene"], entities=request["entities"], over=over)
    _execute(request)
    if not helpers.ran():
        helpers.run()
    scene, built = helpers.told(), helpers.built()
    own = _own(scene, there)
    answer: dict[str, Any] = {}
    if request.get("solve", True):
        answer = solve.solve(
            built,
            substeps=request.get("substeps"),
            on_frame=on_progress("solve", scene["frames"]),
        )
        answer["trajectories"] |= _ways(own, scene["frames"])
    _adopt(built, scene, own)
    if "trajectories" in answer:
        names = [thing["id"] for kind in _THINGS for thing in scene[kind]]
        answer["trajectories"] = {name: answer["trajectories"][name] for name in names}
    answer["scene"] = scene
    if request.get("quality"):
        import render

        answer["render"] = render.render(
            built,
            cameras=request["cameras"],
            quality=request["quality"],
            out=request["out"],
            on_frame=on_progress("render", scene["frames"]),
        )
    return answer


def _execute(request: dict[str, Any]) -> None:
    """Runs the script, from whose first line on this process becomes no other program."""
    text = Path(request["script"]).read_text(encoding="utf-8")
    code = compile(text, NAME, "exec")
    linecache.cache[NAME] = (len(text), None, text.splitlines(keepends=True), NAME)
    scope = {helper.__name__: helper for helper in helpers.PUBLIC}
    scope |= {"__name__": "__main__", "__builtins__": builtins}
    if request["sealed"]:
        seccomp.seal()
    try:
        exec(code, scope)
    except SystemExit as end:
        raise ScriptEnded(f"the script ended itself (SystemExit: {end.code})") from None


def _own(scene: dict[str, Any], there: set[str]) -> dict[str, Any]:
    """Objects with a surface that the script made by itself, by the ids that they get."""
    import bpy

    taken = {thing["id"] for kind in _THINGS for thing in scene[kind]}
    found: dict[str, Any] = {}
    for thing in bpy.context.scene.objects:
        if thing.name in there or thing.type not in _SURFACES or thing.hide_render:
            continue
        base = re.sub(r"[^a-z0-9]+", "-", thing.name.lower()).strip("-")[:50].strip("-") or "thing"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        found[name] = thing
    return found


def _ways(own: dict[str, Any], frames: int) -> dict[str, dict[str, Any]]:
    """Where the script's own objects are in each frame, as it has keyframed them."""
    import bpy

    ways: dict[str, dict[str, Any]] = {name: {"positions": [], "turns": []} for name in own}
    for frame in range(frames if own else 0):
        bpy.context.scene.frame_set(frame + 1)
        for name, thing in own.items():
            place, turn, _ = thing.matrix_world.decompose()
            ways[name]["positions"].append(list(place))
            ways[name]["turns"].append(list(turn))
    return ways


def _adopt(built: Any, scene: dict[str, Any], own: dict[str, Any]) -> None:
    """Puts them among the scene's bodies, and numbers all things anew in the scene's order."""
    import bpy

    bpy.context.scene.frame_set(1)
    # By number, since a thing may consist of several objects.
    parts: dict[str, list[Any]] = {
        name: [thing for thing in bpy.data.objects if thing.pass_index == number]
        for name, number in built.pass_index.items()
    }
    for name, thing in own.items():
        scene["bodies"].append(_stands(name, thing))
        built.objects[name], parts[name] = thing, [thing]
    names = [thing["id"] for kind in _THINGS for thing in scene[kind]]
    for number, name in enumerate(names, start=1):
        built.pass_index[name] = number
        for part in parts[name]:
            part.pass_index = number


def _stands(name: str, thing: Any) -> dict[str, Any]:
    """A body that is as large as the object's bounding box."""
    import mathutils

    corners = [thing.matrix_world @ mathutils.Vector(corner) for corner in thing.bound_box]
    low = [min(corner[axis] for corner in corners) for axis in range(3)]
    high = [max(corner[axis] for corner in corners) for axis in range(3)]
    size = [min(max(b - a, 1e-3), 1e3) for a, b in zip(low, high, strict=True)]
    return {
        "id": name, "entity": None, "instance": 0,
        "shape": {"kind": "block", "size": size}, "material": "plastic", "colour": None,
        "position": [(a + b) / 2 for a, b in zip(low, high, strict=True)],
        "rotation": [0.0, 0.0, 0.0], "moves": "fixed", "velocity": [0.0, 0.0, 0.0],
        "spin": [0.0, 0.0, 0.0], "path": [], "mass": None, "friction": None, "restitution": None,
        "drag": 0.0, "soft": None,
    }  # fmt: skip
