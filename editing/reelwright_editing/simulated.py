"""What the report says of a simulated take: who moved it, its checks, its contacts, its clip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reelwright_core.errors import InputError
from reelwright_core.physics import Check, Contact, PhysicsScene, Simulation
from reelwright_core.scene_files import read_scene
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import Take
from reelwright_core.video import read_video

_CONTACTS_AT_MOST = 40
ENGINES = {
    "blender": "Blender",
    "exact": "the exact integrator of rigid bodies",
    "planar": "the built-in integrator of the plane",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipFollows:
    """How well the clip's thing keeps to the simulated one."""

    thing: str
    error: float | None
    """Mean distance of the centres, in parts of the picture's height; none if it was not found."""
    due: list[int]
    """The frames in which it touches something, by the simulation."""
    found: list[int]
    """The frames in which it was seen to bounce or land."""
    met: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedTake:
    """A simulation as the report shows it."""

    engine: str
    checks: Sequence[Check]
    contacts: Sequence[Contact]
    more_contacts: int
    """How many more there are than are shown."""
    notes: Sequence[str]
    follows: Sequence[ClipFollows]


def simulated_take(shot: Shot, take: Take, run: Path) -> SimulatedTake | None:
    """What is to be said of the take's simulation; None if it has none that is whole."""
    if take.sketch is None or take.sketch.simulation is None:
        return None
    record = run / take.sketch.simulation.path
    try:
        simulation = Simulation.from_data(json.loads(record.read_bytes()))
        scene = read_scene(record.with_name("physics.yaml"))
    except (OSError, ValueError, InputError):
        return None
    later = [contact for contact in simulation.contacts if contact.frame > 0]
    return SimulatedTake(
        engine=ENGINES[simulation.engine],
        checks=simulation.checks,
        contacts=later[:_CONTACTS_AT_MOST],
        more_contacts=max(len(later) - _CONTACTS_AT_MOST, 0),
        notes=simulation.notes,
        follows=_follows(shot, take, simulation, scene, run),
    )


def _follows(
    shot: Shot, take: Take, simulation: Simulation, scene: PhysicsScene, run: Path
) -> list[ClipFollows]:
    from reelwright_metrics.measure import watch_pixels
    from reelwright_metrics.trajectories import followed, touches, ways

    assert take.sketch is not None
    try:
        frames = read_video(run / take.clip.video.path)
        with Image.open(run / take.sketch.background.path) as picture:
            background = np.asarray(picture.convert("RGB"))
    except (OSError, InputError):
        return []
    free = {(body.entity, body.instance): body.id for body in scene.bodies if body.moves == "free"}
    told: list[ClipFollows] = []
    watched = watch_pixels(shot, take.layout, frames, background=background)
    for way in ways(watched):
        body = free.get((way.entity, way.instance))
        if body is None:
            continue
        hits = touches(simulation.contacts, body, frames=shot.frames)
        kept = followed(way, _centres(take.layout, way.entity, way.instance, shot), hits)
        told.append(
            ClipFollows(
                thing=way.entity if way.instance == 0 else f"{way.entity} {way.instance + 1}",
                error=kept.error,
                due=hits,
                found=kept.contacts,
                met=kept.met,
            )
        )
    return told


def _centres(layout: Layout, entity: str, instance: int, shot: Shot) -> NDArray[np.float64]:
    """Of a planned thing, [frames, 2] in parts of the picture's height; NaN outside of it."""
    track = layout.track(entity, instance)
    stretch = shot.size[0] / shot.size[1]
    boxes = np.array([track.at(frame).box for frame in range(layout.frames)])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    centres[np.any((centres < 0) | (centres > 1), axis=1)] = np.nan
    return centres * (stretch, 1.0)
