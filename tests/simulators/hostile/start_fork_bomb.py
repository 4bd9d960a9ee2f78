"""Doubles until nothing else runs."""

# lint: `os`
# jail: PermissionError
import os

while True:
    os.fork()
