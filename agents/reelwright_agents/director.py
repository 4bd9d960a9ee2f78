"""The director settles what others object to, keeps the style, and asks for shots again.

The rule by which a contradiction is settled, here and in every message about it:

1. what the user wrote in a shot stands in that shot;
2. the cast sheet (for a place, the scene sheet) holds for all others;
3. where it says nothing, the value of most shots; a field counts before the words of a prompt;
4. of equally many, the one that is said first.

Which way someone goes across the screen follows the earlier shot, unless the script turns it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reelwright_agents.casting import MATTERS, Claim, Contradiction, Matter, contradictions, mended
from reelwright_agents.talk import changed, covers
from reelwright_core.story import Shot, Storyboard
from reelwright_core.takes import ContinuityFault, Message, ShotResult

ROUNDS_OF_SETTLING = 8
"""One decision may bring up another; more rounds than these are never needed by real boards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """A storyboard after a role has spoken, and what it said."""

    board: Storyboard
    messages: tuple[Message, ...] = ()


def decide(contradiction: Contradiction, *, users: Sequence[str] = ()) -> tuple[str, str]:
    """The value that shall hold, and by which part of the rule; `users` are paths they wrote."""
    claims = contradiction.claims
    if contradiction.matter == "direction":
        return claims[0].value, f"as in {claims[0].shot}, which comes first"
    sheet = [claim for claim in claims if claim.shot is None]
    if sheet:
        name = "scene" if contradiction.matter == "place" else "cast"
        return sheet[0].value, f"by the {name} sheet"
    told = [claim for claim in claims if covers(users, claim.path)]
    if told:
        return told[0].value, f"as the user wrote in {told[0].shot}"
    fields = [claim for claim in claims if not claim.said] or list(claims)
    counts = Counter(claim.value for claim in fields)
    value, most = max(counts.items(), key=lambda item: item[1])  # of equals the first said
    if list(counts.values()).count(most) > 1:
        return value, f"as first said, in {fields[0].shot}"
    return value, f"as in most shots ({most} of {len(fields)})"


def objections(
    board: Storyboard,
    *,
    author: str,
    matters: Sequence[Matter],
    users: Sequence[str] = (),
) -> list[Message]:
    """What `author` has against the storyboard: one objection for each contradiction."""
    return [
        Message(
            author=author, to="director", kind="objection", text=f"{found.text}.",
            about=found.about, inputs=[f"storyboard {board.digest()}"],
        )
        for found in contradictions(board, matters)
        if not _stands(found, users)
    ]  # fmt: skip


def settled(board: Storyboard, *, author: str, users: Sequence[str] = ()) -> Spoken:
    """`board` without contradictions, each decision a message that names what it changed.

    What stands at the paths `users` is the user's and is not changed; where it contradicts other
    shots, a note says so and it stands.
    """
    said: list[Message] = []
    for _ in range(ROUNDS_OF_SETTLING):
        before = board
        for found in contradictions(board, MATTERS):
            board, message = _settle(board, found, author=author, users=users)
            if message not in said:
                said.append(message)
        if board == before:
            break
    return Spoken(board=board, messages=tuple(said))


def _settle(
    board: Storyboard, found: Contradiction, *, author: str, users: Sequence[str]
) -> tuple[Storyboard, Message]:
    value, why = decide(found, users=users)
    before = board.digest()
    changes: dict[str, Any] = {}
    standing: list[Claim] = []
    for claim in found.claims:
        wanted = _wanted(found, claim, value, users)
        if claim.value == wanted:
            if wanted != value:
                standing.append(claim)
            continue
        if covers(users, claim.path):
            standing.append(claim)
            continue
        change = mended(board, claim, wanted)
        change = {path: to for path, to in change.items() if not covers(users, path)}
        board = changed(board, change)
        changes |= change
    if changes:
        text = f"{found.text}: it is {value}, {why}"
        if standing:
            shots = ", ".join(dict.fromkeys(str(claim.shot) for claim in standing))
            text += f"; what the user wrote in {shots} stands"
    else:
        text = f"{found.text}: it stands, as the user wrote it"
    return board, Message(
        author=author, to="all", kind="decision" if changes else "note", text=f"{text}.",
        about=found.about, inputs=[f"storyboard {before}"], outputs=list(changes),
    )  # fmt: skip


def _wanted(found: Contradiction, claim: Claim, value: str, users: Sequence[str]) -> str:
    """What a claim shall say: within a shot that the user wrote, the user's own value."""
    for other in found.claims:
        if other.shot is not None and other.shot == claim.shot and covers(users, other.path):
            return other.value
    return value


def _stands(found: Contradiction, users: Sequence[str]) -> bool:
    """Whether only what the user wrote differs from the rest."""
    value, _ = decide(found, users=users)
    return all(
        claim.value == _wanted(found, claim, value, users) or covers(users, claim.path)
        for claim in found.claims
    )


def styled(board: Storyboard, *, author: str, users: Sequence[str] = ()) -> Spoken:
    """`board` with the style bible in every prompt that the user did not write."""
    style = board.story.style.strip().rstrip(".")
    if not style:
        return Spoken(board=board)
    changes: dict[str, Any] = {}
    for shot in board.shots:
        path = f"shots/{shot.id}/prompt"
        if style.lower() not in shot.prompt.lower() and not covers(users, path):
            changes[path] = f"{shot.prompt.rstrip(' .')}, {style}"
    if not changes:
        return Spoken(board=board)
    about = [path.split("/")[1] for path in changes]
    message = Message(
        author=author, to="all", kind="decision",
        text=f"every prompt says the style: {style}.", about=about,
        inputs=[f"storyboard {board.digest()}"], outputs=list(changes),
    )  # fmt: skip
    return Spoken(board=changed(board, changes), messages=(message,))


LESS_NOISE = 0.8
"""A shot that does not fit is filmed again nearer to its sketch: its noise level times this."""
FLOOR = 0.3
"""The lowest level that the director asks for, as in the refiner."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retake:
    """How one shot is to be filmed again, so that it fits the others."""

    shot: str
    changes: dict[str, Any]
    """By path, as in `talk.changed`."""
    why: str


def retake(
    shot: Shot,
    result: ShotResult,
    faults: Sequence[ContinuityFault],
    *,
    tries: int,
    seed: int,
) -> Retake:
    """What to change in a blamed shot, for the `tries`-th time, counted from 0.

    First more of the sketch is kept, with what should be seen said in the prompt, as looks and
    places come from there; when that is used up or did not help, another seed films it.
    """
    changes: dict[str, Any] = {}
    why: list[str] = []
    at = f"shots/{shot.id}"
    level = result.take.noise.level
    if tries == 0 and level < 1 and level * LESS_NOISE >= FLOOR and result.take.sketch is not None:
        changes[f"{at}/noise_level"] = round(level * LESS_NOISE, 4)
        why.append(f"keep more of the sketch (noise level {level * LESS_NOISE:.2f})")
    prompt = _clearer(shot, faults)
    if prompt != shot.prompt:
        changes[f"{at}/prompt"] = prompt
        why.append("say it in the prompt")
    if tries > 0 or not changes:
        changes[f"{at}/seed"] = seed
        why.append("another seed")
    found = " ".join(dict.fromkeys(fault.text for fault in faults))
    return Retake(shot=shot.id, changes=changes, why=f"{found} Film it again: {', '.join(why)}.")


def _clearer(shot: Shot, faults: Sequence[ContinuityFault]) -> str:
    told: list[str] = []
    for fault in faults:
        if fault.kind == "look" and fault.entity is not None and " " not in fault.expected.strip():
            noun = next((e.noun for e in shot.scene_graph.entities if e.id == fault.entity), "")
            if noun and fault.expected and f"{fault.expected} {noun}" not in shot.prompt:
                told.append(f"the {noun} is {fault.expected}")
        if fault.kind == "style" and fault.expected and ":" not in fault.expected:
            told.append(fault.expected)
    told = [each for each in dict.fromkeys(told) if each.lower() not in shot.prompt.lower()]
    return ", ".join([shot.prompt.rstrip(" ."), *told]) if told else shot.prompt
