"""A node of one's own: it tints a finished clip brown, as old films are."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from reelwright_core.records import Record
from reelwright_core.story import Shot
from reelwright_core.takes import Clip
from reelwright_core.video import read_video, write_video
from reelwright_graphs.shot_node import ShotNode

BROWN = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


class Sepia(ShotNode):
    """Tints the clip; the nodes after it see the tinted one."""

    class Options(Record):
        strength: float = Field(default=1.0, ge=0, le=1)

    class Inputs(Record):
        shot: Shot
        take: int
        clip: Clip

    class Outputs(Record):
        clip: Clip

    def run(self, inputs: Inputs) -> Outputs:
        frames = read_video(self.context.store.path(inputs.clip.video)).astype(np.float64)
        strength = self.options.strength
        tinted = (1 - strength) * frames + strength * (frames @ BROWN.T)
        pixels = tinted.clip(0, 255).round().astype(np.uint8)
        video = self.keep(
            inputs, "sepia.mp4", lambda path: write_video(path, pixels, fps=inputs.shot.fps)
        )
        return self.Outputs(clip=inputs.clip.model_copy(update={"video": video}))
