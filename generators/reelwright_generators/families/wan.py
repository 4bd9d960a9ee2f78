"""Wan 2.1 and 2.2, from text or from pictures: one transformer, or two that share the levels."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from reelwright_core.errors import ModelError
from reelwright_generators.families.family import Family, Grid, Published, picture_of
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, Facts, Request

_MULTIPLE = (16, 16)
"""`WanPipeline` takes only multiples of this, whatever the model's own patches are."""


class Wan(Family):
    """Wan 2.1 T2V, Wan 2.2 T2V-A14B (two experts) and TI2V-5B, and the built-in model.

    Of two experts the one for high noise is called from `boundary_ratio` on upwards, and not at
    all in a start below it.
    """

    name: ClassVar[str] = "wan"
    kinds: ClassVar[tuple[str, ...]] = ("flow",)
    vae_float32: ClassVar[bool] = True  # Wan's own advice
    shares_attention: ClassVar[bool] = True

    @property
    def boundary(self) -> float | None:
        """σ down to which the expert for high noise is called; none if there is only one."""
        told = self.folder.options.get("boundary_ratio")
        return None if told is None else float(told)

    @property
    def by_token(self) -> bool:
        """Whether each token is told a timestep of its own, as in TI2V-5B."""
        return bool(self.folder.options.get("expand_timesteps"))

    def published(self) -> Published:
        if self.boundary is not None:  # Wan-AI/Wan2.2-T2V-A14B-Diffusers
            return Published(size=(1280, 720), frames=81, fps=Fraction(16), steps=40, guidance=4.0)
        if self.by_token:  # Wan-AI/Wan2.2-TI2V-5B-Diffusers
            return Published(size=(1280, 704), frames=121, fps=Fraction(24), steps=50, guidance=5.0)
        # Wan-AI/Wan2.1-T2V-1.3B-Diffusers
        return Published(size=(832, 480), frames=81, fps=Fraction(16), steps=50, guidance=5.0)

    def make_grid(self) -> Grid:
        vae, model = self.folder.config("vae"), self.folder.config(self.denoiser())
        patch = [int(n) for n in model.get("patch_size", (1, 2, 2))]
        spatial = int(vae.get("scale_factor_spatial", 8))
        temporal = int(vae.get("scale_factor_temporal", 4))
        rope = int(model.get("rope_max_seq_len", 1024))
        return Grid(
            spatial=spatial,
            temporal=temporal,
            patch=(patch[0], patch[1], patch[2]),
            multiple=_MULTIPLE,
            longest=((rope * patch[0] - 1) * temporal + 1, rope * spatial * min(patch[1:])),
        )

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        # With a VAE that does not shorten time the pipeline takes every count as unfit, adds one.
        frames = request.frames - (pipe.vae_scale_factor_temporal == 1)
        passed: dict[str, Any] = {"num_frames": frames}
        if self.boundary is not None:  # without two experts the pipeline refuses it
            passed["guidance_scale_2"] = facts.guidance * self.second_guidance
        return passed

    second_guidance: ClassVar[float] = 0.75
    """Guidance of the expert for low noise, in parts of the other's: published are 4 and 3."""

    def provenance(self, pipe: Any, request: Request) -> dict[str, Any]:
        if self.boundary is None:
            return {}
        both = request.noise.level >= self.boundary
        return {"experts": ["high noise", "low noise"] if both else ["low noise"]}


class WanPictures(Wan):
    """Wan 2.1 and 2.2 I2V: films on from a first frame, some to a last one."""

    name: ClassVar[str] = "wan-pictures"
    second_guidance: ClassVar[float] = 1.0

    @property
    def _ends(self) -> bool:
        """Whether it takes a last frame.

        Wan 2.1 sees both through its image encoder, if it was taught two pictures (FLF2V);
        TI2V-5B's pipeline leaves it out without a word.
        """
        model = self.folder.config(self.denoiser())
        if model.get("image_dim") is not None:
            return model.get("pos_embed_seq_len") is not None
        return not self.by_token

    @property
    def _must_end(self) -> bool:
        """Whether it does not film without a last frame."""
        return self.folder.config(self.denoiser()).get("pos_embed_seq_len") is not None

    def published(self) -> Published:
        if self.boundary is not None:  # Wan-AI/Wan2.2-I2V-A14B-Diffusers
            return Published(size=(832, 480), frames=81, fps=Fraction(16), steps=40, guidance=3.5)
        return super().published()  # Wan-AI/Wan2.1-I2V-14B-480P-Diffusers

    def can(self) -> list[Capability]:
        ends: list[Capability] = ["last_frame"] if self._ends else []
        return [*super().can(), "first_frame", *ends]

    def needs(self) -> list[Capability]:
        return ["first_frame", "last_frame"] if self._must_end else ["first_frame"]

    def check(self, request: Request) -> list[str]:
        if self._must_end and request.last_frame is None and request.sketch is None:
            raise ModelError(
                f"{self.folder.name} films from a first frame to a last one and none was given; "
                "give a last frame or a sketch, or use a model that needs the first alone"
            )
        return super().check(request)

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        last = self._last(request)
        assert request.first_frame is not None
        return {
            **super().arguments(pipe, request, facts),
            "image": picture_of(request.first_frame),
            "last_image": None if last is None else picture_of(last),
        }

    def _last(self, request: Request) -> Any:
        if request.last_frame is None and self._must_end and request.sketch is not None:
            return request.sketch[-1:]
        return request.last_frame

    def provenance(self, pipe: Any, request: Request) -> dict[str, Any]:
        told = super().provenance(pipe, request)
        if request.last_frame is None and self._last(request) is not None:
            told["last_frame"] = "of the sketch"
        return told


def make(folder: ModelFolder) -> Wan:
    """The family of a Wan folder."""
    return WanPictures(folder) if folder.pipeline == "WanImageToVideoPipeline" else Wan(folder)
