"""Tiny diffusers models with random weights: to try families and graphs without gigabytes.

Each module's `build` writes a real model in the standard folder layout; what it films is noise in
motion, but every part is of the published classes and runs the published code.
"""
