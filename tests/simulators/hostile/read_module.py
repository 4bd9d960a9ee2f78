"""Imports a module that lies outside."""

# lint: `sys`
# jail: ModuleNotFoundError
# alone: secret
import sys

sys.path.insert(0, "OUTSIDE")
import planted

raise RuntimeError(planted.TEXT)
