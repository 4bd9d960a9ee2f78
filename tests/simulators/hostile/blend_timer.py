"""Leaves a function that the clock calls, and one that a change calls."""

# blender
# lint: `app`
# jail: nothing in the scene|made by itself|declares nothing
import bpy


def later():
    open("OUTSIDE/made", "w").close()
    return 0.01


bpy.app.timers.register(later, first_interval=0.0, persistent=True)
bpy.msgbus.subscribe_rna(key=(bpy.types.Object, "location"), owner=object(), args=(), notify=later)
