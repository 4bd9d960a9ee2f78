"""Every physics example, small: it keeps to its laws, and what it is about is to be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright_core.physics import PhysicsScene, Simulation
from reelwright_core.scene_files import read_scene
from reelwright_core.video import read_video
from reelwright_simulators import scene_check
from reelwright_simulators.blender.find import Blender
from reelwright_simulators.simulate import Simulated, simulate

EXAMPLES = Path(__file__).parents[2] / "examples" / "physics"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
SIZE = (96, 64)
EXACT = {
    "ball": {"free fall", "bounce height"},
    "collision": {"momentum"},
    "pendulum": {"pendulum period"},
}
"""What needs no solver of Blender's, and laws that it must be checked against."""
Array = NDArray[Any]


def small(name: str) -> PhysicsScene:
    """An example as it is, but small, and with coarse cloth, water and smoke."""
    scene = read_scene(EXAMPLES / f"{name}.yaml")
    return scene.model_copy(
        update={
            "size": SIZE,
            "cloths": [c.model_copy(update={"detail": 14}) for c in scene.cloths],
            "liquids": [c.model_copy(update={"detail": 24}) for c in scene.liquids],
            "smokes": [c.model_copy(update={"detail": 16}) for c in scene.smokes],
        }
    )


def way(simulation: Simulation, thing: str) -> Array:
    """Its places, [frames, 3]."""
    return np.array([pose.position for pose in simulation.trajectory(thing).poses])


def lean(simulation: Simulation, thing: str) -> float:
    """Degrees by which its upright axis leans in the last frame."""
    _, x, y, _ = simulation.trajectory(thing).poses[-1].turn
    return math.degrees(math.acos(np.clip(1 - 2 * (x * x + y * y), -1, 1)))


def seen(made: Simulated, thing: str) -> Array:
    """How much of the picture is of an entity, in each frame."""
    (sketch,) = made.sketches.values()
    label = next(i for i, (entity, _) in enumerate(sketch.things, 1) if entity == thing)
    with np.load(sketch.masks) as file:
        return (file["labels"] == label).mean((1, 2))


def test_the_examples_are_those_of_the_documentation() -> None:
    assert set(NAMES) >= {
        "ball", "collision", "tower", "dominoes", "flag-light", "flag-strong", "tablecloth", "pour",
        "pendulum", "car", "jelly", "smoke",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_sound_scene(name: str) -> None:
    scene = read_scene(EXAMPLES / f"{name}.yaml")
    assert scene.about
    assert scene_check.faults(scene) == []
    assert scene_check.faults(small(name)) == []


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_example_keeps_to_its_laws(name: str, blender: Blender, tmp_path: Path) -> None:
    scene = small(name)
    made = simulate(scene, tmp_path / name, quality="draft")
    checks = made.simulation.checks
    assert made.simulation.engine == "exact"
    assert {check.name for check in checks} >= EXACT[name]
    assert [check for check in checks if not check.passed] == []
    frames = read_video(next(iter(made.sketches.values())).video)
    assert frames.shape == (scene.frames, SIZE[1], SIZE[0], 3)


def _fell(*names: str, least: int) -> Callable[[Simulated], None]:
    def fell(made: Simulated) -> None:
        things = [w.thing for w in made.simulation.trajectories if w.thing.startswith(names)]
        leans = [lean(made.simulation, thing) for thing in things]
        assert sum(angle > 40 for angle in leans) >= least, leans

    return fell


def _tower(made: Simulated) -> None:
    """It is knocked over: most of its blocks lie elsewhere, and lower."""
    blocks = [w.thing for w in made.simulation.trajectories if w.thing.startswith("block")]
    assert len(blocks) >= 5
    far = [np.linalg.norm(np.ptp(way(made.simulation, block)[[0, -1]], axis=0)) for block in blocks]
    assert sum(each > 0.15 for each in far) >= len(blocks) / 2, far


def _car(made: Simulated) -> None:
    x = way(made.simulation, "car")[:, 0]
    assert x[-1] - x[0] > 1
    assert (np.diff(x) > -1e-3).all()


def _cloth(made: Simulated) -> None:
    """It came down and hangs: it no longer falls, and its middle is lower than it began."""
    z = way(made.simulation, "cloth")[:, 2]
    assert z[-1] < z[0] - 0.1
    assert abs(z[-1] - z[-4]) < 0.05


def _jelly(made: Simulated) -> None:
    z = way(made.simulation, "jelly")[:, 2]
    assert z.min() < z[0] - 0.4
    assert z[int(z.argmin()) :].max() > z.min() + 0.02


def _grows(thing: str) -> Callable[[Simulated], None]:
    def grows(made: Simulated) -> None:
        there = seen(made, thing)
        assert there[-1] > 0.005, there
        assert there[-1] > there[0] + 0.003

    return grows


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("tower", _tower),
        ("dominoes", _fell("domino", least=11)),
        ("tablecloth", _cloth),
        ("pour", _grows("water")),
        ("car", _car),
        ("jelly", _jelly),
        ("smoke", _grows("smoke")),
    ],
)
def test_an_example_shows_what_it_is_about(
    name: str, shows: Callable[[Simulated], None], blender: Blender, tmp_path: Path
) -> None:
    made = simulate(small(name), tmp_path / name, quality="draft")
    broken = [check for check in made.simulation.checks if not check.passed]
    # Bullet lets a block that lands on another bounce less high than the law of impact has it.
    assert [c for c in broken if (c.name, c.thing[:6]) != ("bounce height", "block-")] == []
    shows(made)


@pytest.mark.long
def test_a_flag_flies_farther_out_in_a_strong_wind(blender: Blender, tmp_path: Path) -> None:
    reach: dict[str, float] = {}
    for name in ("flag-light", "flag-strong"):
        made = simulate(small(name), tmp_path / name, quality="draft")
        assert seen(made, "flag").min() > 0.01
        reach[name] = float(way(made.simulation, "flag")[-12:, 0].mean())
    assert reach["flag-strong"] > reach["flag-light"] + 0.05, reach
