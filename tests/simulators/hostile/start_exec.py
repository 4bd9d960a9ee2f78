"""Becomes another program."""

# lint: `os`
# jail: PermissionError
# alone: written
import os

os.execv("/bin/touch", ["touch", "OUTSIDE/made"])
