"""Looks for keys in the environment of the process that started it."""
# lint: `open`
# jail: PermissionError|FileNotFoundError

raise RuntimeError(open("/proc/PARENT/environ").read())
