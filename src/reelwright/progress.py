"""Shows a run's events: a live line per shot on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator

from reelwright_graphs.events import Event


@contextlib.contextmanager
def progress() -> Generator[Callable[[Event], None]]:
    """Gives the function to tell events to; lines go to standard error."""
    if sys.stderr.isatty():
        with _live() as on_event:
            yield on_event
    else:
        yield _plain


def _plain(event: Event) -> None:
    if line := line_of(event):
        print(line, file=sys.stderr, flush=True)


def line_of(event: Event) -> str:
    """The event as one line for a person; empty if it is of no interest."""
    shot = f"{event.shot}: " if event.shot else ""
    match event.kind:
        case "run started":
            return f"run folder {event.text}"
        case "planned":
            left = event.details.get("left out", [])
            words = "".join(f"\n  not filmed: {word}" for word in left)
            return f"planned {event.text}{words}"
        case "stage started" if event.stage in ("film", "cut"):
            return f"{shot}{event.stage}, take {event.take}" if event.take else f"{event.stage}"
        case "layout" if event.details.get("faults"):
            return f"{shot}layout, {event.text}"
        case "repaired":
            return f"{shot}take {event.take}: {event.text}"
        case "message":
            return event.text if len(event.text) <= 200 else f"{event.text[:197]}..."
        case "continuity":
            return f"continuity: {event.text}"
        case "shot finished":
            return f"{shot}take {event.take} of {event.details.get('takes')}: {event.text}"
        case "shot failed" | "warning":
            return f"{shot}{event.kind.removeprefix('shot ')}: {event.text}"
        case "model":
            return f"films with {event.text}"
        case "fetch" if _is_tenth(event):
            return f"fetches {event.text}"
        case "review":
            return f"the storyboard waits for you: {event.text}"
        case _:
            return ""


def _is_tenth(event: Event) -> bool:
    """Whether a fetch begins or has passed another tenth: lines enough where none can move."""
    done, before, total = (event.details[name] for name in ("done", "before", "total"))
    return done == 0 or done * 10 // total > before * 10 // total


@contextlib.contextmanager
def _live() -> Generator[Callable[[Event], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip
    tasks: dict[str, TaskID] = {}

    def on_event(event: Event) -> None:
        if event.kind == "step" and event.shot:
            if event.shot not in tasks:
                tasks[event.shot] = bars.add_task(event.shot)
            bars.update(
                tasks[event.shot],
                description=f"{event.shot} take {event.take}",
                completed=event.details["step"],
                total=event.details["steps"],
            )
        elif event.kind == "fetch":
            model, done = event.details["model"], event.details["done"]
            if model not in tasks:
                tasks[model] = bars.add_task(model)
            total = event.details["total"]
            bars.update(tasks[model], description=event.text, completed=done, total=total)
            if done >= total:
                bars.remove_task(tasks.pop(model))
        elif line := line_of(event):
            console.print(line, markup=False, highlight=False)
        if event.kind in ("shot finished", "shot failed") and event.shot in tasks:
            bars.remove_task(tasks.pop(event.shot))

    with bars:
        yield on_event
