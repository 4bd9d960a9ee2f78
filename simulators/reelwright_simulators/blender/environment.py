"""What Blender's process sees of this one's environment: what it needs to start, and no keys."""

from __future__ import annotations

import os
from pathlib import Path

PASSED = (
    "PATH", "LD_LIBRARY_PATH", "TZ", "LIBGL_ALWAYS_SOFTWARE", "LIBGL_DRIVERS_PATH",
    "GALLIUM_DRIVER", "MESA_LOADER_DRIVER_OVERRIDE", "EGL_PLATFORM",
    "__EGL_VENDOR_LIBRARY_FILENAMES", "__EGL_VENDOR_LIBRARY_DIRS", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip
"""The only variables that are handed on."""


def clean(home: Path) -> dict[str, str]:
    """The environment of Blender's process; its settings and scratch files stay in `home`."""
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    return {
        **passed,
        "HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C.UTF-8",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONHASHSEED": "0",  # the order of sets of names may decide what is built first
        "PYTHONIOENCODING": "utf-8",
        "PYTHONNOUSERSITE": "1",
    }
