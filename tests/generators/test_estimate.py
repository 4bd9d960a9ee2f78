"""Estimates come from configs and headers alone, and fall where published figures are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reelwright_core.errors import ModelError
from reelwright_generators import estimate as est
from reelwright_generators.estimate import Device, Estimate, Model, Weights, estimate, gpu_speed
from reelwright_generators.folder import Choice, open_folder


def _weights(kind: str, config: dict[str, Any]) -> Weights:
    """A part of the published size: its tensors have names and shapes, but no memory."""
    import diffusers

    with torch.device("meta"):
        part: Any = getattr(diffusers, kind)(**config)
    tensors = {name: ("F32", tuple(value.shape)) for name, value in part.named_parameters()}
    return Weights(kind=kind, config=dict(part.config), bytes=0, tensors=tensors)


SD_VAE = (
    "AutoencoderKL",
    {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
    },
)
SMALL_WAN = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
LARGE_COG = {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}

PUBLISHED: dict[str, tuple[Any, ...]] = {
    # pipeline, parts, size, frames, steps, guided, GPU, seconds, (parameters, tokens)
    "Wan 2.1 1.3B": (
        "WanPipeline",
        {"transformer": ("WanTransformer3DModel", SMALL_WAN), "vae": ("AutoencoderKLWan", {})},
        (832, 480), 81, 50, True, "NVIDIA A800-SXM4-80GB", 175, (1.42e9, 21 * 30 * 52),
    ),
    "CogVideoX-2B": (
        "CogVideoXPipeline",
        {
            "transformer": ("CogVideoXTransformer3DModel", {}),
            "vae": ("AutoencoderKLCogVideoX", {}),
        },
        (720, 480), 49, 50, True, "NVIDIA A800-SXM4-80GB", 74.1, (1.69e9, 13 * 30 * 45),
    ),
    "CogVideoX-1.5": (
        "CogVideoXPipeline",
        {
            "transformer": ("CogVideoXTransformer3DModel", LARGE_COG | {"patch_size_t": 2}),
            "vae": ("AutoencoderKLCogVideoX", {}),
        },
        (1360, 768), 81, 50, True, "NVIDIA H100 80GB HBM3", 465, (5.57e9, 11 * 48 * 85),
    ),
    "HunyuanVideo": (
        "HunyuanVideoPipeline",
        {
            "transformer": ("HunyuanVideoTransformer3DModel", {}),
            "vae": ("AutoencoderKLHunyuanVideo", {}),
        },
        (960, 544), 129, 50, False, "NVIDIA A800-SXM4-80GB", 1163, (12.82e9, 33 * 34 * 60),
    ),
}  # fmt: skip


def _device(name: str, memory: float = 80e9) -> Device:
    speed, told = gpu_speed(name)
    return Device(
        name=name, memory=int(memory), speed=speed, speed_from=told, is_gpu=True,
        machine_memory=10**11,
    )  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_times_are_met_within_a_quarter(name: str) -> None:
    pipeline, parts, size, frames, steps, guided, gpu, seconds, (count, tokens) = PUBLISHED[name]
    model = Model(
        name=name,
        pipeline=pipeline,
        parts={part: _weights(*told) for part, told in parts.items()},
    )
    made = estimate(
        model, _device(gpu), size=size, frames=frames, steps=steps, guided=guided, dtype="bfloat16"
    )
    assert made.tokens == tokens
    assert made.parts["transformer"].parameters == pytest.approx(count, rel=0.01)
    assert made.seconds == pytest.approx(seconds, rel=0.25)
    assert made.fitting is not None


GEOMETRIES: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "Wan 2.2 5B": (
        "AutoencoderKLWan",
        {"scale_factor_spatial": 16, "scale_factor_temporal": 4},
        (4, 16),
    ),
    "Mochi": ("AutoencoderKLMochi", {}, (6, 8)),
    "LTX": ("AutoencoderKLLTXVideo", {}, (8, 32)),
    "LTX-2": ("AutoencoderKLLTX2Video", {}, (8, 32)),
    "HunyuanVideo-1.5": (
        "AutoencoderKLHunyuanVideo15",
        {"spatial_compression_ratio": 16, "temporal_compression_ratio": 4},
        (4, 16),
    ),
    "SVD": ("AutoencoderKLTemporalDecoder", {"block_out_channels": [128, 256, 512, 512]}, (1, 8)),
    "AnimateDiff": (SD_VAE[0], dict(SD_VAE[1]), (1, 8)),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_latents_follow_the_autoencoder(name: str) -> None:
    kind, config, expected = GEOMETRIES[name]
    assert est.compression(Weights(kind=kind, config=config, bytes=0)) == expected


def _random(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


STEP = torch.empty(1, device="meta")
WAN = SMALL_WAN | {"num_layers": 4}
CALLS: dict[str, tuple[str, str, dict[str, Any], tuple[int, ...], tuple[Any, ...]]] = {
    # pipeline, class, config, (width, height, frames), inputs of one call
    "wan": (
        "WanPipeline", "WanTransformer3DModel", WAN, (416, 240, 17),
        (_random(1, 16, 5, 30, 52), STEP, _random(1, 512, 4096)),
    ),
    "cogvideox": (
        "CogVideoXPipeline", "CogVideoXTransformer3DModel", {"num_layers": 4}, (720, 480, 49),
        (_random(1, 13, 16, 60, 90), _random(1, 226, 4096), STEP),
    ),
    "hunyuan": (
        "HunyuanVideoPipeline", "HunyuanVideoTransformer3DModel",
        {"num_layers": 2, "num_single_layers": 4}, (416, 240, 33),
        (
            _random(1, 16, 9, 30, 52), STEP, _random(1, 256, 4096), _random(1, 256),
            _random(1, 768), STEP,
        ),
    ),
    "ltx": (
        "LTXPipeline", "LTXVideoTransformer3DModel", {"num_layers": 4}, (704, 480, 161),
        (_random(1, 6930, 128), _random(1, 128, 4096), STEP, _random(1, 128), 21, 15, 22),
    ),
    "modelscope": (
        "TextToVideoSDPipeline", "UNet3DConditionModel",
        {"block_out_channels": (64, 128, 256, 256), "attention_head_dim": 32}, (256, 256, 16),
        (_random(1, 4, 16, 32, 32), STEP, _random(1, 77, 1024)),
    ),
}  # fmt: skip
VAES = {"WanPipeline": "AutoencoderKLWan", "CogVideoXPipeline": "AutoencoderKLCogVideoX",
        "HunyuanVideoPipeline": "AutoencoderKLHunyuanVideo",
        "LTXPipeline": "AutoencoderKLLTXVideo"}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_operations_are_what_torch_counts(name: str) -> None:
    import diffusers
    from torch.utils.flop_counter import FlopCounterMode

    pipeline, kind, config, (width, height, frames), inputs = CALLS[name]
    with torch.device("meta"):
        model: Any = getattr(diffusers, kind)(**config).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        model(*inputs)
    part = _weights(kind, config)
    vae = _weights(VAES[pipeline], {}) if pipeline in VAES else _weights(*SD_VAE)
    made = estimate(
        Model(name=name, pipeline=pipeline, parts={
            "unet" if "UNet" in kind else "transformer": part, "vae": vae,
        }),
        _device("A100"), size=(width, height), frames=frames, steps=1, guided=False,
        dtype="bfloat16",
    )  # fmt: skip
    assert made.operations == pytest.approx(counted.get_total_flops(), rel=0.15)


def test_two_experts_and_a_vace_add_what_they_add() -> None:
    wan = _weights("WanTransformer3DModel", SMALL_WAN)
    vae = _weights("AutoencoderKLWan", {})
    control = SMALL_WAN | {"vace_layers": list(range(0, 30, 2))}

    def of(pipeline: str, **parts: Weights) -> Estimate:
        return estimate(
            Model(name="x", pipeline=pipeline, parts={**parts, "vae": vae}), _device("A100"),
            size=(832, 480), frames=81, steps=50, guided=True, dtype="bfloat16",
        )  # fmt: skip

    one = of("WanPipeline", transformer=wan)
    two = of("WanPipeline", transformer=wan, transformer_2=wan)
    vace = of("WanVACEPipeline", transformer=_weights("WanVACETransformer3DModel", control))
    assert two.seconds == one.seconds
    assert two.ways[0].bytes - one.ways[0].bytes == one.parts["transformer"].bytes
    assert vace.operations == pytest.approx(1.5 * one.operations, rel=0.05)


def test_ways_shrink_and_the_first_that_fits_is_named() -> None:
    parts = {
        "transformer": _weights("WanTransformer3DModel", {}),
        "vae": _weights("AutoencoderKLWan", {}),
        "text_encoder": Weights(
            kind="UMT5EncoderModel", config={"torch_dtype": "bfloat16"}, bytes=11_360_000_000
        ),
    }
    model = Model(name="Wan 14B", pipeline="WanPipeline", parts=parts)

    def on(memory: float) -> Estimate:
        return estimate(
            model, _device("NVIDIA GeForce RTX 4090", memory), size=(832, 480), frames=81, steps=50,
            guided=True, dtype="bfloat16",
        )  # fmt: skip

    assert on(80e9).parts["text_encoder"].parameters == 5_680_000_000
    sizes = [way.bytes for way in on(80e9).ways]
    assert sizes[0] == max(sizes)
    assert sizes[-1] == min(sizes)
    names = [on(memory).fitting for memory in (80e9, 40e9, 24e9, 1e9)]
    assert [way and way.settings for way in names] == [
        {},
        {"generator.offload": "model"},
        {"generator.offload": "group", "generator.tiling": "on"},
        None,
    ]


def test_without_headers_the_sizes_serve() -> None:
    seen = _weights("WanTransformer3DModel", SMALL_WAN)
    unseen = Weights(kind=seen.kind, config=seen.config, bytes=4 * seen.parameters)
    vae = _weights("AutoencoderKLWan", {})
    made = [
        estimate(
            Model(name="x", pipeline="WanPipeline", parts={"transformer": part, "vae": vae}),
            _device("A100"), size=(832, 480), frames=81, steps=50, guided=True, dtype="bfloat16",
        )
        for part in (seen, unseen)
    ]  # fmt: skip
    assert made[1].parts["transformer"].parameters == seen.parameters
    assert made[1].seconds == pytest.approx(made[0].seconds, rel=0.1)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA GeForce RTX 4090", 165), ("NVIDIA L40S", 362), ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 80GB HBM3", 989), ("Tesla T4", 65), ("NVIDIA A100-SXM4-80GB", 312),
    ],
)  # fmt: skip
def test_a_gpu_is_known_by_its_name(name: str, peak: int) -> None:
    speed, told = gpu_speed(name)
    assert f"of {peak} TFLOP/s" in told
    assert 0.2 * peak < speed / 1e12 < 0.6 * peak
    assert "guess" in gpu_speed("Some GPU 9000")[1]


def test_a_folder_is_read_by_its_headers(tiny: Callable[..., Path]) -> None:
    from diffusers.pipelines.wan.pipeline_wan import WanPipeline

    folder = open_folder(tiny("real"), name="tiny", choice=Choice())
    model = est.model_of(folder)
    pipe: Any = WanPipeline.from_pretrained(tiny("real"))
    for part in ("transformer", "vae"):
        loaded = sum(value.numel() for value in getattr(pipe, part).parameters())
        assert model.parts[part].parameters == loaded


def test_what_is_no_video_model_is_refused() -> None:
    with pytest.raises(ModelError, match="needs a `transformer` or `unet`, and a `vae`"):
        estimate(
            Model(name="x", pipeline="Y", parts={}), _device("A100"), size=(64, 64), frames=8,
            steps=1, guided=False, dtype="float16",
        )  # fmt: skip


def _doctor(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reelwright", "doctor", *arguments],
        cwd=cwd, capture_output=True, text=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def test_doctor_tells_it_and_refuses_a_broken_file(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny("real"), tmp_path / "model")
    told = _doctor("--model", "model", "--size", "64x32", "--frames", "9", "--json", cwd=tmp_path)
    data = json.loads(told.stdout)
    assert (data["tokens"], data["calls"], data["latents"]) == (3 * 2 * 4, 16, [4, 3, 4, 8])
    assert data["fits"] == "all parts at once"
    assert data["seconds"] > 0
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    broken = _doctor("--model", "model", cwd=tmp_path)
    assert broken.returncode == 2
    assert "is no safetensors file that can be read" in broken.stderr
