"""The front door for programs: a script in, a film out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reelwright_core.settings import load_settings
from reelwright_core.story import Story, Storyboard
from reelwright_core.takes import Film
from reelwright_graphs import run
from reelwright_graphs.crew import Crew
from reelwright_graphs.events import Event


def run_story(
    script: str | Path | Story | Storyboard,
    *,
    graph: str | Path = "story",
    out: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Film:
    """Films `script` and returns the finished film.

    `script` is text, the path of a script or storyboard file, a `Story` or a `Storyboard`.
    `settings` holds names such as `{"takes.max": 1}`. A folder `out` that holds the same run
    unfinished is gone on with. Raises `ReelwrightError`: an `InputError` before anything is
    made if an input is wrong, `ShotError` if a shot could not be filmed.
    """
    done = run.film(
        script,
        graph=graph,
        out=None if out is None else Path(out),
        seed=seed,
        settings=settings,
        on_event=on_event,
    )
    assert isinstance(done, Film)
    return done


async def run_story_async(
    script: str | Path | Story | Storyboard,
    *,
    graph: str | Path = "story",
    out: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Film:
    """`run_story` for programs with an event loop; `on_event` is called in another thread."""
    return await asyncio.to_thread(
        run_story, script, graph=graph, out=out, seed=seed, settings=settings, on_event=on_event
    )


def resume(
    out: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Film:
    """Goes on with the run in the folder `out`, also after its storyboard was edited."""
    return run.resume(Path(out), settings=settings, on_event=on_event)


def plan(
    script: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
) -> Storyboard:
    """The storyboard of `script`; nothing is filmed or written."""
    from reelwright_agents.reading import read_script

    crew = Crew(load_settings(settings))
    read = read_script(script)
    crew.gate().script(read.text, name=read.name)
    board = crew.planner().storyboard(read, picture=crew.picture())
    crew.gate().storyboard(board)
    return board
