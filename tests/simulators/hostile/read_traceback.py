"""Lets the traceback quote a file outside as if it were source code."""
# lint: `compile`
# jail: ZeroDivisionError

exec(compile("1 / 0", "OUTSIDE/secret", "exec"))
