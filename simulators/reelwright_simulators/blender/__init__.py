"""Blender as a process of its own: where it is, how it is installed, and how it runs a request.

Blender's Python is GPL code and never imported here; files, JSON and a process border lie between.
What stands in `inside/` is run by Blender's own interpreter alone.
"""
