"""A red flag waves in a strong wind; a small sphere on its pole is made with Blender itself."""

import bpy

ground(look="grass")
flag("flag", (0, 0, 1.5), size=(1.2, 0.8), fabric="silk", colour="red", detail=16)
wind(12, direction=(1, 0.25, 0), gusts=0.3)
camera((0.2, -4.5, 1.4), (0.2, 0, 1.2), lens=40)
things = run()

pole = things["flag-pole"]
top = pole.location.z + pole.dimensions.z / 2
bpy.ops.mesh.primitive_uv_sphere_add(
    radius=0.05, segments=24, ring_count=12, location=(pole.location.x, 0, top + 0.04)
)
knob = bpy.context.object
knob.name = "knob"
gold = bpy.data.materials.new("gold")
gold.use_nodes = True
surface = gold.node_tree.nodes["Principled BSDF"]
surface.inputs["Base Color"].default_value = (0.9, 0.6, 0.1, 1)
surface.inputs["Metallic"].default_value = 1.0
knob.data.materials.append(gold)
