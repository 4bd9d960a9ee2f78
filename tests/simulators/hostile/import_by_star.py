"""Imports everything from a module that may be imported."""

# lint: `random`
# jail: PermissionError
# alone: secret
from random import _os

raise RuntimeError(_os.read(_os.open("OUTSIDE/secret", 0), 100))
