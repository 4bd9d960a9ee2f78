"""Walks through attributes inside of a format string, which no syntax tree shows."""
# lint: `format`
# jail: PYTHONHASHSEED

shown = "{0.__globals__[re].enum.sys.modules[os].environ}".format(ball)
raise RuntimeError(shown)
