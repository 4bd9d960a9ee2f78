"""Stages a shot whose events need physics, without a language model."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import ValidationError

from reelwright_agents.physics import cases, things
from reelwright_agents.physics.cases import Cast
from reelwright_agents.physics.parts import Part, Unstaged, joined
from reelwright_core.physics import Camera, Ground, PhysicsScene, Sky, View
from reelwright_core.story import CameraMove, Entity, Place, Relation, Shot
from reelwright_simulators import exact, planar
from reelwright_simulators.places import GROUND
from reelwright_simulators.solids import solid_of
from reelwright_simulators.turns import matrix_of_turn

PHYSICAL = (
    "falls", "bounces", "rolls", "topples", "collides", "waves", "swings", "pours",
)  # fmt: skip
"""Actions that are simulated."""
LENS = 50.0
FOOT = 0.04
"""So much of the picture below the line of the painted ground things stand, as layouts have it."""
ROOM = 0.08
"""So much of the picture stays free above and beside the action."""
PAN = 0.3
"""How far a panning camera goes, as a part of the picture's width."""
ASIDE = math.radians(38)
"""How far the other cameras stand to a side, or above."""
SHORTEST = 6
"""Frames."""
LATEST = 0.25
"""Part of the shot within which what is simulated has begun."""

_LOOKS: dict[Place, Literal["plain", "wood", "grass", "sand", "stone", "snow", "asphalt"]] = {
    "beach": "sand", "meadow": "grass", "city": "stone", "road": "asphalt", "forest": "grass",
    "snow": "snow", "desert": "sand", "night": "grass", "room": "wood",
}  # fmt: skip
_SKIES: dict[Place, Sky] = {
    "night": Sky(top=(18, 22, 58), horizon=(60, 66, 110), strength=0.4),
    "room": Sky(top=(226, 218, 205), horizon=(240, 234, 224)),
    "plain": Sky(top=(214, 222, 232), horizon=(240, 242, 245)),
}
_STRONG = re.compile(r"\bstrong wind|\b(?:gale|storm)\b", re.IGNORECASE)
_LIGHT = re.compile(r"\b(?:light|gentle|soft|slight) (?:wind|breeze)|\bbreeze\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A physics scene, or why there is none."""

    scene: PhysicsScene | None
    why: str = ""
    """Empty for a shot in which nothing physical happens."""
    notes: tuple[str, ...] = ()
    """What a user should know of how it came about."""


def is_physical(shot: Shot) -> bool:
    """Whether something happens that physics shows better than a painting."""
    return any(event.action in PHYSICAL for event in shot.scene_graph.events)


def physics_scene(shot: Shot, *, seed: int) -> PhysicsScene | None:
    """The scene to simulate for `shot`; None where nothing physical happens or can be staged."""
    return plan_physics(shot, seed=seed).scene


def plan_physics(
    shot: Shot, *, seed: int, any_action: bool = False, painted: bool = False
) -> Planned:
    """The same, with the reason where something physical happens that cannot be staged.

    Its first camera, `front`, is level and sees the plane y = 0 so that the ground is where the
    painted place has it; frames, rate and size are the shot's. With `any_action` a shot in which
    things only move along is staged as well: they are driven along their ways. What will be
    `painted` is as large as its cut-outs are, not as the models that Blender would show.
    """
    if not (is_physical(shot) or (any_action and shot.scene_graph.events)):
        return Planned(scene=None)
    try:
        return Planned(scene=_Stage(shot, seed, painted=painted).scene())
    except Unstaged as reason:
        return Planned(scene=None, why=str(reason))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        return Planned(scene=None, why=f"its scene would have a wrong `{where}`: {fault['msg']}")


def wind_of(shot: Shot) -> str:
    """How strong the wind is: `light`, `strong`, or empty where nothing is said of it."""
    said = [shot.prompt, shot.text, *(a for e in shot.scene_graph.entities for a in e.attributes)]
    for text in said:
        if _STRONG.search(text):
            return "strong"
        if _LIGHT.search(text):
            return "light"
    return ""


class _Stage:
    def __init__(self, shot: Shot, seed: int, *, painted: bool):
        self.shot, self.seed = shot, seed
        graph = shot.scene_graph
        # Cloth and liquids are rendered, and all else in their shot with them.
        soft = (*things.CLOTHS, *things.LIQUIDS)
        self.painted = painted and not any(things.noun_of(e) in soft for e in graph.entities)
        foot = GROUND[shot.place]
        if foot is None or shot.place == "sea":
            raise Unstaged(f"in the place `{shot.place}` there is no firm ground")
        if not SHORTEST <= shot.frames <= 1000:
            raise Unstaged(f"it has {shot.frames} frames; {SHORTEST} to 1000 are simulated")
        self._begin_together()
        self.foot = min(foot + FOOT, 0.95)
        self.casts = self._casts(graph.entities)
        self.relations = [r for r in graph.relations if r.subject != r.object]
        self.left = dict(self.casts)
        """Who is not staged yet."""

    def _begin_together(self) -> None:
        """A simulation lets go of everything at frame 0: what falls later cannot be in it."""
        graph = self.shot.scene_graph
        hit = {r.object for r in graph.relations if r.kind == "meets"}
        for entity in graph.entities:
            begins = [e.frames.first for e in graph.events if e.actor == entity.id]
            acts = any(e.action in PHYSICAL for e in graph.events if e.actor == entity.id)
            if acts and entity.id not in hit and min(begins) > LATEST * self.shot.frames:
                raise Unstaged(
                    f"the {entity.noun} begins at frame {min(begins)}, after something else; "
                    "in a shot of its own it would be simulated"
                )

    def _casts(self, entities: Sequence[Entity]) -> dict[str, Cast]:
        shot, wind = self.shot, wind_of(self.shot)
        real = {entity.id: things.real_height(entity) for entity in entities}
        events = {
            entity.id: sorted(
                (e for e in shot.scene_graph.events if e.actor == entity.id),
                key=lambda event: event.frames.first,
            )
            for entity in entities
        }
        acting = [id for id, own in events.items() if any(e.action in PHYSICAL for e in own)]
        acting = acting or [id for id, own in events.items() if own]
        told = {event.action for id in acting for event in events[id]}
        scale = 1.0
        if told & {"falls", "bounces", "topples"}:
            falling = min(
                most
                for action, most in (
                    ("falls", min(cases.FALLING, shot.frames / 2)),
                    ("bounces", min(cases.BOUNCING, shot.frames / 3)),
                    ("topples", min(cases.TOPPLING, 2 * shot.frames / 5)),
                )
                if action in told
            )
            tallest = max(real[id] for id in acting)
            scale = max(1.0, cases.least_height(falling, float(shot.fps)) / tallest)
        # What meets looks about as large, so that both are seen well: a long thing fills a picture.
        meets = "collides" in told
        least = 0.8 if meets else 0.5
        looks = {
            e.id: things.solid(e, 1.0, painted=self.painted).looks if meets else 1.0
            for e in entities
        }
        large = {id: real[id] * looks[id] for id in real}
        largest = max(large[id] for id in acting)
        return {
            entity.id: Cast(
                entity=entity,
                events=events[entity.id],
                # Real heights, but nothing so large or small beside the action that one is lost.
                high=scale
                * min(max(large[entity.id], least * largest), largest / least)
                / looks[entity.id],
                seconds=float((shot.frames - 1) / shot.fps),
                frames=shot.frames,
                wind=wind,
                painted=self.painted,
            )
            for entity in entities
        }

    def scene(self) -> PhysicsScene:
        whole = joined(self._row(list(self._parts())))
        scene = self._filmed(whole)
        moved = _in_motion(whole, scene)
        return scene if moved is None else self._filmed(moved)

    def _filmed(self, whole: Part) -> PhysicsScene:
        shot = self.shot
        return PhysicsScene(
            about=shot.text or shot.prompt,
            frames=shot.frames,
            fps=shot.fps,
            size=shot.size,
            seed=self.seed % 2**31,
            bodies=whole.bodies,
            cloths=whole.cloths,
            liquids=whole.liquids,
            constraints=whole.constraints,
            forces=whole.forces[:1],
            ground=Ground(look=_LOOKS.get(shot.place, "plain")),
            sky=_SKIES.get(shot.place, Sky()),
            cameras=_cameras(
                front_camera(
                    whole, size=shot.size, frames=shot.frames, foot=self.foot, move=shot.camera
                )
            ),
        )

    # who belongs together ------------------------------------------------------

    def _parts(self) -> Iterable[Part]:
        yield from self._collisions()
        yield from self._poured()
        yield from self._carried()
        behind = list(self._behind())
        yield from behind
        while self.left:
            yield self._alone(next(iter(self.left)))

    def _take(self, *ids: str) -> list[Cast]:
        return [self.left.pop(id) for id in ids]

    def _among(self, *kinds: str) -> Iterable[Relation]:
        for relation in self.relations:
            both = relation.subject in self.left and relation.object in self.left
            if relation.kind in kinds and both:
                yield relation

    def _collisions(self) -> Iterable[Part]:
        for relation in self._among("meets"):
            pair = [self.left[relation.subject], self.left[relation.object]]
            if any("collides" in cast.actions for cast in pair):
                self._take(relation.subject, relation.object)
                _only(pair[0], "collides", "rolls", "moves", "stays")
                _only(pair[1], "collides", "topples", "stays", "falls")
                yield cases.collide(pair[0], pair[1])
        lone = [cast for cast in self.left.values() if "collides" in cast.actions]
        if len(lone) == 2 and all(cast.entity.count == 1 for cast in lone):
            self._take(*(cast.entity.id for cast in lone))
            for cast in lone:
                _only(cast, "collides", "rolls", "moves", "stays")
            yield cases.head_on(*lone)

    def _poured(self) -> Iterable[Part]:
        for relation in self._among("near", "on", "above"):
            liquid, vessel = self.left[relation.subject], self.left[relation.object]
            if "pours" in liquid.actions and "pours" not in vessel.actions:
                self._take(relation.subject, relation.object)
                yield cases.pour(liquid, vessel)

    def _carried(self) -> Iterable[Part]:
        for relation in self._among("on", "above", "below"):
            upper, lower = relation.subject, relation.object
            if relation.kind == "below":
                upper, lower = lower, upper
            rider, base = self._take(upper, lower)
            if things.noun_of(base.entity) in things.RAMPS and rider.entity.count == 1:
                _only(rider, "rolls", "moves", "falls", "stays")
                yield cases.ramp(rider, base)
                continue
            _only(base, "stays", of="carries another")
            stands = cases.still(base)
            if things.noun_of(rider.entity) in things.CLOTHS and "falls" in rider.actions:
                yield joined([cases.drape(rider, stands), stands])
                continue
            floor = stands.top + (0.3 * rider.high if relation.kind == "above" else 0.0)
            if "rolls" in rider.actions:
                way = 0.6 * (stands.right - stands.left)
                rides = cases.roll(rider, floor=floor, way=way).moved(-(rider.side or 1) * way / 2)
            else:
                rides = _staged(rider, floor=floor)
            yield joined([rides, stands])

    def _behind(self) -> Iterable[Part]:
        for relation in self._among("behind", "in front of"):
            back, front = relation.subject, relation.object
            if relation.kind == "in front of":
                back, front = front, back
            far, near = self._take(back, front)
            one, other = _staged(far), _staged(near)
            away = 0.6 * (far.solid.deep + near.solid.deep) + 0.1
            yield joined([one.moved(0.4 * near.solid.wide, away), other])

    def _alone(self, id: str) -> Part:
        (cast,) = self._take(id)
        return _staged(cast)

    # side by side --------------------------------------------------------------

    def _row(self, parts: Sequence[Part]) -> list[Part]:
        """From left to right as the relations want it, else as they are named."""
        order = list(self.casts)
        row = sorted(parts, key=lambda part: min(order.index(id) for id in part.ids))
        for _ in row:
            for relation in self.relations:
                if relation.kind in ("left of", "right of"):
                    one, two = relation.subject, relation.object
                    if relation.kind == "right of":
                        one, two = two, one
                    a, b = (next(p for p in row if id in p.ids) for id in (one, two))
                    if row.index(a) > row.index(b):
                        row.remove(a)
                        row.insert(row.index(b), a)
        gap = 0.3 * max(min(cast.high for cast in self.casts.values()), 0.1)
        placed: list[Part] = []
        at = 0.0
        for part in row:
            placed.append(part.moved(at - part.left))
            at = placed[-1].right + gap
        middle = (placed[0].left + placed[-1].right) / 2
        return [part.moved(-middle) for part in placed]


def _in_motion(whole: Part, scene: PhysicsScene) -> Part | None:
    """The same with the room that its solid things really take, as far as that can be told.

    What goes further off than twice what was thought may leave the picture.
    """
    if scene.cloths or scene.liquids:
        return None
    exactly = exact.solve(scene)
    moved = exactly if exactly.covered else planar.solve(scene)
    if moved.why is not None:
        return None
    left, right, top = [], [], []
    for body in scene.bodies:
        across, _, high = solid_of(body).size.tolist()
        reach = high / 2 if solid_of(body).is_ball else None
        for pose in next(t for t in moved.trajectories if t.thing == body.id).poses:
            turn = matrix_of_turn(np.array(pose.turn))
            wide = reach or (abs(turn[0, 0]) * across + abs(turn[0, 2]) * high) / 2
            tall = reach or (abs(turn[2, 0]) * across + abs(turn[2, 2]) * high) / 2
            left.append(pose.position[0] - wide)
            right.append(pose.position[0] + wide)
            top.append(pose.position[2] + tall)
    most = (whole.right - whole.left) / 2
    return replace(
        whole,
        left=max(min(left), whole.left - most),
        right=min(max(right), whole.right + most),
        top=min(max(top), 1.5 * whole.top),
    )


def _cameras(front: Camera) -> list[Camera]:
    """`front`, and others that look at the same place from its left, its right and above."""
    look_at, (x, y, level) = front.views[0].look_at, front.views[0].position
    far = -1.15 * y
    seen_from = {
        "left": (x - far * math.sin(ASIDE), -far * math.cos(ASIDE), level + 0.2 * far),
        "right": (x + far * math.sin(ASIDE), -far * math.cos(ASIDE), level + 0.2 * far),
        "high": (x, -far * math.cos(ASIDE), level + far * math.sin(ASIDE)),
    }
    others = [
        Camera(
            id=id,
            lens=LENS,
            views=[View(position=(round(a, 6), round(b, 6), round(c, 6)), look_at=look_at)],
        )
        for id, (a, b, c) in seen_from.items()
    ]
    return [front, *others]


_ALONE: Sequence[tuple[str, tuple[str, ...], Callable[..., Part]]] = (
    ("topples", ("topples", "stays", "falls"), cases.topple),
    ("bounces", ("bounces", "falls", "rolls", "stays"), cases.drop),
    ("falls", ("bounces", "falls", "rolls", "stays"), cases.drop),
    ("rolls", ("rolls", "stays"), cases.roll),
    ("moves", ("moves", "stays"), cases.driven),
)
"""What a thing does, what it may do besides, and how it is staged."""


def _staged(cast: Cast, *, floor: float = 0.0) -> Part:
    """One entity by itself."""
    actions = cast.actions
    if "waves" in actions:
        _only(cast, "waves", "stays")
        return cases.wave(cast)
    if "swings" in actions:
        _only(cast, "swings", "stays")
        return cases.swing(cast, floor=floor)
    if "pours" in actions:
        _only(cast, "pours", "stays")
        return cases.pour(cast, None)
    if "collides" in actions:
        _only(cast, "collides", "rolls", "moves", "stays")
        if cast.entity.count < 2:
            raise Unstaged(f"it is not said what the {cast.entity.noun} collides with")
        return cases.head_on(cast)
    for action, besides, stage in _ALONE:
        if action in actions:
            _only(cast, *besides)
            if action == "topples" and _is_stack(cast):
                return cases.stack(cast)
            return stage(cast, floor=floor)
    _only(cast, "stays")
    return cases.still(cast, floor=floor)


def _is_stack(cast: Cast) -> bool:
    return any("block" in said for said in cast.entity.attributes)


def _only(cast: Cast, *actions: str, of: str = "") -> None:
    """`Unstaged` if the entity does anything else."""
    for action in cast.actions:
        if action not in actions:
            besides = of or next((a for a in cast.actions if a in PHYSICAL and a != action), "")
            also = f" and {besides}" if besides else ""
            raise Unstaged(
                f"the {cast.entity.noun} {action}{also}, which the offline physics planner "
                "cannot stage"
            )


def front_camera(
    action: Part,
    *,
    size: tuple[int, int],
    frames: int,
    foot: float,
    move: CameraMove = "static",
) -> Camera:
    """A level camera that sees all of the action; `foot` is where y = z = 0 is, 0 top to 1 bottom.

    It stands far enough that the picture is as high, in metres at y = 0, as the action needs.
    """
    aspect = size[0] / size[1]
    pans = PAN if move in ("pan left", "pan right") else 0.0
    tallest = max((body.position[2] * 2 for body in action.bodies if body.moves == "fixed"),
                  default=0.0)  # fmt: skip
    high = max(
        action.top / (foot - ROOM),
        (action.right - action.left) / (aspect * (1 - 2 * ROOM - pans)),
        tallest / 0.7,
    )
    far = high * aspect * LENS / 36
    level = (foot - 0.5) * high
    middle = (action.left + action.right) / 2
    # The background slides right in a pan to the left.
    slide = pans * high * aspect / 2 * (1 if move == "pan left" else -1)
    ends = [(0, slide)] + ([(frames - 1, -slide)] if slide and frames > 1 else [])
    views = [
        View(
            frame=frame,
            position=(round(middle + x, 6), round(-far, 6), round(level, 6)),
            look_at=(round(middle + x, 6), 0.0, round(level, 6)),
        )
        for frame, x in ends
    ]
    return Camera(id="front", lens=LENS, views=views)
