"""Exports its scene to a file outside."""

# blender
# lint: `bpy.ops.wm`
# jail: annot|Error|made by itself|declares nothing|nothing in the scene
# alone: written
import bpy

bpy.ops.mesh.primitive_cube_add()
bpy.ops.wm.obj_export(filepath="OUTSIDE/made.obj")
