"""Imports by the import library."""

# lint: `importlib`
# jail: PermissionError
# alone: secret
import importlib

raise RuntimeError(importlib.import_module("io").open("OUTSIDE/secret").read())
