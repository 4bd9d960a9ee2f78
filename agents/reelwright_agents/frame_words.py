"""A layout in words: what happens in each frame of its keyframes, the boxes, the background's way.

So FlowZero's plan reads (arXiv 2311.15813): frame descriptions, foreground boxes, and the direction
and speed of the background's motion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from reelwright_agents.facts_shown import called, said
from reelwright_core.story import Layout, Shot


def frame_words(shot: Shot, layout: Layout) -> str:
    """The plan for people: boxes as left, top, right, bottom in parts of the picture."""
    frames = {key.frame for track in layout.tracks for key in track.keyframes}
    lines = [background_words(layout)]
    for frame in sorted({0, layout.frames - 1} | frames):
        lines += ["", f"frame {frame}: {'; '.join(_facts(shot, frame)) or 'nothing happens'}"]
        for track in layout.tracks:
            at = " ".join(f"{side:.2f}" for side in track.at(frame).box)
            number = f" {track.instance + 1}" if track.instance else ""
            lines.append(f"  {track.entity}{number}: {at}")
    return "\n".join(lines) + "\n"


def background_words(layout: Layout) -> str:
    """Where the background goes and how fast, in one line."""
    across, down = layout.background_shift
    ways = ["down" if down > 0 else "up"] if down else []
    ways += ["right" if across > 0 else "left"] if across else []
    told = [f"grows {layout.background_zoom:g} times"] if layout.background_zoom != 1 else []
    if ways:
        speed = math.hypot(across, down)
        each = speed / max(layout.frames - 1, 1)
        way = f"goes {' '.join(ways)} by {speed:.2f} of the picture, {each:.3f} a frame"
        told.insert(0, way)
    return f"background: {' and '.join(told) or 'stands still'}"


def _facts(shot: Shot, frame: int) -> Iterator[str]:
    graph = shot.scene_graph
    for event in graph.events:
        if event.frames.first <= frame <= event.frames.last:
            verb = event.action
            if graph.entity(event.actor).count > 1:
                verb = verb.removesuffix("es" if verb.endswith("ches") else "s")
            words = [called(event.actor, shot), verb, event.direction]
            yield " ".join(word for word in words if word)
    for relation in graph.relations:
        verb = "are" if graph.entity(relation.subject).count > 1 else "is"
        whom = called(relation.object, shot)
        yield f"{called(relation.subject, shot)} {verb} {relation.kind} {whom}"
    for triple in graph.enriched:
        if triple.frames.first <= frame <= triple.frames.last:
            yield said((triple.subject, triple.predicate, triple.object), shot)
