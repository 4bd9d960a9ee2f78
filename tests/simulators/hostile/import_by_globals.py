"""Reaches what a helper's own file has imported."""
# lint: `__globals__`
# jail: PermissionError
# alone: secret

held = ball.__globals__["__builtins__"]
raise RuntimeError(held["open"]("OUTSIDE/secret").read())
