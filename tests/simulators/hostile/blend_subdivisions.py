"""Divides a surface until nothing holds it."""

# blender
# lint: levels
# jail: longer than|CPU seconds|MemoryError|SIGSEGV|SIGABRT|SIGKILL|memory
import bpy

bpy.ops.mesh.primitive_cube_add()
cube = bpy.context.object
for _ in range(4):
    part = cube.modifiers.new("divided", "SUBSURF")
    part.subdivision_type, part.levels, part.render_levels = "SIMPLE", 11, 11
bpy.context.view_layer.update()
print(len(cube.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh().polygons))
while True:
    bpy.context.view_layer.update()
