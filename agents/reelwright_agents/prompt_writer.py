"""Writes a shot's prompt the way its video model likes to be told, within what the model reads.

No noun, number, colour or attribute is lost (`kept_words`), whoever writes; what the model would
not read any more is cut, the least needed first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from reelwright_agents.enrichment import enrich, enriched, steps
from reelwright_agents.facts_shown import called, said
from reelwright_agents.imagination import RuleImagination
from reelwright_agents.kept_words import Kept, kept, lost
from reelwright_agents.llm import LanguageModel, UnfitAnswers
from reelwright_agents.offline.prompts import prompt_of
from reelwright_core.records import Record
from reelwright_core.story import PLACE, CameraMove, Lens, Shot, Triple

Part = Literal["opening", "motion", "states", "looks", "ground", "place", "camera", "style"]
"""`looks` holds throughout the shot, `states` in a part of it; `ground` is support and shadow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How prompts for a family of models are written."""

    form: Literal["paragraph", "tags", "captions"]
    """Sentences; phrases between commas; or the sentences of the model's own captions."""
    order: tuple[Part, ...]
    words: int
    """How long a language model is asked to make it, at most."""
    advice: str
    """To a language model."""


_TOLD = ("opening", "motion", "states", "looks", "ground", "place", "camera", "style")
_LONG = Manner(
    form="paragraph", order=("opening", "place", "looks", "ground", "motion", "states", "camera",
                             "style"), words=140,
    advice="One long descriptive paragraph: who is seen and how they look, where it is, what "
    "happens from beginning to end, then light, camera and style.",
)  # fmt: skip
_STRUCTURED = Manner(
    form="paragraph", order=("opening", "motion", "states", "looks", "ground", "place", "style",
                             "camera"), words=100,
    advice="One paragraph of plain sentences: subject, what it does and how, the scene around it, "
    "light and style, and last the camera.",
)  # fmt: skip
_FLOWING = Manner(
    form="paragraph", order=_TOLD, words=90,
    advice="One flowing paragraph in the order of time. It begins with the main action; then "
    "movements and gestures, how everything looks, the background, the camera, the light.",
)  # fmt: skip
_PLAIN = Manner(
    form="paragraph", order=_TOLD, words=80,
    advice="A short plain paragraph of concrete sentences about what is seen, the motion first.",
)  # fmt: skip
_TAGS = Manner(
    form="tags", order=("opening", "looks", "states", "place", "ground", "motion", "camera",
                        "style"), words=40,
    advice="One short sentence that says who does what where, then short phrases between commas: "
    "looks, place, light, style. 40 words at most.",
)  # fmt: skip
_CAPTIONS = Manner(
    form="captions", order=("opening",), words=20,
    advice="One plain sentence in the simplest words, as in `a red car moves from left to right on "
    "a beach and two dogs jump`: article or number, colour, noun, what it does, place.",
)  # fmt: skip

MANNERS: Mapping[str, Manner] = {
    "cogvideox": _LONG,
    **dict.fromkeys(
        ("wan", "wan-pictures", "wan-vace", "skyreels", "skyreels-forcing", "hunyuan", "hunyuan15"),
        _STRUCTURED,
    ),
    **dict.fromkeys(("ltx", "ltx-condition", "ltx2"), _FLOWING),
    "mochi": _PLAIN,
    **dict.fromkeys(("animatediff", "modelscope", "i2vgen-xl", "svd"), _TAGS),
}  # fmt: skip
"""By a model's family; others are told in a short plain paragraph."""

_CUT_FIRST: tuple[Part, ...] = ("place", "ground", "states", "looks", "motion", "camera", "style")
"""What is cut of a prompt that is too long, in this order; never the opening."""

_LATER = re.compile(
    r"^\s*(?:(?:and|but) then|then|after that|afterwards?|next|later|finally|meanwhile|now)\b[, ]*",
    re.IGNORECASE,
)
"""What ties a sentence to the one before it, which is another shot's."""
_CAMERA: Mapping[CameraMove, str] = {
    "static": "the camera is still", "pan left": "the camera pans left",
    "pan right": "the camera pans right", "zoom in": "the camera zooms in",
    "zoom out": "the camera zooms out",
}  # fmt: skip
_LENS: Mapping[Lens, str] = {"wide": "a wide shot", "normal": "", "long": "a close shot"}
_WAYS = {"right": "from left to right", "left": "from right to left", "up": "upwards",
         "down": "downwards"}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """The model that a prompt is for."""

    family: str
    own_words: bool
    """Whether it knows a small vocabulary of its own alone."""
    tokens: int | None
    """How many tokens it reads; None where nobody knows."""
    count: Callable[[str], int]
    counted_by: str
    """`the model's tokenizer`, or `an estimate`."""

    @property
    def manner(self) -> Manner:
        """How it likes to be told."""
        return _CAPTIONS if self.own_words else MANNERS.get(self.family, _PLAIN)

    def over(self, prompt: str) -> int:
        """How many tokens of `prompt` it would not read."""
        return 0 if self.tokens is None else max(0, self.count(prompt) - self.tokens)


class Writing(Record):
    """A prompt and what it was made from."""

    short: str
    """The prompt as it was planned."""
    prompt: str
    by: str
    """`offline rules`, or a language model."""
    family: str
    tokens: int
    budget: int | None
    """How many tokens the model reads."""
    counted_by: str
    kept: list[str]
    """The words that were checked."""
    cut: list[str] = []
    """What did not fit."""
    notes: list[str] = []


class PromptForm(Record):
    """A prompt for a video model."""

    prompt: str = Field(min_length=1, max_length=4000)


def write(
    shot: Shot, prompt: str, *, reader: Reader, style: str = "", model: LanguageModel | None = None
) -> Writing:
    """`prompt` of `shot` expanded for `reader`, by a language model or by rules.

    `style` is the story's style bible. An answer that loses a word, or is longer than the model
    reads, is sent back as often as `endpoint.repairs` says; then the rules write, and the notes
    say so. Raises `EndpointError` when the endpoint gives no answer at all.
    """
    needed = kept(shot, prompt=prompt)
    if model is None:
        return _by_rules(shot, prompt, needed, reader=reader, style=style)
    try:
        form = _asked(shot, prompt, needed, reader=reader, style=style, model=model)
    except UnfitAnswers as unfit:
        note = f"{model.model} wrote no prompt that fits ({unfit.faults[0]}): rules wrote this one"
        written = _by_rules(shot, prompt, needed, reader=reader, style=style)
        return written.model_copy(update={"notes": [note, *written.notes]})
    told = _line(form.prompt)
    return _writing(prompt, told, needed, reader=reader, by=f"the language model {model.model}")


def _asked(
    shot: Shot, prompt: str, needed: Sequence[Kept], *, reader: Reader, style: str,
    model: LanguageModel,
) -> PromptForm:  # fmt: skip
    def check(form: PromptForm) -> list[str]:
        told = _line(form.prompt)
        faults = [f"the prompt has lost: {word}" for word in lost(told, needed)]
        if over := reader.over(told):
            faults.append(
                f"the prompt is {over} tokens longer than the {reader.tokens} that the model reads"
            )
        return faults

    manner = reader.manner
    return model.ask(
        role="prompt writer",
        template="prompt_writer",
        inputs={
            "prompt": prompt,
            "text": shot.text,
            "style": style,
            "place": shot.place,
            "camera": ", ".join(filter(None, (_LENS[shot.lens], _CAMERA[shot.camera]))),
            "facts": "\n".join(_timed(triple, shot) for triple in shot.scene_graph.enriched),
            "kept": ", ".join(dict.fromkeys(each.said for each in needed)),
            "advice": manner.advice,
            "words": _words_at_most(reader),
        },
        answer=PromptForm,
        check=check,
    )


def _words_at_most(reader: Reader) -> int:
    words = reader.manner.words
    return words if reader.tokens is None else max(8, min(words, reader.tokens * 2 // 3))


def _by_rules(
    shot: Shot, prompt: str, needed: Sequence[Kept], *, reader: Reader, style: str
) -> Writing:
    parts = _parts(shot, prompt, needed, reader=reader, style=style)
    cut: list[str] = []
    told = _joined(parts, reader.manner)
    for part in _CUT_FIRST:
        while reader.over(told) and parts.get(part):
            # A phrase that holds a checked word stands also in the opening: nothing checked goes.
            cut.append(parts[part].pop())
            told = _joined(parts, reader.manner)
    notes: list[str] = []
    if over := reader.over(told):
        notes.append(
            f"the model reads {reader.tokens} tokens of a prompt; the last {over} of this one hold "
            "words of the script and were not cut"
        )
    return _writing(prompt, told, needed, reader=reader, by="offline rules", cut=cut, notes=notes)


def _writing(
    short: str, told: str, needed: Sequence[Kept], *, reader: Reader, by: str,
    cut: Sequence[str] = (), notes: Sequence[str] = (),
) -> Writing:  # fmt: skip
    return Writing(
        short=short,
        prompt=told,
        by=by,
        family=reader.family,
        tokens=reader.count(told),
        budget=reader.tokens,
        counted_by=reader.counted_by,
        kept=list(dict.fromkeys(each.said for each in needed)),
        cut=list(cut),
        notes=list(notes),
    )


def _parts(
    shot: Shot, prompt: str, needed: Sequence[Kept], *, reader: Reader, style: str
) -> dict[Part, list[str]]:
    """The phrases of each part, each complete in itself."""
    opening = _opening(shot, prompt, needed, reader=reader)
    if reader.manner.form == "captions":
        return {"opening": opening}
    graph = shot.scene_graph
    full = shot if graph.enriched else enriched(shot, enrich(shot, RuleImagination()))
    throughout = [t for t in full.scene_graph.enriched if _whole(t, shot)]
    own = [t for t in throughout if t.subject != PLACE]
    ground = [t for t in own if t.predicate in ("is on", "casts a shadow on")]
    parts: dict[Part, list[str]] = {
        "opening": opening,
        "motion": _motion(shot, opening),
        "states": [
            _timed(t, shot) for t in full.scene_graph.enriched if not _whole(t, shot)
        ],
        "looks": [_said(t, shot) for t in own if t not in ground],
        "ground": [_said(t, shot) for t in ground],
        "place": [t.object or t.predicate for t in throughout if t.subject == PLACE],
        "camera": [
            phrase
            for phrase in (_LENS[shot.lens], _CAMERA[shot.camera])
            if phrase and phrase not in " ".join(opening).lower()
        ],
        "style": [style] if style and style.lower() not in prompt.lower() else [],
    }  # fmt: skip
    return parts


def _opening(shot: Shot, prompt: str, needed: Sequence[Kept], *, reader: Reader) -> list[str]:
    """The user's own sentence where it says all; else the prompt, and what it does not say."""
    form = reader.manner.form
    own = _line(_LATER.sub("", shot.text, count=1))
    if form == "paragraph" and prompt == shot.prompt and own and not lost(own, needed):
        return [own]
    told = _line(prompt)
    if form == "captions" and prompt == shot.prompt and shot.scene_graph.entities:
        told = prompt_of(shot.scene_graph, place=shot.place, camera=shot.camera)
    missing = lost(told, needed)
    if form != "paragraph" or not missing:
        return [told, *missing]
    if own and not lost(f"{told}. {own}", needed):
        return [told, own]
    return [told, f"clearly seen: {', '.join(missing)}"]


def _motion(shot: Shot, opening: Sequence[str]) -> list[str]:
    """What happens in its order; nothing where the opening is a plan's prompt with one event."""
    found = [
        [fact for fact in step.planned if _is_act(fact[0], fact[1], shot)] for step in steps(shot)
    ]
    found = [acts for acts in found if acts]
    doing = [" and ".join(_does(*act, shot) for act in acts) for acts in found]
    if len(found) < 2:
        rests = all(predicate == "stays" for acts in found for _, predicate, _ in acts)
        return [] if rests or _line(shot.prompt) in opening else doing
    when = ["first", *["then"] * (len(found) - 2), "at the end"]
    return [f"{at} {what}" for at, what in zip(when, doing, strict=True)]


def _is_act(subject: str, predicate: str, shot: Shot) -> bool:
    return any(e.actor == subject and e.action == predicate for e in shot.scene_graph.events)


def _does(subject: str, predicate: str, target: str, shot: Shot) -> str:
    entity = shot.scene_graph.entity(subject)
    verb = predicate
    if entity.count > 1:
        verb = verb.removesuffix("es") if verb.endswith("ches") else verb.removesuffix("s")
    ids = [each.id for each in shot.scene_graph.entities]
    where = called(target, shot) if target in ids else _WAYS.get(target, target)
    if predicate == "leaves" and target in _WAYS:
        where = f"to the {target}"
    if predicate == "stays":
        verb, where = ("stay", "still") if entity.count > 1 else ("stays", "still")
    return " ".join(filter(None, (called(subject, shot), verb, where)))


def _whole(triple: Triple, shot: Shot) -> bool:
    return triple.frames.first == 0 and triple.frames.last == shot.frames - 1


def _said(triple: Triple, shot: Shot) -> str:
    return said((triple.subject, triple.predicate, triple.object), shot)


def _timed(triple: Triple, shot: Shot) -> str:
    """What a triple says, with when it holds."""
    told = _said(triple, shot)
    if _whole(triple, shot):
        return told
    first, last = triple.frames.first == 0, triple.frames.last == shot.frames - 1
    return f"{'at first' if first else 'in the end' if last else 'in between'} {told}"


def _joined(parts: Mapping[Part, Sequence[str]], manner: Manner) -> str:
    phrases = [_phrase(part, list(parts.get(part, ())), manner) for part in manner.order]
    phrases = [phrase for phrase in phrases if phrase]
    if manner.form == "paragraph":
        return " ".join(phrases)
    return ", ".join(phrases)


def _phrase(part: Part, told: list[str], manner: Manner) -> str:
    """One part as sentences, or as phrases between commas."""
    if not told:
        return ""
    if manner.form != "paragraph":
        return ", ".join(_bare(each) for each in told)
    if part == "place":
        return _sentence(f"the place has {_listed(told)}")
    if part in ("looks", "ground", "states"):
        return " ".join(_sentence(each) for each in _grouped(told))
    if part == "motion":
        return _sentence(", ".join(told))
    return " ".join(_sentence(each) for each in told)


def _bare(phrase: str) -> str:
    """A phrase between commas: without full stop and article."""
    return phrase.strip(" .").removeprefix("the ")


def _grouped(told: Sequence[str]) -> Iterator[str]:
    """`the car faces left` and `the car is on the sand` as one sentence."""
    open_: list[str] = []
    for each in told:
        shared = _shared(open_[0], each) if open_ else 0
        if shared >= 2:
            open_.append(" ".join(each.split()[shared:]))
        else:
            if open_:
                yield _listed(open_)
            open_ = [each]
    if open_:
        yield _listed(open_)


def _shared(one: str, other: str) -> int:
    """How many words two phrases begin with alike."""
    pairs = zip(one.split(), other.split(), strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), 0)


def _listed(told: Sequence[str]) -> str:
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def _sentence(text: str) -> str:
    text = text.strip()
    end = "" if text[-1:] in ".!?…" else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def _line(text: str) -> str:
    return " ".join(text.split())
