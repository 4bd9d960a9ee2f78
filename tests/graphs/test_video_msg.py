"""Video-MSG: background, layout, sketch and a clip that starts from the noised sketch."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from reelwright_agents.offline import OfflinePlanner
from reelwright_agents.planner import Picture, Script
from reelwright_core.errors import GraphError
from reelwright_core.settings import Generator as Told
from reelwright_core.story import Entity, Layout, SceneGraph, Shot, Storyboard
from reelwright_core.takes import Film, NoisePlan, Region
from reelwright_core.video import read_video
from reelwright_generators import latents
from reelwright_generators.diffusion import DiffusionGenerator
from reelwright_generators.diffusion_film import DiffusionFilm
from reelwright_generators.families import family_of
from reelwright_generators.folder import open_folder
from reelwright_generators.generator import Request, load
from reelwright_generators.tiny.parts import scene
from reelwright_graphs import run
from reelwright_graphs.events import Event
from reelwright_graphs.graph_file import load_graph
from reelwright_graphs.noise_node import of_alpha
from reelwright_metrics.suites import scripts
from reelwright_simulators.painter import paint

SCRIPT = "A blue balloon rises in a meadow while a dog runs from right to left."
PLANNER = OfflinePlanner()


def film(source: Any, out: Path, graph: Any = "video-msg", **settings: Any) -> Film:
    told = {"generator.model": "still", "critic.threshold": 0.0, **settings}
    done = run.film(source, out=out, graph=graph, settings=told)
    assert isinstance(done, Film)
    return done


def test_one_command_writes_background_layout_sketch_and_clip(tmp_path: Path) -> None:
    done = film(SCRIPT, tmp_path / "run")
    (shot,) = done.storyboard.shots
    folder = tmp_path / "run/shots/s01/take-1"
    with Image.open(folder / "background.png") as background:
        assert background.size == shot.size
    layout = Layout.from_data(json.loads((folder / "layout.json").read_text("utf-8")))
    assert len(layout.tracks) == 2
    for track in layout.tracks:
        boxes = [track.at(frame).box for frame in range(shot.frames)]
        assert len(set(boxes)) > shot.frames / 2, "both things move"
    for name in ("sketch.mp4", "clip.mp4"):
        assert read_video(folder / name).shape == (shot.frames, shot.size[1], shot.size[0], 3)


# alpha


@pytest.mark.parametrize(
    ("alpha", "level"), [(0.5, 0.639), (0.6, 0.723), (0.7, 0.804), (0.8, 0.881), (0.9, 0.948)]
)
def test_alpha_is_the_level_of_cogvideox_5b(alpha: float, level: float) -> None:
    assert of_alpha(alpha) == pytest.approx(level, abs=6e-4)


def test_alpha_is_that_of_diffusers_own_scheduler() -> None:
    from diffusers.schedulers.scheduling_dpm_cogvideox import CogVideoXDPMScheduler

    kept = CogVideoXDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        rescale_betas_zero_snr=True, snr_shift_scale=1.0,
    ).alphas_cumprod  # fmt: skip
    for alpha in (0.1, 0.5, 0.7, 0.9, 0.999):
        signal = float(kept[round(alpha * 1000) - 1])
        noise = (1 - signal) ** 0.5
        assert of_alpha(alpha) == pytest.approx(noise / (signal**0.5 + noise), abs=1e-5)
    assert of_alpha(1.0) == 1.0


def edited(folder: Path, options: str) -> Path:
    """The shipped graph with other options of its noise; path of the story's."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = load_graph("video-msg-shot").text.splitlines()
    noise = next(line for line in lines if "use: noise" in line)
    text = "\n".join(lines).replace(noise, f"  noise: {{use: noise, options: {{{options}}}}}")
    (folder / "mine.yaml").write_text(text.replace("name: video-msg-shot", "name: mine"), "utf-8")
    story = folder / "story.yaml"
    whole = load_graph("video-msg").text.replace("each: video-msg-shot", "each: mine")
    story.write_text(whole, "utf-8")
    return story


def test_alpha_in_the_graph_changes_how_many_denoising_steps_run(tmp_path: Path) -> None:
    model = import_module("reelwright_generators.tiny.cogvideox").build(
        tmp_path / "model", version="5B"
    )
    shot = Shot(id="s01", prompt="A red car.", size=(32, 32), frames=5)
    steps: list[int] = []
    for alpha in (0.3, 0.5, 0.7, 0.9):
        graph = edited(tmp_path / f"graph-{alpha}", f"alpha: {alpha}, start: truncated")
        events: list[Event] = []
        done = run.film(
            Storyboard(shots=[shot]), out=tmp_path / f"run-{alpha}", graph=graph,
            settings={"generator.model": str(model), "generator.steps": 20,
                      "generator.device": "cpu", "critic.threshold": 0.0},
            on_event=events.append,
        )  # fmt: skip
        assert isinstance(done, Film)
        told = [event.details["step"] for event in events if event.kind == "step"]
        (take,) = done.shots[0].takes
        assert take.provenance["steps"] == len(told) == max(told)
        assert take.noise.level == of_alpha(alpha)
        steps.append(len(told))
    assert steps == sorted(set(steps)), "more noise takes more steps"
    assert steps[2] in (13, 14), "alpha 0.7 runs 0.7 of the schedule, as the paper does"


def test_alpha_and_a_level_are_not_both_given(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="`alpha` says the `level`"):
        load_graph(edited(tmp_path, "alpha: 0.7, level: 0.5"))


# less alpha, more of the sketch

TOLD = Told(device="cpu", dtype="float32", steps=10)
DENOISERS = ("transformer", "unet")
LEVELS = (0.2, 0.4, 0.6, 0.8)
CLASSES: dict[str, dict[str, Any]] = {
    "wan": {"scheduler": "unipc"}, "cogvideox": {"version": "5B"}, "modelscope": {},
    "animatediff": {"scheduler": "ddim"}, "ltx": {},
}  # fmt: skip


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Per frame, in dB."""
    off = (one.astype(np.float64) - other) ** 2
    return 10 * np.log10(255**2 / off.mean(axis=(1, 2, 3)))


def tempered(folder: Path, sketch: NDArray[np.uint8], name: str) -> None:
    """Gives random weights what any trained model has: latents as loud as noise, a calm answer.

    The codec's scaling factor is set for it, and the denoiser's last layer is zeroed: an untrained
    answer would drown what is left of the noise.
    """
    (file,) = (path for path in folder.glob("*/*.safetensors") if path.parent.name in DENOISERS)
    weights = load_file(file)
    last = [each for each in weights if each.startswith(("proj_out.", "conv_out."))]
    assert last
    save_file({**weights, **{each: 0 * weights[each] for each in last}}, file)
    config = folder / "vae/config.json"
    told = json.loads(config.read_text("utf-8"))
    if "scaling_factor" in told:
        film = DiffusionFilm(family_of(open_folder(folder, name=name)), TOLD)
        told["scaling_factor"] /= float(latents.encode(film.pipe.vae, sketch).std())
        config.write_text(json.dumps(told), "utf-8")


@pytest.mark.parametrize("name", CLASSES)
def test_less_noise_keeps_more_of_the_sketch_in_every_frame(tmp_path: Path, name: str) -> None:
    """Against the sketch as the model's own codec gives it back, since its weights are random."""
    folder = import_module(f"reelwright_generators.tiny.{name}").build(
        tmp_path / name, **CLASSES[name]
    )
    family = family_of(open_folder(folder, name=name))
    facts = DiffusionGenerator(family, TOLD).facts()
    size, frames = family.grid.size(facts.size), family.grid.frames(facts.frames)
    sketch, _ = scene(seed=3, frames=frames, size=size)
    tempered(folder, sketch, name)
    generator = DiffusionGenerator(family_of(open_folder(folder, name=name)), TOLD)

    def filmed(level: float, **more: Any) -> NDArray[np.uint8]:
        plan = NoisePlan(level=level, seed=5, **more)
        request = Request(
            prompt="a red car", size=size, frames=frames, fps=Fraction(8), noise=plan,
            sketch=sketch if plan.shows_sketch else None,
        )  # fmt: skip
        return generator.generate(request, lambda step, of: None).frames

    kept = filmed(0.5, regions=[Region(of="all", level=0.0)])
    nearness = np.array([psnr(filmed(level), kept) for level in LEVELS])
    assert (np.diff(nearness, axis=0) < 0).all(), nearness.round(2)
    assert (nearness[0] > psnr(filmed(1.0), kept)).all(), "of one seed without the sketch"


@pytest.mark.long
def test_less_noise_keeps_more_of_the_sketch_on_the_built_in_model(tmp_path: Path) -> None:
    generator = load(Told(model="builtin"))
    (shot,) = PLANNER.storyboard(Script(kind="prose", text=SCRIPT), picture=Picture()).shots
    sketch = paint(
        PLANNER.layout(shot), entities=shot.scene_graph.entities, place=shot.place,
        size=shot.size, seed=1,
    ).frames  # fmt: skip
    nearness = [
        psnr(
            generator.generate(
                Request(
                    prompt=shot.prompt, size=shot.size, frames=shot.frames, fps=shot.fps,
                    sketch=sketch, noise=NoisePlan(level=level, seed=5),
                ),
                lambda step, of: None,
            ).frames,
            sketch,
        )
        for level in (0.3, *map(of_alpha, (0.5, 0.7, 0.9)))
    ]  # fmt: skip
    assert (np.diff(np.array(nearness), axis=0) < 0).all(), np.array(nearness).round(2)


# the sketch follows the plan


def _seen_alone(layout: Layout, track: Any, frame: int) -> bool:
    """Whether nothing nearer hides a part of it, and it is wholly inside."""
    box = track.at(frame).box
    if min(box) < 0 or max(box) > 1:
        return False
    return not any(
        other.depth > track.depth
        and min(box[2], theirs[2]) > max(box[0], theirs[0])
        and min(box[3], theirs[3]) > max(box[1], theirs[1])
        for other in layout.tracks
        if other is not track
        for theirs in [other.at(frame).box]
    )


def _off(size: tuple[int, int]) -> Iterator[float]:
    """How many pixels the middle of each thing on a sketch is off its box's, frame by frame."""
    texts = [script.text for script in scripts.load("story")]
    for text in [SCRIPT, *texts]:
        script = Script(kind="prose", text=text)
        for shot in PLANNER.storyboard(script, picture=Picture(size=size)).shots:
            layout = PLANNER.layout(shot)
            painted = paint(
                layout, entities=shot.scene_graph.entities, place=shot.place, size=size, seed=1
            )
            for (i, track), f in itertools.product(enumerate(layout.tracks), range(shot.frames)):
                # A stalk that turns is seen beside the middle that it turns about.
                turned = track.at(f).angle != 0 and shot.scene_graph.entity(track.entity).noun
                if turned not in (False, "ball") or not _seen_alone(layout, track, f):
                    continue
                rows, columns = np.nonzero(painted.labels[f] == i + 1)
                box = track.at(f).box
                yield abs((columns.min() + columns.max() + 1 - (box[0] + box[2]) * size[0]) / 2)
                yield abs((rows.min() + rows.max() + 1 - (box[1] + box[3]) * size[1]) / 2)


@pytest.mark.parametrize("size", [(160, 96), (320, 192)])
def test_the_way_of_every_box_on_the_sketch_is_the_plans_within_a_pixel(
    size: tuple[int, int],
) -> None:
    off = list(_off(size))
    assert len(off) > 2000
    assert max(off) <= 1.0


def test_a_shot_of_nobody_is_its_background(tmp_path: Path) -> None:
    shot = Shot(id="s01", prompt="The sea.", place="sea", scene_graph=SceneGraph())
    film(Storyboard(shots=[shot]), tmp_path / "run")
    clip = read_video(tmp_path / "run/shots/s01/take-1/clip.mp4")
    assert np.ptp(clip.astype(int), axis=0).max() <= 6, "but for the codec, nothing moves"


def test_unknown_things_are_sketched_as_labelled_shapes(tmp_path: Path) -> None:
    graph = SceneGraph(entities=[Entity(id="zonk", noun="zonk", known=False)])
    shot = Shot(id="s01", prompt="A zonk.", scene_graph=graph)
    done = film(Storyboard(shots=[shot]), tmp_path / "run")
    assert done.shots[0].takes[0].sketch is not None
