"""Saves its scene outside."""

# blender
# lint: `bpy.ops.wm`
# jail: annot|Error
# alone: written
import bpy

bpy.ops.wm.save_as_mainfile(filepath="OUTSIDE/made.blend")
