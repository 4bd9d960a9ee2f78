"""Seeded faults: random shots with one fault planted in each clip, to measure critics by.

A shot is planned, sketched and filmed as in a run; where the fault comes in says who is to blame:
in the layout (the sketch has it too), in the prompt's words (the clip shows what they say), or in
the clip alone (the generator). The critic is given what it has in a run: shot, layout, frames of
clip and sketch, and the empty place; no masks and nothing of what was planted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np

from reelwright_core.story import (
    Action,
    Colour,
    Direction,
    Entity,
    Event,
    FrameSpan,
    Keyframe,
    Layout,
    Place,
    SceneGraph,
    Shot,
    Track,
)
from reelwright_core.takes import Blame
from reelwright_core.video import Frames
from reelwright_metrics.backdrop import distance, to_lab
from reelwright_metrics.colours import alike, looks, shares
from reelwright_metrics.questions import NUMBERS, does, plural
from reelwright_metrics.testing import degrade
from reelwright_simulators import cutouts
from reelwright_simulators.painter import Painting, paint
from reelwright_simulators.places import GROUND

FaultKind = Literal[
    "missing", "extra", "swapped", "direction", "order", "jump", "vanishing", "look"
]
"""`missing` and `extra`: a thing too few or too many; `swapped`: two entities have each other's
colours; `direction`: goes the contrary way; `order`: what comes first and second changes places;
`jump`: is suddenly elsewhere, for some frames or for good; `vanishing`: is gone from some frame on
or for some frames; `look`: has another colour in one shot than in the others."""
FAULTS: tuple[FaultKind, ...] = get_args(FaultKind)
Way = Literal["painted", "style", "coded", "spoiled", "filmed"]
"""How a clip is made: as the sketch is; in another style of art; through the built-in model's
autoencoder; soft, noisy and off-colour; filmed by the built-in model from noise level 0.3."""
WAYS: tuple[Way, ...] = get_args(Way)

FRAMES, SIZE = 17, (160, 96)
LEVEL = 0.3
CLEAR = 14.0
"""CIELAB distance that a thing keeps at least from what is behind it, mean over its pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What is to be seen: entities and where they are."""

    entities: Sequence[Entity]
    layout: Layout
    place: Place
    seed: int

    def painted(self) -> Painting:
        """Its sketch."""
        return paint(
            self.layout, entities=self.entities, place=self.place, size=SIZE, seed=self.seed
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Filmed:
    """One shot, as a critic is given it."""

    shot: Shot
    """Its `prompt` is what was filmed, with its wrong words if it has any."""
    layout: Layout
    sketch: Frames
    clip: Frames
    background: Frames


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Case:
    """A clip (of `look`, two or three) and what is wrong with it."""

    id: str
    kind: FaultKind | None
    """None is a clean one."""
    origin: Blame
    way: Way
    shots: Sequence[Filmed]
    span: FrameSpan | None = None
    """The frames in which it is wrong; of `look` and of clean ones none."""
    bad: str | None = None
    """Of `look`, the shot that looks otherwise."""


@dataclass(kw_only=True, slots=True)
class _Planned:
    """A shot and its layout, before anything goes wrong."""

    entities: list[Entity]
    events: list[Event]
    layout: Layout
    place: Place
    seed: int
    known: bool
    """Whether the built-in model was taught its nouns."""

    def world(self, **changes: object) -> World:
        told: dict[str, object] = {
            "entities": self.entities, "layout": self.layout, "place": self.place,
            "seed": self.seed,
        }  # fmt: skip
        return World(**{**told, **changes})  # pyright: ignore[reportArgumentType]

    def model_of(self, index: int) -> World:
        """One of its things alone."""
        only = [self.layout.tracks[index]]
        return self.world(layout=self.layout.model_copy(update={"tracks": only}))


def cases(count: int, *, clean: int, seed: int) -> list[Case]:
    """`count` faulty cases, of each kind as many, and `clean` ones; the same for the same seed.

    An eighth of the clean ones are films of two or three shots.
    """
    found = [
        case(FAULTS[index % len(FAULTS)], seed=seed, number=index // len(FAULTS))
        for index in range(count)
    ]
    return found + [case(None, seed=seed, number=index) for index in range(clean)]


def case(kind: FaultKind | None, *, seed: int, number: int) -> Case:
    """One case: the `number`-th of its kind in the set of `seed`."""
    id = f"{kind or 'clean'}-{number:03d}"
    for attempt in range(400):
        rng = np.random.default_rng([seed, FAULTS.index(kind) if kind else 99, number, attempt])
        way = WAYS[(number + number // len(WAYS)) % len(WAYS)]
        if kind == "look" or (kind is None and number % 8 == 7):
            made = _film_of_shots(id, kind, way, rng)
        else:
            made = _one_shot(id, kind, way, rng)
        if made is not None:
            return made
    raise RuntimeError(f"no scene could be found for {id}")


# --- planning --------------------------------------------------------------------------------


@cache
def _nouns(known: bool) -> tuple[str, ...]:
    """What can move, is in every style of art, and is no part of a place.

    `known` are those that the built-in model was taught.
    """
    from reelwright_generators.builtin.words import MANY_NOUNS, NOUNS

    skies = {"cloud", "sun", "moon", "star", "key"}
    cuts = cutouts.all_cutouts()
    every = NOUNS if known else MANY_NOUNS
    return tuple(n for n in every if n in cuts and not cuts[n].fixed and n not in skies)


def _noun(rng: np.random.Generator, *, coloured: bool, besides: Sequence[str], known: bool) -> str:
    every = [
        noun
        for noun in _nouns(known)
        if noun not in besides and (not coloured or cutouts.all_cutouts()[noun].recolours)
    ]
    return every[int(rng.integers(len(every)))]


_COLOURS: tuple[Colour, ...] = ("red", "yellow", "green", "blue", "purple", "orange", "pink")
_WALKS: tuple[Action, ...] = ("moves", "moves", "moves", "jumps", "falls", "rises", "stays")


def _planned(kind: FaultKind | None, rng: np.random.Generator, *, known: bool) -> _Planned:
    """A scene of one to three entities in lanes of their own, or of one that crosses another."""
    place: Place = get_args(Place)[int(rng.integers(len(get_args(Place))))]
    pairs = kind in ("swapped", "order")
    number = 2 if pairs else int(rng.choice([1, 2, 3], p=[0.45, 0.45, 0.1]))
    crossing = number == 2 and kind not in ("order",) and rng.random() < 0.2
    nouns: list[str] = []
    entities: list[Entity] = []
    colours: list[Colour] = [_COLOURS[int(i)] for i in rng.permutation(len(_COLOURS))]
    for index in range(number):
        coloured = kind == "swapped" or rng.random() < 0.5
        noun = _noun(rng, coloured=coloured, besides=nouns, known=known)
        nouns.append(noun)
        count = 2 if number == 1 and kind != "look" and rng.random() < 0.2 else 1
        colour: Colour | None = colours[index] if coloured else None
        entities.append(Entity(id=f"e{index}", noun=noun, count=count, colour=colour))
    if kind == "swapped":
        both = [looks(e.noun, known=True, colour=e.colour) for e in entities]
        if alike(*both) > 0.5:
            return _planned(kind, rng, known=known)
    ground = GROUND[place] or 0.8
    lanes = rng.permutation(number)
    events: list[Event] = []
    tracks: list[Track] = []
    for index, entity in enumerate(entities):
        action: Action = _WALKS[int(rng.integers(len(_WALKS)))]
        first, last = 0, FRAMES - 1
        if kind == "direction" and index == 0:
            action = ("moves", "moves", "moves", "falls", "rises")[int(rng.integers(5))]
        if kind == "order":
            # Only what starts later can be told from what starts at once.
            action = ("moves", "moves", "falls", "rises", "jumps")[int(rng.integers(5))]
            first, last = ((0, 6), (9, 16))[index]
        if crossing:
            action = "moves" if index == 0 else "stays"
        direction: Direction | None = None
        if action == "moves":
            direction = ("left", "right")[int(rng.integers(2))]
        middle, room = (lanes[index] + 0.5) / number, 1 / number
        if crossing:
            middle, room = 0.5, 1.0
        events.append(
            Event(
                actor=entity.id, action=action, direction=direction,
                frames=FrameSpan(first=first, last=last),
            )
        )  # fmt: skip
        tracks += _tracks(
            entity, action, direction, span=(first, last), middle=middle, room=room,
            ground=ground, rng=rng, depth=float(number - index),
        )  # fmt: skip
    slide = float(rng.choice([-0.2, 0.2])) if rng.random() < 0.08 else 0.0
    return _Planned(
        entities=entities, events=events, place=place, seed=int(rng.integers(1 << 16)),
        known=known,
        layout=Layout(frames=FRAMES, tracks=tracks, background_shift=(slide, 0.0)),
    )  # fmt: skip


def _tracks(
    entity: Entity, action: Action, direction: Direction | None, *, span: tuple[int, int],
    middle: float, room: float, ground: float, rng: np.random.Generator, depth: float,
) -> list[Track]:  # fmt: skip
    picture = cutouts.picture(entity.noun)
    aspect = picture.shape[1] / picture.shape[0] * SIZE[1] / SIZE[0]
    step = room / entity.count
    high = float(rng.uniform(0.26, 0.38))
    high = min(high, 0.8 * step / aspect) if entity.count > 1 else min(high, 0.4 * room / aspect)
    high = max(high, 0.16)
    wide = high * aspect
    tracks: list[Track] = []
    reach = min(0.3, max(0.11, (room - wide) / 2 - 0.02)) if entity.count == 1 else 0.12
    for instance in range(entity.count):
        x = middle - room / 2 + step * (instance + 0.5)
        keys = _keys(action, direction, x=x, reach=reach, high=high, ground=ground)
        first, last = span
        tracks.append(
            Track(
                entity=entity.id, instance=instance, depth=depth,
                faces=direction if direction in ("left", "right") else None,
                keyframes=_keyframes(keys, first=first, last=last, wide=wide, high=high),
            )
        )  # fmt: skip
    return tracks


Keys = list[tuple[float, float, float]]
"""(part of the event's time, x, foot)."""


def _keys(
    action: Action, direction: Direction | None, *, x: float, reach: float, high: float,
    ground: float,
) -> Keys:  # fmt: skip
    drop = min(0.45, ground - high - 0.03)
    if action == "moves":
        way = -reach if direction == "left" else reach
        return [(0, x - way, ground), (1, x + way, ground)]
    if action == "falls":
        return [(p, x, ground - drop * (1 - p**2)) for p in (0, 0.25, 0.5, 0.75, 1)]
    if action == "rises":
        return [(0, x, ground), (1, x, ground - drop)]
    if action == "jumps":
        return [(p, x, ground - 0.26 * 4 * p * (1 - p)) for p in (0, 0.25, 0.5, 0.75, 1)]
    return [(0, x, ground)]


def _keyframes(keys: Keys, *, first: int, last: int, wide: float, high: float) -> list[Keyframe]:
    return [
        Keyframe(
            frame=first + round(part * (last - first)),
            box=(x - wide / 2, foot - high, x + wide / 2, foot),
        )
        for part, x, foot in keys
    ]


# --- what goes wrong -------------------------------------------------------------------------


def _every_frame(track: Track) -> list[Keyframe]:
    return [track.at(frame) for frame in range(FRAMES)]


def _moved(keys: Sequence[Keyframe], x: float, y: float = 0.0) -> list[Keyframe]:
    return [
        key.model_copy(
            update={"box": (key.box[0] + x, key.box[1] + y, key.box[2] + x, key.box[3] + y)}
        )
        for key in keys
    ]


_AWAY = 1.6  # so far below the picture nothing is seen


def _wrong(
    kind: FaultKind, plan: _Planned, rng: np.random.Generator
) -> tuple[World, FrameSpan] | None:
    """What is seen instead of the plan, and when."""
    whole = FrameSpan(first=0, last=FRAMES - 1)
    tracks = plan.layout.tracks
    if kind == "missing":
        gone = tracks[int(rng.integers(len(tracks)))]
        left = [track for track in tracks if track is not gone]
        return _shown(plan, left), whole
    if kind == "extra":
        return _one_more(plan, rng)
    if kind == "swapped":
        one, other = plan.entities
        swapped = [
            one.model_copy(update={"colour": other.colour}),
            other.model_copy(update={"colour": one.colour}),
        ]
        return plan.world(entities=swapped), whole
    if kind == "direction":
        event = plan.events[0]
        turned = [_reversed(track) if track.entity == event.actor else track for track in tracks]
        return _shown(plan, turned), event.frames
    if kind == "order":
        late = [_retimed(track, plan) for track in tracks]
        return _shown(plan, late), whole
    track = tracks[int(rng.integers(len(tracks)))]
    keys = _every_frame(track)
    first = int(rng.integers(4, 12))
    for_good = rng.random() < 0.6
    last = FRAMES - 1 if for_good else min(first + int(rng.integers(3, 5)), FRAMES - 2)
    if not _in_view(plan, tracks.index(track), first, last):
        return None
    if kind == "vanishing":
        away = _moved(keys[first : last + 1], 0.0, _AWAY)
        span = FrameSpan(first=first, last=last)
    else:
        aside = _room_aside(plan, track, first, last, rng)
        if aside is None:
            return None
        away = _moved(keys[first : last + 1], *aside)
        # What stays where it jumped to is wrong where it jumps; a plan-free look sees no more.
        span = FrameSpan(first=first, last=first if for_good else last)
    hurt = track.model_copy(update={"keyframes": [*keys[:first], *away, *keys[last + 1 :]]})
    return _shown(plan, [hurt if t is track else t for t in tracks]), span


def _in_view(plan: _Planned, index: int, first: int, last: int) -> bool:
    """Whether no other thing covers half of it in more than one of the frames, or just before."""
    labels = plan.world().painted().labels[first - 2 : last + 1]
    alone = plan.model_of(index).painted().labels[first - 2 : last + 1]
    seen = [
        float((labels[f] == index + 1).sum()) / max(float((alone[f] > 0).sum()), 1)
        for f in range(len(labels))
    ]
    return sum(part < 0.5 for part in seen) <= 1


def _shown(plan: _Planned, tracks: Sequence[Track]) -> World:
    return plan.world(layout=plan.layout.model_copy(update={"tracks": list(tracks)}))


def _reversed(track: Track) -> Track:
    """The same way, backwards; what moves sideways looks where it goes."""
    first, last = track.keyframes[0].frame, track.keyframes[-1].frame
    keys = [
        key.model_copy(update={"frame": first + last - key.frame})
        for key in reversed(track.keyframes)
    ]
    faces = {"left": "right", "right": "left"}.get(track.faces or "", track.faces)
    return track.model_copy(update={"keyframes": keys, "faces": faces})


def _retimed(track: Track, plan: _Planned) -> Track:
    """What was first comes second, and the reverse."""
    one, other = plan.events
    own, its = (one, other) if track.entity == one.actor else (other, one)
    shift = its.frames.first - own.frames.first
    keys = [key.model_copy(update={"frame": key.frame + shift}) for key in track.keyframes]
    return track.model_copy(update={"keyframes": keys})


def _one_more(plan: _Planned, rng: np.random.Generator) -> tuple[World, FrameSpan] | None:
    """Another thing in a free part of the picture: one of the entity's kind, or a stranger."""
    model = plan.layout.tracks[0]
    left, top, right, bottom = model.keyframes[0].box
    wide, high = right - left, bottom - top
    free = [
        x
        for x in np.linspace(0.12, 0.88, 20)
        if all(
            min(abs(x - (b[0] + b[2]) / 2) - (b[2] - b[0]) / 2 for b in _boxes(track))
            > wide / 2 + 0.06
            for track in plan.layout.tracks
        )
    ]
    if not free or wide > 0.3:
        return None
    x = float(free[int(rng.integers(len(free)))])
    first = 0 if rng.random() < 0.5 else int(rng.integers(4, 11))
    foot = (GROUND[plan.place] or 0.8) - (0.0 if rng.random() < 0.7 else 0.25)
    here = (x - wide / 2, foot - high, x + wide / 2, foot)
    keys = [Keyframe(frame=first, box=here)]
    if first:
        gone = (here[0], here[1] + _AWAY, here[2], here[3] + _AWAY)
        keys = [Keyframe(frame=0, box=gone), Keyframe(frame=first - 1, box=gone), *keys]
    alike_ = rng.random() < 0.5
    entities = list(plan.entities)
    if alike_:
        more = Track(entity=model.entity, instance=entities[0].count, keyframes=keys)
    else:
        stranger = Entity(
            id=f"e{len(entities)}",
            noun=_noun(rng, coloured=False, besides=[e.noun for e in entities], known=plan.known),
        )
        entities.append(stranger)
        more = Track(entity=stranger.id, keyframes=keys)
    tracks = [*plan.layout.tracks, more]
    layout = plan.layout.model_copy(update={"tracks": tracks})
    return (
        plan.world(entities=entities, layout=layout),
        FrameSpan(first=first, last=FRAMES - 1),
    )


def _boxes(track: Track) -> list[tuple[float, float, float, float]]:
    return [track.at(frame).box for frame in range(FRAMES)]


def _room_aside(
    plan: _Planned, track: Track, first: int, last: int, rng: np.random.Generator
) -> tuple[float, float] | None:
    """A way of 0.2 to 0.4 of the picture that keeps it inside, and off the other things."""
    own = _boxes(track)[first : last + 1]
    others = [_boxes(t)[first : last + 1] for t in plan.layout.tracks if t is not track]
    for _ in range(60):
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.4)
        x, y = far * np.cos(angle), far * np.sin(angle)
        there = [(b[0] + x, b[1] + y, b[2] + x, b[3] + y) for b in own]
        inside = all(b[0] > 0.02 and b[2] < 0.98 and b[1] > 0.02 and b[3] < 0.97 for b in there)
        apart = all(
            max(max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3])) > 0.05
            for boxes in others
            for a, b in zip(there, boxes, strict=True)
        )
        if inside and apart:
            return float(x), float(y)
    return None


# --- words -----------------------------------------------------------------------------------


def told(entities: Sequence[Entity], events: Sequence[Event], place: Place) -> str:
    """A plain prompt: `a red car goes to the right, then a ball falls, at a beach`."""
    clauses: list[str] = []
    order = sorted(events, key=lambda event: event.frames.first)
    for event in order:
        entity = next((e for e in entities if e.id == event.actor), None)
        if entity is None:
            continue
        said = f"{_article(entity)} {does(event, many=entity.count > 1)}"
        late = clauses and event.frames.first > order[0].frames.first
        clauses.append(f"then {said}" if late else said)
    for entity in entities:
        if all(event.actor != entity.id for event in events):
            clauses.append(_article(entity))
    return ", ".join([*clauses, f"place: {place}"])


def _article(entity: Entity) -> str:
    noun = plural(entity.noun) if entity.count > 1 else entity.noun
    named = f"{entity.colour} {noun}" if entity.colour else noun
    if entity.count > 1:
        return f"{NUMBERS[entity.count]} {named}"
    return f"{'an' if named[0] in 'aeiou' else 'a'} {named}"


def _contrary(events: Sequence[Event], kind: FaultKind) -> list[Event]:
    """The events as a wrong prompt tells them."""
    if kind == "order":
        one, other = events
        return [
            one.model_copy(update={"frames": other.frames}),
            other.model_copy(update={"frames": one.frames}),
        ]
    event = events[0]
    if event.action in ("falls", "rises"):
        turned = {"action": "rises" if event.action == "falls" else "falls"}
    else:
        turned = {"direction": "left" if event.direction == "right" else "right"}
    return [event.model_copy(update=turned), *events[1:]]


# --- filming ---------------------------------------------------------------------------------

_ORIGINS: Mapping[FaultKind, Sequence[Blame]] = MappingProxyType(
    {
        "missing": ("generator", "layout", "prompt"),
        "extra": ("generator", "layout", "prompt"),
        "swapped": ("generator", "prompt"),
        "direction": ("generator", "layout", "prompt"),
        "order": ("generator", "layout", "prompt"),
        "jump": ("generator", "layout"),
        "vanishing": ("generator", "layout"),
        "look": ("generator", "prompt"),
    }
)
"""Where each kind can come from: a layout has no colours, and a prompt no jumps."""


def _one_shot(id: str, kind: FaultKind | None, way: Way, rng: np.random.Generator) -> Case | None:
    plan = _planned(kind, rng, known=way == "filmed")
    right = plan.world()
    shown, span, origin = right, None, "none"
    layout, prompt = plan.layout, told(plan.entities, plan.events, plan.place)
    if kind is not None:
        made = _wrong(kind, plan, rng)
        if made is None:
            return None
        shown, span = made
        origins = _ORIGINS[kind]
        origin = origins[int(rng.integers(len(origins)))]
        if origin == "layout" and len(shown.entities) > len(plan.entities):
            origin = "generator"  # a layout has only the shot's own entities
        if origin == "layout":
            layout = shown.layout
        if origin == "prompt":
            prompt = _wrong_words(kind, plan, shown)
            if prompt is None:
                return None
    sketched = shown if origin == "layout" else right
    sketch = sketched.painted()
    if not _clear(sketched, sketch) or not _clear(shown, shown.painted()):
        return None
    shot = Shot(
        id="s01", prompt=prompt, text=prompt, place=plan.place, size=SIZE, frames=FRAMES,
        scene_graph=SceneGraph(entities=plan.entities, events=plan.events),
    )  # fmt: skip
    style, tones = ("flat", "noto")[int(rng.integers(2))], int(rng.integers(1 << 30))
    clip = _clip(shown, way, prompt=prompt, rng=rng, style=style, tones=tones)
    if not _shows(clip, shown):
        return None
    filmed = Filmed(
        shot=shot, layout=layout, sketch=sketch.frames, background=sketch.background, clip=clip
    )
    return Case(id=id, kind=kind, origin=origin, way=way, shots=[filmed], span=span)


def _wrong_words(kind: FaultKind, plan: _Planned, shown: World) -> str | None:
    """A prompt that says what is shown; none where a prompt cannot."""
    entities = list(shown.entities)
    events = plan.events
    if kind == "missing":
        left: list[Entity] = []
        for entity in entities:
            there = sum(track.entity == entity.id for track in shown.layout.tracks)
            if there:
                left.append(entity.model_copy(update={"count": there}))
        entities = left
        if not entities:
            return None
    if kind == "extra":
        more = sum(track.entity == "e0" for track in shown.layout.tracks)
        entities[0] = entities[0].model_copy(update={"count": more})
        if more > 9:
            return None
    if kind in ("direction", "order"):
        events = _contrary(events, kind)
    return told(entities, events, plan.place)


def _film_of_shots(
    id: str, kind: FaultKind | None, way: Way, rng: np.random.Generator
) -> Case | None:
    """Two or three shots of one scene with the same entities, one of which changes its colour."""
    number = int(rng.integers(2, 4))
    first = _planned("look", rng, known=way == "filmed")
    hero = first.entities[0]
    if not cutouts.all_cutouts()[hero.noun].recolours:
        return None
    bad = int(rng.integers(number)) if number > 2 or hero.colour else 1
    used = [looks(hero.noun, known=True, colour=hero.colour)]
    others = [c for c in _COLOURS if alike(looks(hero.noun, known=True, colour=c), used[0]) < 0.4]
    if not others:
        return None
    colour = others[int(rng.integers(len(others)))]
    origin = ("generator", "prompt")[int(rng.integers(2))] if kind else "none"
    shots: list[Filmed] = []
    style, tones = ("flat", "noto")[int(rng.integers(2))], int(rng.integers(1 << 30))
    side: Direction = ("left", "right")[int(rng.integers(2))]
    for index in range(number):
        plan = _again(first, side, rng)
        right = plan.world()
        shown, prompt = right, told(plan.entities, plan.events, plan.place)
        if kind is not None and index == bad:
            painted = [hero.model_copy(update={"colour": colour}), *plan.entities[1:]]
            shown = plan.world(entities=painted)
            if origin == "prompt":
                prompt = told(painted, plan.events, plan.place)
        sketch = right.painted()
        if not _clear(right, sketch) or not _clear(shown, shown.painted()):
            return None
        shot = Shot(
            id=f"s{index + 1:02d}", prompt=prompt, text=told(plan.entities, plan.events, "plain"),
            place=plan.place, size=SIZE, frames=FRAMES,
            scene_graph=SceneGraph(entities=plan.entities, events=plan.events),
        )  # fmt: skip
        clip = _clip(shown, way, prompt=prompt, rng=rng, style=style, tones=tones)
        if not _shows(clip, shown):
            return None
        shots.append(
            Filmed(
                shot=shot, layout=plan.layout, sketch=sketch.frames, background=sketch.background,
                clip=clip,
            )
        )  # fmt: skip
    return Case(
        id=id, kind=kind, origin=origin, way=way, shots=shots,
        bad=f"s{bad + 1:02d}" if kind else None,
    )  # fmt: skip


def _again(first: _Planned, side: Direction, rng: np.random.Generator) -> _Planned:
    """Another shot of the same entities in the same place."""
    tracks: list[Track] = []
    events: list[Event] = []
    lanes = rng.permutation(len(first.entities))
    number = len(first.entities)
    for index, entity in enumerate(first.entities):
        action: Action = _WALKS[int(rng.integers(len(_WALKS)))]
        direction = side if action == "moves" else None
        events.append(
            Event(
                actor=entity.id, action=action, direction=direction,
                frames=FrameSpan(first=0, last=FRAMES - 1),
            )
        )  # fmt: skip
        tracks += _tracks(
            entity, action, direction, span=(0, FRAMES - 1), middle=(lanes[index] + 0.5) / number,
            room=1 / number, ground=GROUND[first.place] or 0.8, rng=rng, depth=float(index),
        )  # fmt: skip
    return replace(first, events=events, layout=Layout(frames=FRAMES, tracks=tracks))


def _clear(world: World, painting: Painting) -> bool:
    """Whether every thing that is in the picture stands out from what is behind it."""
    lab = to_lab(painting.frames[[0, FRAMES // 2, FRAMES - 1]])
    empty = to_lab(painting.background[None])[0]
    moving = world.layout.background_shift != (0.0, 0.0)
    for index in range(len(painting.things)):
        seen = painting.labels[[0, FRAMES // 2, FRAMES - 1]] == index + 1
        for picture, mask in zip(lab, seen, strict=True):
            if mask.sum() < 12:
                continue
            apart = distance(picture, empty)[mask]
            if not moving and (apart.mean() < CLEAR or (apart > 8).mean() < 0.6):
                return False
    return True


def _shows(clip: Frames, world: World) -> bool:
    """Whether the clip still shows what was to be filmed, in the colours that were asked for.

    The other styles of art and the model's own hand take some of it away: then the truth of the
    clip is not known. By the painted masks, which no critic is given.
    """
    painting = world.painted()
    chosen = np.arange(0, FRAMES, 2)
    lab, empty = to_lab(clip[chosen]), to_lab(painting.background[None])[0]
    drawn = to_lab(painting.frames[chosen])
    for index, (id, _) in enumerate(painting.things):
        entity = next(e for e in world.entities if e.id == id)
        masks = painting.labels[chosen] == index + 1
        there = [f for f in range(len(chosen)) if masks[f].sum() >= 12]
        moving = world.layout.background_shift != (0.0, 0.0)
        kept = [
            float(distance(lab[f], empty)[masks[f]].mean())
            >= 0.45 * float(distance(drawn[f], empty)[masks[f]].mean())
            for f in there
        ]
        if not moving and kept and np.mean(kept) < 0.9:
            return False
        if entity.colour is None or not there:
            continue
        own = shares(np.concatenate([lab[f][masks[f]] for f in there]))
        if alike(own, looks(entity.noun, known=True, colour=entity.colour)) < 0.5:
            return False
    return True


def _clip(
    world: World, way: Way, *, prompt: str, rng: np.random.Generator, style: str, tones: int
) -> Frames:
    painted = world.painted().frames
    if way == "painted":
        return painted
    if way == "spoiled":
        return degrade(painted, seed=tones)
    if way == "style":
        return _in_style(world, style)
    if way == "coded":
        return _coded(painted)
    return _filmed(painted, prompt=prompt, seed=int(rng.integers(1 << 30)))


def _in_style(world: World, style: str) -> Frames:
    """The same in another style of the art."""
    from reelwright_generators.builtin.renderer import Renderer, plan
    from reelwright_generators.builtin.words import Actor, Scene

    scene = Scene(
        actors=tuple(Actor(noun=e.noun, colour=e.colour, count=e.count) for e in world.entities),
        place=world.place, seed=world.seed,
    )  # fmt: skip
    drawn = plan(scene, world.layout, size=SIZE, style=style)
    return Renderer(size=SIZE).render([drawn]).frames[0].cpu().numpy()


def _coded(frames: Frames) -> Frames:
    """What the built-in model's autoencoder leaves of a clip."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    from reelwright_generators.builtin import codec, folder

    maps = _kept("codec", lambda: codec.read(AutoencoderKLWan.from_pretrained(folder() / "vae")))
    latents = torch.from_numpy(np.moveaxis(maps.encode(frames), -1, 1).copy())
    pictures = maps.decode(latents).clamp(-1, 1).permute(0, 2, 3, 1).numpy()
    return np.round((pictures + 1) * 127.5).astype(np.uint8)


def _filmed(frames: Frames, *, prompt: str, seed: int) -> Frames:
    """A clip of the built-in model that begins from the frames, noised to `LEVEL`."""
    from fractions import Fraction

    from reelwright_core.settings import Generator as Told
    from reelwright_core.takes import NoisePlan
    from reelwright_generators.generator import Request, load

    model = _kept("model", lambda: load(Told(model="builtin")))
    request = Request(
        prompt=prompt, size=SIZE, frames=FRAMES, fps=Fraction(8),
        noise=NoisePlan(level=LEVEL, seed=seed), sketch=frames,
    )  # fmt: skip
    return model.generate(request).frames


_HELD: dict[str, Any] = {}
"""What takes long to open, opened once."""


def _kept(name: str, make: Callable[[], Any]) -> Any:
    if name not in _HELD:
        _HELD[name] = make()
    return _HELD[name]
