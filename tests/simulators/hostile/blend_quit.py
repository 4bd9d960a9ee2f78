"""Ends Blender."""

# blender
# lint: `bpy.ops.wm`
# jail: nothing in the scene|made by itself|declares nothing
import bpy

bpy.ops.wm.quit_blender()
