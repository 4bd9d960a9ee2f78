"""Whether the safety gate refuses a take for what is in its frames."""

from __future__ import annotations

from reelwright_core.records import digest
from reelwright_core.takes import Artifact, Take
from reelwright_core.video import read_video
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Context


def refusals(context: Context, clip: Artifact, *, shot: str, take: int) -> list[str]:
    """Why a clip is refused; empty where it is not, or no classifier is set. Looked at once."""
    gate = context.crew.gate()
    identity = gate.frames_identity()
    if identity is None:
        return []
    key = digest({"refusals": clip.sha256, "by": identity, "shot": shot})
    kept = context.store.find(key)
    if kept is None:
        found = gate.frames(read_video(context.store.path(clip)), shot=shot)
        kept = {"refused": [str(each) for each in found]}
        context.store.keep(key, "refusals", kept)
        for why in kept["refused"]:
            context.say(Event(kind="refused", text=why, shot=shot, take=take))
    return kept["refused"]


def is_refused(take: Take) -> bool:
    """Whether a take may not be in the film."""
    return bool(take.provenance.get("refused"))
