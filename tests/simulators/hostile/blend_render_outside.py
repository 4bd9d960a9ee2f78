"""Renders into a file outside."""

# blender
# lint: `bpy.ops.render`
# jail: annot|Error
# alone: written
import bpy

scene = bpy.context.scene
scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
scene.collection.objects.link(scene.camera)
scene.render.engine, scene.cycles.samples = "CYCLES", 1
scene.render.resolution_x = scene.render.resolution_y = 16
scene.render.filepath = "OUTSIDE/made.png"
bpy.ops.render.render(write_still=True)
