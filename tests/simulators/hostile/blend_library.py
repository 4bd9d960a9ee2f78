"""Opens a file outside as a library."""

# blender
# lint: `libraries`
# jail: annot|Error
import bpy

with bpy.data.libraries.load("OUTSIDE/secret") as (there, here):
    here.objects = there.objects
