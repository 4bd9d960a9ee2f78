"""What Blender's interpreter runs: `main.py REQUEST.json`, or `main.py --warm` for one after one.

A request is an object with `job`, `out` (the folder for all files) and what its job needs:
`probe`     says which Blender this is.
`simulate`  builds `scene` (with `motion`, the given ways of bodies), solves it with `substeps`.
`render`    does the same, then films it by `cameras` in `quality`; adds `render` to the answer.
`script`    runs the Python file `script`, solves what it built, and films it if `quality` is given.
`declare`   runs one that needs no Blender, and answers with the scene that it describes.
Its answer, or what went wrong, becomes `result.json` in `out`; messages tell its progress.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path[:1]:
    sys.path.insert(0, str(HERE))

import protocol  # noqa: E402

_LONGEST = 20_000
"""Characters of a traceback that are kept: its end."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Versions, and whether liquids and smoke work after Mantaflow was mended."""
    import bpy
    import mantaflow
    import numpy

    answer = {
        "blender": bpy.app.version_string,
        "python": sys.version.split()[0],
        "numpy": numpy.__version__,
        "module": bool(bpy.app.module),
    }
    if request.get("fluids"):
        mantaflow.mend()
        answer["fluids"] = mantaflow.whole()
    return answer


def simulate(request: dict[str, Any]) -> dict[str, Any]:
    """Trajectories and contacts of a scene."""
    return _simulated(request)[1]


def render(request: dict[str, Any]) -> dict[str, Any]:
    """Trajectories, contacts, and the pictures of the same, frozen simulation."""
    import render as film

    built, answer = _simulated(request)
    answer["render"] = film.render(
        built,
        cameras=request.get("cameras") or [camera["id"] for camera in request["scene"]["cameras"]],
        quality=request["quality"],
        out=request["out"],
        on_frame=_progress("render", request["scene"]["frames"]),
    )
    return answer


def script(request: dict[str, Any]) -> dict[str, Any]:
    """What a script that was written for the helper library built."""
    import script as scripts

    return scripts.run(request, on_progress=_progress)


def declare(request: dict[str, Any]) -> dict[str, Any]:
    """The scene that such a script describes."""
    import script as scripts

    return scripts.declare(request)


def _simulated(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import build
    import mantaflow
    import solve

    scene = request["scene"]
    if scene.get("liquids") or scene.get("smokes"):
        mantaflow.mend()
    built = build.build(scene, motion=request.get("motion"), folder=request["out"])
    answer = solve.solve(
        built,
        substeps=request.get("substeps"),
        on_frame=_progress("solve", scene["frames"]),
    )
    return built, answer


def _progress(stage: str, all_frames: int) -> Callable[..., None]:
    def on_frame(frame: int, frames: int | None = None) -> None:
        protocol.tell(stage=stage, frame=frame, frames=all_frames if frames is None else frames)

    return on_frame


JOBS = {
    "probe": probe, "simulate": simulate, "render": render, "script": script, "declare": declare,
}  # fmt: skip


def _handle(path: str) -> None:
    """Does what a request file asks for, and writes its result file whatever happens."""
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    out: str = request["out"]
    try:
        if request["job"] != "declare":
            import bpy

            bpy.ops.wm.read_factory_settings(use_empty=True)
        if sys.path[0] != str(HERE):  # Blender puts folders of its own before it
            sys.path.insert(0, str(HERE))
        protocol.write_result(out, answer=JOBS[request["job"]](request))
    except BaseException as error:  # a script may raise anything; all of it is an answer
        protocol.write_result(out, error=_told(error))
    finally:
        _clear_handlers()


def _told(error: BaseException) -> dict[str, str]:
    try:
        trace = "".join(traceback.format_exception(error))[-_LONGEST:]
        return {"type": type(error).__name__, "message": str(error)[:4000], "traceback": trace}
    except BaseException:  # its own text may fail, or there may be no memory for it
        return {"type": type(error).__name__, "message": "", "traceback": ""}


def _clear_handlers() -> None:
    """A function that is left there makes Blender 4.5 hang at its end."""
    if "bpy" in sys.modules:
        handlers = sys.modules["bpy"].app.handlers
        for name in dir(handlers):
            if isinstance(functions := getattr(handlers, name), list):
                functions.clear()


def _warm() -> None:
    """Handles the request files that are named on standard input, one a line."""
    lines = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for number, line in enumerate(lines, start=1):
        _handle(line.rstrip("\n"))
        protocol.tell(done=number)


def main(words: list[str]) -> None:
    """Ends the process: Blender's own tidying up at its end can hang or abort."""
    code = 1
    try:
        protocol.open_messages()
        faulthandler.enable()
        if words == ["--warm"]:
            _warm()
        else:
            _handle(*words)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:])
