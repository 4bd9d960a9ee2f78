"""Writes a file outside."""
# lint: `open`
# jail: PermissionError|Read-only|FileNotFoundError
# alone: written

open("OUTSIDE/made", "w").write("x")
