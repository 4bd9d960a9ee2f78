"""Calls itself without end."""
# lint: calls itself
# jail: RecursionError|SIGKILL


def again(depth):
    return again(depth + 1)


again(0)
