"""Changes the user's settings for every later start."""

# blender
# lint: `bpy.ops.wm`
# jail: made by itself|declares nothing|nothing in the scene|Error|annot
import bpy

bpy.ops.wm.save_userpref()
