"""Mends Mantaflow, which the bpy wheels ship broken; liquids and smoke need it.

In a bpy module the Python module `manta` is made at import, before Mantaflow has linked its
classes to their bases, so that a level set, say, lacks the methods of a grid (a known fault of
the wheels). Mantaflow links them when the first domain is evaluated. So: let a throw-away domain
do that while an empty module stands in, then make the module again. (This file is not called
`manta`, since it would then be taken for that module.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import bpy

TRIED = ((4, 2), (4, 5))
"""The releases of the module that were mended; others are not touched."""


def whole() -> bool:
    """Whether Mantaflow's classes have what they inherit."""
    if not bpy.app.module:
        return True  # the program itself starts it in the right order
    grid = getattr(sys.modules.get("manta"), "LevelsetGrid", None)
    return hasattr(grid, "setConst")


def mend() -> None:
    """Mends it where it is broken; the open scene is lost. `RuntimeError` where it cannot."""
    if whole():
        return
    version = bpy.app.version[:2]
    if not TRIED[0] <= version <= TRIED[1]:
        raise RuntimeError(
            f"liquids and smoke do not work in the bpy module {bpy.app.version_string}; "
            "take bpy 4.5, or the blender program"
        )
    library = Path(bpy.utils.resource_path("LOCAL")).parent / "__init__.so"
    with _silence():
        sys.modules["manta"] = types.ModuleType("manta")
        _evaluate_domain()
        make = ctypes.PyDLL(str(library)).PyInit_manta_main
        make.restype = ctypes.py_object
        sys.modules["manta"] = make()
        # A domain that is left makes the process abort at its end.
        bpy.ops.wm.read_factory_settings(use_empty=True)
    if not whole():
        raise RuntimeError("Mantaflow could not be mended; liquids and smoke do not work")


def _evaluate_domain() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new("domain")
    mesh.from_pydata(corners, [], sides)
    box = bpy.data.objects.new("domain", mesh)
    scene = bpy.context.scene
    scene.collection.objects.link(box)
    fluid = box.modifiers.new("fluid", "FLUID")
    fluid.fluid_type = "DOMAIN"
    settings = fluid.domain_settings
    settings.cache_type = "MODULAR"  # a cache that replays crashes here
    settings.resolution_max = 8
    settings.domain_type = "LIQUID"
    scene.frame_set(1)
    bpy.context.view_layer.update()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Mantaflow complains about the empty module, in words that would hide a real fault."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
