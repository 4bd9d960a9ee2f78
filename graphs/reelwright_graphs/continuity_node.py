"""What looks at all shots together: `continuity` finds faults, `direct` films shots again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import Field

from reelwright_agents.director import retake
from reelwright_agents.talk import changed
from reelwright_core.records import Record
from reelwright_core.takes import Artifact, Continuity, ContinuityFault, Message
from reelwright_core.video import Frames, read_video
from reelwright_graphs.build import (
    keep_result,
    keep_storyboard,
    load_result,
    load_results,
    load_storyboard,
)
from reelwright_graphs.events import Event
from reelwright_graphs.message_log import say_messages
from reelwright_graphs.story_nodes import StoryNode

REFILMED = ("look", "place", "style", "direction")
"""Faults that another take may not have; the words of a storyboard are the director's."""


class ContinuityNode(StoryNode):
    """Compares the chosen takes of all shots: looks, places, screen direction, style."""

    class Inputs(Record):
        storyboard: Artifact
        results: dict[str, Artifact] = {}
        failed: dict[str, str] = {}

    class Outputs(Record):
        continuity: Continuity
        fits: bool

    def depends(self, inputs: Inputs) -> object:
        _, results = self.results(inputs)
        return {
            "storyboard": inputs.storyboard.sha256,
            "clips": [result.take.clip.video.sha256 for result in results],
            "layouts": [result.take.layout.digest() for result in results],
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_metrics.continuity import continuity

        store = self.context.store
        storyboard, results = self.results(inputs)
        found = continuity(
            storyboard,
            _Read({r.shot: store.path(r.take.clip.video) for r in results}),
            {result.shot: result.take.layout for result in results},
            backgrounds=_Read(
                {r.shot: store.path(r.take.sketch.background) for r in results if r.take.sketch}
            ),
        )
        count = len(found.faults)
        self.context.say(
            Event(
                kind="continuity",
                text=f"{count} fault{'s' if count != 1 else ''} in {found.checked} "
                f"comparison{'s' if found.checked != 1 else ''}"
                + "".join(f"; {fault.text}" for fault in found.faults),
                details=found.data(),
            )
        )
        return self.Outputs(continuity=found, fits=not found.faults)


class _Read(Mapping[str, Frames]):
    """Clips or pictures by shot, read when asked for: a film's clips do not fit into memory."""

    def __init__(self, files: Mapping[str, Path]):
        self._files = files

    def __getitem__(self, shot: str) -> Frames:
        return _frames(self._files[shot])

    def __contains__(self, shot: object) -> bool:
        return shot in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@lru_cache(maxsize=4)
def _frames(path: Path) -> Frames:
    if path.suffix != ".png":
        return read_video(path)
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


class Before(Record):
    """How the film stood before shots of it were filmed again."""

    storyboard: Artifact
    results: dict[str, Artifact]
    """Of the shots that were filmed again."""
    continuity: Continuity


class DirectNode(StoryNode):
    """Has the shots that are to blame filmed again, and keeps what fits better.

    Only those shots are changed; all others are found in the store. A round of retakes that does
    not lower the number of faults is taken back: its takes stay in the record, unchosen.
    """

    class Options(Record):
        rounds: int = Field(default=2, ge=1, le=10)
        """How often at most shots are filmed again."""

    class Inputs(Record):
        storyboard: Artifact
        results: dict[str, Artifact] = {}
        failed: dict[str, str] = {}
        continuity: Continuity
        before: Before | None = None
        """None until shots were filmed again."""
        round: int = 0
        tries: dict[str, int] = {}

    class Outputs(Record):
        storyboard: Artifact
        results: dict[str, Artifact]
        retakes: dict[str, Artifact]
        """The results so far of the shots that are to be filmed again."""
        continuity: Continuity
        before: Before | None
        round: int
        """How many rounds of retakes there were, this one included."""
        tries: dict[str, int]
        again: bool

    def depends(self, inputs: Inputs) -> None:
        return None

    def run(self, inputs: Inputs) -> Outputs:
        board, results, found = inputs.storyboard, dict(inputs.results), inputs.continuity
        before = inputs.before
        if before is not None and len(found.faults) >= len(before.continuity.faults):
            board, found = before.storyboard, before.continuity
            results |= self._taken_back(inputs, before)
        blamed = _blamed(found.faults)
        again = bool(blamed) and inputs.round < self.options.rounds
        if not again:
            return self.Outputs(
                storyboard=board, results=results, retakes={}, continuity=found, before=None,
                round=inputs.round, tries=inputs.tries, again=False,
            )  # fmt: skip
        kept = {shot: results[shot] for shot in blamed}
        return self.Outputs(
            storyboard=self._changed(inputs, board, blamed, results),
            results=results,
            retakes=kept,
            continuity=found,
            before=Before(storyboard=board, results=kept, continuity=found),
            round=inputs.round + 1,
            tries={
                **inputs.tries, **{shot: inputs.tries.get(shot, 0) + 1 for shot in blamed},
            },
            again=True,
        )  # fmt: skip

    def _taken_back(self, inputs: Inputs, before: Before) -> dict[str, Artifact]:
        """The earlier results, with the retakes among their takes, if they were made."""
        context = self.context
        now = load_storyboard(context, inputs.storyboard)
        made = {r.shot: r for r in load_results(context, now, inputs.results)}
        back: dict[str, Artifact] = {}
        for shot in now.shots:
            if shot.id not in before.results:
                continue
            old = load_result(context, before.results[shot.id])
            why = old.why.split("; filmed again")[0]
            result = old.model_copy(
                update={
                    "takes": made[shot.id].takes,
                    "why": f"{why}; filmed again, it fitted the other shots no better",
                }
            )
            back[shot.id] = keep_result(context, result)
        return back

    def _changed(
        self,
        inputs: Inputs,
        kept: Artifact,
        blamed: Mapping[str, Sequence[ContinuityFault]],
        results: Mapping[str, Artifact],
    ) -> Artifact:
        context = self.context
        board = load_storyboard(context, kept)
        by_shot = {result.shot: result for result in load_results(context, board, results)}
        messages: list[Message] = []
        after = board
        for shot in board.shots:
            if shot.id not in blamed:
                continue
            tries = inputs.tries.get(shot.id, 0)
            asked = retake(
                shot, by_shot[shot.id], blamed[shot.id], tries=tries,
                seed=context.derived_seed("retake", shot.id, tries),
            )  # fmt: skip
            after = changed(after, asked.changes)
            entities = [fault.entity for fault in blamed[shot.id] if fault.entity]
            messages.append(
                Message(
                    author="director", to=f"the crew of {shot.id}", kind="decision",
                    text=asked.why, about=list(dict.fromkeys([shot.id, *entities])),
                    inputs=[f"storyboard {kept.sha256}", f"shots/{shot.id}/result.json"],
                    outputs=list(asked.changes),
                )
            )  # fmt: skip
        say_messages(context, messages)
        return keep_storyboard(context, after)


def _blamed(faults: Sequence[ContinuityFault]) -> dict[str, list[ContinuityFault]]:
    """By shot, the faults that another take of it may not have."""
    blamed: dict[str, list[ContinuityFault]] = {}
    for fault in faults:
        if fault.kind in REFILMED:
            blamed.setdefault(fault.blame, []).append(fault)
    return blamed
