"""Packs a file from outside into its own."""

# blender
# lint: `load`
# jail: annot|Error|no file
# alone: secret
import bpy

held = bpy.data.images.load("OUTSIDE/picture.png")
held.pack()
raise RuntimeError("SECRET" if held.packed_file else "no file")
