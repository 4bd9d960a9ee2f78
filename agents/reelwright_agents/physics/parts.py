"""Parts of a physics scene, each staged around x = 0 by itself, and put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reelwright_core.physics import Body, Cloth, Constraint, Force, Liquid, Vector


class Unstaged(Exception):
    """What cannot be staged, and why, as the end of a sentence."""


@dataclass(kw_only=True)
class Part:
    """Things that belong together, with the room that they and their motions take."""

    ids: list[str]
    """Entities in it."""
    bodies: list[Body] = field(default_factory=list[Body])
    cloths: list[Cloth] = field(default_factory=list[Cloth])
    liquids: list[Liquid] = field(default_factory=list[Liquid])
    constraints: list[Constraint] = field(default_factory=list[Constraint])
    forces: list[Force] = field(default_factory=list[Force])
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    """Metres: the room from `left` to `right`, up to `top`."""

    def moved(self, by: float, away: float = 0.0) -> Part:
        """The same, `by` metres further right and `away` metres further from the viewer."""

        def at(place: Vector) -> Vector:
            return round(place[0] + by, 6), round(place[1] + away, 6), place[2]

        return Part(
            ids=self.ids,
            bodies=[
                body.model_copy(
                    update={
                        "position": at(body.position),
                        "path": [
                            point.model_copy(update={"position": at(point.position)})
                            for point in body.path
                        ],
                    }
                )
                for body in self.bodies
            ],
            cloths=[c.model_copy(update={"position": at(c.position)}) for c in self.cloths],
            liquids=[
                each.model_copy(update={"centre": at(each.centre), "source": at(each.source)})
                for each in self.liquids
            ],
            constraints=[c.model_copy(update={"at": at(c.at)}) for c in self.constraints],
            forces=self.forces,
            left=self.left + by,
            right=self.right + by,
            top=self.top,
        )


def joined(parts: Sequence[Part]) -> Part:
    """All of them as one part."""
    return Part(
        ids=[id for part in parts for id in part.ids],
        bodies=[body for part in parts for body in part.bodies],
        cloths=[cloth for part in parts for cloth in part.cloths],
        liquids=[liquid for part in parts for liquid in part.liquids],
        constraints=[held for part in parts for held in part.constraints],
        forces=[force for part in parts for force in part.forces],
        left=min(part.left for part in parts),
        right=max(part.right for part in parts),
        top=max(part.top for part in parts),
    )
