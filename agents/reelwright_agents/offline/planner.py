"""The planner that needs no model: it reads simple English by rules and says what it left out."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright_agents.keyframes import thinned
from reelwright_agents.layout_artist import make_layout
from reelwright_agents.offline import words
from reelwright_agents.offline.screenplay import title_and_blocks
from reelwright_agents.offline.staging import (
    FRAMES_OF_A_STEP,
    STEPS_AT_MOST,
    Draft,
    Stage,
    shots,
)
from reelwright_agents.planner import Picture, Script
from reelwright_core.errors import ScriptError
from reelwright_core.story import Layout, Shot, Story, Storyboard

_SHOTS_AT_MOST = 2000
_TITLE_WORDS = 6


class OfflinePlanner:
    """Understands simple English: things, colours, counts, places, motions, relations and order."""

    def storyboard(self, script: Script, *, picture: Picture) -> Storyboard:
        """The shots that film `script`; raises `ScriptError` if nothing in it can be filmed."""
        title, blocks = title_and_blocks(script)
        steps = max(1, min(STEPS_AT_MOST, picture.frames // FRAMES_OF_A_STEP))
        stage = Stage(steps_at_most=steps)
        for block in blocks:
            stage.add(block)
        drafts = stage.finish()
        if not _anything_known(drafts, stage):
            raise _nothing(script, stage, drafts)
        if len(drafts) > _SHOTS_AT_MOST:
            raise ScriptError(
                f"{script.name} makes {len(drafts)} shots; a film has at most {_SHOTS_AT_MOST}: "
                "split it into several films"
            )
        story = Story(
            title=title or _first_words(blocks[0].text),
            cast=[member.entity() for member in stage.cast.members.values()],
            places=list(dict.fromkeys(draft.place for draft in drafts)),
            script=script.text,
        )
        return Storyboard(story=story, shots=list(shots(drafts, stage.cast, picture=picture)))

    def layout(
        self,
        shot: Shot,
        *,
        faults: Sequence[str] = (),
        earlier: Layout | None = None,
        keyframes: int | None = None,
    ) -> Layout:
        """Where everything in `shot` is in each frame."""
        layout = make_layout(shot, faults=faults, earlier=earlier)
        return layout if keyframes is None else thinned(layout, keyframes)


def _anything_known(drafts: Sequence[Draft], stage: Stage) -> bool:
    """Whether the film would show more than labelled shapes that stand around."""
    if any(member.known for member in stage.cast.members.values()):
        return True
    return any(
        draft.place != "plain" or draft.steps or draft.relations or draft.dialogue
        for draft in drafts
    )


def _nothing(script: Script, stage: Stage, drafts: Sequence[Draft]) -> ScriptError:
    left = [*stage.waiting_left, *(left for draft in drafts for left in draft.left_out)]
    unknown = list(dict.fromkeys(item.word for item in left))
    shown = ", ".join(unknown[:12]) + (
        f" and {len(unknown) - 12} more" if len(unknown) > 12 else ""
    )
    said = f"; these words were not understood: {shown}" if unknown else ""
    return ScriptError(
        f"nothing in {script.name} can be filmed{said}. Without a language model a script needs a "
        f"thing, a place or a motion that is known, such as: {words.EXAMPLE}"
    )


def _first_words(text: str) -> str:
    parts = text.split()
    title = " ".join(parts[:_TITLE_WORDS])
    return f"{title} ..." if len(parts) > _TITLE_WORDS else title.rstrip(".!?,;:")
