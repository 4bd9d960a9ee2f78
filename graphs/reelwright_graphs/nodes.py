"""What a node is: one step of a graph, a typed sentence from inputs to outputs."""

from __future__ import annotations

import difflib
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

from reelwright_core.errors import GraphError
from reelwright_core.records import Record
from reelwright_core.settings import Settings
from reelwright_core.store import Store
from reelwright_graphs.crew import Crew
from reelwright_graphs.events import Event

GROUP = "reelwright.nodes"

Resource = Literal["gpu", "call", "core"]
"""What a node needs while it runs: the one video model, a call to an endpoint, or a core."""

Level = Literal["story", "shot"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a node may use besides its inputs."""

    run: Path
    """The run folder."""
    store: Store
    settings: Settings
    seed: int
    crew: Crew
    """The planner, the video model and the critic, each made when first asked for."""
    say: Callable[[Event], None] = field(repr=False)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the run is to stop; long steps look at it and raise `Stopped`."""

    def derived_seed(self, *parts: object) -> int:
        """A seed of its own for each `parts`, from the run's seed; 0 <= seed < 2**63."""
        text = "/".join(["reelwright", str(self.seed), *(str(part) for part in parts)])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Stopped(Exception):
    """The run was told to stop; what was finished stays."""


class Node:
    """One step of a graph.

    `Inputs` names the values it reads from the state and `Outputs` those it writes; a field of
    `Inputs` with a default may be missing. Values are kept as plain data, files as artifacts.
    """

    level: ClassVar[Level]
    version: ClassVar[int] = 1
    """Raise it when the same inputs give other outputs than before."""
    resource: ClassVar[Resource] = "core"

    # Each of these is a `Record` class, mostly written as a class inside the node's own.
    Options: ClassVar[Any] = type("Options", (Record,), {"__module__": __name__})
    """What the graph file may set."""
    Inputs: ClassVar[Any]
    """What the node reads."""
    Outputs: ClassVar[Any]
    """What the node writes."""

    def __init__(self, options: Any, context: Context):
        self.options = options
        self.context = context

    def depends(self, inputs: Any) -> object | None:
        """All that the outputs depend on, as plain data; None if they are not to be kept.

        A finished node is not run again while this stays the same.
        """
        return cast(Record, inputs).data()

    def run(self, inputs: Any) -> Record:
        """The outputs; runs in a thread of its own."""
        raise NotImplementedError


def node_kinds() -> Mapping[str, str]:
    """Every installed node kind's name, and where it comes from."""
    return {offer.name: offer.value for offer in sorted(entry_points(group=GROUP))}


def load_node(name: str, *, file: Path | str | None = None, line: int | None = None) -> type[Node]:
    """The node kind called `name`; `GraphError` with the nearest name if there is none."""
    for offer in entry_points(group=GROUP, name=name):
        try:
            kind = offer.load()
        except Exception as error:
            raise GraphError(
                f"the node kind `{name}` ({offer.value}) could not be loaded: {error!r}",
                file=file,
                line=line,
            ) from error
        if not (isinstance(kind, type) and issubclass(kind, Node)):
            raise GraphError(
                f"the node kind `{name}` ({offer.value}) is no `reelwright_graphs.nodes.Node`",
                file=file,
                line=line,
            )
        return kind
    raise GraphError(
        f"there is no node kind `{name}`{nearest(name, node_kinds())}", file=file, line=line
    )


def nearest(name: str, names: Any) -> str:
    """`; did you mean ...?` with the nearest of `names`, or the list of all."""
    every = [str(each) for each in names]
    near = difflib.get_close_matches(str(name), every, n=1, cutoff=0.5)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; there are: {', '.join(every)}" if every else ""
