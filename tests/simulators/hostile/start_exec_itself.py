"""Becomes the same interpreter again, to begin anew."""

# lint: `os`
# jail: PermissionError
import os
import sys

os.execv(sys.executable, [sys.executable, "-c", "while True: pass"])
