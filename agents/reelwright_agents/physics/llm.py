"""A physics scene that a language model writes; what it writes is checked before it counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from reelwright_agents.llm import Call, LanguageModel
from reelwright_agents.physics.offline import (
    FOOT,
    Planned,
    front_camera,
    is_physical,
    plan_physics,
)
from reelwright_agents.physics.parts import Part
from reelwright_core.errors import EndpointError
from reelwright_core.kinds import Colour
from reelwright_core.physics import Fabric, Force, Material, ModelName, PhysicsScene
from reelwright_core.records import Record
from reelwright_core.settings import Settings
from reelwright_core.story import Shot
from reelwright_simulators import scene_check
from reelwright_simulators.places import GROUND


class VectorForm(Record):
    """Along x (right), y (away) and z (up)."""

    x: float
    y: float
    z: float

    @property
    def tuple(self) -> tuple[float, float, float]:
        return self.x, self.y, self.z


class WaypointForm(Record):
    """Where a driven body is at a frame."""

    frame: int = Field(ge=0)
    position: VectorForm


class BodyForm(Record):
    """A solid thing."""

    id: str = Field(max_length=60, description="lower case, digits and hyphens")
    entity: str | None = Field(description="which of the shot's entities it is, or null")
    instance: int = Field(default=0, ge=0, le=8)
    shape: Literal["ball", "block", "cylinder", "card", "model"]
    size: VectorForm = Field(
        description="metres; of ball, card and model only z counts, of a cylinder x and z"
    )
    model: ModelName | None = Field(default=None, description="only for the shape model")
    noun: str | None = Field(default=None, max_length=60, description="only for the shape card")
    round: bool = Field(default=False, description="whether a card rolls as a ball does")
    material: Material = "wood"
    colour: Colour | None = None
    position: VectorForm = Field(description="of its middle at frame 0")
    rotation: VectorForm = Field(description="degrees")
    moves: Literal["free", "fixed", "driven"] = "free"
    velocity: VectorForm = Field(description="m/s at frame 0")
    spin: VectorForm = Field(description="degrees per second at frame 0")
    path: list[WaypointForm] = Field(default=[], max_length=20, description="only if driven")
    restitution: float | None = Field(default=None, ge=0, le=1)
    friction: float | None = Field(default=None, ge=0, le=2)


class ClothForm(Record):
    """A sheet of fabric."""

    id: str = Field(max_length=60)
    entity: str | None
    wide: float
    high: float
    position: VectorForm
    lies: bool = False
    pins: Literal["none", "left", "right", "top", "top corners", "corners"] = "none"
    fabric: Fabric = "cotton"
    colour: Colour | None = None


class LiquidForm(Record):
    """A liquid that flows from a source, within a box."""

    id: str = Field(max_length=60)
    entity: str | None
    centre: VectorForm
    size: VectorForm
    source: VectorForm
    radius: float
    colour: Colour | None = None


class RodForm(Record):
    """A rod or spring from a body to a point of the world."""

    kind: Literal["rod", "spring"]
    body: str = Field(max_length=60)
    at: VectorForm


class PhysicsForm(Record):
    """What is simulated for a shot."""

    bodies: list[BodyForm] = Field(max_length=30)
    cloths: list[ClothForm] = Field(default=[], max_length=3)
    liquids: list[LiquidForm] = Field(default=[], max_length=1)
    rods: list[RodForm] = Field(default=[], max_length=6)
    wind: float = Field(default=0.0, ge=0, le=30, description="m/s towards +x; 3 light, 15 strong")
    left: float = Field(description="the smallest x that anything reaches during the shot")
    right: float = Field(description="the largest x")
    top: float = Field(gt=0, description="the largest z")


def plan_by_model(
    shot: Shot,
    *,
    seed: int,
    settings: Settings,
    cache: Path | None = None,
    on_call: Callable[[Call], None] | None = None,
) -> Planned:
    """The scene that the model of `planner.model` writes for `shot`.

    What the checks of scenes say against it goes back to the model, at most `endpoint.repairs`
    times; where no scene fits, the offline planner's is used, and a note says so.
    """
    if not is_physical(shot):
        return Planned(scene=None)
    model = LanguageModel(
        settings.endpoint, model=settings.planner.model, temperature=settings.planner.temperature,
        cache=cache, on_call=on_call,
    )  # fmt: skip
    try:
        form = model.ask(
            role="physics",
            template="physics",
            inputs={
                "shot": json.dumps(_facts(shot), ensure_ascii=False, indent=1),
                "last_frame": shot.frames - 1,
                "seconds": f"{float((shot.frames - 1) / shot.fps):.2f}",
                "models": ", ".join(get_args(ModelName)),
            },
            answer=PhysicsForm,
            check=lambda form: _faults(form, shot, seed),
        )
    except EndpointError as error:
        planned = plan_physics(shot, seed=seed)
        note = f"the language model gave no scene that can be simulated ({error})"
        instead = "it is staged offline" if planned.scene else "nor can it be staged offline"
        return Planned(scene=planned.scene, why=planned.why, notes=(f"{note}; {instead}",))
    return Planned(scene=_scene(form, shot, seed))


def _facts(shot: Shot) -> dict[str, Any]:
    graph = shot.scene_graph
    return {
        "picture": shot.prompt,
        "script": shot.text,
        "place": shot.place,
        "entities": [entity.data() for entity in graph.entities],
        "relations": [f"{r.subject} {r.kind} {r.object}" for r in graph.relations],
        "events": [event.data() for event in graph.events],
    }


def _faults(form: PhysicsForm, shot: Shot, seed: int) -> list[str]:
    known = {entity.id: entity.count for entity in shot.scene_graph.entities}
    things = [*form.bodies, *form.cloths, *form.liquids]
    faults: list[str] = []
    for thing in things:
        if thing.entity is not None and thing.entity not in known:
            faults.append(f"the entity {thing.entity!r} is not in the shot: {', '.join(known)}")
    seen = {thing.entity for thing in things}
    faults += [f"nothing in the scene is the entity {id!r}" for id in known if id not in seen]
    if form.right <= form.left:
        faults.append("`right` must be more than `left`")
    if faults:
        return faults
    try:
        return scene_check.faults(_scene(form, shot, seed))
    except ValidationError as error:
        return [
            f"`{'.'.join(str(part) for part in fault['loc'])}`: {fault['msg']}"
            for fault in error.errors(include_url=False)
        ]


def _scene(form: PhysicsForm, shot: Shot, seed: int) -> PhysicsScene:
    """The scene that the form describes; raises `ValidationError` if it is none."""
    foot = min((GROUND[shot.place] or 0.85) + FOOT, 0.95)
    room = Part(ids=[], left=form.left, right=form.right, top=form.top)
    camera = front_camera(room, size=shot.size, frames=shot.frames, foot=foot, move=shot.camera)
    return PhysicsScene.model_validate(
        {
            "about": shot.text or shot.prompt,
            "frames": shot.frames,
            "fps": shot.fps,
            "size": shot.size,
            "seed": seed % 2**31,
            "bodies": [_body(body) for body in form.bodies],
            "cloths": [
                {
                    **cloth.model_dump(exclude={"wide", "high", "position"}),
                    "size": (cloth.wide, cloth.high),
                    "position": cloth.position.tuple,
                }
                for cloth in form.cloths
            ],
            "liquids": [
                {
                    **liquid.model_dump(exclude={"centre", "size", "source"}),
                    "centre": liquid.centre.tuple,
                    "size": liquid.size.tuple,
                    "source": liquid.source.tuple,
                }
                for liquid in form.liquids
            ],
            "constraints": [
                {"kind": rod.kind, "body": rod.body, "at": rod.at.tuple} for rod in form.rods
            ],
            "forces": _wind(form.wind),
            "cameras": [camera],
        }
    )


def _wind(speed: float) -> Sequence[Force]:
    # A little across, else a flat sheet in a straight wind would never begin to wave.
    return (
        [Force(kind="wind", strength=speed, direction=(1.0, 0.25, 0.0), gusts=0.3)] if speed else []
    )


def _body(form: BodyForm) -> dict[str, Any]:
    return {
        **form.model_dump(include={"id", "entity", "instance", "material", "colour", "moves",
                                   "restitution", "friction"}),
        "shape": _shape(form),
        "position": form.position.tuple,
        "rotation": form.rotation.tuple,
        "velocity": form.velocity.tuple,
        "spin": form.spin.tuple,
        "path": [{"frame": p.frame, "position": p.position.tuple} for p in form.path],
    }  # fmt: skip


def _shape(form: BodyForm) -> dict[str, Any]:
    size = form.size
    match form.shape:
        case "ball":
            return {"kind": "ball", "radius": size.z / 2}
        case "block":
            return {"kind": "block", "size": size.tuple}
        case "cylinder":
            return {"kind": "cylinder", "radius": size.x / 2, "height": size.z}
        case "card":
            return {"kind": "card", "noun": form.noun or "", "height": size.z, "round": form.round}
        case "model":
            return {"kind": "model", "name": form.model, "height": size.z}
