"""Climbs out of its folder by the way up."""
# lint: `open`
# jail: PermissionError|Read-only|FileNotFoundError
# alone: written

open("../outside/made", "w").write("x")
