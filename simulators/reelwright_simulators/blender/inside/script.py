"""Runs a script that someone else wrote, and makes of it a scene, or a solved and filmed one."""

from __future__ import annotations

import builtins
import linecache
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helpers
import seccomp

NAME = "script.py"
"""How it is called in its errors."""


class ScriptEnded(RuntimeError):
    """The script ended Python instead of reaching its end."""


def declare(request: dict[str, Any]) -> dict[str, Any]:
    """The scene that a script describes which needs no Blender."""
    helpers.begin(request["scene"], entities=request["entities"])
    _execute(request)
    return {"scene": helpers.told()}


def run(request: dict[str, Any], on_progress: Callable[..., Any]) -> dict[str, Any]:
    """The scene, solved, with what the script did to it in Blender; rendered if `quality` is told.

    Objects that it made by itself are added to the scene as bodies that only stand there.
    """
    import build
    import mantaflow
    import solve

    mantaflow.mend()

    def over(scene: dict[str, Any]) -> Any:
        return build.build(scene, motion=None, folder=request["out"])

    helpers.begin(request["scene"], entities=request["entities"], over=over)
    _execute(request)
    scene = helpers.told()
    if helpers.built() is None:
        helpers.run()
    built = helpers.built()
    _adopt(built, scene)
    answer = solve.solve(
        built,
        substeps=request.get("substeps"),
        on_frame=on_progress("solve", scene["frames"]),
    )
    answer["scene"] = scene
    if request.get("quality"):
        import render

        answer["render"] = render.render(
            built,
            cameras=request.get("cameras") or [one["id"] for one in scene["cameras"]],
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


def _adopt(built: Any, scene: dict[str, Any]) -> None:
    """Gives ids to objects that the script made by itself."""
    import bpy

    known = set(built.objects.values()) | set(built.own())
    taken = {
        thing["id"] for kind in ("bodies", "cloths", "liquids", "smokes") for thing in scene[kind]
    }
    for thing in list(bpy.context.scene.objects):
        if thing in known or thing.type != "MESH" or thing.hide_render:
            continue
        base = re.sub(r"[^a-z0-9]+", "-", thing.name.lower()).strip("-")[:50] or "thing"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        scene["bodies"].append(_stands(name, thing))
        built.objects[name] = thing


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
