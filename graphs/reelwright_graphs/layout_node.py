"""The node `layout`: where everything is in each frame of a shot."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from reelwright_agents.keyframes import Interpolation
from reelwright_core.files import write_json, write_text
from reelwright_core.records import Record
from reelwright_core.story import Layout, LayoutRound, Shot
from reelwright_core.takes import Artifact
from reelwright_graphs.events import Event
from reelwright_graphs.shot_node import ShotNode, told


class LayoutNode(ShotNode):
    """Decides where everything is in each frame: the shot's own layout, or the planner's.

    A planner's layout is verified, and mended in rounds while the verifier finds faults.
    """

    resource = "call"
    version = 2

    class Options(Record):
        keyframes: int | None = Field(default=None, ge=2, le=13)
        """How many each track has, where they tell most of its way; none as many as the planner
        thinks right (a language model 6 to 13)."""
        interpolation: Interpolation = "linear"
        """How a way goes on between keyframes: `linear` has corners, `monotone` has none."""
        rounds: int = Field(default=2, ge=0, le=8)
        """How often the planner may mend what the verifier found; the best layout is kept."""
        background: Literal["planned", "against"] = "planned"
        """`against`: where the planner left the background still and all that goes sideways goes
        one way, the background slides the other way, as if the camera went along."""
        words: bool = False
        """Writes `frames.txt`: what happens in each frame of the keyframes, and where, in words."""

        def data(self) -> dict[str, Any]:
            """As it was before there were words, if there are none."""
            return self.model_dump(mode="json", exclude=set() if self.words else {"words"})

    class Inputs(Record):
        shot: Shot
        take: int = 1

    class Outputs(Record):
        layout: Layout
        layout_rounds: Artifact | None = None
        """JSON: each `LayoutRound`, in order; none for a layout made by hand."""
        layout_words: Artifact | None = None
        """The layout in words, where the graph asks for them."""

    def depends(self, inputs: Inputs) -> object:
        shot = inputs.shot
        return {
            "shot": told(shot, "dialogue", "left_out", "scene", "seed", "noise_level"),
            "planner": self.context.crew.planner_identity(),
            "path": self.path(inputs, ""),
        }  # fmt: skip

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.layout_rounds import best, layout_rounds

        shot, options = inputs.shot, self.options
        if shot.layout is not None:
            return self.Outputs(layout=shot.layout, layout_words=self._words(inputs, shot.layout))
        told = self.context.settings.planner
        rounds = layout_rounds(
            self.context.crew.planner(),
            shot,
            by="offline" if told.brain == "offline" else told.model,
            rounds=options.rounds,
            keyframes=options.keyframes,
            interpolation=options.interpolation,
        )
        self._say(inputs, rounds)
        kept = self.keep(
            inputs,
            "layout-rounds.json",
            lambda path: write_json(path, [each.data() for each in rounds]),
        )
        layout = best(rounds).layout
        if options.background == "against":
            layout = against(layout)
        words = self._words(inputs, layout)
        return self.Outputs(layout=layout, layout_rounds=kept, layout_words=words)

    def _words(self, inputs: Inputs, layout: Layout) -> Artifact | None:
        from reelwright_agents.frame_words import frame_words

        if not self.options.words:
            return None
        text = frame_words(inputs.shot, layout)
        return self.keep(inputs, "frames.txt", lambda path: write_text(path, text))

    def _say(self, inputs: Inputs, rounds: list[LayoutRound]) -> None:
        for number, each in enumerate(rounds, 1):
            faults = [fault.text for fault in each.faults]
            self.context.say(
                Event(
                    kind="layout",
                    shot=inputs.shot.id,
                    take=inputs.take,
                    text=f"round {number} by {each.by}: {'; '.join(faults) or 'no fault'}",
                    details={
                        "round": number,
                        "by": each.by,
                        "faults": [fault.data() for fault in each.faults],
                    },
                )
            )


AGAINST = 0.3
"""How far a background slides against what goes over it, as a part of the picture."""


def against(layout: Layout) -> Layout:
    """`layout` with its background going the other way than all that goes sideways."""
    if layout.background_shift != (0, 0) or layout.background_zoom != 1:
        return layout
    ways = {
        end - begin > 0
        for track in layout.tracks
        for begin, end in [
            ((first[0] + first[2]) / 2, (last[0] + last[2]) / 2)
            for first, last in [(track.keyframes[0].box, track.keyframes[-1].box)]
        ]
        if abs(end - begin) > 0.1
    }
    if len(ways) != 1:
        return layout
    shift = -AGAINST if ways == {True} else AGAINST
    return layout.model_copy(update={"background_shift": (shift, 0.0)})
