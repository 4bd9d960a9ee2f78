"""Reads through what the kernel shows of its own root."""
# lint: `open`
# jail: PermissionError|FileNotFoundError
# alone: secret

raise RuntimeError(open("/proc/self/root/OUTSIDE/secret").read())
