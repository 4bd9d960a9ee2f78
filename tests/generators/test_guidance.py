"""Guidance by boxes: the energy inside the planned boxes drops, on U-Nets; others refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.settings import Long
from reelwright_core.takes import Guide, NoisePlan, Region
from reelwright_generators import guidance
from reelwright_generators.generator import Boxed, Boxes, Made, Request, load
from reelwright_generators.long import LongFilm
from reelwright_generators.tiny import animatediff, i2vgen, modelscope, unet
from reelwright_generators.tiny.parts import scene

FRAMES = 6
RIGHT = tuple(((f / 8, 0.25, f / 8 + 0.35, 0.75),) for f in range(FRAMES))
"""From left to right."""
CAR = Boxed(entity="red-car", phrase="red car", boxes=RIGHT)
STRONG = Guide(by="boxes", scale=200, threshold=0, iterations=2, steps=0.5)
"""A random model looks everywhere alike, so its slopes are small."""
ASKED = Request(
    prompt="a red car drives from left to right", size=(64, 32), frames=FRAMES, fps=Fraction(8),
    noise=NoisePlan(level=1, seed=1), guide=Boxes(things=(CAR,), told=STRONG),
)  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny ModelScope, and AnimateDiffs with two schedulers and with a ControlNet."""
    root = tmp_path_factory.mktemp("guided")
    return {
        "modelscope": modelscope.build(root / "modelscope"),
        "animatediff": animatediff.build(root / "animatediff"),
        "euler": animatediff.build(root / "euler", scheduler="euler"),
        "controlnet": animatediff.build(root / "controlnet", control="controlnet"),
    }


def _film(folder: Path, request: Request, **told: Any) -> Made:
    made = Told(model=str(folder), device="cpu", dtype="float32", steps=8, **told)
    return load(made).generate(request)


def _with(guide: Guide, *things: Boxed) -> Boxes:
    return Boxes(things=things or (CAR,), told=guide)


def _energies(made: Made, which: str = "after") -> list[float]:
    return [step[which] for step in made.provenance["guide"]["energy"]]


@pytest.mark.parametrize("kind", ["modelscope", "animatediff", "euler", "controlnet"])
def test_the_energy_inside_the_boxes_drops_over_the_guided_steps(
    folders: dict[str, Path], kind: str
) -> None:
    measure = STRONG.model_copy(update={"scale": 0.0})
    for seed in (1, 2, 3, 4) if kind in ("modelscope", "animatediff") else (1,):
        asked = replace(ASKED, noise=NoisePlan(level=1, seed=seed))
        guided = _film(folders[kind], asked)
        free = _film(folders[kind], replace(asked, guide=_with(measure)))
        before, after = _energies(guided, "before"), _energies(guided)
        assert len(after) == math.ceil(0.5 * guided.provenance["steps"]) == 4
        assert all(b > a for b, a in zip(before, after, strict=True))
        assert _energies(free, "before") == pytest.approx(_energies(free), abs=2e-4)
        assert before[0] == pytest.approx(_energies(free)[0], abs=2e-4)  # the same clip until then
        assert after[-1] < _energies(free)[-1]  # and what was gained is kept by the steps


def test_more_is_looked_at_inside_and_less_outside(folders: dict[str, Path]) -> None:
    # Each term by itself, unlike in the sum, where one could fall at the other's cost.
    for weights in ((1.0, 0.0), (0.0, 4.0)):
        last: dict[float, float] = {}
        for scale in (0.0, 200.0):
            guide = STRONG.model_copy(update={"scale": scale, "weights": weights})
            last[scale] = _energies(
                _film(folders["modelscope"], replace(ASKED, guide=_with(guide)))
            )[-1]
        assert last[200.0] < last[0.0]


def test_energy_by_hand() -> None:
    # One frame, one head, four places: two inside, of which the half looked at most counts.
    maps = torch.tensor([[[0.8, 0.4, 0.3, 0.1]]])
    inside = torch.tensor([[True, True, False, False]])
    told: dict[str, Any] = {"weights": (1.0, 4.0), "top": (0.5, 0.5)}
    assert float(guidance.energy(maps, inside, **told)) == pytest.approx(0.2 + 4 * 0.3)
    told["top"] = (1.0, 1.0)
    assert float(guidance.energy(maps, inside, **told)) == pytest.approx(0.4 + 4 * 0.2)
    nowhere = torch.zeros_like(inside)
    assert float(guidance.energy(maps, nowhere, **told)) == pytest.approx(4 * 0.4)
    both = torch.cat([maps, maps]), torch.cat([inside, nowhere])
    assert float(guidance.energy(*both, **told)) == pytest.approx(0.4 + 4 * 0.2 + 4 * 0.4)


def test_a_things_strength_weighs_what_is_inside(folders: dict[str, Path]) -> None:
    measure = Guide(by="boxes", scale=0.0, threshold=0, weights=(1.0, 0.0))
    plain, strong = (
        _energies(
            _film(folders["modelscope"], replace(ASKED, guide=_with(measure, thing))), "before"
        )[0]
        for thing in (CAR, replace(CAR, strength=1.5))
    )
    assert strong == pytest.approx(1.5 * plain, abs=1e-3)


def test_masks_are_the_cells_of_the_boxes() -> None:
    boxed = Boxed(
        entity="a", phrase="a",
        boxes=(((0.5, 0.0, 1.0, 0.5),), (), ((0.9, 0.9, 0.91, 0.91), (-0.5, 0.0, 0.25, 1.0)),
               ((1.2, 0.0, 1.5, 1.0),)),
    )  # fmt: skip
    found = guidance.masks(boxed, 2, 4).int().reshape(4, 2, 4).tolist()
    assert found == [
        [[0, 0, 1, 1], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 0]],
        [[1, 0, 0, 0], [1, 0, 0, 1]],
        [[0, 0, 0, 0], [0, 0, 0, 0]],
    ]


@pytest.mark.parametrize(
    ("prompt", "phrase", "tokens"),
    [
        ("a red car drives", "red car", [1, 2]),
        ("a blue ball along a red car", "red car", [5, 6]),
        ("the car drives", "red car", [1]),
        ("the beach", "red car", None),
    ],
)
def test_words_are_found_where_they_stand(
    prompt: str, phrase: str, tokens: list[int] | None
) -> None:
    assert guidance.find_words(unet.words(), prompt, phrase) == tokens


def test_what_the_prompt_does_not_name_is_put_after_it(folders: dict[str, Path]) -> None:
    ball = Boxed(entity="blue-ball", phrase="blue ball", boxes=RIGHT)
    made = _film(folders["modelscope"], replace(ASKED, guide=_with(STRONG, CAR, ball)))
    told = made.provenance["guide"]
    assert told["prompt"] == "a red car drives from left to right, blue ball"
    # `<unk>` stands for the comma.
    assert [thing["tokens"] for thing in told["things"]] == [[1, 2], [9, 10]]
    long = replace(ASKED, prompt="a car " * 8, guide=_with(STRONG, CAR, ball))
    made = _film(folders["modelscope"], long)
    assert made.warnings == (
        "'blue ball' is not guided by its boxes: the prompt is too long to name it",
    )
    assert [thing["entity"] for thing in made.provenance["guide"]["things"]] == ["red-car"]


def test_the_layers_are_those_that_lvd_names_where_a_unet_has_them() -> None:
    from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel

    four: dict[str, Any] = {
        "down_block_types": ("CrossAttnDownBlock3D",) * 3 + ("DownBlock3D",),
        "up_block_types": ("UpBlock3D",) + ("CrossAttnUpBlock3D",) * 3,
    }
    config: dict[str, Any] = {**unet.UNET, "block_out_channels": (8,) * 4, "layers_per_block": 2}
    whole: Any = UNet3DConditionModel(sample_size=8, **four, **config)
    names = {id(module): name for name, module in whole.named_modules()}
    assert [names[id(found)] for found in guidance.attentions(whole)] == [
        f"{half}_blocks.{block}.attentions.{n}.transformer_blocks.0.attn2"
        for half, block, n in sorted(guidance.LAYERS)
    ]
    assert guidance.grid_of(45 * 80, (90, 160)) == (45, 80)
    assert guidance.grid_of(23 * 40, (90, 160)) == (23, 40)
    with pytest.raises(ValueError, match="none of latents"):
        guidance.grid_of(7, (8, 8))


def test_presets_are_the_published_ones(folders: dict[str, Path]) -> None:
    plain = _with(Guide(by="boxes"))
    told = _film(folders["modelscope"], replace(ASKED, guide=plain)).provenance["guide"]
    expected = {"scale": 2.5, "threshold": 250.0, "iterations": 1, "steps": 0.25,
                "top": (0.25, 0.25), "weights": (1.0, 2.0)}  # fmt: skip
    assert {name: told[name] for name in expected} == expected
    told = _film(folders["animatediff"], replace(ASKED, guide=plain)).provenance["guide"]
    assert (told["scale"], told["threshold"], told["iterations"]) == (5.0, 200.0, 5)
    assert told["weights"] == (1.0, 4.0)


def test_unguided_clips_are_as_before_and_the_model_too(folders: dict[str, Path]) -> None:
    generator = load(Told(model=str(folders["modelscope"]), device="cpu", steps=4))
    before = generator.generate(replace(ASKED, guide=None)).frames
    guided = generator.generate(ASKED).frames
    assert not np.array_equal(before, guided)
    assert np.array_equal(guided, generator.generate(ASKED).frames)
    assert np.array_equal(before, generator.generate(replace(ASKED, guide=None)).frames)
    pipe: Any = generator.loaded().pipe  # pyright: ignore[reportAttributeAccessIssue]
    assert all(parameter.requires_grad for parameter in pipe.unet.parameters())
    # Energy that is low enough moves nothing.
    enough = _with(STRONG.model_copy(update={"threshold": 1e6}))
    assert np.array_equal(before, generator.generate(replace(ASKED, guide=enough)).frames)


def test_structured_noise_and_its_regions_hold_beside_guidance(folders: dict[str, Path]) -> None:
    sketch, _ = scene(seed=3, frames=FRAMES)
    kept = NoisePlan(level=0.8, seed=1, regions=[Region(of="all", level=0.0)])
    asked = replace(ASKED, sketch=sketch, noise=kept)
    for kind in ("modelscope", "animatediff"):
        guided = _film(folders[kind], asked).frames.astype(int)
        plain = _film(folders[kind], replace(asked, guide=None)).frames
        assert np.abs(guided - plain).max() <= 1


def test_sizes_that_are_widened_and_windows_take_their_boxes_along(
    folders: dict[str, Path],
) -> None:
    made = _film(folders["modelscope"], replace(ASKED, size=(60, 30)))
    assert made.frames.shape == (FRAMES, 30, 60, 3)
    long = tuple(((f / 24, 0.2, f / 24 + 0.2, 0.6),) for f in range(10))
    asked = replace(
        ASKED, frames=10, guide=_with(STRONG, replace(CAR, boxes=long)), noise=ASKED.noise
    )
    generator = load(Told(model=str(folders["modelscope"]), device="cpu", steps=4))
    film = LongFilm(generator, asked, Long(overlap=2))
    film.check()
    assert len(list(film.frames())) == 10


def test_models_without_such_maps_refuse_before_any_work(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    for folder in (tiny("flat"), i2vgen.build(tmp_path / "m")):
        generator = load(Told(model=str(folder)))
        assert "boxes" not in generator.facts().can
        with pytest.raises(ModelError, match="cannot be guided by boxes: that reads the cross-att"):
            generator.check(replace(ASKED, first_frame=scene(seed=1, frames=1)[0])
                            if "first_frame" in generator.facts().can else ASKED)  # fmt: skip


def test_what_cannot_be_guided_is_refused(folders: dict[str, Path]) -> None:
    generator: Any = load(Told(model=str(folders["modelscope"]), device="cpu"))
    short = _with(STRONG, replace(CAR, boxes=RIGHT[:3]))
    with pytest.raises(ModelError, match=r"boxes of red-car are 3 frames.*the clip has 6"):
        generator.check(replace(ASKED, guide=short))
    with pytest.raises(ModelError, match="what they share would be moved twice"):
        generator.refuse_joined([ASKED, ASKED], [2])
