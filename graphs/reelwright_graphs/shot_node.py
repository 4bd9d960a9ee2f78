"""A step of a shot's graph: what its nodes share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reelwright_core.story import Shot
from reelwright_core.takes import Artifact
from reelwright_graphs.nodes import Node


class ShotNode(Node):
    """A step of a shot, with the means to keep a file of its take."""

    level = "shot"

    def path(self, inputs: Any, name: str) -> str:
        """Where a file of this take is shown in the run folder."""
        return f"shots/{inputs.shot.id}/take-{inputs.take}/{name}"

    def keep(self, inputs: Any, name: str, make: Callable[[Path], object]) -> Artifact:
        """Lets `make` write the file `name` of this take, and takes it into the store."""
        aside = self.context.store.aside(f"{inputs.shot.id}-{inputs.take}-{name}")
        make(aside)
        return self.context.store.add(aside, self.path(inputs, name))


def told(shot: Shot, *without: str) -> dict[str, Any]:
    """A shot for `depends`: what it does not use is as if there were no such thing."""
    since = {"beats": [], "physics": None, "films": None, "view": None, "lens": "normal"}
    unused = [name for name, none in since.items() if getattr(shot, name) == none]
    data = shot.model_dump(mode="json", exclude={*without, "continues", *unused})
    if "scene_graph" in data and not shot.scene_graph.enriched:
        del data["scene_graph"]["enriched"]
    return data
