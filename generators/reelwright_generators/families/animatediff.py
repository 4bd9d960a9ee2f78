"""AnimateDiff: Stable Diffusion 1.5 with a motion adapter, and ControlNet or SparseCtrl if given.

The parts often come from several repositories, as `generator.parts`: a Stable Diffusion model
with a `motion_adapter`, perhaps with a `controlnet`, and with an `ip_adapter` and the
`image_encoder` that it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from reelwright_core.errors import ModelError
from reelwright_core.takes import Guide
from reelwright_generators.families.family import Published, picture_of
from reelwright_generators.families.unet import LVD, UNet, is_named
from reelwright_generators.folder import ModelFolder
from reelwright_generators.generator import Capability, ControlKind, Facts, Request

STILL = "StableDiffusionPipeline"

_SIGNS: dict[ControlKind, tuple[str, ...]] = {
    "depth": ("depth", "normalbae"),
    "edges": ("canny", "lineart", "softedge", "hed", "scribble", "mlsd", "edge", "sketch"),
    "masks": ("seg",),
    "pose": ("pose",),
    "rgb": ("rgb", "tile"),
}
"""What is in the names of the published ControlNets, by what they follow."""


class AnimateDiff(UNet):
    """Clips as long as the motion adapter's positions reach: 24 or 32 frames."""

    name: ClassVar[str] = "animatediff"

    def published(self) -> Published:
        # guoyww/animatediff-motion-adapter-v1-5-2 with Stable Diffusion 1.5
        side = self.side(512)
        return Published(
            size=(side, side), frames=16, fps=Fraction(8), steps=25, guidance=7.5, noise_level=0.8
        )

    def guide(self) -> Guide | None:
        return LVD

    def most_frames(self) -> int | None:
        part = "motion_adapter" if "motion_adapter" in self.folder.parts else "unet"
        return int(self.folder.config(part).get("motion_max_seq_length", 32))

    def can(self) -> list[Capability]:
        able: list[Capability] = [*super().can()]
        if self._sparse() == "pictures":
            able.extend(("first_frame", "last_frame"))
        if self.controls():
            able.append("control")
        if "ip_adapter" in self.folder.parts:
            able.append("references")
        return able

    def controls(self) -> list[ControlKind]:
        if "controlnet" not in self.folder.parts or self._sparse() == "pictures":
            return []
        if self._sparse() == "drawings":
            return ["edges"]
        told: list[ControlKind] = [
            kind for kind, signs in _SIGNS.items() if is_named(self.folder, "controlnet", *signs)
        ]
        return told or list(_SIGNS)

    def check(self, request: Request) -> list[str]:
        if request.control is not None and self.controls() == list(_SIGNS):
            return [
                f"the ControlNet of {self.folder.name} does not say what it was trained on: "
                f"it is shown {request.control.kind} all the same"
            ]
        return []

    def _sparse(self) -> str | None:
        """What a SparseCtrl is shown, if there is one: `pictures` (encoded ones) or `drawings`."""
        if self.folder.parts.get("controlnet") != "SparseControlNetModel":
            return None
        encoded = self.folder.config("controlnet").get("use_simplified_condition_embedding", True)
        return "pictures" if encoded else "drawings"

    def pipeline_class(self) -> Any:
        from diffusers.pipelines.animatediff import pipeline_animatediff as plain
        from diffusers.pipelines.animatediff import pipeline_animatediff_controlnet as controlled
        from diffusers.pipelines.animatediff import pipeline_animatediff_sparsectrl as sparse

        if "controlnet" not in self.folder.parts:
            return plain.AnimateDiffPipeline
        if self._sparse():
            return sparse.AnimateDiffSparseControlNetPipeline
        return controlled.AnimateDiffControlNetPipeline

    def prepare(self, pipe: Any) -> None:
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        if self.folder.pipeline == STILL and "scheduler" not in self.folder.extras:
            # Motion adapters were trained on these betas, not on those of Stable Diffusion.
            pipe.scheduler = DDIMScheduler.from_config(
                pipe.scheduler.config, beta_schedule="linear", clip_sample=False, steps_offset=1
            )
        if "ip_adapter" in self.folder.parts:
            folder = self.folder.folder("ip_adapter")
            (weights,) = self.folder.weights["ip_adapter"]
            pipe.load_ip_adapter(
                str(folder), subfolder="", weight_name=weights, image_encoder_folder=None,
                local_files_only=True,
            )  # fmt: skip

    def arguments(self, pipe: Any, request: Request, facts: Facts) -> Mapping[str, Any]:
        passed: dict[str, Any] = {}
        if "controlnet" in self.folder.parts:
            passed |= self._control(request)
        if "ip_adapter" in self.folder.parts:
            passed |= self._references(pipe, request)
        return passed

    def _control(self, request: Request) -> dict[str, Any]:
        # Without anything to follow, the ControlNet is shown black and counts for nothing.
        width, height = request.size
        shown = {0: np.zeros((1, height, width, 3), np.uint8)}
        scale = 0.0
        if request.control is not None:
            shown = {n: request.control.frames[n : n + 1] for n in range(request.frames)}
            scale = request.control.scale
        else:
            given = {0: request.first_frame, request.frames - 1: request.last_frame}
            some = {n: frame for n, frame in given.items() if frame is not None}
            if some:
                shown, scale = some, 1.0
        passed: dict[str, Any] = {"controlnet_conditioning_scale": scale}
        if self._sparse():
            passed["controlnet_frame_indices"] = list(shown)
        elif len(shown) < request.frames:
            shown = dict.fromkeys(range(request.frames), shown[0])
        passed["conditioning_frames"] = [picture_of(frame) for frame in shown.values()]
        return passed

    def _references(self, pipe: Any, request: Request) -> dict[str, Any]:
        """Each reference counts where the sketch has its entity in any frame, else everywhere."""
        import torch

        if not request.references:
            # It asks for a picture in any case; at scale 0 it is not looked at.
            pipe.set_ip_adapter_scale(0.0)
            return {"ip_adapter_image": [picture_of(np.zeros((1, 8, 8, 3), np.uint8))]}
        pipe.set_ip_adapter_scale(1.0)
        width, height = request.size
        where = np.ones((len(request.references), height, width), np.float32)
        for n, reference in enumerate(request.references):
            own = [i + 1 for i, (id_, _) in enumerate(request.things) if id_ == reference.entity]
            if own and request.labels is not None:
                where[n] = np.isin(request.labels, own).any(0)
        return {
            "ip_adapter_image": [[picture_of(each.picture) for each in request.references]],
            "cross_attention_kwargs": {"ip_adapter_masks": [torch.from_numpy(where)[None]]},
        }

    def provenance(self, pipe: Any, request: Request) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if request.control is not None:
            told["control"] = {"kind": request.control.kind, "scale": request.control.scale}
        if request.references:
            told["references"] = [reference.entity for reference in request.references]
        return told


def make(folder: ModelFolder) -> AnimateDiff:
    """The family of an AnimateDiff folder, or of a Stable Diffusion with a motion adapter."""
    parts = folder.parts
    if folder.pipeline == STILL and "motion_adapter" not in parts:
        raise ModelError(
            f"{folder.name} is a {STILL}, which makes pictures; it films with a motion adapter: "
            "`generator.parts=motion_adapter=guoyww/animatediff-motion-adapter-v1-5-2`"
        )
    if parts.get("controlnet") not in (None, "ControlNetModel", "SparseControlNetModel"):
        raise ModelError(
            f"the `controlnet` of {folder.name} is a {parts['controlnet']}; "
            "AnimateDiff follows one ControlNetModel or SparseControlNetModel"
        )
    if "ip_adapter" in parts and "image_encoder" not in parts:
        raise ModelError(
            f"{folder.name} has an `ip_adapter` and no `image_encoder` that sees its pictures; "
            "name one: `generator.parts=image_encoder=FOLDER`"
        )
    return AnimateDiff(folder)
