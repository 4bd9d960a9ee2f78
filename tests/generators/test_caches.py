"""Caches leave out what they say, keep pixels where they leave out nothing, and leave no trace."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.takes import NoisePlan
from reelwright_core.video import Frames
from reelwright_generators import cache_hooks, magnitudes
from reelwright_generators.caches import Plan, plan_of
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.families import family_of
from reelwright_generators.folder import open_folder
from reelwright_generators.tiny import (
    cogvideox,
    hunyuan,
    ltx,
    ltx2,
    mochi,
    opened,
    parts,
    request_for,
    skyreels,
    vace,
    wan,
)

library: Any = diffusers  # which says little of its own types
STEPS, BLOCKS = 12, 3
FIT = tuple([1.0] + [0.98] * (STEPS - 1))
ALL: list[dict[str, Any]] = [
    {"cache": "first-block", "cache_threshold": 0.3},
    {"cache": "mag", "cache_threshold": 0.1, "cache_fit": FIT},
    {"cache": "tea", "cache_threshold": 0.6},
    {"cache": "pyramid", "cache_interval": 3},
    {"cache": "taylor", "cache_interval": 3},
]


def _named(told: dict[str, Any]) -> str:
    return str(told["cache"])


def _deepened(folder: Path, part: str = "transformer") -> Path:
    """With three blocks: a cache has nothing to leave out of one."""
    config = json.loads((folder / part / "config.json").read_text())
    make: Any = getattr(library, config["_class_name"])
    layers = {name: BLOCKS for name in ("num_layers", "num_single_layers") if name in config}
    deep = parts.seeded(1, make.from_config, config={**config, **layers})
    deep.save_pretrained(folder / part)
    return folder


@pytest.fixture(scope="module", name="deep")
def deep_wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _deepened(wan.build(tmp_path_factory.mktemp("deep") / "wan"))


def _generator(folder: Path, **told: Any) -> DiffusionGenerator:
    return opened(folder, **{"steps": STEPS, **told})


def _film(folder: Path, **told: Any) -> tuple[Frames, dict[str, Any]]:
    generator = _generator(folder, **told)
    made = generator.generate(request_for(generator))
    return made.frames, made.provenance


@pytest.fixture(scope="module", name="plain")
def plain_clip(deep: Path) -> Frames:
    return _film(deep)[0]


@pytest.mark.parametrize("told", ALL, ids=_named)
def test_a_bolder_cache_saves_more_and_one_that_saves_nothing_changes_nothing(
    deep: Path, plain: Frames, told: dict[str, Any]
) -> None:
    bold = "cache_interval" if "cache_interval" in told else "cache_threshold"
    saved: list[int] = []
    for value in (1, 2, 4) if bold == "cache_interval" else (0, told[bold] / 2, told[bold] * 8):
        frames, provenance = _film(deep, **{**told, bold: value})
        calls = provenance["cache"]["calls"]
        saved.append(calls["saved"])
        assert np.array_equal(frames, plain) == (calls["saved"] == 0)
        assert calls["asked"] in (STEPS * 2 * BLOCKS * parts for parts in (1, 2, 3))
    assert saved[0] == 0 < saved[1] < saved[2]


@pytest.mark.parametrize("told", ALL, ids=_named)
def test_nothing_is_left_for_the_next_clip(deep: Path, told: dict[str, Any]) -> None:
    generator = _generator(deep, **told)
    asked = request_for(generator)
    first = generator.generate(asked)
    generator.generate(replace(asked, frames=5, prompt="the beach"))

    def stop(done: int, of: int) -> None:
        if done == STEPS // 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        generator.generate(asked, stop)
    again = generator.generate(asked)
    assert np.array_equal(first.frames, again.frames)
    assert first.provenance == again.provenance
    for module in generator.loaded().pipe.transformer.modules():
        hooks = getattr(getattr(module, "_diffusers_hook", None), "hooks", {})
        assert not hooks
        assert not module._forward_pre_hooks


def _computed(deep: Path, **told: Any) -> tuple[int, dict[str, Any]]:
    """How often a projection of an attention was really multiplied, counted apart."""
    generator = _generator(deep, **told)
    transformer, count = generator.loaded().pipe.transformer, 0

    def counting(module: Any, args: Any, out: Any) -> None:
        nonlocal count
        count += 1

    for name, module in transformer.named_modules():
        if name.endswith("to_q"):
            module.register_forward_hook(counting)
    return count, generator.generate(request_for(generator)).provenance | {"to_q": count}


@pytest.mark.parametrize("told", ALL, ids=_named)
def test_the_calls_told_are_those_that_were_saved(deep: Path, told: dict[str, Any]) -> None:
    without, with_cache = (_computed(deep, **each)[1] for each in ({}, told))
    calls = with_cache["cache"]["calls"]
    missing = without["to_q"] - with_cache["to_q"]
    # To each block two attentions; `taylor` counts the feed-forward as a third part.
    expected = {"blocks": 2.0, "parts of blocks": 2 / 3 if told["cache"] == "taylor" else 1.0}
    assert missing == calls["saved"] * expected[calls["of"]]
    assert without["to_q"] == STEPS * 2 * BLOCKS * 2


OTHERS = [
    *((build, told) for build in (cogvideox, hunyuan, ltx, mochi) for told in ALL),
    *((build, told) for build in (ltx2, skyreels, vace) for told in ALL[3:]),
]


@pytest.mark.parametrize(
    ("family", "told"), OTHERS, ids=[f"{f.__name__.split('.')[-1]}-{_named(t)}" for f, t in OTHERS]
)
def test_other_families_save_calls(tmp_path: Path, family: Any, told: dict[str, Any]) -> None:
    folder = _deepened(family.build(tmp_path / "model"))
    told = {**told, "steps": 6, "cache_fit": told.get("cache_fit", ())[:6]}
    frames: list[Frames] = []
    for bold in (False, True):
        if "cache_interval" in told:
            asked = {**told, "cache_interval": 3 if bold else 1}
        else:
            asked = {**told, "cache_threshold": 9 if bold else 0}
        clip, provenance = _film(folder, **asked)
        calls = provenance["cache"]["calls"]
        assert calls["asked"] > calls["saved"]
        assert (calls["saved"] > 0) == bold
        frames.append(clip)
    assert not np.array_equal(frames[0], frames[1])


def test_guidance_branches_keep_attention_of_their_own(deep: Path) -> None:
    generator = _generator(deep, cache="pyramid", cache_interval=2)
    given: list[torch.Tensor] = []

    def keep(module: Any, args: Any, out: torch.Tensor) -> None:
        given.append(out)

    generator.loaded().pipe.transformer.blocks[0].attn1.register_forward_hook(keep)
    generator.generate(request_for(generator))
    both = [(given[i], given[i + 1]) for i in range(0, len(given), 2)]
    repeated = [now for now, before in zip(both[1:], both, strict=False) if now[0] is before[0]]
    assert repeated
    for now, before in zip(both[1:], both, strict=False):
        assert (now[0] is before[0]) == (now[1] is before[1])
        assert now[1] is not now[0]


def test_tea_computes_the_first_tenth_and_the_last_step(deep: Path) -> None:
    frames, provenance = _film(deep, steps=20, cache="tea", cache_threshold=99)
    calls = provenance["cache"]["calls"]
    assert calls["asked"] - calls["saved"] == (2 + 1) * 2 * BLOCKS
    assert frames.any()


def test_tea_rescales_the_change_by_its_polynomial(deep: Path) -> None:
    plain = _film(deep, cache="tea", cache_threshold=0.3)[1]["cache"]
    halved = _film(deep, cache="tea", cache_threshold=0.15, cache_fit="0.5,0")[1]["cache"]
    assert plain["calls"] == halved["calls"]
    assert (plain["fitted"], halved["fitted"]) == (False, True)


@pytest.mark.parametrize("cache", ["mag", "tea", "taylor"])
def test_a_late_start_counts_its_own_steps(
    deep: Path, scene: Callable[..., Frames], cache: str
) -> None:
    told = next(each for each in ALL if each["cache"] == cache)
    generator = _generator(deep, **told)
    asked = request_for(generator, sketch=scene(seed=1), noise=NoisePlan(level=0.6, seed=1))
    count = 0

    def counting(module: Any, args: Any) -> None:
        nonlocal count
        count += 1

    ends = generator.loaded().pipe.transformer.blocks[-1].attn1.to_q
    ends.register_forward_pre_hook(counting)
    computed: list[int] = []
    made = generator.generate(asked, lambda done, of: computed.append(count))
    assert made.provenance["steps"] < STEPS
    calls = made.provenance["cache"]["calls"]
    assert calls["asked"] % made.provenance["steps"] == 0
    if cache != "mag":  # which has no last step of its own
        assert computed[-1] > computed[-2]


def test_the_ratios_of_mag_fit_other_numbers_of_steps_and_late_starts() -> None:
    stock = np.linspace(1, 0.1, 10).tolist()
    fit = [1.0, *np.linspace(1.1, 0.8, 9)]
    ratios = cache_hooks.magnitude_ratios
    assert ratios(fit, stock=stock, levels=stock) == pytest.approx(fit)
    assert ratios(fit, stock=stock, levels=stock[4:]) == pytest.approx([1.0, *fit[5:]])
    half = ratios(fit, stock=stock, levels=stock[::3])
    assert half[1] == pytest.approx(math.prod(fit[1:4]))
    doubled = ratios(fit, stock=np.linspace(1, 0.1, 19).tolist(), levels=[1.0, 0.9, 0.85])
    assert doubled[1:] == pytest.approx([fit[1], fit[2] ** 0.5])


def test_the_ratios_of_mag_are_measured_and_printed(
    deep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert magnitudes.main([str(deep), "--steps", str(STEPS)]) == 0
    name, _, numbers = capsys.readouterr().out.partition(" = ")
    fit = json.loads(numbers)
    assert name == "cache_fit"
    assert len(fit) == STEPS
    assert fit[0] == 1
    calls = _film(deep, cache="mag", cache_fit=fit)[1]["cache"]["calls"]
    assert calls["saved"] > 0
    assert magnitudes.main(["still"]) == 2
    assert "no blocks to measure" in capsys.readouterr().err


def test_the_measured_ratios_are_those_of_diffusers(
    deep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = _generator(deep)
    transformer = generator.loaded().pipe.transformer
    ours = magnitudes.measure(generator, prompt="a red car")
    config = library.MagCacheConfig(calibrate=True, num_inference_steps=STEPS)
    transformer.enable_cache(config)
    generator.generate(request_for(generator))
    transformer.disable_cache()
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "[1.0" in line]
    assert len(printed) == 2
    assert ours == pytest.approx(np.mean(printed, axis=0).tolist(), rel=1e-4)


@pytest.fixture(name="experts")
def two_experts(tmp_path: Path) -> Path:
    folder = _deepened(wan.build(tmp_path / "experts"))
    pipe: Any = library.WanPipeline.from_pretrained(folder)
    second = parts.seeded(9, type(pipe.transformer).from_config, config=pipe.transformer.config)
    profile = (folder / "reelwright.json").read_text()
    library.WanPipeline(
        **{**pipe.components, "transformer_2": second}, boundary_ratio=0.8
    ).save_pretrained(folder)
    (folder / "reelwright.json").write_text(profile)
    return folder


def test_each_of_two_experts_has_its_own_first_and_last_step(experts: Path) -> None:
    calls = _film(experts, cache="tea", cache_threshold=99)[1]["cache"]["calls"]
    assert calls["asked"] == STEPS * 2 * BLOCKS
    assert calls["asked"] - calls["saved"] == 2 * 2 * 2 * BLOCKS
    calls = _film(experts, cache="mag", cache_threshold=9, cache_fit=FIT)[1]["cache"]["calls"]
    assert 0 < calls["saved"] < calls["asked"]


def _refusal(folder: Path, *, model: str | None = None, name: str = "tiny", **told: Any) -> str:
    opened = open_folder(folder, name=name)
    if model is not None:
        opened = replace(opened, parts={**opened.parts, "transformer": model})
    with pytest.raises(ModelError) as refused:
        plan_of(Told.model_validate(told), family_of(opened))
    return str(refused.value)


def test_what_is_known_to_film_wrongly_is_refused_with_the_cure(deep: Path) -> None:
    for cache in ("first-block", "mag", "tea"):
        told = {"cache": cache, "cache_fit": "1,1"}
        said = _refusal(deep, model="WanVACETransformer3DModel", **told)
        assert "would count twice" in said
        assert "take `pyramid` or `taylor`" in said
        for model in ("SkyReelsV2Transformer3DModel", "LTX2VideoTransformer3DModel",
                      "HunyuanVideo15Transformer3DModel"):  # fmt: skip
            assert "does not know what they return" in _refusal(deep, model=model, **told)
    assert "`generator.cache_interval` instead" in _refusal(
        deep, cache="pyramid", cache_threshold=0.1
    )
    assert "`generator.cache_threshold` instead" in _refusal(deep, cache="tea", cache_interval=2)
    said = _refusal(deep, cache="mag", name="org/name")
    assert "python -m reelwright_generators.magnitudes org/name" in said


def test_a_control_between_the_blocks_would_count_twice() -> None:
    """Why the caches that leave out the stack are refused for VACE: the same input, twice."""
    config: dict[str, Any] = {
        "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12,
        "in_channels": 4, "out_channels": 4, "text_dim": 16, "freq_dim": 16, "ffn_dim": 32,
        "num_layers": 4, "rope_max_seq_len": 32,
    }  # fmt: skip
    given: dict[str, Any] = {
        "hidden_states": torch.randn(1, 4, 3, 4, 8, generator=torch.manual_seed(0)),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 5, 16, generator=torch.manual_seed(1)),
        "return_dict": False,
    }
    vace = parts.seeded(
        1, library.WanVACETransformer3DModel, **config, vace_layers=[0, 2], vace_in_channels=4
    )
    torch.manual_seed(2)
    for block in vace.vace_blocks:  # an untrained control begins at zero
        torch.nn.init.normal_(block.proj_out.weight)
    control = {"control_hidden_states": torch.randn(1, 4, 3, 4, 8), **given}
    away = _deviation(vace, control)
    assert away > 0.01
    assert _deviation(parts.seeded(1, library.WanTransformer3DModel, **config), given) < 1e-5


@torch.no_grad()
def _deviation(model: Any, given: dict[str, Any]) -> float:
    model.enable_cache(library.FirstBlockCacheConfig(threshold=0.1))
    with model.cache_context("cond"):
        first = model(**given)[0]
    with model.cache_context("cond"):
        again = model(**given)[0]
    return float((again - first).abs().max())


def test_a_model_of_one_block_is_refused(tiny: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"needs a model of two blocks or more.*has 1"):
        _film(tiny("real"), cache="first-block")


def test_pipelines_that_do_not_name_their_calls_are_refused() -> None:
    plan = Plan(cache="tea", threshold=0.1)
    cache_hooks.refuse_unnamed(library.WanPipeline, plan)
    for pipeline in (library.WanVideoToVideoPipeline, library.LattePipeline):
        with pytest.raises(ModelError, match=pipeline.__name__):
            cache_hooks.refuse_unnamed(pipeline, plan)
