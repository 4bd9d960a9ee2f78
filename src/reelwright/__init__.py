"""Reelwright turns a script into a film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reelwright.api import plan, resume, run_story, run_story_async
    from reelwright_core.errors import ReelwrightError
    from reelwright_core.takes import Film

__all__ = ["Film", "ReelwrightError", "plan", "resume", "run_story", "run_story_async"]
__version__ = "0.1.0"

_HOMES = {
    "Film": "reelwright_core.takes",
    "ReelwrightError": "reelwright_core.errors",
}


def __getattr__(name: str) -> Any:
    """Brings in a public name when it is first used, so that `import reelwright` is quick."""
    if name not in __all__:
        raise AttributeError(f"module 'reelwright' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "reelwright.api")), name)
