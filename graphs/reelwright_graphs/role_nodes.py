"""The nodes in which roles talk a storyboard over before it is filmed.

Each reads the storyboard, says what it has to say in messages, and hands on the storyboard as
changed; storyboard.yaml holds the result, so that the user sees what will be filmed. A role is
added or removed by a line of YAML. With `planner.brain=openai` a language model speaks first and
the rules have the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from reelwright_agents.casting import MATTERS, Matter
from reelwright_agents.director import Spoken, objections
from reelwright_core.records import Record
from reelwright_core.story import Storyboard
from reelwright_core.takes import Artifact, Message
from reelwright_graphs import identities
from reelwright_graphs.board_file import users_paths, write_board
from reelwright_graphs.build import keep_storyboard, load_storyboard
from reelwright_graphs.message_log import read_messages, say_messages
from reelwright_graphs.nodes import Node

Seconds = Annotated[int, Field(ge=1, le=600)]


class RoleNode(Node):
    """A role that reads the storyboard and changes it through messages."""

    level = "story"
    resource = "call"
    kind: ClassVar[str]
    """What it is by trade: `screenwriter`, `casting`, `cinematographer`, `reviewer`, `director`."""

    class Options(Record):
        role: str = Field(default="", pattern=r"^[a-z0-9 -]{0,40}$")
        """What the role is called in messages; none is its trade."""
        duty: str = Field(default="", max_length=1000)
        """What a language model is told of its job, instead of the trade's own words."""

    class Inputs(Record):
        storyboard: Artifact

    class Outputs(Record):
        storyboard: Artifact
        board: str
        """The digest of what storyboard.yaml says."""
        objections: int
        """Contradictions that are open: 0 when all is settled."""

    def depends(self, inputs: Inputs) -> None:
        # What it says depends on the log and on what the user wrote; answers of models are kept.
        return None

    @property
    def author(self) -> str:
        """What the role is called."""
        return self.options.role or self.kind

    def by_rules(self, board: Storyboard, users: Sequence[str]) -> Spoken:
        """What the role says without a language model."""
        raise NotImplementedError

    def run(self, inputs: Inputs) -> Outputs:
        context = self.context
        given = load_storyboard(context, inputs.storyboard)
        users = users_paths(context.run, given)
        said: list[Message] = []
        board = given
        if context.settings.planner.brain != "offline":
            from reelwright_agents.roles import ask

            spoken = ask(
                context.crew.scripter(), board, kind=self.kind, author=self.author,
                duty=self.options.duty, log=read_messages(context.run), users=users,
            )  # fmt: skip
            board, said = spoken.board, [*spoken.messages]
        spoken = self.by_rules(board, users)
        board = spoken.board
        if board != given:
            context.crew.gate().storyboard(board)
            identities.check(board, context.run)
            write_board(context.run, board, users=users)
        say_messages(context, [*said, *spoken.messages])
        return self.Outputs(
            storyboard=keep_storyboard(context, board),
            board=board.digest(),
            objections=len(objections(board, author=self.author, matters=MATTERS, users=users)),
        )


class ScreenwriterNode(RoleNode):
    """States the style where the script has none, and cuts and times the shots if asked."""

    kind = "screenwriter"

    class Options(RoleNode.Options):
        style: str = Field(default="", max_length=300)
        """The style bible, where the script gives none."""
        seconds: tuple[Seconds, Seconds] | None = None
        """The least and the most that a shot lasts, in whole seconds, by what happens in it."""
        actions: int | None = Field(default=None, ge=1, le=9)
        """How many things may happen one after the other in a shot; more make more shots."""

        @model_validator(mode="after")
        def _in_order(self) -> ScreenwriterNode.Options:
            if self.seconds is not None and self.seconds[1] < self.seconds[0]:
                raise ValueError("`seconds` are the least and the most: [2, 10]")
            return self

    def by_rules(self, board: Storyboard, users: Sequence[str]) -> Spoken:
        from reelwright_agents.roles import screenwriter

        told = self.options
        return screenwriter(
            board, author=self.author, style=told.style, seconds=told.seconds,
            actions=told.actions, users=users,
        )  # fmt: skip


class CastingNode(RoleNode):
    """Completes the cast sheet, dresses the shots by it, and objects to other looks and counts."""

    kind = "casting"

    def by_rules(self, board: Storyboard, users: Sequence[str]) -> Spoken:
        from reelwright_agents.roles import cast_keeper

        return cast_keeper(board, author=self.author, users=users)


class CinematographerNode(RoleNode):
    """Gives each scene one camera move, by what happens in it."""

    kind = "cinematographer"

    def by_rules(self, board: Storyboard, users: Sequence[str]) -> Spoken:
        from reelwright_agents.roles import cinematographer

        return cinematographer(board, author=self.author, users=users)


class ReviewerNode(RoleNode):
    """Objects to what does not fit together; there may be any number, each with a `role`."""

    kind = "reviewer"

    class Options(RoleNode.Options):
        watches: list[Matter] = Field(default=list(MATTERS), min_length=1)
        """What it looks at: `look`, `count`, `place`, `direction`."""

    def by_rules(self, board: Storyboard, users: Sequence[str]) -> Spoken:
        from reelwright_agents.roles import reviewer

        return reviewer(board, author=self.author, matters=self.options.watches, users=users)


class DirectorNode(RoleNode):
    """Settles every contradiction, and puts the style into every prompt."""

    kind = "director"

    def by_rules(self, board: Storyboard, users: Sequence[str]) -> Spoken:
        from reelwright_agents.roles import decisions

        return decisions(board, author=self.author, users=users)
