"""Ends its group and whoever is in it."""

# lint: `os`
# jail: PermissionError|ProcessLookupError
import os

os.killpg(os.getpgid(PARENT), 9)
