"""Starts a program by the shortest way."""

# lint: `os`
# jail: PermissionError
# alone: written
import os

os.waitpid(os.posix_spawn("/bin/touch", ["touch", "OUTSIDE/made"], {}), 0)
