"""What things look like: materials, grounds, fabrics, liquids, smoke, the sky and the lights.

All of it is made of Blender's own procedural textures. The view transform is `Standard`, so that a
colour that was asked for is the colour in the picture, and the exposure is set by the light that
falls on the ground, so that nothing is blown out.
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy
from materials import COLOURS
from mathutils import Vector

# Of what has no colour of its own.
_OWN = {
    "wood": (186, 132, 82),
    "rubber": (70, 72, 78),
    "metal": (196, 198, 204),
    "stone": (158, 154, 148),
    "plastic": (224, 226, 230),
    "glass": (236, 246, 246),
    "ice": (206, 230, 244),
    "paper": (240, 236, 226),
    "leather": (140, 84, 50),
    "mirror": (238, 240, 242),
}
_FABRIC = {
    "cotton": (226, 220, 206),
    "silk": (196, 60, 84),
    "denim": (62, 88, 138),
    "leather": (122, 74, 46),
    "rubber": (70, 72, 78),
}
_GROUND = {
    "plain": (206, 204, 200),
    "wood": (176, 124, 78),
    "grass": (122, 164, 82),
    "sand": (222, 196, 148),
    "stone": (164, 160, 154),
    "snow": (238, 242, 247),
    "asphalt": (138, 139, 143),
}
# What a sheet on the ground that sends back all light becomes: `white` sends back 87 %.
_WHITE = 1.05


def linear(rgb):
    """Colours of sRGB, 0..255, as linear RGBA of 0..1."""
    plain = [value / 255 for value in rgb]
    return (
        *(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in plain),
        1.0,
    )


def colour_of(name, otherwise):
    """Linear RGBA of a colour's name, or of the sRGB `otherwise` if there is none."""
    return linear(COLOURS[name] if name else otherwise)


class Nodes:
    """The node tree of a material or world, filled from the code."""

    def __init__(self, owner):
        owner.use_nodes = True
        self.tree = owner.node_tree
        self.tree.nodes.clear()

    def add(self, kind, *inputs, out=0, named=None, **options):
        """A node with its inputs set, in order or by name; its output `out`.

        An input is a value, another node's output, or None to leave it as it is.
        """
        node = self.tree.nodes.new("ShaderNode" + kind)
        for name, value in options.items():
            setattr(node, name, value)
        for key, value in [*enumerate(inputs), *(named or {}).items()]:
            if value is None:
                continue
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[key])
            else:
                node.inputs[key].default_value = value
        return node.outputs[out] if node.outputs else None

    def math(self, operation, *inputs):
        """A number from numbers."""
        return self.add("Math", *inputs, operation=operation)

    def mix(self, part, first, second, blend="MIX"):
        """A colour between two."""
        node = self.tree.nodes.new("ShaderNodeMix")
        node.data_type, node.blend_type = "RGBA", blend
        for socket, value in zip(
            (node.inputs[0], node.inputs[6], node.inputs[7]), (part, first, second), strict=True
        ):
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            else:
                socket.default_value = value
        return node.outputs[2]

    def noise(self, where, scale, detail=3.0, rough=0.55):
        """Clouds of 0..1."""
        return self.add(
            "TexNoise",
            where,
            named={"Scale": scale, "Detail": detail, "Roughness": rough},
        )

    def steps(self, value, low, high):
        """0 below `low`, 1 above `high`, straight between."""
        return self.add("MapRange", value, low, high, 0.0, 1.0)

    def stretched(self, where, scale):
        """Coordinates times `scale`, axis by axis."""
        return self.add("Mapping", where, None, None, scale)

    def bump(self, height, strength, distance):
        """A normal that follows `height`."""
        return self.add(
            "Bump", named={"Strength": strength, "Distance": distance, "Height": height}
        )

    def principled(self, **inputs):
        """Blender's main surface shader; `base_color` sets `Base Color`, and so on."""
        named = {
            key.replace("_", " ").title().replace("Ior", "IOR"): v for key, v in inputs.items()
        }
        return self.add("BsdfPrincipled", named=named)

    def surface(self, shader):
        """What the surface is made of."""
        self.add("OutputMaterial", shader)


def shade(tone, part):
    """A linear colour made darker (`part` below 1) or lighter."""
    return (*(min(1.0, value * part) for value in tone[:3]), 1.0)


def new(name):
    """An empty material."""
    return bpy.data.materials.new(name)


def plain(name, tone, rough=0.5, metallic=0.0, coat=0.0):
    """One colour all over, linear RGBA."""
    made = new(name)
    nodes = Nodes(made)
    nodes.surface(
        nodes.principled(base_color=tone, roughness=rough, metallic=metallic, coat_weight=coat)
    )
    return made


def material(kind, colour=None, *, size=0.3, thin=False):
    """A material by its name; `size` in metres sets its grain, `thin` glass does not refract."""
    tone = colour_of(colour, _OWN[kind])
    if kind == "metal":
        return plain(kind, tone, rough=0.3, metallic=1.0)
    if kind == "mirror":
        return plain(kind, tone, rough=0.0, metallic=1.0)
    if kind == "plastic":
        return plain(kind, tone, rough=0.28, coat=0.35)
    if kind == "rubber":
        return plain(kind, tone, rough=0.55)
    made = new(kind)
    nodes = Nodes(made)
    where = nodes.add("TexCoord", out=3)
    nodes.surface(_GRAINS[kind](nodes, where, tone, 1.0 / size, thin))
    return made


def _wood(nodes, where, tone, scale, _thin):
    along = nodes.stretched(where, (scale * 0.35, scale, scale * 1.6))
    bend = nodes.noise(along, 2.0, 2.0)
    rings = nodes.add(
        "TexWave",
        along,
        named={"Scale": 2.6, "Distortion": 5.0, "Detail": 2.0, "Detail Scale": 1.2},
        wave_type="BANDS",
        bands_direction="DIAGONAL",
        out=1,
    )
    fibres = nodes.noise(nodes.stretched(where, (scale * 2, scale * 40, scale * 40)), 1.0, 2.0)
    grain = nodes.math("MULTIPLY_ADD", rings, 0.7, nodes.math("MULTIPLY", bend, 0.45))
    grain = nodes.math("MULTIPLY_ADD", fibres, 0.3, nodes.math("MULTIPLY", grain, 0.8))
    shown = nodes.mix(nodes.steps(grain, 0.2, 1.1), shade(tone, 1.12), shade(tone, 0.62))
    return nodes.principled(
        base_color=shown, roughness=0.45, normal=nodes.bump(grain, 0.12, 0.01 / scale)
    )


def _stone(nodes, where, tone, scale, _thin):
    coarse = nodes.noise(where, 3.0 * scale, 6.0, 0.65)
    specks = nodes.noise(where, 28.0 * scale, 2.0)
    mixed = nodes.math("MULTIPLY_ADD", specks, 0.45, nodes.math("MULTIPLY", coarse, 0.6))
    shown = nodes.mix(nodes.steps(mixed, 0.3, 0.75), shade(tone, 0.55), shade(tone, 1.25))
    return nodes.principled(
        base_color=shown, roughness=0.8, normal=nodes.bump(mixed, 0.5, 0.05 / scale)
    )


def _glass(nodes, where, tone, scale, thin):
    through = nodes.add("BsdfTransparent", tone)
    if thin:
        # No refraction: what is behind stays sharp with few samples, and light falls through.
        edge = nodes.math("POWER", nodes.add("LayerWeight", 0.5, out=1), 3.0)
        seen = nodes.math("MULTIPLY_ADD", edge, 0.6, 0.03)
        shine = nodes.add("BsdfGlossy", (1, 1, 1, 1), 0.05)
        return nodes.add("MixShader", seen, through, shine)
    solid = nodes.principled(base_color=tone, roughness=0.0, transmission_weight=1.0, ior=1.45)
    shadow = nodes.math("MULTIPLY", nodes.add("LightPath", out=1), 0.75)
    return nodes.add("MixShader", shadow, solid, through)


def _ice(nodes, where, tone, scale, _thin):
    veins = nodes.noise(where, 4.0 * scale, 5.0, 0.7)
    shown = nodes.mix(nodes.steps(veins, 0.45, 0.75), shade(tone, 0.86), (0.95, 0.98, 1.0, 1.0))
    return nodes.principled(
        base_color=shown,
        roughness=0.12,
        transmission_weight=0.35,
        ior=1.31,
        coat_weight=0.5,
        normal=nodes.bump(veins, 0.25, 0.03 / scale),
    )


def _paper(nodes, where, tone, scale, _thin):
    fibres = nodes.noise(where, 60.0 * scale, 2.0)
    shown = nodes.mix(nodes.steps(fibres, 0.3, 0.8), tone, shade(tone, 0.9))
    return nodes.principled(base_color=shown, roughness=0.95, specular_ior_level=0.2)


def _leather(nodes, where, tone, scale, _thin):
    pores = nodes.add("TexVoronoi", where, named={"Scale": 42.0 * scale})
    wear = nodes.noise(where, 3.0 * scale, 4.0)
    shown = nodes.mix(nodes.steps(wear, 0.3, 0.8), shade(tone, 0.75), shade(tone, 1.15))
    return nodes.principled(
        base_color=shown, roughness=0.5, normal=nodes.bump(pores, 0.35, 0.008 / scale)
    )


_GRAINS = {
    "wood": _wood,
    "stone": _stone,
    "glass": _glass,
    "ice": _ice,
    "paper": _paper,
    "leather": _leather,
}


def basketball(colour, radius):
    """Pebbled leather with the eight panels' seams, for a ball about its own origin."""
    made = new("basketball")
    nodes = Nodes(made)
    where = nodes.add("TexCoord", out=3)
    unit = nodes.stretched(where, (1 / radius,) * 3)
    parts = nodes.tree.nodes.new("ShaderNodeSeparateXYZ")
    nodes.tree.links.new(unit, parts.inputs[0])
    x, y, z = (nodes.math("ABSOLUTE", parts.outputs[i]) for i in range(3))
    bow = nodes.math("MULTIPLY_ADD", nodes.math("MULTIPLY", z, z), 0.42, 0.46)
    arc = nodes.math("MULTIPLY", nodes.math("ABSOLUTE", nodes.math("SUBTRACT", y, bow)), 0.85)
    near = nodes.math("MINIMUM", nodes.math("MINIMUM", x, z), arc)
    skin = nodes.steps(near, 0.018, 0.034)
    tone = colour_of(colour, (214, 106, 44))
    pores = nodes.add("TexVoronoi", unit, named={"Scale": 26.0})
    spots = nodes.mix(nodes.steps(pores, 0.1, 0.5), shade(tone, 1.1), shade(tone, 0.8))
    height = nodes.math("MULTIPLY_ADD", pores, -0.25, skin)
    nodes.surface(
        nodes.principled(
            base_color=nodes.mix(skin, linear((34, 28, 26)), spots),
            roughness=0.55,
            normal=nodes.bump(height, 0.5, 0.03 * radius),
        )
    )
    return made


def leaves(tone):
    """Foliage: light and dark spots."""
    made = new("leaves")
    nodes = Nodes(made)
    spots = nodes.noise(nodes.add("TexCoord", out=3), 30.0, 3.0, 0.7)
    shown = nodes.mix(nodes.steps(spots, 0.35, 0.7), shade(tone, 0.55), shade(tone, 1.25))
    nodes.surface(nodes.principled(base_color=shown, roughness=0.8, specular_ior_level=0.2))
    return made


def picture(path):
    """A cut-out: its own colours, and nothing where it is transparent."""
    made = new("card")
    nodes = Nodes(made)
    image = bpy.data.images.load(path)
    image.alpha_mode = "STRAIGHT"
    node = nodes.tree.nodes.new("ShaderNodeTexImage")
    node.image, node.extension = image, "CLIP"
    seen = nodes.math("GREATER_THAN", node.outputs[1], 0.5)
    body = nodes.principled(base_color=node.outputs[0], roughness=0.9, specular_ior_level=0.1)
    nodes.surface(nodes.add("MixShader", seen, nodes.add("BsdfTransparent"), body))
    return made


def fabric(kind, colour=None):
    """A woven sheet, the same from both sides."""
    tone = colour_of(colour, _FABRIC[kind])
    made = new("fabric")
    nodes = Nodes(made)
    where = nodes.add("TexCoord", out=2)
    if kind in ("leather", "rubber"):
        rough, sheen, fine = (0.5, 0.0, 60.0) if kind == "leather" else (0.4, 0.0, 10.0)
    else:
        rough, sheen, fine = {"silk": (0.28, 0.5, 260.0), "denim": (0.9, 0.2, 130.0)}.get(
            kind, (0.85, 0.3, 160.0)
        )
    weave = nodes.add(
        "TexWave",
        where,
        named={"Scale": fine / 6, "Distortion": 0.6},
        bands_direction="DIAGONAL" if kind == "denim" else "X",
        out=1,
    )
    strength = 0.3 if kind == "denim" else 0.08
    shown = nodes.mix(nodes.math("MULTIPLY", weave, strength), tone, shade(tone, 0.55))
    body = nodes.principled(
        base_color=shown, roughness=rough, sheen_weight=sheen, sheen_roughness=0.4
    )
    # A little light comes through cloth: its folds stay readable against the sun.
    back = nodes.add("BsdfTranslucent", shown)
    part = 0.0 if kind in ("leather", "rubber") else 0.22
    nodes.surface(nodes.add("MixShader", part, body, back))
    return made


def liquid(colour, viscosity):
    """Water, or a tinted and the more opaque liquid the thicker it is."""
    made = new("liquid")
    nodes = Nodes(made)
    tone = colour_of(colour, (172, 220, 242))
    # Seen through without refraction, which few samples would leave noisy; less than half of it,
    # so that its surface is still what the data passes see.
    clear = max(0.0, 0.48 - min(1.0, viscosity / 2e-3) * 0.3 - (0.12 if colour else 0.0))
    body = nodes.principled(base_color=tone, roughness=0.08, specular_ior_level=0.8)
    shine = nodes.add("BsdfGlossy", (1, 1, 1, 1), 0.03)
    edge = nodes.math("POWER", nodes.add("LayerWeight", 0.5, out=1), 2.5)
    body = nodes.add("MixShader", nodes.math("MULTIPLY", edge, 0.7), body, shine)
    through = nodes.add("BsdfTransparent", shade(tone, 1.1))
    shadow = nodes.math("MULTIPLY", nodes.add("LightPath", out=1), 0.75)
    part = nodes.math("MAXIMUM", shadow, clear)
    nodes.surface(nodes.add("MixShader", part, body, through))
    return made


def smoke(colour, fire):
    """A volume as thick as the simulated density; flames glow by their heat."""
    made = new("smoke")
    nodes = Nodes(made)
    tone = colour_of(colour, (236, 237, 240) if not fire else (90, 86, 84))
    volume = nodes.add(
        "VolumePrincipled",
        named={
            "Color": tone,
            "Density": 9.0 if not fire else 7.0,
            "Density Attribute": "density",
            "Anisotropy": 0.0,
        },
    )
    if not fire:
        # Light that is scattered leaves more noise than few samples and a denoiser can mend: this
        # smoke hides what is behind it and shines of itself, more on the side of the usual sun.
        glow = volume.node.inputs
        glow["Color"].default_value = (0.0, 0.0, 0.0, 1.0)
        glow["Emission Color"].default_value = tone
        density = nodes.add("Attribute", out=2, attribute_name="density")
        side = nodes.tree.nodes.new("ShaderNodeSeparateXYZ")
        nodes.tree.links.new(nodes.add("TexCoord"), side.inputs[0])
        lit = nodes.math("MULTIPLY_ADD", side.outputs[0], -5.0, 7.5)
        nodes.tree.links.new(nodes.math("MULTIPLY", density, lit), glow["Emission Strength"])
    if fire:
        flame = nodes.add("Attribute", out=2, attribute_name="flame")
        heat = nodes.tree.nodes.new("ShaderNodeValToRGB")
        nodes.tree.links.new(flame, heat.inputs[0])
        ramp = heat.color_ramp
        ramp.elements[0].color = (0.5, 0.02, 0.0, 1.0)
        ramp.elements[1].position, ramp.elements[1].color = 0.9, (1.0, 0.55, 0.12, 1.0)
        ramp.elements.new(0.4).color = (1.0, 0.16, 0.01, 1.0)
        node = volume.node
        nodes.tree.links.new(heat.outputs[0], node.inputs["Emission Color"])
        nodes.tree.links.new(nodes.math("MULTIPLY", flame, 14.0), node.inputs["Emission Strength"])
    nodes.add("OutputMaterial", named={"Volume": volume})
    return made


def ground(look, colour, sky, place=None):
    """The floor: it fades into the horizon far away; `place` is a picture that lies on it."""
    made = new("ground")
    nodes = Nodes(made)
    where = nodes.add("TexCoord", out=3)
    if place:
        shown = _screen(nodes, place)
        nodes.surface(nodes.principled(base_color=shown, roughness=1.0, specular_ior_level=0.0))
        return made
    tone = colour_of(colour, _GROUND[look])
    shown, height, deep, rough = _FLOORS[look](nodes, where, tone)
    inputs = {"base_color": shown, "roughness": rough, "specular_ior_level": 0.3}
    if height is not None:
        inputs["normal"] = nodes.bump(height, 0.6, deep)
    body = nodes.principled(**inputs)
    far = nodes.steps(nodes.add("CameraData", out=2), 14.0, 70.0)
    only = nodes.math("MULTIPLY", far, nodes.add("LightPath", out=0))
    haze = nodes.add("Emission", linear(sky["horizon"]), 1.0)
    haze.node.label = "haze"
    nodes.surface(nodes.add("MixShader", only, body, haze))
    return made


def _plain_floor(nodes, where, tone):
    soft = nodes.noise(where, 0.8, 3.0)
    return nodes.mix(soft, shade(tone, 0.94), shade(tone, 1.04)), None, 0, 0.6


def _planks(nodes, where, tone):
    brick = nodes.tree.nodes.new("ShaderNodeTexBrick")
    brick.offset, brick.offset_frequency = 0.37, 2
    nodes.tree.links.new(where, brick.inputs["Vector"])
    for name, value in {
        "Color1": (0.0, 0.0, 0.0, 1.0),
        "Color2": (1.0, 1.0, 1.0, 1.0),
        "Mortar": (0.5, 0.5, 0.5, 1.0),
        "Scale": 1.0,
        "Mortar Size": 0.004,
        "Brick Width": 1.6,
        "Row Height": 0.17,
    }.items():
        brick.inputs[name].default_value = value
    board = brick.outputs[0]
    moved = nodes.add("VectorMath", where, board, operation="ADD")
    fibres = nodes.noise(nodes.stretched(moved, (1.4, 26.0, 1.0)), 1.3, 4.0, 0.6)
    rings = nodes.add(
        "TexWave",
        nodes.stretched(moved, (0.5, 6.0, 1.0)),
        named={"Scale": 1.1, "Distortion": 7.0, "Detail": 2.0, "Detail Scale": 0.8},
        bands_direction="Y",
        out=1,
    )
    grain = nodes.math("MULTIPLY_ADD", rings, 0.4, nodes.math("MULTIPLY", fibres, 0.6))
    shown = nodes.mix(nodes.steps(grain, 0.15, 0.85), shade(tone, 1.3), shade(tone, 0.8))
    each = nodes.mix(board, (0.84, 0.84, 0.84, 1.0), (1.1, 1.1, 1.1, 1.0))
    shown = nodes.mix(1.0, shown, each, "MULTIPLY")
    shown = nodes.mix(brick.outputs[1], shown, shade(tone, 0.22))
    flat = nodes.math("SUBTRACT", nodes.math("MULTIPLY", grain, 0.1), brick.outputs[1])
    return shown, flat, 0.004, 0.38


def _grass(nodes, where, tone):
    blades = nodes.noise(nodes.stretched(where, (1.0, 0.45, 1.0)), 42.0, 3.0, 0.7)
    tufts = nodes.noise(where, 5.0, 4.0, 0.6)
    large = nodes.noise(where, 0.7, 3.0)
    mixed = nodes.math("MULTIPLY_ADD", blades, 0.6, nodes.math("MULTIPLY", tufts, 0.45))
    shown = nodes.mix(nodes.steps(mixed, 0.3, 0.8), shade(tone, 0.42), shade(tone, 1.25))
    dry = nodes.mix(nodes.steps(large, 0.45, 0.75), shown, linear((166, 172, 96)))
    return nodes.mix(0.4, shown, dry), mixed, 0.05, 0.9


def _sand(nodes, where, tone):
    grains = nodes.noise(where, 240.0, 2.0)
    ripples = nodes.add(
        "TexWave",
        where,
        named={"Scale": 1.5, "Distortion": 5.0, "Detail": 2.0, "Detail Scale": 0.7},
        bands_direction="Y",
        out=1,
    )
    dunes = nodes.noise(where, 1.2, 3.0)
    mixed = nodes.math("MULTIPLY_ADD", ripples, 0.5, nodes.math("MULTIPLY", dunes, 0.5))
    shown = nodes.mix(nodes.steps(mixed, 0.1, 0.9), shade(tone, 0.86), shade(tone, 1.08))
    shown = nodes.mix(nodes.steps(grains, 0.45, 0.75), shown, shade(tone, 0.72))
    return shown, mixed, 0.05, 0.95


def _flags(nodes, where, tone):
    brick = nodes.tree.nodes.new("ShaderNodeTexBrick")
    nodes.tree.links.new(where, brick.inputs["Vector"])
    for name, value in {
        "Color1": shade(tone, 0.82),
        "Color2": shade(tone, 1.1),
        "Mortar": shade(tone, 0.45),
        "Scale": 1.0,
        "Mortar Size": 0.012,
        "Mortar Smooth": 0.3,
        "Brick Width": 0.7,
        "Row Height": 0.45,
    }.items():
        brick.inputs[name].default_value = value
    rough = nodes.noise(where, 9.0, 6.0, 0.7)
    shown = nodes.mix(nodes.steps(rough, 0.35, 0.75), brick.outputs[0], shade(tone, 0.6))
    shown = nodes.mix(0.55, brick.outputs[0], shown)
    flat = nodes.math("MULTIPLY_ADD", rough, 0.3, nodes.math("MULTIPLY", brick.outputs[1], -1.0))
    return shown, flat, 0.02, 0.75


def _snow(nodes, where, tone):
    soft = nodes.noise(where, 1.3, 4.0, 0.5)
    fine = nodes.noise(where, 90.0, 2.0)
    mixed = nodes.math("MULTIPLY_ADD", fine, 0.12, soft)
    shown = nodes.mix(nodes.steps(soft, 0.3, 0.7), linear((214, 226, 242)), tone)
    return shown, mixed, 0.12, 0.7


def _asphalt(nodes, where, tone):
    stones = nodes.add("TexVoronoi", where, named={"Scale": 110.0})
    worn = nodes.noise(where, 2.2, 4.0)
    shown = nodes.mix(nodes.steps(stones, 0.1, 0.6), shade(tone, 1.35), shade(tone, 0.7))
    shown = nodes.mix(nodes.math("MULTIPLY", worn, 0.5), shown, shade(tone, 0.8))
    return shown, stones, 0.004, 0.85


_FLOORS = {
    "plain": _plain_floor,
    "wood": _planks,
    "grass": _grass,
    "sand": _sand,
    "stone": _flags,
    "snow": _snow,
    "asphalt": _asphalt,
}


def _screen(nodes, path):
    """The picture's colour behind each point of the camera's own picture."""
    node = nodes.tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(path, check_existing=True)
    node.extension = "EXTEND"
    nodes.tree.links.new(nodes.add("TexCoord", out=5), node.inputs[0])
    return node.outputs[0]


def light_up(scene, folder):
    """Lights, sky and exposure of a scene; the lamps made.

    Raises `ValueError` for a sky that is a picture, and no `place.png` in the folder.
    """
    lamps = [_lamp(i, light) for i, light in enumerate(scene["lights"])]
    gain = _WHITE / max(1e-6, _falling(scene))
    view = bpy.context.scene.view_settings
    view.view_transform, view.look = "Standard", "None"
    view.gamma = 1.0
    view.exposure = max(-10.0, min(10.0, math.log2(gain)))
    bpy.context.scene.display_settings.display_device = "sRGB"
    _sky(scene["sky"], gain, place_of(scene, folder))
    return lamps


def place_of(scene, folder):
    """The path of the place's picture behind the scene, or None."""
    if not scene["sky"]["picture"]:
        return None
    path = Path(folder) / "place.png"
    if not path.is_file():
        raise ValueError(f"the sky is a picture, and there is no place.png in {folder}")
    return str(path)


def _falling(scene):
    """What a white sheet on the ground sends back, of 1: all the light that falls on it over pi."""
    sky = scene["sky"]
    got = 0.0
    for light in scene["lights"]:
        reach = Vector(light["position"]) - Vector(light["towards"])
        steep = max(0.25, reach.z / max(reach.length, 1e-6))
        if light["kind"] == "sun":
            got += light["strength"] * steep / math.pi
        else:
            spread = math.pi if light["kind"] == "area" else 4 * math.pi
            got += light["strength"] * steep / (spread * math.pi * max(reach.length_squared, 0.01))
    top, horizon = linear(sky["top"]), linear(sky["horizon"])
    got += sky["strength"] * sum(0.65 * t + 0.35 * h for t, h in zip(top, horizon, strict=True)) / 4
    return got


def _lamp(number, light):
    name = f"light-{number + 1}"
    data = bpy.data.lights.new(name, light["kind"].upper())
    data.energy = light["strength"]
    if light["kind"] == "sun":
        # A sharp edge looks drawn; the real sun's is half a degree wide.
        data.angle = math.radians(max(light["size"], 2.0))
        data.color = (1.0, 0.96, 0.9)
    elif light["kind"] == "area":
        data.size = light["size"]
    else:
        data.shadow_soft_size = light["size"] / 2
    lamp = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(lamp)
    lamp.location = light["position"]
    reach = Vector(light["towards"]) - Vector(light["position"])
    lamp.rotation_mode = "QUATERNION"
    if reach.length > 1e-6:
        lamp.rotation_quaternion = reach.to_track_quat("-Z", "Y")
    return lamp


def _sky(sky, gain, place):
    """The sky: as bright as asked where it lights things, in its own colours where it is seen."""
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    # It is smooth: rays find it by themselves, and a map of it would cost seconds.
    world.cycles.sampling_method = "NONE"
    nodes = Nodes(world)
    up = nodes.tree.nodes.new("ShaderNodeSeparateXYZ")
    nodes.tree.links.new(nodes.add("TexCoord"), up.inputs[0])
    rise = nodes.math("POWER", nodes.steps(up.outputs[2], 0.0, 0.6), 0.7)
    tone = nodes.mix(rise, linear(sky["horizon"]), linear(sky["top"]))
    path = nodes.tree.nodes.new("ShaderNodeLightPath")
    seen = nodes.math("MAXIMUM", path.outputs["Is Camera Ray"], path.outputs["Is Transmission Ray"])
    shown = nodes.mix(path.outputs["Is Camera Ray"], tone, _screen(nodes, place)) if place else tone
    lights = nodes.add("Background", tone, sky["strength"])
    visible = nodes.add("Background", shown, 1.0 / gain)
    nodes.add("OutputWorld", nodes.add("MixShader", seen, lights, visible))
    for made in bpy.data.materials:
        for node in made.node_tree.nodes if made.use_nodes else ():
            if node.label == "haze":
                node.inputs[1].default_value = 1.0 / gain
