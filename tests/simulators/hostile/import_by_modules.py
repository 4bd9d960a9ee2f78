"""Takes a module from the table of those that are loaded."""

# lint: `sys`
# jail: PermissionError
# alone: secret
import sys

raise RuntimeError(sys.modules["io"].open("OUTSIDE/secret").read())
