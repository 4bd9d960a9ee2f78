"""Reads a file as a path."""

# lint: `pathlib`
# jail: PermissionError
# alone: secret
from pathlib import Path

raise RuntimeError(Path("OUTSIDE/secret").read_text())
