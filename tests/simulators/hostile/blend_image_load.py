"""Loads a picture from outside."""

# blender
# lint: `load`
# jail: no picture|Error
# alone: secret
import bpy

seen = bpy.data.images.load("OUTSIDE/picture.png")
raise RuntimeError("SECRET" if seen.size[0] == 7 else "no picture")
