"""The families of diffusers video models: what each does its own way, a page or two each."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from reelwright_generators.families.family import Family
from reelwright_generators.folder import ModelFolder

MODULES = {
    "CogVideoXFunControlPipeline": "cogvideox",
    "CogVideoXImageToVideoPipeline": "cogvideox",
    "CogVideoXPipeline": "cogvideox",
    "HunyuanSkyreelsImageToVideoPipeline": "hunyuan",
    "HunyuanVideo15ImageToVideoPipeline": "hunyuan",
    "HunyuanVideo15Pipeline": "hunyuan",
    "HunyuanVideoFramepackPipeline": "hunyuan",
    "HunyuanVideoImageToVideoPipeline": "hunyuan",
    "HunyuanVideoPipeline": "hunyuan",
    "MochiPipeline": "mochi",
    "AnimateDiffControlNetPipeline": "animatediff",
    "AnimateDiffPipeline": "animatediff",
    "AnimateDiffSparseControlNetPipeline": "animatediff",
    "I2VGenXLPipeline": "i2vgen",
    "LTX2Pipeline": "ltx2",
    "LTXConditionPipeline": "ltx",
    "LTXPipeline": "ltx",
    "StableDiffusionPipeline": "animatediff",
    "StableVideoDiffusionPipeline": "svd",
    "TextToVideoSDPipeline": "modelscope",
    "SkyReelsV2DiffusionForcingPipeline": "skyreels",
    "SkyReelsV2Pipeline": "skyreels",
    "WanVACEPipeline": "vace",
    "WanImageToVideoPipeline": "wan",
    "WanPipeline": "wan",
}
"""The module of each pipeline class that is known; each has a `make`, from folder to family."""


def family_of(folder: ModelFolder) -> Family:
    """The family of the model in `folder`; `ModelError` if its pipeline cannot film from text."""
    name = MODULES.get(folder.pipeline, "other")
    module = import_module(f"{__name__}.{name}")
    return cast(Family, module.make(folder))
