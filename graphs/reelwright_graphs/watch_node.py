"""The node `watch`: the critic says what a take shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from reelwright_core.errors import FormulaError
from reelwright_core.files import write_json, write_text
from reelwright_core.records import Record
from reelwright_core.settings import Watcher
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import Artifact, Clip, Critique, Question, Sketch
from reelwright_core.video import Frames, read_video
from reelwright_graphs.crew import Critic
from reelwright_graphs.refusals import refusals
from reelwright_graphs.shot_node import ShotNode, told


class WatchNode(ShotNode):
    """Lets the critic watch the clip; the sketch is watched too, to tell what is to blame."""

    resource = "call"

    class Options(Record):
        threshold: float | None = Field(default=None, ge=0, le=1)
        """A take with at least this score passes; none takes the setting `critic.threshold`."""
        critic: Watcher | None = None
        """`offline` measures the pixels, `openai` shows frames to a vision model, `logic` decides a
        temporal formula on what was measured, `logic-openai` on what a vision model saw;
        `captions` and `captions-openai` put what is seen into words and compare those."""

    class Inputs(Record):
        shot: Shot
        take: int
        layout: Layout
        clip: Clip
        prompt: str
        sketch: Sketch | None = None

    class Outputs(Record):
        critique: Critique
        score: float
        passed: bool
        papers: list[Artifact] = []
        """Of a temporal formula: its table, in words and as data, and its automaton."""

    def _threshold(self) -> float:
        asked = self.options.threshold
        return self.context.settings.critic.threshold if asked is None else asked

    def depends(self, inputs: Inputs) -> object:
        return {
            "clip": inputs.clip.video.sha256,
            "sketch": inputs.sketch.video.sha256 if inputs.sketch else None,
            "layout": inputs.layout.data(),
            "prompt": inputs.prompt,
            "shot": told(inputs.shot, "dialogue", "left_out", "scene"),
            "critic": self.context.crew.critic_identity(),
            "threshold": self._threshold(),
            **({"refused": refused} if (refused := self._refused(inputs)) else {}),
        }

    def _refused(self, inputs: Inputs) -> list[str]:
        clip = inputs.clip.video
        return refusals(self.context, clip, shot=inputs.shot.id, take=inputs.take)

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_metrics.measure import with_blame

        store, shot, sketch = self.context.store, inputs.shot, inputs.sketch
        critic = self.context.crew.critic(self.options.critic)
        frames = read_video(store.path(inputs.clip.video))
        background = _read_png(store.path(sketch.background)) if sketch else None
        critique, papers = self._watched(critic, inputs, frames, background)
        words = critique.critic == "captions"
        if sketch is not None and not words and not critique.passed(self._threshold()):
            # The same questions must be asked of the sketch, and no model is needed to see it.
            logical = critique.critic == "logic"
            measuring = self.context.crew.critic("logic" if logical else "offline")
            draft = read_video(store.path(sketch.video))
            seen = measuring.watch(shot, inputs.layout, draft, background=background)
            asked = shot.model_copy(update={"prompt": inputs.prompt})
            critique = with_blame(critique, seen, shot=asked)
            if sketch.simulation is not None and critique.blame == "layout":
                critique = critique.model_copy(update={"blame": "simulation"})
        if refused := self._refused(inputs):
            critique = _with_refusal(critique, refused)
        passed = critique.passed(self._threshold()) and not refused
        return self.Outputs(critique=critique, score=critique.score, passed=passed, papers=papers)

    def _watched(
        self, critic: Critic, inputs: Inputs, frames: Frames, background: Frames | None
    ) -> tuple[Critique, list[Artifact]]:
        """The critique; of a formula also its table, as words and data, and its automaton."""
        from reelwright_metrics.logic.critic import LogicCritic, critique
        from reelwright_metrics.logic.monitor import automaton
        from reelwright_metrics.logic.telling import as_text, told

        shot, layout = inputs.shot, inputs.layout
        if not isinstance(critic, LogicCritic):
            return critic.watch(shot, layout, frames, background=background), []
        found = critic.examine(shot, layout, frames, background=background)
        data = told(found)
        papers: list[Artifact] = []
        try:
            made = automaton(found.specification.formula)
            data |= {"automaton": "automaton.dot", "states": len(made.says)}
            papers.append(
                self.keep(inputs, "automaton.dot", lambda path: write_text(path, made.dot()))
            )
        except FormulaError as error:  # the solver needs none: it takes the formula apart
            data["no automaton"] = str(error)
        words = as_text(data) + "\n"
        papers.append(self.keep(inputs, "logic.json", lambda path: write_json(path, data)))
        papers.append(self.keep(inputs, "logic.txt", lambda path: write_text(path, words)))
        return critique(found), papers


def _with_refusal(critique: Critique, refused: list[str]) -> Critique:
    """A take that the safety gate refuses is the worst that there is, whatever it shows besides."""
    asked = Question(
        kind="other", text="Does the safety gate let it through?", score=0.0, passed=False,
        expected="yes", seen="; ".join(refused),
    )  # fmt: skip
    told = {"questions": [*critique.questions, asked], "score": 0.0, "blame": "generator"}
    return critique.model_copy(update=told)


def _read_png(path: Path) -> Frames:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
