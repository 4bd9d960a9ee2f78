"""Saves a picture outside."""

# blender
# lint: `filepath_raw`
# jail: annot|Error|could not
# alone: written
import bpy

made = bpy.data.images.new("made", 4, 4)
made.filepath_raw, made.file_format = "OUTSIDE/made.png", "PNG"
made.save()
