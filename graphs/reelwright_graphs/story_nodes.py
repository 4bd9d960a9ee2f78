"""The nodes of a story's graph: plan, cut, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from reelwright_core.errors import RunFolderError, ShotError
from reelwright_core.records import Record
from reelwright_core.story import Storyboard
from reelwright_core.storyboards import read_storyboard
from reelwright_core.takes import Artifact, Continuity, ShotResult
from reelwright_core.video import video_facts, video_frames
from reelwright_graphs import identities
from reelwright_graphs.board_file import STORYBOARD, note_board, write_board
from reelwright_graphs.build import keep_storyboard, load_results, load_storyboard
from reelwright_graphs.events import Event
from reelwright_graphs.message_log import messages_digest, read_messages
from reelwright_graphs.nodes import Node

SHEET_PICTURE = 640
"""Pixels that a picture of a contact sheet is wide or high at most."""


class StoryNode(Node):
    """A node that works on all shots together."""

    level = "story"

    def results(self, inputs: Any) -> tuple[Storyboard, list[ShotResult]]:
        """The storyboard and its finished shots; `ShotError` if one failed."""
        storyboard = load_storyboard(self.context, inputs.storyboard)
        for shot, why in sorted(inputs.failed.items()):
            raise ShotError(shot, why)
        return storyboard, load_results(self.context, storyboard, inputs.results)


class PlanNode(StoryNode):
    """Reads the script and decides what is filmed; an existing storyboard.yaml is the plan."""

    resource = "call"

    class Inputs(Record):
        script: Artifact | None = None

    class Outputs(Record):
        storyboard: Artifact
        board: str
        """The digest of what storyboard.yaml says."""

    def depends(self, inputs: Inputs) -> None:
        # The user may edit the file at any time, so it is always read again.
        return None

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.planner import Script

        context = self.context
        file = context.run / STORYBOARD
        if not file.exists():
            if inputs.script is None:
                raise RunFolderError(
                    f"{file} is gone, and the run began with it: put it back, "
                    "or film its storyboard again in another folder"
                )
            script = json.loads(context.store.path(inputs.script).read_bytes())
            planner, picture = context.crew.planner(), context.crew.picture()
            given = Script.model_validate(script)
            context.crew.gate().script(given.text, name=given.name)
            planned = planner.storyboard(given, picture=picture)
            context.crew.gate().storyboard(planned)
            write_board(context.run, planned)
        storyboard = read_storyboard(file)
        note_board(context.run, storyboard)
        identities.check(storyboard, context.run)
        for note in context.crew.gate().notes(storyboard):
            context.say(Event(kind="warning", text=note))
        shots = len(storyboard.shots)
        context.say(
            Event(
                kind="planned",
                text=f"{shots} shot{'s' if shots != 1 else ''}",
                details={
                    "shots": [shot.id for shot in storyboard.shots],
                    "left out": [f"{left.word}: {left.why}" for left in storyboard.left_out()],
                },
            )
        )
        return self.Outputs(
            storyboard=keep_storyboard(context, storyboard), board=storyboard.digest()
        )


class _FilmedInputs(Record):
    storyboard: Artifact
    results: dict[str, Artifact] = {}
    failed: dict[str, str] = {}


class CutNode(StoryNode):
    """Joins the chosen takes into film.mp4, which says that it is AI-made."""

    version = 2

    class Inputs(_FilmedInputs):
        pass

    class Outputs(Record):
        film: Artifact
        frames: int

    def depends(self, inputs: Inputs) -> object:
        _, results = self.results(inputs)
        clips = [result.take.clip.video.sha256 for result in results]
        return {"clips": clips, "comment": self.context.crew.gate().comment()}

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_editing.cut import cut

        store = self.context.store
        storyboard, results = self.results(inputs)
        aside = store.aside("film.mp4")
        clips = [store.path(result.take.clip.video) for result in results]
        comment = self.context.crew.gate().comment()
        frames = cut(clips, aside, fps=storyboard.shots[0].fps, comment=comment)
        return self.Outputs(film=store.add(aside, "film.mp4"), frames=frames)


class ReportNode(StoryNode):
    """Writes subtitles, contact sheet and report."""

    class Inputs(_FilmedInputs):
        film: Artifact
        continuity: Continuity | None = None

    class Outputs(Record):
        contact_sheet: Artifact
        report: Artifact
        subtitles: Artifact | None

    def depends(self, inputs: Inputs) -> object:
        return {
            "storyboard": inputs.storyboard.sha256,
            "results": {shot: result.sha256 for shot, result in inputs.results.items()},
            "film": inputs.film.sha256,
            "messages": messages_digest(self.context.run),
            "safety": self.context.crew.gate().told(),
            "continuity": inputs.continuity.data() if inputs.continuity else None,
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_editing.contact_sheet import contact_sheet
        from reelwright_editing.report import write_report
        from reelwright_editing.subtitles import write_subtitles

        context, store = self.context, self.context.store
        storyboard, results = self.results(inputs)
        subtitles = store.aside("film.srt")
        written = write_subtitles(
            storyboard,
            subtitles,
            shots=[
                (shot, result.take.clip.frames)
                for shot, result in zip(storyboard.shots, results, strict=True)
            ],
        )
        sheet = store.aside("contact-sheet.png")
        pictures = {
            result.shot: _first_middle_last(store.path(result.take.clip.video))
            for result in results
        }
        contact_sheet(storyboard, sheet, pictures=pictures)
        report = store.aside("report.html")
        write_report(
            report,
            storyboard=storyboard,
            results=results,
            settings=context.settings.data(),
            warnings=context.crew.gate().notes(storyboard),
            run=context.run,
            subtitles="film.srt" if written else None,
            messages=read_messages(context.run),
            continuity=inputs.continuity,
        )
        return self.Outputs(
            contact_sheet=store.add(sheet, "contact-sheet.png"),
            report=store.add(report, "report.html"),
            subtitles=store.add(subtitles, "film.srt") if written else None,
        )


def _first_middle_last(clip: Path) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Three pictures of a clip, read one after the other: of a long film no clip is held whole."""
    count = video_facts(clip)[0]
    wanted = (0, count // 2, count - 1)
    kept = {at: _small(frame) for at, frame in enumerate(video_frames(clip)) if at in wanted}
    return [kept[at] for at in wanted]


def _small(frame: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The frame as large as a contact sheet needs it at most: it holds those of all shots."""
    from PIL import Image

    if max(frame.shape[:2]) <= SHEET_PICTURE:
        return frame
    picture = Image.fromarray(frame)
    picture.thumbnail((SHEET_PICTURE, SHEET_PICTURE), Image.Resampling.LANCZOS)
    return np.asarray(picture)
