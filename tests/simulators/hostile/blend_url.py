"""Opens a page in the browser."""

# blender
# lint: `bpy.ops.wm`
# jail: Error|not permitted|nothing in the scene
import bpy

bpy.ops.wm.url_open(url="http://127.0.0.1:TCP/")
