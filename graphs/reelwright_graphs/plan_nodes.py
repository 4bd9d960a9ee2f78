"""Nodes that put more into the plan before it is filmed: `references` pictures, `boxes` layouts.

Both write into storyboard.yaml, where the user may change what they made: another picture, or
other boxes, make only the shots again that use them.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from reelwright_agents.keyframes import thinned
from reelwright_agents.talk import changed, covers
from reelwright_core.files import storage_errors, written_whole
from reelwright_core.records import Record
from reelwright_core.story import Entity, Identity, Layout, Place, Shot, Storyboard
from reelwright_core.takes import Artifact, Message
from reelwright_graphs import identities
from reelwright_graphs.board_file import users_paths, write_board
from reelwright_graphs.build import keep_storyboard, load_storyboard
from reelwright_graphs.message_log import say_messages
from reelwright_graphs.nodes import Node

FOLDER = "looks"
"""Where reference pictures lie in the run folder."""


class _PlanMore(Node):
    level = "story"

    class Inputs(Record):
        storyboard: Artifact

    class Outputs(Record):
        storyboard: Artifact
        board: str
        """The digest of what storyboard.yaml says."""

    def depends(self, inputs: Any) -> None:
        # The user may edit what it made, so it always looks what is there.
        return None

    def more(self, board: Storyboard, users: list[str]) -> tuple[dict[str, Any], Message | None]:
        """What to change in the storyboard, and what to say about it."""
        raise NotImplementedError

    def run(self, inputs: Any) -> Any:
        context = self.context
        given = load_storyboard(context, inputs.storyboard)
        users = users_paths(context.run, given)
        changes, message = self.more(given, users)
        board = changed(given, changes)
        if board != given:
            identities.check(board, context.run)
            write_board(context.run, board, users=users)
        say_messages(context, [message] if message else [])
        return self.Outputs(storyboard=keep_storyboard(context, board), board=board.digest())


class ReferencesNode(_PlanMore):
    """Gives each entity and place one reference picture, which all its shots share.

    Painted from the cut-out set and the built-in places, as `looks/ID.png`; a picture that is
    there already, or that the storyboard names, stays.
    """

    class Options(Record):
        shots_at_least: int = Field(default=1, ge=1, le=100)
        """Only what so many shots show gets a picture: 2 leaves out what is seen once."""
        groups: bool = False
        """Whether the storyboard also names the shots of each group, to be edited there."""

    def more(self, board: Storyboard, users: list[str]) -> tuple[dict[str, Any], Message | None]:
        if covers(users, "story/identities") and not board.story.identities:
            return {}, None
        known = {identity.of: identity for identity in board.story.identities}
        found = list(board.story.identities)
        made: list[str] = []
        for of, shots in _groups(board).items():
            if of in known or len(shots) < self.options.shots_at_least:
                continue
            path = f"{FOLDER}/{of}.png"
            if not (self.context.run / path).exists():
                self._paint(of, path, board)
            made.append(path)
            found.append(
                Identity(of=of, references=[path], shots=shots if self.options.groups else [])
            )
        if not made:
            return {}, None
        message = Message(
            author="art department", to="all", kind="note",
            text=f"{len(made)} reference pictures are in {FOLDER}; put others there if you like.",
            about=[identity.of for identity in found if identity.of not in known],
            inputs=[f"storyboard {board.digest()}"], outputs=made,
        )  # fmt: skip
        return {"story/identities": [identity.data() for identity in found]}, message

    def _paint(self, of: str, path: str, board: Storyboard) -> None:
        from PIL import Image

        from reelwright_simulators.painter import likeness
        from reelwright_simulators.places import background

        looks: dict[str, Entity] = {}
        for shot in board.shots:
            for entity in shot.scene_graph.entities:
                looks.setdefault(entity.id, entity)
        looks |= {entity.id: entity for entity in board.story.cast if entity.id in looks}
        if of in looks:
            pixels = likeness(looks[of])
        else:
            first = next(shot for shot in board.shots if shot.place == of)
            seed = self.context.derived_seed("place", first.scene, of)
            place: Place = first.place
            pixels = background(place, size=first.size, seed=seed)
        file = self.context.run / path
        with storage_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(file) as aside:
                Image.fromarray(pixels).save(aside, format="PNG")


def _groups(board: Storyboard) -> dict[str, list[str]]:
    """Who is seen in which shots, in the cast sheet's order; then the places."""
    cast = {entity.id: [] for entity in board.story.cast}
    groups: dict[str, list[str]] = dict(cast)
    for shot in board.shots:
        for entity in shot.scene_graph.entities:
            groups.setdefault(entity.id, []).append(shot.id)
    for shot in board.shots:
        if shot.place not in cast:
            groups.setdefault(shot.place, []).append(shot.id)
    return {of: shots for of, shots in groups.items() if shots}


class BoxesNode(_PlanMore):
    """Writes the boxes of every shot into the storyboard, frame by frame, to be edited there."""

    resource = "call"

    class Options(Record):
        keyframes: int = Field(default=9, ge=2, le=13)
        """How many each track has, straight lines between them."""

    def more(self, board: Storyboard, users: list[str]) -> tuple[dict[str, Any], Message | None]:
        planner = self.context.crew.planner()
        changes: dict[str, Any] = {}
        for shot in board.shots:
            path = f"shots/{shot.id}/layout"
            if shot.layout is None and shot.physics is None and path not in users:
                layout = planner.layout(shot, keyframes=self.options.keyframes)
                changes[path] = _kept(shot, layout, self.options.keyframes)
        if not changes:
            return {}, None
        message = Message(
            author="layout artist", to="all", kind="note",
            text=f"the boxes of {len(changes)} shots are in the storyboard; edit them if you like.",
            about=[path.split("/")[1] for path in changes],
            inputs=[f"storyboard {board.digest()}"], outputs=list(changes),
        )  # fmt: skip
        return changes, message


def _kept(shot: Shot, layout: Layout, keyframes: int) -> dict[str, Any]:
    """The layout with its keyframes, boxes rounded as a person would write them."""
    data = thinned(layout, min(keyframes, max(2, shot.frames))).model_dump(mode="json")
    for track in data["tracks"]:
        for key in track["keyframes"]:
            key["box"] = [round(edge, 4) for edge in key["box"]]
            key["angle"] = round(key["angle"], 2)
    return data
