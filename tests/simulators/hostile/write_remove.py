"""Removes a file outside."""

# lint: `os`
# jail: PermissionError|Read-only|FileNotFoundError
# alone: written
import os

os.remove("OUTSIDE/secret")
