"""Writes where everyone may."""
# lint: `open`
# jail: PermissionError|Read-only|FileNotFoundError
# alone: written

open("OUTSIDE/../made-beside", "w").write("x")
