"""Hides a call in an operator of a class."""
# lint: class
# jail: PermissionError
# alone: secret


class Innocent:
    def __add__(self, other):
        return open(other).read()


raise RuntimeError(Innocent() + "OUTSIDE/secret")
