"""Reads a file through file descriptors."""

# lint: `os`
# jail: PermissionError
# alone: secret
import os

raise RuntimeError(os.read(os.open("OUTSIDE/secret", os.O_RDONLY), 100).decode())
