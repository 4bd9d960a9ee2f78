"""The node `layout`: where everything is in each frame of a shot."""

from __future__ import annotations

from reelwright_core.records import Record
from reelwright_core.story import Layout, Shot
from reelwright_graphs.shot_node import ShotNode, told


class LayoutNode(ShotNode):
    """Decides where everything is in each frame: the shot's own layout, or the planner's."""

    resource = "call"

    class Inputs(Record):
        shot: Shot

    class Outputs(Record):
        layout: Layout

    def depends(self, inputs: Inputs) -> object:
        shot = inputs.shot
        return {
            "shot": told(shot, "dialogue", "left_out", "scene", "seed", "noise_level"),
            "planner": self.context.crew.planner_identity(),
        }  # fmt: skip

    def run(self, inputs: Inputs) -> Outputs:
        shot = inputs.shot
        return self.Outputs(layout=shot.layout or self.context.crew.planner().layout(shot))
