"""Empties a file outside without opening it."""

# lint: `os`
# jail: PermissionError|Read-only|FileNotFoundError
# alone: written
import os

os.truncate("OUTSIDE/secret", 0)
