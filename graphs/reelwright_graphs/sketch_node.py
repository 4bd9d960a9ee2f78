"""The node `sketch`: a shot's draft frames, painted from its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reelwright_core.records import Record, known_digest
from reelwright_core.story import Identity, Layout, Shot
from reelwright_core.takes import Artifact, Sketch
from reelwright_core.video import Frames, write_video
from reelwright_graphs import identities
from reelwright_graphs.shot_node import ShotNode


class SketchNode(ShotNode):
    """Paints the draft frames of a shot from its layout."""

    class Inputs(Record):
        shot: Shot
        take: int
        layout: Layout
        simulation: Artifact | None = None
        """What the layout follows."""
        rendered: Sketch | None = None
        """A sketch that is there already."""
        identities: list[Identity] = []
        """Their pictures are painted: cut-outs of entities, and places."""

    class Outputs(Record):
        sketch: Sketch
        looks: dict[str, str] = {}
        """The sha256 of each identity's picture that is in the sketch, by whose it is."""

    def _seed(self, inputs: Inputs) -> int:
        # One place of one scene looks the same in all its shots.
        return self.context.derived_seed("place", inputs.shot.scene, inputs.shot.place)

    def depends(self, inputs: Inputs) -> object:
        shot = inputs.shot
        if inputs.rendered is not None:
            return {"rendered": inputs.rendered.data(), "path": self.path(inputs, "")}
        simulated = {"simulation": inputs.simulation.sha256} if inputs.simulation else {}
        # Only what is used: a sketch that was painted before there was such a thing is found.
        shown = identities.painted(inputs.identities, shot, self.context.run)
        looks = {of: known_digest(path) for of, path in shown.items()}
        return {
            **simulated,
            **({"looks": looks} if looks else {}),
            "layout": inputs.layout.data(),
            "entities": [entity.data() for entity in shot.scene_graph.entities],
            "place": shot.place,
            "size": shot.size,
            "fps": str(shot.fps),
            "seed": self._seed(inputs),
            "path": self.path(inputs, ""),
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_graphs.simulate_node import again
        from reelwright_simulators.painter import paint

        shot = inputs.shot
        if inputs.rendered is not None:
            return self.Outputs(sketch=again(self, inputs, inputs.rendered))
        shown = identities.painted(inputs.identities, shot, self.context.run)
        painted = paint(
            inputs.layout,
            entities=shot.scene_graph.entities,
            place=shot.place,
            size=shot.size,
            seed=self._seed(inputs),
            scenery=(
                identities.scenery(shown[shot.place], shot.size) if shot.place in shown else None
            ),
            pictures={
                of: identities.cut_out(path) for of, path in shown.items() if of != shot.place
            },
        )
        return self.Outputs(
            looks={of: known_digest(path) for of, path in shown.items()},
            sketch=Sketch(
                video=self.keep(
                    inputs, "sketch.mp4",
                    lambda path: write_video(path, painted.frames, fps=shot.fps, lossless=True),
                ),
                masks=self.keep(
                    inputs,
                    "masks.npz",
                    lambda path: np.savez_compressed(path, labels=painted.labels),
                ),
                things=list(painted.things),
                background=self.keep(
                    inputs, "background.png", lambda path: _write_png(path, painted.background)
                ),
                simulation=inputs.simulation,
            )
        )  # fmt: skip


def _write_png(path: Path, picture: Frames) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path)
