"""Leaves a function that runs later, when the scene is filmed."""

# blender
# lint: `app`
# jail: PermissionError|Read-only|FileNotFoundError|nothing in the scene
# alone: written
import bpy


def later(*_):
    open("OUTSIDE/made", "w").close()


bpy.app.handlers.frame_change_pre.append(later)
bpy.context.scene.frame_set(5)
