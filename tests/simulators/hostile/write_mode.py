"""Opens a file outside to everyone."""

# lint: `os`
# jail: PermissionError
# alone: written
import os

os.chmod("OUTSIDE/secret", 0o666)
