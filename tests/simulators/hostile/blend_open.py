"""Opens a file from outside as a scene."""

# blender
# lint: `bpy.ops.wm`
# jail: annot|Error
import bpy

bpy.ops.wm.open_mainfile(filepath="OUTSIDE/secret")
