"""Reads through what the kernel shows of another process's root."""
# lint: `open`
# jail: PermissionError|FileNotFoundError

raise RuntimeError(open("/proc/PARENT/root/OUTSIDE/secret").read())
