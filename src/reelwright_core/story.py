"""What is to be filmed: story, storyboard, shot, scene graph, layout."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, Field, model_validator

from reelwright_core.kinds import Beside, Colour, EntityId, ShotId
from reelwright_core.physics import PhysicsScene
from reelwright_core.records import Rate, Record, Stored

Size = Literal["small", "medium", "large"]
Direction = Literal["left", "right", "up", "down"]
Action = Literal[
    "moves",
    "falls",
    "bounces",
    "rolls",
    "rises",
    "approaches",
    "leaves",
    "circles",
    "jumps",
    "stays",
    "topples",
    "collides",
    "waves",
    "swings",
    "pours",
]
"""`moves` and `rolls` have a direction; `approaches` grows towards the camera, `leaves` shrinks
into the distance or goes out of the picture on the side of its direction, if it has one. The last
five are physical: a thing topples over, collides with another, waves in the wind, swings like a
pendulum, or is poured; a simulation shows them, a painted sketch only that the thing is there."""
RelationKind = Literal[
    "left of",
    "right of",
    "above",
    "below",
    "on",
    "behind",
    "in front of",
    "near",
    "follows",
    "meets",
]
Place = Literal[
    "plain", "beach", "meadow", "city", "road", "forest", "snow", "desert", "sea", "night", "space",
    "room", "sky",
]  # fmt: skip
CameraMove = Literal["static", "pan left", "pan right", "zoom in", "zoom out"]
Lens = Literal["wide", "normal", "long"]
"""`wide` shows much of the place and everything small; `long` shows things close and large."""


class FrameSpan(Record):
    """The frames from `first` to `last`, both included, counted from 0."""

    first: int = Field(ge=0)
    last: int = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> FrameSpan:
        if self.last < self.first:
            raise ValueError(f"`last` must be at least `first` ({self.first}), got {self.last}")
        return self


class Entity(Record):
    """Something that is seen: one thing, or `count` alike."""

    id: EntityId
    noun: str
    """Singular, as the cut-out set names it where it has it."""
    count: int = Field(default=1, ge=1, le=9)
    colour: Colour | None = None
    size: Size = "medium"
    known: bool = True
    """Whether the cut-out set has a picture; if not, a labelled shape stands in."""
    attributes: list[str] = []
    """Other words said of it that no part of the picture follows yet."""


class Relation(Record):
    """How one entity stands to another: `subject` is `kind` `object`."""

    subject: EntityId
    kind: RelationKind
    object: EntityId


class Event(Record):
    """What an entity does, and in which frames."""

    actor: EntityId
    action: Action
    direction: Direction | None = None
    frames: FrameSpan


PLACE = "place"
"""What a triple calls the place of its shot."""


class Triple(Record):
    """What holds in some frames: `subject` `predicate` `object`, as Dysen's scene graphs say it."""

    subject: EntityId
    """An entity's id, or `place`."""
    predicate: str = Field(min_length=1, max_length=60)
    object: str = Field(default="", max_length=60)
    """Another entity's id, or a word: a pose, a look, a part of the place."""
    frames: FrameSpan


class SceneGraph(Stored):
    """Who is in a shot, how they stand to each other, and what happens when."""

    SCHEMA: ClassVar[str] = "SceneGraph.1"

    entities: list[Entity] = []
    relations: list[Relation] = []
    events: list[Event] = []
    enriched: list[Triple] = []
    """What an agent imagined besides; enrichment only adds."""

    @model_validator(mode="after")
    def _ids_exist(self) -> SceneGraph:
        ids = [entity.id for entity in self.entities]
        if len(set(ids)) != len(ids):
            raise ValueError(f"two entities share an `id`: {', '.join(sorted(ids))}")
        named = [r.subject for r in self.relations] + [r.object for r in self.relations]
        named += [triple.subject for triple in self.enriched if triple.subject != PLACE]
        for name in [*named, *(event.actor for event in self.events)]:
            if name not in ids:
                raise ValueError(f"no entity has the id {name!r}; there are: {', '.join(ids)}")
        return self

    def entity(self, id: str) -> Entity:
        """The entity called `id`; `KeyError` if there is none."""
        for entity in self.entities:
            if entity.id == id:
                return entity
        raise KeyError(id)

    def triples(self, frame: int) -> list[tuple[str, str, str]]:
        """What holds at `frame` as (subject, predicate, object) triples."""
        held = [(r.subject, r.kind, r.object) for r in self.relations]
        for event in self.events:
            if event.frames.first <= frame <= event.frames.last:
                held.append((event.actor, event.action, event.direction or ""))
        for triple in self.enriched:
            if triple.frames.first <= frame <= triple.frames.last:
                held.append((triple.subject, triple.predicate, triple.object))
        return held


def _sound_box(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    if not (left < right and top < bottom):
        raise ValueError(
            "a box is [left, top, right, bottom] with left < right and top < bottom, "
            f"got {list(box)}"
        )
    if min(box) < -3 or max(box) > 4:
        raise ValueError(f"a box lies at most three pictures outside the picture, got {list(box)}")
    return box


Box = Annotated[tuple[float, float, float, float], AfterValidator(_sound_box)]
"""[left, top, right, bottom] as parts of the picture, 0..1 inside it; outside is out of view."""


class Keyframe(Record):
    """Where a thing is at one frame."""

    frame: int = Field(ge=0)
    box: Box
    angle: float = 0.0
    """Clockwise turn of the picture in degrees, for rolling things."""


class Track(Record):
    """The way of one thing through a shot; straight lines between keyframes."""

    entity: EntityId
    instance: int = Field(default=0, ge=0, le=8)
    """Which of the entity's `count` things this is."""
    depth: float = 0.0
    """Higher is nearer: drawn later, over the others."""
    faces: Literal["left", "right"] | None = None
    """Where it looks; none leaves the cut-out as it is."""
    keyframes: list[Keyframe] = Field(min_length=1)

    @model_validator(mode="after")
    def _frames_rise(self) -> Track:
        frames = [key.frame for key in self.keyframes]
        if any(b <= a for a, b in pairwise(frames)):
            raise ValueError(f"keyframes must come in rising order of `frame`, got {frames}")
        return self

    def at(self, frame: int) -> Keyframe:
        """Where the thing is at `frame`: on a line between keyframes, held before and after."""
        keys = self.keyframes
        if frame <= keys[0].frame:
            return keys[0].model_copy(update={"frame": frame})
        for before, after in pairwise(keys):
            if frame <= after.frame:
                part = (frame - before.frame) / (after.frame - before.frame)
                box = tuple(a + (b - a) * part for a, b in zip(before.box, after.box, strict=True))
                angle = before.angle + (after.angle - before.angle) * part
                # Not checked again: rounding may take a box at the very limit just over it.
                return before.model_copy(update={"frame": frame, "box": box, "angle": angle})
        return keys[-1].model_copy(update={"frame": frame})


class Layout(Stored):
    """Boxes per thing over time, and how the background moves."""

    SCHEMA: ClassVar[str] = "Layout.1"

    frames: int = Field(ge=1)
    tracks: list[Track] = []
    background_shift: tuple[float, float] = (0.0, 0.0)
    """How far the background slides over the whole shot, as parts of the picture (x, y)."""
    background_zoom: float = Field(default=1.0, gt=0.2, lt=5.0)
    """How much bigger the background is in the last frame than in the first."""

    def track(self, entity: str, instance: int = 0) -> Track:
        """The track of one thing; `KeyError` if there is none."""
        for track in self.tracks:
            if track.entity == entity and track.instance == instance:
                return track
        raise KeyError((entity, instance))


LayoutFaultKind = Literal[
    "count", "off-screen", "size", "overlap", "direction", "jump", "relation", "time", "other"
]


class LayoutFault(Record):
    """Where a layout contradicts its shot."""

    kind: LayoutFaultKind
    text: str
    """In words that name whom it is about and what to do."""
    entity: EntityId | None = None
    frames: FrameSpan | None = None
    """None is the whole shot."""


class LayoutRound(Record):
    """One try at a layout, and what the verifier found in it."""

    by: str
    """Who made it: `offline`, or a language model."""
    layout: Layout
    faults: list[LayoutFault] = []


class Line(Record):
    """One line of dialogue."""

    speaker: str
    text: str


class LeftOut(Record):
    """A word of the script that no part of the picture follows, and why."""

    word: str
    why: str


class Beat(Record):
    """From here on, something else is to be seen."""

    first: int = Field(ge=1)
    """The frame of the shot at which it begins."""
    prompt: str


class Shot(Record):
    """One continuous picture, with everything its filming needs."""

    id: ShotId
    scene: str = "1"
    """Which scene of the story it belongs to."""
    text: str = ""
    """The part of the script that it films."""
    prompt: str
    """What the video model is asked for."""
    place: Place = "plain"
    size: tuple[int, int] = (160, 96)
    """Width and height in pixels."""
    frames: int = Field(default=17, ge=1, le=10_000)
    fps: Rate = Fraction(8)
    camera: CameraMove = "static"
    lens: Lens = "normal"
    scene_graph: SceneGraph = SceneGraph()
    layout: Layout | None = None
    """A layout made by hand; none lets the layout agent make one."""
    dialogue: list[Line] = []
    seed: int | None = None
    """A seed of its own; none derives one from the run's seed."""
    noise_level: float | None = Field(default=None, gt=0.0, le=1.0)
    """The noise level σ to start from; none takes the setting."""
    left_out: list[LeftOut] = []
    beats: list[Beat] = []
    """Other prompts for later parts of the shot; `prompt` is what it begins with."""
    continues: ShotId | None = None
    """An earlier shot whose last frame this one begins with; it waits until that one is chosen."""
    physics: PhysicsScene | None = None
    """What is simulated before it is filmed; none lets the physics agent decide and write one."""
    films: ShotId | None = None
    """An earlier shot whose simulated action this one shows too, at the same time, by `view`."""
    view: EntityId | None = None
    """The camera of the physics scene that it is seen by; none is the first."""

    @model_validator(mode="before")
    @classmethod
    def _scene_lasts_as_long(cls, given: Any) -> Any:
        """A scene that does not say its frames, fps and size has those of its shot."""
        data = cast(dict[str, Any], given) if isinstance(given, dict) else {}
        scene = data.get("physics")
        if not isinstance(scene, dict):
            return given
        own = {
            name: data.get(name, cls.model_fields[name].default)
            for name in ("frames", "fps", "size")
        }
        return {**data, "physics": {**own, **cast(dict[str, Any], scene)}}

    @property
    def seconds(self) -> Fraction:
        """How long the shot is, exactly."""
        return self.frames / self.fps

    @model_validator(mode="after")
    def _sound(self) -> Shot:
        width, height = self.size
        if not (16 <= width <= 8192 and 16 <= height <= 8192):
            raise ValueError(
                f"`size` is [width, height] between 16 and 8192, got {list(self.size)}"
            )
        if width % 2 or height % 2:  # told here, not when the clip is there and cannot be written
            raise ValueError(
                "`size` is even both ways, since a video's colours are kept for 2x2 pixels: "
                f"use {[width + width % 2, height + height % 2]}, got {list(self.size)}"
            )
        for event in self.scene_graph.events:
            if event.frames.last >= self.frames:
                raise ValueError(
                    f"an event ends at frame {event.frames.last}, "
                    f"but the shot's last frame is {self.frames - 1}"
                )
        begins = [0, *(beat.first for beat in self.beats), self.frames]
        if any(b <= a for a, b in pairwise(begins)):
            raise ValueError(
                f"beats come in rising order of `first`, all within the shot's {self.frames} "
                f"frames, got {begins[1:-1]}"
            )
        scene = self.physics
        if scene is not None:
            own, given = (self.frames, self.fps, self.size), (scene.frames, scene.fps, scene.size)
            if own != given:
                raise ValueError(
                    f"`physics` has the frames, fps and size of its shot, {own}, got {given}"
                )
            if self.films is not None:
                raise ValueError("a shot has `physics` of its own or `films` another's, not both")
            if self.view is not None and self.view not in [camera.id for camera in scene.cameras]:
                raise ValueError(
                    f"`view` is a camera of `physics`: "
                    f"{', '.join(camera.id for camera in scene.cameras)}; got {self.view!r}"
                )
        if self.layout is not None and self.layout.frames != self.frames:
            raise ValueError(f"the layout has {self.layout.frames} frames, the shot {self.frames}")
        return self


class LoraFile(Record):
    """Weights that are added to a model's own."""

    path: Annotated[Beside, Field(pattern=r"\.safetensors$")]
    weight: float = Field(default=1.0, ge=-10, le=10)


class Identity(Record):
    """What an entity or a place looks like, in every shot that has it."""

    of: str
    """The id of an entity, or a place."""
    references: list[Beside] = []
    """Pictures: PNG, JPEG or WebP."""
    loras: list[LoraFile] = []
    shots: list[ShotId] = []
    """The consistency group: the shots that share this look; none is all that have it."""


class Scene(Record):
    """Shots at one place and time that belong together."""

    id: str = Field(min_length=1, max_length=60)
    """What `Shot.scene` says."""
    heading: str = ""
    """As the script has it: `EXT. BEACH - DAY`."""
    place: Place = "plain"
    summary: str = ""


LineKind = Literal[
    "heading", "action", "dialogue", "character", "parenthetical", "transition", "lyric",
    "title page", "section", "synopsis", "note", "prompt",
]  # fmt: skip


class Covered(Record):
    """What became of one line of the script."""

    line: int = Field(ge=1)
    """Its number in the script's text."""
    text: str
    kind: LineKind = "action"
    shots: list[ShotId] = []
    """Where it is filmed, spoken or heard; none is nowhere."""
    why: str = ""
    """Why nowhere, or how: `spoken`, `names the place`, `is not filmed: a note`."""


class Story(Stored):
    """The script understood: title, style, who and where; its shots are in the storyboard."""

    SCHEMA: ClassVar[str] = "Story.1"

    title: str = "Untitled"
    style: str = ""
    """The style bible: said of every picture."""
    cast: list[Entity] = []
    """Everyone and everything that is seen, with stable ids."""
    places: list[Place] = []
    identities: list[Identity] = []
    """What some of them look like in every shot, for models that can be shown it."""
    script: str = ""
    """The script's own words."""
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    """The script's language, as BCP 47 calls it; dialogue stays in it."""
    scenes: list[Scene] = []
    coverage: list[Covered] = []
    """Every line of the script that is not empty, in order; none where nobody kept account."""

    @model_validator(mode="after")
    def _one_identity_each(self) -> Story:
        named = [identity.of for identity in self.identities]
        for name in named:
            if named.count(name) > 1:
                raise ValueError(f"{name!r} has two `identities`; give it one with all its files")
        return self


class Storyboard(Stored):
    """The story as an editable list of shots."""

    SCHEMA: ClassVar[str] = "Storyboard.1"

    story: Story = Story()
    shots: list[Shot] = Field(min_length=1, max_length=2000)

    @model_validator(mode="after")
    def _ids_differ(self) -> Storyboard:
        seen: set[str] = set()
        for shot in self.shots:
            if shot.id in seen:
                raise ValueError(f"two shots share the id {shot.id!r}")
            seen.add(shot.id)
        return self

    @model_validator(mode="after")
    def _earlier_shots_are_continued(self) -> Storyboard:
        sizes: dict[str, tuple[int, int]] = {}
        for shot in self.shots:
            if shot.continues is not None:
                if shot.continues not in sizes:
                    raise ValueError(
                        f"`continues` of the shot {shot.id!r} is the id of an earlier shot"
                        f"{', ' if sizes else ''}{', '.join(sizes)}, got {shot.continues!r}"
                    )
                if sizes[shot.continues] != shot.size:
                    raise ValueError(
                        f"the shot {shot.id!r} continues {shot.continues!r} and must have its "
                        f"size, {list(sizes[shot.continues])}, got {list(shot.size)}"
                    )
            sizes[shot.id] = shot.size
        return self

    @model_validator(mode="after")
    def _earlier_shots_are_filmed(self) -> Storyboard:
        earlier: dict[str, Shot] = {}
        for shot in self.shots:
            if shot.films is not None:
                filmed = earlier.get(shot.films)
                if filmed is None or filmed.films is not None:
                    there = [id for id, each in earlier.items() if each.films is None]
                    raise ValueError(
                        f"`films` of the shot {shot.id!r} is the id of an earlier shot that films "
                        f"no other{', ' if there else ''}{', '.join(there)}, got {shot.films!r}"
                    )
                own, its = ((s.frames, s.fps, s.size) for s in (shot, filmed))
                if own != its:
                    raise ValueError(
                        f"the shot {shot.id!r} films {shot.films!r} and must have its frames, fps "
                        f"and size, {its}, got {own}"
                    )
                there = [camera.id for camera in filmed.physics.cameras] if filmed.physics else []
                if there and shot.view is not None and shot.view not in there:
                    raise ValueError(
                        f"`view` of the shot {shot.id!r} is a camera of {shot.films!r}: "
                        f"{', '.join(there)}; got {shot.view!r}"
                    )
            earlier[shot.id] = shot
        return self

    @model_validator(mode="after")
    def _identities_are_seen(self) -> Storyboard:
        story = self.story
        known = {*(entity.id for entity in story.cast), *story.places}
        for shot in self.shots:
            known |= {*(entity.id for entity in shot.scene_graph.entities), shot.place}
        for identity in story.identities:
            if identity.of not in known:
                raise ValueError(
                    f"`identities`: no entity and no place is called {identity.of!r}; "
                    f"there are: {', '.join(sorted(known))}"
                )
            for id in identity.shots:
                if id not in {shot.id for shot in self.shots}:
                    raise ValueError(f"`identities` of {identity.of!r}: there is no shot {id!r}")
        return self

    def left_out(self) -> Iterator[LeftOut]:
        """Every word of the script that was not understood, in order."""
        for shot in self.shots:
            yield from shot.left_out
