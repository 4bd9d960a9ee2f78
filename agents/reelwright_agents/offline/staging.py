"""From sentences to shots: what is filmed together, and when each thing happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from reelwright_agents.offline import words
from reelwright_agents.offline.cast import Cast, Mention
from reelwright_agents.offline.clauses import Happening, Reading, read_sentence
from reelwright_agents.offline.lexicon import items
from reelwright_agents.offline.prompts import prompt_of
from reelwright_agents.pacing import seconds_needed, speech
from reelwright_agents.planner import Picture
from reelwright_agents.screenplay import Block, Piece, sentence_pieces, sentences
from reelwright_core.story import (
    CameraMove,
    Event,
    FrameSpan,
    LeftOut,
    Lens,
    Line,
    Place,
    Relation,
    RelationKind,
    SceneGraph,
    Shot,
)
from reelwright_simulators import cutouts

FRAMES_OF_A_STEP = 5
"""A step of a shot is at least this long, in frames."""
STEPS_AT_MOST = 3


@dataclass(kw_only=True, slots=True)
class Draft:
    """A shot while it is put together."""

    scene: str
    place: Place
    text: list[str] = field(default_factory=list[str])
    lines: list[int] = field(default_factory=list[int])
    """The lines of the script that it films or speaks."""
    seen: list[str] = field(default_factory=list[str])
    relations: list[tuple[str, RelationKind, str]] = field(
        default_factory=list[tuple[str, RelationKind, str]]
    )
    steps: list[list[Happening]] = field(default_factory=list[list[Happening]])
    camera: CameraMove = "static"
    lens: Lens | None = None
    dialogue: list[Line] = field(default_factory=list[Line])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    wind: str = ""
    introduces: bool = False
    filmable: bool = True


@dataclass(kw_only=True)
class Stage:
    """Where the script is at: who was seen, which place holds, and the shots so far."""

    steps_at_most: int
    speech_at_most: Fraction | None = None
    """Seconds of speech in one shot; none is any."""
    cast: Cast = field(default_factory=Cast)
    place: Place = "plain"
    drafts: list[Draft] = field(default_factory=list[Draft])
    waiting: list[str] = field(default_factory=list[str])
    """Text that belongs to the next shot: headings."""
    waiting_left: list[LeftOut] = field(default_factory=list[LeftOut])
    fresh: bool = True
    """The next sentence starts a shot whatever it says."""
    heading_place: bool = False
    waiting_lens: Lens | None = None
    unseen: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """The words of each line that no picture follows, by the line's number."""

    def add(self, block: Block) -> None:
        """Films one block of the script."""
        match block.kind:
            case "heading":
                self._heading(block)
            case "dialogue":
                self._dialogue(block)
            case "aside":
                self._left([LeftOut(word=block.text, why="how a line is said is not followed yet")])
            case "prompt":
                self._prompt(block)
            case _:
                for sentence in sentence_pieces(block.piece):
                    self._sentence(self._read(sentence), block.scene)

    def finish(self) -> list[Draft]:
        """All shots; what never found one joins the last."""
        if self.waiting:
            place = self.place
            if self.heading_place or not self.drafts:
                self._open(
                    str(len(self.drafts) + 1) if not self.drafts else self.drafts[-1].scene, place
                )
            else:
                self._take_waiting(self.drafts[-1])
        return self.drafts

    def _read(self, sentence: Piece) -> Reading:
        reading = read_sentence(sentence, self.cast)
        for left, at in zip(reading.left_out, reading.left_at, strict=True):
            self.unseen.setdefault(sentence.line(at), []).append(left.word)
        return reading

    def _heading(self, block: Block) -> None:
        place, left = _heading_place(block.text)
        self.waiting.append(block.text)
        self.waiting_left += left
        if place is not None:
            self.place, self.heading_place = place, True
        self.fresh = True

    def _prompt(self, block: Block) -> None:
        self.cast.forget()
        self.place = "plain"
        known = len(self.drafts)
        first = True
        for sentence in sentence_pieces(block.piece):
            reading = self._read(sentence)
            if first:
                self._sentence(reading, block.scene)
            elif len(self.drafts) > known:
                self._join(self.drafts[-1], reading, then=not reading.with_last)
            first = False
            self.fresh = False
        self.fresh = True

    def _sentence(self, reading: Reading, scene: str) -> None:
        last = self.drafts[-1] if self.drafts and not self.fresh else None
        if reading.place is not None:
            self.place = reading.place
        if not reading.filmable:
            self._unfilmable(reading, last)
        elif last is not None and self._belongs(reading, last):
            self._join(last, reading, then=not reading.with_last)
        else:
            self._shoot(reading, scene)

    def _unfilmable(self, reading: Reading, last: Draft | None) -> None:
        """Its words are kept: with the shot before it, or the one after."""
        if reading.lens:
            self.waiting_lens = reading.lens
        if last is not None and not self.waiting and not reading.lens:
            last.text.append(reading.text)
            last.dialogue += reading.lines
            last.lines += reading.piece.numbers() if reading.lines else []
            _add(last.left_out, reading.left_out)
        elif reading.lines and self.cast.subject:
            reading.seen = list(self.cast.subject)
            self._shoot(reading, self.drafts[-1].scene if self.drafts else "1")
        else:
            self.waiting.append(reading.text)
            _add(self.waiting_left, reading.left_out)

    def _belongs(self, reading: Reading, last: Draft) -> bool:
        if reading.with_last:
            return True
        if reading.lens and reading.lens != last.lens:
            return False
        if reading.new or (reading.place is not None and reading.place != last.place):
            return False
        if not set(reading.seen) <= set(last.seen):
            return False
        if reading.introduces and (reading.seen or reading.camera):
            return True  # `It is red.` and `The dog is behind the car.` tell more of the same
        return last.introduces and not reading.introduces and len(last.steps) == 0

    def _join(self, draft: Draft, reading: Reading, *, then: bool) -> None:
        draft.text.append(reading.text)
        draft.seen += [id for id in reading.seen if id not in draft.seen]
        draft.relations += [r for r in reading.relations if r not in draft.relations]
        draft.lines += reading.piece.numbers()
        draft.camera = reading.camera or draft.camera
        draft.lens = reading.lens or draft.lens
        draft.wind = reading.wind or draft.wind
        draft.dialogue += reading.lines
        draft.place = reading.place or draft.place
        _add(draft.left_out, reading.left_out)
        steps = _steps(reading.happenings)
        if not then and draft.steps and steps:
            draft.steps[-1] += steps.pop(0)
        draft.steps += steps
        draft.steps = _at_most(draft.steps, self.steps_at_most)
        draft.introduces = draft.introduces and not draft.steps

    def _shoot(self, reading: Reading, scene: str) -> None:
        """One shot, or several when the sentence tells more steps than a shot has."""
        for part in _parts(reading, self.steps_at_most):
            draft = self._open(scene, self.place)
            draft.text.append(part.text)
            draft.seen = list(part.seen)
            draft.relations = list(part.relations)
            draft.lines += part.piece.numbers()
            draft.camera = part.camera or "static"
            draft.lens = part.lens or draft.lens
            draft.wind = part.wind
            draft.dialogue = list(part.lines)
            _add(draft.left_out, part.left_out)
            draft.steps = _at_most(_steps(part.happenings), self.steps_at_most)
            draft.introduces = part.introduces

    def _too_long(self, lines: Sequence[Line]) -> bool:
        most = self.speech_at_most
        return most is not None and speech(line.text for line in lines) > most

    def _open(self, scene: str, place: Place) -> Draft:
        draft = Draft(scene=scene, place=place, lens=self.waiting_lens)
        self.waiting_lens = None
        self.drafts.append(draft)
        self._take_waiting(draft)
        self.fresh = self.heading_place = False
        return draft

    def _take_waiting(self, draft: Draft) -> None:
        draft.text += self.waiting
        _add(draft.left_out, self.waiting_left)
        self.waiting, self.waiting_left = [], []

    def _left(self, left: Sequence[LeftOut]) -> None:
        if self.drafts and not self.waiting:
            _add(self.drafts[-1].left_out, left)
        else:
            _add(self.waiting_left, left)

    def _dialogue(self, block: Block) -> None:
        """A line belongs to the shot before it; without one its speaker is seen."""
        first, *more = _spoken(block.text, self.speech_at_most)
        self._speak(block, Line(speaker=block.speaker, text=first))
        for text in more:
            self._speak(block, Line(speaker=block.speaker, text=text))

    def _speak(self, block: Block, line: Line) -> None:
        if self.drafts and not self.fresh:
            last = self.drafts[-1]
            if self._too_long([*last.dialogue, line]) and last.dialogue:
                before, last = last, self._open(block.scene, last.place)
                last.seen = list(before.seen)
                last.relations = [r for r in before.relations if r[1] not in ("follows", "meets")]
            last.dialogue.append(line)
            last.lines += block.piece.numbers()
            return
        draft = self._open(block.scene, self.place)
        draft.dialogue.append(line)
        draft.lines += block.piece.numbers()
        if not block.speaker:
            return
        name = block.speaker.lower()
        noun, _ = cutouts.words().get(name, ("", False))
        said = Mention(
            noun=noun or name, word=block.speaker, known=bool(noun), same=True,
            name="" if noun else block.speaker.title(),
        )  # fmt: skip
        draft.seen = self.cast.find(said)
        self.cast.subject = list(draft.seen)
        if not noun and not self.cast.members[draft.seen[0]].known:
            why = "no picture of it: a labelled shape stands in"
            _add(draft.left_out, [LeftOut(word=block.speaker, why=why)])


def _spoken(text: str, at_most: Fraction | None) -> list[str]:
    """A speech in parts of at most so many seconds, cut after sentences where that can be."""
    if at_most is None or speech([text]) <= at_most:
        return [text]
    parts: list[str] = []
    for sentence in sentences(text) or [text]:
        for word in [sentence] if speech([sentence]) <= at_most else sentence.split():
            joined = f"{parts[-1]} {word}" if parts else word
            if parts and speech([joined]) <= at_most:
                parts[-1] = joined
            else:
                parts.append(word)
    return parts


def _heading_place(text: str) -> tuple[Place | None, list[LeftOut]]:
    """The place of a scene heading, and its words that give none."""
    place: Place | None = None
    night: str | None = None
    left: list[LeftOut] = []
    for item in items(text):
        if "place" in item and (item["place"] != "night" or place is None):
            if item["place"] == "night":
                night = item.text
            elif place in (None, item["place"]):
                place = item["place"]
            else:
                left.append(
                    LeftOut(word=item.text, why=f"one place a shot: this one is in `{place}`")
                )
        elif item.low in words.PLAIN_TIMES or item.low in words.FUNCTION_WORDS or "pause" in item:
            continue
        elif item.low in words.TIMES_OF_DAY or "place" in item:
            left.append(LeftOut(word=item.text, why="the time of day is not followed here"))
        elif item.means or item.unknown:
            left.append(LeftOut(word=item.text, why="a heading only gives the place"))
    if night is not None and place is not None:
        left.append(LeftOut(word=night, why="the time of day is not followed here"))
    return place or ("night" if night else None), left


def _steps(happenings: Sequence[Happening]) -> list[list[Happening]]:
    times = sorted({h.step for h in happenings})
    return [[h for h in happenings if h.step == time] for time in times]


def _at_most(steps: list[list[Happening]], most: int) -> list[list[Happening]]:
    """The steps, all that are too many put into the last."""
    spare = [happening for step in steps[most:] for happening in step]
    return [*steps[: most - 1], [*steps[most - 1], *spare]] if spare else steps


def _parts(reading: Reading, most: int) -> list[Reading]:
    """The sentence cut where a new shot starts; uncut if its order is not the film's."""
    steps = _steps(reading.happenings)
    groups = [steps[i : i + most] for i in range(0, len(steps), most)]
    cuts = [min(h.at for step in group for h in step) for group in groups[1:]]
    edges = [0, *cuts, len(reading.text)]
    for group, first, end in zip(groups, edges, edges[1:], strict=False):
        if not all(first <= h.at < end for step in group for h in step):
            return [reading]
    if not cuts:
        return [reading]
    parts: list[Reading] = []
    for group, first, end in zip(groups, edges, edges[1:], strict=False):
        happenings = [h for step in group for h in step]
        relations = [r for r in reading.relations if first <= reading.told_at.get(r, 0) < end]
        seen = [id for id in reading.seen if first <= reading.told_at.get(id, 0) < end]
        seen += [h.actor for h in happenings] + [id for s, _, o in relations for id in (s, o)]
        left = zip(reading.left_out, reading.left_at, strict=True)
        parts.append(
            replace(
                reading,
                piece=reading.piece.part(first, end),
                text=reading.text[first:end].strip(),
                seen=list(dict.fromkeys(seen)),
                relations=relations,
                happenings=happenings,
                lines=reading.lines if first == 0 else [],
                left_out=[out for out, at in left if first <= at < end],
                left_at=[],
            )
        )
    return parts


def _add(to: list[LeftOut], more: Sequence[LeftOut]) -> None:
    to += [left for left in more if left not in to]


def _seconds(draft: Draft) -> Fraction:
    return seconds_needed(
        [[happening.action for happening in step] for step in draft.steps],
        [line.text for line in draft.dialogue],
        empty=not draft.seen,
    )


def _lens(draft: Draft, graph: SceneGraph) -> Lens:
    """A place alone is seen wide; one who only speaks is seen close."""
    if not graph.entities:
        return "wide"
    alone = sum(entity.count for entity in graph.entities) == 1
    return "long" if alone and draft.dialogue and not draft.steps else "normal"


def shots(
    drafts: Sequence[Draft], cast: Cast, *, picture: Picture, style: str = ""
) -> Iterator[Shot]:
    """The finished shots, in order."""
    for number, draft in enumerate(drafts, 1):
        frames = picture.frames_for(_seconds(draft))
        graph = scene_graph(draft, cast, frames=frames)
        lens = draft.lens or _lens(draft, graph)
        yield Shot(
            id=f"s{number:02d}", scene=draft.scene, text=" ".join(draft.text),
            prompt=prompt_of(
                graph, place=draft.place, camera=draft.camera, wind=draft.wind, lens=lens,
                style=style,
            ),
            place=draft.place, size=picture.size, frames=frames, fps=picture.fps,
            camera=draft.camera, lens=lens,
            scene_graph=graph, dialogue=draft.dialogue, left_out=draft.left_out,
        )  # fmt: skip


def scene_graph(draft: Draft, cast: Cast, *, frames: int) -> SceneGraph:
    """Who is in the shot, how they stand, and what happens in which frames."""
    events: list[Event] = []
    count = len(draft.steps)
    for number, step in enumerate(draft.steps):
        span = FrameSpan(first=number * frames // count, last=(number + 1) * frames // count - 1)
        for h in step:
            direction = h.direction
            if direction is None and h.action in ("moves", "rolls"):
                direction = "right"
            event = Event(actor=h.actor, action=h.action, direction=direction, frames=span)
            if event not in events:
                events.append(event)
    active = {event.actor for event in events}
    whole = FrameSpan(first=0, last=frames - 1)
    events += [
        Event(actor=id, action="stays", frames=whole) for id in draft.seen if id not in active
    ]
    return SceneGraph(
        entities=[cast.members[id].entity() for id in draft.seen],
        relations=[Relation(subject=s, kind=k, object=o) for s, k, o in draft.relations],
        events=events,
    )
