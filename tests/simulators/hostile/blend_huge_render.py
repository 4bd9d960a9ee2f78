"""Renders a picture that takes days."""

# blender
# lint: `bpy.ops.render`
# jail: longer than|CPU seconds|MemoryError|SIGSEGV|SIGABRT|SIGKILL|memory
import bpy

scene = bpy.context.scene
scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
scene.collection.objects.link(scene.camera)
bpy.ops.mesh.primitive_monkey_add()
scene.render.engine, scene.cycles.samples = "CYCLES", 100000
scene.cycles.use_adaptive_sampling = False
scene.render.resolution_x = scene.render.resolution_y = 16384
bpy.ops.render.render()
