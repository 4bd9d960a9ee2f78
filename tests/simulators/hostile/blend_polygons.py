"""Builds a thousand million squares."""

# blender
# lint: too large
# jail: longer than|CPU seconds|MemoryError|SIGSEGV|SIGABRT|SIGKILL|memory
import bpy

mesh = bpy.data.meshes.new("many")
mesh.vertices.add(4 * 10**9 // 2)
mesh.loops.add(4 * 10**8)
mesh.polygons.add(10**9)
held = [bpy.data.meshes.new("more").vertices.add(10**9) for _ in range(100)]
