"""I2VGen-XL: films on from a picture, as a text says."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from reelwright_core.takes import Guide
from reelwright_generators.families.family import Published, picture_of
from reelwright_generators.families.modelscope import ModelScope
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, Facts, Request


class I2VGen(ModelScope):
    """Its pipeline steps its scheduler frame by frame, as ModelScope's does."""

    name: ClassVar[str] = "i2vgen-xl"

    def published(self) -> Published:
        # ali-vilab/i2vgen-xl
        return Published(
            size=(1280, 704), frames=16, fps=Fraction(16), steps=50, guidance=9.0, noise_level=0.8
        )

    def can(self) -> list[Capability]:
        return [*super().can(), "first_frame"]

    def guide(self) -> Guide | None:
        return None  # beside the prompt's words its attention looks at the picture's

    def needs(self) -> list[Capability]:
        return ["first_frame"]

    def prepare(self, pipe: Any) -> None:
        # It looks for CLIP's last norm where transformers 4 had it; as an attribute beside the
        # modules, so that none is in the encoder twice.
        if not hasattr(pipe.text_encoder, "text_model"):
            pipe.text_encoder.__dict__["text_model"] = pipe.text_encoder

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        assert request.first_frame is not None
        return {
            "image": picture_of(request.first_frame),
            "target_fps": max(1, round(request.fps)),
        }


def make(folder: ModelFolder) -> I2VGen:
    """The family of an I2VGen-XL folder."""
    return I2VGen(folder)
