"""Gives a file outside a second name inside."""

# lint: `os`
# jail: PermissionError|FileNotFoundError
# alone: secret
import os

os.link("OUTSIDE/secret", "innocent")
raise RuntimeError(open("innocent").read())
