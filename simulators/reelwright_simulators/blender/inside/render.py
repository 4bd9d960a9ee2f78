"""A frozen scene becomes pictures: for every camera RGB, depth, ids, normals and flow.

What moves is keyframed or baked before, so every camera and every pass sees the same motion.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import bpy
import exr
import numpy as np

SAMPLES = {"preview": 2, "final": 4}
"""Of Cycles for each pixel, before the denoiser."""
FAR = 1e9
"""Metres; Cycles says 1e10 where it sees the sky."""
NEAR = 1e-4
"""Metres before a camera; what is nearer has no place in the picture."""
DRAFT_EXPOSURE = 0.9
"""Stops by which Workbench's pictures are lighter."""
SMOKE_SAMPLES = 16
THICK = 0.25
"""Smoke that hides so much of what is behind it is seen."""


def render(built, *, cameras, quality, out, on_frame) -> dict:
    """Renders every frame of the scene by each of `cameras`, their ids; None is all of them.

    `quality` is `draft` (Workbench), `preview` or `final` (Cycles with 2 or 4 samples, denoised)
    or `data` (no RGB). Into the folder OUT/CAMERA go `rgb-0000.png` and so on, `empty.png` (the
    first frame without the entities), and as .npy: `depth` float32 [frames, height, width], metres
    along the camera's axis; `ids` uint16 [frames, height, width], 1 + the number of the thing, 0
    for all else; `normals` int8 [frames, height, width, 3], 127 times the unit vector (right,
    down, away); `flow` float16 [frames - 1, height, width, 2] in pixels (right, down). Returns
    for each camera `poses` (OpenCV's convention), `boxes` by thing and frame in pixels, whole and
    not cut at the picture's edge; and what it took (`spent`: pictures, seconds by the clock and of
    all cores, for `rgb` and `data`).
    """
    scene = bpy.context.scene
    data = built.scene
    picture = _Picture(scene, data, quality)
    shots = {name: _Shot(Path(out) / name, built.cameras[name], picture, data) for name in cameras}
    done, total = 0, data["frames"] * len(shots)
    for frame in range(data["frames"]):
        for shot in shots.values():
            scene.frame_set(frame + 1)
            shot.take(frame)
            done += 1
            on_frame(done, total)
    if quality != "data":
        for shot in shots.values():
            shot.empty()
    return {
        "cameras": {name: shot.told() for name, shot in shots.items()},
        "spent": picture.spent,
        "notes": picture.notes,
    }


class _Picture:
    """How a scene is rendered: each kind of picture with settings of its own."""

    def __init__(self, scene, data, quality) -> None:
        self.scene, self.data, self.quality = scene, data, quality
        self.notes: list[str] = []
        self.spent = {what: {"pictures": 0, "wall": 0.0, "cpu": 0.0} for what in ("rgb", "data")}
        self.things = _things(data)
        self.size = tuple(data["size"])
        scene.render.resolution_x, scene.render.resolution_y = self.size
        scene.render.resolution_percentage = 100
        scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1
        scene.render.use_border = scene.render.use_motion_blur = False
        scene.render.use_compositing = scene.render.use_sequencer = False
        scene.render.use_file_extension = True
        scene.render.threads_mode = "FIXED"
        scene.render.threads = len(os.sched_getaffinity(0))
        scene.render.dither_intensity = 0.0
        scene.cycles.device = "CPU"
        scene.cycles.seed = data["seed"] % 2**31
        scene.cycles.use_animated_seed = False
        scene.cycles.use_adaptive_sampling = False
        scene.view_settings.view_transform = "Standard"
        if quality == "draft" and not _egl():
            self.notes.append(
                "Workbench needs the library libEGL.so.1 (Debian: libegl1), which is not there; "
                "the draft was rendered by Cycles with 1 sample"
            )
            self.quality = "rough"
        if self.quality == "draft":
            self._drafted()

    def _drafted(self) -> None:
        """Workbench knows no lights and no nodes: tells it exposure and colours of its own."""
        self.scene.view_settings.exposure = DRAFT_EXPOSURE
        if self.scene.world is not None:
            sky = [(c / 255) ** 2.2 / 2**DRAFT_EXPOSURE for c in self.data["sky"]["horizon"]]
            self.scene.world.color = sky
        for made in bpy.data.materials:
            if made.use_nodes:
                made.diffuse_color = tone(made.node_tree)
        for each in self.scene.objects:
            # The shadow of a cut-out would be that of its whole card.
            pictures = [slot.material for slot in each.material_slots if slot.material]
            if any(made.use_nodes and _has_picture(made.node_tree) for made in pictures):
                each.display.show_shadows = False

    def rgb(self, camera, path: Path) -> None:
        """Writes the picture that people see as an 8-bit PNG."""
        scene, cycles = self.scene, self.scene.cycles
        _passes(scene, combined=True)
        image = scene.render.image_settings
        image.file_format, image.color_mode, image.color_depth = "PNG", "RGB", "8"
        image.compression = 10
        scene.render.film_transparent = False
        scene.render.filter_size = 1.5
        if self.quality == "draft":
            self._workbench()
        else:
            scene.render.engine = "CYCLES"
            _filter(cycles, "BLACKMAN_HARRIS", 1.5)
            cycles.samples = SAMPLES.get(self.quality, 1)
            _denoised(cycles, self.quality in SAMPLES)
            _bounces(cycles, total=4, diffuse=1, glossy=2, transmission=4)
        self._render("rgb", camera, path)

    def _workbench(self) -> None:
        scene = self.scene
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.display.render_aa = "8"
        shading = scene.display.shading
        shading.light, shading.color_type = "STUDIO", "TEXTURE"
        shading.show_shadows, shading.shadow_intensity = True, 0.4
        shading.show_cavity = shading.show_object_outline = False
        shading.background_type = "WORLD"

    def passes(self, camera, path: Path) -> dict[str, np.ndarray]:
        """What is where in the current frame: depth, ids, normals and vectors, one ray a pixel."""
        scene, cycles = self.scene, self.scene.cycles
        _passes(scene, combined=False)
        image = scene.render.image_settings
        image.file_format, image.exr_codec, image.color_depth = "OPEN_EXR_MULTILAYER", "NONE", "32"
        scene.render.engine = "CYCLES"
        scene.render.film_transparent = False
        _filter(cycles, "BOX", 0.01)
        cycles.samples = 1
        _denoised(cycles, False)
        _bounces(cycles, total=0, diffuse=0, glossy=0, transmission=0)
        # Rays that end in smoke would see neither it nor what is behind it.
        with _solid(), hidden(each for each in self.scene.objects if is_gas(each)):
            self._render("data", camera, path)
        layers = {name.split(".", 1)[1]: seen for name, seen in exr.read(path).items()}
        path.unlink()
        return layers

    def cover(self, camera, path: Path) -> np.ndarray:
        """How much of each pixel the smoke hides, 0..1: a render of it alone."""
        scene, cycles = self.scene, self.scene.cycles
        _passes(scene, combined=True)
        image = scene.render.image_settings
        image.file_format, image.color_mode, image.color_depth = "PNG", "RGBA", "8"
        scene.render.engine = "CYCLES"
        scene.render.film_transparent = True
        _filter(cycles, "BOX", 1.0)
        cycles.samples = SMOKE_SAMPLES
        _denoised(cycles, False)
        _bounces(cycles, total=0, diffuse=0, glossy=0, transmission=0)
        self._render("data", camera, path)
        image.color_mode = "RGB"
        seen = bpy.data.images.load(str(path))
        pixels = np.empty(self.size[0] * self.size[1] * 4, np.float32)
        seen.pixels.foreach_get(pixels)
        bpy.data.images.remove(seen)
        path.unlink()
        cover = pixels.reshape(self.size[1], self.size[0], 4)[::-1, :, 3]
        # The mean of each pixel and its eight neighbours: a few samples of smoke are noisy.
        wide = np.pad(cover, 1, mode="edge")
        height, width = cover.shape
        around = [wide[y : y + height, x : x + width] for y in range(3) for x in range(3)]
        return np.mean(around, axis=0)

    def _render(self, what: str, camera, path: Path) -> None:
        self.scene.camera = camera
        self.scene.render.filepath = str(path)
        wall, cpu = time.perf_counter(), time.process_time()
        bpy.ops.render.render(write_still=True)
        spent = self.spent[what]
        spent["pictures"] += 1
        spent["wall"] += time.perf_counter() - wall
        spent["cpu"] += time.process_time() - cpu


class _Shot:
    """The pictures of one camera."""

    def __init__(self, folder: Path, camera, picture: _Picture, data) -> None:
        self.folder, self.camera, self.picture, self.data = folder, camera, picture, data
        folder.mkdir(parents=True, exist_ok=True)
        width, height = picture.size
        frames = data["frames"]
        self.depth = self._kept("depth", "<f4", (frames, height, width))
        self.ids = self._kept("ids", "<u2", (frames, height, width))
        self.normals = self._kept("normals", "i1", (frames, height, width, 3))
        self.flow = self._kept("flow", "<f2", (max(frames - 1, 0), height, width, 2))
        self.poses: list[dict] = []
        self.boxes: dict[str, list] = {thing["id"]: [] for thing in picture.things}

    def _kept(self, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        if 0 in shape:
            array = np.zeros(shape, dtype)
            np.save(self.folder / f"{name}.npy", array)
            return array
        return np.lib.format.open_memmap(
            self.folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape
        )

    def take(self, frame: int) -> None:
        """Renders one frame, and says where the whole of each thing is in it."""
        picture = self.picture
        extrinsic, intrinsic = pose(self.camera, picture.size)
        self.poses.append({"extrinsic": extrinsic.tolist(), "intrinsic": intrinsic.tolist()})
        for number, thing in enumerate(picture.things, start=1):
            box = whole_box(vertices(number), extrinsic, intrinsic)
            self.boxes[thing["id"]].append(box)
        if picture.quality != "data":
            picture.rgb(self.camera, self.folder / f"rgb-{frame:04d}.png")
        seen = picture.passes(self.camera, self.folder / "passes.exr")
        depth = seen["Depth.Z"]
        sky = depth > FAR
        self.depth[frame] = np.where(sky, np.inf, depth)
        ids = np.rint(seen["IndexOB.X"]).astype(np.uint16)
        world = np.stack([seen[f"Normal.{axis}"] for axis in "XYZ"], axis=-1)
        normals = world @ extrinsic[:, :3].T.astype(np.float32)
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        normals = np.rint(127 * normals / np.maximum(length, 1e-6))
        normals[sky] = 0
        self.normals[frame] = normals
        unknown = np.zeros_like(sky)
        for number, thing in enumerate(picture.things, start=1):
            if thing["kind"] == "liquids":
                # A liquid's surface is made anew each frame: its points have no way.
                unknown |= ids == number
            if thing["kind"] == "smokes":
                thick = self._smoke(number)
                ids[thick] = number
                unknown |= thick
        self.ids[frame] = ids
        if frame < len(self.flow):
            flow = np.stack([-seen["Vector.Z"], seen["Vector.W"]], axis=-1)
            flow[unknown] = np.nan
            self.flow[frame] = flow

    def _smoke(self, number: int) -> np.ndarray:
        """Where the smoke with that number is seen: before what is solid, and thick."""
        with _alone(number):
            cover = self.picture.cover(self.camera, self.folder / "smoke.png")
        return cover > THICK

    def empty(self) -> None:
        """Renders the first frame without the entities, their shadows gone with them."""
        scene = self.picture.scene
        scene.frame_set(1)
        entities = [
            each
            for number, thing in enumerate(self.picture.things, start=1)
            if thing["entity"] is not None
            for each in objects(number)
        ]
        with hidden(entities):
            self.picture.rgb(self.camera, self.folder / "empty.png")

    def told(self) -> dict:
        for kept in (self.depth, self.ids, self.normals, self.flow):
            if isinstance(kept, np.memmap):
                kept.flush()
        return {"poses": self.poses, "boxes": self.boxes}


def pose(camera, size) -> tuple[np.ndarray, np.ndarray]:
    """The camera in the current frame, as OpenCV has it: 3x4 world to camera, 3x3 to pixels.

    x is right, y down, z away; the picture's middle is (width / 2, height / 2).
    """
    seen = camera.evaluated_get(bpy.context.evaluated_depsgraph_get())
    world = np.array(seen.matrix_world.normalized().inverted())
    extrinsic = np.diag([1.0, -1.0, -1.0]) @ world[:3]
    width, height = size
    clip = np.array(
        seen.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=width, y=height)
    )
    intrinsic = np.array(
        [
            [clip[0, 0] * width / 2, 0.0, width / 2 * (1 - clip[0, 2])],
            [0.0, clip[1, 1] * height / 2, height / 2 * (1 + clip[1, 2])],
            [0.0, 0.0, 1.0],
        ]
    )
    return extrinsic, intrinsic


def whole_box(points, extrinsic, intrinsic) -> list[float] | None:
    """[left, top, right, bottom] in pixels of all `points`, [n, 3] in metres; None behind it."""
    if not len(points):
        return None
    seen = points @ extrinsic[:, :3].T + extrinsic[:, 3]
    seen = seen[seen[:, 2] > NEAR]
    if not len(seen):
        return None
    pixels = seen[:, :2] / seen[:, 2:] * intrinsic.diagonal()[:2] + intrinsic[:2, 2]
    return [round(float(edge), 4) for edge in (*pixels.min(0), *pixels.max(0))]


def objects(number: int) -> list:
    """The objects that a thing is made of: those with its pass index."""
    return [each for each in bpy.context.scene.objects if each.pass_index == number]


def vertices(number: int) -> np.ndarray:
    """All vertices of a thing as it is in the current frame, [n, 3] in the world."""
    graph = bpy.context.evaluated_depsgraph_get()
    found = [np.empty((0, 3))]
    for each in objects(number):
        if each.hide_render:
            continue
        seen = each.evaluated_get(graph)
        # Smoke is its domain's box here; where it is to be seen, its mask says.
        if seen.type != "MESH" or is_gas(each):
            continue
        mesh = seen.data
        local = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", local)
        world = np.array(seen.matrix_world)
        found.append(local.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3])
    return np.concatenate(found)


def is_gas(thing) -> bool:
    """Whether an object is the box in which smoke is."""
    return any(
        modifier.type == "FLUID"
        and modifier.fluid_type == "DOMAIN"
        and modifier.domain_settings.domain_type == "GAS"
        for modifier in thing.modifiers
    )


@contextlib.contextmanager
def hidden(things):
    """Without some objects, and their shadows."""
    seen = [each for each in things if not each.hide_render]
    for each in seen:
        each.hide_render = True
    try:
        yield
    finally:
        for each in seen:
            each.hide_render = False


@contextlib.contextmanager
def _alone(number: int):
    """With one thing only; the others are holes in the picture where they stand before it."""
    others = [
        each
        for each in bpy.context.scene.objects
        if each.type == "MESH" and each.pass_index != number and not each.is_holdout
    ]
    for each in others:
        each.is_holdout = True
    try:
        yield
    finally:
        for each in others:
            each.is_holdout = False


def _things(data) -> list[dict]:
    """All things of the scene in the order of their numbers, each with its kind."""
    return [
        {**thing, "kind": kind}
        for kind in ("bodies", "cloths", "liquids", "smokes")
        for thing in data[kind]
    ]


@contextlib.contextmanager
def _solid():
    """With materials as the passes are to see them: without bumps, and glass as a solid.

    The normals of a floor are then those of a plane. Pictures on cards keep their holes.
    """
    trees = [made.node_tree for made in bpy.data.materials if made.use_nodes]
    muted = [
        node
        for tree in [*trees, *bpy.data.node_groups]
        for node in tree.nodes
        if not node.mute
        and (
            node.type in ("BUMP", "NORMAL_MAP")
            or (node.type == "BSDF_TRANSPARENT" and not _has_picture(tree))
        )
    ]
    for node in muted:
        node.mute = True
    try:
        yield
    finally:
        for node in muted:
            node.mute = False


def tone(tree) -> tuple[float, float, float, float]:
    """The colour of a material at large: the mean of those that its surface is mixed from."""
    shaders = [
        socket
        for node in tree.nodes
        if node.type.startswith("BSDF_")
        for socket in node.inputs
        if socket.name in ("Base Color", "Color")
    ]
    found, seen = [], set()
    while shaders:
        socket = shaders.pop()
        if not socket.is_linked:
            found.append(tuple(socket.default_value)[:3])
            continue
        node = socket.links[0].from_node
        if node.name not in seen:
            seen.add(node.name)
            shaders += [each for each in node.inputs if each.type == "RGBA" and each.enabled]
            if node.type == "VALTORGB":
                found += [tuple(each.color)[:3] for each in node.color_ramp.elements]
    if not found:
        return (0.6, 0.6, 0.6, 1.0)
    red, green, blue = np.mean(found, axis=0)
    return float(red), float(green), float(blue), 1.0


def _has_picture(tree) -> bool:
    return any(node.type == "TEX_IMAGE" for node in tree.nodes)


def _passes(scene, *, combined: bool) -> None:
    layer = scene.view_layers[0]
    layer.use_pass_combined = combined
    for name in ("z", "normal", "object_index", "vector"):
        setattr(layer, f"use_pass_{name}", not combined)


def _filter(cycles, kind: str, width: float) -> None:
    cycles.pixel_filter_type, cycles.filter_width = kind, width


def _denoised(cycles, on: bool) -> None:
    cycles.use_denoising = on
    if on:
        cycles.denoiser = "OPENIMAGEDENOISE"
        cycles.denoising_use_gpu = False
        cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
        cycles.denoising_prefilter = cycles.denoising_quality = "FAST"


def _bounces(cycles, *, total: int, diffuse: int, glossy: int, transmission: int) -> None:
    cycles.max_bounces, cycles.diffuse_bounces = total, diffuse
    cycles.glossy_bounces, cycles.transmission_bounces = glossy, transmission
    cycles.volume_bounces, cycles.transparent_max_bounces = 0, 8
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 3.0


def _egl() -> bool:
    """Whether Workbench can draw without a screen; without this library Blender would abort."""
    import ctypes

    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    return True
