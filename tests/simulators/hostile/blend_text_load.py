"""Loads a file outside as a text."""

# blender
# lint: `load`
# jail: annot|no text
# alone: secret
import bpy

raise RuntimeError(bpy.data.texts.load("OUTSIDE/secret").as_string() or "no text")
