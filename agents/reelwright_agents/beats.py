"""What happens one thing after another becomes beats of one shot: other prompts on its way."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from reelwright_agents.offline.prompts import prompt_of
from reelwright_core.story import Beat, Event, FrameSpan, SceneGraph, Shot

LEAST = 12
"""Frames of a beat: more than windows overlap in."""


def in_beats(shots: Sequence[Shot], *, style: str = "", least: int = LEAST) -> list[Shot]:
    """The shots with each step of the action a beat, and shots that go on one another as one.

    A shot goes on the one before when both are of one scene, place and picture, and it shows
    nobody who was not there. Steps that last fewer than `least` frames are made longer. Shots
    that have beats, layouts, physics or a camera of their own, or that others refer to, stay.
    """
    referred = {name for shot in shots for name in (shot.continues, shot.films) if name}
    found: list[Shot] = []
    held: list[Shot] = []
    for shot in shots:
        steps = _steps(shot, style=style, least=least) if _free(shot, referred) else [shot]
        if held and _free(shot, referred) and _goes_on(held[0], shot):
            held += steps
            continue
        found += _joined(held)
        held = steps
    return found + _joined(held)


def _free(shot: Shot, referred: set[str]) -> bool:
    own = (shot.beats, shot.layout, shot.physics, shot.continues, shot.films)
    return not any(own) and shot.id not in referred and shot.camera == "static"


def _goes_on(first: Shot, shot: Shot) -> bool:
    same = ("scene", "place", "size", "fps", "camera", "lens", "noise_level")
    known = {entity.id: entity for entity in first.scene_graph.entities}
    return all(getattr(first, name) == getattr(shot, name) for name in same) and all(
        known.get(entity.id) == entity for entity in shot.scene_graph.entities
    ) and first.scene_graph.relations == shot.scene_graph.relations and (
        not first.beats and not first.layout and not first.physics
    )  # fmt: skip


def _steps(shot: Shot, *, style: str, least: int) -> list[Shot]:
    """One shot for each step: what begins when all before it has ended."""
    rising = sorted(shot.scene_graph.events, key=lambda event: event.frames.first)
    parts: list[list[Event]] = []
    for event in rising:
        if parts and event.frames.first <= max(other.frames.last for other in parts[-1]):
            parts[-1].append(event)
        else:
            parts.append([event])
    if len(parts) < 2:
        return [_longer(shot, least)]
    begins = [0, *(part[0].frames.first for part in parts[1:])]
    ends = [*begins[1:], shot.frames]
    steps: list[Shot] = []
    for number, (part, begin, end) in enumerate(zip(parts, begins, ends, strict=True)):
        events = [_moved(event, -begin, end - begin) for event in part]
        graph = shot.scene_graph.model_copy(update={"events": events, "enriched": []})
        said = prompt_of(graph, place=shot.place, lens=shot.lens, style=style)
        told = {"scene_graph": graph, "prompt": said, "frames": end - begin}
        # Words that are spoken, or left out, are said once.
        once = {} if number == 0 else {"dialogue": [], "left_out": [], "text": ""}
        steps.append(_longer(shot.model_copy(update=told | once), least))
    return steps


def _longer(shot: Shot, least: int) -> Shot:
    """The shot with at least so many frames, what happens in it as much slower."""
    if shot.frames >= least:
        return shot
    times = Fraction(least, shot.frames)
    events = [
        event.model_copy(
            update={
                "frames": FrameSpan(
                    first=int(event.frames.first * times),
                    last=min(least - 1, int((event.frames.last + 1) * times) - 1),
                )
            }
        )
        for event in shot.scene_graph.events
    ]
    graph = shot.scene_graph.model_copy(update={"events": events})
    return shot.model_copy(update={"scene_graph": graph, "frames": least})


def _moved(event: Event, by: int, frames: int) -> Event:
    """The event at another time of a part of so many frames."""
    first, last = event.frames.first + by, min(event.frames.last + by, frames - 1)
    return event.model_copy(update={"frames": FrameSpan(first=first, last=last)})


def _joined(steps: Sequence[Shot]) -> list[Shot]:
    """The steps as one shot with a beat for each after the first."""
    if len(steps) < 2:
        return list(steps)
    first, events, beats, at = steps[0], list[Event](), list[Beat](), 0
    enriched = list(first.scene_graph.enriched)
    for step in steps:
        events += [_moved(event, at, at + step.frames) for event in step.scene_graph.events]
        if at:
            beats.append(Beat(first=at, prompt=step.prompt))
            enriched += [
                triple.model_copy(
                    update={
                        "frames": FrameSpan(
                            first=triple.frames.first + at, last=triple.frames.last + at
                        )
                    }
                )
                for triple in step.scene_graph.enriched
            ]
        at += step.frames
    graph = SceneGraph(
        entities=first.scene_graph.entities,
        relations=first.scene_graph.relations,
        events=events,
        enriched=enriched,
    )
    return [
        first.model_copy(
            update={
                "frames": at,
                "text": " ".join(step.text for step in steps if step.text),
                "scene_graph": graph,
                "beats": beats,
                "dialogue": [line for step in steps for line in step.dialogue],
                "left_out": [word for step in steps for word in step.left_out],
            }
        )
    ]
