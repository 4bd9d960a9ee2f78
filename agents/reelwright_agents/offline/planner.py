"""The planner that needs no model: it reads simple English by rules and says what it left out."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from reelwright_agents.account import account, scenes_of
from reelwright_agents.keyframes import thinned
from reelwright_agents.language import NAMES, language_of
from reelwright_agents.layout_artist import make_layout
from reelwright_agents.offline import words
from reelwright_agents.offline.staging import (
    FRAMES_OF_A_STEP,
    STEPS_AT_MOST,
    Draft,
    Stage,
    shots,
)
from reelwright_agents.pacing import LONGEST
from reelwright_agents.planner import Picture, Script
from reelwright_agents.screenplay import Screenplay, read_screenplay
from reelwright_core.errors import ScriptError
from reelwright_core.story import Covered, Layout, Shot, Story, Storyboard

_SHOTS_AT_MOST = 2000
_TITLE_WORDS = 6


class OfflinePlanner:
    """Understands simple English: things, colours, counts, places, motions, relations and order."""

    def storyboard(self, script: Script, *, picture: Picture) -> Storyboard:
        """The shots that film `script`; raises `ScriptError` if nothing in it can be filmed."""
        play = read_screenplay(script)
        _refuse_other_languages(script, play)
        steps = max(1, min(STEPS_AT_MOST, picture.frames // FRAMES_OF_A_STEP))
        stage = Stage(steps_at_most=steps, speech_at_most=_speech_at_most(picture))
        for block in play.blocks:
            stage.add(block)
        drafts = stage.finish()
        if not _anything_known(drafts, stage):
            raise _nothing(script, stage, drafts)
        if len(drafts) > _SHOTS_AT_MOST:
            raise ScriptError(
                f"{script.name} makes {len(drafts)} shots; a film has at most {_SHOTS_AT_MOST}: "
                "split it into several films"
            )
        if script.kind == "prose":
            _number_scenes(drafts)
        filmed = list(shots(drafts, stage.cast, picture=picture, style=play.style))
        story = Story(
            title=play.title or _first_words(play.blocks[0].text),
            style=play.style,
            cast=[member.entity() for member in stage.cast.members.values()],
            places=list(dict.fromkeys(draft.place for draft in drafts)),
            script=script.text,
            scenes=scenes_of(filmed, play.headings()),
            coverage=_coverage(play, stage, drafts, filmed),
        )
        return Storyboard(story=story, shots=filmed)

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


def _refuse_other_languages(script: Script, play: Screenplay) -> None:
    told = " ".join(block.text for block in play.blocks if block.kind in ("text", "prompt"))
    language = language_of(told)
    if language != "en":
        raise ScriptError(
            f"{script.name} seems to be in {NAMES[language]}, and without a language model only "
            "English is understood: set planner.brain=openai (and `endpoint.base_url` for a model "
            f"of your own), or write it in English, such as: {words.EXAMPLE}"
        )


def _speech_at_most(picture: Picture) -> Fraction | None:
    """Seconds of speech that fit into the longest shot; none where all shots are alike."""
    if picture.step is None:
        return None
    return max(Fraction(2), picture.frames_for(Fraction(LONGEST)) / picture.fps)


def _number_scenes(drafts: Sequence[Draft]) -> None:
    """In a script without headings, another place is another scene."""
    scene, place = 0, None
    for draft in drafts:
        scene += draft.place != place
        place, draft.scene = draft.place, str(scene)


def _coverage(
    play: Screenplay, stage: Stage, drafts: Sequence[Draft], filmed: Sequence[Shot]
) -> list[Covered]:
    found: dict[int, list[str]] = {}
    for draft, shot in zip(drafts, filmed, strict=True):
        for number in dict.fromkeys(draft.lines):
            found.setdefault(number, []).append(shot.id)
    why: dict[int, str] = {}
    for line in play.lines:
        unseen = ", ".join(dict.fromkeys(stage.unseen.get(line.number, ())))
        if line.kind not in ("action", "prompt"):
            continue
        if line.number in found:
            why[line.number] = f"without: {unseen}" if unseen else ""
        else:
            why[line.number] = f"not understood: {unseen}" if unseen else "nothing to be seen in it"
    return account(play, filmed, found, why=why)


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
