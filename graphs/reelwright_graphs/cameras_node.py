"""Several cameras on one action: `cameras` plans them, `side_by_side` shows them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from reelwright_core.kinds import EntityId
from reelwright_core.physics import PhysicsScene
from reelwright_core.records import Record
from reelwright_core.story import Shot, Storyboard
from reelwright_core.takes import Artifact
from reelwright_core.video import Frames, read_video
from reelwright_graphs.board_file import users_paths, write_board
from reelwright_graphs.build import keep_storyboard, load_results, load_storyboard
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Node
from reelwright_graphs.simulate_node import physics_seed

_SEEN = {
    "left": "seen from the left", "right": "seen from the right", "high": "seen from above",
}  # fmt: skip
_ID_AT_MOST = 40


class CamerasNode(Node):
    """Films each action that can be simulated by several cameras at once.

    A shot in which something moves becomes as many shots as there are cameras: the first has the
    physics scene, the others `film` it by a `view` of their own, in the same frames. Dialogue
    stays with the first. What cannot be simulated stays one shot, and that is told. Shots that
    have or share a scene already are left alone.
    """

    level = "story"
    resource = "call"

    class Options(Record):
        cameras: int = Field(default=3, ge=2, le=8)
        """How many; the first of those that the scene has."""

    class Inputs(Record):
        storyboard: Artifact

    class Outputs(Record):
        storyboard: Artifact
        board: str
        """The digest of what storyboard.yaml says."""

    def depends(self, inputs: Inputs) -> None:
        # The user may edit what it made, so it always looks what is there.
        return None

    def run(self, inputs: Inputs) -> Outputs:
        context = self.context
        given = load_storyboard(context, inputs.storyboard)
        users = users_paths(context.run, given)
        shots = [each for shot in given.shots for each in self._seen(shot, given)]
        board = given if shots == given.shots else given.model_copy(update={"shots": shots})
        if board is not given:
            board = Storyboard.from_data(board.data())
            write_board(context.run, board, users=users)
        return self.Outputs(storyboard=keep_storyboard(context, board), board=board.digest())

    def _seen(self, shot: Shot, board: Storyboard) -> list[Shot]:
        """The shot by all its cameras, or itself alone."""
        shared = shot.films is not None or any(each.films == shot.id for each in board.shots)
        acts = any(event.action != "stays" for event in shot.scene_graph.events)
        if shared or not (acts or shot.physics):
            return [shot]
        if self.context.settings.physics.engine == "off":
            self._told(shot, "`physics.engine` is off")
            return [shot]
        scene, why = self._scene(shot)
        if scene is None:
            self._told(shot, why)
            return [shot]
        views = [camera.id for camera in scene.cameras][: self.options.cameras]
        if len(views) < self.options.cameras:
            self._told(shot, f"its scene has only {len(views)}", asked=self.options.cameras)
        first = shot.model_copy(update={"physics": scene, "view": views[0]})
        return [first, *(_by(first, view) for view in views[1:])]

    def _scene(self, shot: Shot) -> tuple[PhysicsScene | None, str]:
        """The shot's own scene, or one in which things also only move along."""
        from reelwright_agents.physics import plan_physics

        if shot.physics is not None:
            return shot.physics, ""
        seed = physics_seed(self.context, shot)
        planned = self.context.crew.physics(shot, seed=seed)
        if planned.scene is None and not planned.why:
            planned = plan_physics(shot, seed=seed, any_action=True)
        return planned.scene, planned.why or "nothing moves in it"

    def _told(self, shot: Shot, why: str, *, asked: int | None = None) -> None:
        wanted = f"not by {asked} cameras" if asked else "by one camera alone"
        text = f"it is filmed {wanted}: {why}"
        self.context.say(Event(kind="warning", text=text, shot=shot.id))


def _by(shot: Shot, view: EntityId) -> Shot:
    """The same action by another camera."""
    seen = _SEEN.get(view, f"seen by the camera {view}")
    ending = f"-{view}"
    return shot.model_copy(
        update={
            "id": f"{shot.id[: _ID_AT_MOST - len(ending)]}{ending}",
            "prompt": f"{shot.prompt.rstrip(' .')}, {seen}",
            "films": shot.id,
            "view": view,
            "physics": None,
            "layout": None,
            "dialogue": [],
            "left_out": [],
            "continues": None,
            "beats": [],
        }
    )


class SideBySideNode(Node):
    """Draws, for each action that several cameras film, one sheet: a column for each camera."""

    level = "story"

    class Options(Record):
        pictures: int = Field(default=5, ge=2, le=20)
        """Rows: the same times for all cameras, from the first frame to the last."""

    class Inputs(Record):
        storyboard: Artifact
        results: dict[str, Artifact] = {}
        failed: dict[str, str] = {}

    class Outputs(Record):
        sheets: list[Artifact]
        """`cameras-SHOT.png` of each action."""

    def depends(self, inputs: Inputs) -> Any:
        results = {shot: result.sha256 for shot, result in inputs.results.items()}
        return {"storyboard": inputs.storyboard.sha256, "results": results}

    def run(self, inputs: Inputs) -> Outputs:
        store = self.context.store
        board = load_storyboard(self.context, inputs.storyboard)
        if inputs.failed:  # the node `cut` says so
            return self.Outputs(sheets=[])
        filmed = {each.shot: each for each in load_results(self.context, board, inputs.results)}
        sheets: list[Artifact] = []
        for shot in board.shots:
            together = [shot, *(each for each in board.shots if each.films == shot.id)]
            if len(together) == 1:
                continue
            clips = [
                (each, read_video(store.path(filmed[each.id].take.clip.video)))
                for each in together
            ]  # fmt: skip
            name = f"cameras-{shot.id}.png"
            aside = store.aside(name)
            self._draw(aside, clips)
            sheets.append(store.add(aside, name))
        return self.Outputs(sheets=sheets)

    def _draw(self, file: Path, clips: list[tuple[Shot, Frames]]) -> None:
        from reelwright_editing.side_by_side import side_by_side

        first = clips[0][0]
        times = np.linspace(0, first.frames - 1, min(self.options.pictures, first.frames))
        side_by_side(
            file,
            [(f"{shot.id}  {shot.view or ''}".strip(), frames) for shot, frames in clips],
            at=[round(time) for time in times],
            fps=first.fps,
        )
