"""What every family of diffusers video models does; a family's own file says what it does else.

A family is made from a folder's JSON files and works without torch, except in the methods that are
given a loaded pipeline or tensors. "Latents" are those the model denoises, normalised, always
`[1, channels, frames, height, width]` here; `packed` and `at_scheduler` turn them into what a
pipeline wants.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from reelwright_core.errors import ModelError
from reelwright_core.takes import Guide
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, ControlKind, Facts, Request

if TYPE_CHECKING:
    import torch

TRANSFORMERS = ("transformer", "transformer_2", "unet")
"""The parts that denoise, in the order in which they are looked for."""

Kind = Literal["flow", "rising flow", "variance preserving", "variance exploding"]
"""What a scheduler's numbers mean: σ falling from 1 to 0; 1 - σ rising (Mochi); ᾱ of whole
timesteps (DDIM and its like, DPM++, UniPC); or the noise's own scale on a clean sample (Euler)."""

COMMON = (
    "prompt", "negative_prompt", "height", "width", "num_frames", "num_inference_steps",
    "guidance_scale", "latents", "output_type", "max_sequence_length", "generator",
)  # fmt: skip
"""Arguments that mean the same in every pipeline that takes them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What the published models of a family were made for; a folder's profile goes before it."""

    size: tuple[int, int]
    frames: int
    fps: Fraction
    steps: int
    guidance: float
    noise_level: float = 0.8
    """Video-MSG's start, in terms of σ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Which sizes and frame counts a model can film: pixels and frames to one latent, and patches.

    A causal autoencoder keeps the first frame by itself, and `temporal` later ones together.
    """

    spatial: int
    temporal: int = 1
    patch: tuple[int, int, int] = (1, 1, 1)
    """Latents to one token of the model: over time, height, width."""
    multiple: tuple[int, int] = (1, 1)
    """What the pipeline itself asks of width and height."""
    front: bool = False
    """Whether the pipeline evens out patches over time by latents of its own, put before the
    first frame's and cut off again (CogVideoX 1.5); if not, more frames are filmed."""
    group: int = 1
    """How many latents after the first one can only be decoded together (CogVideoX: pairs)."""
    longest: tuple[int, int] | None = None
    """Frames, and pixels of the longer side, that the model reaches at most."""
    only: int | None = None
    """The one frame count that it films, if it is one."""

    @property
    def steps(self) -> tuple[int, int]:
        """Steps of width and of height."""
        return (
            math.lcm(self.multiple[0], self.spatial * self.patch[2]),
            math.lcm(self.multiple[1], self.spatial * self.patch[1]),
        )

    def latent_frames(self, frames: int) -> int:
        """How many latents in time `frames` frames are, with those before the first."""
        return (frames - 1) // self.temporal + 1 + self.lead(frames)

    def lead(self, frames: int) -> int:
        """How many latents in time are put before those of `frames` frames."""
        latent = (frames - 1) // self.temporal + 1
        return -latent % self.patch[0] if self.front else 0

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest size it can film that holds `size`."""
        width, height = (-(-n // step) * step for n, step in zip(size, self.steps, strict=True))
        return width, height

    def frames(self, frames: int) -> int:
        """The smallest count it can film that holds `frames`."""
        if self.only is not None:
            return max(self.only, frames)
        latent = -(-(frames - 1) // (self.temporal * self.group)) * self.group + 1
        if not self.front:
            latent = -(-latent // self.patch[0]) * self.patch[0]
        return (latent - 1) * self.temporal + 1

    def refuse_beyond(self, size: tuple[int, int], frames: int) -> None:
        """`ModelError` for what is more than the model reaches."""
        if self.only is not None and frames > self.only:
            raise ModelError(f"the model films {self.only} frames at most, got {frames}")
        if self.longest is None:
            return
        most, side = self.longest
        if frames > most or max(size) > side:
            raise ModelError(
                f"the model reaches {side} pixels and {most} frames at most, "
                f"got {size[0]}x{size[1]} and {frames} frames"
            )


class Family:
    """One family of models; as it stands, any diffusers text-to-video pipeline."""

    name: ClassVar[str] = "other"
    kinds: ClassVar[tuple[str, ...]] = get_args(Kind)
    """The kinds of scheduler that its pipelines can step."""
    vae_float32: ClassVar[bool] = False
    """Whether the autoencoder stays in float32 whatever the rest is in."""
    told_rate: ClassVar[bool] = False
    """Whether it is told the frame rate, and so films any."""
    shares_attention: ClassVar[bool] = False
    """Whether keys and values of its self-attention can be another clip's; see `sharing`."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        try:
            self.grid = self.make_grid()
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise ModelError(
                f"the configs of {folder.path} do not fit the family `{self.name}`: "
                f"{type(error).__name__}: {error}"
            ) from None

    # What it is: from the folder's JSON files alone.

    def published(self) -> Published:
        """What the family's models were made for."""
        return Published(size=(512, 512), frames=16, fps=Fraction(8), steps=50, guidance=6.0)

    def can(self) -> list[Capability]:
        """What a model of this family can be asked for."""
        return ["text", "negative_prompt", "sketch", "regions", "seeds"]

    def needs(self) -> list[Capability]:
        """What every request has to bring: `control`; frames (or a sketch, for its own)."""
        return []

    def controls(self) -> list[ControlKind]:
        """The kinds of control video it takes."""
        return []

    def guide(self) -> Guide | None:
        """The preset of guidance by boxes, where its cross-attention is known; see `guidance`."""
        return None

    def make_grid(self) -> Grid:
        """The sizes and frame counts that fit its parts."""
        vae = self.folder.config("vae")
        spatial = 2 ** (len(vae.get("block_out_channels", [1] * 4)) - 1)
        return Grid(spatial=spatial, multiple=(8, 8))

    def denoiser(self) -> str:
        """The name of the part that denoises; of the first, if there are two."""
        part = next((part for part in TRANSFORMERS if part in self.folder.parts), None)
        if part is None:
            raise ModelError(
                f"{self.folder.path} is incomplete: its index names no `transformer` and no `unet`"
            )
        return part

    def check(self, request: Request) -> list[str]:
        """Warnings of this family alone; `ModelError` for what only it cannot film."""
        return []

    # How it films: with a loaded pipeline.

    def pipeline_class(self) -> Any:
        """The diffusers class that films; the one that the folder's index names."""
        import diffusers

        found = getattr(diffusers, self.folder.pipeline, None)
        if found is None:
            raise ModelError(
                f"{self.folder.name} is a {self.folder.pipeline}, "
                f"which diffusers {diffusers.__version__} does not have"
            )
        return found

    def by_frame(self, request: Request) -> int:
        """In how many parts the latent frames are each stepped by a copy of the scheduler.

        0 where one scheduler steps them all.
        """
        return 0

    def text_tokens(self, pipe: Any) -> int:
        """How many tokens of the prompt stand before the clip's in a block's self-attention."""
        return 0

    def alone(self, request: Request) -> str | None:
        """Why a clip cannot be denoised together with others; None if it can."""
        return None

    def prepare(self, pipe: Any) -> None:
        """Changes what the family needs changed in a pipeline that has just been loaded."""

    def latent_channels(self, pipe: Any) -> int:
        """Channels of the latents that are denoised."""
        config = pipe.vae.config
        return int(config.get("z_dim") or config["latent_channels"])

    def shape(self, pipe: Any, request: Request) -> tuple[int, int, int, int, int]:
        """The shape of a request's latents."""
        width, height = request.size
        return (
            1,
            self.latent_channels(pipe),
            self.grid.latent_frames(request.frames),
            height // self.grid.spatial,
            width // self.grid.spatial,
        )

    def encoded(self, pipe: Any, request: Request) -> torch.Tensor:
        """The request's sketch as latents, float32 on the CPU."""
        from reelwright_generators.latents import encode

        assert request.sketch is not None
        return encode(pipe.vae, request.sketch)

    def packed(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        """Latents in the layout of the pipeline's argument `latents`."""
        return latents

    def at_scheduler(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        """Latents in the layout in which the pipeline steps its scheduler."""
        return self.packed(pipe, latents)

    def at_model(self, pipe: Any, latents: torch.Tensor) -> torch.Tensor:
        """Latents in the layout in which the denoiser is given them, without what comes along."""
        return self.at_scheduler(pipe, latents)

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        """What the family passes besides `COMMON`, or else than that."""
        return {}

    def call(
        self, pipe: Any, request: Request, *, facts: Facts, latents: torch.Tensor
    ) -> dict[str, Any]:
        """All arguments of the pipeline for a request."""
        import torch

        width, height = request.size
        common = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt or None,
            "height": height,
            "width": width,
            "num_frames": request.frames,
            "num_inference_steps": facts.steps,
            "guidance_scale": facts.guidance,
            "latents": latents,
            "output_type": "np",
            "max_sequence_length": self.folder.profile.max_sequence_length,
            # Whatever else is drawn, by a solver that adds noise for instance.
            "generator": torch.Generator("cpu").manual_seed(request.noise.seed + 1),
        }
        known = inspect.signature(pipe.__call__).parameters
        passed = {name: common[name] for name in COMMON if name in known}
        if passed.get("max_sequence_length") is None:
            passed.pop("max_sequence_length", None)
        return passed | dict(self.arguments(pipe, request, facts))

    def frames_of(self, made: Any) -> Any:
        """The clip in what the pipeline returned: 0..1, [frames, height, width, 3]."""
        return made.frames[0]

    def sound_of(self, made: Any) -> Any:
        """The `Sound` in what the pipeline returned, if it makes any."""
        return None

    def provenance(self, pipe: Any, request: Request) -> dict[str, Any]:
        """What else a clip's provenance should say, such as which control was used."""
        return {}


class FromPicture(Family):
    """A family whose clips must begin with a frame: put it before the family that it adds to."""

    def can(self) -> list[Capability]:
        return [*super().can(), "first_frame"]

    def needs(self) -> list[Capability]:
        return ["first_frame"]

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        assert request.first_frame is not None
        image = picture_of(request.first_frame)
        return {**super().arguments(pipe, request, facts), "image": image}


def picture_of(frame: Any) -> Any:
    """A frame, uint8 [1, height, width, 3], as the PIL picture that pipelines take."""
    from PIL import Image

    return Image.fromarray(frame[0])
