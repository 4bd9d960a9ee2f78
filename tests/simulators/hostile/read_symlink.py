"""Makes a link in its own folder and reads through it."""

# lint: `os`
# jail: PermissionError
# alone: secret
import os

os.symlink("OUTSIDE/secret", "innocent")
raise RuntimeError(open("innocent").read())
