"""Moves a file out of its folder."""

# lint: `open`
# jail: PermissionError|Read-only|OSError
# alone: written
import os

open("made", "w").write("x")
os.rename("made", "OUTSIDE/made")
