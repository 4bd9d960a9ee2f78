"""Runs in Blender's interpreter: the real `main.py`, with jobs that misbehave."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

INSIDE = Path(__file__).resolve().parents[2] / "simulators/reelwright_simulators/blender/inside"
sys.path.insert(0, str(INSIDE))

import main  # noqa: E402
import protocol  # noqa: E402


def mark(request):
    """Says which process this is."""
    aside = Path(request["out"], "pid.aside")
    aside.write_text(str(os.getpid()))
    aside.rename(aside.with_name("pid"))


def fault(request):
    """Fails as a script does."""
    import bpy

    print("about to fail")
    bpy.data.objects["no such thing"].location = 0, 0, 0


def leave(request):
    """Raises what is no Exception."""
    raise SystemExit("I go")


def loop(request):
    """Never ends, has a child of its own, and cannot be asked to stop."""
    child = subprocess.Popen(["sleep", "1000"])
    Path(request["out"], "child").write_text(str(child.pid))
    mark(request)
    print("round and round", flush=True)
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


def leave_child(request):
    """Answers well, and leaves a process behind that holds its outputs open."""
    child = subprocess.Popen(["sleep", "1000"])
    return {"child": child.pid}


def end(request):
    """Ends without an answer."""
    Path(request["out"], "result.json").write_text(request.get("writes", ""))
    print("the end", flush=True)
    os._exit(request["code"])


def crash(request):
    """Reads where nothing is."""
    ctypes.string_at(0)


def hoard(request):
    """Takes more memory than it may."""
    held = bytearray(64 << 30)
    return {"held": len(held)}


def flood(request):
    """Writes files for ever."""
    block = b"x" * (1 << 20)
    number = 0
    while True:
        number += 1
        Path(request["out"], f"flood-{number}").write_bytes(block)


def burn(request):
    """Uses up its CPU seconds."""
    while True:
        pass


def chatter(request):
    """Prints to both outputs, as lines that look like messages, too."""
    for number in range(20_000):
        print('{"done": 1, "stage": "solve"}', number)
        print("chatter", file=sys.stderr)
    os.write(1, b'{"stage": "solve", "frame": 1, "frames": 2}\n')
    return {"said": number + 1}


def step(request):
    """Tells its progress, slowly if asked to."""
    for frame in range(1, 4):
        protocol.tell(stage="solve", frame=frame, frames=3)
        time.sleep(request.get("pause", 0))
    return {"frames": 3}


def endless_number(request):
    """Answers with what is no number."""
    return {"height": float("nan")}


def see(request):
    """What it sees of the machine, and of the scene before."""
    import bpy

    bpy.app.handlers.frame_change_pre.append(print)
    found = sorted(thing.name for thing in bpy.data.objects)
    bpy.data.objects.new("left over", None)
    return {
        "environment": dict(os.environ), "cwd": str(Path.cwd()), "objects": found,
        "input": sys.stdin.read(), "pid": os.getpid(), "path": sys.path[0],
    }  # fmt: skip


def smoke(request):
    """Bakes eight frames of smoke; says how much is in each."""
    import bpy
    import mantaflow

    broken = not mantaflow.whole()
    mantaflow.mend()
    scene = bpy.context.scene
    scene.frame_end = 8
    bpy.ops.mesh.primitive_cube_add(size=2)
    box = bpy.context.object
    domain = box.modifiers.new("fluid", "FLUID")
    domain.fluid_type = "DOMAIN"
    settings = domain.domain_settings
    settings.resolution_max = 16
    settings.cache_type = "ALL"
    settings.cache_directory = request["out"]
    settings.cache_frame_end = 8
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.3)
    source = bpy.context.object.modifiers.new("fluid", "FLUID")
    source.fluid_type = "FLOW"
    source.flow_settings.flow_behavior = "INFLOW"
    with bpy.context.temp_override(object=box, active_object=box):
        bpy.ops.fluid.bake_all()
    sums = []
    for frame in range(1, 9):
        scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        baked = box.evaluated_get(graph).modifiers["fluid"].domain_settings
        sums.append(float(sum(baked.density_grid)))
    return {"broken": broken, "sums": sums}


for job in (
    fault, leave, loop, leave_child, end, crash, hoard, flood, burn, chatter, step, endless_number,
    see, smoke,
):  # fmt: skip
    main.JOBS[job.__name__] = job

if __name__ == "__main__":
    main.main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:])
