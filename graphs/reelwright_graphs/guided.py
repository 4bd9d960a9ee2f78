"""What the film node's option `guide` asks for: things held in the boxes of their layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reelwright_core.errors import ModelError
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import Guide, Repair

if TYPE_CHECKING:
    from reelwright_generators.generator import Boxes, Facts


def why_not(guide: Guide, facts: Facts) -> str | None:
    """Why a model cannot do what is asked; none if it can, or nothing is asked."""
    if guide.by == "none" or "boxes" in facts.can:
        return None
    return (
        f"{facts.name} ({facts.family}) has no cross-attention of a U-Net, which guidance by "
        "boxes reads"
    )


def boxes(
    guide: Guide, shot: Shot, layout: Layout | None, repair: Repair | None = None
) -> Boxes | None:
    """Each entity's boxes in every frame, and its strength; none if no guidance is asked for.

    A repair's strengths go before the graph's. `ModelError` for a graph that makes no layout.
    """
    from reelwright_generators.generator import Boxed, Boxes

    if guide.by == "none":
        return None
    if layout is None:
        raise ModelError(
            "`guide: {by: boxes}` holds things in the boxes of their layout, and this graph makes "
            "none; add a node `layout` before the film"
        )
    strengths = guide.emphasis | (repair.emphasis if repair else {})
    phrases = {
        entity.id: " ".join(filter(None, (entity.colour, entity.noun)))
        for entity in shot.scene_graph.entities
    }
    things: list[Boxed] = []
    for id_ in dict.fromkeys(track.entity for track in layout.tracks):
        tracks = [track for track in layout.tracks if track.entity == id_]
        things.append(
            Boxed(
                entity=id_,
                phrase=phrases.get(id_, id_.replace("-", " ")),
                boxes=tuple(
                    tuple(track.at(frame).box for track in tracks) for frame in range(shot.frames)
                ),
                strength=strengths.get(id_, 1.0),
            )
        )
    return Boxes(things=tuple(things), told=guide)
