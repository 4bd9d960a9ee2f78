"""The node `enrich`: what else holds in each time step of a shot."""

from __future__ import annotations

from reelwright_core.files import write_text
from reelwright_core.records import Record
from reelwright_core.story import Shot
from reelwright_core.takes import Artifact
from reelwright_graphs.events import Event
from reelwright_graphs.shot_node import ShotNode, told


class EnrichNode(ShotNode):
    """Enriches the shot's scene graph step by step (Dysen); one that is enriched stays so."""

    resource = "call"

    class Inputs(Record):
        shot: Shot
        take: int

    class Outputs(Record):
        shot: Shot
        scene_diff: Artifact
        """The graphs of all steps, with a `+` before what was imagined."""

    def depends(self, inputs: Inputs) -> object:
        return {
            "shot": told(inputs.shot, "left_out", "seed", "noise_level"),
            "take": inputs.take,
            "planner": self.context.crew.planner_identity(),
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.enrichment import diff, enrich, enriched, known

        shot = inputs.shot
        if shot.scene_graph.enriched:
            found = known(shot)
        else:
            found = enrich(shot, self.context.crew.imagination())
            shot = enriched(shot, found)
        for note in found.notes:
            self.context.say(Event(kind="warning", text=note, shot=shot.id, take=inputs.take))
        text = diff(found)
        kept = self.keep(inputs, "scene-graph.diff", lambda path: write_text(path, text))
        return self.Outputs(shot=shot, scene_diff=kept)
