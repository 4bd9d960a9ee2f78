"""Starts a shell."""

# lint: `os`
# jail: could not
# alone: written
import os

raise RuntimeError("could not" if os.system("touch OUTSIDE/made") else "could")
