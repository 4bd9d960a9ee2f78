"""Changes when a file outside was changed."""

# lint: `os`
# jail: PermissionError
# alone: written
import os

os.utime("OUTSIDE/secret", (1, 1))
