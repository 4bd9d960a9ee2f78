"""Loads a sound from outside."""

# blender
# lint: `load`
# jail: annot|no sound|Unable
import bpy

held = bpy.data.sounds.load("OUTSIDE/secret")
held.pack()
raise RuntimeError(held.packed_file.data if held.packed_file else "no sound")
