"""The gate: every script, plan, prompt and take passes it, or is refused with the reasons."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from reelwright_agents.safety import rules
from reelwright_agents.safety.moderation import Moderation
from reelwright_core.errors import RefusedError
from reelwright_core.safety import AI_MADE, Aspect, Finding
from reelwright_core.settings import Endpoint, Safety
from reelwright_core.story import Shot, Storyboard
from reelwright_core.video import Frames

_CHARACTERS = 2000
"""Of a script that the moderation endpoint is asked about at once."""
_TOLD_AT_MOST = 8


class Gate:
    """Refuses what a film must not show; may be shared by threads.

    What `safety.allow` names is let through and handed back, so that it can be recorded. With
    `safety.gate=off` everything is, but for what no setting lets through.
    """

    def __init__(self, safety: Safety, endpoint: Endpoint):
        self.safety = safety
        self._off = safety.gate == "off"
        self._allowed = frozenset(Aspect(name) for name in safety.allow)
        asks = safety.moderation is not None and not self._off
        self._moderation = Moderation(endpoint, model=safety.moderation or "") if asks else None
        self._known: dict[str, list[Finding]] = {}
        self._lock = threading.Lock()

    def script(self, text: str, *, name: str = "script") -> list[Finding]:
        """What is let through of a script's words; `RefusedError` if any of it is refused."""
        found = [*rules.look(text), *self._moderated(_pieces(text))]
        return self._decided(found, f"{name} is refused")

    def storyboard(self, board: Storyboard) -> list[Finding]:
        """What is let through of a plan, shot by shot and in their order; else `RefusedError`."""
        words = [(shot.id, _words(shot)) for shot in board.shots]
        # Apart from the words: a sequence that both tell is not to be told twice.
        prompts = [(shot.id, _prompts(shot)) for shot in board.shots]
        story = board.story
        about = ". ".join(text for text in (story.title, story.style) if text)
        found = [*rules.look_at_shots(words), *rules.look_at_shots(prompts)]
        found += [each.model_copy(update={"line": None}) for each in rules.look(about)]
        whole = [f"{_words(shot)}\n{_prompts(shot)}" for shot in board.shots]
        for shot, of_it in zip(board.shots, self._asked(whole), strict=True):
            found += [each.model_copy(update={"shot": shot.id}) for each in of_it]
        return self._decided(found, "the storyboard is refused")

    def prompt(self, shot: str, text: str) -> list[Finding]:
        """What is let through of a prompt; `RefusedError` if any of it is refused."""
        asked = [each.model_copy(update={"shot": shot}) for each in self._moderated([text])]
        found = [*rules.look_at_shots([(shot, text)]), *asked]
        return self._decided(found, f"a prompt of shot {shot} is refused")

    def passes(self, text: str) -> bool:
        """Whether a text would be let through."""
        try:
            self.script(text)
        except RefusedError:
            return False
        return True

    def frames(self, frames: Frames, *, shot: str) -> list[Finding]:
        """Why a take is refused, by the classifier of `safety.frames`; empty without one."""
        if self.safety.frames is None or self._off:
            return []
        from reelwright_agents.safety.frames import classifier

        found = classifier(Path(self.safety.frames)).look(frames, threshold=self.safety.threshold)
        told = [each.model_copy(update={"shot": shot}) for each in found]
        return [each for each in told if each.aspect not in self._allowed]

    def frames_identity(self) -> object:
        """What `frames` depends on besides the frames; None if it refuses nothing."""
        if self.safety.frames is None or self._off:
            return None
        from reelwright_agents.safety.frames import classifier_digest

        return [
            classifier_digest(Path(self.safety.frames)), self.safety.threshold,
            sorted(self._allowed),
        ]  # fmt: skip

    def told(self) -> dict[str, object]:
        """How the gate stood, for provenance."""
        safety = self.safety
        told: dict[str, object] = {"gate": safety.gate}
        if safety.allow:
            told["allow"] = list(safety.allow)
        if safety.moderation is not None:
            told["moderation"] = safety.moderation
        if safety.frames is not None:
            told["frames"] = Path(safety.frames).name
        return told

    def comment(self) -> str:
        """What the film says of itself, in its metadata."""
        off = "; made with the safety gate off" if self._off else ""
        allowed = f"; let through: {', '.join(self.safety.allow)}" if self.safety.allow else ""
        return f"{AI_MADE}{off or allowed}"

    def notes(self, board: Storyboard) -> list[str]:
        """What the report is to say of it: that it was off, or what it let through."""
        if self._off:
            return ["The safety gate was off: nothing in this film was checked."]
        return [f"let through by `safety.allow`: {each}" for each in self.storyboard(board)]

    def _moderated(self, texts: Sequence[str]) -> list[Finding]:
        return [finding for found in self._asked(texts) for finding in found]

    def _asked(self, texts: Sequence[str]) -> list[list[Finding]]:
        """What the moderation endpoint says of each text; it is asked once about each."""
        if self._moderation is None:
            return [[] for _ in texts]
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._known]
            self._known |= dict(zip(new, self._moderation.look(new), strict=True))
            return [self._known[text] for text in texts]

    def _decided(self, found: Sequence[Finding], what: str) -> list[Finding]:
        every = list({str(each): each for each in found}.values())
        refused = [each for each in every if each.always or not self._lets(each.aspect)]
        if not refused:
            return [] if self._off else every
        told = "".join(f"\n  - {each}" for each in refused[:_TOLD_AT_MOST])
        more = len(refused) - _TOLD_AT_MOST
        told += f"\n  - and {more} more" if more > 0 else ""
        raise RefusedError(f"{what} by the safety gate:{told}\n{_what_to_do(refused)}")

    def _lets(self, aspect: Aspect) -> bool:
        return self._off or aspect in self._allowed


def _what_to_do(refused: Sequence[Finding]) -> str:
    if any(each.always for each in refused):
        return "Change it; no setting lets this through."
    aspects = ",".join(dict.fromkeys(each.aspect.value for each in refused))
    return (
        f'Change it, or let it through with --set "safety.allow={aspects}", which is recorded '
        "with the film."
    )


def _words(shot: Shot) -> str:
    """What the script and the plan say of a shot."""
    seen = [*shot.scene_graph.entities]
    looks = ", ".join(
        " ".join([*entity.attributes, entity.noun]) for entity in seen if entity.attributes
    )
    said = [f"{line.speaker}: {line.text}" for line in shot.dialogue]
    return "\n\n".join(text for text in (shot.text, looks, *said) if text)


def _prompts(shot: Shot) -> str:
    return "\n\n".join([shot.prompt, *(beat.prompt for beat in shot.beats)])


def _pieces(text: str) -> list[str]:
    """A script in parts of whole lines that are short enough to be judged at once."""
    pieces: list[str] = []
    for line in text.splitlines(keepends=True):
        for start in range(0, len(line), _CHARACTERS):
            part = line[start : start + _CHARACTERS]
            if pieces and len(pieces[-1]) + len(part) <= _CHARACTERS:
                pieces[-1] += part
            else:
                pieces.append(part)
    return [piece for piece in pieces if piece.strip()]
