"""LoRA files: judged before anything is loaded, on the model for one clip, off again after it.

Low-Rank Adaptation (Hu et al., arXiv 2106.09685) adds `weight * B A` to some of a model's matrices.
Diffusers puts them in with peft, which the extra `lora` installs.
"""

from __future__ import annotations

import contextlib
import json
import math
import struct
import warnings
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reelwright_core.errors import ModelError
from reelwright_core.records import known_digest
from reelwright_generators.generator import Capability, Lora
from reelwright_generators.saving import ran_out

TAKING = (
    "AnimateDiff", "AnyFlow", "CogVideoX", "ConsisID", "Hunyuan", "LTX", "Mochi",
    "SkyReelsV2", "StableDiffusion", "TextToVideoSD", "VideoToVideoSD", "Wan",
)  # fmt: skip
"""What the names of the pipelines that take LoRA files begin with."""

_ENDINGS = ("lora_A.weight", "lora_down.weight", "lora.down.weight")
"""What the first of the two matrices is called, by peft, kohya's scripts, and old diffusers."""

_EXPERTS = {"high_noise": "transformer", "low_noise": "transformer_2"}
"""Whom of two experts a file is for, if its name says so; else it is for both."""


def can(pipeline: str) -> list[Capability]:
    """`loras`, if the pipeline class of this name takes them."""
    takes = pipeline.startswith(TAKING) and not pipeline.startswith("HunyuanVideo15")
    return ["loras"] if takes else []


def of_settings(told: Sequence[str]) -> tuple[Lora, ...]:
    """The LoRAs of the setting `generator.loras`: each a path, and perhaps `@` and its weight."""
    return tuple(_parsed(each) for each in told)


def _parsed(told: str) -> Lora:
    path, at, weight = told.rpartition("@")
    if not at:
        return Lora(path=told)
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(weight)):
            return Lora(path=path, weight=number)
    if told.endswith(".safetensors"):  # an `@` of the path itself
        return Lora(path=told)
    raise ModelError(f"the weight of a LoRA is a number: `{path}@0.8`, got {weight!r} in {told!r}")


def check(loras: Sequence[Lora]) -> None:
    """`ModelError` for files that are missing, pickled, no LoRA, or if peft is not installed."""
    if not loras:
        return
    if find_spec("peft") is None:
        raise ModelError(
            'LoRA files need peft, which is not installed: pip install "reelwright[lora]"'
        )
    for lora in loras:
        path = Path(lora.path)
        if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl"):
            raise ModelError(
                f"the LoRA {lora.path} is not loaded, since such files can run code: "
                "take it as .safetensors"
            )
        if not any(name.endswith(_ENDINGS) or "lora" in name.lower() for name in _names(path)):
            raise ModelError(f"{lora.path} holds no LoRA: none of its tensors is named so")


def _names(path: Path) -> list[str]:
    """The names of a safetensors file's tensors: its first 8 bytes tell the length of the JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError("it is cut short")
            header = json.loads(file.read(length))
        return [name for name in header if name != "__metadata__"]
    except FileNotFoundError:
        raise ModelError(f"there is no LoRA file {str(path)!r}") from None
    except (OSError, ValueError, TypeError, struct.error) as error:
        raise ModelError(f"{path} is no .safetensors file that can be read: {error}") from None


def record(loras: Sequence[Lora]) -> list[dict[str, Any]]:
    """Name, digest, weight and entity of each, for digests and provenance."""
    return [
        {
            "file": Path(lora.path).name,
            "sha256": known_digest(Path(lora.path)),
            "weight": lora.weight,
            **({"entity": lora.entity} if lora.entity else {}),
        }
        for lora in loras
    ]


@contextlib.contextmanager
def worn(pipe: Any, loras: Sequence[Lora]) -> Generator[None]:
    """Puts the LoRAs on `pipe` while the block lasts; `ModelError` for one that does not fit.

    Of two experts both get each file, unless its name says `high_noise` or `low_noise`.
    """
    if not loras:
        yield
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise ModelError(f"{type(pipe).__name__} takes no LoRA files: leave them out")
    try:
        with warnings.catch_warnings():
            # Several at once are meant.
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            names = [_put_on(pipe, lora, f"lora{i}") for i, lora in enumerate(loras)]
        pipe.set_adapters(names, [lora.weight for lora in loras])
        yield
    finally:
        pipe.unload_lora_weights()


def _put_on(pipe: Any, lora: Lora, name: str) -> str:
    path = Path(lora.path)
    told = {"weight_name": path.name, "local_files_only": True}
    second = getattr(pipe, "transformer_2", None) is not None
    wanted = [part for sign, part in _EXPERTS.items() if sign in path.name.lower()]
    try:
        state: Any = pipe.lora_state_dict(str(path.parent), **told)
        if not second or wanted != ["transformer_2"]:
            pipe.load_lora_weights(str(path.parent), adapter_name=name, **told)
        if second and wanted != ["transformer"]:
            pipe.load_lora_weights(
                str(path.parent), adapter_name=name, load_into_transformer_2=True, **told
            )
    except Exception as error:  # every way of being of another model has its own
        if ran_out(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"the LoRA {lora.path} does not fit this model: {type(error).__name__}: {reason}; "
            "take one that was trained for it"
        ) from error
    # What has no place in the model is only logged by diffusers, and left out.
    tensors = state[0] if isinstance(state, tuple) else state
    asked = sum(key.endswith(_ENDINGS) for key in tensors)
    found = max(
        (_worn_by(part, name) for part in pipe.components.values() if hasattr(part, "peft_config")),
        default=0,
    )
    if found < asked:
        raise ModelError(
            f"the LoRA {lora.path} does not fit this model: {asked - found} of its {asked} "
            "matrices have no place in it; take one that was trained for it"
        )
    return name


def _worn_by(part: Any, name: str) -> int:
    return sum(name in getattr(module, "lora_A", ()) for module in part.modules())
