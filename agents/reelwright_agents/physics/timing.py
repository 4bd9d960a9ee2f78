"""When, by its simulation, the events of a shot happen."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright_core.physics import PhysicsScene, Simulation
from reelwright_core.story import Event, FrameSpan, Shot

_LANDS = ("falls",)
_GOES = ("rolls", "moves")
LEAST = 2
"""Frames that an event lasts at least, so that it can be seen."""


def retimed(shot: Shot, scene: PhysicsScene, simulation: Simulation) -> Shot:
    """The shot with the events of what is simulated in the frames in which they happen.

    A fall ends, and what comes after it begins, when the thing first touches something; the way
    to a collision ends with it.
    """
    events = list(shot.scene_graph.events)
    for entity in shot.scene_graph.entities:
        own = sorted(
            (i for i, event in enumerate(events) if event.actor == entity.id),
            key=lambda i: (events[i].frames.first, i),
        )
        first = own[0] if own else None
        if first is None:
            continue
        if events[first].action in _LANDS:
            hit = _first_contact(entity.id, scene, simulation, ground=True)
        elif events[first].action in _GOES and any(events[i].action == "collides" for i in own):
            hit = _first_contact(entity.id, scene, simulation, ground=False)
        else:
            continue
        if hit is not None:
            _split(events, own, hit, shot.frames)
    graph = shot.scene_graph.model_copy(update={"events": events})
    return shot.model_copy(update={"scene_graph": graph})


def _first_contact(
    entity: str, scene: PhysicsScene, simulation: Simulation, *, ground: bool
) -> int | None:
    own = {body.id for body in scene.bodies if body.entity == entity}
    for contact in sorted(simulation.contacts, key=lambda each: each.frame):
        pair = {contact.a, contact.b}
        if contact.frame > 0 and pair & own and (ground or "ground" not in pair):
            return contact.frame
    return None


def _split(events: list[Event], own: Sequence[int], hit: int, frames: int) -> None:
    """Ends the first event at `hit` and lets the others share the rest as they did before."""
    last = frames - 1
    hit = min(max(hit, LEAST), last)
    first, *later = own
    later = [i for i in later if events[i].frames.first > events[first].frames.last]
    spans = {first: FrameSpan(first=0, last=hit)}
    if later and hit + LEAST * len(later) <= last:
        room = last - hit
        for number, i in enumerate(later):
            begins = hit + 1 + number * room // len(later)
            spans[i] = FrameSpan(first=begins, last=hit + (number + 1) * room // len(later))
    elif later:
        return
    for i, span in spans.items():
        events[i] = events[i].model_copy(update={"frames": span})
