"""The node `event_keys`: a layout with keyframes where events begin and end."""

from __future__ import annotations

from reelwright_core.records import Record
from reelwright_core.story import Layout, Shot, Track
from reelwright_graphs.shot_node import ShotNode


class EventKeysNode(ShotNode):
    """Gives each track a keyframe where its events begin and end, and the side that it faces.

    No box moves: the new keyframes lie on the way that the layout has already.
    """

    class Inputs(Record):
        shot: Shot
        layout: Layout

    class Outputs(Record):
        layout: Layout

    def depends(self, inputs: Inputs) -> None:
        return None

    def run(self, inputs: Inputs) -> Outputs:
        tracks = [_keyed(track, inputs.shot) for track in inputs.layout.tracks]
        return self.Outputs(layout=inputs.layout.model_copy(update={"tracks": tracks}))


def _keyed(track: Track, shot: Shot) -> Track:
    graph = shot.scene_graph
    due = {0, shot.frames - 1}
    for event in graph.events:
        if event.actor == track.entity:
            due |= {event.frames.first, event.frames.last}
    keys = {key.frame: key for key in track.keyframes}
    keys |= {frame: track.at(frame) for frame in due if frame not in keys}
    faces = track.faces
    for triple in graph.enriched:
        said = triple.subject == track.entity and triple.predicate == "faces"
        if said and faces is None and triple.object in ("left", "right"):
            faces = "left" if triple.object == "left" else "right"
    return track.model_copy(
        update={"keyframes": [keys[frame] for frame in sorted(keys)], "faces": faces}
    )
