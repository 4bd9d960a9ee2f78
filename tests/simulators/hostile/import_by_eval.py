"""Computes its code."""
# lint: `eval`
# jail: PermissionError
# alone: secret

raise RuntimeError(eval("op" + "en('OUTSIDE/secret').read()"))
