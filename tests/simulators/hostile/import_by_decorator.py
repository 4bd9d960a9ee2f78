"""Calls by decorating."""
# lint: decorator
# jail: PermissionError
# alone: secret


@lambda _: open("OUTSIDE/secret").read()
def secret():
    pass


raise RuntimeError(secret)
