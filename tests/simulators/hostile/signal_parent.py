"""Ends the process that started it."""

# lint: `os`
# jail: PermissionError|ProcessLookupError
import os

os.kill(PARENT, 9)
