"""LoRA files change one clip, by their weight, and leave the model as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reelwright_core.errors import ModelError
from reelwright_core.records import file_digest
from reelwright_core.settings import load_settings
from reelwright_generators import loras
from reelwright_generators.families import MODULES
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Lora
from reelwright_generators.tiny import opened, parts, request_for, wan

library: Any = diffusers  # which says little of its own types
WIDTH = 24
"""Of the tiny Wan."""
TARGETS = tuple(f"blocks.0.attn{i}.to_{each}" for i in (1, 2) for each in "qkv")


def _lora(
    path: Path,
    *,
    targets: tuple[str, ...] = TARGETS,
    prefix: str = "transformer.",
    width: int = WIDTH,
) -> str:
    """A random one of rank 2, as peft names its tensors."""
    torch.manual_seed(3)
    tensors: dict[str, torch.Tensor] = {}
    for target in targets:
        tensors[f"{prefix}{target}.lora_A.weight"] = torch.randn(2, width)
        tensors[f"{prefix}{target}.lora_B.weight"] = torch.randn(WIDTH, 2)
    save_file(tensors, path)
    return str(path)


def test_a_lora_changes_its_clip_by_its_weight_and_no_other(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    generator = opened(tiny("real"))
    path = _lora(tmp_path / "style.safetensors")
    plain = generator.generate(request_for(generator)).frames.astype(int)
    distances: list[float] = []
    for weight in (0.0, 0.3, 1.0):
        lora = Lora(path=path, weight=weight, entity="car")
        made = generator.generate(request_for(generator, loras=(lora,)))
        distances.append(float(np.abs(made.frames - plain).mean()))
        assert made.provenance["loras"] == [
            {"file": "style.safetensors", "sha256": file_digest(Path(path)), "weight": weight,
             "entity": "car"}
        ]  # fmt: skip
        assert np.array_equal(generator.generate(request_for(generator)).frames, plain)
    assert distances[0] == 0 < distances[1] < distances[2]
    assert not hasattr(generator.loaded().pipe.transformer, "peft_config")


def test_several_are_worn_together(tiny: Callable[..., Path], tmp_path: Path) -> None:
    generator = opened(tiny("real"))
    one = Lora(path=_lora(tmp_path / "one.safetensors", targets=TARGETS[:3]))
    two = Lora(path=_lora(tmp_path / "two.safetensors", targets=TARGETS[3:]))
    both = Lora(path=_lora(tmp_path / "both.safetensors"))
    clips = [
        generator.generate(request_for(generator, loras=worn)).frames
        for worn in ((one,), (one, two))
    ]
    assert not np.array_equal(clips[0], clips[1])
    assert (
        len(generator.generate(request_for(generator, loras=(one, both))).provenance["loras"]) == 2
    )


def test_those_of_the_settings_are_for_every_shot_and_in_the_digest(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    path = _lora(tmp_path / "a@home.safetensors")
    folder = tiny("real")
    told = load_settings({"generator.loras": f"{path}@0.5,{path}"}).generator.loras
    assert loras.of_settings(told) == (Lora(path=path, weight=0.5), Lora(path=path))
    generator, other, without = (
        opened(folder, loras=each) for each in (f"{path}@0.5", f"{path}@0.6", ())
    )
    assert without.facts().sha256 == open_folder(folder, name="tiny").sha256()
    digests = {each.facts().sha256 for each in (generator, other, without)}
    assert len(digests) == 3
    made = generator.generate(request_for(generator))
    asked = request_for(without, loras=(Lora(path=path, weight=0.5),))
    assert np.array_equal(made.frames, without.generate(asked).frames)
    _lora(Path(path), targets=TARGETS[:2])
    assert opened(folder, loras=f"{path}@0.5").facts().sha256 not in digests


def test_a_file_for_one_of_two_experts_says_so_in_its_name(tmp_path: Path) -> None:
    folder = wan.build(tmp_path / "experts")
    pipe: Any = library.WanPipeline.from_pretrained(folder)
    second = parts.seeded(9, type(pipe.transformer).from_config, config=pipe.transformer.config)
    parted = library.WanPipeline(**{**pipe.components, "transformer_2": second}, boundary_ratio=0.8)
    for name, expected in {
        "x_high_noise.safetensors": {"transformer"},
        "x_low_noise.safetensors": {"transformer_2"},
        "x.safetensors": {"transformer", "transformer_2"},
    }.items():
        with loras.worn(parted, [Lora(path=_lora(tmp_path / name))]):
            assert set(parted.get_list_adapters()) == expected
        assert parted.get_list_adapters() == {}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"width": 16}, "does not fit this model: RuntimeError: .*size mismatch"),
        ({"targets": ("blocks.7.attn1.to_q",)}, "not found in the base model"),
        ({"targets": (*TARGETS, "blocks.7.attn1.to_q")}, "1 of its 7 matrices have no place"),
        ({"prefix": "unet."}, "does not fit this model"),
    ],
)
def test_one_of_another_model_is_refused_and_taken_off(
    tiny: Callable[..., Path], tmp_path: Path, made: dict[str, Any], said: str
) -> None:
    generator = opened(tiny("real"))
    plain = generator.generate(request_for(generator)).frames
    lora = Lora(path=_lora(tmp_path / "other.safetensors", **made))
    with pytest.raises(ModelError, match=said) as refused:
        generator.generate(request_for(generator, loras=(lora,)))
    assert str(refused.value).endswith("take one that was trained for it")
    assert np.array_equal(generator.generate(request_for(generator)).frames, plain)


def test_files_that_are_no_lora_are_refused_before_anything_is_loaded(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    generator = opened(tiny("real"))
    pickled = tmp_path / "style.pt"
    torch.save({"lora_A": torch.zeros(1)}, pickled)
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, other)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(other.read_bytes()[:12])
    for path, said in {
        pickled: "such files can run code",
        other: "holds no LoRA",
        cut: "no .safetensors file that can be read",
        tmp_path / "missing.safetensors": "there is no LoRA file",
    }.items():
        with pytest.raises(ModelError, match=said):
            generator.check(request_for(generator, loras=(Lora(path=str(path)),)))
        with pytest.raises(ModelError, match=said):
            opened(tiny("real"), loras=str(path))
    with pytest.raises(ModelError, match=r"the weight of a LoRA is a number.*'high'"):
        loras.of_settings(["a.safetensors@high"])


def test_without_peft_the_cure_is_told(
    tiny: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = opened(tiny("real"))
    asked = request_for(generator, loras=(Lora(path=_lora(tmp_path / "style.safetensors")),))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match=r'pip install "reelwright\[lora\]"'):
        generator.check(asked)
    assert generator.check(replace(asked, loras=())) == []


def test_what_takes_loras_is_what_diffusers_says() -> None:
    for name in MODULES:
        takes = hasattr(getattr(library, name), "load_lora_weights")
        assert loras.can(name) == (["loras"] if takes else []), name
