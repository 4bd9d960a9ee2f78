"""The options of the noise plan do to latents exactly what they say, and keep them noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from reelwright_core.errors import ModelError
from reelwright_core.settings import Generator as Told
from reelwright_core.settings import Long
from reelwright_core.story import FrameSpan
from reelwright_core.takes import NoisePlan, Region
from reelwright_core.video import Frames
from reelwright_generators import latents, noise
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.families.family import Grid
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Facts, Request, load
from reelwright_generators.long import LongFilm
from reelwright_generators.noise_flow import carried

FACTS = Facts(
    name="tiny", family="wan", sha256="0" * 64, size=(64, 32), frames=9, fps=Fraction(8), steps=12,
    guidance=1.0, noise_level=0.7, can=["text", "sketch"],
)  # fmt: skip
SHAPE = (1, 16, 13, 24, 40)


def _white(drawn: torch.Tensor) -> None:
    """Every frame by itself is Gaussian, of unit variance, unlike its neighbours in the frame.

    Bounds are five standard deviations of true white noise of as many numbers.
    """
    values = drawn[0].double()
    count = values[:, 0].numel()
    for frame in range(values.shape[1]):
        each = values[:, frame]
        assert abs(float(each.mean())) < 5 / count**0.5
        assert abs(float((each**2).mean()) - 1) < 5 * (2 / count) ** 0.5
        assert abs(float((each**4).mean()) - 3) < 5 * (96 / count) ** 0.5
        for beside in (
            each[:, 1:] * each[:, :-1],
            each[..., 1:] * each[..., :-1],
            each[1:] * each[:-1],
        ):
            assert abs(float(beside.mean())) < 5 / beside.numel() ** 0.5
        assert each.unique().numel() > 0.999 * count  # no number stands in two places


def _picture(seed: int, size: tuple[int, int]) -> Frames:
    """A soft random picture, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    width, height = size
    rough = cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), 4)
    return np.rint((rough / np.abs(rough).max() + 1) * 127).astype(np.uint8)


# windows


def test_later_windows_hold_the_first_ones_frames_in_another_order() -> None:
    drawn = noise.draw(SHAPE, 3)
    shared = noise.windowed(drawn, 4, seed=3)
    assert torch.equal(shared[:, :, :4], drawn[:, :, :4])
    orders: list[list[int]] = []
    for start in (4, 8):
        window = shared[:, :, start : start + 4]
        found = [
            [torch.equal(a, b) for b in drawn[0, :, :4].unbind(1)] for a in window[0].unbind(1)
        ]
        order = [row.index(True) for row in found]
        assert sorted(order) == [0, 1, 2, 3]
        orders.append(order)
    assert orders[0] != orders[1]
    _white(shared)


def test_windows_are_shuffled_by_the_seed_alone() -> None:
    drawn = noise.draw(SHAPE, 3)
    assert torch.equal(noise.windowed(drawn, 6, seed=3), noise.windowed(drawn, 6, seed=3))
    assert not torch.equal(noise.windowed(drawn, 6, seed=3), noise.windowed(drawn, 6, seed=4))


@pytest.mark.parametrize("window", [13, 14, 500])
def test_a_window_as_long_as_the_clip_changes_nothing(window: int) -> None:
    drawn = noise.draw(SHAPE, 3)
    assert torch.equal(noise.windowed(drawn, window, seed=3), drawn)


def test_a_window_counts_frames_of_the_clip_and_is_the_models_own_by_default(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    family = family_of(open_folder(tiny("real"), name="tiny"))  # 9 frames, 4 to a latent
    request = _request(scene(seed=1, frames=33), NoisePlan(level=1, seed=5, noise="windows"))
    shape = (1, 4, 9, 4, 8)
    drawn = noise.draw(shape, 5)

    def made(window: int | None) -> torch.Tensor:
        plan = request.noise.model_copy(update={"window": window})
        return noise.of_plan(plan, shape, request=request, family=family)

    assert torch.equal(made(17), noise.windowed(drawn, 5, seed=5))
    assert torch.equal(made(None), noise.windowed(drawn, 3, seed=5))


def test_latents_before_the_clips_own_keep_plain_noise_and_the_plans_level(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    family = family_of(open_folder(tiny("real"), name="tiny"))
    plan = NoisePlan(
        level=0.9, seed=5, noise="drift", drift=(1 / 32, 0), regions=[Region(of="all", level=0.2)]
    )
    request = _request(scene(seed=1), plan)  # 9 frames: 3 latents
    shape = (1, 4, 5, 4, 8)
    made, drawn = noise.of_plan(plan, shape, request=request, family=family), noise.draw(shape, 5)
    assert torch.equal(made[:, :, :3], drawn[:, :, :3])
    assert torch.equal(made[:, :, 2:], noise.drifting(drawn[:, :, 2:], (1.0, 0.0)))
    levels = noise.level_map(plan, request, family.grid, shape)
    assert (levels[:, :, :2] == 0.9).all()
    assert (levels[:, :, 2:] == 0.2).all()


# drift


@pytest.mark.parametrize("step", [(1.0, 0.0), (-2.0, 1.0), (0.3, -0.45), (0.0, 0.0), (3.4, 2.5)])
def test_drifting_noise_is_the_first_frames_shifted(step: tuple[float, float]) -> None:
    drawn = noise.draw(SHAPE, 3)
    moved = noise.drifting(drawn, step)
    height, width = SHAPE[3:]
    for frame in range(SHAPE[2]):
        dx, dy = (int(np.floor(frame * part + 0.5)) for part in step)
        for y in range(height):
            for x in range(width):
                at = moved[0, :, frame, y, x]
                if 0 <= y - dy < height and 0 <= x - dx < width:
                    assert torch.equal(at, drawn[0, :, 0, y - dy, x - dx])
    _white(moved)


def test_what_a_drift_uncovers_is_fresh() -> None:
    drawn = noise.draw(SHAPE, 3)
    moved = noise.drifting(drawn, (2.0, 0.0))
    for frame in range(1, SHAPE[2]):
        assert torch.equal(moved[0, :, frame, :, :2], drawn[0, :, frame, :, :2])
    assert torch.equal(noise.drifting(drawn, (40.0, 0.0)), drawn)
    assert torch.equal(noise.drifting(drawn, (0.0, -24.0)), drawn)


def test_a_drift_is_measured_in_pictures_a_frame(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    family = family_of(open_folder(tiny("real"), name="tiny"))
    plan = NoisePlan(level=1, seed=5, noise="drift", drift=(1 / 32, -1 / 16))
    request = _request(scene(seed=1), plan)
    shape = (1, 4, 3, 4, 8)  # a latent frame is 4 frames, and 1/8 of the width, 1/4 of the height
    made = noise.of_plan(plan, shape, request=request, family=family)
    assert torch.equal(made, noise.drifting(noise.draw(shape, 5), (1.0, -1.0)))


# flow


def test_noise_is_carried_by_a_panning_sketch_without_adding_up_roundings() -> None:
    still, frames, pitch = _picture(1, (480, 192)), 13, 5  # 5 pixels a frame, 8 to a latent
    sketch = np.stack([still[:, 100 - pitch * f : 420 - pitch * f] for f in range(frames)])
    drawn = noise.draw(SHAPE, 3)
    moved = carried(drawn, sketch, Grid(spatial=8))
    assert torch.equal(moved[:, :, 0], drawn[:, :, 0])
    shifted = noise.drifting(drawn, (pitch / 8, 0.0))
    inner = (slice(None), slice(None), slice(None), slice(2, -2), slice(9, -2))
    assert (moved[inner] == shifted[inner]).float().mean() > 0.99
    _white(moved)


def test_several_frames_to_a_latent_move_its_noise_by_all_their_motion() -> None:
    still, pitch = _picture(2, (480, 192)), 4
    sketch = np.stack([still[:, 100 + pitch * f : 420 + pitch * f] for f in range(13)])
    drawn = noise.draw((1, 16, 4, 24, 40), 3)
    moved = carried(drawn, sketch, Grid(spatial=8, temporal=4))
    shifted = noise.drifting(drawn, (-pitch * 4 / 8, 0.0))
    inner = (slice(None), slice(None), slice(1, None), slice(2, -2), slice(2, -8))
    assert (moved[inner] == shifted[inner]).float().mean() > 0.95
    _white(moved)


def _crossing(frames: int, pitch: int) -> tuple[Frames, NDArray[np.bool_]]:
    """A textured square that crosses a textured, still ground; and where it is."""
    ground, thing = _picture(3, (320, 192)), _picture(4, (64, 64)) // 2 + 120
    sketch = np.repeat(ground[None], frames, axis=0)
    where = np.zeros((frames, 192, 320), bool)
    for f in range(frames):
        x = 32 + pitch * f
        sketch[f, 64:128, x : x + 64], where[f, 64:128, x : x + 64] = thing, True
    return sketch, where


def test_a_things_noise_goes_with_it_the_grounds_stays_and_the_uncovered_is_fresh() -> None:
    sketch, where = _crossing(13, 8)
    drawn = noise.draw(SHAPE, 3)
    moved = carried(drawn, sketch, Grid(spatial=8))
    cells: NDArray[np.bool_] = np.asarray(where.reshape(13, 24, 8, 40, 8).all((2, 4)))
    core: NDArray[np.bool_] = np.zeros_like(cells)
    core[:, 9:15] = cells[:, 9:15]
    core[:, :, 1:] &= cells[:, :, :-1]
    core[:, :, :-1] &= cells[:, :, 1:]
    last = torch.from_numpy(core[-1])
    first = torch.from_numpy(core[0])
    thing = (moved[0, :, -1][:, last] == drawn[0, :, 0][:, first]).float().mean()
    far = torch.ones(24, 40, dtype=torch.bool)
    far[6:18] = False
    ground = (moved[0, :, -1][:, far] == drawn[0, :, 0][:, far]).float().mean()
    assert thing > 0.9
    assert ground > 0.99
    uncovered = moved[0, :, -1, 9:15, 4:10]  # where the thing stood at first
    stale = (uncovered == drawn[0, :, 0, 9:15, 4:10]).float().mean()
    assert stale < 0.1
    _white(moved)


def test_noise_of_a_cut_is_fresh() -> None:
    sketch = np.stack([_picture(seed, (320, 192)) for seed in (5, 6)])
    drawn = noise.draw((1, 16, 2, 24, 40), 3)
    moved = carried(drawn, sketch, Grid(spatial=8))
    assert (moved[:, :, 1] == drawn[:, :, 1]).float().mean() > 0.5
    _white(moved)


def test_a_still_sketch_keeps_its_noise() -> None:
    sketch = np.repeat(_picture(7, (320, 192))[None], 13, axis=0)
    drawn = noise.draw(SHAPE, 3)
    moved = carried(drawn, sketch, Grid(spatial=8))
    assert all(torch.equal(moved[:, :, k], drawn[:, :, 0]) for k in range(13))


@pytest.mark.parametrize("size", [(16, 16), (8, 200), (40, 8), (1000, 24)])
def test_sketches_of_any_size_carry_noise(size: tuple[int, int]) -> None:
    still = _picture(8, (size[0] + 8, size[1]))
    sketch = np.stack([still[:, f : f + size[0]] for f in range(3)])
    drawn = noise.draw((1, 4, 3, size[1] // 8, size[0] // 8), 3)
    assert carried(drawn, sketch, Grid(spatial=8)).isfinite().all()


def test_carried_noise_is_the_same_on_any_number_of_cores() -> None:
    sketch, _ = _crossing(5, 7)
    drawn, before = noise.draw((1, 16, 5, 24, 40), 3), cv2.getNumThreads()
    made: list[torch.Tensor] = []
    try:
        for threads in (1, 3, 8):
            cv2.setNumThreads(threads)
            made.append(carried(drawn, sketch, Grid(spatial=8)))
    finally:
        cv2.setNumThreads(before)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


# low frequencies


def test_low_frequencies_are_the_noised_sketchs_and_high_ones_the_noises(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    vae = _film(tiny("flat")).pipe.vae
    clean = latents.encode(vae, scene(seed=3))
    drawn = noise.draw(clean.shape, 5)
    made = noise.with_low_frequencies(drawn, clean, 0.3)
    noised = noise.LEFT_AT_LAST**0.5 * clean + (1 - noise.LEFT_AT_LAST) ** 0.5 * drawn
    axes = (2, 3, 4)
    passed = noise.low_pass(clean.shape[2:], 0.3)
    whole, low, high = (torch.fft.fftn(each.double(), dim=axes) for each in (made, noised, drawn))
    expected = passed * low + (1 - passed) * high
    assert (whole - expected).abs().max() / high.abs().max() < 1e-6
    assert passed[0, 0, 0] == 1
    # Half at the stop itself, on each axis alone; nearly none at twice the stop.
    line = noise.low_pass((40, 40, 40), 0.5)
    for at in ((10, 0, 0), (0, 10, 0), (0, 0, 10)):
        assert line[at] == pytest.approx(0.5)
    assert line[20, 0, 0] < 0.004
    assert line[5, 0, 0] > 0.996
    far = passed < 1e-3
    assert ((whole - high).abs()[:, :, far] <= 1e-3 * (low - high).abs()[:, :, far] + 1e-4).all()


@pytest.mark.parametrize("geometry", ["flat", "real"])
@pytest.mark.parametrize("stop", [0.1, 0.25, 0.5, 1.0])
def test_latents_with_low_frequencies_of_a_sketch_stay_as_loud_as_noise(
    tiny: Callable[..., Path], scene: Callable[..., Frames], geometry: str, stop: float
) -> None:
    clean = latents.encode(_film(tiny(geometry)).pipe.vae, scene(seed=3, frames=33, size=(160, 96)))
    drawn = noise.draw(clean.shape, 5)
    made = noise.with_low_frequencies(drawn, clean, stop)
    change = float((made**2).mean() / (drawn**2).mean() - 1)
    assert abs(change) < 0.02
    assert not torch.equal(made, drawn)


@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
def test_low_frequencies_take_the_full_schedule_and_begin_as_said(
    tiny: Callable[..., Path], scene: Callable[..., Frames], scheduler: str
) -> None:
    film = _film(tiny("flat", scheduler))
    seen = _inputs(film)
    sketch = scene(seed=3)
    plan = NoisePlan(level=1.0, seed=5, low_frequencies=0.25)
    made = film.film(_request(sketch, plan), facts=FACTS, on_step=None)
    clean = latents.encode(film.pipe.vae, sketch)
    begun = noise.with_low_frequencies(noise.draw(clean.shape, 5), clean, 0.25)
    assert (seen[0] - begun).abs().max() <= 1e-6
    assert made.provenance["steps"] == FACTS.steps
    assert made.provenance["noise"]["low_frequencies"] == 0.25
    assert made.provenance["noise"]["reached"] == 1.0


# in a clip


@pytest.mark.parametrize("kind", ["windows", "drift", "flow"])
@pytest.mark.parametrize("level", [1.0, 0.6])
def test_a_clip_starts_from_the_noise_of_its_plan(
    tiny: Callable[..., Path], scene: Callable[..., Frames], kind: Any, level: float
) -> None:
    film = _film(tiny("flat"))
    seen = _inputs(film)
    drift = (0.125, 0.0) if kind == "drift" else None
    plan = NoisePlan(level=level, seed=5, noise=kind, drift=drift, window=4)
    request = _request(scene(seed=3), plan)
    made = film.film(request, facts=FACTS, on_step=None)
    clean = latents.encode(film.pipe.vae, scene(seed=3))
    shared = noise.of_plan(plan, clean.shape, request=request, family=film.family)
    assert not torch.equal(shared, noise.draw(clean.shape, 5))
    assert (seen[0] - (1 - level) * clean - level * shared).abs().max() <= 1e-6
    assert made.provenance["noise"]["noise"] == kind


def test_low_frequencies_of_a_long_shot_are_those_of_its_beginning(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    generator = load(Told(model=str(tiny("flat")), device="cpu", steps=4))
    plan = NoisePlan(level=1.0, seed=5, low_frequencies=0.25)
    film = LongFilm(generator, _request(scene(seed=3, frames=15), plan), Long(overlap=3))
    film.check()
    assert len(list(film.frames())) == 15
    assert film.provenance()["noise"]["low_frequencies"] == 0.25


def test_plans_that_lack_something_are_refused(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    generator = load(Told(model=str(tiny("flat")), device="cpu"))
    good = _request(scene(seed=3), NoisePlan(level=1.0, seed=5))
    wrong: list[tuple[Any, str]] = [
        ({"noise": NoisePlan(level=1, seed=5, noise="flow"), "sketch": None}, "moves as a sketch"),
        ({"noise": NoisePlan(level=1, seed=5, noise="drift")}, "needs the plan's `drift`"),
        ({"noise": NoisePlan(level=0.9, seed=5, low_frequencies=0.2)}, "level must be 1, got 0.9"),
        ({"noise": NoisePlan(level=1, seed=5, low_frequencies=0.2), "sketch": None}, "sketch"),
    ]
    for change, why in wrong:
        with pytest.raises(ModelError, match=why):
            generator.check(replace(good, **change))
    with pytest.raises(ValidationError):
        NoisePlan(level=1, seed=5, noise="drift", drift=(1.5, 0))


def test_a_drift_stays_as_many_pixels_when_the_picture_is_widened(
    tiny: Callable[..., Path], scene: Callable[..., Frames], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[NoisePlan] = []
    true = noise.of_plan

    def watched(plan: NoisePlan, *args: Any, **told: Any) -> torch.Tensor:
        drawn.append(plan)
        return true(plan, *args, **told)

    monkeypatch.setattr(noise, "of_plan", watched)
    generator = load(Told(model=str(tiny("flat")), device="cpu", steps=4))
    plan = NoisePlan(level=1, seed=5, noise="drift", drift=(0.2, 0.1))
    asked = replace(_request(scene(seed=3), plan), size=(40, 20), frames=9, sketch=None)
    generator.generate(asked)
    assert drawn[0].drift == pytest.approx((0.2 * 40 / 48, 0.1 * 20 / 32))


# regions


def _request(sketch: Frames, plan: NoisePlan) -> Request:
    frames, height, width = sketch.shape[:3]
    return Request(
        prompt="a red car", size=(width, height), frames=frames, fps=Fraction(8), noise=plan,
        sketch=sketch,
    )  # fmt: skip


def _film(folder: Path) -> DiffusionFilm:
    family = family_of(open_folder(folder, name="tiny"))
    return DiffusionFilm(family, Told.model_validate({"device": "cpu", "dtype": "float32"}))


def _inputs(film: DiffusionFilm) -> list[torch.Tensor]:
    """What the transformer is given, step by step."""
    seen: list[torch.Tensor] = []

    def see(module: Any, args: Any, told: dict[str, torch.Tensor]) -> None:
        seen.append(told["hidden_states"].clone())

    film.pipe.transformer.register_forward_pre_hook(see, with_kwargs=True)
    return seen


def _two_things(frames: int, size: tuple[int, int]) -> Frames:
    """A dog at the left, a car at the right that is there from the fifth frame on."""
    labels = np.zeros((frames, size[1], size[0]), np.uint8)
    labels[:, :16, :16] = 1
    labels[4:, 16:32, 32:48] = 2
    return labels


@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
@pytest.mark.parametrize("geometry", ["flat", "real"])
@pytest.mark.parametrize("start", ["respaced", "truncated"])
def test_each_region_follows_the_sketch_exactly_to_its_own_level(
    tiny: Callable[..., Path],
    scene: Callable[..., Frames],
    scheduler: str,
    geometry: str,
    start: Any,
) -> None:
    film = _film(tiny(geometry, scheduler))
    seen, sketch = _inputs(film), scene(seed=3)
    regions = [
        Region(of="background", level=0.3),
        Region(of="dog", level=0.6),
        Region(of="car", level=1.0),  # above the plan's own: free from the start
        Region(of="dog", level=0.0, frames=FrameSpan(first=5, last=8)),
    ]
    plan = NoisePlan(level=0.9, seed=5, regions=regions, start=start)
    request = replace(
        _request(sketch, plan), labels=_two_things(9, (64, 32)), things=(("dog", 0), ("car", 0))
    )

    made = film.film(request, facts=FACTS, on_step=None)

    told = made.provenance["noise"]
    reached = [region["reached"] for region in told["regions"]]
    assert reached[2] == told["sigmas"][0]
    assert reached[3] == 0.0
    assert reached[3] < reached[0] < reached[1] < reached[2]
    clean = latents.encode(film.pipe.vae, sketch)
    drawn = noise.draw(clean.shape, 5)
    levels = noise.level_map(plan, request, film.family.grid, clean.shape).expand(clean.shape)
    assert levels.unique().tolist() == pytest.approx([0.0, 0.3, 0.6, 0.9])
    released = {0.3: reached[0], 0.6: reached[1], 0.9: reached[2], 0.0: 0.0}
    for sigma, given in zip(told["sigmas"], seen, strict=True):
        off = (given - (1 - sigma) * clean - sigma * drawn).abs()
        for level, until in released.items():
            places = (levels - level).abs() < 1e-6
            if sigma >= until:
                assert off[places].max() <= 1e-5
            else:
                assert off[places].mean() > 1e-3


def test_a_region_kept_to_the_end_is_the_sketch_there(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    film = _film(tiny("flat", "unipc"))
    ends: list[torch.Tensor] = []

    def see(module: Any, args: tuple[torch.Tensor]) -> None:
        ends.append(args[0].clone())

    film.pipe.vae.post_quant_conv.register_forward_pre_hook(see)
    sketch = scene(seed=3)
    plan = NoisePlan(level=0.9, seed=5, regions=[Region(of="background", level=0.0)])
    request = replace(
        _request(sketch, plan), labels=_two_things(9, (64, 32)), things=(("dog", 0), ("car", 0))
    )
    film.film(request, facts=FACTS, on_step=None)
    clean = latents.encode(film.pipe.vae, sketch)
    end = latents.normalise(film.pipe.vae, ends[0])
    levels = noise.level_map(plan, request, film.family.grid, clean.shape).expand(clean.shape)
    assert (end - clean).abs()[levels == 0].max() <= 1e-5
    assert (end - clean).abs()[levels > 0].mean() > 0.05


def test_where_regions_overlap_the_later_one_holds() -> None:
    labels = _two_things(9, (64, 32))
    grid, shape = Grid(spatial=8), (1, 16, 9, 4, 8)

    def levels(*regions: Region) -> torch.Tensor:
        plan = NoisePlan(level=0.9, seed=0, regions=list(regions))
        request = Request(
            prompt="", size=(64, 32), frames=9, fps=Fraction(8), labels=labels, noise=plan,
            things=(("dog", 0), ("car", 0)), sketch=np.zeros((9, 32, 64, 3), np.uint8),
        )  # fmt: skip
        return noise.level_map(plan, request, grid, shape)[0, 0]

    everywhere, dog = Region(of="all", level=0.2), Region(of="dog", level=0.6)
    span = Region(of="all", level=0.4, frames=FrameSpan(first=2, last=3))
    one = levels(everywhere, dog, span)
    assert one[0, 0, 0] == pytest.approx(0.6)
    assert one[0, 3, 7] == pytest.approx(0.2)
    assert one[2:4].unique().tolist() == pytest.approx([0.4])
    other = levels(dog, everywhere)
    assert other.unique().tolist() == pytest.approx([0.2])
    car = levels(Region(of="car", level=0.5))
    assert (car[:4] == 0.9).all()
    assert (car[4:, 2:4, 4:6] == 0.5).all()


def test_regions_move_with_the_picture_when_a_request_is_widened(
    tiny: Callable[..., Path], scene: Callable[..., Frames], monkeypatch: pytest.MonkeyPatch
) -> None:
    """60x28 and 7 frames are filmed as 64x32 and 9, and cut."""
    generator = load(Told(model=str(tiny("real", "unipc")), device="cpu", steps=4))
    labels = np.zeros((7, 28, 60), np.uint8)
    labels[2:, 6:22, 14:46] = 1
    plan = NoisePlan(level=0.9, seed=5, regions=[Region(of="car", level=0.25)])
    request = replace(
        _request(scene(seed=3, frames=7, size=(60, 28)), plan), labels=labels, things=(("car", 0),)
    )
    maps: list[torch.Tensor] = []
    true = noise.level_map

    def watched(*args: Any) -> torch.Tensor:
        maps.append(true(*args))
        return maps[-1]

    monkeypatch.setattr(noise, "level_map", watched)
    made = generator.generate(request)
    assert made.frames.shape == (7, 28, 60, 3)
    expected = torch.full((1, 1, 3, 4, 8), 0.9)
    expected[0, 0, 1:, 1:3, 2:6] = 0.25
    assert torch.equal(maps[0], expected)


def test_what_is_kept_of_a_widened_clip_is_the_sketch_in_its_place(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    generator = load(Told(model=str(tiny("flat", "unipc")), device="cpu", steps=6))
    labels = np.zeros((7, 28, 60), np.uint8)
    labels[:, 6:22, 14:46] = 1
    whole, thing = Region(of="all", level=0.0), Region(of="car", level=1.0)
    plan = NoisePlan(level=0.9, seed=5, regions=[whole, thing])
    sketch = scene(seed=3, frames=7, size=(60, 28))
    request = replace(_request(sketch, plan), labels=labels, things=(("car", 0),))
    made = generator.generate(request).frames.astype(int)
    all_kept = plan.model_copy(update={"regions": [whole]})
    kept = generator.generate(replace(request, noise=all_kept)).frames
    apart = np.abs(made - kept).mean((0, 3))
    assert apart[6:22, 14:46].mean() > 5
    # The codec blurs a latent over pixels of those beside it, and no farther.
    assert apart[:, :6].max() == 0
    assert apart[:, 54:].max() == 0


def test_noise_kinds_regions_and_levels_work_together(
    tiny: Callable[..., Path], scene: Callable[..., Frames]
) -> None:
    film = _film(tiny("flat", "unipc"))
    seen, sketch = _inputs(film), scene(seed=3)
    plan = NoisePlan(
        level=1.0, seed=5, noise="flow", low_frequencies=0.25,
        regions=[Region(of="background", level=0.4)],
    )  # fmt: skip
    request = replace(
        _request(sketch, plan), labels=_two_things(9, (64, 32)), things=(("dog", 0), ("car", 0))
    )
    made = film.film(request, facts=FACTS, on_step=None)
    clean = latents.encode(film.pipe.vae, sketch)
    drawn = noise.of_plan(plan, clean.shape, request=request, family=film.family)
    begun = noise.with_low_frequencies(drawn, clean, 0.25)
    assert (seen[0] - begun).abs().max() <= 1e-6
    background = noise.level_map(plan, request, film.family.grid, clean.shape).expand(clean.shape)
    kept = (background - 0.4).abs() < 1e-6
    told = made.provenance["noise"]
    for sigma, given in zip(told["sigmas"], seen, strict=True):
        if sigma >= told["regions"][0]["reached"]:
            off = (given - (1 - sigma) * clean - sigma * begun).abs()
            assert off[kept].max() <= 2e-5  # the levels told are rounded
