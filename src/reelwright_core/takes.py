"""What was filmed: artifacts, noise plan, critique, take, film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from reelwright_core.kinds import EntityId, ShotId
from reelwright_core.physics import PhysicsScene
from reelwright_core.records import Rate, Record, Stored
from reelwright_core.story import FrameSpan, Layout, Storyboard


def _inside(path: str) -> str:
    parts = path.split("/")
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"a path leads from the run folder to a file inside it, got {path!r}")
    return path


class Artifact(Record):
    """A finished file of a run: where it lies in the run folder, and its content's digest."""

    path: Annotated[str, AfterValidator(_inside)]
    """Relative to the run folder, with forward slashes."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


Part = Annotated[float, Field(ge=-1.0, le=1.0)]
"""So much of the picture's width or height; negative is to the left or up."""


Start = Literal["respaced", "truncated"]
NoiseKind = Literal["plain", "windows", "drift", "flow"]


class Region(Record):
    """A part of the picture, for some time, with a noise level of its own."""

    of: str
    """`all`, `background`, or the id of an entity."""
    level: float = Field(ge=0.0, le=1.0)
    """σ from which this part is filmed freely; until then it follows the sketch. 0 keeps the
    sketch to the end; a level above the plan's own cannot be reached and counts as that."""
    frames: FrameSpan | None = None
    """The frames it holds for; None is all of them."""


class NoisePlan(Stored):
    """How much of the sketch survives, where and when: the noise that the model starts from."""

    SCHEMA: ClassVar[str] = "NoisePlan.1"

    level: float = Field(gt=0.0, le=1.0)
    """σ, the share of noise in the first latents: 1.0 is pure noise and uses no sketch."""
    seed: int = Field(ge=0, lt=2**63)
    regions: list[Region] = []
    """Where and when another level holds; where two overlap, the later one does."""
    start: Start = "respaced"
    """How a schedule begins at a level below 1: spaced anew from there, or its own end alone."""
    noise: NoiseKind = "plain"
    """`windows`: later frames see the first window's noise again, shuffled (FreeNoise); `drift`:
    every frame's noise is the one before, shifted by `drift` (FlowZero); `flow`: carried along by
    the motion of the sketch."""
    window: int | None = Field(default=None, ge=1)
    """Frames of a window of shared noise; None is as many as the model was made for."""
    drift: tuple[Part, Part] | None = None
    """By how much the noise moves each frame (x, y), in parts of the picture's width and height;
    (0, 0) gives every frame the same noise."""
    low_frequencies: float | None = Field(default=None, gt=0.0, le=1.0)
    """Starts from pure noise whose low frequencies, up to this part of the highest one, are those
    of the noised sketch (FreeInit); `level` must be 1."""

    @property
    def shows_sketch(self) -> bool:
        """Whether anything of the sketch is in the first latents, or followed on the way."""
        return self.level < 1 or bool(self.regions) or self.low_frequencies is not None


Share = Annotated[float, Field(gt=0.0, le=1.0)]
Weight = Annotated[float, Field(ge=0.0)]


class Guide(Record):
    """How things are held in their boxes while a clip is filmed; none takes the model's preset."""

    by: Literal["none", "boxes"] = "none"
    """`boxes`: words are made to look at the boxes of what they name, by an energy (LVD)."""
    scale: float | None = Field(default=None, ge=0.0, le=1000.0)
    """How far the latents are moved; 0 only measures."""
    threshold: float | None = Field(default=None, ge=0.0)
    """The energy, summed over frames and heads, that is low enough."""
    iterations: int | None = Field(default=None, ge=1, le=20)
    """How often at most the latents are moved before a step."""
    steps: Share | None = None
    """In which first part of the run."""
    top: tuple[Share, Share] | None = None
    """Which part of the places inside and outside the boxes counts: those looked at most."""
    weights: tuple[Weight, Weight] | None = None
    """Of what is not looked at inside, and of what is outside."""
    emphasis: dict[str, Annotated[float, Field(gt=0.0, le=10.0)]] = {}
    """Strengths by entity id, of the weight inside; 1 for all others."""


class Sketch(Record):
    """Draft frames of a shot, painted from its layout or rendered from its simulation."""

    video: Artifact
    """Lossless mp4, as many frames as the shot, in its size."""
    masks: Artifact
    """A .npz with `labels`, uint8 [frames, height, width]: 0 is background, i `things[i - 1]`."""
    things: list[tuple[str, int]]
    """(entity id, instance) of each label."""
    background: Artifact
    """PNG of the empty place at the first frame."""
    depth: Artifact | None = None
    """A .npz with `depth`, float32 [frames, height, width]: metres along the camera's axis,
    infinite for the sky. These, and what follows, are there for simulated sketches."""
    flow: Artifact | None = None
    """A .npz with `flow`, float16 [frames - 1, height, width, 2]: how many pixels what is seen here
    goes to the right and down until the next frame; NaN where that is unknown, as in liquids."""
    normals: Artifact | None = None
    """A .npz with `normals`, int8 [frames, height, width, 3]: 127 times the unit vector that stands
    on the surface, in the camera's directions (right, down, away); 0 for the sky."""
    edges: Artifact | None = None
    """Lossless mp4 of white lines on black: where depth, normal or thing change."""
    tracks: Artifact | None = None
    """JSON: per thing and frame its visible box, whole box and position in the picture."""
    simulation: Artifact | None = None
    """JSON, a `Simulation`: what moved it, with its checks."""


class Clip(Record):
    """A filmed take: the video file, and what it must hold."""

    video: Artifact
    frames: int = Field(ge=1)
    fps: Rate
    size: tuple[int, int]


QuestionKind = Literal[
    "presence", "count", "colour", "direction", "path", "order", "relation", "stillness",
    "smoothness", "extra", "physics", "look", "other",
]  # fmt: skip
"""`smoothness`: nothing jumps, appears or vanishes; `extra`: nothing is there that nobody asked
for; `physics`: it obeys the laws its rules name; `look`: an entity looks as in the other shots."""
Blame = Literal["none", "prompt", "layout", "simulation", "generator", "noise"]


class Question(Record):
    """One thing a critic looked for, and how well it was seen."""

    kind: QuestionKind
    text: str
    """As a person would ask it: `Does the red car go from left to right?`"""
    entity: str | None = None
    score: float = Field(ge=0.0, le=1.0)
    passed: bool
    expected: str = ""
    seen: str = ""
    spans: list[FrameSpan] = []
    """The frames in which it fails."""


class Critique(Stored):
    """What a critic saw in a take."""

    SCHEMA: ClassVar[str] = "Critique.1"

    critic: str
    """Which critic: `measure`, `vision` or `logic`."""
    questions: list[Question] = []
    score: float = Field(ge=0.0, le=1.0)
    """The mean of the questions' scores; 1.0 when there is nothing to ask. Of `logic` the
    probability of its formula."""
    blame: Blame = "none"
    advice: list[str] = []
    caption: str = ""
    """What the clip shows, by a critic that describes it before it compares."""
    rules: list[str] = []
    """The physical rules that it was held against."""
    mismatches: list[str] = []
    """Where the caption differs from the prompt or from the rules."""
    scores_from: str = ""
    """Of a vision model: `tokens`, the probabilities of its words yes and no; `words`, what it
    states where the server tells none; or how many are of which. Empty for measured scores."""

    def passed(self, threshold: float) -> bool:
        """Whether the take is good enough: it has the score, and no question is answered no.

        A threshold of 0 lets every take pass.
        """
        return threshold == 0 or (
            self.score >= threshold and all(question.passed for question in self.questions)
        )


Specialist = Literal["layout", "prompt", "noise", "simulation", "span", "seed"]


class Repair(Record):
    """What is to change for the next take, and why."""

    why: str
    specialist: Specialist | None = None
    """Who mends: the route that was taken."""
    verified: list[str] = []
    """What the verification found wrong, in the order in which it matters."""
    span: FrameSpan | None = None
    """Only these frames are filmed anew; all others are those of the take `of`, bit by bit."""
    of: int | None = Field(default=None, ge=1)
    regions: list[Region] | None = None
    """Noise levels of their own for parts of the picture; none leaves those of the noise plan."""
    physics: PhysicsScene | None = None
    """Another scene to simulate."""
    emphasis: dict[str, float] = {}
    """Strengths of the guidance by boxes, by entity id: of what is to be held more firmly."""
    noise_level: float | None = None
    seed: int | None = None
    prompt: str | None = None
    layout: Layout | None = None


class ContinuityFault(Record):
    """Where two shots do not fit together."""

    kind: Literal["look", "style", "direction", "place", "text"]
    """`look`: an entity looks otherwise; `style`: the style bible is not kept; `direction`: it
    turns round on the screen between two shots; `place`: one place looks like another; `text`:
    the storyboard contradicts itself."""
    shots: list[ShotId] = Field(min_length=1)
    blame: ShotId
    """Which of them is to change."""
    entity: EntityId | None = None
    expected: str = ""
    seen: str = ""
    text: str
    """One sentence for people."""


class Continuity(Stored):
    """How well a film's shots fit together."""

    SCHEMA: ClassVar[str] = "Continuity.1"

    faults: list[ContinuityFault] = []
    checked: int = Field(default=0, ge=0)
    """How many comparisons were made."""


class Message(Record):
    """What one role says to another while a film is planned or repaired."""

    author: str
    """A role: `director`, `screenwriter`, `casting`, `critic`, ..."""
    to: str
    kind: Literal["proposal", "question", "objection", "decision", "note"]
    text: str
    about: list[str] = []
    """Ids of the shots and entities that it is about."""
    inputs: list[str] = []
    """What it was made from: digests or paths in the run folder."""
    outputs: list[str] = []
    """What it changed: paths and fields, such as `shots/s02/scene_graph/entities/girl`."""


class Take(Stored):
    """One attempt at a shot: what was asked, what was made, what the critic said."""

    SCHEMA: ClassVar[str] = "Take.1"

    shot: str
    number: int = Field(ge=1)
    prompt: str
    layout: Layout
    noise: NoisePlan
    sketch: Sketch | None = None
    clip: Clip
    critique: Critique | None = None
    """None until a critic has watched it."""
    repair: Repair | None = None
    """The change that led to this take; none for the first."""
    provenance: dict[str, Any] = {}
    """Model, versions, schedule and seconds: what it took to make it."""


class ShotResult(Stored):
    """A finished shot: all its takes, and which one is in the film."""

    SCHEMA: ClassVar[str] = "ShotResult.1"

    shot: str
    takes: list[Take] = Field(min_length=1)
    chosen: int = Field(ge=1)
    """Number of the take that is used."""
    why: str
    """Why that one."""

    @model_validator(mode="after")
    def _chosen_is_there(self) -> ShotResult:
        numbers = [take.number for take in self.takes]
        if self.chosen not in numbers:
            raise ValueError(f"`chosen` is the number of a take, {numbers}, got {self.chosen}")
        return self

    @property
    def take(self) -> Take:
        """The chosen take."""
        return next(take for take in self.takes if take.number == self.chosen)


class Film(Record):
    """What `run_story` returns: the finished film and all that led to it."""

    run: Path
    """The run folder."""
    video: Path
    subtitles: Path | None
    contact_sheet: Path | None
    report: Path | None
    frames: int
    fps: Rate
    storyboard: Storyboard
    shots: list[ShotResult]
