"""The node `beats`: what happens one thing after another is filmed in one shot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from reelwright_agents.beats import LEAST, in_beats
from reelwright_core.records import Record
from reelwright_core.story import Shot, Storyboard
from reelwright_core.takes import Artifact, Message
from reelwright_graphs.board_file import users_paths, write_board
from reelwright_graphs.build import keep_storyboard, load_storyboard
from reelwright_graphs.message_log import say_messages
from reelwright_graphs.nodes import Node


class BeatsNode(Node):
    """Joins shots that go on one another into one with a beat for each step of the action.

    It writes them into storyboard.yaml, where the user may change them; a shot that has beats
    there stays as it is.
    """

    level = "story"

    class Options(Record):
        least: int = Field(default=LEAST, ge=2, le=1000)
        """Frames of a beat at least; a shorter step of the action is made longer. More than
        `generator.long.overlap`, the frames over which one prompt turns into the next."""

    class Inputs(Record):
        storyboard: Artifact

    class Outputs(Record):
        storyboard: Artifact

    def depends(self, inputs: Inputs) -> None:
        # The user may edit what it made, so it always looks what is there.
        return None

    def run(self, inputs: Inputs) -> Outputs:
        context = self.context
        given = load_storyboard(context, inputs.storyboard)
        shots = in_beats(given.shots, style=given.story.style, least=self.options.least)
        if shots == given.shots:
            return self.Outputs(storyboard=inputs.storyboard)
        board = _with(given, shots)
        write_board(context.run, board, users=users_paths(context.run, given))
        beats = {shot.id: len(shot.beats) + 1 for shot in shots if shot.beats}
        message = Message(
            author="director", to="all", kind="decision",
            text=f"{len(given.shots)} shots of the plan are filmed as {len(shots)}; "
            + ", ".join(f"{shot} in {count} beats" for shot, count in beats.items()) + ".",
            about=list(beats), inputs=[f"storyboard {given.digest()}"],
            outputs=[f"shots/{shot}/beats" for shot in beats],
        )  # fmt: skip
        say_messages(context, [message] if beats else [])
        return self.Outputs(storyboard=keep_storyboard(context, board))


def _with(board: Storyboard, shots: Sequence[Shot]) -> Storyboard:
    """The storyboard of these shots; what speaks of others speaks of those they are in."""
    kept = {shot.id for shot in shots}
    into: dict[str, str] = {}
    for shot in board.shots:
        into[shot.id] = shot.id if shot.id in kept else list(into.values())[-1]
    story = board.story
    story = story.model_copy(
        update={
            "coverage": [
                line.model_copy(update={"shots": _named(line.shots, into)})
                for line in story.coverage
            ],
            "identities": [
                each.model_copy(update={"shots": _named(each.shots, into)})
                for each in story.identities
            ],
        }
    )
    return Storyboard.from_data(
        board.model_copy(update={"story": story, "shots": list(shots)}).data()
    )


def _named(shots: Sequence[str], into: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(into.get(shot, shot) for shot in shots))
