"""What a clip will take, in memory and time: estimated from configs and the headers of weights.

Nothing is loaded, torch is not needed, and every number says what it is made of. `docs/estimate.md`
says how far the estimates were from what was measured.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from reelwright_core.errors import ModelError
from reelwright_core.records import Record
from reelwright_generators.folder import ModelFolder, read_json

WIDTHS = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4}
"""Bytes of a number in a safetensors file."""

RUN_WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}

PEAKS = {
    "B200": 2250, "H200": 989, "H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "H800": 989,
    "H20": 148, "A100": 312, "A800": 312, "A40": 150, "A10": 125, "L40S": 362, "L40": 181,
    "L4": 121, "RTX A6000": 155, "RTX 6000 Ada": 364, "RTX 5090": 210, "RTX 4090": 165,
    "RTX 4080": 97, "RTX 3090": 71, "V100": 125, "T4": 65,
}  # fmt: skip
"""Dense 16-bit tensor peaks in 10¹² operations a second, from the makers' data sheets (V100 and
T4: float16). A longer name goes before a shorter one that it holds."""

USED = {"H100": 0.35, "H200": 0.35, "H800": 0.35, "B200": 0.25}
"""Share of the peak that these reach in diffusers; see `UTILISATION` for all others."""

UTILISATION = 0.55
"""Share of its peak that a GPU of the A100's kind reaches with diffusers' default attention: what
published times come to (Wan 2.1 1.3B .53, CogVideoX-2B .52, HunyuanVideo .59 of an A800)."""

CPU_UTILISATION = 0.7
"""Share of a plain matrix product's speed that a CPU reaches over a whole step: .68 to .84 as
measured with transformers of 100 to 150 million parameters, .59 with a UNet."""

_KEPT = 0.92
"""Share of a device's memory that can be filled: the rest is CUDA's own and lost in pieces."""

_MAPS = 2.5
"""Full feature maps that a convolution block of an autoencoder has at once, as measured: its
input, the normalised copy, its output, and what is added at the end."""

_UNET_MAPS = 6.0
"""The same of a UNet, which also keeps a map of each block for its way back up."""

_TILE = 256
"""Pixels of a tile's side, where an autoencoder decodes in tiles."""

_TEXT = 512
"""Tokens of a prompt, padding included."""

_JOINT = {"CogVideoX": 226, "HunyuanVideo15": 1000, "HunyuanVideo": 256, "Mochi": 256}
"""Text tokens that attend together with the video's, by how the pipeline's name begins."""

_ONE_AFTER_ANOTHER = ("Wan", "SkyReels", "HunyuanVideo")
"""Pipelines that run the two passes of guidance one by one; the others as a batch of two."""

_DECODED_AT_ONCE = {
    "AutoencoderKLWan": 6,  # four, and those that its convolutions keep
    "AutoencoderKLCogVideoX": 8,
    "AutoencoderKLHunyuanVideo": 16,
    "AutoencoderKL": 16,
    "AutoencoderKLTemporalDecoder": 14,
}
"""Frames that an autoencoder decodes at a time without tiling; others decode all at once."""

_NOT_PER_TOKEN = re.compile(
    r"(norm\w*\.linear|time_|timestep|condition_embedder|context|caption|text|add_[qkv]_proj"
    r"|to_add_out|audio|attn2\.to_[kv]|pos_|guidance)"
)
"""Weights that work once a step or on the text alone."""

Tensors = Mapping[str, tuple[str, tuple[int, ...]]]
"""Number type and shape of each tensor of a part, by its name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One part of a model that has weights."""

    kind: str
    config: Mapping[str, Any]
    bytes: int
    """On disk, or on the hub."""
    tensors: Tensors = field(default_factory=dict[str, tuple[str, tuple[int, ...]]])
    """Empty where no header could be read."""

    @property
    def parameters(self) -> int:
        """Exact where headers were read; else the bytes over those of the config's type."""
        if self.tensors:
            return sum(math.prod(shape) for _, shape in self.tensors.values())
        named = self.config.get("dtype") or self.config.get("torch_dtype") or "float32"
        return self.bytes // RUN_WIDTHS.get(str(named).removeprefix("torch."), 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What is known of a model before it is loaded."""

    name: str
    pipeline: str
    parts: Mapping[str, Weights]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """What films."""

    name: str
    memory: int
    """Bytes: of the GPU, or what is free of the machine's."""
    speed: float
    """Operations a second that a model reaches on it."""
    speed_from: str
    """Where `speed` is from, for the reader."""
    is_gpu: bool
    machine_memory: int
    """Bytes of the machine's memory that are free, where offloaded weights wait."""


class Way(Record):
    """One way to fit a model into memory."""

    name: str
    settings: dict[str, str]
    """The settings that ask for it."""
    bytes: int
    """Peak on the device."""
    fits: bool


class PartSize(Record):
    """A part's weights."""

    kind: str
    parameters: int
    bytes: int
    """When loaded."""


class Estimate(Record):
    """What a clip will take; an estimate, with the numbers it is made of."""

    model: str
    pipeline: str
    size: tuple[int, int]
    frames: int
    steps: int
    dtype: str
    device: str
    speed_from: str
    parts: dict[str, PartSize]
    latents: tuple[int, int, int, int]
    """Channels, frames, height, width."""
    tokens: int
    """That attend to each other in the model; for a UNet, the latents of all frames."""
    calls: int
    """Of the model: two a step with guidance."""
    operations: float
    """Of one call: 2 for each weight and token that it works on, and 4·n²·width of each attention
    layer over n tokens."""
    denoising_bytes: int
    """Activations of one call."""
    decoding_bytes: int
    """Activations of the autoencoder, and the clip."""
    seconds: float
    """Text, steps and decoding; loading not counted."""
    ways: list[Way]
    """From the fastest to the smallest."""
    machine_bytes: int
    """Of the machine's own memory, while weights are offloaded."""

    @property
    def fitting(self) -> Way | None:
        """The fastest way that fits here."""
        return next((way for way in self.ways if way.fits), None)


def estimate(
    model: Model,
    device: Device,
    *,
    size: tuple[int, int],
    frames: int,
    steps: int,
    guided: bool,
    dtype: str,
) -> Estimate:
    """What a clip of `frames` frames in `size` takes on `device`.

    Operations of a call: 2·(weights a token passes)·tokens, and for each self-attention over n
    tokens of width d, 4·n²·d (QKᵀ and the weighted sum; flash attention keeps no n² in memory).
    Weights that work on text or time alone are left out where the headers tell them apart. In a
    UNet each block has the tokens of its resolution. Activations of a transformer block:
    tokens·(10·width + 3·inner width of its MLP) numbers, and two float32 copies for the norms; as
    measured. Of a UNet and of an autoencoder: `_UNET_MAPS` and `_MAPS` times the largest input
    and output of a layer.
    """
    denoisers = [name for name in ("transformer", "transformer_2", "unet") if name in model.parts]
    if not denoisers or "vae" not in model.parts:
        raise ModelError(
            f"{model.name} is no model whose parts are known: it has {', '.join(model.parts)}, and "
            "an estimate needs a `transformer` or `unet`, and a `vae`"
        )
    width = RUN_WIDTHS[dtype]
    denoiser, vae = model.parts[denoisers[0]], model.parts["vae"]
    temporal, spatial = compression(vae)
    latent = (
        int(vae.config.get("latent_channels") or vae.config.get("z_dim") or 4),
        -(-(frames - 1) // temporal) + 1,
        -(-size[1] // spatial),
        -(-size[0] // spatial),
    )
    grid = _Grid.of(model, denoiser, latent)
    batch = 2 if guided and not model.pipeline.startswith(_ONE_AFTER_ANOTHER) else 1
    operations = _operations(denoiser, grid) + sum(
        _operations(model.parts[name], grid)
        for name in ("motion_adapter", "controlnet")
        if name in model.parts
    )
    denoising = batch * _activations(denoiser, grid, width)
    decoding, decoding_tiled, vae_operations = _decoding(
        vae, size, frames, spatial, 4 if "Wan" in vae.kind else width
    )
    calls = steps * (2 if guided else 1)
    text = sum(
        2 * part.parameters * _TEXT * (2 if guided else 1)
        for name, part in model.parts.items()
        if name.startswith("text_encoder")
    )
    parts = {
        name: PartSize(
            kind=part.kind,
            parameters=part.parameters,
            bytes=part.parameters * (4 if name == "vae" and "Wan" in part.kind else width),
        )
        for name, part in model.parts.items()
    }
    ways = _ways(
        parts, denoisers, denoiser, device,
        denoising=denoising, decoding=decoding, tiled=decoding_tiled,
    )  # fmt: skip
    return Estimate(
        model=model.name,
        pipeline=model.pipeline,
        size=size,
        frames=frames,
        steps=steps,
        dtype=dtype,
        device=device.name,
        speed_from=device.speed_from,
        parts=parts,
        latents=latent,
        tokens=grid.tokens,
        calls=calls,
        operations=operations,
        denoising_bytes=denoising,
        decoding_bytes=decoding,
        seconds=(calls * operations + vae_operations + text) / device.speed,
        ways=ways,
        machine_bytes=sum(part.bytes for part in parts.values()),
    )


def compression(vae: Weights) -> tuple[int, int]:
    """Frames and pixels to one latent, from an autoencoder's config."""
    config = vae.config
    levels = len(config.get("block_out_channels") or [1] * 4)
    temporal = config.get("scale_factor_temporal") or config.get("temporal_compression_ratio")
    spatial = config.get("scale_factor_spatial") or config.get("spatial_compression_ratio")
    match vae.kind:
        case "AutoencoderKLWan":
            return int(temporal or 4), int(spatial or 8)
        case "AutoencoderKLLTXVideo" | "AutoencoderKLLTX2Video":
            return int(temporal or 8), int(spatial or 32)
        case "AutoencoderKLMochi":
            return (
                math.prod(config.get("temporal_expansions") or (1, 2, 3)),
                math.prod(config.get("spatial_expansions") or (2, 2, 2)),
            )
        case "AutoencoderKL" | "AutoencoderKLTemporalDecoder":
            return 1, 2 ** (levels - 1)
        case _:
            return int(temporal or 4), int(spatial or 2 ** (levels - 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Grid:
    """The tokens of a model: how many in all, and on a frame of the latents."""

    tokens: int
    text: int
    frames: int
    height: int
    width: int
    is_unet: bool

    @classmethod
    def of(cls, model: Model, denoiser: Weights, latent: tuple[int, int, int, int]) -> _Grid:
        _, frames, height, width = latent
        is_unet = "UNet" in denoiser.kind
        patch = (1, 1, 1) if is_unet else _patch(denoiser)
        frames, height, width = (
            -(-n // p) for n, p in zip((frames, height, width), patch, strict=True)
        )
        text = next((n for name, n in _JOINT.items() if model.pipeline.startswith(name)), 0)
        return cls(
            tokens=frames * height * width, text=text,
            frames=frames, height=height, width=width, is_unet=is_unet,
        )  # fmt: skip

    def at(self, level: int) -> int:
        """Places of a frame at a level of a UNet; each level halves both sides."""
        return -(-self.height // 2**level) * -(-self.width // 2**level)


def _patch(denoiser: Weights) -> tuple[int, int, int]:
    patch = denoiser.config.get("patch_size", 1)
    if isinstance(patch, list | tuple):
        every = [int(n) for n in cast(list[Any], patch)]
        return every[0], every[1], every[-1]
    return int(denoiser.config.get("patch_size_t") or 1), int(patch), int(patch)


def _operations(part: Weights, grid: _Grid) -> float:
    """Operations of one call of a part that denoises."""
    if not part.tensors:
        return _operations_unseen(part, grid)
    total = 0.0
    for name, (_, shape) in part.tensors.items():
        if len(shape) < 2 or _NOT_PER_TOKEN.search(name):
            continue
        places = grid.at(_level(name, part)) if grid.is_unet else 0
        tokens = places * grid.frames if grid.is_unet else grid.tokens
        total += 2 * math.prod(shape) * tokens
        if not name.endswith(("to_q.weight", "qkv.weight")) or "attn2" in name:
            continue
        total += _attention(name, shape[0], grid, places)
    return total


def _attention(name: str, width: int, grid: _Grid, places: int) -> float:
    """Operations of one self-attention layer; cross-attention is small beside it."""
    if not grid.is_unet:
        return 4 * (grid.tokens + grid.text) ** 2 * width
    if re.search("motion|temp|transformer_in", name):
        return 4 * places * grid.frames**2 * width
    return 4 * grid.frames * places**2 * width


def _operations_unseen(part: Weights, grid: _Grid) -> float:
    """Without the names of the weights: each works on every token; in a UNet on a quarter."""
    passed = 2 * part.parameters * grid.tokens
    if grid.is_unet:
        return passed / 4
    config = part.config
    layers = int(config.get("num_layers", 0)) + int(config.get("num_single_layers", 0))
    return passed + layers * 4 * (grid.tokens + grid.text) ** 2 * _width(part)


def _width(part: Weights) -> int:
    config = part.config
    return int(config.get("num_attention_heads", 16)) * int(config.get("attention_head_dim", 64))


def _level(name: str, part: Weights) -> int:
    """How often the sides were halved where a UNet's block works."""
    levels = len(part.config.get("block_out_channels") or [1] * 4)
    if match := re.search(r"down_blocks\.(\d+)\.", name):
        return min(int(match[1]), levels - 1)
    if match := re.search(r"up_blocks\.(\d+)\.", name):
        return max(levels - 1 - int(match[1]), 0)
    return levels - 1 if "mid_block" in name else 0


def _activations(part: Weights, grid: _Grid, width: int) -> int:
    """Bytes of the largest block's activations."""
    if grid.is_unet:
        largest = max(
            (
                (shape[0] + shape[1]) * grid.at(_level(name, part)) * grid.frames
                for name, (_, shape) in part.tensors.items()
                if len(shape) >= 2 and not _NOT_PER_TOKEN.search(name)
            ),
            default=2 * 320 * grid.tokens,
        )
        return round(_UNET_MAPS * largest * width)
    d = _width(part)
    inner = max(
        (
            shape[0]
            for name, (_, shape) in part.tensors.items()
            if re.search(r"\.(ffn?|mlp)\.net\.0\.proj\.weight|proj_mlp\.weight", name)
        ),
        default=int(part.config.get("ffn_dim") or 4 * d),
    )
    return (grid.tokens + grid.text) * (width * (10 * d + 3 * inner) + 2 * 4 * d)


def _decoding(
    vae: Weights, size: tuple[int, int], frames: int, spatial: int, width: int
) -> tuple[int, int, float]:
    """Peak bytes of decoding, the same in tiles, and its operations."""
    at_once = min(frames, _DECODED_AT_ONCE.get(vae.kind, frames))
    patch = int(vae.config.get("patch_size") or 1)
    halvings = round(math.log2(max(spatial // patch, 1)))
    shortenings = round(math.log2(compression(vae)[0]))
    pixels = size[0] * size[1] / patch**2
    tile = min(size[0], _TILE) * min(size[1], _TILE) / patch**2
    largest, operations = 0.0, 0.0
    for name, (_, shape) in vae.tensors.items():
        if len(shape) < 4 or not name.startswith("decoder"):
            continue
        match = re.search(r"up_blocks\.(\d+)\.", name)
        level = max(halvings - int(match[1]), 0) if match else halvings
        if match and "upsampl" in name and shape[0] <= shape[1]:
            level = max(level - 1, 0)  # enlarges first; one that shuffles works before it does
        if re.match(r"decoder\.(conv_out|proj_out|norm_out|block_out)", name):
            level = 0
        share = 4.0**-level
        largest = max(largest, share * (shape[0] + shape[1]))
        # The first levels on the way up are the shortest in time as well.
        shorter = min(max(level - (halvings - shortenings), 0), shortenings)
        operations += 2 * math.prod(shape) * share * pixels * frames / 2**shorter
    if not largest:  # no names: what the published autoencoders have at full size
        largest, operations = 384.0, 2e6 * pixels * frames
    clip = size[0] * size[1] * frames * 3 * 4 * 2
    peak = _MAPS * largest * at_once * width
    return round(peak * pixels) + clip, round(peak * tile) + clip, operations


def _ways(
    parts: Mapping[str, PartSize],
    denoisers: list[str],
    denoiser: Weights,
    device: Device,
    *,
    denoising: int,
    decoding: int,
    tiled: int,
) -> list[Way]:
    """From all parts on the device at once to a few blocks at a time."""
    whole = sum(part.bytes for part in parts.values())
    at_work = max(parts[name].bytes for name in denoisers)
    others = max((part.bytes for name, part in parts.items() if name not in denoisers), default=0)
    vae = parts["vae"].bytes
    layers = max(int(denoiser.config.get("num_layers", 0)), 10)
    block = 2 * at_work // layers

    def way(name: str, settings: dict[str, str], peak: int) -> Way:
        return Way(name=name, settings=settings, bytes=peak, fits=peak <= device.memory * _KEPT)

    tiling = {"generator.tiling": "on"}
    found = [way("all parts at once", {}, whole + max(denoising, decoding))]
    found.append(way("all parts at once, decoded in tiles", tiling, whole + max(denoising, tiled)))
    if not device.is_gpu:
        return found
    for name, extra, last in (("", {}, decoding), (", decoded in tiles", tiling, tiled)):
        peak = max(at_work + denoising, others, vae + last)
        found.append(way(f"a part at a time{name}", {"generator.offload": "model"} | extra, peak))
    peak = max(block + denoising, vae + tiled)
    found.append(
        way("a block at a time, decoded in tiles", {"generator.offload": "group"} | tiling, peak)
    )
    return found


def gpu_speed(name: str) -> tuple[float, str]:
    """Operations a second of the GPU called `name`, and where the number is from."""
    for known in sorted(PEAKS, key=len, reverse=True):
        if known.lower() in name.lower():
            used = USED.get(known.split()[0], UTILISATION)
            told = f"{used:.0%} of {PEAKS[known]} TFLOP/s, the peak of {known}"
            return used * PEAKS[known] * 1e12, told
    return UTILISATION * 100e12, f"{UTILISATION:.0%} of 100 TFLOP/s, a guess for an unknown GPU"


def read_header(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of each tensor in a safetensors file, from its first bytes."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            data = json.loads(file.read(min(length, 100_000_000)))
        return {
            name: (told["dtype"], tuple(told["shape"]))
            for name, told in data.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is no safetensors file that can be read: {error}") from None


def model_of(folder: ModelFolder) -> Model:
    """What is known of a model that is on this disk."""
    parts: dict[str, Weights] = {}
    for part, names in folder.weights.items():
        files = [folder.folder(part) / name for name in names if not name.endswith(".json")]
        tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
        for file in files:
            if file.suffix == ".safetensors":
                tensors.update(read_header(file))
        parts[part] = Weights(
            kind=folder.parts[part],
            config=read_json(folder.folder(part) / "config.json"),
            bytes=sum(file.stat().st_size for file in files),
            tensors=tensors,
        )
    return Model(name=folder.name, pipeline=folder.pipeline, parts=parts, options=folder.options)
