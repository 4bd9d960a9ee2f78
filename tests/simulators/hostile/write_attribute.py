"""Hangs a note on a file outside."""

# lint: `os`
# jail: PermissionError
import os

os.setxattr("OUTSIDE/secret", "user.note", b"x")
