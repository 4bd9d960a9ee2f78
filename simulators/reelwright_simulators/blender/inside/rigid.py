"""Rigid bodies: solved by Bullet in fine steps, then frozen to keyframes.

A scene's frame is cut into several frames of Blender, so that contacts are found between the frames
as well. A body cannot be given a velocity: before frame 0 it is led along the way that it would
come, and let go at frame 0. Bullet steps by v += g h, x += v h, which falls h/2 ahead of the true
parabola; what is in the air is let go slower by g h / 2, and so falls exactly.
"""

from __future__ import annotations

import math

import bodies
import bpy
import contacts
import keys
import materials
import numpy as np
from mathutils import Matrix, Quaternion, Vector

SUBSTEPS = 40
"""Bullet's steps in a frame; stacks need that many."""
OTHERS = (60, 30, 20, 10)
"""What is tried besides where balls bounce."""
CUTS = 10
"""Frames of Blender in one of the scene, at most."""
LEAD = 8
"""Frames of Blender before frame 0 in which bodies are led; fewer than 3 are lost now and then."""
ITERATIONS = 60
SCALE = 100.0
"""Bullet's world is so many times as large. What enters another body by less than 4 cm in a step it
throws out again, which would add to every bounce; in a large world hardly anything is so little."""
CAR_FRICTION = 0.03
"""A car stands on wheels that roll: its own friction with the road, unless it is set."""


def solve(built, *, substeps, on_frame):
    """Moves the rigid bodies; returns poses by id, {"positions", "turns"}, and the contacts.

    Afterwards every body that moves has keyframes, and nothing is left to simulate.
    """
    rigid = [made for made in built.bodies if not made.body["soft"]]
    free = [m for m in rigid if m.body["moves"] == "free" and m.id not in built.motion]
    if free:
        ways, cuts, found = _best(built, rigid, free, substeps, on_frame)
    else:
        cuts, found = 1, []
        ways = {made.id: _given(built, made, np.arange(built.frames)) for made in rigid}
    poses = {}
    for made in rigid:
        positions, turns = (each[::cuts] for each in ways[made.id])
        if not np.isfinite(positions).all():
            raise RuntimeError(f"the body {made.id!r} left the numbers that Blender can count with")
        poses[made.id] = (positions, keys.steady(turns))
        _freeze(made, *poses[made.id])
    return poses, found


def _best(built, rigid, free, substeps, on_frame):
    """The ways of all bodies, their steps a frame, and contacts: the run whose balls bounce best.

    Bullet bounces by more or less than it should, and differently for each length of step; where
    balls bounce, several are tried, and the first that is right by 3 % is taken, else the best.
    """
    best, kept = math.inf, None
    for steps in [substeps] if substeps else (SUBSTEPS, *OTHERS):
        cuts = _cuts(steps)
        ways = _simulated(built, rigid, free, cuts, steps // cuts, on_frame)
        found = contacts.find(built, rigid, ways, free, cuts)
        wrong = _wrong_bounces(built, rigid, ways, found, cuts)
        if wrong < best or kept is None:
            best, kept = wrong, (ways, cuts, found)
        if wrong < 0.03:
            break
    if best > 0.1:
        built.notes.append(
            f"a ball's bounce misses its restitution by {best:.0%}: Blender's rigid bodies do no "
            "better here"
        )
    return kept


def _wrong_bounces(built, rigid, ways, found, cuts):
    """The largest part by which a ball's speed after a bounce on the ground is wrong."""
    balls = {made.id: made for made in rigid if made.shape == "SPHERE"}
    rate, worst = built.fps * cuts, 0.0
    met = {}
    for contact in found:
        for name in (contact["a"], contact["b"]):
            met.setdefault(name, []).append(contact)
    for name, made in balls.items():
        alone = met.get(name, [])
        if not alone or any(contact["b"] != "ground" for contact in alone):
            continue
        height = ways[name][0][:, 2] - made.size[2] / 2 - built.scene["ground"]["height"]
        speed = np.diff(height) * rate
        expected = materials.restitution(made.body) * built.scene["ground"]["restitution"]
        gravity = -built.scene["gravity"][2]
        for contact in alone:
            if contact["speed"] < 1.0:
                continue
            at = contact["frame"] * cuts
            low = max(1, at - cuts) + int(np.argmin(height[max(1, at - cuts) : at + 2]))
            if low < 2 or low + 3 >= len(height):
                continue
            # Two steps away on either side, brought back to the moment of the bounce.
            fell = -speed[low - 3] + 2 * gravity / rate
            rose = speed[low + 2] + 2 * gravity / rate
            worst = max(worst, abs(rose / (expected * fell) - 1) if expected else 0.0)
    return worst


def _cuts(steps):
    """Into how many a frame is cut: a part of `steps`, so that all steps are equally long."""
    return max(cut for cut in range(1, min(CUTS, steps) + 1) if steps % cut == 0)


def _given(built, made, times):
    """The way of a body that is given, driven or fixed, at `times` in frames."""
    if made.id in built.motion:
        way = built.motion[made.id]
        positions = np.asarray(way["positions"], float)
        turns = keys.steady(way["turns"])
        at = np.arange(len(positions))
        position = np.stack([np.interp(times, at, positions[:, i]) for i in range(3)], 1)
        turn = np.stack([np.interp(times, at, turns[:, i]) for i in range(4)], 1)
        return position, turn / np.linalg.norm(turn, axis=1, keepdims=True)
    body = made.body
    if body["moves"] == "driven":
        poses = [bodies.way(body["path"], max(0.0, t)) for t in times]
    else:
        poses = [bodies.start(body)] * len(times)
    return np.array([p for p, _ in poses]), np.array([q for _, q in poses])


def _simulated(built, rigid, free, cuts, each, on_frame):
    """Runs Bullet; the way of every body at each cut of a frame, [(frames - 1) cuts + 1]."""
    scene = bpy.context.scene
    fps, base = scene.render.fps, scene.render.fps_base
    scene.render.fps = fps * cuts
    scene.gravity = Vector(built.scene["gravity"]) * SCALE
    last = (built.frames - 1) * cuts
    first = 1 - LEAD
    world = _world(built, first, last + 1, each)
    step = 1 / (built.fps * cuts * each)
    times = np.arange(-LEAD, last + 1) / cuts
    held = {name for c in built.scene["constraints"] for name in (c["body"], c["to"]) if name}
    extra = []
    things = [made.object for made in rigid] + ([built.ground] if built.ground else [])
    for thing in things:
        thing.location *= SCALE
        thing.scale = (SCALE,) * 3
    if built.ground is not None:
        ground = built.scene["ground"]
        _add(built.ground, "PASSIVE", "MESH", 1.0, ground["friction"], ground["restitution"], 0.0)
    for made in rigid:
        body = made.body
        moving = made in free
        kind = "ACTIVE" if moving or made.moves else "PASSIVE"
        _add(made.object, kind, made.shape, made.mass, _friction(made),
             materials.restitution(body), body["drag"])  # fmt: skip
        if moving:
            floats = made.id not in held and not contacts.touches(built, rigid, made)
            slower = Vector(built.scene["gravity"]) * (step / 2 if floats else 0.0)
            _lead(made, cuts * built.fps, Vector(body["velocity"]) - slower)
        elif made.moves:
            made.object.rigid_body.kinematic = True
            positions, turns = _given(built, made, times)
            keys.put(made.object, np.arange(first, last + 2), positions * SCALE, turns)
    for constraint in built.scene["constraints"]:
        extra += _constrain(built, constraint, free)
    ways = {made.id: (np.empty((last + 1, 3)), np.empty((last + 1, 4))) for made in rigid}
    for frame in range(first, last + 2):
        scene.frame_set(frame)
        if frame < 1:
            continue
        for made in rigid:
            place, turn, _ = made.object.matrix_world.decompose()
            ways[made.id][0][frame - 1], ways[made.id][1][frame - 1] = place / SCALE, turn
        if (frame - 1) % cuts == 0:
            on_frame((frame - 1) // cuts)
    _clear(built, rigid, extra, world)
    for thing in things:
        thing.animation_data_clear()
        thing.scale = (1.0,) * 3
    for made in rigid:
        made.object.location, made.object.rotation_quaternion = bodies.start(made.body)
    if built.ground is not None:
        built.ground.location = (0.0, 0.0, built.scene["ground"]["height"])
    scene.render.fps, scene.render.fps_base = fps, base
    scene.gravity = built.scene["gravity"]
    return ways


def _world(built, first, last, each):
    scene = bpy.context.scene
    bpy.ops.rigidbody.world_add()
    world = scene.rigidbody_world
    world.collection = bpy.data.collections.new("rigid bodies")
    world.constraints = bpy.data.collections.new("constraints")
    world.substeps_per_frame, world.solver_iterations = each, ITERATIONS
    world.use_split_impulse = True
    world.point_cache.frame_start, world.point_cache.frame_end = first, last
    import forces

    # Newtons: on some 0.03 m² that face the wind; the field knows no body's own size.
    wind = forces.collection("solids", built, wind=0.07 * SCALE)
    world.effector_weights.collection = wind
    return world


def _add(thing, kind, shape, mass, friction, restitution, drag):
    bpy.context.view_layer.objects.active = thing
    with bpy.context.temp_override(object=thing, active_object=thing, selected_objects=[thing]):
        bpy.ops.rigidbody.object_add(type=kind)
    body = thing.rigid_body
    body.collision_shape = shape
    if shape == "MESH":
        body.mesh_source = "BASE"
    body.mass = max(mass, 1e-3)
    body.friction, body.restitution = friction, restitution
    body.use_margin, body.collision_margin = True, 0.0
    body.linear_damping = body.angular_damping = drag
    body.use_deactivation = False


def _friction(made):
    if made.wheels and made.body["friction"] is None:
        return CAR_FRICTION
    return materials.friction(made.body)


def _lead(made, rate, velocity):
    """Leads a free body up to frame 0, with its velocity and spin, and lets it go there."""
    body = made.body
    position, turn = bodies.start(body)
    spin = Vector(math.radians(value) for value in body["spin"])
    frames = range(1 - LEAD, 2)
    turns = []
    for frame in frames:
        angle = spin.length * (frame - 1) / rate
        turns.append(Quaternion(spin, angle) @ turn if spin.length else turn)
    way = [(position + velocity * ((frame - 1) / rate)) * SCALE for frame in frames]
    keys.put(made.object, list(frames), way, turns)
    for frame, kinematic in ((1 - LEAD, True), (1, True), (2, False)):
        made.object.rigid_body.kinematic = kinematic
        made.object.keyframe_insert("rigid_body.kinematic", frame=frame)


def _constrain(built, constraint, free):
    """One constraint of the scene; the helpers that it needed."""
    if constraint["body"] not in {m.id for m in free} and constraint["to"] not in {
        m.id for m in free
    }:
        return []
    body = built.objects[constraint["body"]]
    other = built.objects[constraint["to"]] if constraint["to"] else None
    at = Vector(constraint["at"]) * SCALE
    if constraint["kind"] == "rod" and other is not None:
        return _rod_between(built, constraint, body, other)
    if constraint["kind"] == "spring":
        return _spring(built, constraint, body, other, at)
    kind = {"rod": "POINT", "hinge": "HINGE", "fixed": "FIXED"}[constraint["kind"]]
    # Bullet in Blender joins two bodies, never one to the world.
    anchor = _anchor(at) if other is None else None
    made = _joint(kind, at, body, other or anchor)
    if kind == "HINGE":
        axis = Vector(constraint["axis"])
        made.rotation_mode = "QUATERNION"
        made.rotation_quaternion = axis.to_track_quat("Z", "Y")
    return [made, anchor] if anchor else [made]


def _anchor(at):
    """A point of the world, as a body that stands."""
    made = _hidden("anchor", at, (1.0, 1.0, 1.0))
    _add(made, "PASSIVE", "BOX", 1.0, 0.0, 0.0, 0.0)
    _apart(made)
    return made


def _joint(kind, at, body, other):
    made = bpy.data.objects.new(f"{kind} {body.name}", None)
    made.location = at
    bpy.context.scene.collection.objects.link(made)
    bpy.context.view_layer.objects.active = made
    with bpy.context.temp_override(object=made, active_object=made):
        bpy.ops.rigidbody.constraint_add(type=kind)
    joint = made.rigid_body_constraint
    joint.object1, joint.object2 = body, other
    joint.disable_collisions = True
    joint.use_override_solver_iterations, joint.solver_iterations = True, 4 * ITERATIONS
    return made


def _hidden(name, at, size):
    """A small body that nothing hits."""
    data = bpy.data.meshes.new(name)
    x, y, z = (value / 2 for value in size)
    corners = [(a * x, b * y, c * z) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    data.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6)])
    made = bpy.data.objects.new(name, data)
    made.location = at
    bpy.context.scene.collection.objects.link(made)
    return made


def _apart(thing):
    """Puts a helper in a layer of its own, where it collides with nothing."""
    thing.rigid_body.collision_collections = [i == 19 for i in range(20)]


def _place(built, name):
    """Where a body is at frame 0, in Bullet's world."""
    return bodies.start(next(made.body for made in built.bodies if made.id == name))[0] * SCALE


def _rod_between(built, constraint, body, other):
    a, b = _place(built, constraint["body"]), _place(built, constraint["to"])
    rod = _hidden("rod", (a + b) / 2, (1.0, 1.0, max((a - b).length, 1.0)))
    rod.rotation_mode = "QUATERNION"
    rod.rotation_quaternion = (a - b).to_track_quat("Z", "Y")
    lighter = min(m.mass for m in built.bodies if m.object in (body, other))
    _add(rod, "ACTIVE", "BOX", 0.05 * lighter, 0.0, 0.0, 0.0)
    _apart(rod)
    for frame, kinematic in ((1 - LEAD, True), (1, True), (2, False)):
        rod.rigid_body.kinematic = kinematic
        rod.keyframe_insert("rigid_body.kinematic", frame=frame)
    return [rod, _joint("POINT", a, rod, body), _joint("POINT", b, rod, other)]


def _spring(built, constraint, body, other, at):
    """A spring to a point, or to another body.

    Bullet's springs rest as they are when the body is let go. So its other end is let go displaced
    by what the spring is too long or too short, and is brought to its place in the next frame. One
    between two bodies rests at its length of frame 0.
    """
    away = _place(built, constraint["body"]) - (_place(built, constraint["to"]) if other else at)
    rest = constraint["length"] * SCALE if constraint["length"] else away.length
    place = _place(built, constraint["body"])
    helpers = []
    if other is None:
        other = _anchor(at)
        helpers.append(other)
        if abs(rest - away.length) > 1e-6 * SCALE:
            other.rigid_body.type, other.rigid_body.kinematic = "ACTIVE", True
            off = at - away.normalized() * (rest - away.length)
            keys.put(other, [1 - LEAD, 2, 3], [off, off, at])
    elif abs(rest - away.length) > 1e-6 * SCALE:
        built.notes.append(
            f"the spring of {constraint['body']!r} rests at its length of frame 0: Blender's "
            "springs between two bodies know no other"
        )
    joint = _joint("GENERIC_SPRING", place, body, other)
    spring = joint.rigid_body_constraint
    spring.spring_type = "SPRING2"
    for axis in "xyz":
        setattr(spring, f"use_spring_{axis}", True)
        setattr(spring, f"spring_stiffness_{axis}", constraint["stiffness"])
        setattr(spring, f"spring_damping_{axis}", constraint["damping"])
    return [*helpers, joint]


def _clear(built, rigid, extra, world):
    """Takes Bullet's world away: what is rendered later must not be simulated anew."""
    # Joints before what they join: Bullet would else follow a pointer into nothing.
    extra = sorted(extra, key=lambda thing: thing.rigid_body_constraint is None)
    things = [*extra, *(made.object for made in rigid), *([built.ground] if built.ground else [])]
    for thing in things:
        if thing.rigid_body:
            with bpy.context.temp_override(object=thing, active_object=thing):
                bpy.context.view_layer.objects.active = thing
                bpy.ops.rigidbody.object_remove()
        elif thing.rigid_body_constraint:
            bpy.context.view_layer.objects.active = thing
            with bpy.context.temp_override(object=thing, active_object=thing):
                bpy.ops.rigidbody.constraint_remove()
    emptied = [world.effector_weights.collection, world.collection, world.constraints]
    things = [*extra, *emptied[0].objects]
    bpy.ops.rigidbody.world_remove()
    for thing in things:
        bpy.data.objects.remove(thing)
    for collection in emptied:
        bpy.data.collections.remove(collection)


def _freeze(made, positions, turns):
    frames = np.arange(1, len(positions) + 1)
    if np.ptp(positions, 0).max() < 1e-7 and np.ptp(turns, 0).max() < 1e-7:
        made.object.animation_data_clear()
        made.object.location, made.object.rotation_quaternion = positions[0], turns[0]
    else:
        keys.put(made.object, frames, positions, turns)
    if made.wheels:
        matrices = [
            Matrix.LocRotScale(Vector(p), Quaternion(q), None)
            for p, q in zip(positions, turns, strict=True)
        ]
        bodies.roll(made, matrices)


def show_ties(built, poses):
    """Rods and springs as they are seen: thin bars and coils between their ends, frame by frame."""
    import looks

    look = looks.plain("tie", looks.linear((72, 74, 80)), rough=0.35, metallic=0.7)
    for number, constraint in enumerate(built.scene["constraints"]):
        if constraint["kind"] not in ("rod", "spring"):
            continue
        ends = poses[constraint["body"]][0]
        other = poses.get(constraint["to"])
        starts = np.broadcast_to(constraint["at"], ends.shape) if other is None else other[0]
        made = next(m for m in built.bodies if m.id == constraint["body"])
        thick = 0.05 * min(made.size)
        data = _coil(thick) if constraint["kind"] == "spring" else _bar(thick)
        data.materials.append(look)
        thing = bpy.data.objects.new(f"{constraint['kind']} {number + 1}", data)
        bpy.context.scene.collection.objects.link(thing)
        turns = [Vector(b - a).to_track_quat("Z", "Y") for a, b in zip(starts, ends, strict=True)]
        lengths = np.linalg.norm(ends - starts, axis=1)
        ones = np.ones_like(lengths)
        keys.put(
            thing, np.arange(1, len(ends) + 1), starts, turns, np.stack([ones, ones, lengths], 1)
        )


def _bar(thick, steps=10):
    data = bpy.data.meshes.new("rod")
    ring = [(math.cos(a) * thick / 2, math.sin(a) * thick / 2)
            for a in (2 * math.pi * i / steps for i in range(steps))]  # fmt: skip
    corners = [(x, y, z) for z in (0, 1) for x, y in ring]
    faces = [(i, (i + 1) % steps, steps + (i + 1) % steps, steps + i) for i in range(steps)]
    data.from_pydata(corners, [], faces)
    data.shade_smooth()
    return data


def _coil(thick, turns=12, steps=16, round_=8):
    """A coil of unit length about z."""
    data = bpy.data.meshes.new("spring")
    corners, faces = [], []
    count = turns * steps
    wide = 1.6 * thick
    for i in range(count + 1):
        angle = 2 * math.pi * i / steps
        ends = min(1.0, i / steps, (count - i) / steps)
        out = Vector((math.cos(angle), math.sin(angle), 0.0))
        for k in range(round_):
            around = 2 * math.pi * k / round_
            point = out * (wide * ends + thick * 0.3 * math.cos(around))
            corners.append((point.x, point.y, i / count + 0.012 * math.sin(around)))
    for i in range(count):
        for k in range(round_):
            a, b = i * round_ + k, i * round_ + (k + 1) % round_
            faces.append((a, b, b + round_, a + round_))
    data.from_pydata(corners, [], faces)
    data.shade_smooth()
    return data
