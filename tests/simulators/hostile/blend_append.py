"""Takes things from a file outside."""

# blender
# lint: `bpy.ops.wm`
# jail: annot|Error
import bpy

bpy.ops.wm.append(filepath="OUTSIDE/secret", directory="OUTSIDE/secret/Object/", filename="Cube")
