"""Runs a text as a module."""

# blender
# lint: `texts`
# jail: PermissionError|Read-only|FileNotFoundError
# alone: written
import bpy

held = bpy.data.texts.new("held.py")
held.write("open('OUTSIDE/made', 'w').close()")
held.as_module()
