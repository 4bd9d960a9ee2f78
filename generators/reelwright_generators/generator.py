"""What a generator is: it turns a request into a clip, or refuses with a reason before any work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from reelwright_core.errors import ModelError
from reelwright_core.records import Rate, Record
from reelwright_core.settings import Generator as Told
from reelwright_core.story import Box
from reelwright_core.takes import Guide, NoisePlan
from reelwright_core.video import Frames
from reelwright_generators.folder import OnFetch

GROUP = "reelwright.generators"
"""The entry points that offer generators: each a function from the settings' `generator` part."""

FOLDERS = "diffusers"
"""The offer that opens folders and hub ids."""

Capability = Literal[
    "text", "negative_prompt", "sketch", "regions", "control", "first_frame", "last_frame",
    "references", "loras", "audio", "seeds", "shared_noise", "boxes",
]  # fmt: skip
"""`text`: films what the prompt says; `sketch`: can start from a sketch below noise level 1;
`regions`: at levels that differ by place and time; `shared_noise`: from noise that frames share,
by windows, drift or flow; `boxes`: guided by the boxes of things; `audio`: clips have sound;
`seeds`: the same request gives the same bytes."""

ControlKind = Literal["rgb", "depth", "edges", "masks", "pose"]
"""What the frames of a control video show."""

OnStep = Callable[[int, int], None]
"""Told (steps done, steps in all) after every step; ends the filming by raising.

Who waits for others tells the last step again now and then, 0 before the first, to ask whether
to stop.
"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Control:
    """A video that says frame by frame what is where."""

    kind: ControlKind
    frames: Frames
    """As many frames as asked, in the size asked; depth is grey, near is bright."""
    scale: float = 1.0
    """How strongly it counts; 1 is as the model was trained."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reference:
    """What an entity looks like."""

    entity: str
    picture: Frames
    """uint8 RGB [1, height, width, 3], of any size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """Weights that are added to the model's own (Low-Rank Adaptation)."""

    path: str
    """A .safetensors file."""
    weight: float = 1.0
    entity: str | None = None
    """Whom it is for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxed:
    """Where a thing is to be."""

    entity: str
    phrase: str
    """What the prompt calls it: `red car`."""
    boxes: tuple[tuple[Box, ...], ...]
    """Of each frame: none where it is out of the picture, several of several alike."""
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """Things that are held in their boxes; see `guidance`."""

    things: tuple[Boxed, ...]
    told: Guide


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Request:
    """What to film."""

    prompt: str
    size: tuple[int, int]
    """Width and height in pixels."""
    frames: int
    fps: Fraction
    noise: NoisePlan
    sketch: Frames | None = None
    """As many frames as asked, in the size asked; needed for noise levels below 1."""
    negative_prompt: str = ""
    labels: Frames | None = None
    """What is where in the sketch, uint8 [frames, height, width]: 0 is background, i is
    `things[i - 1]`; needed where the noise plan names an entity or the background."""
    things: tuple[tuple[str, int], ...] = ()
    """(entity id, instance) of each label."""
    control: Control | None = None
    first_frame: Frames | None = None
    """uint8 RGB [1, height, width, 3] in the size asked: how the clip begins."""
    last_frame: Frames | None = None
    """The same for its end."""
    guide: Boxes | None = None
    references: tuple[Reference, ...] = ()
    loras: tuple[Lora, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sound:
    """What is heard with a clip."""

    samples: NDArray[np.float32]
    """[channels, samples] in -1..1."""
    rate: int
    """Samples per second."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Made:
    """A clip, and what it took to make it."""

    frames: Frames
    """uint8 RGB [frames, height, width, 3], exactly as asked."""
    provenance: dict[str, Any]
    """Plain data that is the same each time: model, noise levels, steps, seed, versions."""
    seconds: float
    """How long it took; apart from `provenance`, since it differs each time."""
    sound: Sound | None = None
    warnings: tuple[str, ...] = ()
    """What turned out only while it was filmed."""


class Facts(Record):
    """What a generator is and was made for."""

    name: str
    family: str
    sha256: str
    """Over everything that decides its clips: configs, weights, profile."""
    revision: str | None = None
    size: tuple[int, int]
    """Width and height it films best."""
    frames: int
    """Frames of a shot that it films best."""
    frames_per_latent: int = 1
    """Frames that it makes together; the first of a clip comes alone."""
    fps: Rate
    steps: int
    """Denoising steps of a run from pure noise."""
    guidance: float
    noise_level: float
    """σ to start from with a sketch, if nothing else is said."""
    licence: str = "unknown"
    prompt_tokens: int | None = None
    """How many tokens of a prompt it reads; the rest is cut off. None where nobody says."""
    own_words: bool = False
    """Whether it was taught a small vocabulary of its own and passes over all other words."""
    can: list[Capability]
    controls: list[ControlKind] = []
    """The control videos it takes, if it `can` `control`."""
    needs: list[Capability] = []
    """What every request has to bring: `control`; or `first_frame` and `last_frame`, for which
    those of a sketch do as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """A prompt in the words that a model was taught."""

    told: str
    """What the model is given."""
    mapped: tuple[tuple[str, str], ...]
    """(said, told) of each word or phrase that was put into other words."""
    unknown: tuple[str, ...]
    """What was said and the model has no words for."""
    pictured: tuple[str, ...] = ()
    """Those of the unknown that a sketch can show."""
    weakened: tuple[tuple[str, str], ...] = ()
    """Those of the mapped that say less than what was said: `waves` told as `stays`."""

    def data(self) -> dict[str, Any]:
        """For the provenance of a clip."""
        return {
            "told": self.told,
            "mapped": [list(pair) for pair in self.mapped],
            "unknown": list(self.unknown),
        }


class InItsWords(Protocol):
    """Puts prompts into the words that a model was taught."""

    def __call__(self, prompt: str, /) -> Wording:
        """The prompt in those words, and which there are none for."""
        ...


class Generator(Protocol):
    """Turns a request into a clip; `conformance.check` says what that means exactly."""

    def facts(self) -> Facts:
        """What this generator is; quick, nothing is loaded for it."""
        ...

    def check(self, request: Request) -> list[str]:
        """Warnings for a request that can be filmed; `ModelError` for one that cannot."""
        ...

    def generate(self, request: Request, on_step: OnStep | None = None) -> Made:
        """Films `request`: `ModelError` as `check` says, `GeneratorError` if filming fails."""
        ...


def sound(request: Request) -> None:
    """Refuses what no generator can film: `ModelError` with the reason.

    For backends to call first in their `check`.
    """
    width, height = request.size
    if width < 1 or height < 1 or request.frames < 1:
        raise ModelError(
            "a clip has at least one pixel and one frame, "
            f"got {width}x{height} and {request.frames} frames"
        )
    noise = request.noise
    if request.sketch is None and noise.shows_sketch:
        raise ModelError(
            f"a noise level of {noise.level}"
            + (" with regions" if noise.regions else "")
            + (" with low frequencies" if noise.low_frequencies else "")
            + " starts from a sketch and none was given; give one, or ask for level 1.0 alone"
        )
    if request.sketch is None and noise.noise == "flow":
        raise ModelError(
            "noise of the kind `flow` moves as a sketch does and none was given; give one, "
            "or ask for `windows`, `drift` or `plain`"
        )
    if noise.noise == "drift" and noise.drift is None:
        raise ModelError(
            "noise of the kind `drift` needs the plan's `drift`: "
            "how far it moves each frame, in parts of the picture's width and height"
        )
    _fits("sketch", request.sketch, (request.frames, height, width, 3))
    _fits("first frame", request.first_frame, (1, height, width, 3))
    _fits("last frame", request.last_frame, (1, height, width, 3))
    if request.control is not None:
        _fits("control video", request.control.frames, (request.frames, height, width, 3))
    for thing in request.guide.things if request.guide else ():
        if len(thing.boxes) != request.frames or not thing.phrase.strip():
            raise ModelError(
                f"the boxes of {thing.entity} are {len(thing.boxes)} frames of "
                f"{thing.phrase!r}, and the clip has {request.frames}: give a phrase, and boxes "
                "for each frame"
            )
    _fits("label map", request.labels, (request.frames, height, width))
    _known_regions(request)


def _fits(what: str, given: Frames | None, expected: tuple[int, ...]) -> None:
    if given is not None and (given.shape != expected or given.dtype != np.uint8):
        raise ModelError(
            f"the {what} must be uint8 {list(expected)} like the clip, "
            f"got {given.dtype} {list(given.shape)}"
        )


def _known_regions(request: Request) -> None:
    entities = sorted({entity for entity, _ in request.things})
    for region in request.noise.regions:
        if region.of == "all":
            continue
        if request.labels is None:
            raise ModelError(
                f"the noise plan has a region of {region.of!r}, and no label map says where it is"
            )
        if region.of != "background" and region.of not in entities:
            raise ModelError(
                f"the noise plan has a region of {region.of!r}, which is not in the sketch; "
                f"there are: {', '.join(['all', 'background', *entities])}"
            )


def refuse_unable(request: Request, facts: Facts) -> None:
    """`ModelError` for what the request has and a generator with these `facts` cannot use."""
    wants: dict[Capability, tuple[bool, str]] = {
        "sketch": (
            request.noise.level < 1 or request.noise.low_frequencies is not None,
            "start from a sketch: ask for noise level 1.0",
        ),
        "regions": (
            bool(request.noise.regions),
            "start at levels that differ by place or time: leave out the plan's `regions`",
        ),
        "shared_noise": (
            request.noise.noise != "plain",
            f"start from noise that frames share ({request.noise.noise}): ask for `plain`",
        ),
        "control": (request.control is not None, "follow a control video"),
        "boxes": (
            request.guide is not None,
            "be guided by boxes: that reads the cross-attention of a U-Net, as ModelScope, "
            "Zeroscope and AnimateDiff have",
        ),
        "first_frame": (request.first_frame is not None, "begin with a given frame"),
        "last_frame": (request.last_frame is not None, "end with a given frame"),
        "references": (bool(request.references), "be shown reference pictures"),
        "loras": (bool(request.loras), "take LoRA weights"),
        "negative_prompt": (bool(request.negative_prompt), "take a negative prompt"),
    }
    for capability, (wanted, said) in wants.items():
        if wanted and capability not in facts.can:
            raise ModelError(f"{facts.name} ({facts.family}) cannot {said}")
    if "control" in facts.needs and request.control is None:
        raise ModelError(
            f"{facts.name} ({facts.family}) films only along a control video and none was given; "
            f"give one of {', '.join(facts.controls)}, or use a text-to-video model"
        )
    if "first_frame" in facts.needs and request.first_frame is None and request.sketch is None:
        raise ModelError(
            f"{facts.name} ({facts.family}) films on from a picture and none was given; "
            "give a first frame or a sketch, or use a text-to-video model"
        )
    if request.control is not None and request.control.kind not in facts.controls:
        raise ModelError(
            f"{facts.name} follows control videos of {', '.join(facts.controls)}, "
            f"got {request.control.kind}"
        )


def names() -> list[str]:
    """The installed generators' names; a folder or a hub id works as well."""
    return sorted(_offers())


def load(told: Told, *, on_fetch: OnFetch | None = None) -> Generator:
    """The generator that the settings name: an installed name, else a folder, else a hub id.

    Its libraries are imported only when it films; `on_fetch` is told how far the files of a hub
    model have come. Raises `ModelError` for one that is
    unknown, broken or missing.
    """
    offers = _offers()
    name = told.model if told.model in offers else FOLDERS
    if name not in offers:
        raise ModelError(
            f"there is no generator {told.model!r}; installed ones: {', '.join(sorted(offers))}"
        )
    try:
        make: Any = offers[name].load()
    except Exception as error:  # a plug-in may fail in any way while it is imported
        raise ModelError(
            f"the generator {name!r} ({offers[name].value}) cannot be loaded: "
            f"{type(error).__name__}: {error}; other installed ones: "
            f"{', '.join(other for other in sorted(offers) if other != name)}"
        ) from error
    return cast(Generator, make(told, on_fetch=on_fetch) if name == FOLDERS else make(told))


def _offers() -> dict[str, EntryPoint]:
    return {offer.name: offer for offer in entry_points(group=GROUP)}
