"""Adds to a file outside."""
# lint: `open`
# jail: PermissionError|Read-only|FileNotFoundError
# alone: written

open("OUTSIDE/secret", "a").write("x")
