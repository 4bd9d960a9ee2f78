"""What is simulated, and what came of it: physics scene, trajectories, contacts, checks.

The world is in metres, seconds, kilograms and degrees; x goes to the right, y away from the viewer,
z up, and gravity pulls along -z. A camera that stands at negative y and looks along +y sees x grow
to the right. Frame 0 is the first frame of the shot, at time 0; frame f is at f / fps seconds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from reelwright_core.kinds import Beside, Colour, EntityId
from reelwright_core.records import Rate, Record, Stored

Number = Annotated[float, Field(ge=-1e4, le=1e4)]
Vector = tuple[Number, Number, Number]
Positive = Annotated[float, Field(gt=0, le=1e3)]
BodyId = EntityId
"""The id of a body, cloth, liquid or smoke: `ball`, `block-3`."""

Material = Literal[
    "wood", "rubber", "metal", "stone", "plastic", "glass", "ice", "paper", "leather", "mirror"
]
"""What a body is made of: gives density, friction, restitution and looks unless they are set."""
Fabric = Literal["cotton", "silk", "denim", "leather", "rubber"]
ModelName = Literal[
    "basketball", "car", "domino", "house", "tree", "mug", "glass", "bowl", "table", "flagpole",
    "pin", "bottle",
]  # fmt: skip
"""The procedural models that come with Reelwright."""


class Ball(Record):
    """A sphere."""

    kind: Literal["ball"] = "ball"
    radius: Positive = 0.12


class Block(Record):
    """A box."""

    kind: Literal["block"] = "block"
    size: tuple[Positive, Positive, Positive] = (0.3, 0.3, 0.3)
    """Along x, y and z."""


class Cylinder(Record):
    """An upright cylinder, or a cone if `top` is 0."""

    kind: Literal["cylinder"] = "cylinder"
    radius: Positive = 0.15
    height: Positive = 0.3
    top: float | None = Field(default=None, ge=0, le=1e3)
    """The radius at its top; None is that of its foot."""


class Card(Record):
    """A cut-out picture on an upright card that faces the viewer."""

    kind: Literal["card"] = "card"
    noun: str
    """As the cut-out set names it."""
    height: Positive = 0.5
    round: bool = False
    """Whether it rolls and bounces as a ball of that height does, instead of as a flat box."""


class Mesh(Record):
    """A mesh from a file."""

    kind: Literal["mesh"] = "mesh"
    path: Annotated[Beside, Field(pattern=r"(?i)\.(obj|ply|stl|glb)$")]
    """From the scene's folder on."""
    height: Positive = 0.5
    """It is scaled to be so high."""


class Model(Record):
    """A procedural model that comes with Reelwright."""

    kind: Literal["model"] = "model"
    name: ModelName
    height: Positive = 0.3


Shape = Annotated[Ball | Block | Cylinder | Card | Mesh | Model, Field(discriminator="kind")]


class Waypoint(Record):
    """Where a driven body, or a camera, is at a frame."""

    frame: int = Field(ge=0)
    position: Vector
    rotation: Vector = (0.0, 0.0, 0.0)
    """Turns about x, then y, then z."""


def _rising(points: list[Waypoint]) -> list[Waypoint]:
    if any(b.frame <= a.frame for a, b in pairwise(points)):
        raise ValueError(f"waypoints come in rising order of `frame`, got {points}")
    return points


class Thing(Record):
    """Something that is simulated."""

    id: BodyId
    entity: EntityId | None = None
    """The entity of the shot that it is; None for what only stands there, such as a ramp."""
    instance: int = Field(default=0, ge=0, le=8)


class Body(Thing):
    """A solid thing, or a soft one."""

    shape: Shape
    material: Material = "wood"
    colour: Colour | None = None
    position: Vector
    """Of its middle (of its bounding box for models and meshes)."""
    rotation: Vector = (0.0, 0.0, 0.0)
    """Turns about x, then y, then z, at frame 0."""
    moves: Literal["free", "fixed", "driven"] = "free"
    """`free`: by the laws of physics; `fixed`: never; `driven`: along `path`, pushing others."""
    velocity: Vector = (0.0, 0.0, 0.0)
    """m/s at frame 0."""
    spin: Vector = (0.0, 0.0, 0.0)
    """Degrees per second about x, y and z, at frame 0."""
    path: Annotated[list[Waypoint], AfterValidator(_rising)] = []
    mass: Positive | None = None
    """None is the material's density times the volume."""
    friction: float | None = Field(default=None, ge=0, le=2)
    restitution: float | None = Field(default=None, ge=0, le=1)
    """The part of its speed that it keeps when it hits the ground straight: e. A pair has the
    product of both bodies' values, and the ground's is 1 unless it is set."""
    drag: float = Field(default=0.0, ge=0, le=1)
    """The part of its speed that is lost each second."""
    soft: float | None = Field(default=None, gt=0, le=1)
    """Makes it soft: 1 is stiff rubber, .1 is jelly."""

    @model_validator(mode="after")
    def _way_if_driven(self) -> Body:
        if (self.moves == "driven") != bool(self.path):
            raise ValueError(f"the body {self.id!r} is `driven` if, and only if, it has a `path`")
        return self


class Cloth(Thing):
    """A sheet of fabric."""

    size: tuple[Positive, Positive] = (1.5, 1.0)
    """Width and height."""
    position: Vector
    """Of its middle."""
    lies: bool = False
    """Whether it lies flat instead of hanging upright, facing the viewer."""
    pins: Literal["none", "left", "right", "top", "top corners", "corners"] = "none"
    fabric: Fabric = "cotton"
    colour: Colour | None = None
    detail: int = Field(default=30, ge=6, le=50)
    """Squares along its longer side."""


class Liquid(Thing):
    """Water or another liquid in a box-shaped part of the world."""

    centre: Vector
    """Of the part of the world in which it is computed."""
    size: tuple[Positive, Positive, Positive]
    source: Vector
    """The middle of the ball from which it flows."""
    radius: Positive = 0.12
    velocity: Vector = (0.0, 0.0, 0.0)
    flows: bool = True
    """Whether it keeps flowing until `until`; else the ball falls at frame 0, once."""
    until: int | None = Field(default=None, ge=0)
    """The last frame in which it flows; None never stops."""
    viscosity: float = Field(default=1e-6, ge=0, le=10)
    """Kinematic, m²/s: water is 1e-6, honey 2e-3."""
    colour: Colour | None = None
    detail: int = Field(default=32, ge=8, le=64)
    """Cells along the box's longest side."""


class Smoke(Thing):
    """Smoke, or fire, in a box-shaped part of the world."""

    centre: Vector
    size: tuple[Positive, Positive, Positive]
    source: Vector
    radius: Positive = 0.12
    fire: bool = False
    colour: Colour | None = None
    detail: int = Field(default=32, ge=8, le=64)


class Constraint(Record):
    """Something that holds a body: to another, or to a point of the world."""

    kind: Literal["rod", "spring", "hinge", "fixed"]
    """`rod` keeps the distance (a pendulum), `spring` pulls it back, `hinge` turns about `axis`."""
    body: BodyId
    to: BodyId | None = None
    at: Vector
    """The other end of a rod or spring, or the hinge itself, in the world at frame 0."""
    axis: Vector = (0.0, 1.0, 0.0)
    length: Positive | None = None
    """At which a spring is at rest; None is that of frame 0."""
    stiffness: float = Field(default=20.0, gt=0, le=1e6)
    """N/m."""
    damping: float = Field(default=0.0, ge=0, le=1e4)
    """N per m/s."""


class Force(Record):
    """What pushes things without touching them."""

    kind: Literal["wind", "vortex", "turbulence", "attraction"]
    strength: Number
    """Of wind, its speed in m/s: 3 is light, 15 strong; else Blender's own unit."""
    direction: Vector = (1.0, 0.0, 0.0)
    position: Vector = (0.0, 0.0, 0.0)
    gusts: float = Field(default=0.0, ge=0, le=1)
    """How uneven it is."""


class Ground(Record):
    """The floor: a level plane."""

    height: Number = 0.0
    friction: float = Field(default=0.6, ge=0, le=2)
    restitution: float = Field(default=1.0, ge=0, le=1)
    look: Literal["plain", "wood", "grass", "sand", "stone", "snow", "asphalt"] = "plain"
    colour: Colour | None = None


class Light(Record):
    """What lights the scene."""

    kind: Literal["sun", "area", "point"] = "sun"
    position: Vector = (-3.0, -4.0, 6.0)
    towards: Vector = (0.0, 0.0, 0.0)
    strength: Positive = 3.0
    """W/m² of a sun, W of the others."""
    size: Positive = 0.2
    """Metres of an area or point light, degrees of a sun: the larger, the softer its shadows."""


class Sky(Record):
    """What is behind everything, and lights it from all sides."""

    top: tuple[int, int, int] = (120, 170, 225)
    """sRGB, 0..255."""
    horizon: tuple[int, int, int] = (225, 235, 245)
    strength: float = Field(default=0.8, ge=0, le=100)
    picture: bool = False
    """Whether the shot's painted place stands behind the scene, instead of these colours."""


class View(Record):
    """Where a camera is, and what it looks at, at a frame."""

    frame: int = Field(default=0, ge=0)
    position: Vector
    look_at: Vector


class Camera(Record):
    """A camera; it goes smoothly from view to view."""

    id: EntityId
    lens: float = Field(default=35.0, ge=8, le=300)
    """Focal length in millimetres of a 36 mm wide picture."""
    views: list[View] = Field(min_length=1)

    @model_validator(mode="after")
    def _frames_rise(self) -> Camera:
        if any(b.frame <= a.frame for a, b in pairwise(self.views)):
            raise ValueError(f"the views of camera {self.id!r} come in rising order of `frame`")
        return self


class PhysicsScene(Stored):
    """Everything that a simulation needs; the same scene and seed give the same frames."""

    SCHEMA: ClassVar[str] = "PhysicsScene.1"

    about: str = ""
    frames: int = Field(default=49, ge=1, le=1000)
    fps: Rate = Field(default=24, validate_default=True)
    size: tuple[int, int] = (480, 320)
    """Width and height of the pictures in pixels."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    gravity: Vector = (0.0, 0.0, -9.81)
    bodies: list[Body] = []
    cloths: list[Cloth] = []
    liquids: list[Liquid] = []
    smokes: list[Smoke] = []
    constraints: list[Constraint] = []
    forces: list[Force] = []
    ground: Ground | None = Ground()
    lights: list[Light] = [Light()]
    sky: Sky = Sky()
    cameras: list[Camera] = Field(min_length=1)

    def things(self) -> list[Body | Cloth | Liquid | Smoke]:
        """Everything that is seen, bodies first."""
        return [*self.bodies, *self.cloths, *self.liquids, *self.smokes]

    def thing(self, id: str) -> Body | Cloth | Liquid | Smoke:
        """What is called `id`; `KeyError` if nothing is."""
        for thing in self.things():
            if thing.id == id:
                return thing
        raise KeyError(id)

    def camera(self, id: str | None = None) -> Camera:
        """The camera called `id`, or the first; `KeyError` if there is none."""
        for camera in self.cameras:
            if id in (None, camera.id):
                return camera
        raise KeyError(id)

    @model_validator(mode="after")
    def _names_are_known(self) -> PhysicsScene:
        for what, named in (
            ("thing", [thing.id for thing in self.things()]),
            ("camera", [camera.id for camera in self.cameras]),
        ):
            for name in named:
                if named.count(name) > 1:
                    raise ValueError(f"two {what}s share the id {name!r}")
        solid = [body.id for body in self.bodies]
        for held in self.constraints:
            for name in (held.body, held.to):
                if name is not None and name not in solid:
                    raise ValueError(
                        f"a constraint names the body {name!r}; there are: {', '.join(solid)}"
                    )
        return self


class Pose(Record):
    """Where something is, and how it is turned."""

    position: tuple[float, float, float]
    turn: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    """A unit quaternion (w, x, y, z)."""


class Trajectory(Record):
    """The way of one thing: of a body its own pose, of cloth and liquid that of its middle."""

    thing: BodyId
    poses: list[Pose]
    """One for each frame."""


class Contact(Record):
    """Two things touch for the first time, or again after they were apart."""

    frame: int = Field(ge=0)
    """The first frame in which they have touched."""
    a: str
    b: str
    """The ids of both; the ground is `ground`."""
    position: tuple[float, float, float]
    speed: float | None = None
    """m/s at which they met, along the line of contact."""


class Check(Record):
    """One law of physics, and whether the simulation keeps to it."""

    name: str
    """`free fall`, `bounce height`, `momentum`, ..."""
    thing: str
    law: str
    """As a formula: `z = z0 + v0 t - g t²/2`."""
    expected: float
    got: float
    unit: str
    tolerance: float
    """The largest part of `expected` by which it may miss."""
    frame: int | None = None
    passed: bool


class CameraPose(Record):
    """Where a camera is in one frame, and how it draws: OpenCV's convention."""

    extrinsic: list[list[float]]
    """3x4, world to camera: x right, y down, z forward; metres."""
    intrinsic: list[list[float]]
    """3x3, camera to pixels; pixel centres are at halves: the picture's middle is (w/2, h/2)."""


Engine = Literal["blender", "exact", "planar"]


class Simulation(Stored):
    """What came of a physics scene."""

    SCHEMA: ClassVar[str] = "Simulation.1"

    scene: str
    """The digest of the scene."""
    engine: Engine
    """What moved the things: Blender's solvers, the exact integrator of rigid bodies, or the
    built-in integrator of the plane, which stands in where there is no Blender."""
    trajectories: list[Trajectory]
    contacts: list[Contact] = []
    checks: list[Check] = []
    cameras: dict[str, list[CameraPose]]
    """For each camera its pose in every frame."""
    notes: list[str] = []
    """What a user should know: what was tried, what could not be simulated, and why."""

    def trajectory(self, thing: str) -> Trajectory:
        """The way of one thing; `KeyError` if it has none."""
        for trajectory in self.trajectories:
            if trajectory.thing == thing:
                return trajectory
        raise KeyError(thing)
